"""Fresh inputs for the exercises: float32 arrays, norm weights, the weights of a block."""

import numpy as np
from numpy.random import Generator


def normal(rng: Generator, *shape: int, scale: float = 1.0, mean: float = 0.0) -> np.ndarray:
    """Normal numbers of a shape, as float32."""
    return (mean + scale * rng.standard_normal(shape)).astype(np.float32)


def norm_weight(rng: Generator, d_model: int) -> np.ndarray:
    """The weight of a norm: numbers between 0.5 and 2."""
    return rng.uniform(0.5, 2, size=d_model).astype(np.float32)


def block_weights(
    rng: Generator, *, d_model: int, n_heads: int, n_kv_heads: int, head_dim: int, d_ff: int
) -> dict[str, np.ndarray]:
    """The weights of one block, by the names that `decoder_block` reads."""
    q_width, kv_width = n_heads * head_dim, n_kv_heads * head_dim
    size = d_model**-0.5
    return {
        "attention_norm": norm_weight(rng, d_model),
        "q_proj": normal(rng, q_width, d_model, scale=1.5 * size),
        "k_proj": normal(rng, kv_width, d_model, scale=1.5 * size),
        "v_proj": normal(rng, kv_width, d_model, scale=size),
        "o_proj": normal(rng, d_model, q_width, scale=q_width**-0.5),
        "feed_forward_norm": norm_weight(rng, d_model),
        "gate_proj": normal(rng, d_ff, d_model, scale=1.5 * size),
        "up_proj": normal(rng, d_ff, d_model, scale=1.5 * size),
        "down_proj": normal(rng, d_model, d_ff, scale=d_ff**-0.5),
    }
