"""The decoder arranged for speed on a CPU: the same function as `Decoder`, inference only.

One token at a time, a decoder spends its time reading weights from memory, and the aim is to read
them as fast as memory allows. What is different, with the same weights:
- q, k and v are one matrix product, and so are gate and up;
- a product with a single row is cut into pieces, for all threads, or its weight is packed
  (`FastLinear`);
- the rotary turns are complex factors, computed once for every position;
- attention runs in PyTorch's fused kernel, which needs no copies of the shared KV heads;
- for the next token alone, the last block computes the last position alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float, Int
from torch import Tensor, nn

from reference_impl.decoder.attention import causal_mask
from reference_impl.decoder.cache import KVCache, LayerCache
from reference_impl.decoder.decoder import Block, Decoder
from reference_impl.embeddings_and_positions.positions import rope_angles


def one_dnn_linear(x: Tensor, weight: Tensor) -> Tensor:
    """`F.linear` by oneDNN: about a tenth faster in float32, and it takes packed weights."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")


def one_dnn_packed(weight: Tensor) -> Tensor:
    """The weight in the order in which oneDNN reads it; a row in bfloat16 is then twice as fast."""
    return torch.ops.mkldnn._reorder_linear_weight(weight, 1)


def packed_linear(x: Tensor, weight: Tensor) -> Tensor:
    """Both in one step."""
    return one_dnn_linear(x, one_dnn_packed(weight))


def works(linear: Callable[[Tensor, Tensor], Tensor], dtype: torch.dtype) -> bool:
    """Whether this PyTorch can multiply so on this processor (the names are not public ones)."""
    x, weight = torch.eye(2, dtype=dtype), torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=dtype)
    try:
        return torch.equal(linear(x, weight), weight.mT)
    except (AttributeError, RuntimeError, TypeError):
        return False


PIECES = 16  # enough for a laptop's threads, and a divisor of every width of SmolLM2
FLOAT32_LINEAR = one_dnn_linear if works(one_dnn_linear, torch.float32) else F.linear
PACKS = works(packed_linear, torch.bfloat16)
ALL_ROWS, LAST_ROW = slice(None), slice(-1, None)


class FastLinear:
    """x weight^T, as `F.linear`, by the fastest way for its dtype and number of rows.

    A single row decides how fast tokens come. In float32 `F.linear` leaves it to one thread; cut
    into a batch of pieces, each thread takes some. In bfloat16 the weight is packed, a copy.

    >>> linear = FastLinear(torch.tensor([[1.0, 0.0], [3.0, 4.0]]))
    >>> linear(torch.tensor([[[1.0, 2.0]]]))
    tensor([[[ 1., 11.]]])
    """

    def __init__(self, weight: Float[Tensor, "d_out d_in"]) -> None:
        self.weight, self.pieces, self.multiply = weight, None, F.linear
        if weight.dtype == torch.float32:
            self.multiply = FLOAT32_LINEAR
            if weight.shape[0] % PIECES == 0:
                self.pieces = weight.view(PIECES, -1, weight.shape[1])  # pieces piece d_in
        elif weight.dtype == torch.bfloat16 and PACKS:
            self.weight, self.multiply = one_dnn_packed(weight), one_dnn_linear

    def __call__(self, x: Float[Tensor, "batch seq d_in"]) -> Float[Tensor, "batch seq d_out"]:
        if self.pieces is None or x.numel() != x.shape[2]:  # rows bound by arithmetic
            return self.multiply(x, self.weight)
        column = x.mT.expand(PIECES, -1, -1)  # a row times pieces.mT would take twice as long
        return torch.bmm(self.pieces, column).view(1, 1, -1)


