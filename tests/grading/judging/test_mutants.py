"""Changes of a solution that a program makes, and what is counted of them."""

import dataclasses

from grading.course.unit import load_exercise
from grading.judging.mutant_bank import Explained, cpu_seconds, explained, mutant_outcomes
from grading.judging.mutants import mutants

SOURCE = '''
def mean(values, start=0):
    """The docstring: 1 + 1."""
    if not values:
        raise ValueError("nothing - at all")
    total = sum(values[start:]) / len(values)
    return total
'''


def test_each_mutant_is_another_program_and_says_what_changed():
    found = mutants(SOURCE)
    assert len({mutant.source for mutant in found}) == len(found)
    assert len({mutant.text for mutant in found}) == len(found)
    texts = [mutant.text for mutant in found]
    assert "`sum(values[start:]) * len(values)` for `sum(values[start:]) / len(values)`" in texts
    assert "without `total = sum(values[start:]) / len(values)`" in texts
    assert "`start + 1:` for `start:`" in texts
    for mutant in found:
        compile(mutant.source, "<mutant>", "exec")
        assert "The docstring: 1 + 1." in mutant.source
        assert "nothing - at all" in mutant.source or "raise" not in mutant.source


def test_a_limit_keeps_some_of_each_kind():
    few, all_of_them = mutants(SOURCE, 8), mutants(SOURCE)
    assert len(few) == 8
    assert len({mutant.kind for mutant in few}) >= 6
    assert {mutant.kind for mutant in few} <= {mutant.kind for mutant in all_of_them}
    assert mutants(SOURCE, 8) == few


def test_patterns_exchange_their_words():
    source = 'def f(x):\n    return rearrange(x, "b s (h d) -> b h s d", h=2)'
    changed = [mutant.source for mutant in mutants(source) if mutant.kind == "pattern"]
    assert any("b s (h d) -> h b s d" in text for text in changed)
    assert any("b s (h d) -> b h d s" in text for text in changed)


def test_the_share_explained_counts_what_is_rejected():
    exercise = load_exercise("attention/padding_mask")
    found = list(mutant_outcomes(exercise))
    counted = explained(exercise, found)
    wrong = [o for o in found if o.kind == "mutant" and not o.passed]
    reasons = [o for o in wrong if o.cause in ("named", "property", "explained")]
    assert (counted.explained, counted.rejected) == (len(reasons), len(wrong))
    assert 0.85 <= counted.share <= 1
    assert counted.accepted == ()


def test_what_is_listed_as_equivalent_has_to_be_accepted():
    exercise = load_exercise("attention/padding_mask")
    known = dataclasses.replace(exercise, equivalent={**exercise.equivalent, "`x` for `y`": "why"})
    [stale] = [o for o in mutant_outcomes(known) if o.kind == "equivalent"]
    assert (stale.name, stale.as_it_should) == ("`x` for `y`", False)
    forgotten = dataclasses.replace(exercise, equivalent={})
    assert explained(forgotten, mutant_outcomes(forgotten)).accepted == tuple(exercise.equivalent)


def test_no_mutants_are_no_share():
    assert Explained(0, 0, (), 0).share == 0


def test_an_endless_mutant_is_stopped():
    try:
        with cpu_seconds(0.2):
            while True:
                pass
    except KeyboardInterrupt:
        return
    raise AssertionError("it went on")
