"""Receptive fields proven on real layers: move each pixel, and see which units move."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from reference_impl.convolutions.convolution import conv2d, max_pool2d, output_size
from reference_impl.convolutions.receptive_field import receptive_field, receptive_span

SIZE = 24
LAYERS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=4
)


def sizes_after(layers, size=SIZE):
    """The number of units after each layer; None where a kernel no longer fits."""
    sizes = []
    for kernel, stride, padding in layers:
        if size + 2 * padding < kernel:
            return None
        size = output_size(size, kernel, stride, padding)
        sizes.append(size)
    return sizes


def through_convolutions(images, layers):
    """Only positive weights and pixels: a pixel's effect cannot cancel out."""
    for kernel, stride, padding in layers:
        images = conv2d(images, torch.ones(1, 1, kernel, kernel).double(), None, stride, padding)
    return images


@given(layers=LAYERS)
def test_exactly_the_pixels_of_the_span_move_a_unit(layers):
    sizes = sizes_after(layers)
    assume(sizes)
    image = torch.ones(1, 1, SIZE, SIZE).double()
    moved = image.repeat(SIZE, 1, 1, 1)
    pixels = torch.arange(SIZE)
    moved[pixels, 0, pixels, pixels] += 1  # image p has its pixel (p, p) moved
    before = through_convolutions(image, layers)
    changed = through_convolutions(moved, layers)[:, 0] != before[0]  # pixel row column
    for index in range(sizes[-1]):
        first, last = receptive_span(index, layers)
        seen = [first <= pixel <= last and _reached(pixel, index, layers) for pixel in range(SIZE)]
        assert changed[:, index, index].tolist() == seen


def _reached(pixel, index, layers):
    """Strides above the kernel leave gaps inside the span: follow the layers one by one."""
    units = {index}
    for (kernel, stride, padding), size in reversed(
        list(zip(layers, [SIZE, *sizes_after(layers)[:-1]], strict=True))
    ):
        below = {u * stride - padding + i for u in units for i in range(kernel)}
        units = {unit for unit in below if 0 <= unit < size}
    return pixel in units


@given(layers=LAYERS, index=st.integers(0, 9))
def test_the_span_is_as_long_as_the_receptive_field(layers, index):
    first, last = receptive_span(index, layers)
    assert last - first + 1 == receptive_field(layers)


def test_a_small_network_with_pooling_pixel_by_pixel():
    # convolution 3, pooling 2, convolution 3: 3, then + 1 * 1, then + 2 * 2 = 8 pixels
    layers = [(3, 1, 1), (2, 2, 0), (3, 1, 1)]
    assert receptive_field(layers) == 8
    torch.manual_seed(0)
    weights = [torch.rand(5, 1, 3, 3).double(), torch.rand(2, 5, 3, 3).double()]

    def unit(image):
        hidden = max_pool2d(conv2d(image, weights[0], padding=1), kernel=2)
        return conv2d(hidden, weights[1], padding=1)[0, 0, 4, 4]

    image = torch.rand(1, 1, 16, 16).double()
    before = unit(image)
    rows, columns = set(), set()
    for row in range(16):
        for column in range(16):
            moved = image.clone()
            moved[0, 0, row, column] += 10  # enough to win every maximum it takes part in
            if unit(moved) != before:
                rows.add(row)
                columns.add(column)
    first, last = receptive_span(4, layers)
    assert (first, last) == (5, 12)
    assert rows == columns == set(range(first, last + 1))


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_depth_adds_and_strides_multiply(depth):
    assert receptive_field([(3, 1, 1)] * depth) == 1 + 2 * depth
    assert receptive_field([(2, 2, 0)] * depth) == 2**depth


def test_no_layer_sees_one_pixel():
    assert receptive_field([]) == 1 and receptive_span(3, []) == (3, 3)
