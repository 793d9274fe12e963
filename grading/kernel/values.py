"""Values as evidence, and inputs as requests: trees of dicts with plain NumPy arrays at the leaves.

{"kind": "tensor" | "ndarray", "dtype": "float32", "value": array}
{"kind": "json", "value": None, a bool, an int, a float or text}
{"kind": "bytes", "value": "00ff"}
{"kind": "list" | "tuple" | "set", "items": [...]}
{"kind": "dict", "items": [[key, value], ...]}
{"kind": "iterator", "items": [...], "more": whether it went on after the last of these}
{"kind": "random", "library": "torch", "seed": 3}          in requests only
{"kind": "other", "type": "Decoder"}                       in evidence only
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch

NUMBERS = "biufc"  # kinds of dtypes
MAX_ARRAY_BYTES = 64 * 2**20  # one answer's arrays together; larger ones are reported, not stored
MAX_ITEMS = 10_000  # of an iterator: it may never end
LIBRARIES = ("torch", "numpy", "python")


@dataclass(frozen=True)
class RandomState:
    """An input that arrives as a fresh random generator with this seed.

    library  "torch" (torch.Generator), "numpy" (numpy.random.Generator) or "python" (random.Random)
    """

    seed: int
    library: str = "torch"

    def __post_init__(self) -> None:
        if self.library not in LIBRARIES:
            raise ValueError(f"library {self.library!r}: one of {', '.join(LIBRARIES)}")

    def generator(self) -> torch.Generator | np.random.Generator | random.Random:
        """The generator itself, anew each time."""
        if self.library == "torch":
            return torch.Generator().manual_seed(self.seed)
        if self.library == "numpy":
            return np.random.default_rng(self.seed)
        return random.Random(self.seed)


def encode(value: Any, budget: list[int]) -> dict[str, Any]:
    """A value as a tree; `budget` holds the bytes left for arrays, text and bytes."""
    if isinstance(value, torch.Tensor):
        plain = value.detach().cpu()
        dtype = str(plain.dtype).removeprefix("torch.")
        # numpy has no bfloat16; the values fit into float32
        plain = plain.float() if plain.dtype == torch.bfloat16 else plain
        return _array("tensor", dtype, plain.resolve_conj().resolve_neg().numpy(), budget)
    if isinstance(value, np.ndarray) and value.dtype.kind in NUMBERS:
        return _array("ndarray", str(value.dtype), np.asarray(value), budget)
    if isinstance(value, RandomState):
        return {"kind": "random", "library": value.library, "seed": value.seed}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value) in (bool, int, float):
        return {"kind": "json", "value": value}
    if type(value) is str:
        return {"kind": "json", "value": _within(value, len(value), budget)}
    if isinstance(value, bytes | bytearray):
        return {"kind": "bytes", "value": _within(bytes(value), len(value), budget).hex()}
    return _container(value, budget)


def _container(value: Any, budget: list[int]) -> dict[str, Any]:
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {"kind": kind, "items": [encode(item, budget) for item in value]}
    if isinstance(value, set | frozenset):
        items = [encode(item, budget) for item in value]
        return {"kind": "set", "items": sorted(items, key=lambda item: json.dumps(item))}
    if isinstance(value, dict):
        pairs = [[encode(key, budget), encode(item, budget)] for key, item in value.items()]
        return {"kind": "dict", "items": pairs}
    if isinstance(value, Iterator):
        items = [encode(item, budget) for item in islice(value, MAX_ITEMS)]
        more = len(items) == MAX_ITEMS and next(value, None) is not None
        return {"kind": "iterator", "items": items, "more": more}
    return {"kind": "other", "type": type(value).__name__}


def _within(value: Any, size: int, budget: list[int]) -> Any:
    budget[0] -= size
    if budget[0] < 0:
        raise ValueError(f"The answer's values exceed {MAX_ARRAY_BYTES // 2**20} MB together.")
    return value


def _array(kind: str, dtype: str, array: np.ndarray, budget: list[int]) -> dict[str, Any]:
    _within(array, array.nbytes, budget)
    return {"kind": kind, "dtype": dtype, "value": np.array(array, copy=True)}


def decode(tree: dict[str, Any], arrays: str = "torch") -> Any:
    """An input from its tree, made anew at each call; `arrays` says how arrays arrive."""
    match tree["kind"]:
        case "tensor" | "ndarray":
            array = tree["value"].copy()
            return torch.from_numpy(array) if arrays == "torch" else array
        case "bytes":
            return bytes.fromhex(tree["value"])
        case "list":
            return [decode(item, arrays) for item in tree["items"]]
        case "tuple":
            return tuple(decode(item, arrays) for item in tree["items"])
        case "set":
            return {decode(item, arrays) for item in tree["items"]}
        case "dict":
            return {decode(k, arrays): decode(v, arrays) for k, v in tree["items"]}
        case "random":
            return RandomState(tree["seed"], tree["library"]).generator()
        case "json":
            return tree["value"]
    raise ValueError(f"an input cannot be of the kind {tree['kind']!r}")


def same(now: Any, then: Any) -> bool:
    """Whether an input is as it was, by type and value; generators may have moved on."""
    if isinstance(then, torch.Tensor | np.ndarray):
        # By numpy: learners have been seen to replace the comparisons of tensors.
        if type(now) is not type(then) or now.dtype != then.dtype:
            return False
        now, then = (x.detach().numpy() if isinstance(x, torch.Tensor) else x for x in (now, then))
        return np.array_equal(now, then, equal_nan=then.dtype.kind in "fc")
    if isinstance(then, torch.Generator | np.random.Generator | random.Random):
        return True
    if isinstance(then, list | tuple):
        alike = type(now) is type(then) and len(now) == len(then)
        return alike and all(map(same, now, then))
    if isinstance(then, dict):
        alike = type(now) is type(then) and list(now) == list(then)
        return alike and all(same(now[key], then[key]) for key in then)
    return type(now) is type(then) and (now == then or now != now)
