"""Other inputs for which the answer would be right: the course's own answer is run on them.

"Your result is what would be right if `k` and `v` had changed places" is proven where that holds on
every case, those that are right included.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, permutations
from typing import Any

import numpy as np

from grading import kernel
from grading.judging.evidence import BadEvidence, Outcome, arrays_in, parse
from grading.judging.explaining.agree import before
from grading.judging.explaining.pairs import View
from grading.judging.explaining.sizes import input_axes, sizes_of

Inputs = Mapping[str, Any]
Change = Callable[[Inputs], Inputs | None]  # None where the change is none, or cannot be made
SLOW = 30.0  # seconds of CPU an exercise may take: its answer is not run again and again
RUNS = 350  # at most, on the first case
LARGE = 30_000  # numbers that the inputs of a case hold together


def other_inputs(view: View) -> tuple[str, str] | None:
    """The first change of the inputs that makes the answer right on every case."""
    at, first = view.at, _first_case(view)
    if first is None or at.exercise.seconds > SLOW or at.exercise.is_decision:
        return None
    if at.exercise.checks or at.exercise.drive is not None or _without_numbers(view):
        return None
    order = [first, *(i for i in view.wrong_cases if i != first), *view.right_cases]
    for n, (text, change) in enumerate(_changes(view, first)):
        if n >= RUNS:
            break
        there = [i for i in order if not view.got.cases[i].error]
        if all(_explains(view, i, change) for i in there) and _sharp(view, change):
            told = f"your result is what would be right if {text}."
            condition = before(view, always=not view.errors)
            return "other inputs", condition + (told if condition else told[0].upper() + told[1:])
    return None


def _without_numbers(view: View) -> bool:
    """Whether all that came back is NaN or infinite: other inputs give that for many reasons."""
    arrays = [a for i in view.wrong_cases for a in arrays_in(view.got.cases[i].output)]
    return bool(arrays) and not any(np.isfinite(array.value).any() for array in arrays)


def _sharp(view: View, change: Change) -> bool:
    """Whether a number in a change is that number and no other: one near it does not explain."""
    near = getattr(change, "near", None)
    wrong = [i for i in view.wrong_cases if not view.got.cases[i].error]
    return near is None or not any(_explains(view, i, near) for i in wrong)


def _first_case(view: View) -> int | None:
    """The smallest wrong case that has a value and is no example."""
    cases = [i for i in view.wrong_cases if not view.got.cases[i].error]
    cases = [i for i in cases if view.at.measure(i).needs_reference]
    sizes = {i: sum(map(_size, view.at.cases[i].inputs.values())) for i in cases}
    cases = [i for i in cases if sizes[i] <= LARGE]
    return min(cases, key=lambda i: (view.is_example(i), sizes[i]), default=None)


def _size(value: Any) -> int:
    """How many numbers or letters a value holds."""
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    if isinstance(value, list | tuple | set):
        return sum(map(_size, value))
    if isinstance(value, np.ndarray):
        return value.size
    return len(value) if isinstance(value, str | bytes) else 1


def _explains(view: View, i: int, change: Change) -> bool:
    """Whether the right answer on changed inputs gives what came back on case i."""
    at, case = view.at, view.at.cases[i]
    try:
        inputs = change(case.inputs)
    except (ValueError, TypeError, IndexError, KeyError, ZeroDivisionError, OverflowError):
        return False
    expected = at.expected(i) if inputs is None else _run(view, inputs)
    if expected is None:
        return False
    return at.measure(i).alike(case.inputs, expected, view.got.cases[i], case.axes)


def _run(view: View, inputs: Inputs) -> Outcome | None:
    at = view.at
    try:
        tree = {name: kernel.encode(value, [2**24]) for name, value in inputs.items()}
        request = {**at.request, "cases": [tree], "twice": False}
        answer = at.made("solution", at.solution)
        return parse(kernel.run(request, answer), at.exercise.id, 1).cases[0]
    except (BadEvidence, ValueError):
        return None


# --- changes --------------------------------------------------------------------------------------


def _changes(view: View, i: int) -> Iterator[tuple[str, Change]]:
    """Changes in words, with what makes them of the inputs of any case; likely ones first."""
    inputs, axes = view.at.cases[i].inputs, input_axes(view.at.exercise)
    optional = [n for n in inputs if any(c.inputs.get(n) is None for c in view.at.cases)]
    yield from _exchanges(inputs)
    for name in optional:
        yield f"`{name}` were not given", _one(name, lambda x: None)
    singles = [
        (name, text, function)
        for name, value in inputs.items()
        for text, function in _of_value(value, axes.get(name, ()))
    ]
    for name, text, function in singles:
        yield f"`{name}` {text}", _one(name, function)
    for one, other in combinations(inputs, 2):
        if _kind(inputs[one]) == _kind(inputs[other]) is not None:
            for text, function in (s[1:] for s in singles if s[0] == one):
                change = _after(_one(one, function), _one(other, function))
                yield f"`{one}` and `{other}` both {text}", change
    for missing in optional:
        for name, text, function in (single for single in singles if single[0] != missing):
            change = _after(_one(missing, lambda x: None), _one(name, function))
            yield f"`{missing}` were not given, and `{name}` {text}", change
    sizes = sizes_of(view.at, i)
    for name, value in inputs.items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            yield from _scales(view, name, sizes)


def _after(one: Change, other: Change) -> Change:
    """Two changes together."""

    def change(inputs: Inputs) -> Inputs | None:
        first = one(inputs)
        second = other(inputs if first is None else first)
        return first if second is None else second

    return change


def _one(name: str, function: Callable[[Any], Any]) -> Change:
    """A change of one input; none where it is None or stays what it is."""

    def change(inputs: Inputs) -> Inputs | None:
        if inputs.get(name) is None:
            return None
        return {**inputs, name: function(inputs[name])}

    return change


def _exchanges(inputs: Inputs) -> Iterator[tuple[str, Change]]:
    """Two inputs of one kind in each other's place, or one in the place of both."""
    for one, other in combinations(inputs, 2):
        if _kind(inputs[one]) == _kind(inputs[other]) is not None:
            yield (
                f"`{one}` and `{other}` had changed places",
                lambda x, a=one, b=other: {**x, a: x[b], b: x[a]},
            )
    for one, other in permutations(inputs, 2):
        if _kind(inputs[one]) == _kind(inputs[other]) is not None:
            yield (
                f"`{other}` stood in the place of `{one}`, too",
                lambda x, a=one, b=other: {**x, a: x[b]},
            )


