"""Fresh inputs for the exercises: images, kernels, and the digits that a network reads."""

import numpy as np
from numpy.random import Generator


def normal(rng: Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers of a shape, as float32."""
    return (scale * rng.standard_normal(shape)).astype(np.float32)


def negative(rng: Generator, *shape: int) -> np.ndarray:
    """Numbers below 0, as float32: a zero that creeps in wins every maximum."""
    return -(0.5 + np.abs(normal(rng, *shape)))


def windows_fit(size: int, kernel: int, stride: int, padding: int) -> int:
    """How many windows fit, counted one by one."""
    return len(range(0, size + 2 * padding - kernel + 1, stride))
