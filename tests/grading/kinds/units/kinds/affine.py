"""A class with state: parameters and gradients are compared."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception
from grading.kernel import drives


def cases(rng: np.random.Generator) -> list[Case]:
    x = rng.normal(size=(2, 3)).astype(np.float32)
    weights = {name: rng.normal(size=3).astype(np.float32) for name in ("weight", "bias")}
    steps = [["parameters"], ["load", weights], ["()", x], ["backward"], ["gradients"]]
    return [Case("a layer of three features", {"new": [3], "calls": steps})]


EXERCISE = Exercise(
    id="kinds/affine",
    callable="Affine",
    title="A class",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link="kinds-class",
    cases=cases,
    drive=drives.steps,
    misconceptions=(
        Misconception(
            "bias-not-trained",
            "The bias is no parameter, so that nothing would ever train it.",
            "kinds-class",
            {"nn.Parameter(torch.zeros(size))": "torch.zeros(size)"},
        ),
        Misconception(
            "starts-at-zero",
            "The weights begin at 0, and the layer forgets its input.",
            "kinds-class",
            {"torch.ones(size)": "torch.zeros(size)"},
        ),
    ),
    alternatives=(),
)
