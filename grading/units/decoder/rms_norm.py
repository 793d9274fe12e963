"""decoder/rms_norm: divide by the root mean square."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.decoder.draw import norm_weight, normal
from grading.units.decoder.half_precision import HalfPrecision

LINK = "decoder-rms-norm"
AXES = "batch seq d_model"
PLAIN, TENFOLD = "2 texts", "the same vectors, 10 times as large"


def cases(rng: np.random.Generator) -> list[Case]:
    """With and without axes in front; off zero; large and tiny numbers; eps that matters."""
    weight, x = norm_weight(rng, 11), normal(rng, 2, 5, 11, mean=0.5)
    ones = np.ones(11, dtype=np.float32)
    return [
        _case(PLAIN, x, ones),
        _case(TENFOLD, 10 * x, ones),
        _case("the same vectors and a weight", x, weight),
        _case("the same vectors and a weight with signs", x, normal(rng, 11)),
        _case("the same vectors and a large eps", x, weight, eps=0.3),
        _case("the same vectors, 10 times smaller, and a large eps", x / 10, weight, eps=0.3),
        _case("the same vectors, 1000 times as large", 1000 * x, weight),
        _case("the same vectors, 1000 times smaller", x / 1000, weight),
        _default_eps("small numbers, eps left out", x / 300, weight),
        _case("a single vector", x[0, 0], weight, axes="d_model"),
        _case("one text of one token", x[:1, :1], weight),
        _case("a sequence without a batch", x[0], weight, axes="seq d_model"),
        _case("as many tokens as features", normal(rng, 7, 7), norm_weight(rng, 7), axes=AXES[6:]),
        _case("vectors of one feature", normal(rng, 3, 1), norm_weight(rng, 1), axes=AXES[6:]),
        _case("vectors of zeros", 0 * x, weight),
        _half("float16, 700 times as large", 700 * x, weight),
    ]


def _case(says, x, weight, eps=1e-5, axes=AXES) -> Case:
    return Case(says, {"x": x, "weight": weight, "norm_eps": eps}, axes=axes)


def _default_eps(says, x, weight) -> Case:
    return Case(says, {"x": x, "weight": weight}, axes=AXES)


def _half(says, x, weight) -> Case:
    inputs = {"x": x.astype(np.float16), "weight": weight.astype(np.float16)}
    return Case(says, inputs, axes=AXES, compare=HalfPrecision())


# --- right in other ways ---------------------------------------------------------------------


def by_length(x, weight, norm_eps=1e-5):
    """The root mean square from the vector's length."""
    length = torch.linalg.vector_norm(x.float(), dim=-1, keepdim=True)
    return x / (length**2 / x.shape[-1] + norm_eps).sqrt() * weight


def in_double_precision(x, weight, norm_eps=1e-5):
    """A dot product of each vector with itself, in float64."""
    wide = x.double()
    square = torch.einsum("...d,...d->...", wide, wide) / x.shape[-1]
    scale = (square + norm_eps).pow(-0.5)
    return torch.einsum("...d,...,d->...d", wide, scale, weight.double()).to(x.dtype)


def vector_by_vector(x, weight, norm_eps=1e-5):
    """A loop over all vectors of Python numbers."""
    rows = []
    for row in x.reshape(-1, x.shape[-1]).tolist():
        size = (sum(number**2 for number in row) / len(row) + norm_eps) ** 0.5
        rows.append([number / size * w for number, w in zip(row, weight.tolist(), strict=True)])
    return torch.tensor(rows).reshape(x.shape)


# --- wrong in known ways -----------------------------------------------------------------------

WIDE = "wide = x.to(torch.promote_types(x.dtype, torch.float32))"
SQUARE = "wide.pow(2).mean(dim=-1, keepdim=True)"
SCALE = "torch.rsqrt(mean_square + norm_eps)"
OUT = f"(wide * {SCALE} * weight).to(x.dtype)"

