"""The training loop: batches in, a changed model out, one step at a time.

The caller drives it as an iterator and decides between steps when to measure, print or stop:

    batches = RandomBatches(token_ids, context_length=64, batch_size=12, seed=0)
    optimizer = AdamW(decay_groups(model, weight_decay=0.1), betas=(0.9, 0.95))
    schedule = partial(warmup_cosine, n_steps=2000, max_lr=1e-3, warmup_steps=100)
    for step in train(model, optimizer, batches, 2000, schedule):
        if step.number % 100 == 0:
            print(step.number, step.loss, evaluate(model, sequential_batches(held_out, 64, 32)))

Does not handle: float16, whose small gradients need a scaled loss, and GPUs beyond moving batches
to the model's device.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from reference_impl.pretraining.checkpoints import Checkpoints
from reference_impl.pretraining.data import mixed_seed
from reference_impl.pretraining.distributed import World
from reference_impl.pretraining.loss import IGNORE_ID, token_losses
from reference_impl.pretraining.optimizer import AdamW, clip_gradients


@runtime_checkable
class Batches(Protocol):
    """Batch number `step`: the model's inputs, then the targets. The same on every call."""

    def __getitem__(self, step: int) -> tuple[Tensor, ...]: ...


@dataclass(frozen=True)
class Step:
    """What happened in a step: its `number` from 0, the mean loss in nats over the batch's real
    tokens before the step, the learning rate, and the gradients' norm before clipping."""

    number: int
    loss: float
    learning_rate: float
    gradient_norm: float


def train(
    model: nn.Module,
    optimizer: AdamW,
    batches: Batches,
    n_steps: int,
    learning_rate: Callable[[int], float],
    *,
    n_micro_batches: int = 1,
    max_norm: float = 1.0,
    mixed_precision: bool = False,
    seed: int = 0,
    checkpoints: Checkpoints | None = None,
    world: World | None = None,
) -> Iterator[Step]:
    """Train `model`, yielding after each step.

    A batch is cut into `n_micro_batches` parts that run one after the other, to need less memory;
    with several processes each takes its share of it. Neither changes the result beyond rounding.
    With `mixed_precision` the matrix products run in bfloat16, which recent processors multiply
    several times faster; weights, gradients, moments, norms and the loss stay in float32
    (Micikevicius et al. 2018, section 3.1; Kalamkar et al. 2019 for bfloat16).
    With `checkpoints` it goes on after the newest one, and the weights are then bit for bit those
    of a run that was never stopped: what is random (the batches, and dropout through `seed`) is
    drawn from the step's number and not from what happened before.

    Raises ValueError where a batch cannot be cut evenly, or where the gradients are not finite.
    """
    world = world or World()
    first = checkpoints.restore(model, optimizer, world) if checkpoints else 0
    for number in range(first, n_steps):
        model.train()  # at every step: the caller may have measured in between
        optimizer.learning_rate = float(learning_rate(number))
        with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they are
            torch.manual_seed(mixed_seed(seed, number, world.rank))
            loss = add_gradients(model, batches[number], n_micro_batches, world, mixed_precision)
        norm = clip_gradients(optimizer.parameters, max_norm).item()
        optimizer.step()
        optimizer.zero_grad()
        done = number + 1
        if checkpoints and (done % checkpoints.every == 0 or done == n_steps):
            checkpoints.save(done, model, optimizer, world)
        yield Step(number, loss, optimizer.learning_rate, norm)


def add_gradients(
    model: nn.Module,
    batch: tuple[Tensor, ...],
    n_micro_batches: int = 1,
    world: World | None = None,
    mixed_precision: bool = False,
) -> float:
    """Add the gradients of the batch's mean loss to the parameters; returns that loss in nats.

    The mean is over the real tokens of the whole batch. Each part's sum is divided by that
    number: a mean of the parts' means would weigh tokens by how many share their part.
    """
    world = world or World()
    device = next(model.parameters()).device
    parts = world.share(batch, n_micro_batches)
    n_real = sum((targets != IGNORE_ID).sum() for *_, targets in parts)
    n_real = world.sum(n_real).clamp(min=1).to(device)
    total = torch.zeros((), device=device)
    for i, part in enumerate(parts):
        *inputs, targets = (tensor.to(device) for tensor in part)
        with world.averaging(model, when=i == len(parts) - 1):
            with torch.autocast(device.type, torch.bfloat16, enabled=mixed_precision):
                loss = token_losses(model(*inputs), targets).sum() / n_real
            (loss * world.size).backward()  # the processes' gradients are averaged, not summed
        total += loss.detach()
    return world.sum(total).item()


@torch.no_grad()
def evaluate(model: nn.Module, batches: Iterable[tuple[Tensor, ...]]) -> float:
    """The mean loss in nats over all real tokens of `batches`, with the model in eval mode.

    Afterwards every part of the model is in the mode it was in. With several processes each
    measures everything. Raises ValueError where there is no real token.
    """
    modes = {module: module.training for module in model.modules()}
    device = next(model.parameters()).device
    total, n_real = 0.0, 0
    model.eval()
    try:
        for batch in batches:
            *inputs, targets = (tensor.to(device) for tensor in batch)
            total += token_losses(model(*inputs), targets).sum().item()
            n_real += int((targets != IGNORE_ID).sum())
    finally:
        for module, mode in modes.items():
            module.training = mode
    if not n_real:
        raise ValueError("there is no token to predict: give batches with real targets")
    return total / n_real
