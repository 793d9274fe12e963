"""embeddings_and_positions/rope_angles: the hands of the clock."""

import math

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property

LINK = "embeddings-and-positions-angles"
AXES = "seq pairs"


def cases(rng: np.random.Generator) -> list[Case]:
    """Positions from 0, from later on, and in no order; widths from 2; several bases."""
    start = int(rng.integers(20, 90))
    positions = {
        "positions 0 to 4": (np.arange(5), 14, 10000.0),
        "positions 0 to 4 and another base": (np.arange(5), 14, 500.0),
        "positions that begin later": (np.arange(start, start + 5), 14, 10000.0),
        "positions in no order": (rng.permutation(40)[:7], 22, 10000.0),
        "one position": (np.array([int(rng.integers(3, 20))]), 10, 10000.0),
        "position 0 alone": (np.array([0]), 6, 10000.0),
        "a single pair": (np.arange(1, 6), 2, 10000.0),
        "two pairs and a small base": (np.arange(5), 4, 7.0),
        "an odd width": (np.arange(5), 7, 10000.0),
    }
    usual = {"positions": np.arange(3, 8), "head_dim": 14}  # the base is that of the signature
    return [
        *(
            Case(says, {"positions": at, "head_dim": width, "rope_theta": base}, axes=AXES)
            for says, (at, width, base) in positions.items()
        ),
        Case("a call that names no base", usual, axes=AXES),
    ]


# --- right in other ways ---------------------------------------------------------------------


def _check(head_dim):
    if head_dim % 2 == 1:
        raise ValueError("an even width, please")


