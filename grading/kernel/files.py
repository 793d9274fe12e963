"""Requests and evidence on disk: one JSON file and one .npz beside it, never pickle."""

import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from grading.kernel.values import MAX_ARRAY_BYTES, NUMBERS


def stem(exercise_id: str) -> str:
    """The file name for an exercise: "attention/causal_mask" -> "attention__causal_mask"."""
    return exercise_id.replace("/", "__")


def dumps(tree: Mapping[str, Any]) -> tuple[str, bytes]:
    """A tree of dicts, lists, JSON values and arrays as JSON text and the bytes of a .npz."""
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_lift_arrays(tree, arrays))
    file = io.BytesIO()
    np.savez(file, **arrays)
    return text, file.getvalue()


def loads(text: str, data: bytes, max_bytes: int = 2 * MAX_ARRAY_BYTES) -> dict[str, Any]:
    """What `dumps` wrote; raises ValueError on anything else, and never unpickles.

    `max_bytes` bounds the arrays as they are once unpacked.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        if sum(part.file_size for part in parts.infolist()) > max_bytes:
            raise ValueError(f"the arrays are larger than {max_bytes // 2**20} MB")
        if any(part.compress_type != zipfile.ZIP_STORED for part in parts.infolist()):
            raise ValueError("the arrays are compressed, which this course never does")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        # Each is read once: the text may name the same one a million times.
        read = dict(arrays)
    for array in read.values():
        if array.dtype.kind not in NUMBERS:  # an element of another kind may take no bytes at all
            raise ValueError(f"an array holds {array.dtype}, not numbers")
    return _put_arrays(json.loads(text), read)


def save(folder: Path, name: str, tree: Mapping[str, Any]) -> None:
    """Write a tree as name.json and name.npz."""
    text, data = dumps(tree)
    folder.mkdir(parents=True, exist_ok=True)
    # The JSON comes last: where it is, the evidence is whole. An answer may have forked, and its
    # copies write the same: each has a part of its own.
    for suffix, content in (("npz", data), ("json", text.encode())):
        part = folder / f"{name}.{suffix}.{os.getpid()}.part"
        part.write_bytes(content)
        os.replace(part, folder / f"{name}.{suffix}")


def load(folder: Path, name: str) -> dict[str, Any]:
    """Read what `save` wrote."""
    text = (folder / f"{name}.json").read_text(encoding="utf-8")
    return loads(text, (folder / f"{name}.npz").read_bytes())


def _lift_arrays(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(tree, np.ndarray):
        key = f"a{len(arrays)}"
        arrays[key] = tree
        return {"array": key}
    if isinstance(tree, Mapping):
        return {key: _lift_arrays(value, arrays) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_lift_arrays(value, arrays) for value in tree]
    return tree


def _put_arrays(tree: Any, arrays: Any) -> Any:
    if isinstance(tree, dict):
        if set(tree) == {"array"}:
            return arrays[tree["array"]]
        return {key: _put_arrays(value, arrays) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_put_arrays(value, arrays) for value in tree]
    return tree
