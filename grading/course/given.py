"""What a unit is given of earlier units: checked, and as files for the sandbox."""

from functools import lru_cache
from pathlib import Path

from grading.course.errors import CourseError
from grading.course.following import Place, standing_alone
from grading.course.sources import pieces_of, place_of
from grading.course.unit import Unit, load_unit, unit_slugs


@lru_cache
def given_files(unit: Unit) -> dict[str, bytes]:
    """The pieces of a unit as files by name: first line the name it defines, then its text.

    Raises CourseError where a piece would show the answer to an exercise of this unit or a later
    one.
    """
    files = {}
    for piece in pieces_of(unit.source).values():
        name, text, places = standing_alone(piece)
        if shown := answers_in(places, unit):
            raise CourseError(
                f"{unit.source.name}: given({piece!r}) would show the answers to "
                f"{', '.join(sorted(shown))}. Only earlier units may be given."
            )
        stem = piece.replace(":", "/").replace("/", "__")
        files[f"{stem}.given"] = f"{name}\n{text}".encode()
    return files


def answers_in(places: set[Place], unit: Unit) -> set[str]:
    """The exercises of this unit and of later ones whose answers are among these definitions."""
    slugs = unit_slugs()
    later = slugs[slugs.index(unit.slug) :]
    return {name for slug in later for name, place in _answers(slug).items() if place in places}


@lru_cache
def _answers(slug: str) -> dict[str, tuple[Path, str]]:
    return {exercise.id: place_of(exercise.id) for exercise in load_unit(slug).exercises}
