"""decoder/layer_norm: mean 0, variance 1, then scale and shift."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.decoder.draw import norm_weight, normal
from grading.units.decoder.half_precision import HalfPrecision

LINK = "decoder-norm"
AXES = "batch seq d_model"
PLAIN, SHIFTED = "2 texts", "the same vectors, 3 added to every number"


def cases(rng: np.random.Generator) -> list[Case]:
    """With and without axes in front; shifted, large and tiny numbers; eps that matters."""
    weight, bias = norm_weight(rng, 11), normal(rng, 11)
    x, ones, zeros = normal(rng, 2, 5, 11, mean=0.5), np.ones(11), np.zeros(11)
    ones, zeros = ones.astype(np.float32), zeros.astype(np.float32)
    return [
        _case(PLAIN, x, ones, zeros),
        _case(SHIFTED, x + 3, ones, zeros),
        _case("the same vectors and a weight", x, weight, zeros),
        _case("the same vectors, a weight and a bias", x, weight, bias),
        _case("the same vectors and a large eps", x, weight, bias, eps=0.3),
        _case("the same vectors, 100 times as large", 100 * x, weight, bias),
        _case("the same vectors, 1000 times smaller", x / 1000, weight, bias),
        _default_eps("small numbers, eps left out", x / 300, weight, bias),
        _case("a single vector", x[0, 0], weight, bias, axes="d_model"),
        _case("one text of one token", x[:1, :1], weight, bias),
        _case("a sequence without a batch", x[0], weight, bias, axes="seq d_model"),
        _case("as many tokens as features", normal(rng, 7, 7), *_pair(rng, 7), axes="seq d_model"),
        _case("vectors of one feature", normal(rng, 3, 1), *_pair(rng, 1), axes="seq d_model"),
        _case("vectors of two features", normal(rng, 3, 2), *_pair(rng, 2), axes="seq d_model"),
        _case("vectors whose numbers are all alike", 0 * x + 2, weight, bias),
        _half("float16, 700 times as large", 700 * x, weight, bias),
    ]


def _pair(rng, d_model: int) -> tuple[np.ndarray, np.ndarray]:
    return norm_weight(rng, d_model), normal(rng, d_model)


def _case(says, x, weight, bias, eps=1e-5, axes=AXES) -> Case:
    return Case(says, {"x": x, "weight": weight, "bias": bias, "norm_eps": eps}, axes=axes)


def _default_eps(says, x, weight, bias) -> Case:
    return Case(says, {"x": x, "weight": weight, "bias": bias}, axes=AXES)


def _half(says, x, weight, bias) -> Case:
    inputs = {"x": x, "weight": weight, "bias": bias}
    inputs = {name: array.astype(np.float16) for name, array in inputs.items()}
    return Case(says, inputs, axes=AXES, compare=HalfPrecision())


# --- right in other ways ---------------------------------------------------------------------


def with_var_mean(x, weight, bias, norm_eps=1e-5):
    """torch's own variance, told to divide by d_model; rsqrt."""
    x = x.float()
    variance, mean = torch.var_mean(x, dim=-1, correction=0, keepdim=True)
    return weight * (x - mean) * torch.rsqrt(variance + norm_eps) + bias


def in_double_precision(x, weight, bias, norm_eps=1e-5):
    """einsum and mean(x * x) - mean**2, in float64."""
    wide, n = x.double(), x.shape[-1]
    mean = torch.einsum("...d->...", wide)[..., None] / n
    variance = ((wide * wide).sum(-1, keepdim=True) / n - mean * mean).clamp(min=0)
    scaled = (wide - mean) * (variance + norm_eps) ** -0.5
    return torch.addcmul(bias.double(), scaled, weight.double()).float()


def vector_by_vector(x, weight, bias, norm_eps=1e-5):
    """A loop over all vectors, in NumPy."""
    rows = []
    for row in x.float().numpy().reshape(-1, x.shape[-1]):
        spread = np.sqrt(row.var() + norm_eps)
        rows.append((row - row.mean()) / spread * weight.numpy() + bias.numpy())
    return torch.tensor(np.array(rows), dtype=x.dtype).reshape(x.shape)


# --- wrong in known ways -----------------------------------------------------------------------

