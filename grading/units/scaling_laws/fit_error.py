"""scaling_laws/fit_error: the Huber loss of a law's logarithms."""

import math

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.scaling_laws.draw import law, quiet

LINK = "scaling-laws-parametric"
ROUND = (1.7, 400.0, 900.0, 0.3, 0.4)  # a law that properties count with


def cases(rng: np.random.Generator) -> list[Case]:
    """Perfect, small errors, large ones, both, on the edge; each coefficient by itself."""
    coefficients = law(rng)
    n, d = np.exp(rng.uniform(15, 20, 13)), np.exp(rng.uniform(18, 24, 13))
    right = predicted(coefficients, n, d)
    small = right * np.exp(rng.uniform(-0.8, 0.8, 13) * 1e-2)
    large = right * np.exp(rng.choice([-1, 1], 13) * rng.uniform(0.05, 0.4, 13))
    both = np.where(np.arange(13) < 6, small, large)
    flat = (0.0, *coefficients[1:])

    def case(says, losses, delta=1e-2, law=coefficients, runs=slice(None), name=""):
        inputs = {"coefficients": law, "n_parameters": n[runs], "n_tokens": d[runs]}
        return Case(says, {**inputs, "losses": losses[runs], "delta": delta}, name=name)

    def changed(i, factor):
        return tuple(c * factor if j == i else c for j, c in enumerate(coefficients))

    def one(says, error, name):
        losses = predicted(ROUND, n[:1], d[:1]) * np.exp(-error)
        inputs = {"coefficients": ROUND, "n_parameters": n[:1], "n_tokens": d[:1]}
        return Case(says, {**inputs, "losses": losses, "delta": 1e-2}, name=name)

    doubled = {
        "coefficients": coefficients,
        "n_parameters": np.tile(n, 2),
        "n_tokens": np.tile(d, 2),
        "losses": np.tile(both, 2),
        "delta": 1e-2,
    }
    names = ("E", "A", "B", "alpha", "beta")
    return [
        case("runs that lie on the law", right, name="perfect"),
        case("small errors", small, name="small"),
        case("large errors", large, name="large"),
        case("large errors, half of delta", large, 5e-3, name="half"),
        case("small and large errors", both, name="both"),
        case("errors that are all too high", right * 1.3, name="high"),
        case("errors that are all too low", right / 1.3, name="low"),
        case("a large delta", large, 1.0),
        case("one run, a small error", small, runs=slice(1)),
        case("one run, a large error", large, runs=slice(1)),
        case("no runs", right, runs=slice(0)),
        Case("the runs with small and large errors, twice over", doubled, name="twice"),
        one("an error of 0.004 and a delta of 0.01", 0.004, "0.004"),
        one("an error of -0.1 and a delta of 0.01", -0.1, "-0.1"),
        case("an E of 0", small, law=flat),
        *(case(f"another {name}", small, law=changed(i, 1.05)) for i, name in enumerate(names)),
        Case(
            "delta left out",
            {"coefficients": coefficients, "n_parameters": n, "n_tokens": d, "losses": both},
        ),
    ]


def predicted(coefficients, n, d):
    e, a, b, alpha, beta = coefficients
    return e + a / n**alpha + b / d**beta


# --- right in other ways ---------------------------------------------------------------------


def run_by_run(coefficients, n_parameters, n_tokens, losses, delta=1e-3):
    """A loop and `if`."""
    e, a, b, alpha, beta = coefficients
    total = 0.0
    for n, d, loss in zip(n_parameters, n_tokens, losses, strict=True):
        error = abs(math.log((e + a * n**-alpha + b * d**-beta) / loss))
        total += 0.5 * error * error if error <= delta else delta * error - delta * delta / 2
    return total


def with_scipy(coefficients, n_parameters, n_tokens, losses, delta=1e-3):
    """SciPy's huber, and the law by log-sum-exp."""
    from scipy.special import huber, logsumexp

    e, a, b, alpha, beta = coefficients
    log_e = np.log(e) if e else -np.inf
    terms = [
        log_e + 0 * n_parameters,
        np.log(a) - alpha * np.log(n_parameters),
        np.log(b) - beta * np.log(n_tokens),
    ]
    return float(huber(delta, np.log(losses) - logsumexp(terms, axis=0)).sum())


def by_clipping(coefficients, n_parameters, n_tokens, losses, delta=1e-3):
    """c e - c^2 / 2, where c is the error, at most delta."""
    law = np.array(coefficients)
    guess = law[0] + law[1] * n_parameters ** -law[3] + law[2] * n_tokens ** -law[4]
    size = abs(np.log(losses) - np.log(guess))
    c = np.minimum(size, delta)
    return float(np.sum(c * size - c * c / 2))


# --- wrong in known ways -----------------------------------------------------------------------

UNPACK = "E, A, B, alpha, beta = coefficients"
PREDICTED = "predicted = E + A / n_parameters**alpha + B / n_tokens**beta"
ERRORS = "errors = np.log(predicted) - np.log(losses)"
SIZE = "size = np.abs(errors)"
COSTS = "costs = np.where(size <= delta, errors**2 / 2, delta * (size - delta / 2))"
RESULT = "return float(costs.sum())"
HUSH = quiet("fit_error")

