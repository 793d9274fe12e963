"""`check` in a learner's own notebook: drive and judge in one process, the verdict as an output."""

import secrets
from pathlib import Path
from typing import Any

from grading import kernel
from grading.course.errors import CourseError
from grading.course.unit import load_exercise
from grading.judging.judge import judge, trial
from grading.judging.verdict import Verdict, book_address

# What this notebook's exercises show so far: later ones that call them may only inherit it.
_shown: dict[str, str | None] = {}


class HomeVerdict:
    """A verdict that a notebook shows as a box and a terminal as text."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict

    def _repr_html_(self) -> str:
        return self.verdict.html(book_address(Path.cwd()))

    def __repr__(self) -> str:
        return self.verdict.text()


class Told(CourseError):
    """A mistake in the call of `check`: shown as one line instead of a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def check_at_home(exercise_id: str, answer: Any) -> HomeVerdict:
    """Judge `answer` on fresh inputs, which are never those the notebook shows."""
    try:
        exercise = load_exercise(exercise_id)
    except CourseError as error:
        raise Told(str(error)) from None
    if not callable(answer):
        raise Told(f"check needs the function itself, `{exercise.callable}`, not its result.")
    seed = secrets.randbelow(2**31)
    evidence = kernel.run(trial(exercise, seed).request, answer)
    verdict = judge(exercise, seed, evidence, _shown)
    if verdict.status not in ("missing", "error"):
        _shown[exercise_id] = verdict.misconception
    return HomeVerdict(verdict)
