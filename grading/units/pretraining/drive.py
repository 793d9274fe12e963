"""How answers of this unit are called: draws made comparable, a small model, steps of training."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn


def drawn(
    answer: Callable,
    token_ids: Tensor,
    context_length: int,
    batch_size: int,
    generator: Generator,
    view: str,
) -> Any:
    """A random batch of a text that counts upwards, in a form that chance does not change.

    view   "starts": the first id of every row, counted from the first of the text; "places": all
           different ones of these, in order; "from the start": each row minus its first input;
           "types"; "as it is"; "repeated": whether a generator in the same state draws the same;
           "once more": whether the next draw is the same; "in a row": whether each row starts one
           place after the one before it
    """
    state = generator.get_state()
    result = answer(token_ids, context_length, batch_size, generator)
    if view == "as it is":
        return result
    inputs, targets = result
    if view == "types":
        return str(inputs.dtype), str(targets.dtype)
    if view == "repeated":
        generator = Generator().set_state(state)
        again = answer(token_ids, context_length, batch_size, generator)
        return bool(torch.equal(inputs, again[0]) and torch.equal(targets, again[1]))
    if view == "once more":
        again = answer(token_ids, context_length, batch_size, generator)
        return bool(torch.equal(inputs, again[0]))
    if view == "in a row":
        return bool((inputs[1:, 0] == inputs[:-1, 0] + 1).all())
    if view in ("starts", "places"):
        starts = inputs[:, 0] - token_ids[0].long()
        return starts if view == "starts" else sorted(set(starts.tolist()))
    first = inputs[:, :1]
    return inputs - first, targets - first


def loss_and_gradient(answer: Callable, logits: Tensor, **inputs: Any) -> dict[str, Any]:
    """The loss, and its gradient by the logits; 0 where the loss does not depend on them."""
    logits.requires_grad_()
    loss = answer(logits, *inputs.values())
    if not isinstance(loss, Tensor):
        raise TypeError("no gradient can pass through a loss that is no tensor")
    if loss.requires_grad:
        loss.sum().backward()
    gradient = torch.zeros_like(logits) if logits.grad is None else logits.grad
    return {"loss": loss.detach(), "gradient": gradient}


class Model(nn.Module):
    """Logits from the token alone: embedding, then a linear layer. It notes what it was asked.

    Inputs in `without` have no real target: whether they are read is not noted.
    """

    def __init__(self, weights: dict[str, Tensor], without: Sequence[Tensor] = ()) -> None:
        super().__init__()
        vocab, d_model = weights["embedding.weight"].shape
        self.embedding, self.output = nn.Embedding(vocab, d_model), nn.Linear(d_model, vocab)
        self.asked: list[list[int]] = []
        self.without, self.waiting, self.most_waiting = without, 0, 0
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(weights[name])

    def forward(self, token_ids: Tensor) -> Tensor:
        logits = self.output(self.embedding(token_ids))
        if not any(torch.equal(token_ids, inputs) for inputs in self.without):
            self.asked.append(list(token_ids.shape))
            self._wait(1)
            if logits.requires_grad:
                logits.register_hook(lambda _: self._wait(-1))
        return logits

    def _wait(self, change: int) -> None:
        """Count the logits that no gradient has come back to."""
        self.waiting += change
        self.most_waiting = max(self.most_waiting, self.waiting)


def _kept(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def accumulated(answer: Callable, weights: dict, parts: list, before: dict | None) -> dict:
    """Loss and gradients; `before` are the gradients that are there already.

    A part without a real target may be left unread.
    """
    model = Model(weights, [inputs for inputs, targets in parts if (targets == -100).all()])
    for name, parameter in model.named_parameters():
        parameter.grad = None if before is None else before[name].clone()
    loss = answer(model, parts)
    if isinstance(loss, Tensor):
        raise TypeError("the loss is a tensor, and a plain Python float is promised: use .item()")
    gradients = {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in _named(model)}
    return {
        "loss": loss,
        "gradients": _kept(gradients),
        "parameters": _kept(dict(_named(model))),
        "shapes read": model.asked,
        "most parts in memory": model.most_waiting,
    }


def _named(model: nn.Module) -> list[tuple[str, Tensor]]:
    return list(model.named_parameters())


def stepped(answer: Callable, weights: dict, n_steps: int, max_lr: float, batches: list) -> dict:
    """Losses of as many steps as there are batches; then parameters, moments, the step number."""
    model = Model(weights)
    trainer = answer(model, n_steps, max_lr)
    losses = [trainer.step(parts) for parts in batches]
    return {
        "losses": losses,
        "parameters": _kept(dict(_named(model))),
        "first moments": [torch.as_tensor(first).detach().clone() for first, _ in trainer.moments],
        "second moments": [
            torch.as_tensor(second).detach().clone() for _, second in trainer.moments
        ],
        "steps_done": trainer.steps_done,
        "the same model": trainer.model is model,
    }


def logits(answer: nn.Module, token_ids: Tensor) -> Tensor:
    """What a trained model says of windows of a text."""
    with torch.no_grad():
        return answer(token_ids)
