"""decoder/swiglu: the gated feed-forward."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.decoder.draw import normal

LINK = "decoder-swiglu"
AXES = "batch seq d_model"
PLAIN, DOUBLED = "2 texts", "the same, up_proj twice as large"


def cases(rng: np.random.Generator) -> list[Case]:
    """With and without axes in front; small and large numbers; one matrix at a time changed."""
    x, layer = normal(rng, 2, 5, 7), _layer(rng, 7, 11)
    ones = {name: np.eye(7, dtype=np.float32) for name in layer}
    return [
        _case(PLAIN, x, layer),
        _case(DOUBLED, x, {**layer, "up_proj": 2 * layer["up_proj"]}),
        _case("the same, the gate turned off", x, {**layer, "gate_proj": 0 * layer["gate_proj"]}),
        _case("matrices that change nothing", x, ones),
        _case("the same matrices, large numbers", 30 * x, ones),
        _case("the same matrices, small numbers", x / 100, ones),
        _case("as many hidden features as features", x, _layer(rng, 7, 7)),
        _case("fewer hidden features than features", x, _layer(rng, 7, 3)),
        _case("a single hidden feature", x, _layer(rng, 7, 1)),
        _case("a single vector", x[0, 0], layer, "d_model"),
        _case("a sequence without a batch", x[0], layer, "seq d_model"),
        _case("one text of one token", x[:1, :1], layer),
        _case("vectors of one feature", normal(rng, 3, 1), _layer(rng, 1, 5), "seq d_model"),
    ]


def _layer(rng, d_model: int, d_ff: int) -> dict[str, np.ndarray]:
    return {
        "gate_proj": normal(rng, d_ff, d_model, scale=1.5 * d_model**-0.5),
        "up_proj": normal(rng, d_ff, d_model, scale=1.5 * d_model**-0.5),
        "down_proj": normal(rng, d_model, d_ff, scale=d_ff**-0.5),
    }


def _case(says, x, layer, axes=AXES) -> Case:
    return Case(says, {"x": x, **layer}, axes=axes)


# --- right in other ways ---------------------------------------------------------------------


def with_linear(x, gate_proj, up_proj, down_proj):
    """torch's linear, and silu as x times sigmoid."""
    gate = torch.nn.functional.linear(x, gate_proj)
    up = torch.nn.functional.linear(x, up_proj)
    return torch.nn.functional.linear(gate * torch.sigmoid(gate) * up, down_proj)


def one_product_for_both(x, gate_proj, up_proj, down_proj):
    """Gate and up in one matrix, cut apart afterwards; float64."""
    both = torch.cat([gate_proj, up_proj]).double()
    gate, up = torch.einsum("...d,fd->...f", x.double(), both).chunk(2, dim=-1)
    hidden = gate / (1 + torch.exp(-gate)) * up
    return torch.einsum("...f,df->...d", hidden, down_proj.double()).float()


def one_hidden_feature_at_a_time(x, gate_proj, up_proj, down_proj):
    """Each hidden feature reads with two rows, and writes its column."""
    written = torch.zeros_like(x)
    for gate_row, up_row, column in zip(gate_proj, up_proj, down_proj.T, strict=True):
        strength = torch.nn.functional.silu((x * gate_row).sum(-1)) * (x * up_row).sum(-1)
        written = written + strength[..., None] * column
    return written


# --- wrong in known ways -----------------------------------------------------------------------

GATE = "F.silu(x @ gate_proj.T)"
HIDDEN = "gate * (x @ up_proj.T)"
OUT = "hidden @ down_proj.T"

