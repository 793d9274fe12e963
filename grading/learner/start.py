"""The learner's folder: made once, with a copy of each unit's notebook, and opened."""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from grading.course.errors import CourseError
from grading.course.places import ROOT
from grading.course.unit import Unit, load_unit
from grading.learner import carry, links, record
from grading.learner.files import Unwritten, alone, why, write_new, write_whole
from grading.learner.merge import merge
from grading.notebooks import own_output
from grading.notebooks.book_links import served
from grading.notebooks.read import Unreadable

DEFAULT = ROOT / "notebooks"


@dataclass
class Started:
    """The notebook to open, whether it was made now, and what the learner should know."""

    notebook: Path
    new: bool
    told: list[str] = field(default_factory=list)


def start(slug: str | None = None, place: Path | None = None) -> Started:
    """Make the learner's folder and the unit's notebook in it unless they are there.

    Without a unit it is the first one with points left. A notebook that is there is not touched.
    Raises CourseError where the folder cannot be written.
    """
    named = load_unit(slug) if slug else None  # an unknown one leaves no folder behind
    place = make_folder(place)
    unit = named or load_unit(next_unit(place))
    notebook = place / f"{unit.slug}.ipynb"
    with alone(place / record.HERE):
        if notebook.exists():
            return Started(notebook, False, _remarks(unit, notebook))
        text, told = _first_text(unit, place)
        new = write_new(notebook, text.encode())
    return Started(notebook, new, told)


def make_folder(place: Path | None) -> Path:
    """The learner's folder: `place`, else the one we are in, else the course's default."""
    place = Path(place or record.folder() or DEFAULT).expanduser().resolve()
    if place == ROOT or place.is_relative_to(ROOT / "exercises"):
        raise CourseError(f"{place} is the course's own: name another folder with --folder.")
    try:
        place.mkdir(parents=True, exist_ok=True)
        record.make(place, secrets.randbelow(2**31 - 1) + 1)
    except (OSError, Unwritten) as error:
        text = why(error) if isinstance(error, OSError) else str(error).rstrip(".")
        raise CourseError(f"{place} cannot be your folder: {text}. See --folder.") from None
    return place


def next_unit(place: Path) -> str:
    """The first unit with points left, or the last one."""
    units = record.summary(cwd=place).units
    if not units:
        raise CourseError("this course has no units: its folder solutions/ is empty.")
    return next((unit.slug for unit in units if unit.next), units[-1].slug)


# --- a unit's notebook for this learner ----------------------------------------------------------


def release_text(unit: Unit) -> str:
    """The released notebook: as it lies in `exercises/` or, where somebody worked there, anew."""
    if unit.release.exists() and own_output.is_unchanged(unit.release):
        return unit.release.read_text(encoding="utf-8")
    from grading.notebooks.release import released_text  # nbgrader takes seconds to import

    return released_text(unit)


def base_file(place: Path, slug: str, release: str) -> Path:
    """Where a release lies as the learner got it, to tell later what the learner has changed."""
    return place / record.HERE / "released" / f"{slug}.{release}.ipynb"


def keep_base(place: Path, slug: str, text: str) -> None:
    """Keep a release for later, before any notebook is made of it."""
    path = base_file(place, slug, own_output.release_of(json.loads(text)) or "unknown")
    path.parent.mkdir(exist_ok=True)
    write_whole(path, text.encode())


def personal(notebook: NotebookNode, place: Path) -> str:
    """The text of a notebook with this learner's seed, and with links to the built book."""
    address = links.lasting()
    for cell in notebook.cells:
        if address and cell.cell_type == "markdown":
            cell.source = served(cell.source, address)
    notebook.metadata.setdefault("course", {})["learner"] = record.seed(place)
    return nbformat.writes(notebook) + "\n"


def _first_text(unit: Unit, place: Path) -> tuple[str, list[str]]:
    """The text of a unit's new notebook, with answers from `exercises/` where there are some."""
    text = release_text(unit)
    keep_base(place, unit.slug, text)
    new = nbformat.reads(text, as_version=4)
    told = [
        f"{_shown(path)} stays where it is: copy it here if you want to go on with it."
        for path in carry.other_notebooks(unit)
    ]
    try:
        mine = carry.earlier_answers(unit)
    except Unreadable as error:
        return personal(new, place), [*told, f"{_shown(unit.release)} cannot be read: {error}"]
    if mine is None:
        return personal(new, place), told
    merged = merge(mine, carry.committed(unit) or new, new)
    count = len(merged.answers)
    first = f"{count} answer{'s' * (count != 1)} from {_shown(unit.release)} came along."
    return personal(merged.notebook, place), [first, *merged.told, *told]


def _remarks(unit: Unit, notebook: Path) -> list[str]:
    """What to say of a notebook that is there already."""
    told = []
    if not own_output.is_unchanged(unit.release):
        told.append(f"{_shown(unit.release)} has answers, too; it stays as it is.")
    elif _release(notebook) != _release(unit.release):
        told.append(f"A newer {unit.slug} is there: `course upgrade` brings your answers into it.")
    return told


def _release(path: Path) -> str | None:
    try:
        return own_output.release_of(json.loads(path.read_bytes()))
    except (OSError, ValueError, AttributeError):
        return None


def _shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
