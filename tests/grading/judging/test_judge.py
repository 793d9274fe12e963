"""The judge: bank, wording, and evidence that nobody should trust."""

import dataclasses

import numpy as np
import pytest
import torch

from grading.course.errors import CourseError
from grading.course.sources import apply_edits, solution_of, wrong_answer
from grading.course.unit import load_exercise, load_unit
from grading.judging import bank, diagnose, measures
from grading.judging.evidence import Raised
from grading.judging.judge import judge, trial
from grading.judging.verdict import inline
from grading.kernel import calls

SEED = 1


@pytest.fixture(params=["attention/scaled_dot_product", "attention/causal_mask"])
def exercise(request):
    return load_exercise(request.param)


def said_of(exercise, answer, seed=SEED):
    return judge(exercise, seed, trial(exercise, seed).run(answer))


@pytest.mark.parametrize("names", [{"a": 1}, "x" * 9, ["x"] * 300, [1], ["x" * 300], np.zeros(9)])
@pytest.mark.parametrize("field", ["mutated", "forbidden"])
def test_names_in_evidence_are_a_short_list_of_short_texts(exercise, field, names):
    evidence = trial(exercise, SEED).run(solution_of(exercise))
    evidence["cases"][0][field] = names
    assert judge(exercise, SEED, evidence).status == "refused"


def test_no_property_is_asked_of_values_of_another_form(monkeypatch):
    """A column beside a row would be spread over the square of their length."""
    exercise = load_exercise("attention/scaled_dot_product")
    asked = []
    told = dataclasses.replace(exercise.properties[0], holds=lambda *outputs: asked.append(1))
    watched = dataclasses.replace(exercise, properties=(told,))
    for wrong in (torch.zeros(50, 1), torch.zeros(1, 50)):
        said = judge(watched, SEED, trial(exercise, SEED).run(lambda *a, wrong=wrong: wrong))
        assert said.status == "fail" and "the shape" in said.message
    assert asked == []
    judge(watched, SEED, trial(exercise, SEED).run(solution_of(exercise)))
    assert asked == [1]


def test_the_bank_is_killed_and_named_whole(unit):
    outcomes = list(bank.outcomes(unit.exercises[:3], seeds=[12]))
    assert [o for o in outcomes if not o.as_it_should] == []
    rates = bank.rates(outcomes)
    assert (rates.killed, rates.named, rates.rejected) == (1, 1, 0)
    assert rates.misconceptions >= 5 * 3
    assert rates.alternatives >= 2 * 3


def test_the_bank_reports_what_it_should_not_accept(unit):
    exercise = unit.exercises[0]
    wrong = exercise.misconceptions[0]
    at = trial(exercise, SEED)
    outcome = bank.of_answer(at, "alternative", "x", wrong_answer(exercise, wrong))
    assert not outcome.as_it_should
    outcome = bank.of_answer(at, "misconception", "x", solution_of(exercise))
    assert not outcome.as_it_should
    assert bank.rates([outcome]).killed == 0
    assert not bank.rates([outcome]).good


def test_points_and_reason_come_together(exercise):
    said = said_of(exercise, solution_of(exercise))
    assert (said.status, said.score, said.link) == ("pass", exercise.points, None)
    for wrong in exercise.misconceptions:
        said = said_of(exercise, wrong_answer(exercise, wrong))
        assert said.score < exercise.points
        assert said.message == wrong.message
        assert said.link.endswith("#" + wrong.link)
        assert said.status == ("partial" if said.score else "fail")


def test_the_stub_is_missing_and_an_error_is_an_error(exercise):
    def stub(*inputs):
        raise NotImplementedError

    def broken(*inputs):
        return undefined  # noqa: F821

    assert said_of(exercise, stub).status == "missing"
    said = said_of(exercise, broken)
    assert (said.status, said.score) == ("error", 0)
    assert "NameError: name 'undefined' is not defined" in said.message
    assert "return undefined" in said.message


@pytest.mark.parametrize("value", [None, 3, "x", [], {}, object(), torch.zeros(2)])
def test_other_types_and_shapes_get_a_sentence(exercise, value):
    said = said_of(exercise, lambda *inputs: value)
    assert (said.status, said.score) == ("fail", 0)
    assert "expected" in said.message


def test_nan_is_rejected(exercise):
    right = solution_of(exercise)
    said = said_of(exercise, lambda *inputs: right(*inputs) * float("nan"))
    assert said.status == "fail"