MISCONCEPTIONS = (
    Misconception(
        "errors-of-the-loss-itself",
        "The errors are differences of the losses. They are wanted of the logarithms, so that a "
        "percent counts alike for a high loss and a low one.",
        LINK,
        {ERRORS: "errors = predicted - losses"},
    ),
    Misconception(
        "relative-errors",
        "The errors are relative, (predicted − measured) / measured. Close for small ones, but "
        "differences of logarithms are wanted.",
        LINK,
        {ERRORS: "errors = predicted / losses - 1"},
    ),
    Misconception(
        "decimal-logarithms",
        "The logarithms have base 10. Natural ones are wanted.",
        LINK,
        {ERRORS: "errors = np.log10(predicted) - np.log10(losses)"},
    ),
    Misconception(
        "mean-over-the-runs",
        "The costs are averaged. The docstring wants their sum: a mean over many runs is so small "
        "that searches stop too soon.",
        LINK,
        {RESULT: "return float(costs.mean()) if len(costs) else 0.0"},
    ),
    Misconception(
        "squares-only",
        "All errors are squared, the large ones too. Then one odd run pulls the fit away; beyond "
        "delta the cost grows in a line.",
        LINK,
        {COSTS: "costs = errors**2 / 2"},
    ),
    Misconception(
        "sizes-only",
        "All errors count by their size, the small ones too. Up to delta they are squared.",
        LINK,
        {COSTS: "costs = delta * (size - delta / 2)"},
    ),
    Misconception(
        "half-left-out",
        "Small errors count by their whole squares. By half of them: then both pieces meet at "
        "delta with one slope.",
        LINK,
        {COSTS: COSTS.replace("errors**2 / 2", "errors**2")},
    ),
    Misconception(
        "jump-at-delta",
        "The line is delta · |e|: at |e| = delta the cost jumps. Half of delta is taken off the "
        "error.",
        LINK,
        {COSTS: COSTS.replace("(size - delta / 2)", "size")},
    ),
    Misconception(
        "whole-delta-taken-off",
        "The line is delta · (|e| − delta): at |e| = delta the cost jumps down to 0. Half of delta "
        "is taken off.",
        LINK,
        {COSTS: COSTS.replace("delta / 2", "delta")},
    ),
    Misconception(
        "slope-of-one",
        "Beyond delta the cost grows by the error itself. The line has the slope delta, as the "
        "parabola has there.",
        LINK,
        {COSTS: COSTS.replace("delta * (size - delta / 2)", "size - delta / 2")},
    ),
    Misconception(
        "divided-by-delta",
        "The cost is divided by delta, as some libraries have it (smooth L1). The docstring does "
        "not divide.",
        LINK,
        {RESULT: "return float(costs.sum() / delta)"},
    ),
    Misconception(
        "sign-of-the-error-looked-at",
        "The condition looks at the error with its sign, so every error below 0 counts as small. "
        "Take its size.",
        LINK,
        {COSTS: COSTS.replace("size <= delta", "errors <= delta")},
    ),
    Misconception(
        "line-without-the-size",
        "Beyond delta the error counts with its sign, so that errors below 0 lower the cost.",
        LINK,
        {COSTS: COSTS.replace("(size - delta / 2)", "(errors - delta / 2)")},
    ),
    Misconception(
        "pieces-exchanged",
        "The two pieces are exchanged: small errors count in a line and large ones by squares.",
        LINK,
        {COSTS: COSTS.replace("size <= delta", "size > delta")},
    ),
    Misconception(
        "errors-summed-first",
        "The errors of all runs are summed before they become a cost, so that one too high and one "
        "too low cancel. Sum the costs.",
        LINK,
        {ERRORS: "errors = np.sum(np.log(predicted) - np.log(losses), keepdims=True)"},
    ),
    Misconception(
        "one-large-error-for-all",
        "The piece is chosen once for all runs: one error beyond delta, and the small ones count "
        "in a line too. Choose for each run.",
        LINK,
        {
            COSTS: "costs = errors**2 / 2\n    if (size > delta).any():\n"
            "        costs = delta * (size - delta / 2)"
        },
    ),
    Misconception(
        "one-small-error-for-all",
        "The piece is chosen once for all runs: one error up to delta, and the large ones are "
        "squared too. Choose for each run.",
        LINK,
        {
            COSTS: "costs = delta * (size - delta / 2)\n    if (size <= delta).any():\n"
            "        costs = errors**2 / 2"
        },
    ),
    Misconception(
        "large-errors-left-out",
        "Errors beyond delta cost nothing more. They count, in a line.",
        LINK,
        {COSTS: COSTS.replace("delta * (size - delta / 2)", "delta**2 / 2")},
    ),
    Misconception(
        "large-errors-dropped",
        "Runs with an error beyond delta are left out. They count, in a line.",
        LINK,
        {COSTS: COSTS.replace("delta * (size - delta / 2)", "0.0")},
    ),
    Misconception(
        "delta-left-fixed",
        "delta is 0.001, whatever was given.",
        LINK,
        {SIZE: "size, delta = np.abs(errors), 1e-3"},
    ),
    Misconception(
        "E-left-out",
        "E is missing in the law, as if a loss could fall to 0.",
        LINK,
        {PREDICTED: "predicted = A / n_parameters**alpha + B / n_tokens**beta"},
    ),
    Misconception(
        "exponents-exchanged",
        "alpha and beta have changed places: alpha belongs to the parameters, beta to the tokens.",
        LINK,
        {PREDICTED: "predicted = E + A / n_parameters**beta + B / n_tokens**alpha"},
    ),
    Misconception(
        "n-and-d-exchanged",
        "Parameters and tokens have changed places: A and alpha belong to the parameters.",
        LINK,
        {PREDICTED: "predicted = E + A / n_tokens**alpha + B / n_parameters**beta"},
    ),
    Misconception(
        "a-and-b-exchanged",
        "A and B have changed places.",
        LINK,
        {PREDICTED: "predicted = E + B / n_parameters**alpha + A / n_tokens**beta"},
    ),
    Misconception(
        "coefficients-in-another-order",
        "The coefficients are read in another order. It is E, A, B, alpha, beta.",
        LINK,
        {UNPACK: "E, A, alpha, B, beta = coefficients"} | HUSH,
    ),
    Misconception(
        "multiplied-powers",
        "The powers are multiplied, so that a larger model would be worse. A and B are divided by "
        "them.",
        LINK,
        {PREDICTED: "predicted = E + A * n_parameters**alpha + B * n_tokens**beta"},
    ),
    Misconception(
        "quotient-before-the-power",
        "(A / N)^alpha was taken. Only N has the power: A / N^alpha.",
        LINK,
        {PREDICTED: "predicted = E + (A / n_parameters) ** alpha + (B / n_tokens) ** beta"},
    ),
    Misconception(
        "coefficients-as-logarithms",
        "E, A and B are put through exp, as if logarithms had been given. They are the numbers "
        "themselves.",
        LINK,
        {
            PREDICTED: PREDICTED.replace("E +", "np.exp(E) +")
            .replace("A /", "np.exp(A) /")
            .replace("B /", "np.exp(B) /")
        }
        | HUSH,
    ),
    Misconception(
        "a-cost-for-each-run",
        "There is a cost for each run. One number is wanted for all.",
        LINK,
        {RESULT: "return costs"},
    ),
    Misconception(
        "changed-in-place",
        "The logarithms are written into the losses themselves, so they are lost for whoever gave "
        "them.",
        LINK,
        {ERRORS: "errors = np.log(predicted) - np.log(losses, out=losses)"},
    ),
)