def turn_(
    x: Float[Tensor, "batch seq heads head_dim"], turns: Complex[Tensor, "seq 1 pairs"]
) -> None:
    """`apply_rope` in place, by complex numbers: a pair (a, b) is a + bi, a turn is a product.

    >>> x = torch.tensor([[[[1.0, 0.0]]]])
    >>> turn_(x, torch.tensor([[[1j]]]))
    >>> x
    tensor([[[[0., 1.]]]])
    """
    wide = x.float()  # x itself if it is in float32
    torch.view_as_complex(wide.unflatten(-1, (-1, 2))).mul_(turns)
    if wide is not x:
        x.copy_(wide)


@contextmanager
def plainly() -> Iterator[None]:
    """Without gradients and without autocast, which would cast some of the products alone."""
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        yield


@dataclass
class FastLayer:
    """One block's weights: q, k and v stacked into one matrix, gate and up into another."""

    attention_norm: Tensor
    qkv: Callable[[Tensor], Tensor]
    o_proj: Callable[[Tensor], Tensor]
    feed_forward_norm: Tensor
    gate_up: Callable[[Tensor], Tensor]
    down_proj: Callable[[Tensor], Tensor]

    @classmethod
    def of(cls, block: Block, linear: Callable[[Tensor], Callable]) -> "FastLayer":
        attention, feed_forward = block.attention, block.feed_forward
        return cls(
            block.attention_norm.weight.detach(),
            linear(stack_rows(attention.q_proj, attention.k_proj, attention.v_proj)),
            linear(stack_rows(attention.o_proj)),
            block.feed_forward_norm.weight.detach(),
            linear(stack_rows(feed_forward.gate_proj, feed_forward.up_proj)),
            linear(stack_rows(feed_forward.down_proj)),
        )


def stack_rows(*layers: nn.Module) -> Float[Tensor, "d_out d_in"]:
    """One matrix of the layers' rows. The layers keep their weights, now as parts of it, so that
    nothing is held in memory twice. Raises ValueError for what is no plain linear layer."""
    for layer in layers:
        if not isinstance(layer, nn.Linear) or layer.bias is not None:
            raise ValueError(
                f"the fast decoder runs linear layers without a bias, not {type(layer).__name__}: "
                "merge adapters into their weights first (merge_lora), or use the decoder as it is"
            )
    if len(layers) == 1:
        return layers[0].weight.detach()
    stacked = torch.cat([layer.weight.detach() for layer in layers])
    parts = stacked.split([layer.out_features for layer in layers])
    for layer, part in zip(layers, parts, strict=True):
        layer.weight.data = part
    return stacked


