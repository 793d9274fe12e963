"""Plain Python: a dict with tuples as keys."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception


def cases(rng: np.random.Generator) -> list[Case]:
    text = "".join(rng.choice(list("abc"), size=20))
    return [
        Case("twenty letters", {"text": text}),
        Case("a letter", {"text": "a"}),
        Case("no text", {"text": ""}),
        Case("one letter three times", {"text": "aaa"}),
    ]


EXERCISE = Exercise(
    id="kinds/neighbours",
    callable="neighbours",
    title="A dict",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link="kinds-values",
    cases=cases,
    misconceptions=(
        Misconception(
            "keys-of-text",
            "The keys are texts of two characters, and not pairs of characters.",
            "kinds-values",
            {
                "counts[pair] = counts.get(pair, 0) + 1": "counts[''.join(pair)] = "
                "counts.get(''.join(pair), 0) + 1"
            },
        ),
        Misconception(
            "counted-once",
            "Each pair is counted once, however often it occurs.",
            "kinds-values",
            {"counts.get(pair, 0) + 1": "1"},
        ),
    ),
    alternatives=(),
)
