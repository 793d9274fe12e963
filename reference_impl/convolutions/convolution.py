"""Convolution and pooling over images: the same small window of weights at every place.

As in every deep learning library "convolution" here is cross-correlation: the kernel is not
flipped. Images are batch, channels, height, width. Stride and padding are the same on both axes.

Does not handle: dilation, groups.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """How many places a window has along an axis of `size` pixels, `padding` more at each end.

    Raises ValueError where the window does not fit, for a stride below 1 or a padding below 0.
    Source: Dumoulin & Visin 2016, relationship 6.

    >>> output_size(8, kernel=3), output_size(8, kernel=3, padding=1), output_size(8, 3, stride=2)
    (6, 8, 3)
    """
    if stride < 1 or padding < 0:
        raise ValueError(f"stride={stride}, padding={padding}: wanted stride >= 1, padding >= 0")
    if size + 2 * padding < kernel:
        raise ValueError(
            f"a kernel of {kernel} does not fit {size} pixels and {padding} of padding at each "
            "end: use a smaller kernel or more padding"
        )
    return (size + 2 * padding - kernel) // stride + 1


def sliding_windows(
    x: Float[Tensor, "batch channels height width"],
    kernel: tuple[int, int],
    stride: int = 1,
    padding: int = 0,
    fill: float = 0.0,
) -> Float[Tensor, "batch channels out_height out_width kernel_height kernel_width"]:
    """The pixels under the window at each of its places, with `fill` around the image.

    `kernel` is the window's height and width. Raises ValueError where the window does not fit.

    >>> image = torch.arange(9.0).view(1, 1, 3, 3)
    >>> sliding_windows(image, kernel=(2, 2))[0, 0, 1, 0]  # second row, first column of places
    tensor([[3., 4.],
            [6., 7.]])
    """
    for size, length in zip(x.shape[2:], kernel, strict=True):
        output_size(size, length, stride, padding)  # raises where the window does not fit
    x = F.pad(x, (padding, padding, padding, padding), value=fill)
    return x.unfold(2, kernel[0], stride).unfold(3, kernel[1], stride)


def conv2d(
    x: Float[Tensor, "batch in_channels height width"],
    weight: Float[Tensor, "out_channels in_channels kernel_height kernel_width"],
    bias: Float[Tensor, " out_channels"] | None = None,
    stride: int = 1,
    padding: int = 0,
) -> Float[Tensor, "batch out_channels out_height out_width"]:
    """At each place, for each output channel, the weighted sum of all input channels' pixels.

    `padding` rows and columns of zeros go on all four sides. One bias for each output channel.
    Raises ValueError where the kernel does not fit. Source: LeCun et al. 1998, section II.

    >>> image = torch.tensor([[[[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]]]])
    >>> kernel = torch.tensor([[[[1.0, 10.0]]]])  # one row, two columns
    >>> conv2d(image, kernel, bias=torch.tensor([0.5]))
    tensor([[[[ 21.5000,  42.5000],
              [168.5000, 336.5000]]]])
    """
    windows = sliding_windows(x, (weight.shape[2], weight.shape[3]), stride, padding)
    # b batch, i in_channels, o out_channels, h w place in the output, r c place in the kernel
    out = torch.einsum("bihwrc,oirc->bohw", windows, weight)
    return out if bias is None else out + bias[:, None, None]


def max_pool2d(
    x: Float[Tensor, "batch channels height width"],
    kernel: int,
    stride: int | None = None,
    padding: int = 0,
) -> Float[Tensor, "batch channels out_height out_width"]:
    """The largest pixel under a square window at each place, each channel by itself.

    `stride` defaults to the kernel: windows side by side. The padding is minus infinity, so that
    it never wins over a negative pixel. Raises ValueError where a window could lie in the padding
    alone (padding above half the kernel), or does not fit.

    >>> image = torch.tensor([[[[-4.0, -3.0], [-2.0, -1.0]]]])
    >>> max_pool2d(image, kernel=2)
    tensor([[[[-1.]]]])
    >>> max_pool2d(image, kernel=2, padding=1)
    tensor([[[[-4., -3.],
              [-2., -1.]]]])
    """
    if padding > kernel // 2:
        raise ValueError(f"padding={padding} is above half the kernel of {kernel}: use less")
    stride = kernel if stride is None else stride
    windows = sliding_windows(x, (kernel, kernel), stride, padding, fill=float("-inf"))
    return windows.flatten(-2).max(dim=-1).values  # batch channels out_height out_width


def global_average_pool(
    x: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch channels"]:
    """The mean of each channel over the whole image: what is there, no longer where.

    Source: Lin et al. 2013, section 3.2.

    >>> global_average_pool(torch.arange(8.0).view(1, 2, 2, 2))
    tensor([[1.5000, 5.5000]])
    """
    return x.mean(dim=(-2, -1))


class Conv2d(nn.Module):
    """`conv2d` with learned weights (normal, of variance 2 / inputs) and bias (starts at 0).

    The initialisation suits a ReLU behind it. Source: He et al. 2015b, equation 10.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        std = (2 / (in_channels * kernel**2)) ** 0.5
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel) * std)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(
        self, x: Float[Tensor, "batch in_channels height width"]
    ) -> Float[Tensor, "batch out_channels out_height out_width"]:
        return conv2d(x, self.weight, self.bias, self.stride, self.padding)
