"""Evidence, parsed once: it comes from a process that the learner controls, so that nothing in it
is taken for granted. What is not of this form is no evidence (`BadEvidence`)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from grading.kernel.values import NUMBERS

MAX_NAMES = 200  # names that evidence gives, and characters of each
MAX_DEPTH = 20  # of values in values
MAX_INTEGER = 2**1000  # beyond what a float holds: no answer needs it
DTYPES = {"bfloat16"}  # beside NumPy's own


class BadEvidence(Exception):
    """What came back is not of the form that the course's own code gives it."""


@dataclass(frozen=True, eq=False)
class Array:
    """A tensor or a NumPy array; bfloat16 is held as float32."""

    kind: str  # "tensor" or "ndarray"
    dtype: str
    value: np.ndarray


@dataclass(frozen=True)
class Plain:
    """None, a bool, an int, a float, text or bytes."""

    value: Any

    kind = "plain"


@dataclass(frozen=True)
class Items:
    """A list, tuple, set or iterator; `more` where an iterator went on after the last one read."""

    kind: str
    items: tuple["Value", ...]
    more: bool = False


@dataclass(frozen=True)
class Pairs:
    """A dict, in its order."""

    items: tuple[tuple["Value", "Value"], ...]

    kind = "dict"


@dataclass(frozen=True)
class Other:
    """Something else, of which only its type is known."""

    type: str

    kind = "other"


Value = Array | Plain | Items | Pairs | Other


@dataclass(frozen=True)
class Raised:
    """An error of the answer: type and bases, message, and the learner's line and function."""

    type: str
    message: str
    line: str | None = None
    function: str | None = None
    bases: tuple[str, ...] = ()

    def is_a(self, name: str) -> bool:
        """Whether it is of this type or of one derived from it."""
        return name == self.type or name in self.bases


@dataclass(frozen=True)
class Outcome:
    """What one case brought: an output or an error, inputs changed in place, forbidden calls."""

    output: Value | None
    error: Raised | None
    mutated: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """The outcomes of all cases, and of the first case once more where that was asked."""

    exercise: str
    cases: tuple[Outcome, ...]
    again: Outcome | None = None

    @property
    def forbidden(self) -> list[str]:
        """Names of forbidden functions that were called, on any case."""
        return sorted({name for case in self.cases for name in case.forbidden})


def parse(tree: Any, exercise: str, cases: int) -> Evidence:
    """The evidence on an exercise with so many cases; BadEvidence if it is none."""
    try:
        if tree["exercise"] != exercise or len(tree["cases"]) != cases:
            raise BadEvidence("it belongs to another exercise")
        outcomes = tuple(_outcome(case) for case in tree["cases"])
        again = tree.get("again")
        return Evidence(exercise, outcomes, None if again is None else _outcome(again))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise BadEvidence(f"{type(error).__name__}: {error}") from None


def _outcome(case: Mapping[str, Any]) -> Outcome:
    error = _error(case["error"])
    output = None if error else value_of(case["output"])
    return Outcome(output, error, _names(case["mutated"]), _names(case["forbidden"]))


def _names(value: Any) -> tuple[str, ...]:
    """A short list of short texts."""
    if not isinstance(value, list) or len(value) > MAX_NAMES:
        raise BadEvidence("a list of names is none")
    if not all(isinstance(name, str) and len(name) <= MAX_NAMES for name in value):
        raise BadEvidence("a name is no short text")
    return tuple(value)


def _error(value: Any) -> Raised | None:
    if value is None:
        return None
    texts = [value[name] for name in ("type", "message", "line", "function")]
    if not all(text is None or isinstance(text, str) for text in texts) or None in texts[:2]:
        raise BadEvidence("an error is not told in words")
    return Raised(*texts, bases=_names(value.get("bases", [])))


def value_of(tree: Mapping[str, Any], depth: int = 0) -> Value:
    """A value from its tree (`kernel.values`)."""
    if depth > MAX_DEPTH:
        raise BadEvidence("values lie too deep in one another")
    match tree["kind"]:
        case "tensor" | "ndarray" as kind:
            return _array(kind, tree)
        case "json":
            return Plain(_plain(tree["value"]))
        case "bytes":
            return Plain(bytes.fromhex(tree["value"]))
        case "list" | "tuple" | "set" | "iterator" as kind:
            items = tuple(value_of(item, depth + 1) for item in tree["items"])
            return Items(kind, items, bool(tree.get("more", False)))
        case "dict":
            pairs = [(value_of(k, depth + 1), value_of(v, depth + 1)) for k, v in tree["items"]]
            return Pairs(tuple(pairs))
        case "other":
            return Other(str(tree["type"])[:MAX_NAMES])
    raise BadEvidence(f"a value of an unknown kind {tree['kind']!r}")


def _array(kind: str, tree: Mapping[str, Any]) -> Array:
    value, dtype = tree["value"], str(tree["dtype"])
    if not isinstance(value, np.ndarray) or value.dtype.kind not in NUMBERS:
        raise BadEvidence("an array holds no numbers")
    if dtype not in DTYPES and dtype != str(value.dtype):
        raise BadEvidence("an array is of another dtype than it says")
    return Array(kind, dtype, value)


def _plain(value: Any) -> Any:
    if value is None or type(value) in (bool, float, str):
        return value
    if type(value) is int and abs(value) < MAX_INTEGER:
        return value
    raise BadEvidence("a plain value is none")


def plain(value: Value | None) -> Any:
    """A value as NumPy arrays and Python values, as properties and measures receive it."""
    match value:
        case Array() | Plain():
            return value.value
        case Items(kind="tuple"):
            return tuple(plain(item) for item in value.items)
        case Items():
            return [plain(item) for item in value.items]
        case Pairs():
            return {plain(key): plain(item) for key, item in value.items}
    return None


def arrays_in(value: Value | None) -> Iterator[Array]:
    """All arrays of a value."""
    match value:
        case Array():
            yield value
        case Items():
            for item in value.items:
                yield from arrays_in(item)
        case Pairs():
            for _, item in value.items:
                yield from arrays_in(item)


def unknown_inside(value: Value | None) -> bool:
    """Whether a value is, or holds, something of which only the type is known."""
    match value:
        case Items():
            return any(map(unknown_inside, value.items))
        case Pairs():
            return any(unknown_inside(one) for pair in value.items for one in pair)
    return isinstance(value, Other)
