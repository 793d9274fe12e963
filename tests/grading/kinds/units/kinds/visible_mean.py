"""A function that uses a piece of an earlier unit."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property


def cases(rng: np.random.Generator) -> list[Case]:
    x = rng.normal(size=(5, 3)).astype(np.float32)
    other = np.concatenate([x[:-1], x[-1:] + 1])
    return [
        Case("five positions", {"x": x}, axes="seq d_model", name="one"),
        Case("another last position", {"x": other}, axes="seq d_model", name="other"),
        Case("one position", {"x": x[:1]}, axes="seq d_model"),
    ]


def by_cumsum(x):
    import torch

    return x.cumsum(dim=0) / torch.arange(1, len(x) + 1)[:, None]


EXERCISE = Exercise(
    id="kinds/visible_mean",
    callable="visible_mean",
    title="A mean of what is visible",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link="kinds-given",
    cases=cases,
    misconceptions=(
        Misconception(
            "sum-kept",
            "The visible positions are added up, but not divided by how many there are.",
            "kinds-given",
            {" / mask.sum(dim=-1, keepdim=True)": ""},
        ),
        Misconception(
            "future-seen",
            "Every position gets the mean of all of them, later ones too.",
            "kinds-given",
            {"causal_mask(x.shape[0]).to(x.dtype)": "causal_mask(x.shape[0]).to(x.dtype) * 0 + 1"},
        ),
    ),
    alternatives=(by_cumsum,),
    properties=(
        Property(
            "future-has-no-effect",
            "Only the last position was changed, and earlier outputs changed with it.",
            "kinds-given",
            ("one", "other"),
            lambda one, other: bool(np.allclose(one[:-1], other[:-1])),
        ),
    ),
)
