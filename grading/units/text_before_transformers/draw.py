"""Fresh inputs for the exercises: texts of token ids, weights of a recurrent network."""

from typing import Any

import numpy as np
from numpy.random import Generator

WEIGHTS = ("input_weight", "hidden_weight", "bias")


def text(rng: Generator, n_tokens: int, vocab_size: int) -> list[int]:
    """Random ids, some much more frequent than others, as in a real text."""
    shares = 1.0 / np.arange(1, vocab_size + 1)
    shares = rng.permutation(shares / shares.sum())
    return rng.choice(vocab_size, size=n_tokens, p=shares).tolist()


def normal(rng: Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers of a shape, as float32."""
    return (scale * rng.standard_normal(shape)).astype(np.float32)


def network(rng: Generator, d_in: int, d_hidden: int, scale: float = 0.5) -> dict[str, Any]:
    """Weights of an RNN, as inputs by name."""
    return {
        "input_weight": normal(rng, d_hidden, d_in, scale=scale),
        "hidden_weight": normal(rng, d_hidden, d_hidden, scale=scale),
        "bias": normal(rng, d_hidden, scale=scale),
    }


def sequences(rng: Generator, batch: int, seq: int, d_in: int, d_hidden: int) -> dict[str, Any]:
    """Inputs x of a batch of sequences, a first state that is not zero, and weights."""
    return {
        "x": normal(rng, batch, seq, d_in),
        "hidden": normal(rng, batch, d_hidden, scale=0.5),
        **network(rng, d_in, d_hidden),
    }
