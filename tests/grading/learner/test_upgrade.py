"""A newer release comes in, and everything that the learner wrote is there still."""

import copy
import json
import multiprocessing
import os
import resource
import signal

import nbformat
import pytest

from grading.course.errors import CourseError
from grading.course.unit import load_unit
from grading.learner import jupyter, record
from grading.learner import upgrade as upgrading
from grading.learner.merge import merge
from grading.learner.start import keep_base, personal
from grading.learner.upgrade import upgrade
from grading.notebooks import own_output
from tests.grading.learner.conftest import in_child, killed_after

SLUG = "05_attention"


def md(name, source):
    cell = nbformat.v4.new_markdown_cell(source)
    cell.id = name
    return cell


def code(name, source, **metadata):
    cell = nbformat.v4.new_code_cell(source, metadata=metadata)
    cell.id = name
    return cell


def exercise(name, stub):
    grade_id = f"attention__{name}"
    fields = {"schema_version": 3, "solution": True, "grade": False, "locked": False}
    test = {**fields, "solution": False, "grade": True, "locked": True, "points": 1}
    return [
        code(f"{name}-answer", stub, nbgrader=fields | {"grade_id": f"{grade_id}__answer"}),
        code(name, f'check("attention/{name}", {name})', nbgrader=test | {"grade_id": grade_id}),
    ]


def notebook(*cells):
    made = nbformat.v4.new_notebook()
    for cell in cells:
        made.cells += cell if isinstance(cell, list) else [cell]
    return copy.deepcopy(made)


def sources(made):
    return [cell.source for cell in made.cells]


OLD = notebook(md("a", "# Old"), exercise("one", "def one(): stub"), md("b", "text"))
NEW = notebook(
    md("a", "# New"),
    exercise("zero", "def zero(): stub"),
    exercise("one", "def one(): stub"),
    md("b", "text"),
)


def learners(change):
    mine = copy.deepcopy(OLD)
    change({cell.id: cell for cell in mine.cells}, mine)
    return mine


def test_an_answer_moves_to_its_exercise():
    mine = learners(lambda cells, _: cells["one-answer"].update(source="def one(): mine"))
    merged = merge(mine, OLD, NEW)
    assert sources(merged.notebook) == [
        "# New",
        "def zero(): stub",
        'check("attention/zero", zero)',
        "def one(): mine",
        'check("attention/one", one)',
        "text",
    ]
    assert (merged.answers, merged.told) == (["attention/one"], [])


def test_what_nobody_touched_is_the_new_release():
    assert sources(merge(OLD, OLD, NEW).notebook) == sources(NEW)


def test_cells_of_ones_own_stay_where_they_stood():
    def change(_, mine):
        mine.cells.insert(0, md("mine-0", "above"))
        mine.cells.insert(2, code("mine-1", "x = 1"))
        mine.cells.append(md("mine-2", "below"))

    merged = sources(merge(learners(change), OLD, NEW).notebook)
    assert merged[0] == "above" and merged[-1] == "below"
    assert merged[merged.index("x = 1") - 1] == "# New"


def test_a_released_cell_that_was_changed_is_kept_behind_the_new_one():
    mine = learners(lambda cells, _: cells["a"].update(source="# Old, with my notes"))
    merged = merge(mine, OLD, NEW)
    assert sources(merged.notebook)[:2] == ["# New", "# Old, with my notes"]
    assert merged.told == ["Your version of the cell '# New' stands behind the new one."]


def test_the_answer_to_an_exercise_that_is_gone_is_kept_and_said():
    mine = learners(lambda cells, _: cells["one-answer"].update(source="def one(): mine"))
    new = notebook(md("a", "# New"), md("b", "text"))
    merged = merge(mine, OLD, new)
    assert sources(merged.notebook) == ["# New", "def one(): mine", "text"]
    assert "nbgrader" not in merged.notebook.cells[1].metadata
    assert merged.told[0].startswith("attention/one is no exercise of this unit any more")


def test_the_new_text_of_an_exercise_stands_behind_the_answer():
    mine = learners(lambda cells, _: cells["one-answer"].update(source="def one(): mine"))
    new = notebook(md("a", "# Old"), exercise("one", "def one(more): stub"), md("b", "text"))
    merged = merge(mine, OLD, new)
    assert merged.notebook.cells[1].source == "def one(): mine"
    assert "def one(more): stub" in merged.notebook.cells[2].source
    again = merge(merged.notebook, new, NEW)
    assert "def one(more): stub" in "".join(sources(again.notebook))


def test_cells_whose_ids_a_frontend_has_changed_are_not_doubled():
    def change(_, mine):
        for cell in mine.cells:
            cell.id = f"other-{cell.id}"

    assert sources(merge(learners(change), OLD, NEW).notebook) == sources(NEW)


