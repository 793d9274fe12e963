"""What several exercises of this unit draw."""

import numpy as np


def example(rng: np.random.Generator, n: int, n_learned: int, low: int = 3, high: int = 40):
    """Token ids, and flags of which the last `n_learned` are True."""
    ids = rng.integers(low, high, n)
    return ids, np.arange(n) >= n - n_learned


def words(rng: np.random.Generator, n: int) -> str:
    """A few made-up words."""
    letters = np.array(list("abdefgiklmnoprstuw"))
    return " ".join("".join(rng.choice(letters, int(rng.integers(2, 7)))) for _ in range(n))
