"""Real images for the first units: 1,797 handwritten digits of 8 by 8 pixels, from scikit-learn.

The images are the test part of the UCI data set "Optical Recognition of Handwritten Digits". They
stand in the file writer by writer, which it does not name: where a block begins, the labels begin
anew with 0 to 9, twice.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64


class Digits(NamedTuple):
    """Images with pixels from 0 (paper) to 1 (ink), and which digit each of them shows."""

    images: Float32[np.ndarray, "examples 8 8"]
    labels: Int64[np.ndarray, " examples"]


def load_digits_split(held_out: int = 382) -> tuple[Digits, Digits]:
    """The digits to train on, and the last `held_out` of them to test on.

    Not shuffled: a random split would test on hands that were seen in training. With 382, the cut
    lies where a new block begins, so that no block is in both parts.
    Raises ValueError if either part would be empty.

    >>> train, test = load_digits_split()
    >>> train.images.shape, test.images.shape, train.labels[:10]
    ((1415, 8, 8), (382, 8, 8), array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
    """
    from sklearn.datasets import load_digits  # takes a second: only for those who need it

    raw = load_digits()
    if not 0 < held_out < len(raw.target):
        raise ValueError(f"held_out={held_out}: give a number from 1 to {len(raw.target) - 1}")
    images = (raw.images / 16).astype(np.float32)  # examples 8 8
    labels = raw.target.astype(np.int64)  # examples
    cut = len(labels) - held_out
    return Digits(images[:cut], labels[:cut]), Digits(images[cut:], labels[cut:])
