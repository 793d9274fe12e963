"""convolutions/convolution_matrix: the matrix that a convolution is."""

import numpy as np
import torch
import torch.nn.functional as F

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.convolutions.draw import normal

MIDDLE, CAUSAL = "the middle on the diagonal", "causal"
LINK = "convolutions-matrix"
AXES = "seq seq"


def cases(rng: np.random.Generator) -> list[Case]:
    """Kernels of 1 to 7 entries, also longer than the sequence; no middle."""
    three, five = normal(rng, 3), normal(rng, 5)
    drawn = [
        (MIDDLE, "3 taps and 7 positions", three, 7),
        (MIDDLE, "5 taps and 11 positions", five, 11),
        (MIDDLE, "one tap", normal(rng, 1), 5),
        (MIDDLE, "one position", three, 1),
        (MIDDLE, "7 taps and 3 positions", normal(rng, 7), 3),
        (MIDDLE, "as many taps as positions", five, 5),
        (MIDDLE, "2 taps, which have no middle", normal(rng, 2), 5),
        (CAUSAL, "3 taps and 7 positions, causal", three, 7),
        (CAUSAL, "2 taps, causal", normal(rng, 2), 5),
        (CAUSAL, "4 taps and 3 positions, causal", normal(rng, 4), 3),
        (CAUSAL, "one tap, causal", normal(rng, 1), 5),
        (CAUSAL, "one position, causal", three, 1),
    ]
    short = {"kernel": three, "seq": 7}
    return [Case("`causal` left out", short, MIDDLE, AXES)] + [
        Case(says, {"kernel": k, "seq": seq, "causal": part == CAUSAL}, part, AXES)
        for part, says, k, seq in drawn
    ]


# --- right in other ways ---------------------------------------------------------------------


def diagonal_by_diagonal(kernel, seq, causal=False):
    """Each entry of the kernel fills one diagonal."""
    taps = kernel.shape[0]
    if not causal and taps % 2 == 0:
        raise ValueError("even")
    offset = taps - 1 if causal else (taps - 1) // 2
    matrix = torch.zeros((seq, seq), dtype=kernel.dtype)
    for tap in range(taps):
        place = tap - offset
        if abs(place) < seq:
            matrix += torch.diag(kernel[tap].repeat(seq - abs(place)), place)
    return matrix


def by_offsets(kernel, seq, causal=False):
    """A table of offsets, looked up in the kernel."""
    taps = len(kernel)
    if taps % 2 != 1 and not causal:
        raise ValueError("an even kernel has no middle")
    middle = taps - 1 if causal else taps // 2
    positions = torch.arange(seq)
    tap = positions[None, :] - positions[:, None] + middle
    inside = (tap >= 0) & (tap < taps)
    return torch.where(inside, kernel[tap.clamp(0, taps - 1)], torch.zeros((), dtype=kernel.dtype))


def what_it_does_to_unit_vectors(kernel, seq, causal=False):
    """Convolve each unit vector: its result is a column."""
    taps = len(kernel)
    if not causal and not taps % 2:
        raise ValueError(f"{taps} taps")
    left = taps - 1 if causal else taps // 2
    units = F.pad(torch.eye(seq, dtype=kernel.dtype), (left, taps - 1 - left))
    return F.conv1d(units[:, None], kernel[None, None])[:, 0].T.contiguous()


# --- wrong in known ways -----------------------------------------------------------------------

BEFORE = "before = taps - 1 if causal else taps // 2"
INSIDE, FILL = "if 0 <= column < seq:", "matrix[row, column] = kernel[tap]"

