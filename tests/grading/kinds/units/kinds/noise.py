"""Something random with the seed given: the very numbers are compared."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception
from grading.kernel import RandomState


def cases(rng: np.random.Generator) -> list[Case]:
    seeded = RandomState(int(rng.integers(1000)))
    return [Case("two rows of three", {"shape": [2, 3], "generator": seeded})]


EXERCISE = Exercise(
    id="kinds/noise",
    callable="noise",
    title="A seed",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link="kinds-random",
    cases=cases,
    misconceptions=(
        Misconception(
            "not-scaled",
            "The numbers come from the right generator, but they are not doubled.",
            "kinds-random",
            {"2 * torch": "torch"},
        ),
    ),
    alternatives=(),
)
