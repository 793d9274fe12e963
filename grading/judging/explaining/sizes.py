"""The sizes of a case in the exercise's own words: 5 is `q_seq`, 3 is `n_heads`."""

import inspect
import typing
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from grading.course.exercise import Exercise
from grading.course.sources import solution_of
from grading.judging.trial import Trial

SKIPPED = ("...", "*")


@lru_cache(maxsize=256)
def input_axes(exercise: Exercise) -> dict[str, tuple[str, ...]]:
    """The axis words of each input that the answer's signature names, "..." among them."""
    if exercise.is_decision or exercise.checks:
        return {}
    answer = solution_of(exercise)
    try:
        parameters = inspect.signature(answer).parameters
    except (TypeError, ValueError):
        return {}
    found = {name: _words(item.annotation) for name, item in parameters.items()}
    return {name: words for name, words in found.items() if words}


def _words(annotation: Any) -> tuple[str, ...]:
    for one in typing.get_args(annotation) or (annotation,):
        if isinstance(text := getattr(one, "dim_str", None), str):
            return tuple(text.split())
    return ()


def sizes_of(at: Trial, i: int) -> dict[str, int]:
    """The sizes of a case by their words: axes of inputs and output, whole numbers that are given.

    A word that stands for two sizes, by an author's slip, is left out.
    """
    sizes: dict[str, int] = {}
    clash: set[str] = set()
    for word, size in _all_sizes(at, i):
        if sizes.setdefault(word, size) != size:
            clash.add(word)
    return {word: size for word, size in sizes.items() if word not in clash}


def _all_sizes(at: Trial, i: int) -> Iterator[tuple[str, int]]:
    case, axes = at.cases[i], input_axes(at.exercise)
    for name, value in case.inputs.items():
        if isinstance(value, np.ndarray):
            yield from zip_words(axes.get(name, ()), value.shape)
        elif type(value) is int:
            yield name, value
    expected = at.expected(i)
    output = getattr(getattr(expected, "output", None), "value", None)
    if isinstance(output, np.ndarray) and len(case.axes.split()) == output.ndim:
        yield from zip(case.axes.split(), output.shape, strict=True)


def zip_words(words: tuple[str, ...], shape: tuple[int, ...]) -> Iterator[tuple[str, int]]:
    """Axis words with their sizes; those behind "..." count from the end."""
    if "..." in words:
        cut = words.index("...")
        front, back = words[:cut], words[cut + 1 :]
    else:
        front, back = (), words
        if len(words) != len(shape):
            return
    pairs = [*zip(front, shape, strict=False)]
    pairs += zip(reversed(back), reversed(shape), strict=False)
    for word, size in pairs:
        plain = word.strip("{}")
        if plain.isidentifier():  # neither a number nor one that may broadcast ("#q_seq")
            yield plain, size


def named(size: int, sizes: Mapping[str, int]) -> str:
    """A size with all words that it may stand for: "5 (q_seq)"."""
    words = [word for word, value in sizes.items() if value == size]
    return f"{size} ({' or '.join(words[:2])})" if words and size > 1 else str(size)


def in_words(shape: tuple[int, ...], sizes: Mapping[str, int]) -> str:
    """A shape with its sizes in words: "(2 (batch), 5 (seq))"."""
    return f"({', '.join(named(size, sizes) for size in shape)})"
