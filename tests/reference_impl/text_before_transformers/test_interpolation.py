"""Interpolated n-grams: probabilities that sum to 1, and what an unseen context falls back to."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.text_before_transformers.interpolation import InterpolatedNGram
from reference_impl.text_before_transformers.ngram import NGram

VOCAB_SIZE = 5
TEXTS = st.lists(st.lists(st.integers(0, VOCAB_SIZE - 1), max_size=15), min_size=1, max_size=3)


def fitted(texts, n):
    model = InterpolatedNGram(n, VOCAB_SIZE)
    for text in texts:
        model.count(text)
    return model


def by_recursion(texts, context, token):
    """The same probability from the lists themselves, written as in the paper: top down."""
    after = [
        text[i]
        for text in texts
        for i in range(len(context), len(text))
        if text[i - len(context) : i] == context
    ]
    shorter = by_recursion(texts, context[1:], token) if context else 1 / VOCAB_SIZE
    kinds = len(set(after))
    if not after:
        return shorter
    return (after.count(token) + kinds * shorter) / (len(after) + kinds)


@given(texts=TEXTS, context=st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=2, max_size=4))
def test_equals_the_recursion_and_sums_to_one(texts, context):
    model = fitted(texts, n=3)
    ours = [model.probability(context, token) for token in range(VOCAB_SIZE)]
    theirs = [by_recursion(texts, context[-2:], token) for token in range(VOCAB_SIZE)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert sum(ours) == pytest.approx(1)


def test_an_unseen_context_falls_back_to_the_shorter_one():
    model = fitted([[0, 1, 0, 1, 0, 2]], n=3)
    assert model.probability([4, 0], 1) == fitted([[0, 1, 0, 1, 0, 2]], n=2).probability([0], 1)
    assert InterpolatedNGram(3, VOCAB_SIZE).probability([1, 2], 0) == 1 / VOCAB_SIZE


def test_every_token_keeps_some_probability():
    model = fitted([[0, 1, 0, 1, 0, 1]], n=2)
    assert 0 < model.probability([0], 4) < model.probability([0], 1)
    assert model.nats([4, 4, 4]) < math.inf


def test_nats_are_those_of_the_predicted_tokens():
    model, text = fitted([[0, 1, 2, 0, 1, 3]], n=2), [0, 1, 3]
    costs = [-math.log(model.probability([a], b)) for a, b in zip(text, text[1:], strict=False)]
    assert model.nats(text) == pytest.approx(sum(costs) / 2)


def test_better_than_add_k_where_contexts_are_sparse():
    rng = np.random.default_rng(0)
    text = rng.choice(VOCAB_SIZE, size=300, p=[0.5, 0.2, 0.15, 0.1, 0.05]).tolist()
    plain = NGram(4, VOCAB_SIZE, k=0.01)
    plain.count(text[:200])
    assert fitted([text[:200]], n=4).nats(text[200:]) < plain.nats(text[200:])
