"""attention/split_heads: one wide vector becomes several narrow ones."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception
from grading.units.attention.draw import counting, normal

AXES = "batch heads seq head_dim"


def cases(rng: np.random.Generator) -> list[Case]:
    """Several sizes; numbers that count upwards; one head, and one position."""
    return [
        Case(
            "2 sequences of 5, d_model 21 and 3 heads",
            {"x": counting(rng, 2, 5, 21), "n_heads": 3},
            axes=AXES,
        ),
        Case(
            "3 sequences of 7, d_model 22 and 2 heads",
            {"x": normal(rng, 3, 7, 22), "n_heads": 2},
            axes=AXES,
        ),
        Case("one position", {"x": normal(rng, 2, 1, 35), "n_heads": 5}, axes=AXES),
        Case("a single head", {"x": normal(rng, 2, 5, 7), "n_heads": 1}, axes=AXES),
    ]


# --- right in other ways ---------------------------------------------------------------------


def view_then_transpose(x, n_heads):
    """Split the last axis in place, then swap seq and heads."""
    batch, seq, d_model = x.shape
    return x.view(batch, seq, n_heads, d_model // n_heads).transpose(1, 2)


def chunks_stacked(x, n_heads):
    """Cut the last axis into pieces and stack them on a new axis."""
    return torch.stack(x.chunk(n_heads, dim=-1), dim=1)


def head_by_head(x, n_heads):
    """Loops with slices, into an empty tensor."""
    head_dim = x.size(2) // n_heads
    out = x.new_empty(x.size(0), n_heads, x.size(1), head_dim)
    for h in range(n_heads):
        out[:, h] = x[:, :, h * head_dim : (h + 1) * head_dim]
    return out


# --- wrong in known ways -----------------------------------------------------------------------

PATTERN = "batch seq (heads head_dim) -> batch heads seq head_dim"
CALL = f'rearrange(x, "{PATTERN}", heads=n_heads)'

MISCONCEPTIONS = (
    Misconception(
        "reshaped-without-transpose",
        "The shape is right, but the numbers were only counted off anew: a head now holds whole "
        "tokens instead of its slice of every token. Split the last axis first, then swap axes.",
        "attention-split-merge",
        {CALL: "x.reshape(x.shape[0], n_heads, x.shape[1], -1)"},
    ),
    Misconception(
        "features-before-positions",
        "Positions and features were swapped before anything was split, so the numbers are counted "
        "off across tokens. Split the last axis where it stands, then swap seq and heads.",
        "attention-split-merge",
        {CALL: "x.transpose(1, 2).reshape(x.shape[0], n_heads, x.shape[1], -1)"},
    ),
    Misconception(
        "features-dealt-out",
        "The features are dealt out to the heads like cards, one each in turn. A head is a run of "
        "neighbours: features 0 to head_dim - 1 are head 0.",
        "attention-split-merge",
        {"(heads head_dim)": "(head_dim heads)"},
    ),
    Misconception(
        "heads-after-positions",
        "The features are split as they should be, but heads still comes after seq: attention "
        "works on the last two axes, so those must be seq and head_dim.",
        "attention-split-merge",
        {"-> batch heads seq": "-> batch seq heads"},
    ),
    Misconception(
        "heads-before-batch",
        "The heads come before the batch. The batch stays in front, or padding masks of shape "
        "(batch, 1, 1, kv_seq) no longer line up with it.",
        "attention-split-merge",
        {"-> batch heads": "-> heads batch"},
    ),
    Misconception(
        "heads-folded-into-batch",
        "Batch and heads are folded into one axis. Keep them apart: merging and masks need to "
        "know which is which.",
        "attention-split-merge",
        {"-> batch heads": "-> (batch heads)"},
    ),
    Misconception(
        "n-heads-taken-for-head-dim",
        "n_heads is used as the width of a head. It is how many heads there are; their width is "
        "d_model divided by it.",
        "attention-split-merge",
        {"heads=n_heads": "head_dim=n_heads"},
    ),
    Misconception(
        "sequence-cut",
        "The sequence is cut into heads, so a head would get some of the positions. Every head "
        "sees all positions, and a slice of each one's features: cut the last axis.",
        "attention-split-merge",
        {CALL: "torch.stack(x.chunk(n_heads, dim=1), dim=1)"},
    ),
    Misconception(
        "head-transposed",
        "Inside each head, seq and head_dim have changed places. The transpose for the dot product "
        "comes later, and only for the keys.",
        "attention-split-merge",
        {"heads seq head_dim": "heads head_dim seq"},
    ),
)

EXERCISE = Exercise(
    id="attention/split_heads",
    callable="split_heads",
    title="Split into heads",
    parts={"all": 2},
    minutes=8,
    difficulty="medium",
    link="attention-split-merge",
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(
        view_then_transpose,
        chunks_stacked,
        head_by_head,
    ),
)
