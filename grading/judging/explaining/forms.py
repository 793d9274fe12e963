"""Another form than wanted: a shape in words, right numbers in another container, errors."""

import re
from collections.abc import Callable

from grading.judging.compare import describe, raised
from grading.judging.evidence import Array, Items, Other, Outcome, Plain, Raised, Value
from grading.judging.explaining.pairs import View
from grading.judging.explaining.sizes import in_words, named, sizes_of

FORMS = ("type", "container", "dtype", "precision")


def another_form(view: View) -> tuple[str, str] | None:
    """Right values of another dtype or in another container, on every wrong case."""
    kinds = {view.differences[i].kind for i in view.wrong_cases}
    if len(kinds) > 1 or not kinds <= set(FORMS):
        return None
    if not all(_values_right(view, i) for i in view.wrong_cases):
        return None
    i = view.wrong_cases[0]
    want, have = view.at.expected(i).output, view.got.cases[i].output
    for step in view.differences[i].path:
        if isinstance(want, Items) and isinstance(have, Items):
            want, have = want.items[step], have.items[step]
    if isinstance(want, Array) and isinstance(have, Array) and want.kind == have.kind:
        told = f"their dtype is {have.dtype}, and {want.dtype} is wanted"
    else:
        told = f"they come as {_kind(have)}, and {_kind(want)} is wanted"
    return kinds.pop(), f"The values are right; {told}."


def held_inside(view: View) -> tuple[str, str] | None:
    """Nothing came back, on every wrong case; or the right result did, as a part of something."""
    gots = [view.got.cases[i] for i in view.wrong_cases]
    if all(
        g.error is None and isinstance(g.output, Plain) and g.output.value is None for g in gots
    ):
        text = "Nothing came back, and a result is expected: without a `return`, that is None."
        return "nothing", text
    if all(got.error is None and _holds_function(got.output) for got in gots):
        text = "A function came back instead of its result: the brackets of a call are missing."
        return "not called", text
    if not all(isinstance(got.output, Items) for got in gots):
        return None
    for n in range(min(len(got.output.items) for got in gots)):
        if all(_right_part(view, i, n) for i in view.wrong_cases):
            text = f"The right result is there, as value {n} of {_kind(gots[0].output)}: {LONE}"
            return "held inside", text
    return None


FUNCTIONS = ("function", "method", "builtin_function_or_method", "method-wrapper")


def _holds_function(value: Value | None) -> bool:
    match value:
        case Items():
            return any(map(_holds_function, value.items))
        case Other():
            return value.type in FUNCTIONS
    return False


LONE = "return it alone."


def _right_part(view: View, i: int, n: int) -> bool:
    expected, part = view.at.expected(i), view.got.cases[i].output.items[n]
    if expected is None or expected.error:
        return False
    case = view.at.cases[i]
    return view.at.measure(i).alike(case.inputs, expected, Outcome(part, None), case.axes)


def _kind(value: Value) -> str:
    match value:
        case Items():
            return describe(value).split(" of ")[0]
        case Array():
            return "a tensor" if value.kind == "tensor" else "a NumPy array"
        case Plain():
            return f"a plain {type(value.value).__name__}"
    return describe(value)


def _values_right(view: View, i: int) -> bool:
    pair = next((pair for pair in view.wrong if pair.case == i), None)
    if pair is None:
        expected, got = view.at.expected(i), view.got.cases[i]
        if expected is None or expected.error or got.error:
            return False
        want, have = _loose(expected.output), _loose(got.output)
        return want is not None and want == have
    return pair.alike and bool(pair.right_at.all())


def _loose(value: Value) -> object:
    """A value without its containers' kinds."""
    match value:
        case Array():
            return value.value.tolist()
        case Plain():
            return value.value
        case Items():
            return [_loose(item) for item in value.items]
    return None


def other_shape(view: View) -> tuple[str, str] | None:
    """The shape that came and the one that is wanted, by the words of their sizes."""
    cases = [pair for pair in view.wrong if not pair.alike]
    if not cases or len(cases) < len(view.wrong):
        return None
    pair = max(cases, key=lambda pair: len(set(pair.want.shape)))
    sizes = sizes_of(view.at, pair.case)
    if not sizes or pair.want.ndim == 0:
        return None
    wanted = dict(zip(pair.axes, pair.want.shape, strict=True))
    have = in_words(pair.have.shape, {**sizes, **wanted})
    if pair.have.ndim != pair.want.ndim:
        told = f"there are {pair.have.ndim} axes instead of {pair.want.ndim}: the shape is {have}"
    else:
        told = f"the shape is {have}"
    want = ", ".join(f"{n} ({word})" for word, n in zip(pair.axes, pair.want.shape, strict=True))
    return "shape", f"On {view.says(pair.case)}, {told}, expected ({want})."


def refused(view: View, i: int) -> tuple[str, str] | None:
    """An error of the type that the docstring promises elsewhere, where a result is wanted."""
    error = view.got.cases[i].error
    expected = view.at.expected(i)
    if not view.at.promised(error) or (expected and expected.error):
        return None
    message = " ".join(error.message.split())[:90]
    told = f"It raises {error.type} also where a result is wanted, first on {view.says(i)}"
    return "refused", f"{told}: {message}" if message else told


