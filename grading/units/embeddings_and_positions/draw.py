"""Fresh inputs for the exercises: float32 arrays, ids, numbers that say where they came from."""

import numpy as np
from numpy.random import Generator


def normal(rng: Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers of a shape, as float32."""
    return (scale * rng.standard_normal(shape)).astype(np.float32)


def counting(rng: Generator, *shape: int) -> np.ndarray:
    """Numbers that count upwards from a random start, as float32: each says where it came from."""
    numbers = np.arange(np.prod(shape)) + rng.integers(100)
    return numbers.reshape(shape).astype(np.float32)


def distinct(rng: Generator, vocab: int, *shape: int) -> np.ndarray:
    """Ids of which none comes twice, in no order: the first two fall."""
    ids = rng.permutation(vocab)[: int(np.prod(shape))]
    if len(ids) > 1:
        ids[:2] = sorted(ids[:2])[::-1]
    return ids.reshape(shape)
