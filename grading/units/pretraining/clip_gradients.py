"""pretraining/clip_gradients: one factor for all."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.pretraining.draw import normal
from grading.units.pretraining.plain_number import PLAIN

LINK = "pretraining-clipping"


def cases(rng: np.random.Generator) -> list[Case]:
    """Too long and short enough, one tensor and several, exactly the limit, zeros, not finite."""
    shapes = ((3, 5), (7,), (2, 2, 2))
    several = _of_norm([normal(rng, *shape) for shape in shapes], 3.0)
    uneven = _of_norm([several[0] * 9, several[1] / 9, several[2]], 5.0)
    signs = [-np.abs(several[0]), np.abs(several[1])]
    broken = [several[0].copy(), several[1]]
    broken[0][1, 2] = np.nan
    endless = [several[0].copy(), several[1]]
    endless[0][0, 0] = np.inf
    zeros = [np.zeros((2, 3), np.float32), np.zeros(5, np.float32)]
    exact = [np.array([[6.0, 0.0]], np.float32), np.array([0.0, 8.0], np.float32)]
    return [
        _case("three gradients that are too long together", several, 1.0, "long"),
        _case("the same with another limit", several, 2.0),
        _case("the same, which are short enough", several, 7.0, "short"),
        _case("gradients far longer than the limit", [1e4 * x for x in several], 1.0),
        _case("very short gradients", [np.float32(1e-6) * x for x in several], 1.0),
        _case("gradients of very different lengths", uneven, 1.0),
        _case("gradients of which each is short enough alone", _of_norm(several, 1.5), 1.0),
        _case("one gradient", several[:1], 0.5),
        _case("one number", [np.array(-3.0, np.float32)], 1.0),
        _case("mostly negative numbers", signs, 0.5),
        _case("exactly as long as allowed", exact, 10.0),
        _case("gradients of 0", zeros, 1.0),
        _case("a gradient that holds NaN", broken, 1.0),
        _case("a gradient that holds an infinity", endless, 1.0),
        _case("a limit of 0", several, 0.0),
    ]


def _of_norm(gradients: list[np.ndarray], norm: float) -> list[np.ndarray]:
    length = np.sqrt(sum((x.astype(float) ** 2).sum() for x in gradients))
    return [(x * norm / length).astype(np.float32) for x in gradients]


def _case(says: str, gradients: list[np.ndarray], max_norm: float, name: str = "") -> Case:
    arrays = [np.asarray(gradient, dtype=np.float32) for gradient in gradients]
    inputs = {"gradients": arrays, "max_norm": max_norm}
    return Case(says, inputs, name=name, compare=PLAIN)


# --- right in other ways ---------------------------------------------------------------------


def as_one_vector(gradients, max_norm):
    """All numbers in one long row, scaled, and cut apart again."""
    row = torch.cat([gradient.reshape(-1) for gradient in gradients])
    norm = row.norm().item()
    if norm != norm or norm == float("inf"):
        raise ValueError("not finite")
    row = row * min(1.0, max_norm / norm) if norm > 0 else row
    pieces = row.split([gradient.numel() for gradient in gradients])
    return [p.view(g.shape) for p, g in zip(pieces, gradients, strict=True)], norm


def norm_of_norms(gradients, max_norm):
    """The norm of the gradients' norms, by torch.linalg; a factor that is at most 1."""
    norms = torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients])
    norm = torch.linalg.vector_norm(norms)
    if not torch.isfinite(norm).item():
        raise ValueError("not finite")
    factor = torch.clamp(max_norm / norm, max=1.0) if norm > max_norm else torch.tensor(1.0)
    return [factor * gradient for gradient in gradients], float(norm)


def with_torch_utils(gradients, max_norm):
    """PyTorch's own, on parameters that carry copies of the gradients."""
    parameters = [torch.nn.Parameter(torch.zeros_like(gradient)) for gradient in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.clone()
    try:
        norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm, error_if_nonfinite=True)
    except RuntimeError as error:
        raise ValueError("not finite") from error
    return [parameter.grad for parameter in parameters], norm.item()


