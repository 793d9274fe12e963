"""Tasks that show what a recurrent network can keep: recall a symbol, name a letter of a word.

A network reads a whole sequence, and a linear layer answers from its last state.

Does not handle: padding; the sequences of one batch have the same length.
"""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from reference_impl.text_before_transformers.recurrent import GRU, RNN

Batch = tuple[Tensor, Tensor]  # inputs "batch seq d_in", answers "batch"
N_SYMBOLS = 4  # the answer is one of these; as many others only fill the distance
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class LastStateClassifier(nn.Module):
    """Scores for each class, read off the last state of a recurrent network."""

    def __init__(self, recurrent: RNN | GRU, n_classes: int) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.output = nn.Linear(recurrent.d_hidden, n_classes)

    def forward(self, x: Float[Tensor, "batch seq d_in"]) -> Float[Tensor, "batch classes"]:
        return self.output(self.recurrent(x)[:, -1])


def recall_batch(batch_size: int, distance: int, generator: torch.Generator) -> Batch:
    """One-hot sequences of a symbol and `distance` distractors; the answer is that first symbol.

    Symbols are 0 to 3, distractors 4 to 7: so nothing but the distance is hard.

    >>> x, answers = recall_batch(2, distance=5, generator=torch.Generator().manual_seed(0))
    >>> x.shape, torch.equal(x[:, 0].argmax(-1), answers)
    (torch.Size([2, 6, 8]), True)
    """
    symbols = torch.randint(N_SYMBOLS, (batch_size, distance + 1), generator=generator)
    answers = symbols[:, 0].clone()
    symbols[:, 1:] += N_SYMBOLS
    return F.one_hot(symbols, 2 * N_SYMBOLS).float(), answers


def recall_batches(n_steps: int, longest: int, generator: torch.Generator) -> Iterator[Batch]:
    """Batches of 32 to train on, each of a distance drawn from 1 to `longest`.

    >>> batches = recall_batches(3, longest=4, generator=torch.Generator().manual_seed(0))
    >>> all(2 <= x.shape[1] <= 5 for x, _ in batches)
    True
    """
    for _ in range(n_steps):
        distance = int(torch.randint(1, longest + 1, (), generator=generator))
        yield recall_batch(32, distance, generator)


def one_hot_words(words: list[str], n_extra: int = 0) -> Float[Tensor, "batch seq d_in"]:
    """Words of one length as one-hot letters; the last `n_extra` of the d_in numbers stay 0.

    >>> one_hot_words(["cab"]).argmax(-1)
    tensor([[2, 0, 1]])
    """
    ids = torch.tensor([[LETTERS.index(letter) for letter in word] for word in words])
    return F.one_hot(ids, len(LETTERS) + n_extra).float()


def letter_answers(words: list[str], at: int) -> Int[Tensor, " batch"]:
    """The letter at a position of each word (0 the first, -1 the last), as a class.

    >>> letter_answers(["cab", "bad"], at=-1)
    tensor([1, 3])
    """
    return torch.tensor([LETTERS.index(word[at]) for word in words])


def train_classifier(
    model: nn.Module,
    batches: Iterator[Batch],
    lr: float = 1e-2,
    after_step: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Adam with the gradient's norm clipped to 1, one step a batch; `after_step` sees each loss.

    Raises ValueError where the loss is not a finite number: the training diverged.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for step, (x, answers) in enumerate(batches):
        loss = F.cross_entropy(model(x), answers)
        if not loss.isfinite():
            raise ValueError(f"the loss is {loss.item()} at step {step}: try an lr below {lr}")
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
        after_step(step, loss.item())


@torch.no_grad()
def accuracy(
    model: Callable[[Tensor], Tensor],
    x: Float[Tensor, "batch seq d_in"],
    answers: Int[Tensor, " batch"],
) -> float:
    """The share of the sequences for which the answer has the highest score.

    >>> accuracy(lambda x: x[:, -1], torch.eye(2)[:, None], torch.tensor([0, 0]))
    0.5
    """
    return (model(x).argmax(-1) == answers).float().mean().item()
