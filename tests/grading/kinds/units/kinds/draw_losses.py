"""A figure, compared by its lines, labels and scales."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception
from grading.kernel import drives


def cases(rng: np.random.Generator) -> list[Case]:
    losses = np.sort(rng.uniform(1, 5, size=7))[::-1].tolist()
    return [Case("seven losses", {"steps": list(range(7)), "losses": losses})]


EXERCISE = Exercise(
    id="kinds/draw_losses",
    callable="draw_losses",
    title="A figure",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link="kinds-figure",
    cases=cases,
    drive=drives.figure,
    misconceptions=(
        Misconception(
            "linear-scale",
            "The losses stand on a linear scale, where the late ones look alike.",
            "kinds-figure",
            {'pyplot.yscale("log")': "pass"},
        ),
        Misconception(
            "axes-exchanged",
            "The steps go upwards and the losses to the right.",
            "kinds-figure",
            {"plot(steps, losses)": "plot(losses, steps)"},
        ),
    ),
    alternatives=(),
)
