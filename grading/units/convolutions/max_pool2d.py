"""convolutions/max_pool2d: the largest pixel under a window, each channel by itself."""

import numpy as np
import torch
import torch.nn.functional as F

from grading.course.exercise import Case, Exercise, Misconception
from grading.units.convolutions.draw import negative, normal

SIDE, PADDED = "without padding", "with padding"
LINK = "convolutions-pooling"
AXES = "batch channels out_height out_width"


def cases(rng: np.random.Generator) -> list[Case]:
    """Pixels of both signs and below 0; windows side by side, overlapping, with gaps; padding."""
    x, low = normal(rng, 2, 3, 7, 11), negative(rng, 2, 3, 7, 11)
    drawn = [
        (SIDE, "windows of 2 side by side", x, 2, None, 0),
        (SIDE, "windows of 3 side by side", x, 3, None, 0),
        (SIDE, "numbers below 0", low, 2, None, 0),
        (SIDE, "windows of 3 with a stride of 1", x, 3, 1, 0),
        (SIDE, "windows of 2 with a stride of 3", x, 2, 3, 0),
        (SIDE, "a window of one pixel", x, 1, None, 0),
        (SIDE, "one image with one channel", normal(rng, 1, 1, 5, 7), 2, 2, 0),
        (SIDE, "a window as large as the image", normal(rng, 2, 3, 5, 5), 5, None, 0),
        (SIDE, "a window that is too large", x, 8, None, 0),
        (PADDED, "padding of 1 around numbers below 0", low, 3, 2, 1),
        (PADDED, "padding of 1 around numbers of both signs", x, 2, None, 1),
        (PADDED, "padding of 2 and windows of 5", low, 5, 1, 2),
        (PADDED, "padding of 1 around numbers far below 0", 1e12 * low, 3, 2, 1),
        (PADDED, "padding above half the window", x, 3, None, 2),
        (PADDED, "padding of 1 and a window of one pixel", x, 1, None, 1),
    ]
    short = {"x": low, "kernel": 3}
    return [Case("stride and padding left out", short, SIDE, AXES)] + [
        Case(says, {"x": x, "kernel": k, "stride": stride, "padding": padding}, part, AXES)
        for part, says, x, k, stride, padding in drawn
    ]


# --- right in other ways ---------------------------------------------------------------------


def place_by_place(x, kernel, stride=None, padding=0):
    """Loops; every window is cut where it leaves the image, so nothing has to be filled."""
    if padding > kernel // 2:
        raise ValueError("too much padding")
    stride = stride or kernel
    height, width = x.shape[2:]
    rows = range(-padding, height + padding - kernel + 1, stride)
    columns = range(-padding, width + padding - kernel + 1, stride)
    if not len(rows) or not len(columns):
        raise ValueError("the window does not fit")
    out = torch.empty(*x.shape[:2], len(rows), len(columns), dtype=x.dtype)
    for i, top in enumerate(rows):
        for j, left in enumerate(columns):
            window = x[:, :, max(top, 0) : top + kernel, max(left, 0) : left + kernel]
            out[:, :, i, j] = window.amax(dim=(2, 3))
    return out


def rows_then_columns(x, kernel, stride=None, padding=0):
    """First the largest along each row, then along each column."""
    stride = kernel if stride is None else stride
    if kernel < 2 * padding or min(x.shape[-2:]) + 2 * padding < kernel:
        raise ValueError(f"{kernel=} {padding=} image {tuple(x.shape[-2:])}")
    x = F.pad(x, [padding] * 4, value=-torch.inf)
    x = x.unfold(-1, kernel, stride).amax(-1)
    return x.unfold(-2, kernel, stride).amax(-1)


def largest_of_moved_images(x, kernel, stride=None, padding=0):
    """One moved image for each pixel of the window; the larger of two, again and again."""
    step = kernel if stride is None else stride
    if padding * 2 > kernel:
        raise ValueError("padding")
    x = F.pad(x, (padding, padding, padding, padding), value=torch.finfo(x.dtype).min)
    rows, columns = x.shape[2] - kernel + 1, x.shape[3] - kernel + 1
    if rows < 1 or columns < 1:
        raise ValueError("kernel")
    best = x[:, :, :rows:step, :columns:step]
    for r in range(kernel):
        for c in range(kernel):
            best = torch.maximum(best, x[:, :, r : r + rows : step, c : c + columns : step])
    return best.clone()


