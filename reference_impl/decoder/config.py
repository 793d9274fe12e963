"""The numbers that fix the shape of a decoder. Nothing else: no weights, no code that runs."""

import math
from dataclasses import dataclass

SIZES = ("vocab_size", "context_length", "d_model", "n_heads", "head_dim", "d_ff")


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a decoder-only Transformer.

    `vocab_size` and `context_length` count tokens. `d_model` is the width of the residual
    stream, `d_ff` the width inside the feed-forward, `head_dim` the width of one head.
    `rope_theta` is the base of the rotary frequencies, `norm_eps` the term inside the root of
    RMSNorm. With `tied_embeddings` the output layer reads the embedding table.

    Raises ValueError where the sizes cannot form a model.

    >>> ModelConfig(10, 8, d_model=4, n_layers=1, n_heads=2, n_kv_heads=1, head_dim=2, d_ff=6)
    ModelConfig(vocab_size=10, context_length=8, d_model=4, n_layers=1, n_heads=2, n_kv_heads=1, \
head_dim=2, d_ff=6, rope_theta=10000.0, norm_eps=1e-05, tied_embeddings=True)
    """

    vocab_size: int
    context_length: int
    d_model: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    d_ff: int
    rope_theta: float = 10000.0
    norm_eps: float = 1e-5
    tied_embeddings: bool = True

    def __post_init__(self) -> None:
        for name in SIZES:
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: give 1 or more")
        if not (0 < self.rope_theta < math.inf and 0 <= self.norm_eps < math.inf):
            raise ValueError(
                f"rope_theta={self.rope_theta} and norm_eps={self.norm_eps} must be finite, the "
                "first above 0 and the second not below"
            )
        if self.n_kv_heads < 1 or self.n_heads % self.n_kv_heads:
            raise ValueError(
                f"n_heads={self.n_heads} does not divide into n_kv_heads={self.n_kv_heads} equal "
                "groups: choose an n_kv_heads that divides n_heads"
            )
        if self.head_dim % 2:
            raise ValueError(
                f"head_dim={self.head_dim} is odd, but rotary positions turn pairs of features: "
                "choose an even head_dim"
            )


SMOLLM2_135M = ModelConfig(
    vocab_size=49152,
    context_length=8192,
    d_model=576,
    n_layers=30,
    n_heads=9,
    n_kv_heads=3,
    head_dim=64,
    d_ff=1536,
    rope_theta=100_000.0,
    norm_eps=1e-5,
    tied_embeddings=True,
)
