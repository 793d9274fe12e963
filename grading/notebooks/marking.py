"""Run a mended notebook in the sandbox, and judge what came back.

The notebook that comes out has the learner's outputs, and for each check its verdict as the only
output: nbgrader reads the points there.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import nbformat
from nbformat import NotebookNode

from grading import kernel
from grading.course.errors import CourseError
from grading.course.exercise import Exercise
from grading.course.given import given_files
from grading.course.unit import Unit
from grading.judging.judge import judge, verdict
from grading.judging.trial import trial
from grading.judging.verdict import REFUSED, Verdict
from grading.notebooks import flags
from grading.notebooks.mend import seed_in
from grading.sandbox import Limits, kernelspec
from grading.sandbox.session import Cell, Ran, run_cells

# What a learner's outputs may hold. Formgrader shows them in the instructor's browser, where a
# script in HTML or SVG would act with the instructor's rights.
SHOWN_TYPES = ("text/plain", "image/png", "image/jpeg")
UNCHECKED = ("missing", "error", "timeout")  # nothing is known of what they misunderstand
LONGEST = 1500  # characters of a message


def run_and_judge(
    notebook: NotebookNode,
    unit: Unit,
    seed: int,
    book: str,
    limits: Limits | None = None,
    trusted: bool = False,
    carry: bool = True,
) -> tuple[list[Verdict], Ran]:
    """Run a mended notebook and judge every exercise; outputs and verdicts go into the notebook."""
    limits = _for_unit(limits or Limits(), unit)
    ran = run_cells(cells_to_run(notebook, unit, limits), _requests(unit, seed), limits, trusted)
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            cell.outputs = [o for item in ran.outputs.get(index, []) if (o := _output(item))]
            cell.outputs += _cut_short(ran, index)
    _name_kernel(notebook)
    notebook.metadata["course_sandbox"] = ran.sandbox
    verdicts: list[Verdict] = []
    for exercise in unit.exercises:
        shown = {v.exercise: v.misconceptions for v in verdicts if v.status not in UNCHECKED}
        drawn = seed_in(notebook) if exercise.is_decision else seed
        said = _judge_exercise(notebook, exercise, drawn, ran, shown, carry)
        verdicts.append(said)
        write_verdict(notebook, exercise, said, book)
    ran.to_look_at += flags.remarks(notebook, unit)
    return verdicts, ran


def refuse(notebook: NotebookNode, unit: Unit, message: str, book: str) -> list[Verdict]:
    """No points for any exercise, for a reason that concerns the whole submission."""
    _name_kernel(notebook)
    notebook.metadata[REFUSED] = message
    verdicts = [verdict(exercise, 0, "refused", message) for exercise in unit.exercises]
    for exercise, said in zip(unit.exercises, verdicts, strict=True):
        write_verdict(notebook, exercise, said, book)
    return verdicts


def _name_kernel(notebook: NotebookNode) -> None:
    """Whoever runs the judged notebook's cells in Jupyter runs them in the sandbox too."""
    notebook.metadata["kernelspec"] = dict(kernelspec.METADATA)


def cells_to_run(notebook: NotebookNode, unit: Unit, limits: Limits) -> list[Cell]:
    """The code cells but for demonstrations, each with the seconds that its exercise allows.

    A cell tagged "run" makes what the next check looks at, and has that exercise's seconds.
    """
    seconds = {e.answer_id: e.seconds for e in unit.exercises}
    checks = {e.grade_id: e.seconds for e in unit.exercises}
    cells, ahead = [], limits.cell_seconds  # from the end: the seconds of the next check
    for index, cell in reversed(list(enumerate(notebook.cells))):
        key, tags = _grade_id(cell), cell.metadata.get("tags", [])
        ahead = checks.get(key, ahead)
        if cell.cell_type == "code" and "demo" not in tags:
            own = ahead if "run" in tags else limits.cell_seconds
            allowed = min({**seconds, **checks}.get(key, own), limits.cap_seconds)
            cells.append(Cell(index, cell.source, allowed, key if key in checks else None))
    return cells[::-1]


def _for_unit(limits: Limits, unit: Unit) -> Limits:
    """The limits with time for the unit's long exercises, training runs of minutes."""
    long = sum(e.seconds for e in unit.exercises if e.seconds > limits.cell_seconds)
    return replace(limits, total_seconds=limits.total_seconds + 2 * long)


