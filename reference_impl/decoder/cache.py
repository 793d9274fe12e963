"""The key-value cache: what attention has already computed for earlier tokens.

The model owns no cache. The caller makes one for each generation and passes it in; it then holds
the tokens seen so far, and its `length` is the position of the next one.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class CacheShape(Protocol):
    """What a cache must know of a model's config, and `ModelConfig` has."""

    context_length: int
    n_layers: int
    n_kv_heads: int
    head_dim: int


class LayerCache:
    """Keys and values of one layer, in memory reserved once; `length` positions are filled."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys = keys  # batch kv_heads capacity head_dim
        self.values = values  # batch kv_heads capacity head_dim
        self.length = 0

    def append(
        self,
        k: Float[Tensor, "batch kv_heads seq head_dim"],
        v: Float[Tensor, "batch kv_heads seq head_dim"],
    ) -> tuple[
        Float[Tensor, "batch kv_heads kv_seq head_dim"],
        Float[Tensor, "batch kv_heads kv_seq head_dim"],
    ]:
        """Store the new positions' k and v; return all positions', old and new, as views.

        Raises ValueError where they do not fit: other sequences or heads, or too many positions.
        """
        batch, kv_heads, _, head_dim = self.keys.shape
        if (k.shape[0], k.shape[1], k.shape[3]) != (batch, kv_heads, head_dim):
            raise ValueError(
                f"the cache is for {batch} sequences, {kv_heads} KV heads and head_dim {head_dim}, "
                f"but k has the shape {tuple(k.shape)}: make it with new_cache(batch={k.shape[0]}) "
                "of the model that runs"
            )
        start, end = self.length, self.length + k.shape[2]
        if end > self.keys.shape[2]:
            raise ValueError(
                f"the cache has room for {self.keys.shape[2]} positions and holds {start}, but "
                f"{k.shape[2]} more came: make the KVCache with a larger capacity"
            )
        self.keys[:, :, start:end] = k
        self.values[:, :, start:end] = v
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]


class KVCache:
    """One `LayerCache` for each layer of a decoder. One cache serves one batch of sequences.

    `capacity` is the largest number of positions it can hold (default: context_length).
    It needs 2 * n_layers * batch * n_kv_heads * capacity * head_dim numbers; grouped-query
    attention shrinks it because only the KV heads are stored (Ainslie et al. 2023).

    >>> from reference_impl.decoder.config import ModelConfig
    >>> config = ModelConfig(10, 8, d_model=4, n_layers=2, n_heads=2, n_kv_heads=1, head_dim=2,
    ...                      d_ff=6)
    >>> cache = KVCache(config, batch=3)
    >>> len(cache.layers), cache.length, cache.capacity
    (2, 0, 8)
    >>> cache.n_bytes  # 2 (k and v) * 2 layers * 3 sequences * 1 head * 8 positions * 2 * 4 bytes
    768
    """

    def __init__(
        self,
        config: CacheShape,
        batch: int = 1,
        capacity: int | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.capacity = config.context_length if capacity is None else capacity
        if batch < 1 or self.capacity < 0:
            raise ValueError(f"batch={batch}, capacity={capacity}: give 1 or more, and 0 or more")
        shape = (batch, config.n_kv_heads, self.capacity, config.head_dim)
        self.layers = [
            LayerCache(
                torch.empty(shape, dtype=dtype, device=device),
                torch.empty(shape, dtype=dtype, device=device),
            )
            for _ in range(config.n_layers)
        ]

    @property
    def length(self) -> int:
        """How many positions are filled: the position of the next token."""
        return self.layers[0].length

    @property
    def n_bytes(self) -> int:
        """Memory reserved for keys and values, in bytes."""
        return sum(layer.keys.nbytes + layer.values.nbytes for layer in self.layers)

    def truncate(self, length: int) -> None:
        """Forget every position from `length` on, for example to try another continuation."""
        if not 0 <= length <= self.length:
            raise ValueError(
                f"cannot truncate to {length}: the cache holds {self.length} positions; "
                f"give a length between 0 and {self.length}"
            )
        for layer in self.layers:
            layer.length = length
