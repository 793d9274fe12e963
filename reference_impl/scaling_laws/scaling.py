"""Scaling laws: how the loss falls with parameters and tokens, and how to divide the compute.

N is the number of parameters, D the number of training tokens, C the training compute in FLOPs.
Does not handle: repeated data, inference cost, losses read before a run's schedule has ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float, Num
from scipy.optimize import minimize

Number = int | float
Numbers = Sequence[Number] | Num[np.ndarray, " runs"]


@dataclass(frozen=True)
class ParametricLoss:
    """L(N, D) = E + A / N^alpha + B / D^beta, in nats a token.

    `E` is what no model can go below; the other terms are what a model of finite size, and
    training on finite data, add to it. Source: Hoffmann et al. 2022, equation 2.
    """

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def __call__(self, n_parameters, n_tokens):
        """The loss of a model with so many parameters after so many tokens (numbers or arrays).

        >>> ParametricLoss(E=1.0, A=10.0, B=20.0, alpha=0.5, beta=1.0)(100.0, 10.0)  # 1 + 1 + 2
        4.0
        """
        return self.E + self.A / n_parameters**self.alpha + self.B / n_tokens**self.beta

    def optimum(self, compute: Number) -> tuple[float, float]:
        """The N and D of lowest loss among all with 6 N D = compute.

        N = G (C/6)^(beta/(alpha+beta)) and D = (C/6)^(alpha/(alpha+beta)) / G, where
        G = (alpha A / (beta B))^(1/(alpha+beta)). The steeper the loss falls with one of the two,
        the slower that one has to grow. E does not matter. Raises ValueError unless compute is
        a finite number above 0.
        Source: Hoffmann et al. 2022, equation 4.

        >>> law = ParametricLoss(E=1.0, A=10.0, B=10.0, alpha=0.5, beta=0.5)
        >>> [round(x) for x in law.optimum(6e6)]  # symmetric: N = D = sqrt(1e6)
        [1000, 1000]
        """
        if not 0 < compute < np.inf:
            raise ValueError(
                f"compute={compute} FLOPs is not a finite number above 0: give what the run may "
                "cost"
            )
        total = self.alpha + self.beta
        g = (self.alpha * self.A / (self.beta * self.B)) ** (1 / total)
        n_parameters = g * (compute / 6) ** (self.beta / total)
        return n_parameters, compute / 6 / n_parameters


# Three sets of coefficients for the same experiments. They differ little where they were
# measured, and widely in what they advise at 1000 times the compute.
HOFFMANN = ParametricLoss(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)  # appendix D.3
HOFFMANN_UNROUNDED = ParametricLoss(  # from the paper's TeX source, quoted by Besiroglu et al.
    E=1.6934, A=406.4, B=410.7, alpha=0.3392, beta=0.2849
)
BESIROGLU = ParametricLoss(  # Besiroglu et al. 2024 (arXiv 2404.10102), table 1
    E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658
)

# Where the searches start (Hoffmann et al. 2022, appendix D.3).
GRID = tuple(
    product(
        (-1.0, -0.5, 0.0, 0.5, 1.0),  # ln E
        (0.0, 5.0, 10.0, 15.0, 20.0, 25.0),  # ln A
        (0.0, 5.0, 10.0, 15.0, 20.0, 25.0),  # ln B
        (0.0, 0.5, 1.0, 1.5, 2.0),  # alpha
        (0.0, 0.5, 1.0, 1.5, 2.0),  # beta
    )
)


def fit_parametric_loss(
    n_parameters: Numbers,
    n_tokens: Numbers,
    losses: Numbers,
    delta: float = 1e-3,
    n_searches: int = 60,
) -> ParametricLoss:
    """The `ParametricLoss` nearest to measured final losses.

    Minimises the Huber loss of ln L, so that errors count in proportion and a few odd runs cannot
    pull the fit away. The minimum found depends on where the search starts: of Hoffmann's grid
    the `n_searches` best points are tried (0: all 4,500) and the best result is returned.
    Raises ValueError for fewer runs than the five coefficients, or numbers that are not finite
    and above 0: a run that diverged has no final loss and is to be left out by name.
    Source: Hoffmann et al. 2022, equation 3, and appendix D.3. The loss is summed over runs, not
    averaged: the average is so flat that a search stops too soon (Besiroglu et al. 2024).
    """
    data = np.array([n_parameters, n_tokens, losses], dtype=np.float64)
    if data.shape[1] < 5:
        raise ValueError(f"{data.shape[1]} runs were given: five coefficients need at least five")
    check_runs(data)
    log_data = np.log(data)  # 3 runs
    starts = np.array(GRID)  # searches 5
    if n_searches:
        heights = [huber_and_slope(start, *log_data, delta)[0] for start in starts]
        starts = starts[np.argsort(heights, kind="stable")[:n_searches]]
    found = [_search(start, log_data, delta) for start in starts]
    log_e, log_a, log_b, alpha, beta = min(found)[1]
    return ParametricLoss(*np.exp([log_e, log_a, log_b]).tolist(), alpha, beta)


def check_runs(data: Num[np.ndarray, "numbers runs"]) -> None:
    """Raise ValueError for the first run with a number that has no logarithm."""
    for run in np.flatnonzero(~(np.isfinite(data) & (data > 0)).all(axis=0)):
        raise ValueError(
            f"run {run} has the numbers {data[:, run].tolist()}, but logarithms need finite ones "
            "above 0: leave out runs that diverged or did not end, and say which"
        )


def _search(
    start: Float[np.ndarray, "5"], log_data: Float[np.ndarray, "3 runs"], delta: float
) -> tuple[float, list[float]]:
    """The minimum that BFGS finds from `start`: its height and its coefficients.

    ln N and ln D are taken from their means, where ln A and alpha hardly influence each other,
    and heights in units of delta^2: both shorten the search and change nothing else.
    """
    mean_n, mean_d = log_data[0].mean(), log_data[1].mean()
    centred = log_data - np.array([[mean_n], [mean_d], [0.0]])
    to_centre = np.eye(5)  # ln A - alpha mean_n, ln B - beta mean_d
    to_centre[1, 3], to_centre[2, 4] = -mean_n, -mean_d

    def scaled(coefficients: Float[np.ndarray, "5"]) -> tuple[float, Float[np.ndarray, "5"]]:
        height, slope = huber_and_slope(coefficients, *centred, delta)
        return height / delta**2, slope / delta**2

    result = minimize(scaled, to_centre @ start, jac=True, method="BFGS", options={"gtol": 1e-6})
    return float(result.fun), np.linalg.solve(to_centre, result.x).tolist()


def huber_and_slope(
    coefficients: Float[np.ndarray, "5"],
    log_n: Float[np.ndarray, " runs"],
    log_d: Float[np.ndarray, " runs"],
    log_losses: Float[np.ndarray, " runs"],
    delta: float,
) -> tuple[float, Float[np.ndarray, "5"]]:
    """Huber loss of ln L summed over runs, and its gradient by (ln E, ln A, ln B, alpha, beta).

    ln(E + A/N^alpha + B/D^beta) is the log-sum-exp of three terms that are linear in the
    coefficients: E, A and B cannot become negative, and nothing overflows.
    """
    log_e, log_a, log_b, alpha, beta = coefficients
    terms = np.stack((log_e + 0 * log_n, log_a - alpha * log_n, log_b - beta * log_d))  # 3 runs
    highest = terms.max(axis=0)
    shares = np.exp(terms - highest)  # 3 runs
    total = shares.sum(axis=0)
    errors = highest + np.log(total) - log_losses
    huber = np.where(abs(errors) <= delta, errors**2 / 2, delta * (abs(errors) - delta / 2))
    slopes = np.clip(errors, -delta, delta) * shares / total  # 3 runs
    gradient = [*slopes.sum(axis=1), -(slopes[1] @ log_n), -(slopes[2] @ log_d)]
    return float(huber.sum()), np.array(gradient)


def training_flops(n_parameters: Number, n_tokens: Number) -> Number:
    """C = 6 N D: per parameter and token 2 FLOPs forward and 4 backward, attention left out.

    Source: Kaplan et al. 2020, section 2.1. `accounting.training_flops` counts exactly.

    >>> training_flops(175e9, 300e9)  # GPT-3
    3.15e+23
    """
    return 6 * n_parameters * n_tokens


def petaflop_s_days(flops: Number) -> float:
    """How many days a machine doing 10^15 operations a second needs.

    >>> round(petaflop_s_days(training_flops(175e9, 300e9)))  # GPT-3: reported 3640
    3646
    """
    return flops / (1e15 * 24 * 60 * 60)
