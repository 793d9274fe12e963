"""Where two values differ first: of what kind, where, and in words a learner can act on."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grading.judging.evidence import (
    Array,
    Items,
    Other,
    Outcome,
    Pairs,
    Plain,
    Raised,
    Value,
    plain,
)

# One of an axis, for places such as [batch 0, head 2]
ONE = {"heads": "head", "kv_heads": "KV head", "n_layers": "layer", "seq": "position"}
ONE |= {"q_seq": "query", "kv_seq": "key"}
LOW_PRECISION = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 1e-5}
WORDS = {"list": "a list", "tuple": "a tuple", "set": "a set", "iterator": "an iterator"}
FORGOTTEN = " Is a `return` missing?"
LONGEST = 80  # characters of a value that are quoted
LONGEST_ERROR = 200  # and of an error's message


@dataclass(frozen=True)
class Difference:
    """What differs first.

    kind  "raised" (an error where none is wanted), "not raised" (none where one is wanted), "error"
          (another one than wanted), "type", "container", "length", "keys", "shape", "dtype",
          "precision", "value", "measure", "mutated"
    path  where in a value of values: (1,), ("loss",)
    text  in words, going on after "On this case, "
    what  the same without the place
    """

    kind: str
    text: str
    path: tuple[Any, ...] = ()
    what: str = ""

    @property
    def of_form(self) -> bool:
        """Whether the values have different forms, so that their numbers cannot be compared."""
        return self.kind in ("type", "container", "length", "keys", "shape", "dtype", "precision")

    @property
    def is_error(self) -> bool:
        """Whether an error of the answer is all there is."""
        return self.kind in ("raised", "error")


@dataclass(frozen=True)
class Tolerance:
    """A float is right if |yours - expected| <= atol + rtol * |expected|."""

    rtol: float
    atol: float


def raised(error: Raised) -> str:
    """An error in one line, with the learner's own line."""
    at = f" at `{error.line.strip()}`" if error.line else ""
    message = " ".join(error.message.split())
    message = message if len(message) <= LONGEST_ERROR else f"{message[:LONGEST_ERROR]} ..."
    return f"it raised {error.type}{': ' if message else ''}{message}{at}"


def outcomes_differ(
    expected: Outcome, got: Outcome, tolerance: Tolerance, axes: str = ""
) -> Difference | None:
    """The first difference between a right outcome and an answer's; None if there is none.

    Where the right one raises, its type is wanted, and any words.
    """
    if expected.error and got.error:
        if got.error.is_a(expected.error.type):
            return None
        text = f"{raised(got.error)}; expected {expected.error.type}."
        return Difference("error", text)
    if got.error:
        return Difference("raised", raised(got.error))
    if expected.error:
        found = describe(got.output)
        text = f"it returned {found} where {expected.error.type} is to be raised."
        return Difference("not raised", text)
    return differ(expected.output, got.output, tolerance, axes)


def changed_in_place(names: Sequence[str]) -> str:
    """ "the input `q` was changed in place", or of several inputs."""
    listed = " and ".join(f"`{name}`" for name in names)
    one = f"the input {listed} was" if len(names) == 1 else f"the inputs {listed} were"
    return f"{one} changed in place"


def same_words(one: Raised, other: Raised) -> bool:
    """Whether two errors say the same, numbers aside."""

    def gist(error: Raised) -> tuple[str, str]:
        return error.type, re.sub(r"[\d.\[\], ()-]+", "#", error.message)[:60]

    return gist(one) == gist(other)


def differ(expected: Value, got: Value, tolerance: Tolerance, axes: str = "") -> Difference | None:
    """The first difference between two values; None if there is none."""
    expected, got = _as_number(expected, got), _as_number(got, expected)
    match expected, got:
        case Array(), Array() if expected.kind == got.kind:
            return _differ_arrays(expected, got, tolerance, axes)
        case Items(), Items() if expected.kind == got.kind:
            return _differ_items(expected, got, tolerance, axes)
        case Pairs(), Pairs():
            return _differ_pairs(expected, got, tolerance, axes)
        case Plain(), Plain():
            return _differ_plain(expected.value, got.value, tolerance)
    return _wrong_kind(expected, got)


