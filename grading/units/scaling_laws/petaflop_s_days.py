"""scaling_laws/petaflop_s_days: the warm-up, 6ND in another unit."""

from fractions import Fraction

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property

LINK = "scaling-laws-counting"


def cases(rng: np.random.Generator) -> list[Case]:
    """A small and a large run, one of both varied at a time, nothing at all, below 0."""
    n, d = float(rng.uniform(2e8, 9e8)), float(rng.uniform(2e10, 9e10))
    return [
        _case("a small model", n, d, "small"),
        _case("twice the parameters", 2 * n, d, "larger"),
        _case("three times the tokens", n, 3 * d, "longer"),
        _case("a large model", 300 * n, 200 * d),
        _case("one parameter and one token", 1, 1),
        _case("whole numbers", 7_000_000_003, 2_000_000_000_011),
        _case("no tokens", n, 0, "nothing"),
        _case("no parameters", 0, d),
        _case("tokens below 0", n, -d),
        _case("parameters below 0", -n, d),
        _case("both below 0", -n, -d),
    ]


def _case(says: str, n: float, d: float, name: str = "") -> Case:
    return Case(says, {"n_parameters": n, "n_tokens": d}, name=name)


# --- right in other ways ---------------------------------------------------------------------


def in_steps(n_parameters, n_tokens):
    """Forward and backward apart, then seconds, hours, days of the machine."""
    if min(n_parameters, n_tokens) < 0:
        raise ValueError("below 0")
    forward, backward = 2 * n_parameters * n_tokens, 4 * n_parameters * n_tokens
    seconds = (forward + backward) / 1e15
    hours = seconds / 3600
    return hours / 24


def with_numpy(n_parameters, n_tokens):
    """A product of an array."""
    if np.any(np.array([n_parameters, n_tokens]) < 0):
        raise ValueError("below 0")
    factors = np.array([6.0, n_parameters, n_tokens, 1e-15, 1 / 86_400])
    return float(np.prod(factors))


def with_fractions(n_parameters, n_tokens):
    """Exactly, and rounded once."""
    if not (n_parameters >= 0 <= n_tokens):
        raise ValueError("below 0")
    return float(6 * Fraction(n_parameters) * Fraction(n_tokens) / (10**15 * 86_400))


# --- wrong in known ways -----------------------------------------------------------------------

CHECK = "if n_parameters < 0 or n_tokens < 0:"
FLOPS = "flops = 6 * n_parameters * n_tokens"
DAY = "flops_per_day = 1e15 * 24 * 60 * 60"
RESULT = "return flops / flops_per_day"

