"""Attention arranged for training on a CPU: the same function as `Attention`, with its weights.

Between two matrix products the plain way reads and writes every score and every feature several
times, and back again for the gradients. What is different:
- the rotary turns are products with complex factors, where the plain way splits pairs and joins
  them again;
- the mask is a number to add, 0 or -infinity, which the gradient passes untouched;
- query heads that share keys stand one under the other in one product, without copies of the keys.
PyTorch's fused kernel is no faster here: it is made for longer contexts.
"""

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from reference_impl.decoder.attention import Attention, causal_mask, merge_heads, split_heads
from reference_impl.decoder.cache import LayerCache
from reference_impl.decoder.decoder import Decoder


def turn_heads(
    x: Float[Tensor, "batch heads seq head_dim"], turns: Complex[Tensor, "seq pairs"]
) -> Float[Tensor, "batch heads seq head_dim"]:
    """`apply_rope` by complex numbers: the pair (a, b) is a + bi, and a turn is a product.

    Half precision has no complex numbers, and turns in float32.

    >>> turn_heads(torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[1j]]))  # a quarter turn
    tensor([[[[0., 1.]]]])
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32)).contiguous()
    pairs = torch.view_as_complex(wide.unflatten(-1, (-1, 2)))  # batch heads seq pairs
    return torch.view_as_real(pairs * turns).flatten(-2).to(x.dtype)


def shared_key_attention(
    q: Float[Tensor, "batch heads seq head_dim"],
    k: Float[Tensor, "batch kv_heads seq head_dim"],
    v: Float[Tensor, "batch kv_heads seq head_dim"],
    mask: Bool[Tensor, "seq seq"],
) -> Float[Tensor, "batch heads seq head_dim"]:
    """`grouped_query_attention` where every query may attend to something.

    >>> q = torch.zeros(1, 2, 1, 1)  # 2 query heads share one key: the output is v itself
    >>> k, v = torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 7.0)
    >>> shared_key_attention(q, k, v, causal_mask(1)).flatten()
    tensor([7., 7.])
    """
    batch, kv_heads, seq, head_dim = k.shape
    rows = (q * head_dim**-0.5).reshape(batch, kv_heads, -1, head_dim)  # several heads' queries
    scores = (rows @ k.mT).view(batch, -1, seq, seq)  # batch heads seq seq
    hidden = torch.zeros(seq, seq, dtype=torch.float32, device=k.device)
    hidden = hidden.masked_fill(~mask, float("-inf"))
    weights = (scores + hidden).softmax(dim=-1).to(v.dtype)
    return (weights.view(batch, kv_heads, -1, seq) @ v).view(q.shape)


class TrainingAttention(Attention):
    """`Attention` without a cache, for training. Same arguments, same output, same gradients."""

    def forward(
        self,
        x: Float[Tensor, "batch seq d_model"],
        angles: Float[Tensor, "seq pairs"],
        cache: LayerCache | None = None,
    ) -> Float[Tensor, "batch seq d_model"]:
        if cache is not None:
            return super().forward(x, angles, cache)
        turns = torch.polar(torch.ones_like(angles), angles)
        q = turn_heads(split_heads(self.q_proj(x), self.n_heads), turns)
        k = turn_heads(split_heads(self.k_proj(x), self.n_kv_heads), turns)
        v = split_heads(self.v_proj(x), self.n_kv_heads)
        mask = causal_mask(x.shape[1]).to(x.device)
        return self.o_proj(merge_heads(shared_key_attention(q, k, v, mask)))


def for_training(model: Decoder) -> Decoder:
    """The model itself, its attention from now on computed by `TrainingAttention`."""
    for block in model.blocks:
        block.attention.__class__ = TrainingAttention  # it keeps its weights, hooks and mode
    return model
