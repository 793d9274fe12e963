"""Does a layer know the order of its inputs? Shuffle them and see."""

from collections.abc import Callable

from jaxtyping import Float, Int
from torch import Tensor


def shuffle_error(
    layer: Callable[[Tensor], Tensor],
    x: Float[Tensor, "seq d_model"],
    order: Int[Tensor, " seq"],
) -> float:
    """How far a layer is from treating its input as a set, as a plain number.

    The layer makes vectors "seq d_model" from vectors "seq d_model". For a set it would not matter
    whether the positions are put into another order before the layer or after it. The result is
    the largest absolute difference of the two.

    >>> import torch
    >>> x, order = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([2, 0, 1])
    >>> shuffle_error(lambda x: 2 * x, x, order)  # each position by itself
    0.0
    >>> shuffle_error(lambda x: x.cumsum(0), x, order)  # 4, 5, 7 against 7, 1, 3
    4.0
    """
    before, after = layer(x[order]), layer(x)[order]  # seq d_model, each
    return (before - after).abs().max().item()
