"""Grade the whole catalogue: by `course grade`, by stock nbgrader, and in the weaker sandbox."""

import html
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook

from grading.classrun import collect
from grading.classrun import run as classrun
from grading.course.places import ROOT
from grading.judging.verdict import HEADINGS
from grading.notebooks.marking import cell_of
from grading.notebooks.submission import Graded, grade_submission
from grading.sandbox import Limits, warm
from tests.grading.hostile import awkward, cheats, escapes, known_attacks  # noqa: F401  (entries)
from tests.grading.hostile.catalogue import ENTRIES, UNIT, Entry, hand_in

# Endless loops end soon; a leak does so before it has used up its time, on a busy machine too.
LIMITS = Limits(cap_seconds=2.0, wall_grace=1.0, memory_mb=512)
# nbgrader looks for alembic, a program of the environment, where the shell looks.
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
# What stock nbgrader grades in the tests: what is wrong with cells and files, which it reads in its
# own way, what would run on a page, leave a trace or fill a notebook, and three that only the
# sandbox stops, which is the same one. The others take that way in
# benchmarks/hostile_submissions.py alone.
ROWS = (1, 3, 6, 7, 13, *range(19, 30), 31, 32, 33, 41)
BY_STOCK = [i for i in ENTRIES if i.name.startswith(("script", *(f"{row:02}" for row in ROWS)))]
STATUS = {heading: status for status, heading in HEADINGS.items()}


@dataclass(frozen=True)
class Outcome:
    """What became of one submission: points, status and message by exercise, in order."""

    verdicts: list[tuple[float, str, str]]
    remarks: str
    notebook: str  # as JSON

    @property
    def score(self) -> float:
        return sum(score for score, _, _ in self.verdicts)

    def summary(self) -> str:
        """ "25 of 28, causal_mask timeout"."""
        full = sum(exercise.points for exercise in UNIT.exercises)
        pairs = zip(UNIT.exercises, self.verdicts, strict=True)
        lost = {
            e.grade_id.split("__")[1]: status for e, (_, status, _) in pairs if status != "pass"
        }
        if len(lost) == len(UNIT.exercises):
            lost = {"everything": min(set(lost.values()))}
        return ", ".join(
            [f"{self.score:g} of {full:g}", *(" ".join(pair) for pair in lost.items())]
        )


def write_class(submitted: Path) -> None:
    """Every entry as a student's submission."""
    for item in ENTRIES:
        hand_in(item, submitted)


def grade_both_ways(
    home: Path, by_stock: Iterable[Entry] = ENTRIES
) -> dict[str, dict[str, Outcome]]:
    """Outcomes by way of grading and student; `home` is a folder that does not exist yet.

    by_stock  the entries that stock nbgrader grades, too
    """
    write_class(home / "submitted")
    for item in by_stock:
        hand_in(item, home / "stock_submitted")
        _same_times(home / "submitted" / item.name, home / "stock_submitted" / item.name)
    stock = Stock(home / "stock", home / "stock_submitted")
    stock.folder.mkdir()
    stock.run("generate_assignment", UNIT.slug)
    process = stock.start("autograde", UNIT.slug)  # beside the class run, each on one core
    outcomes = course(home / "submitted")
    log = stock.finish(process)
    return {"course grade": outcomes, "nbgrader autograde": dict(stock.outcomes(log))}


def _same_times(folder: Path, other: Path) -> None:
    """Give the files of another folder the times of those in this one."""
    for path in folder.rglob("*"):
        there = path.lstat()
        times = (there.st_atime_ns, there.st_mtime_ns)
        os.utime(other / path.relative_to(folder), ns=times, follow_symlinks=False)


def faults(item: Entry, outcome: Outcome) -> list[str]:
    """What is not as it should be in an outcome, in words."""
    found = []
    for exercise, said in zip(UNIT.exercises, outcome.verdicts, strict=True):
        points, status, words = item.expected(exercise)
        if said[:2] != (points, status) or words not in said[2]:
            found.append(f"{exercise.id}: {said}, expected {points, status, words}")
    found += [f"no remark {words!r}" for words in item.remarks if words not in outcome.remarks]
    found += [f"not shown: {words!r}" for words in item.shown if words not in outcome.notebook]
    return found


def table(results: dict[str, dict[str, Outcome]]) -> list[dict[str, str]]:
    """A row for each submission: what it tries, what it got by each way, and whether that is right.

    Where the ways differ, or something is wrong, the last column says so.
    """
    rows = []
    for item in ENTRIES:
        got = {way: outcomes[item.name].summary() for way, outcomes in results.items()}
        wrong = [way for way, outcomes in results.items() if faults(item, outcomes[item.name])]
        said = f"wrong by {' and '.join(wrong)}" if wrong else "right"
        rows.append({"submission": item.name, "it": item.tries, **got, "outcome": said})
    return rows


