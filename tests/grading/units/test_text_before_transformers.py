"""Unit 2: its own answers against the reference and PyTorch; what its demonstrations claim."""

import math
from itertools import permutations

import numpy as np
import pytest
import torch

from grading.course.sources import solution_of
from grading.course.unit import load_unit
from grading.judging.judge import judge
from grading.judging.trial import trial
from grading.units.text_before_transformers.which_network import EXERCISE, NETWORKS
from reference_impl.pretraining.loss import perplexity
from reference_impl.text_before_transformers import recurrent
from reference_impl.text_before_transformers.ngram import NGram

UNIT = load_unit("text_before_transformers")
TEXT = [0, 1, 0, 2, 0, 1, 3, 4, 0, 1, 0]
VOCAB_SIZE = 6


def answer(topic):
    return solution_of(UNIT.by_id[f"text_before_transformers/{topic}"])


def fitted(n, k, texts=(TEXT,)):
    model = NGram(n, VOCAB_SIZE, k)
    for text in texts:
        model.count(text)
    return model


@pytest.mark.parametrize("context", [(), (0,), (0, 1), (5,)])
def test_next_probabilities_are_those_of_the_reference(context):
    ours = answer("next_probabilities")(TEXT, context, VOCAB_SIZE, 0.5)
    np.testing.assert_allclose(ours, fitted(len(context) + 1, 0.5).probabilities(context))


def test_perplexity_is_that_of_the_loss():
    nats, ours = answer("nats_and_perplexity")(np.array([0.5, 0.25, 0.125]))
    assert ours == pytest.approx(perplexity(nats)) == pytest.approx(4)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_evaluation_is_that_of_the_reference(n):
    texts, held_out = [TEXT, [4, 3, 1], [2]], [0, 1, 3, 5, 0, 1, 0]
    nats, unseen = answer("evaluate_ngram")(texts, held_out, n, VOCAB_SIZE, 0.3)
    model = fitted(n, 0.3, texts)
    assert nats == pytest.approx(model.nats(held_out))
    ngrams = [tuple(held_out[i : i + n]) for i in range(len(held_out) - n + 1)]
    assert unseen == sum(model.ngram_counts[ngram] == 0 for ngram in ngrams) / len(ngrams)


def test_samples_come_as_often_as_the_reference_says():
    rng = np.random.default_rng(0)
    drawn = answer("sample_text")(TEXT, [0], 2, rng.random(3_000).tolist(), VOCAB_SIZE, 0.5)
    after_0 = [b for a, b in zip([0, *drawn], drawn, strict=False) if a == 0]
    shares = np.bincount(after_0, minlength=VOCAB_SIZE) / len(after_0)
    expected = fitted(2, 0.5).probabilities([0])
    # five standard errors of a share: 5 sqrt(p (1 - p) / n) <= 2.5 / sqrt(n)
    np.testing.assert_allclose(shares, expected, atol=2.5 / len(after_0) ** 0.5)


def network(seed=0):
    torch.manual_seed(seed)
    model = recurrent.RNN(3, 5).requires_grad_(False)
    model.bias.normal_()
    return model, (model.input_weight, model.hidden_weight, model.bias)


def test_the_loop_is_the_reference_and_pytorch():
    model, weights = network()
    x, start = torch.randn(2, 7, 3), torch.randn(2, 5)
    ours = answer("run_rnn")(x, start, *weights)
    torch.testing.assert_close(ours, model(x, start))
    theirs = torch.nn.RNN(3, 5, batch_first=True)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0")
    state = dict(zip(names, weights, strict=True)) | {"bias_hh_l0": torch.zeros(5)}
    theirs.load_state_dict(state)
    torch.testing.assert_close(ours, theirs(x, start[None])[0].detach())


def test_gradient_norms_are_those_of_the_reference():
    model, weights = network(1)
    x, start = torch.randn(2, 7, 3), torch.randn(2, 5)
    expected = recurrent.gradient_norms(model.cell, x, start)
    torch.testing.assert_close(answer("gradient_norms")(x, start, *weights), expected)


def test_the_curves_lie_apart_and_the_answer_is_not_always_the_same():
    questions = [EXERCISE.question(seed) for seed in range(12)]
    for question in questions:
        ends = [question.shown["curves"][question.right[name]][-1] for name in NETWORKS]
        assert all(3 * low < high for low, high in zip(ends, ends[1:], strict=False))
        chosen = [tuple(sorted(wrong.items())) for wrong in question.wrong.values()]
        assert len({*chosen, tuple(sorted(question.right.items()))}) == len(chosen) + 1
    assert len({tuple(question.right[name] for name in NETWORKS) for question in questions}) > 3


def test_every_wrong_order_of_the_curves_shows_a_misreading():
    question = EXERCISE.question(3)
    letters = question.right.values()
    others = {order for order in permutations(letters) if order != tuple(letters)}
    orders = [choice for choice in _wrong(question) if set(choice) == set(NETWORKS)]
    chosen = [tuple(choice[name] for name in question.right) for choice in orders]
    assert len(chosen) == len(others) == 23
    assert set(chosen) == others


def test_a_further_choice_is_named_like_the_first():
    at = trial(EXERCISE, 3)
    name, [choice, *_] = next((n, found) for n, found in at.question.also.items() if found)
    assert judge(EXERCISE, 3, at.run(lambda: choice)).misconception == name


@pytest.mark.parametrize("named", [NETWORKS, NETWORKS[::-1]])
def test_keys_and_values_that_changed_places_are_named(named):
    at = trial(EXERCISE, 3)
    choice = dict(zip("ABCD", named, strict=True))
    assert judge(EXERCISE, 3, at.run(lambda: choice)).misconception == "keys-and-values-swapped"


def _wrong(question):
    further = [choice for choices in question.also.values() for choice in choices]
    return [*question.wrong.values(), *further]


def test_a_small_number_in_the_place_of_0_is_seen_whatever_it_is():
    exercise = UNIT.by_id["text_before_transformers/nats_and_perplexity"]

    def clipped(probabilities):
        if len(probabilities) == 0:
            raise ValueError("no tokens")
        nats = float(-np.log(probabilities + 3e-13).mean())
        return nats, math.exp(nats)

    verdict = judge(exercise, 0, trial(exercise, 0).run(clipped))
    assert "infinitely much" in verdict.message


def test_the_curve_of_large_weights_grows():
    for seed in range(12):
        question = EXERCISE.question(seed)
        curve = question.shown["curves"][question.right["rnn times 3"]]
        assert curve[-1] > curve[0]


def test_the_solution_is_right_for_the_course_itself():
    assert answer("which_network")() == EXERCISE.question(0).right


def test_a_long_text_costs_what_its_tokens_cost():
    nats, _ = answer("nats_and_perplexity")(np.full(100_000, 0.01))
    assert nats == pytest.approx(math.log(100))
