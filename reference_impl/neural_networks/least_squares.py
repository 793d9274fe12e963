"""Gradient descent where everything can be computed beforehand: a linear layer and squares.

The loss of a linear layer without bias, half the mean over the examples of the squared error, is a
quadratic function of the weights. Its curvature says which learning rates converge.
"""

import numpy as np
from jaxtyping import Float


def largest_learning_rate(x: Float[np.ndarray, "examples d_in"]) -> float:
    """2 / the largest curvature: above this rate, gradient descent on least squares diverges.

    The loss is 1/2 the mean over the examples of (x @ weight - target)^2; its curvature is the
    matrix x^T x / examples, and the largest one is that matrix's largest eigenvalue. The targets
    are of no account, and x must not be 0 everywhere.
    Source: LeCun et al. 1998b, section 5.1.

    >>> largest_learning_rate(np.array([[2.0, 0.0], [0.0, 1.0]]))  # curvatures 2 and 1/2
    1.0
    """
    curvature = x.T @ x / len(x)  # d_in d_in
    largest = np.linalg.eigvalsh(curvature)[-1]  # in increasing order
    return float(2 / largest)


def descend(
    x: Float[np.ndarray, "examples d_in"],
    target: Float[np.ndarray, "examples d_out"],
    learning_rate: float,
    steps: int,
) -> list[float]:
    """The loss before the first step of gradient descent from weights of 0, and after each step.

    Numbers that overflow count as inf.

    >>> x, target = np.array([[2.0]]), np.array([[2.0]])  # loss 2 (weight - 1)^2, curvature 4
    >>> descend(x, target, learning_rate=0.25, steps=2)  # one step to the bottom
    [2.0, 0.0, 0.0]
    >>> descend(x, target, learning_rate=0.5, steps=3)  # from 0 to 2 and back
    [2.0, 2.0, 2.0, 2.0]
    >>> descend(x, target, learning_rate=0.75, steps=2)  # from 0 to 3 to -3
    [2.0, 8.0, 32.0]
    """
    weight = np.zeros((x.shape[1], target.shape[1]))  # d_in d_out
    losses = []
    with np.errstate(over="ignore", invalid="ignore"):  # divergence is a result here
        for _ in range(steps + 1):
            error = x @ weight - target  # examples d_out
            losses.append(float((error**2).sum() / len(x) / 2))
            weight = weight - learning_rate * x.T @ error / len(x)
    return [loss if np.isfinite(loss) else float("inf") for loss in losses]