# --- course grade -------------------------------------------------------------------------------


class _Run(classrun.ClassRun):
    def options(self, item: collect.Found) -> dict:
        return {**super().options(item), "limits": LIMITS}


class _Silent:
    def add(self, graded: Graded, reused: bool) -> None:
        pass


def course(submitted: Path, jobs: int = 1) -> dict[str, Outcome]:
    """A class run as `course grade` makes it."""
    os.environ["PATH"] = PATH
    run = _Run(submitted, (UNIT.slug,), jobs=jobs)
    graded = classrun.grade_class(run, _Silent())
    return {g.student: _of(g, _written(run, g)) for g in graded}


def _written(run: classrun.ClassRun, graded: Graded) -> bytes:
    """The judged notebook as the run has left it; of a name that is no folder's there is none."""
    path = run.autograded / graded.student / graded.unit / f"{graded.unit}.ipynb"
    return path.read_bytes() if path.is_file() else b""


def landlock(submitted: Path, students: set[str], monkeypatch) -> dict[str, Outcome]:
    """The same task in the weaker sandbox, in this process."""
    monkeypatch.setattr(warm, "strongest", lambda trusted: warm.LANDLOCK)
    found = [item for item in collect.find(submitted, [UNIT.slug]) if item.student in students]
    graded = (
        grade_submission(f.student, f.unit, f.content(), 0, "", f.reason, f.remarks, limits=LIMITS)
        for f in found
    )
    return {g.student: _of(g, g.notebook) for g in graded}


def _of(graded: Graded, notebook: bytes) -> Outcome:
    verdicts = [(v.score, v.status, v.message) for v in graded.verdicts]
    return Outcome(verdicts, "\n".join(graded.problems), notebook.decode())


# --- stock nbgrader -----------------------------------------------------------------------------


class Stock:
    """`nbgrader autograde` with this repository's configuration, in folders of its own."""

    def __init__(self, folder: Path, submitted: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder / 'gradebook.db'}"
        self._options = [
            f"--CourseDirectory.submitted_directory={submitted}",
            f"--CourseDirectory.release_directory={folder / 'release'}",
            f"--CourseDirectory.autograded_directory={folder / 'autograded'}",
            f"--CourseDirectory.feedback_directory={folder / 'feedback'}",
            f"--CourseDirectory.db_url={self.url}",
            f"--ExecuteAndJudge.cap_seconds={LIMITS.cap_seconds}",
            f"--ExecuteAndJudge.memory_mb={LIMITS.memory_mb}",
        ]

    def start(self, *arguments: str) -> subprocess.Popen:
        """One command of nbgrader."""
        command = [sys.executable, "-m", "nbgrader", *arguments, *self._options]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PATH": PATH}, **pipes)

    def finish(self, process: subprocess.Popen) -> str:
        said, _ = process.communicate()
        assert process.returncode == 0, said[-3000:]
        return said

    def run(self, *arguments: str) -> str:
        """One command from start to end; what it said."""
        return self.finish(self.start(*arguments))

    def outcomes(self, log: str) -> Iterator[tuple[str, Outcome]]:
        """Points from the gradebook, words from the judged notebooks, remarks from the log."""
        remarks: dict[str, list[str]] = {}
        for student, remark in re.findall(r"WARNING\] (.+?): (.+)", log):
            remarks.setdefault(student, []).append(remark)
        with Gradebook(self.url) as book:
            for student in [s.id for s in book.students]:
                notebook = book.find_submission_notebook(UNIT.slug, UNIT.slug, student)
                scores = {grade.name: grade.auto_score for grade in notebook.grades}
                said = "\n".join(remarks.get(student, []))
                yield student, self._outcome(student, scores, said)

    def _outcome(self, student: str, scores: dict[str, float], remarks: str) -> Outcome:
        path = self.folder / "autograded" / student / UNIT.slug / f"{UNIT.slug}.ipynb"
        text = path.read_text(encoding="utf-8")
        notebook = nbformat.reads(text, as_version=4)
        boxes = (cell_of(notebook, e.grade_id).outputs[0].data["text/html"] for e in UNIT.exercises)
        verdicts = [
            (scores[exercise.grade_id], *_read(box))
            for exercise, box in zip(UNIT.exercises, boxes, strict=True)
        ]
        return Outcome(verdicts, remarks, text)


def _read(box: str) -> tuple[str, str]:
    """Status and message from a verdict's box."""
    head, message = re.findall(r"<p>(.*?)</p>", box, re.DOTALL)[:2]
    status = STATUS[re.search(r"<strong>(.*?):", head)[1]]
    return status, html.unescape(re.sub(r"</?em>", "*", re.sub(r"</?code>", "`", message)))
