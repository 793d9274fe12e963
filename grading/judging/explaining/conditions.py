"""What the right cases have in common, and none of the wrong ones has."""

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, permutations
from typing import Any

import numpy as np

from grading.judging.explaining.pairs import View, telling
from grading.judging.explaining.sizes import input_axes, sizes_of

Feature = tuple[str, str]  # in words: a case that has it, and one that has not
Found = tuple[str, tuple[bool, Feature]]  # its name, whether a case has it, and the words
LEAST = 4  # values in a right output that is no accident


def right_only_where(view: View) -> str | None:
    """ "right on cases ..., wrong on all cases ..." with a feature that parts them exactly.

    A right case whose output has hardly any values may be right by accident: it proves nothing,
    but a feature still has to hold for it. The docstring's example, which is small and round, is
    left out where there is no such feature with it.
    """
    right, wrong = view.right_cases, view.wrong_cases
    if not _meant(view, right):
        return None
    some = [i for i in right if not view.is_example(i)]
    for numbers in (False, True):
        for side in (right, some) if some else (right,):
            if words := parted(view, side, wrong, numbers):
                told = f"right on cases {words[0]}, and wrong on {_every(wrong)} {words[1]}"
                aside = "" if side == right else "; the docstring's example aside"
                return f"Your results are {told}{aside}"
    if len(wrong) == 1 and len(right) >= 3:
        return f"All cases are right but one: {view.says(wrong[0])}"
    return None


def stops_only_where(view: View) -> str | None:
    """On which cases the answer stops with an error that is not wanted."""
    other = [i for i in range(len(view.differences)) if i not in view.errors]
    words = other and (
        parted(view, view.errors, other, numbers=False)
        or parted(view, view.errors, other, numbers=True)
    )
    return (
        f"It happens on {_every(view.errors)} {words[0]}, and on none {words[1]}" if words else None
    )


def _every(cases: list[int]) -> str:
    return f"all {len(cases)} cases" if len(cases) > 1 else "the one case"


def parted(view: View, some: list[int], others: list[int], numbers: bool) -> Feature | None:
    """A feature that all of `some` have and none of the others: in words, and its opposite.

    numbers  look at sizes and magnitudes, too
    """
    if numbers:
        return _numeric(view, some, others)
    parts = [{view.at.cases[i].part for i in side} for side in (some, others)]
    if len(parts[0]) == len(parts[1]) == 1 and parts[0] != parts[1]:
        words = [next(iter(part)) for part in parts]
        return f'of the part "{words[0]}"', f'of the part "{words[1]}"'
    tables = {i: dict(_features(view, i)) for i in (*some, *others)}
    return _binary(tables, some, others)


def _meant(view: View, right: list[int]) -> bool:
    """Whether being right is no accident: an output with several values, or several outputs."""
    values = [telling(pair.want) for pair in view.right]
    if any(value >= LEAST for value in values):
        return True
    outputs = {repr(view.at.expected(i)) for i in right if view.at.expected(i) is not None}
    return len(right) >= 3 and len(outputs) >= 2


def _binary(
    tables: Mapping[int, dict[str, tuple[bool, Feature]]], right: list[int], wrong: list[int]
) -> Feature | None:
    """The first feature that all right cases have and no wrong one, or the other way round."""
    for name in tables[wrong[0]]:
        if not all(name in tables[i] for i in tables):
            continue
        has = {i: tables[i][name][0] for i in tables}
        yes, no = tables[wrong[0]][name][1]
        if all(has[i] for i in right) and not any(has[i] for i in wrong):
            return yes, no
        if all(has[i] for i in wrong) and not any(has[i] for i in right):
            return no, yes
    return None


def _features(view: View, i: int) -> Iterator[Found]:
    """What a case has or not, by a name, simple things first."""
    case, sizes = view.at.cases[i], sizes_of(view.at, i)
    for name, value in case.inputs.items():
        yield from _of_input(f"`{name}`", value)
    for word, size in sizes.items():
        yield _found(size == 1, f"where {word} is 1", f"where {word} is more than 1")
    # Of two conditions that come to the same, the one on what the function is given is understood.
    pairs = combinations(sorted(sizes), 2)
    for one, other in sorted(pairs, key=lambda pair: sum(word not in case.inputs for word in pair)):
        equal = sizes[one] == sizes[other]
        yield _found(equal, f"where {one} equals {other}", f"where {one} differs from {other}")
    given = [name for name, value in case.inputs.items() if type(value) is int]
    for one, other in permutations(given, 2):
        divides = case.inputs[other] > 0 and case.inputs[one] % case.inputs[other] == 0
        yield _found(
            divides, f"where {other} divides {one}", f"where {other} does not divide {one}"
        )
    for name, words in input_axes(view.at.exercise).items():
        value = case.inputs.get(name)
        if isinstance(value, np.ndarray):
            bare = value.ndim == len([word for word in words if word != "..."])
            yield _found(bare, f"where `{name}` has no axes in front", f"where `{name}` has some")


