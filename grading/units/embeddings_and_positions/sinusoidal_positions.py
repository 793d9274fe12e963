"""embeddings_and_positions/sinusoidal_positions: the table of 2017."""

import math

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception

LINK = "embeddings-and-positions-sinusoids"
AXES = "seq d_model"


def cases(rng: np.random.Generator) -> list[Case]:
    """Lengths and widths from the smallest on, two bases, and an odd width."""
    sizes = {
        "7 positions of width 10": (7, 10, 10000.0),
        "7 positions of width 10 and another base": (7, 10, float(rng.integers(40, 90))),
        "more positions than features": (23, 6, 10000.0),
        "more features than positions": (3, 22, 10000.0),
        "width 2, a single pair": (11, 2, 10000.0),
        "one position": (1, 14, 10000.0),
        "an odd width": (5, 7, 10000.0),
    }
    usual = {"seq": 5, "d_model": 14}  # the base is that of the signature
    return [
        *(
            Case(says, {"seq": seq, "d_model": width, "base": base}, axes=AXES)
            for says, (seq, width, base) in sizes.items()
        ),
        Case("a call that names no base", usual, axes=AXES),
    ]


# --- right in other ways ---------------------------------------------------------------------


def _check(d_model):
    if d_model % 2:
        raise ValueError("an even width, please")


def number_by_number(seq, d_model, base=10000.0):
    """The two formulas of the paper, in two loops."""
    _check(d_model)
    table = torch.zeros(seq, d_model)
    for p in range(seq):
        for i in range(d_model // 2):
            angle = p / base ** (2 * i / d_model)
            table[p, 2 * i] = math.sin(angle)
            table[p, 2 * i + 1] = math.cos(angle)
    return table


def into_every_second_column(seq, d_model, base=10000.0):
    """The usual way: exp of a logarithm, and slices with a step."""
    _check(d_model)
    table = torch.empty(seq, d_model)
    position = torch.arange(seq, dtype=torch.float32).unsqueeze(1)
    speeds = torch.exp(torch.arange(0, d_model, 2) * (-math.log(base) / d_model))
    table[:, 0::2] = torch.sin(position * speeds)
    table[:, 1::2] = torch.cos(position * speeds)
    return table


def sine_with_a_phase(seq, d_model, base=10000.0):
    """A cosine is a sine a quarter turn ahead."""
    _check(d_model)
    feature = torch.arange(d_model)
    speeds = base ** -(2 * (feature // 2) / d_model)
    return torch.sin(torch.arange(seq)[:, None] * speeds + (feature % 2) * torch.pi / 2)


# --- wrong in known ways -----------------------------------------------------------------------

ANGLES = "rope_angles(torch.arange(seq), d_model, base)"
STACK = "torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)"


def a_speed_for_each_feature(seq, d_model, base=10000.0):
    """Exponent j / d for feature j, sine where j is even."""
    _check(d_model)
    feature = torch.arange(d_model)
    angles = torch.arange(seq)[:, None] * base ** (-feature / d_model)
    return torch.where(feature % 2 == 0, angles.sin(), angles.cos())


MISCONCEPTIONS = (
    Misconception(
        "cosine-first",
        "Sine and cosine have changed places: even features hold the sine.",
        LINK,
        {STACK: "torch.stack((angles.cos(), angles.sin()), dim=-1).flatten(-2)"},
    ),
    Misconception(
        "halves-side-by-side",
        "All sines stand in the first half and all cosines in the second. They alternate: each "
        "pair's sine has its cosine right behind it.",
        LINK,
        {STACK: "torch.cat((angles.sin(), angles.cos()), dim=-1)"},
    ),
    Misconception(
        "sines-only",
        "Both features of a pair hold the sine. The sine alone cannot tell two places of a turn "
        "apart: the cosine belongs beside it.",
        LINK,
        {STACK: "torch.stack((angles.sin(), angles.sin()), dim=-1).flatten(-2)"},
    ),
    Misconception(
        "a-speed-for-each-feature",
        "Sine and cosine of a pair turn at different speeds here: the exponent counts features "
        "where it should count pairs, so that both features of a pair share one.",
        LINK,
        answer=a_speed_for_each_feature,
    ),
    Misconception(
        "positions-from-1",
        "The table starts at position 1. Position 0 is the first row: all sines 0, all cosines 1.",
        LINK,
        {ANGLES: "rope_angles(torch.arange(1, seq + 1), d_model, base)"},
    ),
    Misconception(
        "base-10000-always",
        "The base is 10,000 whatever was given.",
        LINK,
        {ANGLES: "rope_angles(torch.arange(seq), d_model, 10000.0)"},
    ),
    Misconception(
        "angles-only",
        "These are the angles themselves, which grow without bound: take sine and cosine of them.",
        LINK,
        {STACK: "angles.repeat_interleave(2, dim=-1)"},
    ),
    Misconception(
        "one-axis-too-many",
        "Sine and cosine of a pair lie on an axis of their own: lay them side by side, so that a "
        "position has one row of d_model numbers.",
        LINK,
        {STACK: "torch.stack((angles.sin(), angles.cos()), dim=-1)"},
    ),
    Misconception(
        "half-as-wide",
        "There is one number for each pair, so the table is half as wide as the embeddings it is "
        "added to: a pair holds a sine and a cosine.",
        LINK,
        {STACK: "angles.sin()"},
    ),
    Misconception(
        "transposed",
        "Rows and columns have changed places: a row for each position.",
        LINK,
        {STACK: f"{STACK}.T"},
    ),
)

EXERCISE = Exercise(
    id="embeddings_and_positions/sinusoidal_positions",
    callable="sinusoidal_positions",
    title="Sinusoids",
    parts={"all": 1},
    minutes=7,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(number_by_number, into_every_second_column, sine_with_a_phase),
    depends=("embeddings_and_positions/rope_angles",),
)
