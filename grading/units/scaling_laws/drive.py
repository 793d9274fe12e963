"""How answers about costs are called; runs in the learner's process."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Config:
    """The sizes of a decoder, as in the course's ModelConfig."""

    vocab_size: int
    context_length: int
    d_model: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    d_ff: int


def with_config(answer: Callable, config: dict[str, int], **inputs: Any) -> Any:
    """All inputs, in their order; the sizes as an object with attributes."""
    return answer(Config(**config), *inputs.values())
