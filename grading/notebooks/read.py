"""From bytes to a notebook, and which unit it belongs to."""

import json
from pathlib import PurePath

import nbformat
from nbformat import NotebookNode

from grading.course.errors import CourseError
from grading.course.unit import load_unit, unit_slugs


class Unreadable(CourseError):
    """A submission that is no notebook; the message says what it is instead."""


def read_notebook(data: bytes | None, reason: str = "") -> NotebookNode:
    """The notebook in these bytes, as nbformat 4; Unreadable says why it is none."""
    if data is None:
        raise Unreadable(reason or "No notebook was handed in under the unit's name.")
    if not data.strip():
        raise Unreadable("The file is empty: save the notebook and hand it in again.")
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"The file is not a notebook: it is not JSON ({error}).") from None
    if not isinstance(tree, dict) or not isinstance(tree.get("nbformat"), int):
        raise Unreadable("The file is JSON, but not a notebook: it has no `nbformat`.")
    if tree["nbformat"] > 4:
        raise Unreadable(f"The notebook has format {tree['nbformat']}: save it as format 4.")
    try:
        notebook = nbformat.convert(nbformat.from_dict(tree), 4)
        for cell in notebook.cells:
            cell.source, cell.cell_type = source_text(cell), str(cell.cell_type)
            if not isinstance(cell.get("metadata"), dict):
                cell.metadata = NotebookNode()
    except Exception as error:  # nbformat raises whatever a mangled tree makes it trip over
        raise Unreadable(f"The notebook is damaged: {type(error).__name__}: {error}.") from None
    return notebook


def unit_of(name: str, data: bytes) -> str:
    """The unit a notebook belongs to: by its own metadata, its file name, or the checks in it."""
    if (slug := _named_inside(data)) in unit_slugs():
        return slug
    for slug in unit_slugs():
        if _letters(slug) == _letters(PurePath(name).stem):
            return slug
    text = data.decode("utf-8", errors="replace")
    for slug in unit_slugs():
        if any(exercise.id in text for exercise in load_unit(slug).exercises):
            return slug
    for slug in unit_slugs():  # "Attention final.ipynb", and nothing inside that says more
        if _letters(slug) in _letters(PurePath(name).stem):
            return slug
    known = ", ".join(unit_slugs())
    raise Unreadable(f"{name} is no notebook of this course. Units: {known}.")


def _named_inside(data: bytes) -> str | None:
    try:
        fields = json.loads(data)["metadata"]["course"]
        return str(fields["unit"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _letters(name: str) -> str:
    """ "05_attention (1)" and "Attention" are both "attention"."""
    return "".join(c for c in name.casefold() if c.isalpha())


def source_text(cell: NotebookNode) -> str:
    """A cell's text with Unix line ends and without half characters (lone surrogates)."""
    text = "".join(cell.source) if isinstance(cell.source, list) else str(cell.source)
    return text.replace("\r\n", "\n").encode(errors="replace").decode()
