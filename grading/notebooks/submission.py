"""One submission is one pure task: notebook bytes in, verdicts and the judged notebook out."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode

from grading.course.unit import load_unit
from grading.judging.verdict import Verdict
from grading.notebooks.marking import refuse, run_and_judge
from grading.notebooks.mend import blank, mend
from grading.notebooks.read import Unreadable, read_notebook
from grading.sandbox import Limits
from grading.sandbox.session import Ran

SEED = 0  # of the inputs that a class is graded on, unless told otherwise
LIMITS = Limits()


@dataclass(frozen=True)
class Graded:
    """The result of one submission.

    `problems` are remarks for the instructor, `seconds` the time it took, `cell_seconds` the CPU
    that the learner's own cells used of it, `sandbox` what they were shut in by, `failed` whether
    the grading itself went wrong.
    """

    student: str
    unit: str
    verdicts: tuple[Verdict, ...]
    notebook: bytes
    problems: tuple[str, ...]
    seconds: float
    sandbox: str = ""
    cell_seconds: float = 0.0
    failed: bool = False

    @property
    def score(self) -> float:
        """Points of all exercises together."""
        return sum(v.score for v in self.verdicts)


def grade_submission(
    student: str,
    slug: str,
    data: bytes | None,
    seed: int = SEED,
    book: str = "",
    reason: str = "",
    remarks: tuple[str, ...] = (),
    *,
    limits: Limits = LIMITS,
    trusted: bool = False,
    carry: bool = True,
) -> Graded:
    """Run and judge one submission; `data` is None where there is none, for this `reason`.

    Raises CourseError where this machine has no sandbox and nobody said `trusted`.

    `carry` says whether a piece that only inherits an earlier mistake earns its points.
    `book` is the address of the book's chapters as the judged notebook will see it; `remarks` are
    those of collecting.
    """
    start = time.monotonic()
    unit = load_unit(slug)
    problems, ran = list(remarks), Ran()
    try:
        notebook = mend(read_notebook(data, reason), unit)
        verdicts, ran = run_and_judge(notebook, unit, seed, book, limits, trusted, carry)
        problems += ran.problems
    except Unreadable as error:
        notebook = blank(unit)
        problems.append(str(error))
        verdicts = refuse(notebook, unit, str(error), book)
    note(notebook, problems)
    text = nbformat.writes(notebook).encode()
    return Graded(
        student,
        unit.slug,
        tuple(verdicts),
        text,
        (*problems, *ran.to_look_at),
        time.monotonic() - start,
        ran.sandbox,
        ran.seconds,
    )


# --- reading and mending --------------------------------------------------------------------------


def note(notebook: NotebookNode, remarks: Iterable[str]) -> None:
    """Leave remarks on the whole submission where the learner's feedback page finds them."""
    told = list(remarks)
    if told:
        before = notebook.metadata.get("course", {}).get("remarks", [])
        notebook.metadata.setdefault("course", {})["remarks"] = [*before, *told]