def _kind(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.ndim, value.dtype.kind
    return None if value is None or isinstance(value, bool) else type(value).__name__


def _of_value(value: Any, axes: tuple[str, ...]) -> Iterator[tuple[str, Callable]]:
    match value:
        case np.ndarray():
            yield from _of_array(value, axes)
        case bool():
            yield "were its opposite", lambda x: not x
        case int():
            for n in (1, -1):
                yield f"were one {'more' if n > 0 else 'less'}", lambda x, n=n: x + n
            yield "were twice as large", lambda x: 2 * x
            yield "were half as large", lambda x: x // 2
            for n in (0, 1):
                yield f"were {n}", lambda x, n=n: n
        case float():
            yield from FLOATS.items()
        case list() | tuple():
            yield from LISTS.items()
        case str():
            yield from TEXTS.items()


FLOATS: dict[str, Callable] = {
    "were 0": lambda x: 0.0,
    "were 1": lambda x: 1.0,
    "had the other sign": lambda x: -x,
    "were twice as large": lambda x: 2 * x,
    "were half as large": lambda x: x / 2,
    "were its square": lambda x: x * x,
    "were its square root": lambda x: x**0.5,
    "were its reciprocal": lambda x: 1 / x,
    "were 1 minus it": lambda x: 1 - x,
}
LISTS: dict[str, Callable] = {
    "ran backwards": lambda x: x[::-1],
    "were sorted": lambda x: type(x)(sorted(x)),
    "held its first item alone": lambda x: x[:1],
    "held its last item alone": lambda x: x[-1:],
    "lacked its last item": lambda x: x[:-1],
    "lacked its first item": lambda x: x[1:],
    "held each item once": lambda x: type(x)(dict.fromkeys(x)),
    "were empty": lambda x: x[:0],
}
TEXTS: dict[str, Callable] = {
    "were in small letters": str.lower,
    "were in capital letters": str.upper,
    "had no spaces at its ends": str.strip,
    "had no spaces": lambda x: "".join(x.split()),
    "ran backwards": lambda x: x[::-1],
    "lacked its last letter": lambda x: x[:-1],
    "lacked its first letter": lambda x: x[1:],
}


def _of_array(value: np.ndarray, axes: tuple[str, ...]) -> Iterator[tuple[str, Callable]]:
    if value.dtype.kind == "b":
        yield "had True and False exchanged", np.logical_not
        yield "were True everywhere", np.ones_like
    words = [word.lstrip("#") for word in axes if word != "..."]
    for back in range(1, value.ndim + 1):
        word = words[-back] if back <= len(words) else f"axis {value.ndim - back}"
        yield f"ran backwards along {word}", lambda x, b=back: np.flip(x, -b)
        yield f"held the first along {word} everywhere", lambda x, b=back: _spread(x, 0, -b)
        yield f"held the last along {word} everywhere", lambda x, b=back: _spread(x, -1, -b)
        for step in (1, -1):
            way = "on" if step == 1 else "back"
            text = f"were moved one place {way} along {word}"
            yield text, lambda x, b=back, s=step: np.roll(x, s, -b)
        if value.dtype.kind == "f":
            text = f"were replaced by its mean over {word}"
            yield text, lambda x, b=back: np.broadcast_to(x.mean(-b, keepdims=True), x.shape)
    if value.ndim >= 2 and value.shape[-1] == value.shape[-2]:
        yield "were transposed", _transposed
    if value.dtype.kind in "if":
        yield "had the other sign", np.negative
        yield "were all 0", np.zeros_like
        yield "were all 1", np.ones_like
        yield "were sorted", lambda x: np.sort(x, axis=-1)
    if value.dtype.kind == "f":
        yield "had the length 1 in each line", _of_length_one
        yield "were 10,000 times as large", lambda x: _same_dtype(x, 1e4)
    if value.dtype.kind in "if":
        yield "held absolute values", np.abs
        yield "were one more everywhere", lambda x: x + 1
        yield "were one less everywhere", lambda x: x - 1


def _of_length_one(x: np.ndarray) -> np.ndarray:
    length = np.sqrt((x * x).sum(-1, keepdims=True))
    return (x / np.where(length == 0, 1, length)).astype(x.dtype)


def _transposed(x: np.ndarray) -> np.ndarray:
    if x.ndim < 2:
        raise ValueError
    return x.swapaxes(-1, -2)


def _spread(x: np.ndarray, index: int, axis: int) -> np.ndarray:
    return np.broadcast_to(np.take(x, [index], axis=axis), x.shape)


def _scales(view: View, name: str, sizes: Mapping[str, int]) -> Iterator[tuple[str, Change]]:
    """An input times a power of one of the case's sizes."""
    for word in sizes:
        for form, power in POWERS.items():
            change = _scaled(view, name, word, power)
            change.near = _scaled(view, name, word, power, more=1.1)
            yield f"`{name}` were multiplied by {form.format(word)}", change
    for number in (2.0, 0.5):
        change = _one(name, lambda x, n=number: _same_dtype(x, n))
        change.near = _one(name, lambda x, n=number: _same_dtype(x, 1.1 * n))
        yield f"`{name}` were multiplied by {number:g}", change


POWERS = {"the square root of {}": 0.5, "{}": 1.0, "1 / sqrt({})": -0.5, "1 / {}": -1.0}


def _scaled(view: View, name: str, word: str, power: float, more: float = 1.0) -> Change:
    by_inputs = {id(case.inputs): n for n, case in enumerate(view.at.cases)}

    def change(inputs: Inputs) -> Inputs | None:
        size = sizes_of(view.at, by_inputs[id(inputs)])[word]
        return {**inputs, name: _same_dtype(inputs[name], more * size**power)}

    return change


def _same_dtype(x: np.ndarray, factor: float) -> np.ndarray:
    return (x * factor).astype(x.dtype)