def number_by_number(positions, head_dim, rope_theta=10000.0):
    """Two loops and Python's own arithmetic."""
    _check(head_dim)
    return torch.tensor(
        [
            [p / rope_theta ** (2 * i / head_dim) for i in range(head_dim // 2)]
            for p in positions.tolist()
        ]
    )


def with_outer(positions, head_dim, rope_theta=10000.0):
    """Speeds through the logarithm, and an outer product."""
    _check(head_dim)
    i = torch.arange(head_dim // 2).float()
    speeds = torch.exp(-2 * i / head_dim * math.log(rope_theta))
    return torch.outer(positions.float(), speeds)


def pair_by_pair(positions, head_dim, rope_theta=10000.0):
    """Each speed is the one before times the same factor."""
    _check(head_dim)
    columns, speed = [], 1.0
    for _ in range(head_dim // 2):
        columns.append(positions * speed)
        speed *= rope_theta ** (-2 / head_dim)
    return torch.stack(columns, dim=1)


# --- wrong in known ways -----------------------------------------------------------------------

TWO_I = "torch.arange(0, head_dim, 2, dtype=torch.float32, device=positions.device)"
SPEEDS = "rope_theta ** (-two_i / head_dim)"
ANGLES = "positions[:, None] * frequencies"
ODD = "if head_dim % 2:"

MISCONCEPTIONS = (
    Misconception(
        "exponent-i-over-d",
        "The exponent is i / head_dim where it should be 2i / head_dim: the slowest hand then "
        "turns about as fast as a middle one.",
        LINK,
        {TWO_I: "torch.arange(head_dim // 2)"},
    ),
    Misconception(
        "exponent-over-pairs",
        "The exponent is twice too large: 2i is divided by the number of pairs instead of by the "
        "whole width.",
        LINK,
        {SPEEDS: "rope_theta ** (-two_i / (head_dim // 2))"},
    ),
    Misconception(
        "last-pair-reaches-the-base",
        "The speeds are spaced so that the last one is exactly 1 / theta. By the formula it stays "
        "just short of that: divide by head_dim, not by the last index.",
        LINK,
        {SPEEDS: "rope_theta ** (-two_i / max(head_dim - 2, 1))"},
    ),
    Misconception(
        "exponent-positive",
        "Later pairs turn faster and faster: the sign of the exponent is missing.",
        LINK,
        {SPEEDS: "rope_theta ** (two_i / head_dim)"},
    ),
    Misconception(
        "base-10000-always",
        "The base is 10,000 whatever `rope_theta` says. SmolLM2 was trained with 100,000.",
        LINK,
        {SPEEDS: "10000.0 ** (-two_i / head_dim)"},
    ),
    Misconception(
        "speed-for-each-feature",
        "There is a column for each feature: two features share one angle, so there are head_dim / "
        "2 columns.",
        LINK,
        {ANGLES: f"({ANGLES}).repeat_interleave(2, dim=-1)"},
    ),
    Misconception(
        "every-feature-a-hand",
        "Every feature has a speed of its own here. Features turn in pairs: half as many columns, "
        "with the exponents 0, 2, 4 and so on.",
        LINK,
        {TWO_I: "torch.arange(head_dim)"},
    ),
    Misconception(
        "positions-counted-anew",
        "The positions that were given are not used: counting always starts at 0. With a cache the "
        "newest token stands far from 0.",
        LINK,
        {ANGLES: "torch.arange(len(positions))[:, None] * frequencies"},
    ),
    Misconception(
        "positions-from-1",
        "All positions are one too high: position 0 has the angle 0.",
        LINK,
        {ANGLES: "(positions[:, None] + 1) * frequencies"},
    ),
    Misconception(
        "full-turns",
        "The angles are multiplied by two pi, as if a speed were in turns. They are radians "
        "already: pair 0 turns by 1 radian a position.",
        LINK,
        {ANGLES: f"{ANGLES} * 2 * torch.pi"},
    ),
    Misconception(
        "degrees",
        "The angles are in degrees. Sine and cosine in PyTorch want radians, and so does the "
        "formula.",
        LINK,
        {ANGLES: f"torch.rad2deg({ANGLES})"},
    ),
    Misconception(
        "turned-backwards",
        "The angles have the wrong sign: later positions turn further on, not back.",
        LINK,
        {ANGLES: f"-{ANGLES}"},
    ),
    Misconception(
        "slow-pairs-first",
        "The pairs come in the opposite order: pair 0 is the fast one.",
        LINK,
        {ANGLES: f"({ANGLES}).flip(-1)"},
    ),
    Misconception(
        "transposed",
        "Rows and columns have changed places: a row for each position, a column for each pair.",
        LINK,
        {ANGLES: f"({ANGLES}).T"},
    ),
    Misconception(
        "speeds-only",
        "These are the speeds of the pairs, without the positions: an angle is a position times a "
        "speed.",
        LINK,
        {ANGLES: "frequencies"},
    ),
    Misconception(
        "odd-width-accepted",
        "An odd width leaves a feature without a partner, and it is not refused: the docstring "
        "promises a ValueError.",
        LINK,
        {ODD: "if False:"},
    ),
    Misconception(
        "pairs-from-1",
        "The exponents begin with 2 / head_dim. Pairs are counted from 0: the first one has "
        "exponent 0 and turns by 1 radian a position.",
        LINK,
        {SPEEDS: "rope_theta ** (-(two_i + 2) / head_dim)"},
    ),
    Misconception(
        "whole-turns-taken-off",
        "Whole turns were taken off the angles. That changes no sine, but the angles themselves "
        "are asked for, and they grow on.",
        LINK,
        {ANGLES: f"({ANGLES}) % (2 * torch.pi)"},
    ),
    Misconception(
        "counted-on-from-the-first",
        "Only the first position is used, and counted on from there. Use each of the positions "
        "that were given: they may have gaps, and stand in any order.",
        LINK,
        {ANGLES: "(positions[0] + torch.arange(len(positions)))[:, None] * frequencies"},
    ),
    Misconception(
        "all-columns-twice",
        "All columns stand there twice, one half behind the other, as programs want them that pair "
        "the halves of a vector. Here there is one column for each pair: head_dim / 2.",
        "embeddings-and-positions-layout",
        {ANGLES: f"torch.cat([{ANGLES}] * 2, dim=-1)"},
    ),
    Misconception(
        "exponent-rounded-to-0",
        "Every pair turns at the same speed: the exponent 2i / head_dim lies between 0 and 1, and "
        "here it is 0 for all, as `//` makes it. It needs the fraction, with `/`.",
        LINK,
        {SPEEDS: "rope_theta ** (-(two_i // head_dim))"},
    ),
    Misconception(
        "exponent-rounded-to-minus-1",
        "All pairs but the first turn at the speed 1 / theta: the exponent -2i / head_dim was "
        "rounded down to -1, as `//` does. It needs the fraction, with `/`.",
        LINK,
        {SPEEDS: "rope_theta ** (-two_i // head_dim)"},
    ),
    Misconception(
        "cosines-of-the-angles",
        "These are the cosines of the angles. The angles themselves are asked for; `apply_rope` "
        "takes sine and cosine of them.",
        LINK,
        {ANGLES: f"({ANGLES}).cos()"},
    ),
    Misconception(
        "power-before-the-division",
        "The power is taken first and then divided by head_dim: in Python `**` comes before `/`. "
        "The whole of 2i / head_dim is the exponent, so it needs brackets.",
        LINK,
        {SPEEDS: "rope_theta**-two_i / head_dim"},
    ),
)


def _one_radian_a_position(angles: np.ndarray) -> bool:
    return bool(np.allclose(angles[:, 0], np.arange(5), atol=1e-3))


PROPERTIES = (
    Property(
        "pair-0-not-one-radian",
        "Pair 0 does not turn by 1 radian a position: its exponent is 0, and any base to the power "
        "of 0 is 1.",
        LINK,
        cases=("positions 0 to 4",),
        holds=_one_radian_a_position,
    ),
)


EXERCISE = Exercise(
    id="embeddings_and_positions/rope_angles",
    callable="rope_angles",
    title="The angles of a position",
    parts={"all": 2},
    minutes=10,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(number_by_number, with_outer, pair_by_pair),
    equivalent={
        f"`{TWO_I.replace('dtype=torch.float32, ', '')}` for `{TWO_I}`": "the quotient is a float",
        f"`{TWO_I.replace(', device=positions.device', '')}` for `{TWO_I}`": "one device",
    },
    properties=PROPERTIES,
)
