"""What was done to the right numbers: a factor, an offset, a function, sums of another size."""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

from grading.judging.explaining.agree import before
from grading.judging.explaining.pairs import Pair, View
from grading.judging.explaining.sizes import sizes_of

Key = tuple
LEAST_CASES = 3  # with different numbers, where a case has a single one

# name in words -> function of the right numbers
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "their squares": np.square,
    "their square roots": lambda x: np.sqrt(np.where(x < 0, np.nan, x)),
    "their reciprocals": lambda x: 1 / np.where(x == 0, np.nan, x),
    "their exponentials": lambda x: np.exp(np.minimum(x, 700)),
    "their logarithms": lambda x: np.log(np.where(x > 0, x, np.nan)),
    "their absolute values": np.abs,
    "1 minus them": lambda x: 1 - x,
    "rounded": np.round,
    **{f"rounded to {n} decimals": partial(np.round, decimals=n) for n in (1, 2, 3, 4)},
    "rounded down": np.floor,
    "cut off at 0 from below": lambda x: np.maximum(x, 0),
}
CONSTANTS = {math.log(2): "ln 2", 1 / math.log(2): "1 / ln 2", math.pi: "pi", 2 * math.pi: "2 pi"}


def functions(pair: Pair) -> Iterator[Key]:
    """One function of every number, or along one axis."""
    if pair.codes or not pair.alike:
        return
    want, have = pair.want, pair.have
    if want.dtype.kind == "b":
        if have.dtype.kind == "b" and pair.same(~want, have):
            yield ("inverted",)
        return
    if pair.same(-want, have):
        yield ("negated",)
    for name, function in FUNCTIONS.items():
        if pair.same(function(want), have):
            yield "function", name
    if want.dtype.kind == "f":
        yield from _along_axes(pair)


def _along_axes(pair: Pair) -> Iterator[Key]:
    want, have = pair.want, pair.have
    for i, word in enumerate(pair.axes):
        size = np.sqrt((want * want).sum(i, keepdims=True))
        if pair.same(want / _not_0(size), have):
            yield "unit length", word
        if want.shape[i] < 2:
            continue
        made = {
            "running sums": np.cumsum(want, axis=i),
            "means": np.broadcast_to(want.mean(i, keepdims=True), want.shape),
            "sums": np.broadcast_to(want.sum(i, keepdims=True), want.shape),
            "softmax": _softmax(want, i),
            "centred": want - want.mean(i, keepdims=True),
            "normalised": want / _not_0(want.sum(i, keepdims=True)),
        }
        if _one_hot(have, i) and not _one_hot(want, i):
            yield "one-hot", word
        for name, value in made.items():
            if pair.same(value, have):
                yield name, word


def _not_0(x: np.ndarray) -> np.ndarray:
    return np.where(x == 0, np.nan, x)


def _one_hot(x: np.ndarray, axis: int) -> bool:
    """Whether each line holds one 1 and otherwise 0."""
    return bool(np.isin(x, (0, 1)).all() and (x.sum(axis) == 1).all())


def _softmax(x: np.ndarray, axis: int) -> np.ndarray:
    grown = np.exp(x - x.max(axis, keepdims=True))
    return grown / grown.sum(axis, keepdims=True)


def proportions(pair: Pair) -> Iterator[Key]:
    """A factor or an offset of its own for each slice along all axes but one."""
    if pair.codes or not pair.alike or pair.want.dtype.kind != "f":
        return
    if not (np.isfinite(pair.want).all() and np.isfinite(pair.have).all()):
        return
    for i, word in enumerate(pair.axes):
        if pair.want.shape[i] < 3 and pair.wrong:
            continue
        if pair.same(_fitted(pair, i, factor=True), pair.have):
            yield "own factor", word
        if pair.same(_fitted(pair, i, factor=False), pair.have):
            yield "own offset", word


