"""Recurrent networks: one cell, applied at every position, that carries a state along.

The plain cell (Elman 1990) and the gated recurrent unit (Cho et al. 2014), and how much of the
gradient is left after a given distance: why long sentences were hard.

Does not handle: several layers, both directions, padding.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

Cell = Callable[[Tensor, Tensor], Tensor]  # (x of one position, hidden before) -> hidden after


def rnn_cell(
    x: Float[Tensor, "batch d_in"],
    hidden: Float[Tensor, "batch d_hidden"],
    input_weight: Float[Tensor, "d_hidden d_in"],
    hidden_weight: Float[Tensor, "d_hidden d_hidden"],
    bias: Float[Tensor, " d_hidden"],
) -> Float[Tensor, "batch d_hidden"]:
    """The next hidden state: tanh(x input_weight^T + hidden hidden_weight^T + bias).

    PyTorch's `nn.RNN` adds two biases; their sum is the one here. Source: Elman 1990.

    >>> one = torch.ones(1, 1)
    >>> rnn_cell(0.5 * one, 2 * one, input_weight=one, hidden_weight=-one, bias=torch.ones(1))
    tensor([[-0.4621]])
    """
    return torch.tanh(x @ input_weight.T + hidden @ hidden_weight.T + bias)


def gru_cell(
    x: Float[Tensor, "batch d_in"],
    hidden: Float[Tensor, "batch d_hidden"],
    input_weight: Float[Tensor, "three_d_hidden d_in"],
    hidden_weight: Float[Tensor, "three_d_hidden d_hidden"],
    input_bias: Float[Tensor, " three_d_hidden"],
    hidden_bias: Float[Tensor, " three_d_hidden"],
) -> Float[Tensor, "batch d_hidden"]:
    """The next hidden state of a gated recurrent unit: part of the old one, part of a new one.

    The rows of weights and biases are those of the reset gate, of the update gate and of the
    candidate, d_hidden each, as in PyTorch's `nn.GRU`. An update gate of 1 keeps the old state.
    Source: Cho et al. 2014, equations 5 to 8, but as in PyTorch the reset gate is applied after
    the product with hidden_weight, not before it, and to the candidate's hidden bias too.

    >>> x, hidden, zeros = torch.zeros(1, 1), torch.tensor([[8.0]]), torch.zeros(3, 1)
    >>> gru_cell(x, hidden, zeros, zeros, zeros.flatten(), zeros.flatten())  # update gate 1/2
    tensor([[4.]])
    """
    from_x = x @ input_weight.T + input_bias  # batch three_d_hidden
    from_hidden = hidden @ hidden_weight.T + hidden_bias
    x_reset, x_update, x_candidate = from_x.chunk(3, dim=-1)  # batch d_hidden, each
    hidden_reset, hidden_update, hidden_candidate = from_hidden.chunk(3, dim=-1)
    reset = torch.sigmoid(x_reset + hidden_reset)
    update = torch.sigmoid(x_update + hidden_update)
    candidate = torch.tanh(x_candidate + reset * hidden_candidate)
    return update * hidden + (1 - update) * candidate


def run_cell(
    cell: Cell, x: Float[Tensor, "batch seq d_in"], hidden: Float[Tensor, "batch d_hidden"]
) -> Float[Tensor, "batch seq d_hidden"]:
    """The hidden state after each position, each made from the one before it.

    `hidden` is the state before the first position: zeros for a new sequence; the last state of
    the part before, where a long sequence is run in parts.

    >>> add = lambda x, hidden: hidden + x
    >>> run_cell(add, torch.tensor([[[1.0], [2.0], [3.0]]]), torch.zeros(1, 1)).flatten()
    tensor([1., 3., 6.])
    """
    states = []
    for x_now in x.unbind(dim=1):  # batch d_in
        hidden = cell(x_now, hidden)
        states.append(hidden)
    return torch.stack(states, dim=1)


def gradient_norms(
    cell: Cell, x: Float[Tensor, "batch seq d_in"], hidden: Float[Tensor, "batch d_hidden"]
) -> Float[Tensor, " seq"]:
    """How much the last hidden state still depends on earlier ones, by distance.

    Entry i is the norm of the gradient of the sum of the last state with respect to the state i
    positions before it; entry 0 is that of the last state itself. For `rnn_cell` each step
    multiplies by at most the largest singular value of hidden_weight, so below 1 it must vanish.
    Source: Bengio et al. 1994; Pascanu et al. 2013, section 2.1.

    >>> halve = lambda x, hidden: hidden / 2 + x
    >>> gradient_norms(halve, torch.zeros(1, 4, 1), torch.zeros(1, 1))
    tensor([1.0000, 0.5000, 0.2500, 0.1250])
    """
    with torch.enable_grad():
        states, hidden = [], hidden.detach().requires_grad_()
        for x_now in x.unbind(dim=1):
            hidden = cell(x_now, hidden)
            states.append(hidden)
        grads = torch.autograd.grad(hidden.sum(), states)  # seq times: batch d_hidden
    return torch.stack([grad.norm() for grad in reversed(grads)]).detach()


class _Recurrent(nn.Module):
    """Weights of a cell and the loop over positions; `gates` blocks of d_hidden rows."""

    gates = 1

    def __init__(self, d_in: int, d_hidden: int) -> None:
        super().__init__()
        self.d_hidden = d_hidden
        rows, bound = self.gates * d_hidden, d_hidden**-0.5
        self.input_weight = nn.Parameter(torch.empty(rows, d_in).uniform_(-bound, bound))
        self.hidden_weight = nn.Parameter(torch.empty(rows, d_hidden).uniform_(-bound, bound))

    def cell(
        self, x: Float[Tensor, "batch d_in"], hidden: Float[Tensor, "batch d_hidden"]
    ) -> Float[Tensor, "batch d_hidden"]:
        """One step with this module's weights."""
        raise NotImplementedError

    def forward(
        self,
        x: Float[Tensor, "batch seq d_in"],
        hidden: Float[Tensor, "batch d_hidden"] | None = None,
    ) -> Float[Tensor, "batch seq d_hidden"]:
        """All hidden states. Without `hidden` every sequence starts from zeros."""
        if hidden is None:
            hidden = x.new_zeros(len(x), self.d_hidden)
        return run_cell(self.cell, x, hidden)


class RNN(_Recurrent):
    """`rnn_cell` with learned weights, over whole sequences."""

    def __init__(self, d_in: int, d_hidden: int) -> None:
        super().__init__(d_in, d_hidden)
        self.bias = nn.Parameter(torch.zeros(d_hidden))

    def cell(
        self, x: Float[Tensor, "batch d_in"], hidden: Float[Tensor, "batch d_hidden"]
    ) -> Float[Tensor, "batch d_hidden"]:
        return rnn_cell(x, hidden, self.input_weight, self.hidden_weight, self.bias)


class GRU(_Recurrent):
    """`gru_cell` with learned weights, over whole sequences."""

    gates = 3

    def __init__(self, d_in: int, d_hidden: int) -> None:
        super().__init__(d_in, d_hidden)
        self.input_bias = nn.Parameter(torch.zeros(3 * d_hidden))
        self.hidden_bias = nn.Parameter(torch.zeros(3 * d_hidden))

    def cell(
        self, x: Float[Tensor, "batch d_in"], hidden: Float[Tensor, "batch d_hidden"]
    ) -> Float[Tensor, "batch d_hidden"]:
        return gru_cell(
            x,
            hidden,
            self.input_weight,
            self.hidden_weight,
            self.input_bias,
            self.hidden_bias,
        )
