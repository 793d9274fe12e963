"""The gradebook's writer: whole submissions or nothing, and what people wrote stays."""

from dataclasses import replace
from datetime import datetime

import pytest
from nbgrader.api import Base, Gradebook
from nbgrader.coursedir import CourseDirectory
from sqlalchemy import create_engine, inspect, text

from grading.classrun import gradebook, sample_class
from grading.classrun.gradebook import GradebookWriter
from grading.course.errors import CourseError
from grading.judging.judge import verdict
from grading.notebooks import submission
from grading.notebooks.marking import write_verdict
from grading.notebooks.mend import blank
from tests.grading.books import SLUG, WITH_TOOLS, new_gradebook, rows


@pytest.fixture
def url(tmp_path):
    return new_gradebook(tmp_path)


@pytest.fixture
def writer(url, tmp_path, unit):
    with GradebookWriter(url, tmp_path / "autograded") as opened:
        opened.register([unit])
        yield opened


def graded(unit, student, score):
    """A graded submission with this score in its first exercise and none in the others."""
    notebook, said = blank(unit), []
    for number, exercise in enumerate(unit.exercises):
        points = 0 if number else score
        said.append(verdict(exercise, points, "partial" if points else "fail", "So it is."))
        write_verdict(notebook, exercise, said[-1], "")
    data = submission.nbformat.writes(notebook).encode()
    return submission.Graded(student, unit.slug, tuple(said), data, (), 0.0)


def test_scores_and_the_judged_notebook_are_there_and_held(writer, unit):
    one = graded(unit, "ada", 1)
    writer.write(one)
    scores = writer.scores(unit.slug)
    assert scores == {
        "ada": {e.grade_id: 0 for e in unit.exercises} | {unit.exercises[0].grade_id: 1}
    }
    assert writer.holds(one, scores)
    assert not writer.holds(graded(unit, "ada", 0.5), scores)
    assert not writer.holds(replace(one, student="ben"), scores)


def test_points_by_hand_are_told(writer, url, unit):
    first, second = (exercise.grade_id for exercise in unit.exercises[:2])
    for student in ("ada", "ben", "cleo"):
        writer.write(graded(unit, student, 1))
    assert writer.by_hand(unit.slug) == []
    with Gradebook(url) as book:
        book.find_grade(first, SLUG, SLUG, "cleo").manual_score = 0
        book.find_grade(second, SLUG, SLUG, "ada").extra_credit = 1
        book.db.commit()
    assert writer.by_hand(unit.slug) == [
        gradebook.ByHand("ada", second, 0, None, 1),
        gradebook.ByHand("cleo", first, 1, 0, None),
    ]
    assert writer.students(unit.slug) == {"ada", "ben", "cleo"}
    assert writer.students("another") == set()


def test_the_time_lies_where_stock_nbgrader_looks_for_it(writer, unit):
    """By it, it knows a newer submission."""
    writer.write(graded(unit, "ada", 1), datetime(2026, 5, 4, 3, 2, 1))
    [folder] = writer.autograded.glob("ada/*")
    assert CourseDirectory().get_existing_timestamp(str(folder)) == datetime(2026, 5, 4, 3, 2, 1)


def test_a_submission_is_written_whole_or_not_at_all(writer, unit, url, monkeypatch):
    writer.write(graded(unit, "ada", 1))
    before, calls = rows(url), []

    def breaks(self, cell, resources):
        calls.append(cell)
        if len(calls) == 4:
            raise OSError("the disk is full")

    monkeypatch.setattr(gradebook.SaveAutoGrades, "_add_comment", breaks)
    with pytest.raises(OSError, match="full"):
        writer.write(graded(unit, "ben", 0.5))
    assert len(calls) == 4 and rows(url) == before
    monkeypatch.undo()
    writer.write(graded(unit, "ben", 0.5))
    assert sum((rows(url) - before).values()) == 3 + 2 * len(unit.exercises)


def test_writing_twice_changes_nothing(writer, unit, url):
    writer.write(graded(unit, "ada", 1))
    before = rows(url)
    writer.write(graded(unit, "ada", 1))
    writer.register([unit])
    assert rows(url) == before


