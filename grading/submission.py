"""One submission is one pure task: notebook bytes in, verdicts and the judged notebook out."""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nbformat
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbgrader.preprocessors import Execute

from grading import kernel
from grading.exercise import CourseError, Exercise, Unit, load_unit, unit_slugs
from grading.judge import judge, make_request, verdict
from grading.verdict import Verdict

SEED = 0  # of the inputs that a class is graded on, unless told otherwise
# ipykernel warns on stderr about unencrypted loopback ports at each start
KERNEL_ARGUMENTS = ["--HistoryManager.hist_file=:memory:", "--IPKernelApp.log_level=ERROR"]
SKIP = "skip-execution"  # the tag that nbclient obeys


class Unreadable(CourseError):
    """A submission that is no notebook; the message says what it is instead."""


@dataclass(frozen=True)
class Graded:
    """The result of one submission; `problems` are remarks for the instructor."""

    student: str
    unit: str
    verdicts: tuple[Verdict, ...]
    notebook: bytes
    problems: tuple[str, ...]
    seconds: float

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
) -> Graded:
    """Run and judge one submission; `data` is None where there is none, for this `reason`.

    `book` is the address of the book's chapters as the judged notebook will see it; `remarks` are
    those of collecting.
    """
    start = time.monotonic()
    unit = load_unit(slug)
    problems = list(remarks)
    try:
        notebook = mend(read_notebook(data, reason), unit)
        with tempfile.TemporaryDirectory(prefix="course-") as folder:
            prepare(notebook, unit, seed, Path(folder))
            problems += execute(notebook, Path(folder))
            verdicts = judge_notebook(notebook, unit, seed, Path(folder), book)
    except Unreadable as error:
        notebook = blank(unit)
        problems.append(str(error))
        verdicts = refuse(notebook, unit, str(error), book)
    note(notebook, problems)
    text = nbformat.writes(notebook).encode()
    seconds = time.monotonic() - start
    return Graded(student, unit.slug, tuple(verdicts), text, tuple(problems), seconds)


# --- reading and mending --------------------------------------------------------------------------


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
            _source(cell), cell.cell_type, cell.setdefault("metadata", NotebookNode())
    except Exception as error:  # nbformat raises whatever a mangled tree makes it trip over
        raise Unreadable(f"The notebook is damaged: {type(error).__name__}: {error}.") from None
    return notebook


def unit_of(name: str, data: bytes) -> str:
    """The unit a notebook belongs to, by its file name or else by the checks in it."""
    for slug in unit_slugs():
        if _letters(slug) in _letters(name):
            return slug
    text = data.decode("utf-8", errors="replace")
    for slug in unit_slugs():
        if any(exercise.id in text for exercise in load_unit(slug).exercises):
            return slug
    known = ", ".join(unit_slugs())
    raise Unreadable(f"{name} is no notebook of this course. Units: {known}.")


def _letters(name: str) -> str:
    """ "05_attention (1)" and "Attention" are both "attention"."""
    return "".join(c for c in name.casefold() if c.isalpha())


def _source(cell: NotebookNode) -> str:
    return "".join(cell.source) if isinstance(cell.source, list) else str(cell.source)


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
    release; deleted cells are put back; outputs are dropped.
    """
    mended = blank(unit)
    released = {_key(cell): cell for cell in mended.cells}
    cells: list[NotebookNode] = []
    used: set[str] = set()
    for cell in notebook.cells:
        key = _key(cell)
        if key not in released or key in used:
            if not _is_check(released.get(key)):  # a copy of a check cell adds nothing
                cells.append(_extra(cell))
            continue
        used.add(key)
        cells.append(_restored(released[key], _source(cell)))
    _put_back(cells, mended.cells, used)
    mended.cells = cells
    for index, cell in enumerate(cells):
        cell.id = cell.get("id") or f"extra-{index}"
    return mended


def _key(cell: NotebookNode) -> str:
    """What a cell is known by: nbgrader's id, else the cell's own id."""
    fields = cell.metadata.get("nbgrader")
    grade_id = fields.get("grade_id") if isinstance(fields, dict) else None
    return str(grade_id or cell.get("id", "")).replace("_", "-")


def _is_check(cell: NotebookNode | None) -> bool:
    return cell is not None and bool(cell.metadata.get("nbgrader", {}).get("grade"))


def _extra(cell: NotebookNode) -> NotebookNode:
    new = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    plain = new.get(cell.cell_type, nbformat.v4.new_raw_cell)(_source(cell))
    plain.pop("id", None)
    return plain


def _restored(cell: NotebookNode, source: str) -> NotebookNode:
    if not _is_check(cell) and "demo" not in cell.metadata.get("tags", []):
        cell.source = source
    return cell


def _put_back(cells: list[NotebookNode], released: list[NotebookNode], used: set[str]) -> None:
    """Insert what is missing right behind its released predecessor."""
    place = 0
    for cell in released:
        if _key(cell) in used:
            place = next(i for i, c in enumerate(cells) if c is cell) + 1
        else:
            cells.insert(place, cell)
            place += 1


# --- running --------------------------------------------------------------------------------------


def prepare(notebook: NotebookNode, unit: Unit, seed: int, folder: Path) -> None:
    """Leave the inputs for the learner's process; demonstrations are not run."""
    for exercise in unit.exercises:
        request = make_request(exercise, tuple(exercise.draw(seed)))
        kernel.save(folder / "requests", kernel.stem(exercise.id), request)
    for cell in notebook.cells:
        if "demo" in cell.metadata.get("tags", []):
            cell.metadata.tags = ["demo", SKIP]


