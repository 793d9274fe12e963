"""Answers to unit 08, written from the learner's notebook alone before the judge saw them.

Each wrong one makes one mistake that learners make. A text is run where the right answers to the
earlier exercises stand; an answer to the question about six texts also has `shown`, what the
notebook's `question` gives.
"""

ROWS = """
    rows = {
        letter: [line.rsplit(None, 3) for line in table.splitlines()[1:]]
        for letter, table in shown.items()
    }
    rank = {letter: [int(row[1]) for row in rows[letter]] for letter in rows}
    own = {letter: [float(row[2]) for row in rows[letter]] for letter in rows}
    before = {letter: [float(row[3]) for row in rows[letter]] for letter in rows}
"""

WRONG = [
    # --- next_tokens -----------------------------------------------------------------------------
    (
        "next_tokens",
        """
def next_tokens(logits):
    return logits[-1].argmax(dim=-1)
""",
        "takes the last text, not the last position: one token for each position of one text",
    ),
    (
        "next_tokens",
        """
def next_tokens(logits):
    return logits[:, -1].topk(1, dim=-1).indices
""",
        "keeps the axis of length 1: batch x 1 in place of batch",
    ),
    (
        "next_tokens",
        """
def next_tokens(logits):
    return logits[:, -1].argsort(dim=-1, stable=True)[:, -1]
""",
        "of several highest logits takes the highest id: the last of an ascending order",
    ),
    (
        "next_tokens",
        """
def next_tokens(logits):
    return logits.amax(dim=1).argmax(dim=-1)
""",
        "takes the highest logit of any position, not of the last one",
    ),
    # --- generate --------------------------------------------------------------------------------
    (
        "generate",
        """
def generate(next_logits, token_ids, max_new_tokens, choose, stop_ids=(), context_length=8192):
    if not token_ids:
        raise ValueError("empty prompt")
    ids = list(token_ids)[-context_length:]
    for _ in range(max_new_tokens):
        token = choose(next_logits(ids))
        if token in stop_ids:
            return
        ids.append(token)
        yield token
""",
        "crops the prompt once, before the loop; the text then grows beyond the context",
    ),
    (
        "generate",
        """
def generate(next_logits, token_ids, max_new_tokens, choose, stop_ids=(), context_length=8192):
    if not token_ids:
        raise ValueError("empty prompt")
    ids = list(token_ids)
    logits = next_logits(ids[-context_length:])
    for _ in range(max_new_tokens):
        token = choose(logits)
        if token in stop_ids:
            return
        ids.append(token)
        yield token
        logits = next_logits(ids[-context_length:])
""",
        "asks the model once more after the last token, for logits that nobody uses",
    ),
    (
        "generate",
        """
def generate(next_logits, token_ids, max_new_tokens, choose, stop_ids=(), context_length=8192):
    if not token_ids:
        raise ValueError("empty prompt")
    ids = list(token_ids)
    for _ in range(max_new_tokens):
        token = choose(next_logits(ids[-context_length:]))
        if token in stop_ids:
            continue
        ids.append(token)
        yield token
""",
        "goes on after a stop token: leaves it out, but does not end",
    ),
    (
        "generate",
        """
def generate(next_logits, token_ids, max_new_tokens, choose, stop_ids=(), context_length=8192):
    if not token_ids:
        raise ValueError("empty prompt")
    ids, out = list(token_ids), []
    for _ in range(max_new_tokens):
        token = choose(next_logits(ids[-context_length:]))
        if token in stop_ids:
            break
        ids.append(token)
        out.append(token)
    yield from out
""",
        "collects all tokens and yields them at the end, not each as soon as it is chosen",
    ),
    (
        "generate",
        """
def generate(next_logits, token_ids, max_new_tokens, choose, stop_ids=(), context_length=8192):
    if not token_ids:
        raise ValueError("empty prompt")
    ids = list(token_ids)
    while len(ids) < max_new_tokens:
        token = choose(next_logits(ids[-context_length:]))
        if token in stop_ids:
            return
        ids.append(token)
        yield token
""",
        "counts the prompt's tokens as new ones: the limit is for the whole text",
    ),
    (
        "generate",
        """
def generate(next_logits, token_ids, max_new_tokens, choose, stop_ids=(), context_length=8192):
    if not token_ids:
        raise ValueError("empty prompt")
    ids = list(token_ids)
    for _ in range(max_new_tokens):
        token = choose(next_logits(ids))
        if token in stop_ids:
            return
        ids.append(token)
        ids = ids[-context_length:]
        yield token
""",
        "crops after each token only, so the first call gets the whole of a long prompt",
    ),
    # --- fit_context -----------------------------------------------------------------------------
    (
        "fit_context",
        """
def fit_context(token_ids, context_length, n_answer, n_keep=0):
    if n_keep + n_answer > context_length:
        raise ValueError("no room")
    room = context_length - n_answer
    if len(token_ids) <= room:
        return list(token_ids)
    return token_ids[:n_keep] + token_ids[-(room - n_keep):]
""",
        "where no room is left behind the kept tokens, items[-0:] is the whole text",
    ),
    (
        "fit_context",
        """
def fit_context(token_ids, context_length, n_answer, n_keep=0):
    room = context_length - n_answer - n_keep
    if room < 0:
        raise ValueError("no room")
    tail = token_ids[max(len(token_ids) - room, 0):]
    return token_ids[:n_keep] + tail
""",
        "a text that fits gets its beginning twice: head and tail overlap",
    ),
    (
        "fit_context",
        """
def fit_context(token_ids, context_length, n_answer, n_keep=0):
    if len(token_ids) + n_answer <= context_length:
        return list(token_ids)
    if n_keep + n_answer > context_length:
        raise ValueError("no room")
    n_tail = context_length - n_answer - n_keep
    return token_ids[:n_keep] + token_ids[len(token_ids) - n_tail:]
""",
        "looks for the impossible sizes only where the text is too long: a short one is no error",
    ),
    (
        "fit_context",
        """
def fit_context(token_ids, context_length, n_answer, n_keep=0):
    if n_keep + n_answer > context_length:
        raise ValueError("no room")
    if len(token_ids) + n_answer <= context_length:
        return list(token_ids)
    n_tail = context_length - n_answer
    return token_ids[:n_keep] + token_ids[n_keep:][-n_tail:]
""",
        "the kept tokens come on top of the room: they are not taken off it",
    ),
    (
        "fit_context",
        """
def fit_context(token_ids, context_length, n_answer, n_keep=0):
    if n_keep + n_answer >= context_length:
        raise ValueError("no room")
    if len(token_ids) + n_answer <= context_length:
        return list(token_ids)
    n_tail = context_length - n_answer - n_keep
    return token_ids[:n_keep] + token_ids[len(token_ids) - n_tail:]
""",
        "refuses the case where the kept tokens and the answer fill the context exactly",
    ),
    # --- layer_cache -----------------------------------------------------------------------------
    (
        "layer_cache",
        """
class LayerCache:
    pieces = []

    def __init__(self):
        pass

    def append(self, k, v):
        self.pieces.append((k, v))
        return self._all()

    def _all(self):
        return tuple(torch.cat(tensors, dim=2) for tensors in zip(*self.pieces))

    @property
    def length(self):
        return sum(k.shape[2] for k, _ in self.pieces)

    def truncate(self, length):
        if not 0 <= length <= self.length:
            raise ValueError("no such length")
        if self.pieces:
            k, v = self._all()
            self.pieces[:] = [(k[:, :, :length], v[:, :, :length])]
""",
        "the list stands in the class, so that all caches share their keys and values",
    ),
    (
        "layer_cache",
        """
class LayerCache:
    def __init__(self):
        self.k = self.v = None
        self.n = 0

    def append(self, k, v):
        if self.k is None:
            self.k, self.v = k, v
        else:
            self.k = torch.cat([self.k, k], dim=2)
            self.v = torch.cat([self.v, v], dim=2)
        self.n += 1
        return self.k, self.v

    @property
    def length(self):
        return self.n

    def truncate(self, length):
        if length < 0 or length > self.n:
            raise ValueError("no such length")
        if self.k is not None:
            self.k, self.v = self.k[:, :, :length], self.v[:, :, :length]
        self.n = length
""",
        "length counts the calls of append, not the positions",
    ),
    (
        "layer_cache",
        """
class LayerCache:
    def __init__(self):
        self.k = self.v = None

    def append(self, k, v):
        if self.k is None:
            self.k, self.v = k, v
        else:
            self.k = torch.cat([self.k, k], dim=2)
            self.v = torch.cat([self.v, v], dim=2)
        return self.k, self.v

    @property
    def length(self):
        return 0 if self.k is None else self.k.shape[2]

    def truncate(self, length):
        if length > self.length:
            raise ValueError("longer than the cache")
        if self.k is not None:
            self.k, self.v = self.k[:, :, :length], self.v[:, :, :length]
""",
        "no ValueError for a length below 0, which cuts from the end",
    ),
    (
        "layer_cache",
        """
class LayerCache:
    def __init__(self):
        self.k = self.v = None

    def append(self, k, v):
        if self.k is None:
            self.k, self.v = k, v
        else:
            self.k = torch.cat([self.k, k], dim=2)
            self.v = torch.cat([self.v, v], dim=2)
        return self.k, self.v

    @property
    def length(self):
        return 0 if self.k is None else self.k.shape[2]

    def truncate(self, length):
        if length < 0 or length > self.length:
            raise ValueError("no such length")
        if self.k is not None:
            self.k = self.k[:, :, :length]
""",
        "truncate forgets the later keys and keeps all values",
    ),
    (
        "layer_cache",
        """
class LayerCache:
    def __init__(self):
        self.k = self.v = None

    def append(self, k, v):
        if self.k is None:
            self.k, self.v = k, v
        else:
            self.k = torch.cat([k, self.k], dim=2)
            self.v = torch.cat([v, self.v], dim=2)
        return self.k, self.v

    @property
    def length(self):
        return 0 if self.k is None else self.k.shape[2]

    def truncate(self, length):
        if length < 0 or length > self.length:
            raise ValueError("no such length")
        if self.k is not None:
            self.k, self.v = self.k[:, :, :length], self.v[:, :, :length]
""",
        "puts the newest tokens in front of the older ones",
    ),
    # --- attend_with_cache -----------------------------------------------------------------------
    (
        "attend_with_cache",
        """
def attend_with_cache(q, k, v, cache, rope_theta=10000.0):
    positions = torch.arange(cache.length, cache.length + q.shape[2])
    angles = rope_angles(positions, q.shape[-1], rope_theta)
    q, k = apply_rope(q, angles), apply_rope(k, angles)
    k, v = cache.append(k, v)
    return torch.nn.functional.scaled_dot_product_attention(
        q, k, v, is_causal=True, enable_gqa=True
    )
""",
        "is_causal takes the queries for the FIRST positions: a later token sees too little",
    ),
    (
        "attend_with_cache",
        """
def attend_with_cache(q, k, v, cache, rope_theta=10000.0):
    first = cache.length
    positions = torch.arange(first, first + q.shape[2])
    angles = rope_angles(positions, q.shape[-1], rope_theta)
    q, k = apply_rope(q, angles), apply_rope(k, angles)
    k, v = cache.append(k, v)
    mask = causal_mask(q.shape[2]) if first == 0 else None
    return grouped_query_attention(q, k, v, mask)
""",
        "a mask for the prompt only: several tokens behind a cache see each other's future",
    ),
    (
        "attend_with_cache",
        """
def attend_with_cache(q, k, v, cache, rope_theta=10000.0):
    positions = torch.full((q.shape[2],), cache.length)
    angles = rope_angles(positions, q.shape[-1], rope_theta)
    q, k = apply_rope(q, angles), apply_rope(k, angles)
    k, v = cache.append(k, v)
    return grouped_query_attention(q, k, v, causal_mask(q.shape[2], k.shape[2]))
""",
        "all tokens of a piece get the position of its first one",
    ),
    (
        "attend_with_cache",
        """
def attend_with_cache(q, k, v, cache, rope_theta=10000.0):
    angles = rope_angles(torch.arange(cache.length, cache.length + q.shape[2]), q.shape[-1])
    q, k = apply_rope(q, angles), apply_rope(k, angles)
    k, v = cache.append(k, v)
    return grouped_query_attention(q, k, v, causal_mask(q.shape[2], k.shape[2]))
""",
        "does not hand rope_theta on: always 10000",
    ),
    (
        "attend_with_cache",
        """
def attend_with_cache(q, k, v, cache, rope_theta=10000.0):
    angles = rope_angles(
        torch.arange(cache.length, cache.length + q.shape[2]), q.shape[-1], rope_theta
    )
    q, k = apply_rope(q, angles), apply_rope(k, angles)
    k, v = cache.append(k, v)
    groups = q.shape[1] // k.shape[1]
    k, v = k.repeat(1, groups, 1, 1), v.repeat(1, groups, 1, 1)
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    mask = causal_mask(q.shape[2], k.shape[2])
    return scores.masked_fill(~mask, float("-inf")).softmax(-1) @ v
""",
        "KV heads repeated one set behind the other: query head h uses KV head h % kv_heads",
    ),
    (
        "attend_with_cache",
        """
def attend_with_cache(q, k, v, cache, rope_theta=10000.0):
    positions = torch.arange(cache.length, cache.length + q.shape[2])
    angles = rope_angles(positions, q.shape[-1], rope_theta)
    keys, values = cache.append(apply_rope(k, angles), v)
    return grouped_query_attention(q, keys, values, causal_mask(q.shape[2], keys.shape[2]))
""",
        "turns the keys, but not the queries",
    ),
    # --- cache_bytes -----------------------------------------------------------------------------
    (
        "cache_bytes",
        """
def cache_bytes(config, batch, seq, bytes_per_number=2):
    head_dim = config.d_model // config.n_heads
    return 2 * config.n_layers * config.n_kv_heads * head_dim * seq * batch * bytes_per_number
""",
        "works head_dim out as d_model // n_heads, which a config need not keep to",
    ),
    (
        "cache_bytes",
        """
def cache_bytes(config, batch, seq, bytes_per_number=2):
    return 2 * config.n_layers * config.n_kv_heads * config.head_dim * seq * batch * 2
""",
        "two bytes for each number, whatever bytes_per_number says",
    ),
    (
        "cache_bytes",
        """
def cache_bytes(config, batch, seq, bytes_per_number=2):
    return 2 * config.n_layers * config.n_kv_heads * config.head_dim * seq * bytes_per_number
""",
        "forgets the batch",
    ),
    # --- pass_flops ------------------------------------------------------------------------------
    (
        "pass_flops",
        """
def pass_flops(config, q_seq, kv_seq):
    c = config
    inner, kv_inner = c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim
    weights = c.d_model * (2 * inner + 2 * kv_inner + 3 * c.d_ff)
    pairs = q_seq * kv_seq - q_seq * (q_seq - 1) // 2
    attention = 2 * 2 * pairs * inner
    return c.n_layers * (2 * q_seq * weights + attention) + 2 * c.d_model * c.vocab_size
""",
        "counts the scores that the mask lets through only; hidden ones are to be counted too",
    ),
    (
        "pass_flops",
        """
def pass_flops(config, q_seq, kv_seq):
    c = config
    inner, kv_inner = c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim
    per_query = c.d_model * (2 * inner + 3 * c.d_ff)
    per_key = c.d_model * 2 * kv_inner
    attention = 2 * 2 * q_seq * kv_seq * inner
    layer = 2 * (q_seq * per_query + kv_seq * per_key) + attention
    return c.n_layers * layer + 2 * c.d_model * c.vocab_size
""",
        "runs the k and v projections for all kv_seq positions, as if there were no cache",
    ),
    (
        "pass_flops",
        """
def pass_flops(config, q_seq, kv_seq):
    c = config
    inner, kv_inner = c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim
    weights = c.d_model * (2 * inner + 2 * kv_inner + 3 * c.d_ff)
    attention = 2 * q_seq * kv_seq * inner
    return c.n_layers * (2 * q_seq * weights + attention) + 2 * c.d_model * c.vocab_size
""",
        "counts the scores, but not the weighted sums",
    ),
    (
        "pass_flops",
        """
def pass_flops(config, q_seq, kv_seq):
    c = config
    kv_inner = c.n_kv_heads * c.head_dim
    weights = c.d_model * (2 * c.d_model + 2 * kv_inner + 3 * c.d_ff)
    attention = 2 * 2 * q_seq * kv_seq * c.d_model
    return c.n_layers * (2 * q_seq * weights + attention) + 2 * c.d_model * c.vocab_size
""",
        "takes n_heads * head_dim to be d_model",
    ),
    (
        "pass_flops",
        """
def pass_flops(config, q_seq, kv_seq):
    c = config
    inner, kv_inner = c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim
    weights = c.d_model * (2 * inner + 2 * kv_inner + 3 * c.d_ff)
    attention = 2 * 2 * q_seq * kv_seq * inner
    output = 2 * c.d_model * c.vocab_size
    return c.n_layers * (2 * q_seq * weights + attention + output)
""",
        "counts the output layer once in every layer",
    ),
    # --- answer_seconds --------------------------------------------------------------------------
    (
        "answer_seconds",
        """
def answer_seconds(
    config, n_weights, n_prompt, n_answer, flops_per_second, bytes_per_second, bytes_per_number=4
):
    def one(q_seq, kv_seq):
        moved = n_weights * bytes_per_number + cache_bytes(config, 1, kv_seq)
        flops = pass_flops(config, q_seq, kv_seq)
        return max(flops / flops_per_second, moved / bytes_per_second)

    steps = sum(one(1, n_prompt + i) for i in range(1, n_answer))
    return one(n_prompt, n_prompt), float(steps)
""",
        "does not hand bytes_per_number to cache_bytes, which then takes 2",
    ),
    (
        "answer_seconds",
        """
def answer_seconds(
    config, n_weights, n_prompt, n_answer, flops_per_second, bytes_per_second, bytes_per_number=4
):
    def cost(q_seq, kv_seq):
        moved = n_weights * bytes_per_number + cache_bytes(config, 1, kv_seq, bytes_per_number)
        return pass_flops(config, q_seq, kv_seq) / flops_per_second, moved / bytes_per_second

    steps = [cost(1, n_prompt + i) for i in range(1, n_answer)]
    compute, memory = sum(step[0] for step in steps), sum(step[1] for step in steps)
    return max(cost(n_prompt, n_prompt)), float(max(compute, memory))
""",
        "adds operations and bytes of the whole answer up first: the slower one of the sums",
    ),
    (
        "answer_seconds",
        """
def answer_seconds(
    config, n_weights, n_prompt, n_answer, flops_per_second, bytes_per_second, bytes_per_number=4
):
    def one(q_seq, kv_seq):
        moved = n_weights * bytes_per_number + cache_bytes(config, 1, kv_seq, bytes_per_number)
        return max(pass_flops(config, q_seq, kv_seq) / flops_per_second, moved / bytes_per_second)

    prompt = one(n_prompt, n_prompt)
    steps = sum(one(1, n_prompt + i) for i in range(1, n_answer))
    return prompt, prompt + steps
""",
        "the second number is the whole time: the prompt's is counted in it again",
    ),
    (
        "answer_seconds",
        """
def answer_seconds(
    config, n_weights, n_prompt, n_answer, flops_per_second, bytes_per_second, bytes_per_number=4
):
    def one(q_seq, kv_seq):
        moved = n_weights * bytes_per_number + cache_bytes(config, 1, kv_seq, bytes_per_number)
        return max(pass_flops(config, q_seq, kv_seq) / flops_per_second, moved / bytes_per_second)

    return one(n_prompt, n_prompt), (n_answer - 1) * one(1, n_prompt + 1)
""",
        "every step costs what the first one does: the growing cache is forgotten",
    ),
    (
        "answer_seconds",
        """
def answer_seconds(
    config, n_weights, n_prompt, n_answer, flops_per_second, bytes_per_second, bytes_per_number=4
):
    def one(q_seq, kv_seq):
        weights = n_weights * q_seq * bytes_per_number
        moved = weights + cache_bytes(config, 1, kv_seq, bytes_per_number)
        return max(pass_flops(config, q_seq, kv_seq) / flops_per_second, moved / bytes_per_second)

    steps = sum(one(1, n_prompt + i) for i in range(1, n_answer))
    return one(n_prompt, n_prompt), float(steps)
""",
        "brings the weights once for each token of the prompt, not once for the pass",
    ),
    (
        "answer_seconds",
        """
def answer_seconds(
    config, n_weights, n_prompt, n_answer, flops_per_second, bytes_per_second, bytes_per_number=4
):
    def one(q_seq, kv_seq):
        moved = n_weights * bytes_per_number + cache_bytes(config, 1, kv_seq, bytes_per_number)
        return max(pass_flops(config, q_seq, kv_seq) / flops_per_second, moved / bytes_per_second)

    steps = sum(one(1, n_prompt + i) for i in range(n_answer - 1))
    return one(n_prompt, n_prompt), float(steps)
""",
        "a step does not attend to itself: one position too few in every pass",
    ),
    # --- top_k -----------------------------------------------------------------------------------
    (
        "top_k",
        """
def top_k(logits, k):
    if k < 1:
        raise ValueError("k is 1 or more")
    values, indices = logits.topk(min(k, logits.shape[-1]), dim=-1)
    return torch.full_like(logits, float("-inf")).scatter(-1, indices, values)
""",
        "keeps exactly k: of those equal to the lowest kept one, some are dropped",
    ),
    (
        "top_k",
        """
def top_k(logits, k):
    if k < 1:
        raise ValueError("k is 1 or more")
    limit = logits.flatten().sort(descending=True).values[min(k, logits.numel()) - 1]
    return logits.masked_fill(logits < limit, float("-inf"))
""",
        "one limit for all rows: the k highest of the whole tensor",
    ),
    (
        "top_k",
        """
def top_k(logits, k):
    if k < 1 or k > logits.shape[-1]:
        raise ValueError("k is between 1 and the size of the vocabulary")
    limit = logits.topk(k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < limit, float("-inf"))
""",
        "refuses a k above the vocabulary, which should keep all",
    ),
    (
        "top_k",
        """
def top_k(logits, k):
    if k < 1:
        raise ValueError("k is 1 or more")
    limit = logits.topk(min(k, logits.shape[-1]), dim=-1).values[..., -1:]
    return torch.where(logits >= limit, logits, 0.0)
""",
        "the others become 0, not -inf: a logit of 0 is a chance like any other",
    ),
    # --- top_p -----------------------------------------------------------------------------------
    (
        "top_p",
        """
def top_p(logits, p):
    if not 0 < p <= 1:
        raise ValueError("0 < p <= 1")
    ordered, order = logits.softmax(-1).sort(dim=-1, descending=True)
    drop = ordered.cumsum(-1) - ordered >= p
    return logits.masked_fill(drop.gather(-1, order), float("-inf"))
""",
        "gather in place of scatter: the decisions do not go back to the places they came from",
    ),
    (
        "top_p",
        """
def top_p(logits, p):
    if not 0 < p <= 1:
        raise ValueError("0 < p <= 1")
    ordered, order = logits.softmax(-1).sort(dim=-1, descending=True)
    drop = ordered.cumsum(-1) - ordered >= p
    kept = torch.zeros_like(drop).scatter(-1, order, drop)
    return logits.softmax(-1).masked_fill(kept, 0.0).log()
""",
        "gives the logarithms of the probabilities; the kept logits should stay as they are",
    ),
    (
        "top_p",
        """
def top_p(logits, p):
    if not 0 < p <= 1:
        raise ValueError("0 < p <= 1")
    ordered, order = logits.softmax(-1).sort(dim=-1, descending=True)
    drop = ordered.cumsum(-1) > p
    drop[..., 1:] = drop[..., :-1].clone()
    return logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), float("-inf"))
""",
        "moves the decisions by one, but the likeliest token is dropped where it alone is above p",
    ),
    (
        "top_p",
        """
def top_p(logits, p):
    if not 0 < p <= 1:
        raise ValueError("0 < p <= 1")
    probabilities = logits.softmax(-1)
    return logits.masked_fill(probabilities.cumsum(-1) - probabilities >= p, float("-inf"))
""",
        "adds up in the order of the ids, not from the likeliest on",
    ),
    (
        "top_p",
        """
def top_p(logits, p):
    if not 0 < p < 1:
        raise ValueError("p is between 0 and 1")
    ordered, order = logits.softmax(-1).sort(dim=-1, descending=True)
    drop = ordered.cumsum(-1) - ordered >= p
    return logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), float("-inf"))
""",
        "refuses p = 1, which is allowed",
    ),
    # --- min_p -----------------------------------------------------------------------------------
    (
        "min_p",
        """
def min_p(logits, p):
    if not 0 <= p <= 1:
        raise ValueError("0 <= p <= 1")
    probabilities = logits.softmax(-1)
    return logits.masked_fill(probabilities < p * probabilities.max(), float("-inf"))
""",
        "one limit for all rows: the highest probability of the batch, not of the row",
    ),
    (
        "min_p",
        """
def min_p(logits, p):
    if not 0 <= p <= 1:
        raise ValueError("0 <= p <= 1")
    return logits.masked_fill(logits < p * logits.amax(-1, keepdim=True), float("-inf"))
""",
        "compares logits with p times the highest logit, not probabilities",
    ),
    (
        "min_p",
        """
def min_p(logits, p):
    import math

    if not 0 <= p <= 1:
        raise ValueError("0 <= p <= 1")
    limit = logits.amax(-1, keepdim=True) + math.log(p)
    return logits.masked_fill(logits < limit, float("-inf"))
""",
        "no case for p = 0: math.log(0) is an error",
    ),
    (
        "min_p",
        """
def min_p(logits, p):
    if not 0 <= p <= 1:
        raise ValueError("0 <= p <= 1")
    probabilities = logits.softmax(-1)
    best = probabilities.amax(-1, keepdim=True)
    return logits.masked_fill(probabilities < best - p, float("-inf"))
""",
        "subtracts p from the highest probability in place of multiplying",
    ),
    # --- sample ----------------------------------------------------------------------------------
    (
        "sample",
        """
def sample(logits, temperature, k, p, generator):
    if temperature < 0:
        raise ValueError("temperature below 0")
    if temperature == 0:
        return logits.argmax(-1)
    scaled = logits / temperature
    keep = torch.ones_like(scaled, dtype=torch.bool)
    if k is not None:
        keep &= top_k(scaled, k).isfinite()
    if p is not None:
        keep &= top_p(scaled, p).isfinite()
    scaled = scaled.masked_fill(~keep, float("-inf"))
    return torch.multinomial(scaled.softmax(-1), 1, generator=generator).squeeze(-1)
""",
        "top-p adds up the probabilities of all tokens, not of those that top-k left",
    ),
    (
        "sample",
        """
def sample(logits, temperature, k, p, generator):
    if temperature < 0:
        raise ValueError("temperature below 0")
    if temperature == 0:
        return logits.argmax(-1)
    generator.manual_seed(0)
    logits = logits / temperature
    if k is not None:
        logits = top_k(logits, k)
    if p is not None:
        logits = top_p(logits, p)
    return torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
""",
        "seeds the generator in every call, so that every call draws the same",
    ),
    (
        "sample",
        """
def sample(logits, temperature, k, p, generator):
    if temperature < 0:
        raise ValueError("temperature below 0")
    if temperature == 0:
        return logits.argmax(-1)
    logits = logits / temperature
    if k is not None:
        logits = top_k(logits, k)
    if p is not None:
        logits = top_p(logits, p)
    return torch.distributions.Categorical(logits=logits).sample()
""",
        "Categorical draws from torch's own chance, not from the generator",
    ),
    (
        "sample",
        """
def sample(logits, temperature, k, p, generator):
    if temperature < 0:
        raise ValueError("temperature below 0")
    if temperature == 0:
        return logits.argmax(-1)
    if k is not None:
        logits = top_k(logits, k)
    if p is not None:
        logits = top_p(logits, p)
    probabilities = (logits / temperature).softmax(-1)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]
""",
        "temperature last: top-p adds up other probabilities",
    ),
    (
        "sample",
        """
def sample(logits, temperature, k, p, generator):
    if temperature < 0:
        raise ValueError("temperature below 0")
    if temperature == 0:
        return logits.argmax(-1)
    logits = logits / temperature
    if k is not None:
        logits = top_k(logits, k)
    if p is not None:
        logits = top_p(logits, p)
    sums = logits.softmax(-1).cumsum(-1)
    return (sums < torch.rand(1, generator=generator)).sum(-1).clamp(max=logits.shape[-1] - 1)
""",
        "one random number for all rows: equal rows get equal tokens",
    ),
    (
        "sample",
        """
def sample(logits, temperature, k, p, generator):
    if temperature < 0:
        raise ValueError("temperature below 0")
    if temperature == 0:
        return logits.argmax(-1)
    probabilities = (logits / temperature).softmax(-1)
    if k is not None:
        probabilities = top_k(probabilities, k).clamp(min=0)
    if p is not None:
        probabilities = top_p(probabilities, p).clamp(min=0)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]
""",
        "hands probabilities to top_p, which takes logits: softmax twice",
    ),
    # --- until -----------------------------------------------------------------------------------
    (
        "until",
        """
def until(pieces, stops):
    held = ""
    for piece in pieces:
        held += piece
        for stop in stops:
            if stop in held:
                yield held[: held.index(stop)]
                return
        n = 0
        for i in range(len(held)):
            if any(stop.startswith(held[i:]) for stop in stops):
                n = len(held) - i
                break
        yield held[: len(held) - n]
        held = held[len(held) - n :]
    yield held
""",
        "of two stops in the text takes the first of the list, not the one that begins first",
    ),
    (
        "until",
        """
def until(pieces, stops):
    held = ""
    longest = max((len(stop) for stop in stops), default=1)
    for piece in pieces:
        held += piece
        places = [held.find(stop) for stop in stops if stop in held]
        if places:
            yield held[: min(places)]
            return
        cut = max(0, len(held) - (longest - 1))
        yield held[:cut]
        held = held[cut:]
    yield held
""",
        "always holds back as many characters as the longest stop has but one, needed or not",
    ),
    (
        "until",
        """
def until(pieces, stops):
    held = ""
    for piece in pieces:
        held += piece
        places = [held.find(stop) for stop in stops if stop in held]
        if places:
            yield held[: min(places)]
            return
        cut = len(held)
        for i in range(len(held) - 1, -1, -1):
            if any(stop.startswith(held[i:]) for stop in stops):
                cut = i
                break
        yield held[:cut]
        held = held[cut:]
    yield held
""",
        "holds back the shortest ending that may begin a stop, not the longest",
    ),
    (
        "until",
        """
def until(pieces, stops):
    for piece in pieces:
        places = [piece.find(stop) for stop in stops if stop in piece]
        if places:
            yield piece[: min(places)]
            return
        yield piece
""",
        "looks for stops inside each piece alone: one that spans two pieces is not seen",
    ),
    (
        "until",
        """
def until(pieces, stops):
    held = ""
    for piece in pieces:
        held += piece
        places = [held.find(stop) for stop in stops if stop in held]
        if places:
            yield held[: min(places)]
            return
        if not any(stop.startswith(held) for stop in stops):
            yield held
            held = ""
    yield held
""",
        "holds text back only where all of it may begin a stop: a beginning at its end is shown",
    ),
    (
        "until",
        """
def until(pieces, stops):
    text, shown = "", 0
    for piece in pieces:
        text += piece
        places = [text.find(stop) for stop in stops if stop in text]
        if places:
            yield text[shown : min(places)]
            return
        end = len(text)
        for i in range(shown, len(text)):
            if any(stop.startswith(text[i:]) for stop in stops):
                end = i
                break
        yield text[shown:end]
        shown = end
""",
        "what is held back when the pieces end is lost",
    ),
    # --- which_setting ---------------------------------------------------------------------------
    (
        "which_setting",
        f"""
def drawn_with_top_p():{ROWS}
    return next(c for c in rows if max(rank[c]) == 1)
""",
        "takes the greedy text: only the likeliest token each time",
    ),
    (
        "which_setting",
        f"""
def drawn_with_top_p():{ROWS}
    drawn = [c for c in rows if max(rank[c]) > 1]
    return min(drawn, key=lambda c: (max(rank[c]), -max(before[c])))
""",
        "takes the text with the lowest ranks: that is what top-k looks like",
    ),
    (
        "which_setting",
        f"""
def drawn_with_top_p():{ROWS}
    drawn = [c for c in rows if max(rank[c]) > 1]
    return max(drawn, key=lambda c: sum(own[c]) / len(own[c]))
""",
        "takes the text with the highest probabilities among those that are drawn",
    ),
    (
        "which_setting",
        f"""
def drawn_with_top_p():{ROWS}
    drawn = [c for c in rows if max(rank[c]) > 1]
    return min(drawn, key=lambda c: max(before[c])).lower()
""",
        "the right letter, but in lower case",
    ),
]

