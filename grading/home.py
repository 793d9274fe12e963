"""`check`, `given` and `question` in a learner's own notebook: all in one process."""

import secrets
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from grading import kernel
from grading.course.errors import CourseError
from grading.course.exercise import Decision
from grading.course.sources import reference_piece
from grading.course.unit import load_exercise
from grading.judging.judge import judge
from grading.judging.trial import trial
from grading.judging.verdict import Verdict
from grading.learner import noting, pieces, record, shown

# What this notebook's exercises show so far: later ones that call them may only inherit it.
_shown: dict[str, tuple[str, ...]] = {}


class HomeVerdict:
    """A verdict that a notebook shows as a box and a terminal as text."""

    def __init__(self, verdict: Verdict, progress: Sequence[str] = ()) -> None:
        self.verdict, self.progress = verdict, progress

    def _repr_html_(self) -> str:
        return shown.as_html(self.verdict, self.progress)

    def __repr__(self) -> str:
        return shown.as_text(self.verdict, self.progress)


class CallError(CourseError):
    """A mistake in a call of the course's: shown as one line instead of a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def check_at_home(exercise_id: str, answer: Any) -> HomeVerdict:
    """Judge `answer` on fresh inputs, which are never those the notebook shows."""
    try:
        exercise = load_exercise(exercise_id)
    except CourseError as error:
        raise CallError(str(error)) from None
    if answer is not None and not callable(answer):
        raise CallError(f"check needs the function itself, `{exercise.callable}`, not its result.")
    seed = own_seed() if exercise.is_decision else secrets.randbelow(2**31)
    evidence = kernel.run(trial(exercise, seed).request, answer)
    verdict = judge(exercise, seed, evidence, _shown)
    if verdict.status not in ("missing", "error"):
        _shown[exercise_id] = verdict.misconceptions
    progress = noting.noted(exercise_id, verdict, answer)
    if noting.is_validating() and verdict.score < verdict.max_score:
        raise CallError(shown.as_text(verdict))
    return HomeVerdict(verdict, progress)


def given_at_home(piece: str) -> Any:
    """The learner's own piece where they have it right, else the course's."""
    if (own := pieces.own_piece(piece)) is not None:
        return own
    try:
        return reference_piece(piece)
    except (CourseError, ImportError, AttributeError) as error:
        raise CallError(str(error)) from None


@lru_cache
def question_at_home(exercise_id: str) -> dict[str, Any]:
    """What is shown of a decision that was drawn for this learner."""
    try:
        exercise = load_exercise(exercise_id)
    except CourseError as error:
        raise CallError(str(error)) from None
    if not isinstance(exercise, Decision):
        raise CallError(f"{exercise_id} is no decision: nothing is drawn for it.")
    return dict(exercise.question(own_seed()).shown)


def own_seed() -> int:
    """The seed of this learner's own decisions; 0 outside of a folder of their own."""
    return record.seed()
