"""The released notebook with the learner's code in it, whatever was done to the rest."""

from functools import lru_cache

import nbformat
from nbformat import NotebookNode

from grading.course.errors import CourseError
from grading.course.unit import Unit
from grading.notebooks.book_links import released as with_released_links
from grading.notebooks.harmless import harmless
from grading.notebooks.read import source_text


@lru_cache
def _released(unit: Unit) -> str:
    if not unit.release.exists():
        raise CourseError(f"{unit.release} is missing: write it with `course release`.")
    return unit.release.read_text(encoding="utf-8")


def blank(unit: Unit) -> NotebookNode:
    """The unit's notebook as it was released."""
    return nbformat.reads(_released(unit), as_version=4)


def mend(notebook: NotebookNode, unit: Unit) -> NotebookNode:
    """The released notebook with the learner's code in it, whatever was done to the rest.

    Answers and extra cells are the learner's; check cells, metadata, tags and ids come from the
    release; deleted cells are put back; outputs are dropped. Text of the learner's comes back so
    that it can run nothing in the browser of whoever grades.
    """
    mended = blank(unit)
    mended.metadata["course"] = {**mended.metadata.get("course", {}), "learner": seed_in(notebook)}
    released = {key(cell): cell for cell in mended.cells}
    cells: list[NotebookNode] = []
    used: set[str] = set()
    for cell in notebook.cells:
        name = key(cell)
        if name not in released or name in used:
            if not _is_check(released.get(name)):  # a copy of a check cell adds nothing
                cells.append(_extra(cell.cell_type, source_text(cell)))
            continue
        used.add(name)
        # The learner's copy may lead to a server on the learner's own machine.
        cells += _restored(released[name], with_released_links(source_text(cell)))
    _put_back(cells, mended.cells, used)
    mended.cells = cells
    for index, cell in enumerate(cells):
        cell.id = cell.get("id") or f"extra-{index}"
    return mended


def seed_in(notebook: NotebookNode) -> int:
    """The seed of a learner's own decisions, which `course start` writes into their notebooks."""
    metadata = notebook.get("metadata")
    fields = metadata.get("course") if isinstance(metadata, dict) else None
    seed = fields.get("learner", 0) if isinstance(fields, dict) else 0
    return seed if type(seed) is int and 0 <= seed < 2**31 else 0


def key(cell: NotebookNode) -> str:
    """What a cell is known by: nbgrader's id, else the cell's own id."""
    fields = cell.metadata.get("nbgrader")
    grade_id = fields.get("grade_id") if isinstance(fields, dict) else None
    return str(grade_id or cell.get("id", "")).replace("_", "-")


def _is_check(cell: NotebookNode | None) -> bool:
    return cell is not None and bool(cell.metadata.get("nbgrader", {}).get("grade"))


def _extra(kind: str, source: str) -> NotebookNode:
    """A cell of the learner's own; a raw cell is shown as the text it is."""
    if kind == "code":
        cell = nbformat.v4.new_code_cell(source)
    else:
        cell = nbformat.v4.new_markdown_cell(harmless(source, verbatim=kind != "markdown"))
    del cell["id"]
    return cell


def _restored(cell: NotebookNode, source: str) -> list[NotebookNode]:
    """A cell of the release with the learner's text, where that is the learner's to change."""
    tags = cell.metadata.get("tags", [])
    if source == cell.source or _is_check(cell) or "demo" in tags:
        return [cell]
    if "setup" in tags:  # everything needs it; what the learner made of it runs behind it
        return [cell, _extra("code", source)]
    cell.source = source if cell.cell_type == "code" else harmless(source, ours=cell.source)
    return [cell]


def _put_back(cells: list[NotebookNode], released: list[NotebookNode], used: set[str]) -> None:
    """Insert what is missing right behind its released predecessor."""
    place = 0
    for cell in released:
        if key(cell) in used:
            place = next(i for i, c in enumerate(cells) if c is cell) + 1
        else:
            cells.insert(place, cell)
            place += 1
