"""Classifiers of small grey images, how they are trained, and how often they are right.

`SmallCNN` is enough for the 8 by 8 digits. `DeepCNN` shows what depth does with and without skip
connections: the plain one gets worse on the very images it is trained on.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from reference_impl.convolutions.convolution import Conv2d, max_pool2d
from reference_impl.convolutions.residual import ResidualBlock


class SmallCNN(nn.Module):
    """Twice convolution, ReLU and pooling, from 8 by 8 pixels to 2 by 2; then a linear layer."""

    def __init__(self, channels: int = 8, n_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = Conv2d(1, channels, kernel=3, padding=1)
        self.conv2 = Conv2d(channels, 2 * channels, kernel=3, padding=1)
        self.output = nn.Linear(2 * channels * 2 * 2, n_classes)

    def forward(self, images: Float[Tensor, "batch 1 8 8"]) -> Float[Tensor, "batch classes"]:
        x = max_pool2d(F.relu(self.conv1(images)), kernel=2)  # batch channels 4 4
        x = max_pool2d(F.relu(self.conv2(x)), kernel=2)  # batch 2*channels 2 2
        return self.output(x.flatten(1))


class DeepCNN(nn.Module):
    """One convolution, `n_blocks` residual blocks (plain ones if skip=False), a linear layer.

    2 * n_blocks + 2 layers have weights. Pooling after the first convolution and after the last
    block halves the image.
    """

    def __init__(
        self, n_blocks: int, skip: bool = True, channels: int = 8, n_classes: int = 10
    ) -> None:
        super().__init__()
        self.conv = Conv2d(1, channels, kernel=3, padding=1)
        self.blocks = nn.ModuleList(
            [ResidualBlock(channels, channels, skip=skip) for _ in range(n_blocks)]
        )
        self.output = nn.Linear(channels * 2 * 2, n_classes)

    def forward(self, images: Float[Tensor, "batch 1 8 8"]) -> Float[Tensor, "batch classes"]:
        x = max_pool2d(F.relu(self.conv(images)), kernel=2)  # batch channels 4 4
        for block in self.blocks:
            x = block(x)
        return self.output(max_pool2d(x, kernel=2).flatten(1))


class GlobalMaxCNN(nn.Module):
    """Three convolutions; then the largest answer of each channel, wherever it stands; then linear.

    Works on images of any size. With pool="flatten" the linear layer reads every place instead, and
    `side` says how many pixels an image has along each axis. The layers are torch's own, which are
    faster in training and compute the same as `Conv2d`.
    """

    def __init__(
        self, channels: int = 8, pool: str = "max", side: int = 12, n_classes: int = 10
    ) -> None:
        super().__init__()
        if pool not in ("max", "flatten"):
            raise ValueError(f"pool={pool!r}: choose 'max' or 'flatten'")
        self.pool = pool
        widths = [1, channels, 2 * channels, 4 * channels]
        self.convolutions = nn.ModuleList(
            [nn.Conv2d(*pair, kernel_size=3, padding=1) for pair in pairwise(widths)]
        )
        places = 1 if pool == "max" else side**2
        self.output = nn.Linear(widths[-1] * places, n_classes)

    def maps(
        self, images: Float[Tensor, "batch 1 height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """What the last convolution answers at every place, after its ReLU."""
        x = images
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        return x

    def forward(
        self, images: Float[Tensor, "batch 1 height width"]
    ) -> Float[Tensor, "batch classes"]:
        x = self.maps(images)
        return self.output(x.amax(dim=(-2, -1)) if self.pool == "max" else x.flatten(1))


def train_classifier(
    model: nn.Module,
    images: Float[Tensor, "examples 1 height width"],
    labels: Int[Tensor, " examples"],
    epochs: int,
    learning_rate: float = 3e-3,
    batch: int = 64,
    seed: int = 0,
) -> Iterator[float]:
    """Train with Adam; after every epoch, the loss over all images in nats.

    Each epoch takes all images once, in a new order drawn from `seed`. Nothing happens until the
    losses are asked for: `list(train_classifier(...))`.
    """
    # foreach: all parameters at once, to the same values; deep networks have many small ones.
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, foreach=True)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for chosen in torch.randperm(len(images), generator=generator).split(batch):
            optimizer.zero_grad()
            F.cross_entropy(model(images[chosen]), labels[chosen]).backward()
            optimizer.step()
        with torch.no_grad():
            yield F.cross_entropy(model(images), labels).item()


@torch.no_grad()
def accuracy(
    model: nn.Module,
    images: Float[Tensor, "examples 1 height width"],
    labels: Int[Tensor, " examples"],
) -> float:
    """The share of images whose highest logit is that of their label.

    >>> images = torch.tensor([[[[1.0, 0.0]]], [[[0.0, 1.0]]]])  # flattened, taken as the logits
    >>> accuracy(nn.Flatten(), images, torch.tensor([0, 0]))
    0.5
    """
    return (model(images).argmax(dim=-1) == labels).float().mean().item()
