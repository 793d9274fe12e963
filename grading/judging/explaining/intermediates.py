"""What the course's own answer has on the way: the values of its variables, by their names.

The answer's source is compiled once more, with a note after every assignment. Names are told,
values and lines never are.
"""

import ast
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import permutations
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
            found[f"{INPUT}`{name}`"] = as_array(value_of(kernel.encode(value, [LARGE])))
    for name, value in _noted_values(view, i):
        try:
            array = as_array(value_of(kernel.encode(value, [LARGE])))
        except (BadEvidence, ValueError, TypeError):
            continue
        if array is not None and array.ndim:
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


class Known:
    """Relations between what came back, the inputs, and the intermediate results of each case."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._found: dict[int, dict[str, np.ndarray]] = {}

    def of(self, pair: Pair) -> dict[str, np.ndarray]:
        """What is known of a case, by what it is called."""
        if pair.case not in self._found:
            self._found[pair.case] = {} if pair.codes else of_case(self.view, pair.case)
        return self._found[pair.case]

    def whole(self, pair: Pair) -> Iterator[tuple]:
        """All of what came back is one of them, or the right result and one of them."""
        for name, array in self.of(pair).items():
            yield from _relations(pair, name, array)

    def where_wrong(self, pair: Pair) -> Iterator[tuple]:
        """What stands where the values are wrong."""
        yield from _where_wrong(pair, self.of(pair))

    def lines(self, pair: Pair) -> Iterator[tuple]:
        """Whether each line came from an input as it stands."""
        for name, array in self.of(pair).items():
            if name.startswith(INPUT) and _lines_of(pair, array):
                yield "lines of", pair.axes[-1] if pair.axes else "", name


INPUT = "the input "
MOST_LINES = 400


def _lines_of(pair: Pair, array: np.ndarray) -> bool:
    """Whether each line of the result along its last axis is one of the array's."""
    have = pair.have
    if not have.ndim or not array.ndim or have.shape[-1] != array.shape[-1] or have.shape[-1] < 2:
        return False
    mine, theirs = (x.reshape(-1, x.shape[-1]) for x in (have, array))
    if max(len(mine), len(theirs)) > MOST_LINES:
        return False
    return all(any(pair.same(line, own) for line in theirs) for own in mine)


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
        # Where both are the same, the sum is twice the right one, and the difference 0.
        step = pair.alike and not pair.same(pair.want, array)
        if step and pair.same(pair.want + array, have):
            yield "added", name
        if step and pair.same(pair.want - array, have):
            yield "taken off", name
        if pair.alike and pair.same(pair.want * array, have):
            yield "multiplied", name
    elif pair.same(array.ravel(), have.ravel()):
        yield "is in another shape", name


def _where_wrong(pair: Pair, known: dict[str, np.ndarray]) -> Iterator[tuple]:
    """One number, an intermediate result, or one made of two of them, at the wrong places."""
    if not pair.alike or pair.have.dtype.kind != "f" or not pair.want.ndim:
        return
    at = ~pair.right_at
    have = pair.have[at]
    if not have.size or not np.isfinite(have).all():
        return
    if pair.same(np.full_like(have, have[0]), have):
        yield "there is number", f"{have[0]:.4g}"
    if (have == 0).any():
        return
    there = {n: a[at] for n, a in known.items() if a.shape == at.shape and a.dtype.kind == "f"}
    for name, array in there.items():
        if pair.same(array, have):
            yield "there is", name
    for (one, a), (other, b) in permutations(there.items(), 2):
        if pair.same(a / np.where(b == 0, np.nan, b), have):
            yield "there is ratio", one, other
        if one < other and pair.same(a * b, have):
            yield "there is product", one, other
