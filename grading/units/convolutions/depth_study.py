"""convolutions/depth_study: which of seven studies shows degradation?"""

import numpy as np

from grading.course.exercise import Misconception, Question, decision

LINK = "convolutions-degradation"
DEPTHS = (4, 8, 16, 32)


def draw(rng: np.random.Generator) -> Question:
    """Seven studies in a random order; each has two rows of errors in per cent."""
    studies = _studies(rng)
    order = rng.permutation(len(studies))
    letters = dict(zip([list(studies)[i] for i in order], "ABCDEFG", strict=True))
    rows = [(letters[name], *studies[name]) for name in studies]
    right = letters.pop("degradation")
    return Question(shown={"table": _table(sorted(rows))}, right=right, wrong=letters)


def _studies(rng: np.random.Generator) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By name: training error, and error on new images, at each depth."""

    def row(*values: float) -> np.ndarray:
        return np.maximum(np.array(values) + rng.uniform(-0.4, 0.4, size=4), 0.1)

    high, start = rng.uniform(30, 45), rng.uniform(22, 28)
    return {
        "degradation": (row(1, 2, 9, high), row(9, 10, 17, high + 2)),
        "overfitting": (row(4, 2, 0.8, 0.5), row(9, 11, 16, 24)),
        "high-at-every-depth": (row(*[start] * 4), row(*[start + 3] * 4)),
        "deeper-is-better": (row(9, 5, 3, 2), row(14, 11, 9, 8)),
        "constant-gap": (row(3, 3, 3, 3), row(20, 20, 20, 20)),
        "one-bump": (row(2, 9, 2, 2), row(9, 16, 10, 9)),
        "too-small-when-shallow": (row(high, 14, 4, 2), row(high + 2, 19, 11, 9)),
    }


def _table(rows: list[tuple[str, np.ndarray, np.ndarray]]) -> str:
    """The studies as text, two lines each."""
    lines = ["hidden layers     " + "".join(f"{depth:>7}" for depth in DEPTHS)]
    for letter, training, new in rows:
        for name, errors in (("training", training), ("new", new)):
            cells = "".join(f"{error:6.1f}%" for error in errors)
            lines.append(f"{letter}  {name:15}{cells}")
    return "\n".join(lines)


MISCONCEPTIONS = (
    Misconception(
        "overfitting",
        "In this study the training error falls with depth, and only the error on new images "
        "rises: that is overfitting. Degradation shows on the images trained on.",
        LINK,
    ),
    Misconception(
        "high-at-every-depth",
        "This error is high, but depth does not make it worse: the networks underfit, or the task "
        "is hard. Compare the columns.",
        LINK,
    ),
    Misconception(
        "deeper-is-better",
        "Here both errors fall with depth: nothing is wrong with it.",
        LINK,
    ),
    Misconception(
        "constant-gap",
        "New images are much harder than those trained on here, but equally so at every depth. "
        "Degradation is something that comes with depth.",
        LINK,
    ),
    Misconception(
        "one-bump",
        "One depth does worse in this study, and the deeper ones do not. A single bump may be one "
        "unlucky seed; degradation goes on with depth.",
        LINK,
    ),
    Misconception(
        "too-small-when-shallow",
        "This study runs the other way: the shallow network has the high error, and depth mends "
        "it. Read the columns from left to right.",
        LINK,
    ),
)

EXERCISE = decision(
    id="convolutions/depth_study",
    callable="shows_degradation",
    title="Read a depth study",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link=LINK,
    draw=draw,
    misconceptions=MISCONCEPTIONS,
)
