"""Call the answer on given inputs, write down what came back. Nothing here knows what is right."""

import importlib
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import array_equal

from grading.kernel.files import load, save, stem
from grading.kernel.values import MAX_ARRAY_BYTES, encode
from grading.kernel.watch import watch


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
    with watch(forbids, answer) as forbidden:
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


def record(folder: str, exercise_id: str, answer: Any) -> None:
    """Answer the request that the grader left in `folder`; what is right is decided elsewhere."""
    request = load(Path(folder) / "requests", stem(exercise_id))
    save(Path(folder) / "evidence", stem(exercise_id), run(request, answer))
