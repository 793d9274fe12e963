"""What runs in the learner's process: layers to be probed, made from their names."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def probe(answer: Callable, layer: str, x: Tensor, order: Tensor) -> Any:
    """The learner's probe on one of the layers below."""
    return answer(LAYERS[layer], x, order)


def _attend(x: Tensor, hidden: Tensor | None = None) -> Tensor:
    scores = x @ x.T
    if hidden is not None:
        scores = scores.masked_fill(hidden, -torch.inf)
    return scores.softmax(dim=-1) @ x


def _causal(x: Tensor) -> Tensor:
    return _attend(x, torch.ones(len(x), len(x), dtype=torch.bool).triu(1))


def _with_places(x: Tensor) -> Tensor:
    return _attend(x + torch.arange(1.0, len(x) + 1)[:, None] / len(x))


LAYERS = {
    "doubled": lambda x: 2 * x,
    "attention": _attend,
    "causal attention": _causal,
    "attention with places added": _with_places,
    "running sum": lambda x: x.cumsum(dim=0),
    "difference from the first": lambda x: x[:1] - x,
    "places alone": lambda x: -(torch.arange(float(len(x)))[:, None] ** 2) + 0 * x,
}
