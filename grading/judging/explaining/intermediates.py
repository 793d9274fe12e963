"""What the course's own answer has on the way: the values of its variables, by their names.

The answer's source is compiled once more, with a note after every assignment. Names are told,
values and lines never are.
"""

import ast
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from grading import kernel
from grading.course.exercise import Exercise
from grading.course.sources import chain, compile_answer, solution_source
from grading.course.unit import load_unit
from grading.judging.evidence import BadEvidence, value_of
from grading.judging.explaining.pairs import Pair, View, as_array

NOTE = "_noted_"
MOST = 200  # values that are kept of one call
LARGE = 2**20  # bytes of one value


def of_case(view: View, i: int) -> dict[str, np.ndarray]:
    """Inputs and intermediate results of case i, as arrays, by what they are called."""
    found = {}
    for name, value in view.at.cases[i].inputs.items():
        if isinstance(value, np.ndarray):
            found[f"the input `{name}`"] = as_array(value_of(kernel.encode(value, [LARGE])))
    for name, value in _noted_values(view, i):
        try:
            array = as_array(value_of(kernel.encode(value, [LARGE])))
        except (BadEvidence, ValueError, TypeError):
            continue
        if array is not None and array.size > 1:
            found.setdefault(f"`{name}`", array)
    return {name: array for name, array in found.items() if array is not None}


def _noted_values(view: View, i: int) -> list[tuple[str, Any]]:
    exercise = view.at.exercise
    if exercise.is_decision or exercise.checks or exercise.prepare:
        return []
    values: list[tuple[str, Any]] = []

    def note(name: str, value: Any) -> None:
        if len(values) < MOST:
            values.append((name, value))

    answer = _noting(exercise)
    globals_ = getattr(answer, "__globals__", None) or vars(answer).get("__globals__", {})
    globals_[NOTE] = note
    request = {**view.at.request, "cases": [view.at.request["cases"][i]], "twice": False}
    kernel.run(request, answer)
    return values


@lru_cache(maxsize=64)
def _noting(exercise: Exercise) -> Callable:
    """The course's answer, and those that it calls, with a note after each assignment."""
    path = load_unit(exercise.unit).source
    changed = {}
    for link in chain(exercise):
        tree = ast.parse(solution_source(path, link.callable))
        changed[link.id] = ast.unparse(ast.fix_missing_locations(_Notes().visit(tree)))
    return compile_answer(exercise, changed)


class _Notes(ast.NodeTransformer):
    """Put a call of the note behind each assignment to a name."""

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        names = [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
        calls = [ast.parse(f"{NOTE}({name!r}, {name})").body[0] for name in dict.fromkeys(names)]
        return [node, *calls]


def family(view: View) -> Callable[[Pair], Iterator[tuple]]:
    """The relations between what came back and the inputs and intermediate results."""
    known: dict[int, dict[str, np.ndarray]] = {}

    def relations(pair: Pair) -> Iterator[tuple]:
        if pair.codes:
            return
        if pair.case not in known:
            known[pair.case] = of_case(view, pair.case)
        for name, array in known[pair.case].items():
            yield from _relations(pair, name, array)

    return relations


def _relations(pair: Pair, name: str, array: np.ndarray) -> Iterator[tuple]:
    have = pair.have
    if pair.same(array, have):
        yield "is", name
        return
    if array.size != have.size or "b" in (array.dtype.kind, have.dtype.kind):
        return
    if array.ndim >= 2 and pair.same(array.swapaxes(-1, -2), have):
        yield "is transposed", name
    if array.shape == have.shape:
        if pair.same(-array, have):
            yield "is negated", name
        if pair.alike and pair.same(pair.want + array, have):
            yield "added", name
        if pair.alike and pair.same(pair.want - array, have):
            yield "taken off", name
        if pair.alike and pair.same(pair.want * array, have):
            yield "multiplied", name
    elif pair.same(array.ravel(), have.ravel()):
        yield "is in another shape", name
