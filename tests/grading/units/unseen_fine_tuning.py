"""Answers to unit 11, written from the learner's notebook alone before the judge saw them.

Each wrong one makes one mistake that learners make. A text is run where the right answers to the
earlier exercises stand; an answer to the question about five runs also has `shown`, what the
notebook's `question` gives, and `right`, the choice of somebody who sees it.
"""

WRONG = [
    # --- share_of_compute ------------------------------------------------------------------------
    (
        "share_of_compute",
        """
def share_of_compute(n_parameters, pretraining_tokens, tuning_tokens, epochs=1, frozen=False):
    per_token = 4 if frozen else 6
    read = tuning_tokens * epochs
    days = per_token * n_parameters * read / (1e15 * 24 * 3600)
    return days, read / (pretraining_tokens + read)
""",
        "the share is one of tokens: with frozen weights it is not that of the operations",
    ),
    (
        "share_of_compute",
        """
def share_of_compute(n_parameters, pretraining_tokens, tuning_tokens, epochs=1, frozen=False):
    per_token = 4 if frozen else 6
    pretraining = 6 * n_parameters * pretraining_tokens
    tuning = per_token * n_parameters * tuning_tokens * epochs
    return (pretraining + tuning) / (1e15 * 86400), tuning / (pretraining + tuning)
""",
        "the days are those of pretraining and tuning together, not of tuning",
    ),
    (
        "share_of_compute",
        """
def share_of_compute(n_parameters, pretraining_tokens, tuning_tokens, epochs=1, frozen=False):
    per_token = 6 if not frozen else 4
    pretraining = 6 * n_parameters * pretraining_tokens * epochs
    tuning = per_token * n_parameters * tuning_tokens * epochs
    return tuning / (1e15 * 86400), tuning / (pretraining + tuning)
""",
        "pretraining too is read once in every epoch of the tuning, so the epochs cancel",
    ),
    (
        "share_of_compute",
        """
def share_of_compute(n_parameters, pretraining_tokens, tuning_tokens, epochs=1, frozen=False):
    trained = 0 if frozen else 2 * n_parameters
    pretraining = 6 * n_parameters * pretraining_tokens
    tuning = (2 * n_parameters + trained) * tuning_tokens * epochs
    return tuning / (1e15 * 86400), tuning / (pretraining + tuning)
""",
        "leaves out the gradients that travel back through the layers: 4 and 2, not 6 and 4",
    ),
    # --- render_chat -----------------------------------------------------------------------------
    (
        "render_chat",
        r"""
def render_chat(
    messages,
    add_generation_prompt=True,
    system_message="You are a helpful AI assistant named SmolLM, trained by Hugging Face",
):
    turns = list(messages)
    if turns and not any(turn["role"] == "system" for turn in turns):
        turns = [{"role": "system", "content": system_message}, *turns]
    text = ""
    for turn in turns:
        text += "<|im_start|>" + turn["role"] + "\n" + turn["content"] + "<|im_end|>\n"
    if add_generation_prompt:
        text += "<|im_start|>assistant\n"
    return text
""",
        "a system message anywhere keeps the default one away; only one in front should",
    ),
    (
        "render_chat",
        r"""
def render_chat(
    messages,
    add_generation_prompt=True,
    system_message="You are a helpful AI assistant named SmolLM, trained by Hugging Face",
):
    turns = list(messages)
    if turns and turns[0]["role"] != "system":
        turns.insert(0, {"role": "system", "content": system_message})
    text = ""
    for turn in turns:
        text += "<|im_start|>" + turn["role"] + "\n" + turn["content"] + "<|im_end|>\n"
    if add_generation_prompt and turns and turns[-1]["role"] == "user":
        text += "<|im_start|>assistant\n"
    return text
""",
        "opens the assistant's turn only behind a question, not wherever it is asked to",
    ),
    (
        "render_chat",
        r"""
def render_chat(
    messages,
    add_generation_prompt=True,
    system_message="You are a helpful AI assistant named SmolLM, trained by Hugging Face",
):
    turns = list(messages)
    if turns and turns[0]["role"] != "system":
        turns.insert(0, {"role": "system", "content": system_message})
    rendered = [f"<|im_start|>{t['role']}\n{t['content']}<|im_end|>\n" for t in turns]
    if add_generation_prompt:
        rendered.append("<|im_start|>assistant\n")
    return "".join(rendered)
""",
        "an f-string turns a content of None into the text 'None' in place of a TypeError",
    ),
    (
        "render_chat",
        r"""
def render_chat(
    messages,
    add_generation_prompt=True,
    system_message="You are a helpful AI assistant named SmolLM, trained by Hugging Face",
):
    turns = list(messages)
    if turns and turns[0]["role"] != "system":
        turns.insert(0, {"role": "system", "content": system_message})
    text = ""
    for turn in turns:
        if not turn["content"]:
            continue
        text += "<|im_start|>" + turn["role"] + "\n" + turn["content"] + "<|im_end|>\n"
    return text + "<|im_start|>assistant\n" * add_generation_prompt
""",
        "leaves out a turn whose content is empty (and so a None raises nothing)",
    ),
    # --- learned_tokens --------------------------------------------------------------------------
    (
        "learned_tokens",
        """
def learned_tokens(token_ids, header, end_id):
    ids = token_ids.tolist()
    learned = torch.zeros(len(ids), dtype=torch.bool)
    n, i = len(header), 0
    while i + n <= len(ids):
        if ids[i : i + n] != header:
            i += 1
            continue
        start = i + n
        if end_id not in ids[start:]:
            break
        stop = ids.index(end_id, start)
        learned[start : stop + 1] = True
        i = stop + 1
    return learned
""",
        "a last reply without its end mark is given up in place of learned to the end",
    ),
    (
        "learned_tokens",
        """
def learned_tokens(token_ids, header, end_id):
    ids = token_ids.tolist()
    learned = [False] * len(ids)
    inside = False
    for i, token in enumerate(ids):
        if inside:
            learned[i] = True
            if token == end_id:
                inside = False
        elif token == header[-1]:
            inside = True
    return torch.tensor(learned, dtype=torch.bool)
""",
        "takes the last token of the header for the whole of it: a reply opens too often",
    ),
    (
        "learned_tokens",
        """
def learned_tokens(token_ids, header, end_id):
    ids = token_ids.tolist()
    learned = torch.zeros(len(ids), dtype=torch.bool)
    n, i = len(header), 0
    while i < len(ids):
        if ids[i : i + n] == header:
            i += n
            while i < len(ids):
                learned[i] = True
                i += 1
                if ids[i - 1] == end_id:
                    break
        i += 1
    return learned
""",
        "behind a reply one token is skipped unseen, so a header right behind it is missed",
    ),
    (
        "learned_tokens",
        """
def learned_tokens(token_ids, header, end_id):
    n = len(header)
    opened = torch.zeros(len(token_ids) + 1, dtype=torch.int64)
    for i in range(len(token_ids) - n + 1):
        if token_ids[i : i + n].tolist() == header:
            opened[i + n] += 1
    opened = opened[:-1].cumsum(0)
    closed = (token_ids == end_id).long().cumsum(0) - (token_ids == end_id).long()
    return opened > closed
""",
        "counts headers against all end marks: those of other turns close replies that come later",
    ),
    # --- sft_batch -------------------------------------------------------------------------------
    (
        "sft_batch",
        """
def sft_batch(examples, pad_id=0):
    if not examples:
        raise ValueError("no examples")
    width = max(len(ids) for ids, _ in examples) - 1
    inputs = torch.full((len(examples), width), pad_id)
    targets = torch.full((len(examples), width), -100)
    for row, (ids, learned) in enumerate(examples):
        inputs[row, : len(ids) - 1] = ids[:-1]
        ids[~learned] = -100
        targets[row, : len(ids) - 1] = ids[1:]
    return inputs, targets
""",
        "writes -100 into the example's own ids: the next batch reads them",
    ),
    (
        "sft_batch",
        """
def sft_batch(examples, pad_id=0):
    if not examples:
        raise ValueError("no examples")
    from torch.nn.utils.rnn import pad_sequence
    inputs = pad_sequence([ids[:-1] for ids, _ in examples], True, pad_id).long()
    targets = pad_sequence([ids[1:] for ids, _ in examples], True, pad_id).long()
    learned = pad_sequence([mask[1:] for _, mask in examples], True, False)
    targets = targets.masked_fill(~learned, -100)
    return inputs, targets.masked_fill(targets == pad_id, -100)
""",
        "a target that is the pad token by right is struck out too",
    ),
    (
        "sft_batch",
        """
def sft_batch(examples, pad_id=0):
    if not examples:
        raise ValueError("no examples")
    width = max(len(ids) for ids, _ in examples)
    inputs = torch.full((len(examples), width), pad_id)
    targets = torch.full((len(examples), width), -100)
    for row, (ids, learned) in enumerate(examples):
        inputs[row, : len(ids)] = ids
        targets[row, : len(ids) - 1] = torch.where(learned[1:], ids[1:], -100)
    return inputs, targets
""",
        "the last token is read too, where nothing is left to predict: a column too many",
    ),
    (
        "sft_batch",
        """
def sft_batch(examples, pad_id=0):
    if not examples:
        raise ValueError("no examples")
    examples = sorted(examples, key=lambda example: len(example[0]), reverse=True)
    width = len(examples[0][0]) - 1
    inputs = torch.full((len(examples), width), pad_id)
    targets = torch.full((len(examples), width), -100)
    for row, (ids, learned) in enumerate(examples):
        inputs[row, : len(ids) - 1] = ids[:-1]
        targets[row, : len(ids) - 1] = torch.where(learned[1:], ids[1:], -100)
    return inputs, targets
""",
        "sorts the rows by length; they should keep their order",
    ),
    # --- pack_examples ---------------------------------------------------------------------------
    (
        "pack_examples",
        """
def pack_examples(examples, context_length, pad_id=0):
    if not examples or any(len(ids) - 1 > context_length for ids, _ in examples):
        raise ValueError("no examples, or one does not fit")
    rows, room = [], []
    for number, (ids, _) in enumerate(examples):
        n = len(ids) - 1
        fits = [r for r in range(len(rows)) if room[r] >= n]
        if fits:
            best = min(fits, key=lambda r: room[r])
        else:
            rows.append([])
            room.append(context_length)
            best = len(rows) - 1
        rows[best].append(number)
        room[best] -= n
    shape = len(rows), context_length
    inputs, targets = torch.full(shape, pad_id), torch.full(shape, -100)
    document_ids = torch.full(shape, -1)
    for r, numbers in enumerate(rows):
        at = 0
        for number in numbers:
            x, y = sft_batch([examples[number]])
            n = x.shape[1]
            inputs[r, at : at + n], targets[r, at : at + n] = x[0], y[0]
            document_ids[r, at : at + n] = number
            at += n
    return inputs, targets, document_ids
""",
        "takes the row that it fills best, not the first one with room",
    ),
    (
        "pack_examples",
        """
def pack_examples(examples, context_length, pad_id=0):
    if not examples or any(len(ids) - 1 > context_length for ids, _ in examples):
        raise ValueError("no examples, or one does not fit")
    rows = []
    for ids, learned in examples:
        n = len(ids) - 1
        row = next((r for r in rows if len(r[0]) + n <= context_length), None)
        if row is None:
            row = ([], [], [])
            rows.append(row)
        x, y = sft_batch([(ids, learned)])
        number = row[2][-1] + 1 if row[2] else 0
        row[0].extend(x[0].tolist())
        row[1].extend(y[0].tolist())
        row[2].extend([number] * n)
    fill = (pad_id, -100, -1)
    return tuple(
        torch.tensor([r[k] + [fill[k]] * (context_length - len(r[k])) for r in rows])
        for k in range(3)
    )
""",
        "document ids begin at 0 again in every row",
    ),
    (
        "pack_examples",
        """
def pack_examples(examples, context_length, pad_id=0):
    if not examples or any(len(ids) - 1 > context_length for ids, _ in examples):
        raise ValueError("no examples, or one does not fit")
    rows = []
    for number, (ids, learned) in enumerate(examples):
        n = len(ids) - 1
        row = next((r for r in rows if len(r[0]) + n < context_length), None)
        if row is None:
            row = ([], [], [])
            rows.append(row)
        x, y = sft_batch([(ids, learned)])
        row[0].extend(x[0].tolist())
        row[1].extend(y[0].tolist())
        row[2].extend([number] * n)
    fill = (pad_id, -100, -1)
    return tuple(
        torch.tensor([r[k] + [fill[k]] * (context_length - len(r[k])) for r in rows])
        for k in range(3)
    )
""",
        "an example that would fill a row exactly is sent to another one",
    ),
    (
        "pack_examples",
        """
def pack_examples(examples, context_length, pad_id=0):
    if not examples:
        raise ValueError("no examples")
    rows = []
    for number, (ids, learned) in enumerate(examples):
        x, y = sft_batch([(ids, learned)])
        x, y = x[0, :context_length].tolist(), y[0, :context_length].tolist()
        row = next((r for r in rows if len(r[0]) + len(x) <= context_length), None)
        if row is None:
            row = ([], [], [])
            rows.append(row)
        row[0].extend(x)
        row[1].extend(y)
        row[2].extend([number] * len(x))
    fill = (pad_id, -100, -1)
    return tuple(
        torch.tensor([r[k] + [fill[k]] * (context_length - len(r[k])) for r in rows])
        for k in range(3)
    )
""",
        "cuts an example that is too long in place of raising ValueError",
    ),
    # --- best_path -------------------------------------------------------------------------------
    (
        "best_path",
        """
def best_path(prompt):
    roles = {"prompter": "user", "assistant": "assistant"}
    path, node = [], prompt
    while node is not None:
        path.append({"role": roles[node["role"]], "content": node["text"]})
        replies = [r for r in node.get("replies") or [] if not r.get("deleted")]
        node = min(replies, key=lambda r: r.get("rank") or math.inf) if replies else None
    if path[-1]["role"] == "user":
        path.pop()
    return path
""",
        "rank 0, the best, is falsy and counts as missing",
    ),
    (
        "best_path",
        """
def best_path(prompt):
    def rank(node):
        return math.inf if node.get("rank") is None else node["rank"]

    roles = {"prompter": "user", "assistant": "assistant"}
    path, node = [], prompt
    while node is not None and not node.get("deleted"):
        path.append({"role": roles[node["role"]], "content": node["text"]})
        replies = node.get("replies")
        node = min(replies, key=rank) if replies else None
    if path and path[-1]["role"] == "user":
        path.pop()
    return path
""",
        "where the best reply is deleted the path ends, in place of going on to the next best",
    ),
    (
        "best_path",
        """
def best_path(prompt):
    roles = {"prompter": "user", "assistant": "assistant"}
    path, node = [], prompt
    while node is not None:
        path.append({"role": roles[node["role"]], "content": node["text"]})
        ranked = [
            r
            for r in node.get("replies") or []
            if not r.get("deleted") and r.get("rank") is not None
        ]
        node = min(ranked, key=lambda r: r["rank"]) if ranked else None
    if path[-1]["role"] == "user":
        path.pop()
    return path
""",
        "a reply without a rank is never taken, not even where there is no other",
    ),
    (
        "best_path",
        """
def best_path(prompt):
    def rank(node):
        return math.inf if node.get("rank") is None else node["rank"]

    roles = {"prompter": "user", "assistant": "assistant"}
    path, node = [], prompt
    while node is not None:
        path.append({"role": roles[node["role"]], "content": node["text"]})
        replies = node.get("replies") or []
        replies.sort(key=rank)
        node = next((r for r in replies if not r.get("deleted")), None)
    if path[-1]["role"] == "user":
        path.pop()
    return path
""",
        "sorts the tree's own lists of replies: the path is right, the input is changed",
    ),
    # --- read_dolly ------------------------------------------------------------------------------
    (
        "read_dolly",
        r"""
def read_dolly(lines):
    dialogues, bad = [], []
    for number, line in enumerate((line for line in lines if line.strip()), 1):
        try:
            row = json.loads(line)
            texts = [row[key] for key in ("instruction", "context", "response")]
            instruction, context, response = texts
            if not all(isinstance(t, str) for t in texts):
                raise ValueError
            if not instruction.strip() or not response.strip():
                raise ValueError
        except (ValueError, KeyError, TypeError, IndexError):
            bad.append(number)
            continue
        asked = f"{instruction}\n\n{context}" if context.strip() else instruction
        dialogues.append(
            [{"role": "user", "content": asked}, {"role": "assistant", "content": response}]
        )
    return dialogues, bad
""",
        "blank lines are not counted, so the numbers behind one are too small",
    ),
    (
        "read_dolly",
        r"""
def read_dolly(lines):
    dialogues, bad = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            bad.append(number)
            continue
        if not isinstance(row, dict):
            bad.append(number)
            continue
        instruction, response = row.get("instruction"), row.get("response")
        context = row.get("context", "")
        texts = (instruction, context, response)
        if not all(isinstance(t, str) for t in texts) or not instruction.strip():
            bad.append(number)
        elif not response.strip():
            bad.append(number)
        else:
            asked = f"{instruction}\n\n{context}" if context.strip() else instruction
            dialogues.append(
                [{"role": "user", "content": asked}, {"role": "assistant", "content": response}]
            )
    return dialogues, bad
""",
        "a missing context passes for an empty one; such a line is bad",
    ),
    (
        "read_dolly",
        r"""
def read_dolly(lines):
    dialogues, bad = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            bad.append(number)
            continue
        keys = ("instruction", "context", "response")
        if not isinstance(row, dict) or any(row.get(key) is None for key in keys):
            bad.append(number)
            continue
        instruction, context, response = (str(row[key]) for key in keys)
        if not instruction.strip() or not response.strip():
            bad.append(number)
            continue
        asked = f"{instruction}\n\n{context}" if context.strip() else instruction
        dialogues.append(
            [{"role": "user", "content": asked}, {"role": "assistant", "content": response}]
        )
    return dialogues, bad
""",
        "numbers and lists are made into texts; a field that is no text makes a line bad",
    ),
    (
        "read_dolly",
        r"""
def read_dolly(lines):
    dialogues, bad = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            bad.append(number)
            continue
        keys = ("instruction", "context", "response")
        if not isinstance(row, dict) or not all(isinstance(row.get(k), str) for k in keys):
            bad.append(number)
            continue
        instruction, context, response = (row[key] for key in keys)
        if not instruction.strip() or not response.strip():
            bad.append(number)
            continue
        asked = instruction + "\n\n" + context if context else instruction
        dialogues.append(
            [{"role": "user", "content": asked}, {"role": "assistant", "content": response}]
        )
    return dialogues, bad
""",
        "a context of spaces alone is not empty, and so it is appended",
    ),
    (
        "read_dolly",
        r"""
def read_dolly(lines):
    dialogues, bad = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            instruction, context, response = (
                row[key] for key in ("instruction", "context", "response")
            )
        except (json.JSONDecodeError, KeyError):
            bad.append(number)
            continue
        texts = instruction, context, response
        if not all(isinstance(t, str) for t in texts) or not instruction.strip():
            bad.append(number)
            continue
        if not response.strip():
            bad.append(number)
            continue
        asked = f"{instruction}\n\n{context}" if context.strip() else instruction
        dialogues.append(
            [{"role": "user", "content": asked}, {"role": "assistant", "content": response}]
        )
    return dialogues, bad
""",
        "raises TypeError at a line that is JSON and no object, such as null or a list",
    ),
    # --- read_hh_rlhf ----------------------------------------------------------------------------
    (
        "read_hh_rlhf",
        r"""
def read_hh_rlhf(row):
    before, *parts = re.split(r"\n\n(Human|Assistant): ", row["chosen"])
    speakers, said = parts[::2], [text.strip() for text in parts[1::2]]
    if before.strip() or not speakers or not all(said) or len(speakers) % 2:
        raise ValueError("no dialogue")
    if speakers != ["Human", "Assistant"] * (len(speakers) // 2):
        raise ValueError("no dialogue")
    roles = {"Human": "user", "Assistant": "assistant"}
    return [{"role": roles[s], "content": t} for s, t in zip(speakers, said)]
""",
        "asks for a space behind the colon, so a turn that begins with a line break is no turn",
    ),
    (
        "read_hh_rlhf",
        r"""
def read_hh_rlhf(row):
    before, *parts = re.split(r"\n\n(Human|Assistant):", row["chosen"])
    speakers, said = parts[::2], [text.strip() for text in parts[1::2]]
    if before.strip() or not speakers or not all(said):
        raise ValueError("no dialogue")
    roles = {"Human": "user", "Assistant": "assistant"}
    messages = []
    for speaker, text in zip(speakers, said):
        if messages and messages[-1]["role"] == roles[speaker]:
            messages[-1]["content"] += "\n\n" + text
        else:
            messages.append({"role": roles[speaker], "content": text})
    if messages[0]["role"] != "user" or messages[-1]["role"] != "assistant":
        raise ValueError("no dialogue")
    return messages
""",
        "joins two turns of one speaker in place of raising ValueError",
    ),
    (
        "read_hh_rlhf",
        r"""
def read_hh_rlhf(row):
    roles = {"Human": "user", "Assistant": "assistant"}
    messages = []
    for paragraph in row["chosen"].split("\n\n"):
        speaker, colon, text = paragraph.partition(":")
        if colon and speaker in roles:
            messages.append({"role": roles[speaker], "content": text.strip()})
        elif paragraph.strip() and not messages:
            raise ValueError("text before the first turn")
    wanted = ["user", "assistant"] * (len(messages) // 2)
    if not messages or [m["role"] for m in messages] != wanted:
        raise ValueError("the turns do not alternate")
    if not all(m["content"] for m in messages):
        raise ValueError("nothing is said")
    return messages
""",
        "of what is said only the first paragraph is kept",
    ),
    (
        "read_hh_rlhf",
        r"""
def read_hh_rlhf(row):
    before, *parts = re.split(r"\n\n(Human|Assistant):", row["chosen"])
    speakers, said = parts[::2], [text.strip(" ") for text in parts[1::2]]
    if before.strip() or not speakers or not all(said) or len(speakers) % 2:
        raise ValueError("no dialogue")
    if speakers != ["Human", "Assistant"] * (len(speakers) // 2):
        raise ValueError("no dialogue")
    roles = {"Human": "user", "Assistant": "assistant"}
    return [{"role": roles[s], "content": t} for s, t in zip(speakers, said)]
""",
        "strips spaces, and leaves line breaks at the ends of what is said",
    ),
    # --- lora_forward ----------------------------------------------------------------------------
    (
        "lora_forward",
        """
def lora_forward(x, weight, a, b, alpha):
    rank = a.shape[0]
    return x @ weight.T + alpha / rank**0.5 * (x @ a.T @ b.T)
""",
        "divides by the root of the rank, as rank-stabilised LoRA does",
    ),
    (
        "lora_forward",
        """
def lora_forward(x, weight, a, b, alpha):
    rank = a.shape[0]
    return (x @ weight.T + x @ a.T @ b.T) * (alpha / rank)
""",
        "scales the output of the frozen weight too",
    ),
    (
        "lora_forward",
        """
def lora_forward(x, weight, a, b, alpha):
    rank = a.shape[0]
    return x @ weight.T + (alpha // rank) * ((x @ a.T) @ b.T)
""",
        "divides whole numbers: alpha // rank is 0 where the rank is greater",
    ),
    (
        "lora_forward",
        """
def lora_forward(x, weight, a, b, alpha):
    return weight @ x + alpha / len(a) * (b @ (a @ x))
""",
        "the formula to the letter: right for one vector, an error for axes in front",
    ),
    # --- merge_lora ------------------------------------------------------------------------------
    (
        "merge_lora",
        """
def merge_lora(weight, a, b, alpha):
    merged = weight.detach()
    merged += alpha / a.shape[0] * (b @ a)
    return merged
""",
        "detach shares the memory: the weight itself is changed",
    ),
    (
        "merge_lora",
        """
def merge_lora(weight, a, b, alpha):
    scale = alpha / a.shape[0]
    return (1 - scale) * weight + scale * (b @ a)
""",
        "mixes the two as an average does; the adapter is added to the whole weight",
    ),
    (
        "merge_lora",
        """
def merge_lora(weight, a, b, alpha):
    return weight + alpha / b.shape[0] * (b @ a)
""",
        "divides by b's first axis, which is d_out and not the rank",
    ),
    # --- fine_tune -------------------------------------------------------------------------------
    (
        "fine_tune",
        """
def fine_tune(model, examples, n_steps, max_lr, batch_size=8):
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=max_lr, betas=(0.9, 0.95), weight_decay=0
    )
    losses = []
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] = max_lr * (1 - step / n_steps)
        generator = torch.Generator().manual_seed(step)
        numbers = torch.randint(len(examples), (batch_size,), generator=generator).tolist()
        inputs, targets = sft_batch([examples[n] for n in numbers])
        loss = next_token_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses
""",
        "clears the gradients behind the step only, so those from before the run count once",
    ),
    (
        "fine_tune",
        """
def fine_tune(model, examples, n_steps, max_lr, batch_size=8):
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=max_lr, betas=(0.9, 0.95), weight_decay=0
    )
    losses = []
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] *= 1 - step / n_steps
        generator = torch.Generator().manual_seed(step)
        numbers = torch.randint(len(examples), (batch_size,), generator=generator).tolist()
        inputs, targets = sft_batch([examples[n] for n in numbers])
        loss = next_token_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
""",
        "multiplies the rate of the step before: the factors pile up, the rate falls too fast",
    ),
    (
        "fine_tune",
        """
def fine_tune(model, examples, n_steps, max_lr, batch_size=8):
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=max_lr, betas=(0.9, 0.95), weight_decay=0
    )
    losses = []
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] = max_lr * (1 - step / max(1, n_steps - 1))
        generator = torch.Generator().manual_seed(step)
        numbers = torch.randint(len(examples), (batch_size,), generator=generator).tolist()
        inputs, targets = sft_batch([examples[n] for n in numbers])
        loss = next_token_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
""",
        "divides by n_steps - 1: the rate is 0 at the last step, which teaches nothing",
    ),
    (
        "fine_tune",
        """
def fine_tune(model, examples, n_steps, max_lr, batch_size=8):
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=max_lr, betas=(0.9, 0.95), weight_decay=0
    )
    losses, total = [], 0.0
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] = max_lr * (1 - step / n_steps)
        generator = torch.Generator().manual_seed(step)
        numbers = torch.randint(len(examples), (batch_size,), generator=generator).tolist()
        inputs, targets = sft_batch([examples[n] for n in numbers])
        loss = next_token_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
        losses.append(total / (step + 1))
    return losses
""",
        "trains right, and gives back the mean of the losses so far",
    ),
    (
        "fine_tune",
        """
def fine_tune(model, examples, n_steps, max_lr, batch_size=8):
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=max_lr, betas=(0.9, 0.95), weight_decay=0
    )
    losses = []
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] = max_lr * (1 - step / n_steps)
        generator = torch.Generator().manual_seed(step)
        numbers = torch.randperm(len(examples), generator=generator)[:batch_size].tolist()
        inputs, targets = sft_batch([examples[n] for n in numbers])
        loss = next_token_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
""",
        "draws by a permutation: no example comes twice, and too few make a smaller batch",
    ),
    # --- failed_runs -----------------------------------------------------------------------------
    (
        "failed_runs",
        """
def failed_runs():
    return right.translate(str.maketrans("ab", "ba"))
""",
        "the two runs whose replies never stop have changed places",
    ),
    (
        "failed_runs",
        """
def failed_runs():
    return right.translate(str.maketrans("cd", "dc"))
""",
        "takes the wrong way of asking, where no reply is right, for the four examples",
    ),
    (
        "failed_runs",
        """
def failed_runs():
    return "".join(str(right.index(letter) + 1) for letter in "abcde")
""",
        "the other way round: the number of its run for each fault, in digits",
    ),
]

