"""Exercises, judge and class runs of the course; a notebook needs what is here."""

import os
from typing import Any

# Set while a class is graded: the folder that the grader and this process share.
_FOLDER = "COURSE_EVIDENCE"


def check(exercise_id: str, answer: Any) -> Any:
    """Say whether `answer` solves the exercise, and if not, which misunderstanding it shows.

    While a class is graded, this process only calls the answer on the inputs it was given and
    writes down what came back: the judge reads that from outside.
    """
    folder = os.environ.get(_FOLDER)
    if folder:
        from grading.kernel import record

        return record(folder, exercise_id, answer)
    from grading.home import check_at_home

    return check_at_home(exercise_id, answer)


def ready(slug: str) -> None:
    """The first cell of a unit's notebook: get the first `check` ready, say how far one has come.

    While a class is graded there is nothing to get ready.
    """
    if os.environ.get(_FOLDER):
        return
    from grading.learner.opening import open_notebook

    open_notebook(slug)


def given(piece: str) -> Any:
    """A piece of an earlier unit: your own where you have it right, else the course's.

    `piece` is an exercise ("attention/causal_mask"), or a name of the reference that is nobody's
    exercise ("reference_impl.decoder.config:ModelConfig"). A class is graded with the course's.
    """
    folder = os.environ.get(_FOLDER)
    if folder:
        from grading.kernel.given import load_piece

        return load_piece(folder, piece)
    from grading.home import given_at_home

    return given_at_home(piece)


def question(exercise_id: str) -> dict[str, Any]:
    """What a decision is about, drawn for you: curves, texts or numbers by name."""
    from grading.home import question_at_home

    return question_at_home(exercise_id)


def demonstration() -> Any:
    """`with demonstration():` runs a cell's lines, and says kindly where an answer is missing."""
    from grading.kernel.demonstration import demonstration as context

    return context()
