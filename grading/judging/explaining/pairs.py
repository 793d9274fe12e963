"""What came back beside what is right, case by case, as arrays that can be related."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from grading.judging.compare import Difference, Tolerance
from grading.judging.evidence import Array, Evidence, Items, Pairs, Plain, Value, plain
from grading.judging.measures import Close
from grading.judging.trial import Trial

ENOUGH = 5  # values that are not the most common one, over all wrong cases: below, chance may agree
EXAMPLE = "example-"  # how `course.examples` names the cases from a docstring
MAX_SIZE = 200_000  # elements of an array that is looked at


@dataclass(frozen=True, eq=False)
class Pair:
    """The same part of the right output and of the learner's, on one case.

    want, have  floats as float64; `codes` where they stand for other things than numbers (text)
    axes        a word for each axis of `want`
    wrong       whether the case is
    """

    case: int
    want: np.ndarray
    have: np.ndarray
    axes: tuple[str, ...]
    tolerance: Tolerance
    wrong: bool
    codes: bool = False

    def same(self, one: np.ndarray, other: np.ndarray) -> bool:
        """Whether two arrays are equal within the exercise's tolerance, NaN to NaN."""
        if one.shape != other.shape:
            return False
        if one.dtype.kind != "f" and other.dtype.kind != "f":
            return bool(np.array_equal(one, other))
        one, other = (x.astype(float, copy=False) for x in (one, other))
        few = slice(None, None, max(one.size // 4, 1))
        if one.size > 8 and not self._near(one.flat[few], other.flat[few]).all():
            return False  # a few of them tell most apart
        return bool(self._near(one, other).all())

    def _near(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Where two arrays of one shape are equal: NumPy's `isclose`, quicker for small ones."""
        with np.errstate(all="ignore"):
            near = np.abs(other - one) <= self.tolerance.atol + self.tolerance.rtol * np.abs(one)
            near &= np.isfinite(one)  # an infinite tolerance would let everything pass
            return near | (one == other) | ((one != one) & (other != other))

    @cached_property
    def right_at(self) -> np.ndarray:
        """Where the values agree; the shapes have to be equal."""
        if self.want.dtype.kind != "f" and self.have.dtype.kind != "f":
            return self.want == self.have
        return self._near(*(x.astype(float, copy=False) for x in (self.want, self.have)))

    @property
    def alike(self) -> bool:
        """Whether the two have one shape."""
        return self.want.shape == self.have.shape

    @cached_property
    def telling(self) -> int:
        """How many values are not the most common one: few of them agree with many relations."""
        return telling(self.want)


def telling(values: np.ndarray) -> int:
    """How many values are not the most common one."""
    if values.size == 0:
        return 0
    if values.dtype.kind == "f":
        finite = values[np.isfinite(values)]
        size = np.abs(finite).max(initial=0.0) or 1.0
        values = np.round(values / size, 3)
    _, counts = np.unique(values, return_counts=True)
    return int(values.size - counts.max())


class View:
    """An answer that is wrong, as explanations look at it."""

    def __init__(self, at: Trial, got: Evidence, differences: Sequence[Difference | None]) -> None:
        self.at, self.got, self.differences = at, got, differences
        self.wrong_cases = [i for i, found in enumerate(differences) if found]
        self.right_cases = [i for i, found in enumerate(differences) if not found]
        self.errors = [i for i in self.wrong_cases if got.cases[i].error]

    @cached_property
    def path(self) -> tuple[Any, ...]:
        """Where in a value of values the first difference lies."""
        return next((d.path for d in self.differences if d and not d.is_error), ())

    @cached_property
    def pairs(self) -> list[Pair]:
        """One for each case whose outputs can be laid beside each other."""
        return [pair for i in range(len(self.differences)) for pair in self._pair(i)]

    @cached_property
    def wrong(self) -> list[Pair]:
        """The pairs of the wrong cases; the values of the others agree."""
        return [pair for pair in self.pairs if pair.wrong]

    @cached_property
    def right(self) -> list[Pair]:
        """The pairs of the right cases."""
        return [pair for pair in self.pairs if not pair.wrong]

    @property
    def telling(self) -> int:
        """Over all wrong cases."""
        return sum(pair.telling for pair in self.wrong)

    def says(self, i: int) -> str:
        """What case i is, in its own words."""
        return self.at.cases[i].says

    def is_example(self, i: int) -> bool:
        """Whether case i is an example of the docstring: small and round numbers."""
        return self.at.cases[i].name.startswith(EXAMPLE)

    def _pair(self, i: int) -> Iterator[Pair]:
        measure, got, expected = self.at.measure(i), self.got.cases[i], self.at.expected(i)
        if not isinstance(measure, Close) or got.error or expected is None or expected.error:
            return
        found = self.differences[i]
        values = lay_beside(expected.output, got.output, found.path if found else self.path)
        if values is None or max(values[0].size, values[1].size) > MAX_SIZE:
            return
        want, have, codes = values
        axes = axis_words(self.at.cases[i].axes, want.ndim)
        yield Pair(i, want, have, axes, measure.tolerance, found is not None, codes)


def axis_words(axes: str, ndim: int) -> tuple[str, ...]:
    """A word for each axis: the last ones where there are fewer axes, as without a batch."""
    words = axes.split()
    if 0 < ndim <= len(words):
        return tuple(words[-ndim:])
    return tuple(f"axis {n}" for n in range(ndim))


def lay_beside(
    want: Value, have: Value, path: tuple[Any, ...]
) -> tuple[np.ndarray, np.ndarray, bool] | None:
    """The outermost part on the path that both sides hold as arrays, and whether they are codes."""
    for step in (*path, None):
        arrays = as_array(want), as_array(have)
        if arrays[0] is not None and arrays[1] is not None:
            return *arrays, False
        if coded := _coded(want, have):
            return *coded, True
        want, have = _inside(want, step), _inside(have, step)
        if want is None or have is None:
            return None
    return None


def _inside(value: Value, step: Any) -> Value | None:
    match value:
        case Items() if type(step) is int and step < len(value.items):
            return value.items[step]
        case Pairs():
            return next((v for k, v in value.items if repr(plain(k)) == step), None)
    return None


def as_array(value: Value | None) -> np.ndarray | None:
    """Numbers as an array: floats as float64, whole numbers as int64, booleans as they are."""
    match value:
        case Array():
            return _widened(value.value)
        case Plain() if type(value.value) in (bool, int, float):
            try:
                return _widened(np.asarray(value.value))
            except OverflowError:
                return None
        case Items(kind="list" | "tuple" | "iterator"):
            parts = [as_array(item) for item in value.items]
            if not parts or any(part is None for part in parts):
                return None
            if len({(part.shape, part.dtype) for part in parts}) == 1:
                return np.stack(parts)
    return None


def _widened(array: np.ndarray) -> np.ndarray | None:
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    if array.dtype.kind == "f":
        return array.astype(np.float64)
    return array if array.dtype.kind == "b" else None


def _coded(want: Value, have: Value) -> tuple[np.ndarray, np.ndarray] | None:
    """Two texts, or lists of anything, as whole numbers: equal ones for equal items."""
    sides = _sequence(want), _sequence(have)
    if None in sides:
        return None
    codes: dict[str, int] = {}
    one, other = ([codes.setdefault(repr(item), len(codes)) for item in side] for side in sides)
    return np.asarray(one, dtype=np.int64), np.asarray(other, dtype=np.int64)


def _sequence(value: Value) -> Sequence | None:
    match value:
        case Plain() if isinstance(value.value, str | bytes):
            return value.value
        case Items(kind="list" | "tuple" | "iterator"):
            if all(_simple(item) for item in value.items):
                return value.items
    return None


def _simple(value: Value) -> bool:
    return isinstance(value, Plain) or (
        isinstance(value, Items) and all(isinstance(item, Plain) for item in value.items)
    )