WIDE = "wide = x.to(torch.promote_types(x.dtype, torch.float32))"
CENTRED = "wide - wide.mean(dim=-1, keepdim=True)"
VARIANCE = "centred.pow(2).mean(dim=-1, keepdim=True)"
ROOT = "torch.sqrt(variance + norm_eps)"
OUT = f"(centred / {ROOT} * weight + bias).to(x.dtype)"

MISCONCEPTIONS = (
    Misconception(
        "mean-not-subtracted",
        "The mean stays in: this is RMSNorm, with a bias. LayerNorm takes the mean off first, and "
        "a number added to all features then makes no difference.",
        LINK,
        {CENTRED: "wide"},
    ),
    Misconception(
        "mean-kept-in-the-result",
        "The variance is right, but what is divided by its root still has its mean. Divide what "
        "the mean was taken off.",
        LINK,
        {f"centred / {ROOT}": f"wide / {ROOT}"},
    ),
    Misconception(
        "unbiased-variance",
        "The variance divides by d_model - 1, as `torch.var` and `torch.std` do unless told "
        "otherwise. Here it is the mean of the squares: divide by d_model.",
        LINK,
        {VARIANCE: "centred.pow(2).sum(dim=-1, keepdim=True) / (x.shape[-1] - 1)"},
    ),
    Misconception(
        "variance-measured-from-0",
        "The mean is taken off what is divided, and not off what is squared: the variance is the "
        "mean square of the distances from the mean.",
        LINK,
        {VARIANCE: VARIANCE.replace("centred", "wide")},
    ),
    Misconception(
        "computed-in-half-precision",
        "In half precision the result is wrong: the square of 256 is already infinite there. Make "
        "x float32 first (`x.float()`), and square that.",
        LINK,
        {WIDE: "wide = x"},
    ),
    Misconception(
        "eps-outside-the-root",
        "norm_eps is added to the root and not under it. For vectors of ordinary size that hardly "
        "shows; where the variance is as small as norm_eps it does.",
        LINK,
        {ROOT: "(torch.sqrt(variance) + norm_eps)"},
    ),
    Misconception(
        "eps-ignored",
        "norm_eps has no effect. It keeps the division possible where all numbers of a vector are "
        "nearly alike, and belongs under the root.",
        LINK,
        {ROOT: "torch.sqrt(variance).clamp(min=1e-30)"},
    ),
    Misconception(
        "eps-ignored-and-nan",
        "norm_eps is left out, so a vector whose numbers are all alike is divided by 0. It belongs "
        "under the root.",
        LINK,
        {ROOT: "torch.sqrt(variance)"},
    ),
    Misconception(
        "eps-fixed",
        "eps is always 0.00001 here: `norm_eps` is an argument, and models differ in it.",
        LINK,
        {"variance + norm_eps": "variance + 1e-5"},
    ),
    Misconception(
        "divided-by-the-variance",
        "The vectors are divided by their variance. Take its root first, the standard deviation, "
        "which is of the same size as the numbers themselves.",
        LINK,
        {ROOT: "(variance + norm_eps)"},
    ),
    Misconception(
        "sum-for-mean",
        "The squares are summed and not averaged, so the results shrink as vectors get longer. "
        "The variance is the *mean* square.",
        LINK,
        {VARIANCE: VARIANCE.replace("mean", "sum")},
    ),
    Misconception(
        "over-positions",
        "Mean and variance are taken over the axis before the last, so positions mix. Each vector "
        "is normalised by itself, over its own features.",
        LINK,
        {CENTRED: CENTRED.replace("-1", "-2"), VARIANCE: VARIANCE.replace("-1", "-2")},
    ),
    Misconception(
        "axis-from-the-front",
        "The axis is counted from the front, as 1: that is the last one only where there is no "
        "batch. Count from the end, and any axes may stand in front.",
        LINK,
        {CENTRED: CENTRED.replace("-1", "1"), VARIANCE: VARIANCE.replace("-1", "1")},
    ),
    Misconception(
        "over-the-first-axis",
        "Mean and variance are taken over the first axis: the texts of a batch mix, or the tokens "
        "of a text. Each vector is normalised by itself, over its own features.",
        LINK,
        {CENTRED: CENTRED.replace("-1", "0"), VARIANCE: VARIANCE.replace("-1", "0")},
    ),
    Misconception(
        "whole-tensor",
        "One mean and one variance are taken of the whole tensor. Each vector is normalised by "
        "itself: the statistics run over the last axis only.",
        LINK,
        {CENTRED: "wide - wide.mean()", VARIANCE: "centred.pow(2).mean()"},
    ),
    Misconception(
        "all-but-the-batch",
        "Each text has one mean and one variance for all its positions, and so later tokens reach "
        "earlier ones. Each vector is normalised by itself, over the last axis only.",
        LINK,
        {
            CENTRED: "wide - wide.mean(dim=tuple(range(-min(2, x.dim()), 0)), keepdim=True)",
            VARIANCE: VARIANCE.replace("-1", "tuple(range(-min(2, x.dim()), 0))"),
        },
    ),
    Misconception(
        "all-but-the-first-axis",
        "One mean and one variance are taken over all axes but the first: with a batch, those of "
        "a whole text. Each vector is normalised by itself, over the last axis only.",
        LINK,
        {
            CENTRED: "wide - wide.mean(dim=tuple(range(min(1, x.dim() - 1), x.dim())), "
            "keepdim=True)",
            VARIANCE: VARIANCE.replace("-1", "tuple(range(min(1, x.dim() - 1), x.dim()))"),
        },
    ),
    Misconception(
        "weight-ignored",
        "The weight has no effect: after the division every feature is scaled by its own learned "
        "number.",
        LINK,
        {f"{ROOT} * weight": ROOT},
    ),
    Misconception(
        "bias-ignored",
        "The bias has no effect: it is added at the end, to every vector.",
        LINK,
        {"* weight + bias": "* weight"},
    ),
    Misconception(
        "bias-before-the-weight",
        "The bias is added before the weight multiplies, so it is scaled too. First the weight, "
        "then the bias.",
        LINK,
        {OUT: f"((centred / {ROOT} + bias) * weight).to(x.dtype)"},
    ),
    Misconception(
        "weight-plus-one",
        "The features are multiplied by 1 + weight. Some models store their norms that way; here "
        "the weight is the factor itself.",
        LINK,
        {f"{ROOT} * weight": f"{ROOT} * (1 + weight)"},
    ),
    Misconception(
        "mean-absolute-deviation",
        "The vectors are divided by the mean of the absolute values. The measure of size here is "
        "the root of the mean square.",
        LINK,
        {VARIANCE: "centred.abs().mean(dim=-1, keepdim=True).pow(2)"},
    ),
    Misconception(
        "divided-by-the-range",
        "The vectors are divided by the distance from their least to their largest number. The "
        "measure of size here is the root of the mean square.",
        LINK,
        {VARIANCE: "(wide.amax(-1, keepdim=True) - wide.amin(-1, keepdim=True)).pow(2)"},
    ),
    Misconception(
        "x-changed",
        "The result is right, but x was written over: the stream needs it as it was, for the "
        "addition after the layer.",
        LINK,
        {f"return {OUT}": f"x.copy_({OUT})\n    return x"},
    ),
)


