"""nbgrader's gradebook, written by one process alone, through nbgrader's own code.

nbgrader's methods commit after every row. Here they all work inside one transaction of ours, so
that a submission is in the gradebook whole or not at all, whenever the process is killed.
"""

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import nbformat
import nbgrader.api
from alembic.script import ScriptDirectory
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.api import (
    Assignment,
    Base,
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    InvalidEntry,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.preprocessors import NbGraderPreprocessor, SaveAutoGrades, SaveCells
from sqlalchemy import MetaData, Table, inspect, literal_column, make_url, or_, select, table
from sqlalchemy.exc import ArgumentError, OperationalError, SAWarning
from sqlalchemy.orm import scoped_session, sessionmaker

from grading.classrun.collect import note_time
from grading.course.errors import CourseError
from grading.course.unit import Unit
from grading.kernel import stem
from grading.notebooks.mend import blank
from grading.notebooks.submission import Graded

VERSION = "alembic_version"  # the table that nbgrader makes last


@dataclass(frozen=True)
class ByHand:
    """Points that somebody set in the place of the judge's, or added."""

    student: str
    cell: str
    judged: float | None
    given: float | None
    extra: float | None


class GradebookWriter:
    """Writes units, submissions and judged notebooks where nbgrader looks for them.

    A context manager: the gradebook is opened once and stays open.
    """

    def __init__(self, db_url: str, autograded: Path) -> None:
        self.db_url = driver_named(db_url)
        self.autograded = autograded

    def __enter__(self) -> "GradebookWriter":
        try:
            self._book = _whole_gradebook(self.db_url)
            self._book.db.remove()
            self._connection = self._book.engine.connect()
        except (ArgumentError, OperationalError, ModuleNotFoundError) as error:
            raise CourseError(
                f"The gradebook cannot be opened ({_in_short(error)}). Look at --db."
            ) from None
        # "rollback_only": a commit inside writes to the database, and stays in our transaction.
        # Nobody else's commits are seen inside it, so that nothing need be read anew after ours.
        session = sessionmaker(
            self._connection, join_transaction_mode="rollback_only", expire_on_commit=False
        )
        self._book.db = scoped_session(session)
        return self

    def __exit__(self, *_) -> None:
        self._book.db.remove()
        self._connection.close()
        self._book.close()

    @contextmanager
    def _whole(self) -> Iterator[Gradebook]:
        """One transaction, without the warnings that nbgrader's order of insertion raises."""
        with warnings.catch_warnings(), self._connection.begin():
            warnings.filterwarnings("ignore", "Object of type .* not in session", SAWarning)
            try:
                yield self._book
            except (OperationalError, InvalidEntry) as error:  # locked, full, gone
                raise CourseError(
                    f"The gradebook cannot be written ({_in_short(error)}). What was graded is "
                    f"kept: run the same command again when it can."
                ) from None
            finally:
                # What others write meanwhile, in formgrader, is read anew the next time.
                self._book.db.remove()

    def register(self, units: Iterable[Unit]) -> None:
        """Make the units known to the gradebook: their cells and points, as released."""
        for unit in units:
            check_points(unit)
            try:
                with self._whole() as book:
                    book.update_or_create_assignment(unit.slug)
                    _Cells(book).preprocess(blank(unit), _resources(unit.slug))
            except RuntimeError as error:
                raise CourseError(
                    f"The gradebook holds submissions of another version of {unit.slug} ({error}). "
                    f"Use another --db, or remove the old one if its grades are not needed."
                ) from None

    def scores(self, slug: str) -> dict[str, dict[str, float | None]]:
        """The automatic scores the gradebook holds for a unit, by student and check cell."""
        found: dict[str, dict[str, float | None]] = {}
        columns = SubmittedAssignment.student_id, GradeCell.name, Grade.auto_score
        with self._whole() as book:
            for student, cell, score in self._grades(book, slug, *columns):
                found.setdefault(student, {})[cell] = score
        return found

    def by_hand(self, slug: str) -> list[ByHand]:
        """The points of a unit that somebody has set or added, by student and exercise."""
        with self._whole() as book:
            columns = SubmittedAssignment.student_id, GradeCell.name
            scores = Grade.auto_score, Grade.manual_score, Grade.extra_credit
            set_or_added = or_(Grade.manual_score.is_not(None), Grade.extra_credit > 0)
            rows = self._grades(book, slug, *columns, *scores).filter(set_or_added)
            return [ByHand(*row) for row in rows.order_by(*columns)]

    def students(self, slug: str) -> set[str]:
        """Who has a submission of a unit in the gradebook."""
        with self._whole() as book:
            return {
                student for [student] in self._grades(book, slug, SubmittedAssignment.student_id)
            }

    @staticmethod
    def _grades(book: Gradebook, slug: str, *columns):
        """A query of these columns, a row for each check cell of each submission of a unit."""
        return (
            book.db.query(*columns)
            .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
            .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
            .join(GradeCell, GradeCell.id == Grade.cell_id)
            .filter(Assignment.name == slug)
        )

    def holds(self, graded: Graded, scores: Mapping[str, Mapping[str, float | None]]) -> bool:
        """Whether the judged notebook and these scores of its unit are already as graded."""
        wanted = {stem(v.exercise): v.score for v in graded.verdicts}
        path = self._path(graded)
        here = path.is_file() and path.read_bytes() == graded.notebook
        return here and scores.get(graded.student) == wanted

    def write(
        self, graded: Graded, submitted_at: datetime | None = None, review: bool = False
    ) -> None:
        """Save one submission's notebook, time and grades; manual grades stay as they are.

        `review` marks its grades for a person to look at, since the grading itself failed.
        """
        path = self._path(graded)
        path.parent.mkdir(parents=True, exist_ok=True)
        if submitted_at:
            note_time(path.parent, submitted_at)
        part = path.with_name(f".{path.stem}.part")
        part.write_bytes(graded.notebook)
        os.replace(part, path)
        notebook = nbformat.reads(graded.notebook.decode(), as_version=4)
        with self._whole() as book:
            book.update_or_create_student(graded.student)
            times = {"timestamp": submitted_at} if submitted_at else {}
            book.update_or_create_submission(graded.unit, graded.student, **times)
            _Scores(book, review).preprocess(notebook, _resources(graded.unit, graded.student))
            book.db.commit()

    def _path(self, graded: Graded) -> Path:
        return self.autograded / graded.student / graded.unit / f"{graded.unit}.ipynb"


def driver_named(db_url: str) -> str:
    """The URL with psycopg as PostgreSQL's driver where it names none."""
    try:
        url = make_url(db_url)
    except ArgumentError:
        raise CourseError(
            f"--db {db_url!r} is no address of a database: write sqlite:///gradebook.db "
            f"or postgresql://USER@HOST/NAME."
        ) from None
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise CourseError(f"--db: {url.drivername} is not supported, sqlite and postgresql are.")
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    return url.render_as_string(hide_password=False)


def _in_short(error: Exception) -> str:
    """What the database says, without SQLAlchemy's words around it."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


@cache
def _newest_version() -> str:
    """The version of a gradebook made now, as `alembic heads` says; nbgrader starts that program
    for it, which takes two seconds."""
    folder = Path(nbgrader.api.__file__).parent / "alembic"
    return ScriptDirectory(folder).get_current_head()


nbgrader.api.get_alembic_version = _newest_version


def _whole_gradebook(db_url: str) -> Gradebook:
    """The gradebook; one that a killed run left half made, and empty, is made anew."""
    book = Gradebook(db_url)
    if book.assignments or _has_version(book):
        return book
    book.close()
    Base.metadata.drop_all(book.engine)
    Table(VERSION, MetaData()).drop(book.engine, checkfirst=True)
    book.engine.dispose()
    return Gradebook(db_url)


def _has_version(book: Gradebook) -> bool:
    """Whether nbgrader came to the end of making it: the version that upgrades go by is last."""
    if not inspect(book.engine).has_table(VERSION):
        return False
    return (
        book.db.execute(select(literal_column("1")).select_from(table(VERSION))).first() is not None
    )


def check_points(unit: Unit) -> None:
    """The points that nbgrader reads from the released notebook are those of the exercises."""
    cells = {c.metadata.nbgrader.grade_id: c for c in blank(unit).cells if utils.is_grade(c)}
    released = {name: float(cell.metadata.nbgrader.points) for name, cell in cells.items()}
    if released != {e.grade_id: e.points for e in unit.exercises}:
        raise CourseError(
            f"{unit.release.name} has other exercises or points than grading.units.{unit.name}: "
            f"write it anew with `course release {unit.slug}`."
        )


def _resources(slug: str, student: str = ".") -> dict:
    names = {"notebook": slug, "assignment": slug, "student": student, "db_url": ""}
    return {"nbgrader": names, "unique_key": slug}


class _Cells(SaveCells):
    """nbgrader's SaveCells, in a gradebook that is open already."""

    def __init__(self, book: Gradebook) -> None:
        super().__init__()
        self.gradebook = book

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """As nbgrader's, without opening and closing the gradebook."""
        self.notebook_id = self.assignment_id = resources["nbgrader"]["assignment"]
        self.new_grade_cells, self.new_solution_cells = {}, {}
        self.new_task_cells, self.new_source_cells = {}, {}
        nb, resources = NbGraderPreprocessor.preprocess(self, nb, resources)
        self._create_notebook(nb)
        return nb, resources


class _Fetched:
    """One submission's grades and comments, read and written at once; nbgrader asks for each one,
    and commits behind it."""

    def __init__(self, book: Gradebook, slug: str, student: str) -> None:
        self.db = self
        submission = book.find_submission(slug, student)
        [notebook] = submission.notebooks
        self._grades = {grade.name: grade for grade in notebook.grades}
        self._comments = {comment.name: comment for comment in notebook.comments}

    def find_grade(self, cell: str, *_: str) -> Grade:
        """The grade of a cell of this submission."""
        return self._grades[cell]

    def find_comment(self, cell: str, *_: str) -> Comment:
        """The comment on a cell of this submission."""
        return self._comments[cell]

    def commit(self) -> None:
        """Nothing yet: all of it together at the end."""


class _Scores(SaveAutoGrades):
    """nbgrader's SaveAutoGrades, in a gradebook that is open already."""

    def __init__(self, book: Gradebook, review: bool) -> None:
        super().__init__()
        self.gradebook = book
        self.review = review

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """As nbgrader's, without opening and closing the gradebook."""
        self.notebook_id = self.assignment_id = resources["nbgrader"]["assignment"]
        self.student_id = resources["nbgrader"]["student"]
        self.gradebook = _Fetched(self.gradebook, self.assignment_id, self.student_id)
        return NbGraderPreprocessor.preprocess(self, nb, resources)

    def _add_score(self, cell: NotebookNode, resources: dict) -> None:
        """A score that stays as it was does not ask for a second look at the manual one."""
        names = cell.metadata.nbgrader.grade_id, self.notebook_id, self.assignment_id
        grade = self.gradebook.find_grade(*names, self.student_id)
        score, _ = utils.determine_grade(cell, self.log)
        if grade.manual_score is None or grade.auto_score != score:
            super()._add_score(cell, resources)
        if self.review:
            grade.needs_manual_grade = True
            self.gradebook.db.commit()
