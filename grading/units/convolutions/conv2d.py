"""convolutions/conv2d: a weighted sum of every window, over all input channels."""

import numpy as np
import torch
import torch.nn.functional as F

from grading.course.exercise import Case, Exercise, Misconception
from grading.units.convolutions.draw import normal

ONE, MANY, MOVED = "one channel", "several channels and a bias", "stride and padding"
LINK = "convolutions-channels"
AXES = "batch out_channels out_height out_width"


def cases(rng: np.random.Generator) -> list[Case]:
    """One channel first; channels, bias, stride and padding one at a time."""
    x, single = normal(rng, 2, 3, 7, 11), normal(rng, 1, 1, 5, 7)
    mono = normal(rng, 2, 1, 7, 11)
    weight, square = normal(rng, 5, 3, 3, 2), normal(rng, 3, 3, 3, 3)
    bias = normal(rng, 5, scale=3)
    drawn = [
        (ONE, "one channel", mono, normal(rng, 1, 1, 3, 2), None, 1, 0),
        (ONE, "one channel and a square kernel", mono, normal(rng, 1, 1, 3, 3), None, 1, 0),
        (ONE, "one image and a kernel of one weight", single, normal(rng, 1, 1, 1, 1), None, 1, 0),
        (ONE, "a kernel as large as the image", single, normal(rng, 1, 1, 5, 7), None, 1, 0),
        (MANY, "1 input channel and 5 output channels", mono, normal(rng, 5, 1, 3, 2), None, 1, 0),
        (MANY, "3 input channels and 1 output channel", x, weight[:1], None, 1, 0),
        (MANY, "3 input channels and 5 output channels", x, weight, None, 1, 0),
        (MANY, "3 input and 3 output channels", x, square, None, 1, 0),
        (MANY, "a bias", x, weight, bias, 1, 0),
        (MANY, "a bias, and as many output channels as columns", x, weight, bias, 2, 0),
        (MANY, "a bias and one output channel", x, weight[:1], bias[:1], 1, 0),
        (MANY, "a kernel of 1 by 1", x, normal(rng, 5, 3, 1, 1), None, 1, 0),
        (MANY, "a kernel that is too large", x, normal(rng, 5, 3, 8, 2), None, 1, 0),
        (MOVED, "a stride of 2", x, weight, None, 2, 0),
        (MOVED, "padding of 1", x, weight, None, 1, 1),
        (MOVED, "padding of 2, a stride of 3 and a bias", x, weight, bias, 3, 2),
        (MOVED, "large numbers and padding", 10 * x, weight, None, 1, 1),
    ]
    short = {"x": x, "weight": weight}
    return [Case("bias, stride and padding left out", short, MANY, AXES)] + [
        Case(
            says,
            {"x": x, "weight": w, "bias": bias, "stride": stride, "padding": padding},
            part,
            AXES,
        )
        for part, says, x, w, bias, stride, padding in drawn
    ]


# --- right in other ways ---------------------------------------------------------------------


def place_by_place(x, weight, bias=None, stride=1, padding=0):
    """Loops over the places; at each, one product of matrices."""
    n_out, _, rows, columns = weight.shape
    x = F.pad(x, (padding, padding, padding, padding))
    if x.shape[2] < rows or x.shape[3] < columns:
        raise ValueError("the kernel does not fit")
    height, width = (x.shape[2] - rows) // stride + 1, (x.shape[3] - columns) // stride + 1
    out = torch.zeros(x.shape[0], n_out, height, width)
    for i in range(height):
        for j in range(width):
            top, left = i * stride, j * stride
            window = x[:, :, top : top + rows, left : left + columns]
            out[:, :, i, j] = window.flatten(1) @ weight.flatten(1).T
            if bias is not None:
                out[:, :, i, j] += bias
    return out