MISCONCEPTIONS = (
    Misconception(
        "mean-subtracted",
        "The mean is taken off first: this is LayerNorm without a bias. RMSNorm leaves the mean "
        "where it is, and that is all the difference.",
        LINK,
        {WIDE: f"{WIDE}\n    wide = wide - wide.mean(dim=-1, keepdim=True)"},
    ),
    Misconception(
        "divided-by-the-deviation",
        "The vectors are divided by their standard deviation, measured from the mean. RMSNorm "
        "measures from 0: the mean of the squares as they are.",
        LINK,
        {SQUARE: "wide.var(dim=-1, keepdim=True, correction=0)"},
    ),
    Misconception(
        "eps-outside-the-root",
        "norm_eps is added to the root and not under it. For vectors of ordinary size that hardly "
        "shows; where the mean square is as small as norm_eps it does.",
        LINK,
        {SCALE: "1 / (torch.sqrt(mean_square) + norm_eps)"},
    ),
    Misconception(
        "eps-ignored",
        "norm_eps has no effect. It keeps the division possible where a vector is nearly 0, and "
        "belongs under the root.",
        LINK,
        {SCALE: "torch.rsqrt(mean_square.clamp(min=1e-30))"},
    ),
    Misconception(
        "eps-ignored-and-nan",
        "norm_eps is left out, so a vector of zeros is divided by 0. It belongs under the root.",
        LINK,
        {SCALE: "torch.rsqrt(mean_square)"},
    ),
    Misconception(
        "eps-fixed",
        "eps is always 0.00001 here: `norm_eps` is an argument, and models differ in it.",
        LINK,
        {"mean_square + norm_eps": "mean_square + 1e-5"},
    ),
    Misconception(
        "eps-as-a-floor",
        "norm_eps is used as the least mean square there may be. It is *added* to the mean square, "
        "whatever the size of that.",
        LINK,
        {SCALE: "torch.rsqrt(mean_square.clamp(min=norm_eps))"},
    ),
    Misconception(
        "eps-as-a-floor-of-the-root",
        "norm_eps is used as the least root mean square there may be. It is *added* to the mean "
        "square, under the root, whatever the size of that.",
        LINK,
        {SCALE: "1 / torch.sqrt(mean_square).clamp(min=norm_eps)"},
    ),
    Misconception(
        "computed-in-half-precision",
        "In half precision the result is wrong: the square of 256 is already infinite there. Make "
        "x float32 first (`x.float()`), and square that.",
        LINK,
        {WIDE: "wide = x"},
    ),
    Misconception(
        "weight-summed-over",
        "The weight comes in with `@`, which sums over the features. Each feature has a factor of "
        "its own: `*`.",
        LINK,
        {OUT: f"(wide * {SCALE}) @ weight.to(wide.dtype)"},
    ),
    Misconception(
        "divided-by-the-mean-square",
        "The vectors are divided by their mean square. Take its root first: a vector twice as "
        "large must give the same result.",
        LINK,
        {SCALE: "(mean_square + norm_eps).reciprocal()"},
    ),
    Misconception(
        "multiplied-by-the-root",
        "The vectors are multiplied by their root mean square and not divided by it, so large ones "
        "grow.",
        LINK,
        {SCALE: "torch.sqrt(mean_square + norm_eps)"},
    ),
    Misconception(
        "divided-by-the-length",
        "The squares are summed and not averaged: every vector gets length 1. Its root *mean* "
        "square shall be 1, whatever d_model is.",
        LINK,
        {SQUARE: SQUARE.replace("mean", "sum")},
    ),
    Misconception(
        "mean-of-absolute-values",
        "The vectors are divided by the mean of the absolute values. Square first, then take the "
        "mean, then the root.",
        LINK,
        {SQUARE: "wide.abs().mean(dim=-1, keepdim=True).pow(2)"},
    ),
    Misconception(
        "divided-by-the-largest",
        "The vectors are divided by their largest absolute value. The measure of size here is the "
        "root of the mean square.",
        LINK,
        {SQUARE: "wide.abs().amax(dim=-1, keepdim=True).pow(2)"},
    ),
    Misconception(
        "divided-by-d-model-minus-1",
        "The sum of the squares is divided by d_model - 1. It is their mean: divide by d_model.",
        LINK,
        {SQUARE: SQUARE.replace("mean", "sum") + " / max(x.shape[-1] - 1, 1)"},
    ),
    Misconception(
        "root-of-d-model-on-the-wrong-side",
        "The root of d_model multiplies the length of the vector. The root mean square is the "
        "length divided by it.",
        LINK,
        {SQUARE: SQUARE.replace("mean", "sum") + " * x.shape[-1]"},
    ),
    Misconception(
        "eps-squared",
        "norm_eps is squared. It is added to the mean square as it is.",
        LINK,
        {"mean_square + norm_eps": "mean_square + norm_eps**2"},
    ),
    Misconception(
        "mean-then-square",
        "The mean is squared, and not the mean of the squares taken: positive and negative numbers "
        "cancel. Square first.",
        LINK,
        {SQUARE: "wide.mean(dim=-1, keepdim=True).pow(2)"},
    ),
    Misconception(
        "over-positions",
        "The mean square is taken over the axis before the last, so positions mix. Each vector is "
        "normalised by itself, over its own features.",
        LINK,
        {SQUARE: SQUARE.replace("-1", "-2")},
    ),
    Misconception(
        "axis-from-the-front",
        "The axis is counted from the front, as 1: that is the last one only where there is no "
        "batch. Count from the end, and any axes may stand in front.",
        LINK,
        {SQUARE: SQUARE.replace("-1", "1")},
    ),
    Misconception(
        "over-the-first-axis",
        "The mean square is taken over the first axis: the texts of a batch mix, or the tokens of "
        "a text. Each vector is normalised by itself, over its own features.",
        LINK,
        {SQUARE: SQUARE.replace("-1", "0")},
    ),
    Misconception(
        "whole-tensor",
        "One mean square is taken of the whole tensor. Each vector is divided by a number of its "
        "own: the mean runs over the last axis only.",
        LINK,
        {SQUARE: "wide.pow(2).mean()"},
    ),
    Misconception(
        "all-but-the-batch",
        "Each text has one mean square for all its positions, and so later tokens reach earlier "
        "ones. The mean runs over the last axis only.",
        LINK,
        {SQUARE: SQUARE.replace("-1", "tuple(range(-min(2, x.dim()), 0))")},
    ),
    Misconception(
        "weight-ignored",
        "The weight has no effect: after the division every feature is scaled by its own learned "
        "number.",
        LINK,
        {f"{SCALE} * weight": SCALE},
    ),
    Misconception(
        "divided-by-the-weight",
        "The features are divided by the weight: it is a factor for each.",
        LINK,
        {f"{SCALE} * weight": f"{SCALE} / weight"},
    ),
    Misconception(
        "eps-subtracted",
        "norm_eps is taken off the mean square. It is added, so that the root stays above 0.",
        LINK,
        {"mean_square + norm_eps": "mean_square - norm_eps"},
    ),
    Misconception(
        "weight-added",
        "The weight is added. It is a factor for each feature; RMSNorm has nothing that is added.",
        LINK,
        {f"{SCALE} * weight": f"{SCALE} + weight"},
    ),
    Misconception(
        "weight-plus-one",
        "The features are multiplied by 1 + weight. Some models store their norms that way; here "
        "the weight is the factor itself.",
        LINK,
        {f"{SCALE} * weight": f"{SCALE} * (1 + weight)"},
    ),
    Misconception(
        "weight-before-the-norm",
        "The weight multiplies x before its size is measured, and so it is normalised away in "
        "part. First divide, then scale.",
        LINK,
        {WIDE: f"{WIDE} * weight", f"{SCALE} * weight": SCALE},
    ),
    Misconception(
        "x-changed",
        "The result is right, but x was written over: the stream needs it as it was, for the "
        "addition after the layer.",
        LINK,
        {f"return {OUT}": f"x.copy_({OUT})\n    return x"},
    ),
)


