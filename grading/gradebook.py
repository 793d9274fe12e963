"""nbgrader's gradebook, written by one process alone, through nbgrader's own code."""

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook
from nbgrader.preprocessors import SaveAutoGrades, SaveCells
from sqlalchemy.exc import SAWarning

from grading.exercise import CourseError, Unit
from grading.submission import Graded, blank


class GradebookWriter:
    """Writes units, submissions and judged notebooks where nbgrader looks for them."""

    def __init__(self, db_url: str, autograded: Path) -> None:
        self.db_url = db_url
        self.autograded = autograded

    def register(self, units: Iterable[Unit]) -> None:
        """Make the units known to the gradebook: their cells and points, as released."""
        for unit in units:
            with self._open() as book:
                book.update_or_create_assignment(unit.slug)
            try:
                SaveCells().preprocess(blank(unit), self._resources(unit.slug, "."))
            except RuntimeError as error:
                raise CourseError(
                    f"The gradebook holds submissions of another version of {unit.slug} ({error}). "
                    f"Use another --db, or remove the old one if its grades are not needed."
                ) from None

    def write(self, graded: Graded, submitted_at: datetime | None = None) -> None:
        """Save one submission's notebook, time and grades; manual grades stay as they are."""
        folder = self.autograded / graded.student / graded.unit
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{graded.unit}.part"
        part.write_bytes(graded.notebook)
        os.replace(part, folder / f"{graded.unit}.ipynb")
        with self._open() as book:
            book.update_or_create_student(graded.student)
            times = {"timestamp": submitted_at} if submitted_at else {}
            book.update_or_create_submission(graded.unit, graded.student, **times)
        notebook = nbformat.reads(graded.notebook.decode(), as_version=4)
        SaveAutoGrades().preprocess(notebook, self._resources(graded.unit, graded.student))

    @contextmanager
    def _open(self) -> Iterator[Gradebook]:
        """The gradebook, without the warnings that nbgrader's own order of insertion raises."""
        with warnings.catch_warnings(), Gradebook(self.db_url) as book:
            warnings.filterwarnings("ignore", "Object of type .* not in session", SAWarning)
            yield book

    def _resources(self, slug: str, student: str) -> dict:
        names = {"notebook": slug, "assignment": slug, "student": student, "db_url": self.db_url}
        return {"nbgrader": names, "unique_key": slug}
