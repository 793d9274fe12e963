"""Fresh inputs for the exercises: arrays, ids, weights of a small model, batches in parts."""

from typing import Any

import numpy as np
from numpy.random import Generator

IGNORE = -100


def normal(rng: Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers of a shape, as float32."""
    return (scale * rng.standard_normal(shape)).astype(np.float32)


def ids(rng: Generator, vocab: int, *shape: int) -> np.ndarray:
    """Token ids of which no two neighbours along the last axis are equal."""
    steps = rng.integers(1, vocab, size=shape)
    return np.cumsum(steps, axis=-1) % vocab


def weights(rng: Generator, vocab: int, d_model: int, scale: float = 1.0) -> dict[str, Any]:
    """Parameters of the small model of `drive.py`, by name."""
    return {
        "embedding.weight": normal(rng, vocab, d_model),
        "output.weight": normal(rng, vocab, d_model, scale=scale),
        "output.bias": normal(rng, vocab),
    }


def part(rng: Generator, vocab: int, batch: int, seq: int, n_real: int) -> tuple[Any, Any]:
    """Inputs and targets of one part, of which the first `n_real` targets are real."""
    inputs, targets = ids(rng, vocab, batch, seq), ids(rng, vocab, batch, seq)
    targets.reshape(-1)[n_real:] = IGNORE
    return inputs, targets
