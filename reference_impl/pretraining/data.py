"""From a long row of token ids to batches: what the model reads, and what it should predict.

Batches are a function of (seed, step) alone. A resumed run therefore needs no more than its step
number to go on with the very next batch, and several processes agree on a batch without talking.
Does not handle: texts larger than memory on a machine without memory maps (`torch.from_file`).
"""

import random
from collections.abc import Iterator

import torch
from jaxtyping import Int, Integer
from torch import Tensor

Batch = tuple[Tensor, Tensor]  # inputs and targets, each Int "batch seq"


def shift(
    token_ids: Int[Tensor, "... seq_plus_1"],
) -> tuple[Int[Tensor, "... seq"], Int[Tensor, "... seq"]]:
    """Inputs and targets of next-token prediction: the target of each position is the next token.

    Tokens stand along the last axis; any axes may come before it. Both results are one token
    shorter: the last token is no input, since nothing follows it, and the first is no target.
    Every position is trained at once; the causal mask keeps the answer from being read.
    Source: Bengio et al. 2003, section 2.

    >>> shift(torch.tensor([5, 6, 7, 8]))
    (tensor([5, 6, 7]), tensor([6, 7, 8]))
    """
    return token_ids[..., :-1], token_ids[..., 1:]


def count_starts(n_tokens: int, context_length: int) -> int:
    """From how many places a window of context_length inputs and their targets can start.

    A window takes context_length + 1 tokens, so the last one starts that far before the end.
    Raises ValueError where the text is too short for one.

    >>> count_starts(n_tokens=5, context_length=3)  # tokens 0..3 and tokens 1..4
    2
    """
    if n_tokens <= context_length:
        raise ValueError(
            f"{n_tokens} tokens hold no window of context_length={context_length} and its next "
            "token: give more text, or a shorter context_length"
        )
    return n_tokens - context_length


class RandomBatches:
    """Batch number `step` of a training run: windows from random places of the text.

    `token_ids` may have any integer type (16 bits hold a vocabulary of 65,536). Every start is
    equally likely, the last one too, and is drawn with replacement.

    >>> batches = RandomBatches(torch.arange(10), context_length=3, batch_size=2, seed=0)
    >>> inputs, targets = batches[7]
    >>> torch.equal(targets, inputs + 1), torch.equal(inputs, batches[7][0])
    (True, True)
    """

    def __init__(
        self,
        token_ids: Integer[Tensor, " n_tokens"],
        context_length: int,
        batch_size: int,
        seed: int,
    ) -> None:
        self.token_ids, self.seed = token_ids, seed
        self.context_length, self.batch_size = context_length, batch_size
        self.n_starts = count_starts(len(token_ids), context_length)

    def starts(self, step: int) -> Int[Tensor, " batch"]:
        """Where the windows of this batch start."""
        generator = torch.Generator().manual_seed(mixed_seed(self.seed, step))
        return torch.randint(self.n_starts, (self.batch_size,), generator=generator)

    def __getitem__(self, step: int) -> Batch:
        offsets = torch.arange(self.context_length + 1)
        windows = self.token_ids[self.starts(step)[:, None] + offsets]  # batch seq+1
        return shift(windows.long())


def sequential_batches(
    token_ids: Integer[Tensor, " n_tokens"], context_length: int, batch_size: int
) -> Iterator[Batch]:
    """The whole text once, in order: every token but the first is a target exactly once.

    For measuring a loss, where chance has no place. A last window that is shorter comes alone.

    >>> for inputs, targets in sequential_batches(torch.arange(6), 2, batch_size=2):
    ...     print(inputs.tolist(), targets.tolist())
    [[0, 1], [2, 3]] [[1, 2], [3, 4]]
    [[4]] [[5]]
    """
    count_starts(len(token_ids), 1)
    n_windows = (len(token_ids) - 1) // context_length
    covered = n_windows * context_length
    inputs = token_ids[:covered].view(n_windows, context_length)  # windows seq
    targets = token_ids[1 : covered + 1].view(n_windows, context_length)
    for first in range(0, n_windows, batch_size):
        rows = slice(first, first + batch_size)
        yield inputs[rows].long(), targets[rows].long()
    if covered < len(token_ids) - 1:
        yield shift(token_ids[None, covered:].long())


def mixed_seed(*numbers: int) -> int:
    """One seed from several numbers, such as a run's seed and a step.

    Their sum would not do: step 1 of seed 0 would see what step 0 of seed 1 saw.

    >>> len({mixed_seed(seed, step) for seed in range(30) for step in range(30)})
    900
    """
    return random.Random(repr(numbers)).getrandbits(63)
