"""fine_tuning/merge_lora: one weight that does what layer and adapter did."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.fine_tuning.lora_scale import LINK, WRONG_SCALES

AXES = "d_out d_in"


def cases(rng: np.random.Generator) -> list[Case]:
    """Tall and wide weights, ranks from 1 on, other alphas, an adapter that is 0."""

    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    w, a, b = draw(7, 5), draw(3, 5), draw(7, 3)

    def case(says, weight=w, a=a, b=b, alpha=6.0, name=""):
        inputs = {"weight": weight, "a": a, "b": b, "alpha": alpha}
        return Case(says, inputs, axes=AXES, name=name)

    return [
        case("more outputs than inputs", name="tall"),
        case("an alpha of twice as much", alpha=12.0, name="twice"),
        case("an alpha of 1", alpha=1.0),
        case("an alpha that is a whole number", alpha=4),
        case("fewer outputs than inputs", draw(2, 5), b=draw(2, 3)),
        case("a square weight", draw(5, 5), b=draw(5, 3)),
        case("a square weight and a square adapter", draw(5, 5), draw(5, 5), draw(5, 5)),
        case("a rank of 1", a=a[:1], b=b[:, :1]),
        case("one output", draw(1, 5), b=draw(1, 3)),
        case("one input", draw(7, 1), draw(3, 1)),
        case("a B that is 0", b=np.zeros_like(b), name="no b"),
        case("a weight that is 0", weight=np.zeros_like(w), name="no weight"),
    ]


# --- right in other ways ---------------------------------------------------------------------


def with_einsum(weight, a, b, alpha):
    """Axes by name."""
    return weight + torch.einsum("or, ri -> oi", b, a) * (alpha / b.size(1))


def by_outer_products(weight, a, b, alpha):
    """A sum of outer products, one for each rank."""
    merged = weight.clone()
    for row, column in zip(a, b.T, strict=True):
        merged += alpha / len(a) * torch.outer(column, row)
    return merged


def transposed_twice(weight, a, b, alpha):
    """The other way round, and back."""
    rank = a.shape[0]
    return torch.addmm(weight.T, a.T, b.T, alpha=float(alpha) / rank).T


# --- wrong in known ways -----------------------------------------------------------------------

RETURN = "return weight + scale * (b @ a)"

MISCONCEPTIONS = (
    *WRONG_SCALES,
    Misconception(
        "order-of-the-product",
        "The product is A B, which has another shape than the weight. What x meets first stands on "
        "the right.",
        LINK,
        {RETURN: "return weight + scale * (a @ b)"},
    ),
    Misconception(
        "adapter-transposed",
        "For a square weight the adapter is added transposed. The rows of the weight are outputs, "
        "and so are those of B.",
        LINK,
        {RETURN: "product = b @ a\n"
                 "    square = product.shape[0] == product.shape[1]\n"
                 "    return weight + scale * (product.T if square else product)"},
    ),
    Misconception(
        "mixed",
        "Weight and adapter are mixed, with factors that make 1 together. The weight is kept "
        "whole, and the adapter's part is added.",
        LINK,
        {RETURN: "return (1 - scale) * weight + scale * (b @ a)"},
    ),
    Misconception(
        "adapter-alone",
        "The weight itself is missing: this is the adapter's part.",
        LINK,
        {RETURN: "return scale * (b @ a)"},
    ),
    Misconception(
        "weight-alone",
        "The weight came back as it was: the adapter is lost.",
        LINK,
        {RETURN: "return weight.clone()"},
    ),
    Misconception(
        "subtracted",
        "The adapter is subtracted. It is added.",
        LINK,
        {RETURN: "return weight - scale * (b @ a)"},
    ),
    Misconception(
        "scale-on-both",
        "The factor multiplies the weight as well. Only the adapter is scaled.",
        LINK,
        {RETURN: "return scale * (weight + b @ a)"},
    ),
    Misconception(
        "result-transposed",
        "The result is transposed: inputs and outputs have changed places.",
        LINK,
        {RETURN: "return (weight + scale * (b @ a)).T"},
    ),
    Misconception(
        "weight-changed",
        "The weight that came in was changed. A new tensor is wanted.",
        LINK,
        {RETURN: "weight += scale * (b @ a)\n    return weight"},
    ),
    Misconception(
        "double-precision",
        "The result is in float64. It keeps the type of the weight.",
        LINK,
        {RETURN: "return (weight + scale * (b @ a)).double()"},
    ),
)  # fmt: skip

EXERCISE = Exercise(
    id="fine_tuning/merge_lora",
    callable="merge_lora",
    title="Merged",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_einsum, by_outer_products, transposed_twice),
    properties=(
        Property(
            "low-rank",
            "Measured from the result where B is 0, twice the alpha does not add twice as much as "
            "once does.",
            LINK,
            ("tall", "twice", "no b"),
            lambda once, twice, none: np.allclose(twice - none, 2 * (once - none), atol=1e-3),
        ),
    ),
)
