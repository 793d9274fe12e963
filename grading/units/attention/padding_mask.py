"""attention/padding_mask: no query sees what is not there."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception

AXES = "batch heads q_seq kv_seq"  # heads and q_seq of size 1


def cases(rng: np.random.Generator) -> list[Case]:
    """Several lengths; a whole row of padding; no padding at all; room beyond the longest."""
    low, high = sorted(rng.choice(range(2, 7), size=2, replace=False))
    mixed = np.array([high, 7, low])  # neither rising nor falling
    roomy = rng.integers(3, 8, size=5)
    roomy[0] = roomy[1] + 1
    return [
        Case(f"lengths {mixed.tolist()} and kv_seq 7", {"lengths": mixed, "kv_seq": 7}, axes=AXES),
        Case(
            f"lengths {roomy.tolist()} and kv_seq 13", {"lengths": roomy, "kv_seq": 13}, axes=AXES
        ),
        Case(
            "lengths [11, 0] and kv_seq 11", {"lengths": np.array([11, 0]), "kv_seq": 11}, axes=AXES
        ),
        Case("lengths [1] and kv_seq 5", {"lengths": np.array([1]), "kv_seq": 5}, axes=AXES),
    ]


# --- right in other ways ---------------------------------------------------------------------


def sequence_by_sequence(lengths, kv_seq):
    """Loops: the first `length` entries of each row."""
    mask = torch.zeros(len(lengths), 1, 1, kv_seq, dtype=torch.bool)
    for i, length in enumerate(lengths.tolist()):
        mask[i, 0, 0, :length] = True
    return mask


def by_broadcasting(lengths, kv_seq):
    """Four axes from the start, compared the other way round."""
    positions = torch.arange(kv_seq).view(1, 1, 1, kv_seq)
    return lengths.view(-1, 1, 1, 1) > positions


def from_a_triangle(lengths, kv_seq):
    """Row n of a triangle has n ones: look the rows up."""
    triangle = torch.ones(kv_seq + 1, kv_seq).tril(-1) == 1
    return triangle[lengths][:, None, None, :]


# --- wrong in known ways -----------------------------------------------------------------------

TEST = "positions < lengths[:, None]"
PATTERN = "batch kv_seq -> batch 1 1 kv_seq"
POSITIONS = "torch.arange(kv_seq, device=lengths.device)"
RETURN = f'return rearrange({TEST}, "{PATTERN}")'

MISCONCEPTIONS = (
    Misconception(
        "inverted",
        "True marks the padding here. In this course True means that a query may attend, so it "
        "belongs to the real tokens.",
        "attention-padding",
        {TEST: TEST.replace("<", ">=")},
    ),
    Misconception(
        "one-too-many",
        "One padding token after each sequence still counts as real: positions start at 0, so the "
        "last token of a sequence of length 3 stands at position 2.",
        "attention-padding",
        {TEST: TEST.replace("<", "<=")},
    ),
    Misconception(
        "one-too-few",
        "The last real token of each sequence is hidden: positions start at 0, so a sequence of "
        "length 3 has the positions 0, 1 and 2.",
        "attention-padding",
        {TEST: TEST.replace("positions", "positions + 1")},
    ),
    Misconception(
        "padding-on-the-left",
        "The padding is expected on the left, before the sequence; here it stands on the right, "
        "after it.",
        "attention-padding",
        {TEST: "positions >= kv_seq - lengths[:, None]"},
    ),
    Misconception(
        "on-the-query-axis",
        "The mask lies along the queries: it would blind the padding's own rows and let every "
        "real token look at padding. What has to be hidden are the keys, the last axis.",
        "attention-padding",
        {PATTERN: "batch kv_seq -> batch 1 kv_seq 1"},
    ),
    Misconception(
        "queries-hidden-too",
        "Padding is hidden as a key, which is right, and as a query, which leaves rows that see "
        "nothing at all. Give the query axis the size 1 and let it broadcast.",
        "attention-padding",
        {
            RETURN: f'real = rearrange({TEST}, "{PATTERN}")\n    '
            "return real & real.transpose(-2, -1)"
        },
    ),
    Misconception(
        "no-axes-for-heads-and-queries",
        "The mask has only batch and kv_seq. Beside scores of batch, heads, q_seq and kv_seq its "
        "batch would be taken for q_seq: put axes of size 1 in the middle.",
        "attention-padding",
        {RETURN: f"return {TEST}"},
    ),
    Misconception(
        "one-axis-short",
        "One middle axis is missing. Broadcasting counts from the end, so the batch would line up "
        "with the heads: heads and queries need an axis of size 1 each.",
        "attention-padding",
        {PATTERN: "batch kv_seq -> batch 1 kv_seq"},
    ),
    Misconception(
        "cut-at-the-longest",
        "The mask ends at the longest sequence, but the keys go on to kv_seq: make one column for "
        "every key.",
        "attention-padding",
        {POSITIONS: "torch.arange(int(lengths.max()))"},
    ),
    Misconception(
        "longest-for-all",
        "All sequences are treated as if they were as long as the longest: each row has a length "
        "of its own.",
        "attention-padding",
        {TEST: "(positions < lengths.max()).expand(len(lengths), kv_seq)"},
    ),
    Misconception(
        "numbers-instead-of-booleans",
        "The pattern is right, but the mask holds the numbers 1.0 and 0.0: with those, `~mask` "
        "fails and `mask & other` too. Keep it boolean.",
        "attention-mask-before-softmax",
        {TEST: f"({TEST}).float()"},
    ),
    Misconception(
        "zeros-and-minus-infinity",
        "This is the other kind of mask, 0 and -inf to be added to the scores. Both exist; in "
        "this course a mask is boolean, so that masks combine with `&`.",
        "attention-mask-before-softmax",
        {TEST: f'torch.where({TEST}, 0.0, float("-inf"))'},
    ),
)

EXERCISE = Exercise(
    id="attention/padding_mask",
    callable="padding_mask",
    title="The padding mask",
    parts={"all": 2},
    minutes=8,
    difficulty="easy",
    link="attention-padding",
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(
        sequence_by_sequence,
        by_broadcasting,
        from_a_triangle,
    ),
    equivalent={
        "`torch.arange(kv_seq)` for `torch.arange(kv_seq, device=lengths.device)`": "one device",
    },
)
