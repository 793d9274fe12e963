"""Each kind of exercise at home, in a class run behind both walls, and under stock nbgrader."""

import os
import re
import subprocess
import sys

import jupytext
import nbformat
import pytest
from nbgrader.api import Gradebook

import grading
from grading.classrun import sample_class
from grading.course.errors import CourseError
from grading.course.following import standing_alone
from grading.course.given import answers_in
from grading.course.places import ROOT
from grading.course.sources import wrong_source
from grading.judging import bank
from grading.judging.judge import judge
from grading.judging.trial import trial
from grading.kernel.given import module_of
from grading.notebooks.submission import grade_submission
from grading.sandbox import warm
from tests.grading.machines import started

MISTAKEN = {"visible_mean": "future-seen", "affine": "bias-not-trained", "fit": "not-trained"}


def answers(unit, wrong=()):
    """All answers right but those of these topics, which show a misconception."""
    sources = sample_class.right_answers(unit)
    for topic in wrong:
        exercise = unit.by_id[f"kinds/{topic}"]
        [shown] = [m for m in exercise.misconceptions if m.name == MISTAKEN[topic]]
        sources[exercise.answer_id] = wrong_source(exercise, shown)
    return sample_class.notebook_with(unit, sources)


def test_the_bank_proves_every_kind(kinds):
    found = list(bank.outcomes(kinds.exercises, seeds=[1, 2]))
    assert [o for o in found if not o.as_it_should] == []


def test_every_kind_is_right_at_home(kinds, monkeypatch):
    said = {}
    monkeypatch.setattr(grading, "check", lambda name, answer: said.update({name: answer}))
    cells = jupytext.read(kinds.source, fmt="py:percent").cells
    namespace = {}
    for cell in cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, "<kinds>", "exec"), namespace)
    for exercise in kinds.exercises:
        answer = namespace[exercise.checks or exercise.callable]
        verdict = judge(exercise, 0, trial(exercise, 0).request and _run(exercise, answer))
        assert verdict.status == "pass", (exercise.id, verdict.text())


def _run(exercise, answer):
    from grading import kernel

    return kernel.run(trial(exercise, 0).request, answer)


@pytest.mark.parametrize("kind", [warm.NAMESPACES, warm.LANDLOCK])
def test_a_solution_notebook_earns_all_points_behind_both_walls(kinds, kind, monkeypatch):
    started(kind)
    monkeypatch.setattr(warm, "strongest", lambda trusted: kind)
    graded = grade_submission("ada", kinds.slug, answers(kinds))
    said = {v.exercise: v.text() for v in graded.verdicts if v.status != "pass"}
    assert said == {} and graded.score == sum(e.points for e in kinds.exercises)
    graded = grade_submission("bo", kinds.slug, answers(kinds, wrong=MISTAKEN))
    named = {v.exercise.split("/")[1]: v.misconception for v in graded.verdicts if v.misconception}
    assert named == MISTAKEN


def test_an_untouched_notebook_waits_for_every_kind(kinds):
    graded = grade_submission("cleo", kinds.slug, sample_class.notebook_with(kinds, {}))
    assert {v.status for v in graded.verdicts} == {"missing"}, [v.text() for v in graded.verdicts]


def test_stock_nbgrader_gives_the_same(kinds, tmp_path):
    folder = tmp_path / "submitted" / "ada" / kinds.slug
    folder.mkdir(parents=True)
    (folder / f"{kinds.slug}.ipynb").write_bytes(answers(kinds, wrong=["fit"]))
    url = f"sqlite:///{tmp_path / 'gradebook.db'}"
    options = {"submitted": "submitted", "release": "release", "autograded": "autograded"}
    command = [sys.executable, "-m", "nbgrader", "autograde", kinds.slug]
    command += [f"--CourseDirectory.{k}_directory={tmp_path / v}" for k, v in options.items()]
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*command, f"--CourseDirectory.db_url={url}"],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with Gradebook(url) as book:
        notebook = book.find_submission_notebook(kinds.slug, kinds.slug, "ada")
        scores = {grade.name: grade.auto_score for grade in notebook.grades}
    lost = {name for name, points in scores.items() if not points}
    assert lost == {"kinds__fit"} and len(scores) == len(kinds.exercises)


# --- given pieces ---------------------------------------------------------------------------------


