"""Which pixels can reach a unit: the arithmetic of stacked convolutions and pooling layers.

Layers are triples (kernel, stride, padding), from the image upwards, along one axis.
Source: Araujo et al. 2019, "Computing receptive fields of convolutional neural networks".
"""

from collections.abc import Sequence

LayerShape = tuple[int, int, int]  # kernel, stride, padding


def receptive_field(layers: Sequence[LayerShape]) -> int:
    """How many pixels along one axis can reach a unit of the last layer.

    A kernel sees kernel - 1 further units of the layer below, and these lie as many pixels apart
    as all the strides below multiply to. Padding plays no part.

    >>> receptive_field([(3, 1, 1), (3, 1, 1)])  # two of 3 see as much as one of 5
    5
    >>> receptive_field([(2, 2, 0), (3, 1, 1)])  # after stride 2, a step is two pixels
    6
    """
    size, step = 1, 1  # in pixels: what a unit sees, and how far apart two neighbours see
    for kernel, stride, _ in layers:
        size += (kernel - 1) * step
        step *= stride
    return size


def receptive_span(index: int, layers: Sequence[LayerShape]) -> tuple[int, int]:
    """First and last pixel that reach the unit `index` of the last layer.

    They may lie outside the image, in the padding: below 0, or at its size and beyond.

    >>> receptive_span(0, [(3, 1, 1)]), receptive_span(2, [(3, 2, 0)])
    ((-1, 1), (4, 6))
    """
    first = last = index
    for kernel, stride, padding in reversed(layers):
        first = first * stride - padding
        last = last * stride - padding + kernel - 1
    return first, last
