"""Attention: each position gathers from the positions it may see, by similarity of q and k.

Masks are boolean and True means "may attend". Everything here is written out in plain tensor
operations, so that every step can be read.
"""

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reference_impl.decoder.cache import LayerCache
from reference_impl.decoder.config import ModelConfig
from reference_impl.embeddings_and_positions.positions import apply_rope


def attention_weights(
    q: Float[Tensor, "... q_seq head_dim"],
    k: Float[Tensor, "... kv_seq head_dim"],
    mask: Bool[Tensor, "... #q_seq kv_seq"] | None = None,
) -> Float[Tensor, "... q_seq kv_seq"]:
    """How much each query looks at each key: softmax(q k^T / sqrt(head_dim)) over the keys.

    Each row sums to 1. Where `mask` is False the weight is exactly 0; a row that may attend to
    nothing is all zeros. Half-precision q and k are multiplied in float32: float16 ends at 65,504.
    Source: Vaswani et al. 2017, equation 1.

    >>> q = torch.tensor([[2.0, 0.0, 0.0, 0.0]])
    >>> k = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    >>> attention_weights(q, k)  # scores 2/2 and 0/2: e / (e + 1) and 1 / (e + 1)
    tensor([[0.7311, 0.2689]])
    >>> attention_weights(q, k, mask=torch.tensor([[False, True]]))
    tensor([[0., 1.]])
    """
    head_dim = q.shape[-1]
    wide = torch.promote_types(q.dtype, torch.float32)
    scores = q.to(wide) @ k.to(wide).transpose(-2, -1) / head_dim**0.5  # ... q_seq kv_seq
    if mask is not None:  # the lowest number: a row of nothing but -inf would become NaN
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0.0)  # a fully masked row was shared out evenly
    return weights.to(q.dtype)


def scaled_dot_product_attention(
    q: Float[Tensor, "... q_seq head_dim"],
    k: Float[Tensor, "... kv_seq head_dim"],
    v: Float[Tensor, "... kv_seq head_dim"],
    mask: Bool[Tensor, "... #q_seq kv_seq"] | None = None,
) -> Float[Tensor, "... q_seq head_dim"]:
    """Each query's average of the values, weighted by `attention_weights`.

    `mask` is True where a query may attend; one that may attend to nothing gets zeros.
    Source: Vaswani et al. 2017, equation 1.

    >>> q = torch.tensor([[2.0, 0.0, 0.0, 0.0]])
    >>> k = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    >>> v = torch.tensor([[10.0, 0.0, 0.0, 0.0], [0.0, 10.0, 0.0, 0.0]])
    >>> scaled_dot_product_attention(q, k, v)  # weights 0.7311 and 0.2689
    tensor([[7.3106, 2.6894, 0.0000, 0.0000]])
    """
    return attention_weights(q, k, mask) @ v  # ... q_seq head_dim


def causal_mask(q_seq: int, kv_seq: int | None = None) -> Bool[Tensor, "q_seq kv_seq"]:
    """True where a query may attend: at its own position and before it.

    The queries are the LAST q_seq of the kv_seq positions, so that the mask also serves a cache
    (kv_seq > q_seq). `kv_seq` defaults to q_seq. Raises ValueError if kv_seq < q_seq.

    >>> causal_mask(3).int()
    tensor([[1, 0, 0],
            [1, 1, 0],
            [1, 1, 1]], dtype=torch.int32)
    >>> causal_mask(2, 4).int()
    tensor([[1, 1, 1, 0],
            [1, 1, 1, 1]], dtype=torch.int32)
    """
    kv_seq = q_seq if kv_seq is None else kv_seq
    if kv_seq < q_seq:
        raise ValueError(
            f"{q_seq} queries cannot be the last of {kv_seq} positions: kv_seq must be >= q_seq"
        )
    return torch.ones(q_seq, kv_seq, dtype=torch.bool).tril(diagonal=kv_seq - q_seq)


def padding_mask(lengths: Int[Tensor, " batch"], kv_seq: int) -> Bool[Tensor, "batch 1 1 {kv_seq}"]:
    """True at the real tokens of each sequence, False at the padding on its right.

    The two middle axes broadcast over heads and queries; combine with `causal_mask` by `&`.

    >>> padding_mask(torch.tensor([3, 1]), kv_seq=3)[:, 0, 0].int()
    tensor([[1, 1, 1],
            [1, 0, 0]], dtype=torch.int32)
    """
    positions = torch.arange(kv_seq, device=lengths.device)  # kv_seq
    return rearrange(positions < lengths[:, None], "batch kv_seq -> batch 1 1 kv_seq")


