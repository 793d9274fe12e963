"""The bug hunt's evidence shows what the verdicts say of it; questions have one answer each."""

import json
from itertools import pairwise

import pytest

from grading.course.unit import load_unit
from grading.judging.judge import judge
from grading.judging.trial import trial
from grading.kernel import run
from grading.units.capstone.bug_hunt import EVIDENCE, GROUPS, HOW_IT_SHOWS
from grading.units.capstone.faults import EXPERIMENTS, FAULTS

FOUND = json.loads(EVIDENCE.read_text(encoding="utf-8"))
BY_ID = load_unit("12_capstone").by_id
ATTENTION = {"no-mask", "no-scale", "softmax-over-queries", "no-rotation"}
ATTENTION |= {"queries-turned-alone", "positions-restart"}


def rows(passage):
    return {row["model"]: row for row in FOUND["models"] if row["passage"] == passage}


@pytest.mark.parametrize("passage", range(len(FOUND["texts"])))
def test_each_fault_shows_as_its_verdict_says_and_no_other_does(passage):
    found = rows(passage)
    sound = found.pop("sound")
    assert found.keys() == FAULTS.keys() == HOW_IT_SHOWS.keys()
    assert all(row["losses"].keys() == EXPERIMENTS.keys() for row in found.values())

    def like_the_sound(experiment, other=None):
        wanted = sound["losses"][other or experiment]
        return {n for n, r in found.items() if abs(r["losses"][experiment] - wanted) < 2e-3}

    def same(*experiments):
        losses = {n: [r["losses"][e] for e in experiments] for n, r in found.items()}
        return {name for name, some in losses.items() if max(some) - min(some) < 1e-9}

    assert {n for n, r in found.items() if r["reach"] > 0.1} == {"no-mask", "softmax-over-queries"}
    lower = {n for n, r in found.items() if r["losses"]["at once"] < sound["losses"]["at once"] - 1}
    assert lower == {"no-mask"}
    assert like_the_sound("q / 8", "at once") == {"no-scale"}
    assert like_the_sound("alone") == ATTENTION
    assert same("at once", "theta", "later") & ATTENTION == {"no-rotation"}
    assert like_the_sound("at once") == {"positions-restart"}
    assert like_the_sound("by one") == {"no-mask"}
    moved = {
        n for n, r in found.items() if abs(r["losses"]["later"] - r["losses"]["at once"]) > 0.1
    }
    assert moved == {"queries-turned-alone"}
    assert like_the_sound("no o") == ATTENTION | {"kv-heads-tiled"}
    assert {n for n, r in found.items() if r["losses"]["no o"] == 10.803} == {"no-residual"}
    assert like_the_sound("no down") & found.keys() - {"positions-restart"} == {
        "gate-and-up-swapped"
    }
    assert same("at once", "norms") == {"norm-weights-ignored"}
    assert {n for n, r in found.items() if r["largest logit"] > 1000} == {"no-final-norm"}
    assert like_the_sound("two") - {"positions-restart"} == {"layers-in-text-order"}


def test_faults_of_a_hunt_are_of_different_groups_and_every_wrong_answer_shows_something():
    assert sorted(name for group in GROUPS for name in group) == sorted(FAULTS)
    for seed in range(50):
        question = BY_ID["capstone/bug_hunt"].question(seed)
        wrong = [*question.wrong.values(), *(a for also in question.also.values() for a in also)]
        assert len({*wrong, question.right}) == len(wrong) + 1 == 12**3
        assert len(question.shown["models"]) == 12


def test_every_answer_with_one_letter_wrong_is_told_how_its_model_shows():
    exercise = BY_ID["capstone/bug_hunt"]
    right = exercise.question(3).right
    others = sorted(set("ABCDEFGHIJKL") - set(right))
    answer = right[:1] + others[0] + right[2:]
    verdict = judge(exercise, 3, run(trial(exercise, 3).request, lambda: answer))
    assert verdict.score == 0 and verdict.misconceptions


def test_no_two_answers_of_a_plan_are_near():
    for seed in range(50):
        question = BY_ID["capstone/plan"].question(seed)
        assert all(
            b > 1.02 * a for a, b in pairwise(sorted([question.right, *question.wrong.values()]))
        )


def test_a_plan_that_is_rounded_too_far_is_told_so_and_one_that_is_not_is_right():
    exercise = BY_ID["capstone/plan"]
    right = exercise.question(11).right
    for digits, misconceptions in ((1, ("rounded",)), (2, ("rounded",)), (5, ())):
        answer = float(f"{right:.{digits}g}")
        verdict = judge(exercise, 11, run(trial(exercise, 11).request, lambda a=answer: a))
        assert verdict.misconceptions == misconceptions
        assert (verdict.status == "pass") == (not misconceptions)


def test_the_right_letters_in_another_order_are_told_so():
    exercise = BY_ID["capstone/bug_hunt"]
    answer = exercise.question(3).right[::-1]
    verdict = judge(exercise, 3, run(trial(exercise, 3).request, lambda: answer))
    assert verdict.misconceptions == ("other-order",)
