"""`course grade --changed`: what an edit concerns is graded anew, all else stays to the bit."""

import io
import json
from dataclasses import replace

import nbformat
import pytest
from nbgrader.api import Gradebook
from rich.console import Console

from grading import cli
from grading.classrun import regrade, sample_class
from grading.classrun.store import Result
from grading.classrun.table import print_changes
from grading.course.errors import CourseError
from grading.course.sources import wrong_source
from grading.notebooks.marking import cell_of
from grading.notebooks.submission import grade_submission
from tests.grading.books import SLUG, copy_course, course, hand_in, new_gradebook, rows
from tests.grading.classrun.test_gradebook import by_hand, mark_by_hand

MASK = "attention/causal_mask"
OLD_NAME, NEW_NAME = "queries-taken-as-first", "queries-as-first"


def concerned(unit):
    """The exercise that is edited, and those that call it: the judge blames it in them too."""
    found = {MASK}
    while more := {e.id for e in unit.exercises if set(e.depends) & found} - found:
        found |= more
    return found


def mistaken(unit, right):
    """A notebook in which the causal mask shows the misconception of OLD_NAME."""
    exercise = unit.by_id[MASK]
    [wrong] = [m for m in exercise.misconceptions if m.name == OLD_NAME]
    answers = right | {exercise.answer_id: wrong_source(exercise, wrong)}
    return sample_class.notebook_with(unit, answers)


def edit(root, unit, released=True):
    """Give the causal mask five points for three, rename a misconception; as released anew."""
    path = root / "grading" / "units" / "attention" / "causal_mask.py"
    text = path.read_text(encoding="utf-8")
    for find, put in (("{SAME: 1, MORE: 2}", "{SAME: 1, MORE: 4}"), (OLD_NAME, NEW_NAME)):
        assert text.count(find) == 1
        text = text.replace(find, put)
    path.write_text(text, encoding="utf-8")
    if not released:
        return
    released = root / "exercises" / SLUG / f"{SLUG}.ipynb"
    notebook = nbformat.read(released, as_version=4)
    cell_of(notebook, unit.by_id[MASK].grade_id).metadata.nbgrader.points = 5
    nbformat.write(notebook, released)


def test_an_edit_that_was_not_released_is_refused(tmp_path, unit, right):
    hand_in(tmp_path / "submitted", "ada", sample_class.notebook_with(unit, right))
    root = copy_course(tmp_path / "course")
    edit(root, unit, released=False)
    new_gradebook(tmp_path)
    status, said = course("grade", "--submitted", tmp_path / "submitted", "--changed", root=root)
    assert status == 1 and "course release 05_attention" in said


@pytest.fixture(scope="module")
def told(tmp_path_factory, unit, right):
    """A class graded, an exercise edited, and all that `--changed` says and writes then."""
    home = tmp_path_factory.mktemp("class")
    url = new_gradebook(home)
    hand_in(home / "submitted", "ada", sample_class.notebook_with(unit, right))
    hand_in(home / "submitted", "ben", mistaken(unit, right))
    options = ["grade", "--submitted", str(home / "submitted"), "--json", str(home / "out.json")]
    assert cli.main(options) == 0
    for student in ("ada", "ben"):
        mark_by_hand(url, unit, student)
    with Gradebook(url) as book:  # one who was graded by hand in what is edited
        book.find_grade(unit.by_id[MASK].grade_id, SLUG, SLUG, "ben").manual_score = 2
        book.db.commit()
    root = copy_course(tmp_path_factory.mktemp("course"))
    edit(root, unit)
    hand_in(home / "submitted", "cleo", b"handed in later")
    steps = {"before": (home / "out.json").read_text(), "rows before": rows(url)}
    steps["asked"] = course(*options, "--changed", root=root)
    steps["rows asked"] = rows(url)
    steps["yes"] = course(*options, "--changed", "--yes", root=root)
    steps["rows"], steps["after"] = rows(url), (home / "out.json").read_text()
    steps["again"] = course(*options, "--changed", root=root)
    return steps | {"url": url, "rows again": rows(url), "home": home}


def test_without_a_terminal_the_difference_is_shown_and_nothing_written(told):
    status, said = told["asked"]
    assert status == 1 and "Add --yes" in said
    assert told["rows asked"] == told["rows before"]


def test_the_difference_is_shown_by_student_and_exercise(told, unit):
    for step in ("asked", "yes"):
        lines = [line for line in told[step][1].splitlines() if MASK in line]
        [ada], [ben] = ([li for li in lines if name in li] for name in ("ada", "ben"))
        assert "3/3 → 5/5" in ada
        assert "1/3 → 1/5" in ben and OLD_NAME in ben
    lines = [line for line in told["yes"][1].splitlines() if "cleo" in line]
    assert len(lines) == len(unit.exercises) and all("– → 0/" in line for line in lines)


def test_what_changed_is_written_and_the_rest_is_as_it_was(told, unit):
    assert told["yes"][0] == 0, told["yes"][1]
    before, after = (
        {(r["student"], r["exercise"]): r for r in json.loads(told[step])}
        for step in ("before", "after")
    )
    assert after["ada", MASK]["score"] == after["ada", MASK]["max_score"] == 5
    assert after["ben", MASK]["misconception"] == NEW_NAME
    for key, record in before.items():
        assert key[1] in concerned(unit) or after[key] == record
    assert len(concerned(unit)) < len(unit.exercises)


