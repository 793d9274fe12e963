"""convolutions/output_size: how many places a window has along one axis."""

import math

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property

PLAIN, REFUSED = "sizes", "windows that do not fit"
LINK = "convolutions-size"
NAMES = {1: "bare", 2: "padded", 3: "stride 2", 5: "stride 4", 9: "as large"}


def cases(rng: np.random.Generator) -> list[Case]:
    """One thing at a time: kernel, padding, stride; places left over; what is to be refused."""
    n = int(rng.choice([17, 19, 23]))
    drawn = [
        (PLAIN, n, 1, 1, 0),
        (PLAIN, n, 5, 1, 0),
        (PLAIN, n, 5, 1, 3),
        (PLAIN, n, 2, 2, 0),
        (PLAIN, n + 1, 2, 2, 0),
        (PLAIN, n, 3, 4, 2),
        (PLAIN, n + 1, 3, 4, 2),
        (PLAIN, n + 2, 3, 4, 2),
        (PLAIN, n + 3, 3, 4, 2),  # with the three above: every remainder
        (PLAIN, n, n, 1, 0),
        (PLAIN, n, n, 3, 0),
        (PLAIN, 1, 1, 1, 0),
        (PLAIN, 2, 5, 1, 2),
        (PLAIN, 3, 5, 1, 1),
        (REFUSED, 4, 5, 1, 0),
        (REFUSED, 2, 7, 1, 2),
        (REFUSED, n, 3, 0, 0),
        (REFUSED, n, 3, -1, 0),
        (REFUSED, n, 3, 1, -1),
    ]
    short = [
        Case(f"`output_size({n}, 5)`", {"size": n, "kernel": 5}, PLAIN),
        Case(f"`output_size({n}, 5, 2)`", {"size": n, "kernel": 5, "stride": 2}, PLAIN),
    ]
    return short + [
        Case(
            f"`output_size({size}, kernel={kernel}, stride={stride}, padding={padding})`",
            {"size": size, "kernel": kernel, "stride": stride, "padding": padding},
            part,
            name=NAMES.get(i, ""),
        )
        for i, (part, size, kernel, stride, padding) in enumerate(drawn)
    ]


# --- right in other ways ---------------------------------------------------------------------


def by_range(size, kernel, stride=1, padding=0):
    """The first pixels of all windows, as a range."""
    if stride <= 0 or padding < 0:
        raise ValueError("bad stride or padding")
    last = size + 2 * padding - kernel
    if last < 0:
        raise ValueError("the window does not fit")
    return len(range(0, last + 1, stride))


def by_walking(size, kernel, stride=1, padding=0):
    """Moves the window until it sticks out."""
    left, right, places = -padding, size + padding, 0
    if stride < 1 or padding < 0 or left + kernel > right:
        raise ValueError(f"{size=} {kernel=} {stride=} {padding=}")
    while left + kernel <= right:
        places += 1
        left += stride
    return places


def by_floor(size, kernel, stride=1, padding=0):
    """As the formula is written, with a real division."""
    if min(stride, padding + 1, size + 2 * padding - kernel + 1) < 1:
        raise ValueError("wanted stride >= 1, padding >= 0 and a window that fits")
    return math.floor((size + 2 * padding - kernel) / stride) + 1


# --- wrong in known ways -----------------------------------------------------------------------

RESULT = "return (size + 2 * padding - kernel) // stride + 1"

MISCONCEPTIONS = (
    Misconception(
        "first-place-forgotten",
        "The answer is one too small: it counts the steps of the window, and the place where it "
        "stands before its first step is missing.",
        LINK,
        {RESULT: "return (size + 2 * padding - kernel) // stride"},
    ),
    Misconception(
        "last-place-forgotten",
        "Where the stride comes out even, the last place is missing: a window may end exactly at "
        "the last pixel.",
        LINK,
        {RESULT: "return -((kernel - size - 2 * padding) // stride)"},
    ),
    Misconception(
        "padding-on-one-side",
        "The padding is counted once. It stands at both ends of the axis.",
        LINK,
        {RESULT: "return (size + padding - kernel) // stride + 1"},
    ),
    Misconception(
        "rounded-up",
        "Where the stride does not come out even, this rounds up, and counts a window that sticks "
        "out of the image.",
        LINK,
        {RESULT: "return -((kernel - size - 2 * padding) // stride) + 1"},
    ),
    Misconception(
        "kernel-left-out",
        "The size of the window plays no part: this counts as if a window could start at every "
        "pixel, even at the last one.",
        LINK,
        {RESULT: "return (size + 2 * padding) // stride"},
    ),
    Misconception(
        "stride-left-out",
        "The stride has no effect here: with a larger stride there are fewer places.",
        LINK,
        {RESULT: "return size + 2 * padding - kernel + 1"},
    ),
    Misconception(
        "padding-left-out",
        "The padding has no effect on the result here: it gives the window more room.",
        LINK,
        {RESULT: "return (size - kernel) // stride + 1"},
    ),
    Misconception(
        "one-added-before-dividing",
        "The 1 is added before the division by the stride. It is the first place, and belongs to "
        "the result whatever the stride is.",
        LINK,
        {RESULT: "return (size + 2 * padding - kernel + 1) // stride"},
    ),
    Misconception(
        "divided-without-rounding",
        "The division leaves a fraction, or a float where a whole number of places is wanted.",
        LINK,
        {RESULT: "return (size + 2 * padding - kernel) / stride + 1"},
    ),
    Misconception(
        "window-that-does-not-fit",
        "Where the window is larger than the axis with its padding, there is no place at all: the "
        "docstring promises a ValueError for that.",
        LINK,
        {"if size + 2 * padding < kernel:": "if False:"},
    ),
    Misconception(
        "padding-forgotten-in-the-check",
        "This refuses a window that is larger than the image without its padding. With the padding "
        "it may fit.",
        LINK,
        {"if size + 2 * padding < kernel:": "if size < kernel:"},
    ),
    Misconception(
        "stride-and-padding-unchecked",
        "A stride below 1, or a padding below 0, makes no sense. The docstring promises a "
        "ValueError for both.",
        LINK,
        {"if stride < 1 or padding < 0:": "if False:"},
    ),
    Misconception(
        "rounded-to-the-nearest",
        "Where the stride does not come out even, this rounds to the nearest whole number, and at "
        "times counts a window that sticks out. Round down.",
        LINK,
        {RESULT: "return round((size + 2 * padding - kernel) / stride) + 1"},
    ),
)

EXERCISE = Exercise(
    id="convolutions/output_size",
    callable="output_size",
    title="How many places a window has",
    parts={REFUSED: 1, PLAIN: 1},  # the docstring's example is of the last part
    minutes=5,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(by_range, by_walking, by_floor),
    properties=(
        Property(
            "padding-makes-room-at-both-ends",
            "With a stride of 1, three pixels of padding did not give exactly six places more. "
            "They stand at both ends of the axis.",
            LINK,
            ("bare", "padded"),
            lambda bare, padded: padded - bare == 6,
        ),
        Property(
            "one-place-for-the-largest-window",
            "A window exactly as large as the axis did not get exactly one place. It fits, and "
            "cannot move.",
            LINK,
            ("as large",),
            lambda places: places == 1,
        ),
        Property(
            "a-whole-number-of-places",
            "What comes back is a fraction, or a float, where a number of places is wanted: `/` "
            "divides, and `//` divides and rounds down.",
            LINK,
            ("stride 2", "stride 4"),
            lambda *places: all(isinstance(n, int) for n in places),
        ),
    ),
)
