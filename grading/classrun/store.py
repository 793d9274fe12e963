"""Finished results on disk, so that a killed run goes on where it was.

A result is kept under a key: the hash of the submission's bytes and of everything it was graded
with. Every file is written beside its place and moved there, so that none is ever half there; one
that a failing disk damaged is taken as absent.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from grading.course.errors import CourseError
from grading.judging.verdict import Verdict
from grading.notebooks.submission import Graded

FOLDER = "grading_store"


@dataclass(frozen=True)
class Result:
    """A submission graded, and what decided it.

    key         of the result in the store
    submission  hash of the submission's bytes
    seed        of the inputs drawn
    versions    of every exercise, by id (`grading.course.versions`)
    """

    key: str
    submission: str
    seed: int
    versions: Mapping[str, str]
    graded: Graded


def digest(data: bytes | None) -> str:
    """SHA-256 of a submission; None, where nothing was handed in, is not an empty file."""
    return hashlib.sha256(data).hexdigest() if data is not None else "nothing"


def key_of(submission: str, unit: str, **settings: Any) -> str:
    """The key of a result: what was graded and every setting, as JSON values."""
    text = json.dumps([submission, unit, settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Store:
    """Results of grading, by key, in one folder that one `course grade` at a time may use."""

    def __init__(self, folder: Path) -> None:
        self.results = folder / "results"
        self.results.mkdir(parents=True, exist_ok=True)
        # The system lets go of it when the process ends, however it ends.
        self._lock = FileLock(folder / "lock", timeout=0)

    def __enter__(self) -> "Store":
        try:
            self._lock.acquire()
        except Timeout:
            raise CourseError(
                f"Another `course grade` is at work on {self.results.parent}: wait for its end."
            ) from None
        return self

    def __exit__(self, *_) -> None:
        self._lock.release()

    def put(self, result: Result) -> None:
        """Keep a result. The JSON comes last: where it is, the result is whole."""
        _replace(self.results / f"{result.key}.ipynb", result.graded.notebook)
        tree = {name: getattr(result, name) for name in ("submission", "seed", "versions")}
        tree["notebook"] = digest(result.graded.notebook)
        graded = asdict(replace(result.graded, notebook=b""))
        tree["graded"] = {name: value for name, value in graded.items() if name != "notebook"}
        text = json.dumps(tree, indent=1)
        _replace(self.results / f"{result.key}.json", text.encode())

    def get(self, key: str, student: str) -> Result | None:
        """The result of a key, as this student's; None where there is none or it is damaged."""
        try:
            tree = json.loads((self.results / f"{key}.json").read_bytes())
            notebook = (self.results / f"{key}.ipynb").read_bytes()
            if digest(notebook) != tree.pop("notebook"):
                return None
            graded = _graded({**tree.pop("graded"), "notebook": notebook, "student": student})
            return Result(key=key, graded=graded, **tree)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None


def _graded(tree: dict[str, Any]) -> Graded:
    verdicts = tuple(Verdict(**_tuples(v)) for v in tree.pop("verdicts"))
    known = {field.name for field in fields(Graded)}
    return Graded(verdicts=verdicts, **{n: v for n, v in _tuples(tree).items() if n in known})


def _tuples(tree: Mapping[str, Any]) -> dict[str, Any]:
    """JSON's lists as the tuples they were."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in tree.items()}


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    os.replace(part, path)


class Ledger:
    """Which result a gradebook holds of each student and unit: lines of JSON, the last one counts.

    A line follows the write. Where a run is killed between the two, the next one writes again,
    which changes nothing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys: dict[tuple[str, str], str] = {}
        self.last: tuple[str, str] | None = None  # student and key of what was written last
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for line in text.splitlines():
            try:
                student, unit, key = json.loads(line)
            except ValueError:  # a line that was cut off
                continue
            self._keys[student, unit], self.last = key, (student, key)
        # A new line never continues one that was cut off.
        self._start = "" if text.endswith("\n") or not text else "\n"

    def key(self, student: str, unit: str) -> str | None:
        """The key of what the gradebook holds, or None."""
        return self._keys.get((student, unit))

    def record(self, student: str, unit: str, key: str) -> None:
        """Note that the gradebook now holds this result."""
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(f"{self._start}{json.dumps([student, unit, key])}\n")
        self._keys[student, unit], self._start, self.last = key, "", (student, key)