RIGHT = [
    (
        "next_tokens",
        """
def next_tokens(logits):
    import numpy as np

    return torch.from_numpy(np.argmax(logits.detach().numpy()[:, -1, :], axis=1))
""",
        "through numpy's argmax and back",
    ),
    (
        "generate",
        """
def generate(next_logits, token_ids, max_new_tokens, choose, stop_ids=(), context_length=8192):
    from collections import deque

    if len(token_ids) == 0:
        raise ValueError("an empty prompt")

    def write():
        window, left = deque(token_ids, maxlen=context_length), max_new_tokens
        while left > 0:
            token = choose(next_logits([*window]))
            if token in set(stop_ids):
                break
            window.append(token)
            left -= 1
            yield token

    return write()
""",
        "a deque that forgets by itself, and an inner generator, so that the error comes at once",
    ),
    (
        "fit_context",
        """
def fit_context(token_ids, context_length, n_answer, n_keep=0):
    if n_keep > context_length - n_answer:
        raise ValueError("the instructions and the answer do not fit")
    ids = list(token_ids)
    while len(ids) > context_length - n_answer:
        del ids[n_keep]
    return ids
""",
        "removes the oldest token behind the kept ones until the rest fits",
    ),
    (
        "layer_cache",
        """
class LayerCache:
    def __init__(self):
        self.steps = []

    def append(self, k, v):
        pair = torch.stack([k, v])
        self.steps += [pair[..., i, :] for i in range(pair.shape[-2])]
        if not self.steps:
            return k, v
        both = torch.stack(self.steps, dim=-2)
        return both[0], both[1]

    @property
    def length(self):
        return len(self.steps)

    def truncate(self, length):
        if length not in range(len(self.steps) + 1):
            raise ValueError("no such length")
        del self.steps[length:]
""",
        "a list with one entry for each position, k and v in one tensor",
    ),
    (
        "attend_with_cache",
        """
def attend_with_cache(q, k, v, cache, rope_theta=10000.0):
    import torch.nn.functional as F

    start, n, head_dim = cache.length, q.shape[2], q.shape[3]
    steps = torch.arange(start, start + n, dtype=torch.float64)
    rates = rope_theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    turn = torch.polar(torch.ones(n, head_dim // 2, dtype=torch.float64), torch.outer(steps, rates))

    def rotated(x):
        pairs = torch.view_as_complex(x.double().reshape(*x.shape[:-1], -1, 2))
        return torch.view_as_real(pairs * turn).flatten(-2).to(x.dtype)

    keys, values = cache.append(rotated(k), v)
    seen = torch.ones(n, keys.shape[2], dtype=torch.bool).tril(start)
    return F.scaled_dot_product_attention(rotated(q), keys, values, attn_mask=seen, enable_gqa=True)
""",
        "complex numbers for the rotation, torch's own attention with a tril mask",
    ),
    (
        "attend_with_cache",
        """
def attend_with_cache(q, k, v, cache, rope_theta=10000.0):
    first = cache.length
    positions = torch.arange(first, first + q.shape[2])
    q = apply_rope(q, rope_angles(positions, q.shape[-1], rope_theta))
    k, v = cache.append(k, v)
    k = apply_rope(k, rope_angles(torch.arange(k.shape[2]), k.shape[-1], rope_theta))
    return grouped_query_attention(q, k, v, causal_mask(q.shape[2], k.shape[2]))
""",
        "stores keys as they came and turns all of them anew at each step (thought wrong at first)",
    ),
    (
        "cache_bytes",
        """
def cache_bytes(config, batch, seq, bytes_per_number=2):
    total = 0
    for _ in range(config.n_layers):
        for _ in ("k", "v"):
            total += torch.empty(
                batch, config.n_kv_heads, seq, config.head_dim, device="meta"
            ).numel() * bytes_per_number
    return total
""",
        "counts the numbers of tensors that hold nothing",
    ),
    (
        "pass_flops",
        """
def pass_flops(config, q_seq, kv_seq):
    def product(m, k, n):
        return 2 * m * k * n

    d, head = config.d_model, config.head_dim
    total = product(1, d, config.vocab_size)
    for _ in range(config.n_layers):
        for heads in (config.n_heads, config.n_heads, config.n_kv_heads, config.n_kv_heads):
            total += product(q_seq, d, heads * head)
        for _ in range(config.n_heads):
            total += product(q_seq, head, kv_seq) + product(q_seq, kv_seq, head)
        total += 2 * product(q_seq, d, config.d_ff) + product(q_seq, config.d_ff, d)
    return total
""",
        "product by product, layer by layer",
    ),
    (
        "answer_seconds",
        """
def answer_seconds(
    config, n_weights, n_prompt, n_answer, flops_per_second, bytes_per_second, bytes_per_number=4
):
    import numpy as np

    def times(q_seq, kv_seq):
        flops = np.array([pass_flops(config, q_seq, int(n)) for n in kv_seq], dtype=float)
        cached = np.array([cache_bytes(config, 1, int(n), bytes_per_number) for n in kv_seq])
        moved = n_weights * bytes_per_number + cached
        return float(np.maximum(flops / flops_per_second, moved / bytes_per_second).sum())

    answer = np.arange(n_prompt + 1, n_prompt + n_answer)
    return times(n_prompt, [n_prompt]), times(1, answer) if len(answer) else 0.0
""",
        "arrays over all steps, the slower of the two element by element",
    ),
    (
        "top_k",
        """
def top_k(logits, k):
    if k < 1:
        raise ValueError("k < 1")
    out = logits.clone()
    for row in out.view(-1, out.shape[-1]):
        highest = sorted(row.tolist(), reverse=True)[:k]
        row[row < highest[-1]] = -torch.inf
    return out
""",
        "row by row with sorted, in place on a copy",
    ),
    (
        "top_p",
        """
def top_p(logits, p):
    if p <= 0 or p > 1:
        raise ValueError("p")
    out = torch.full_like(logits, -torch.inf)
    for i, row in enumerate(logits.double().softmax(-1)):
        total = 0.0
        for token in row.argsort(descending=True, stable=True).tolist():
            if total >= p:
                break
            out[i, token] = logits[i, token]
            total += row[token].item()
    return out
""",
        "two loops that enter tokens until the sum is reached, in float64",
    ),
    (
        "min_p",
        """
def min_p(logits, p):
    if not 0 <= p <= 1:
        raise ValueError("p")
    ratio = (logits - logits.max(dim=-1, keepdim=True).values).exp()
    return torch.where(ratio >= p, logits, torch.tensor(-torch.inf))
""",
        "the ratio of two probabilities without a softmax",
    ),
    (
        "sample",
        """
def sample(logits, temperature, k, p, generator):
    if temperature < 0:
        raise ValueError("below 0")
    if not temperature:
        return logits.max(dim=-1).indices
    left = logits.clone().div_(temperature)
    left = left if k is None else top_k(left, k)
    left = left if p is None else top_p(left, p)
    drawn = torch.rand(left.shape, generator=generator).clamp(1e-12, 1 - 1e-7)
    noise = -torch.log(-torch.log(drawn))
    return (left + noise).argmax(-1)
""",
        "the highest logit after Gumbel noise, in place of multinomial",
    ),
    (
        "until",
        """
def until(pieces, stops):
    held = ""
    for character in (c for piece in pieces for c in piece):
        held += character
        if any(held.endswith(stop) for stop in stops):
            done = next(stop for stop in stops if held.endswith(stop))
            if len(held) > len(done):
                yield held[: -len(done)]
            return
        while held and not any(stop.startswith(held) for stop in stops):
            yield held[0]
            held = held[1:]
    if held:
        yield held
""",
        "character by character: what cannot begin a stop leaves at the front",
    ),
    (
        "which_setting",
        f"""
def drawn_with_top_p():{ROWS}
    possible = []
    for letter in sorted(rows):
        if all(b < 0.6 + 0.0005 for b in before[letter]) and max(rank[letter]) > 1:
            possible.append(letter)
    return possible[0]
""",
        "never more than p before a token, but not greedy",
    ),
]
