"""A hash of everything that decides an exercise's verdict, so that a change of it is noticed."""

import hashlib
import platform
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from grading.course.exercise import Exercise
from grading.course.following import Place, file_of, follow, text_of
from grading.course.given import given_files
from grading.course.places import ROOT
from grading.course.unit import Unit, load_unit

HERE = ROOT / "grading"
# What judges, whichever the exercise; and what runs a notebook before the judge sees it.
JUDGES = ("course/exercise.py", "course/sources.py", "kernel/*.py", "judging/**/*.py")
RUNS = ("notebooks/*.py", "sandbox/**/*.py")


@lru_cache
def exercise_versions(unit: Unit) -> dict[str, str]:
    """The version of every exercise of a unit, by id."""
    return {exercise.id: exercise_version(exercise) for exercise in unit.exercises}


@lru_cache
def unit_version(unit: Unit) -> str:
    """A hash of all that a submission of the unit is graded with, Python and PyTorch included."""
    tools = [platform.python_version(), *(f"{name} {version(name)}" for name in ("numpy", "torch"))]
    files = [path for pattern in RUNS for path in sorted(HERE.glob(pattern))]
    released = unit.release.read_bytes() if unit.release.exists() else b""
    given = [data for _, data in sorted(given_files(unit).items())]
    parts = [*tools, *map(text_of, files), released, *given, *exercise_versions(unit).values()]
    return _hash(parts)


@lru_cache
def exercise_version(exercise: Exercise) -> str:
    """A hash of the specification, the answer, what both use, and the judge.

    Exercises that this one calls count too: the judge names their misconceptions.
    """
    unit = load_unit(exercise.unit)
    seen: dict[Place, str] = {}
    for file in _specification(exercise, unit):
        follow(file, None, seen)
    follow(unit.source, exercise.callable, seen)
    texts = [seen[key] for key in sorted(seen, key=lambda key: (key[0].as_posix(), key[1] or ""))]
    needed = [exercise_version(unit.by_id[name]) for name in exercise.depends]
    judges = [path for pattern in JUDGES for path in sorted(HERE.glob(pattern))]
    return _hash([*texts, *needed, *map(text_of, judges)])


def _hash(pieces: Iterable[str | bytes]) -> str:
    whole = hashlib.sha256()
    for piece in pieces:
        data = piece.encode() if isinstance(piece, str) else piece
        whole.update(f"{len(data)} ".encode() + data)  # so that no two lists run together alike
    return whole.hexdigest()


def _specification(exercise: Exercise, unit: Unit) -> Iterator[Path]:
    """The file that defines an exercise, and that of its drive where its unit has one."""
    for path in sorted(unit.folder.glob("*.py")):
        module = sys.modules.get(f"grading.units.{unit.name}.{path.stem}")
        if getattr(module, "EXERCISE", None) is exercise:
            yield path
    drive = exercise.drive_name.split(":")[0]
    if drive.startswith("grading.units.") and (path := file_of(drive)):
        yield path
