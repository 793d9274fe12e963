"""neural_networks/largest_learning_rate: where gradient descent on least squares diverges."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.neural_networks.draw import normal, quiet

LINK = "neural-networks-curvature"


def cases(rng: np.random.Generator) -> list[Case]:
    """Many examples and few, one input, other scales, shifted inputs, inputs one at a time.

    Never fewer examples than inputs: the smallest curvature would be a rounded 0, and who takes it
    could not be named.
    """
    x = normal(rng, 11, 3)
    stretched = normal(rng, 13, 3) * np.array([0.2, 1.0, 4.0])
    alone = np.repeat(np.diag(rng.uniform([1.0, 4.0, 2.0], [1.5, 6.0, 3.0])), 3, axis=0)
    drawn = [
        ("11 examples of 3 inputs", x, "plain"),
        ("the same examples, all 3 times as large", 3 * x, "larger"),
        ("the same examples twice over", np.concatenate([x, x]), "twice"),
        ("inputs of very different size", stretched, "stretched"),
        ("inputs with a mean of 2", normal(rng, 7, 5) + 2, "shifted"),
        ("as many examples as inputs", normal(rng, 5, 5), "square"),
        ("examples in which only one of 3 inputs is not 0", alone, "alone"),
        ("one input", normal(rng, 7, 1), "one input"),
        ("one example of one input", normal(rng, 1, 1), "one of one"),
    ]
    return [Case(says, {"x": x}, name=name) for says, x, name in drawn]


# --- right in other ways ---------------------------------------------------------------------


def with_singular_values(x):
    """The largest singular value of x, squared."""
    return 2 * len(x) / np.linalg.norm(x, 2) ** 2


def by_power_iteration(x):
    """Apply the matrix again and again; what is left is its largest direction."""
    curvature = np.dot(x.T, x) / x.shape[0]
    for _ in range(20):  # squared 20 times: the power 2**20
        curvature_next = curvature @ curvature
        curvature = curvature_next / np.linalg.norm(curvature_next)
    direction = curvature[:, np.argmax(np.diag(curvature))]
    return float(2 * len(x) * (direction @ direction) / ((x @ direction) ** 2).sum())


def from_the_examples_side(x):
    """x x^T has the same eigenvalues, but for zeros."""
    return 2.0 / np.linalg.eigvalsh(x @ x.T / len(x)).max()


def largest_of_all_eigenvalues(x):
    """The general eigenvalue function, and a sum over the examples."""
    curvature = sum(np.outer(row, row) for row in x) / len(x)
    return 2 / max(np.linalg.eigvals(curvature).real)


# --- wrong in known ways -----------------------------------------------------------------------

CURVATURE = "curvature = x.T @ x / len(x)  #"
LARGEST = "largest = np.linalg.eigvalsh(curvature)[-1]  #"
RETURN = "return float(2 / largest)"

MISCONCEPTIONS = (
    Misconception(
        "one-over-the-curvature",
        "Half of the right rate: it reaches the bottom of the steepest direction in one step, and "
        "twice the step jumps to the other side, no higher. Or is the 1/2 of the loss missing?",
        LINK,
        {RETURN: "return float(1 / largest)"},
    ),
    Misconception(
        "smallest-curvature",
        "The smallest curvature is used. The steepest direction diverges first, so that the "
        "largest one decides.",
        LINK,
        {LARGEST: "largest = np.linalg.eigvalsh(curvature)[0]  #"},
    ),
    Misconception(
        "not-divided-by-the-examples",
        "The curvature is that of a sum over the examples. The loss is a mean: twice the same data "
        "must not halve the rate.",
        LINK,
        {CURVATURE: "curvature = x.T @ x  #"},
    ),
    Misconception(
        "divided-by-the-inputs",
        "The curvature is divided by the number of inputs. The mean in the loss is one over the "
        "examples.",
        LINK,
        {CURVATURE: "curvature = x.T @ x / x.shape[1]  #"},
    ),
    Misconception(
        "sum-of-all-curvatures",
        "All curvatures are added up. Each belongs to a direction of its own, and one step meets "
        "them apart: only the largest decides.",
        LINK,
        {LARGEST: "largest = np.linalg.eigvalsh(curvature).sum()  #"},
    ),
    Misconception(
        "first-of-eigvals",
        "The first of the eigenvalues that `np.linalg.eigvals` gives is used. It sorts nothing, so "
        "the first need not be the largest; `eigvalsh` sorts, the largest last.",
        LINK,
        {LARGEST: "largest = np.linalg.eigvals(curvature)[0].real  #"},
    ),
    Misconception(
        "norm-of-the-matrix",
        "This is the Frobenius norm of the matrix, the root of the sum of all its entries squared, "
        "which `np.linalg.norm` gives. It is larger than the largest eigenvalue as soon as there "
        "are two directions.",
        LINK,
        {LARGEST: "largest = np.linalg.norm(curvature)  #"},
    ),
    Misconception(
        "mean-of-the-curvatures",
        "The mean curvature is used. A rate that suits the mean is too large for the steepest "
        "direction, which then diverges.",
        LINK,
        {LARGEST: "largest = np.linalg.eigvalsh(curvature).mean()  #"},
    ),
    Misconception(
        "largest-entry-of-the-diagonal",
        "The largest entry of the diagonal is used: the curvature along the axes. Where inputs go "
        "together, the steepest direction lies between the axes and is steeper.",
        LINK,
        {LARGEST: "largest = np.diag(curvature).max()  #"},
    ),
    Misconception(
        "mean-taken-away",
        "The mean of each input is taken away first, as in a covariance. The loss sees the inputs "
        "as they are, and a large mean makes it steep.",
        LINK,
        {
            CURVATURE: "x = x - x.mean(axis=0)\n    curvature = x.T @ x / len(x)  #",
            **quiet("largest_learning_rate"),
        },
    ),
    Misconception(
        "covariance-of-numpy",
        "This is `np.cov`: it takes the mean of each input away and divides by one less than the "
        "examples. The curvature is x^T x / examples, of the inputs as they are.",
        LINK,
        {
            CURVATURE: "x = x - x.mean(axis=0)\n"
            "    curvature = x.T @ x / np.float64(len(x) - 1)  #",
            **quiet("largest_learning_rate"),
        },
    ),
    Misconception(
        "singular-value-not-squared",
        "The largest singular value of x stands where its square belongs: the curvature is made "
        "of x twice.",
        LINK,
        {LARGEST: "largest = np.linalg.norm(x, 2) / len(x)  #"},
    ),
    Misconception(
        "curvature-itself",
        "This is the curvature, not the rate: the steeper the loss, the smaller the rate has to "
        "be.",
        LINK,
        {RETURN: "return float(largest)"},
    ),
)


def scale_counts_squared(plain, larger) -> bool:
    """Three times larger inputs: a rate nine times smaller."""
    return bool(np.isclose(plain, 9 * larger, rtol=1e-6))


def repeating_changes_nothing(plain, twice) -> bool:
    """A mean does not see how often the data come."""
    return bool(np.isclose(plain, twice, rtol=1e-6))


EXERCISE = Exercise(
    id="neural_networks/largest_learning_rate",
    callable="largest_learning_rate",
    title="The largest learning rate",
    parts={"all": 2},
    minutes=10,
    difficulty="medium",
    link=LINK,
    cases=cases,
    arrays="numpy",
    misconceptions=MISCONCEPTIONS,
    equivalent={"`x @ x.T` for `x.T @ x`": "the same eigenvalues, but for zeros"},
    alternatives=(
        with_singular_values,
        by_power_iteration,
        from_the_examples_side,
        largest_of_all_eigenvalues,
    ),
    properties=(
        Property(
            "larger-inputs",
            "Inputs 3 times as large do not make the rate 9 times smaller. The curvature holds "
            "every input twice.",
            LINK,
            ("plain", "larger"),
            scale_counts_squared,
        ),
        Property(
            "twice-the-data",
            "The same data twice over give another rate. The loss is a mean, so nothing should "
            "change.",
            LINK,
            ("plain", "twice"),
            repeating_changes_nothing,
        ),
    ),
)
