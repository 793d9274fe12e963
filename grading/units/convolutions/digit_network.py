"""convolutions/digit_network: three convolutions, the strongest answers, a linear layer."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.convolutions import drive
from grading.units.convolutions.draw import normal

LINK = "convolutions-answer"


def cases(rng: np.random.Generator) -> list[Case]:
    """Widths, numbers of classes and sizes of images; one image; a figure moved on blank paper."""
    still = np.zeros((2, 1, 17, 19), np.float32)
    still[:, :, 5:11, 6:12] = np.abs(normal(rng, 2, 1, 6, 6))
    moved = np.roll(still, (2, -2), axis=(2, 3))
    drawn = [
        ("two images of 12 by 12", 3, 7, np.abs(normal(rng, 2, 1, 12, 12)), True, ""),
        ("one image", 3, 7, np.abs(normal(rng, 1, 1, 12, 12)), True, ""),
        ("images of 5 by 11", 2, 10, normal(rng, 3, 1, 5, 11), True, ""),
        ("images of one pixel", 5, 3, normal(rng, 2, 1, 1, 1), True, ""),
        ("one channel and one class", 1, 1, normal(rng, 2, 1, 7, 5), True, ""),
        ("the widths left out", None, None, np.abs(normal(rng, 2, 1, 12, 12)), True, ""),
        ("large numbers", 3, 7, 50 * normal(rng, 2, 1, 12, 12), True, ""),
        ("a figure on blank paper, biases 0", 3, 7, still, False, "still"),
        ("the same figure moved", 3, 7, moved, False, "moved"),
    ]
    shared = _weights(rng, 3, 7, biases=False)
    return [
        Case(
            says,
            {
                "channels": channels,
                "n_classes": n_classes,
                "weights": _weights(rng, channels or 8, n_classes or 10) if biases else shared,
                "images": images,
            },
            name=name,
        )
        for says, channels, n_classes, images, biases, name in drawn
    ]


def _weights(rng, channels: int, n_classes: int, biases: bool = True) -> dict[str, np.ndarray]:
    widths = [1, channels, 2 * channels, 4 * channels]
    weights = {}
    for i in (1, 2, 3):
        n_in, n_out = widths[i - 1 : i + 1]
        weights[f"conv{i}.weight"] = normal(rng, n_out, n_in, 3, 3, scale=0.5)
        weights[f"conv{i}.bias"] = normal(rng, n_out) if biases else np.zeros(n_out, np.float32)
    weights["output.weight"] = normal(rng, n_classes, widths[-1])
    weights["output.bias"] = normal(rng, n_classes)
    return weights


# --- right in other ways ---------------------------------------------------------------------


class AdaptivePooling(nn.Module):
    """Layers made in a loop; torch's adaptive pooling."""

    def __init__(self, channels=8, n_classes=10):
        super().__init__()
        for i in range(3):
            n_in = 1 if i == 0 else channels * 2 ** (i - 1)
            setattr(self, f"conv{i + 1}", nn.Conv2d(n_in, channels * 2**i, 3, padding="same"))
        self.output = nn.Linear(channels * 4, n_classes)

    def forward(self, images):
        x = images
        for layer in (self.conv1, self.conv2, self.conv3):
            x = layer(x).clamp(min=0)
        return self.output(F.adaptive_max_pool2d(x, 1).flatten(1))


class MaximumBeforeReLU(nn.Module):
    """The last ReLU after the maximum: the two may change places."""

    def __init__(self, channels=8, n_classes=10):
        super().__init__()
        self.output = nn.Linear(4 * channels, n_classes)
        self.conv3 = nn.Conv2d(2 * channels, 4 * channels, (3, 3), padding=(1, 1))
        self.conv2 = nn.Conv2d(channels, 2 * channels, (3, 3), padding=(1, 1))
        self.conv1 = nn.Conv2d(1, channels, (3, 3), padding=(1, 1))
        self.relu = nn.ReLU()

    def forward(self, images):
        x = self.conv3(self.relu(self.conv2(self.relu(self.conv1(images)))))
        return self.output(torch.relu(x.flatten(2).max(dim=2).values))