def test_a_given_piece_stands_alone(kinds):
    name, text, places = standing_alone("attention/grouped_query")
    assert name == "grouped_query_attention" and "reference_impl" not in text
    made = module_of(text, "given_alone", "<given>")
    import torch

    q, k, v = (torch.randn(1, heads, 3, 4) for heads in (4, 2, 2))
    from reference_impl.decoder.attention import grouped_query_attention

    assert torch.equal(made[name](q, k, v), grouped_query_attention(q, k, v))
    assert {place[1] for place in places} >= {"grouped_query_attention", "attention_weights"}


def test_no_answer_of_the_unit_itself_or_of_a_later_one_is_given(kinds, tmp_path, monkeypatch):
    _, _, places = standing_alone("kinds/visible_mean")
    assert answers_in(places, kinds) == {"kinds/visible_mean"}
    assert answers_in(standing_alone("attention/causal_mask")[2], kinds) == set()


def test_what_is_not_given_is_said(kinds):
    source = sample_class.right_answers(kinds)
    exercise = kinds.by_id["kinds/noise"]
    text = source[exercise.answer_id] + '\n\ngiven("attention/split_heads")'
    notebook = sample_class.notebook_with(kinds, {**source, exercise.answer_id: text})
    graded = grade_submission("dan", kinds.slug, notebook)
    cell = nbformat.reads(graded.notebook.decode(), as_version=4)
    said = [o.evalue for c in cell.cells for o in c.get("outputs", []) if o.output_type == "error"]
    assert any("is not given in this unit" in text for text in said)


# --- decisions ------------------------------------------------------------------------------------


def test_a_decision_is_drawn_for_its_learner(kinds):
    exercise = kinds.by_id["kinds/which_curve"]
    rights = {exercise.question(seed).right for seed in range(20)}
    assert rights == {"A", "B"}
    assert trial(exercise, 3).request["cases"] == [{}]  # nothing that gives it away
    seed = next(s for s in range(20) if exercise.question(s).right == "A")
    notebook = nbformat.reads(answers(kinds).decode(), as_version=4)
    notebook.metadata["course"]["learner"] = seed
    graded = grade_submission("eve", kinds.slug, nbformat.writes(notebook).encode())
    [said] = [v for v in graded.verdicts if v.exercise == exercise.id]
    assert (said.score, said.misconception) == (0, "the-slower-one")


@pytest.mark.parametrize(
    ("choice", "says"),
    [("other", "not the right choice"), ("AB", "1 letter is wanted"), (1, "a text is wanted")],
)
def test_a_wrong_choice_is_not_told_the_right_one(kinds, choice, says):
    exercise = kinds.by_id["kinds/which_curve"]
    right = exercise.question(3).right
    choice = {"A": "B", "B": "A"}[right] if choice == "other" else choice
    said = judge(exercise, 3, trial(exercise, 3).run(lambda: choice))
    words = " ".join([said.message, *said.details])
    assert says in words
    assert "expected" not in words and f"'{right}'" not in words
    assert said.score == 0


def test_the_question_at_home_is_the_learners_own(kinds):
    shown = grading.question("kinds/which_curve")
    assert set(shown) == {"A", "B"}
    with pytest.raises(CourseError, match="no decision"):
        grading.question("kinds/noise")


# --- rules that the author is held to -----------------------------------------------------------


def test_a_part_without_a_case_gives_nothing_away(kinds):
    import dataclasses

    exercise = kinds.by_id["kinds/noise"]
    broken = dataclasses.replace(exercise, parts={"all": 1, "more": 3})
    with pytest.raises(CourseError, match="Each part needs a case"):
        broken.draw(1)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"id": "Kinds/Noise"}, "small letters"),
        ({"parts": {}}, "at least one part"),
        ({"parts": {"all": 0}}, "more than 0"),
        ({"difficulty": "so so"}, "easy, medium, hard"),
        ({"arrays": "lists"}, '"torch" or "numpy"'),
        ({"checks": "model"}, "come together"),
        ({"drive": lambda answer: None}, "not a lambda"),
    ],
)
def test_faults_of_an_author_are_found_at_import(kinds, changes, says):
    import dataclasses

    with pytest.raises(CourseError, match=re.escape(says)):
        dataclasses.replace(kinds.by_id["kinds/noise"], **changes)