EXERCISE = Exercise(
    id="scaling_laws/fit_error",
    callable="fit_error",
    title="How far off is a law?",
    parts={"all": 2},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    arrays="numpy",
    misconceptions=MISCONCEPTIONS,
    alternatives=(run_by_run, with_scipy, by_clipping),
    rtol=1e-6,
    atol=1e-12,
    equivalent={
        "`size < delta` for `size <= delta`": "both pieces are the same at delta",
        "`np.log(losses) - np.log(predicted)` for `np.log(predicted) - np.log(losses)`": "the cost "
        "does not depend on the sign",
    },
    properties=(
        Property(
            "a-small-error-by-hand",
            "A run with an error of 0.004 and a delta of 0.01 does not cost 0.004² / 2 = 0.000008.",
            LINK,
            ("0.004",),
            lambda cost: bool(np.isclose(cost, 8e-6, rtol=1e-4, atol=0)),
        ),
        Property(
            "a-large-error-by-hand",
            "A run with an error of -0.1 and a delta of 0.01 does not cost 0.01 · (0.1 - 0.005) = "
            "0.00095.",
            LINK,
            ("-0.1",),
            lambda cost: bool(np.isclose(cost, 9.5e-4, rtol=1e-4, atol=0)),
        ),
        Property(
            "runs-add-up",
            "The same runs twice over do not cost twice as much. Each run has a cost of its own, "
            "and the costs are summed.",
            LINK,
            ("both", "twice"),
            lambda both, twice: bool(np.isclose(2 * both, twice, rtol=1e-5, atol=0)),
        ),
        Property(
            "perfect-is-0",
            "Runs that lie on the law cost something.",
            LINK,
            ("perfect",),
            lambda perfect: abs(perfect) < 1e-9,
        ),
        Property(
            "high-like-low",
            "Losses that are 1.3 times the law's and losses that are 1 / 1.3 of it do not cost the "
            "same.",
            LINK,
            ("high", "low"),
            lambda high, low: bool(np.isclose(high, low, rtol=1e-6)),
        ),
        Property(
            "delta-limits-large-errors",
            "With half of delta, large errors do not cost about half as much.",
            LINK,
            ("large", "half"),
            lambda large, half: 0.4 * large < half < 0.6 * large,
        ),
    ),
)
