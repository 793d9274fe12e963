"""The fast decoder with its weights kept in 8 bits: a quarter of the memory to read for a token.

A row of weights becomes whole numbers from -127 to 127 and one scale. Activations, of which a few
features are many times larger than the others (Dettmers et al. 2022, section 4), stay floats: all
that is lost is the rounding of weights. What it costs is measured in the tests.
Does not handle: 4 bits, activations in 8 bits.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import BFloat16, Float, Int, Int8
from torch import Tensor

from reference_impl.decoder.decoder import Decoder
from reference_impl.inference.fast_decoder import FastDecoder

LARGEST = 127  # -128 is left out: a row's negative then has the negative levels


def quantise_rows(
    weight: Float[Tensor, "d_out d_in"],
) -> tuple[Int8[Tensor, "d_out d_in"], BFloat16[Tensor, " d_out"]]:
    """Levels and each row's scale: weight is about level * scale, off by half a scale at most.

    The scale is rounded to bfloat16 first, because the kernel wants it so, and the levels are
    chosen for the rounded one. A row of zeros gets scale 1.

    >>> levels, scale = quantise_rows(torch.tensor([[127.0, -63.6, 0.4], [0.0, 0.0, 0.0]]))
    >>> levels.tolist(), scale.tolist()
    ([[127, -64, 0], [0, 0, 0]], [1.0, 1.0])
    """
    weight = weight.float()
    scale = (weight.abs().amax(dim=1) / LARGEST).bfloat16()  # d_out
    scale = torch.where(scale > 0, scale, 1.0)
    levels = (weight / scale.float()[:, None]).round().clamp(-LARGEST, LARGEST)
    return levels.to(torch.int8), scale


def plain_int8_mm(
    x: BFloat16[Tensor, "rows d_in"],
    levels: Int8[Tensor, "d_out d_in"],
    scale: BFloat16[Tensor, " d_out"],
) -> BFloat16[Tensor, "rows d_out"]:
    """x weight^T. bfloat16 holds every level exactly; best for many rows, which repay the cast."""
    return F.linear(x, levels.bfloat16()) * scale


def fastest_int8_mm() -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """PyTorch's kernel that reads 8-bit weights, where it has it (its name is not a public one)."""
    x, levels, scale = torch.eye(1, 32), torch.full((32, 32), 3), torch.full((32,), 0.5)
    arguments = x.bfloat16(), levels.to(torch.int8), scale.bfloat16()
    try:
        works = (torch._weight_int8pack_mm(*arguments) == 1.5).all().item()
    except (AttributeError, RuntimeError, TypeError):
        works = False
    return torch._weight_int8pack_mm if works else plain_int8_mm


ONE_ROW_INT8_MM = fastest_int8_mm()


class Int8Linear:
    """x weight^T with the weight in 8 bits, x and the result rounded to bfloat16 on the way."""

    def __init__(self, weight: Float[Tensor, "d_out d_in"]) -> None:
        self.levels, self.scale = quantise_rows(weight)
        # The kernel reads whole vectors: past the end of other widths, without a check.
        self.fits = all(width % 32 == 0 for width in weight.shape)

    def __call__(self, x: Float[Tensor, "batch seq d_in"]) -> Float[Tensor, "batch seq d_out"]:
        batch, seq, d_in = x.shape
        multiply = ONE_ROW_INT8_MM if batch * seq == 1 and self.fits else plain_int8_mm
        y = multiply(x.view(-1, d_in).bfloat16(), self.levels, self.scale)
        return y.view(batch, seq, -1).to(x.dtype)


class Int8Decoder(FastDecoder):
    """`FastDecoder` with every matrix in 8 bits, activations and cache in the decoder's dtype.

    It shares nothing but the norms' weights with the decoder: without it, a quarter of its
    memory in float32 remains.
    """

    linear = Int8Linear

    def __init__(self, model: Decoder) -> None:
        super().__init__(model)
        tied = self.config.tied_embeddings
        self.embedding = self.lm_head if tied else Int8Linear(self.embedding)

    def embed(self, token_ids: Int[Tensor, "batch seq"]) -> Float[Tensor, "batch seq d_model"]:
        levels, scale = self.embedding.levels[token_ids], self.embedding.scale[token_ids]
        return levels.to(self.final_norm.dtype) * scale[..., None].to(self.final_norm.dtype)