MISCONCEPTIONS = (
    Misconception(
        "kernel-turned",
        "The kernel stands in each row back to front. It lies on the sequence as it is.",
        "convolutions-slide",
        {FILL: "matrix[row, column] = kernel[taps - 1 - tap]"},
    ),
    Misconception(
        "transposed",
        "Rows and columns have changed places. A row is an output and a column an input, and the "
        "next entry of the kernel stands one column further to the right.",
        LINK,
        {FILL: "matrix[column, row] = kernel[tap]"},
    ),
    Misconception(
        "wrapped-around",
        "What would stick out at one end comes in at the other. There is padding around the "
        "sequence, so what sticks out is dropped.",
        LINK,
        {INSIDE: "if True:", FILL: "matrix[row, column % seq] += kernel[tap]"},
    ),
    Misconception(
        "wrapped-at-the-start",
        "In the first rows, entries that should be dropped appear at the right end: a negative "
        "index counts from the back.",
        LINK,
        {INSIDE: "if column < seq:"},
    ),
    Misconception(
        "starts-on-the-diagonal",
        "Each row begins on the diagonal, so that an output sees itself and what comes after it.",
        LINK,
        {BEFORE: "before = 0"},
    ),
    Misconception(
        "causal-ignored",
        "`causal` has no effect: the middle of the kernel stands on the diagonal, and outputs see "
        "later inputs.",
        LINK,
        {BEFORE: "before = taps // 2"},
    ),
    Misconception(
        "always-causal",
        "The last entry always stands on the diagonal. Without `causal` it is the middle one.",
        LINK,
        {BEFORE: "before = taps - 1"},
    ),
    Misconception(
        "looks-forward-when-causal",
        "With `causal` this looks forward instead of back: a causal output sees nothing later than "
        "itself, so nothing stands above the diagonal.",
        LINK,
        {BEFORE: "before = 0 if causal else taps // 2"},
    ),
    Misconception(
        "strictly-before",
        "With `causal` an output does not see its own position: the kernel ends one column too far "
        "to the left.",
        LINK,
        {BEFORE: "before = taps if causal else taps // 2"},
    ),
    Misconception(
        "rim-repeated",
        "Entries that stick out are added to the first or last column, as if the rim went on "
        "outside. The padding is zeros.",
        LINK,
        {INSIDE: "if True:", FILL: "matrix[row, min(max(column, 0), seq - 1)] += kernel[tap]"},
    ),
    Misconception(
        "no-error-without-a-middle",
        "An even number of entries has no middle. The docstring promises a ValueError for it, "
        "unless `causal` is set.",
        LINK,
        {"if taps % 2 == 0 and not causal:": "if False:"},
    ),
    Misconception(
        "even-refused-when-causal",
        "With `causal` the last entry stands on the diagonal, and no middle is needed: an even "
        "number of entries is fine.",
        LINK,
        {"if taps % 2 == 0 and not causal:": "if taps % 2 == 0:"},
    ),
    Misconception(
        "causal-by-cutting",
        "With `causal` what stands above the diagonal is cut off, and the middle of the kernel is "
        "still on it. The whole kernel moves to the left: its last entry stands on the diagonal.",
        LINK,
        {
            BEFORE: "before = taps // 2",
            "return matrix": "return matrix.tril() if causal else matrix",
        },
    ),
)

EXERCISE = Exercise(
    id="convolutions/convolution_matrix",
    equivalent={
        "`torch.zeros(seq, seq)` for `torch.zeros(seq, seq, dtype=kernel.dtype)`": (
            "the text asks for no dtype, so all kernels are in single precision"
        )
    },
    callable="convolution_matrix",
    title="A convolution as a matrix",
    parts={MIDDLE: 1, CAUSAL: 1},
    minutes=10,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(diagonal_by_diagonal, by_offsets, what_it_does_to_unit_vectors),
    properties=(
        Property(
            "the-same-along-diagonals",
            "Along some diagonal the entries differ. An entry depends only on how far input and "
            "output lie apart, in every row alike.",
            LINK,
            ("3 taps and 7 positions",),
            lambda matrix: bool(np.allclose(matrix[:-1, :-1], matrix[1:, 1:], atol=1e-4)),
        ),
        Property(
            "nothing-above-the-diagonal",
            "With `causal` something stands above the diagonal, so an output sees a later input.",
            LINK,
            ("3 taps and 7 positions, causal",),
            lambda matrix: bool((np.triu(matrix, 1) == 0).all()),
        ),
    ),
)
