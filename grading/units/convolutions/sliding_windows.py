"""convolutions/sliding_windows: the pixels under a window, at each of its places."""

import numpy as np
import torch
import torch.nn.functional as F

from grading.course.exercise import Case, Exercise, Misconception
from grading.units.convolutions.draw import normal, windows_fit

PLAIN, STRIDE, PADDED = "stride 1, no padding", "a stride", "padding"
LINK = "convolutions-slide"
AXES = "batch channels out_height out_width kernel_height kernel_width"


def cases(rng: np.random.Generator) -> list[Case]:
    """Windows of unequal sides; one stride, one padding, one filling at a time; sizes of 1."""
    x = normal(rng, 2, 3, 7, 11)
    one = normal(rng, 1, 1, 5, 13)
    drawn = [
        (PLAIN, "a window of 3 by 2", x, (3, 2), 1, 0, 0.0),
        (PLAIN, "a window of 1 by 5", x, (1, 5), 1, 0, 0.0),
        (PLAIN, "a square window of 2", x, (2, 2), 1, 0, 0.0),
        (PLAIN, "a window of one pixel", x, (1, 1), 1, 0, 0.0),
        (PLAIN, "one image with one channel", one, (2, 3), 1, 0, 0.0),
        (PLAIN, "a window as large as the image", x, (7, 11), 1, 0, 0.0),
        (PLAIN, "a window that is too high", x, (8, 2), 1, 0, 0.0),
        (PLAIN, "a window that is too wide", x, (2, 12), 1, 0, 0.0),
        (STRIDE, "a stride of 2", x, (3, 2), 2, 0, 0.0),
        (STRIDE, "a stride of 3, larger than the window", x, (2, 2), 3, 0, 0.0),
        (STRIDE, "one image and a stride of 2", one, (3, 2), 2, 0, 0.0),
        (PADDED, "padding of 1", x, (3, 2), 1, 1, 0.0),
        (PADDED, "padding of 2, filled with -9", x, (2, 3), 1, 2, -9.0),
        (PADDED, "padding of 1, filled with 7, and a stride of 2", x, (2, 3), 2, 1, 7.0),
        (PADDED, "a window that fits only with its padding", one, (6, 2), 1, 1, 0.0),
    ]
    left_out = {"x": x, "kernel": (3, 2)}
    padded = {**left_out, "stride": 1, "padding": 2}
    short = [
        Case("stride, padding and filling left out", left_out, PLAIN, AXES),
        Case("padding of 2, the filling left out", padded, PADDED, AXES),
    ]
    return short + [
        Case(
            says,
            {"x": x, "kernel": kernel, "stride": stride, "padding": padding, "fill": fill},
            part,
            AXES,
        )
        for part, says, x, kernel, stride, padding, fill in drawn
    ]


# --- right in other ways ---------------------------------------------------------------------


def place_by_place(x, kernel, stride=1, padding=0, fill=0.0):
    """Loops over places; each window is a slice."""
    batch, channels, height, width = x.shape
    padded = torch.full((batch, channels, height + 2 * padding, width + 2 * padding), fill)
    padded[:, :, padding : padding + height, padding : padding + width] = x
    rows = range(0, padded.shape[2] - kernel[0] + 1, stride)
    columns = range(0, padded.shape[3] - kernel[1] + 1, stride)
    if not rows or not columns:
        raise ValueError("the window does not fit")
    return torch.stack(
        [
            torch.stack([padded[:, :, r : r + kernel[0], c : c + kernel[1]] for c in columns], 2)
            for r in rows
        ],
        dim=2,
    )


def by_index(x, kernel, stride=1, padding=0, fill=0.0):
    """Two tables of indices pick all windows at once."""
    x = F.pad(x, [padding] * 4, "constant", fill)
    n_rows = windows_fit(x.shape[2], kernel[0], stride, 0)
    n_columns = windows_fit(x.shape[3], kernel[1], stride, 0)
    if n_rows < 1 or n_columns < 1:
        raise ValueError(f"no room for {kernel}")
    rows = torch.arange(n_rows)[:, None] * stride + torch.arange(kernel[0])
    columns = torch.arange(n_columns)[:, None] * stride + torch.arange(kernel[1])
    return x[:, :, rows[:, None, :, None], columns[None, :, None, :]]


