"""scaling_laws/fit_power_law: a straight line through logarithms."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.scaling_laws.draw import quiet, scattered

LINK = "scaling-laws-power-law"
FIT, REFUSED = "the fit", "what has no fit"
TEN = 1000.0  # a property counts with it
THREE, KINK = np.exp([-1.0, 0.0, 1.0]), 4 * np.exp([2.0, 0.0, -2.0])  # on a law of exponent -2


def cases(rng: np.random.Generator) -> list[Case]:
    """Falling and rising, exact and scattered, two points, other units; then what is refused."""
    x, y = scattered(rng, 11, -0.3, 0.05)
    exact = 3.7 * x**-0.4
    steep, rising = scattered(rng, 7, -2.1, 0.2), scattered(rng, 7, 0.8, 0.3)
    flat = 2.5 * x**-0.05 * np.exp(0.01 * rng.standard_normal(11))
    raised = KINK * np.array([1.5, 1.0, 1.0]), KINK * np.array([1.0, 1.0, 1.5])
    large = 1e18 * x, 2e-3 * x**-0.07 * np.exp(0.01 * rng.standard_normal(11))
    twice = np.concatenate([x, x[:3]]), np.concatenate([y, 1.1 * y[:3]])
    order = rng.permutation(11)
    return [
        _case("points on a falling law", x, exact, name="exact"),
        _case("points that scatter", x, y, name="points"),
        _case("the same points in another order", x[order], y[order]),
        _case("the same points, y in thousandths", x, TEN * y, name="milli"),
        _case("the same points, x in thousandths", TEN * x, y, name="x in milli"),
        _case("a steep law", *steep),
        _case("a rising law", *rising),
        _case("a law that is nearly flat", x, flat),
        _case("three points, the first too high", THREE, raised[0], name="first too high"),
        _case("three points, the last too high", THREE, raised[1], name="last too high"),
        _case("x as large as the operations of a run", *large),
        _case("two points", x[:2], y[:2]),
        _case("several points at one x", *twice),
        _case("y below 1", x, 0.1 * y),
        _case("x below 1", x / 1e5, y),
        _case("one x alone", x[:1], y[:1], REFUSED),
        _case("the same x three times", np.full(3, x[0]), y[:3], REFUSED),
        _case("no points", x[:0], y[:0], REFUSED),
        _case("more x than y", x, y[:-1], REFUSED),
        _case("more y than x", x[:-1], y, REFUSED),
        _case("a y of 0", x, _with(y, 0.0), REFUSED),
        _case("a y below 0", x, _with(y, -1.0), REFUSED),
        _case("a y that is not a number", x, _with(y, np.nan), REFUSED),
        _case("an infinite y", x, _with(y, np.inf), REFUSED),
        _case("an x of 0", _with(x, 0.0), y, REFUSED),
        _case("an x below 0", _with(x, -2.0), y, REFUSED),
        _case("an infinite x", _with(x, np.inf), y, REFUSED),
    ]


def _with(values: np.ndarray, number: float) -> np.ndarray:
    """The values with one of them exchanged."""
    changed = values.copy()
    changed[4] = number
    return changed


def _case(says: str, x, y, part: str = FIT, name: str = "") -> Case:
    return Case(says, {"x": np.array(x), "y": np.array(y)}, part, name=name)


# --- right in other ways ---------------------------------------------------------------------


def _check(x, y):
    if len(x) != len(y) or len(set(x.tolist())) < 2:
        raise ValueError("points")
    if not all(0 < value < np.inf for value in [*x, *y]):
        raise ValueError("no logarithm")


def with_polyfit(x, y):
    """NumPy's polynomials of degree 1."""
    _check(x, y)
    slope, height = np.polyfit(np.log(x), np.log(y), 1)
    return float(np.exp(height)), float(slope)


def with_lstsq(x, y):
    """A matrix with a column of ones."""
    _check(x, y)
    columns = np.column_stack([np.ones(len(x)), np.log10(x)])
    (height, slope), *_ = np.linalg.lstsq(columns, np.log10(y), rcond=None)
    return float(10**height), float(slope)


