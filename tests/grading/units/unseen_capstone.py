"""Answers to unit 12, written from the learner's notebook alone before the judge saw them.

Each wrong one makes one mistake that learners make. A text is run where the right answers to the
earlier exercises and what the notebook's first cell brings stand; an answer to one of the two
questions also has `shown`, what the notebook calls `hunt` or `plan`, and `right`, the choice of
somebody who sees it.
"""

MISSING = 'ValueError("a tensor is missing")'
HOMELESS = 'ValueError("a tensor has no place")'
COUNTS = """
    vocab, d, n_layers, heads, kv_heads, head_dim, d_ff, per, machines, rate, share = shown.values()
    attention = 2 * heads * head_dim * d + 2 * kv_heads * head_dim * d
    layer = attention + 3 * d * d_ff + 2 * d
"""

WRONG = [
    # --- sort_weights ----------------------------------------------------------------------------
    (
        "sort_weights",
        f"""
def sort_weights(tensors, names):
    layers = {{}}
    for name, tensor in tensors.items():
        if name in ("token_embd.weight", "output_norm.weight"):
            continue
        parts = name.split(".")
        if len(parts) != 4 or parts[0] != "blk" or parts[3] != "weight" or parts[2] not in names:
            raise {HOMELESS}
        layers.setdefault(parts[1], {{}})[names[parts[2]]] = tensor
    blocks = [layers[n] for n in sorted(layers)]
    if any(set(block) != set(names.values()) for block in blocks):
        raise {MISSING}
    if set(layers) != {{str(n) for n in range(len(layers))}}:
        raise {MISSING}
    if not {{"token_embd.weight", "output_norm.weight"}} <= set(tensors):
        raise {MISSING}
    return tensors["token_embd.weight"], blocks, tensors["output_norm.weight"]
""",
        "the number of a layer stays a word, so layer 10 comes before layer 2",
    ),
    (
        "sort_weights",
        f"""
def sort_weights(tensors, names):
    rest = dict(tensors)
    embedding = rest.pop("token_embd.weight", None)
    final_norm = rest.pop("output_norm.weight", None)
    if embedding is None or final_norm is None:
        raise {MISSING}
    layers = {{}}
    for name, tensor in rest.items():
        parts = name.split(".")
        if parts[0] != "blk" or len(parts) != 4 or parts[2] not in names:
            raise {HOMELESS}
        layers.setdefault(int(parts[1]), {{}})[names[parts[2]]] = tensor
    for n in range(max(layers, default=-1) + 1):
        if set(layers.get(n, ())) != set(names.values()):
            raise {MISSING}
    return embedding, [layers[n] for n in sorted(layers)], final_norm
""",
        "does not look at the last word: blk.0.attn_q.bias is taken for the weight",
    ),
    (
        "sort_weights",
        f"""
def sort_weights(tensors, names):
    layers = {{}}
    for name, tensor in tensors.items():
        if not name.startswith("blk."):
            continue
        _, layer, word, kind = name.split(".")
        if kind != "weight" or word not in names:
            raise {HOMELESS}
        layers.setdefault(int(layer), {{}})[names[word]] = tensor
    for n in range(max(layers, default=-1) + 1):
        if set(layers.get(n, ())) != set(names.values()):
            raise {MISSING}
    try:
        ends = tensors["token_embd.weight"], tensors["output_norm.weight"]
    except KeyError:
        raise {MISSING} from None
    return ends[0], [layers[n] for n in sorted(layers)], ends[1]
""",
        "skips whatever does not begin with blk.: an output.weight with no place is no error",
    ),
    (
        "sort_weights",
        f"""
def sort_weights(tensors, names):
    layers = {{}}
    for name, tensor in tensors.items():
        if name in ("token_embd.weight", "output_norm.weight"):
            continue
        parts = name.split(".")
        if len(parts) != 4 or parts[0] != "blk" or parts[3] != "weight" or parts[2] not in names:
            raise {HOMELESS}
        layers.setdefault(int(parts[1]), {{}})[names[parts[2]]] = tensor
    for block in layers.values():
        if len(block) != len(names):
            raise {MISSING}
    if not {{"token_embd.weight", "output_norm.weight"}} <= set(tensors):
        raise {MISSING}
    blocks = [layers[n] for n in sorted(layers)]
    return tensors["token_embd.weight"], blocks, tensors["output_norm.weight"]
""",
        "a whole layer that is missing is closed up: the later ones move down by one",
    ),
    (
        "sort_weights",
        f"""
def sort_weights(tensors, names):
    layers = {{}}
    for name, tensor in tensors.items():
        if name in ("token_embd.weight", "output_norm.weight"):
            continue
        parts = name.split(".")
        if len(parts) != 4 or parts[0] != "blk" or parts[3] != "weight" or parts[2] not in names:
            raise {HOMELESS}
        layers.setdefault(int(parts[1]), {{}})[parts[2]] = tensor
    blocks = [layers.get(n, {{}}) for n in range(max(layers, default=-1) + 1)]
    if any(set(block) != set(names) for block in blocks):
        raise {MISSING}
    if not {{"token_embd.weight", "output_norm.weight"}} <= set(tensors):
        raise {MISSING}
    return tensors["token_embd.weight"], blocks, tensors["output_norm.weight"]
""",
        "keeps the file's words as keys and does not translate them by `names`",
    ),
    (
        "sort_weights",
        f"""
def sort_weights(tensors, names):
    layers = {{}}
    for name, tensor in tensors.items():
        if name in ("token_embd.weight", "output_norm.weight"):
            continue
        parts = name.split(".")
        if len(parts) != 4 or parts[0] != "blk" or parts[3] != "weight" or parts[2] not in names:
            raise {HOMELESS}
        layers.setdefault(int(parts[1]), {{}})[names[parts[2]]] = tensor
    if any(set(layers.get(n, ())) != set(names.values()) for n in range(max(layers, default=-1))):
        raise {MISSING}
    if not {{"token_embd.weight", "output_norm.weight"}} <= set(tensors):
        raise {MISSING}
    blocks = [layers[n] for n in sorted(layers)]
    return tensors["token_embd.weight"], blocks, tensors["output_norm.weight"]
""",
        "range(highest) ends before the highest layer: what is missing there is not noticed",
    ),
    (
        "sort_weights",
        f"""
def sort_weights(tensors, names):
    layers = {{}}
    embedding, final_norm = tensors["token_embd.weight"], tensors["output_norm.weight"]
    for name, tensor in tensors.items():
        if name in ("token_embd.weight", "output_norm.weight"):
            continue
        parts = name.split(".")
        if len(parts) != 4 or parts[0] != "blk" or parts[3] != "weight" or parts[2] not in names:
            raise {HOMELESS}
        layers.setdefault(int(parts[1]), {{}})[names[parts[2]]] = tensor
    blocks = [layers.get(n, {{}}) for n in range(max(layers, default=-1) + 1)]
    if any(set(block) != set(names.values()) for block in blocks):
        raise {MISSING}
    return embedding, blocks, final_norm
""",
        "a missing embedding or final norm raises KeyError, not ValueError",
    ),
    # --- block_functions -------------------------------------------------------------------------
    (
        "block_functions",
        """
def block_functions(blocks, caches, attend, n_heads, n_kv_heads, rope_theta, norm_eps):
    functions = []
    for weights, cache in zip(blocks, caches, strict=True):
        def remember(q, k, v):
            return attend(q, k, v, cache, rope_theta)

        functions.append(
            partial(
                decoder_block, weights=weights, attend=remember, n_heads=n_heads,
                n_kv_heads=n_kv_heads, norm_eps=norm_eps,
            )
        )
    return functions
""",
        "the inner function looks `cache` up when it is called: all layers use the last cache",
    ),
    (
        "block_functions",
        """
def block_functions(blocks, caches, attend, n_heads, n_kv_heads, rope_theta, norm_eps):
    if len(blocks) != len(caches):
        raise ValueError("a cache for each block")
    return [
        lambda x: decoder_block(
            x, weights, partial(attend, cache=caches[i], rope_theta=rope_theta),
            n_heads, n_kv_heads, norm_eps,
        )
        for i, weights in enumerate(blocks)
    ]
""",
        "the lambda looks everything up when it is called: every function is the last layer",
    ),
    (
        "block_functions",
        """
def block_functions(blocks, caches, attend, n_heads, n_kv_heads, rope_theta, norm_eps):
    if len(blocks) > len(caches):
        raise ValueError("a cache for each block")
    functions = []
    for i in range(len(blocks)):
        attention = partial(attend, cache=caches[i], rope_theta=rope_theta)
        settings = dict(n_heads=n_heads, n_kv_heads=n_kv_heads, norm_eps=norm_eps)
        functions.append(partial(decoder_block, weights=blocks[i], attend=attention, **settings))
    return functions
""",
        "no ValueError where there are more caches than blocks",
    ),
    (
        "block_functions",
        """
def block_functions(blocks, caches, attend, n_heads, n_kv_heads, rope_theta, norm_eps):
    return [
        partial(
            decoder_block, weights=weights,
            attend=partial(attend, cache=cache, rope_theta=rope_theta),
            n_heads=n_heads, n_kv_heads=n_kv_heads,
        )
        for weights, cache in zip(blocks, caches, strict=True)
    ]
""",
        "norm_eps is not handed on: decoder_block takes its default",
    ),
    (
        "block_functions",
        """
def block_functions(blocks, caches, attend, n_heads, n_kv_heads, rope_theta, norm_eps):
    import copy

    return [
        partial(
            decoder_block, weights=weights,
            attend=partial(attend, cache=copy.deepcopy(cache), rope_theta=rope_theta),
            n_heads=n_heads, n_kv_heads=n_kv_heads, norm_eps=norm_eps,
        )
        for weights, cache in zip(blocks, caches, strict=True)
    ]
""",
        "each layer remembers in a copy: the caches that were given stay empty",
    ),
    (
        "block_functions",
        """
def block_functions(blocks, caches, attend, n_heads, n_kv_heads, rope_theta, norm_eps):
    functions = []
    for weights, cache in zip(blocks, caches, strict=True):
        attention = partial(attend, cache=cache, rope_theta=rope_theta)
        layer = partial(
            decoder_block, weights=weights, attend=attention, n_heads=n_heads,
            n_kv_heads=n_kv_heads, norm_eps=norm_eps,
        )
        before = functions[-1] if functions else lambda x: x
        functions.append(lambda x, layer=layer, before=before: layer(before(x)))
    return functions
""",
        "function i runs all layers up to i, not layer i alone",
    ),
    # --- first_difference ------------------------------------------------------------------------
    (
        "first_difference",
        """
def first_difference(states, reference, tolerance=1e-3):
    for i, (a, b) in enumerate(zip(states, reference)):
        if a.shape != b.shape:
            return i
        share = (a - b).norm(dim=-1) / b.norm(dim=-1)
        if not (share <= tolerance).all():
            return i
    return None
""",
        "divides: where the reference's vector is 0 and mine too, 0 / 0 counts as different",
    ),
    (
        "first_difference",
        """
def first_difference(states, reference, tolerance=1e-3):
    for i, (a, b) in enumerate(zip(states, reference)):
        if a.shape != b.shape:
            return i
        longest = torch.maximum(a.norm(dim=-1), b.norm(dim=-1))
        if not ((a - b).norm(dim=-1) <= tolerance * longest).all():
            return i
    return None
""",
        "measures by the longer of both vectors, and an infinite one then agrees",
    ),
    (
        "first_difference",
        """
def first_difference(states, reference, tolerance=1e-3):
    for i, (a, b) in enumerate(zip(states, reference)):
        if a.shape != b.shape:
            return i
        off, length = (a - b).square().sum(dim=-1), b.square().sum(dim=-1)
        if not (off <= tolerance * length).all():
            return i
    return None
""",
        "compares squares of the lengths with the tolerance itself, not with its square",
    ),
    (
        "first_difference",
        """
def first_difference(states, reference, tolerance=1e-3):
    for i in range(len(reference)):
        if states[i].shape != reference[i].shape:
            return i
        off = (states[i] - reference[i]).norm(dim=-1)
        limit = tolerance * reference[i].norm(dim=-1)
        if not (off < limit).all():
            return i
    return None
""",
        "strictly less: a vector of 0 that is hit exactly counts as different",
    ),
    (
        "first_difference",
        """
def first_difference(states, reference, tolerance=1e-3):
    for i, (a, b) in enumerate(zip(states, reference)):
        off = (a - b).norm(dim=-1)
        if not (off <= tolerance * b.norm(dim=-1)).all():
            return i
    return None
""",
        "no look at the shapes: one that can be broadcast agrees, another raises an error",
    ),
    (
        "first_difference",
        """
def first_difference(states, reference, tolerance=1e-3):
    for i, (a, b) in enumerate(zip(states, reference)):
        if a.shape != b.shape or a.isnan().any():
            return i
        off = (a - b).norm(dim=-1).mean()
        if not off <= tolerance * b.norm(dim=-1).mean():
            return i
    return None
""",
        "compares the means over the positions, so a giant position hides a small one",
    ),
    (
        "first_difference",
        """
def first_difference(states, reference, tolerance=1e-3):
    for i, (a, b) in enumerate(zip(states, reference)):
        if a.shape != b.shape:
            return i
        off = (a - b).norm(dim=-1)
        if not (off <= tolerance * b.norm(dim=-1).clamp(min=1.0)).all():
            return i
    return None
""",
        "takes every length below 1 for 1, so small vectors may be off by more than their share",
    ),
    # --- n_reusable ------------------------------------------------------------------------------
    (
        "n_reusable",
        """
def n_reusable(cached_ids, token_ids):
    same = 0
    while same < len(token_ids) and same < len(cached_ids):
        if cached_ids[same] != token_ids[same]:
            break
        same += 1
    return max(0, min(same, len(cached_ids) - 1))
""",
        "keeps the cache's last token back, not the text's: a longer text loses one position",
    ),
    (
        "n_reusable",
        """
def n_reusable(cached_ids, token_ids):
    for i, (a, b) in enumerate(zip(cached_ids, token_ids[:-1])):
        if a != b:
            return i
    return 0
""",
        "0 where the loop meets no difference, though all that was compared may stay",
    ),
    (
        "n_reusable",
        """
def n_reusable(cached_ids, token_ids):
    n = len(cached_ids)
    if list(token_ids[:n]) != list(cached_ids):
        return 0
    return min(n, len(token_ids) - 1)
""",
        "all or nothing: a cache whose beginning alone is the text's is thrown away as a whole",
    ),
    (
        "n_reusable",
        """
def n_reusable(cached_ids, token_ids):
    return sum(a == b for a, b in zip(cached_ids, token_ids[:-1]))
""",
        "counts equal tokens behind the first difference as well",
    ),
    (
        "n_reusable",
        """
def n_reusable(cached_ids, token_ids):
    same = 0
    while cached_ids[same] == token_ids[same]:
        same += 1
        if same == len(token_ids) - 1:
            break
    return same
""",
        "no look at the cache's end: IndexError for a short or empty cache; one token alone too",
    ),
    # --- stream_text -----------------------------------------------------------------------------
    (
        "stream_text",
        """
def stream_text(token_ids, decode):
    ids, out = [], 0
    for token in token_ids:
        ids.append(token)
        text = decode(ids)
        if "\\ufffd" in text:
            continue
        yield text[out:]
        out = len(text)
    yield decode(ids)[out:]
""",
        "one U+FFFD anywhere holds all back: behind bytes that never become a sign nothing comes",
    ),
    (
        "stream_text",
        """
def stream_text(token_ids, decode):
    ids, out = [], 0
    for token in token_ids:
        ids.append(token)
        text = decode(ids)
        yield text.rstrip("\\ufffd")[out:]
        out = len(text)
""",
        "counts what is held back as shown, so it never comes; nothing is flushed at the end",
    ),
    (
        "stream_text",
        """
def stream_text(token_ids, decode):
    waiting = []
    for token in token_ids:
        waiting.append(token)
        text = decode(waiting)
        if not text.endswith("\\ufffd"):
            yield text
            waiting = []
    if waiting:
        yield decode(waiting)
""",
        "a token with whole signs and the first bytes of another is held back as a whole",
    ),
    (
        "stream_text",
        """
def stream_text(token_ids, decode):
    ids, out = [], 0
    for token in token_ids:
        ids.append(token)
        text = decode(ids)
        safe = len(text) - 1 if text.endswith("\\ufffd") else len(text)
        if safe > out:
            yield text[out:safe]
            out = safe
    yield decode(ids)[out:]
""",
        "holds one U+FFFD back, not all at the end",
    ),
    (
        "stream_text",
        """
def stream_text(token_ids, decode):
    ids, out = [], 0
    for token in token_ids:
        ids.append(token)
        text = decode(ids).replace("\\ufffd", "")
        yield text[out:]
        out = len(text)
""",
        "takes every U+FFFD out, also those that are never to become a sign",
    ),
    (
        "stream_text",
        """
def stream_text(token_ids, decode):
    ids, shown = [], ""
    for token in token_ids:
        if shown:
            yield shown
        before = len(decode(ids).rstrip("\\ufffd"))
        ids.append(token)
        shown = decode(ids).rstrip("\\ufffd")[before:]
    yield shown
    yield decode(ids)[len(decode(ids).rstrip("\\ufffd")):]
""",
        "yields a token's text only when the next token has been read",
    ),
    # --- chat_turn -------------------------------------------------------------------------------
    (
        "chat_turn",
        """
def chat_turn(messages, prompt, render_chat, encode, write, decode, end_id, max_new_tokens=256):
    messages = [*messages, {"role": "user", "content": prompt}]
    text = ""
    for n, token in enumerate(write(encode(render_chat(messages))), start=1):
        if token == end_id:
            break
        text += decode([token])
        if n == max_new_tokens:
            break
    return [*messages, {"role": "assistant", "content": text.strip()}]
""",
        "decodes each token by itself: a sign of several tokens breaks",
    ),
    (
        "chat_turn",
        """
def chat_turn(messages, prompt, render_chat, encode, write, decode, end_id, max_new_tokens=256):
    question = {"role": "user", "content": prompt}
    ids = encode(render_chat([question]))
    answer = []
    for token in write(ids):
        if token == end_id:
            break
        answer.append(token)
        if len(answer) == max_new_tokens:
            break
    return [*messages, question, {"role": "assistant", "content": decode(answer).strip()}]
""",
        "only the new question goes in: the model does not see the conversation before it",
    ),
    (
        "chat_turn",
        """
def chat_turn(messages, prompt, render_chat, encode, write, decode, end_id, max_new_tokens=256):
    messages = [*messages, {"role": "user", "content": prompt}]
    ids = encode(render_chat(messages))
    answer = list(ids)
    for token in write(ids):
        if token == end_id:
            break
        answer.append(token)
        if len(answer) == len(ids) + max_new_tokens:
            break
    return [*messages, {"role": "assistant", "content": decode(answer).strip()}]
""",
        "the prompt's tokens are decoded into the answer",
    ),
    (
        "chat_turn",
        """
def chat_turn(messages, prompt, render_chat, encode, write, decode, end_id, max_new_tokens=256):
    messages = [*messages, {"role": "user", "content": prompt.strip()}]
    answer = []
    for token in write(encode(render_chat(messages))):
        if token == end_id:
            break
        answer.append(token)
        if len(answer) == max_new_tokens:
            break
    return [*messages, {"role": "assistant", "content": decode(answer).strip()}]
""",
        "strips the question too: only the answer's white space is to go",
    ),
    (
        "chat_turn",
        """
def chat_turn(messages, prompt, render_chat, encode, write, decode, end_id, max_new_tokens=256):
    messages = [*messages, {"role": "user", "content": prompt}]
    answer = []
    tokens = iter(write(encode(render_chat(messages))))
    for _ in range(max_new_tokens):
        token = next(tokens)
        answer.append(token)
        if token == end_id:
            break
    return [*messages, {"role": "assistant", "content": decode(answer).strip()}]
""",
        "the end mark is kept and decoded with the answer",
    ),
    (
        "chat_turn",
        """
def chat_turn(messages, prompt, render_chat, encode, write, decode, end_id, max_new_tokens=256):
    messages = [*messages, {"role": "user", "content": prompt}]
    answer = []
    for n, token in enumerate(write(encode(render_chat(messages)))):
        if token == end_id:
            continue
        answer.append(token)
        if n >= max_new_tokens - 1:
            break
    return [*messages, {"role": "assistant", "content": decode(answer).strip()}]
""",
        "leaves the end mark out and goes on behind it",
    ),
    (
        "chat_turn",
        """
def chat_turn(messages, prompt, render_chat, encode, write, decode, end_id, max_new_tokens=256):
    from itertools import takewhile

    messages = list(messages)
    messages.append(dict(role="user", content=prompt))
    ids = encode(render_chat(messages))
    answer = list(takewhile(lambda token: token != end_id, write(ids)))[:max_new_tokens]
    return messages + [dict(role="assistant", content=decode(answer).strip())]
""",
        "reads up to the end mark, however far it is, and cuts afterwards",
    ),
    # --- bug_hunt --------------------------------------------------------------------------------
    (
        "bug_hunt",
        """
def bug_hunt():
    return right[::-1]
""",
        "the right letters, from the last fault to the first",
    ),
    (
        "bug_hunt",
        """
def bug_hunt():
    found = dict(zip(shown["asked"], right))
    alone = shown["sound"]["losses"]["alone"]
    moved = {
        letter: abs(seen["losses"]["later"] - seen["losses"]["at once"])
        for letter, seen in shown["models"].items()
        if seen["losses"]["alone"] == alone
    }
    for number, fault in shown["asked"].items():
        if "not turned" in fault:
            found[number] = max(moved, key=moved.get)
    return "".join(found.values())
""",
        "for no turning at all, takes the model that changes when all positions move",
    ),
    (
        "bug_hunt",
        """
def bug_hunt():
    return ", ".join(right)
""",
        "the right letters, but not as one word",
    ),
    # --- plan ------------------------------------------------------------------------------------
    (
        "plan",
        f"""
def days_of_training():{COUNTS}
    n = n_layers * layer + d
    return 6 * n * per * n / (machines * rate * share) / 86400
""",
        "counts without the embedding, though all parameters are asked for",
    ),
    (
        "plan",
        f"""
def days_of_training():{COUNTS}
    n = vocab * d + n_layers * layer + d + d * vocab
    return 6 * n * per * n / (machines * rate * share) / 86400
""",
        "counts the output layer beside the embedding, though they are tied",
    ),
    (
        "plan",
        f"""
def days_of_training():{COUNTS}
    n = vocab * d + n_layers * layer + d
    return 6 * n * per * n / (machines * rate * share) / 60 / 24
""",
        "divides seconds by 60 once: a day of 24 minutes",
    ),
    (
        "plan",
        f"""
def days_of_training():{COUNTS}
    n = vocab * d + n_layers * (layer + attention - 4 * kv_heads * head_dim * d) + d
    return 6 * n * per * n / (machines * rate * share) / 86400
""",
        "gives k and v as many rows as q: the total of attention without shared KV heads",
    ),
    (
        "plan",
        f"""
def days_of_training():{COUNTS}
    n = vocab * d + n_layers * layer + d
    return machines * 6 * n * per * n / (rate * share) / 86400
""",
        "multiplies by the machines: more of them take longer",
    ),
]

