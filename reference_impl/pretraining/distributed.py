"""Several processes that train one model: each runs a share of the batch, gradients are averaged.

`torchrun --nproc-per-node 2 script.py` starts the processes and tells each its number. The script
stays the same for one process without torchrun:

    with join_processes() as world:
        model = world.wrap(Decoder(config))
        optimizer = AdamW(model.parameters())
        for step in train(model, optimizer, batches, ..., world=world):
            ...

Communication is gloo's, which works on every CPU. Does not handle: GPUs, pipeline or tensor
parallelism, processes that come and go.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class World:
    """The processes that train together: this one's number, `rank`, and how many, `size`."""

    rank: int = 0
    size: int = 1

    def wrap(self, model: nn.Module, sharded: bool = False) -> nn.Module:
        """The model so that backward() averages gradients over all processes.

        The weights of process 0 are everybody's. By default each process holds all of them (data
        parallel: Li et al. 2020). `sharded`, each holds a piece of every weight, its gradient and
        its moments, and borrows the others when it needs them (FSDP: Zhao et al. 2023). Make the
        optimizer afterwards, of what this returns. With one process the model stays as it is.
        """
        if self.size == 1:
            return model
        if not sharded:
            return nn.parallel.DistributedDataParallel(model)
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        for tensor in model.state_dict().values():
            dist.broadcast(tensor, src=0)
        mesh = init_device_mesh("cpu", (self.size,))
        for block in getattr(model, "blocks", []):
            fully_shard(block, mesh=mesh)
        return fully_shard(model, mesh=mesh)

    def share(self, batch: tuple[Tensor, ...], parts: int = 1) -> list[tuple[Tensor, ...]]:
        """This process's rows of a batch that all processes have, in `parts` equal parts.

        Raises ValueError where the rows cannot be dealt out evenly.

        >>> World(rank=1, size=2).share((torch.arange(8),), parts=2)
        [(tensor([4, 5]),), (tensor([6, 7]),)]
        """
        n_rows, pieces = len(batch[0]), self.size * parts
        if n_rows % pieces:
            raise ValueError(
                f"{n_rows} rows cannot be dealt out to {self.size} processes in {parts} parts "
                f"each: choose a batch_size that {pieces} divides"
            )
        split = [tensor.split(n_rows // pieces) for tensor in batch]
        return list(zip(*split, strict=True))[self.rank * parts : (self.rank + 1) * parts]

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of every process's tensor."""
        if self.size > 1:
            tensor = tensor.clone()
            dist.all_reduce(tensor)
        return tensor

    def agree(self, value: Any) -> Any:
        """What process 0 says. The others wait for it."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    @contextmanager
    def averaging(self, model: nn.Module, when: bool) -> Iterator[None]:
        """A context in which backward() averages over the processes, or only adds up here.

        Of several parts of a batch the last one averages what all have added: the processes then
        talk once a step.
        """
        if isinstance(model, nn.parallel.DistributedDataParallel):
            with nullcontext() if when else model.no_sync():
                yield
            return
        if hasattr(model, "set_requires_gradient_sync"):
            model.set_requires_gradient_sync(when)
        yield


@contextmanager
def join_processes() -> Iterator[World]:
    """Join the processes that torchrun started, and leave them at the end.

    Without torchrun the world is this process alone.
    """
    if "RANK" not in os.environ:
        yield World()
        return
    dist.init_process_group("gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside the wrapper of `World.wrap`."""
    return model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model


def plain_name(name: str) -> str:
    """The name of a weight or module as it is without `World.wrap` and `torch.compile`, which put
    their own before it. Under this one weights are saved.

    >>> plain_name("_orig_mod.blocks.0._orig_mod.attention.q_proj.weight")
    'blocks.0.attention.q_proj.weight'
    """
    return name.removeprefix("module.").replace("_orig_mod.", "")


def whole(tensor: Tensor) -> Tensor:
    """The full value of a tensor that may lie in pieces on several processes (a DTensor)."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


@torch.no_grad()
def fill(tensor: Tensor, value: Tensor) -> None:
    """Give a tensor, which may lie in pieces, the full `value`; the opposite of `whole`."""
    if hasattr(tensor, "full_tensor"):
        from torch.distributed.tensor import distribute_tensor

        value = distribute_tensor(value, tensor.device_mesh, tensor.placements)
    tensor.copy_(value)
