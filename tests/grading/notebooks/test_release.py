"""The learners' notebooks are generated, current, and hold no answers."""

import ast
import json
import re
import sys

import nbformat
import pytest

from grading.course.errors import CourseError
from grading.course.exercise import Exercise
from grading.course.places import ROOT
from grading.course.sources import solution_source
from grading.course.unit import load_unit, unit_slugs
from grading.notebooks import own_output
from grading.notebooks.marking import cell_of
from grading.notebooks.own_output import NotOurs
from grading.notebooks.release import release, source_notebook, with_gap


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    return {path.stem: path for path in release(root=root)}


@pytest.mark.parametrize("slug", unit_slugs())
def test_what_is_committed_is_what_release_writes(slug, released):
    committed = ROOT / "exercises" / slug / f"{slug}.ipynb"
    assert committed.read_bytes() == released[slug].read_bytes(), "run `course release`"


@pytest.mark.parametrize("slug", unit_slugs())
def test_a_second_release_changes_nothing(slug, released, tmp_path):
    again = release([slug], root=tmp_path)[0]
    assert again.read_bytes() == released[slug].read_bytes()


@pytest.mark.parametrize("slug", unit_slugs())
def test_no_answer_and_no_other_file_reaches_the_learner(slug, released):
    text = released[slug].read_text()
    unit = load_unit(slug)
    assert "SOLUTION" not in text
    assert [p.name for p in released[slug].parent.iterdir()] == [f"{slug}.ipynb"]
    notebook = nbformat.reads(text, as_version=4)
    for exercise in unit.exercises:
        gap = cell_of(notebook, exercise.answer_id).source
        body = with_gap(solution_source(unit.source, exercise.callable))
        answer = body.split("### BEGIN SOLUTION")[1].split("### END SOLUTION")[0].strip()
        assert answer not in gap
        assert "raise NotImplementedError()" in gap


@pytest.mark.parametrize("slug", unit_slugs())
def test_no_demonstration_takes_the_place_of_an_answer(slug, released):
    answers = {exercise.callable for exercise in load_unit(slug).exercises}
    for cell in nbformat.reads(released[slug].read_text(), as_version=4).cells:
        if cell.cell_type == "code" and "nbgrader" not in cell.metadata:
            nodes = ast.walk(ast.parse(cell.source))
            imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
            names = {alias.asname or alias.name for node in imports for alias in node.names}
            assert not names & answers, "would no longer be the learner's"


@pytest.mark.parametrize("slug", unit_slugs())
def test_every_gap_can_be_run_after_the_setup(slug, released):
    """What its signature is annotated with is known; what the setup sets elsewhere stays so."""
    names = {}
    for cell in nbformat.reads(released[slug].read_text(), as_version=4).cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        if not cell.metadata.get("nbgrader", {}).get("solution"):
            tree.body = [n for n in tree.body if _only_names(n, cell.metadata.get("tags", []))]
        if "ready(" not in cell.source:
            exec(compile(tree, f"<{slug}>", "exec"), names)


def _only_names(node, tags):
    """An import, a class, or in the setup a plain name that calls nothing."""
    called = any(isinstance(inner, ast.Call) for inner in ast.walk(node))
    plain = isinstance(node, ast.Assign) and not called and "setup" in tags
    return plain or isinstance(node, ast.Import | ast.ImportFrom | ast.ClassDef)


@pytest.mark.parametrize("slug", unit_slugs())
def test_every_exercise_states_its_cost_and_has_a_hint(slug, released):
    unit = load_unit(slug)
    notebook = nbformat.reads(released[slug].read_text(), as_version=4)
    before: list[str] = []
    stated = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            before.append(cell.source)
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if grade_id.endswith("__answer"):
            stated[grade_id], before = "\n".join(before), []
    for exercise in unit.exercises:
        text = stated[exercise.answer_id]
        assert f"{exercise.minutes} minutes · {exercise.difficulty} · " in text
        assert re.search(r"<details>\s*<summary>Hint(?: 1)?</summary>", text), exercise.id
    assert len({c.id for c in notebook.cells}) == len(notebook.cells)


def test_the_gap_keeps_signature_and_docstring():
    head = 'def f(a,\n      b):\n    """Doc.\n\n    More."""\n'
    gap = with_gap(head + "    # why\n    c = a\n    return c + b").split("    ### BEGIN SOLUTION")
    assert gap[0] == head
    assert gap[1] == "\n    # why\n    c = a\n    return c + b\n    ### END SOLUTION"


@pytest.mark.parametrize("source", ["class A:\n    x = 1", 'def f():\n    """Only words."""'])
def test_a_source_without_a_gap_is_refused(source):
    with pytest.raises(CourseError):
        with_gap(source)


