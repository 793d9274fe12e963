"""NumPy arrays, and an error that the docstring promises."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception


def cases(rng: np.random.Generator) -> list[Case]:
    return [
        Case("three rows", {"x": rng.normal(size=(3, 5))}, axes="rows columns"),
        Case("a single row", {"x": rng.normal(size=(1, 2))}, axes="rows columns"),
        Case("no row at all", {"x": np.zeros((0, 2))}),
    ]


def in_a_loop(x):
    if not x.size:
        raise ValueError
    return np.stack([column - sum(column) / len(column) for column in x.T], axis=1)


EXERCISE = Exercise(
    id="kinds/centre",
    callable="centre",
    title="NumPy, and an error",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link="kinds-numpy",
    cases=cases,
    arrays="numpy",
    misconceptions=(
        Misconception(
            "rows-centred",
            "The mean of each row is taken off, and not that of each column.",
            "kinds-numpy",
            {"x - x.mean(axis=0)": "x - x.mean(axis=1, keepdims=True)"},
        ),
        Misconception(
            "nothing-raised",
            "An array without rows is to be refused by a ValueError.",
            "kinds-numpy",
            {'raise ValueError("no row, so no mean")': "return x"},
        ),
    ),
    alternatives=(in_a_loop,),
)
