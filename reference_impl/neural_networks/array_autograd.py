"""Reverse-mode automatic differentiation of arrays: autograd.py once more, with NumPy.

Two things are new. A parent's gradient is no longer one factor times the child's, so that each
operation keeps a function for it; and an array that was broadcast collects the sum of all it
served. Enough operations for a multilayer perceptron and its loss.
"""

from collections.abc import Callable

import numpy as np

from reference_impl.neural_networks.autograd import topological_order
from reference_impl.neural_networks.mlp import sum_to_shape

Numbers = np.ndarray | np.number | list | int | float
Pullback = Callable[[np.ndarray], np.ndarray]


class Array:
    """An array of float64 that remembers how it was computed.

    `data` is the array, `grad` an array of the same shape: 0 until `backward` is called on a
    number computed from this array, then the derivatives of that number. Each of `pullbacks`
    turns the gradient of self into what it adds to the gradient of one of `parents`.

    >>> weight, x = Array([[2.0, 3.0]]), Array([[5.0], [7.0]])
    >>> (weight @ x).sum().backward()
    >>> weight.grad
    array([[5., 7.]])
    """

    __array_ufunc__ = None  # so that `ndarray + Array` comes to __radd__ below

    def __init__(
        self,
        data: Numbers,
        parents: tuple["Array", ...] = (),
        pullbacks: tuple[Pullback, ...] = (),
    ) -> None:
        self.data = np.asarray(data, dtype=np.float64)
        self.grad = np.zeros_like(self.data)
        self.parents = parents
        self.pullbacks = pullbacks

    def __repr__(self) -> str:
        return f"Array({self.data!r})"

    def __add__(self, other: "Array | Numbers") -> "Array":
        other = as_array(other)
        return Array(self.data + other.data, (self, other), (lambda g: g, lambda g: g))

    def __mul__(self, other: "Array | Numbers") -> "Array":
        other = as_array(other)
        pullbacks = (lambda g: g * other.data, lambda g: g * self.data)
        return Array(self.data * other.data, (self, other), pullbacks)

    def __matmul__(self, other: "Array | Numbers") -> "Array":
        other = as_array(other)
        if min(self.data.ndim, other.data.ndim) < 2:
            raise ValueError(
                f"{self.data.shape} @ {other.data.shape}: both need two axes or more, "
                "give a vector an axis of length 1"
            )
        pullbacks = (
            lambda g: g @ other.data.swapaxes(-1, -2),
            lambda g: self.data.swapaxes(-1, -2) @ g,
        )
        return Array(self.data @ other.data, (self, other), pullbacks)

    def __pow__(self, exponent: int | float) -> "Array":
        """Each number to the power of a plain number, which is not 0."""
        pullback = lambda g: g * exponent * self.data ** (exponent - 1)  # noqa: E731
        return Array(self.data**exponent, (self,), (pullback,))

    def exp(self) -> "Array":
        """e to the power of each number."""
        data = np.exp(self.data)
        return Array(data, (self,), (lambda g: g * data,))

    def log(self) -> "Array":
        """The natural logarithm of each number."""
        return Array(np.log(self.data), (self,), (lambda g: g / self.data,))

    def tanh(self) -> "Array":
        """The hyperbolic tangent of each number."""
        data = np.tanh(self.data)
        return Array(data, (self,), (lambda g: g * (1 - data**2),))

    def relu(self) -> "Array":
        """Each number where it is above 0, else 0."""
        return Array(np.maximum(self.data, 0), (self,), (lambda g: g * (self.data > 0),))

    def sum(self, axis: int | None = None) -> "Array":
        """The sum over one axis, which stays with length 1, or over all of them, to shape ()."""
        total = self.data.sum(axis=axis, keepdims=axis is not None)
        return Array(total, (self,), (lambda g: np.broadcast_to(g, self.data.shape),))

    def transpose(self) -> "Array":
        """The last two axes exchanged."""
        return Array(self.data.swapaxes(-1, -2), (self,), (lambda g: g.swapaxes(-1, -2),))

    def __neg__(self) -> "Array":
        return self * -1

    def __sub__(self, other: "Array | Numbers") -> "Array":
        return self + -as_array(other)

    def __truediv__(self, other: "Array | Numbers") -> "Array":
        return self * as_array(other) ** -1

    def __radd__(self, other: Numbers) -> "Array":
        return self + other

    def __rmul__(self, other: Numbers) -> "Array":
        return self * other

    def __rsub__(self, other: Numbers) -> "Array":
        return as_array(other) - self

    def __rtruediv__(self, other: Numbers) -> "Array":
        return as_array(other) / self

    def __rmatmul__(self, other: Numbers) -> "Array":
        return as_array(other) @ self

    def backward(self) -> None:
        """Add to every array's `grad` the derivatives of self, which must be a single number.

        Leaves keep adding up over several calls. Raises ValueError if self holds more than one
        number: the derivative of an array by an array is no array of the same shape.

        >>> bias = Array([1.0, 2.0])
        >>> (bias + np.zeros((5, 2))).sum().backward()  # each bias was used in 5 rows
        >>> bias.grad
        array([5., 5.])
        """
        if self.data.size != 1:
            raise ValueError(f"backward starts at one number, not {self.data.shape}: sum() first")
        order = topological_order(self)
        for node in order:
            if node.parents:
                node.grad = np.zeros_like(node.data)
        self.grad += 1.0
        for node in reversed(order):
            for parent, pullback in zip(node.parents, node.pullbacks, strict=True):
                share = np.asarray(pullback(node.grad))  # NumPy makes shape () a plain number
                parent.grad += sum_to_shape(share, parent.data.shape)


def as_array(numbers: Array | Numbers) -> Array:
    """Plain numbers as a leaf; an Array as it is.

    >>> as_array([1.0, 2.0])
    Array(array([1., 2.]))
    """
    return numbers if isinstance(numbers, Array) else Array(numbers)


def numerical_gradient(
    function: Callable[[np.ndarray], float], x: np.ndarray, step: float = 1e-5
) -> np.ndarray:
    """The gradient of a function of an array by central differences: slow, but hard to get wrong.

    `function` takes an array of x's shape and returns a number. Each number of x is moved by `step`
    up and down, one at a time; the error is of the order of step^2. x itself stays as it is. The
    result has x's shape.

    >>> numerical_gradient(lambda x: float((x**3).sum()), np.array([1.0, 2.0])).round(6)
    array([ 3., 12.])
    """
    grad = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        moved = np.zeros(x.shape)
        moved[index] = step
        grad[index] = (function(x + moved) - function(x - moved)) / (2 * step)
    return grad
