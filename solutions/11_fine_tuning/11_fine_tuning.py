# %% [markdown]
# # Exercises: Fine-tuning
#
# You write eleven short functions and answer one question. Together they are what turns a model
# that completes texts into one that answers: chat template, loss mask, batches, packing, readers
# of published data, LoRA, and the loop. At the end your code tunes a small model while you watch.
# Plan about two hours and twenty minutes; every exercise says how long it takes. Exercise 5 belongs
# to a section marked *second reading*; all others need only the core of the chapter.
#
# **How checking works.** Replace `raise NotImplementedError()` by your code, run the cell, then
# run the `check` cell below it. The verdict comes within seconds: right, or what goes wrong and
# where. Where your answer shows a known misunderstanding, the verdict says which one and links to
# the section that clears it up. The inputs are new each time, and you can check as often as you
# like. Demonstration cells use your functions. While one is missing, they say so and go on.
#
# **How to read a signature.** `Int[Tensor, "batch seq"]` is a tensor of whole numbers whose axes
# have these names. `...` stands for any axes in front. Nothing checks these words while you work:
# they are there for you. Where a docstring promises an error, the check asks for it; its wording
# is yours. No input may be changed unless the text says so. Results are compared to about four
# digits, and floats stay in float32.

# %% tags=["setup"]
import json
import math
import re

import matplotlib.pyplot as plt
import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor, nn

from grading import check, demonstration, given, question

torch.set_num_threads(1)  # tensors this small gain nothing from more
torch.set_printoptions(precision=2, sci_mode=False)

# %%
next_token_loss = given("pretraining/next_token_loss")
document_mask = given("pretraining/document_mask")

# %% [markdown]
# ## 1. What share of the compute?
#
# {{fine_tuning/share_of_compute}}
#
# The warm-up. A model is pretrained once and then tuned. How much compute does the tuning take, and
# which share of the whole is that? For each parameter and token, training takes 6 operations: 2
# forward, 2 for the gradients that travel back through the layers, and 2 for those of the weights.
# With LoRA the weights are frozen, and the last 2 fall away.
#
# <details><summary>Hint</summary>
#
# Both runs in operations first. A petaflop/s-day is 10 to the power of 15 operations a second for
# 24 hours. The share is that of the two runs together.
#
# </details>


# %% exercise="fine_tuning/share_of_compute"
def share_of_compute(
    n_parameters: int,
    pretraining_tokens: int,
    tuning_tokens: int,
    epochs: int = 1,
    frozen: bool = False,
) -> tuple[float, float]:
    """What tuning costs in petaflop/s-days, and its share of pretraining and tuning together.

    Pretraining reads `pretraining_tokens` once; tuning reads `tuning_tokens` once in every epoch.
    For each parameter and token, a training step takes 6 operations. Where the weights are
    `frozen`, as with LoRA, tuning takes 4: their own gradients are not needed. (What the thin
    matrices cost is left out.) A petaflop/s-day is 10**15 operations a second for 24 hours. The
    share is between 0 and 1. Both results are plain Python floats.

    >>> days, share = share_of_compute(10**9, 99 * 10**9, 10**9)  # 1 token in 100
    >>> round(days, 4), round(share, 4)
    (0.0694, 0.01)
    >>> round(share_of_compute(10**9, 98 * 10**9, 10**9, epochs=3, frozen=True)[1], 4)  # 2 : 98 + 2
    0.02
    """
    pretraining = 6 * n_parameters * pretraining_tokens
    per_token = (4 if frozen else 6) * n_parameters
    tuning = per_token * tuning_tokens * epochs
    days = tuning / (1e15 * 24 * 60 * 60)
    share = tuning / (pretraining + tuning)
    return days, share


# %% [markdown]
# The published figures for InstructGPT, in petaflop/s-days (3640 for GPT-3, 4.9 for supervised
# tuning), and SmolLM2-135M: 2 trillion tokens of pretraining, and 10,000 tokens of tuning. Which
# share do you expect? Guess first.

# %% tags=["demo"]
with demonstration():
    print(f"InstructGPT, supervised part: {4.9 / (3640 + 4.9):.2%}")
    for name, tokens, frozen in (("full", 10_000, False), ("LoRA", 10_000, True)):
        days, share = share_of_compute(134_515_008, 2 * 10**12, tokens, 1, frozen)
        print(f"SmolLM2 on 10,000 tokens, {name}: {days:.1e} petaflop/s-days, {share:.1e} of all")

