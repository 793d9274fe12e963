"""Units: found in their folders and texts, none is listed anywhere."""

import importlib
import os
import pkgutil
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from grading.course.errors import CourseError
from grading.course.exercise import Exercise
from grading.course.places import ROOT

TITLE = re.compile(r"^# # Exercises: (.+)$", re.MULTILINE)
MARKER = re.compile(r"^# %%.*\bexercise=\"([\w/]+)\"", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class Unit:
    """One unit: its numbered slug ("05_attention") and its exercises in the notebook's order."""

    slug: str
    title: str
    exercises: tuple[Exercise, ...] = field(default=())
    root: Path = ROOT

    @property
    def name(self) -> str:
        """The slug without its number."""
        return self.slug.split("_", 1)[1]

    @property
    def source(self) -> Path:
        """The hand-edited text source of the unit's notebook."""
        return _source(self.root, self.slug)

    @property
    def release(self) -> Path:
        """The notebook that learners receive."""
        return self.root / "exercises" / self.slug / f"{self.slug}.ipynb"

    @property
    def folder(self) -> Path:
        """Where its exercises are defined."""
        units = ROOT / "grading" / "units" if self.root == ROOT else self.root / "units"
        return units / self.name

    @cached_property
    def by_id(self) -> dict[str, Exercise]:
        """Exercises by id."""
        return {exercise.id: exercise for exercise in self.exercises}


def roots() -> list[Path]:
    """The course, and the folders that COURSE_UNITS adds: units of an author's own, laid out as
    `solutions/NN_name/NN_name.py` and `units/name/`."""
    more = os.environ.get("COURSE_UNITS", "")
    return [ROOT, *(Path(folder).resolve() for folder in more.split(os.pathsep) if folder)]


def _sources() -> dict[str, Path]:
    """The root of every unit that has a text source, by slug."""
    found = {
        path.stem: root
        for root in roots()
        for path in root.glob("solutions/[0-9]*/[0-9]*_*.py")
        if path.stem == path.parent.name
    }
    return dict(sorted(found.items()))


def unit_slugs() -> list[str]:
    """The slugs of all units that have a text source, in order."""
    return list(_sources())


def load_unit(slug: str) -> Unit:
    """The unit of a slug, a name or a number ("05_attention", "attention", "5").

    An unknown one names those there are.
    """
    more = os.environ.get("COURSE_UNITS", "")
    known = _found_before.get(more, {})
    full = _named(slug, known)
    if not full or not _source(known[full], full).exists():  # something is new, or is gone
        known = _found_before[more] = _sources()
        full = _named(slug, known)
    if not full:
        raise CourseError(f"There is no unit {slug!r}. Units: {', '.join(known) or 'none'}.")
    return _read(full, known[full])


# What `_sources` found last, by COURSE_UNITS: one verdict may ask for its unit a thousand times.
_found_before: dict[str, dict[str, Path]] = {}


def _named(slug: str, known: Iterable[str]) -> str | None:
    """The full slug that a slug, a name or a number means."""
    for full in known:
        number, name = full.split("_", 1)
        if slug in (full, name, number, number.lstrip("0")):
            return full
    return None


def _source(root: Path, slug: str) -> Path:
    return root / "solutions" / slug / f"{slug}.py"


def load_exercise(exercise_id: str) -> Exercise:
    """The exercise of an id; an unknown one names the unit's exercises."""
    slug, _, name = exercise_id.partition("/")
    unit = load_unit(slug)
    if (full := f"{unit.name}/{name}") not in unit.by_id:
        known = ", ".join(unit.by_id)
        raise CourseError(f"There is no exercise {exercise_id!r}. Exercises: {known}.")
    return unit.by_id[full]


@lru_cache
def _read(slug: str, root: Path) -> Unit:
    """Read the unit's text for title and order, and import its exercises."""
    unit = Unit(slug, "", (), root)
    text = unit.source.read_text(encoding="utf-8")
    title = TITLE.search(text)
    if not title:
        raise CourseError(f"{unit.source.name} begins with no line `# # Exercises: Title`.")
    defined, order = _exercises_of(unit), MARKER.findall(text)
    if len(set(order)) != len(order) or set(order) != set(defined):
        raise CourseError(
            f"{unit.source.name} has the exercises {', '.join(order) or 'none'}; "
            f"units/{unit.name}/ defines {', '.join(defined) or 'none'}: each needs its cell, once."
        )
    return Unit(slug, title[1].strip(), tuple(defined[name] for name in order), root)


def _exercises_of(unit: Unit) -> dict[str, Exercise]:
    """Every EXERCISE that a file of the unit's folder defines, by id."""
    import grading.units

    if str(unit.folder.parent) not in grading.units.__path__:
        grading.units.__path__.append(str(unit.folder.parent))
    found: dict[str, Exercise] = {}
    for item in sorted(pkgutil.iter_modules([str(unit.folder)]), key=lambda item: item.name):
        module = importlib.import_module(f"grading.units.{unit.name}.{item.name}")
        exercise = getattr(module, "EXERCISE", None)
        if exercise is not None:
            found[exercise.id] = exercise
    return found
