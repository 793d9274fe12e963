"""N-grams against a brute-force count, and the three ways to get smoothing wrong."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reference_impl.pretraining.loss import perplexity
from reference_impl.text_before_transformers.ngram import NGram, add_k, count_ngrams

VOCAB_SIZE = 5
TEXTS = st.lists(st.integers(0, VOCAB_SIZE - 1), max_size=40)
ORDERS = st.integers(1, 4)
SMOOTHING = st.sampled_from([0.01, 0.5, 1, 3])


def brute_force(texts, n, k, context, token):
    """The smoothed probability by looking at every place of every text."""
    seen = hits = 0
    for text in texts:
        for i in range(n - 1, len(text)):
            if text[i - n + 1 : i] == context:
                seen += 1
                hits += text[i] == token
    return (hits + k) / (seen + k * VOCAB_SIZE)


def fitted(texts, n, k):
    model = NGram(n, VOCAB_SIZE, k)
    for text in texts:
        model.count(text)
    return model


@given(text=TEXTS, n=ORDERS)
def test_counts_equal_every_place_looked_at(text, n):
    counts = count_ngrams(text, n)
    for ngram, count in counts.items():
        assert count == sum(tuple(text[i : i + n]) == ngram for i in range(len(text)))
    assert sum(counts.values()) == max(0, len(text) - n + 1)


@given(texts=st.lists(TEXTS, max_size=3), n=ORDERS, k=SMOOTHING, history=TEXTS)
def test_probabilities_equal_brute_force_and_sum_to_one(texts, n, k, history):
    assume(len(history) >= n - 1)
    probabilities = fitted(texts, n, k).probabilities(history)
    context = history[len(history) - n + 1 :]
    expected = [brute_force(texts, n, k, context, token) for token in range(VOCAB_SIZE)]
    np.testing.assert_allclose(probabilities, expected, rtol=1e-12)
    assert probabilities.sum() == pytest.approx(1.0, rel=1e-12)
    assert (probabilities > 0).all()


@given(text=TEXTS, held_out=TEXTS, n=ORDERS, k=SMOOTHING)
def test_nats_equal_brute_force(text, held_out, n, k):
    assume(len(held_out) >= n)
    costs = [
        -math.log(brute_force([text], n, k, held_out[i - n + 1 : i], held_out[i]))
        for i in range(n - 1, len(held_out))
    ]
    assert fitted([text], n, k).nats(held_out) == pytest.approx(np.mean(costs), rel=1e-12)


def test_the_last_context_of_a_text_has_no_follower_and_is_not_counted():
    model = fitted([[0, 1, 0]], n=2, k=0)  # 0 occurs twice but was followed once, by 1
    assert model.probability([0], 1) == 1.0


def test_no_ngram_spans_two_texts():
    assert fitted([[0, 1], [2, 0]], n=2, k=0).ngram_counts == {(0, 1): 1, (2, 0): 1}


def test_only_the_last_tokens_of_a_context_count():
    model = fitted([[0, 1, 2, 0, 1, 3]], n=3, k=0.1)
    assert model.probability([4, 4, 0, 1], 2) == model.probability([0, 1], 2)
    single = fitted([[0, 1, 1]], n=1, k=0)  # no context at all: [-0:] would be all of it
    assert single.probability([3, 4], 1) == single.probability([], 1) == pytest.approx(2 / 3)


def test_asking_changes_nothing():
    model = fitted([[0, 1, 2]], n=2, k=1)
    before = (dict(model.ngram_counts), dict(model.context_counts))
    model.probabilities([4])
    model.nats([3, 3, 3])
    assert (dict(model.ngram_counts), dict(model.context_counts)) == before


def test_without_smoothing_a_new_pair_costs_infinity_and_a_new_context_is_an_error():
    model = fitted([[0, 1, 0, 1]], n=2, k=0)
    assert model.nats([0, 1, 0]) == 0.0
    assert model.nats([0, 1, 1]) == math.inf
    with pytest.raises(ValueError, match="k above 0"):
        model.probability([4], 0)


def test_a_model_that_knows_nothing_has_the_vocabulary_as_perplexity():
    assert perplexity(NGram(3, VOCAB_SIZE).nats([0, 1, 2, 3, 4])) == pytest.approx(VOCAB_SIZE)


def test_heavy_smoothing_forgets_what_was_counted():
    text = [0, 1, 0, 2, 0, 1, 3, 4]
    losses = [fitted([text], n=2, k=k).nats(text) for k in (0, 0.1, 1, 10, 1e6)]
    assert losses == sorted(losses)
    assert losses[-1] == pytest.approx(math.log(VOCAB_SIZE), abs=1e-4)


def test_samples_follow_the_probabilities():
    model = fitted([[0, 1, 0, 1, 0, 2, 2, 3]], n=2, k=0.5)
    samples = model.sample([0], 4_000, np.random.default_rng(0))
    assert len(samples) == 4_000
    text = [0, *samples]
    for context in range(VOCAB_SIZE):
        after = [b for a, b in zip(text, text[1:], strict=False) if a == context]
        shares = np.bincount(after, minlength=VOCAB_SIZE) / len(after)
        # four standard errors of a share: 4 sqrt(p (1 - p) / n) <= 2 / sqrt(n)
        np.testing.assert_allclose(
            shares, model.probabilities([context]), atol=2 / len(after) ** 0.5
        )


def test_samples_repeat_with_the_same_seed():
    model = fitted([[0, 1, 2, 0, 3]], n=2, k=1)
    first, second = (model.sample([0], 50, np.random.default_rng(7)) for _ in range(2))
    assert first == second


def test_longer_contexts_predict_shakespeare_better(shared_data):
    text = (shared_data / "tinyshakespeare.txt").read_text(encoding="utf-8")[:100_000]
    alphabet = sorted(set(text))
    token_ids = [alphabet.index(character) for character in text]
    train, held_out = token_ids[:90_000], token_ids[90_000:]
    losses = []
    for n in (1, 2, 3, 4):
        model = NGram(n, len(alphabet), k=0.01)
        model.count(train)
        losses.append(model.nats(held_out))
    assert math.log(len(alphabet)) > losses[0] > losses[1] > losses[2] > losses[3] > 1


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match="1 token or more"):
        NGram(0, VOCAB_SIZE)
    with pytest.raises(ValueError, match="1 token or more"):
        count_ngrams([1, 2], 0)
    with pytest.raises(ValueError, match=r"5 is not in 0 \.\. 4"):
        NGram(2, VOCAB_SIZE).count([0, 5])
    with pytest.raises(ValueError, match="n=3 needs 2"):
        NGram(3, VOCAB_SIZE).probability([0], 1)
    with pytest.raises(ValueError, match="from token 3 on"):
        NGram(3, VOCAB_SIZE).nats([0, 1])
    with pytest.raises(ValueError, match="negative"):
        add_k(1, 2, VOCAB_SIZE, k=-1)
