"""Answers to unit 02 that were written from the released notebook alone, before the judge saw them.

Each wrong one is a mistake that learners make. `WRONG` has the exercise, the answer's source and
what is truly wrong with it; `RIGHT` has right answers in styles of their own. The sources may use
what the notebook's first cell imports, and the answers of earlier exercises. An answer to the
decision reads `shown`, which is what the learner sees.
"""

WRONG = [
    # ------------------------------------------------------------------ count_ngrams
    (
        "count_ngrams",
        """
def count_ngrams(token_ids, n):
    if n < 1:
        raise ValueError("n must be at least 1")
    walker = iter(token_ids)
    return Counter(zip(*[walker] * n))
""",
        "The well-known recipe for chunks: runs follow one another and never overlap.",
    ),
    (
        "count_ngrams",
        """
def count_ngrams(token_ids, n):
    if n < 1:
        raise ValueError("n must be at least 1")
    counts = Counter()
    for length in range(1, n + 1):
        for i in range(len(token_ids) - length + 1):
            counts[tuple(token_ids[i : i + length])] += 1
    return counts
""",
        "All lengths up to n are counted, not the runs of n alone.",
    ),
    (
        "count_ngrams",
        """
def count_ngrams(token_ids, n):
    if n < 1:
        raise ValueError("n must be at least 1")
    runs = [tuple(sorted(token_ids[i : i + n])) for i in range(len(token_ids) - n + 1)]
    return Counter(runs)
""",
        "The tokens of each run are sorted: their order is lost, (2, 1) counts as (1, 2).",
    ),
    (
        "count_ngrams",
        """
def count_ngrams(token_ids, n):
    if n <= 1:
        raise ValueError("an n-gram needs at least two tokens")
    return Counter(tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1))
""",
        "n = 1 is refused, although single tokens are 1-grams.",
    ),
    (
        "count_ngrams",
        """
def count_ngrams(token_ids, n):
    if n < 1:
        raise ValueError("n must be at least 1")
    padded = [None] * (n - 1) + list(token_ids)
    return Counter(tuple(padded[i : i + n]) for i in range(len(token_ids)))
""",
        "The beginning is padded with n - 1 empty places, which makes n-grams that are not there.",
    ),
    # ------------------------------------------------------------------ next_probabilities
    (
        "next_probabilities",
        """
def next_probabilities(token_ids, context, vocab_size, k):
    counts = np.zeros(vocab_size)
    m = len(context)
    for i in range(len(token_ids) - m):
        if tuple(token_ids[i : i + m]) == context:
            counts[token_ids[i + m]] += 1
    if counts.sum() == 0 and k == 0:
        raise ValueError("nothing to go by")
    known = len(set(token_ids))
    return (counts + k) / (counts.sum() + k * known)
""",
        "k times the number of different tokens in the text, in the place of vocab_size.",
    ),
    (
        "next_probabilities",
        """
def next_probabilities(token_ids, context, vocab_size, k):
    counts = np.zeros(vocab_size)
    last = context[-1:]
    for i in range(len(last), len(token_ids)):
        if tuple(token_ids[i - len(last) : i]) == last:
            counts[token_ids[i]] += 1
    total = counts.sum() + k * vocab_size
    if total == 0:
        raise ValueError("nothing to go by")
    return (counts + k) / total
""",
        "Only the last token of the context is compared.",
    ),
    (
        "next_probabilities",
        """
def next_probabilities(token_ids, context, vocab_size, k):
    counts = np.zeros(vocab_size)
    m = len(context)
    for i in range(len(token_ids) - m):
        if tuple(token_ids[i : i + m]) == context:
            counts[token_ids[i + m]] += 1
    if counts.sum() == 0:
        return np.full(vocab_size, 1 / vocab_size)
    return (counts + k) / (counts.sum() + k * vocab_size)
""",
        "With C = 0 and k = 0 it gives every token the same probability instead of raising.",
    ),
    (
        "next_probabilities",
        """
def next_probabilities(token_ids, context, vocab_size, k):
    counts = np.zeros(vocab_size)
    m = len(context)
    i = 0
    while i + m < len(token_ids):
        if tuple(token_ids[i : i + m]) == context:
            counts[token_ids[i + m]] += 1
            i += m + 1
        else:
            i += 1
    total = counts.sum() + k * vocab_size
    if total == 0:
        raise ValueError("nothing to go by")
    return (counts + k) / total
""",
        "After a match the search goes on behind the token that followed: overlaps are missed.",
    ),
    (
        "next_probabilities",
        """
def next_probabilities(token_ids, context, vocab_size, k):
    counts = np.zeros(vocab_size)
    m = len(context)
    for i in range(len(token_ids) - m):
        if tuple(token_ids[i : i + m]) == context:
            counts[token_ids[i + m]] += 1
    seen = counts > 0
    counts[seen] += k
    if counts.sum() == 0:
        raise ValueError("nothing to go by")
    return counts / counts.sum()
""",
        "Only tokens that did follow get k more: what never followed stays at 0 (or is refused).",
    ),
    (
        "next_probabilities",
        """
def next_probabilities(token_ids, context, vocab_size, k):
    ngrams = Counter()
    m = len(context) + 1
    for i in range(len(token_ids) - m + 1):
        ngrams[tuple(token_ids[i : i + m])] += 1
    counts = np.array([ngrams[context + (v,)] for v in range(vocab_size)])
    total = sum(ngrams.values())
    if counts.sum() + k == 0:
        raise ValueError("nothing to go by")
    return (counts + k) / (total + k * vocab_size)
""",
        "Divides by the number of all n-grams, not of those with this context.",
    ),
    # ------------------------------------------------------------------ nats_and_perplexity
    (
        "nats_and_perplexity",
        """
def nats_and_perplexity(probabilities):
    if len(probabilities) == 0:
        raise ValueError("no tokens")
    if (probabilities == 0).any():
        return math.inf, math.inf
    nats = float(-(probabilities * np.log(probabilities)).sum())
    return nats, math.exp(nats)
""",
        "The entropy -sum(p ln p): each cost is weighted with its own probability, no mean.",
    ),
    (
        "nats_and_perplexity",
        """
def nats_and_perplexity(probabilities):
    if len(probabilities) == 0:
        raise ValueError("no tokens")
    if (probabilities == 0).any():
        return math.inf, math.inf
    nats = float(-np.log(probabilities).mean())
    return nats, float((1 / probabilities).mean())
""",
        "Perplexity is the arithmetic mean of 1/p instead of exp of the mean cost.",
    ),
    (
        "nats_and_perplexity",
        """
def nats_and_perplexity(probabilities):
    if len(probabilities) == 0:
        return 0.0, 1.0
    if min(probabilities) == 0:
        return math.inf, math.inf
    nats = -sum(math.log(p) for p in probabilities) / len(probabilities)
    return nats, math.exp(nats)
""",
        "A text without tokens is said to cost nothing instead of raising ValueError.",
    ),
    (
        "nats_and_perplexity",
        """
def nats_and_perplexity(probabilities):
    if len(probabilities) == 0:
        raise ValueError("no tokens")
    if (probabilities == 0).any():
        return math.inf, math.inf
    nats = float(-np.log(probabilities).sum() / (len(probabilities) - 1 or 1))
    return nats, math.exp(nats)
""",
        "The mean divides by one token less, as if the first were not predicted.",
    ),
    (
        "nats_and_perplexity",
        """
def nats_and_perplexity(probabilities):
    if len(probabilities) == 0:
        raise ValueError("no tokens")
    if (probabilities == 0).any():
        return math.inf, math.inf
    bits = float(-np.log2(probabilities).mean())
    return bits, 2**bits
""",
        "The cost is in bits; the perplexity, 2 to the power of it, is right.",
    ),
    # ------------------------------------------------------------------ sample_text
    (
        "sample_text",
        """
def sample_text(token_ids, prompt, n, uniforms, vocab_size, k):
    if len(prompt) < n - 1:
        raise ValueError("prompt too short")
    tokens = list(prompt)
    for u in uniforms:
        context = tuple(tokens[len(tokens) - n + 1 :])
        p = next_probabilities(token_ids, context, vocab_size, k)
        order = np.argsort(-p, kind="stable")
        chosen = np.searchsorted(np.cumsum(p[order]), u, side="right")
        tokens.append(int(order[min(chosen, vocab_size - 1)]))
    return tokens[len(prompt) :]
""",
        "The stretches are laid out from the likeliest token down, not in the order of the ids.",
    ),
    (
        "sample_text",
        """
def sample_text(token_ids, prompt, n, uniforms, vocab_size, k):
    if len(prompt) < n - 1:
        raise ValueError("prompt too short")
    text = token_ids + prompt
    written = []
    for u in uniforms:
        context = tuple(text[len(text) - (n - 1) :])
        p = next_probabilities(text, context, vocab_size, k)
        token = int((np.cumsum(p) <= u).sum())
        text.append(token)
        written.append(token)
    return written
""",
        "The prompt and what was written are counted too: probabilities come from a longer text.",
    ),
    (
        "sample_text",
        """
def sample_text(token_ids, prompt, n, uniforms, vocab_size, k):
    if len(prompt) < n - 1:
        raise ValueError("prompt too short")
    tokens = prompt
    start = len(prompt)
    for u in uniforms:
        context = tuple(tokens[len(tokens) - n + 1 :])
        p = next_probabilities(token_ids, context, vocab_size, k)
        tokens.append(int((np.cumsum(p) <= u).sum()))
    return tokens[start:]
""",
        "`tokens` is the caller's prompt itself, which grows in place.",
    ),
    (
        "sample_text",
        """
def sample_text(token_ids, prompt, n, uniforms, vocab_size, k):
    if len(prompt) < n - 1:
        raise ValueError("prompt too short")
    tokens = list(prompt)
    for u in uniforms:
        context = tuple(tokens[: n - 1])
        p = next_probabilities(token_ids, context, vocab_size, k)
        tokens.append(int((np.cumsum(p) <= u).sum()))
    return tokens[len(prompt) :]
""",
        "The context is the first n - 1 tokens of the prompt, not the last of the text.",
    ),
    (
        "sample_text",
        """
def sample_text(token_ids, prompt, n, uniforms, vocab_size, k):
    if len(prompt) < n:
        raise ValueError("prompt too short")
    tokens = list(prompt)
    for u in uniforms:
        context = tuple(tokens[len(tokens) - n + 1 :])
        p = next_probabilities(token_ids, context, vocab_size, k)
        tokens.append(int((np.cumsum(p) <= u).sum()))
    return tokens[len(prompt) :]
""",
        "A prompt of exactly n - 1 tokens is refused, although it is long enough.",
    ),
    # ------------------------------------------------------------------ evaluate_ngram
    (
        "evaluate_ngram",
        """
def evaluate_ngram(texts, held_out, n, vocab_size, k):
    counts, contexts = Counter(), Counter()
    for text in texts:
        counts.update(count_ngrams(text, n))
    for ngram, c in counts.items():
        contexts[ngram[:-1]] += c
    p, unseen = [], 0
    for i in range(len(held_out) - n + 1):
        ngram = tuple(held_out[i : i + n])
        p.append((counts[ngram] + k) / (contexts[ngram[:-1]] + k * vocab_size))
        unseen += ngram[:-1] not in contexts
    return nats_and_perplexity(np.array(p))[0], unseen / len(p)
""",
        "The share of n-grams whose context was never seen, not of n-grams never seen.",
    ),
    (
        "evaluate_ngram",
        """
def evaluate_ngram(texts, held_out, n, vocab_size, k):
    for text in texts:
        counts = count_ngrams(text, n)
    contexts = Counter()
    for ngram, c in counts.items():
        contexts[ngram[:-1]] += c
    ngrams = [tuple(held_out[i : i + n]) for i in range(len(held_out) - n + 1)]
    p = [(counts[g] + k) / (contexts[g[:-1]] + k * vocab_size) for g in ngrams]
    unseen = sum(counts[g] == 0 for g in ngrams) / len(ngrams)
    return nats_and_perplexity(np.array(p))[0], unseen
""",
        "Each text's table replaces the one before: only the last text counts.",
    ),
    (
        "evaluate_ngram",
        """
from collections import defaultdict

def evaluate_ngram(texts, held_out, n, vocab_size, k):
    counts, contexts = defaultdict(int), defaultdict(int)
    for text in texts:
        for i in range(len(text) - n + 1):
            counts[tuple(text[i : i + n])] += 1
            contexts[tuple(text[i : i + n - 1])] += 1
    nats, unseen, m = 0.0, 0, len(held_out) - n + 1
    for i in range(m):
        ngram = tuple(held_out[i : i + n])
        if ngram not in counts:
            unseen += 1
        nats -= math.log((counts[ngram] + k) / (contexts[ngram[:-1]] + k * vocab_size))
    return nats / m, unseen / m
""",
        "Reading a defaultdict makes the entry: an unseen n-gram is unseen only the first time.",
    ),
    (
        "evaluate_ngram",
        """
def evaluate_ngram(texts, held_out, n, vocab_size, k):
    counts, contexts = Counter(), Counter()
    for text in texts:
        counts.update(count_ngrams(text, n))
    for ngram, c in counts.items():
        contexts[ngram[:-1]] += c
    p, unseen = [], 0
    ngrams = [tuple(held_out[i : i + n]) for i in range(len(held_out) - n + 1)]
    for ngram in ngrams:
        if ngram in counts:
            p.append((counts[ngram] + k) / (contexts[ngram[:-1]] + k * vocab_size))
        else:
            unseen += 1
    nats = nats_and_perplexity(np.array(p))[0] if p else math.inf
    return nats, unseen / len(ngrams)
""",
        "Only n-grams that were seen enter the mean cost: the hard ones are left out.",
    ),
    (
        "evaluate_ngram",
        """
def evaluate_ngram(texts, held_out, n, vocab_size, k):
    counts, contexts = Counter(), Counter()
    for text in texts:
        counts.update(count_ngrams(text, n))
    for ngram in counts:
        contexts[ngram[:-1]] += 1
    ngrams = [tuple(held_out[i : i + n]) for i in range(len(held_out) - n + 1)]
    p = [(counts[g] + k) / (contexts[g[:-1]] + k * vocab_size) for g in ngrams]
    unseen = sum(g not in counts for g in ngrams) / len(ngrams)
    return nats_and_perplexity(np.array(p))[0], unseen
""",
        "C is the number of different n-grams with this context, each counted once.",
    ),
    (
        "evaluate_ngram",
        """
def evaluate_ngram(texts, held_out, n, vocab_size, k):
    tables = [Counter() for _ in range(n + 1)]
    for text in texts:
        for length in range(1, n + 1):
            tables[length].update(count_ngrams(text, length))
    contexts = [Counter() for _ in range(n + 1)]
    for length in range(1, n + 1):
        for gram, c in tables[length].items():
            contexts[length][gram[:-1]] += c
    p, unseen = [], 0
    for i in range(len(held_out)):
        gram = tuple(held_out[max(0, i - n + 1) : i + 1])
        c, total = tables[len(gram)][gram], contexts[len(gram)][gram[:-1]]
        p.append((c + k) / (total + k * vocab_size))
        unseen += c == 0
    return nats_and_perplexity(np.array(p))[0], unseen / len(p)
""",
        "The first n - 1 tokens are predicted too, from the shorter contexts that they have.",
    ),
    # ------------------------------------------------------------------ confused_pairs
    (
        "confused_pairs",
        """
def confused_pairs(texts):
    words = [re.findall(r"\\w+", text.lower()) for text in texts]
    bags = [Counter(w) for w in words]
    pairs = []
    for i in range(len(texts)):
        for j in range(i + 1, len(texts)):
            if bags[i] == bags[j] and words[i] != words[j]:
                pairs.append((i, j))
    return pairs
""",
        "Punctuation is dropped: a word is a run of letters, not what stands between white space.",
    ),
    (
        "confused_pairs",
        """
def confused_pairs(texts):
    words = [text.lower().split() for text in texts]
    by_bag = {}
    for i, w in enumerate(words):
        by_bag.setdefault(tuple(sorted(w)), []).append(i)
    pairs = []
    for group in by_bag.values():
        for i, j in zip(group, group[1:]):
            if words[i] != words[j]:
                pairs.append((i, j))
    return sorted(pairs)
""",
        "In a group of equal bags only neighbours are paired; the first and third are not.",
    ),
    (
        "confused_pairs",
        """
def confused_pairs(texts):
    words = [text.lower().split() for text in texts]
    n = len(texts)
    return [
        (i, j)
        for i in range(n)
        for j in range(i + 1, n)
        if words[i] == words[j][::-1] and words[i] != words[j]
    ]
""",
        "Only texts that are each other's reverse are paired, not every change of order.",
    ),
    (
        "confused_pairs",
        """
def confused_pairs(texts):
    lowered = [text.lower() for text in texts]
    pairs = []
    for i in range(len(texts)):
        for j in range(i + 1, len(texts)):
            same_bag = Counter(lowered[i].split()) == Counter(lowered[j].split())
            if same_bag and lowered[i] != lowered[j]:
                pairs.append((i, j))
    return pairs
""",
        "Compares the strings, not the words: another spacing alone counts as another text.",
    ),
    # ------------------------------------------------------------------ rnn_cell
    (
        "rnn_cell",
        """
def rnn_cell(x, hidden, input_weight, hidden_weight, bias):
    from_input = x @ input_weight.T + bias
    from_hidden = hidden @ hidden_weight.T + bias
    return torch.tanh(from_input + from_hidden)
""",
        "The bias is added twice, once with each product.",
    ),
    (
        "rnn_cell",
        """
def rnn_cell(x, hidden, input_weight, hidden_weight, bias):
    both = torch.cat([hidden, x], dim=1)
    weight = torch.cat([input_weight, hidden_weight], dim=1)
    return torch.tanh(both @ weight.T + bias)
""",
        "State and input are joined in one order, their weights in the other.",
    ),
    (
        "rnn_cell",
        """
def rnn_cell(x, hidden, input_weight, hidden_weight, bias):
    return torch.tanh((x @ input_weight.T + hidden) @ hidden_weight.T + bias)
""",
        "The state is added before the second product: the input goes through both weights.",
    ),
    # ------------------------------------------------------------------ run_rnn
    (
        "run_rnn",
        """
def run_rnn(x, hidden, input_weight, hidden_weight, bias):
    batch, seq, _ = x.shape
    states = []
    for t in range(seq):
        hidden = rnn_cell(x[:, t], hidden, input_weight, hidden_weight, bias)
        states.append(hidden)
    return torch.stack(states).reshape(batch, seq, -1)
""",
        "The states are stacked seq first, and reshape (no transpose) mixes sequences and times.",
    ),
    (
        "run_rnn",
        """
def run_rnn(x, hidden, input_weight, hidden_weight, bias):
    state = hidden.clone()
    states = []
    for t in range(x.shape[1]):
        state.copy_(rnn_cell(x[:, t], state, input_weight, hidden_weight, bias))
        states.append(state)
    return torch.stack(states, dim=1)
""",
        "One tensor is overwritten at each step: every entry of the list is the last state.",
    ),
    (
        "run_rnn",
        """
def run_rnn(x, hidden, input_weight, hidden_weight, bias):
    state = hidden[:1]
    rows = []
    for sequence in x:
        states = []
        for step in sequence:
            state = rnn_cell(step[None], state, input_weight, hidden_weight, bias)
            states.append(state[0])
        rows.append(torch.stack(states))
    return torch.stack(rows)
""",
        "A sequence starts from where the one before it in the batch ended.",
    ),
    (
        "run_rnn",
        """
def run_rnn(x, hidden, input_weight, hidden_weight, bias):
    states = []
    for t in range(x.shape[1]):
        before = states[-1] if t > 1 else hidden
        states.append(rnn_cell(x[:, t], before, input_weight, hidden_weight, bias))
    return torch.stack(states, dim=1)
""",
        "Off by one: the second position starts from `hidden` again, not from the first state.",
    ),
    # ------------------------------------------------------------------ gradient_norms
    (
        "gradient_norms",
        """
def gradient_norms(x, hidden, input_weight, hidden_weight, bias):
    state = hidden.detach().requires_grad_()
    states = []
    for t in range(x.shape[1]):
        state = rnn_cell(x[:, t], state, input_weight, hidden_weight, bias)
        states.append(state)
    loss = (states[-1] ** 2).sum()
    grads = torch.autograd.grad(loss, states)
    return torch.stack([g.norm() for g in reversed(grads)])
""",
        "Differentiates the sum of the squares of the last state, not its sum.",
    ),
    (
        "gradient_norms",
        """
def gradient_norms(x, hidden, input_weight, hidden_weight, bias):
    state = hidden.detach().clone().requires_grad_()
    states = []
    for t in range(x.shape[1]):
        state = rnn_cell(x[:, t], state, input_weight, hidden_weight, bias)
        state.retain_grad()
        states.append(state)
    torch.stack(states).sum().backward()
    return torch.stack([s.grad.norm() for s in states[::-1]])
""",
        "The sum is over all states: each one's own 1 and those of all later ones are added.",
    ),
    (
        "gradient_norms",
        """
def gradient_norms(x, hidden, input_weight, hidden_weight, bias):
    states = []
    state = hidden
    for t in range(x.shape[1]):
        state = rnn_cell(x[:, t], state, input_weight, hidden_weight, bias)
        states.append(state)
    grad = torch.ones_like(states[-1])
    norms = [grad.norm()]
    for t in range(len(states) - 1, 0, -1):
        grad = (grad * (1 - states[t - 1] ** 2)) @ hidden_weight
        norms.append(grad.norm())
    return torch.stack(norms)
""",
        "Backward by hand, with the slope of tanh taken one state too early.",
    ),
    (
        "gradient_norms",
        """
def gradient_norms(x, hidden, input_weight, hidden_weight, bias):
    grad = torch.ones(x.shape[0], hidden.shape[1])
    norms = []
    for _ in range(x.shape[1]):
        norms.append(grad.norm())
        grad = grad @ hidden_weight
    return torch.stack(norms)
""",
        "Only the weights act on the way back; the slope of tanh is left out.",
    ),
    (
        "gradient_norms",
        """
def gradient_norms(x, hidden, input_weight, hidden_weight, bias):
    state = hidden.detach().requires_grad_()
    states = []
    for t in range(x.shape[1]):
        state = rnn_cell(x[:, t], state, input_weight, hidden_weight, bias)
        states.append(state)
    grads = torch.autograd.grad(states[-1].sum(), states)
    norms = torch.stack([g.norm(dim=1).mean() for g in grads])
    return norms.flip(0)
""",
        "A norm for each sequence and then their mean, in the place of one norm over the batch.",
    ),
    (
        "gradient_norms",
        """
def gradient_norms(x, hidden, input_weight, hidden_weight, bias):
    start = hidden.detach().requires_grad_()
    states = run_rnn(x, start, input_weight, hidden_weight, bias)
    parts = [states[:, t] for t in range(states.shape[1])]
    grads = torch.autograd.grad(parts[-1].sum(), parts)
    return torch.stack([g.norm() for g in grads]).flip(0)
""",
        "The states are sliced out of the stacked result: no gradient runs through the slices.",
    ),
    # ------------------------------------------------------------------ which_network
    (
        "which_network",
        """
def which_network():
    by_end = sorted(shown["curves"], key=lambda letter: shown["curves"][letter][-1])
    return dict(zip(["rnn times 3", "rnn", "gru", "gru with bias"], by_end))
""",
        "Takes the larger weights for those that make the gradient vanish fastest.",
    ),
    (
        "which_network",
        """
def which_network():
    ends = {letter: curve[-1] for letter, curve in shown["curves"].items()}
    kept = sorted(ends, key=ends.get)
    explodes = kept.pop()
    names = ["gru with bias", "rnn", "gru"]
    return {"rnn times 3": explodes, **dict(zip(names, kept))}
""",
        "Reads the update gate's bias as forgetting: the GRU with bias is put lowest.",
    ),
    # ------------------------------------- a second round, after the first one had been mended
    (
        "count_ngrams",
        """
def count_ngrams(token_ids, n):
    if n < 1:
        raise ValueError("n must be at least 1")
    counts = Counter()
    for i in range(n - 1, len(token_ids)):
        counts[tuple(token_ids[i - n : i])] += 1
    return counts
""",
        "The run ends before position i instead of with it: all runs come one place too early.",
    ),
    (
        "count_ngrams",
        """
def count_ngrams(token_ids, n):
    if n < 1:
        raise ValueError("n must be at least 1")
    counts = {}
    for i in range(len(token_ids) - n + 1):
        run = tuple(token_ids[i : i + n])
        counts[run] = counts.get(run, 1) + 1
    return Counter(counts)
""",
        "The count of a new run starts from 1 before it is raised: every count is too high by one.",
    ),
    (
        "next_probabilities",
        """
def next_probabilities(token_ids, context, vocab_size, k):
    m = len(context)
    counts = np.full(vocab_size, float(k))
    for i in range(len(token_ids) - m - 1):
        if tuple(token_ids[i : i + m]) == context:
            counts[token_ids[i + m]] += 1
    if counts.sum() == 0:
        raise ValueError("nothing to go by")
    return counts / counts.sum()
""",
        "The last token of the text is never counted as a follower.",
    ),
    (
        "next_probabilities",
        """
def next_probabilities(token_ids, context, vocab_size, k):
    m = len(context)
    counts = np.zeros(vocab_size)
    for i in range(len(token_ids) - m):
        if set(token_ids[i : i + m]) == set(context):
            counts[token_ids[i + m]] += 1
    if counts.sum() == 0 and k == 0:
        raise ValueError("nothing to go by")
    return (counts + k) / (counts.sum() + k * vocab_size)
""",
        "The context is compared as a set: order and repetition do not matter.",
    ),
    (
        "nats_and_perplexity",
        """
def nats_and_perplexity(probabilities):
    if len(probabilities) == 0:
        raise ValueError("no tokens")
    if (probabilities == 0).any():
        return math.inf, math.inf
    nats = float(np.median(-np.log(probabilities)))
    return nats, math.exp(nats)
""",
        "The median cost in the place of the mean.",
    ),
    (
        "nats_and_perplexity",
        """
def nats_and_perplexity(probabilities):
    if len(probabilities) == 0:
        raise ValueError("no tokens")
    if (probabilities == 0).any():
        return math.inf, math.inf
    nats = float(-np.log(probabilities).mean())
    return round(nats, 2), round(math.exp(nats), 2)
""",
        "Both numbers are rounded to two decimals.",
    ),
    (
        "sample_text",
        """
def sample_text(token_ids, prompt, n, uniforms, vocab_size, k):
    if len(prompt) < n - 1:
        raise ValueError("prompt too short")
    tokens = list(prompt)
    for u in uniforms:
        context = tuple(reversed(tokens[len(tokens) - n + 1 :]))
        p = next_probabilities(token_ids, context, vocab_size, k)
        tokens.append(int((np.cumsum(p) <= u).sum()))
    return tokens[len(prompt) :]
""",
        "The context is handed over backwards.",
    ),
    (
        "sample_text",
        """
def sample_text(token_ids, prompt, n, uniforms, vocab_size, k):
    if len(prompt) < n - 1:
        raise ValueError("prompt too short")
    tokens = list(prompt)
    context = tuple(tokens[len(tokens) - n + 1 :])
    for u in uniforms:
        p = next_probabilities(token_ids, context, vocab_size, k)
        tokens.append(int((np.cumsum(p) <= u).sum()))
        context = context[1:] + (tokens[-2],) if n > 1 and len(tokens) > 1 else ()
    return tokens[len(prompt) :]
""",
        "The context lags by one token: the one just written is not in it.",
    ),
    (
        "evaluate_ngram",
        """
def evaluate_ngram(texts, held_out, n, vocab_size, k):
    counts = Counter()
    for text in texts:
        counts.update(count_ngrams(text, n))
    ngrams = [tuple(held_out[i : i + n]) for i in range(len(held_out) - n + 1)]
    p, unseen = [], 0
    for ngram in ngrams:
        total = sum(c for other, c in counts.items() if other[:1] == ngram[:1])
        p.append((counts[ngram] + k) / (total + k * vocab_size))
        unseen += counts[ngram] == 0
    return nats_and_perplexity(np.array(p))[0], unseen / len(ngrams)
""",
        "C is summed over n-grams with the same first token, not with the same context.",
    ),
    (
        "evaluate_ngram",
        """
def evaluate_ngram(texts, held_out, n, vocab_size, k):
    costs, shares = [], []
    for text in texts:
        counts = count_ngrams(text, n)
        contexts = Counter()
        for ngram, c in counts.items():
            contexts[ngram[:-1]] += c
        ngrams = [tuple(held_out[i : i + n]) for i in range(len(held_out) - n + 1)]
        p = [(counts[g] + k) / (contexts[g[:-1]] + k * vocab_size) for g in ngrams]
        costs.append(nats_and_perplexity(np.array(p))[0])
        shares.append(sum(counts[g] == 0 for g in ngrams) / len(ngrams))
    return sum(costs) / len(costs), sum(shares) / len(shares)
""",
        "A model for each text, and the mean of their results, in the place of one model of all.",
    ),
    (
        "confused_pairs",
        """
def confused_pairs(texts):
    words = [text.lower().split() for text in texts]
    first = {}
    pairs = []
    for j, one in enumerate(words):
        key = tuple(sorted(one))
        if key in first and words[first[key]] != one:
            pairs.append((first[key], j))
        first.setdefault(key, j)
    return sorted(pairs)
""",
        "Each text is paired with the first one of its bag only.",
    ),
    (
        "confused_pairs",
        """
def confused_pairs(texts):
    words = [text.lower().split() for text in texts]
    pairs = []
    for i in range(len(texts)):
        for j in range(i + 1, len(texts)):
            if len(words[i]) == len(words[j]) and all(w in words[j] for w in words[i]):
                if words[i] != words[j]:
                    pairs.append((i, j))
    return pairs
""",
        "Same length and every word of the one is in the other: how often is not compared.",
    ),
    (
        "rnn_cell",
        """
def rnn_cell(x, hidden, input_weight, hidden_weight, bias):
    return torch.tanh(x @ input_weight.T + hidden * hidden_weight.sum(dim=1) + bias)
""",
        "Each number of the state is multiplied by the sum of a row, instead of a matrix product.",
    ),
    (
        "rnn_cell",
        """
def rnn_cell(x, hidden, input_weight, hidden_weight, bias):
    return torch.tanh(x @ input_weight.T + hidden @ hidden_weight.T + bias.sum())
""",
        "The sum of the biases is added to every number.",
    ),
    (
        "run_rnn",
        """
def run_rnn(x, hidden, input_weight, hidden_weight, bias):
    states = []
    for t in range(x.shape[1]):
        hidden = rnn_cell(x[:, t], hidden, input_weight, hidden_weight, bias)
        states.append(hidden)
    hidden = torch.stack(states, dim=1)
    return hidden / hidden.norm(dim=-1, keepdim=True)
""",
        "The states are normalised to length 1 at the end.",
    ),
    (
        "run_rnn",
        """
def run_rnn(x, hidden, input_weight, hidden_weight, bias):
    state = hidden.mean(dim=0, keepdim=True).expand_as(hidden)
    states = []
    for t in range(x.shape[1]):
        state = rnn_cell(x[:, t], state, input_weight, hidden_weight, bias)
        states.append(state)
    return torch.stack(states, dim=1)
""",
        "All sequences start from the mean of the given states.",
    ),
    (
        "gradient_norms",
        """
def gradient_norms(x, hidden, input_weight, hidden_weight, bias):
    state = hidden.detach().requires_grad_()
    states = []
    for t in range(x.shape[1]):
        state = rnn_cell(x[:, t], state, input_weight, hidden_weight, bias)
        states.append(state)
    grads = torch.autograd.grad(states[-1].sum(), states)
    return torch.stack([g.sum(dim=0).norm() for g in reversed(grads)])
""",
        "The gradients of the sequences are added up before the norm.",
    ),
    (
        "gradient_norms",
        """
def gradient_norms(x, hidden, input_weight, hidden_weight, bias):
    state = hidden.detach().requires_grad_()
    states = []
    for t in range(x.shape[1]):
        state = rnn_cell(x[:, t], state, input_weight, hidden_weight, bias)
        states.append(state)
    grads = torch.autograd.grad(states[-1].sum(), states)
    norms = torch.stack([g.norm() for g in reversed(grads)])
    return norms.log()
""",
        "The logarithm of the norms, as they are plotted.",
    ),
    (
        "which_network",
        """
def which_network():
    curves = shown["curves"]
    by_end = sorted(curves, key=lambda letter: curves[letter][-1], reverse=True)
    return dict(zip(["rnn times 3", "rnn", "gru with bias", "gru"], by_end))
""",
        "Thinks that gates hold a gradient back: the plain network is put above both GRUs.",
    ),
]

