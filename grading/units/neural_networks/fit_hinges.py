"""neural_networks/fit_hinges: the weights with which hinges go through given points."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.neural_networks.draw import normal, quiet

WEIGHTS, REFUSED = "weights", "knots in a wrong order"
LINK = "neural-networks-hinges"


def cases(rng: np.random.Generator) -> list[Case]:
    """Even and uneven knots, two points, a level line, and what has to be refused."""
    uneven = np.cumsum(rng.uniform(0.2, 2.0, size=8)) - 3
    even = np.arange(6) * rng.choice([0.5, 2.0]) + rng.choice([-2.0, 1.0])
    values = normal(rng, 8, scale=3.0)
    two = np.array([-1.5, 0.5]) + rng.integers(3)
    swapped = uneven.copy()
    swapped[[3, 4]] = swapped[[4, 3]]
    repeated = uneven.copy()
    repeated[5] = repeated[4]
    drawn = [
        ("7 pieces of uneven length", uneven, values, WEIGHTS, "uneven"),
        ("the same points, all 10 higher", uneven, values + 10, WEIGHTS, "higher"),
        ("5 pieces of even length", even, normal(rng, 6), WEIGHTS, "even"),
        ("pieces of length 1", np.arange(4.0) - 1, normal(rng, 4), WEIGHTS, "ones"),
        ("two points", two, normal(rng, 2), WEIGHTS, "two"),
        ("a straight line through 8 points", uneven, 2 * uneven + 1, WEIGHTS, "straight"),
        ("two knots out of order", swapped, values, REFUSED, "swapped"),
        ("a knot that comes twice", repeated, values, REFUSED, "repeated"),
        ("one knot alone", uneven[:1], values[:1], REFUSED, "alone"),
    ]
    return [
        Case(says, {"knots": knots, "values": y}, part, "hinges", name)
        for says, knots, y, part, name in drawn
    ]


# --- right in other ways ---------------------------------------------------------------------


def piece_by_piece(knots, values):
    """A loop that remembers the slope so far."""
    if len(knots) < 2:
        raise ValueError("two knots at least")
    weights, before = [], 0.0
    for i in range(len(knots) - 1):
        if knots[i + 1] <= knots[i]:
            raise ValueError("knots have to increase")
        slope = (values[i + 1] - values[i]) / (knots[i + 1] - knots[i])
        weights.append(slope - before)
        before = slope
    return np.array(weights)


def by_solving(knots, values):
    """The ramps' heights at the knots are a triangular system of equations."""
    if len(knots) < 2 or np.any(knots[1:] <= knots[:-1]):
        raise ValueError("increasing knots, please")
    ramps = np.maximum(knots[1:, None] - knots[None, :-1], 0)
    return np.linalg.solve(ramps, values[1:] - values[0])


def with_slices(knots, values):
    """Slopes by slices, changes by concatenation."""
    if not len(knots) >= 2 or min(np.diff(knots)) <= 0:
        raise ValueError(f"{knots}")
    slopes = (values[1:] - values[:-1]) / (knots[1:] - knots[:-1])
    return np.concatenate([slopes[:1], slopes[1:] - slopes[:-1]])


# --- wrong in known ways -----------------------------------------------------------------------

GUARD = "if len(knots) < 2 or not (np.diff(knots) > 0).all():"
SLOPES = "slopes = np.diff(values) / np.diff(knots)"
RETURN = "return np.diff(slopes, prepend=0.0)"

