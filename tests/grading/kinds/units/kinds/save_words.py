"""A file that the answer writes."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception
from grading.kernel import drives


def cases(rng: np.random.Generator) -> list[Case]:
    words = [f"wörter{n}" for n in rng.integers(100, size=3)]
    return [Case("three words", {"words": words}), Case("no words", {"words": []})]


EXERCISE = Exercise(
    id="kinds/save_words",
    callable="save_words",
    title="A file",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link="kinds-figure",
    cases=cases,
    drive=drives.files,
    misconceptions=(
        Misconception(
            "lines-not-ended",
            "The words stand in one line, with nothing between them.",
            "kinds-figure",
            {'word + "\\n"': "word"},
        ),
    ),
    alternatives=(),
)
