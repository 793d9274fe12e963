"""scaling_laws/best_split: the best size for a compute, in closed form."""

import math

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.scaling_laws.draw import law, quiet

LINK = "scaling-laws-optimum"
ROUND = (1.7, 400.0, 900.0, 0.3, 0.4)  # a law that properties count with
ROUND_COMPUTE = 6e12


def cases(rng: np.random.Generator) -> list[Case]:
    """Compute and each coefficient varied alone; even laws; what is refused."""
    coefficients = law(rng)
    compute = float(10 ** rng.uniform(19, 21))

    def changed(i, value):
        return tuple(value if j == i else c for j, c in enumerate(coefficients))

    even = (1.7, 300.0, 300.0, 0.31, 0.31)
    return [
        _case("a law", coefficients, compute, name="law"),
        _case("a hundred times the compute", coefficients, 100 * compute, name="more"),
        _case("another E", changed(0, 0.9), compute, name="E"),
        _case("no E", changed(0, 0.0), compute),
        _case("twice the A", changed(1, 2 * coefficients[1]), compute, name="A"),
        _case("three times the B", changed(2, 3 * coefficients[2]), compute, name="B"),
        _case("a larger alpha", changed(3, 0.39), compute),
        _case("a smaller beta", changed(4, 0.26), compute),
        _case("a law that is the same in N and D", even, 6e18),
        _case("the compute of a small run", coefficients, 3e11),
        _case("a compute of 6", coefficients, 6.0),
        _case("a compute of 1, an int", coefficients, 1),
        _case("a law of round numbers", ROUND, ROUND_COMPUTE, name="round"),
        _case("no compute", coefficients, 0.0),
        _case("a compute below 0", coefficients, -compute),
        _case("an infinite compute", coefficients, math.inf),
        _case("a compute that is not a number", coefficients, math.nan),
    ]


def _case(says: str, coefficients: tuple, compute: float, name: str = "") -> Case:
    return Case(says, {"coefficients": coefficients, "compute": compute}, name=name)


def fall_alike(n: float, d: float) -> bool:
    """Whether a little more of N and less of D changes nothing, by the law of round numbers."""
    _, a, b, alpha, beta = ROUND
    if not n > 0 < d:
        return False
    return bool(np.isclose(alpha * a / n**alpha, beta * b / d**beta, rtol=1e-5))


def at_the_bottom_or_off(n: float, d: float) -> bool:
    """Whether a split that spends the compute is right by the law of round numbers, or far off."""
    _, a, b, alpha, beta = ROUND
    if not (n > 0 < d and np.isclose(6 * n * d, ROUND_COMPUTE, rtol=1e-5)):
        return True
    g = (alpha * a / (beta * b)) ** (1 / (alpha + beta))
    off = abs(n / (g * (ROUND_COMPUTE / 6) ** (beta / (alpha + beta))) - 1)
    return bool(off < 1e-5 or off > 0.1)


# --- right in other ways ---------------------------------------------------------------------


def by_logarithms(coefficients, compute):
    """ln N from the condition that both terms fall alike."""
    if not (math.isfinite(compute) and compute > 0):
        raise ValueError("compute")
    _, a, b, alpha, beta = coefficients
    log_pairs = math.log(compute / 6)
    log_n = (math.log(alpha * a) - math.log(beta * b) + beta * log_pairs) / (alpha + beta)
    return math.exp(log_n), math.exp(log_pairs - log_n)


def by_halving(coefficients, compute):
    """The root of the derivative by ln N, by bisection."""
    if math.isnan(compute) or math.isinf(compute) or compute <= 0:
        raise ValueError("compute")
    _, a, b, alpha, beta = coefficients
    pairs = compute / 6
    low, high = -200.0, 200.0  # of ln N
    for _ in range(200):
        middle = (low + high) / 2
        n = math.exp(middle)
        slope = beta * b / (pairs / n) ** beta - alpha * a / n**alpha
        low, high = (middle, high) if slope < 0 else (low, middle)
    return math.exp(low), pairs / math.exp(low)


def tokens_first(coefficients, compute):
    """The same formula for D, with the parts exchanged."""
    if np.isfinite(compute) and compute > 0:
        _, a, b, alpha, beta = coefficients
        share = alpha / (alpha + beta)
        d = (beta * b / alpha / a) ** (share / alpha) * (compute / 6) ** share
        return float(compute / d / 6), float(d)
    raise ValueError("compute")


# --- wrong in known ways -----------------------------------------------------------------------

