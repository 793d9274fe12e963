"""How the network of `digit_network` is called: with weights of our own."""

from typing import Any

import torch


def with_weights(
    answer: Any, channels: int | None, n_classes: int | None, weights: dict, images: torch.Tensor
) -> dict[str, Any]:
    """Make the network, load the weights by name, and read the images.

    Where channels is None, the network is as wide as it is by default.
    """
    network = answer() if channels is None else answer(channels, n_classes)
    parameters = dict(network.named_parameters())
    with torch.no_grad():
        for name, parameter in parameters.items():
            if name in weights:
                parameter.copy_(weights[name])
    logits = network(images)
    logits.sum().backward()
    shapes = {name: list(parameter.shape) for name, parameter in parameters.items()}
    learning = all(parameter.grad is not None for parameter in parameters.values())
    return {"logits": logits.detach(), "parameters": shapes, "every parameter learns": learning}
