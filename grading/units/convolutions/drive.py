"""How the network of `digit_network` is called: with weights of our own."""

from typing import Any

import torch

PARTS = {"conv1": "first", "conv2": "second", "conv3": "third"}  # no digits: they count for nothing


def with_weights(
    answer: Any, channels: int | None, n_classes: int | None, weights: dict, images: torch.Tensor
) -> dict[str, Any]:
    """Make the network, load the weights by name, and read the images.

    Where channels is None, the network is as wide as it is by default. Raises ValueError where a
    part of the network has another shape than its weights, or is not there.
    """
    network = answer() if channels is None else answer(channels, n_classes)
    parameters = dict(network.named_parameters())
    _complete(parameters, weights)
    with torch.no_grad():
        for name, parameter in parameters.items():
            if name in weights:
                _agree(name, parameter, weights[name])
                parameter.copy_(weights[name])
    logits = network(images)
    logits.sum().backward()
    shapes = {name: list(parameter.shape) for name, parameter in parameters.items()}
    learning = all(parameter.grad is not None for parameter in parameters.values())
    return {"logits": logits.detach(), "parameters": shapes, "every parameter learns": learning}


def _complete(parameters: dict, weights: dict) -> None:
    """Whether each part that has weights is there, under its name."""
    own, wanted = ({name.split(".")[0] for name in names} for names in (parameters, weights))
    if missing := sorted(wanted - own):
        raise ValueError(f"the network has no part with the name `{missing[0]}`")


def _agree(name: str, own: torch.Tensor, given: torch.Tensor) -> None:
    """Whether a part has the shape of its weights; the words tell the parts apart."""
    if own.shape == given.shape:
        return
    part, kind = name.split(".")
    size = "larger" if own.numel() > given.numel() else "smaller"
    which = f"{PARTS[part]} convolution" if part in PARTS else f"{part} layer"
    shapes = f"{tuple(own.shape)}, wanted {tuple(given.shape)}"
    raise ValueError(f"the {which} has a {size} {kind} than asked for: {shapes}")
