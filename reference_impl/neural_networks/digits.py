"""Real images for the first units: 1,797 handwritten digits of 8 by 8 pixels, from scikit-learn.

The images are the test part of the UCI data set "Optical Recognition of Handwritten Digits".
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64


class Digits(NamedTuple):
    """Images with pixels from 0 (paper) to 1 (ink), and which digit each of them shows."""

    images: Float32[np.ndarray, "examples 8 8"]
    labels: Int64[np.ndarray, " examples"]


def load_digits_split(held_out: int = 360) -> tuple[Digits, Digits]:
    """The digits to train on, and the last `held_out` of them to test on.

    Not shuffled: neighbours in the file come from the same writers, and a random split would test
    on hands that were seen in training. Raises ValueError if either part would be empty.

    >>> train, test = load_digits_split()
    >>> train.images.shape, test.images.shape, train.labels[:10]
    ((1437, 8, 8), (360, 8, 8), array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
    """
    from sklearn.datasets import load_digits  # takes a second: only for those who need it

    raw = load_digits()
    if not 0 < held_out < len(raw.target):
        raise ValueError(f"held_out={held_out}: give a number from 1 to {len(raw.target) - 1}")
    images = (raw.images / 16).astype(np.float32)  # examples 8 8
    labels = raw.target.astype(np.int64)  # examples
    cut = len(labels) - held_out
    return Digits(images[:cut], labels[:cut]), Digits(images[cut:], labels[cut:])