def test_text_and_specs_must_agree(unit, tmp_path, monkeypatch):
    text = unit.source.read_text()
    first = unit.exercises[0]
    whole = rf'^# %% exercise="{first.id}"\n.*?(?=^# %%)'
    cell = re.compile(whole, re.DOTALL | re.MULTILINE)
    broken = {
        "unheard_of.*Known: .*causal_mask": text.replace(first.id + '"', 'attention/unheard_of"'),
        "make them agree": cell.sub("", text),
        "no exercise": text + "\n# %% [markdown]\n# {{attention/unheard_of}}\n",
        f"defines no '{first.callable}'": cell.sub(f'# %% exercise="{first.id}"\n\n', text),
    }
    for number, (message, source) in enumerate(broken.items()):
        path = tmp_path / f"{number}.py"
        path.write_text(source)
        monkeypatch.setattr(type(unit), "source", property(lambda self, path=path: path))
        with pytest.raises(CourseError, match=message):
            source_notebook(unit)
        path.unlink()
    with pytest.raises(CourseError, match="missing"):
        source_notebook(unit)


def test_exercise_ids_and_links_are_well_formed(unit):
    chapter = (ROOT / "book" / f"{unit.slug}.md").read_text()
    for exercise in unit.exercises:
        assert isinstance(exercise, Exercise)
        told = (*exercise.misconceptions, *exercise.properties)
        for link in {exercise.link, *(item.link for item in told)}:
            assert f"({link})=" in chapter, f"{exercise.id}: the chapter has no {link}"


# --- what somebody has made of a released notebook -----------------------------------------------


@pytest.fixture
def course(tmp_path, released, unit):
    """A course of its own with the released notebook in it."""
    path = tmp_path / "exercises" / unit.slug / f"{unit.slug}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_bytes(released[unit.slug].read_bytes())
    return tmp_path, path


def solve(path):
    notebook = nbformat.read(path, as_version=4)
    cell_of(notebook, "attention__causal_mask__answer").source = "def causal_mask(): return 1"
    nbformat.write(notebook, path)
    return path.read_bytes()


def test_answers_and_files_beside_them_survive_a_second_release(course, unit):
    root, path = course
    mine = solve(path)
    beside = path.with_name("mine.ipynb")
    beside.write_bytes(mine)
    notes = path.with_name("notes.txt")
    notes.write_text("remember")
    with pytest.raises(NotOurs, match=f"{unit.slug}.ipynb: .*course start {unit.slug}"):
        release(root=root)
    assert (path.read_bytes(), beside.read_bytes()) == (mine, mine)
    assert notes.read_text() == "remember"


def test_a_notebook_nobody_has_touched_is_released_anew(course, unit):
    root, path = course
    older = path.read_text().replace("ten short functions", "nine short functions")
    tree = json.loads(older)
    path.write_text(own_output.signed(json.dumps(tree), unit.slug))
    assert own_output.is_unchanged(path)
    beside = path.with_name("notes.txt")
    beside.write_text("remember")
    release(root=root)
    assert "ten short functions" in path.read_text()
    assert beside.read_text() == "remember"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"metadata": 3}', "<<<<<<< mine\n"])
def test_what_is_no_notebook_is_somebodys(course, text):
    _, path = course
    path.write_text(text)
    assert not own_output.is_unchanged(path)
    path.unlink()
    assert own_output.is_unchanged(path)


def test_an_output_is_a_change(course):
    _, path = course
    notebook = nbformat.read(path, as_version=4)
    assert own_output.is_unchanged(path)
    code = next(cell for cell in notebook.cells if cell.cell_type == "code")
    code.outputs = [nbformat.v4.new_output("stream", text="42")]
    nbformat.write(notebook, path)
    assert not own_output.is_unchanged(path)


def test_a_link_to_nowhere_is_somebodys(tmp_path):
    path = tmp_path / "a.ipynb"
    path.symlink_to(tmp_path / "gone.ipynb")
    assert not own_output.is_unchanged(path)


# --- the first cell ------------------------------------------------------------------------------


def test_the_first_code_cell_says_in_one_line_how_to_get_the_course(unit, released, monkeypatch):
    notebook = nbformat.reads(released[unit.slug].read_text(), as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    monkeypatch.setitem(sys.modules, "grading", None)  # as if it were not there
    with pytest.raises(Exception) as error:
        exec(compile(first.source, "cell", "exec"), {})
    assert type(error.value).__name__ == "CourseIsMissing"
    [line] = error.value._render_traceback_()
    assert "\n" not in line and f"course start {unit.slug}" in line