def split_heads(
    x: Float[Tensor, "batch seq d_model"], n_heads: int
) -> Float[Tensor, "batch {n_heads} seq head_dim"]:
    """Cut the last axis into heads: features 0 .. head_dim-1 are head 0, the next ones head 1.

    Raises an error where n_heads does not divide the last axis.

    >>> x = torch.tensor([[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]])  # 2 positions
    >>> split_heads(x, n_heads=2)
    tensor([[[[1., 2.],
              [5., 6.]],
    <BLANKLINE>
             [[3., 4.],
              [7., 8.]]]])
    """
    return rearrange(x, "batch seq (heads head_dim) -> batch heads seq head_dim", heads=n_heads)


def merge_heads(
    x: Float[Tensor, "batch heads seq head_dim"],
) -> Float[Tensor, "batch seq d_model"]:
    """Undo `split_heads`: put the heads of each position side by side again.

    >>> x = torch.tensor([[[[1.0, 2.0], [5.0, 6.0]], [[3.0, 4.0], [7.0, 8.0]]]])  # 2 heads
    >>> merge_heads(x)
    tensor([[[1., 2., 3., 4.],
             [5., 6., 7., 8.]]])
    """
    return rearrange(x, "batch heads seq head_dim -> batch seq (heads head_dim)")


def grouped_query_attention(
    q: Float[Tensor, "batch heads q_seq head_dim"],
    k: Float[Tensor, "batch kv_heads kv_seq head_dim"],
    v: Float[Tensor, "batch kv_heads kv_seq head_dim"],
    mask: Bool[Tensor, "... #q_seq kv_seq"] | None = None,
) -> Float[Tensor, "batch heads q_seq head_dim"]:
    """Attention in which several query heads share one KV head.

    Query head h uses KV head h // (heads // kv_heads): neighbours share. `mask` is True where a
    query may attend. Raises ValueError where kv_heads does not divide heads.
    Source: Ainslie et al. 2023, section 2.2.

    >>> q = torch.zeros(1, 4, 1, 1)  # 4 query heads, one key each: the output is v itself
    >>> k, v = torch.zeros(1, 2, 1, 1), torch.tensor([10.0, 20.0]).view(1, 2, 1, 1)
    >>> grouped_query_attention(q, k, v).flatten()
    tensor([10., 10., 20., 20.])
    """
    heads, kv_heads = q.shape[1], k.shape[1]
    if heads % kv_heads:
        raise ValueError(
            f"{heads} query heads cannot share {kv_heads} KV heads evenly: "
            "the number of KV heads must divide the number of query heads"
        )
    k = k.repeat_interleave(heads // kv_heads, dim=1)  # batch heads kv_seq head_dim
    v = v.repeat_interleave(heads // kv_heads, dim=1)
    return scaled_dot_product_attention(q, k, v, mask)


class Attention(nn.Module):
    """Causal grouped-query self-attention with rotary positions: projections, attention, output.

    `angles` are `rope_angles` of the true positions of x. With a `cache` the new keys and values
    are stored in it and the queries also see everything stored before.
    Sources: Vaswani et al. 2017, section 3.2.2; Su et al. 2021; Ainslie et al. 2023.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.n_heads, self.n_kv_heads = config.n_heads, config.n_kv_heads
        q_width = config.n_heads * config.head_dim
        kv_width = config.n_kv_heads * config.head_dim
        self.q_proj = nn.Linear(config.d_model, q_width, bias=False)
        self.k_proj = nn.Linear(config.d_model, kv_width, bias=False)
        self.v_proj = nn.Linear(config.d_model, kv_width, bias=False)
        self.o_proj = nn.Linear(q_width, config.d_model, bias=False)

    def forward(
        self,
        x: Float[Tensor, "batch seq d_model"],
        angles: Float[Tensor, "seq pairs"],
        cache: LayerCache | None = None,
    ) -> Float[Tensor, "batch seq d_model"]:
        q, k, v = self.project(x, angles)
        if cache is not None:
            k, v = cache.append(k, v)  # batch kv_heads kv_seq head_dim
        mask = causal_mask(q.shape[2], k.shape[2]).to(x.device)
        attended = grouped_query_attention(q, k, v, mask)  # batch heads seq head_dim
        return self.o_proj(merge_heads(attended))

    def project(
        self, x: Float[Tensor, "batch seq d_model"], angles: Float[Tensor, "seq pairs"]
    ) -> tuple[
        Float[Tensor, "batch heads seq head_dim"],
        Float[Tensor, "batch kv_heads seq head_dim"],
        Float[Tensor, "batch kv_heads seq head_dim"],
    ]:
        """q and k, turned to their positions, and v, which is not."""
        q = apply_rope(split_heads(self.q_proj(x), self.n_heads), angles)
        k = apply_rope(split_heads(self.k_proj(x), self.n_kv_heads), angles)
        return q, k, split_heads(self.v_proj(x), self.n_kv_heads)