RIGHT = [
    (
        "sort_weights",
        """
def sort_weights(tensors, names):
    import re

    place = re.compile(r"blk[.]([0-9]+)[.](.+)[.]weight")
    rest, found = dict(tensors), {}
    try:
        embedding, norm = (rest.pop(f"{end}.weight") for end in ("token_embd", "output_norm"))
        for name in rest:
            layer, word = place.fullmatch(name).groups()
            found[int(layer), names[word]] = tensors[name]
        highest = max((layer for layer, _ in found), default=-1)
        blocks = [
            {weight: found.pop((n, weight)) for weight in names.values()}
            for n in range(highest + 1)
        ]
    except (KeyError, AttributeError) as error:
        raise ValueError("a tensor is missing or has no place") from error
    return embedding, blocks, norm
""",
        "a regular expression, and one flat dict by (layer, weight)",
    ),
    (
        "sort_weights",
        """
def sort_weights(tensors, names):
    wanted = ["token_embd.weight", "output_norm.weight"]
    n_layers = 0
    while any(name.startswith(f"blk.{n_layers}.") for name in tensors):
        wanted += [f"blk.{n_layers}.{word}.weight" for word in names]
        n_layers += 1
    if sorted(wanted) != sorted(tensors):
        raise ValueError(f"missing or too many: {set(wanted) ^ set(tensors)}")
    blocks = []
    for n in range(n_layers):
        blocks.append({own: tensors[f"blk.{n}.{word}.weight"] for word, own in names.items()})
    return tensors[wanted[0]], blocks, tensors[wanted[1]]
""",
        "writes the names that must be there first, and compares the two lists",
    ),
    (
        "block_functions",
        """
def block_functions(blocks, caches, attend, n_heads, n_kv_heads, rope_theta, norm_eps):
    class Layer:
        def __init__(self, weights, cache):
            self.weights, self.cache = weights, cache

        def attend(self, q, k, v):
            return attend(q, k, v, self.cache, rope_theta)

        def __call__(self, x):
            return decoder_block(x, self.weights, self.attend, n_heads, n_kv_heads, norm_eps)

    if len(blocks) != len(caches):
        raise ValueError(f"{len(blocks)} blocks and {len(caches)} caches")
    return list(map(Layer, blocks, caches))
""",
        "objects that can be called, in place of partial",
    ),
    (
        "block_functions",
        """
def block_functions(blocks, caches, attend, n_heads, n_kv_heads, rope_theta, norm_eps):
    if len(blocks) != len(caches):
        raise ValueError("not as many caches as blocks")
    if len(blocks) == 0:
        return []
    weights, cache = blocks[0], caches[0]

    def layer(x):
        def remember(q, k, v):
            return attend(q, k, v, cache, rope_theta)

        return decoder_block(
            x=x, weights=weights, attend=remember, n_heads=n_heads, n_kv_heads=n_kv_heads,
            norm_eps=norm_eps,
        )

    rest = (n_heads, n_kv_heads, rope_theta, norm_eps)
    return [layer] + block_functions(blocks[1:], caches[1:], attend, *rest)
""",
        "recursive: each call has names of its own",
    ),
    (
        "first_difference",
        """
def first_difference(states, reference, tolerance=1e-3):
    import numpy as np

    for number, (mine, theirs) in enumerate(zip(states, reference)):
        mine, theirs = (np.asarray(x.detach().double()) for x in (mine, theirs))
        if mine.shape != theirs.shape or not np.isfinite(mine).all():
            return number
        off = np.linalg.norm(mine - theirs, axis=-1)
        if np.any(off > tolerance * np.linalg.norm(theirs, axis=-1)):
            return number
""",
        "NumPy in float64, with the numbers that are not finite looked for first",
    ),
    (
        "first_difference",
        """
def first_difference(states, reference, tolerance=1e-3):
    def agree(a, b):
        if a.shape != b.shape or not torch.isfinite(a).all():
            return False
        square = lambda x: torch.einsum("...f,...f->...", x, x).sqrt()
        return bool(torch.all(square(b - a) <= square(b) * tolerance))

    pairs = zip(states, reference)
    return next((i for i, (a, b) in enumerate(pairs) if not agree(a, b)), None)
""",
        "einsum for the lengths, and the first of a generator",
    ),
    (
        "n_reusable",
        """
def n_reusable(cached_ids, token_ids):
    import os.path

    return len(os.path.commonprefix([list(cached_ids), list(token_ids)[:-1]]))
""",
        "commonprefix, which also takes lists",
    ),
    (
        "n_reusable",
        """
def n_reusable(cached_ids, token_ids):
    if len(token_ids) < 2 or not len(cached_ids) or cached_ids[0] != token_ids[0]:
        return 0
    return 1 + n_reusable(cached_ids[1:], token_ids[1:])
""",
        "recursive",
    ),
    (
        "stream_text",
        """
def stream_text(token_ids, decode):
    ids, shown = [], ""
    for token in token_ids:
        ids = ids + [token]
        safe = decode(ids)
        while safe and safe[-1] == "\\ufffd":
            safe = safe[:-1]
        for character in safe[len(shown):]:
            yield character
        shown = safe
    yield decode(ids)[len(shown):] if ids else ""
""",
        "character by character",
    ),
    (
        "stream_text",
        """
def stream_text(token_ids, decode):
    def safe(ids):
        return decode(ids).rstrip("\\ufffd") if ids else ""

    source, ids = iter(token_ids), []
    end = object()
    while (token := next(source, end)) is not end:
        before = safe(ids)
        ids.append(token)
        yield safe(ids).removeprefix(before)
    if ids:
        yield decode(ids).removeprefix(safe(ids))
""",
        "decodes twice for each token and takes the shorter text off",
    ),
    (
        "chat_turn",
        """
def chat_turn(messages, prompt, render_chat, encode, write, decode, end_id, max_new_tokens=256):
    from itertools import islice, takewhile

    asked = list(messages) + [dict(content=prompt, role="user")]
    written = islice(write(encode(render_chat(asked))), max_new_tokens)
    answer = decode([*takewhile(lambda token: token != end_id, written)])
    return asked + [dict(content=answer.strip(), role="assistant")]
""",
        "islice and takewhile",
    ),
    (
        "chat_turn",
        """
def chat_turn(messages, prompt, render_chat, encode, write, decode, end_id, max_new_tokens=256):
    import copy

    turn = copy.deepcopy(list(messages))
    turn.append({"role": "user", "content": prompt})
    tokens, answer = iter(write(encode(render_chat(turn)))), []
    while len(answer) < max_new_tokens and (token := next(tokens)) != end_id:
        answer += [token]
    turn.append({"role": "assistant", "content": decode(answer).strip()})
    return turn
""",
        "a while loop over next, on a deep copy",
    ),
    (
        "bug_hunt",
        """
def bug_hunt():
    letters = {}
    for number in sorted(shown["asked"], reverse=True):
        letters[number] = right[list(shown["asked"]).index(number)]
    return str().join(letters[number] for number in shown["asked"])
""",
        "found from the last fault to the first, and put in order afterwards",
    ),
    (
        "plan",
        """
def days_of_training():
    import math

    p = shown
    wide, narrow = (p[n] * p["head_dim"] for n in ("n_heads", "n_kv_heads"))
    shapes = [(p["vocab_size"], p["d_model"]), (1, p["d_model"])]
    shapes += p["n_layers"] * (
        2 * [(wide, p["d_model"]), (narrow, p["d_model"]), (1, p["d_model"])]
        + 3 * [(p["d_ff"], p["d_model"])]
    )
    count = sum(math.prod(shape) for shape in shapes)
    seconds = 1 / p["flops_per_second"] / p["utilisation"] / p["machines"]
    return round(count * 6 * count * p["tokens_per_parameter"] * seconds / 3600 / 24, 6)
""",
        "every tensor's shape in a list, and rounded to six digits",
    ),
]
