"""Digits on a larger sheet of paper, so that they can be moved without losing ink."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from reference_impl.convolutions.image_classifier import accuracy
from reference_impl.neural_networks.digits import Digits

DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))  # rows down, columns to the right


def on_canvas(
    digits: Digits, margin: int = 2
) -> tuple[Float[Tensor, "examples 1 height width"], Int[Tensor, " examples"]]:
    """The digits with `margin` pixels of blank paper on all four sides, and their labels.

    >>> import numpy as np
    >>> blank = Digits(np.ones((1, 8, 8), np.float32), np.array([3]))
    >>> images, labels = on_canvas(blank)
    >>> images.shape, images.sum()
    (torch.Size([1, 1, 12, 12]), tensor(64.))
    """
    images = torch.from_numpy(digits.images)[:, None]  # examples 1 8 8
    return F.pad(images, (margin,) * 4), torch.from_numpy(digits.labels)


def shifted(
    images: Float[Tensor, "... height width"], down: int = 0, right: int = 0
) -> Float[Tensor, "... height width"]:
    """The images moved; blank (0) comes in at one edge, and what leaves at the other is lost.

    >>> shifted(torch.tensor([[1.0, 2.0, 3.0]]), right=1)
    tensor([[0., 1., 2.]])
    """
    return F.pad(images, (right, -right, down, -down))


def accuracy_when_shifted(
    model: nn.Module,
    images: Float[Tensor, "examples 1 height width"],
    labels: Int[Tensor, " examples"],
    pixels: int,
) -> float:
    """The share recognised after a shift of `pixels`: the mean over right, left, down and up."""
    moved = [shifted(images, down * pixels, right * pixels) for down, right in DIRECTIONS]
    return sum(accuracy(model, each, labels) for each in moved) / len(moved)
