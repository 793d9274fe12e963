"""Fresh inputs for the exercises of this unit: float64 arrays."""

from collections.abc import Sequence

import numpy as np


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers of a shape."""
    return scale * rng.standard_normal(shape)


def layers(rng: np.random.Generator, sizes: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Layers of a multilayer perceptron with these widths; the biases are not 0."""
    return [
        (normal(rng, d_out, d_in, scale=d_in**-0.5), normal(rng, d_out))
        for d_in, d_out in zip(sizes, sizes[1:], strict=False)
    ]


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """A 1 at each label."""
    return np.eye(classes)[labels]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """The logarithms of the probabilities, for any logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def quiet(callable_name: str) -> dict[str, str]:
    """An edit that keeps numpy's warnings of a wrong answer out of the logs."""
    line = f"def {callable_name}("
    return {line: f"@np.errstate(all='ignore')\n{line}"}
