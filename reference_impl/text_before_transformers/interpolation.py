"""Interpolated n-grams: where a long context was never seen, shorter ones have a say.

Each order mixes its own counts with the probability that all shorter contexts give. How much it
trusts its own depends on how often its context was seen (Witten & Bell 1991).
Does not handle: Kneser-Ney's counts of contexts, which predict better still.
"""

import math
from collections.abc import Sequence

from reference_impl.text_before_transformers.ngram import NGram, Tokens, count_ngrams


class InterpolatedNGram:
    """Models of the orders 1 to n, mixed; `models[i]` has counted (i + 1)-grams, unsmoothed.

    With c the count of the n-gram, C that of its context and `kinds` the number of different tokens
    seen after that context, the probability is (c + kinds * shorter) / (C + kinds), where `shorter`
    is the probability by the orders below. The lowest of these gives each token 1 / vocab_size.
    Source: Witten & Bell 1991, method C; as formula in Chen & Goodman 1998, section 2.5.

    >>> model = InterpolatedNGram(n=2, vocab_size=4)
    >>> model.count([0, 1, 0, 1, 0, 2])
    >>> model.probability([0], 3)  # order 1: (0 + 3/4) / (6 + 3) = 1/12; (0 + 2/12) / (3 + 2)
    0.03333333333333333
    """

    def __init__(self, n: int, vocab_size: int) -> None:
        self.n, self.vocab_size = n, vocab_size
        self.models = [NGram(order, vocab_size, k=0) for order in range(1, n + 1)]
        self.kinds: list[dict[tuple[int, ...], int]] = [{} for _ in self.models]

    def count(self, token_ids: Tokens) -> None:
        """Add the n-grams of one text, of every order."""
        for model, kinds in zip(self.models, self.kinds, strict=True):
            new = count_ngrams(token_ids, model.n).keys() - model.ngram_counts.keys()
            model.count(token_ids)
            for ngram in new:
                kinds[ngram[:-1]] = kinds.get(ngram[:-1], 0) + 1

    def probability(self, context: Tokens, token: int) -> float:
        """Probability that `token` comes after `context`, of which n - 1 tokens count at most."""
        mixed = 1 / self.vocab_size
        for order, (model, kinds) in enumerate(zip(self.models, self.kinds, strict=True)):
            key = tuple(context[len(context) - order :])
            if len(key) < order or key not in kinds:
                break  # a context that was never seen: longer ones were not either
            own = model.ngram_counts[(*key, token)]
            mixed = (own + kinds[key] * mixed) / (model.context_counts[key] + kinds[key])
        return mixed

    def nats(self, token_ids: Tokens) -> float:
        """The mean of -log probability over the tokens from the n-th on, in nats."""
        starts = range(self.n - 1, len(token_ids))
        costs = [
            -math.log(self.probability(before(token_ids, i, self.n), token_ids[i])) for i in starts
        ]
        return sum(costs) / len(costs)


def before(token_ids: Sequence[int], i: int, n: int) -> Tokens:
    """The n - 1 tokens before position i."""
    return token_ids[i - n + 1 : i]