class FunctionalConvolutions(nn.Module):
    """The functions with the modules' weights; the maximum over columns, then over rows."""

    def __init__(self, channels=8, n_classes=10):
        super().__init__()
        widths = [channels * factor for factor in (1, 2, 4)]
        self.conv1 = nn.Conv2d(1, widths[0], 3, 1, 1)
        self.conv2 = nn.Conv2d(widths[0], widths[1], 3, 1, 1)
        self.conv3 = nn.Conv2d(widths[1], widths[2], 3, 1, 1)
        self.output = nn.Linear(widths[2], n_classes)

    def forward(self, images):
        for layer in [self.conv1, self.conv2, self.conv3]:
            images = F.relu(F.conv2d(images, layer.weight, layer.bias, padding=1))
        best = images.max(-1)[0].max(-1)[0]
        return best @ self.output.weight.T + self.output.bias


# --- wrong in known ways -----------------------------------------------------------------------

FIRST, SECOND = "x = F.relu(self.conv1(images))", "x = F.relu(self.conv2(x))"
THIRD = "x = F.relu(self.conv3(x))"
RESULT = "return self.output(x.amax(dim=(-2, -1)))"
LAST = "self.output = nn.Linear(4 * channels, n_classes)"

CONVOLUTIONS = {
    "nn.Conv2d(1, channels, kernel_size=3, padding=1)": "nn.Conv2d(1, {}, kernel_size=3{})",
    "nn.Conv2d(channels, 2 * channels, kernel_size=3, padding=1)": (
        "nn.Conv2d({}, 2 * {}, kernel_size=3{})"
    ),
    "nn.Conv2d(2 * channels, 4 * channels, kernel_size=3, padding=1)": (
        "nn.Conv2d(2 * {}, 4 * {}, kernel_size=3{})"
    ),
}


def _made(width: str, more: str) -> dict[str, str]:
    """All three convolutions made in another way."""
    return {
        old: new.replace("{})", f"{more})").replace("{}", width)
        for old, new in CONVOLUTIONS.items()
    }