CHECK = "if not 0 < compute < math.inf:"
UNPACK = "E, A, B, alpha, beta = coefficients"
G = "g = (alpha * A / (beta * B)) ** (1 / total)"
N = "n_parameters = g * (compute / 6) ** (beta / total)"
D = "n_tokens = compute / (6 * n_parameters)"
RESULT = "return n_parameters, n_tokens"
HUSH = quiet("best_split")

MISCONCEPTIONS = (
    Misconception(
        "exponent-alpha-for-n",
        "N grows with the exponent alpha / (alpha + beta). The steeper the loss falls with N, the "
        "slower N has to grow: it is beta's share.",
        LINK,
        {N: "n_parameters = g * (compute / 6) ** (alpha / total)"},
    ),
    Misconception(
        "g-upside-down",
        "G is upside down: where A is larger, the parameters matter more and N has to be larger.",
        LINK,
        {G: "g = (beta * B / (alpha * A)) ** (1 / total)"},
    ),
    Misconception(
        "exponents-left-out-of-g",
        "G is made of A and B alone. The derivatives bring alpha and beta down as factors.",
        LINK,
        {G: "g = (A / B) ** (1 / total)"},
    ),
    Misconception(
        "factors-exchanged-in-g",
        "In G the factors alpha and beta stand at the wrong letters: alpha belongs to A.",
        LINK,
        {G: "g = (beta * A / (alpha * B)) ** (1 / total)"},
    ),
    Misconception(
        "a-and-b-exchanged",
        "A and B have changed places.",
        LINK,
        {UNPACK: "E, B, A, alpha, beta = coefficients"},
    ),
    Misconception(
        "alpha-and-beta-exchanged",
        "alpha and beta have changed places throughout.",
        LINK,
        {UNPACK: "E, A, B, beta, alpha = coefficients"},
    ),
    Misconception(
        "root-of-g-left-out",
        "The root of G, the power 1 / (alpha + beta), is missing.",
        LINK,
        {G: "g = alpha * A / (beta * B)"},
    ),
    Misconception(
        "root-with-the-product",
        "The root of G is not the one of alpha + beta.",
        LINK,
        {G: "g = (alpha * A / (beta * B)) ** (1 / alpha)"},
    ),
    Misconception(
        "g-left-out",
        "G is missing: only the growth with compute is there, not where it starts.",
        LINK,
        {G: "g = 1.0"},
    ),
    Misconception(
        "six-left-out-of-the-power",
        "N is worked out from the compute itself. C / 6 is what N and D multiply to.",
        LINK,
        {N: "n_parameters = g * compute ** (beta / total)"},
    ),
    Misconception(
        "six-left-out",
        "N times D is the whole compute. Each pair takes 6 operations.",
        LINK,
        {N: "n_parameters = g * compute ** (beta / total)", D: "n_tokens = compute / n_parameters"},
    ),
    Misconception(
        "six-left-out-of-the-tokens",
        "N is right; D is six times what the compute allows.",
        LINK,
        {D: "n_tokens = compute / n_parameters"},
    ),
    Misconception(
        "forward-only",
        "6 is replaced by 2, the operations of the forward pass alone.",
        LINK,
        {
            N: "n_parameters = g * (compute / 2) ** (beta / total)",
            D: "n_tokens = compute / (2 * n_parameters)",
        },
    ),
    Misconception(
        "even-split",
        "N grows with the root of the compute, whatever the law says. That is so only where alpha "
        "and beta are equal.",
        LINK,
        {N: "n_parameters = g * (compute / 6) ** 0.5"},
    ),
    Misconception(
        "twenty-tokens",
        "This gives 20 tokens to every parameter. One law says that near one budget: it is no "
        "constant.",
        "scaling-laws-optimum",
        {
            N: "n_parameters = (compute / 120) ** 0.5",
            D: "n_tokens = 20 * n_parameters",
        },
    ),
    Misconception(
        "twenty-tokens-for-n",
        "N is right. D is 20 tokens for each parameter, which does not spend the compute: what is "
        "left over follows from C = 6 N D.",
        "scaling-laws-optimum",
        {D: "n_tokens = 20 * n_parameters"},
    ),
    Misconception(
        "same-exponent-for-d",
        "D is worked out with G as N is. It is what the compute leaves: the power of G goes the "
        "other way.",
        LINK,
        {D: "n_tokens = g * (compute / 6) ** (alpha / total)"},
    ),
    Misconception(
        "n-for-both",
        "D grows with the exponent of N. The two exponents add up to 1.",
        LINK,
        {D: "n_tokens = (compute / 6) ** (beta / total) / g"},
    ),
    Misconception(
        "tokens-first",
        "The two numbers have changed places: N comes first.",
        LINK,
        {RESULT: "return n_tokens, n_parameters"},
    ),
    Misconception(
        "rounded",
        "The numbers are rounded. Floats are wanted as they come.",
        LINK,
        {RESULT: "return float(round(n_parameters)), float(round(n_tokens))"},
    ),
    Misconception(
        "only-n",
        "Only N is returned. D is wanted as well.",
        LINK,
        {RESULT: "return n_parameters"},
    ),
    Misconception(
        "ratio-for-d",
        "The second number is the tokens for each parameter. All tokens are wanted.",
        LINK,
        {RESULT: "return n_parameters, n_tokens / n_parameters"},
    ),
    Misconception(
        "E-takes-part",
        "E changes the best split. It is the same for every split, so its derivative is 0.",
        LINK,
        {G: "g = (alpha * (A + E) / (beta * (B + E))) ** (1 / total)"},
    ),
    Misconception(
        "E-shared-out",
        "A and B are divided by E. E is the same for every split and plays no part.",
        LINK,
        {G: "g = (alpha * A / (beta * B) / (E or 1.0)) ** (1 / total)"},
    ),
    Misconception(
        "nothing-refused",
        "A compute that is 0, below 0, infinite or no number gets an answer, or fails in another "
        "way. The docstring promises a ValueError.",
        LINK,
        {CHECK: "if False:", N: "n_parameters = g * float(np.power(compute / 6, beta / total))"}
        | HUSH,
    ),
    Misconception(
        "0-accepted",
        "A compute of 0 gets through. Nothing can be trained with it: the docstring promises a "
        "ValueError.",
        LINK,
        {CHECK: "if not 0 <= compute < math.inf:"} | HUSH,
    ),
    Misconception(
        "infinity-accepted",
        "An infinite compute gets an answer. The docstring wants a finite one.",
        LINK,
        {CHECK: "if not 0 < compute <= math.inf:"} | HUSH,
    ),
    Misconception(
        "not-a-number-accepted",
        "A compute that is not a number gets an answer. Comparisons with NaN are all False: turn "
        "the question round.",
        LINK,
        {CHECK: "if compute <= 0 or compute == math.inf:"},
    ),
    Misconception(
        "only-0-and-below-refused",
        "Infinity and NaN get an answer. Ask whether the compute is finite as well.",
        LINK,
        {CHECK: "if compute <= 0:"} | HUSH,
    ),
)

