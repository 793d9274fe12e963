"""What a text costs in one language, measured against the same text in another."""

import numpy as np
from jaxtyping import Float, Int


def premium(
    n_tokens: Int[np.ndarray, " texts"],
    n_tokens_base: Int[np.ndarray, " texts"],
    resamples: Int[np.ndarray, "draws texts"],
) -> Float[np.ndarray, "3"]:
    """How many times more tokens the same texts take: the premium, and an interval around it.

    `n_tokens[i]` and `n_tokens_base[i]` count the tokens of one text in two languages. The premium
    is all tokens of the one over all tokens of the other. Each row of `resamples` has the numbers
    of texts drawn with replacement; the premium of those texts alone is computed for each row, and
    the interval runs from the 2.5th to the 97.5th percentile of these (as `np.percentile` has
    them). Returns premium, lower end, upper end.
    Source: Petrov et al. 2023, section 3; the percentile bootstrap, Efron 1979.

    >>> texts, base = np.array([30, 10]), np.array([10, 10])
    >>> premium(texts, base, np.array([[0, 1], [0, 0], [1, 1]]))  # of the rows: 2, 3 and 1
    array([2.  , 1.05, 2.95])
    """
    ratio = n_tokens.sum() / n_tokens_base.sum()
    drawn = n_tokens[resamples].sum(axis=1) / n_tokens_base[resamples].sum(axis=1)  # draws
    return np.array([ratio, *np.percentile(drawn, [2.5, 97.5])])
