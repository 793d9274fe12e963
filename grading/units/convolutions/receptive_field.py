"""convolutions/receptive_field: how many pixels can reach a unit."""

import math

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property

LINK = "convolutions-receptive-field"


def cases(rng: np.random.Generator) -> list[Case]:
    """No layer, one, equal ones; strides in every place; kernels of 1 that only stride."""
    k, n = int(rng.choice([5, 7, 9])), int(rng.integers(3, 7))
    drawn = [
        ("no layer", []),
        ("one layer", [(7, 1, 1)]),
        ("one layer with a stride", [(7, 3, 0)]),
        ("equal layers without a stride", [(3, 1, 1)] * n),
        ("different layers without a stride", [(k, 1, 0), (3, 1, 1), (2, 1, 0)]),
        ("the stride in the first of two layers", [(3, 2, 1), (k, 1, 1)]),
        ("the stride in the last of two layers", [(3, 1, 1), (k, 2, 1)]),
        ("two strides below a layer", [(3, 2, 1), (2, 3, 0), (k, 1, 2)]),
        ("three strides of 2", [(2, 2, 0), (2, 2, 0), (2, 2, 0), (3, 1, 1)]),
        ("a layer of 1 with a stride", [(1, 2, 0), (3, 1, 1)]),
        ("little padding", [(3, 2, 0), (k, 1, 0)]),
        ("much padding", [(3, 2, 4), (k, 1, 4)]),
    ]
    return [
        Case(f"{says}: `{layers}`", {"layers": layers}, name=says.replace(" ", "-"))
        for says, layers in drawn
    ]


# --- right in other ways ---------------------------------------------------------------------


def from_the_top_down(layers):
    """One unit on top; each layer below widens it."""
    seen = 1
    for kernel, stride, _padding in reversed(layers):
        seen = (seen - 1) * stride + kernel
    return seen


def as_the_formula(layers):
    """The sum of the chapter, with a product of all strides below."""
    strides = [stride for _, stride, _ in layers]
    return 1 + sum(
        (layer[0] - 1) * math.prod(strides[:below]) for below, layer in enumerate(layers)
    )


def first_and_last_pixel(layers):
    """Follows the outermost pixels that are seen."""
    first = last = 0
    for kernel, stride, padding in list(layers)[::-1]:
        first, last = first * stride - padding, last * stride - padding + kernel - 1
    return last - first + 1


# --- wrong in known ways -----------------------------------------------------------------------

GROW, STEP = "size += (kernel - 1) * step", "step *= stride"

MISCONCEPTIONS = (
    Misconception(
        "strides-ignored",
        "The strides play no part here. After a stride of 2, neighbours lie 2 pixels apart, and "
        "every layer above sees twice as far.",
        LINK,
        {STEP: "pass"},
    ),
    Misconception(
        "own-stride-counted",
        "A layer's own stride already widens what it sees itself. It only sets its units apart: "
        "the stride counts for the layers above.",
        LINK,
        {f"{GROW}\n        {STEP}": f"{STEP}\n        {GROW}"},
    ),
    Misconception(
        "kernels-added",
        "Each layer adds its whole kernel. Its middle lies on what was seen already, so it adds "
        "one unit less.",
        LINK,
        {GROW: "size += kernel * step"},
    ),
    Misconception(
        "starts-from-nothing",
        "The answer is one too small: before any layer, a unit is one pixel and sees itself.",
        LINK,
        {"size, step = 1, 1": "size, step = 0, 1"},
    ),
    Misconception(
        "strides-added",
        "The strides of the layers are added up. They multiply: two steps of 2 pixels, each of "
        "which is 2 wide, are 4.",
        LINK,
        {STEP: "step += stride - 1"},
    ),
    Misconception(
        "last-stride-only",
        "Only the stride of the layer just below counts here. All the strides below multiply.",
        LINK,
        {STEP: "step = stride"},
    ),
    Misconception(
        "walked-from-the-top",
        "The layers are walked in reverse order, so that strides above a layer widen it. They "
        "come from the image upwards.",
        LINK,
        {"in layers:": "in reversed(layers):"},
    ),
    Misconception(
        "kernels-multiplied",
        "The kernels multiply here. Two layers of 3 see 5 pixels and not 9: windows overlap.",
        LINK,
        {GROW: "size *= kernel"},
    ),
    Misconception(
        "padding-taken-away",
        "The padding changes the result. It decides where a unit lies, and not how much it sees.",
        LINK,
        {"stride, _ in layers": "stride, padding in layers", GROW: f"{GROW} - 2 * padding"},
    ),
    Misconception(
        "stride-times-the-kernel",
        "The stride multiplies all that has been seen so far. It widens only the steps of the "
        "layers above.",
        LINK,
        {GROW: "size = size * stride + kernel - 1", STEP: "pass"},
    ),
    Misconception(
        "padding-taken-off-the-kernel",
        "The padding is taken off the kernel. It decides where a unit lies, and not how much it "
        "sees.",
        LINK,
        {
            "stride, _ in layers": "stride, padding in layers",
            GROW: "size += (kernel - 1 - 2 * padding) * step",
        },
    ),
)

EXERCISE = Exercise(
    id="convolutions/receptive_field",
    callable="receptive_field",
    title="The receptive field",
    parts={"all": 2},
    minutes=10,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(from_the_top_down, as_the_formula, first_and_last_pixel),
    properties=(
        Property(
            "one-layer-sees-its-kernel",
            "A single layer whose kernel has 7 pixels does not see exactly 7 here. Begin with that "
            "case, with and without a stride: neither changes it.",
            LINK,
            ("one-layer", "one-layer-with-a-stride"),
            lambda plain, strided: plain == strided == 7,
        ),
        Property(
            "padding-plays-no-part",
            "More padding, with the same kernels and strides, gave another answer. Padding moves "
            "what is seen, and does not widen it.",
            LINK,
            ("little-padding", "much-padding"),
            lambda little, much: little == much,
        ),
    ),
)