def weight_by_weight(x, weight, bias=None, stride=1, padding=0):
    """One shifted image for each weight of the kernel, added up."""
    rows, columns = weight.shape[-2:]
    wide = torch.zeros(*x.shape[:2], x.shape[2] + 2 * padding, x.shape[3] + 2 * padding)
    wide[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]] = x
    last_row, last_column = wide.shape[2] - rows + 1, wide.shape[3] - columns + 1
    if last_row < 1 or last_column < 1:
        raise ValueError(f"{rows} by {columns} weights on {tuple(wide.shape[2:])} pixels")
    total = 0.0
    for r in range(rows):
        for c in range(columns):
            moved = wide[:, :, r : r + last_row : stride, c : c + last_column : stride]
            total = total + torch.einsum("nihw,oi->nohw", moved, weight[:, :, r, c])
    return total if bias is None else total + bias.view(1, -1, 1, 1)


def columns_of_windows(x, weight, bias=None, stride=1, padding=0):
    """All windows as the columns of a matrix, in double precision."""
    sizes = [
        (size + 2 * padding - k) // stride + 1
        for size, k in zip(x.shape[2:], weight.shape[2:], strict=True)
    ]
    if min(sizes) < 1:
        raise ValueError("no place for the kernel")
    columns = F.unfold(x.double(), weight.shape[2:], padding=padding, stride=stride)
    out = (weight.double().flatten(1) @ columns).unflatten(-1, sizes)
    if bias is not None:
        out += bias.double().reshape(-1, 1, 1)
    return out.to(x.dtype)


# --- wrong in known ways -----------------------------------------------------------------------

EINSUM = 'torch.einsum("bihwrc,oirc->bohw", windows, weight)'
BIAS = "out + bias[:, None, None]"

