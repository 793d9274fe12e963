"""Reverse-mode automatic differentiation of single numbers: what `loss.backward()` does.

Each operation makes a new `Value` that knows its parents and the derivative with respect to each
of them. `backward` walks the graph once, from the result back, and applies the chain rule.

Does not handle: arrays (array_autograd.py), derivatives of derivatives.
"""

import math
from collections.abc import Iterable
from typing import Any


class Node:
    """A number and how it was computed; `Value` below adds the arithmetic.

    `data` is the number, `parents` the nodes it was computed from, `local_grads` its derivative by
    each of them. `grad` is 0 until somebody walks back from a result: then it is the derivative
    of that result by this number. Nodes are compared by identity, not by their `data`.

    >>> x = Node(3.0)
    >>> Node(9.0, parents=(x, x), local_grads=(3.0, 3.0))  # x * x
    Node(9, grad=0)
    """

    def __init__(
        self,
        data: int | float,
        parents: tuple["Node", ...] = (),
        local_grads: tuple[int | float, ...] = (),
    ) -> None:
        self.data = float(data)
        self.grad = 0.0
        self.parents = parents
        self.local_grads = local_grads  # d self / d parent, one for each parent

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.data:g}, grad={self.grad:g})"


class Value(Node):
    """A node with arithmetic: what is computed from Values is a Value and knows its derivatives.

    Plain numbers may stand on either side. Values have no comparisons: compare their `data`.

    >>> x = Value(3.0)
    >>> y = x * x + 2 * x  # dy/dx = 2 x + 2
    >>> y.backward()
    >>> y.data, x.grad
    (15.0, 8.0)
    """

    def __add__(self, other: "Value | int | float") -> "Value":
        other = as_value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: "Value | int | float") -> "Value":
        other = as_value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, exponent: "Value | int | float") -> "Value":
        """Self to the power of a plain number; TypeError for a Value, write (x.log() * y).exp()."""
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a Value: write (x.log() * y).exp() for x ** y")
        data = math.pow(self.data, exponent)
        slope = exponent * math.pow(self.data, exponent - 1) if exponent != 0 else 0.0
        return Value(data, (self,), (slope,))

    def exp(self) -> "Value":
        """e to the power of self; it is its own derivative."""
        data = math.exp(self.data)
        return Value(data, (self,), (data,))

    def log(self) -> "Value":
        """The natural logarithm. Raises ValueError unless self is above 0."""
        if self.data <= 0:
            raise ValueError(f"log of {self.data:g}: the logarithm needs a number above 0")
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def tanh(self) -> "Value":
        """The hyperbolic tangent; its derivative is 1 - tanh^2."""
        data = math.tanh(self.data)
        return Value(data, (self,), (1 - data * data,))

    def relu(self) -> "Value":
        """Self where it is above 0, else 0; the derivative at 0 itself is taken as 0."""
        positive = self.data > 0
        return Value(self.data if positive else 0.0, (self,), (1.0 if positive else 0.0,))

    def __neg__(self) -> "Value":
        return self * -1

    def __sub__(self, other: "Value | int | float") -> "Value":
        return self + -as_value(other)

    def __truediv__(self, other: "Value | int | float") -> "Value":
        return self * as_value(other) ** -1

    def __radd__(self, other: int | float) -> "Value":
        return self + other

    def __rmul__(self, other: int | float) -> "Value":
        return self * other

    def __rsub__(self, other: int | float) -> "Value":
        return as_value(other) - self

    def __rtruediv__(self, other: int | float) -> "Value":
        return as_value(other) / self

    def backward(self) -> None:
        """Add to the `grad` of every value below this one the derivative of self by it.

        Leaves (values that were not computed) keep adding up over several calls, as in PyTorch:
        call `zero_grad` before the next step. Source: Linnainmaa 1970; Baydin et al. 2018,
        section 3.2.

        >>> x = Value(2.0)
        >>> (x + x).backward()  # two paths from x: their derivatives add up
        >>> x.grad
        2.0
        >>> (3 * x).backward()  # on top of the 2 that is already there
        >>> x.grad
        5.0
        """
        order = topological_order(self)
        for node in order:
            if node.parents:
                node.grad = 0.0
        self.grad += 1.0
        for node in reversed(order):
            for parent, local_grad in zip(node.parents, node.local_grads, strict=True):
                parent.grad += local_grad * node.grad


def as_value(number: Value | int | float) -> Value:
    """A plain number as a leaf; a Value as it is.

    >>> as_value(2)
    Value(2, grad=0)
    """
    return number if isinstance(number, Value) else Value(number)


def topological_order(last: Any) -> list:
    """`last` and everything it was computed from, parents always before what is made of them.

    Each node stands in the list once, however many paths lead to it; `last` is at the end. Works
    on anything that has `parents`, which may be thousands of levels deep.

    >>> x = Node(2.0)
    >>> y = Node(4.0, parents=(x, x))
    >>> topological_order(Node(6.0, parents=(x, y)))
    [Node(2, grad=0), Node(4, grad=0), Node(6, grad=0)]
    """
    order, entered = [], set()
    stack = [(last, False)]  # no recursion: Python stops that at about a thousand levels
    while stack:
        node, parents_done = stack.pop()
        if parents_done:
            order.append(node)
        elif node not in entered:
            entered.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return order


def zero_grad(values: Iterable[Value]) -> None:
    """Forget the gradients of earlier steps.

    >>> x = Value(2.0)
    >>> (x * x).backward()
    >>> zero_grad([x])
    >>> x
    Value(2, grad=0)
    """
    for value in values:
        value.grad = 0.0