def test_forbidden_calls_are_refused():
    exercise = load_exercise("attention/scaled_dot_product")

    def answer(q, k, v, mask=None):
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, mask)

    said = said_of(exercise, answer)
    assert (said.status, said.score) == ("refused", 0)
    assert "without `torch.nn.functional.scaled_dot_product_attention`" in said.message


def test_an_inherited_mistake_is_named_at_its_root():
    exercise = load_exercise("attention/scaled_dot_product")
    unit = load_unit("attention")
    earlier = unit.by_id[exercise.depends[0]]
    wrong = earlier.misconceptions[0]
    weights = wrong_answer(earlier, wrong)
    at = trial(exercise, SEED)
    evidence = at.run(lambda q, k, v, mask=None: weights(q, k, mask) @ v)
    unsure = judge(exercise, SEED, evidence)
    assert unsure.misconception == wrong.name
    assert f"inside `{earlier.callable}`, or in the same step here" in unsure.message
    assert (unsure.score, unsure.inherited) == (0, earlier.callable)
    sure = judge(exercise, SEED, evidence, {earlier.id: (wrong.name,)})
    assert (sure.status, sure.score, sure.inherited) == ("pass", exercise.points, earlier.callable)
    assert sure.misconception == wrong.name
    assert f"inherits a mistake from `{earlier.callable}`" in sure.message
    strict = judge(exercise, SEED, evidence, {earlier.id: (wrong.name,)}, carry=False)
    assert (strict.status, strict.score) == ("fail", 0)
    assert f"inherits it from `{earlier.callable}`" in strict.message
    for passed_or_other in ((), ("another-name",)):  # then the fault is this piece's own
        own = judge(exercise, SEED, evidence, {earlier.id: passed_or_other})
        assert (own.score, own.inherited, own.misconception) == (0, None, wrong.name)
        assert f"In the step that `{earlier.callable}` stands for" in own.message


def test_an_unsolved_function_that_is_called_is_the_one_that_waits():
    exercise = load_exercise("attention/scaled_dot_product")
    namespace = {}
    exec(
        "def attention_weights(q, k, mask=None):\n    raise NotImplementedError()\n"
        "def scaled_dot_product_attention(q, k, v, mask=None):\n"
        "    return attention_weights(q, k, mask) @ v",
        namespace,
    )
    said = said_of(exercise, namespace["scaled_dot_product_attention"])
    assert said.status == "missing"
    assert said.message == "`attention_weights`, which you call, still waits for your code."


def test_what_a_run_cell_has_not_made_is_no_code_that_waits():
    """The run may have stopped, or given nothing back: the code may well be there."""
    exercise = load_exercise("pretraining/train")
    said = judge(exercise, SEED, calls.run(trial(exercise, SEED).request, None))
    assert said.status == "missing"
    assert "`model` is not made yet" in said.message and "that cell says why" in said.message


def test_the_same_answer_twice_is_repeatable_whatever_it_is():
    for answer in ("12.50", [1, 2], None):
        said = said_of(load_exercise("tokenization/cheaper_offer"), lambda x=answer: x)
        assert "second time" not in said.message


def test_a_wrong_shape_is_said_before_a_broken_relation():
    exercise = load_exercise("attention/scaled_dot_product")
    right = solution_of(exercise)
    said = said_of(exercise, lambda *inputs: right(*inputs)[..., :1, :])
    assert "the first along q_seq alone" in said.message
    assert "the shape is" in said.details[0]


def test_a_guard_does_not_hide_a_mistake_made_elsewhere():
    """The known answer gives numbers where this one raises the error that is wanted."""
    exercise = load_exercise("text_before_transformers/next_probabilities")
    known = {wrong.name: wrong for wrong in exercise.misconceptions}
    wrong = wrong_answer(exercise, known["only-the-numerator-counts"])
    refuses = solution_of(exercise)

    def guarded(*inputs):
        refuses(*inputs)
        return wrong(*inputs)

    assert said_of(exercise, guarded).misconception == "only-the-numerator-counts"


def test_two_mistakes_at_once_are_both_named():
    exercise = load_exercise("attention/attention_weights")
    by_name = {m.name: m for m in exercise.misconceptions}
    pair = (by_name["no-scale"], by_name["mask-inverted"])
    said = said_of(exercise, wrong_answer(exercise, *pair))
    assert set(said.misconception.split(" + ")) == {m.name for m in pair}
    assert all(m.message in said.message for m in pair)


