"""Bag of words: a text as the average of its tokens' embeddings. It cannot tell order.

"Dog bites man" and "man bites dog" have the same average, so no layer after it, however large, can
answer them differently.

Does not handle: padding; all texts of a batch have the same length.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


def token_counts(
    token_ids: Int[Tensor, "batch seq"], vocab_size: int
) -> Int[Tensor, "batch {vocab_size}"]:
    """How often each token of the vocabulary occurs in each text: all that the bag keeps.

    >>> token_counts(torch.tensor([[2, 0, 2]]), vocab_size=4)
    tensor([[1, 0, 2, 0]])
    """
    return F.one_hot(token_ids, vocab_size).sum(dim=1)


def average_embedding(
    token_ids: Int[Tensor, "batch seq"], table: Float[Tensor, "vocab d_model"]
) -> Float[Tensor, "batch d_model"]:
    """The mean over the positions of each token's row in the table.

    >>> table = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> average_embedding(torch.tensor([[0, 1, 1, 1], [1, 1, 1, 0]]), table)
    tensor([[0.2500, 0.7500],
            [0.2500, 0.7500]])
    """
    return table[token_ids].mean(dim=1)


class BagOfWords(nn.Module):
    """A classifier of texts: average embedding, one hidden layer with ReLU, logits.

    Source: Iyyer et al. 2015 (deep averaging network), here with a single hidden layer.
    """

    def __init__(self, vocab_size: int, d_model: int, d_ff: int, n_classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.hidden = nn.Linear(d_model, d_ff)
        self.output = nn.Linear(d_ff, n_classes)

    def forward(self, token_ids: Int[Tensor, "batch seq"]) -> Float[Tensor, "batch classes"]:
        average = average_embedding(token_ids, self.embedding.weight)  # batch d_model
        return self.output(torch.relu(self.hidden(average)))
