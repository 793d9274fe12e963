"""Reading a GGUF file: metadata, the list of tensors, and tensors turned back into floats.

Layout (little-endian): "GGUF", version, number of tensors, number of metadata pairs; the pairs;
for each tensor its name, shape, type and offset; padding; the tensors' bytes.
Handles the types that SmolLM2's file uses (F32, F16, Q4_1, Q8_0) and no others, versions 2 and 3,
little-endian. What it does not handle it refuses by name.
Source: the GGUF specification (ggml, docs/gguf.md).
"""

import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


class GGUFError(ValueError):
    """The file is not a GGUF file, is damaged, or lacks what the model needs."""


@dataclass(frozen=True)
class TensorType:
    """How one tensor type stores `block_size` numbers in `block_bytes` bytes."""

    name: str
    block_size: int
    block_bytes: int
    dequantise: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class TensorInfo:
    """Where one tensor lies in the file. `shape` is in torch's order, slowest axis first."""

    shape: tuple[int, ...]
    type: TensorType
    offset: int

    @property
    def n_bytes(self) -> int:
        return prod(self.shape) // self.type.block_size * self.type.block_bytes


def dequantise_q4_1(
    blocks: UInt8[Tensor, "n_blocks 20"],
) -> Float[Tensor, "n_blocks 32"]:
    """32 numbers in 20 bytes: float16 scale, float16 minimum, 16 bytes of two 4-bit levels.

    A number is scale * level + minimum. The low halves of the bytes are numbers 0 to 15, the
    high halves 16 to 31.

    >>> scale_and_minimum = torch.tensor([0.5, -1.0], dtype=torch.float16).view(torch.uint8)
    >>> levels = torch.full((16,), 0x31, dtype=torch.uint8)  # low half 1, high half 3
    >>> dequantise_q4_1(torch.cat([scale_and_minimum, levels])[None])[0, [0, 15, 16, 31]]
    tensor([-0.5000, -0.5000,  0.5000,  0.5000])
    """
    scale, minimum = blocks[:, :4].contiguous().view(torch.float16).float().split(1, dim=1)
    levels = blocks[:, 4:]  # n_blocks 16
    numbers = torch.empty(len(blocks), 32, dtype=torch.float32)
    numbers[:, :16] = levels & 0x0F
    numbers[:, 16:] = levels >> 4
    return numbers.mul_(scale).add_(minimum)


def dequantise_q8_0(
    blocks: UInt8[Tensor, "n_blocks 34"],
) -> Float[Tensor, "n_blocks 32"]:
    """32 numbers in 34 bytes: float16 scale, then 32 signed bytes. A number is scale * byte.

    >>> scale = torch.tensor([0.25], dtype=torch.float16).view(torch.uint8)
    >>> levels = torch.arange(-16, 16, dtype=torch.int8).view(torch.uint8)
    >>> dequantise_q8_0(torch.cat([scale, levels])[None])[0, [0, 16, 31]]
    tensor([-4.0000,  0.0000,  3.7500])
    """
    scale = blocks[:, :2].contiguous().view(torch.float16).float()  # n_blocks 1
    return blocks[:, 2:].view(torch.int8).float().mul_(scale)


