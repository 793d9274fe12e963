"""The solution's source text: where it lies, and what it becomes after an edit.

A solution file (`solutions/NN_slug/NN_slug.py`) holds the answer to each exercise as a plain
function or class, or as `from reference_impl.x import name` where the simple answer is the
reference's own code. Demonstration cells are never executed here: only imports and definitions.
"""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from grading.course.errors import CourseError
from grading.course.exercise import Exercise, Misconception
from grading.course.unit import load_unit


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


@lru_cache
def _solution_namespace(path: Path) -> Mapping[str, Any]:
    """What imports and definitions of a solution file define; its demonstrations do not run."""
    text, tree = _module(path)
    kept = [
        node
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)
    ]
    namespace: dict[str, Any] = {"__name__": f"solution_{path.stem}"}
    exec(compile(ast.Module(kept, []), str(path), "exec"), namespace)
    return namespace


def _home_namespace(path: Path, name: str) -> dict[str, Any]:
    module = lifted_from(path, name)
    if module is None:
        return dict(_solution_namespace(path))
    # Names of the solution file too: an edit may need something the reference does not import.
    return {**_solution_namespace(path), **vars(importlib.import_module(module))}


def apply_edits(source: str, edits: tuple[tuple[str, str], ...], what: str) -> str:
    """The source after the edits; each must apply exactly once, so that it cannot rot unseen."""
    for find, replace in edits:
        count = source.count(find)
        if count != 1:
            raise CourseError(
                f"{what}: {find!r} occurs {count} times in the solution, wanted once."
            )
        source = source.replace(find, replace)
    return source


def _chain(exercise: Exercise) -> list[Exercise]:
    """The exercises whose answers this one calls, directly or not, then itself."""
    unit, chain = load_unit(exercise.unit), []
    for needed in exercise.depends:
        chain += [e for e in _chain(unit.by_id[needed]) if e not in chain]
    return [*chain, exercise]


def compile_answer(exercise: Exercise, changed: Mapping[str, str | Callable]) -> Callable:
    """The answer to an exercise with some sources changed, its own or those of answers it calls.

    `changed` maps exercise ids to the source text to use instead, or to a callable.
    """
    path = load_unit(exercise.unit).source
    namespace: dict[str, Any] = {}
    for link in _chain(exercise):
        namespace = {**_home_namespace(path, link.callable), **namespace}
    for link in _chain(exercise):  # in one namespace, so that each calls the changed others
        answer = changed.get(link.id) or solution_source(path, link.callable)
        if isinstance(answer, str):
            exec(compile(answer, f"<{link.callable}>", "exec", dont_inherit=True), namespace)
        else:
            namespace[link.callable] = answer
    return namespace[exercise.callable]


def solution_of(exercise: Exercise) -> Callable:
    """The course's own answer, as the solution notebook has it."""
    return compile_answer(exercise, {})


def wrong_source(exercise: Exercise, *misconceptions: Misconception) -> str | Callable | None:
    """The wrong answer's source or function; None where two misconceptions exclude each other."""
    if any(m.answer is not None for m in misconceptions):
        return misconceptions[0].answer if len(misconceptions) == 1 else None
    path = load_unit(exercise.unit).source
    source = solution_source(path, exercise.callable)
    what = f"{exercise.id}, misconception {' + '.join(m.name for m in misconceptions)}"
    try:
        return apply_edits(source, sum((m.edits for m in misconceptions), ()), what)
    except CourseError:
        if len(misconceptions) > 1:  # two edits of the same line cannot both be made
            return None
        raise


def wrong_answer(exercise: Exercise, *misconceptions: Misconception) -> Callable | None:
    """The answer that shows these misconceptions, as something to call."""
    source = wrong_source(exercise, *misconceptions)
    return None if source is None else compile_answer(exercise, {exercise.id: source})