def _as_number(value: Value, other: Value) -> Value:
    """A tensor without axes, where the other side is a plain number, counts as that number."""
    if isinstance(value, Array) and isinstance(other, Plain) and value.value.ndim == 0:
        return Plain(value.value.item())
    return value


def describe(value: Value | None) -> str:
    """ "a float32 tensor of shape (2, 3)", "None", "the number 3"."""
    match value:
        case Array(kind="tensor"):
            return f"a {value.dtype} tensor of shape {tuple(value.value.shape)}"
        case Array():
            return f"a {value.dtype} NumPy array of shape {tuple(value.value.shape)}"
        case Plain(value=None) | None:
            return "None"
        case Plain():
            return f"`{_quoted(value.value)}`"
        case Items():
            return f"{WORDS[value.kind]} of {len(value.items)}{' and more' if value.more else ''}"
        case Pairs():
            keys = ", ".join(_quoted(k.value) for k, _ in value.items if isinstance(k, Plain))
            return f"a dict with {keys or 'no keys'}"
        case Other():
            return f"a {value.type}"
    raise TypeError(f"no value: {value!r}")


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + " ..."


def _wrong_kind(expected: Value, got: Value) -> Difference:
    hint = ""
    if isinstance(got, Plain) and got.value is None:
        hint = FORGOTTEN
    elif isinstance(got, Array) and isinstance(expected, Array):
        torch = expected.kind == "tensor"
        library, end = ("torch", "torch.from_numpy") if torch else ("NumPy", ".numpy()")
        hint = f" Keep to {library}, or end with `{end}`."
    kind = "container" if isinstance(expected, Items) and isinstance(got, Items) else "type"
    return Difference(kind, f"it returned {describe(got)}, expected {describe(expected)}.{hint}")


def _within(found: Difference, where: str, step: Any) -> Difference:
    path, what = (step, *found.path), found.what or found.text
    if found.path:  # values in values
        where = f"in `{''.join(f'[{each}]' for each in path)}` of what it gave"
    return Difference(found.kind, f"{where}, {what}", path, what)


def _differ_items(want: Items, have: Items, tolerance: Tolerance, axes: str) -> Difference | None:
    if want.kind == "set":
        return _differ_sets(want, have)
    if len(want.items) != len(have.items) or want.more != have.more:
        counts = [f"{len(v.items)}{' and more' if v.more else ''}" for v in (have, want)]
        return Difference("length", f"it gave {counts[0]} values, expected {counts[1]}.")
    for index, (one, other) in enumerate(zip(want.items, have.items, strict=True)):
        if found := differ(one, other, tolerance, axes):
            return _within(found, f"in value {index} of those it gave", index)
    return None


def _differ_sets(want: Items, have: Items) -> Difference | None:
    wanted, given = (frozenset(map(repr, side.items)) for side in (want, have))
    if wanted == given:
        return None
    lack = [describe(item) for item in want.items if repr(item) not in given]
    extra = [describe(item) for item in have.items if repr(item) not in wanted]
    told = [f"it lacks {lack[0]}"] if lack else []
    told += [f"it has {extra[0]}, which does not belong"] if extra else []
    return Difference("value", f"the set is another: {' and '.join(told)}.")


def _differ_pairs(want: Pairs, have: Pairs, tolerance: Tolerance, axes: str) -> Difference | None:
    wanted, given = ({_key(k): v for k, v in side.items} for side in (want, have))
    if wanted.keys() != given.keys():
        lack = ", ".join(sorted(key[1] for key in wanted.keys() - given.keys())[:5])
        extra = ", ".join(sorted(key[1] for key in given.keys() - wanted.keys())[:5])
        told = [f"it lacks the keys {lack}"] if lack else []
        told += [f"it has the keys {extra}, which are not expected"] if extra else []
        return Difference("keys", f"{' and '.join(told)}.")
    for key, value in wanted.items():
        if found := differ(value, given[key], tolerance, axes):
            return _within(found, f"for {key[1]}", key[1])
    return None


def _key(value: Value) -> tuple[str, str]:
    """A key by type and text: 1 and "1" are two."""
    if isinstance(value, Plain):
        return type(value.value).__name__, _quoted(value.value)
    return value.kind, _quoted(plain(value))


