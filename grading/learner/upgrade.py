"""Bring a newer release into the learner's notebooks; nothing that the learner wrote is lost."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import nbformat

from grading.course.errors import CourseError
from grading.course.unit import Unit, load_unit, unit_slugs
from grading.learner import jupyter, record
from grading.learner.files import alone, write_new, write_whole
from grading.learner.merge import merge
from grading.learner.start import DEFAULT, base_file, keep_base, personal, release_text
from grading.notebooks import own_output
from grading.notebooks.read import read_notebook


@dataclass(frozen=True)
class Upgraded:
    """One notebook: where the old one is kept, whose answers are in the new one, what to know.

    `before` is None where the notebook was up to date.
    """

    notebook: Path
    before: Path | None
    answers: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


def upgrade(slugs: list[str], place: Path | None = None) -> Iterator[Upgraded]:
    """Upgrade the notebooks of these units (by default all that are there), one by one."""
    place = Path(place or record.folder() or DEFAULT).expanduser().resolve()
    if record.folder(place) != place:
        raise CourseError(f"{place} is no learner's folder: `course start` makes one.")
    units = [load_unit(slug) for slug in slugs or unit_slugs()]
    there = [unit for unit in units if (place / f"{unit.slug}.ipynb").exists()]
    for unit in units:
        if slugs and unit not in there:
            raise CourseError(f"{unit.slug} is not there yet: `course start {unit.slug}`.")
    for unit in there:
        with alone(place / record.HERE):
            yield _upgrade(unit, place)


def _upgrade(unit: Unit, place: Path) -> Upgraded:
    path = place / f"{unit.slug}.ipynb"
    text = release_text(unit)
    data = path.read_bytes()
    try:
        mine = read_notebook(data)
    except CourseError as error:
        raise CourseError(
            f"{path} stays as it is: {error} To begin anew, rename it and `course start`."
        ) from None
    release = own_output.release_of(mine)
    if release == own_output.release_of(json.loads(text)):
        return Upgraded(path, None)
    if jupyter.is_open(path):
        raise CourseError(
            f"{path.name} is open in Jupyter: save it, then File > Close and Shut Down Notebook, "
            "and upgrade again."
        )
    new = nbformat.reads(text, as_version=4)
    merged = merge(mine, _base(place, unit.slug, release) or new, new)
    keep_base(place, unit.slug, text)
    before = _keep_before(path, data)
    if path.read_bytes() != data:  # saved by a frontend meanwhile
        raise CourseError(f"{path.name} was saved just now: upgrade again.")
    write_whole(path, personal(merged.notebook, place).encode())
    return Upgraded(path, before, tuple(merged.answers), tuple(merged.told))


def _base(place: Path, slug: str, release: str | None) -> nbformat.NotebookNode | None:
    """The release that the learner's notebook was made of, if it is kept."""
    try:
        data = base_file(place, slug, str(release)).read_bytes()
        return nbformat.reads(data.decode(), as_version=4)
    except (OSError, ValueError, nbformat.reader.NotJSONError):
        return None


def _keep_before(path: Path, data: bytes) -> Path:
    """The old file beside the new one, byte for byte, under a name that nothing has yet."""
    stamp = f"{datetime.now():%Y-%m-%d-%H%M%S}"
    number = 1
    while True:
        extra = f"-{number}" if number > 1 else ""
        before = path.with_name(f"{path.stem}.before-{stamp}{extra}.ipynb")
        if write_new(before, data):
            return before
        number += 1