def _fitted(pair: Pair, axis: int, *, factor: bool) -> np.ndarray:
    """The right numbers with the factor, or the offset, that fits best along an axis."""
    want, have = pair.want, pair.have
    if not factor:
        return want + (have - want).mean(axis, keepdims=True)
    norm = (want * want).sum(axis, keepdims=True)
    return want * (have * want).sum(axis, keepdims=True) / np.where(norm == 0, 1, norm)


# --- one number for a whole case, which may be one of its sizes -----------------------------------


def factor(pair: Pair) -> float | None:
    """The c with have = c * want."""
    if not _numbers(pair):
        return None
    norm = float((pair.want * pair.want).sum())
    c = float((pair.have * pair.want).sum()) / norm if norm else math.nan
    return c if math.isfinite(c) and pair.same(c * pair.want, pair.have) and c else None


def offset(pair: Pair) -> float | None:
    """The c with have = want + c."""
    if not _numbers(pair):
        return None
    c = float((pair.have - pair.want).mean()) if pair.want.size else math.nan
    return c if math.isfinite(c) and pair.same(pair.want + c, pair.have) else None


def sharpness(pair: Pair) -> float | None:
    """The c with have proportional to want ** c along the last axis, where both are shares of 1.

    A softmax of scores that were multiplied by c gives that.
    """
    want, have = pair.want, pair.have
    if not _numbers(pair) or want.ndim == 0 or want.shape[-1] < 2:
        return None
    if not _shares(want) or not _shares(have):
        return None
    seen = (want > 1e-4) & (have > 1e-4)
    logs = [np.where(seen, np.log(np.where(seen, x, 1)), 0) for x in (want, have)]
    counts = np.maximum(seen.sum(-1, keepdims=True), 1)
    one, other = (np.where(seen, x - x.sum(-1, keepdims=True) / counts, 0) for x in logs)
    norm = float((one * one).sum())
    if norm < 1e-6:
        return None
    c = float((one * other).sum()) / norm
    rows = np.power(np.where(want > 0, want, 0), c) if c > 0 else None
    if rows is None:
        return None
    rows /= np.maximum(rows.sum(-1, keepdims=True), 1e-300)
    near = np.allclose(rows * (want.sum(-1, keepdims=True) > 0), have, rtol=1e-2, atol=1e-3)
    return c if near else None


def _shares(x: np.ndarray) -> bool:
    sums = x.sum(-1)
    return bool((x >= 0).all() and (np.isclose(sums, 1, atol=1e-3) | (sums == 0)).all())


def _numbers(pair: Pair) -> bool:
    if (
        pair.codes
        or not pair.alike
        or pair.want.size == 0
        or "b" in (pair.want.dtype.kind, pair.have.dtype.kind)
    ):
        return False
    return bool(np.isfinite(pair.want).all() and np.isfinite(pair.have).all())


def one_number(view: View, measure: Callable[[Pair], float | None]) -> tuple[str, str] | None:
    """The number that a measure finds on every wrong case, in words, and what to say before it.

    It is a constant or made of one size of the case: `head_dim`, 1 / sqrt(`head_dim`).
    """
    wrong = view.wrong
    found = [measure(pair) for pair in wrong]
    if not found or any(c is None for c in found) or not _enough(wrong):
        return None
    identity = 0.0 if measure is offset else 1.0
    neutral = [_invisible(pair, measure, identity) for pair in view.right]
    if _constant(found):
        return _rounded(found[0]), before(view, all(neutral))
    sizes = [sizes_of(view.at, pair.case) for pair in wrong]
    if word := _of_size(found, sizes, additive=measure is offset):
        always = all(neutral)
        return word, before(view, always)
    return None


def other_scale(view: View) -> str | None:
    """Whether the shares are those of scores times a number of its own for each wrong case."""
    found = [sharpness(pair) for pair in view.wrong]
    if not found or None in found or not _enough(view.wrong):
        return None
    if all(c > 1 for c in found):
        return "more uneven than they should be"
    return (
        "more even than they should be" if all(c < 1 for c in found) else "too uneven or too even"
    )