@contextmanager
def environment(folder: Path) -> Iterator[None]:
    """What the kernel's process is told: where inputs lie, one thread, nothing to show."""
    told = {"COURSE_EVIDENCE": str(folder), "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def execute(notebook: NotebookNode, folder: Path) -> list[str]:
    """Run the notebook in a kernel of its own, as `nbgrader autograde` does; return problems."""
    work = folder / "work"
    work.mkdir()
    with environment(folder):
        try:
            Execute(extra_arguments=KERNEL_ARGUMENTS, record_timing=False).preprocess(
                notebook, {"metadata": {"path": str(work)}}
            )
        except DeadKernelError:
            return ["The kernel died; what was answered before counts."]
        except (CellTimeoutError, TimeoutError, RuntimeError) as error:
            return [f"The run stopped early ({type(error).__name__}); what was answered counts."]
    return []


# --- judging --------------------------------------------------------------------------------------


def judge_notebook(
    notebook: NotebookNode, unit: Unit, seed: int, folder: Path, book: str
) -> list[Verdict]:
    """The verdict of every exercise; each is also written into its check cell."""
    verdicts: list[Verdict] = []
    for exercise in unit.exercises:
        shown = {v.exercise: v.misconception for v in verdicts if v.status != "missing"}
        said = _judge_exercise(notebook, exercise, seed, folder, shown)
        verdicts.append(said)
        write_verdict(notebook, exercise, said, book)
    return verdicts


def refuse(notebook: NotebookNode, unit: Unit, message: str, book: str) -> list[Verdict]:
    """No points for any exercise, for a reason that concerns the whole submission."""
    verdicts = [verdict(exercise, 0, "refused", message) for exercise in unit.exercises]
    for exercise, said in zip(unit.exercises, verdicts, strict=True):
        write_verdict(notebook, exercise, said, book)
    return verdicts


def _judge_exercise(notebook, exercise: Exercise, seed: int, folder: Path, shown) -> Verdict:
    try:
        evidence = kernel.load(folder / "evidence", kernel.stem(exercise.id))
    except FileNotFoundError:
        return _no_evidence(notebook, exercise)
    except Exception as error:  # a file that the learner's process forged or cut off
        return verdict(exercise, 0, "refused", f"The result cannot be read: {error}")
    return judge(exercise, seed, evidence, shown)


def _no_evidence(notebook: NotebookNode, exercise: Exercise) -> Verdict:
    """Why the check cell brought nothing: an error, a time limit, or no run at all."""
    for key in (exercise.answer_id, exercise.grade_id):
        for output in cell_of(notebook, key).get("outputs", []):
            if output.output_type == "error":
                if "Timeout" in output.ename:
                    return verdict(exercise, 0, "timeout", "This cell ran into the time limit.")
                text = f"The cell stops with {output.ename}: {output.evalue}"
                return verdict(exercise, 0, "error", text[:500])
    return verdict(exercise, 0, "missing", "The check cell brought no result.")


def cell_of(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    """The cell with this nbgrader id."""
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id:
            return cell
    raise CourseError(
        f"The notebook has no cell {grade_id!r}: write it anew with `course release`."
    )


def write_verdict(notebook: NotebookNode, exercise: Exercise, said: Verdict, book: str) -> None:
    """Make the verdict the check cell's only output; nbgrader reads the points from its text."""
    data = {"text/plain": f"{said.score:g}", "text/html": said.html(book)}
    result = nbformat.v4.new_output("execute_result", data, execution_count=1)
    cell_of(notebook, exercise.grade_id).outputs = [result]


def note(notebook: NotebookNode, remarks: list[str]) -> None:
    """Leave remarks on the whole submission where the feedback page finds them."""
    if remarks:
        notebook.metadata["course"] = {"remarks": list(remarks)}
