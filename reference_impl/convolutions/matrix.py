"""A convolution written out as the matrix that it is: repeated weights, and zeros elsewhere."""

import torch
from jaxtyping import Float
from torch import Tensor


def convolution_matrix(
    kernel: Float[Tensor, " taps"], seq: int, causal: bool = False
) -> Float[Tensor, "seq seq"]:
    """The matrix M for which M @ x slides the kernel along x, with zeros around it.

    The kernel is not flipped. `taps` is odd; row i holds it with its middle on the diagonal. With
    causal=True its last entry stands on the diagonal, so that no output sees a later input.
    Raises ValueError for an even number of taps without causal: they have no middle.

    >>> convolution_matrix(torch.tensor([1.0, 2.0, 3.0]), seq=4)
    tensor([[2., 3., 0., 0.],
            [1., 2., 3., 0.],
            [0., 1., 2., 3.],
            [0., 0., 1., 2.]])
    >>> convolution_matrix(torch.tensor([1.0, 2.0]), seq=3, causal=True)
    tensor([[2., 0., 0.],
            [1., 2., 0.],
            [0., 1., 2.]])
    """
    taps = len(kernel)
    if taps % 2 == 0 and not causal:
        raise ValueError(f"{taps} taps have no middle: give an odd number, or causal=True")
    before = taps - 1 if causal else taps // 2  # entries left of the diagonal
    matrix = torch.zeros(seq, seq, dtype=kernel.dtype)
    for row in range(seq):
        for tap in range(taps):
            column = row - before + tap
            if 0 <= column < seq:
                matrix[row, column] = kernel[tap]
    return matrix
