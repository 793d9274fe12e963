"""The right numbers in another place, or a part of them: keys that hold for one pair.

A key is a tuple: what holds, and of which axis. What is found on every wrong case is told.
"""

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from grading.judging.explaining.pairs import Pair

Key = tuple
MAX_AXES = 5
MAX_ROWS = 64


def places(pair: Pair) -> Iterator[Key]:
    """Where the right numbers have gone, nearest first."""
    yield from _permuted(pair)
    if pair.alike:
        yield from _moved(pair)
    else:
        yield from _cut(pair)
        yield from _flat(pair)
    if pair.want.size == pair.have.size and _same_numbers(pair):
        yield ("elsewhere",)


def _permuted(pair: Pair) -> Iterator[Key]:
    """Axes in another order; where two are exchanged, by their words."""
    n = pair.want.ndim
    if not 2 <= n <= MAX_AXES or pair.have.ndim != n:
        return
    for order in permutations(range(n)):
        moved = [i for i, j in enumerate(order) if i != j]
        if not moved or tuple(pair.want.shape[j] for j in order) != pair.have.shape:
            continue
        if pair.same(pair.want.transpose(order), pair.have):
            if len(moved) == 2:
                yield "exchanged", *(pair.axes[i] for i in moved)
            yield "permuted", tuple(pair.axes[j] for j in order)


def _moved(pair: Pair) -> Iterator[Key]:
    want, have = pair.want, pair.have
    for i, word in enumerate(pair.axes):
        if pair.same(np.flip(want, i), have):
            yield "reversed", word
        for step in (1, -1):
            if pair.same(np.roll(want, step, i), have):
                yield "rolled", word, step
            if _shifted(pair, i, step):
                yield "shifted", word, step
        if not pair.codes and want.dtype.kind != "b":
            yield from _sorted(pair, i, word)
        if _reordered(pair, i):
            yield "reordered", word


def _sorted(pair: Pair, axis: int, word: str) -> Iterator[Key]:
    if pair.same(np.sort(pair.want, axis=axis), pair.have):
        yield "sorted", word
    if pair.same(-np.sort(-pair.want, axis=axis), pair.have):
        yield "sorted down", word


def _shifted(pair: Pair, axis: int, step: int) -> bool:
    """Moved by one along an axis, with other numbers coming in at the end."""
    size = pair.want.shape[axis]
    if size < 3:
        return False
    early, late = (np.arange(size - 1), np.arange(1, size))
    source, target = (early, late) if step == 1 else (late, early)
    return pair.same(pair.want.take(source, axis), pair.have.take(target, axis))


def _reordered(pair: Pair, axis: int) -> bool:
    """Whether the slices along an axis are all there, in another order."""
    size = pair.want.shape[axis]
    if not 1 < size <= MAX_ROWS:
        return False
    want, have = (np.moveaxis(x, axis, 0).reshape(size, -1) for x in (pair.want, pair.have))
    free = list(range(size))
    for row in have:
        found = next((j for j in free if pair.same(want[j], row)), None)
        if found is None:
            return False
        free.remove(found)
    return True


def _cut(pair: Pair) -> Iterator[Key]:
    """A part of the right result, or something made of it along one axis."""
    want, have = pair.want, pair.have
    if want.size == have.size and pair.same(want.squeeze(), have.squeeze()):
        yield ("ones",)
    for i, word in enumerate(pair.axes):
        if have.ndim == want.ndim - 1 or have.shape[i : i + 1] == (1,):
            flat = have if have.ndim < want.ndim else have.squeeze(i)
            yield from _reduced(pair, flat, i, word)
        other = [a for a in range(want.ndim) if a != i]
        if have.ndim == want.ndim and all(have.shape[a] == want.shape[a] for a in other):
            yield from _shorter(pair, i, word)


def _reduced(pair: Pair, have: np.ndarray, axis: int, word: str) -> Iterator[Key]:
    """One number for each line along an axis."""
    for name, index in (("only first", 0), ("only last", -1)):
        if pair.want.shape[axis] and pair.same(pair.want.take(index, axis), have):
            yield name, word
    if pair.want.dtype.kind == "f" and pair.want.shape[axis]:
        for name, function in (("sum", np.sum), ("mean", np.mean), ("max", np.max)):
            if pair.same(function(pair.want, axis=axis), have):
                yield name, word


def _shorter(pair: Pair, axis: int, word: str) -> Iterator[Key]:
    """Items missing or too many along one axis."""
    size, other = pair.want.shape[axis], pair.have.shape[axis]
    long, short = (pair.want, pair.have) if other < size else (pair.have, pair.want)
    n, more = short.shape[axis], abs(size - other)
    name = "missing" if other < size else "extra"
    if n == 0:
        return
    if pair.same(long.take(range(n), axis), short):
        yield name, "last", word, more
        yield name, "last", word, "some"
    if pair.same(long.take(range(more, more + n), axis), short):
        yield name, "first", word, more
        yield name, "first", word, "some"
    if name == "extra" and other % size == 0:
        if pair.same(np.repeat(pair.want, other // size, axis), pair.have):
            yield "repeated", word
        if pair.same(np.concatenate([pair.want] * (other // size), axis), pair.have):
            yield "tiled", word


def _flat(pair: Pair) -> Iterator[Key]:
    if pair.want.size == pair.have.size and pair.same(pair.want.ravel(), pair.have.ravel()):
        yield "flat", pair.have.ndim


def _same_numbers(pair: Pair) -> bool:
    return pair.same(np.sort(pair.want, axis=None), np.sort(pair.have, axis=None))
