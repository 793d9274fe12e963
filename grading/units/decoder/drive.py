"""What runs in the learner's process: attentions and blocks for the decoder's functions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def block(
    answer: Callable,
    x: Tensor,
    weights: Mapping[str, Tensor],
    attention: str,
    n_heads: int,
    n_kv_heads: int,
    **norm_eps: float,
) -> Any:
    """The learner's block with one of the attentions below; norm_eps may be left out."""
    attend = _looking(ATTENTIONS[attention], q=n_heads, k=n_kv_heads, v=n_kv_heads)
    return answer(x, weights, attend, n_heads, n_kv_heads, *norm_eps.values())


def _looking(attend: Callable[..., Tensor], **wanted: int) -> Callable[..., Tensor]:
    """The attention, after a look at the axes and heads of what comes in."""

    def looking(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        for (name, heads), came in zip(wanted.items(), (q, k, v), strict=True):
            if came.dim() != 4:
                raise ValueError(
                    f"attend got {name} of shape {tuple(came.shape)}; it takes four axes, "
                    "batch heads seq head_dim"
                )
            if came.shape[1] != heads:
                raise ValueError(f"attend got {name} with {came.shape[1]} heads, not {heads}")
        return attend(q, k, v)

    return looking


def _shared(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values for every query head."""
    copies = q.shape[1] // k.shape[1]
    return k.repeat_interleave(copies, dim=1), v.repeat_interleave(copies, dim=1)


def _causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    k, v = _shared(q, k, v)
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def _open(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    k, v = _shared(q, k, v)
    return F.scaled_dot_product_attention(q, k, v)


def _own_value(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return _shared(q, k, v)[1].clone()


ATTENTIONS = {"causal": _causal, "without a mask": _open, "each its own value": _own_value}


def logits(
    answer: Callable,
    token_ids: Tensor,
    token_embedding: Tensor,
    blocks: Sequence[Tensor],
    final_norm: Tensor,
    **norm_eps: float,
) -> Any:
    """The learner's decoder on blocks that add tanh(x @ matrix), one for each matrix."""
    functions = [_adding(matrix) for matrix in blocks]
    return answer(token_ids, token_embedding, functions, final_norm, *norm_eps.values())


def _adding(matrix: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: x + torch.tanh(x @ matrix)
