"""The judge inside stock nbgrader: `nbgrader autograde` and formgrader use these classes.

`nbgrader_config.py` calls `configure`. A submission is mended when nbgrader reads it, and the
verdicts are written between nbgrader's Execute and SaveAutoGrades.
"""

import tempfile
from pathlib import Path

from nbconvert.exporters import NotebookExporter
from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbformat import NotebookNode
from nbgrader import preprocessors as stock
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets.config import Config

from grading import submission
from grading.exercise import ROOT, load_unit, unit_slugs
from grading.release import directories, write_source
from grading.verdict import book_address


def configure(config: Config) -> None:
    """Plug the course into nbgrader's configuration, and bring the source notebooks up to date."""
    config.merge(directories(ROOT))
    # The judge replaces nbgrader's repairs: it rebuilds what a learner must not change.
    config.Autograde.exporter_class = "grading.nbgrader_plug.MendingExporter"
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
    for slug in unit_slugs():
        write_source(load_unit(slug))


class MendingExporter(NotebookExporter):
    """Reads any bytes: a file that is no notebook becomes the blank one, with the reason in it."""

    def from_filename(self, filename: str, resources: dict | None = None, **kwargs):
        """As nbconvert's, but the notebook is mended and never fails to load."""
        unit = load_unit(resources["nbgrader"]["assignment"])
        try:
            notebook = submission.read_notebook(Path(filename).read_bytes())
            refused = notebook.metadata.get("course_refused")
            notebook = submission.mend(notebook, unit)
        except submission.Unreadable as error:
            notebook, refused = submission.blank(unit), str(error)
        if refused:  # carried from nbgrader's first pass into its second
            notebook.metadata["course_refused"] = refused
        resources.setdefault("metadata", {})["path"] = str(Path(filename).parent)
        return self.from_notebook_node(notebook, resources=resources, **kwargs)


class ExecuteAndJudge(NbGraderPreprocessor):
    """nbgrader's Execute with the inputs laid out before it and the judge behind it."""

    def preprocess(self, nb: NotebookNode, resources: dict):
        """Run and judge one notebook; each check cell ends with its verdict as only output."""
        unit = load_unit(resources["nbgrader"]["assignment"])
        book = book_address(Path(resources["metadata"]["path"]))
        if reason := nb.metadata.pop("course_refused", None):
            submission.refuse(nb, unit, str(reason), book)
            return nb, resources
        with tempfile.TemporaryDirectory(prefix="course-") as folder:
            submission.prepare(nb, unit, submission.SEED, Path(folder))
            for problem in submission.execute(nb, Path(folder)):
                self.log.warning("%s: %s", resources["nbgrader"]["student"], problem)
            submission.judge_notebook(nb, unit, submission.SEED, Path(folder), book)
        return nb, resources
