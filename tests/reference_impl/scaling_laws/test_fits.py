"""Power laws, IsoFLOP curves, bootstrap intervals: known answers come back, coverage is right."""

import csv
import math

import numpy as np
import pytest
from scipy.stats import linregress

from reference_impl.scaling_laws.fits import (
    PowerLaw,
    bootstrap_interval,
    fit_power_law,
    isoflop_optimum,
)
from reference_impl.scaling_laws.scaling import BESIROGLU, fit_parametric_loss


def test_a_power_law_comes_back():
    x = np.geomspace(1e6, 1e20, 9)
    fit = fit_power_law(x, PowerLaw(406.4, -0.34)(x))
    assert (fit.coefficient, fit.exponent) == pytest.approx((406.4, -0.34))


def test_a_noisy_power_law_is_scipy_s_line_on_log_paper():
    rng = np.random.default_rng(0)
    x = np.geomspace(1.0, 1e3, 20)
    y = 5 * x**0.7 * rng.lognormal(sigma=0.3, size=20)
    line = linregress(np.log(x), np.log(y))
    fit = fit_power_law(x, y)
    assert fit.exponent == pytest.approx(line.slope)
    assert fit.coefficient == pytest.approx(math.exp(line.intercept))


def test_isoflop_curves_of_a_known_law_have_their_lowest_point_near_its_optimum():
    computes, sizes = np.geomspace(1e19, 1e22, 4), []
    for compute in computes:
        best, _ = BESIROGLU.optimum(compute)
        n_parameters = best * np.geomspace(0.5, 2, 9)
        losses = BESIROGLU(n_parameters, compute / 6 / n_parameters)
        size, loss = isoflop_optimum(n_parameters, losses)
        assert size == pytest.approx(best, rel=0.02)
        assert loss == pytest.approx(losses.min(), rel=1e-3)
        sizes.append(size)
    exponent = BESIROGLU.beta / (BESIROGLU.alpha + BESIROGLU.beta)  # N grows so with C
    assert fit_power_law(computes, sizes).exponent == pytest.approx(exponent, abs=0.01)


@pytest.mark.parametrize(
    ("n_parameters", "losses", "message"),
    [
        ([1.0, 2.0, 4.0], [1.0, 2.0, 4.0], "no lowest point .* add smaller"),
        ([1.0, 2.0, 4.0], [4.0, 2.0, 1.0], "no lowest point .* add larger"),
        ([1.0, 2.0, 4.0], [1.0, 2.0, 1.0], "no lowest point"),
        ([1.0, 2.0, 2.0], [1.0, 2.0, 1.0], "2 different x"),
        ([1.0, 2.0], [1.0, 2.0, 1.0], "2 x and 3 y"),
        ([1.0, 2.0, 4.0], [3.0, math.inf, 3.0], r"run 1 has the numbers \[2.0, inf\]"),
        ([1.0, 2.0, 4.0], [3.0, math.nan, 3.0], "run 1 has the numbers"),
        ([0.0, 2.0, 4.0], [3.0, 1.0, 3.0], "run 0 has the numbers"),
        ([], [], "0 different x"),
    ],
)
def test_runs_that_fix_no_curve(n_parameters, losses, message):
    with pytest.raises(ValueError, match=message):
        isoflop_optimum(n_parameters, losses)


@pytest.mark.parametrize("wrong", [math.inf, math.nan, 0.0, -1.0])
def test_one_impossible_loss_is_refused_by_every_fit(wrong):
    n_parameters, n_tokens = np.geomspace(1e7, 1e9, 9), np.geomspace(1e9, 1e11, 9)
    losses = BESIROGLU(n_parameters, n_tokens)
    losses[4] = wrong
    with pytest.raises(ValueError, match="run 4 has the numbers .* leave out runs that"):
        fit_parametric_loss(n_parameters, n_tokens, losses)
    with pytest.raises(ValueError, match="run 4 has the numbers"):
        fit_power_law(n_parameters, losses)


@pytest.mark.parametrize("compute", [0.0, -1.0, math.inf, math.nan])
def test_no_optimum_for_an_impossible_compute(compute):
    with pytest.raises(ValueError, match="is not a finite number above 0"):
        BESIROGLU.optimum(compute)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng, covered = np.random.default_rng(0), 0
    for seed in range(300):
        numbers = rng.normal(loc=5.0, size=40)
        low, high = bootstrap_interval(np.mean, numbers, level=0.8, n_resamples=100, seed=seed)
        covered += bool(low <= 5.0 <= high)
    assert 0.70 <= covered / 300 <= 0.87  # three standard errors of 0.023 about 0.77 to 0.8


def test_an_interval_is_repeatable_and_one_for_each_number():
    x = np.geomspace(1.0, 100.0, 12)
    y = 3 * x**0.5 * np.random.default_rng(0).lognormal(sigma=0.1, size=12)

    def numbers(x, y):
        law = fit_power_law(x, y)
        return np.array([law.coefficient, law.exponent])

    low, high = bootstrap_interval(numbers, x, y, n_resamples=200, seed=3)
    again, _ = bootstrap_interval(numbers, x, y, n_resamples=200, seed=3)
    assert low.shape == (2,) and (low < high).all() and (low == again).all()
    assert low[1] < 0.5 < high[1]


def test_resamples_that_cannot_be_computed_are_drawn_anew():
    def exponent(x, y):
        return fit_power_law(x, y).exponent

    # Two runs: every other resample has one of them twice, which fixes no line.
    low, high = bootstrap_interval(exponent, [1.0, 10.0], [1.0, 100.0], n_resamples=50)
    assert (low, high) == pytest.approx((2.0, 2.0))
    with pytest.raises(ValueError, match="most of the resamples could not be computed"):
        bootstrap_interval(exponent, [1.0, 1.0], [1.0, 2.0], n_resamples=50)


@pytest.mark.parametrize("level", [0.0, 1.0, math.nan])
def test_levels_that_make_no_sense(level):
    with pytest.raises(ValueError, match="a level between 0 and 1"):
        bootstrap_interval(np.mean, [1.0, 2.0], level=level)


def test_columns_of_different_lengths():
    with pytest.raises(ValueError, match=r"lengths \[1, 2\]"):
        bootstrap_interval(lambda x, y: 0.0, [1.0, 2.0], [1.0])


def test_the_best_size_of_the_published_runs_has_an_interval(shared_data):
    """Chinchilla's own runs of about 1e21 FLOPs."""
    with (shared_data / "chinchilla_figure4.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = ("Model Size", "Training FLOP", "loss")
    sizes, flops, losses = np.array([[float(row[name]) for name in names] for row in rows]).T
    near = (flops > 0.8e21) & (flops < 1.25e21)
    best, _ = isoflop_optimum(sizes[near], losses[near])
    low, high = bootstrap_interval(
        lambda n, loss: isoflop_optimum(n, loss)[0], sizes[near], losses[near], n_resamples=200
    )
    assert 1e9 < low < best < high < 6e9
