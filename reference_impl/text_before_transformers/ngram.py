"""N-gram language model: the next token depends on the n - 1 tokens before it, by counting.

Tokens are ids from 0 to vocab_size - 1. Only tokens with n - 1 tokens before them are counted and
predicted, so the first n - 1 tokens of a text only serve as context.

Does not handle: backing off to shorter contexts; `k` alone shares out probability.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

Tokens = Sequence[int]


def count_ngrams(token_ids: Tokens, n: int) -> Counter[tuple[int, ...]]:
    """How often each run of n neighbouring tokens occurs; runs may overlap.

    Raises ValueError for n below 1.

    >>> count_ngrams([1, 1, 1, 2], n=2)
    Counter({(1, 1): 2, (1, 2): 1})
    """
    if n < 1:
        raise ValueError(f"n={n}: an n-gram has 1 token or more")
    return Counter(tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1))


def add_k(count: int, context_count: int, vocab_size: int, k: int | float) -> float:
    """Probability of a token that came `count` times out of the `context_count` after a context.

    Each of the vocab_size tokens is given k occurrences that were never seen. So the denominator
    grows by k * vocab_size, and the probabilities of all tokens add up to 1. Raises ValueError for
    a negative k, and where there is nothing to count: an unseen context and k = 0.
    Source: Jurafsky & Martin, "Speech and Language Processing", section on add-k smoothing.

    >>> add_k(2, 3, vocab_size=5, k=1)  # (2 + 1) / (3 + 5)
    0.375
    """
    if k < 0:
        raise ValueError(f"k={k} is negative: give 0 (no smoothing) or more")
    if context_count == 0 and k == 0:
        raise ValueError("this context was never seen and k=0: smooth with a k above 0")
    return (count + k) / (context_count + k * vocab_size)


class NGram:
    """Counts of which token follows which context of n - 1 tokens, smoothed by add-k.

    >>> model = NGram(n=2, vocab_size=3, k=1)
    >>> model.count([0, 1, 0, 1, 0, 2])  # after 0 came: 1, 1, 2
    >>> model.probabilities([0])  # (0 + 1, 2 + 1, 1 + 1) / (3 + 3)
    array([0.16666667, 0.5       , 0.33333333])
    """

    def __init__(self, n: int, vocab_size: int, k: int | float = 1.0) -> None:
        if n < 1:
            raise ValueError(f"n={n}: an n-gram has 1 token or more")
        self.n, self.vocab_size, self.k = n, vocab_size, k
        self.ngram_counts: Counter[tuple[int, ...]] = Counter()
        self.context_counts: Counter[tuple[int, ...]] = Counter()  # of those with a token after

    def count(self, token_ids: Tokens) -> None:
        """Add the n-grams of one text. No n-gram spans two texts: call this once for each.

        Raises ValueError for an id outside the vocabulary.
        """
        for token in set(token_ids):
            if not 0 <= token < self.vocab_size:
                raise ValueError(f"token {token} is not in 0 .. {self.vocab_size - 1}")
        for ngram, times in count_ngrams(token_ids, self.n).items():
            self.ngram_counts[ngram] += times
            self.context_counts[ngram[:-1]] += times

    def probability(self, context: Tokens, token: int) -> float:
        """Probability that `token` comes after `context`, of which the last n - 1 tokens count.

        Raises ValueError where the context is shorter than that.
        """
        if len(context) < self.n - 1:
            raise ValueError(f"{len(context)} tokens of context: n={self.n} needs {self.n - 1}")
        key = tuple(context[len(context) - self.n + 1 :])
        count, context_count = self.ngram_counts[(*key, token)], self.context_counts[key]
        return add_k(count, context_count, self.vocab_size, self.k)

    def probabilities(self, context: Tokens) -> Float[np.ndarray, " vocab"]:
        """`probability` of every token; they sum to 1."""
        return np.array([self.probability(context, token) for token in range(self.vocab_size)])

    def nats(self, token_ids: Tokens) -> float:
        """The mean of -log probability over the predicted tokens: cross-entropy, in nats.

        inf if one of them has probability 0, which only happens for k = 0. The perplexity
        (loss.py) is exp of this number. Raises ValueError for a text with nothing to predict.

        >>> model = NGram(n=1, vocab_size=4, k=1)  # knows nothing yet: 1/4 for each token
        >>> math.exp(model.nats([3, 0, 2]))
        4.0
        """
        if len(token_ids) < self.n:
            raise ValueError(f"{len(token_ids)} tokens: n={self.n} predicts from token {self.n} on")
        costs = []
        for i in range(self.n - 1, len(token_ids)):
            probability = self.probability(token_ids[i - self.n + 1 : i], token_ids[i])
            costs.append(-math.log(probability) if probability > 0 else math.inf)
        return sum(costs) / len(costs)

    def sample(self, context: Tokens, n_tokens: int, rng: np.random.Generator) -> list[int]:
        """`n_tokens` further tokens, each drawn from the probabilities after those before it.

        >>> model = NGram(n=2, vocab_size=3, k=0)
        >>> model.count([0, 1, 2, 0])  # each token has one follower: nothing is left to chance
        >>> model.sample([0], n_tokens=4, rng=np.random.default_rng(0))
        [1, 2, 0, 1]
        """
        token_ids = list(context)
        for _ in range(n_tokens):
            token_ids.append(int(rng.choice(self.vocab_size, p=self.probabilities(token_ids))))
        return token_ids[len(context) :]