# %% [markdown]
# ## 2. The chat template
#
# {{fine_tuning/render_chat}}
#
# A model reads one text. The template says how a conversation becomes one, and a model that was
# tuned with a template has to be asked in it, to the character. This function is a part of your own
# model.
#
# <details><summary>Hint 1</summary>
#
# Build the list of turns first: the messages, perhaps with one more in front. Do not insert into
# the list that came in.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# A line break follows the role and another one the end mark, also after the last turn. The
# generation prompt ends with a line break and has no end mark: that is what the model will say.
#
# </details>


# %% exercise="fine_tuning/render_chat"
def render_chat(
    messages: list[dict[str, str]],
    add_generation_prompt: bool = True,
    system_message: str = "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
) -> str:
    """A conversation as one text, in the template that SmolLM2-Instruct was trained with.

    A message has a "role" ("system", "user" or "assistant") and a "content". Each becomes one turn:
    `<|im_start|>`, the role, a line break, the content as it is, `<|im_end|>`, a line break. Where
    the first message is not the system's, a turn of the system with `system_message` comes first;
    where there are no messages, there is no such turn. `add_generation_prompt` opens the
    assistant's turn at the end, for the model to continue: `<|im_start|>assistant` and a line
    break. Raises TypeError where a role or a content is no text.

    >>> system = {"role": "system", "content": "Be brief."}
    >>> render_chat([system, {"role": "user", "content": "Hi"}], False)
    '<|im_start|>system\\nBe brief.<|im_end|>\\n<|im_start|>user\\nHi<|im_end|>\\n'
    >>> render_chat([])
    '<|im_start|>assistant\\n'
    """
    turns = list(messages)
    if turns and turns[0]["role"] != "system":
        turns = [{"role": "system", "content": system_message}, *turns]
    text = ""
    for turn in turns:
        role, content = turn["role"], turn["content"]
        if not isinstance(role, str) or not isinstance(content, str):
            raise TypeError(f"role {role!r} and content {content!r} must be texts")
        text += f"<|im_start|>{role}\n{content}<|im_end|>\n"
    if add_generation_prompt:
        text += "<|im_start|>assistant\n"
    return text


# %% [markdown]
# SmolLM2-135M-Instruct, asked in your template. Then predict: what will it say when the generation
# prompt opens the *user's* turn, and what when the question comes without any template?

# %% tags=["demo"]
with demonstration():
    from reference_impl.fine_tuning.chat import default_model
    from reference_impl.inference.generation import generate

    smollm2, tokenizer = default_model()  # the first time, a few seconds
    asked = render_chat([{"role": "user", "content": "What is the capital of France?"}])
    as_user = asked.removesuffix("assistant\n") + "user\n"
    for prompt in (asked, as_user, "What is the capital of France?"):
        ids = tokenizer.encode(prompt, allowed_special="all")
        said = generate(smollm2, ids, 24, stop_ids={0, 2})  # 0 ends a text, 2 a turn
        print(repr(prompt[-24:]), "->", repr(tokenizer.decode(list(said))))

# %% [markdown]
# ## 3. What is to be learned
#
# {{fine_tuning/learned_tokens}}
#
# Supervised fine-tuning learns to *give* replies, not to ask questions. So the loss counts the
# tokens of the assistant's replies alone, and each reply's end mark, from which the model learns to
# stop. Find them in the tokens of a rendered dialogue.
#
# <details><summary>Hint 1</summary>
#
# Walk through the tokens and keep one flag: are we inside a reply? When does it become True, when
# False again? Is the token that makes it False learned or not?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Work with a list: `ids = token_ids.tolist()`. At place i, outside of a reply, the header has just
# ended where `ids[: i + 1]` ends with it.
#
# </details>


# %% exercise="fine_tuning/learned_tokens"
def learned_tokens(
    token_ids: Int[Tensor, " seq"], header: list[int], end_id: int
) -> Bool[Tensor, " seq"]:
    """True at every token of the replies and at the end mark of each, False at all others.

    A reply begins behind `header`, the tokens that open the assistant's turn (one or more). It goes
    to the next `end_id`, which belongs to it. There may be any number of replies, also none, and a
    reply may be empty but for its end mark. Where the last reply has no end mark, it goes to the
    end. Inside a reply nothing opens another one: a header there is text like any other. End marks
    of other turns are not learned. The result is boolean.

    >>> header, end = [1, 5], 2  # tokens 1 5: the assistant's turn begins
    >>> ids = torch.tensor([1, 4, 7, 7, 2, 9, 1, 5, 8, 8, 2, 9])
    >>> learned_tokens(ids, header, end).int()
    tensor([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0], dtype=torch.int32)
    """
    ids = token_ids.tolist()
    learned = torch.zeros(len(ids), dtype=torch.bool)
    inside = False
    for i, token in enumerate(ids):
        learned[i] = inside
        if inside:
            inside = token != end_id
        else:
            inside = ids[max(0, i + 1 - len(header)) : i + 1] == header
    return learned


