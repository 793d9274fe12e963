"""attention/merge_heads: the heads side by side again."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception
from grading.units.attention.draw import counting, normal

AXES = "batch seq d_model"


def cases(rng: np.random.Generator) -> list[Case]:
    """Several sizes; numbers that count upwards; one head, and one position."""
    return [
        Case(
            "2 sequences, 3 heads, 5 positions, head_dim 7",
            {"x": counting(rng, 2, 3, 5, 7)},
            axes=AXES,
        ),
        Case(
            "3 sequences, 2 heads, 7 positions, head_dim 11",
            {"x": normal(rng, 3, 2, 7, 11)},
            axes=AXES,
        ),
        Case("one position", {"x": normal(rng, 2, 5, 1, 7)}, axes=AXES),
        Case("a single head", {"x": normal(rng, 2, 1, 5, 7)}, axes=AXES),
    ]


# --- right in other ways ---------------------------------------------------------------------


def transpose_then_reshape(x):
    """Heads beside head_dim first, then the two become one."""
    batch, heads, seq, head_dim = x.shape
    return x.transpose(1, 2).reshape(batch, seq, heads * head_dim)


def concatenated(x):
    """The heads one after another along the last axis."""
    return torch.cat(list(x.unbind(dim=1)), dim=-1)


def head_by_head(x):
    """Loops with slices, into an empty tensor."""
    batch, heads, seq, head_dim = x.size()
    out = x.new_zeros(batch, seq, heads * head_dim)
    for h in range(heads):
        out[..., h * head_dim : (h + 1) * head_dim] = x[:, h]
    return out


# --- wrong in known ways -----------------------------------------------------------------------

PATTERN = "batch heads seq head_dim -> batch seq (heads head_dim)"
CALL = f'rearrange(x, "{PATTERN}")'

MISCONCEPTIONS = (
    Misconception(
        "reshaped-without-transpose",
        "The shape is right, but the numbers were only counted off anew: one position now holds "
        "several positions of a single head. Bring heads beside head_dim first.",
        "attention-split-merge",
        {CALL: "x.reshape(x.shape[0], x.shape[2], -1)"},
    ),
    Misconception(
        "seq-and-head-dim-swapped",
        "The wrong two axes were swapped before the reshape. heads has to come to stand right "
        "before head_dim, and for that it changes places with seq.",
        "attention-split-merge",
        {CALL: "x.transpose(2, 3).reshape(x.shape[0], x.shape[2], -1)"},
    ),
    Misconception(
        "heads-and-head-dim-swapped",
        "heads and head_dim were swapped before the reshape, which then counts off the numbers "
        "across positions. Swap heads and seq: only then do a position's heads lie together.",
        "attention-split-merge",
        {CALL: "x.transpose(1, 3).reshape(x.shape[0], x.shape[2], -1)"},
    ),
    Misconception(
        "positions-joined-with-features",
        "seq and head_dim were joined into one axis, so each head has a single long vector and the "
        "positions are gone. What has to be joined are heads and head_dim.",
        "attention-split-merge",
        {CALL: "x.flatten(-2)"},
    ),
    Misconception(
        "features-shuffled-together",
        "The heads are shuffled like two halves of a pack of cards: feature 0 of each head, then "
        "feature 1 of each. They belong one after another, head 0 first.",
        "attention-split-merge",
        {PATTERN: PATTERN.replace("(heads head_dim)", "(head_dim heads)")},
    ),
    Misconception(
        "stacked-along-the-sequence",
        "The heads are put one after another along the sequence, so there are more positions than "
        "tokens. Each position keeps its place and gets wider.",
        "attention-split-merge",
        {PATTERN: PATTERN.replace("seq (heads head_dim)", "(heads seq) head_dim")},
    ),
    Misconception(
        "heads-averaged",
        "The heads are averaged, and what one head found is blurred with the others. Side by side "
        "nothing is lost; mixing them is the output projection's work.",
        "attention-output-projection",
        {CALL: "x.mean(dim=1)"},
    ),
    Misconception(
        "heads-added",
        "The heads are added up, and what each of them found can no longer be told apart. Side by "
        "side nothing is lost; mixing them is the output projection's work.",
        "attention-output-projection",
        {CALL: "x.sum(dim=1)"},
    ),
    Misconception(
        "positions-last",
        "The features come before the positions. Everything outside attention expects batch, seq, "
        "d_model.",
        "attention-split-merge",
        {PATTERN: PATTERN.replace("seq (heads head_dim)", "(heads head_dim) seq")},
    ),
    Misconception(
        "heads-not-joined",
        "The axes are in the right order, but heads and head_dim are still two: join them into "
        "one of size d_model.",
        "attention-split-merge",
        {PATTERN: PATTERN.replace("seq (heads head_dim)", "seq heads head_dim")},
    ),
    Misconception(
        "view-after-transpose",
        "`view` needs numbers that lie in order in memory, and `transpose` only changes how they "
        "are read: use `reshape`, which copies where it must.",
        "attention-split-merge",
        {CALL: "x.transpose(1, 2).view(x.shape[0], x.shape[2], -1)"},
    ),
)

EXERCISE = Exercise(
    id="attention/merge_heads",
    callable="merge_heads",
    title="Merge the heads",
    parts={"all": 2},
    minutes=6,
    difficulty="easy",
    link="attention-split-merge",
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(
        transpose_then_reshape,
        concatenated,
        head_by_head,
    ),
)