def test_points_and_maximum_are_in_the_gradebook_and_manual_grades_stay(told, unit):
    first_two = unit.exercises[:2]
    assert MASK not in {e.id for e in first_two}
    for student in ("ada", "ben"):
        grades, comment = by_hand(told["url"], unit, student)
        assert [g[1:] for g in grades] == [(0.5, 0.25, False), (1.5, 0.25, False)]
        assert comment == "Nice!"
    with Gradebook(told["url"]) as book:
        grades = [
            book.find_grade(unit.by_id[MASK].grade_id, SLUG, SLUG, student)
            for student in ("ada", "ben")
        ]
        assert [(g.auto_score, g.manual_score, g.max_score) for g in grades] == [
            (5, None, 5),
            (1, 2, 5),
        ]


def test_once_written_there_is_nothing_left_to_do(told):
    status, said = told["again"]
    assert status == 0 and "Nothing was written" in said
    assert told["rows again"] == told["rows"]


# --- what is kept ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graded(unit):
    return grade_submission("ada", SLUG, b"no notebook")


def test_verdicts_that_did_not_change_are_kept_to_the_bit(graded, unit):
    kept = [replace(v, score=v.max_score, status="pass", message="Kept.") for v in graded.verdicts]
    old = replace(graded, verdicts=tuple(kept))
    stale = frozenset({unit.exercises[0].id, unit.exercises[2].id})
    merged = regrade.merge(old, graded, stale, "")
    for before, new, now in zip(old.verdicts, graded.verdicts, merged.verdicts, strict=True):
        assert now == (new if now.exercise in stale else before)
    notebook = nbformat.reads(merged.notebook.decode(), as_version=4)
    for exercise, verdict in zip(unit.exercises, merged.verdicts, strict=True):
        [output] = cell_of(notebook, exercise.grade_id).outputs
        assert float(output.data["text/plain"]) == verdict.score
        assert verdict.message in output.data["text/html"].replace("&#x27;", "'")


def test_what_has_to_be_graded_anew(graded):
    now = {"a": "1", "b": "2"}
    old = Result("k", "bytes", 0, {"a": "1", "b": "1"}, graded)
    assert regrade._stale(old, "bytes", 0, now) == {"b"}
    assert regrade._stale(old, "other bytes", 0, now) == {"a", "b"}
    assert regrade._stale(old, "bytes", 1, now) == {"a", "b"}
    assert regrade._stale(None, "bytes", 0, now) == {"a", "b"}
    assert regrade._stale(replace(old, versions=now), "bytes", 0, now) == set()


def test_the_table_shows_names_as_they_are_and_says_if_nothing_would_change(graded, capsys):
    new = graded.verdicts[0]
    console = Console(width=100)
    print_changes([regrade.Change("[red]ada", SLUG, None, new)], console)
    assert "[red]ada" in capsys.readouterr().out
    assert not regrade.Change("ada", SLUG, new, replace(new, message="In other words.")).matters
    print_changes([], console)
    assert "No points and no misconception would change" in capsys.readouterr().out


def test_a_person_at_a_terminal_is_asked(monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, writes in (("y", True), ("Yes ", True), ("", False), ("no", False)):
        monkeypatch.setattr("builtins.input", lambda text, answer=answer: answer)
        try:
            cli._ask()
            assert writes
        except cli.CourseError as error:
            assert not writes and "nothing was written" in str(error)


def test_the_end_of_the_input_is_no_agreement(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    with pytest.raises(CourseError, match="nothing was written"):
        cli._ask()


def test_a_gradebook_that_is_gone_is_filled_again(tmp_path, unit, right):
    """The ledger still knows what was written; it is the gradebook that counts."""
    hand_in(tmp_path / "submitted", "ada", sample_class.notebook_with(unit, right))
    options = ["grade", "--submitted", str(tmp_path / "submitted"), "--jobs", "1"]
    assert cli.main([*options, "--seed", "5"]) == 0
    before = rows(f"sqlite:///{tmp_path / 'gradebook.db'}")
    (tmp_path / "gradebook.db").unlink()
    assert cli.main([*options, "--changed", "--yes"]) == 0
    assert rows(f"sqlite:///{tmp_path / 'gradebook.db'}") == before


def test_the_seed_is_that_of_before_where_none_is_named(tmp_path, unit, right, capsys):
    """Else a class would be graded anew on inputs that everyone can compute."""
    hand_in(tmp_path / "submitted", "ada", sample_class.notebook_with(unit, right))
    options = ["grade", "--submitted", str(tmp_path / "submitted"), "--jobs", "1"]
    said = []
    for more in ([], ["--seed", "5"], [], ["--changed"], ["--seed", "0"]):
        assert cli.main([*options, *more]) == 0
        said.append(capsys.readouterr().out)
    assert "Seed: 0" in said[0] and "Seed: 5" in said[1] and "Seed: 5" in said[2]
    assert "1 as graded before" in said[2] and "Nothing was written" in said[3]
    assert "Seed: 0" in said[4]
