"""Positions: fixed sinusoids added to embeddings, and rotary positions applied to q and k.

Rotary pairs are INTERLEAVED here, as in the paper: features (0, 1), (2, 3), ... turn together.
Many published checkpoints instead pair feature i with i + head_dim/2 ("half" layout); the two
differ only by a fixed reordering of the rows of q_proj and k_proj.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def sinusoidal_positions(
    seq: int, d_model: int, base: float = 10000.0
) -> Float[Tensor, "seq d_model"]:
    """Fixed position vectors: sin on even features, cos on odd ones.

    Feature pair i of position p holds sin and cos of p / base^(2i / d_model).
    Raises ValueError for an odd d_model. Source: Vaswani et al. 2017, section 3.5.

    >>> sinusoidal_positions(2, 4)  # row 1: sin(1), cos(1), sin(1/100), cos(1/100)
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0100, 0.9999]])
    """
    angles = rope_angles(torch.arange(seq), d_model, base)  # seq pairs
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


def rope_angles(
    positions: Int[Tensor, " seq"], head_dim: int, rope_theta: float = 10000.0
) -> Float[Tensor, "seq pairs"]:
    """The angle, in radians, by which each pair of features turns at each position.

    Pair i (there are head_dim / 2) turns by position * rope_theta^(-2i / head_dim). Positions
    are absolute, so that a decoder with a cache passes the true ones, not 0. Always float32.
    Raises ValueError for an odd head_dim. Source: Su et al. 2021, equation 15.

    >>> rope_angles(torch.tensor([0, 1, 2]), head_dim=4, rope_theta=100.0)
    tensor([[0.0000, 0.0000],
            [1.0000, 0.1000],
            [2.0000, 0.2000]])
    """
    if head_dim % 2:
        raise ValueError(f"features turn in pairs, but {head_dim} is odd: use an even width")
    two_i = torch.arange(0, head_dim, 2, dtype=torch.float32, device=positions.device)  # pairs
    frequencies = rope_theta ** (-two_i / head_dim)  # pairs
    return positions[:, None] * frequencies  # seq pairs


def apply_rope(
    x: Float[Tensor, "... seq head_dim"], angles: Float[Tensor, "seq pairs"]
) -> Float[Tensor, "... seq head_dim"]:
    """Turn each interleaved pair of features of q or k by its angle.

    Pair (a, b) becomes (a cos - b sin, a sin + b cos). After it, q . k depends on the two
    positions only through their difference. Never applied to v.
    Source: Su et al. 2021, equation 34.

    >>> quarter = torch.tensor([[torch.pi / 2, 0.0]])  # pair 0 a quarter turn, pair 1 none
    >>> apply_rope(torch.tensor([[1.0, 0.0, 5.0, 6.0]]), quarter).round(decimals=4) + 0.0
    tensor([[0., 1., 5., 6.]])
    """
    even, odd = x[..., 0::2], x[..., 1::2]  # ... seq pairs
    cos, sin = angles.cos(), angles.sin()  # seq pairs; in float32, so half-precision x turns in it
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return turned.flatten(-2).to(x.dtype)  # ... seq head_dim


def rotary_scores(
    q: Float[Tensor, "... q_seq head_dim"],
    k: Float[Tensor, "... kv_seq head_dim"],
    q_positions: Int[Tensor, " q_seq"],
    k_positions: Int[Tensor, " kv_seq"],
    rope_theta: float = 10000.0,
) -> Float[Tensor, "... q_seq kv_seq"]:
    """The dot product of every query with every key, both turned to their positions.

    Not divided by sqrt(head_dim), not masked. Positions are given, not counted: with a cache the
    queries are the newest tokens, and their positions do not start at 0.
    Source: Su et al. 2021, equation 16.

    >>> one = torch.tensor([[1.0, 0.0]])  # one pair, which turns by 1 radian a position
    >>> rotary_scores(one, one, torch.tensor([5]), torch.tensor([3]))  # cos 2
    tensor([[-0.4161]])
    """
    head_dim = q.shape[-1]
    q = apply_rope(q, rope_angles(q_positions, head_dim, rope_theta))
    k = apply_rope(k, rope_angles(k_positions, head_dim, rope_theta))
    return q @ k.mT  # ... q_seq kv_seq
