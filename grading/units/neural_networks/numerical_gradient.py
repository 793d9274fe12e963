"""neural_networks/numerical_gradient: the gradient of any function, by nudging."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.neural_networks import drive
from grading.units.neural_networks.draw import normal

LINK = "neural-networks-gradient-check"
CUBES = "the sum of factors * x**3"
LINE = "the sum of factors * x"
POWERS = "the sum of exp(factors * x)"
SQUARE = "the square of the sum of factors * x"


def cases(rng: np.random.Generator) -> list[Case]:
    """Vectors, matrices, three axes, one number; the given step and others."""
    drawn = [
        ("a cubic function of 5 numbers", CUBES, (5,), None, "vector"),
        ("the same numbers and a step of 0.1", CUBES, (5,), 0.1, "step"),
        ("a linear function of 7 numbers and a step of 0.5", LINE, (7,), 0.5, "line"),
        ("a function of a 3 by 5 matrix", CUBES, (3, 5), None, "matrix"),
        ("exponentials of a 5 by 5 matrix and a step of 0.3", POWERS, (5, 5), 0.3, "square matrix"),
        ("an array of shape (2, 3, 5)", POWERS, (2, 3, 5), None, "three axes"),
        ("an array of shape (1, 7)", CUBES, (1, 7), 0.2, "row"),
        (
            "a function in which all numbers are multiplied by each other",
            SQUARE,
            (5,),
            0.1,
            "mixed",
        ),
        ("an array of one number", CUBES, (1,), 0.1, "one"),
    ]
    vector = normal(rng, 5)
    factors = rng.uniform(0.5, 2.0, size=5)
    return [
        Case(
            says,
            {
                "function": function,
                "x": vector if name in ("vector", "step") else normal(rng, *shape),
                "factors": factors
                if name in ("vector", "step")
                else rng.uniform(0.5, 1.5, size=shape),
                "step": step,
            },
            "all",
            "index",
            name,
        )
        for says, function, shape, step, name in drawn
    ]


# --- right in other ways ---------------------------------------------------------------------


def number_by_number(function, x, step=1e-5):
    """Over the flattened array, each number moved in one copy and put back."""
    moved, flat_grad = x.copy(), []
    flat = moved.reshape(-1)
    for i in range(flat.size):
        kept = flat[i]
        flat[i] = kept + step
        above = function(moved)
        flat[i] = kept - step
        below = function(moved)
        flat[i] = kept
        flat_grad.append((above - below) / 2 / step)
    return np.array(flat_grad).reshape(x.shape)


def with_unit_directions(function, x, step=1e-5):
    """The rows of the identity matrix are the directions."""
    directions = np.eye(x.size).reshape(x.size, *x.shape) * step
    slopes = [(function(x + d) - function(x - d)) / (2 * step) for d in directions]
    return np.reshape(slopes, x.shape)


def half_steps_up_and_down(function, x, step=1e-5):
    """The mean of the difference above and the difference below."""
    grad, here = np.empty_like(x), function(x)
    for index, _ in np.ndenumerate(x):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        grad[index] = ((function(up) - here) / step + (here - function(down)) / step) / 2
    return grad


# --- wrong in known ways -----------------------------------------------------------------------


def all_of_x_at_once(function, x, step=1e-5):
    """The formula, with the whole array as if it were a number."""
    return (function(x + step) - function(x - step)) / (2 * step)


def two_names_for_x(function, x, step=1e-5):
    """No copies: both names are x."""
    grad = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        up = x
        up[index] += step
        down = x
        down[index] -= step
        grad[index] = (function(up) - function(down)) / (2 * step)
    return grad


LINE_OF_CODE = "grad[index] = (function(x + moved) - function(x - moved)) / (2 * step)"
MOVED = "moved = np.zeros(x.shape)"
LOOP = "for index in np.ndindex(x.shape):"

MISCONCEPTIONS = (
    Misconception(
        "nothing-moved",
        "Every derivative is 0. Either both calls got equal arrays (`up = down = x.copy()` is one "
        "array with two names: the moves cancel), or the result was never filled in.",
        LINK,
        {LINE_OF_CODE: "grad[index] = 0.0"},
    ),
    Misconception(
        "one-number-for-all",
        "A single number comes back: the change when all of x is moved together. Move one number "
        "of x at a time; each has an entry of its own in the result.",
        LINK,
        answer=all_of_x_at_once,
    ),
    Misconception(
        "two-names-for-x",
        "Every derivative is 0, and x itself was moved: `up = x` makes no copy but a second name "
        "for the same array. So both calls see the same numbers. `x.copy()` makes an array of its "
        "own.",
        LINK,
        answer=two_names_for_x,
    ),
    Misconception(
        "one-side-only",
        "The function is compared above and at the point itself. That is a difference too, but its "
        "error shrinks with the step; that of the two-sided one shrinks with its square.",
        LINK,
        {LINE_OF_CODE: "grad[index] = (function(x + moved) - function(x)) / step"},
    ),
    Misconception(
        "one-side-below",
        "The function is compared at the point itself and below it. The central difference takes "
        "one step to each side.",
        LINK,
        {LINE_OF_CODE: "grad[index] = (function(x) - function(x - moved)) / step"},
    ),
    Misconception(
        "two-steps-divided-by-one",
        "All numbers are twice too large: from one step below to one step above it is two steps.",
        LINK,
        {"/ (2 * step)": "/ step"},
    ),
    Misconception(
        "not-divided-by-the-step",
        "This is the change of the function, and not its change for each unit: it has not been "
        "divided by how far x was moved.",
        LINK,
        {" / (2 * step)": ""},
    ),
    Misconception(
        "divided-by-two-times-times-step",
        "The difference is divided by 2 and then multiplied by the step: `/ 2 * step` is read from "
        "the left. It belongs below the line.",
        LINK,
        {"/ (2 * step)": "/ 2 * step"},
    ),
    Misconception(
        "sign-exchanged",
        "The gradient has the wrong sign: the value after the step down has been taken first.",
        LINK,
        {LINE_OF_CODE: "grad[index] = (function(x - moved) - function(x + moved)) / (2 * step)"},
    ),
    Misconception(
        "all-moved-at-once",
        "All numbers are moved together, so that every entry shows the same, the sum of all "
        "derivatives. Move one number and leave the others.",
        LINK,
        {MOVED: "moved = np.full(x.shape, step)"},
    ),
    Misconception(
        "nudges-left-behind",
        "The number that was moved is not put back before the next one is moved, so that each "
        "entry holds the derivatives before it as well.",
        LINK,
        {f"    {LOOP}\n        {MOVED}": f"    {MOVED}\n    {LOOP}"},
    ),
    Misconception(
        "step-ignored",
        "The step is always the same, whatever `step` says.",
        LINK,
        {"moved[index] = step": "step = 1e-5\n        moved[index] = step"},
    ),
    Misconception(
        "moved-by-a-share",
        "Each number is moved by a share of itself, step times x, but the difference is divided "
        "by the step alone: every derivative is multiplied by its x. Add and subtract the step.",
        LINK,
        {"moved[index] = step": "moved[index] = step * x[index]"},
    ),
    Misconception(
        "first-axis-only",
        "Whole rows are moved at once: the loop goes over the first axis alone. Each single number "
        "needs a nudge of its own.",
        LINK,
        {LOOP: "for index in range(len(x)):"},
    ),
    Misconception(
        "flat-result",
        "The numbers are right, but the result is one long row. It has the shape of x.",
        LINK,
        {"return grad": "return grad.ravel()"},
    ),
)


def central_difference_of_a_line(output) -> bool:
    """All derivatives of a linear function with factors of at least 0.5 are positive."""
    return bool((np.asarray(output) > 0.4).all() and (np.asarray(output) < 1.6).all())


EXERCISE = Exercise(
    id="neural_networks/numerical_gradient",
    callable="numerical_gradient",
    title="A gradient by nudging",
    parts={"all": 3},
    minutes=12,
    difficulty="easy",
    link=LINK,
    cases=cases,
    drive=drive.nudge,
    arrays="numpy",
    misconceptions=MISCONCEPTIONS,
    equivalent={
        "`2e-05` for `1e-05`": "another default step, as good a one",
        "`np.ones(x.shape)` for `np.zeros(x.shape)`": "grad is filled wholly",
    },
    alternatives=(number_by_number, with_unit_directions, half_steps_up_and_down),
    properties=(
        Property(
            "slopes-of-a-line",
            "A linear function with factors between 0.5 and 1.5 gets a derivative outside of that "
            "range.",
            LINK,
            ("line",),
            central_difference_of_a_line,
        ),
    ),
)
