"""Answers that were written from the learner's notebook before the judge saw them: unseen_*.py.

Each file has `WRONG` and `RIGHT`: lists of (topic, source text or function, what is wrong or odd);
a function may say by its name what is wrong.
A text stands where the right answers to the exercises that it depends on stand; that of a decision
also has `np`, `shown`, the question, and `right`, the choice of somebody who sees it.
"""

import importlib.util
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from grading.course.sources import compile_answer
from grading.course.unit import load_exercise
from grading.judging.judge import judge
from grading.judging.trial import trial

SEED = 1
EXPLAINED = 0.85  # of the wrong ones, with a cause that is more than the first difference
HERE = Path(__file__).parent


def entries(path, kind):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = getattr(module, kind)
    return [
        (topic.split("/")[-1], *(rest if rest[1:] else (*rest, rest[0].__name__)))
        for topic, *rest in found
    ]


UNITS = {path.stem.removeprefix("unseen_"): path for path in sorted(HERE.glob("unseen_*.py"))}
UNSEEN = {
    (unit, kind, i): entry
    for unit, path in UNITS.items()
    for kind in ("WRONG", "RIGHT")
    for i, entry in enumerate(entries(path, kind))
}


def every(kind):
    """Each answer of a kind; those of a unit in one process, which judges each answer once."""
    keys = [key for key in UNSEEN if key[1] == kind]
    marked = [
        pytest.param(k, id=f"{k[0]}-{k[2]}-{UNSEEN[k][0]}", marks=pytest.mark.xdist_group(k[0]))
        for k in keys
    ]
    return pytest.mark.parametrize("key", marked)


def as_answer(exercise, answer):
    if callable(answer) or not exercise.is_decision:
        return answer if callable(answer) else compile_answer(exercise, {exercise.id: answer})
    question = exercise.question(SEED)
    names = {"np": np, "shown": question.shown, "right": question.right}
    exec(compile(answer, f"<{exercise.callable}>", "exec"), names)
    return names[exercise.callable]


@cache
def said(key):
    """The judge's verdict on an answer."""
    topic, answer, _ = UNSEEN[key]
    exercise = load_exercise(f"{key[0]}/{topic}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a wrong answer may well divide by 0
        evidence = trial(exercise, SEED).run(as_answer(exercise, answer))
        return judge(exercise, SEED, evidence)


@every("WRONG")
def test_a_wrong_answer_is_rejected(key):
    assert said(key).status in ("fail", "partial", "error"), UNSEEN[key][2]


@every("RIGHT")
def test_a_right_answer_is_accepted(key):
    assert said(key).status == "pass", f"{UNSEEN[key][2]}: {said(key).message}"


@pytest.mark.parametrize("unit", [pytest.param(u, marks=pytest.mark.xdist_group(u)) for u in UNITS])
def test_most_wrong_answers_are_explained(unit):
    causes = {key: said(key).cause for key in UNSEEN if key[:2] == (unit, "WRONG")}
    bare = [UNSEEN[key][2] for key, cause in causes.items() if cause in (None, "", "difference")]
    assert len(causes) >= 10
    assert len(bare) <= (1 - EXPLAINED) * len(causes), bare
