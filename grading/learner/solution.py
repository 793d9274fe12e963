"""A worked solution on request; that it was shown is noted beside the learner's answer."""

from pathlib import Path

from grading.course.sources import solution_source
from grading.course.unit import load_exercise, load_unit
from grading.learner import links, record


def worked_solution(exercise_id: str, cwd: Path | None = None) -> str:
    """The course's own answer to an exercise, and where the chapter explains it."""
    exercise = load_exercise(exercise_id)
    unit = load_unit(exercise.unit)
    if exercise.is_decision:  # what is right for this learner is another's mistake
        right = exercise.question(record.seed(cwd)).right
        source = f"def {exercise.callable}():\n    return {right!r}"
    else:
        source = solution_source(unit.source, exercise.callable).rstrip()
    record.note_shown(exercise_id, cwd)
    where = links.words(f"{unit.slug}.html#{exercise.link}")
    return f"{source}\n\n# Why it is so: {where}"