MISCONCEPTIONS = (
    Misconception(
        "forward-only",
        "This is a third of the cost: 2ND, the forward pass alone. The backward pass takes twice "
        "as much again.",
        LINK,
        {FLOPS: "flops = 2 * n_parameters * n_tokens"},
    ),
    Misconception(
        "backward-only",
        "This is two thirds of the cost: 4ND, the backward pass without the forward pass.",
        LINK,
        {FLOPS: "flops = 4 * n_parameters * n_tokens"},
    ),
    Misconception(
        "additions-not-counted",
        "This is half of the cost. Each product is added to a sum, so a weight takes two "
        "operations, in the backward pass as well.",
        LINK,
        {FLOPS: "flops = 3 * n_parameters * n_tokens"},
    ),
    Misconception(
        "factor-six-left-out",
        "This is a sixth of the cost: parameters times tokens. Each pair takes several operations.",
        LINK,
        {FLOPS: "flops = n_parameters * n_tokens"},
    ),
    Misconception(
        "twelve-for-six",
        "This is twice the cost. The six operations hold the additions already.",
        LINK,
        {FLOPS: "flops = 12 * n_parameters * n_tokens"},
    ),
    Misconception(
        "eight-for-six",
        "This is 8ND, a forward pass too many. That is the cost where activations are computed "
        "again in the backward pass, which the rule here does not count.",
        LINK,
        {FLOPS: "flops = 8 * n_parameters * n_tokens"},
    ),
    Misconception(
        "petaflop-s-seconds",
        "These are seconds of the machine, not days.",
        LINK,
        {DAY: "flops_per_day = 1e15"},
    ),
    Misconception(
        "petaflop-s-hours",
        "These are hours of the machine, not days.",
        LINK,
        {DAY: "flops_per_day = 1e15 * 60 * 60"},
    ),
    Misconception(
        "petaflop-s-minutes",
        "These are minutes of the machine, not days.",
        LINK,
        {DAY: "flops_per_day = 1e15 * 60"},
    ),
    Misconception(
        "minutes-in-a-day",
        "A day is taken to have 24 · 60 seconds. Those are its minutes.",
        LINK,
        {DAY: "flops_per_day = 1e15 * 24 * 60"},
    ),
    Misconception(
        "petaflop-s-years",
        "These are years of the machine, not days.",
        LINK,
        {DAY: "flops_per_day = 1e15 * 365 * 24 * 60 * 60"},
    ),
    Misconception(
        "teraflop-s-days",
        "Peta is taken for 10^12, which is tera. It is 10^15.",
        LINK,
        {DAY: "flops_per_day = 1e12 * 24 * 60 * 60"},
    ),
    Misconception(
        "exaflop-s-days",
        "Peta is taken for 10^18, which is exa. It is 10^15.",
        LINK,
        {DAY: "flops_per_day = 1e18 * 24 * 60 * 60"},
    ),
    Misconception(
        "gigaflop-s-days",
        "Peta is taken for 10^9, which is giga. It is 10^15.",
        LINK,
        {DAY: "flops_per_day = 1e9 * 24 * 60 * 60"},
    ),
    Misconception(
        "binary-peta",
        "Peta is taken for 2^50. For operations it is 10^15.",
        LINK,
        {DAY: "flops_per_day = 2**50 * 24 * 60 * 60"},
    ),
    Misconception(
        "operations",
        "These are the operations. Divide by what the machine does in a day.",
        LINK,
        {RESULT: "return flops + 0.0"},
    ),
    Misconception(
        "upside-down",
        "The division is upside down: how many such runs fit into a day.",
        LINK,
        {RESULT: "return flops_per_day / flops if flops else 0.0"},
    ),
    Misconception(
        "multiplied",
        "The operations are multiplied by what the machine does in a day. Divide.",
        LINK,
        {RESULT: "return flops * flops_per_day"},
    ),
    Misconception(
        "sum-of-n-and-d",
        "Parameters and tokens are added. Every token meets every parameter, so they multiply.",
        LINK,
        {FLOPS: "flops = 6 * (n_parameters + n_tokens)"},
    ),
    Misconception(
        "rounded",
        "The result is rounded to a whole number. A float is wanted: small runs take a fraction of "
        "a day.",
        LINK,
        {RESULT: "return float(round(flops / flops_per_day))"},
    ),
    Misconception(
        "whole-days",
        "The result is a whole number of days (`//` or `int`). A float is wanted.",
        LINK,
        {RESULT: "return float(flops // flops_per_day)"},
    ),
    Misconception(
        "below-0-accepted",
        "Numbers below 0 get an answer. The docstring promises a ValueError.",
        LINK,
        {CHECK: "if False:"},
    ),
    Misconception(
        "one-of-two-checked",
        "Only one of the two numbers is looked at: where the other is below 0, there is no "
        "ValueError.",
        LINK,
        {CHECK: "if n_parameters < 0:"},
    ),
    Misconception(
        "product-checked",
        "Two numbers below 0 get an answer: the product of both is above 0. Look at each.",
        LINK,
        {CHECK: "if n_parameters * n_tokens < 0:"},
    ),
    Misconception(
        "nothing-refused",
        "A run without tokens, or without parameters, is refused. It costs 0, and the docstring "
        "allows it.",
        LINK,
        {CHECK: "if n_parameters <= 0 or n_tokens <= 0:"},
    ),
)

EXERCISE = Exercise(
    id="scaling_laws/petaflop_s_days",
    callable="petaflop_s_days",
    title="A machine for a day",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(in_steps, with_numpy, with_fractions),
    rtol=1e-6,
    atol=0.0,
    properties=(
        Property(
            "twice-the-parameters",
            "Twice the parameters do not come out at twice the cost.",
            LINK,
            ("small", "larger"),
            lambda small, larger: bool(np.isclose(2 * small, larger, rtol=1e-6, atol=0)),
        ),
        Property(
            "three-times-the-tokens",
            "Three times the tokens do not come out at three times the cost.",
            LINK,
            ("small", "longer"),
            lambda small, longer: bool(np.isclose(3 * small, longer, rtol=1e-6, atol=0)),
        ),
    ),
)
