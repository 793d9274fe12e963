"""Fresh inputs for the exercises: float32 arrays, and boolean masks (True = may attend)."""

import numpy as np
from numpy.random import Generator


def normal(rng: Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers of a shape, as float32."""
    return (scale * rng.standard_normal(shape)).astype(np.float32)


def queries_and_keys(
    rng: Generator, *lead: int, q_seq: int, kv_seq: int, head_dim: int, scale: float = 1.0
) -> dict[str, np.ndarray]:
    """Inputs `q` and `k` with the leading axes `lead` (batch and heads, or none)."""
    q = normal(rng, *lead, q_seq, head_dim, scale=scale)
    return {"q": q, "k": normal(rng, *lead, kv_seq, head_dim, scale=scale)}


def counting(rng: Generator, *shape: int) -> np.ndarray:
    """Numbers that count upwards from a random start, as float32: each says where it came from."""
    numbers = np.arange(np.prod(shape)) + rng.integers(100)
    return numbers.reshape(shape).astype(np.float32)


def causal(q_seq: int, kv_seq: int) -> np.ndarray:
    """The causal mask for the last q_seq of kv_seq positions."""
    return np.tril(np.ones((q_seq, kv_seq), dtype=bool), kv_seq - q_seq)


def padded(lengths: np.ndarray, kv_seq: int) -> np.ndarray:
    """The padding mask for these lengths, of shape (batch, 1, 1, kv_seq)."""
    return (np.arange(kv_seq) < lengths[:, None])[:, None, None]


def patchy(rng: Generator, *shape: int) -> np.ndarray:
    """A random mask in which every row has a key to attend to and one to leave out."""
    mask = rng.random(shape) < 0.6
    first = rng.integers(shape[-1], size=(*shape[:-1], 1))
    np.put_along_axis(mask, first, True, axis=-1)
    np.put_along_axis(mask, (first + 1) % shape[-1], False, axis=-1)
    return mask


def loud_hidden_keys(rng: Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Inputs q and k, and a mask: one query scores about 175 at hidden keys, else about -175."""
    inputs = queries_and_keys(rng, 2, 3, q_seq=5, kv_seq=7, head_dim=11)
    mask = patchy(rng, 2, 1, 5, 7)
    signs = np.where(mask[0, 0, 0], -1, 1)[:, None]  # of query 0 in sequence 0, head 0
    inputs["q"][0, 0, 0] = 6
    inputs["k"][0, 0] = signs * (np.abs(inputs["k"][0, 0]) + 8)
    return inputs, mask
