"""Every operation of a training step, and the memory it needs, found without running it.

Tensors on PyTorch's "meta" device have a shape and no numbers: a whole step on it takes neither
arithmetic nor memory, yet each operation passes by with its operands, and each tensor is made and
forgotten in the order of the real step. So what is counted is what runs, the backward pass and
the optimizer included. Does not handle: what an operation needs inside itself for a moment.
"""

import math
import weakref
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.decoder import Decoder
from reference_impl.pretraining.loss import cross_entropy
from reference_impl.pretraining.optimizer import AdamW, decay_groups, global_norm
from reference_impl.published.weights import SkipNormal

aten = torch.ops.aten
PRODUCTS = {aten.mm.default, aten.bmm.default}


@dataclass(frozen=True)
class Operand:
    """A tensor without its numbers."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, tensor: Tensor) -> "Operand":
        return cls(tuple(tensor.shape), tensor.stride(), tensor.dtype)

    @property
    def n_bytes(self) -> int:
        """Bytes that are read or written; along an axis of stride 0 they are always the same.

        >>> Operand((2, 3, 5), (5, 0, 1), torch.float32).n_bytes
        40
        """
        sizes = zip(self.shape, self.stride, strict=True)
        return math.prod(size for size, step in sizes if step) * self.dtype.itemsize

    @property
    def in_a_row(self) -> bool:
        """Whether the numbers lie in memory in the order of the axes."""
        return torch.empty_strided(self.shape, self.stride, device="meta").is_contiguous()

    def filled(self) -> Tensor:
        """A tensor of this layout: ones, which are also valid ids and visible in a mask."""
        return torch.empty_strided(self.shape, self.stride, dtype=self.dtype).fill_(1)


@dataclass(frozen=True)
class Operation:
    """One call of a PyTorch function: `arguments` (positional, by name), tensors as `Operand`s.

    A `view` gives a tensor another shape and touches no number.
    """

    function: Any
    arguments: tuple
    outputs: tuple[Operand, ...]
    view: bool

    @property
    def operands(self) -> list[Operand]:
        return [leaf for leaf in tree_leaves(self.arguments) if isinstance(leaf, Operand)]

    @property
    def kind(self) -> str:
        """What must be measured apart: the function, and whether its memory is in a row."""
        layout = "" if all(x.in_a_row for x in (*self.operands, *self.outputs)) else ", scattered"
        return f"{self.function}{layout}"

    @property
    def n_bytes(self) -> int:
        """Bytes read and written."""
        return sum(x.n_bytes for x in (*self.operands, *self.outputs))

    @property
    def product(self) -> tuple[int, int, int, int] | None:
        """Of a matrix product: how many, rows, inner size, columns. None for all else."""
        if self.function not in PRODUCTS:
            return None
        left, right = self.operands
        return math.prod(left.shape[:-2]), *left.shape[-2:], right.shape[-1]


class Recorder(TorchDispatchMode):
    """Lists the operations inside it, and the most bytes that were alive at one time.

    Tensors in `known` are there already: they do not count.
    """

    def __init__(self, known: list[Tensor]) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self.alive = {tensor.untyped_storage()._cdata for tensor in known}
        self.n_bytes = self.peak_bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = (args, kwargs or {})
        before = {id_of(leaf) for leaf in tree_leaves(given) if isinstance(leaf, Tensor)}
        result = func(*args, **given[1])
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        view = not func._schema.is_mutable and any(id_of(tensor) in before for tensor in made)
        described = tree_map_only(Tensor, Operand.of, given)
        outputs = tuple(map(Operand.of, made))
        self.operations.append(Operation(func, described, outputs, view))
        for tensor in made:
            self.add(tensor.untyped_storage())
        return result

    def add(self, storage: torch.UntypedStorage) -> None:
        """Count the bytes of a storage until it is forgotten."""
        if storage._cdata not in self.alive:
            self.alive.add(storage._cdata)
            self.n_bytes += storage.nbytes()
            self.peak_bytes = max(self.peak_bytes, self.n_bytes)
            weakref.finalize(storage, self.remove, storage._cdata, storage.nbytes())

    def remove(self, address: int, n_bytes: int) -> None:
        self.alive.discard(address)
        self.n_bytes -= n_bytes


def id_of(tensor: Tensor) -> int:
    """The same number for all tensors that share memory."""
    return tensor.untyped_storage()._cdata


def run_step(model: Decoder, optimizer: AdamW, token_ids: Tensor) -> None:
    """One training step without the questions that need numbers: `training.train` has them."""
    optimizer.zero_grad()
    cross_entropy(model(token_ids), token_ids).backward()
    gradients = [parameter.grad for parameter in optimizer.parameters]
    global_norm(gradients)
    for gradient in gradients:
        gradient.mul_(0.5)  # clipping
    optimizer.step()


@lru_cache(maxsize=64)
def record_step(config: ModelConfig, batch: int, seq: int) -> tuple[tuple[Operation, ...], int]:
    """The operations of one training step of `Decoder(config)` with AdamW in float32, and the
    most bytes that it needs at one time beside the weights and the optimizer's moments."""
    with torch.device("meta"), SkipNormal():
        model = Decoder(config)
        optimizer = AdamW(decay_groups(model, 0.1))
        token_ids = torch.empty(batch, seq, dtype=torch.int64)
        moments = [moment for pair in optimizer.moments for moment in pair]
        with Recorder([*model.parameters(), *moments, token_ids]) as recorder:
            run_step(model, optimizer, token_ids)
    return tuple(recorder.operations), recorder.peak_bytes
