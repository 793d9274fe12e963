"""Schedules: points worked out by hand, and what holds at every step."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.pretraining.schedule import warmup, warmup_cosine, warmup_stable_decay


def test_points_of_the_cosine_worked_by_hand():
    # 10 steps, warm-up 2: thirds of the maximum, then 8 steps of half a wave from 9 to 1.
    expected = {
        0: 9 / 3,
        1: 9 * 2 / 3,
        2: 9.0,
        4: 1 + 8 * (1 + math.sqrt(1 / 2)) / 2,  # a quarter of the way: cos 45 degrees
        6: 5.0,  # half of the way: the middle of 9 and 1
        8: 1 + 8 * (1 - math.sqrt(1 / 2)) / 2,
        10: 1.0,
        99: 1.0,
    }
    rates = {step: warmup_cosine(step, 10, 9.0, warmup_steps=2, min_lr=1.0) for step in expected}
    assert rates == pytest.approx(expected)


def test_points_of_the_plateau_worked_by_hand():
    rates = [warmup_stable_decay(step, 10, 8.0, 3, decay_steps=4, min_lr=4.0) for step in range(12)]
    assert rates == pytest.approx([2, 4, 6, 8, 8, 8, 8, 7, 6, 5, 4, 4])


def test_the_plateau_may_be_of_no_length_and_the_decay_of_none():
    rates = [warmup_stable_decay(step, 4, 8.0, 1, decay_steps=3) for step in range(5)]
    assert rates == pytest.approx([4, 8, 16 / 3, 8 / 3, 0])
    assert [warmup_stable_decay(step, 3, 8.0, 1) for step in range(4)] == [4.0, 8.0, 8.0, 0.0]


@given(st.integers(0, 40), st.integers(1, 60), st.floats(1e-5, 1), st.floats(0, 1))
def test_the_cosine_rises_then_falls_within_its_bounds(warmup_steps, decay, max_lr, share):
    n_steps, min_lr = warmup_steps + decay, max_lr * share
    rates = [warmup_cosine(s, n_steps, max_lr, warmup_steps, min_lr) for s in range(n_steps + 1)]
    top = rates.index(max(rates[: n_steps + 1]))
    assert rates[warmup_steps] == pytest.approx(max_lr)
    assert all(a <= b for a, b in zip(rates[:top], rates[1 : top + 1], strict=True))
    falling = rates[warmup_steps:]
    assert all(a >= b for a, b in zip(falling[:-1], falling[1:], strict=True))
    assert rates[-1] == pytest.approx(min_lr)
    assert all(0 < rate <= max_lr * (1 + 1e-12) for rate in rates[:-1])


@given(st.integers(0, 40), st.integers(0, 60))
def test_the_warm_up_is_a_line_that_ends_at_one(warmup_steps, step):
    share = warmup(step, warmup_steps)
    assert 0 < share <= 1
    assert share == pytest.approx(min(1.0, warmup(0, warmup_steps) * (step + 1)))


def test_the_plateau_does_not_depend_on_where_the_run_ends():
    short, long = (
        [warmup_stable_decay(step, n, 3.0, 5, decay_steps=10) for step in range(30)]
        for n in (40, 400)
    )
    assert short == long


@pytest.mark.parametrize(
    ("schedule", "arguments"),
    [
        (warmup_cosine, {"warmup_steps": 10}),
        (warmup_cosine, {"warmup_steps": -1}),
        (warmup_stable_decay, {"warmup_steps": 6, "decay_steps": 5}),
        (warmup_stable_decay, {"decay_steps": -1}),
    ],
)
def test_parts_that_do_not_fit_are_refused(schedule, arguments):
    with pytest.raises(ValueError, match="do not fit into n_steps=10"):
        schedule(0, 10, 1.0, **arguments)