def test_outputs_stay_with_cells_that_are_as_they_were():
    output = nbformat.v4.new_output("stream", text="42")
    mine = learners(lambda cells, _: cells["one"].update(outputs=[output], execution_count=3))
    cells = {cell.id: cell for cell in merge(mine, OLD, NEW).notebook.cells}
    assert cells["one"].outputs[0].text == "42" and cells["one"].execution_count == 3


def test_ids_are_never_doubled():
    def change(_, mine):
        mine.cells += [code("zero", "x = 1"), code("a", "y = 1")]

    merged = merge(learners(change), OLD, NEW).notebook
    ids = [cell.id for cell in merged.cells]
    assert len(set(ids)) == len(ids)
    assert {"x = 1", "y = 1"} <= set(sources(merged))


# --- the command's work --------------------------------------------------------------------------


@pytest.fixture
def upgradable(place, monkeypatch):
    """A learner's notebook of an old release with an answer in it; the new release is out."""

    def text(made):
        return own_output.signed(nbformat.writes(made), SLUG)

    keep_base(place, SLUG, text(OLD))
    mine = nbformat.reads(text(OLD), as_version=4)
    mine.cells[1].source = "def one(): mine"
    path = place / f"{SLUG}.ipynb"
    path.write_text(personal(mine, place))
    monkeypatch.setattr(upgrading, "release_text", lambda unit: text(NEW))
    monkeypatch.setattr(jupyter, "is_open", lambda path: False)
    return path


def test_upgrade_keeps_the_old_file_beside(place, upgradable):
    old = upgradable.read_bytes()
    [done] = upgrade([], place)
    assert done.answers == ("attention/one",)
    assert done.before.parent == place and done.before.read_bytes() == old
    new = nbformat.read(upgradable, as_version=4)
    assert "def one(): mine" in sources(new) and "# New" in sources(new)
    assert new.metadata.course.learner == record.seed(place)
    [again] = upgrade([], place)
    assert again.before is None
    assert len(list(place.glob("*.ipynb"))) == 2


def test_a_notebook_that_is_open_is_left_alone(place, upgradable, monkeypatch):
    old = upgradable.read_bytes()
    monkeypatch.setattr(jupyter, "is_open", lambda path: True)
    with pytest.raises(CourseError, match="open in Jupyter"):
        list(upgrade([], place))
    assert upgradable.read_bytes() == old


def test_a_notebook_saved_meanwhile_is_left_alone(place, upgradable, monkeypatch):
    def save(*arguments):
        upgradable.write_bytes(b"saved by a frontend")
        return keep_base(*arguments)

    monkeypatch.setattr(upgrading, "keep_base", save)
    with pytest.raises(CourseError, match="saved just now"):
        list(upgrade([], place))
    assert upgradable.read_bytes() == b"saved by a frontend"


def test_what_is_no_notebook_stays_as_it_is(place, upgradable):
    upgradable.write_text("{ half")
    with pytest.raises(CourseError, match="stays as it is"):
        list(upgrade([], place))
    assert upgradable.read_text() == "{ half"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_any_line_no_answer_is_lost(place, upgradable):
    load_unit(SLUG)
    old = upgradable.read_bytes()
    lines = 0
    while killed_after(lines, lambda: list(upgrade([], place))):
        made = nbformat.read(upgradable, as_version=4)
        assert "def one(): mine" in sources(made)
        upgradable.write_bytes(old)
        lines += 3
    assert lines > 100
    assert "# New" in sources(nbformat.read(upgradable, as_version=4))


def test_a_folder_that_is_no_learners(tmp_path):
    with pytest.raises(CourseError, match="course start"):
        list(upgrade([], tmp_path))


def test_a_release_kept_for_later_is_the_one_named(place, upgradable):
    [kept] = (place / ".course" / "released").iterdir()
    named = own_output.release_of(json.loads(upgradable.read_bytes()))
    assert kept.name == f"{SLUG}.{named}.ipynb"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("share", [0.1, 0.9, 1.0])  # the new notebook is longer than the old one
def test_a_full_disk_leaves_the_old_notebook(place, upgradable, share):
    old = upgradable.read_bytes()
    room = int(share * len(old))

    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        try:
            list(upgrade([], place))
        except CourseError as error:
            os._exit(7 if "the disk is full" in str(error) else 8)

    load_unit(SLUG)
    assert in_child(work) == 7
    assert upgradable.read_bytes() == old
    assert not list(place.rglob("*.new"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_two_terminals_upgrade_at_once(place, upgradable):
    load_unit(SLUG)
    old = upgradable.read_bytes()
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=lambda: list(upgrade([], place))) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    [before] = place.glob("*.before-*.ipynb")
    assert before.read_bytes() == old
    assert "def one(): mine" in sources(nbformat.read(upgradable, as_version=4))