def _differ_plain(expected: Any, got: Any, tolerance: Tolerance) -> Difference | None:
    numbers = all(type(v) in (int, float) for v in (expected, got))
    if numbers and float in (type(expected), type(got)):
        one, other = float(expected), float(got)  # NumPy knows no whole number of 300 digits
        near = {"rtol": tolerance.rtol, "atol": tolerance.atol, "equal_nan": True}
        right = bool(np.isclose(other, one, **near))
    else:
        right = type(expected) is type(got) and expected == got
    if right:
        return None
    kind = "value" if numbers or type(expected) is type(got) else "type"
    hint = FORGOTTEN if got is None else ""
    text = f"it returned {describe(Plain(got))}, expected {describe(Plain(expected))}.{hint}"
    return Difference(kind, text)


# --- arrays ---------------------------------------------------------------------------------------


def _differ_arrays(want: Array, have: Array, tolerance: Tolerance, axes: str) -> Difference | None:
    if want.value.shape != have.value.shape:
        words = f" ({axes})" if axes else ""
        shapes = f"{have.value.shape}, expected {want.value.shape}{words}"
        return Difference("shape", f"the shape is {shapes}.")
    if found := _differ_dtypes(want, have):
        return found
    wrong = wrong_places(want, have, tolerance)
    if not wrong.any():
        return None
    return Difference("value", _first_wrong(want.value, have.value, wrong, axes))


def wrong_places(want: Array, have: Array, tolerance: Tolerance) -> np.ndarray:
    """Where two arrays of one shape differ, as booleans."""
    one, other = want.value, have.value
    if one.dtype.kind in "biu" and other.dtype.kind in "biu":
        return one != other
    close = np.isclose(other, one, rtol=tolerance.rtol, atol=tolerance.atol, equal_nan=True)
    return ~close


def _differ_dtypes(want: Array, have: Array) -> Difference | None:
    """Floats keep the dtype that is wanted, whole numbers may be of any width."""
    kinds = want.value.dtype.kind, have.value.dtype.kind
    if want.dtype == have.dtype or (kinds[0] in "iu" and kinds[1] in "iu"):
        return None
    told = f"return {want.dtype}, not {have.dtype}"
    if kinds[0] == kinds[1] == "f":
        loose = max(LOW_PRECISION.get(side.dtype, 1e-5) for side in (want, have))
        if np.allclose(have.value, want.value, rtol=loose, atol=loose, equal_nan=True):
            return Difference("precision", f"the values are right, but {told}.")
        return Difference("dtype", f"the dtype is another ({told}), and the values differ too.")
    return Difference("dtype", f"the dtype is {have.dtype}, expected {want.dtype}.")


def _first_wrong(want: np.ndarray, have: np.ndarray, wrong: np.ndarray, axes: str) -> str:
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    at = place(index, axes)
    text = f"first at {at}: yours is `{show(have[index])}`, expected `{show(want[index])}`"
    return f"{text}. {int(wrong.sum())} of {wrong.size} values differ."


def place(index: tuple[int, ...], axes: str) -> str:
    """An index in the axes' words: "[batch 0, head 2]"."""
    words = [ONE.get(word, word) for word in axes.split()]
    words = words if len(words) == len(index) else [""] * len(index)
    return f"[{', '.join(f'{word} {i}'.strip() for word, i in zip(words, index, strict=True))}]"


def show(value: Any) -> str:
    """A number as it is quoted."""
    return f"{value:.5g}" if np.asarray(value).dtype.kind in "fc" else str(value)


def pairs_of_arrays(expected: Value | None, got: Value | None) -> Iterator[tuple[Array, Array]]:
    """Arrays in the same places of two values of one form."""
    match expected, got:
        case Array(), Array():
            yield expected, got
        case Items(), Items():
            for one, other in zip(expected.items, got.items, strict=False):
                yield from pairs_of_arrays(one, other)
        case Pairs(), Pairs():
            given = {_key(k): v for k, v in got.items}
            for key, value in expected.items:
                yield from pairs_of_arrays(value, given.get(_key(key)))