def _found(holds: bool, yes: str, no: str) -> Found:
    return yes, (bool(holds), (yes, no))


def _of_input(name: str, value: Any) -> Iterator[Found]:
    yield _found(value is None, f"without {name}", f"with {name}")
    if isinstance(value, bool):
        yield _found(value, f"with {name} True", f"with {name} False")
    elif isinstance(value, int | float):
        yield _found(value == 0, f"where {name} is 0", f"where {name} is not 0")
        yield _found(value == 1, f"where {name} is 1", f"where {name} is not 1")
        yield _found(value < 0, f"where {name} is negative", f"where {name} is not negative")
        if isinstance(value, int):
            yield _found(value % 2 == 0, f"where {name} is even", f"where {name} is odd")
    if isinstance(value, np.ndarray):
        yield from _of_array(name, value)
    if isinstance(value, str | bytes | list | tuple):
        yield from _of_sequence(name, value)


def _of_array(name: str, value: np.ndarray) -> Iterator[Found]:
    if value.dtype.kind == "b" and value.ndim:
        empty = not value.any(-1).all()
        lines = "a row of {} is all False", "no row of {} is all False"
        yield _found(empty, *(f"where {line.format(name)}" for line in lines))
        yield _found(value.all(), f"where {name} is True everywhere", f"where {name} has a False")
    elif value.size:
        yield _found((value == 0).any(), f"where {name} holds a 0", f"where {name} holds no 0")
        nothing = not value.any()
        yield _found(nothing, f"where {name} is 0 everywhere", f"where {name} is not 0 everywhere")
        if value.size >= LEAST and not nothing:  # few numbers are all positive by chance
            negative = (value < 0).any()
            yield _found(negative, f"where {name} goes below 0", f"where {name} never goes below 0")
        again = len(np.unique(value)) < value.size
        yield _found(again, f"where {name} repeats a number", f"where {name} repeats no number")
    yield _found(
        value.ndim <= 2, f"where {name} has at most 2 axes", f"where {name} has more than 2"
    )


def _of_sequence(name: str, value: Any) -> Iterator[Found]:
    yield _found(len(value) == 0, f"where {name} is empty", f"where {name} is not empty")
    single = len(value) == 1
    yield _found(single, f"where {name} has one item", f"where {name} has not just one item")
    again = len({repr(item) for item in value}) < len(value)
    yield _found(again, f"where {name} repeats an item", f"where {name} repeats no item")
    if isinstance(value, str):
        for words, test in LETTERS.items():
            yield _found(
                any(map(test, value)), f"where {name} has {words}", f"where it has no {words}"
            )


LETTERS: dict[str, Callable[[str], bool]] = {
    "letters outside ASCII": lambda c: ord(c) > 127,
    "capital letters": str.isupper,
    "spaces": str.isspace,
    "digits": str.isdigit,
}


def _numeric(view: View, right: list[int], wrong: list[int]) -> Feature | None:
    """A size or magnitude that is smaller on all right cases than on all wrong ones, or larger.

    Two cases on each side at least: one case is smallest or largest in something by chance.
    """
    if min(len(right), len(wrong)) < 2:
        return None
    tables = {i: dict(_numbers(view, i)) for i in (*right, *wrong)}
    for name in tables[wrong[0]]:
        if not all(name in table for table in tables.values()):
            continue
        ours, theirs = ([tables[i][name] for i in side] for side in (right, wrong))
        if max(ours) * 1.2 < min(theirs):
            return f"where {name} is at most {max(ours):g}", f"where it is {min(theirs):g} or more"
        if max(theirs) * 1.2 < min(ours):
            return f"where {name} is {min(ours):g} or more", f"where it is at most {max(theirs):g}"
    return None


def _numbers(view: View, i: int) -> Iterator[tuple[str, float]]:
    for name, value in view.at.cases[i].inputs.items():
        if isinstance(value, np.ndarray) and value.size and value.dtype.kind in "iuf":
            largest = float(np.abs(value[np.isfinite(value)]).max(initial=0))
            yield f"the largest absolute value in `{name}`", float(f"{largest:.3g}")
        if isinstance(value, str | list | tuple):
            yield f"the length of `{name}`", len(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield f"`{name}`", value
    yield from sizes_of(view.at, i).items()
