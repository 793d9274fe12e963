"""embeddings_and_positions/image_to_patches: a picture as a list of vectors."""

import numpy as np
import torch
from einops import rearrange

from grading.course.exercise import Case, Exercise, Misconception
from grading.units.embeddings_and_positions.draw import counting

LINK = "embeddings-and-positions-patches"
AXES = "n_patches patch_width"


def cases(rng: np.random.Generator) -> list[Case]:
    """Grey and colour, square and not, sizes 1 and the whole image; four that no squares fill."""
    return [
        _case(rng, "a square grey image", 6, 6, 1, size=2),
        _case(rng, "a square image of 5 channels", 6, 6, 5, size=2),
        _case(rng, "a wide image of 3 channels", 4, 10, 3, size=2),
        _case(rng, "a tall image of 3 channels", 15, 6, 3, size=3),
        _case(rng, "a tall grey image", 10, 4, 1, size=2),
        _case(rng, "a row of patches", 3, 15, 2, size=3),
        _case(rng, "a column of patches", 15, 3, 2, size=3),
        _case(rng, "patches of one pixel", 3, 5, 2, size=1),
        _case(rng, "one patch, the whole image", 5, 5, 3, size=5),
        _case(rng, "an image whose height is no multiple", 7, 6, 3, size=3),
        _case(rng, "an image whose width is no multiple", 6, 8, 3, size=3),
        _case(rng, "an image with the pixels of 3 squares", 6, 8, 3, size=4),
        _case(rng, "an image of which no side is a multiple", 8, 7, 3, size=5),
    ]


def _case(rng, says: str, height: int, width: int, channels: int, size: int) -> Case:
    image = counting(rng, height, width, channels)
    return Case(
        f"{says} ({height} by {width}, size {size})", {"image": image, "size": size}, axes=AXES
    )


# --- right in other ways ---------------------------------------------------------------------


def _check(image, size):
    if image.shape[0] % size != 0 or image.shape[1] % size != 0:
        raise ValueError("the squares do not fit")


def slice_by_slice(image, size):
    """Two loops over the upper left corners."""
    _check(image, size)
    patches = []
    for top in range(0, image.shape[0], size):
        for left in range(0, image.shape[1], size):
            patches.append(image[top : top + size, left : left + size].flatten())
    return torch.stack(patches)


