"""scaling_laws/predict_interval: a prediction with a width."""

import math

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.scaling_laws.draw import quiet, scattered

LINK = "scaling-laws-prediction"
BY_HAND = {  # the best line is flat at ln y = 0
    "x": np.exp(np.arange(1.0, 6.0)),
    "y": np.exp([0.1, -0.2, 0.2, -0.2, 0.1]),
    "new_x": math.exp(6.0),
    "t": 1.5,
}
HALF_WIDTH = 1.5 * math.sqrt(0.14 / 3 * (1 + 1 / 5 + 9 / 10))  # on log paper


def cases(rng: np.random.Generator) -> list[Case]:
    """Inside and far outside, few and many points, exact ones, several t; what is refused."""
    x, y = scattered(rng, 11, -0.3, 0.08)
    middle = float(np.exp(np.log(x).mean()))
    far = float(20 * x[-1])
    return [
        _case("a point far outside", x, y, far, 2.5, name="far"),
        _case("the middle of the points", x, y, middle, 2.5, name="middle"),
        _case("one of the points", x, y, float(x[3]), 2.5),
        _case("a point below all others", x, y, float(x[0] / 9), 2.5),
        _case("the same point and t = 1", x, y, far, 1.0, name="one spread"),
        _case("the same point and t = 2", x, y, far, 2.0, name="two spreads"),
        _case("t = 0", x, y, far, 0.0),
        _case("a wide scatter", x, y**3, far, 2.5),
        _case("points on a law", x, 2.2 * x**-0.6, far, 2.5, name="exact"),
        _case("a rising law", x, 1 / y, far, 2.5),
        _case("three points", x[:3], y[:3], float(2 * x[2]), 1.5),
        _case("four points", x[:4], y[:4], float(2 * x[3]), 1.5),
        _case("x as large as the operations of a run", 1e15 * x, y, 1e15 * far, 2.5),
        _case("y in other units", x, 1e6 * y, far, 2.5),
        Case("five points by hand", BY_HAND, name="by hand"),
        Case("t left out", {"x": x, "y": y, "new_x": far}),
        _case("two points", x[:2], y[:2], far, 2.5),
        _case("one point", x[:1], y[:1], far, 2.5),
        _case("three times the same x", np.full(3, x[0]), y[:3], far, 2.5),
        _case("a loss of 0", x, np.where(np.arange(11) == 5, 0.0, y), far, 2.5),
        _case("a loss that is not a number", x, np.where(np.arange(11) == 5, np.nan, y), far, 2.5),
        _case("more x than y", x, y[:-1], far, 2.5),
    ]


def _case(says: str, x, y, new_x: float, t: float, name: str = "") -> Case:
    return Case(says, {"x": x, "y": y, "new_x": new_x, "t": t}, name=name)


# --- right in other ways ---------------------------------------------------------------------


def _line(x, y):
    if len(x) < 3 or len(x) != len(y) or len(np.unique(x)) < 2:
        raise ValueError("points")
    if not all(0 < value < math.inf for value in [*x, *y]):
        raise ValueError("no logarithm")
    return np.log(x), np.log(y)


def by_leverage(x, y, new_x, t=2.0):
    """The hat matrix: the leverage of the new point."""
    u, v = _line(x, y)
    shift = u.mean()
    X = np.column_stack([np.ones(len(u)), u - shift])
    inverse = np.linalg.inv(X.T @ X)
    coefficients = inverse @ X.T @ v
    rest = v - X @ coefficients
    point = np.array([1.0, np.log(new_x) - shift])
    variance = rest @ rest / (len(u) - 2) * (1 + point @ inverse @ point)
    ends = point @ coefficients + np.array([-t, 0, t]) * math.sqrt(variance)
    return tuple(float(end) for end in np.exp(ends))


