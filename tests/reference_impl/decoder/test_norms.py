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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [1e-4, 1.0, 300.0, 1e4])
@pytest.mark.parametrize("norm", [LayerNorm, RMSNorm])
def test_half_precision_of_any_size_is_rounded_once(norm, size, dtype):
    torch.manual_seed(0)
    x = (torch.randn(3, 64) * size).to(dtype)
    norm = norm(64).to(dtype)
    exact = norm.double()(x.double())
    actual = norm.to(dtype)(x)
    assert actual.dtype == dtype
    rounding = torch.finfo(dtype).eps
    torch.testing.assert_close(actual.double(), exact, rtol=rounding, atol=rounding / 64)


def test_layer_norm_of_hundreds_in_float16_by_hand():
    x = torch.tensor([300.0, -300.0, 100.0, -100.0], dtype=torch.float16)
    # Mean 0, mean square (90,000 + 10,000) / 2 = 50,000; 300 / sqrt(50,000) = 1.3416.
    expected = torch.tensor([1.3416, -1.3416, 0.4472, -0.4472])
    ones, zeros = torch.ones(4).half(), torch.zeros(4).half()
    torch.testing.assert_close(layer_norm(x, ones, zeros).float(), expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(LayerNorm(4).half()(x).float(), expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(rms_norm(x, ones).float(), expected, atol=1e-3, rtol=0)


def test_vectors_of_zeros_stay_zeros():
    x = torch.zeros(2, 3)
    assert torch.equal(RMSNorm(3)(x), x) and torch.equal(LayerNorm(3)(x), x)
