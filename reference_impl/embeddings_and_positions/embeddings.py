"""Embedding tables: a vector for each id, how they are learned, and which lie near each other."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def look_up(
    table: Float[Tensor, "vocab d_model"], token_ids: Int[Tensor, "*shape"]
) -> Float[Tensor, "*shape d_model"]:
    """The row of the table for each id; the ids may have any shape.

    Equal to one-hot vectors times the table, without the multiplications by 0.
    Source: Bengio et al. 2003, section 2.

    >>> table = torch.tensor([[0.0, 1.0], [10.0, 11.0], [20.0, 21.0]])
    >>> look_up(table, torch.tensor([2, 0, 2]))
    tensor([[20., 21.],
            [ 0.,  1.],
            [20., 21.]])
    """
    return table[token_ids]


def table_gradient(
    token_ids: Int[Tensor, "*shape"], upstream: Float[Tensor, "*shape d_model"], vocab: int
) -> Float[Tensor, "vocab d_model"]:
    """The gradient of an embedding table of `vocab` rows.

    `upstream` is the gradient that comes back for each vector that was looked up. A row's gradient
    is the sum over all places where its id stands, and zero for ids that do not occur.

    >>> upstream = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> table_gradient(torch.tensor([2, 0, 2]), upstream, vocab=4)  # id 2 stands at two places
    tensor([[3., 4.],
            [0., 0.],
            [6., 8.],
            [0., 0.]])
    """
    gradient = torch.zeros(vocab, upstream.shape[-1])  # vocab d_model
    rows = upstream.reshape(-1, upstream.shape[-1])  # n_tokens d_model
    return gradient.index_add(0, token_ids.flatten(), rows)


def nearest(
    table: Float[Tensor, "vocab d_model"], index: int, n: int
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """The n rows most like row `index`, most alike first: their ids, and their cosines with it.

    The cosine is the dot product divided by both lengths. Row `index` itself is left out.

    >>> table = torch.tensor([[1.0, 0.0], [9.0, 9.0], [4.0, 3.0], [0.0, -1.0]])
    >>> nearest(table, index=0, n=2)  # row 2: 4 / (1 * 5); row 1: 9 / (1 * 12.73)
    (tensor([2, 1]), tensor([0.8000, 0.7071]))
    """
    directions = table / table.norm(dim=-1, keepdim=True)  # vocab d_model
    cosines = directions @ directions[index]  # vocab
    cosines[index] = -torch.inf  # nobody is its own neighbour
    best = cosines.topk(n)
    return best.indices, best.values
