"""Norms against PyTorch's own, from tiny to large activations."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impl.decoder.norms import LayerNorm, RMSNorm, layer_norm, rms_norm


# Small activations show where eps stands; at 1e-3 the mean square is of the order of eps.
@pytest.mark.parametrize("size", [1e-6, 1e-3, 1.0, 1e4])
@pytest.mark.parametrize("norm_eps", [1e-5, 1e-2])
def test_same_as_torch(size, norm_eps):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 7, dtype=torch.float64) * size + size
    weight, bias = torch.randn(2, 7, dtype=torch.float64)
    expected = F.layer_norm(x, (7,), weight, bias, norm_eps)
    torch.testing.assert_close(layer_norm(x, weight, bias, norm_eps), expected)
    expected = F.rms_norm(x, (7,), weight, norm_eps)
    torch.testing.assert_close(rms_norm(x, weight, norm_eps), expected)


@pytest.mark.parametrize(("ours", "theirs"), [(LayerNorm, nn.LayerNorm), (RMSNorm, nn.RMSNorm)])
def test_modules_load_torch_weights_and_have_their_gradients(ours, theirs):
    torch.manual_seed(0)
    ours, theirs = ours(5, norm_eps=1e-3), theirs(5, eps=1e-3)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, 5)
    target = torch.randn(3, 5)
    gradients = []
    for norm in (ours, theirs):
        leaf = x.clone().requires_grad_()
        (norm(leaf) * target).sum().backward()
        gradients.append([leaf.grad, *(parameter.grad for parameter in norm.parameters())])
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(gradients[0], gradients[1])


def test_modules_start_as_plain_normalisation():
    x = torch.randn(3, 5)
    torch.testing.assert_close(LayerNorm(5)(x), nn.LayerNorm(5)(x))
    torch.testing.assert_close(RMSNorm(5)(x), nn.RMSNorm(5, eps=1e-5)(x))


def test_half_precision_is_averaged_in_float32():
    torch.manual_seed(0)
    norm = RMSNorm(4096).bfloat16()
    x = torch.randn(2, 4096, dtype=torch.bfloat16)
    exact = rms_norm(x.double(), norm.weight.double(), 1e-5)
    assert norm(x).dtype == torch.bfloat16
    # One rounding to bfloat16's 8 bits and no more.
    torch.testing.assert_close(norm(x).double(), exact, rtol=2**-8, atol=0)
