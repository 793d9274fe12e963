"""Fresh inputs for the exercises: logits, configurations, keys and values."""

import numpy as np
from numpy.random import Generator


def normal(rng: Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers of a shape, as float32."""
    return (scale * rng.standard_normal(shape)).astype(np.float32)


def logits_of(*probabilities: float) -> np.ndarray:
    """Logits whose softmax is these probabilities; their mean is not 0, as a model's is not."""
    return (np.log(np.array(probabilities)) + 3.0).astype(np.float32)


FIXED = {  # sizes that properties may count with
    "vocab_size": 101,
    "context_length": 61,
    "d_model": 31,
    "n_layers": 5,
    "n_heads": 6,
    "n_kv_heads": 2,
    "head_dim": 10,
    "d_ff": 43,
}


def config(rng: Generator, n_heads: int = 6, n_kv_heads: int = 2, **sizes: int) -> dict[str, int]:
    """The sizes of a small decoder, all different primes but for the heads."""
    drawn = {
        "vocab_size": int(rng.choice([101, 103, 107])),
        "context_length": int(rng.choice([61, 67])),
        "d_model": int(rng.choice([29, 31, 37])),
        "n_layers": int(rng.choice([5, 7])),
        "n_heads": n_heads,
        "n_kv_heads": n_kv_heads,
        "head_dim": 10,
        "d_ff": int(rng.choice([41, 43, 47])),
    }
    return drawn | sizes
