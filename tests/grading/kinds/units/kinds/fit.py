"""A training run, judged by what the trained model does on inputs it has not seen."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception
from grading.judging.measures import Bound


def squared_error(inputs, output):
    wanted = inputs["x"].sum(axis=1, keepdims=True) + 1
    return ((np.asarray(output) - wanted) ** 2).mean()


def cases(rng: np.random.Generator) -> list[Case]:
    x = rng.normal(size=(16, 3)).astype(np.float32)
    return [Case("inputs not seen", {"x": x}, compare=Bound(0.01, squared_error, "the error"))]


def trained(fit):
    """What the notebook's run cell makes."""
    torch.manual_seed(0)
    inputs = torch.randn(64, 3)
    return fit(inputs, inputs.sum(dim=1, keepdim=True) + 1, 200)


EXERCISE = Exercise(
    id="kinds/fit",
    callable="fit",
    title="A training run",
    parts={"all": 2},
    minutes=5,
    difficulty="easy",
    link="kinds-training",
    cases=cases,
    checks="model",
    prepare=trained,
    seconds=60,
    misconceptions=(
        Misconception(
            "not-trained",
            "The parameters never change: the gradient is computed and not used.",
            "kinds-training",
            {"parameter -= 0.1 * parameter.grad": "pass"},
        ),
    ),
    alternatives=(),
)
