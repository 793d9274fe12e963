"""Networks that differ in depth and in skip connections alone, for the study of degradation."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


class DenseLayer(nn.Module):
    """relu(norm(W x + b)), plus x if skip=True; the width stays. He et al. 2015b initialisation."""

    def __init__(self, width: int, skip: bool) -> None:
        super().__init__()
        self.skip = skip
        self.linear = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        nn.init.kaiming_normal_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        change = F.relu(self.norm(self.linear(x)))
        return x + change if self.skip else change


class DeepMLP(nn.Module):
    """`n_layers` dense layers as wide as an image has pixels, then a linear layer to the classes.

    No dimension changes from layer to layer, so a skip needs no projection: with and without skips
    the parameters are the same in number and in their starting values.
    """

    def __init__(self, n_layers: int, skip: bool, width: int = 64, n_classes: int = 10) -> None:
        super().__init__()
        self.layers = nn.ModuleList([DenseLayer(width, skip) for _ in range(n_layers)])
        self.output = nn.Linear(width, n_classes)

    def forward(
        self, images: Float[Tensor, "batch 1 height width"]
    ) -> Float[Tensor, "batch classes"]:
        x = images.flatten(1)  # batch pixels, as many as `width`
        for layer in self.layers:
            x = layer(x)
        return self.output(x)


def first_layer_gradient(
    model: DeepMLP,
    images: Float[Tensor, "batch 1 height width"],
    labels: Int[Tensor, " batch"],
) -> float:
    """The norm of the loss's gradient with respect to the first layer's weights."""
    loss = F.cross_entropy(model(images), labels)
    return torch.autograd.grad(loss, model.layers[0].linear.weight)[0].norm().item()
