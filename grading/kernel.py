"""What runs in the learner's process: call the answer on given inputs, write down what came back.

Nothing here knows what is right. This file and the units' `drive.py` are all of grading that a
graded notebook needs, so they import nothing else of it.
"""

import importlib
import inspect
import io
import json
import os
import traceback
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import array_equal

NUMBERS = "biufc"  # kinds of dtypes
MAX_ARRAY_BYTES = 64 * 2**20  # one answer's arrays together; larger ones are reported, not stored


def run(request: Mapping[str, Any], answer: Any) -> dict[str, Any]:
    """Call `answer` on every case of a request; return the evidence: arrays and JSON values only.

    request   {"exercise", "drive", "forbids", "cases": [{input name: array or JSON value}]}
    evidence  {"exercise", "cases": [{"output", "error", "mutated", "forbidden"}]}
    """
    drive = _find_drive(request["drive"])
    budget = [MAX_ARRAY_BYTES]
    forbids = request["forbids"]
    with one_thread():
        cases = [_run_case(drive, answer, case, forbids, budget) for case in request["cases"]]
    return {"exercise": request["exercise"], "cases": cases}


@contextmanager
def one_thread() -> Iterator[None]:
    """Tiny tensors wait for threads longer than they compute, and one repeats bit for bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _find_drive(name: str) -> Callable:
    if name == "call":
        return lambda answer, **inputs: answer(*inputs.values())
    module, function = name.split(":")
    return getattr(importlib.import_module(module), function)


def _run_case(drive, answer, case, forbids, budget) -> dict[str, Any]:
    given = {name: _as_tensor(value) for name, value in case.items()}
    kept = {name: value.clone() for name, value in given.items() if isinstance(value, torch.Tensor)}
    entry: dict[str, Any] = {"output": None, "error": None}
    with _watch(forbids, answer) as forbidden:
        try:
            output = drive(answer, **given)
            entry["output"] = encode(output, budget)
        except KeyboardInterrupt:
            raise  # the grader's time limit, or the learner's stop button
        except BaseException as error:
            entry["error"] = _describe(error)
    entry["mutated"] = [name for name, old in kept.items() if not _same(given[name], old)]
    entry["forbidden"] = sorted(forbidden)
    return entry


def _as_tensor(value: Any) -> Any:
    return torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value


def _same(now: torch.Tensor, then: torch.Tensor) -> bool:
    # By numpy: learners have been seen to replace the comparisons of tensors.
    return now.dtype == then.dtype and array_equal(
        now.detach().numpy(), then.numpy(), equal_nan=True
    )


def _describe(error: BaseException) -> dict[str, Any]:
    """Type, message and the learner's own last line; never the grader's frames."""
    ours = str(Path(__file__).parent)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(ours) and "site-packages" not in frame.filename
    ]
    return {
        "type": type(error).__name__,
        "message": str(error)[:500],
        "line": frames[-1].line if frames else None,
        "function": frames[-1].name if frames else None,
    }


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


# --- functions to do without ----------------------------------------------------------------------

_covered: dict[str, Any] = {}  # what stands in the place of functions, by their dotted names
_watching: list[tuple[list[str], set[str]]] = []  # names that must not be called, and were


@contextmanager
def _watch(forbids: list[str], answer: Any) -> Iterator[set[str]]:
    """While open, note every call of a forbidden function, by its dotted name."""
    seen: set[str] = set()
    with ExitStack() as stack:
        for name in forbids:
            if _holds_alias(answer, getattr(*_resolve(name))):
                seen.add(name)
            if getattr(*_resolve(name)) is not _covered.get(name):  # not yet, or no longer
                stack.callback(_put_cover(name))
        _watching.append((forbids, seen))
        stack.callback(_watching.pop)
        yield seen


def cover(forbids: Iterable[str]) -> None:
    """Have the calls of these functions noted from now on, for the rest of the process: whoever
    puts one away before a check has put away what notes it."""
    for name in forbids:
        if name not in _covered:
            _put_cover(name)


def _put_cover(name: str) -> Callable[[], None]:
    """Put something that notes its calls in the place of a function; undone by what comes back."""
    owner, attribute = _resolve(name)
    original, own = getattr(owner, attribute), vars(owner).get(attribute)

    def noted(*args, **kwargs):
        for forbids, seen in _watching:
            if name in forbids:
                seen.add(name)
        return original(*args, **kwargs)

    def undo() -> None:
        _covered.pop(name, None)
        if own is None:  # it was inherited
            delattr(owner, attribute)
        else:
            setattr(owner, attribute, own)

    _covered[name] = noted
    setattr(owner, attribute, noted)
    return undo


def _resolve(name: str) -> tuple[Any, str]:
    *path, attribute = name.split(".")
    owner = importlib.import_module(path[0])
    for step in path[1:]:
        owner = getattr(owner, step)
    return owner, attribute


def _holds_alias(answer: Any, original: Any) -> bool:
    """Whether the answer uses the forbidden function by a name of its own (`from x import y`)."""
    code = getattr(inspect.unwrap(answer) if callable(answer) else answer, "__code__", None)
    names = getattr(answer, "__globals__", {})
    return code is not None and any(names.get(name) is original for name in code.co_names)


# --- on disk: one JSON file and one .npz beside it, never pickle --------------------------------


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
    (folder / f"{name}.npz").write_bytes(data)
    # The JSON comes last: where it is, the evidence is whole.
    (folder / f"{name}.json.part").write_text(text, encoding="utf-8")
    os.replace(folder / f"{name}.json.part", folder / f"{name}.json")


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


def record(folder: str, exercise_id: str, answer: Any) -> None:
    """Answer the request that the grader left in `folder`; what is right is decided elsewhere."""
    request = load(Path(folder) / "requests", stem(exercise_id))
    save(Path(folder) / "evidence", stem(exercise_id), run(request, answer))
