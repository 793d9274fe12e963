# %% [markdown]
# # Exercises: Every kind of exercise
#
# A unit for the tests alone: one exercise of each kind that the contract carries.

# %% tags=["setup"]
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from grading import check, demonstration, given, question

causal_mask = given("attention/causal_mask")

# %% [markdown]
# {{kinds/visible_mean}}


# %% exercise="kinds/visible_mean"
def visible_mean(x: Tensor) -> Tensor:
    """The mean of each position and those before it; x has the shape (seq, d_model).

    >>> visible_mean(torch.tensor([[2.0], [4.0]]))
    tensor([[2.],
            [3.]])
    """
    mask = causal_mask(x.shape[0]).to(x.dtype)
    return mask @ x / mask.sum(dim=-1, keepdim=True)


# %% tags=["demo"]
with demonstration():
    print(visible_mean(torch.arange(3.0)[:, None]))

# %% [markdown]
# {{kinds/affine}}


# %% exercise="kinds/affine"
class Affine(nn.Module):
    """x * weight + bias, with a weight and a bias for each of `size` features."""

    def __init__(self, size: int) -> None:
        """Weights begin at 1, biases at 0."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift the last axis."""
        return x * self.weight + self.bias


# %% exercise="kinds/centre"
def centre(x: np.ndarray) -> np.ndarray:
    """x with the mean of each column taken off; ValueError where x has no row.

    >>> centre(np.array([[1.0, 2.0], [3.0, 6.0]]))
    array([[-1., -2.],
           [ 1.,  2.]])
    """
    if len(x) == 0:
        raise ValueError("no row, so no mean")
    return x - x.mean(axis=0)


# %% exercise="kinds/neighbours"
def neighbours(text: str) -> dict[tuple[str, str], int]:
    """How often each pair of neighbouring characters occurs.

    >>> neighbours("abab")
    {('a', 'b'): 2, ('b', 'a'): 1}
    """
    counts: dict[tuple[str, str], int] = {}
    for pair in zip(text, text[1:], strict=False):
        counts[pair] = counts.get(pair, 0) + 1
    return counts


# %% exercise="kinds/chunks"
def chunks(data: bytes, size: int) -> Iterator[bytes]:
    """The bytes in pieces of `size`, the last of what is left, one after the other.

    >>> list(chunks(b"abcde", 2))
    [b'ab', b'cd', b'e']
    """
    for start in range(0, len(data), size):
        yield data[start : start + size]


# %% exercise="kinds/throw"
def throw(weights: list[float], generator: np.random.Generator) -> int:
    """An index drawn with a probability in proportion to its weight."""
    shares = np.array(weights) / sum(weights)
    return int(generator.choice(len(weights), p=shares))


# %% exercise="kinds/noise"
def noise(shape: list[int], generator: torch.Generator) -> Tensor:
    """Normal numbers of a shape from this very generator, times 2."""
    return 2 * torch.randn(shape, generator=generator)


# %% exercise="kinds/fit"
def fit(x: Tensor, y: Tensor, steps: int) -> nn.Module:
    """A linear layer trained on the squared error by gradient descent with a rate of 0.1."""
    model = nn.Linear(x.shape[1], 1)
    for _ in range(steps):
        loss = (model(x) - y).square().mean()
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
    return model


# %% tags=["run"]
torch.manual_seed(0)
inputs = torch.randn(64, 3)
model = None
with demonstration():
    model = fit(inputs, inputs.sum(dim=1, keepdim=True) + 1, steps=200)


# %% exercise="kinds/draw_losses"
def draw_losses(steps: list[int], losses: list[float]) -> None:
    """The losses over the steps, on a logarithmic scale, with labels "step" and "loss"."""
    from matplotlib import pyplot

    pyplot.figure()
    pyplot.plot(steps, losses)
    pyplot.yscale("log")
    pyplot.xlabel("step")
    pyplot.ylabel("loss")


# %% exercise="kinds/save_words"
def save_words(words: list[str]) -> int:
    """Write the words into the file words.txt, a line each, in UTF-8; how many there are."""
    with open("words.txt", "w", encoding="utf-8") as file:
        file.writelines(word + "\n" for word in words)
    return len(words)


# %% tags=["demo"]
with demonstration():
    print(question("kinds/which_curve")["A"], question("kinds/which_curve")["B"])


# %% exercise="kinds/which_curve"
def which_curve() -> str:
    """Which of the two curves, "A" or "B", comes from the larger rate?"""
    return "B"