def reshape_and_permute(image, size):
    """Five axes, two of them exchanged."""
    _check(image, size)
    height, width, channels = image.shape
    split = image.reshape(height // size, size, width // size, size, channels)
    return split.permute(0, 2, 1, 3, 4).reshape(-1, size * size * channels)


def with_unfold(image, size):
    """Windows along both axes, channels moved back behind the pixels."""
    _check(image, size)
    windows = image.unfold(0, size, size).unfold(1, size, size)  # row column channels y x
    return windows.permute(0, 1, 3, 4, 2).flatten(2).flatten(0, 1)


def by_index(image, size):
    """Where each number of each patch comes from, computed."""
    _check(image, size)
    height, width, channels = image.shape
    patch = torch.arange(height * width // size**2)[:, None]
    inside = torch.arange(size * size)[None]
    rows = patch // (width // size) * size + inside // size
    columns = patch % (width // size) * size + inside % size
    return image[rows, columns].reshape(len(patch), -1)


# --- wrong in known ways -----------------------------------------------------------------------

CUT = "(row y) (column x) channels -> (row column) (y x channels)"
ARRANGED = "rearrange(image, cut, y=size, x=size)"
CHECK = "if height % size or width % size:"
CROPPED = "rearrange(image[: height // size * size, : width // size * size], cut, y=size, x=size)"


def strips(image, size):
    """The right shape, by reshape alone."""
    _check(image, size)
    return image.reshape(-1, size * size * image.shape[-1])


def overlapping(image, size):
    """A square at every pixel."""
    _check(image, size)
    windows = image.unfold(0, size, 1).unfold(1, size, 1)
    return rearrange(windows, "row column channels y x -> (row column) (y x channels)")


def edge_left_out(image, size):
    """Corners up to, and not including, the last."""
    _check(image, size)
    height, width, channels = image.shape
    tops, lefts = range(0, height - size, size), range(0, width - size, size)
    patches = [image[y : y + size, x : x + size].flatten() for y in tops for x in lefts]
    return torch.stack(patches) if patches else torch.empty(0, size * size * channels)


MISCONCEPTIONS = (
    Misconception(
        "strips",
        "The shape is right and the numbers are not: a reshape alone cuts the image into strips "
        "of a row, so pixels below each other land in different pieces.",
        LINK,
        answer=strips,
    ),
    Misconception(
        "patches-column-by-column",
        "The patches come column by column. They are read like a text: first the top row from "
        "left to right.",
        LINK,
        {CUT: CUT.replace("(row column)", "(column row)")},
    ),
    Misconception(
        "pixels-column-by-column",
        "Inside each patch the pixels come column by column. They are read row by row, like the "
        "patches.",
        LINK,
        {CUT: CUT.replace("(y x channels)", "(x y channels)")},
    ),
    Misconception(
        "all-column-by-column",
        "Patches and the pixels in them both come column by column, as if the image lay on its "
        "side: rows come first, each from left to right.",
        LINK,
        {CUT: CUT.replace("(row column) (y x channels)", "(column row) (x y channels)")},
    ),
    Misconception(
        "channels-first",
        "Inside a patch all numbers of one channel come first, then the next channel. Keep the "
        "channels of a pixel together.",
        LINK,
        {CUT: CUT.replace("(y x channels)", "(channels y x)")},
    ),
    Misconception(
        "pixels-far-apart",
        "A piece holds pixels from all over the image, every so many rows and columns: when an "
        "axis is split in two, the outer part counts patches and the inner part pixels.",
        LINK,
        {CUT: CUT.replace("(row y) (column x)", "(y row) (x column)")},
    ),
    Misconception(
        "size-counts-patches",
        "`size` was taken as the number of patches along a side. It is the number of pixels along "
        "a side of one patch.",
        LINK,
        {ARRANGED: "rearrange(image, cut, row=size, column=size)"},
    ),
    Misconception(
        "overlapping",
        "A patch starts at every pixel, so they overlap. Each pixel belongs to one patch: the "
        "next starts where the last one ends.",
        LINK,
        answer=overlapping,
    ),
    Misconception(
        "patches-not-flat",
        "The patches are cut and are still little images. A transformer reads vectors: lay the "
        "numbers of each patch in one row.",
        LINK,
        {CUT: CUT.replace("(y x channels)", "y x channels")},
    ),
    Misconception(
        "grid-kept",
        "Rows and columns of patches are still two axes: a sequence has one.",
        LINK,
        {CUT: CUT.replace("(row column)", "row column")},
    ),
    Misconception(
        "one-channel-only",
        "Only the first channel is kept. A patch holds all channels of its pixels.",
        LINK,
        {ARRANGED: "rearrange(image[..., :1], cut, y=size, x=size)"},
    ),
    Misconception(
        "rest-cut-off",
        "Where the squares do not fill the image, rows or columns at the edge vanish without a "
        "word: here a ValueError is wanted.",
        LINK,
        {
            CHECK: "if False:",
            ARRANGED: CROPPED,
        },
    ),
    Misconception(
        "fit-not-checked",
        "Where the squares do not fill the image, it fails with another error, further down and "
        "harder to understand. Check first, and raise the ValueError that is promised.",
        LINK,
        {CHECK: "if False:"},
    ),
    Misconception(
        "only-height-checked",
        "An image whose width is no multiple of the size is not refused with a ValueError: check "
        "both sides.",
        LINK,
        {CHECK: "if height % size:"},
    ),
    Misconception(
        "only-width-checked",
        "An image whose height is no multiple of the size is not refused with a ValueError: check "
        "both sides.",
        LINK,
        {CHECK: "if width % size:"},
    ),
    Misconception(
        "last-patches-missing",
        "The last row and the last column of patches are missing: the last corner lies one size "
        "before the edge, and still counts.",
        LINK,
        answer=edge_left_out,
    ),
    Misconception(
        "numbers-scaled",
        "The patches are right and every number was divided by 255. Hand the numbers over as they "
        "are: these may be in any unit.",
        LINK,
        {ARRANGED: f"{ARRANGED} / 255"},
    ),
    Misconception(
        "pixels-counted-only",
        "Whether the squares fill the image was asked of the number of pixels. 6 by 8 pixels are "
        "as many as 3 squares of 4 by 4 have, and yet no such squares fill them: ask both sides.",
        LINK,
        {CHECK: "if height * width % size**2:"},
    ),
    Misconception(
        "pixels-counted-and-the-rest-cut-off",
        "An image is refused by the number of its pixels alone, and a rest at the edge vanishes: "
        "6 by 8 pixels are 3 times 4 by 4, and no such squares fill them. Ask both sides.",
        LINK,
        {CHECK: "if height * width % size**2:", ARRANGED: CROPPED},
    ),
    Misconception(
        "refused-only-where-neither-side-fits",
        "The ValueError comes only where neither side is a multiple of the size. One such side is "
        "enough to leave a rest: ask `or`, not `and`.",
        LINK,
        {CHECK: CHECK.replace(" or ", " and ")},
    ),
    Misconception(
        "cut-off-where-one-side-fits",
        "An image is refused only where neither side is a multiple of the size; where one is, the "
        "rest of the other vanishes. Ask `or`, not `and`.",
        LINK,
        {CHECK: CHECK.replace(" or ", " and "), ARRANGED: CROPPED},
    ),
)

EXERCISE = Exercise(
    id="embeddings_and_positions/image_to_patches",
    callable="image_to_patches",
    title="An image as a sequence",
    parts={"all": 2},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(slice_by_slice, reshape_and_permute, with_unfold, by_index),
)
