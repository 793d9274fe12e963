"""Deep networks with and without skips: the same start, and what the sum guarantees."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impl.convolutions.depth import DeepMLP, first_layer_gradient


def test_plain_and_skip_start_from_the_same_parameters():
    parameters = []
    for skip in (False, True):
        torch.manual_seed(0)
        parameters.append(list(DeepMLP(3, skip).parameters()))
    assert all((a == b).all() for a, b in zip(*parameters, strict=True))
    assert sum(p.numel() for p in parameters[0]) == 3 * (64 * 64 + 64 + 2 * 64) + 64 * 10 + 10


@pytest.mark.parametrize("skip", [False, True])
def test_equals_a_stack_of_torchs_own_modules(skip):
    torch.manual_seed(0)
    model = DeepMLP(2, skip, width=6, n_classes=3).double()
    images = torch.rand(5, 1, 2, 3).double()
    x = images.reshape(5, 6)
    for layer in model.layers:
        change = nn.Sequential(layer.linear, layer.norm, nn.ReLU())(x)
        x = x + change if skip else change
    torch.testing.assert_close(model(images), model.output(x))


def test_silent_layers_with_skips_hand_the_image_through():
    model = DeepMLP(4, skip=True)
    for layer in model.layers:
        nn.init.zeros_(layer.norm.weight)
        nn.init.zeros_(layer.norm.bias)
    images = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(model(images), model.output(images.flatten(1)))


def test_the_gradient_is_the_one_that_backward_leaves():
    torch.manual_seed(0)
    model, images, labels = DeepMLP(2, False), torch.rand(3, 1, 8, 8), torch.tensor([1, 0, 2])
    measured = first_layer_gradient(model, images, labels)
    F.cross_entropy(model(images), labels).backward()
    assert measured == pytest.approx(model.layers[0].linear.weight.grad.norm().item())
