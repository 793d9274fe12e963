"""The decoder: embedding, a stack of pre-norm blocks, a final norm, and logits for each position.

Does not handle: dropout, biases, mixture of experts, sliding windows.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from reference_impl.decoder.attention import Attention, attention_weights, causal_mask
from reference_impl.decoder.cache import KVCache, LayerCache
from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.feed_forward import SwiGLU
from reference_impl.decoder.norms import RMSNorm
from reference_impl.embeddings_and_positions.positions import rope_angles


class Block(nn.Module):
    """One layer: attention, then feed-forward, each added to the stream it reads normalised.

    Pre-norm: the residual stream itself is never normalised (Xiong et al. 2020, figure 1b).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.d_model, config.norm_eps)
        self.attention = Attention(config)
        self.feed_forward_norm = RMSNorm(config.d_model, config.norm_eps)
        self.feed_forward = SwiGLU(config.d_model, config.d_ff)

    def forward(
        self,
        x: Float[Tensor, "batch seq d_model"],
        angles: Float[Tensor, "seq pairs"],
        cache: LayerCache | None = None,
    ) -> Float[Tensor, "batch seq d_model"]:
        x = x + self.attention(self.attention_norm(x), angles, cache)
        return x + self.feed_forward(self.feed_forward_norm(x))


class Decoder(nn.Module):
    """A decoder-only language model: token ids in, logits for the next token out.

    Sources: Vaswani et al. 2017 for the decoder; pre-norm, RMSNorm, SwiGLU and rotary positions
    together as in Touvron et al. 2023, section 2.2; tied embeddings from Press & Wolf 2017.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.final_norm = RMSNorm(config.d_model, config.norm_eps)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        if config.tied_embeddings:
            self.lm_head.weight = self.token_embedding.weight
        self.initialise()

    def initialise(self) -> None:
        """Draw every matrix from N(0, 0.02^2), smaller for those that write to the stream.

        2 * n_layers of them add to it, so their share is divided by the root of that number: the
        stream's size then does not grow with depth (Radford et al. 2019, section 2.3). The first
        logits are near 0 and the first loss near ln(vocab_size).
        """
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                writes = name.endswith(("o_proj.weight", "down_proj.weight"))
                scale = (2 * self.config.n_layers) ** -0.5 if writes else 1.0
                nn.init.normal_(parameter, std=0.02 * scale)

    def forward(
        self, token_ids: Int[Tensor, "batch seq"], cache: KVCache | None = None
    ) -> Float[Tensor, "batch seq vocab"]:
        """Logits of the token that follows each position.

        With a `cache`, `token_ids` are the tokens after those it holds, and they are added to it.
        Raises ValueError where the positions would run past context_length.
        """
        return self.lm_head(self.hidden(token_ids, cache))

    def next_logits(
        self, token_ids: Int[Tensor, "batch seq"], cache: KVCache | None = None
    ) -> Float[Tensor, "batch vocab"]:
        """Logits after the last token only: a prompt of n tokens saves n - 1 output layers."""
        return self.lm_head(self.hidden(token_ids, cache)[:, -1])

    def hidden(
        self, token_ids: Int[Tensor, "batch seq"], cache: KVCache | None = None
    ) -> Float[Tensor, "batch seq d_model"]:
        """The residual stream after the last block and the final norm."""
        x = self.token_embedding(token_ids)  # batch seq d_model
        angles = self.angles(token_ids, start=0 if cache is None else cache.length)
        for i, block in enumerate(self.blocks):
            x = block(x, angles, None if cache is None else cache.layers[i])
        return self.final_norm(x)

    def new_cache(self, batch: int = 1, capacity: int | None = None) -> KVCache:
        """An empty cache of this model's shape, dtype and device."""
        weight = self.token_embedding.weight
        return KVCache(self.config, batch, capacity, weight.dtype, weight.device)

    def angles(self, token_ids: Int[Tensor, "batch seq"], start: int) -> Float[Tensor, "seq pairs"]:
        """Rotary angles of tokens whose first stands at position `start`."""
        end = start + token_ids.shape[1]
        self.check_fits(end)
        positions = torch.arange(start, end, device=token_ids.device)
        return rope_angles(positions, self.config.head_dim, self.config.rope_theta)

    def check_fits(self, n_positions: int) -> None:
        """Raise ValueError where so many positions exceed context_length."""
        if n_positions > self.config.context_length:
            raise ValueError(
                f"{n_positions} positions do not fit into "
                f"context_length={self.config.context_length}: give fewer tokens, "
                "or keep only the last ones"
            )


def attention_maps(
    model: Decoder, token_ids: Int[Tensor, "batch seq"]
) -> Float[Tensor, "n_layers batch heads seq seq"]:
    """Every layer's and head's attention weights; row = the position that looks.

    Each row sums to 1, and nothing above the diagonal is non-zero.
    """
    maps = []
    x = model.token_embedding(token_ids)  # batch seq d_model
    angles = model.angles(token_ids, start=0)
    mask = causal_mask(token_ids.shape[1]).to(x.device)
    for block in model.blocks:
        q, k, _ = block.attention.project(block.attention_norm(x), angles)
        k = k.repeat_interleave(q.shape[1] // k.shape[1], dim=1)  # batch heads seq head_dim
        maps.append(attention_weights(q, k, mask))  # batch heads seq seq
        x = block(x, angles)
    return torch.stack(maps)
