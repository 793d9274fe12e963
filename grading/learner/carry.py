"""Answers that were written into `exercises/`, before there was a folder for them.

They are found and brought along; the file itself stays where it is.
"""

import re
import subprocess
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from grading.course.unit import Unit
from grading.notebooks import own_output
from grading.notebooks.mend import key
from grading.notebooks.read import Unreadable, read_notebook, source_text

CONFLICT = re.compile(
    rb"^<<<<<<< .*?\n(.*?)(?:^\|\|\|\|\|\|\| .*?\n.*?)?^=======\r?\n(.*?)^>>>>>>> .*?\n",
    re.DOTALL | re.MULTILINE,
)


def earlier_answers(unit: Unit) -> NotebookNode | None:
    """The unit's notebook of `exercises/` if somebody has worked in it.

    Raises Unreadable where somebody has and it cannot be read.
    """
    if own_output.is_unchanged(unit.release):
        return None
    data = unit.release.read_bytes()
    if not CONFLICT.search(data):
        return read_notebook(data)
    sides = [side for number in (2, 1) if (side := _side(data, number))]
    if not sides:
        raise Unreadable("git has left both versions of it in one file.")
    return max(sides, key=lambda side: _written(side))


def _side(data: bytes, number: int) -> NotebookNode | None:
    """One of the two versions that git left in a file."""
    try:
        return read_notebook(CONFLICT.sub(lambda m: m[number], data))
    except Unreadable:
        return None


def _written(notebook: NotebookNode) -> int:
    """How many answers are no stub any more."""
    return sum(
        key(cell).endswith("--answer") and "raise NotImplementedError()" not in source_text(cell)
        for cell in notebook.cells
    )


def committed(unit: Unit) -> NotebookNode | None:
    """The notebook as git has it, which is what those answers were written into."""
    folder, name = unit.release.parent, unit.release.name
    try:
        shown = subprocess.run(["git", "show", f"HEAD:./{name}"], cwd=folder, capture_output=True)
    except OSError:  # no git here
        return None
    if shown.returncode:
        return None
    try:
        return nbformat.reads(shown.stdout.decode(), as_version=4)
    except (ValueError, nbformat.reader.NotJSONError):
        return None


def other_notebooks(unit: Unit) -> list[Path]:
    """Further notebooks in the unit's folder of `exercises/`: copies that somebody made."""
    found = sorted(unit.release.parent.glob("*.ipynb"))
    return [path for path in found if path != unit.release]