def with_scipy(x, y, new_x, t=2.0):
    """SciPy's regression: the standard error of the slope."""
    from scipy.stats import linregress

    u, v = _line(x, y)
    n, line = len(u), linregress(u, v)
    s = np.sqrt(((v - line.slope * u - line.intercept) ** 2).sum() / (n - 2))
    at, centre = np.log(new_x), u.mean()
    spread = math.hypot(s, s / math.sqrt(n), line.stderr * (at - centre))
    height = line.intercept + line.slope * at
    low, high = height - t * spread, height + t * spread
    return math.exp(low), math.exp(height), math.exp(high)


def in_plain_python(x, y, new_x, t=2.0):
    """Sums in loops, nothing of NumPy."""
    u, v = (column.tolist() for column in _line(x, y))
    n = len(u)
    mu, mv = math.fsum(u) / n, math.fsum(v) / n
    suu = math.fsum((a - mu) ** 2 for a in u)
    a = math.fsum((p - mu) * (q - mv) for p, q in zip(u, v, strict=True)) / suu
    rest = math.fsum((q - mv - a * (p - mu)) ** 2 for p, q in zip(u, v, strict=True))
    out = math.log(new_x) - mu
    factor = math.exp(t * math.sqrt(rest / (n - 2) * (1 + 1 / n + out * out / suu)))
    middle = math.exp(mv + a * out)
    return middle / factor, middle, middle * factor


# --- wrong in known ways -----------------------------------------------------------------------

CHECK = "if len(x) < 3:"
ERRORS = "errors = np.log(y) - np.log(k * x**a)"
VARIANCE = "variance = (errors**2).sum() / (len(x) - 2)"
SQUARES = "squares = ((log_x - log_x.mean()) ** 2).sum()"
DISTANCE = "distance = np.log(new_x) - log_x.mean()"
SPREAD = "spread = np.sqrt(variance * (1 + 1 / len(x) + distance**2 / squares))"
MIDDLE = "middle = k * new_x**a"
RESULT = (
    "return float(middle * np.exp(-t * spread)), float(middle), float(middle * np.exp(t * spread))"
)
HUSH = quiet("predict_interval")