class FastDecoder:
    """Runs a `Decoder`'s weights fast on a CPU, without gradients. Same arguments, same logits.

    In float32 it shares the decoder's memory; in bfloat16 it has packed copies and does not need
    the decoder any more. Make it after loading, casting or moving the decoder, and make another
    one after doing so again. It computes in its weights' dtype, under autocast too.
    Raises ValueError for a decoder on another device, or with adapters.
    """

    linear = FastLinear  # what a weight becomes: a callable from inputs to outputs
    check_fits = Decoder.check_fits

    def __init__(self, model: Decoder) -> None:
        device = model.token_embedding.weight.device
        if device.type != "cpu":
            raise ValueError(f"the decoder is on {device}: use it as it is, or move it to the CPU")
        self.config = config = model.config
        self.embedding = model.token_embedding.weight.detach()
        self.layers = [FastLayer.of(block, self.linear) for block in model.blocks]
        self.final_norm = model.final_norm.weight.detach()
        self.lm_head = self.linear(stack_rows(model.lm_head))
        positions = torch.arange(config.context_length)
        angles = rope_angles(positions, config.head_dim, config.rope_theta)
        self.turns = torch.polar(torch.ones_like(angles), angles)[:, None]  # seq 1 pairs

    def __call__(
        self, token_ids: Int[Tensor, "batch seq"], cache: KVCache | None = None
    ) -> Float[Tensor, "batch seq vocab"]:
        """Logits of the token that follows each position, as `Decoder.forward`."""
        with plainly():
            return self.lm_head(self.hidden(token_ids, cache, ALL_ROWS))

    def next_logits(
        self, token_ids: Int[Tensor, "batch seq"], cache: KVCache | None = None
    ) -> Float[Tensor, "batch vocab"]:
        """Logits after the last token only, as `Decoder.next_logits`."""
        with plainly():
            return self.lm_head(self.hidden(token_ids, cache, LAST_ROW))[:, -1]

    def new_cache(self, batch: int = 1, capacity: int | None = None) -> KVCache:
        """An empty cache, as `Decoder.new_cache`."""
        return KVCache(self.config, batch, capacity, self.final_norm.dtype)

    def embed(self, token_ids: Int[Tensor, "batch seq"]) -> Float[Tensor, "batch seq d_model"]:
        return F.embedding(token_ids, self.embedding)

    def hidden(
        self, token_ids: Int[Tensor, "batch seq"], cache: KVCache | None, rows: slice
    ) -> Float[Tensor, "batch rows d_model"]:
        """The final normalised stream at `rows`: in the last block no other row is computed
        beyond its key and value, which are all that is needed of it."""
        start = 0 if cache is None else cache.length
        end = start + token_ids.shape[1]
        self.check_fits(end)
        x, turns = self.embed(token_ids), self.turns[start:end]
        for i, layer in enumerate(self.layers):
            wanted = rows if layer is self.layers[-1] else ALL_ROWS
            layer_cache = None if cache is None else cache.layers[i]
            x = x[:, wanted] + self.attend(layer, x, turns, layer_cache, wanted)
            x += self.feed_forward(layer, x)
        return self.norm(x, self.final_norm)

    def attend(
        self, layer: FastLayer, x: Tensor, turns: Tensor, cache: LayerCache | None, rows: slice
    ) -> Float[Tensor, "batch rows d_model"]:
        heads, kv_heads = self.config.n_heads, self.config.n_kv_heads
        qkv = layer.qkv(self.norm(x, layer.attention_norm))
        qkv = qkv.unflatten(-1, (-1, self.config.head_dim))  # batch seq heads+2*kv_heads head_dim
        turn_(qkv[:, :, : heads + kv_heads], turns)
        q, k, v = qkv.transpose(1, 2).split((heads, kv_heads, kv_heads), dim=1)
        if cache is not None:
            k, v = cache.append(k, v)  # batch kv_heads kv_seq head_dim
        attended = causal_attention(q[:, :, rows], k, v)  # batch heads rows head_dim
        return layer.o_proj(attended.transpose(1, 2).flatten(-2))

    def feed_forward(self, layer: FastLayer, x: Tensor) -> Float[Tensor, "batch seq d_model"]:
        gate, up = layer.gate_up(self.norm(x, layer.feed_forward_norm)).chunk(2, dim=-1)
        return layer.down_proj(F.silu(gate).mul_(up))  # batch seq d_ff -> batch seq d_model

    def norm(self, x: Tensor, weight: Tensor) -> Float[Tensor, "batch seq d_model"]:
        return F.rms_norm(x, weight.shape, weight, self.config.norm_eps)


def causal_attention(
    q: Float[Tensor, "batch heads q_seq head_dim"],
    k: Float[Tensor, "batch kv_heads kv_seq head_dim"],
    v: Float[Tensor, "batch kv_heads kv_seq head_dim"],
) -> Float[Tensor, "batch heads q_seq head_dim"]:
    """`grouped_query_attention` under `causal_mask`, in PyTorch's fused kernel.

    The queries are the last q_seq positions. `is_causal` would take them for the first ones, so
    it serves only where there are no earlier positions.
    """
    q_seq, kv_seq = q.shape[2], k.shape[2]
    if q_seq == kv_seq:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    if q_seq == 1 and q.dtype != torch.float32:
        # Query heads that share a KV head, as rows of one head: several times faster in bfloat16.
        grouped = q.view(q.shape[0], k.shape[1], -1, q.shape[3])
        return F.scaled_dot_product_attention(grouped, k, v).view(q.shape)
    mask = None if q_seq == 1 else causal_mask(q_seq, kv_seq)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