def by_strides(x, kernel, stride=1, padding=0, fill=0.0):
    """A view with strides of its own over the padded image."""
    wide = F.pad(x, (padding,) * 4, value=fill).contiguous()
    out = [(size - k) // stride + 1 for size, k in zip(wide.shape[2:], kernel, strict=True)]
    if min(out) < 1:
        raise ValueError("kernel larger than image")
    b, c, h, w = wide.stride()
    shape = (*wide.shape[:2], *out, *kernel)
    return wide.as_strided(shape, (b, c, h * stride, w * stride, h, w)).clone()


# --- wrong in known ways -----------------------------------------------------------------------

PAD = "x = F.pad(x, (padding, padding, padding, padding), value=fill)"
SLIDE = "return x.unfold(2, kernel[0], stride).unfold(3, kernel[1], stride)"
PLACES = SLIDE.replace("return", "rows, columns =") + ".shape[2:4]"

MISCONCEPTIONS = (
    Misconception(
        "padding-at-one-end",
        "The padding stands at one end of each axis only. It goes on all four sides.",
        "convolutions-size",
        {PAD: "x = F.pad(x, (padding, 0, padding, 0), value=fill)"},
    ),
    Misconception(
        "padding-on-one-axis",
        "Only one axis is padded, so the results have the wrong height: rows of padding are "
        "wanted above and below, too.",
        "convolutions-size",
        {PAD: "x = F.pad(x, (padding, padding), value=fill)"},
    ),
    Misconception(
        "padding-left-out",
        "The image is not padded: with padding, the window starts outside of it.",
        "convolutions-size",
        {PAD: "x = x.clone()"},
    ),
    Misconception(
        "fill-ignored",
        "The padding is always 0. What stands around the image is an argument of its own, and the "
        "max-pool will need another filling.",
        "convolutions-pooling",
        {PAD: "x = F.pad(x, (padding, padding, padding, padding))"},
    ),
    Misconception(
        "edge-repeated",
        "The padding repeats the pixels at the rim. It should be one value, `fill`, everywhere.",
        "convolutions-size",
        {PAD: 'x = F.pad(x, (padding, padding, padding, padding), mode="replicate")'},
    ),
    Misconception(
        "stride-on-one-axis",
        "The stride moves the window along one axis only; along the other it goes pixel by pixel. "
        "Both axes have the same stride.",
        "convolutions-size",
        {SLIDE: "return x.unfold(2, kernel[0], stride).unfold(3, kernel[1], 1)"},
    ),
    Misconception(
        "stride-left-out",
        "The window moves pixel by pixel whatever the stride is.",
        "convolutions-size",
        {SLIDE: "return x.unfold(2, kernel[0], 1).unfold(3, kernel[1], 1)"},
    ),
    Misconception(
        "windows-side-by-side",
        "The windows lie side by side, as in pooling. Here they may overlap: how far the window "
        "moves is the stride, and not the size of the window.",
        LINK,
        {SLIDE: "return x.unfold(2, kernel[0], kernel[0]).unfold(3, kernel[1], kernel[1])"},
    ),
    Misconception(
        "height-and-width-exchanged",
        "The window's height is used along the columns and its width along the rows. `kernel` "
        "begins with the height, as images do.",
        LINK,
        {SLIDE: "return x.unfold(2, kernel[1], stride).unfold(3, kernel[0], stride)"},
    ),
    Misconception(
        "window-axes-exchanged",
        "Inside each window rows and columns have changed places: the last axis counts columns.",
        LINK,
        {SLIDE: f"{SLIDE}.transpose(-1, -2)"},
    ),
    Misconception(
        "places-exchanged",
        "The windows are right, but their places are turned over: out_height comes before "
        "out_width.",
        LINK,
        {SLIDE: f"{SLIDE}.transpose(2, 3)"},
    ),
    Misconception(
        "windows-flipped",
        "The pixels within each window stand in reverse order. A window is a piece of the image "
        "as it is.",
        LINK,
        {SLIDE: f"{SLIDE}.flip(-1, -2)"},
    ),
    Misconception(
        "no-error-of-its-own",
        "A window that does not fit is not refused as promised. The docstring wants a ValueError; "
        "`output_size` raises it where you ask it for both axes.",
        "convolutions-size",
        {"output_size(size, length, stride, padding)  # raises": "pass  # raises"},
    ),
    Misconception(
        "places-one-pixel-apart",
        "There are as many windows as there should be, but they lie one pixel apart. Window i "
        "begins at pixel i times the stride.",
        "convolutions-size",
        {
            SLIDE: PLACES + "\n    x = x.unfold(2, kernel[0], 1).unfold(3, kernel[1], 1)"
            "\n    return x[:, :, :rows, :columns]"
        },
    ),
    Misconception(
        "unfold-read-in-another-order",
        "The pixels are there, in another order: `F.unfold` has the pixels of a window on the "
        "axis before the places. Reshape to that order first, and move the axes then.",
        LINK,
        {
            SLIDE: PLACES + "\n    flat = F.unfold(x, kernel, stride=stride)"
            "\n    return flat.reshape(*x.shape[:2], rows, columns, *kernel)"
        },
    ),
)

EXERCISE = Exercise(
    id="convolutions/sliding_windows",
    callable="sliding_windows",
    title="Sliding windows",
    parts={PLAIN: 1, STRIDE: 1, PADDED: 1},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(place_by_place, by_index, by_strides),
    depends=("convolutions/output_size",),
    equivalent={
        "`zip(x.shape[2:], kernel)` for `zip(x.shape[2:], kernel, strict=True)`": "two and two",
        "`False` for `True`": "both have two items, strict or not",
        "`kernel[-1]` for `kernel[1]`": "a kernel has two sides",
    },
)
