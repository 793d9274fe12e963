"""Bytes, one after the other from an iterator."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception


def cases(rng: np.random.Generator) -> list[Case]:
    return [
        Case("eleven bytes by four", {"data": rng.bytes(11), "size": 4}),
        Case("six bytes by three", {"data": rng.bytes(6), "size": 3}),
        Case("no bytes", {"data": b"", "size": 3}),
    ]


EXERCISE = Exercise(
    id="kinds/chunks",
    callable="chunks",
    title="An iterator of bytes",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link="kinds-values",
    cases=cases,
    misconceptions=(
        Misconception(
            "rest-dropped",
            "What is left at the end, fewer bytes than asked for, is dropped.",
            "kinds-values",
            {"range(0, len(data), size)": "range(0, len(data) - size + 1, size)"},
        ),
    ),
    alternatives=(),
)