# --- wrong in known ways -----------------------------------------------------------------------

NORM = "norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))"
CHECK = "if not math.isfinite(norm):"
SHORT = "if norm <= max_norm:"
RESULT = "return [gradient * (max_norm / norm) for gradient in gradients], norm"

MISCONCEPTIONS = (
    Misconception(
        "each-by-itself",
        "Each gradient was shortened by its own norm, so they are no longer in proportion: the "
        "step goes another way. One factor holds for all.",
        LINK,
        {
            SHORT: "if False:",
            RESULT: "return [g * min(1.0, max_norm / max(g.norm().item(), 1e-30)) for g in "
            "gradients], norm",
        },
    ),
    Misconception(
        "numbers-cut-off",
        "Single numbers were cut off at the limit. That turns the step: small parts keep their "
        "size and large ones lose it. One factor holds for all.",
        LINK,
        {
            SHORT: "if False:",
            RESULT: "return [g.clamp(-max_norm, max_norm) for g in gradients], norm",
        },
    ),
    Misconception(
        "always-rescaled",
        "Short gradients were made longer. Those that are short enough stay as they are: near the "
        "end of a run they have to become small.",
        LINK,
        {SHORT: "if norm == 0:"},
    ),
    Misconception(
        "divided-by-0",
        "Gradients of 0 have the norm 0, and were divided by it. They are short enough and stay as "
        "they are.",
        LINK,
        {
            SHORT: "if 0 < norm <= max_norm:",
            RESULT: "return [g * (torch.tensor(max_norm) / norm) for g in gradients], norm",
        },
    ),
    Misconception(
        "divided-by-a-plain-0",
        "The factor is `max_norm` over the norm even where the norm is 0, and a Python number "
        "cannot be divided by 0. Gradients of 0 are short enough: ask first.",
        LINK,
        {
            SHORT: "if False:",
            RESULT: "return [g * min(1.0, max_norm / norm) for g in gradients], norm",
        },
    ),
    Misconception(
        "norm-of-the-longest",
        "Only the longest of the gradients was measured. The norm is that of all numbers together.",
        LINK,
        {NORM: "norm = max(gradient.norm().item() for gradient in gradients)"},
    ),
    Misconception(
        "norms-added",
        "The norms of the gradients were added. Squares are what adds up: the root of their sum.",
        LINK,
        {NORM: "norm = sum(gradient.norm().item() for gradient in gradients)"},
    ),
    Misconception(
        "norms-averaged",
        "This is the mean of the gradients' norms. The norm is that of all numbers together.",
        LINK,
        {NORM: "norm = sum(gradient.norm().item() for gradient in gradients) / len(gradients)"},
    ),
    Misconception(
        "root-left-out",
        "The sum of squares lacks its root.",
        LINK,
        {NORM: "norm = sum(gradient.square().sum().item() for gradient in gradients)"},
    ),
    Misconception(
        "mean-square",
        "The squares were averaged and not added, so the norm does not grow with the number of "
        "parameters.",
        LINK,
        {
            NORM: "norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients)"
            " / sum(gradient.numel() for gradient in gradients))"
        },
    ),
    Misconception(
        "absolute-values-added",
        "Absolute values were added. A length is the root of the sum of squares.",
        LINK,
        {NORM: "norm = sum(gradient.abs().sum().item() for gradient in gradients)"},
    ),
    Misconception(
        "largest-number",
        "This is the largest of all numbers, not the length of the vector that they form.",
        LINK,
        {
            NORM: "norm = max(gradient.abs().max().item() for gradient in gradients) if all("
            "gradient.isfinite().all() for gradient in gradients) else math.inf"
        },
    ),
    Misconception(
        "first-gradient-only",
        "Only the first gradient was measured.",
        LINK,
        {NORM: "norm = gradients[0].norm().item()"},
    ),
    Misconception(
        "divided-by-the-norm",
        "The gradients were divided by their norm, so that its length is 1 whatever the limit is. "
        "The factor is `max_norm` over the norm.",
        LINK,
        {RESULT: "return [gradient / norm for gradient in gradients], norm"},
    ),
    Misconception(
        "factor-upside-down",
        "Long gradients became longer: the factor is upside down.",
        LINK,
        {
            SHORT: "if norm <= max_norm or max_norm == 0:",
            RESULT: "return [gradient * (norm / max_norm) for gradient in gradients], norm",
        },
    ),
    Misconception(
        "norm-afterwards",
        "This is the norm after clipping. The one before is wanted: it tells how rough the batch "
        "was.",
        LINK,
        {RESULT: "return [gradient * (max_norm / norm) for gradient in gradients], max_norm"},
    ),
    Misconception(
        "set-to-0",
        "Gradients that are too long became 0, so the batch teaches nothing. Shorten them.",
        LINK,
        {RESULT: "return [0 * gradient for gradient in gradients], norm"},
    ),
    Misconception(
        "norm-as-a-tensor",
        "The norm came as a tensor. A plain Python float is wanted: `.item()`, or `float(...)`.",
        LINK,
        {
            NORM: NORM + "\n    as_tensor = torch.tensor(norm)",
            SHORT: "if norm <= max_norm:\n        return gradients, as_tensor\n    if False:",
            RESULT: "return [g * (max_norm / norm) for g in gradients], as_tensor",
        },
    ),
    Misconception(
        "changed-in-place",
        "The gradients that came in were changed. Make new ones.",
        LINK,
        {RESULT: "return [gradient.mul_(max_norm / norm) for gradient in gradients], norm"},
    ),
    Misconception(
        "not-finite-accepted",
        "Gradients that are NaN or infinite go through. One step with them destroys the weights: "
        "the docstring promises a ValueError.",
        LINK,
        {CHECK: "if False:"},
    ),
    Misconception(
        "infinity-accepted",
        "An infinite norm goes through, and infinity over infinity is no number. The docstring "
        "promises a ValueError.",
        LINK,
        {CHECK: "if math.isnan(norm):"},
    ),
    Misconception(
        "only-nan-accepted",
        "A norm that is NaN goes through. It is equal to nothing, not even to itself: "
        "`math.isfinite` finds it.",
        LINK,
        {CHECK: "if norm == math.inf:"},
    ),
    Misconception(
        "norm-left-out",
        "Only the gradients came back. The norm is wanted, too.",
        LINK,
        {
            SHORT: "if norm <= max_norm:\n        return gradients\n    if False:",
            RESULT: "return [gradient * (max_norm / norm) for gradient in gradients]",
        },
    ),
)

