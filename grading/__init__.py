"""Exercises, judge and class runs of the course; learners need only `check`."""

import os
from typing import Any


def check(exercise_id: str, answer: Any) -> Any:
    """Say whether `answer` solves the exercise, and if not, which misunderstanding it shows.

    While a class is graded, this process only calls the answer on the inputs it was given and
    writes down what came back: the judge reads that from outside.
    """
    folder = os.environ.get("COURSE_EVIDENCE")
    if folder:
        from grading.kernel import record

        return record(folder, exercise_id, answer)
    from grading.home import check_at_home

    return check_at_home(exercise_id, answer)


def ready(slug: str) -> None:
    """The first cell of a unit's notebook: get the first `check` ready, say how far one has come.

    While a class is graded there is nothing to get ready.
    """
    if os.environ.get("COURSE_EVIDENCE"):
        return
    from grading.learner.opening import open_notebook

    open_notebook(slug)
