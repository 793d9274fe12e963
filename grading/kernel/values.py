"""Values as evidence: arrays and JSON values only."""

from typing import Any

import numpy as np
import torch

NUMBERS = "biufc"  # kinds of dtypes
MAX_ARRAY_BYTES = 64 * 2**20  # one answer's arrays together; larger ones are reported, not stored


def encode(value: Any, budget: list[int]) -> dict[str, Any]:
    """A value as nested dicts with plain numpy arrays at the leaves; `budget` holds bytes left."""
    if isinstance(value, torch.Tensor):
        plain = value.detach().cpu()
        dtype = str(plain.dtype).removeprefix("torch.")
        # numpy has no bfloat16; the values fit into float32
        plain = plain.float() if plain.dtype == torch.bfloat16 else plain
        return _array("tensor", dtype, plain.resolve_conj().resolve_neg().numpy(), budget)
    if isinstance(value, np.ndarray) and value.dtype.kind in NUMBERS:
        return _array("ndarray", str(value.dtype), np.asarray(value), budget)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value) in (bool, int, float, str):
        return {"kind": "json", "value": value}
    if isinstance(value, list | tuple):
        return {"kind": "list", "items": [encode(item, budget) for item in value]}
    if isinstance(value, dict):
        return {"kind": "dict", "items": {str(k): encode(v, budget) for k, v in value.items()}}
    return {"kind": "other", "type": type(value).__name__}


def _array(kind: str, dtype: str, array: np.ndarray, budget: list[int]) -> dict[str, Any]:
    budget[0] -= array.nbytes
    if budget[0] < 0:
        raise ValueError(f"The answer's arrays exceed {MAX_ARRAY_BYTES // 2**20} MB together.")
    return {"kind": kind, "dtype": dtype, "value": np.array(array, copy=True)}