TENSOR_TYPES = {
    0: TensorType("F32", 1, 4, lambda blocks: blocks.contiguous().view(torch.float32)),
    1: TensorType("F16", 1, 2, lambda blocks: blocks.contiguous().view(torch.float16).float()),
    3: TensorType("Q4_1", 32, 20, dequantise_q4_1),
    8: TensorType("Q8_0", 32, 34, dequantise_q8_0),
}
SCALARS = dict(enumerate(("B", "b", "H", "h", "I", "i", "f", "?")))  # metadata type -> struct
SCALARS |= {10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
VERSIONS, DEEPEST_ARRAY = (2, 3), 16


class GGUFFile:
    """A GGUF file opened for reading: `metadata` (a dict) and `tensors` (name -> TensorInfo).

    The tensors' bytes stay in the file until `tensor(name)` reads them.
    Raises FileNotFoundError, or GGUFError where the file is not GGUF or is damaged.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        with self.path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise GGUFError(
                    f"{path} is not a GGUF file (it does not begin with the bytes 'GGUF'): "
                    "give the path of a .gguf file"
                )
            # A private copy-on-write map: PyTorch wants writable memory, the file stays as it is.
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self._position = 4
        try:
            self.metadata, self.tensors, data_start = self._header()
        except (struct.error, KeyError, TypeError, ArithmeticError, UnicodeDecodeError) as error:
            raise self._damaged(f"its header cannot be read, {error!r}") from error
        for name, info in self.tensors.items():
            if (info.shape or (1,))[-1] % info.type.block_size or info.offset % 4:
                raise self._damaged(f"tensor {name!r} has a shape or place it cannot have")
            if data_start + info.offset + info.n_bytes > len(self._bytes):
                raise self._damaged(f"tensor {name!r} lies beyond its {len(self._bytes)} bytes")
        self._data = torch.frombuffer(self._bytes, dtype=torch.uint8)[data_start:]

    def tensor(self, name: str) -> Float[Tensor, "..."]:
        """The tensor of that name as float32, dequantised. Raises GGUFError if there is none."""
        if name not in self.tensors:
            raise GGUFError(
                f"{self.path} has no tensor {name!r}: it holds another model, or a damaged one; "
                "install the weights again with `make course`"
            )
        info = self.tensors[name]
        raw = self._data[info.offset : info.offset + info.n_bytes]
        return info.type.dequantise(raw.view(-1, info.type.block_bytes)).view(info.shape)

    def _damaged(self, what: str) -> GGUFError:
        return GGUFError(
            f"{self.path} is damaged or cut short ({what}): install the weights again with "
            "`make course`, or point COURSE_WEIGHTS at a complete file"
        )

    def _header(self) -> tuple[dict[str, Any], dict[str, TensorInfo], int]:
        self._check_version(*self._take("I"))
        n_tensors, n_metadata = self._take("QQ")
        metadata: dict[str, Any] = {}
        for _ in range(n_metadata):
            name = self._new_name(metadata)
            metadata[name] = self._value(*self._take("I"))
        tensors: dict[str, TensorInfo] = {}
        for _ in range(n_tensors):
            name = self._new_name(tensors)
            tensors[name] = self._tensor_info(name)
        alignment = metadata.get("general.alignment", 32)
        if alignment % 8:
            raise self._damaged(f"alignment {alignment} is no multiple of 8")
        return metadata, tensors, -(-self._position // alignment) * alignment

    def _check_version(self, version: int) -> None:
        """Raise GGUFError for a file that is whole, but of a kind that is not read here."""
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
        if version in VERSIONS:
            return
        if swapped in (1, *VERSIONS):
            raise GGUFError(
                f"{self.path} is written for big-endian processors (GGUF version {swapped}): only "
                "little-endian files are read here; get that one, or convert it with the gguf "
                "package's gguf-convert-endian"
            )
        raise GGUFError(
            f"{self.path} is of GGUF version {version}, and versions 2 and 3 are read here: get a "
            "file of the model in one of these"
        )

    def _new_name(self, known: dict[str, Any]) -> str:
        """The next name. Raises GGUFError where it came before: which one was meant?"""
        name = self._string()
        if name in known:
            raise GGUFError(
                f"{self.path} has {name!r} twice, so that nobody can say which is meant: get the "
                "file again from where it was made"
            )
        return name

    def _tensor_info(self, name: str) -> TensorInfo:
        (n_dims,) = self._take("I")
        shape = self._take(f"{n_dims}Q")[::-1]  # GGUF lists the fastest axis first
        type_id, offset = self._take("IQ")
        if type_id not in TENSOR_TYPES:
            names = ", ".join(kind.name for kind in TENSOR_TYPES.values())
            raise GGUFError(
                f"{self.path}: tensor {name!r} has type number {type_id}, which is not read here "
                f"(only {names}): use the Q4_1, F16 or F32 file of the model"
            )
        return TensorInfo(shape, TENSOR_TYPES[type_id], offset)

    def _value(self, kind: int, depth: int = 0) -> Any:
        if kind == STRING:
            return self._string()
        if kind != ARRAY:
            return self._take(SCALARS[kind])[0]
        element, length = self._take("IQ")
        if depth == DEEPEST_ARRAY:
            raise self._damaged(f"arrays within arrays, more than {DEEPEST_ARRAY} deep")
        if element in SCALARS:
            return list(self._take(f"{length}{SCALARS[element]}"))
        return [self._value(element, depth + 1) for _ in range(length)]

    def _string(self) -> str:
        (length,) = self._take("Q")
        return self._take(f"{length}s")[0].decode("utf-8")

    def _take(self, layout: str) -> tuple[Any, ...]:
        layout = "<" + layout
        values = struct.unpack_from(layout, self._bytes, self._position)
        self._position += struct.calcsize(layout)
        return values
