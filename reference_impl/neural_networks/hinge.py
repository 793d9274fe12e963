"""Any broken line is a sum of ReLU units: universal approximation in one dimension, by hand.

A ReLU of x - knot is a hinge: flat up to the knot, then a ramp. One hinge at each knot, weighted
by how much the slope changes there, passes exactly through any finite number of points. With
more points it comes as near as one likes to any continuous function on an interval. This says
nothing of how training finds the weights, or of what happens outside the interval.
"""

import numpy as np
from jaxtyping import Float

from reference_impl.neural_networks.mlp import Layer, relu


def fit_hinges(
    knots: Float[np.ndarray, " knots"], values: Float[np.ndarray, " knots"]
) -> Float[np.ndarray, " hinges"]:
    """Weights of the hinges at knots[:-1], so that `hinge_sum` passes through every point.

    The first weight is the slope of the first piece, each later one the change of slope at its
    knot. Raises ValueError unless there are at least 2 knots, in increasing order.
    Sources: Cybenko 1989 and Hornik 1991 for other units; Leshno et al. 1993 for ReLU.

    >>> fit_hinges(np.array([0.0, 1.0, 3.0]), np.array([5.0, 7.0, 3.0]))  # slopes 2 and -2
    array([ 2., -4.])
    """
    if len(knots) < 2 or not (np.diff(knots) > 0).all():
        raise ValueError(f"knots {knots} must be 2 or more increasing numbers: sort, drop repeats")
    slopes = np.diff(values) / np.diff(knots)  # knots - 1
    return np.diff(slopes, prepend=0.0)


def hinge_sum(
    x: Float[np.ndarray, "*shape"],
    knots: Float[np.ndarray, " knots"],
    weights: Float[np.ndarray, " hinges"],
    start: float,
) -> Float[np.ndarray, "*shape"]:
    """start + sum over i of weights[i] relu(x - knots[i]).

    Left of the first knot it stays at `start`; right of the last one it goes on straight.

    >>> knots, weights = np.array([0.0, 1.0, 3.0]), np.array([2.0, -4.0])
    >>> hinge_sum(np.array([-1.0, 0.0, 0.5, 1.0, 3.0, 4.0]), knots, weights, start=5.0)
    array([5., 5., 6., 7., 3., 1.])
    """
    hinges = relu(x[..., None] - knots[: len(weights)])  # ... hinges
    return start + hinges @ weights


def hinge_layers(
    knots: Float[np.ndarray, " knots"], values: Float[np.ndarray, " knots"]
) -> list[Layer]:
    """The same broken line as the two layers of a multilayer perceptron (see mlp.py).

    The hidden layer has weight 1 and bias -knot; the output layer holds the hinges' weights.

    >>> from reference_impl.neural_networks.mlp import mlp_forward
    >>> layers = hinge_layers(np.array([0.0, 1.0, 3.0]), np.array([5.0, 7.0, 3.0]))
    >>> mlp_forward(np.array([[0.5], [1.0], [3.0]]), layers)[0]
    array([[6.],
           [7.],
           [3.]])
    """
    weights = fit_hinges(knots, values)
    hidden = (np.ones((len(weights), 1)), -knots[:-1])
    output = (weights[None, :], values[:1])
    return [hidden, output]