MISCONCEPTIONS = (
    Misconception(
        "slopes-not-changes",
        "These are the slopes of the pieces. A hinge goes on rising beyond the next knot, so each "
        "new hinge only has to add the difference to the slope that is already there.",
        LINK,
        {RETURN: "return slopes"},
    ),
    Misconception(
        "first-slope-missing",
        "The changes between pieces are right, but nothing sets the slope of the first piece: "
        "before the first knot the line is level, so the first hinge brings the whole slope.",
        LINK,
        {RETURN: "return np.diff(slopes)"},
    ),
    Misconception(
        "change-with-the-wrong-sign",
        "The first weight is right and all others have the wrong sign: a change of slope is the "
        "new slope minus the old one.",
        LINK,
        {RETURN: "return np.concatenate([slopes[:1], slopes[:-1] - slopes[1:]])"},
    ),
    Misconception(
        "last-weight-taken-away",
        "From each slope only the weight before it is taken away. The slope so far is the sum of "
        "*all* weights before, which is the slope of the piece before.",
        LINK,
        {
            RETURN: "weights = slopes[:1]\n"
            "    for slope in slopes[1:]:\n"
            "        weights = np.append(weights, slope - weights[-1])\n"
            "    return weights"
        },
    ),
    Misconception(
        "slopes-averaged-at-the-knots",
        "The slopes are those of `np.gradient`: at each knot a mean of the pieces on both sides of "
        "it. A piece is straight and has one slope of its own.",
        LINK,
        {SLOPES: "slopes = np.gradient(values, knots)[:-1]"},
    ),
    Misconception(
        "rise-without-run",
        "The weights are made of differences of the values alone. A slope is rise divided by run: "
        "how far apart are the knots?",
        LINK,
        {SLOPES: "slopes = np.diff(values)"},
    ),
    Misconception(
        "height-for-rise",
        "The slope of a piece is made from the height of its right end. The rise is the difference "
        "of the heights at its two ends.",
        LINK,
        {SLOPES: "slopes = values[1:] / np.diff(knots)"},
    ),
    Misconception(
        "run-over-rise",
        "Rise and run have changed places: a slope is the change of the value for each unit of x.",
        LINK,
        {SLOPES: "slopes = np.diff(knots) / np.diff(values)"},
    ),
    Misconception(
        "values-as-weights",
        "These are differences of the values from the first one. They say where the points lie; a "
        "hinge's weight says how the direction changes at its knot.",
        LINK,
        {RETURN: "return values[:-1] - values[0]"},
    ),
    Misconception(
        "one-length-for-all",
        "All slopes are divided by the length of the first piece, which is right only where the "
        "knots are evenly spaced.",
        LINK,
        {SLOPES: "slopes = np.diff(values) / (knots[1] - knots[0])"},
    ),
    Misconception(
        "level-start-not-zero",
        "The first weight is 0, as if the slope before the first knot were that of the first "
        "piece. Left of its knot a hinge is level, so the slope there is 0.",
        LINK,
        {RETURN: "return np.diff(slopes, prepend=slopes[0])"},
    ),
    Misconception(
        "weight-for-the-last-knot",
        "There is one weight too many: the last one bends the line back to level at the last "
        "knot. A hinge at the last knot is of no use to the points; it is not asked for.",
        LINK,
        {RETURN: "return np.diff(slopes, prepend=0.0, append=0.0)"},
    ),
    Misconception(
        "wrong-knots-accepted",
        "Knots that do not increase, or a single one, give numbers here. The docstring promises a "
        "`ValueError` instead.",
        LINK,
        {GUARD: "if False:", **quiet("fit_hinges")},
    ),
    Misconception(
        "repeats-accepted",
        "Knots out of order are refused, but two equal ones are let through: between them is no "
        "length to divide by. Increasing means that each is larger than the one before.",
        LINK,
        {"(np.diff(knots) > 0).all()": "(np.diff(knots) >= 0).all()", **quiet("fit_hinges")},
    ),
    Misconception(
        "knots-sorted-instead",
        "Knots out of order are sorted here. The docstring wants them refused with a `ValueError`: "
        "whoever mixed them up may have mixed up more.",
        LINK,
        {
            GUARD: "order = np.argsort(knots, kind='stable')\n"
            "    knots, values = knots[order], values[order]\n"
            "    if len(knots) < 2 or (np.diff(knots) == 0).any():"
        },
    ),
)


def level_does_not_matter(before, after) -> bool:
    """Raising all points leaves every slope as it is."""
    return np.shape(before) == np.shape(after) and np.allclose(before, after, atol=1e-6)


EXERCISE = Exercise(
    id="neural_networks/fit_hinges",
    callable="fit_hinges",
    title="Hinges through points",
    parts={REFUSED: 1, WEIGHTS: 2},  # the docstring's example is of the last part
    minutes=6,
    difficulty="easy",
    link=LINK,
    cases=cases,
    arrays="numpy",
    misconceptions=MISCONCEPTIONS,
    equivalent={"`values` for `knots` (2)": "there are as many values as knots"},
    alternatives=(piece_by_piece, by_solving, with_slices),
    properties=(
        Property(
            "raising-all-points",
            "The same points, all 10 higher, get other weights. Raising a curve changes no slope, "
            "so the weights have to stay.",
            LINK,
            ("uneven", "higher"),
            level_does_not_matter,
        ),
    ),
)
