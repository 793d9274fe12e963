"""Convolution and pooling against torch, values and gradients, over shapes of every kind."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st

from reference_impl.convolutions.convolution import (
    Conv2d,
    conv2d,
    global_average_pool,
    max_pool2d,
    output_size,
    sliding_windows,
)

SEEDS = st.integers(0, 2**32 - 1)
SMALL, SIDES, KERNELS = st.integers(1, 3), st.integers(1, 9), st.integers(1, 4)
STRIDES, PADDINGS = st.integers(1, 3), st.integers(0, 3)


def assert_same(ours, theirs, *tensors):
    """Both functions on copies of the tensors: same values, same gradients of a random sum."""
    copies = [[tensor.clone().requires_grad_() for tensor in tensors] for _ in range(2)]
    mine, yours = ours(*copies[0]), theirs(*copies[1])
    torch.testing.assert_close(mine, yours)
    weights = torch.randn(mine.shape, dtype=mine.dtype)
    (mine * weights).sum().backward()
    (yours * weights).sum().backward()
    for a, b in zip(*copies, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@given(
    batch=SMALL,
    channels=st.tuples(SMALL, SMALL),
    image=st.tuples(SIDES, SIDES),
    kernel=st.tuples(KERNELS, KERNELS),
    stride=STRIDES,
    padding=PADDINGS,
    with_bias=st.booleans(),
    seed=SEEDS,
)
def test_conv2d_equals_torch(batch, channels, image, kernel, stride, padding, with_bias, seed):
    assume(all(side + 2 * padding >= k for side, k in zip(image, kernel, strict=True)))
    torch.manual_seed(seed)
    shapes = [(batch, channels[0], *image), (channels[1], channels[0], *kernel), channels[1:]]
    tensors = [torch.randn(s, dtype=torch.float64) for s in shapes[: 2 + with_bias]]
    assert_same(
        lambda *t: conv2d(*t, stride=stride, padding=padding),
        lambda *t: F.conv2d(*t, stride=stride, padding=padding),
        *tensors,
    )


@given(
    batch=SMALL,
    channels=SMALL,
    image=st.tuples(SIDES, SIDES),
    kernel=KERNELS,
    stride=st.none() | STRIDES,
    padding=st.integers(0, 2),
    offset=st.sampled_from([0.0, -100.0]),
    seed=SEEDS,
)
def test_max_pool_equals_torch(batch, channels, image, kernel, stride, padding, offset, seed):
    assume(min(image) + 2 * padding >= kernel and padding <= kernel // 2)
    torch.manual_seed(seed)
    x = torch.randn(batch, channels, *image, dtype=torch.float64) + offset
    assert_same(
        lambda x: max_pool2d(x, kernel, stride, padding),
        lambda x: F.max_pool2d(x, kernel, stride, padding),
        x,
    )


@given(batch=SMALL, channels=SMALL, image=st.tuples(SIDES, SIDES), seed=SEEDS)
def test_global_average_pool_equals_torch(batch, channels, image, seed):
    torch.manual_seed(seed)
    x = torch.randn(batch, channels, *image, dtype=torch.float64)
    assert_same(global_average_pool, lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1), x)


@given(size=st.integers(1, 12), kernel=KERNELS, stride=STRIDES, padding=PADDINGS)
def test_output_size_counts_the_places(size, kernel, stride, padding):
    assume(size + 2 * padding >= kernel)
    starts = range(-padding, size + padding - kernel + 1, stride)
    assert output_size(size, kernel, stride, padding) == len(starts)
    windows = sliding_windows(torch.zeros(1, 1, size, size), (kernel, kernel), stride, padding)
    assert windows.shape == (1, 1, len(starts), len(starts), kernel, kernel)


@given(shift=st.tuples(st.integers(0, 4), st.integers(0, 4)), seed=SEEDS)
def test_a_moved_image_gives_a_moved_answer(shift, seed):
    torch.manual_seed(seed)
    patch, weight = torch.randn(1, 2, 5, 5).double(), torch.randn(3, 2, 3, 3).double()
    down, right = shift
    here = F.pad(patch, (2, 6, 2, 6))
    there = F.pad(patch, (2 + right, 6 - right, 2 + down, 6 - down))
    moved = conv2d(here, weight, padding=1).roll((down, right), dims=(2, 3))
    torch.testing.assert_close(conv2d(there, weight, padding=1), moved)


def test_one_pixel_shows_the_kernel_turned_around():
    # Cross-correlation: a single 1 answers kernel[r, c] at the place r above and c left of it.
    image, kernel = torch.zeros(1, 1, 5, 5), torch.arange(1.0, 10.0).view(1, 1, 3, 3)
    image[0, 0, 2, 2] = 1
    assert (conv2d(image, kernel)[0, 0] == kernel[0, 0].flip(0, 1)).all()


def test_a_kernel_of_one_pixel_is_a_linear_layer_at_every_pixel():
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 3, 5, 7), torch.randn(11, 3, 1, 1), torch.randn(11)
    linear = F.linear(x.movedim(1, -1), weight[:, :, 0, 0], bias).movedim(-1, 1)
    torch.testing.assert_close(conv2d(x, weight, bias), linear)


def test_max_pool_of_equal_pixels_gives_the_gradient_to_one_of_them():
    x = torch.zeros(1, 1, 2, 2, requires_grad=True)
    max_pool2d(x, 2).sum().backward()
    assert sorted(x.grad.flatten().tolist()) == [0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_stays_half(half):
    x, weight = torch.randn(1, 2, 5, 5).to(half), torch.randn(3, 2, 3, 3).to(half)
    assert conv2d(x, weight, padding=1).dtype == max_pool2d(x, 2, padding=1).dtype == half


def test_module_uses_its_weights_and_starts_with_the_right_spread():
    torch.manual_seed(0)
    module = Conv2d(16, 64, kernel=3, stride=2, padding=1)
    # 9216 weights: the estimated variance lies within 3 sqrt(2 / 9216) of the true one
    assert module.weight.var().item() * 16 * 9 / 2 == pytest.approx(1, abs=0.045)
    assert (module.bias == 0).all()
    torch.nn.init.normal_(module.bias)  # a bias of 0 could be forgotten unseen
    x = torch.randn(2, 16, 8, 8)
    expected = F.conv2d(x, module.weight, module.bias, stride=2, padding=1)
    torch.testing.assert_close(module(x), expected)


def test_errors_say_what_to_do():
    image = torch.zeros(1, 1, 3, 3)
    with pytest.raises(ValueError, match="kernel of 4 does not fit 3 pixels"):
        conv2d(image, torch.zeros(1, 1, 3, 4))
    with pytest.raises(ValueError, match="stride >= 1"):
        conv2d(image, torch.zeros(1, 1, 3, 3), stride=0)
    with pytest.raises(ValueError, match="padding >= 0"):
        output_size(3, kernel=2, padding=-1)
    with pytest.raises(ValueError, match="half the kernel"):
        max_pool2d(image, kernel=2, padding=2)
