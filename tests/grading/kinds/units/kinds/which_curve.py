"""A decision about something that is drawn for each learner."""

import numpy as np

from grading.course.exercise import Misconception, Question, decision


def draw(rng: np.random.Generator) -> Question:
    fast, slow = (np.exp(-rate * np.arange(4)) for rate in (2.0, 0.2))
    first = bool(rng.integers(2))
    shown = {"A": fast if first else slow, "B": slow if first else fast}
    right, wrong = ("A", "B") if first else ("B", "A")
    return Question(shown, right, {"the-slower-one": wrong})


EXERCISE = decision(
    id="kinds/which_curve",
    callable="which_curve",
    title="A decision",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link="kinds-decision",
    draw=draw,
    misconceptions=(
        Misconception(
            "the-slower-one",
            "This curve falls more slowly: its rate is the smaller one.",
            "kinds-decision",
        ),
    ),
)
