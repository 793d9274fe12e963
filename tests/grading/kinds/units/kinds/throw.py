"""Something random of which only the frequencies are known."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception
from grading.judging.measures import Frequencies
from grading.kernel import RandomState, drives


def shares(inputs):
    return np.array(inputs["weights"]) / sum(inputs["weights"])


def cases(rng: np.random.Generator) -> list[Case]:
    weights = [1.0, 2.0, 0.0, 5.0]
    seeded = RandomState(int(rng.integers(1000)), "numpy")
    inputs = {"times": 3000, "weights": weights, "generator": seeded}
    return [Case("weights 1, 2, 0 and 5", inputs, compare=Frequencies(shares))]


def by_cumulated_weights(weights, generator):
    at = generator.random() * sum(weights)
    return int(np.searchsorted(np.cumsum(weights), at, side="right"))


EXERCISE = Exercise(
    id="kinds/throw",
    callable="throw",
    title="Frequencies",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link="kinds-random",
    cases=cases,
    drive=drives.repeat,
    misconceptions=(
        Misconception(
            "all-alike",
            "Every index comes up equally often, whatever its weight is.",
            "kinds-random",
            {"len(weights), p=shares": "len(weights)"},
        ),
        Misconception(
            "always-the-largest",
            "The index of the largest weight comes up each time: nothing is drawn.",
            "kinds-random",
            {"int(generator.choice(len(weights), p=shares))": "int(np.argmax(shares))"},
        ),
    ),
    alternatives=(by_cumulated_weights,),
)