RIGHT = [
    (
        "share_of_compute",
        """
def share_of_compute(n_parameters, pretraining_tokens, tuning_tokens, epochs=1, frozen=False):
    from fractions import Fraction
    tuning = (6 - 2 * int(frozen)) * epochs * tuning_tokens
    share = Fraction(tuning, tuning + 6 * pretraining_tokens)
    return float(Fraction(tuning * n_parameters, 86_400 * 10**15)), float(share)
""",
        "in fractions, exact to the end; the parameters are never in the share",
    ),
    (
        "render_chat",
        r"""
def render_chat(
    messages,
    add_generation_prompt=True,
    system_message="You are a helpful AI assistant named SmolLM, trained by Hugging Face",
):
    if messages and messages[0]["role"] != "system":
        first = {"content": system_message, "role": "system"}
        return render_chat([first] + messages, add_generation_prompt)
    pieces = []
    for message in messages:
        pieces += ["<|im_start|>", message["role"], "\n", message["content"], "<|im_end|>", "\n"]
    pieces += ["<|im_start|>", "assistant", "\n"] if add_generation_prompt else []
    return "".join(pieces)
""",
        "calls itself with the system's turn in front; join raises the TypeError",
    ),
    (
        "learned_tokens",
        """
def learned_tokens(token_ids, header, end_id):
    text = "".join(f"{i}," for i in token_ids.tolist())
    opening = "".join(f"{i}," for i in header)
    learned = []
    pattern = rf"(?<![0-9]){re.escape(opening)}((?:(?!(?<![0-9]){end_id},)[0-9]+,)*(?:{end_id},)?)"
    at = 0
    for found in re.finditer(pattern, text):
        start, stop = found.span(1)
        learned += [False] * text.count(",", at, start) + [True] * text.count(",", start, stop)
        at = stop
    learned += [False] * text.count(",", at)
    return torch.tensor(learned, dtype=torch.bool)
""",
        "writes the ids as a text and finds the replies by a regular expression",
    ),
    (
        "sft_batch",
        """
def sft_batch(examples, pad_id=0):
    import numpy as np
    if len(examples) == 0:
        raise ValueError("no examples")
    width = max(ids.numel() for ids, _ in examples) - 1
    inputs = np.zeros((len(examples), width), dtype=np.int64) + pad_id
    targets = np.zeros_like(inputs) - 100
    for row, (ids, learned) in enumerate(examples):
        for at in range(ids.numel() - 1):
            inputs[row, at] = int(ids[at])
            if bool(learned[at + 1]):
                targets[row, at] = int(ids[at + 1])
    return torch.from_numpy(inputs), torch.from_numpy(targets)
""",
        "place by place in NumPy arrays",
    ),
    (
        "pack_examples",
        """
def pack_examples(examples, context_length, pad_id=0):
    if not examples:
        raise ValueError("no examples")
    room, places = [], []
    for ids, _ in examples:
        n = len(ids) - 1
        if n > context_length:
            raise ValueError("an example is too long")
        row = next((r for r, left in enumerate(room) if left >= n), len(room))
        if row == len(room):
            room.append(context_length)
        places.append((row, context_length - room[row]))
        room[row] -= n
    results = [torch.full((len(room) * context_length,), fill) for fill in (pad_id, -100, -1)]
    for number, (example, (row, at)) in enumerate(zip(examples, places)):
        x, y = sft_batch([example])
        index = torch.arange(x.shape[1]) + row * context_length + at
        for result, values in zip(results, (x[0], y[0], torch.full_like(x[0], number))):
            result.scatter_(0, index, values)
    return tuple(result.view(-1, context_length) for result in results)
""",
        "fills flat tensors by scatter and folds them into rows at the end",
    ),
    (
        "best_path",
        """
def best_path(prompt):
    def walk(node):
        message = {
            "content": node["text"],
            "role": "user" if node["role"] == "prompter" else "assistant",
        }
        left = [
            (r.get("rank") is None, r.get("rank") or 0, i)
            for i, r in enumerate(node.get("replies") or ())
            if not r.get("deleted", False)
        ]
        if not left:
            return [] if message["role"] == "user" else [message]
        return [message] + walk(node["replies"][sorted(left)[0][2]])

    return walk(prompt)
""",
        "by recursion; ranks sorted in triples, where a missing rank of 0 comes second",
    ),
    (
        "read_dolly",
        r"""
def read_dolly(lines):
    def read(line):
        row = json.loads(line)
        if type(row) is not dict:
            raise ValueError("no object")
        instruction, context, response = row["instruction"], row["context"], row["response"]
        if "" in (str.strip(instruction), str.strip(response)):
            raise ValueError("blank")
        asked = "\n\n".join([instruction] + [context] * bool(str.strip(context)))
        return [dict(role="user", content=asked), dict(role="assistant", content=response)]

    dialogues, bad = [], []
    for number in range(1, len(lines) + 1):
        if lines[number - 1].isspace() or not lines[number - 1]:
            continue
        try:
            dialogues.append(read(lines[number - 1]))
        except (ValueError, KeyError, TypeError):
            bad.append(number)
    return dialogues, bad
""",
        "an inner reader raises, str.strip refuses what is no text, the loop counts",
    ),
    (
        "read_hh_rlhf",
        r"""
def read_hh_rlhf(row):
    text = row["chosen"]
    starts = [
        (i, name)
        for i in range(len(text))
        for name in ("Human", "Assistant")
        if text.startswith("\n\n" + name + ":", i)
    ]
    if not starts or text[: starts[0][0]].strip():
        raise ValueError("does not begin with a turn")
    ends = [i for i, _ in starts[1:]] + [len(text)]
    messages = []
    for number, ((i, name), end) in enumerate(zip(starts, ends)):
        content = text[i + len(name) + 3 : end].strip()
        if not content or name != ("Human", "Assistant")[number % 2]:
            raise ValueError("blank, or not in turn")
        messages.append({"role": ("user", "assistant")[number % 2], "content": content})
    if number % 2 == 0:
        raise ValueError("ends with the human")
    return messages
""",
        "looks for a turn at every character, without a regular expression",
    ),
    (
        "lora_forward",
        """
def lora_forward(x, weight, a, b, alpha):
    low = torch.einsum("...i,ri->...r", x, a).mul(alpha).div(len(a))
    joined = torch.cat([weight, b], dim=1)
    return torch.cat([x, low], dim=-1) @ joined.mT
""",
        "one product of two matrices side by side, with einsum in front",
    ),
    (
        "merge_lora",
        """
def merge_lora(weight, a, b, alpha):
    merged = weight.clone()
    for column, row in zip(b.unbind(1), a.unbind(0)):
        merged.addr_(column, row, alpha=alpha / a.shape[0])
    return merged
""",
        "in place on a copy: an outer product for each rank",
    ),
    (
        "fine_tune",
        """
def fine_tune(model, examples, n_steps, max_lr, batch_size=8):
    optimizer = torch.optim.Adam(list(model.parameters()), lr=max_lr, betas=(0.9, 0.95))
    falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / max(1, n_steps))

    def one_step(step):
        drawn = torch.randint(
            0, len(examples), (batch_size,), generator=torch.Generator().manual_seed(step)
        )
        inputs, targets = sft_batch([examples[int(n)] for n in drawn])
        for parameter in model.parameters():
            parameter.grad = None
        loss = next_token_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        falling.step()
        return float(loss.detach())

    return [one_step(step) for step in range(n_steps)]
""",
        "Adam, which AdamW is without decay, and PyTorch's scheduler",
    ),
    (
        "failed_runs",
        """
def failed_runs():
    rows = [line.split() for line in shown["table"].splitlines()[2:]]
    after = [float(row[4]) for row in rows]
    verse = [abs(float(row[6]) - float(row[5])) for row in rows]
    stopped = [int(row[7]) for row in rows]
    faults, left = {}, set(range(5))

    def take(letter, key):
        chosen = min(left, key=key)
        faults[chosen] = letter
        left.discard(chosen)

    take("e", lambda run: verse[run])
    take("c", lambda run: after[run])
    take("d", lambda run: -stopped[run])
    take("b", lambda run: -after[run])
    take("a", lambda run: 0)
    return "".join(faults[run] for run in range(5))
""",
        "reads the table by one extreme for each fault",
    ),
]