def test_other_draws_give_other_inputs_and_equal_seeds_the_same(exercise):
    one, same, other = exercise.draw(1), exercise.draw(1), exercise.draw(2)
    assert str([c.inputs for c in one]) == str([c.inputs for c in same])
    assert str([c.inputs for c in one]) != str([c.inputs for c in other])


@pytest.mark.parametrize(
    "forged",
    [
        {},
        {"exercise": "attention/causal_mask"},
        {"exercise": "attention/causal_mask", "cases": []},
        {"exercise": "attention/causal_mask", "cases": "xxxxxxxxxxxxxxxxxxxxxx"},
        {"exercise": "another", "cases": []},
        [],
    ],
)
def test_forged_evidence_earns_nothing(forged):
    exercise = load_exercise("attention/causal_mask")
    said = judge(exercise, SEED, forged)
    assert (said.status, said.score) == ("refused", 0)


def test_cases_of_the_wrong_form_earn_nothing():
    exercise = load_exercise("attention/causal_mask")
    at = trial(exercise, SEED)
    for case in ({}, None, {"output": 3, "error": None, "mutated": [], "forbidden": []}):
        forged = {"exercise": exercise.id, "cases": [case] * len(at.cases)}
        assert judge(exercise, SEED, forged).score == 0


def test_edits_must_apply_once():
    assert apply_edits("a b", {"b": "c"}, "x") == "a c"
    for source in ("a", "b b"):
        with pytest.raises(CourseError, match="wanted once"):
            apply_edits(source, {"b": "c"}, "x")


def test_unknown_names_list_the_known_ones():
    with pytest.raises(CourseError, match="05_attention"):
        load_unit("99_nothing")
    with pytest.raises(CourseError, match="attention/causal_mask"):
        load_exercise("attention/nothing")
    with pytest.raises(CourseError, match="05_attention"):
        load_exercise("nothing/at_all")


@pytest.mark.parametrize("name", ["05_attention", "attention", "05", "5"])
def test_a_unit_has_a_number_and_a_name(name):
    assert load_unit(name).slug == "05_attention"
    assert load_exercise(f"{name}/causal_mask").id == "attention/causal_mask"


def test_a_missing_return_is_guessed_where_none_is_no_answer():
    wants_one, may_be_none = load_exercise("attention/causal_mask"), "capstone/first_difference"
    assert "Is a `return` missing?" in str(said_of(wants_one, lambda *inputs: None))
    verdict = said_of(load_exercise(may_be_none), lambda *inputs: None)
    assert verdict.score < verdict.max_score and "`return` missing" not in str(verdict)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The *other* side of `a*b*c` < 1", "The <em>other</em> side of <code>a*b*c</code> &lt; 1"),
        ("2 * 3 * 4 and a*b*c and **kwargs", "2 * 3 * 4 and a*b*c and **kwargs"),
        ("*no yes* differs", "<em>no yes</em> differs"),
        ("an odd ` *x*", "an odd ` *x*"),
    ],
)
def test_code_and_stressed_words_are_set_as_such(text, shown):
    assert inline(text) == shown


@pytest.mark.parametrize(
    ("line", "own"),
    [
        ("raise ValueError('no')", True),
        ("if q.shape[1] % k.shape[1]: raise ValueError", True),
        ("return q.view(*sizes)", False),
        (None, True),
    ],
)
def test_an_answers_own_refusal_is_told_from_an_error_it_ran_into(line, own):
    at = trial(load_exercise("attention/grouped_query"), SEED)
    error = Raised(type="ValueError", message="no", line=line)
    assert bool(at.promised(error)) == own


def test_an_answer_that_gives_nothing_is_not_held_against_pairs(monkeypatch):
    tried = []
    monkeypatch.setattr(diagnose, "_pairs", lambda exercise: tried.append(exercise) or iter(()))
    said_of(load_exercise("attention/causal_mask"), lambda *inputs: None)
    assert tried == []
    said_of(load_exercise("attention/causal_mask"), lambda *inputs: torch.zeros(3))
    assert tried


def test_the_p_value_of_draws_is_scipys():
    from scipy import stats

    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(6))
    counts = rng.multinomial(500, shares)
    expected = stats.power_divergence(counts, 500 * shares, lambda_="log-likelihood").pvalue
    assert measures._of_g_test(counts, 500 * shares, freedom=5) == pytest.approx(expected)