def mark_by_hand(url, unit, student):
    """What a person does in formgrader to the first two exercises."""
    with Gradebook(url) as book:
        for exercise, score in zip(unit.exercises[:2], (0.5, 1.5), strict=True):
            grade = book.find_grade(exercise.grade_id, SLUG, SLUG, student)
            grade.manual_score, grade.extra_credit, grade.needs_manual_grade = score, 0.25, False
        book.find_comment(unit.exercises[0].answer_id, SLUG, SLUG, student).manual_comment = "Nice!"
        book.db.commit()


def by_hand(url, unit, student):
    with Gradebook(url) as book:
        found = [book.find_grade(e.grade_id, SLUG, SLUG, student) for e in unit.exercises[:2]]
        comment = book.find_comment(unit.exercises[0].answer_id, SLUG, SLUG, student).manual_comment
        fields = ("auto_score", "manual_score", "extra_credit", "needs_manual_grade")
        return [tuple(getattr(g, name) for name in fields) for g in found], comment


def test_manual_grades_stay_and_only_a_changed_score_asks_for_another_look(writer, unit, url):
    writer.write(graded(unit, "ada", 1))
    mark_by_hand(url, unit, "ada")
    writer.write(graded(unit, "ada", 1))
    assert by_hand(url, unit, "ada") == ([(1, 0.5, 0.25, False), (0, 1.5, 0.25, False)], "Nice!")
    writer.write(graded(unit, "ada", 0.5))
    assert by_hand(url, unit, "ada") == ([(0.5, 0.5, 0.25, True), (0, 1.5, 0.25, False)], "Nice!")


def test_a_gradebook_that_a_killed_run_left_half_made_is_made_anew(tmp_path, monkeypatch, unit):
    monkeypatch.setenv("PATH", WITH_TOOLS)
    url = f"sqlite:///{tmp_path / 'half.db'}"
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
    engine.dispose()
    with GradebookWriter(url, tmp_path) as opened:
        opened.register([unit])
    assert versions(url) == versions(new_gradebook(tmp_path))


def versions(url):
    engine = create_engine(url)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).all()
        tables = sorted(inspect(engine).get_table_names())
    engine.dispose()
    return found, tables


def test_an_old_release_is_refused(unit, writer, monkeypatch):
    notebook = blank(unit)
    cell = next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade"))
    cell.metadata.nbgrader.points += 1
    monkeypatch.setattr(gradebook, "blank", lambda unit: notebook)
    with pytest.raises(CourseError, match="course release 05_attention"):
        writer.register([unit])


def test_a_gradebook_of_other_exercises_is_refused_and_left_alone(unit, writer, url):
    writer.write(graded(unit, "ada", 1))
    before = rows(url)
    fewer = type(unit)(unit.slug, unit.title, unit.exercises[:-1])
    last = unit.exercises[-1]
    keep = [c for c in blank(unit).cells if _id(c) not in (last.grade_id, last.answer_id)]
    short = blank(unit)
    short.cells = keep
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradebook, "blank", lambda unit: short)
        with pytest.raises(CourseError, match="another version of 05_attention"):
            writer.register([fewer])
    assert rows(url) == before


def _id(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id")


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("gradebook", "--db 'gradebook' is no address"),
        ("mysql://x", "--db: mysql is not supported"),
        ("sqlite:////no/such/folder/g.db", "cannot be opened .* Look at --db"),
    ],
)
def test_what_is_no_database_is_said(url, text, tmp_path):
    with pytest.raises(CourseError, match=text), GradebookWriter(url, tmp_path):
        pass


def test_postgresql_gets_its_driver():
    assert gradebook.driver_named("postgresql://u:p@h/d") == "postgresql+psycopg://u:p@h/d"
    assert gradebook.driver_named("postgresql+psycopg2://h/d") == "postgresql+psycopg2://h/d"


def test_the_notebook_of_a_right_answer_is_worth_its_points(writer, unit, right):
    """nbgrader reads the same points from the judged notebook as the verdicts have."""
    one = submission.grade_submission("ada", SLUG, sample_class.notebook_with(unit, right))
    writer.write(one)
    assert writer.holds(one, writer.scores(SLUG)) and one.score == sum(
        e.points for e in unit.exercises
    )
