"""Units: what they are, and how one is found by its name."""

import importlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType

from grading.course.errors import CourseError
from grading.course.exercise import Exercise
from grading.course.places import ROOT


@dataclass(frozen=True, eq=False)
class Unit:
    """One unit: its numbered slug ("05_attention") and its exercises in the notebook's order."""

    slug: str
    title: str
    exercises: tuple[Exercise, ...] = field(default=())

    @property
    def name(self) -> str:
        """The slug without its number."""
        return self.slug.split("_", 1)[1]

    @property
    def source(self) -> Path:
        """The hand-edited text source of the unit's notebook."""
        return ROOT / "solutions" / self.slug / f"{self.slug}.py"

    @property
    def release(self) -> Path:
        """The notebook that learners receive."""
        return ROOT / "exercises" / self.slug / f"{self.slug}.ipynb"

    @cached_property
    def by_id(self) -> dict[str, Exercise]:
        """Exercises by id."""
        return {exercise.id: exercise for exercise in self.exercises}


def unit_slugs() -> list[str]:
    """The slugs of all units that have a text source, in order."""
    return sorted(path.parent.name for path in ROOT.glob("solutions/[0-9]*/[0-9]*_*.py"))


def _import_unit(name: str) -> ModuleType:
    return importlib.import_module(f"grading.units.{name}")


def load_unit(slug: str) -> Unit:
    """The unit of a slug ("05_attention" or "attention"); an unknown one names those there are."""
    known = {s: s.split("_", 1)[1] for s in unit_slugs()}
    for full, name in known.items():
        if slug in (full, name):
            return _import_unit(name).UNIT
    raise CourseError(f"There is no unit {slug!r}. Units: {', '.join(known) or 'none'}.")


def load_exercise(exercise_id: str) -> Exercise:
    """The exercise of an id; an unknown one names the unit's exercises."""
    unit = load_unit(exercise_id.split("/")[0])
    if exercise_id not in unit.by_id:
        known = ", ".join(unit.by_id)
        raise CourseError(f"There is no exercise {exercise_id!r}. Exercises: {known}.")
    return unit.by_id[exercise_id]