EXERCISE = Exercise(
    id="pretraining/clip_gradients",
    callable="clip_gradients",
    title="Gradient clipping",
    parts={"all": 2},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(as_one_vector, norm_of_norms, with_torch_utils),
    equivalent={
        "`norm < max_norm` for `norm <= max_norm`": "at the limit the factor is 1",
        "`gradient.square().sum()` for `gradient.square().sum().item()`": "math.sqrt takes tensors",
    },
    properties=(
        Property(
            "short-enough-afterwards",
            "The gradients are longer than the limit afterwards.",
            LINK,
            ("long",),
            lambda long: sum((np.asarray(x, float) ** 2).sum() for x in long[0]) < 1.001,
        ),
        Property(
            "short-ones-stay",
            "Gradients that were short enough have changed in length.",
            LINK,
            ("short",),
            lambda short: bool(
                np.isclose(sum((np.asarray(x, float) ** 2).sum() for x in short[0]), 9, rtol=1e-3)
            ),
        ),
        Property(
            "direction-stays",
            "The gradients are no longer in proportion to those of the same batch under a limit "
            "that does not bind: the step has another direction.",
            LINK,
            ("long", "short"),
            lambda long, short: _same_direction(long[0], short[0]),
        ),
    ),
)


def _same_direction(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Whether two lists of arrays are multiples of each other."""
    a, b = (np.concatenate([np.ravel(x).astype(float) for x in xs]) for xs in (one, other))
    return bool(a @ b > 0.9999 * np.linalg.norm(a) * np.linalg.norm(b))
