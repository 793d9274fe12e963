"""convolutions/match_scores: where in an image does a patch stand?"""

import numpy as np
import torch
import torch.nn.functional as F

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.convolutions.draw import normal

LINK = "convolutions-matching"
AXES = "out_height out_width"


def cases(rng: np.random.Generator) -> list[Case]:
    """Patches of several sizes, from the image and not; light and contrast; one grey."""
    image, patch = normal(rng, 11, 13), normal(rng, 3, 2)
    row, column = (int(n) for n in rng.integers(2, 7, size=2))
    piece = image[row : row + 3, column : column + 5]
    flat = image.copy()
    flat[:5, :7] = 4  # one grey
    drawn = [
        ("a patch of 3 by 2", image, patch, "plain"),
        ("a patch of one row", image, normal(rng, 1, 5), ""),
        ("a patch as large as the image", image, normal(rng, 11, 13), ""),
        ("a piece of the image", image, piece, "piece"),
        ("the same piece, brighter and of half the contrast", image, piece / 2 + 3, "brighter"),
        ("a bright image", image + 20, patch, ""),
        ("image and patch of little contrast", image / 100, patch / 100, "faint"),
        ("an image with large numbers", 50 * image, patch, ""),
        ("a piece turned into its negative", image, -piece, ""),
        ("an image that is one grey in places", flat, patch, "flat"),
        ("a patch of one grey", image, np.full((2, 3), 2, np.float32), ""),
        ("a patch that is too high", image, normal(rng, 12, 2), ""),
        ("a patch that is too wide", image, normal(rng, 2, 14), ""),
    ]
    return [
        Case(says, {"image": i, "patch": p.astype(np.float32)}, axes=AXES, name=name)
        for says, i, p, name in drawn
    ]


# --- right in other ways ---------------------------------------------------------------------


def place_by_place(image, patch):
    """Loops, with the correlation coefficient of NumPy."""
    rows, columns = patch.shape
    height, width = image.shape[0] - rows + 1, image.shape[1] - columns + 1
    if height < 1 or width < 1:
        raise ValueError("the patch does not fit")
    out = torch.zeros(height, width)
    for i in range(height):
        for j in range(width):
            window = image[i : i + rows, j : j + columns]
            if window.min() < window.max() and patch.min() < patch.max():
                pair = np.stack([window.flatten().numpy(), patch.flatten().numpy()])
                out[i, j] = float(np.corrcoef(pair)[0, 1])
    return out


def by_convolutions(image, patch):
    """Sums of pixels, squares and products, all as convolutions in double precision."""
    if patch.shape[0] > image.shape[0] or patch.shape[1] > image.shape[1]:
        raise ValueError("too large")
    n = patch.numel()
    x, w = image.double()[None, None], patch.double()
    w = (w - w.mean())[None, None]
    x = x - x.mean()
    ones = torch.ones_like(w)
    spread = F.conv2d(x * x, ones) - F.conv2d(x, ones) ** 2 / n
    lengths = (spread.clamp(min=0) * (w * w).sum()).sqrt()
    scores = torch.where(lengths > 1e-5, F.conv2d(x, w) / lengths, 0.0)
    return scores[0, 0].to(image.dtype)


def by_cosine(image, patch):
    """torch's cosine of centred vectors."""
    rows, columns = patch.shape
    if rows > image.shape[0] or columns > image.shape[1]:
        raise ValueError(f"patch {rows} by {columns}")
    windows = image.unfold(0, rows, 1).unfold(1, columns, 1).reshape(-1, rows * columns)
    windows = windows - windows.mean(1, keepdim=True)
    pattern = (patch - patch.mean()).reshape(1, -1)
    scores = F.cosine_similarity(windows, pattern, dim=1)
    return scores.view(image.shape[0] - rows + 1, -1)


# --- wrong in known ways -----------------------------------------------------------------------

CENTRED = "centred = windows - windows.mean(dim=-1, keepdim=True)"
PATTERN = "pattern = patch.flatten() - patch.mean()"
SCORES = "scores = centred @ pattern / (centred.norm(dim=-1) * pattern.norm())"
RESULT = "return torch.where(one_grey, 0.0, scores)"