MISCONCEPTIONS = (
    Misconception(
        "module-not-made-first",
        "`super().__init__()` is missing, or comes too late. It makes the network ready to hold "
        "layers, so it is the first line of `__init__`.",
        LINK,
        {"super().__init__()": "pass"},
    ),
    Misconception(
        "output-under-another-name",
        "The linear layer has another name. The check finds the parts by the names in the "
        "docstring, and this one is `output`.",
        LINK,
        {LAST: LAST.replace("output", "linear"), RESULT: RESULT.replace("output", "linear")},
    ),
    Misconception(
        "no-padding",
        "No convolution has padding, so every map is smaller than its image, and a small image has "
        "no place left for a window. All three have padding 1.",
        "convolutions-size",
        _made("channels", ""),
    ),
    Misconception(
        "widths-fixed",
        "The widths are fixed numbers, so that `channels` has no effect. They are its multiples: "
        "channels, 2 * channels and 4 * channels.",
        LINK,
        {**_made("8", ", padding=1"), LAST: "self.output = nn.Linear(32, n_classes)"},
    ),
    Misconception(
        "max-returns-two-things",
        "With `dim`, `max` returns the values and where they stand, and a pair has no maximum. "
        "Take `.values` of it, or use `amax`.",
        "convolutions-pooling",
        {RESULT: "return self.output(x.max(dim=-1).max(dim=-1))"},
    ),
    Misconception(
        "mean-of-all-places",
        "This takes the mean of each map. It does not mind shifts either, but a clear answer at "
        "one place is thinned out by all the others; the maximum is wanted here.",
        "convolutions-pooling",
        {RESULT: "return self.output(x.mean(dim=(-2, -1)))"},
    ),
    Misconception(
        "sum-of-all-places",
        "This adds up all places of each map. The largest one is wanted.",
        "convolutions-pooling",
        {RESULT: "return self.output(x.sum(dim=(-2, -1)))"},
    ),
    Misconception(
        "reads-every-place",
        "The linear layer has weights for every place, and so depends on where things stand and on "
        "the size of the image. First reduce each map to one number.",
        LINK,
        {
            LAST: "self.output = nn.Linear(4 * channels * 144, n_classes)",
            RESULT: "return self.output(x.flatten(1))",
        },
    ),
    Misconception(
        "maximum-over-channels",
        "The maximum runs over the channels at one place. Each channel keeps a number of its own: "
        "its best over all places.",
        "convolutions-pooling",
        {RESULT: "return self.output(x[..., 0, 0] * 0 + x.amax(dim=(1, 2, 3))[:, None])"},
    ),
    Misconception(
        "maximum-over-one-axis",
        "The maximum runs along one axis of the image, and one row or column of it is kept. It "
        "should run over all places.",
        "convolutions-pooling",
        {RESULT: "return self.output(x.amax(dim=-1)[..., 0])"},
    ),
    Misconception(
        "middle-pixel-only",
        "Only one place of each map is read. What stands elsewhere plays no part.",
        "convolutions-pooling",
        {RESULT: "return self.output(x[:, :, x.shape[2] // 2, x.shape[3] // 2])"},
    ),
    Misconception(
        "no-relu-after-the-first",
        "There is no ReLU after the first convolution: without one, two convolutions are no more "
        "than a single linear one.",
        "convolutions-channels",
        {FIRST: "x = self.conv1(images)"},
    ),
    Misconception(
        "no-relu-after-the-second",
        "There is no ReLU after the second convolution.",
        "convolutions-channels",
        {SECOND: "x = self.conv2(x)"},
    ),
    Misconception(
        "no-relu-after-the-third",
        "There is no ReLU after the third convolution: where all answers of a channel are "
        "negative, 0 should go on.",
        "convolutions-channels",
        {THIRD: "x = self.conv3(x)"},
    ),
    Misconception(
        "relu-on-the-logits",
        "The logits go through a ReLU, which makes all negative ones equal. Logits may be "
        "negative: the loss makes probabilities of them.",
        LINK,
        {RESULT: "return F.relu(self.output(x.amax(dim=(-2, -1))))"},
    ),
    Misconception(
        "softmaxed-logits",
        "This returns probabilities. The loss takes logits and does the softmax itself; twice is "
        "once too often.",
        LINK,
        {RESULT: "return self.output(x.amax(dim=(-2, -1))).softmax(dim=-1)"},
    ),
    Misconception(
        "no-padding-in-the-middle",
        "The second convolution has no padding, so it never looks at the rim from outside, and an "
        "image can become too small for it.",
        "convolutions-size",
        {
            "nn.Conv2d(channels, 2 * channels, kernel_size=3, padding=1)": (
                "nn.Conv2d(channels, 2 * channels, kernel_size=3)"
            )
        },
    ),
    Misconception(
        "layers-as-wide-as-the-first",
        "The layers do not get wider. The second has twice, the third four times the channels of "
        "the first.",
        LINK,
        {
            "nn.Conv2d(channels, 2 * channels, kernel_size=3, padding=1)": (
                "nn.Conv2d(channels, channels, kernel_size=3, padding=1)"
            ),
            "nn.Conv2d(2 * channels, 4 * channels, kernel_size=3, padding=1)": (
                "nn.Conv2d(channels, channels, kernel_size=3, padding=1)"
            ),
            LAST: "self.output = nn.Linear(channels, n_classes)",
        },
    ),
    Misconception(
        "linear-layer-without-bias",
        "The linear layer has no bias. `nn.Linear` has one by itself.",
        LINK,
        {LAST: "self.output = nn.Linear(4 * channels, n_classes, bias=False)"},
    ),
    Misconception(
        "pooled-in-between",
        "The maps are pooled between the convolutions, too, and shrink. Nothing but a ReLU stands "
        "between them; the one maximum comes after the third.",
        "convolutions-pooling",
        {
            FIRST: "x = F.max_pool2d(F.relu(self.conv1(images)), 2)",
            SECOND: "x = F.max_pool2d(F.relu(self.conv2(x)), 2)",
        },
    ),
)

EXERCISE = Exercise(
    id="convolutions/digit_network",
    callable="DigitNetwork",
    title="A network that reads digits",
    parts={"all": 3},
    minutes=20,
    difficulty="hard",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(AdaptivePooling, MaximumBeforeReLU, FunctionalConvolutions),
    drive=drive.with_weights,
    rtol=1e-3,
    atol=1e-3,
    properties=(
        Property(
            "shifts-change-nothing",
            "A figure on blank paper was moved by two pixels, and the logits changed. All that "
            "should count is the strongest answer of each channel, wherever it stands.",
            LINK,
            ("still", "moved"),
            lambda still, moved: bool(
                np.allclose(still["logits"], moved["logits"], rtol=1e-2, atol=1e-2)
            ),
        ),
    ),
)
