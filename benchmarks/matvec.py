"""How fast PyTorch reads a decoder's matrices, one row at a time: the limit of decoding."""

import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from reference_impl.decoder.decoder import Decoder
from reference_impl.inference.fast_decoder import FastDecoder, FastLinear, one_dnn_linear

Linear = Callable[[Tensor], Tensor]  # 1 1 in_width -> the product's out_width numbers


def column(weight: Tensor) -> Linear:
    return lambda x: torch.mv(weight, x.view(-1))


def input_major(weight: Tensor) -> Linear:
    transposed = weight.t().contiguous()  # in_width out_width
    return lambda x: torch.mm(x[0], transposed)


def input_major_pieces(weight: Tensor) -> Linear:
    n = torch.get_num_threads()
    pieces = weight.view(n, -1, weight.shape[1]).mT.contiguous()  # n in_width piece
    return lambda x: torch.bmm(x.expand(n, -1, -1), pieces)


WAYS: dict[str, Callable[[Tensor], Linear]] = {
    "linear": lambda weight: partial(F.linear, weight=weight),
    "column": column,
    "input-major": input_major,
    "FastLinear": FastLinear,
    "input-major pieces": input_major_pieces,
    "oneDNN": lambda weight: partial(one_dnn_linear, weight=weight),
}


def weights_of(model: Decoder) -> list[Tensor]:
    """Every matrix that a token needs, in that order, those of one input as one."""
    weights = []
    for block in model.blocks:
        attention, feed_forward = block.attention, block.feed_forward
        for layers in (
            (attention.q_proj, attention.k_proj, attention.v_proj),
            (attention.o_proj,),
            (feed_forward.gate_proj, feed_forward.up_proj),
            (feed_forward.down_proj,),
        ):
            weights.append(torch.cat([layer.weight.detach() for layer in layers]))
    return [*weights, model.lm_head.weight.detach()]


def products_of(fast: FastDecoder) -> list[Linear]:
    """The decoder's own products, in the order in which a token needs them."""
    names = ("qkv", "o_proj", "gate_up", "down_proj")
    return [getattr(layer, name) for layer in fast.layers for name in names] + [fast.lm_head]


def fastest_products(model: Decoder, repeat: int = 9) -> tuple[list[Linear], dict[str, str]]:
    """Every matrix's product in the way that is fastest for its shape, and those ways.

    Each way is tried on all matrices of a shape in turn, so that no cache holds them, and its
    fastest try counts: whatever else the machine does can only make it slower.
    """
    weights = weights_of(model)
    shapes = defaultdict(list)
    for weight in weights:
        shapes[weight.shape].append(weight)
    chosen = {
        shape: min(WAYS, key=lambda way: one_shape(same, WAYS[way], repeat))
        for shape, same in shapes.items()
    }
    linears = [WAYS[chosen[weight.shape]](weight) for weight in weights]
    return linears, {f"{out}x{into}": way for (out, into), way in chosen.items()}


def passes(products: list[Linear], rows: list[Tensor], n: int) -> list[float]:
    """When each of n passes through all products was done."""
    times = []
    with torch.inference_mode():
        for _ in range(n):
            for product, row in zip(products, rows, strict=True):
                product(row)
            times.append(time.perf_counter())
    return times


def row_for(weight: Tensor) -> Tensor:
    """A row to multiply with it, for levels too."""
    return torch.randn(1, 1, weight.shape[1]).to(weight.dtype)


def one_shape(weights: list[Tensor], way: Callable[[Tensor], Linear], repeat: int) -> float:
    """Seconds for all these matrices; infinite where this PyTorch cannot do it this way."""
    rows = [row_for(weight) for weight in weights]
    try:
        times = passes([way(weight) for weight in weights], rows, repeat + 1)
    except (AttributeError, RuntimeError):
        return float("inf")
    return min(b - a for a, b in pairwise(times))
