"""How far a learner is, in words: after a check, for a unit, for the whole course."""

from collections.abc import Iterator
from pathlib import Path

from grading.course.unit import load_exercise, load_unit, unit_slugs
from grading.learner.parts import lacks
from grading.learner.record import ExerciseSummary, Summary, UnitSummary, summary

SIGNS = {"untouched": " ", "tried": "-", "partly": "~", "right": "+"}


def after_check(exercise_id: str, cwd: Path | None = None) -> list[str]:
    """The lines under a verdict: points so far, parts that are one's own, what is next."""
    return so_far_lines(load_exercise(exercise_id).unit, cwd)


def so_far_lines(slug: str, cwd: Path | None = None) -> list[str]:
    """How far a unit is; at its end what comes then."""
    whole = summary([load_unit(slug).slug], cwd)
    [unit] = whole.units
    line = so_far(unit)
    # Units without a part say nothing of parts to whoever has none yet.
    if whole.own_parts or any(part.unit == unit.slug for part, _ in whole.parts):
        line += f" · {own_parts(whole)}"
    if unit.next:
        return [f"{line} · next: {unit.next.title}"]
    done = f"{unit.title}: all is right. Well done!"
    return [f"\N{PARTY POPPER} {done}", line, *_what_follows(unit.slug)]


def so_far(unit: UnitSummary) -> str:
    """ "Attention: 5 of 14 points"."""
    return f"{unit.title}: {unit.points:g} of {unit.max_points:g} points"


def own_parts(whole: Summary) -> str:
    """ "3 of 18 parts of your model"."""
    return f"{whole.own_parts} of {len(whole.parts)} parts of your model"


def _what_follows(slug: str) -> list[str]:
    slugs = unit_slugs()
    following = slugs[slugs.index(slug) + 1 :]
    if not following:
        return ["Your whole model: `course assemble`, then `course chat --model mine`"]
    return [f"The next unit: `course start {following[0]}`"]


def table(whole: Summary) -> Iterator[str]:
    """All units, and the exercises of those that were begun."""
    for unit in whole.units:
        yield so_far(unit)
        if any(e.noted for e in unit.exercises):
            for exercise in unit.exercises:
                yield from _exercise_lines(exercise)
    points = sum(unit.points for unit in whole.units)
    most = sum(unit.max_points for unit in whole.units)
    yield f"Together: {points:g} of {most:g} points, {own_parts(whole)}."
    for unit in whole.units:
        if unit.next:
            yield f"Next: {unit.next.title} (`course start {unit.slug}`)"
            return


def state(exercise: ExerciseSummary) -> str:
    """One of SIGNS: nothing tried, tried, some points, all points."""
    if exercise.noted is None or not exercise.noted.checks:
        return "untouched"
    if exercise.done:
        return "right"
    return "partly" if exercise.points else "tried"


def _exercise_lines(exercise: ExerciseSummary) -> Iterator[str]:
    noted = exercise.noted
    line = f"  {SIGNS[state(exercise)]} {exercise.title}: "
    line += f"{exercise.points:g} of {exercise.max_points:g}"
    if noted and noted.shown:
        line += " (solution shown)"
    yield line
    if noted:
        for name, overcome in noted.misconceptions.items():
            yield f"      {'overcome' if overcome else 'met'}: {name.replace('-', ' ')}"


def parts(whole: Summary) -> Iterator[str]:
    """The parts of the model, and whose they are."""
    there = set(unit_slugs())
    tried = {
        (unit.slug, e.noted.callable): e.noted
        for unit in whole.units
        for e in unit.exercises
        if e.noted and e.noted.checks
    }
    for part, own in whole.parts:
        noted = next((n for name in part.names if (n := tried.get((part.unit, name)))), None)
        if own:
            whose = "yours"
        elif noted and noted.right and noted.source:
            name = lacks(load_exercise(noted.exercise), noted.source)
            whose = f"the course's: yours uses `{name}`, which its cell does not define"
        elif noted:
            whose = "the course's: yours is not right yet"
        elif part.unit in there:
            whose = f"the course's, until you write it: `course start {part.unit}`"
        else:
            whose = f"the course's; unit {part.unit} is not here yet"
        yield f"{'+' if own else ' '} {part.title}: {whose}"
    yield f"{own_parts(whole)} are yours."