EXERCISE = Exercise(
    id="scaling_laws/best_split",
    callable="best_split",
    title="The best size",
    parts={"all": 2},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    arrays="numpy",
    misconceptions=MISCONCEPTIONS,
    alternatives=(by_logarithms, by_halving, tokens_first),
    rtol=1e-6,
    atol=1e-12,
    properties=(
        Property(
            "near-the-lowest-point",
            "For E = 1.7, A = 400, B = 900, alpha = 0.3 and beta = 0.4, N is near the best one, "
            "within 10%, but is not it. A search over a list of sizes ends like this; the closed "
            "form has no steps.",
            LINK,
            ("round",),
            lambda split: at_the_bottom_or_off(*split),
        ),
        Property(
            "both-terms-fall-alike",
            "The split returned is not the lowest point for E = 1.7, A = 400, B = 900, alpha = 0.3 "
            "and beta = 0.4: there alpha A / N^alpha and beta B / D^beta are equal.",
            LINK,
            ("round",),
            lambda split: fall_alike(*split),
        ),
        Property(
            "spends-the-compute",
            "6 N D of the split returned is not the compute.",
            LINK,
            ("round",),
            lambda split: bool(np.isclose(6 * split[0] * split[1], ROUND_COMPUTE, rtol=1e-5)),
        ),
        Property(
            "more-compute-for-both",
            "A hundred times the compute does not make N times D a hundred times as large.",
            LINK,
            ("law", "more"),
            lambda law, more: bool(np.isclose(100 * law[0] * law[1], more[0] * more[1], rtol=1e-5)),
        ),
        Property(
            "E-plays-no-part",
            "Another E changes the best split. It is the same for all splits.",
            LINK,
            ("law", "E"),
            lambda law, other: bool(np.allclose(law, other, rtol=1e-5)),
        ),
        Property(
            "larger-A-larger-N",
            "Where A is twice as large, N is not larger.",
            LINK,
            ("law", "A"),
            lambda law, other: other[0] > law[0] * 1.01,
        ),
        Property(
            "larger-B-more-tokens",
            "Where B is larger, D is not larger.",
            LINK,
            ("law", "B"),
            lambda law, other: other[1] > law[1] * 1.01,
        ),
    ),
)