def _invisible(pair: Pair, measure: Callable, identity: float) -> bool:
    """Whether a right case could not show it: nothing but zeros."""
    return measure is not offset and bool((pair.want == 0).all())


def _enough(pairs: list[Pair]) -> bool:
    """Whether chance is ruled out: many values in a case, or many cases with different numbers."""
    if any(pair.telling >= 4 for pair in pairs):
        return True
    seen = {pair.want.tobytes() for pair in pairs if (pair.want != 0).any()}
    return len(seen) >= LEAST_CASES


def _constant(found: list[float]) -> bool:
    return all(math.isclose(c, found[0], rel_tol=3e-3, abs_tol=1e-6) for c in found)


def _rounded(c: float) -> str:
    for value, name in CONSTANTS.items():
        if math.isclose(c, value, rel_tol=2e-3):
            return name
    return f"{c:.4g}"


POWERS: dict[str, Callable[[float], float]] = {
    "{}": lambda n: n,
    "1 / {}": lambda n: 1 / n,
    "the square root of {}": lambda n: n**0.5,
    "1 / sqrt({})": lambda n: n**-0.5,
    "the square of {}": lambda n: n**2,
    "1 / {} squared": lambda n: n**-2,
    "{} to the power 1.5": lambda n: n**1.5,
    "{} - 1": lambda n: n - 1.0,
    "1 / ({} - 1)": lambda n: 1 / (n - 1) if n > 1 else math.nan,
}
SHIFTS: dict[str, Callable[[float], float]] = {"{}": lambda n: n, "minus {}": lambda n: -n}


def _of_size(found: list[float], sizes: list[Mapping[str, int]], additive: bool) -> str | None:
    """The numbers as one expression of a size, or of two sizes, of each case."""
    forms = SHIFTS if additive else POWERS
    for word in sizes[0]:
        values = [case.get(word, 0) for case in sizes]
        if min(values) < 1 or len(set(values)) < 2:
            continue
        for form, function in forms.items():
            if all(
                math.isclose(c, function(n), rel_tol=3e-3)
                for c, n in zip(found, values, strict=True)
            ):
                return form.format(f"`{word}`")
    return None if additive else _of_two(found, sizes)


RATIOS = {"`{}` / `{}`": 1.0, "sqrt(`{}` / `{}`)": 0.5}


def _of_two(found: list[float], sizes: list[Mapping[str, int]]) -> str | None:
    for one in sizes[0]:
        for other in sizes[0]:
            if one == other or any(min(s.get(one, 0), s.get(other, 0)) < 1 for s in sizes):
                continue
            for form, power in RATIOS.items():
                made = [(s[one] / s[other]) ** power for s in sizes]
                if all(math.isclose(c, m, rel_tol=3e-3) for c, m in zip(found, made, strict=True)):
                    return form.format(one, other)
    return None


# --- sums -----------------------------------------------------------------------------------------


def sums(pair: Pair) -> Iterator[Key]:
    """Along which axis the sums are a number that those of the right result are not."""
    if (
        pair.codes
        or not pair.alike
        or pair.want.dtype.kind != "f"
        or not np.isfinite(pair.have).all()
    ):
        return
    right = [i for i in range(pair.want.ndim) if _sum_to_one(pair.want, i)]
    for i in right:
        if not _sum_to_one(pair.have, i):
            yield "not one", pair.axes[i]
    for i in range(pair.want.ndim):
        if i not in right and _sum_to_one(pair.have, i):
            yield "one instead", pair.axes[i]


def _sum_to_one(x: np.ndarray, axis: int) -> bool:
    """Sums of 1, or of 0 where there is nothing."""
    total = x.sum(axis)
    full = np.isclose(total, 1, atol=1e-3)
    return bool((full | (np.abs(x).sum(axis) == 0)).all() and full.any())