def by_sums(x, y):
    """The normal equations in plain Python."""
    import math

    _check(x, y)
    u, v = [math.log(value) for value in x], [math.log(value) for value in y]
    n, shift = len(u), u[0]
    u = [value - shift for value in u]
    s_u, s_v = math.fsum(u), math.fsum(v)
    s_uu = math.fsum(a * a for a in u)
    s_uv = math.fsum(a * b for a, b in zip(u, v, strict=True))
    a = (n * s_uv - s_u * s_v) / (n * s_uu - s_u * s_u)
    return math.exp((s_v - a * s_u) / n - a * shift), a


# --- wrong in known ways -----------------------------------------------------------------------

MANY = "if len(x) != len(y) or len(np.unique(x)) < 2:"
GOOD = "if not (np.isfinite(data) & (data > 0)).all():"
LOGS = "log_x, log_y = np.log(data)"
MEAN = "from_mean = log_x - log_x.mean()"
SLOPE = "exponent = (from_mean * log_y).sum() / (from_mean**2).sum()"
HEIGHT = "log_k = log_y.mean() - exponent * log_x.mean()"
RESULT = "return float(np.exp(log_k)), float(exponent)"
HUSH = quiet("fit_power_law")

MISCONCEPTIONS = (
    Misconception(
        "line-without-logarithms",
        "This fits a straight line to x and y as they are. On log paper the law is straight: take "
        "logarithms of both.",
        LINK,
        {LOGS: "log_x, log_y = data", RESULT: "return float(log_k), float(exponent)"},
    ),
    Misconception(
        "only-y-in-logarithms",
        "Only y is taken as a logarithm: that is an exponential law, straight over x itself. A "
        "power law needs both.",
        LINK,
        {LOGS: "log_x, log_y = data[0], np.log(data[1])"},
    ),
    Misconception(
        "only-x-in-logarithms",
        "Only x is taken as a logarithm. A power law is straight where both axes are logarithmic.",
        LINK,
        {
            LOGS: "log_x, log_y = np.log(data[0]), data[1]",
            RESULT: "return float(log_k), float(exponent)",
        },
    ),
    Misconception(
        "k-left-as-a-logarithm",
        "The first number is ln k. Undo the logarithm.",
        LINK,
        {RESULT: "return float(log_k), float(exponent)"},
    ),
    Misconception(
        "exponent-undone-too",
        "The exponent is put through exp. It is the slope of the line and no logarithm.",
        LINK,
        {RESULT: "return float(np.exp(log_k)), float(np.exp(exponent))"},
    ),
    Misconception(
        "ten-to-the-natural-logarithm",
        "Natural logarithms are undone by powers of 10. Their inverse is exp.",
        LINK,
        {RESULT: "return float(10.0**log_k), float(exponent)"} | HUSH,
    ),
    Misconception(
        "e-to-the-decimal-logarithm",
        "Logarithms to base 10 are undone by exp. Their inverse is a power of 10.",
        LINK,
        {LOGS: "log_x, log_y = np.log10(data)"},
    ),
    Misconception(
        "exponent-first",
        "The two numbers have changed places: k comes first.",
        LINK,
        {RESULT: "return float(exponent), float(np.exp(log_k))"},
    ),
    Misconception(
        "sign-of-the-exponent",
        "The exponent has the other sign. A law that falls has one below 0.",
        LINK,
        {RESULT: "return float(np.exp(log_k)), float(-exponent)"},
    ),
    Misconception(
        "x-over-y",
        "The line gives ln x by ln y: the two axes are exchanged.",
        LINK,
        {LOGS: "log_y, log_x = np.log(data)"} | HUSH,
    ),
    Misconception(
        "x-over-y-turned-round",
        "ln x was fitted over ln y and the line turned round. Where points scatter that is another "
        "line: the errors of ln y are to be least, not those of ln x.",
        LINK,
        {
            SLOPE: "of_y = log_y - log_y.mean()\n"
            "    exponent = (of_y**2).sum() / (from_mean * of_y).sum()",
        }
        | HUSH,
    ),
    Misconception(
        "n-for-n-minus-1",
        "The slope is n / (n - 1) times too steep: the product of both is divided by n - 1, as "
        "np.cov does, and the square of ln x by n, as np.var does. Divide both by the same.",
        LINK,
        {SLOPE: "exponent = (from_mean * log_y).sum() / (len(x) - 1) / np.var(log_x)"},
    ),
    Misconception(
        "n-minus-1-for-n",
        "The slope is (n - 1) / n times what it should be: the product of both is divided by n and "
        "the square of ln x by n - 1. Divide both by the same.",
        LINK,
        {SLOPE: "exponent = (from_mean * log_y).mean() / np.var(log_x, ddof=1)"},
    ),
    Misconception(
        "slope-upside-down",
        "The slope is upside down: it is the product of both over the square of ln x.",
        LINK,
        {
            SLOPE: "exponent = (from_mean**2).sum() / (from_mean * log_y).sum()",
        }
        | HUSH,
    ),
    Misconception(
        "through-the-origin",
        "The line is made to pass through 0, so that ln k takes no part in the fit. It has a "
        "height of its own: measure ln x from its mean.",
        LINK,
        {MEAN: "from_mean = log_x", HEIGHT: "log_k = 0.0"},
    ),
    Misconception(
        "mean-not-taken-off",
        "The slope is that of a line through 0: ln x was not measured from its mean.",
        LINK,
        {MEAN: "from_mean = log_x"},
    ),
    Misconception(
        "first-and-last-point",
        "The line is drawn through the outermost points. All points take part in least squares.",
        LINK,
        {
            SLOPE: "i, j = log_x.argmin(), log_x.argmax()\n"
            "    exponent = (log_y[j] - log_y[i]) / (log_x[j] - log_x[i])",
            HEIGHT: "log_k = log_y[i] - exponent * log_x[i]",
        },
    ),
    Misconception(
        "first-and-last-in-order",
        "The line is drawn through the first and the last point of the arrays. All points take "
        "part in least squares.",
        LINK,
        {
            SLOPE: "exponent = (log_y[-1] - log_y[0]) / (log_x[-1] - log_x[0])",
            HEIGHT: "log_k = log_y[0] - exponent * log_x[0]",
        },
    ),
    Misconception(
        "through-the-first-point",
        "The slope is right, but the line is hung on the first point. Least squares makes it pass "
        "through the means.",
        LINK,
        {HEIGHT: "log_k = log_y[0] - exponent * log_x[0]"},
    ),
    Misconception(
        "through-the-last-point",
        "The slope is right, but the line is hung on the last point. Least squares makes it pass "
        "through the means.",
        LINK,
        {HEIGHT: "log_k = log_y[-1] - exponent * log_x[-1]"},
    ),
    Misconception(
        "mean-of-the-slopes",
        "The slopes between neighbours are averaged. Least squares weighs points by how far out "
        "they lie.",
        LINK,
        {SLOPE: "exponent = (np.diff(log_y) / np.diff(log_x)).mean()"} | HUSH,
    ),
    Misconception(
        "height-without-the-slope",
        "The first number is the mean of y on log paper. The height of the line is wanted where "
        "ln x is 0.",
        LINK,
        {HEIGHT: "log_k = log_y.mean()"},
    ),
    Misconception(
        "height-with-the-wrong-sign",
        "The height goes the wrong way: from the means back to ln x = 0 the slope is taken off.",
        LINK,
        {HEIGHT: "log_k = log_y.mean() + exponent * log_x.mean()"},
    ),
    Misconception(
        "logarithm-of-the-means",
        "The means are taken first and their logarithms then. The line passes through the means of "
        "the logarithms.",
        LINK,
        {HEIGHT: "log_k = np.log(y.mean()) - exponent * np.log(x.mean())"},
    ),
    Misconception(
        "as-an-array",
        "The two numbers come as one array. Two plain floats are wanted.",
        LINK,
        {RESULT: "return np.array([np.exp(log_k), exponent])"},
    ),
    Misconception(
        "float16",
        "The numbers are rounded to 3 digits (float16). Keep the floats as they come.",
        LINK,
        {LOGS: "log_x, log_y = np.log(data.astype(np.float16).astype(float))"} | HUSH,
    ),
    Misconception(
        "changed-in-place",
        "The logarithms are written into x and y themselves, so the data is lost for whoever gave "
        "it.",
        LINK,
        {LOGS: "log_x, log_y = np.log(x, out=x), np.log(y, out=y)"},
    ),
    Misconception(
        "not-finite-accepted",
        "Infinite numbers, or some that are no numbers, are let through. A run that diverged has "
        "no place in a fit, and the docstring promises a ValueError.",
        LINK,
        {GOOD: "if (data <= 0).any():"} | HUSH,
    ),
    Misconception(
        "left-out-without-a-word",
        "Points without a logarithm are left out silently. The docstring promises a ValueError: "
        "whoever gave them should know.",
        LINK,
        {
            GOOD: "x, y = data[:, (np.isfinite(data) & (data > 0)).all(axis=0)]\n"
            "    data = np.stack([x, y])\n    if False:"
        },
    ),
    Misconception(
        "below-0-accepted",
        "Numbers that are 0 or below are let through. They have no logarithm, and the docstring "
        "promises a ValueError.",
        LINK,
        {GOOD: "if not np.isfinite(data).all():"} | HUSH,
    ),
    Misconception(
        "0-accepted",
        "A 0 is let through. It has no logarithm either.",
        LINK,
        {GOOD: "if not (np.isfinite(data) & (data >= 0)).all():"} | HUSH,
    ),
    Misconception(
        "only-y-checked",
        "Only y is looked at: an x without a logarithm is let through.",
        LINK,
        {GOOD: "if not (np.isfinite(y) & (y > 0)).all():"} | HUSH,
    ),
    Misconception(
        "nothing-checked",
        "Numbers without a logarithm are let through. The docstring promises a ValueError.",
        LINK,
        {GOOD: "if False:"} | HUSH,
    ),
    Misconception(
        "one-x-repeated",
        "Points that all have the same x get an answer. They fix no slope: count the different x.",
        LINK,
        {MANY: "if len(x) != len(y) or len(x) < 2:"} | HUSH,
    ),
    Misconception(
        "two-points-refused",
        "Two points are refused. They fix a line.",
        LINK,
        {MANY: "if len(x) != len(y) or len(np.unique(x)) < 3:"},
    ),
    Misconception(
        "shorter-one-decides",
        "Where x and y differ in length, the longer is cut. The docstring promises a ValueError.",
        LINK,
        {
            MANY: "x, y = x[: min(len(x), len(y))], y[: min(len(x), len(y))]\n"
            "    if len(np.unique(x)) < 2:"
        },
    ),
)