MISCONCEPTIONS = (
    Misconception(
        "bare-product",
        "This is the plain product of patch and window, which is largest where the image is "
        "bright. Brightness and contrast have to go first.",
        LINK,
        {
            CENTRED: "centred = windows",
            PATTERN: "pattern = patch.flatten()",
            SCORES: "scores = centred @ pattern",
            RESULT: "return scores",
        },
    ),
    Misconception(
        "nothing-centred",
        "This is the cosine of the two as they are. Bright windows all point the same way: each "
        "has to lose its own mean first.",
        LINK,
        {CENTRED: "centred = windows", PATTERN: "pattern = patch.flatten()"},
    ),
    Misconception(
        "window-not-centred",
        "The windows keep their mean, so their lengths are too large where the image is bright.",
        LINK,
        {CENTRED: "centred = windows"},
    ),
    Misconception(
        "patch-not-centred",
        "The patch keeps its mean, which makes it longer than it should be.",
        LINK,
        {PATTERN: "pattern = patch.flatten()"},
    ),
    Misconception(
        "mean-of-the-image",
        "Every window loses the mean of the whole image. It should lose its own: brightness "
        "changes from place to place.",
        LINK,
        {CENTRED: "centred = windows - image.mean()"},
    ),
    Misconception(
        "not-divided-by-lengths",
        "Both have lost their means, but a window of strong contrast still scores more. Divide by "
        "the lengths of both.",
        LINK,
        {SCORES: "scores = centred @ pattern"},
    ),
    Misconception(
        "divided-by-one-length",
        "The score is divided by the length of the patch alone; the window's is missing, so that "
        "contrast still counts.",
        LINK,
        {SCORES: "scores = centred @ pattern / pattern.norm()"},
    ),
    Misconception(
        "divided-by-squares",
        "The score is divided by the squares of the lengths. A cosine has the lengths themselves, "
        "which are roots of sums of squares.",
        LINK,
        {SCORES: "scores = centred @ pattern / (centred.norm(dim=-1) * pattern.norm()) ** 2"},
    ),
    Misconception(
        "sum-over-standard-deviations",
        "The sum of products is divided by standard deviations, which are made from means: the "
        "score grows with the number of pixels.",
        LINK,
        {SCORES: "scores = centred @ pattern / (centred.std(-1, False) * pattern.std(0, False))"},
    ),
    Misconception(
        "mean-over-unbiased-deviations",
        "Nearly: a mean of products goes with deviations that divide by n. `std` divides by n - 1 "
        "unless told otherwise, and the scores come out a little small.",
        LINK,
        {SCORES: "scores = centred @ pattern / len(pattern) / (centred.std(-1) * pattern.std())"},
    ),
    Misconception(
        "one-grey-is-nan",
        "Where a window or the patch has one grey alone, this divides 0 by 0. The docstring asks "
        "for the score 0 there.",
        LINK,
        {RESULT: "return scores"},
    ),
    Misconception(
        "patch-turned",
        "The patch is turned by 180° before it is compared.",
        "convolutions-slide",
        {PATTERN: "pattern = patch.flatten().flip(0) - patch.mean()"},
    ),
    Misconception(
        "sign-dropped",
        "The sign of the score is lost: the negative of a patch is as unlike it as can be, and "
        "scores -1.",
        LINK,
        {RESULT: "return torch.where(one_grey, 0.0, scores).abs()"},
    ),
)

EXERCISE = Exercise(
    id="convolutions/match_scores",
    callable="match_scores",
    title="Find a patch in a photograph",
    parts={"all": 2},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(place_by_place, by_convolutions, by_cosine),
    depends=("convolutions/sliding_windows",),
    atol=1e-4,
    properties=(
        Property(
            "light-does-not-count",
            "The patch became brighter and lost half its contrast, and the scores changed.",
            LINK,
            ("piece", "brighter"),
            lambda piece, brighter: bool(np.allclose(piece, brighter, atol=1e-3)),
        ),
        Property(
            "contrast-does-not-count",
            "Image and patch lost nearly all their contrast, both alike, and the scores changed. "
            "Look at what the product is divided by: the two lengths, and nothing beside them.",
            LINK,
            ("plain", "faint"),
            lambda plain, faint: bool(np.allclose(plain, faint, atol=5e-4)),
        ),
        Property(
            "between-minus-1-and-1",
            "Some score lies outside of -1 to 1, or is no number. A cosine cannot.",
            LINK,
            ("flat",),
            lambda scores: bool((np.abs(scores) <= 1.001).all()),
        ),
    ),
)
