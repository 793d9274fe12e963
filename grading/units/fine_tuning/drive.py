"""How `fine_tune` is called: on a small model of given weights."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Model(nn.Module):
    """Logits from the token alone: embedding, then a linear layer. It notes what it was asked."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        vocab, d_model = weights["embedding.weight"].shape
        self.embedding, self.output = nn.Embedding(vocab, d_model), nn.Linear(d_model, vocab)
        self.asked: list[Tensor] = []
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(weights[name])

    def forward(self, token_ids: Tensor) -> Tensor:
        self.asked.append(token_ids.detach().clone())
        return self.output(self.embedding(token_ids))


def tuned(
    answer: Callable,
    weights: dict[str, Tensor],
    examples: list,
    n_steps: int,
    max_lr: float,
    batch_size: int,
    stale: bool,
) -> dict[str, Any]:
    """The losses of a run and their types, what the model read, and its parameters afterwards.

    stale  whether the model comes with gradients of an earlier run
    """
    model = Model(weights)
    if stale:
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
    losses = answer(model, examples, n_steps, max_lr, batch_size)
    parameters = {name: p.detach().clone() for name, p in model.named_parameters()}
    kinds = [type(losses).__name__]
    if isinstance(losses, list):
        kinds += sorted({type(loss).__name__ for loss in losses})
    elif isinstance(losses, nn.Module):
        losses = "a model"
    return {"losses": losses, "types": kinds, "read": model.asked, "parameters": parameters}
