"""The judge inside stock nbgrader: `nbgrader autograde` and formgrader use these classes.

`nbgrader_config.py` calls `configure`. A submission is mended when nbgrader reads it, and the
verdicts are written between nbgrader's Execute and SaveAutoGrades.
"""

import sys
import warnings
from functools import lru_cache
from pathlib import Path

import nbformat
from nbconvert.exporters import NotebookExporter
from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbformat import NotebookNode
from nbgrader import preprocessors as stock
from nbgrader.preprocessors import NbGraderPreprocessor
from sqlalchemy.exc import SAWarning
from traitlets import Bool, Float, Int
from traitlets.config import Config

from grading.classrun import startup
from grading.course.places import ROOT
from grading.course.unit import Unit, load_unit, unit_slugs
from grading.judging.verdict import REFUSED, book_address
from grading.nbgrader_plug import collect
from grading.nbgrader_plug.feedback import TEMPLATES, FeedbackPage
from grading.notebooks import submission
from grading.notebooks.marking import refuse, run_and_judge
from grading.notebooks.mend import blank, mend
from grading.notebooks.read import Unreadable, read_notebook
from grading.notebooks.release import directories, write_source
from grading.sandbox import Limits, kernelspec


def configure(config: Config) -> None:
    """Plug the course into nbgrader's configuration, and bring the source notebooks up to date."""
    startup.find_own_programs()
    collect.plug_in()
    kernelspec.install()  # judged notebooks name it
    # nbgrader's own order of insertion raises it, for nearly every new student.
    warnings.filterwarnings("ignore", "Object of type .* not in session", SAWarning)
    config.merge(directories(ROOT))
    # The judge replaces nbgrader's repairs: it rebuilds what a learner must not change.
    config.Autograde.exporter_class = "grading.nbgrader_plug.plug.MendingExporter"
    config.Autograde.sanitize_preprocessors = [stock.ClearOutput, stock.OverwriteKernelspec]
    config.Autograde.autograde_preprocessors = [
        ExecuteAndJudge,
        stock.IgnorePattern,
        ClearMetadataPreprocessor,
        stock.LimitOutput,
        stock.SaveAutoGrades,
        stock.AssignLatePenalties,
        stock.CheckCellMetadata,
    ]
    config.GenerateFeedback.force = True  # a page is nothing but what the gradebook says by now
    config.GenerateFeedback.preprocessors = [FeedbackPage]
    config.GenerateFeedback.HTMLExporter.template_name = "course_feedback"
    config.GenerateFeedback.HTMLExporter.extra_template_basedirs = [str(TEMPLATES)]
    # nbgrader reads its configuration several times: a command that names units needs theirs alone.
    words = {word.rpartition("=")[2] for word in sys.argv}
    named = [slug for slug in unit_slugs() if slug in words]
    for slug in named or unit_slugs():
        _bring_up_to_date(slug)


@lru_cache
def _bring_up_to_date(slug: str) -> None:
    write_source(load_unit(slug))


class MendingExporter(NotebookExporter):
    """Reads any submission: one that is no notebook becomes the blank one, with the reason in it.

    nbgrader reads twice: first what was handed in, then what its first pass wrote.
    """

    def from_filename(self, filename: str, resources: dict | None = None, **kwargs):
        """As nbconvert's, but what was handed in comes from `collect`, mended."""
        if self.parent._sanitizing:
            notebook = self._mended(load_unit(resources["nbgrader"]["assignment"]))
        else:
            notebook = nbformat.read(filename, as_version=4)
        resources.setdefault("metadata", {})["path"] = str(Path(filename).parent)
        return self.from_notebook_node(notebook, resources=resources, **kwargs)

    def _mended(self, unit: Unit) -> NotebookNode:
        found = self.parent.found
        try:
            data = read_notebook(found.content(), found.reason)
            notebook, remarks = mend(data, unit), found.remarks
        except Unreadable as error:
            notebook, remarks = blank(unit), [*found.remarks, str(error)]
            notebook.metadata[REFUSED] = str(error)
        submission.note(notebook, remarks)
        return notebook


class ExecuteAndJudge(NbGraderPreprocessor):
    """In the place of nbgrader's Execute: runs in the sandbox, is judged outside of it."""

    trusted = Bool(False, help="run with your own rights where there is no sandbox").tag(
        config=True
    )
    cap_seconds = Float(Limits.cap_seconds, help="CPU seconds that any cell may use").tag(
        config=True
    )

    memory_mb = Int(Limits.memory_mb, help="memory that a submission may use").tag(config=True)

    seed = Int(submission.SEED, help="of the inputs drawn").tag(config=True)

    inherited_points = Bool(
        True, help="points for a piece that only inherits an earlier mistake"
    ).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict):
        """Run and judge one notebook; each check cell ends with its verdict as only output."""
        unit = load_unit(resources["nbgrader"]["assignment"])
        book = book_address(Path(resources["metadata"]["path"]))
        if reason := nb.metadata.get(REFUSED):
            refuse(nb, unit, str(reason), book)
            return nb, resources
        limits = Limits(cap_seconds=self.cap_seconds, memory_mb=self.memory_mb)
        carry = self.inherited_points
        _, ran = run_and_judge(nb, unit, self.seed, book, limits, self.trusted, carry)
        submission.note(nb, ran.problems)
        self.log.info("Sandbox: %s", ran.sandbox)
        for problem in [*ran.problems, *ran.to_look_at]:
            self.log.warning("%s: %s", resources["nbgrader"]["student"], problem)
        return nb, resources
