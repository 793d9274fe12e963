"""A hash of everything that decides an exercise's verdict, so that a change of it is noticed.

Names are followed one by one: where `reference_impl/decoder/attention.py` holds the answers to nine
exercises, an edit of one function is a change of the exercises that use it, and of no others.
"""

import ast
import hashlib
import platform
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from grading.course.errors import CourseError
from grading.course.exercise import Exercise
from grading.course.places import ROOT
from grading.course.unit import Unit, load_unit

HERE = ROOT / "grading"
# What judges, whichever the exercise; and what runs a notebook before the judge sees it.
JUDGES = ("course/exercise.py", "course/sources.py", "kernel/*.py", "judging/*.py")
RUNS = ("notebooks/*.py", "sandbox/**/*.py")
# Where a module may lie for its text to count as the exercise's own.
OURS = ("grading.units", "reference_impl", "solutions")


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
    return _hash([*tools, *map(_text, files), released, *exercise_versions(unit).values()])


def exercise_version(exercise: Exercise) -> str:
    """A hash of the specification, the answer, what both use, and the judge.

    Exercises that this one calls count too: the judge names their misconceptions.
    """
    unit = load_unit(exercise.unit)
    seen: dict[tuple[Path, str | None], str] = {}
    for module in _specification(exercise):
        _follow(module, None, seen)
    _follow(unit.source, exercise.callable, seen)
    texts = [seen[key] for key in sorted(seen, key=lambda key: (key[0].as_posix(), key[1] or ""))]
    needed = [exercise_version(unit.by_id[name]) for name in exercise.depends]
    judges = [path for pattern in JUDGES for path in sorted(HERE.glob(pattern))]
    return _hash([*texts, *needed, *map(_text, judges)])


def _hash(pieces: Iterable[str | bytes]) -> str:
    whole = hashlib.sha256()
    for piece in pieces:
        data = piece.encode() if isinstance(piece, str) else piece
        whole.update(f"{len(data)} ".encode() + data)  # so that no two lists run together alike
    return whole.hexdigest()


@lru_cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _specification(exercise: Exercise) -> Iterator[Path]:
    """The file that defines an exercise, and its unit's drive where it has one of its own."""
    package = HERE / "units" / exercise.unit
    files = [path for path in sorted(package.glob("*.py")) if exercise.id in _ids(path)]
    if not files:
        raise CourseError(f"No file of {package} has an exercise with the id {exercise.id!r}.")
    yield from files
    if ":" in exercise.drive:
        yield _file(exercise.drive.split(":")[0])


@lru_cache
def _ids(path: Path) -> set[str]:
    """The values that a file gives as `id="..."`."""
    nodes = [n for n in ast.walk(ast.parse(_text(path))) if isinstance(n, ast.keyword)]
    values = [n.value for n in nodes if n.arg == "id" and isinstance(n.value, ast.Constant)]
    return {value.value for value in values}


@lru_cache
def _names(path: Path) -> tuple[dict[str, ast.stmt], dict[str, tuple[str, str | None]], list]:
    """What a file defines, what it imports (module and name), and all its statements."""
    defined: dict[str, ast.stmt] = {}
    imported: dict[str, tuple[str, str | None]] = {}
    statements = ast.parse(_text(path)).body
    for node in statements:
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                defined[node.name] = node
            case ast.Assign() | ast.AnnAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for name in (n for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)):
                    defined[name.id] = node
            case ast.ImportFrom():
                for alias in node.names:
                    imported[alias.asname or alias.name] = (node.module or "", alias.name)
            case ast.Import():
                for alias in node.names:
                    imported[alias.asname or alias.name.split(".")[0]] = (alias.name, None)
    return defined, imported, statements


def _follow(path: Path, name: str | None, seen: dict[tuple[Path, str | None], str]) -> None:
    """Note the text that defines a name of a file (None: all of it), and all that this uses."""
    defined, imported, statements = _names(path)
    node = defined.get(name) if name else None
    if (path, name) in seen or (name and node is None and name not in imported):
        return
    if name and node is None:
        _follow_import(*imported[name], seen)
        return
    seen[path, name] = _segment(path, node) if node else _text(path)
    for used in ast.walk(node or ast.Module(statements, [])):
        if isinstance(used, ast.Name) and used.id in imported:
            _follow_import(*imported[used.id], seen)
        elif isinstance(used, ast.Name) and node and used.id in defined:
            _follow(path, used.id, seen)


def _segment(path: Path, node: ast.stmt) -> str:
    first = min(n.lineno for n in [node, *getattr(node, "decorator_list", [])])
    return "\n".join(_text(path).splitlines()[first - 1 : node.end_lineno])


def _follow_import(module: str, name: str | None, seen: dict) -> None:
    if not module.startswith(OURS):
        return
    inner = _file(f"{module}.{name}") if name else None
    path = inner or _file(module)
    if path is not None:
        _follow(path, None if inner else name, seen)


@lru_cache
def _file(module: str) -> Path | None:
    """The file of a module of the course, or None if there is none of this name."""
    path = HERE.parent / Path(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None
