"""What holds of every unit: nothing here names one, and a new unit is tested by itself."""

import doctest
import inspect
import re

import numpy as np
import pytest
import torch
from beartype import beartype
from jaxtyping import jaxtyped

from grading.course.examples import example_calls
from grading.course.places import ROOT
from grading.course.unit import load_unit, unit_slugs
from grading.judging import bank
from grading.judging.compare import pairs_of_arrays
from grading.judging.measures import Close
from grading.judging.trial import trial

UNITS = [load_unit(slug) for slug in unit_slugs()]
EXERCISES = [exercise for unit in UNITS for exercise in unit.exercises]


def every(things):
    return pytest.mark.parametrize("thing", things, ids=lambda t: getattr(t, "id", None) or t.slug)


@every(EXERCISES)
def test_its_bank_proves_it(thing):
    found = list(bank.outcomes([thing], seeds=[11]))
    assert [o for o in found if not o.as_it_should] == []
    assert len(thing.misconceptions) >= 6 or thing.is_decision
    assert len(thing.alternatives) >= 3 or thing.is_decision or thing.checks


def largest_difference(at, got):
    """The largest difference of floats in units of the tolerance; inf where more is different."""
    return max(_size(at, i, outcome) for i, outcome in enumerate(got.cases))


def _size(at, i, outcome):
    found, sizes = at.difference(i, outcome), [0.0]
    if not isinstance(at.measure(i), Close):  # counts, a bound: right or not
        return np.inf if found else 0.0
    allowed = at.measure(i).tolerance  # the exercise's, or the case's own
    for want, have in pairs_of_arrays(at.expected(i).output, outcome.output):
        if want.value.dtype.kind == have.value.dtype.kind == "f":
            if want.value.shape == have.value.shape:
                a, b = want.value.astype(float), have.value.astype(float)
                with np.errstate(invalid="ignore"):  # where both are minus infinity
                    size = np.abs(a - b) / (allowed.atol + allowed.rtol * np.abs(a))
                size = np.where(a == b, 0.0, size)
                size = np.nan_to_num(size, nan=np.inf, posinf=np.inf)[~np.isnan(a)]
                sizes.append(size.max(initial=0))
    close = found is None or (found.kind == "value" and max(sizes) > 1)
    return max(sizes) if close else np.inf


@every([e for e in EXERCISES if not e.is_decision and not e.checks])
def test_the_tolerance_lies_far_from_right_and_from_wrong(thing):
    at = trial(thing, 1)
    for other in thing.alternatives:
        assert largest_difference(at, at.parsed(other)) < 0.25, other.__name__
    for wrong in thing.misconceptions:
        got = at.parsed(at.wrong(wrong))
        mutated = any(case.mutated for case in got.cases)
        assert mutated or largest_difference(at, got) > 20, wrong.name


@every([e for e in EXERCISES if len(e.parts) > 1 and not e.is_decision and not e.checks])
def test_the_last_part_is_not_of_errors_alone(thing):
    """The docstring's examples belong to it: else each wrong answer loses the part of errors."""
    at, last = trial(thing, 1), list(thing.parts)[-1]
    own = [
        i for i, case in enumerate(at.cases) if case.part == last and "example-" not in case.name
    ]
    assert not own or any(at.expected(i) is None or not at.expected(i).error for i in own)


@every(UNITS)
def test_every_link_is_an_anchor_of_the_chapter(thing):
    chapter = (ROOT / "book" / f"{thing.slug}.md").read_text(encoding="utf-8")
    anchors = set(re.findall(r"^\(([\w-]+)\)=$", chapter, re.MULTILINE))
    for exercise in thing.exercises:
        hints = [*exercise.misconceptions, *exercise.properties]
        assert {exercise.link, *(hint.link for hint in hints)} - anchors == set()


@every(EXERCISES)
def test_messages_are_one_short_paragraph_each_of_its_own(thing):
    messages = [hint.message for hint in (*thing.misconceptions, *thing.properties)]
    assert len(set(messages)) == len(messages)
    for message in messages:
        assert message.endswith((".", "?")) and "  " not in message
        assert len(message.split()) <= 45, message
        assert not re.search(r"\b(wrong answer|incorrect|you forgot|mistake)\b", message.lower())


@every([e for e in EXERCISES if not e.is_decision])
def test_examples_of_the_answer_are_true_and_judged(thing):
    answer = trial(thing, 1).solution()
    if not inspect.isfunction(answer):
        return
    names = {**answer.__globals__, "torch": torch, "np": np, thing.callable: answer}
    [example] = doctest.DocTestFinder(recurse=False).find(answer, thing.callable, globs=names)
    assert example.examples, "an example that can be checked by hand, please"
    assert doctest.DocTestRunner(verbose=False).run(example).failed == 0
    if thing.drive is None and thing.checks is None:
        assert example_calls(thing)


@every([e for e in EXERCISES if not e.is_decision and not e.drive and not e.checks])
def test_the_signature_holds_for_every_case(thing):
    at = trial(thing, 1)
    answer = at.solution()
    if inspect.isfunction(answer):
        checked = jaxtyped(typechecker=beartype)(answer)
        for case, outcome in zip(at.parsed(checked).cases, range(len(at.cases)), strict=True):
            assert case.error is None or at.expected(outcome).error, case.error