MISCONCEPTIONS = (
    Misconception(
        "one-more-left-out",
        "This is the uncertainty of the line. A new point scatters about the line as well: that is "
        "the 1 under the root.",
        LINK,
        {SPREAD: SPREAD.replace("1 + 1 / len(x)", "1 / len(x)")},
    ),
    Misconception(
        "scatter-alone",
        "The interval is as wide everywhere: it is the scatter of the points alone. The line "
        "itself is uncertain, the more the further out.",
        LINK,
        {SPREAD: "spread = np.sqrt(variance)"},
    ),
    Misconception(
        "distance-left-out",
        "The interval is as wide far outside as in the middle of the points. The distance from "
        "their mean is missing.",
        LINK,
        {SPREAD: "spread = np.sqrt(variance * (1 + 1 / len(x)))"},
    ),
    Misconception(
        "mean-of-the-line-left-out",
        "The share of 1 / n is missing: the height of the line is uncertain too.",
        LINK,
        {SPREAD: "spread = np.sqrt(variance * (1 + distance**2 / squares))"},
    ),
    Misconception(
        "divided-by-n",
        "The sum of the squared errors is divided by n. Two numbers were fitted to the points, "
        "which makes the errors smaller: n - 2.",
        LINK,
        {VARIANCE: "variance = (errors**2).sum() / len(x)"},
    ),
    Misconception(
        "divided-by-n-minus-1",
        "The sum of the squared errors is divided by n - 1. Two numbers were fitted, the slope and "
        "the height: n - 2.",
        LINK,
        {VARIANCE: "variance = (errors**2).sum() / (len(x) - 1)"},
    ),
    Misconception(
        "sum-not-divided",
        "The squared errors are summed and not divided, so more points make the interval wider.",
        LINK,
        {VARIANCE: "variance = (errors**2).sum()"},
    ),
    Misconception(
        "no-root",
        "The variance is used as the spread: the root is missing.",
        LINK,
        {SPREAD: "spread = variance * (1 + 1 / len(x) + distance**2 / squares)"},
    ),
    Misconception(
        "spread-of-y",
        "The errors are taken about the mean of ln y, as if no line had been fitted.",
        LINK,
        {ERRORS: "errors = np.log(y) - np.log(y).mean()"},
    ),
    Misconception(
        "errors-of-y-itself",
        "The errors are differences of y, not of ln y. The interval is laid on log paper.",
        LINK,
        {ERRORS: "errors = y - k * x**a"},
    ),
    Misconception(
        "relative-errors",
        "The errors are relative ones of y, (y − law) / law. Close to it, but what is wanted are "
        "differences of logarithms.",
        LINK,
        {ERRORS: "errors = y / (k * x**a) - 1"},
    ),
    Misconception(
        "absolute-errors",
        "The sizes of the errors are summed, not their squares.",
        LINK,
        {VARIANCE: "variance = (np.abs(errors).sum() / (len(x) - 2)) ** 2"},
    ),
    Misconception(
        "added-to-the-prediction",
        "The spread is added to the middle. It is one of logarithms, so it becomes a factor.",
        LINK,
        {RESULT: "return float(middle - t * spread), float(middle), float(middle + t * spread)"},
    ),
    Misconception(
        "percent-of-the-middle",
        "The ends are middle · (1 ± t spreads). Close to it, but on log paper the ends are "
        "factors exp(± t spreads).",
        LINK,
        {
            RESULT: "return (\n        float(middle * (1 - t * spread)),\n        float(middle),\n"
            "        float(middle * (1 + t * spread)),\n    )"
        },
    ),
    Misconception(
        "t-left-out",
        "The ends lie one spread away, whatever t says.",
        LINK,
        {
            RESULT: "return float(middle * np.exp(-spread)), float(middle), "
            "float(middle * np.exp(spread))"
        },
    ),
    Misconception(
        "t-halved",
        "The whole interval is t spreads wide. It goes t spreads to each side.",
        LINK,
        {RESULT: "t = t / 2\n    " + RESULT},
    ),
    Misconception(
        "ends-exchanged",
        "The upper end comes first. The order is lower end, middle, upper end.",
        LINK,
        {
            RESULT: "return float(middle * np.exp(t * spread)), float(middle), "
            "float(middle * np.exp(-t * spread))"
        },
    ),
    Misconception(
        "middle-first",
        "The middle comes first. The order is lower end, middle, upper end.",
        LINK,
        {
            RESULT: "return float(middle), float(middle * np.exp(-t * spread)), "
            "float(middle * np.exp(t * spread))"
        },
    ),
    Misconception(
        "logarithms-returned",
        "The three numbers are logarithms. Undo them.",
        LINK,
        {
            RESULT: "m = np.log(middle)\n"
            "    return float(m - t * spread), float(m), float(m + t * spread)"
        },
    ),
    Misconception(
        "middle-of-the-ends",
        "The middle is the mean of the two ends. It is what the law says, which on log paper lies "
        "half-way and elsewhere does not.",
        LINK,
        {
            RESULT: "low, high = middle * np.exp(-t * spread), middle * np.exp(t * spread)\n"
            "    return float(low), float((low + high) / 2), float(high)"
        },
    ),
    Misconception(
        "distance-without-logarithms",
        "The distance of the new point is measured in x itself, from the mean of x. On log paper "
        "it is one of logarithms.",
        LINK,
        {
            DISTANCE: "distance = new_x - x.mean()",
            SQUARES: "squares = ((x - x.mean()) ** 2).sum()",
        },
    ),
    Misconception(
        "distance-from-the-last-point",
        "The distance is measured from the largest x. It counts from the mean of ln x.",
        LINK,
        {DISTANCE: "distance = np.log(new_x) - log_x.max()"},
    ),
    Misconception(
        "distance-from-the-logarithm-of-the-mean",
        "The distance is measured from the logarithm of the mean of x. It counts from the mean of "
        "the logarithms.",
        LINK,
        {DISTANCE: "distance = np.log(new_x / x.mean())"},
    ),
    Misconception(
        "distance-from-0",
        "ln x is not measured from its mean.",
        LINK,
        {DISTANCE: "distance = np.log(new_x)", SQUARES: "squares = (log_x**2).sum()"},
    ),
    Misconception(
        "distance-not-squared",
        "The distance is not squared, so below the mean of the points the interval gets narrower.",
        LINK,
        {
            SPREAD: SPREAD.replace("distance**2", "distance"),
        }
        | HUSH,
    ),
    Misconception(
        "variance-of-x-for-the-sum",
        "The distance is divided by the variance of ln x. By the sum of squares: more points make "
        "the line surer.",
        LINK,
        {SQUARES: "squares = ((log_x - log_x.mean()) ** 2).mean()"},
    ),
    Misconception(
        "an-array",
        "The three numbers come as one array. Three plain floats are wanted.",
        LINK,
        {RESULT: "return middle * np.exp(t * spread * np.array([-1.0, 0.0, 1.0]))"},
    ),
    Misconception(
        "two-points-accepted",
        "Two points get an answer. A line passes through both exactly, so they say nothing of "
        "scatter: a ValueError is promised.",
        LINK,
        {CHECK: "if False:", VARIANCE: "variance = (errors**2).sum() / max(len(x) - 2, 1)"} | HUSH,
    ),
    Misconception(
        "divided-by-0",
        "Two points divide by 0. Look first, and raise the ValueError that is promised.",
        LINK,
        {CHECK: "if False:"} | HUSH,
    ),
    Misconception(
        "three-points-refused",
        "Three points are refused. With two fitted numbers they leave one to tell the scatter.",
        LINK,
        {CHECK: "if len(x) < 4:"},
    ),
)