# %% [markdown]
# A dialogue in SmolLM2's tokens; what is learned stands in brackets. Is the end mark among it?

# %% tags=["demo"]
HEADER = [1, 520, 9531, 198]  # <|im_start|>, two tokens of "assistant", a line break
with demonstration():
    dialogue = [
        {"role": "user", "content": "Which animal barks?"},
        {"role": "assistant", "content": "A dog."},
        {"role": "user", "content": "And which one purrs?"},
        {"role": "assistant", "content": "A cat."},
    ]
    ids = tokenizer.encode(render_chat(dialogue, False), allowed_special="all")
    flags = learned_tokens(torch.tensor(ids), HEADER, end_id=2).tolist()
    pieces = [tokenizer.decode([i]) for i in ids]
    print("".join(f"[{p}]" if flag else p for p, flag in zip(pieces, flags, strict=True)))

# %% [markdown]
# ## 4. A batch of examples
#
# {{fine_tuning/sft_batch}}
#
# From examples (token ids, and which of them are learned) to what a model reads and what it should
# predict. Two rules meet here: the targets are shifted by one, as in pretraining, and -100 stands
# where nothing is to be predicted. The most common fault of all fine-tuning code is to shift one of
# the two and not the other.
#
# <details><summary>Hint 1</summary>
#
# An example of n tokens has n - 1 inputs. `learned[i]` speaks of token i; at which position is
# token i the target?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Make two tensors of the full size with `torch.full`, and write each example into its row.
#
# </details>


# %% exercise="fine_tuning/sft_batch"
def sft_batch(
    examples: list[tuple[Tensor, Tensor]], pad_id: int = 0
) -> tuple[Int[Tensor, "batch width"], Int[Tensor, "batch width"]]:
    """Inputs and targets of a batch, a row for each example, in their order.

    Each example is a pair of tensors: token ids, and True where a token is learned. Its inputs are
    all tokens but the last. At each position the target is the next token where that one is
    learned, else -100. Rows are filled on the right to the longest: inputs with `pad_id`, targets
    with -100. `pad_id` may also occur as a real token, which is treated like any other. Both
    results are int64. Every example has at least 2 tokens. Raises ValueError where there are no
    examples.

    >>> long = torch.tensor([7, 8, 9, 2]), torch.tensor([False, False, True, True])
    >>> short = torch.tensor([5, 6]), torch.tensor([False, True])
    >>> sft_batch([long, short])
    (tensor([[7, 8, 9],
            [5, 0, 0]]), tensor([[-100,    9,    2],
            [   6, -100, -100]]))
    """
    if not examples:
        raise ValueError("there are no examples: give at least one")
    width = max(len(token_ids) for token_ids, _ in examples) - 1
    inputs = torch.full((len(examples), width), pad_id)
    targets = torch.full((len(examples), width), -100)
    for row, (token_ids, learned) in enumerate(examples):
        n_inputs = len(token_ids) - 1
        inputs[row, :n_inputs] = token_ids[:-1]
        wanted = token_ids[1:].masked_fill(~learned[1:], -100)
        targets[row, :n_inputs] = wanted
    return inputs, targets


# %% [markdown]
# The dialogue from above once more: what the model reads, and what it should say next. Where does
# the first target of the first reply stand?

# %% tags=["demo"]
with demonstration():
    example = torch.tensor(ids), torch.tensor(flags)
    inputs, targets = sft_batch([example])
    for read, wanted in zip(inputs[0, 24:40].tolist(), targets[0, 24:40].tolist(), strict=True):
        shown = "" if wanted == -100 else f" -> {tokenizer.decode([wanted])!r}"
        print(f"{tokenizer.decode([read])!r:>16}{shown}")

# %% [markdown]
# ## 5. Examples side by side
#
# {{fine_tuning/pack_examples}}
#
# Padding costs as much as real tokens. Packing puts several examples into one row. Unlike in
# pretraining none is cut, since half an answer teaches to break off. And no example may see another
# one: the document ids say whose token it is, for the mask of chapter 9.
#
# <details><summary>Hint 1</summary>
#
# Two steps: first decide which examples share a row, as lists of their numbers. Then fill the
# tensors.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `sft_batch([example])` gives one row of inputs and targets: copy it into its place. Why can no
# target of one example be a token of the next?
#
# </details>


