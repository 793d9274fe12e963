"""How answers about graphs, classes and functions are called; runs in the learner's process."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


class Node:
    """A node as the notebook has it: a number, its parents, its derivative by each of them."""

    def __init__(self, data: float, parents: tuple = (), local_grads: tuple = ()) -> None:
        self.data = data
        self.grad = 0.0
        self.parents = parents
        self.local_grads = local_grads


def walk_back(
    answer: Callable,
    parents: Sequence[Sequence[int]],
    local_grads: Sequence[Sequence[float]],
    chain: int,
) -> dict[str, Any]:
    """Ask for the order of a graph's nodes, and walk back in it from the last node.

    The graph's nodes have numbers; `parents` has those of each node's parents, `local_grads` the
    derivative by each. `chain` more nodes follow, each the parent of the next. Every right order
    gives the same gradients. "parents first" says whether no listed node stands before a listed
    parent of its own.
    """
    nodes: list[Node] = []
    long = [([i], [1.0]) for i in range(len(parents) - 1, len(parents) - 1 + chain)]
    for above, grads in [*zip(parents, local_grads, strict=True), *long]:
        number = float(-7 * len(nodes) % 11)  # says nothing of the node's place
        nodes.append(Node(number, tuple(nodes[i] for i in above), tuple(grads)))
    order = list(answer(nodes[-1]))
    place = {id(node): i for i, node in enumerate(nodes)}
    strange = [item for item in order if id(item) not in place]
    if strange:
        raise TypeError(
            f"the list holds a {type(strange[0]).__name__} that is no node of this graph"
        )
    listed = np.bincount([place[id(node)] for node in order], minlength=len(nodes))
    nodes[-1].grad = 1.0
    for node in reversed(order):
        for parent, local_grad in zip(node.parents, node.local_grads, strict=True):
            parent.grad += local_grad * node.grad
    return {
        "times listed": listed,
        "parents first": parents_first(order),
        "gradients": np.array([node.grad for node in nodes]),
    }


def parents_first(order: Sequence[Node]) -> bool:
    """Whether each node comes for the first time behind all its parents that are in the list."""
    first: dict[int, int] = {}
    for i, node in enumerate(order):
        first.setdefault(id(node), i)
    return all(
        first.get(id(parent), -1) < first[id(node)] for node in order for parent in node.parents
    )


def expressions(
    answer: type, leaves: Sequence[float], steps: Sequence[tuple], results: Sequence[int]
) -> dict[str, Any]:
    """Compute with objects of the learner's class, and call `backward` on some results.

    A step is ("add" | "multiply", node, node), ("power", node, exponent) or ("tanh", node); nodes
    are counted from 0, leaves first. What comes back: the number and the gradient of every node.
    """
    nodes = [answer(number) for number in leaves]
    for name, first, *second in steps:
        a = nodes[first]
        if name == "add":
            nodes.append(a + nodes[second[0]])
        elif name == "multiply":
            nodes.append(a * nodes[second[0]])
        elif name == "power":
            nodes.append(a ** second[0])
        else:
            nodes.append(a.tanh())
    for result in results:
        nodes[result].backward()
    return {
        "values": np.array([float(node.data) for node in nodes]),
        "gradients": np.array([float(node.grad) for node in nodes]),
    }


def nudge(
    answer: Callable, function: str, x: np.ndarray, factors: np.ndarray, step: float | None
) -> Any:
    """The gradient that the answer finds for one of a few functions of an array."""
    functions = {
        "the sum of factors * x**3": lambda x: float((factors * x**3).sum()),
        "the sum of factors * x": lambda x: float((factors * x).sum()),
        "the sum of exp(factors * x)": lambda x: float(np.exp(factors * x).sum()),
        "the square of the sum of factors * x": lambda x: float((factors * x).sum() ** 2),
    }

    def checked(moved: np.ndarray) -> float:
        if np.shape(moved) != x.shape:
            raise ValueError(f"the function was given shape {np.shape(moved)}, x has {x.shape}")
        return functions[function](moved)

    return answer(checked, x) if step is None else answer(checked, x, step)
