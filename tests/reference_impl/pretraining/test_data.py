"""Batches: every place of the text is reached, and nothing but (seed, step) decides."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.pretraining.data import (
    RandomBatches,
    count_starts,
    mixed_seed,
    sequential_batches,
    shift,
)


@given(st.integers(1, 9), st.integers(1, 9))
def test_every_start_is_drawn_equally_often_and_no_other(context_length, n_starts):
    token_ids = torch.arange(context_length + n_starts)
    batches = RandomBatches(token_ids, context_length, batch_size=50, seed=1)
    drawn = Counter(start for step in range(20) for start in batches.starts(step).tolist())
    assert set(drawn) == set(range(n_starts))  # 0, and the last one too
    expected = 1000 / n_starts
    assert all(abs(n - expected) < 6 * expected**0.5 for n in drawn.values())


@given(st.integers(1, 9), st.integers(1, 30), st.integers(1, 5), st.integers(0, 99))
def test_a_window_is_text_and_its_targets_are_one_further(context_length, more, batch_size, step):
    token_ids = torch.randperm(context_length + more, generator=torch.Generator().manual_seed(0))
    place = {token: i for i, token in enumerate(token_ids.tolist())}
    inputs, targets = RandomBatches(token_ids, context_length, batch_size, seed=0)[step]
    assert inputs.shape == targets.shape == (batch_size, context_length)
    for row, next_row in zip(inputs.tolist(), targets.tolist(), strict=True):
        start = place[row[0]]
        assert row == token_ids[start : start + context_length].tolist()
        assert next_row == token_ids[start + 1 : start + 1 + context_length].tolist()


def test_batches_do_not_depend_on_what_was_drawn_before():
    token_ids = torch.arange(1000)
    batches, again = (RandomBatches(token_ids, 5, 4, seed=3) for _ in range(2))
    forwards = [batches[step][0] for step in range(8)]
    torch.manual_seed(7)
    torch.rand(100)
    backwards = [again[step][0] for step in reversed(range(8))]
    assert all(map(torch.equal, forwards, reversed(backwards)))
    assert len({tuple(inputs.flatten().tolist()) for inputs in forwards}) == 8


def test_another_seed_is_another_run():
    first, second = (RandomBatches(torch.arange(1000), 5, 4, seed=seed) for seed in (0, 1))
    shared = [
        (i, j) for i in range(9) for j in range(9) if torch.equal(first.starts(i), second.starts(j))
    ]
    assert shared == []


def test_drawing_leaves_the_random_numbers_of_others_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    RandomBatches(torch.arange(99), 5, 4, seed=0)[3]
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int32, torch.int64])
def test_any_integer_type_will_do(dtype):
    token_ids = torch.arange(200).to(dtype)
    for inputs, targets in (
        RandomBatches(token_ids, 7, 3, seed=0)[0],
        next(iter(sequential_batches(token_ids, 7, 3))),
    ):
        assert inputs.dtype == targets.dtype == torch.int64
        assert torch.equal(targets, inputs + 1)


@given(st.integers(2, 60), st.integers(1, 12), st.integers(1, 5))
def test_in_order_every_token_but_the_first_is_a_target_once(n_tokens, context_length, batch_size):
    inputs, targets = [], []
    for x, y in sequential_batches(torch.arange(n_tokens), context_length, batch_size):
        assert x.shape == y.shape and len(x) <= batch_size and x.shape[1] <= context_length
        inputs += x.flatten().tolist()
        targets += y.flatten().tolist()
    assert inputs == list(range(n_tokens - 1))
    assert targets == list(range(1, n_tokens))


@given(st.integers(1, 5), st.integers(1, 9))
def test_shift_keeps_rows_apart(batch, seq):
    token_ids = torch.arange(batch * (seq + 1)).view(batch, seq + 1)
    inputs, targets = shift(token_ids)
    assert torch.equal(targets, inputs + 1) and inputs.shape == (batch, seq)


def test_a_text_shorter_than_a_window_is_refused():
    assert count_starts(6, 5) == 1
    with pytest.raises(ValueError, match="5 tokens hold no window of context_length=5"):
        RandomBatches(torch.arange(5), 5, 1, seed=0)
    with pytest.raises(ValueError, match="give more text"):
        list(sequential_batches(torch.arange(1), 5, 1))


def test_mixed_seeds_are_the_same_everywhere():
    # Written down, so that a run can be resumed on another machine and with another Python.
    assert (mixed_seed(0, 0), mixed_seed(1, 2, 3)) == (1722607481912877618, 1021030468352792857)
