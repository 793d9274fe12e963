"""The residual block against torch's own functions, and what the path around it guarantees."""

import pytest
import torch
import torch.nn.functional as F

from reference_impl.convolutions.residual import ChannelNorm, ResidualBlock

CASES = [(3, 3, 1, True), (3, 5, 1, True), (3, 3, 2, True), (3, 5, 2, True), (3, 5, 2, False)]


def random_block(in_channels, out_channels, stride, skip, seed=0):
    torch.manual_seed(seed)
    block = ResidualBlock(in_channels, out_channels, stride, skip).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    return block


def by_torch(block, x, stride):
    """The same block out of torch.nn.functional alone."""

    def norm(norm, x):
        x = F.layer_norm(x.movedim(1, -1), norm.weight.shape, norm.weight, norm.bias, norm.eps)
        return x.movedim(-1, 1)

    hidden = F.conv2d(x, block.conv1.weight, block.conv1.bias, stride=stride, padding=1)
    hidden = norm(block.norm1, hidden).relu()
    change = norm(block.norm2, F.conv2d(hidden, block.conv2.weight, block.conv2.bias, padding=1))
    if not block.skip:
        return change.relu()
    if x.shape != change.shape:
        projection = block.projection
        x = F.conv2d(x, projection.weight, projection.bias, stride=stride)
    return (change + x).relu()


@pytest.mark.parametrize("case", CASES)
def test_equals_torch_in_values_and_gradients(case):
    block = random_block(*case)
    x = torch.randn(2, 3, 7, 6, dtype=torch.float64)
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    ours, theirs = block(inputs[0]), by_torch(block, inputs[1], stride=case[2])
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn_like(ours)
    mine = torch.autograd.grad((ours * weights).sum(), [inputs[0], *block.parameters()])
    yours = torch.autograd.grad((theirs * weights).sum(), [inputs[1], *block.parameters()])
    for a, b in zip(mine, yours, strict=True):
        torch.testing.assert_close(a, b)


def test_channel_norm_makes_every_pixel_mean_0_and_variance_1_over_its_channels():
    x = torch.randn(2, 7, 3, 5, dtype=torch.float64) * 4 + 9
    normed = ChannelNorm(7, eps=0.0).double()(x)
    torch.testing.assert_close(normed.mean(dim=1), torch.zeros(2, 3, 5).double())
    torch.testing.assert_close(normed.var(dim=1, correction=0), torch.ones(2, 3, 5).double())


def silence(block):
    """Let the convolutions' branch give 0."""
    torch.nn.init.zeros_(block.norm2.weight)
    torch.nn.init.zeros_(block.norm2.bias)


def test_a_silent_block_changes_nothing_and_passes_the_gradient_whole():
    block = random_block(3, 3, 1, True)
    silence(block)
    x = torch.rand(2, 3, 5, 5, dtype=torch.float64).requires_grad_()  # positive, as after a ReLU
    out = block(x)
    assert (out == x).all()
    out.sum().backward()
    assert (x.grad == 1).all()


def test_a_silent_plain_block_forgets_its_input():
    block = random_block(3, 3, 1, False)
    silence(block)
    x = torch.rand(2, 3, 5, 5, dtype=torch.float64).requires_grad_()
    out = block(x)
    assert (out == 0).all()
    out.sum().backward()
    assert (x.grad == 0).all()


def test_the_relu_comes_after_the_sum():
    block = random_block(3, 3, 1, True)
    silence(block)
    x = -torch.rand(2, 3, 5, 5, dtype=torch.float64)
    assert (block(x) == 0).all()  # before the sum, it would let the negative x through


@pytest.mark.parametrize("case", CASES)
def test_a_projection_stands_only_where_shapes_differ(case):
    in_channels, out_channels, stride, skip = case
    block = random_block(*case)
    needed = skip and (in_channels != out_channels or stride != 1)
    n_parameters = sum(p.numel() for p in block.projection.parameters())
    assert n_parameters == (in_channels * out_channels + out_channels if needed else 0)