@lru_cache(maxsize=32)
def _requests(unit: Unit, seed: int) -> dict[str, bytes]:
    """The inputs of all checks and the pieces of earlier units as files; the same for the whole
    class. A decision's have no inputs, whoever it was drawn for."""
    files = dict(given_files(unit))
    for exercise in unit.exercises:
        text, arrays = kernel.dumps(trial(exercise, seed).request)
        name = kernel.stem(exercise.id)
        files |= {f"{name}.json": text.encode(), f"{name}.npz": arrays}
    return files


def _judge_exercise(
    notebook, exercise: Exercise, seed: int, ran: Ran, shown, carry: bool
) -> Verdict:
    if exercise.grade_id not in ran.evidence:
        return _presentable(_no_evidence(notebook, exercise, ran))
    try:
        evidence = kernel.loads(*ran.evidence[exercise.grade_id])
        return _presentable(judge(exercise, seed, evidence, shown, carry))
    except Exception as error:  # evidence that the learner's process forged or cut off
        text = f"The result cannot be read: {type(error).__name__}: {error}"
        return _presentable(verdict(exercise, 0, "refused", text[:500]))


def _presentable(said: Verdict) -> Verdict:
    """The verdict with its texts in bounds: they quote what the learner's process has said."""

    def text(quoted: str) -> str:
        kept = quoted if len(quoted) <= LONGEST else quoted[:LONGEST] + " ..."
        return "".join(
            c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in kept
        )

    return replace(said, message=text(said.message), details=tuple(map(text, said.details)))


def _no_evidence(notebook: NotebookNode, exercise: Exercise, ran: Ran) -> Verdict:
    """Why the check cell brought nothing: it was cut short, an error, or no run at all."""
    keys = (exercise.answer_id, exercise.grade_id)
    indices = [i for i, cell in enumerate(notebook.cells) if _grade_id(cell) in keys]
    for index in indices:
        if index in ran.cut:
            status, words = ran.cut[index]
            return verdict(exercise, 0, status, words)
    for index in indices:
        for output in notebook.cells[index].outputs:
            if output.output_type == "error":
                text = f"The cell stops with {output.ename}: {output.evalue}"
                return verdict(exercise, 0, "error", text[:500])
    return verdict(exercise, 0, "missing", "The check cell brought no result.")


def _output(item: object) -> NotebookNode | None:
    """An output of the sandbox as nbformat has it, in forms that run nothing; None if it is none.

    It comes from the learner's process: it may be anything.
    """
    if not isinstance(item, dict) or "output_type" not in item:
        return None
    fields = {name: value for name, value in item.items() if name != "output_type"}
    if isinstance(fields.get("data"), dict):
        fields["data"] = {k: v for k, v in fields["data"].items() if k in SHOWN_TYPES}
        if not fields["data"]:
            return None
    fields["metadata"] = {}
    if item["output_type"] in ("stream", "error"):
        del fields["metadata"]
    try:
        # A lone surrogate, half a character, is no text that a file could hold.
        fields = json.loads(json.dumps(fields, ensure_ascii=False).encode(errors="replace"))
        output = nbformat.v4.new_output(item["output_type"], **fields)
        nbformat.v4.nbbase.validate(output, "output")
    except Exception:  # nbformat raises whatever a forged output makes it trip over
        return None
    return output


def _cut_short(ran: Ran, index: int) -> Sequence[NotebookNode]:
    """The reason why a cell was ended, as the error it shows."""
    if index not in ran.cut:
        return []
    status, words = ran.cut[index]
    name = "TimeLimit" if status == "timeout" else "ProcessEnded"
    return [nbformat.v4.new_output("error", ename=name, evalue=words, traceback=[words])]


def _grade_id(cell: NotebookNode) -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def cell_of(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    """The cell with this nbgrader id."""
    for cell in notebook.cells:
        if _grade_id(cell) == grade_id:
            return cell
    raise CourseError(
        f"The notebook has no cell {grade_id!r}: write it anew with `course release`."
    )


def write_verdict(notebook: NotebookNode, exercise: Exercise, said: Verdict, book: str) -> None:
    """Make the verdict the check cell's only output; nbgrader reads the points from its text."""
    data = {"text/plain": f"{said.score:g}", "text/html": said.html(book)}
    result = nbformat.v4.new_output("execute_result", data, execution_count=1)
    cell_of(notebook, exercise.grade_id).outputs = [result]