MISCONCEPTIONS = (
    Misconception(
        "kernel-turned",
        "The kernel is turned by 180°, as in a mathematician's convolution. Here, and in all deep "
        "learning libraries, it lies on the image as it is.",
        "convolutions-slide",
        {EINSUM: 'torch.einsum("bihwrc,oirc->bohw", windows, weight.flip(-1, -2))'},
    ),
    Misconception(
        "kernel-transposed",
        "Rows and columns of the kernel have changed places, so that square kernels give wrong "
        "values and others do not fit.",
        "convolutions-slide",
        {EINSUM: 'torch.einsum("bihwrc,oicr->bohw", windows, weight)'},
    ),
    Misconception(
        "first-channel-only",
        "Only the first input channel counts. Every kernel has weights for each of them, and their "
        "products are added up.",
        LINK,
        {EINSUM: 'torch.einsum("bihwrc,oirc->bohw", windows[:, :1], weight[:, :1])'},
    ),
    Misconception(
        "first-channel-and-first-kernel",
        "One input channel and one kernel are used, the first of each. Every kernel adds up all "
        "input channels, and makes an output channel of its own.",
        LINK,
        {EINSUM: 'torch.einsum("bihwrc,oirc->bohw", windows[:, :1], weight[:1, :1])'},
    ),
    Misconception(
        "kernel-channels-added-first",
        "Every input channel meets the sum of the kernel's weights over all channels, as where "
        "einsum has two letters for the one axis. Each channel has weights of its own.",
        LINK,
        {EINSUM: 'torch.einsum("bihwrc,ojrc->bohw", windows, weight)'},
    ),
    Misconception(
        "first-kernel-for-all-channels",
        "All input channels meet the weights that belong to the first one. Each channel has "
        "weights of its own.",
        LINK,
        {EINSUM: 'torch.einsum("bihwrc,orc->bohw", windows, weight[:, 0])'},
    ),
    Misconception(
        "channels-averaged",
        "The input channels are averaged. They are added up: the weights alone say how much each "
        "of them counts.",
        LINK,
        {EINSUM: f"{EINSUM} / x.shape[1]"},
    ),
    Misconception(
        "window-averaged",
        "The products within a window are averaged over its pixels. A convolution adds them up.",
        "convolutions-slide",
        {EINSUM: f"{EINSUM} / (weight.shape[2] * weight.shape[3])"},
    ),
    Misconception(
        "window-and-channels-averaged",
        "This is the mean of all products, over the window and the channels. A convolution adds "
        "them up.",
        LINK,
        {EINSUM: f"{EINSUM} / weight[0].numel()"},
    ),
    Misconception(
        "window-taken-square",
        "The window is cut as wide as it is high, or as high as it is wide. A kernel may have more "
        "rows than columns: take each from its own axis of the weight.",
        "convolutions-slide",
        {"(weight.shape[2], weight.shape[3])": "(weight.shape[3], weight.shape[3])"},
    ),
    Misconception(
        "channels-not-summed",
        "The result still has an axis for the input channels. They are added up: only the output "
        "channels are left.",
        LINK,
        {EINSUM: 'torch.einsum("bihwrc,oirc->boihw", windows, weight)'},
    ),
    Misconception(
        "in-and-out-exchanged",
        "The first axis of the weight is taken for the input channels. It counts the kernels, and "
        "so the output channels; the second axis is the input's.",
        LINK,
        {EINSUM: 'torch.einsum("bihwrc,iorc->bohw", windows, weight)'},
    ),
    Misconception(
        "bias-along-the-columns",
        "The bias meets the wrong axis: it is added along the columns. There is one for each "
        "output channel, the same at all places.",
        LINK,
        {BIAS: "out + bias"},
    ),
    Misconception(
        "bias-taken-as-given",
        "Without a bias this stops: `bias` is then None, which has no axes. Add it only where "
        "there is one: `if bias is not None`.",
        LINK,
        {"out if bias is None else out + bias": "out + bias"},
    ),
    Misconception(
        "bias-left-out",
        "The bias is not added.",
        LINK,
        {BIAS: "out"},
    ),
    Misconception(
        "bias-for-each-input-channel",
        "The bias comes in once for each input channel. It is added once, after the sum.",
        LINK,
        {BIAS: "out + x.shape[1] * bias[:, None, None]"},
    ),
    Misconception(
        "stride-left-out",
        "The stride has no effect: the kernel moves pixel by pixel.",
        "convolutions-size",
        {"stride, padding)": "1, padding)"},
    ),
    Misconception(
        "padding-left-out",
        "The image is not padded, so the map comes out too small.",
        "convolutions-size",
        {"stride, padding)": "stride, 0)"},
    ),
    Misconception(
        "places-exchanged",
        "Rows and columns of the result have changed places: out_height comes before out_width.",
        "convolutions-slide",
        {EINSUM: 'torch.einsum("bihwrc,oirc->bowh", windows, weight)'},
    ),
    Misconception(
        "kernel-read-by-columns",
        "The window is read row by row and the kernel column by column, so weights meet pixels "
        "that are not theirs.",
        "convolutions-slide",
        {EINSUM: EINSUM.replace("weight)", "weight.mT.reshape(weight.shape))")},
    ),
    Misconception(
        "stride-and-padding-exchanged",
        "Stride and padding are used in each other's place. In `sliding_windows` the stride comes "
        "first.",
        "convolutions-size",
        {"stride, padding)": "padding, stride)"},
    ),
    Misconception(
        "bias-taken-for-a-truth-value",
        "`if bias` asks whether a tensor is true, which has no answer where it has several "
        "numbers. Ask whether there is one: `bias is not None`.",
        LINK,
        {"if bias is None": "if not bias"},
    ),
)

EXERCISE = Exercise(
    id="convolutions/conv2d",
    callable="conv2d",
    title="A convolution with channels",
    parts={ONE: 1, MANY: 2, MOVED: 1},
    minutes=15,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(place_by_place, weight_by_weight, columns_of_windows),
    forbids=("torch.nn.functional.conv2d", "torch.conv2d"),
    depends=("convolutions/sliding_windows",),
    equivalent={"`weight.shape[-1]` for `weight.shape[3]`": "a weight has four axes"},
    rtol=1e-3,
    atol=1e-3,
)
