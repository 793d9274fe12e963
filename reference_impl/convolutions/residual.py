"""The residual block of ResNet: two convolutions and a path around them.

The path around lets the gradient reach early layers without passing the convolutions (here it is
cut where the ReLU after the sum gives 0; a Transformer block has nothing after the sum), and makes
"change nothing" easy to learn: the convolutions only have to give zero.

Differs from the paper: each position is normalised over its channels with LayerNorm,
where ResNet uses batch normalisation, which behaves differently in training and in use.
"""

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from reference_impl.convolutions.convolution import Conv2d


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each pixel, as in ConvNeXt (Liu et al. 2022)."""

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        x = rearrange(x, "batch channels height width -> batch height width channels")
        return rearrange(
            super().forward(x), "batch height width channels -> batch channels height width"
        )


class ResidualBlock(nn.Module):
    """relu(norm(conv(relu(norm(conv(x))))) + x): the last ReLU comes after the sum.

    Where the shapes differ (other channels, or a stride), x goes through a 1 by 1 convolution with
    the same stride, the projection. With skip=False the sum is left out: the plain block that He
    et al. compare with. Source: He et al. 2015, equations 1 and 2.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, skip: bool = True
    ) -> None:
        super().__init__()
        self.skip = skip
        self.conv1 = Conv2d(in_channels, out_channels, kernel=3, stride=stride, padding=1)
        self.norm1 = ChannelNorm(out_channels)
        self.conv2 = Conv2d(out_channels, out_channels, kernel=3, padding=1)
        self.norm2 = ChannelNorm(out_channels)
        same_shape = in_channels == out_channels and stride == 1
        self.projection = (
            nn.Identity()
            if same_shape or not skip
            else Conv2d(in_channels, out_channels, kernel=1, stride=stride)
        )

    def forward(
        self, x: Float[Tensor, "batch in_channels height width"]
    ) -> Float[Tensor, "batch out_channels out_height out_width"]:
        hidden = F.relu(self.norm1(self.conv1(x)))  # batch out_channels out_height out_width
        change = self.norm2(self.conv2(hidden))
        return F.relu(change + self.projection(x) if self.skip else change)
