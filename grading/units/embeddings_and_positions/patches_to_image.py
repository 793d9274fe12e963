"""embeddings_and_positions/patches_to_image: and back again."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception
from grading.units.embeddings_and_positions.draw import counting

LINK = "embeddings-and-positions-patches"
AXES = "height width channels"


def cases(rng: np.random.Generator) -> list[Case]:
    """Grey and colour, square and not, sizes 1 and the whole image."""
    return [
        _case(rng, "a square grey image", 6, 6, 1, size=2),
        _case(rng, "a square image of 5 channels", 6, 6, 5, size=2),
        _case(rng, "a wide image of 3 channels", 4, 10, 3, size=2),
        _case(rng, "a tall image of 3 channels", 15, 6, 3, size=3),
        _case(rng, "a row of patches", 3, 15, 2, size=3),
        _case(rng, "a column of patches", 15, 3, 2, size=3),
        _case(rng, "patches of one pixel", 3, 5, 2, size=1),
        _case(rng, "one patch, the whole image", 5, 5, 3, size=5),
    ]


def _case(rng, says: str, height: int, width: int, channels: int, size: int) -> Case:
    patches = counting(rng, height * width // size**2, size * size * channels)
    inputs = {"patches": patches, "size": size, "height": height, "width": width}
    return Case(f"{says} ({height} by {width}, size {size})", inputs, axes=AXES)


# --- right in other ways ---------------------------------------------------------------------


def slice_by_slice(patches, size, height, width):
    """An empty image, filled square by square."""
    image = torch.empty(height, width, patches.shape[1] // size**2)
    for i, patch in enumerate(patches):
        top, left = divmod(i, width // size)
        square = patch.reshape(size, size, -1)
        image[top * size : (top + 1) * size, left * size : (left + 1) * size] = square
    return image


def reshape_and_permute(patches, size, height, width):
    """Five axes, two of them exchanged, joined in pairs."""
    split = patches.reshape(height // size, width // size, size, size, -1)
    return split.permute(0, 2, 1, 3, 4).reshape(height, width, -1)


def rows_joined(patches, size, height, width):
    """Squares joined to rows, rows joined to the image."""
    squares = [patch.view(size, size, -1) for patch in patches]
    per_row = width // size
    rows = [torch.cat(squares[i : i + per_row], dim=1) for i in range(0, len(squares), per_row)]
    return torch.cat(rows, dim=0)


# --- wrong in known ways -----------------------------------------------------------------------

JOIN = "(row column) (y x channels) -> (row y) (column x) channels"
ARRANGED = "rearrange(patches, join, row=height // size, column=width // size, y=size, x=size)"
WITHOUT_ROWS = ARRANGED.replace("row=height // size, ", "")
WITHOUT_COLUMNS = ARRANGED.replace("column=width // size, ", "")

MISCONCEPTIONS = (
    Misconception(
        "reshape-only",
        "The shape is right and the picture is torn: a reshape alone lays each patch along a row "
        "of the image, instead of in a square.",
        LINK,
        {ARRANGED: "patches.reshape(height, width, -1)"},
    ),
    Misconception(
        "patches-column-by-column",
        "The patches are laid down column by column. They come in the order of reading: the top "
        "row first.",
        LINK,
        {JOIN: JOIN.replace("(row column)", "(column row)")},
    ),
    Misconception(
        "pixels-column-by-column",
        "Every patch lies on its side: inside it, the pixels come row by row.",
        LINK,
        {JOIN: JOIN.replace("(y x channels)", "(x y channels)")},
    ),
    Misconception(
        "all-column-by-column",
        "Patches and the pixels in them are both laid down column by column: rows come first, "
        "each from left to right.",
        LINK,
        {JOIN: JOIN.replace("(row column) (y x channels)", "(column row) (x y channels)")},
    ),
    Misconception(
        "channels-first",
        "Inside a patch the numbers of one channel were taken to come first. The channels of a "
        "pixel stand together.",
        LINK,
        {JOIN: JOIN.replace("(y x channels)", "(channels y x)")},
    ),
    Misconception(
        "pixels-far-apart",
        "The pixels of a patch are spread over the whole image: when an axis is joined from two, "
        "the outer part counts patches and the inner part pixels.",
        LINK,
        {JOIN: JOIN.replace("(row y) (column x)", "(y row) (x column)")},
    ),
    Misconception(
        "height-and-width-swapped",
        "Height and width have changed places: height // size patches lie below each other.",
        LINK,
        {
            ARRANGED: "rearrange(patches, join, row=width // size, column=height // size, y=size, "
            "x=size)"
        },
    ),
    Misconception(
        "image-transposed",
        "The image lies on its side: the first axis of an image counts its rows.",
        LINK,
        {JOIN: JOIN.replace("(row y) (column x)", "(column x) (row y)")},
    ),
    Misconception(
        "no-channel-axis",
        "Channels and columns run into each other in one axis: an image has three axes, also where "
        "it has one channel.",
        LINK,
        {ARRANGED: f"{ARRANGED}.flatten(1)"},
    ),
    Misconception(
        "always-three-channels",
        "It works for three channels only. How many there are follows from the width of a patch.",
        LINK,
        {
            ARRANGED: "rearrange(patches, join, row=height // size, column=width // size, y=size, "
            "x=size, channels=3)"
        },
    ),
)

EXERCISE = Exercise(
    id="embeddings_and_positions/patches_to_image",
    callable="patches_to_image",
    title="And back to an image",
    parts={"all": 1},
    minutes=6,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(slice_by_slice, reshape_and_permute, rows_joined),
    equivalent={
        f"`{WITHOUT_ROWS}` for `{ARRANGED}`": "the rows follow from the number of patches",
        f"`{WITHOUT_COLUMNS}` for `{ARRANGED}`": "so do the columns",
    },
)