EXERCISE = Exercise(
    id="scaling_laws/fit_power_law",
    callable="fit_power_law",
    title="A straight line on log paper",
    parts={REFUSED: 1, FIT: 2},  # the docstring's example is of the last part
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    arrays="numpy",
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_polyfit, with_lstsq, by_sums),
    rtol=1e-6,
    atol=1e-9,
    properties=(
        Property(
            "unit-of-y",
            "With y in thousandths, k is not a thousand times what it was, with the same exponent.",
            LINK,
            ("points", "milli"),
            lambda one, other: bool(np.allclose([TEN * one[0], one[1]], other, rtol=1e-5)),
        ),
        Property(
            "unit-of-x",
            "With x in other units, the exponent is another. The slope on log paper should not "
            "depend on them.",
            LINK,
            ("points", "x in milli"),
            lambda one, other: bool(np.isclose(one[1], other[1], rtol=1e-5)),
        ),
        Property(
            "exact-points",
            "Points that lie on a power law exactly do not give that law back: k = 3.7, a = -0.4.",
            LINK,
            ("exact",),
            lambda found: bool(np.allclose(found, [3.7, -0.4], rtol=1e-5)),
        ),
        Property(
            "a-factor-counts-alike",
            "A y that is 1.5 times the law's moves the slope more at one end of the points than at "
            "the other, as far out on log paper: as if the squared errors of y were made least, "
            "not those of ln y.",
            LINK,
            ("first too high", "last too high"),
            lambda first, last: bool(np.isclose(first[1] + last[1], -4, rtol=1e-5)),
        ),
    ),
)
