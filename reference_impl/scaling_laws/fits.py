"""Smaller fits than `scaling.fit_parametric_loss`, and how far to trust any of them.

A power law is a straight line on log paper; an IsoFLOP curve is a parabola over the logarithm of
the size, and its lowest point the best size for that compute. What a fit says is uncertain: the
bootstrap shows how much it would have varied with other runs of the same kind.
Does not handle: a floor below the power law (`fit_parametric_loss` has one), errors in x.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from reference_impl.scaling_laws.scaling import Numbers, check_runs


@dataclass(frozen=True)
class PowerLaw:
    """y = coefficient * x^exponent.

    >>> PowerLaw(coefficient=3.0, exponent=0.5)(16.0)
    12.0
    """

    coefficient: float
    exponent: float

    def __call__(self, x):
        """The value at x, a number or an array."""
        return self.coefficient * x**self.exponent


def fit_power_law(x: Numbers, y: Numbers) -> PowerLaw:
    """The power law nearest to the points on log paper: least squares of ln y over ln x.

    Raises ValueError for fewer than two different x, and numbers not finite and above 0.

    >>> law = fit_power_law([1.0, 10.0, 100.0], [2.0, 20.0, 200.0])
    >>> round(law.coefficient, 6), round(law.exponent, 6)
    (2.0, 1.0)
    """
    log_x, log_y = _logarithms(x, y, n_different=2)
    exponent, log_coefficient = np.polyfit(log_x - log_x.mean(), log_y, deg=1)
    return PowerLaw(float(np.exp(log_coefficient - exponent * log_x.mean())), float(exponent))


def isoflop_optimum(n_parameters: Numbers, losses: Numbers) -> tuple[float, float]:
    """The best size for one amount of compute, and the loss there, from runs that all spent it.

    The lowest point of the parabola in ln N that is nearest to the losses. Raises ValueError for
    fewer than three different sizes, numbers not finite and above 0, and runs whose parabola has
    no lowest point among the sizes tried: then the sweep must go on to smaller or larger ones.
    Source: Hoffmann et al. 2022, section 3.2.

    >>> size, loss = isoflop_optimum([1.0, np.e, np.e**2], [3.0, 2.0, 3.0])
    >>> round(size, 4), round(loss, 4)  # the parabola 2 + (ln N - 1)^2
    (2.7183, 2.0)
    """
    log_n, _ = _logarithms(n_parameters, losses, n_different=3)
    middle = log_n.mean()
    curve, slope, height = np.polyfit(log_n - middle, np.asarray(losses, np.float64), deg=2)
    lowest = middle - slope / (2 * curve) if curve > 0 else np.nan
    if not log_n.min() <= lowest <= log_n.max():
        raise ValueError(
            "the losses have no lowest point between the smallest and the largest size tried: add "
            f"{'smaller' if slope > 0 else 'larger'} models for the same compute"
        )
    return float(np.exp(lowest)), float(height - slope**2 / (4 * curve))


def bootstrap_interval(
    statistic: Callable[..., Any],
    *columns: Numbers,
    level: float = 0.9,
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[Any, Any]:
    """Between which two values `statistic(*columns)` falls in `level` of the resampled data.

    Each of `columns` has a number for each run; a resample draws as many runs with replacement,
    the same ones from every column. A resample from which the statistic cannot be computed
    (ValueError) is drawn anew. Where the statistic is an array, each number has its interval.
    The interval shows what chance in the runs does, and nothing of a wrong formula: outside of the
    range measured it is too narrow. Raises ValueError for columns of several lengths, a level not
    between 0 and 1, and where most resamples cannot be computed. Source: Efron 1979.

    >>> low, high = bootstrap_interval(np.mean, np.arange(100.0), seed=1)
    >>> bool(low < 49.5 < high), bool(8 < high - low < 11)  # 2 * 1.645 * 28.9 / sqrt(100) is 9.5
    (True, True)
    """
    data = [np.asarray(column) for column in columns]
    lengths = {len(column) for column in data}
    if len(lengths) != 1 or not 0 < level < 1 or n_resamples < 1:
        raise ValueError(
            f"columns of lengths {sorted(lengths)}, level={level}, n_resamples={n_resamples}: want "
            "columns of one length, a level between 0 and 1, and at least one resample"
        )
    rng, n_runs = np.random.default_rng(seed), lengths.pop()
    values, n_failed = [], 0
    while len(values) < n_resamples:
        chosen = rng.integers(n_runs, size=n_runs)
        try:
            values.append(statistic(*(column[chosen] for column in data)))
        except ValueError as error:
            n_failed += 1
            if n_failed > 2 * n_resamples:
                raise ValueError(
                    f"most of the resamples could not be computed ({error}): give more runs"
                ) from error
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def _logarithms(
    x: Numbers, y: Numbers, n_different: int
) -> tuple[Float[np.ndarray, " runs"], Float[np.ndarray, " runs"]]:
    """ln x and ln y. Raises ValueError where they do not fix the fit."""
    if len(x) != len(y) or len(np.unique(x)) < n_different:
        raise ValueError(
            f"{len(x)} x and {len(y)} y, {len(np.unique(x))} different x: want as many of both, "
            f"and at least {n_different} different x"
        )
    data = np.array([x, y], dtype=np.float64)
    check_runs(data)
    log_x, log_y = np.log(data)
    return log_x, log_y