MISCONCEPTIONS = (
    Misconception(
        "gate-and-up-swapped",
        "The SiLU is on the side of up_proj: gate and up have changed places. The gate is what "
        "goes through the SiLU.",
        LINK,
        {GATE: "x @ gate_proj.T", HIDDEN: "gate * F.silu(x @ up_proj.T)"},
    ),
    Misconception(
        "silu-on-both",
        "Both projections go through the SiLU. Only the gate does; what it multiplies stays "
        "linear.",
        LINK,
        {HIDDEN: "gate * F.silu(x @ up_proj.T)"},
    ),
    Misconception(
        "silu-after-the-product",
        "The SiLU comes after gate and up were multiplied. It belongs to the gate alone, before "
        "the product.",
        LINK,
        {GATE: "x @ gate_proj.T", HIDDEN: "F.silu(gate * (x @ up_proj.T))"},
    ),
    Misconception(
        "no-silu",
        "There is no SiLU: gate and up are multiplied as they are. That is a bilinear layer.",
        LINK,
        {GATE: "x @ gate_proj.T"},
    ),
    Misconception(
        "sigmoid-gate",
        "The gate goes through a sigmoid: that is GLU, of 2017. SiLU multiplies the sigmoid by its "
        "input once more.",
        LINK,
        {GATE: "torch.sigmoid(x @ gate_proj.T)"},
    ),
    Misconception(
        "gelu-gate",
        "The gate goes through a GELU: that is GEGLU, of the same paper. Here it is SiLU.",
        LINK,
        {GATE: "F.gelu(x @ gate_proj.T)"},
    ),
    Misconception(
        "quick-gelu-gate",
        "The sigmoid has a factor of 1.702 inside: that is the quick form of GELU. SiLU has none.",
        LINK,
        {GATE: "(lambda z: z * torch.sigmoid(1.702 * z))(x @ gate_proj.T)"},
    ),
    Misconception(
        "glu-of-the-second-half",
        "What comes from up_proj goes through a sigmoid and gates the other, as `F.glu` does with "
        "its second half. Here gate_proj's goes through a SiLU, and up_proj's stays as it is.",
        LINK,
        {GATE: "x @ gate_proj.T", HIDDEN: "gate * torch.sigmoid(x @ up_proj.T)"},
    ),
    Misconception(
        "softplus-gate",
        "The gate goes through a softplus, log(1 + exp(z)). SiLU is z times sigmoid(z).",
        LINK,
        {GATE: "F.softplus(x @ gate_proj.T)"},
    ),
    Misconception(
        "relu-gate",
        "The gate goes through a ReLU: that is ReGLU, of the same paper. SiLU is smooth and dips "
        "below 0 for small negative numbers.",
        LINK,
        {GATE: "F.relu(x @ gate_proj.T)"},
    ),
    Misconception(
        "silu-of-the-input",
        "The SiLU is applied to x, before the gate's matrix. It comes after the projection.",
        LINK,
        {GATE: "F.silu(x) @ gate_proj.T"},
    ),
    Misconception(
        "gate-left-out",
        "The gate is missing: this is a plain feed-forward with up and down. Gate and up are "
        "multiplied number by number.",
        LINK,
        {HIDDEN: "F.silu(x @ up_proj.T)"},
    ),
    Misconception(
        "up-left-out",
        "up_proj has no effect: gate and up are multiplied number by number.",
        LINK,
        {HIDDEN: "gate"},
    ),
    Misconception(
        "gate-and-up-added",
        "Gate and up are added. A gate multiplies: where it is 0, nothing passes.",
        LINK,
        {HIDDEN: "gate + x @ up_proj.T"},
    ),
    Misconception(
        "down-left-out",
        "The hidden features are returned; down_proj has to bring them back to d_model.",
        LINK,
        {OUT: "hidden"},
    ),
    Misconception(
        "matrices-not-transposed",
        "The matrices are used the wrong way round. They have a row for each output, as in "
        "`nn.Linear`: x meets the transpose of each.",
        LINK,
        {
            "x @ gate_proj.T": "x @ gate_proj",
            "x @ up_proj.T": "x @ up_proj",
            "hidden @ down_proj.T": "hidden @ down_proj",
        },
    ),
    Misconception(
        "down-not-transposed",
        "down_proj is used the wrong way round: it has a row for each of the d_model outputs, so "
        "multiply by its transpose, like the other two.",
        LINK,
        {OUT: "hidden @ down_proj"},
    ),
    Misconception(
        "residual-added",
        "x is added to the result. The block does that, around the whole feed-forward; here it "
        "would be counted twice.",
        LINK,
        {OUT: "x + hidden @ down_proj.T"},
    ),
    Misconception(
        "softmax-gate",
        "The gate goes through a softmax, so hidden features compete for one total. Each has a "
        "gate of its own: SiLU, number by number.",
        LINK,
        {GATE: "(x @ gate_proj.T).softmax(dim=-1)"},
    ),
    Misconception(
        "double-precision",
        "The values are right, in float64. Return them in the dtype of x.",
        LINK,
        {OUT: "(hidden @ down_proj.T).double()"},
    ),
)


def _twice_as_large(before, after) -> bool:
    return bool(np.allclose(2 * before, after, rtol=1e-3, atol=1e-4))


EXERCISE = Exercise(
    id="decoder/swiglu",
    callable="swiglu",
    title="SwiGLU",
    parts={"all": 2},
    minutes=8,
    difficulty="easy",
    link=LINK,
    cases=cases,
    rtol=3e-4,
    atol=3e-5,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_linear, one_product_for_both, one_hidden_feature_at_a_time),
    properties=(
        Property(
            "up-is-not-linear",
            "up_proj is twice as large, and your result is not. What comes from up_proj passes "
            "through no function but the product with the gate.",
            LINK,
            (PLAIN, DOUBLED),
            _twice_as_large,
        ),
    ),
)
