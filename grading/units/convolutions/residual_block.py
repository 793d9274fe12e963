"""convolutions/residual_block: two convolutions, and a way around them."""

import numpy as np
import torch
import torch.nn.functional as F

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.convolutions.draw import normal

SAME, CHANGED = "the same shape", "another shape"
LINK = "convolutions-skip"
AXES = "batch out_channels out_height out_width"


def cases(rng: np.random.Generator) -> list[Case]:
    """Blocks that keep the shape; other channels, a stride, both; silent convolutions."""
    x = normal(rng, 2, 3, 7, 11)
    keep, wide, narrow = normal(rng, 3, 3, 3, 3), normal(rng, 5, 3, 3, 3), normal(rng, 5, 5, 3, 3)
    to_five, to_three = normal(rng, 5, 3, 1, 1), normal(rng, 3, 3, 1, 1)
    second = normal(rng, 3, 3, 3, 3)
    silent = np.zeros_like(second)
    one = normal(rng, 1, 3, 1, 1)
    drawn = [
        (SAME, "as many channels, no stride", x, keep, second, None, 1),
        (SAME, "large numbers", 30 * x, keep, second, None, 1),
        (SAME, "one image of one pixel", one, keep, second, None, 1),
        (SAME, "an x that is never negative", np.abs(x), keep, second, None, 1),
        (SAME, "a second convolution of zeros", np.abs(x), keep, silent, None, 1),
        (SAME, "a second convolution of zeros, x of both signs", x, keep, silent, None, 1),
        (CHANGED, "5 output channels", x, wide, narrow, to_five, 1),
        (CHANGED, "a stride of 2", x, keep, second, to_three, 2),
        (CHANGED, "5 output channels and a stride of 2", x, wide, narrow, to_five, 2),
        (
            CHANGED,
            "one image, 5 output channels and a stride of 3",
            x[:1],
            wide,
            narrow,
            to_five,
            3,
        ),
        (CHANGED, "2 by 2 pixels and a stride of 2", x[:, :, :2, :2], keep, second, to_three, 2),
        (CHANGED, "a projection although the shape stays", x, keep, second, to_three, 1),
    ]
    names = {"a second convolution of zeros": "silent"}
    short = {"x": x, "weight1": keep, "weight2": second}
    return [Case("projection and stride left out", short, SAME, AXES)] + [
        Case(
            says,
            {"x": x, "weight1": w1, "weight2": w2, "projection": projection, "stride": stride},
            part,
            AXES,
            name=names.get(says, ""),
        )
        for part, says, x, w1, w2, projection, stride in drawn
    ]


# --- right in other ways ---------------------------------------------------------------------


def with_torchs_functions(x, weight1, weight2, projection=None, stride=1):
    """torch.nn.functional alone."""
    out = F.conv2d(x, weight1, stride=stride, padding=1).relu()
    out = F.conv2d(out, weight2, padding="same")
    if projection is not None:
        x = F.conv2d(x, projection, stride=stride)
    return (out + x).relu()


def with_modules(x, weight1, weight2, projection=None, stride=1):
    """Layers as modules, which receive the weights."""

    def layer(weight, stride, padding):
        n_out, n_in, size, _ = weight.shape
        module = torch.nn.Conv2d(n_in, n_out, size, stride, padding, bias=False)
        module.weight.data = weight
        return module

    change = torch.nn.Sequential(layer(weight1, stride, 1), torch.nn.ReLU(), layer(weight2, 1, 1))
    way = torch.nn.Identity() if projection is None else layer(projection, stride, 0)
    with torch.no_grad():
        return torch.relu(change(x) + way(x))


def projection_on_every_other_pixel(x, weight1, weight2, projection=None, stride=1):
    """The projection as a product of matrices on the pixels that the stride leaves; clamps."""
    hidden = F.conv2d(x, weight1, None, stride, 1).clamp(min=0)
    total = F.conv2d(hidden, weight2, None, 1, 1)
    if projection is None:
        total = total + x
    else:
        left = x[:, :, ::stride, ::stride]
        total = total + torch.einsum("bihw,oi->bohw", left, projection[:, :, 0, 0])
    return total.clamp(min=0)


# --- wrong in known ways -----------------------------------------------------------------------

HIDDEN = "hidden = F.relu(conv2d(x, weight1, stride=stride, padding=1))"
CHANGE = "change = conv2d(hidden, weight2, padding=1)"
SHORT = "shortcut = x if projection is None else conv2d(x, projection, stride=stride)"
SUM = "return F.relu(shortcut + change)"
PROJECTED = "conv2d(x, projection, stride=stride)"

