"""From a unit's text source to the notebook that learners receive.

`solutions/NN_slug/NN_slug.py` (py:percent) becomes a notebook with nbgrader's metadata, the check
cells and generated cell ids beside it; nbgrader's own release step then takes the answers out and
writes `exercises/NN_slug/NN_slug.ipynb`.
"""

import ast
import hashlib
import logging
import os
import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import SaveCells
from traitlets.config import Config

from grading.course.errors import CourseError
from grading.course.exercise import Exercise
from grading.course.places import ROOT
from grading.course.sources import solution_source
from grading.course.unit import Unit, load_unit, unit_slugs
from grading.notebooks import opening, own_output

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
PLACEHOLDER = re.compile(r"\{\{([\w/]+)\}\}")
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def directories(root: Path = ROOT) -> Config:
    """Where nbgrader finds this course: the one place that says so."""
    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.source_directory = "solutions"
    config.CourseDirectory.release_directory = "exercises"
    config.CourseDirectory.submitted_directory = "submitted"
    config.CourseDirectory.autograded_directory = "autograded"
    config.CourseDirectory.feedback_directory = "feedback"
    # nbgrader copies whatever lies beside a source notebook to the learners: never the answers
    config.CourseDirectory.ignore = [".ipynb_checkpoints", "__pycache__", ".*", "*.py", "*.pyc"]
    return config


def release(slugs: list[str] | None = None, root: Path | None = None) -> list[Path]:
    """Write source and release notebooks of the units (all of them by default).

    A notebook in which somebody worked stays as it is: when all others are written, NotOurs names
    those that stay.
    """
    units = [load_unit(slug) for slug in slugs or unit_slugs()]
    paths = [_release_unit(unit, root or unit.root) for unit in units]
    own_output.raise_for([path for path in paths if not own_output.is_unchanged(path)])
    return paths


def write_source(unit: Unit, root: Path | None = None) -> Path:
    """Write a unit's notebook with answers, for nbgrader, beside its text source."""
    path = (root or unit.root) / "solutions" / unit.slug / f"{unit.slug}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = nbformat.writes(source_notebook(unit)) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path


def _release_unit(unit: Unit, root: Path) -> Path:
    """Write the unit's notebook unless somebody has worked in it; nothing beside it is touched."""
    write_source(unit, root)
    path = root / "exercises" / unit.slug / f"{unit.slug}.ipynb"
    if own_output.is_unchanged(path):
        own_output.write(path, released_text(unit, root))
    return path


def released_text(unit: Unit, root: Path | None = None) -> str:
    """The notebook that learners receive, made by nbgrader's own release step."""
    root = root or unit.root
    write_source(unit, root)
    # nbgrader empties the folder that it writes into: never one where somebody may have a file.
    folder = Path(tempfile.mkdtemp(prefix="course-release-"))
    try:
        config = directories(root)
        config.CourseDirectory.release_directory = str(folder)
        config.CourseDirectory.assignment_id = unit.slug
        config.GenerateAssignment.no_database = True
        # Without a database there is nothing for SaveCells to write to.
        stock = GenerateAssignment.preprocessors.default_args[0]
        config.GenerateAssignment.preprocessors = [step for step in stock if step is not SaveCells]
        config.GenerateAssignment.force = True
        run_converter(GenerateAssignment, config)
        text = (folder / unit.slug / f"{unit.slug}.ipynb").read_text(encoding="utf-8")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return own_output.signed(text, unit.slug)


def run_converter(converter: type, config: Config) -> None:
    """Run a nbgrader converter; its log is shown only where it reports an error."""
    log = logging.getLogger("course.nbgrader")
    log.setLevel(logging.ERROR)
    before = Path.cwd()
    try:
        app = converter(coursedir=CourseDirectory(config=config), config=config)
        app.log = log
        app.start()
    finally:
        os.chdir(before)


# --- the source notebook -------------------------------------------------------------------------


def source_notebook(unit: Unit) -> NotebookNode:
    """The unit's notebook with answers, nbgrader metadata, check cells and ids that repeat."""
    if not unit.source.exists():
        raise CourseError(f"{unit.source} is missing: write the unit's text source there.")
    text = jupytext.reads(unit.source.read_text(encoding="utf-8"), fmt="py:percent")
    cells: list[NotebookNode] = []
    seen: list[str] = []
    waiting: list[NotebookNode] = []
    for cell in text.cells:
        if "exercise" in cell.metadata:
            exercise = _exercise(unit, cell)
            seen.append(exercise.id)
            cells.append(_answer_cell(unit, exercise))
            waiting = [_check_cell(exercise)]
        else:
            cells.append(_plain_cell(unit, cell))
        if "run" in cell.metadata.get("tags", []) or not (waiting and exercise.checks):
            cells += waiting  # what a run cell makes is checked behind that cell
            waiting = []
    if waiting:
        raise CourseError(f"{exercise.id} checks `{exercise.checks}`: no cell tagged run makes it.")
    if seen != list(unit.by_id):
        raise CourseError(
            f"{unit.source.name} has the exercises {', '.join(seen)}; "
            f"grading.units.{unit.name} has {', '.join(unit.by_id)}: make them agree, in order."
        )
    _number(cells)
    cells.insert(1, opening.cell(unit.slug))  # behind the heading, and behind the numbering
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    metadata["course"] = {"unit": unit.slug}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def _exercise(unit: Unit, cell: NotebookNode) -> Exercise:
    name = cell.metadata["exercise"]
    if name not in unit.by_id:
        known = ", ".join(unit.by_id)
        raise CourseError(f"{unit.source.name} asks for exercise {name!r}. Known: {known}.")
    return unit.by_id[name]


