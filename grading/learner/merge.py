"""A newer release of a notebook with a learner's work in it.

The newer release gives the cells and their order. The learner's answers go into them by exercise,
and whatever else the learner wrote stays where it stood.
"""

import copy
import re
from collections import defaultdict
from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode

from grading.notebooks.book_links import released
from grading.notebooks.mend import key
from grading.notebooks.read import source_text

TOP = ""  # in the place of a cell's key: above all cells
ID = re.compile(r"[^a-zA-Z0-9-_]")


@dataclass
class Merged:
    """The notebook, the exercises whose answers are in it, and what the learner should know."""

    notebook: NotebookNode
    answers: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


def merge(mine: NotebookNode, base: NotebookNode, new: NotebookNode) -> Merged:
    """Bring what the learner has changed, from `base` to `mine`, into `new`."""
    merging = _Merging(base, new)
    for cell in mine.cells:
        merging.take(cell)
    return merging.finish(mine)


class _Merging:
    def __init__(self, base: NotebookNode, new: NotebookNode) -> None:
        self.base = {key(cell): cell.source for cell in base.cells}
        self.new = copy.deepcopy(new)
        self.cells = {key(cell): cell for cell in self.new.cells}
        self.ours = {cell.source for cell in [*base.cells, *new.cells]}
        self.own: dict[str, list[NotebookNode]] = defaultdict(list)  # by the cell that they follow
        self.used: set[str] = set()
        self.place = TOP
        self.done = Merged(self.new)

    def take(self, cell: NotebookNode) -> None:
        """One cell of the learner's notebook."""
        name, source = key(cell), released(source_text(cell))
        if name in self.cells and name not in self.used:
            self.used.add(name)
            self.place = name
            self._into(self.cells[name], cell, source)
        elif source.strip() and source not in self.ours:
            self.own[self.place].append(self._own(cell, source))
            if exercise := _exercise(cell):
                self.done.told.append(
                    f"{exercise} is no exercise of this unit any more: your answer stands in the "
                    "notebook as a cell of your own."
                )

    def _into(self, cell: NotebookNode, theirs: NotebookNode, source: str) -> None:
        if source == cell.source:
            for name in ("outputs", "execution_count"):
                if name in theirs and cell.cell_type == theirs.cell_type == "code":
                    cell[name] = theirs[name]
        elif source == self.base.get(key(cell)) or not source.strip():
            pass  # nothing of the learner's in it
        elif cell.cell_type == "code" and _exercise(cell):
            self._answer(cell, source)
        else:
            self.own[key(cell)].append(self._own(theirs, source))
            first = cell.source.strip().partition("\n")[0]
            self.done.told.append(f"Your version of the cell {first!r} stands behind the new one.")

    def _answer(self, cell: NotebookNode, source: str) -> None:
        exercise = _exercise(cell)
        stub, before = cell.source, self.base.get(key(cell))
        cell.source = source
        self.done.answers.append(exercise)
        if before is not None and before != stub:
            text = "The exercise above has a new text. Your answer is kept; compare the two:"
            fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", stub))])
            note = nbformat.v4.new_markdown_cell(f"{text}\n\n{fence}python\n{stub}\n{fence}")
            note.id = self._free("new-text")
            self.own[key(cell)].append(note)
            self.done.told.append(f"The text of {exercise} has changed: see behind your answer.")

    def _own(self, cell: NotebookNode, source: str) -> NotebookNode:
        """A cell of the learner's own: all of it, but for what would make it a released one."""
        kept = copy.deepcopy(cell)
        kept.source = source
        kept.metadata.pop("nbgrader", None)
        kept.id = self._free(str(cell.get("id", "own")))
        return kept

    def _free(self, name: str) -> str:
        """A cell id that no other cell has."""
        taken = {c.id for c in self.new.cells} | {c.id for own in self.own.values() for c in own}
        name = ID.sub("-", name)[:50] or "own"
        number = 1
        while (free := name if number == 1 else f"{name}-{number}") in taken:
            number += 1
        return free

    def finish(self, mine: NotebookNode) -> Merged:
        cells = list(self.own[TOP])
        for cell in self.new.cells:
            cells += [cell, *self.own[key(cell)]]
        self.new.cells = cells
        theirs = {k: v for k, v in mine.metadata.items() if k != "course"}
        self.new.metadata = NotebookNode({**theirs, **self.new.metadata})
        return self.done


def _exercise(cell: NotebookNode) -> str | None:
    """The exercise that this cell holds the answer to."""
    fields = cell.metadata.get("nbgrader")
    if not isinstance(fields, dict) or not fields.get("solution"):
        return None
    return str(fields.get("grade_id", "")).removesuffix("__answer").replace("__", "/")