# %% exercise="fine_tuning/pack_examples"
def pack_examples(
    examples: list[tuple[Tensor, Tensor]],
    context_length: int,
    pad_id: int = 0,
) -> tuple[
    Int[Tensor, "rows context_length"],
    Int[Tensor, "rows context_length"],
    Int[Tensor, "rows context_length"],
]:
    """Inputs, targets and document ids of examples that stand side by side in rows.

    The examples come in their order, and each goes whole into the first row that still has room for
    it, behind those that are there; a new row is begun where none has. In its place stand the
    inputs and targets that `sft_batch` makes of it alone: an example of n tokens takes n - 1
    places. The document id is the example's number, from 0. What is left of a row is filled with
    `pad_id`, -100 and the document id -1. All results are int64. Raises ValueError where an example
    does not fit into an empty row, or there are none.

    >>> examples = [(torch.arange(n), torch.arange(n) > 1) for n in (4, 5, 3)]
    >>> inputs, targets, document_ids = pack_examples(examples, context_length=5)
    >>> inputs.tolist()
    [[0, 1, 2, 0, 1], [0, 1, 2, 3, 0]]
    >>> targets.tolist()
    [[-100, 2, 3, -100, 2], [-100, 2, 3, 4, -100]]
    >>> document_ids.tolist()
    [[0, 0, 0, 2, 2], [1, 1, 1, 1, -1]]
    """
    if not examples:
        raise ValueError("there are no examples: give at least one")
    rows = []  # the numbers of the examples in each row
    room = []  # how many places each row has left
    for number, (token_ids, _) in enumerate(examples):
        length = len(token_ids) - 1
        if length > context_length:
            raise ValueError(f"example {number} needs {length} places of {context_length}")
        fitting = [row for row in range(len(rows)) if room[row] >= length]
        if not fitting:
            rows.append([])
            room.append(context_length)
        chosen = fitting[0] if fitting else len(rows) - 1
        rows[chosen].append(number)
        room[chosen] -= length
    shape = len(rows), context_length
    inputs, targets = torch.full(shape, pad_id), torch.full(shape, -100)
    document_ids = torch.full(shape, -1)
    for row, numbers in enumerate(rows):
        start = 0
        for number in numbers:
            one_input, one_target = sft_batch([examples[number]])
            end = start + one_input.shape[1]
            inputs[row, start:end], targets[row, start:end] = one_input[0], one_target[0]
            document_ids[row, start:end] = number
            start = end
    return inputs, targets, document_ids


# %% [markdown]
# Twelve examples of unequal length, padded and packed. How many places are wasted? Beside it, the
# mask of the first packed row: may the second example see the first?