MISCONCEPTIONS = (
    Misconception(
        "relu-before-the-sum",
        "The last ReLU stands before the sum, so that a block can only add. It comes after the "
        "sum: a change may be negative.",
        LINK,
        {SUM: "return shortcut + F.relu(change)"},
    ),
    Misconception(
        "no-skip",
        "This is a plain block: its input is not added to what the convolutions say.",
        LINK,
        {SUM: "return F.relu(change)"},
    ),
    Misconception(
        "no-skip-without-projection",
        "Where no projection is given, nothing is added to what the convolutions say. The shortcut "
        "is then x itself.",
        LINK,
        {SUM: "return F.relu(change if projection is None else shortcut + change)"},
    ),
    Misconception(
        "convolutions-without-padding",
        "The two convolutions have no padding, so each makes the map smaller, and x no longer fits "
        "onto it. Both need a padding of 1.",
        "convolutions-size",
        {
            HIDDEN: "hidden = F.relu(conv2d(x, weight1, stride=stride))",
            CHANGE: "change = conv2d(hidden, weight2)",
        },
    ),
    Misconception(
        "no-last-relu",
        "The sum is right, but the ReLU after it is missing.",
        LINK,
        {SUM: "return shortcut + change"},
    ),
    Misconception(
        "relu-on-the-skip",
        "The shortcut goes through a ReLU of its own before the sum. It takes x as it is, or "
        "projected, and the only ReLU on that way comes after the sum.",
        LINK,
        {SUM: "return F.relu(F.relu(shortcut) + change)"},
    ),
    Misconception(
        "no-relu-in-between",
        "There is no ReLU between the two convolutions, which makes them one linear map.",
        LINK,
        {HIDDEN: "hidden = conv2d(x, weight1, stride=stride, padding=1)"},
    ),
    Misconception(
        "relu-on-both-convolutions",
        "Both convolutions are followed by a ReLU before the sum, and one more comes after it. The "
        "second convolution's answer goes into the sum as it is.",
        LINK,
        {CHANGE: "change = F.relu(conv2d(hidden, weight2, padding=1))"},
    ),
    Misconception(
        "projection-unused",
        "The projection plays no part: x is added as it came, which fails where shapes differ. "
        "Where a projection is given, x goes through it.",
        LINK,
        {SHORT: "shortcut = x"},
    ),
    Misconception(
        "projection-without-stride",
        "The projection moves pixel by pixel, so x stays as large as it was. It needs the stride "
        "of the block.",
        LINK,
        {SHORT: "shortcut = x if projection is None else conv2d(x, projection)"},
    ),
    Misconception(
        "pixels-dropped-unprojected",
        "x is thinned out by the stride, but not projected.",
        LINK,
        {SHORT: "shortcut = x[:, :, ::stride, ::stride]"},
    ),
    Misconception(
        "stride-in-the-second-convolution",
        "The stride stands in the second convolution. The first one has it, so that the second "
        "works on the smaller map.",
        LINK,
        {
            HIDDEN: "hidden = F.relu(conv2d(x, weight1, padding=1))",
            CHANGE: "change = conv2d(hidden, weight2, stride=stride, padding=1)",
        },
    ),
    Misconception(
        "stride-in-both-convolutions",
        "Both convolutions have the stride, so the map shrinks twice. Only the first has it.",
        LINK,
        {CHANGE: "change = conv2d(hidden, weight2, stride=stride, padding=1)"},
    ),
    Misconception(
        "hidden-added",
        "What is added is the output of the first convolution. The way around starts from x, "
        "before both convolutions.",
        LINK,
        {SUM: "return F.relu(hidden + change)"},
    ),
    Misconception(
        "halved",
        "The sum is halved, as a mean of the two ways. It is a sum.",
        LINK,
        {SUM: "return F.relu((shortcut + change) / 2)"},
    ),
    Misconception(
        "multiplied",
        "The two ways are multiplied. They are added.",
        LINK,
        {SUM: "return F.relu(shortcut * change)"},
    ),
    Misconception(
        "weights-exchanged",
        "The two convolutions have changed places.",
        LINK,
        {
            "conv2d(x, weight1,": "conv2d(x, weight2,",
            "conv2d(hidden, weight2,": "conv2d(hidden, weight1,",
        },
    ),
    Misconception(
        "relu-before-the-convolutions",
        "A ReLU stands before each convolution and none after the sum, as in the later "
        "pre-activation block. Here x goes into the first convolution as it is, and a ReLU comes "
        "last.",
        LINK,
        {
            HIDDEN: HIDDEN.replace("conv2d(x,", "conv2d(F.relu(x),"),
            SUM: "return shortcut + change",
        },
    ),
    Misconception(
        "relu-on-the-projection",
        "The projected x goes through a ReLU of its own before the sum. The only ReLU on that way "
        "comes after the sum.",
        LINK,
        {
            SHORT: SHORT.replace(
                "conv2d(x, projection, stride=stride)",
                "F.relu(conv2d(x, projection, stride=stride))",
            )
        },
    ),
    Misconception(
        "projection-padded",
        "The projection has padding here. A window of one pixel needs none: with it, the shortcut "
        "comes out larger than what it is added to.",
        LINK,
        {SHORT: SHORT.replace("stride=stride)", "stride=stride, padding=1)")},
    ),
)

EXERCISE = Exercise(
    id="convolutions/residual_block",
    callable="residual_block",
    title="A residual block",
    parts={SAME: 2, CHANGED: 1},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_torchs_functions, with_modules, projection_on_every_other_pixel),
    depends=("convolutions/conv2d",),
    rtol=1e-3,
    atol=1e-3,
    properties=(
        Property(
            "a-silent-block-hands-on",
            "The second convolution was all zeros and x never negative. Then x itself has to come "
            "out, and it did not.",
            LINK,
            ("silent",),
            lambda out: bool((out >= 0).all() and out.any()),
        ),
    ),
)
