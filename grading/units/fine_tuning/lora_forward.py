"""fine_tuning/lora_forward: a frozen layer and two thin matrices beside it."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.fine_tuning.lora_scale import LINK, WRONG_SCALES


def cases(rng: np.random.Generator) -> list[Case]:
    """Axes in front from none to two, ranks from 1 on, other alphas, an adapter that is 0."""

    def draw(*shape, scale=1.0):
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    w, a, b = draw(7, 5), draw(3, 5), draw(7, 3)

    def case(says, x, weight=w, a=a, b=b, alpha=6.0, name=""):
        axes = " ".join((*("batch", "seq")[: x.ndim - 1], "d_out"))
        inputs = {"x": x, "weight": weight, "a": a, "b": b, "alpha": alpha}
        return Case(says, inputs, axes=axes, name=name)

    x = draw(2, 11, 5)
    return [
        case("a batch of sequences", x, name="batch"),
        case("one sequence", x[0]),
        case("one vector", x[0, 0]),
        case("a batch of one", x[:1]),
        case("another alpha", x, alpha=1.0),
        case("an alpha of twice as much", x, alpha=12.0, name="twice"),
        case("an alpha that is a whole number", x, alpha=4),
        case("a rank of 1", x, a=a[:1], b=b[:, :1]),
        case("a rank of 5", x, a=draw(5, 5), b=draw(7, 5)),
        case("a layer with fewer outputs than inputs", draw(4, 5), draw(2, 5), b=draw(2, 3)),
        case("one output", draw(4, 5), draw(1, 5), b=draw(1, 3)),
        case("a B that is 0", x, b=np.zeros_like(b), name="no b"),
        case("a weight that is 0", x, weight=np.zeros_like(w), name="no weight"),
        case("a square weight and a square adapter", draw(6, 5), draw(5, 5), draw(5, 5),
             draw(5, 5)),
        case("large inputs", x * 100),
        case("small inputs", x * 0.01),
    ]  # fmt: skip


# --- right in other ways ---------------------------------------------------------------------


def with_linear(x, weight, a, b, alpha):
    """PyTorch's linear layer, three times."""
    linear = torch.nn.functional.linear
    return linear(x, weight) + linear(linear(x, a), b) * alpha / a.size(0)


def merged_first(x, weight, a, b, alpha):
    """One weight, as after merging."""
    rank = b.shape[1]
    return torch.einsum("...i, oi -> ...o", x, weight + (alpha / rank) * torch.matmul(b, a))


def by_ranks(x, weight, a, b, alpha):
    """One thin product after the other."""
    out = torch.matmul(x, weight.t())
    for k in range(len(a)):
        amount = (x * a[k]).sum(-1, keepdim=True)
        out = out + alpha / len(a) * amount * b[:, k]
    return out


# --- wrong in known ways -----------------------------------------------------------------------

PLAIN = "plain = x @ weight.T"
THIN = "thin = x @ a.T  # ... rank"
RETURN = "return plain + scale * (thin @ b.T)"

MISCONCEPTIONS = (
    *WRONG_SCALES,
    Misconception(
        "scale-on-both",
        "The factor multiplies the frozen layer as well. Only the adapter is scaled.",
        LINK,
        {RETURN: "return scale * (plain + thin @ b.T)"},
    ),
    Misconception(
        "mixed",
        "Layer and adapter are mixed, with factors that make 1 together. The layer's own output is "
        "kept whole, and the adapter's is added.",
        LINK,
        {RETURN: "return (1 - scale) * plain + scale * (thin @ b.T)"},
    ),
    Misconception(
        "adapter-alone",
        "The frozen layer's own output is missing: only the adapter's is returned.",
        LINK,
        {RETURN: "return scale * (thin @ b.T)"},
    ),
    Misconception(
        "layer-alone",
        "The adapter does nothing: this is the frozen layer.",
        LINK,
        {RETURN: "return plain"},
    ),
    Misconception(
        "subtracted",
        "The adapter is subtracted. It is added.",
        LINK,
        {RETURN: "return plain - scale * (thin @ b.T)"},
    ),
    Misconception(
        "scaled-twice",
        "The factor is applied twice.",
        LINK,
        {RETURN: "return plain + scale * scale * (thin @ b.T)"},
    ),
    Misconception(
        "b-through-the-layer",
        "The adapter reads the layer's output. It stands beside the layer and reads x.",
        LINK,
        {THIN: "thin = torch.nn.functional.pad(plain, (0, a.shape[1]))[..., : a.shape[1]] @ a.T"},
    ),
    Misconception(
        "activation-between",
        "Something bends between the two thin matrices. There is nothing: the two are one "
        "matrix of "
        "low rank.",
        LINK,
        {THIN: "thin = (x @ a.T).relu()"},
    ),
    Misconception(
        "weight-not-transposed",
        "A square weight is multiplied the wrong way round. Its rows belong to the outputs.",
        LINK,
        {PLAIN: "square = weight.shape[0] == weight.shape[1]\n"
                "    plain = x @ (weight if square else weight.T)"},
    ),
    Misconception(
        "weight-not-transposed-at-all",
        "The weight is multiplied as it stands, so that the shapes do not fit. A linear layer "
        "multiplies by its transpose.",
        LINK,
        {PLAIN: "plain = x @ weight"},
    ),
    Misconception(
        "a-not-transposed",
        "A is multiplied as it stands, so that the shapes do not fit. Its rows are the thin "
        "numbers.",
        LINK,
        {THIN: "thin = x @ a"},
    ),
    Misconception(
        "a-and-b-swapped",
        "A square adapter is applied in the wrong order: first B, then A.",
        LINK,
        {RETURN: "if a.shape == b.shape:\n        a, b, thin = b, a, x @ b.T\n"
                 "    return plain + scale * (thin @ b.T)"},
    ),
    Misconception(
        "double-precision",
        "The result is in float64. It keeps the type of x.",
        LINK,
        {RETURN: "return (plain + scale * (thin @ b.T)).double()"},
    ),
)  # fmt: skip

EXERCISE = Exercise(
    id="fine_tuning/lora_forward",
    callable="lora_forward",
    title="LoRA",
    parts={"all": 2},
    minutes=10,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_linear, merged_first, by_ranks),
    rtol=1e-3,
    atol=1e-4,
    properties=(
        Property(
            "nothing-changes-at-first",
            "Measured from the output where B is 0, twice the alpha does not add twice as much as "
            "once does.",
            LINK,
            ("batch", "twice", "no b"),
            lambda once, twice, none: np.allclose(twice - none, 2 * (once - none), atol=1e-2),
        ),
        Property(
            "both-parts-add-up",
            "The layer without adapter and the adapter without layer do not add up to both.",
            LINK,
            ("batch", "no b", "no weight"),
            lambda both, layer, adapter: np.allclose(both, layer + adapter, atol=1e-2),
        ),
    ),
)