def _size_has_no_effect(before, after) -> bool:
    return bool(np.allclose(before, after, atol=1e-3))


EXERCISE = Exercise(
    id="decoder/rms_norm",
    callable="rms_norm",
    title="RMSNorm",
    parts={"all": 2},
    minutes=6,
    difficulty="easy",
    link=LINK,
    cases=cases,
    rtol=3e-4,
    atol=3e-5,
    misconceptions=MISCONCEPTIONS,
    alternatives=(by_length, in_double_precision, vector_by_vector),
    forbids=("torch.nn.functional.rms_norm", "torch.nn.RMSNorm.__init__"),
    properties=(
        Property(
            "size-has-an-effect",
            "All vectors are 10 times as large, and your result is not the same (to about three "
            "digits). A norm takes the size off.",
            LINK,
            (PLAIN, TENFOLD),
            _size_has_no_effect,
        ),
    ),
    equivalent=dict.fromkeys(
        (
            "`wide * torch.rsqrt(mean_square + norm_eps) * weight` for "
            "`(wide * torch.rsqrt(mean_square + norm_eps) * weight).to(x.dtype)`",
            "`weight` for `x` (2)",
            "`mean_square` for `x` (2)",
            "`weight` for `x` (3)",
        ),
        "all results on the way are float32 at least; half precision may come back in any",
    ),
)