EXERCISE = Exercise(
    id="scaling_laws/predict_interval",
    callable="predict_interval",
    title="How sure?",
    parts={"all": 3},
    minutes=18,
    difficulty="hard",
    link=LINK,
    cases=cases,
    arrays="numpy",
    misconceptions=MISCONCEPTIONS,
    alternatives=(by_leverage, with_scipy, in_plain_python),
    depends=("scaling_laws/fit_power_law",),
    rtol=1e-6,
    atol=1e-9,
    equivalent={
        "`np.log(k * x ** a) - np.log(y)` for `np.log(y) - np.log(k * x ** a)`": "it is squared",
        "`log_x.mean() - np.log(new_x)` for `np.log(new_x) - log_x.mean()`": "it is squared",
    },
    properties=(
        Property(
            "width-by-hand",
            "Five points with ln x from 1 to 5, and squared errors of 0.14 together: at ln x = 6 "
            "the interval does not reach t · √(0.14 / 3 · (1 + 1/5 + 9/10)) to each side on log "
            "paper.",
            LINK,
            ("by hand",),
            lambda ends: bool(
                min(ends) > 0
                and np.allclose(np.log(ends), [-HALF_WIDTH, 0, HALF_WIDTH], rtol=1e-4, atol=1e-6)
            ),
        ),
        Property(
            "wider-further-out",
            "Far outside the interval is not wider, as a factor, than in the middle of the points.",
            LINK,
            ("middle", "far"),
            lambda middle, far: far[2] / far[1] > 1.01 * middle[2] / middle[1],
        ),
        Property(
            "t-spreads",
            "With t = 2 the interval is not twice as wide on log paper as with t = 1.",
            LINK,
            ("one spread", "two spreads"),
            lambda one, two: bool(
                0 < min(*one, *two)
                and np.isclose(
                    2 * math.log(max(one) / min(one)), math.log(max(two) / min(two)), rtol=1e-5
                )
            ),
        ),
        Property(
            "no-scatter-no-width",
            "Points that lie on a law exactly give an interval with a width.",
            LINK,
            ("exact",),
            lambda ends: bool(np.isclose(ends[0], ends[2], rtol=1e-4)),
        ),
        Property(
            "factors",
            "The middle is not as many times the lower end as the upper end is of the middle.",
            LINK,
            ("far",),
            lambda ends: bool(np.isclose(ends[1] * ends[1], ends[0] * ends[2], rtol=1e-5)),
        ),
    ),
)