def _shift_has_no_effect(before, after) -> bool:
    return bool(np.allclose(before, after, atol=1e-3))


def _mean_zero(*outputs) -> bool:
    return all(bool(np.allclose(out.mean(axis=-1), 0, atol=1e-3)) for out in outputs)


EXERCISE = Exercise(
    id="decoder/layer_norm",
    callable="layer_norm",
    title="LayerNorm",
    parts={"all": 2},
    minutes=8,
    difficulty="easy",
    link=LINK,
    cases=cases,
    rtol=3e-4,
    atol=3e-5,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_var_mean, in_double_precision, vector_by_vector),
    forbids=("torch.nn.functional.layer_norm", "torch.nn.LayerNorm.__init__"),
    properties=(
        Property(
            "shift-has-an-effect",
            "3 was added to every number, and your result changed. LayerNorm takes the mean off.",
            LINK,
            (PLAIN, SHIFTED),
            _shift_has_no_effect,
        ),
        Property(
            "mean-is-not-zero",
            "With a weight of ones and no bias, some vector of your result does not have mean 0.",
            LINK,
            (PLAIN, SHIFTED),
            _mean_zero,
        ),
    ),
    equivalent={
        **dict.fromkeys(
            (
                "`centred / torch.sqrt(variance + norm_eps) * weight + bias` for "
                "`(centred / torch.sqrt(variance + norm_eps) * weight + bias).to(x.dtype)`",
                "`weight` for `x` (2)",
                "`variance` for `x` (2)",
                "`weight` for `x` (3)",
            ),
            "all results on the way are float32 at least; half precision may come back in any",
        ),
    },
)
