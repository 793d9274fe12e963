"""What a learner has done is noted, and survives whatever happens to the machine."""

import json
import multiprocessing
import os
import resource
import signal

import pytest

from grading.course.unit import load_unit
from grading.learner import record
from grading.learner.parts import PARTS
from tests.grading.learner.conftest import in_child, killed_after, make_verdict

MASK = "attention/causal_mask"
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_outside_of_a_learners_folder_nothing_is_noted(tmp_path):
    record.keep(MASK, make_verdict(), "def f(): ...", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert record.folder(tmp_path) is None
    assert record.seed(tmp_path) == 0
    assert record.piece(MASK, tmp_path) is None


def test_the_folder_is_found_from_below(place):
    below = place / "a" / "b"
    below.mkdir(parents=True)
    assert record.folder(below) == place
    assert record.seed(below) == 41
    assert not record.make(place, seed=5)
    assert record.seed(place) == 41


def test_points_are_the_most_and_the_text_is_the_last_that_was_right(place):
    record.keep(
        MASK, make_verdict(score=0.5, status="partial", misconception="shifted"), "1", place
    )
    assert record.piece(MASK, place) is None
    record.keep(MASK, make_verdict(), "2", place)
    record.keep(MASK, make_verdict(score=0, status="fail", misconception="inverted"), "3", place)
    noted = record.entry(MASK, place)
    assert (noted.points, noted.max_points, noted.checks, noted.status) == (1, 1, 3, "fail")
    assert noted.misconceptions == {"shifted": True, "inverted": False}
    assert record.piece(MASK, place) == "2"
    record.keep(MASK, make_verdict(), "4", place)
    assert record.entry(MASK, place).misconceptions == {"shifted": True, "inverted": True}
    assert record.piece(MASK, place) == "4"


def test_an_untouched_stub_is_no_try(place):
    record.keep(MASK, make_verdict(score=0, status="missing"), None, place)
    assert record.entry(MASK, place).checks == 0


def test_a_shown_solution_is_noted_once(place):
    record.note_shown(MASK, place)
    first = record.entry(MASK, place).shown
    record.keep(MASK, make_verdict(), "x", place)
    record.note_shown(MASK, place)
    assert first and record.entry(MASK, place).shown == first


def test_what_somebody_made_unreadable_stays_under_another_name(place):
    record.keep(MASK, make_verdict(), "x", place)
    [path] = (place / ".course" / "record").glob("*.json")
    path.write_text("{ my notes")
    record.keep(MASK, make_verdict(), "y", place)
    assert record.piece(MASK, place) == "y"
    kept = [p.read_text() for p in path.parent.iterdir() if p != path]
    assert "{ my notes" in kept


def test_half_a_character_in_an_answer(place):
    record.keep(MASK, make_verdict(), 'x = "\ud800"', place)
    assert record.piece(MASK, place) == 'x = "?"'


def count(place, number):
    for _ in range(number):
        record.keep(MASK, make_verdict(), "x", place)


@needs_fork
def test_several_notebooks_at_once_lose_nothing(place):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=count, args=(place, 10)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert record.entry(MASK, place).checks == 40


@needs_fork
def test_killed_at_any_line_the_record_is_old_or_new(place):
    record.keep(MASK, make_verdict(), "old", place)
    lines = checks = 1
    while killed_after(lines, lambda: record.keep(MASK, make_verdict(), "new", place)):
        now = record.entry(MASK, place)
        assert now.checks in (checks, checks + 1)
        assert now.source in ("old", "new")
        checks, lines = now.checks, lines + 1
    assert lines > 50
    assert record.piece(MASK, place) == "new"


@needs_fork
def test_a_full_disk_never_breaks_a_check(place, capfd):
    record.keep(MASK, make_verdict(), "old", place)

    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        record.keep(MASK, make_verdict(), "new" * 1000, place)

    assert in_child(work) == 0
    assert record.piece(MASK, place) == "old"
    assert not list((place / ".course" / "record").glob("*.new"))


def test_what_cannot_be_noted_is_said_in_one_line(place, capsys):
    folder = place / ".course" / "record"
    folder.rmdir()
    folder.write_text("in the way")
    record.keep(MASK, make_verdict(), "x", place)
    out = capsys.readouterr().out
    assert out.startswith("Your progress was not noted: ") and out.count("\n") == 1
    assert folder.read_text() == "in the way"


@needs_fork
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another user")
def test_a_folder_that_one_may_only_read(place, monkeypatch):
    record.keep(MASK, make_verdict(), "old", place)
    for folder in (place, *place.parents[:3]):
        folder.chmod(0o755)

    def work():
        os.setuid(65534)
        record.keep(MASK, make_verdict(), "new", place)
        record.folder(place)

    assert in_child(work) == 0
    assert record.piece(MASK, place) == "old"


# --- how far one is ------------------------------------------------------------------------------


def test_the_summary_counts_points_and_parts(place):
    unit = load_unit("05_attention")
    assert record.summary(["05_attention"], place).units[0].next.id == unit.exercises[0].id
    for exercise in unit.exercises[:4]:  # the first is no part of the model
        done = make_verdict(exercise.id, exercise.points)
        record.keep(exercise.id, done, f"def {exercise.callable}(): ...", place)
    whole = record.summary(["05_attention"], place)
    [summed] = whole.units
    assert summed.points == sum(e.points for e in unit.exercises[:4])
    assert summed.max_points == sum(e.points for e in unit.exercises)
    assert summed.next.id == unit.exercises[4].id
    own = {part.title for part, mine in whole.parts if mine}
    assert own == {"attention_weights", "scaled_dot_product_attention", "causal_mask"}
    assert whole.own_parts == 3


def test_a_right_answer_without_its_text_is_no_part(place):
    record.keep(MASK, make_verdict(), None, place)
    assert record.summary([], place).own_parts == 0


def test_the_parts_that_have_a_unit_are_its_exercises():
    assert len(PARTS) == 18
    names = {e.callable for e in load_unit("05_attention").exercises}
    for part in PARTS:
        if part.unit == "05_attention":
            assert set(part.names) & names, part


def test_the_record_is_plain_json(place):
    record.keep(MASK, make_verdict(misconception=None), "x = 1", place)
    [path] = (place / ".course" / "record").glob("*.json")
    assert json.loads(path.read_text())["source"] == "x = 1"
