"""Call the answer on given inputs, write down what came back. Nothing here knows what is right."""

import importlib
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from grading.kernel.files import load, save, stem
from grading.kernel.values import MAX_ARRAY_BYTES, decode, encode, same
from grading.kernel.watch import watch


def run(request: Mapping[str, Any], answer: Any) -> dict[str, Any]:
    """Call `answer` on every case of a request; return the evidence: arrays and JSON values only.

    request   {"exercise", "drive", "arrays", "forbids", "twice", "cases": [{name: tree}]}, trees as
              `values` has them; `drive` is the name of a function, "module:function"
    evidence  {"exercise", "cases": [{"output", "error", "mutated", "forbidden"}], "again"}; `again`
              is the first case once more behind the others, None where `twice` is not set
    """
    drive = find_drive(request["drive"])
    budget = [MAX_ARRAY_BYTES]
    with one_thread():
        cases = [_run_case(drive, answer, case, request, budget) for case in request["cases"]]
        again = None
        if request["twice"] and cases:
            again = _run_case(drive, answer, request["cases"][0], request, [MAX_ARRAY_BYTES])
    return {"exercise": request["exercise"], "cases": cases, "again": again}


@contextmanager
def one_thread() -> Iterator[None]:
    """Tiny tensors wait for threads longer than they compute, and one repeats bit for bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def find_drive(name: str) -> Callable:
    """The function that a request names: "module:function"."""
    module, function = name.split(":")
    return getattr(importlib.import_module(module), function)


def _run_case(drive, answer, case, request, budget) -> dict[str, Any]:
    given, kept = ({n: decode(v, request["arrays"]) for n, v in case.items()} for _ in range(2))
    entry: dict[str, Any] = {"output": None, "error": None}
    with watch(request["forbids"], answer) as forbidden:
        try:
            if answer is None:  # a run cell has made nothing yet
                raise NotImplementedError
            output = drive(answer, **given)
            entry["output"] = encode(output, budget)
        except KeyboardInterrupt:
            raise  # the grader's time limit, or the learner's stop button
        except BaseException as error:
            entry["error"] = _describe(error)
    entry["mutated"] = [name for name, old in kept.items() if not same(given[name], old)]
    entry["forbidden"] = sorted(forbidden)
    return entry


def _describe(error: BaseException) -> dict[str, Any]:
    """Type and its bases, message and the learner's own last line; never the course's frames."""
    ours, course = str(Path(__file__).parent), str(Path(__file__).parents[1])
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(ours) and "site-packages" not in frame.filename
    ]
    line = frames[-1].line if frames and not frames[-1].filename.startswith(course) else None
    return {
        "type": type(error).__name__,
        "bases": [base.__name__ for base in type(error).__mro__[1:-1]][:10],
        "message": str(error)[:500],
        "line": line,
        "function": frames[-1].name if frames else None,
    }


def record(folder: str, exercise_id: str, answer: Any) -> None:
    """Answer the request that the grader left in `folder`; what is right is decided elsewhere."""
    request = load(Path(folder) / "requests", stem(exercise_id))
    save(Path(folder) / "evidence", stem(exercise_id), run(request, answer))
