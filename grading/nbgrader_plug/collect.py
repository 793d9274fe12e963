"""Collecting inside stock nbgrader: `nbgrader autograde` and formgrader grade what `collect` finds.

nbgrader would copy whatever lies beside a notebook, follow links, skip notebooks under another
name, and believe the learner's `timestamp.txt`. `plug_in` puts other parts in the place of these.
"""

import logging
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NoReturn

from nbgrader.apps import api, autogradeapp
from nbgrader.converters import Autograde, BaseConverter, NbGraderException
from nbgrader.coursedir import CourseDirectory

from grading.classrun import collect
from grading.classrun.gradebook import GradebookWriter
from grading.course.errors import CourseError
from grading.course.unit import load_unit

SECRET = "submission_secret.txt"  # of nbgrader's exchange, which returns feedback by it
_stock_timestamp = CourseDirectory.get_existing_timestamp


def plug_in() -> None:
    """Replace nbgrader's collecting; nbgrader has no setting for these, hence by assignment."""
    CourseDirectory.get_existing_timestamp = _timestamp
    api.NbGraderAPI.get_submitted_timestamp = _submitted_timestamp
    autogradeapp.Autograde = api.Autograde = CollectingAutograde


def _submitted(coursedir: CourseDirectory) -> Path:
    return Path(coursedir.root, coursedir.submitted_directory)


def _found(coursedir: CourseDirectory, student: str, unit: str) -> collect.Found | None:
    found = collect.of_student(_submitted(coursedir) / student, [unit])
    return found[0] if found else None


def _timestamp(coursedir: CourseDirectory, path: str) -> datetime | None:
    """When something was handed in, by this machine; for other folders as nbgrader noted it."""
    try:
        student, unit = Path(path).relative_to(_submitted(coursedir)).parts
    except ValueError:
        return _stock_timestamp(coursedir, path)
    found = _found(coursedir, student, unit)
    return found and found.submitted_at


def _submitted_timestamp(app: api.NbGraderAPI, assignment_id: str, student_id: str):
    return _timestamp(app.coursedir, _submitted(app.coursedir) / student_id / assignment_id)


def _is_no_false_alarm(record: logging.LogRecord) -> bool:
    """nbgrader misses a notebook that has another name or lies in a zip: `collect` has said so, and
    where there is none, why."""
    return not record.getMessage().startswith("No submitted file: ")


class NothingBesides(BaseConverter):
    """Where nbgrader copies a submission's other files, copy none of them."""

    def init_assignment(self, assignment_id: str, student_id: str) -> None:
        """Leave the time, and what the exchange needs to return feedback, beside the notebook."""
        folder = Path(self._format_dest(assignment_id, student_id))
        folder.mkdir(parents=True, exist_ok=True)
        self.found = _found(self.coursedir, student_id, assignment_id)
        if self.found.submitted_at:
            collect.note_time(folder, self.found.submitted_at)
        try:
            source = Path(self._format_source(assignment_id, student_id))
            (folder / SECRET).write_bytes(collect.read(source / SECRET, limit=1000)[0])
        except collect.Refused:
            pass  # not from the exchange


class CollectingAutograde(Autograde, NothingBesides):
    """nbgrader's Autograde on what `collect` finds; `found` is the submission it is at."""

    def init_notebooks(self) -> None:
        """One notebook for each student, by the unit's own name, whatever was handed in."""
        self.log.addFilter(_is_no_false_alarm)
        unit, self.notebooks, self.assignments = self.coursedir.assignment_id, [], {}
        try:
            folders = collect.students(_submitted(self.coursedir))
            self._register(unit)
        except CourseError as error:
            self._give_up(str(error))
        for folder in folders:
            if not fnmatchcase(folder.name, self.coursedir.student_id):
                continue
            if found := _found(self.coursedir, folder.name, unit):
                self._add(folder.name, found)
        if not self.assignments:
            self._give_up(f"{_submitted(self.coursedir)} has no submission of {unit}.")

    def _register(self, slug: str) -> None:
        """Have the gradebook know the unit's cells and points as they are now: nobody needs to call
        `generate_assignment`, and no grade is above its maximum."""
        with GradebookWriter(self.coursedir.db_url, Path(self.coursedir.root)) as writer:
            writer.register([load_unit(slug)])

    def _give_up(self, message: str) -> NoReturn:
        self.log.error(message)  # nbgrader ends on the exception without a word
        raise NbGraderException(message)

    def _add(self, student: str, found: collect.Found) -> None:
        if found.student != student:  # a name that neither a path nor the gradebook can hold
            self.log.error(found.reason)
            return
        for remark in filter(None, [found.reason, *found.remarks]):
            self.log.warning("%s: %s", student, remark)
        place = self._format_source(found.unit, student)
        self.assignments[place] = [str(Path(place) / f"{found.unit}.ipynb")]
