"""The other common decoder: GPT-2's block, to compare with the one of `decoder`.

Where the two differ: a learned vector for each position, added once, in place of rotary
ones; LayerNorm in place of RMSNorm; biases everywhere; a key-value head for every query head; a
feed-forward of two matrices with GELU in place of three with SiLU. Pre-norm and tied embeddings
are the same. Source: Radford et al. 2019, section 2.3, and for the inside of a block Radford et
al. 2018, section 4.1. Does not handle: dropout, OpenAI's file format.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from reference_impl.decoder.attention import (
    causal_mask,
    merge_heads,
    scaled_dot_product_attention,
    split_heads,
)
from reference_impl.decoder.cache import KVCache, LayerCache
from reference_impl.decoder.decoder import Decoder
from reference_impl.decoder.norms import LayerNorm


@dataclass(frozen=True)
class GPT2Config:
    """Sizes of a GPT-2: those of `ModelConfig`, of which some follow from others here.

    Raises ValueError where the heads do not fill d_model.

    >>> config = GPT2Config(10, 8, d_model=6, n_layers=1, n_heads=2)
    >>> config.head_dim, config.n_kv_heads, config.d_ff
    (3, 2, 24)
    """

    vocab_size: int
    context_length: int
    d_model: int
    n_layers: int
    n_heads: int
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        if self.d_model % self.n_heads:
            raise ValueError(
                f"d_model={self.d_model} cannot be cut into n_heads={self.n_heads} heads: "
                "choose an n_heads that divides d_model"
            )

    @property
    def head_dim(self) -> int:
        return self.d_model // self.n_heads

    @property
    def n_kv_heads(self) -> int:
        return self.n_heads

    @property
    def d_ff(self) -> int:
        return 4 * self.d_model


# The smallest of the published four (Radford et al. 2019, table 2): 124 million parameters.
GPT2_SMALL = GPT2Config(vocab_size=50257, context_length=1024, d_model=768, n_layers=12, n_heads=12)


class GPT2Attention(nn.Module):
    """Causal self-attention with biases, and without any sense of position."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.q_proj = nn.Linear(config.d_model, config.d_model)
        self.k_proj = nn.Linear(config.d_model, config.d_model)
        self.v_proj = nn.Linear(config.d_model, config.d_model)
        self.o_proj = nn.Linear(config.d_model, config.d_model)

    def forward(
        self, x: Float[Tensor, "batch seq d_model"], cache: LayerCache | None = None
    ) -> Float[Tensor, "batch seq d_model"]:
        projections = (self.q_proj, self.k_proj, self.v_proj)
        q, k, v = (split_heads(project(x), self.n_heads) for project in projections)
        if cache is not None:
            k, v = cache.append(k, v)  # batch heads kv_seq head_dim
        mask = causal_mask(q.shape[2], k.shape[2]).to(x.device)
        attended = scaled_dot_product_attention(q, k, v, mask)  # batch heads seq head_dim
        return self.o_proj(merge_heads(attended))


class GPT2FeedForward(nn.Module):
    """down_proj(gelu(up_proj(x))), with biases.

    GELU is x times the share of a normal distribution below x, here in the approximation by tanh
    that GPT-2 was trained with. Source: Hendrycks & Gimpel 2016, section 2.
    """

    def __init__(self, d_model: int, d_ff: int) -> None:
        super().__init__()
        self.up_proj = nn.Linear(d_model, d_ff)
        self.down_proj = nn.Linear(d_ff, d_model)

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        return self.down_proj(F.gelu(self.up_proj(x), approximate="tanh"))


class GPT2Block(nn.Module):
    """One layer: attention, then feed-forward, each added to the stream it reads normalised."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.attention_norm = LayerNorm(config.d_model, config.norm_eps)
        self.attention = GPT2Attention(config)
        self.feed_forward_norm = LayerNorm(config.d_model, config.norm_eps)
        self.feed_forward = GPT2FeedForward(config.d_model, config.d_ff)

    def forward(
        self, x: Float[Tensor, "batch seq d_model"], cache: LayerCache | None = None
    ) -> Float[Tensor, "batch seq d_model"]:
        x = x + self.attention(self.attention_norm(x), cache)
        return x + self.feed_forward(self.feed_forward_norm(x))


class GPT2(nn.Module):
    """GPT-2's language model: token ids in, logits for the next token out.

    It is called as `Decoder` is, and `generation.generate` takes it as well.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.position_embedding = nn.Embedding(config.context_length, config.d_model)
        self.blocks = nn.ModuleList(GPT2Block(config) for _ in range(config.n_layers))
        self.final_norm = LayerNorm(config.d_model, config.norm_eps)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.lm_head.weight = self.token_embedding.weight
        self.initialise()
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)

    initialise = Decoder.initialise  # it was GPT-2's idea
    # The rest is a decoder's in either style.
    forward, next_logits = Decoder.forward, Decoder.next_logits
    new_cache, check_fits = Decoder.new_cache, Decoder.check_fits

    def hidden(
        self, token_ids: Int[Tensor, "batch seq"], cache: KVCache | None = None
    ) -> Float[Tensor, "batch seq d_model"]:
        """The residual stream after the last block and the final norm."""
        start = 0 if cache is None else cache.length
        end = start + token_ids.shape[1]
        self.check_fits(end)
        positions = torch.arange(start, end, device=token_ids.device)  # seq
        x = self.token_embedding(token_ids) + self.position_embedding(positions)
        for i, block in enumerate(self.blocks):
            x = block(x, None if cache is None else cache.layers[i])  # batch seq d_model
        return self.final_norm(x)