# --- wrong in known ways -----------------------------------------------------------------------

STRIDE = "stride = kernel if stride is None else stride"
RESULT = "return windows.flatten(-2).max(dim=-1).values"

MISCONCEPTIONS = (
    Misconception(
        "padded-with-zeros",
        "The padding is 0, and 0 is larger than a negative pixel: the map answers with a pixel "
        "that is not there. What number never wins a maximum?",
        LINK,
        {', fill=float("-inf")': ""},
    ),
    Misconception(
        "padded-with-a-low-number",
        "The padding is a low number, and a pixel may be lower still: then the map answers with "
        "the padding. Minus infinity is below every number.",
        LINK,
        {'fill=float("-inf")': "fill=-1000.0"},
    ),
    Misconception(
        "stride-handed-on-as-none",
        "Without a stride this stops: `stride` is then None, and a window cannot move by None. "
        "Put the kernel in its place first.",
        LINK,
        {STRIDE: "stride = stride"},
    ),
    Misconception(
        "stride-of-1-by-default",
        "Without a stride the windows move pixel by pixel here. They should lie side by side.",
        LINK,
        {STRIDE: "stride = 1 if stride is None else stride"},
    ),
    Misconception(
        "stride-ignored",
        "The windows always lie side by side: a stride that is given has no effect.",
        LINK,
        {STRIDE: "stride = kernel"},
    ),
    Misconception(
        "average-pooling",
        "This is the mean of each window. Max-pooling keeps its largest pixel.",
        LINK,
        {RESULT: "return windows.flatten(-2).mean(dim=-1)"},
    ),
    Misconception(
        "smallest-kept",
        "This keeps the smallest pixel of each window.",
        LINK,
        {RESULT: "return windows.flatten(-2).min(dim=-1).values"},
    ),
    Misconception(
        "values-and-indices",
        "With `dim`, `max` returns two things, the values and where they stand; only the values "
        "are wanted.",
        LINK,
        {RESULT: "return windows.flatten(-2).max(dim=-1)"},
    ),
    Misconception(
        "places-instead-of-values",
        "This returns where in its window the largest pixel stands, and not the pixel.",
        LINK,
        {RESULT: "return windows.flatten(-2).argmax(dim=-1)"},
    ),
    Misconception(
        "one-window-axis",
        "The maximum runs over one of the two axes of a window, and the other is still there.",
        LINK,
        {RESULT: "return windows.max(dim=-1).values"},
    ),
    Misconception(
        "channels-pooled-together",
        "The channels are pooled into one. Each channel keeps its own largest pixel.",
        LINK,
        {RESULT: "return windows.flatten(-2).max(dim=-1).values.amax(dim=1, keepdim=True)"},
    ),
    Misconception(
        "largest-magnitude",
        "The sign is lost: this takes the largest absolute value. A strongly negative answer is a "
        "clear no.",
        LINK,
        {RESULT: "return windows.flatten(-2).abs().max(dim=-1).values"},
    ),
    Misconception(
        "padding-left-out",
        "The image is not padded here.",
        LINK,
        {"(kernel, kernel), stride, padding": "(kernel, kernel), stride, 0"},
    ),
    Misconception(
        "too-much-padding-accepted",
        "With more padding than half the window, a window can lie outside of the image. The "
        "docstring promises a ValueError.",
        LINK,
        {"if padding > kernel // 2:": "if False:"},
    ),
    Misconception(
        "padding-below-the-kernel-accepted",
        "Padding above half the window, but below the whole of it, is let through. A window at the "
        "rim could then lie in the padding alone.",
        LINK,
        {"if padding > kernel // 2:": "if padding >= kernel:"},
    ),
    Misconception(
        "half-the-window-refused",
        "Padding of exactly half the window is refused here. It is allowed: every window still has "
        "a pixel of the image.",
        LINK,
        {"if padding > kernel // 2:": "if padding >= kernel / 2:"},
    ),
)

EXERCISE = Exercise(
    id="convolutions/max_pool2d",
    callable="max_pool2d",
    title="Max-pooling",
    parts={SIDE: 1, PADDED: 1},
    minutes=8,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(place_by_place, rows_then_columns, largest_of_moved_images),
    forbids=("torch.nn.functional.max_pool2d", "torch.max_pool2d"),
    depends=("convolutions/sliding_windows",),
)