def another_error(view: View) -> tuple[str, str] | None:
    """An error of another type than the promised one, on every wrong case."""
    if {view.differences[i].kind for i in view.wrong_cases} != {"error"}:
        return None
    i = view.wrong_cases[0]
    wanted, came = view.at.expected(i).error.type, view.got.cases[i].error.type
    return "another error", (
        f"On {view.says(i)}, {_a(wanted)} is wanted and {_a(came)} comes: look at the inputs "
        f"before you compute with them, and `raise {wanted}(...)` yourself."
    )


def not_refused(view: View) -> tuple[str, str] | None:
    """No error where one is promised, and nothing else that is wrong."""
    if {view.differences[i].kind for i in view.wrong_cases} != {"not raised"}:
        return None
    i, more = view.wrong_cases[0], len(view.wrong_cases) - 1
    also = f"; the same on {more} more" if more else ""
    return "not refused", (
        f"Every value that should come back is right. On {view.says(i)}, "
        f"{_a(view.at.expected(i).error.type)} should be raised instead, and was not{also}."
    )


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "AEIOU" else f"a {word}"


def an_error(error: Raised, sizes: dict[str, int]) -> tuple[str, str]:
    """An error in one line, at the learner's line; sizes that met in it in words."""
    line = f" at `{error.line.strip()[:90]}`" if error.line else ""
    if met := _met(error, sizes):
        return "shapes", f"Sizes that do not fit meet{line}: {met}"
    return (
        "error",
        f"It stops with an error: {raised(error).removeprefix('it raised ').rstrip('.')}",
    )


def _met(error: Raised, sizes: dict[str, int]) -> str | None:
    """What torch or NumPy say of shapes, with the words of the sizes."""
    for pattern, words in MESSAGES:
        if found := re.search(pattern, error.message):
            return words(_Met(found, sizes))
    return None


class _Met:
    """The numbers of an error's message, and their words."""

    def __init__(self, found: re.Match, sizes: dict[str, int]) -> None:
        self.groups, self.sizes = found.groups(), sizes

    def number(self, n: int) -> int:
        return int(self.groups[n])

    def word(self, n: int) -> str:
        return named(self.number(n), self.sizes)

    def shape(self, n: int) -> str:
        return in_words(tuple(int(x) for x in re.findall(r"-?\d+", self.groups[n])), self.sizes)


def _one_axis(m: _Met) -> str:
    return f"{m.word(0)} against {m.word(1)} on axis {m.groups[2]}; they must be equal, or one 1"


def _matrices(m: _Met) -> str:
    one, other = (f"({m.word(n)}, {m.word(n + 1)})" for n in (0, 2))
    return f"a matrix {one} times one {other}; the inner two must be equal"


def _batches(m: _Met) -> str:
    if m.number(1) != m.number(3):
        return f"{m.word(1)} against {m.word(3)} {INNER}"
    return f"{m.word(0)} against {m.word(2)} in front of a matrix product, which must be equal"


INNER = "on the inner axes of a matrix product, which must be equal"
EINOPS = r"can't divide axis of length (\d+) in chunks of (\d+)"
MESSAGES: tuple[tuple[str, Callable[[_Met], str]], ...] = (
    (r"tensor a \((\d+)\) must match .* tensor b \((\d+)\) at .* dimension (\d+)", _one_axis),
    (r"\((\d+)x(\d+) and (\d+)x(\d+)\)", _matrices),
    (r"batch2 tensor to be: \[(\d+), (\d+)\] but got: \[(\d+), (\d+)\]", _batches),
    (EINOPS, lambda m: f"an axis of {m.word(0)} cannot be cut into {m.word(1)} equal parts"),
    (
        r"Wrong shape: expected (\d+) dims. Received (\d+)-dim",
        lambda m: f"a tensor of {m.groups[1]} axes where the pattern names {m.groups[0]}",
    ),
    (
        r"shape '\[([-\d, ]+)\]' is invalid for input of size (\d+)",
        lambda m: f"{m.groups[1]} numbers cannot take the shape {m.shape(0)}",
    ),
    (
        r"broadcast together with shapes (\([\d,]+\)) (\([\d,]+\))",
        lambda m: f"{m.shape(0)} against {m.shape(1)}",
    ),
    (
        r"size (\d+) is different from (\d+)\)",
        lambda m: f"{m.word(0)} against {m.word(1)} {INNER}",
    ),
    (
        r"shapes (\([\d,]+\)) and (\([\d,]+\)) not aligned",
        lambda m: f"{m.shape(0)} times {m.shape(1)}; the inner sizes must be equal",
    ),
    (
        r"index (\d+) is out of bounds for (?:dimension|axis) (\d+) with size (\d+)",
        lambda m: f"index {m.groups[0]} on axis {m.groups[1]}, which has {m.word(2)}",
    ),
)
