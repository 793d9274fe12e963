"""Where in the output the values are right, and where they are not numbers at all."""

from collections.abc import Iterator

import numpy as np

from grading.judging.explaining.pairs import Pair

Key = tuple


def right_in(pair: Pair) -> Iterator[Key]:
    """Parts that are right while every slice of the rest has something wrong."""
    if not pair.alike or pair.codes or pair.want.ndim == 0:
        return
    right = pair.right_at
    for i, word in enumerate(pair.axes):
        yield from _slices(right, i, word)
    if pair.want.ndim >= 2:
        yield from _triangles(right)
    if pair.want.dtype.kind == "f":
        zero = pair.want == 0
        if zero.any() and not zero.all():
            yield from _split(right, zero, "where 0 is expected")


def _slices(right: np.ndarray, axis: int, word: str) -> Iterator[Key]:
    """Slices along one axis that are right as a whole."""
    n = right.shape[axis]
    whole = right.all(axis=tuple(a for a in range(right.ndim) if a != axis))
    if n < 2 or whole.all() or not whole.any():
        return
    numbers = np.flatnonzero(whole)
    names = {
        "first": numbers.tolist() == [0],
        "last": numbers.tolist() == [n - 1],
        "all but the first": numbers.tolist() == list(range(1, n)),
        "all but the last": numbers.tolist() == list(range(n - 1)),
    }
    if n == 2:
        names = {"first": names["first"], "last": names["last"]}
    yield from ((name, word) for name, holds in names.items() if holds)


def _triangles(right: np.ndarray) -> Iterator[Key]:
    rows, columns = right.shape[-2:]
    if min(rows, columns) < 3:
        return
    square = np.subtract.outer(np.arange(rows), np.arange(columns)) + (columns - rows)
    for name, region in (
        ("on the diagonal", square == 0),
        ("off the diagonal", square != 0),
        ("below the diagonal", square > 0),
        ("above the diagonal", square < 0),
        ("on and below the diagonal", square >= 0),
        ("on and above the diagonal", square <= 0),
    ):
        yield from _split(right, np.broadcast_to(region, right.shape), name)


def _split(right: np.ndarray, region: np.ndarray, name: str) -> Iterator[Key]:
    """Right in a region and nowhere else, or everywhere else and nowhere in it."""
    if right[region].all() and not right[~region].any():
        yield "right only", name
    if right[~region].all() and not right[region].any():
        yield "wrong only", name


def not_numbers(pair: Pair) -> Iterator[Key]:
    """Where NaN or infinity stands and is not expected."""
    if not pair.alike or pair.codes or pair.have.dtype.kind != "f" or pair.want.dtype.kind != "f":
        return
    bad = ~np.isfinite(pair.have) & np.isfinite(pair.want)
    if not bad.any():
        return
    names = {"NaN": np.isnan(pair.have[bad]), "infinity": ~np.isnan(pair.have[bad])}
    what = " or ".join(name for name, found in names.items() if found.any())
    rest = "right" if pair.right_at[~bad].all() else "other"
    if bad.all():  # there is no rest
        yield "everywhere", "other", what
    elif bad.ndim and (bad.any(-1) == bad.all(-1)).all():
        yield "rows", rest, what, pair.axes[-1]
    for i, word in enumerate(pair.axes):
        whole = bad.any(axis=tuple(a for a in range(bad.ndim) if a != i))
        start = int(np.argmax(whole))
        if 0 < start and whole[start:].all():
            yield "from", rest, what, word, start
    yield "somewhere", rest, what


def flat_along(pair: Pair) -> Iterator[Key]:
    """Axes along which the values do not change, though they should."""
    if not pair.alike or pair.codes or pair.want.size == 0:
        return
    value = pair.have.flat[0] if pair.have.size > 1 else None
    if value is not None and pair.same(np.full_like(pair.have, value), pair.have):
        yield "same number", f"{value:.4g}" if pair.have.dtype.kind == "f" else str(value)
        yield ("same value",)
    for i, word in enumerate(pair.axes):
        flat = pair.want.shape[i] > 1 and _constant(pair, pair.have, i)
        if flat and not _constant(pair, pair.want, i):
            yield "same for every", word


def _constant(pair: Pair, x: np.ndarray, axis: int) -> bool:
    first = x.take([0], axis)
    return pair.same(np.broadcast_to(first, x.shape), x)


def booleans(pair: Pair) -> Iterator[Key]:
    """True where False is expected only, or the other way round."""
    if pair.alike and pair.want.dtype.kind == pair.have.dtype.kind == "b":
        more, fewer = pair.have & ~pair.want, pair.want & ~pair.have
        if not fewer.any():
            yield ("true too often",)
        if not more.any():
            yield ("false too often",)
