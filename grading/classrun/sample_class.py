"""A class to try the grading on, generated from the exercises' own answers and misconceptions."""

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import nbformat

from grading.course.exercise import Exercise
from grading.course.following import file_of, import_line, names_of, segment
from grading.course.free_names import free_names
from grading.course.sources import solution_source, wrong_source
from grading.course.unit import Unit
from grading.notebooks.mend import blank

NOT_JSON = b"PK\x03\x04 this is a zip file that somebody renamed to .ipynb"


def write(unit: Unit, submitted: Path) -> list[str]:
    """Write the class's submissions of one unit below `submitted`; return the students' names."""
    students = {
        "ada-all-right": notebook_with(unit, right_answers(unit)),
        "ben-other-ways": notebook_with(unit, other_ways(unit)),
        **{name: notebook_with(unit, _wrong(unit, i)) for i, name in enumerate(_MISTAKEN)},
        "gus-untouched": notebook_with(unit, {}),
        "hana-raises": notebook_with(unit, _raising(unit)),
        "ivan-not-json": NOT_JSON,
    }
    for student, data in students.items():
        folder = submitted / student / unit.slug
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / f"{unit.slug}.ipynb").write_bytes(data)
    return list(students)


_MISTAKEN = ("cleo-mistaken", "dara-mistaken", "edna-mistaken")


def answer_source(function: Callable, name: str) -> str:
    """The source of a function under another name, with what it uses of its module before it."""
    texts = _with_what_it_uses(file_of(function.__module__), function.__name__)
    texts[-1] = re.sub(rf"\bdef {function.__name__}\(", f"def {name}(", texts[-1], count=1)
    return "\n\n\n".join(dict.fromkeys(texts))


def _with_what_it_uses(path: Path, name: str) -> list[str]:
    """The text that defines a name of a file, last, and before it what that needs."""
    names = names_of(path)
    if name in names.imported:
        module, original = names.imported[name]
        if module.startswith("grading."):
            return _with_what_it_uses(file_of(module), original)
        if module.startswith("reference_impl."):
            return []  # in the notebook it is an answer of the learner's own, or given
        return [import_line(name, module, original)]
    text = segment(path, names.defined[name])
    before = [t for used in free_names(text) for t in _with_what_it_uses(path, used)]
    return [*before, text]


def notebook_with(unit: Unit, answers: Mapping[str, str]) -> bytes:
    """The released notebook with these answers (by answer cell) in place of the stubs."""
    notebook = blank(unit)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        cell.source = answers.get(grade_id, cell.source)
    return nbformat.writes(notebook).encode()


def right_answers(unit: Unit) -> dict[str, str]:
    """The course's own answers, by answer cell."""
    return {e.answer_id: solution_source(unit.source, e.callable) for e in unit.exercises}


def other_ways(unit: Unit) -> dict[str, str]:
    """Each answer by the exercise's first alternative; a decision has one answer only."""

    def first(exercise: Exercise) -> str:
        if not exercise.alternatives:
            return solution_source(unit.source, exercise.callable)
        return answer_source(exercise.alternatives[0], exercise.callable)

    return {e.answer_id: first(e) for e in unit.exercises}


def _wrong(unit: Unit, index: int) -> dict[str, str]:
    """All right but one exercise, another for each index, with one of its misconceptions."""
    written = [e for e in unit.exercises if any(m.edits for m in e.misconceptions)]
    exercise = written[index % len(written)]
    choices = [m for m in exercise.misconceptions if m.edits]
    source = wrong_source(exercise, choices[index % len(choices)])
    return {**right_answers(unit), exercise.answer_id: source}


def _raising(unit: Unit) -> dict[str, str]:
    """All right, but the last exercise's cell stops with an error."""
    last = unit.exercises[-1]
    source = f"def {last.callable}(*inputs):\n    return inputs[0] / nothing_of_this_name"
    return {**right_answers(unit), last.answer_id: source}
