"""Scaling laws: known coefficients come back, and the closed form is the true optimum."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import check_grad, minimize_scalar

from reference_impl.scaling_laws.scaling import (
    BESIROGLU,
    HOFFMANN,
    HOFFMANN_UNROUNDED,
    ParametricLoss,
    fit_parametric_loss,
    huber_and_slope,
    petaflop_s_days,
    training_flops,
)

NAMES = ("E", "A", "B", "alpha", "beta")


def runs():
    """Sizes and lengths of 80 imagined runs."""
    n_parameters, n_tokens = np.meshgrid(np.geomspace(5e7, 1e10, 8), np.geomspace(1e9, 5e11, 10))
    return n_parameters.ravel(), n_tokens.ravel()


def coefficients(law):
    return [getattr(law, name) for name in NAMES]


@pytest.mark.parametrize(
    "law",
    [HOFFMANN, BESIROGLU, ParametricLoss(E=0.9, A=60.0, B=9000.0, alpha=0.25, beta=0.45)],
)
def test_known_coefficients_come_back(law):
    n_parameters, n_tokens = runs()
    fit = fit_parametric_loss(n_parameters, n_tokens, law(n_parameters, n_tokens), n_searches=5)
    assert coefficients(fit) == pytest.approx(coefficients(law), rel=1e-3)


def test_a_few_runs_gone_wrong_do_not_pull_the_fit_away():
    n_parameters, n_tokens = runs()
    losses = BESIROGLU(n_parameters, n_tokens)
    losses[[3, 40, 77]] *= 1.5
    fit = fit_parametric_loss(n_parameters, n_tokens, losses, n_searches=5)
    assert coefficients(fit) == pytest.approx(coefficients(BESIROGLU), rel=0.02)
    pulled = fit_parametric_loss(n_parameters, n_tokens, losses, delta=1e3, n_searches=5)
    assert abs(pulled.alpha / BESIROGLU.alpha - 1) > 0.1  # squares instead of Huber's loss


def test_the_sequence_of_the_runs_does_not_matter():
    n_parameters, n_tokens = runs()
    rng = np.random.default_rng(0)
    losses = HOFFMANN(n_parameters, n_tokens) * rng.lognormal(sigma=0.01, size=80)
    order = rng.permutation(80)
    there = fit_parametric_loss(n_parameters, n_tokens, losses, n_searches=3)
    back = fit_parametric_loss(n_parameters[order], n_tokens[order], losses[order], n_searches=3)
    assert coefficients(there) == pytest.approx(coefficients(back), rel=1e-3)


def test_the_published_experiments_give_the_published_refit(shared_data):
    with (shared_data / "chinchilla_figure4.csv").open() as file:
        rows = list(csv.DictReader(file))
    n_parameters, compute, losses = (
        np.array([float(row[name]) for row in rows])
        for name in ("Model Size", "Training FLOP", "loss")
    )
    n_tokens = compute / (6 * n_parameters)
    kept = np.argsort(n_tokens / n_parameters)[5:]
    assert len(rows) == 245 and len(kept) == 240
    fit = fit_parametric_loss(n_parameters[kept], n_tokens[kept], losses[kept])
    # Besiroglu et al. 2024, table 1: values and standard errors.
    errors = {"E": 0.03, "A": 124.58, "B": 1293.23, "alpha": 0.02, "beta": 0.02}
    for name, error in errors.items():
        assert abs(getattr(fit, name) - getattr(BESIROGLU, name)) < error
    assert coefficients(fit) == pytest.approx(coefficients(BESIROGLU), rel=0.03)  # and closer


law = st.builds(
    ParametricLoss,
    E=st.floats(0, 3),
    A=st.floats(10, 3000),
    B=st.floats(10, 3000),
    alpha=st.floats(0.15, 0.8),
    beta=st.floats(0.15, 0.8),
)


@given(law, st.floats(18, 26))
def test_the_closed_form_is_the_lowest_point_on_the_budget(law, log_compute):
    compute = 10**log_compute
    n_parameters, n_tokens = law.optimum(compute)
    assert training_flops(n_parameters, n_tokens) == pytest.approx(compute)

    def above_e(log_n):  # E is left out: it would round the differences away
        return (law(np.exp(log_n), compute / 6 / np.exp(log_n)) - law.E) * 1e6

    centre = np.log(compute / 6) / 2
    lowest = minimize_scalar(above_e, bounds=(centre - 30, centre + 30), method="bounded")
    assert above_e(np.log(n_parameters)) <= lowest.fun * (1 + 1e-9)
    for factor in (0.8, 1.25):
        assert above_e(np.log(n_parameters * factor)) > above_e(np.log(n_parameters))


@given(law, st.floats(18, 23), st.floats(1.5, 1e4))
def test_both_grow_with_compute_by_their_exponents(law, log_compute, factor):
    before, after = law.optimum(10**log_compute), law.optimum(factor * 10**log_compute)
    share = law.beta / (law.alpha + law.beta)
    assert after[0] / before[0] == pytest.approx(factor**share)
    assert after[1] / before[1] == pytest.approx(factor ** (1 - share))


@pytest.mark.parametrize(
    ("law", "billion_parameters", "tokens_each"),
    [(HOFFMANN, 32, 93), (HOFFMANN_UNROUNDED, 40, 59), (BESIROGLU, 72, 18.4)],
)
def test_rounded_coefficients_give_other_advice(law, billion_parameters, tokens_each):
    n_parameters, n_tokens = law.optimum(5.76e23)  # the compute of Gopher and Chinchilla
    assert n_parameters / 1e9 == pytest.approx(billion_parameters, rel=0.01)
    assert n_tokens / n_parameters == pytest.approx(tokens_each, rel=0.01)


def test_without_compute_there_is_no_optimum():
    with pytest.raises(ValueError, match="not a finite number above 0"):
        HOFFMANN.optimum(0)


@pytest.mark.parametrize("delta", [1e-3, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_the_slope_is_that_of_the_height(delta, seed):
    rng = np.random.default_rng(seed)
    log_n, log_d = rng.uniform(0, 3, (2, 11))
    log_losses = rng.uniform(0, 1, 11)
    at = rng.uniform(0, 1, 5)

    def height(x):
        return huber_and_slope(x, log_n, log_d, log_losses, delta)[0] / delta

    def slope(x):
        return huber_and_slope(x, log_n, log_d, log_losses, delta)[1] / delta

    assert check_grad(height, slope, at) < 1e-5


def test_huber_heights_worked_by_hand():
    # E = 1 and the other terms e^-50: ln L is 0, so the errors are 0, 0.01 and -0.5.
    at = np.array([0.0, -50.0, -50.0, 0.0, 0.0])
    log_losses = np.array([0.0, -0.01, 0.5])
    height, slope = huber_and_slope(at, np.zeros(3), np.zeros(3), log_losses, delta=0.1)
    assert height == pytest.approx(0.01**2 / 2 + 0.1 * (0.5 - 0.05))
    assert slope == pytest.approx([0.01 - 0.1, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([[1e8] * 4, [1e9] * 4, [3.0] * 4], "4 runs were given: five coefficients need"),
        ([[], [], []], "0 runs were given"),
        ([[1e8] * 6, [0] * 6, [3.0] * 6], "run 0 has the numbers"),
    ],
)
def test_too_few_runs_and_numbers_without_a_logarithm_are_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        fit_parametric_loss(*numbers)


def test_gpt_3_in_petaflop_s_days():
    # Brown et al. 2020, table D.1: 174,600 million parameters, 300 billion tokens, 3640.
    assert petaflop_s_days(training_flops(174.6e9, 300e9)) == pytest.approx(3640, rel=0.01)
    assert petaflop_s_days(training_flops(175e9, 300e9)) == pytest.approx(3640, rel=0.01)
    assert petaflop_s_days(1e15 * 86400) == 1