RIGHT = [
    (
        "count_ngrams",
        """
def count_ngrams(token_ids, n):
    if n < 1:
        raise ValueError(f"n is {n}")
    return Counter(zip(*(token_ids[shift:] for shift in range(n))))
""",
        "slices shifted against each other",
    ),
    (
        "count_ngrams",
        """
from collections import deque

def count_ngrams(token_ids, n):
    if not n >= 1:
        raise ValueError("at least one token")
    window, counts = deque(maxlen=n), Counter()
    for token in token_ids:
        window.append(token)
        if len(window) == n:
            counts[tuple(window)] += 1
    return counts
""",
        "a sliding window",
    ),
    (
        "next_probabilities",
        """
def next_probabilities(token_ids, context, vocab_size, k):
    m = len(context)
    followers = [
        token_ids[end]
        for end in range(m, len(token_ids))
        if all(token_ids[end - m + j] == context[j] for j in range(m))
    ]
    if not followers and not k:
        raise ValueError("context never seen, and no smoothing")
    weights = np.bincount(np.array(followers, dtype=int), minlength=vocab_size) + float(k)
    return weights / weights.sum()
""",
        "the list of followers, bincount, normalised by its own sum",
    ),
    (
        "nats_and_perplexity",
        """
def nats_and_perplexity(probabilities):
    p = torch.as_tensor(probabilities, dtype=torch.float64)
    if p.numel() == 0:
        raise ValueError("no tokens")
    cost = -torch.log(p).mean()
    return cost.item(), cost.exp().item()
""",
        "PyTorch, where log of 0 is minus infinity without a warning",
    ),
    (
        "nats_and_perplexity",
        """
def nats_and_perplexity(probabilities):
    costs = [math.inf if p == 0 else math.log(1 / float(p)) for p in probabilities]
    if not costs:
        raise ValueError("no tokens")
    nats = math.fsum(costs) / len(costs)
    return nats, math.e**nats
""",
        "plain Python, ln(1/p)",
    ),
    (
        "sample_text",
        """
from bisect import bisect_right
from itertools import accumulate

def sample_text(token_ids, prompt, n, uniforms, vocab_size, k):
    if len(prompt) + 1 < n:
        raise ValueError("prompt too short")
    if not uniforms:
        return []
    context = tuple(prompt[len(prompt) - (n - 1) :])
    ends = list(accumulate(next_probabilities(token_ids, context, vocab_size, k).tolist()))
    token = min(bisect_right(ends, uniforms[0]), vocab_size - 1)
    rest = sample_text(token_ids, [*prompt, token], n, uniforms[1:], vocab_size, k)
    return [token, *rest]
""",
        "recursion and bisection",
    ),
    (
        "evaluate_ngram",
        """
def evaluate_ngram(texts, held_out, n, vocab_size, k):
    table = {}
    for text in texts:
        for end in range(n - 1, len(text)):
            after = table.setdefault(tuple(text[end - n + 1 : end]), {})
            after[text[end]] = after.get(text[end], 0) + 1
    costs, unseen = [], 0
    for ngram, times in count_ngrams(held_out, n).items():
        after = table.get(ngram[:-1], {})
        c, total = after.get(ngram[-1], 0), sum(after.values())
        costs.append(times * (math.log(total + k * vocab_size) - math.log(c + k)))
        unseen += times if c == 0 else 0
    tokens = len(held_out) - n + 1
    return math.fsum(costs) / tokens, unseen / tokens
""",
        "a table of tables; each different n-gram once, times its count; other order of adding",
    ),
    (
        "confused_pairs",
        """
from itertools import combinations

def confused_pairs(texts):
    groups = {}
    for index, text in enumerate(texts):
        words = tuple(text.lower().split())
        groups.setdefault(tuple(sorted(words)), []).append((index, words))
    found = set()
    for members in groups.values():
        for (i, left), (j, right) in combinations(members, 2):
            if left != right:
                found.add((i, j))
    return sorted(found)
""",
        "grouped by sorted words",
    ),
    (
        "rnn_cell",
        """
def rnn_cell(x, hidden, input_weight, hidden_weight, bias):
    total = bias.expand(len(x), -1).clone()
    total += torch.einsum("bi,oi->bo", x, input_weight)
    total += torch.einsum("bh,oh->bo", hidden, hidden_weight)
    return 2 * torch.sigmoid(2 * total) - 1
""",
        "einsum, in place on a copy, and tanh by the logistic function",
    ),
    (
        "run_rnn",
        """
def run_rnn(x, hidden, input_weight, hidden_weight, bias):
    if x.shape[1] == 0:
        return hidden.new_zeros(x.shape[0], 0, hidden.shape[1])
    now = rnn_cell(x[:, 0], hidden, input_weight, hidden_weight, bias)
    later = run_rnn(x[:, 1:], now, input_weight, hidden_weight, bias)
    return torch.cat([now[:, None], later], dim=1)
""",
        "recursion",
    ),
    (
        "run_rnn",
        """
def run_rnn(x, hidden, input_weight, hidden_weight, bias):
    result = torch.empty(*x.shape[:2], hidden.shape[-1])
    for b in range(x.shape[0]):
        h = hidden[b].numpy().copy()
        for t in range(x.shape[1]):
            total = input_weight.numpy() @ x[b, t].numpy() + hidden_weight.numpy() @ h
            h = np.tanh(total + bias.numpy())
            result[b, t] = torch.from_numpy(h)
    return result
""",
        "one sequence after another, through NumPy",
    ),
    (
        "gradient_norms",
        """
def gradient_norms(x, hidden, input_weight, hidden_weight, bias):
    states = [hidden]
    for t in range(x.shape[1]):
        states.append(rnn_cell(x[:, t], states[-1], input_weight, hidden_weight, bias))
    back = torch.ones_like(states[-1])
    squares = []
    for state in states[:0:-1]:
        squares.append((back * back).sum())
        back = (back * (1 - state * state)) @ hidden_weight
    return torch.stack(squares).sqrt()
""",
        "backward by hand",
    ),
    (
        "gradient_norms",
        """
def gradient_norms(x, hidden, input_weight, hidden_weight, bias):
    norms = []
    seq = x.shape[1]
    states = []
    for t in range(seq):
        hidden = rnn_cell(x[:, t], hidden, input_weight, hidden_weight, bias)
        states.append(hidden.detach())
    for distance in range(seq):
        start = states[seq - 1 - distance].clone().requires_grad_(True)
        state = start
        for t in range(seq - distance, seq):
            state = rnn_cell(x[:, t], state, input_weight, hidden_weight, bias)
        state.sum().backward()
        norms.append(start.grad.norm())
    return torch.tensor(norms)
""",
        "from every state forward again, one backward each",
    ),
    (
        "which_network",
        """
def which_network():
    curves = dict(shown["curves"])
    answer = {"rnn times 3": max(curves, key=lambda letter: max(curves[letter]))}
    curves.pop(answer["rnn times 3"])
    lowest_last = sorted(curves, key=lambda letter: -curves[letter][-1])
    answer["gru with bias"], answer["gru"], answer["rnn"] = lowest_last
    return answer
""",
        "the one that grows, then by what is left at the end",
    ),
]