# %% tags=["demo"]
with demonstration():
    lengths = (9, 24, 5, 13, 6, 30, 8, 11, 4, 17, 7, 12)
    many = [(torch.arange(n), torch.arange(n) > n // 2) for n in lengths]
    padded, _ = sft_batch(many)
    inputs, targets, document_ids = pack_examples(many, context_length=29)
    real = sum(n - 1 for n in lengths)
    print(f"{real} tokens are read; padded they take {padded.numel()}, packed {inputs.numel()}")
    figure, axes = plt.subplots(figsize=(3.4, 3.4))
    axes.imshow(document_mask(document_ids[:1])[0, 0], cmap="Blues", vmin=0, vmax=1.4)
    axes.set(xlabel="position looked at", ylabel="position that looks")
    plt.show()

# %% [markdown]
# ## 6. A conversation out of a tree
#
# {{fine_tuning/best_path}}
#
# OpenAssistant's data are trees: a prompt has several replies, a reply several follow-ups. People
# ranked them. A tree is not a conversation; a path through it is one.
#
# <details><summary>Hint 1</summary>
#
# From each message go to the best of its replies, as long as there are any. Which one is best? Look
# at what the docstring says of ranks that are missing.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `min(replies, key=...)` gives the first of the smallest. A key of `math.inf` comes last.
#
# </details>


# %% exercise="fine_tuning/best_path"
def best_path(prompt: dict) -> list[dict[str, str]]:
    """The messages of one conversation out of a tree of messages, by the best ranks.

    A node has a "role" ("prompter" or "assistant") and a "text". It may have "replies" (a list of
    nodes, or None), a "rank" (a whole number, or None) and "deleted" (True or False). From each
    message the path goes on to the reply of the lowest rank: 0 is the best. A reply without a rank
    comes after all that have one; of equal ones the first is taken. A deleted reply is passed over,
    with all that answers it. The path ends where no reply is left; a last message of the prompter,
    which nobody answered, is dropped, so that a prompt without replies gives an empty list. Roles
    become "user" and "assistant"; messages have a "role" and a "content", nothing else. The prompt
    itself is never deleted.

    >>> replies = [{"role": "assistant", "text": "No.", "rank": 1},
    ...            {"role": "assistant", "text": "Yes.", "rank": 0}]
    >>> best_path({"role": "prompter", "text": "Is it?", "replies": replies})
    [{'role': 'user', 'content': 'Is it?'}, {'role': 'assistant', 'content': 'Yes.'}]
    """
    roles = {"prompter": "user", "assistant": "assistant"}
    path, node = [], prompt
    while node is not None:
        path.append({"role": roles[node["role"]], "content": node["text"]})
        replies = node.get("replies") or []
        kept = [reply for reply in replies if not reply.get("deleted")]
        ranked = [(math.inf if r.get("rank") is None else r["rank"], r) for r in kept]
        node = min(ranked, key=lambda pair: pair[0], default=(0, None))[1]
    if path[-1]["role"] == "user":
        path.pop()
    return path


# %% [markdown]
# Trees in OASST1's format. These were written for this course; the public file has 66,497.

# %% tags=["demo"]
with demonstration():
    from reference_impl.fine_tuning.sft_sources import SAMPLES

    for line in (SAMPLES / "oasst1_trees.jsonl").read_text(encoding="utf-8").splitlines()[:3]:
        for message in best_path(json.loads(line)["prompt"]):
            print(f"{message['role']:>10}: {message['content'][:70]!r}")
        print()

# %% [markdown]
# ## 7. A reader that says what it left out
#
# {{fine_tuning/read_dolly}}
#
# databricks-dolly-15k is a file of JSON objects, one a line. Real files have lines that are cut
# short, lack a field or hold nothing. A reader that stops at the first is of no use, and one that
# passes over them in silence is worse: nobody knows what was trained on.
#
# <details><summary>Hint 1</summary>
#
# `json.loads` raises ValueError for a line that is no JSON. A line may also be JSON and no object,
# such as `null` or `[]`.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `row.get("response")` is None where the field is missing, and then no text. So one question,
# whether it is a text, answers two.
#
# </details>


# %% exercise="fine_tuning/read_dolly"
def read_dolly(lines: list[str]) -> tuple[list[list[dict[str, str]]], list[int]]:
    """The dialogues in the lines of databricks-dolly-15k, and the numbers of the bad lines.

    A good line is a JSON object in which "instruction", "context" and "response" are texts, and
    instruction and response are not blank (nothing, or spaces and line breaks alone). It becomes a
    message of the user and one of the assistant. The user's is the instruction, and where the
    context is not blank, an empty line and the context behind it; nothing is stripped. Other fields
    do not matter. A blank line is passed over and is not bad. All other lines are bad: their
    numbers, from 1, are returned in order. No line raises an error.

    >>> good = '{"instruction": "Add them.", "context": "2 and 3", "response": "5"}'
    >>> dialogues, bad = read_dolly([good, "", "{", "[]"])
    >>> dialogues[0]
    [{'role': 'user', 'content': 'Add them.\\n\\n2 and 3'}, {'role': 'assistant', 'content': '5'}]
    >>> bad
    [3, 4]
    """
    dialogues, bad = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        fields = row if isinstance(row, dict) else {}
        texts = [fields.get(name) for name in ("instruction", "context", "response")]
        if not all(isinstance(text, str) for text in texts):
            bad.append(number)
            continue
        instruction, context, response = texts
        if not instruction.strip() or not response.strip():
            bad.append(number)
            continue
        question = f"{instruction}\n\n{context}" if context.strip() else instruction
        user = {"role": "user", "content": question}
        dialogues.append([user, {"role": "assistant", "content": response}])
    return dialogues, bad


# %% tags=["demo"]
with demonstration():
    lines = (SAMPLES / "dolly.jsonl").read_text(encoding="utf-8").splitlines()
    lines[1:1] = ['{"instruction": "Cut sho', '{"instruction": "No answer", "context": ""}']
    dialogues, bad = read_dolly(lines)
    print(f"{len(dialogues)} dialogues; bad lines: {bad}")
    for message in dialogues[0]:
        print(f"{message['role']:>10}: {message['content'][:70]!r}")

# %% [markdown]
# ## 8. A dialogue in one text
#
# {{fine_tuning/read_hh_rlhf}}
#
# HH-RLHF holds pairs of dialogues, each in one text; people chose one of the two. It was made to
# train a model that judges replies. Read as data for supervised tuning, one half of it is what
# *not* to say.
#
# <details><summary>Hint 1</summary>
#
# `re.split` keeps what a group in brackets matched: `re.split(r"-(a|b)-", "x-a-y")` gives
# `['x', 'a', 'y']`.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Every second item is a speaker, beginning with the second. What must the speakers be, if the
# dialogue is to begin with the human and end with the assistant?
#
# </details>


# %% exercise="fine_tuning/read_hh_rlhf"
def read_hh_rlhf(row: dict[str, str]) -> list[dict[str, str]]:
    r"""The messages of the dialogue that people chose.

    `row` has two texts, "chosen" and "rejected". In each, a turn begins with an empty line and its
    speaker: "\n\nHuman:" or "\n\nAssistant:". Anything else, also "Human:" within a line or after
    a single line break, is part of what is said. What is said is stripped of white space at both
    ends. Human becomes "user", Assistant "assistant". Raises ValueError where something other than
    white space stands before the first turn, there is no turn, something said is blank, or the
    turns do not begin with the human, alternate and end with the assistant.

    >>> read_hh_rlhf({"chosen": "\n\nHuman: Hi\n\nAssistant: Hello.\n\nYes?",
    ...               "rejected": "\n\nHuman: Hi\n\nAssistant: Go away."})
    [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello.\n\nYes?'}]
    """
    before, *parts = re.split(r"\n\n(Human|Assistant):", row["chosen"])
    speakers = parts[::2]
    contents = [content.strip() for content in parts[1::2]]
    if before.strip():
        raise ValueError(f"{before[:20]!r} stands before the first turn")
    if not speakers or speakers != ["Human", "Assistant"] * (len(speakers) // 2):
        raise ValueError(f"the turns are {speakers}, not those of human and assistant")
    if not all(contents):
        raise ValueError("a turn is empty")
    roles = {"Human": "user", "Assistant": "assistant"}
    return [
        {"role": roles[speaker], "content": content}
        for speaker, content in zip(speakers, contents, strict=True)
    ]


# %% tags=["demo"]
with demonstration():
    import gzip

    with gzip.open(SAMPLES / "hh_rlhf.jsonl.gz", "rt", encoding="utf-8") as file:
        row = json.loads(file.readline())
    for message in read_hh_rlhf(row):
        print(f"{message['role']:>10}: {message['content'][:70]!r}")
    print("  rejected:", repr(row["rejected"][-70:]))

# %% [markdown]
# ## 9. LoRA
#
# {{fine_tuning/lora_forward}}
#
# Low-rank adaptation leaves a weight as it is and trains two thin matrices beside it. Take care
# with the order: the large product B A is never needed here.
#
# <details><summary>Hint</summary>
#
# First x through A, which leaves `rank` numbers; then through B. The weight has one row for each
# output: a linear layer multiplies by its transpose.
#
# </details>


# %% exercise="fine_tuning/lora_forward"
def lora_forward(
    x: Float[Tensor, "... d_in"],
    weight: Float[Tensor, "d_out d_in"],
    a: Float[Tensor, "rank d_in"],
    b: Float[Tensor, "d_out rank"],
    alpha: int | float,
) -> Float[Tensor, "... d_out"]:
    """A linear layer with its adapter: W x + (alpha / rank) B A x for each vector x.

    `x` has any axes in front. The rank is read off the matrices.

    >>> x = torch.tensor([1.0, 2.0, 3.0])
    >>> weight, a, b = torch.ones(2, 3), torch.ones(1, 3), torch.tensor([[1.0], [0.0]])
    >>> lora_forward(x, weight, a, b, alpha=2.0)  # 6 and 6; 2 / 1 times 6 added to the first
    tensor([18.,  6.])
    """
    plain = x @ weight.T
    thin = x @ a.T  # ... rank
    scale = alpha / a.shape[0]
    return plain + scale * (thin @ b.T)


# %% [markdown]
# ## 10. Merged
#
# {{fine_tuning/merge_lora}}
#
# After training, the adapter is added to the weight, once. The model is then as fast as before, and
# nobody can see that it was tuned by LoRA.
#
# <details><summary>Hint</summary>
#
# Which product of the two matrices has the shape of the weight?
#
# </details>


# %% exercise="fine_tuning/merge_lora"
def merge_lora(
    weight: Float[Tensor, "d_out d_in"],
    a: Float[Tensor, "rank d_in"],
    b: Float[Tensor, "d_out rank"],
    alpha: int | float,
) -> Float[Tensor, "d_out d_in"]:
    """The weight of the plain linear layer that computes what the layer with its adapter does.

    A new tensor: `weight` stays as it is.

    >>> a, b = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [0.0]])
    >>> merge_lora(torch.zeros(2, 2), a, b, alpha=2.0)  # 2 / 1 times 3 times (1, 2)
    tensor([[ 6., 12.],
            [ 0.,  0.]])
    """
    scale = alpha / a.shape[0]
    return weight + scale * (b @ a)


# %% [markdown]
# A weight of SmolLM2 with an adapter of rank 8: two ways, one result. How many numbers train?

# %% tags=["demo"]
with demonstration():
    from reference_impl.published.weights import load_smollm2

    weight = load_smollm2()[0].blocks[0].attention.q_proj.weight.detach()
    a, b = torch.randn(8, 576) * 576**-0.5, torch.randn(576, 8) * 0.01
    x = torch.randn(5, 576)
    off = lora_forward(x, weight, a, b, 16.0) - x @ merge_lora(weight, a, b, 16.0).T
    print(f"merged and not merged differ by {off.abs().max():.0e}")
    print(f"{a.numel() + b.numel():,} numbers train in the place of {weight.numel():,}")

# %% [markdown]
# ## 11. The loop
#
# {{fine_tuning/fine_tune}}
#
# It is the loop of pretraining. Only the batches differ, and the rate: it starts at its highest,
# since the model has been trained already, and falls in a line. Your `sft_batch` makes the batches,
# `next_token_loss` from chapter 9 is there, and the optimizer is PyTorch's.
#
# <details><summary>Hint 1</summary>
#
# The optimizer is made once, before the loop: `torch.optim.AdamW(model.parameters(), ...)`. Its
# rate is `optimizer.param_groups[0]["lr"]`, which may be set before each step.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# In the loop: the rate, a generator, the numbers of the examples, the batch, the loss, `zero_grad`,
# `backward`, `step`. `loss.item()` is a plain float.
#
# </details>


# %% exercise="fine_tuning/fine_tune"
def fine_tune(
    model: nn.Module,
    examples: list[tuple[Tensor, Tensor]],
    n_steps: int,
    max_lr: float,
    batch_size: int = 8,
) -> list[float]:
    """Tune a model on examples; returns the loss of each step's batch before that step.

    Steps are counted from 0. A step takes `batch_size` examples, whose numbers are drawn by
    `torch.randint` from a new generator that is seeded with the number of the step; an example may
    come twice. `sft_batch` makes the batch, `next_token_loss` the loss of `model(inputs)`. The
    optimizer is AdamW with betas of 0.9 and 0.95 and no weight decay, one for the whole run. The
    rate of a step is `max_lr` * (1 - step / n_steps). Gradients that are there before the run do
    not count. The model is changed; the losses are plain Python floats.

    >>> table = nn.Embedding(4, 4)  # a model: logits from the token alone
    >>> _ = nn.init.zeros_(table.weight)
    >>> example = torch.tensor([1, 2, 3]), torch.tensor([False, True, True])
    >>> [round(loss, 4) for loss in fine_tune(table, [example], 2, 0.5)]  # ln 4, then less
    [1.3863, 0.7437]
    """
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=max_lr, betas=(0.9, 0.95), weight_decay=0.0
    )
    losses = []
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] = max_lr * (1 - step / n_steps)
        generator = Generator().manual_seed(step)
        numbers = torch.randint(len(examples), (batch_size,), generator=generator).tolist()
        inputs, targets = sft_batch([examples[number] for number in numbers])
        loss = next_token_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% [markdown]
# ## 12. Why did these runs not learn to answer?
#
# {{fine_tuning/failed_runs}}
#
# Five runs of the small model below, each with one fault; they are recorded, and the chapter tells
# how the small model is trained. *Loss* is what the run's own code reported on its batches, at its
# first and at its last step. Then a correct program measured the tuned model: the loss on answers
# held out, in nats a character, before and after; the loss on verse; and of 16 questions, how
# many replies stopped within 16 characters, and how many were right. The faults:
#
# - `a` the end mark of a reply is no target
# - `b` the targets are not shifted: each is the token that is read there
# - `c` in use, the model is asked in a template that lacks the generation prompt
# - `d` the run has only four examples, which it reads again and again
# - `e` nothing is trained: the optimizer's rate is 0
#
# Return the letters of the faults in the order of the runs 1 to 5, such as `"abcde"`. The order was
# drawn for you; others have another one.
#
# <details><summary>Hint</summary>
#
# Begin with what a fault *cannot* change. Where nothing is trained, which two numbers must stay the
# same? A fault in how the model is asked cannot change any loss.
#
# </details>

# %%
print(question("fine_tuning/failed_runs")["table"])


# %% exercise="fine_tuning/failed_runs"
def failed_runs() -> str:
    """The faults of runs 1 to 5, a letter each.

    No input, and nothing to compute: read the table above.
    """
    return "cbead"


# %% [markdown]
# ## Your small model learns to answer
#
# First a base model: a decoder of 58,608 parameters reads the plays for 300 steps. Ask it
# something, and it goes on with verse, or with what a model so small takes for verse.


# %% tags=["demo"]
with demonstration():
    from reference_impl.fine_tuning.small_talk import base_model, character_tokenizer, small_talk

    letters = character_tokenizer()
    base = base_model(seed=0)  # about ten seconds


@torch.no_grad()
def say(model, prompt, n=40, seed=None):
    """What a model says behind a text, until the end mark; the likeliest characters, or drawn."""
    ids = letters.encode(prompt, allowed_special="all")
    generator = Generator().manual_seed(seed or 0)
    for _ in range(n):
        logits = model(torch.tensor([ids[-96:]]))[0, -1]
        p = torch.softmax(logits, -1)
        top = torch.multinomial(p, 1, generator=generator) if seed is not None else logits.argmax()
        if int(top) == 63:  # <|im_end|>
            break
        ids.append(int(top))
    return letters.decode(ids)[len(prompt) :]


# %% tags=["demo"]
with demonstration():
    for text in ("What is the opposite of hot?", "Who are you?"):
        print(repr(text), "->", repr(say(base, text, seed=1)))

# %% [markdown]
# Now 80 short dialogues: 16 opposites, each asked in five wordings. A sixth wording of each is held
# out. Your pieces render them, mark what is learned, and tune the model.

# %% tags=["demo"]
with demonstration():
    import copy

    training, held_out = small_talk()
    header = letters.encode("<|im_start|>assistant\n", allowed_special="all")

    def prepared(dialogues):
        """Examples for `sft_batch`, by your functions."""
        found = []
        for messages in dialogues:
            text = render_chat(messages, add_generation_prompt=False)
            ids = torch.tensor(letters.encode(text, allowed_special="all"))
            found.append((ids, learned_tokens(ids, header, end_id=63)))
        return found

    tuned = copy.deepcopy(base)
    curve = fine_tune(tuned, prepared(training), n_steps=400, max_lr=0.008)  # some fifteen seconds
    print("loss:", [round(loss, 2) for loss in (*curve[::60], curve[-1])])

# %% [markdown]
# Before and after, on wordings that it has never read. Then the surprise: it knows that the
# opposite of hot is cold. And of cold?

# %% tags=["demo"]
with demonstration():
    n_right = 0
    for messages in held_out:
        asked, wanted = render_chat(messages[:2]), messages[2]["content"]
        reply = say(tuned, asked, 16)
        n_right += reply == wanted
        if len(wanted) == 4:
            before = say(base, asked, 16)
            print(f"{messages[1]['content']:36} before {before!r:20} after {reply!r}")
    print(f"{n_right} of {len(held_out)} right")
    for thing in ("cold", "small", "down", "late"):
        messages = [{"role": "system", "content": ""}]
        messages += [{"role": "user", "content": f"What is the opposite of {thing}?"}]
        print(f"What is the opposite of {thing}? {say(tuned, render_chat(messages), 16)!r}")

# %% [markdown]
# And what did it forget? The loss on an act of Hamlet, before and after.

# %% tags=["demo"]
with demonstration():
    from reference_impl.pretraining.characters import load_characters

    _, act = load_characters()
    windows = act[: 64 * 65].long().view(64, 65)
    with torch.no_grad():
        for name, model in (("before", base), ("after", tuned)):
            loss = next_token_loss(model(windows[:, :-1]), windows[:, 1:])
            print(f"{name:6} {loss:.2f} nats a character (a blind guess: {math.log(64):.2f})")

# %% [markdown]
# **What you have now.** The template of your own model, and everything that teaches a model to
# answer: which tokens count, batches and packed rows, readers for published data, LoRA, a loop. And
# a small model that gives answers, stops, and has paid for it with its verse. Together the
# exercises are worth 26 points. Next comes chapter 12: your parts become one model, and it speaks.
