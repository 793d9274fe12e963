"""Unit 5 on answers that nobody had in mind when its bank was written."""

import pytest

from grading.course.unit import load_exercise
from grading.judging.judge import judge
from grading.judging.trial import trial
from tests.grading.units.unseen_attention import RIGHT, WRONG

# Known to get no reason: their numbers stand in no simple relation to the right ones.
UNEXPLAINED = {"normalised_by_the_sum", "distances", "halves_of_features"}


def said_of(name, answer, seed):
    exercise = load_exercise(name)
    return judge(exercise, seed, trial(exercise, seed).run(answer))


def by_name(answers):
    return pytest.mark.parametrize(
        ("name", "answer"), answers, ids=[answer.__name__ for _, answer in answers]
    )


@by_name(WRONG)
def test_a_wrong_answer_is_rejected_with_a_reason(name, answer):
    for seed in (1, 2):
        said = said_of(name, answer, seed)
        assert said.score < said.max_score
        assert (said.cause == "difference") == (answer.__name__ in UNEXPLAINED), said.message


@by_name(RIGHT)
def test_a_right_answer_in_another_style_is_accepted(name, answer):
    for seed in (1, 2):
        said = said_of(name, answer, seed)
        assert said.status == "pass", said.message


def test_the_shares_of_this_sample():
    rejected = [said_of(name, answer, 1) for name, answer in WRONG]
    reasons = [said.cause for said in rejected if said.cause != "difference"]
    print(f"rejected {len(rejected)} of {len(WRONG)}, with a reason {len(reasons)}")
    assert len(WRONG) >= 40 and len(RIGHT) >= 12
    assert len(reasons) >= 0.85 * len(WRONG)
