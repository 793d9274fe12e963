"""Shifted digits keep their ink; a network with a global maximum keeps its answer."""

import numpy as np
import pytest
import torch
from torch import nn

from reference_impl.convolutions.image_classifier import GlobalMaxCNN
from reference_impl.convolutions.shifting import accuracy_when_shifted, on_canvas, shifted
from reference_impl.neural_networks.digits import load_digits_split


def test_no_ink_is_lost_within_the_margin():
    images, labels = on_canvas(load_digits_split()[1])
    assert images.shape[1:] == (1, 12, 12) and len(images) == len(labels)
    for down, right in [(2, 0), (-2, 1), (0, -2)]:
        torch.testing.assert_close(shifted(images, down, right).sum(), images.sum())


def test_a_shift_moves_every_pixel_and_fills_with_blank():
    image = torch.arange(6.0).view(2, 3) + 1
    assert shifted(image, down=1).tolist() == [[0, 0, 0], [1, 2, 3]]
    assert shifted(image, down=-1, right=2).tolist() == [[0, 0, 4], [0, 0, 0]]
    assert shifted(image).equal(image)


def test_a_global_maximum_does_not_see_where():
    torch.manual_seed(0)
    model = GlobalMaxCNN(channels=3)
    for convolution in model.convolutions:
        nn.init.zeros_(convolution.bias)  # so that blank paper answers 0, as the padding does
    images = torch.zeros(2, 1, 20, 20)
    images[:, :, 6:14, 6:14] = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(model(shifted(images, 2, -1)), model(images))
    moved, still = model.maps(shifted(images, 2, -1)), model.maps(images)
    torch.testing.assert_close(moved, shifted(still, 2, -1))


def test_flattening_sees_where():
    torch.manual_seed(0)
    model = GlobalMaxCNN(channels=3, pool="flatten")
    images = torch.rand(2, 1, 12, 12)
    assert (model(shifted(images, 1)) - model(images)).abs().max() > 1e-3
    with pytest.raises(ValueError, match="choose 'max' or 'flatten'"):
        GlobalMaxCNN(pool="mean")


def test_accuracy_is_the_mean_over_four_directions():
    # Flattened, the images are their own logits: the ink says the class.
    images = torch.from_numpy(np.eye(9, dtype=np.float32)[[4]]).view(1, 1, 3, 3)
    assert accuracy_when_shifted(nn.Flatten(), images, torch.tensor([4]), 0) == 1
    assert accuracy_when_shifted(nn.Flatten(), images, torch.tensor([5]), 1) == 0.25
