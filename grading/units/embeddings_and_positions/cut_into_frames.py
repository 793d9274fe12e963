"""embeddings_and_positions/cut_into_frames: a signal as a list of vectors."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception
from grading.units.embeddings_and_positions.draw import normal

LINK = "embeddings-and-positions-frames"
AXES = "n_frames frame"


def cases(rng: np.random.Generator) -> list[Case]:
    """Overlap, none and gaps; with and without a rest; one frame; too short a signal."""
    sizes = {
        "frames that overlap and fill the signal": (17, 5, 3),
        "frames that overlap, with a rest": (19, 5, 3),
        "frames side by side that fill the signal": (21, 7, 7),
        "frames side by side, with a rest": (23, 7, 7),
        "frames with gaps between them": (29, 3, 7),
        "frames with gaps that end with the signal": (31, 3, 7),
        "a new frame at every sample": (11, 5, 1),
        "frames of one sample": (13, 1, 3),
        "a signal of exactly one frame": (7, 7, 3),
        "a signal of one frame and a rest": (13, 11, 5),
        "a signal that is too short by one": (6, 7, 2),
    }
    return [
        Case(
            f"{says} ({n} samples, size {size}, hop {hop})",
            {"samples": normal(rng, n), "size": size, "hop": hop},
            axes=AXES,
        )
        for says, (n, size, hop) in sizes.items()
    ]


# --- right in other ways ---------------------------------------------------------------------


def _check(samples, size):
    if len(samples) < size:
        raise ValueError("too short")


def with_unfold(samples, size, hop):
    """PyTorch's own windows."""
    _check(samples, size)
    return samples.unfold(0, size, hop)


def start_by_start(samples, size, hop):
    """A loop that ends where a whole frame no longer fits."""
    _check(samples, size)
    frames, start = [], 0
    while start + size <= samples.numel():
        frames.append(samples[start : start + size])
        start += hop
    return torch.stack(frames)


def number_by_number(samples, size, hop):
    """An empty table, filled in two loops."""
    _check(samples, size)
    starts = range(0, len(samples) - size + 1, hop)
    frames = torch.zeros(len(starts), size)
    for row, start in enumerate(starts):
        for column in range(size):
            frames[row, column] = samples[start + column]
    return frames


# --- wrong in known ways -----------------------------------------------------------------------

COUNT = "1 + (len(samples) - size) // hop"
STARTS = "starts = hop * torch.arange(n_frames)"
TAKE = "samples[starts[:, None] + torch.arange(size)]"
CHECK = "if len(samples) < size:"
PADDED = "torch.cat((samples, torch.zeros(size + hop)))"


def last_start_left_out(samples, size, hop):
    """A range that ends before n - size."""
    _check(samples, size)
    starts = range(0, len(samples) - size, hop)
    return torch.stack([samples[start : start + size] for start in starts])


def starts_up_to_the_end(samples, size, hop):
    """A range that ends with the signal, so that the last pieces are short."""
    _check(samples, size)
    starts = range(0, len(samples), hop)
    return torch.stack([samples[start : start + size] for start in starts])


MISCONCEPTIONS = (
    Misconception(
        "last-frame-missing",
        "The last frame is missing. With n samples, frames can start from 0 up to and including "
        "n - size.",
        LINK,
        {COUNT: "(len(samples) - size) // hop"},
    ),
    Misconception(
        "last-frame-missing-where-it-ends-the-signal",
        "A frame that ends exactly with the signal is missing: the last possible start, n - size, "
        "still counts.",
        LINK,
        {COUNT: "1 + (len(samples) - size - 1) // hop"},
    ),
    Misconception(
        "rest-filled-with-zeros",
        "What is left at the end became a frame of its own, filled up with zeros. Only whole "
        "frames are wanted.",
        LINK,
        {COUNT: "1 - (size - len(samples)) // hop", TAKE: TAKE.replace("samples", PADDED, 1)},
    ),
    Misconception(
        "frame-at-every-hop",
        "There is a frame for every hop in the signal, and the last ones run over its end into "
        "zeros: a frame must fit before the end.",
        LINK,
        {COUNT: "-(-len(samples) // hop)", TAKE: TAKE.replace("samples", PADDED, 1)},
    ),
    Misconception(
        "hop-ignored",
        "Each frame starts where the last one ends, whatever the hop is: starts are `hop` samples "
        "apart.",
        LINK,
        {COUNT: "len(samples) // size", STARTS: "starts = size * torch.arange(n_frames)"},
    ),
    Misconception(
        "hop-is-overlap",
        "The hop was taken as the overlap: here frames start size - hop samples apart, which fails "
        "where that is 0 or less. The hop is the distance from one start to the next.",
        LINK,
        {
            COUNT: "1 + (len(samples) - size) // (size - hop)",
            STARTS: "starts = (size - hop) * torch.arange(n_frames)",
        },
    ),
    Misconception(
        "hop-is-gap",
        "The hop was taken as the gap between the end of one frame and the start of the next. It "
        "is the distance from one start to the next.",
        LINK,
        {
            COUNT: "1 + (len(samples) - size) // (size + hop)",
            STARTS: "starts = (size + hop) * torch.arange(n_frames)",
        },
    ),
    Misconception(
        "every-sample-a-start",
        "A frame starts at every sample: the next one starts `hop` samples later.",
        LINK,
        {
            COUNT: "1 + len(samples) - size",
            STARTS: "starts = torch.arange(n_frames)",
        },
    ),
    Misconception(
        "size-and-hop-swapped",
        "Size and hop have changed places: a frame is `size` samples long.",
        LINK,
        {
            COUNT: "1 + (len(samples) - hop) // size",
            STARTS: "starts = size * torch.arange(n_frames)",
            TAKE: TAKE.replace("size", "hop"),
        },
    ),
    Misconception(
        "counted-from-the-end",
        "The frames are counted from the end, so the rest is left out at the beginning. The first "
        "frame starts with sample 0.",
        LINK,
        {STARTS: f"{STARTS} + (len(samples) - size) % hop"},
    ),
    Misconception(
        "transposed",
        "Rows and columns have changed places: a row holds the samples of one frame.",
        LINK,
        {TAKE: f"{TAKE}.T"},
    ),
    Misconception(
        "too-short-gives-nothing",
        "Where the signal is shorter than a frame, an empty table comes back. A ValueError is "
        "wanted: nobody looks for nothing.",
        LINK,
        {CHECK: "if False:", COUNT: f"max(0, {COUNT})"},
    ),
    Misconception(
        "too-short-not-checked",
        "Where the signal is shorter than one frame, there is no ValueError that says so: the "
        "docstring promises one.",
        LINK,
        {CHECK: "if False:", TAKE: "samples.unfold(0, size, hop)"},
    ),
    Misconception(
        "last-start-left-out",
        "The starts end one too early: n - size is a start as well, and a signal of exactly one "
        "frame has one.",
        LINK,
        answer=last_start_left_out,
    ),
    Misconception(
        "starts-up-to-the-end",
        "It stops where pieces of different lengths meet: starts that run on to the end of the "
        "signal leave short pieces, which cannot be stacked. The last start is n - size at most.",
        LINK,
        answer=starts_up_to_the_end,
    ),
    Misconception(
        "one-frame-refused",
        "A signal that is exactly one frame long is refused: it is long enough.",
        LINK,
        {CHECK: "if len(samples) <= size:"},
    ),
)

EXERCISE = Exercise(
    id="embeddings_and_positions/cut_into_frames",
    callable="cut_into_frames",
    title="A signal as a sequence",
    parts={"all": 1},
    minutes=8,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_unfold, start_by_start, number_by_number),
)
