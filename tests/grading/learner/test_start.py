"""`course start`: a folder of the learner's own, made once and never touched again."""

import json
import os
import re
import subprocess
from functools import partial

import nbformat
import pytest

from grading.course.errors import CourseError
from grading.course.unit import load_unit
from grading.learner import carry, record
from grading.learner import start as starting
from grading.learner.start import make_folder, start
from grading.notebooks import own_output
from grading.notebooks.marking import cell_of
from grading.notebooks.mend import mend
from grading.notebooks.read import Unreadable
from tests.grading.learner.conftest import killed_after

SLUG = "05_attention"
ANSWER = "attention__causal_mask__answer"
MINE = "def causal_mask(q_seq):\n    return 'mine'"


@pytest.fixture
def exercises(tmp_path, monkeypatch):
    """The unit's released notebook in a place of its own."""
    unit = load_unit(SLUG)
    path = tmp_path / "exercises" / SLUG / f"{SLUG}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_bytes(unit.release.read_bytes())
    monkeypatch.setattr(type(unit), "release", property(lambda self: path))
    # As if nbgrader had made it anew: the same text, in a second less.
    text = path.read_text(encoding="utf-8")
    monkeypatch.setattr("grading.notebooks.release.released_text", lambda unit: text)
    return path


def write_answer(path, source=MINE):
    notebook = nbformat.read(path, as_version=4)
    cell_of(notebook, ANSWER).source = source
    nbformat.write(notebook, path)
    return path.read_bytes()


def answer(path):
    return cell_of(nbformat.read(path, as_version=4), ANSWER).source


def test_the_folder_the_notebook_and_the_seed(tmp_path, exercises):
    place = tmp_path / "mine"
    started = start(SLUG, place)
    assert started.notebook == place / f"{SLUG}.ipynb" and started.new and started.told == []
    notebook = nbformat.read(started.notebook, as_version=4)
    assert notebook.metadata.course.learner == record.seed(place) > 0
    assert notebook.metadata.course.release == own_output.release_of(
        json.loads(exercises.read_bytes())
    )
    text = started.notebook.read_text(encoding="utf-8")
    there = re.findall(r"\]\(\.\./\.\./book/(\w+)\.md(#[\w-]+)\)", exercises.read_text())
    assert there and all(f"](http://127.0.0.1:20001/book/{a}.html{b})" in text for a, b in there)
    assert "](../../book/" not in text


def test_two_learners_have_two_seeds(tmp_path):
    places = [make_folder(tmp_path / name) for name in "ab"]
    assert len({record.seed(place) for place in places}) == 2


def test_a_second_start_touches_nothing(tmp_path, exercises):
    first = start(SLUG, tmp_path / "mine")
    mine = write_answer(first.notebook)
    again = start(SLUG, tmp_path / "mine")
    assert not again.new
    assert first.notebook.read_bytes() == mine


def test_without_a_unit_it_is_the_first_with_points_left(tmp_path, exercises):
    assert start(None, tmp_path / "mine").notebook.stem == record.summary().units[0].slug


def test_the_copy_is_handed_in_as_the_release_it_was(tmp_path, exercises):
    unit = load_unit(SLUG)
    copy = nbformat.read(start(SLUG, tmp_path / "mine").notebook, as_version=4)
    released = nbformat.read(exercises, as_version=4)
    assert [cell.source for cell in mend(copy, unit).cells] == [c.source for c in released.cells]


def test_answers_in_exercises_come_along_and_stay_there(tmp_path, exercises):
    before = write_answer(exercises)
    copy = exercises.with_name("my copy.ipynb")
    copy.write_bytes(before)
    started = start(SLUG, tmp_path / "mine")
    assert answer(started.notebook) == MINE
    assert (exercises.read_bytes(), copy.read_bytes()) == (before, before)
    assert started.told[0].startswith("1 answer from ")
    assert "my copy.ipynb stays where it is" in started.told[-1]


def test_both_sides_of_a_git_conflict_are_read(tmp_path, exercises):
    clean = exercises.read_text(encoding="utf-8")
    mine = write_answer(exercises).decode()
    marks = f"<<<<<<< Updated upstream\n{clean}=======\n{mine}>>>>>>> Stashed changes\n"
    for text in (marks, marks.replace(clean, "CLEAN").replace(mine, clean).replace("CLEAN", mine)):
        exercises.write_text(text, encoding="utf-8")
        notebook = carry.earlier_answers(load_unit(SLUG))
        assert cell_of(notebook, ANSWER).source == MINE
    exercises.write_text("<<<<<<< a\n{\n=======\n[\n>>>>>>> b\n")
    with pytest.raises(Unreadable, match="git has left both versions"):
        carry.earlier_answers(load_unit(SLUG))


def test_what_cannot_be_read_is_said_and_stays(tmp_path, exercises):
    exercises.write_text("{ half a notebook")
    started = start(SLUG, tmp_path / "mine")
    assert started.new and "cannot be read" in started.told[0]
    assert exercises.read_text() == "{ half a notebook"


def test_folders_that_cannot_be_the_learners(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="--folder"):
        make_folder(tmp_path / "file")
    for place in (starting.ROOT, starting.ROOT / "exercises" / SLUG):
        with pytest.raises(CourseError, match="the course's own"):
            make_folder(place)


def test_a_newer_release_is_told(tmp_path, exercises):
    start(SLUG, tmp_path / "mine")
    tree = json.loads(exercises.read_text(encoding="utf-8"))
    tree["cells"][0]["source"][0] = "# Newer\n"
    exercises.write_text(own_output.signed(json.dumps(tree), SLUG), encoding="utf-8")
    assert "course upgrade" in start(SLUG, tmp_path / "mine").told[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_any_line_a_second_start_finishes(tmp_path, exercises):
    """Every tenth line: each start reads and writes a whole notebook."""
    lines = 0
    place = tmp_path / "0"
    while killed_after(lines, partial(start, SLUG, place)):
        started = start(SLUG, place)
        nbformat.read(started.notebook, as_version=4)
        assert record.seed(place) > 0
        lines += 10
        place = tmp_path / f"{lines}"
    assert lines > 50


def test_where_learners_work_is_ignored_by_git(tmp_path):
    done = subprocess.run(
        ["git", "check-ignore", "-q", "notebooks/05_attention.ipynb"], cwd=starting.ROOT
    )
    assert done.returncode in (0, 128)  # 128: not a clone
