"""Normalisation over the last axis: LayerNorm and the simpler RMSNorm that modern decoders use.

Does not handle: batch normalisation, which mixes examples and has no place in a decoder.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def layer_norm(
    x: Float[Tensor, "... d_model"],
    weight: Float[Tensor, " d_model"],
    bias: Float[Tensor, " d_model"],
    norm_eps: float = 1e-5,
) -> Float[Tensor, "... d_model"]:
    """Give each vector mean 0 and variance 1, then scale by `weight` and shift by `bias`.

    The variance divides by d_model (not d_model - 1), and `norm_eps` stands inside the root.
    Half precision is computed in float32: in float16 the square of 256 is already infinite.
    Source: Ba et al. 2016, equation 4.

    >>> x = torch.tensor([1.0, 3.0])  # mean 2, variance 1
    >>> layer_norm(x, torch.ones(2), torch.zeros(2), norm_eps=0.0)
    tensor([-1.,  1.])
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    centred = wide - wide.mean(dim=-1, keepdim=True)
    variance = centred.pow(2).mean(dim=-1, keepdim=True)
    return (centred / torch.sqrt(variance + norm_eps) * weight + bias).to(x.dtype)


def rms_norm(
    x: Float[Tensor, "... d_model"],
    weight: Float[Tensor, " d_model"],
    norm_eps: float = 1e-5,
) -> Float[Tensor, "... d_model"]:
    """Divide each vector by its root mean square, then scale by `weight`.

    No mean is subtracted and no bias is added; `norm_eps` stands inside the root. Half precision
    is computed in float32, as in `layer_norm`.
    Source: Zhang & Sennrich 2019, equation 4.

    >>> x = torch.tensor([1.0, 7.0])  # mean square (1 + 49) / 2 = 25
    >>> rms_norm(x, torch.ones(2), norm_eps=0.0)
    tensor([0.2000, 1.4000])
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    mean_square = wide.pow(2).mean(dim=-1, keepdim=True)
    return (wide * torch.rsqrt(mean_square + norm_eps) * weight).to(x.dtype)


class LayerNorm(nn.Module):
    """`layer_norm` with a learned weight (starts at 1) and bias (starts at 0)."""

    def __init__(self, d_model: int, norm_eps: float = 1e-5) -> None:
        super().__init__()
        self.norm_eps = norm_eps
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        return layer_norm(x, self.weight, self.bias, self.norm_eps)


class RMSNorm(nn.Module):
    """`rms_norm` with a learned weight (starts at 1)."""

    def __init__(self, d_model: int, norm_eps: float = 1e-5) -> None:
        super().__init__()
        self.norm_eps = norm_eps
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        return rms_norm(x, self.weight, self.norm_eps)