def _answer_cell(unit: Unit, exercise: Exercise) -> NotebookNode:
    source = with_gap(solution_source(unit.source, exercise.callable))
    return _nbgrader_cell(source, grade_id=exercise.answer_id, solution=True)


def _check_cell(exercise: Exercise) -> NotebookNode:
    source = f'check("{exercise.id}", {exercise.checks or exercise.callable})'
    return _nbgrader_cell(source, grade_id=exercise.grade_id, grade=True, points=exercise.points)


def _nbgrader_cell(source: str, grade_id: str, **more) -> NotebookNode:
    fields = {"grade": False, "solution": False, "locked": False, "task": False, **more}
    fields["locked"] = fields["grade"]
    fields |= {"grade_id": grade_id, "schema_version": 3}
    return nbformat.v4.new_code_cell(source, metadata={"nbgrader": fields})


def _plain_cell(unit: Unit, cell: NotebookNode) -> NotebookNode:
    if cell.cell_type == "markdown":
        source = PLACEHOLDER.sub(lambda m: facts(unit, m[1]), cell.source)
        return nbformat.v4.new_markdown_cell(source)
    tags = cell.metadata.get("tags", [])
    return nbformat.v4.new_code_cell(cell.source, metadata={"tags": tags} if tags else {})


def facts(unit: Unit, exercise_id: str) -> str:
    """The line under an exercise's heading: minutes, difficulty, points, chapter."""
    if exercise_id not in unit.by_id:
        raise CourseError(f"{unit.source.name} has {{{{{exercise_id}}}}}, which is no exercise.")
    e = unit.by_id[exercise_id]
    chapter = f"../../book/{unit.slug}.md#{e.link}"
    points = f"{e.points:g} point{'' if e.points == 1 else 's'}"
    line = f"*{e.minutes} minutes · {e.difficulty} · {points} · [read about it]({chapter})*"
    return "\n\n".join([line, *_rules(e)])


def _rules(exercise: Exercise) -> list[str]:
    """What the judge asks beside the docstring: no rule that the text does not say."""
    if not exercise.forbids:
        return []
    names = [name.removesuffix(".__init__").removesuffix(".__call__") for name in exercise.forbids]
    listed = " or ".join(f"`{name}`" for name in names)
    return [f"Write it out yourself: an answer that calls {listed} earns no points."]


def _number(cells: list[NotebookNode]) -> None:
    """Ids that depend on each cell's own text: a cell that is put in shifts no other's."""
    seen: Counter[str] = Counter()
    for cell in cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:10]
        seen[digest] += 1
        again = f"-{seen[digest]}" if seen[digest] > 1 else ""
        cell.id = grade_id.replace("_", "-") if grade_id else f"{cell.cell_type}-{digest}{again}"


def with_gap(source: str) -> str:
    """Mark each body behind its docstring as the answer: nbgrader's release step takes it out.

    A function has one gap, a class one in each of its methods; where the author has marked gaps
    already, those are taken.
    """
    if BEGIN in source:
        return source
    node = ast.parse(source).body[0]
    functions = [node] if isinstance(node, ast.FunctionDef) else _methods(node)
    if not functions:
        raise CourseError(f"The answer {source.splitlines()[0]!r} has no function to write.")
    lines = source.splitlines()
    for function in reversed(functions):  # from below, so that the numbers above stay true
        _mark(lines, function)
    return "\n".join(lines)


def _methods(node: ast.stmt) -> list[ast.FunctionDef]:
    inside = node.body if isinstance(node, ast.ClassDef) else []
    return [inner for inner in inside if isinstance(inner, ast.FunctionDef)]


def _mark(lines: list[str], node: ast.FunctionDef) -> None:
    body = node.body[1:] if ast.get_docstring(node) else node.body
    if not body:
        raise CourseError(f"The answer {node.name!r} has no body beside its docstring.")
    first, last = body[0].lineno - 1, body[-1].end_lineno
    top = node.body[0].end_lineno if ast.get_docstring(node) else node.lineno
    while first > top and lines[first - 1].lstrip().startswith("#"):
        first -= 1  # comments above the first statement belong to the answer
    indent = " " * body[0].col_offset
    lines[first:last] = [indent + BEGIN, *lines[first:last], indent + END]
