"""The solution's source text: where it lies, and what it becomes after an edit.

A solution file (`solutions/NN_slug/NN_slug.py`) holds the answer to each exercise as a plain
function or class, or as `from reference_impl.x import name` where the simple answer is the
reference's own code. Demonstration cells are never executed here: only imports, definitions and
pieces of earlier units (`name = given("unit/topic")`).
"""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any

from grading.course.errors import CourseError
from grading.course.exercise import Exercise, Misconception
from grading.course.unit import Unit, load_exercise, load_unit


@lru_cache
def _module(path: Path) -> tuple[str, ast.Module]:
    text = path.read_text(encoding="utf-8")
    return text, ast.parse(text, filename=str(path))


def lifted_from(path: Path, name: str) -> str | None:
    """The reference module a solution name is imported from, or None if it is written out."""
    for node in _module(path)[1].body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reference_impl"):
            if name in [alias.asname or alias.name for alias in node.names]:
                return node.module
    return None


@lru_cache
def solution_source(path: Path, name: str) -> str:
    """The text that defines `name` in a solution file, lifted from the reference if need be."""
    module = lifted_from(path, name)
    if module is not None:
        return textwrap.dedent(inspect.getsource(getattr(importlib.import_module(module), name)))
    text, tree = _module(path)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return ast.get_source_segment(text, node)
    raise CourseError(f"{path} defines no {name!r}: write it, or import it from reference_impl.")


# --- pieces of earlier units ----------------------------------------------------------------------


def given_call(node: ast.stmt) -> tuple[str, str] | None:
    """Name and piece where a statement reads `name = given("piece")`."""
    match node:
        case ast.Assign(
            targets=[ast.Name(id=name)],
            value=ast.Call(func=ast.Name(id="given"), args=[ast.Constant(value=str(piece))]),
        ):
            return name, piece
    return None


@lru_cache
def pieces_of(path: Path) -> dict[str, str]:
    """The pieces of earlier units that a solution file asks for, by the name it gives them."""
    return dict(found for node in _module(path)[1].body if (found := given_call(node)))


def place_of(piece: str) -> tuple[Path, str]:
    """The file that a piece is defined in, and its name there.

    "attention/causal_mask" is an exercise's answer, "reference_impl.decoder.config:ModelConfig" a
    name of the reference.
    """
    if ":" in piece:
        module, name = piece.split(":")
        if not module.startswith("reference_impl."):
            raise CourseError(f"given({piece!r}): an exercise, or `reference_impl.module:Name`.")
        return Path(importlib.import_module(module).__file__), name
    exercise = load_exercise(piece)
    source = load_unit(exercise.unit).source
    module = lifted_from(source, exercise.callable)
    if module is not None:
        return Path(importlib.import_module(module).__file__), exercise.callable
    return source, exercise.callable


def reference_piece(piece: str) -> Any:
    """The course's own piece, as an object."""
    if ":" in piece:
        module, name = piece.split(":")
        return getattr(importlib.import_module(module), name)
    return solution_of(load_exercise(piece))


@lru_cache
def _solution_namespace(path: Path) -> Mapping[str, Any]:
    """What imports and definitions of a solution file define; its demonstrations do not run."""
    text, tree = _module(path)
    kinds = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef
    kept = [node for node in tree.body if isinstance(node, kinds)]
    namespace: dict[str, Any] = {"__name__": f"solution_{path.stem}"}
    pieces = pieces_of(path)
    namespace |= {name: reference_piece(piece) for name, piece in pieces.items()}
    exec(compile(ast.Module(kept, []), str(path), "exec"), namespace)
    return namespace


def _home_namespace(path: Path, name: str) -> dict[str, Any]:
    module = lifted_from(path, name)
    if module is None:
        return dict(_solution_namespace(path))
    # Names of the solution file too: an edit may need something the reference does not import.
    return {**_solution_namespace(path), **vars(importlib.import_module(module))}


# --- answers, right and wrong ---------------------------------------------------------------------


def apply_edits(source: str, edits: Mapping[str, str], what: str) -> str:
    """The source after the edits; each must apply exactly once, so that it cannot rot unseen."""
    for find, replace in edits.items():
        count = source.count(find)
        if count != 1:
            raise CourseError(
                f"{what}: {find!r} occurs {count} times in the solution, wanted once."
            )
        source = source.replace(find, replace)
    return source


def chain(exercise: Exercise) -> list[Exercise]:
    """The exercises whose answers this one calls, directly or not, then itself."""
    return _chain(exercise, load_unit(exercise.unit))


def _chain(exercise: Exercise, unit: Unit) -> list[Exercise]:
    links: list[Exercise] = []
    for needed in exercise.depends:
        links += [e for e in _chain(unit.by_id[needed], unit) if e not in links]
    return [*links, exercise]


@lru_cache(maxsize=2048)
def _code(source: str, name: str) -> CodeType:
    return compile(source, name, "exec", dont_inherit=True)


def compile_answer(exercise: Exercise, changed: Mapping[str, str | Callable]) -> Any:
    """The answer to an exercise with some sources changed, its own or those of answers it calls.

    `changed` maps exercise ids to the source text to use instead, or to a callable.
    """
    unit = load_unit(exercise.unit)
    path, links = unit.source, _chain(exercise, unit)
    namespace: dict[str, Any] = {}
    for link in links:
        namespace = {**_home_namespace(path, link.callable), **namespace}
    for link in links:  # in one namespace, so that each calls the changed others
        answer = changed.get(link.id) or solution_source(path, link.callable)
        if isinstance(answer, str):
            exec(_code(answer, f"<{link.callable}>"), namespace)
        else:
            namespace[link.callable] = answer
    return namespace[exercise.callable]


def solution_of(exercise: Exercise) -> Any:
    """The course's own answer, as the solution notebook has it."""
    return compile_answer(exercise, {})


def wrong_source(exercise: Exercise, *misconceptions: Misconception) -> str | Callable | None:
    """The wrong answer's source or function; None where two misconceptions exclude each other."""
    if any(m.answer is not None for m in misconceptions):
        return misconceptions[0].answer if len(misconceptions) == 1 else None
    path = load_unit(exercise.unit).source
    source = solution_source(path, exercise.callable)
    what = f"{exercise.id}, misconception {' + '.join(m.name for m in misconceptions)}"
    edits = {find: new for m in misconceptions for find, new in m.edits.items()}
    if len(edits) < sum(len(m.edits) for m in misconceptions):
        return None  # two edits of the same line cannot both be made
    try:
        return apply_edits(source, edits, what)
    except CourseError:
        if len(misconceptions) > 1:
            return None
        raise


def wrong_answer(exercise: Exercise, *misconceptions: Misconception) -> Any:
    """The answer that shows these misconceptions, as something to call."""
    source = wrong_source(exercise, *misconceptions)
    return None if source is None else compile_answer(exercise, {exercise.id: source})
