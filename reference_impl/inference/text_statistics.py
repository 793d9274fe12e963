"""What a text says of how it was drawn: entropies, ranks, probabilities, repeated stretches."""

from collections import Counter
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor


def entropy(logits: Float[Tensor, "... vocab"]) -> Float[Tensor, "..."]:
    """How undecided each distribution is, in nats: minus the sum of p log p (Shannon 1948).

    0 where one token is certain, ln(vocab) where all are equally likely.

    >>> entropy(torch.tensor([0.5, 0.5, 0.0]).log())  # ln 2
    tensor(0.6931)
    """
    p = logits.softmax(dim=-1)
    return torch.special.entr(p).sum(dim=-1)


def choices(logits: Float[Tensor, "seq vocab"], chosen: Int[Tensor, " seq"]) -> dict[str, list]:
    """For each token that was chosen from logits: how likely it was among the others.

    "rank" is 1 for the likeliest token, "p" its probability, "top" that of the likeliest, "before"
    the sum of all likelier ones.

    >>> logits = torch.tensor([[0.2, 0.5, 0.3]]).log()
    >>> facts = choices(logits, torch.tensor([0]))
    >>> {name: round(values[0], 3) for name, values in facts.items()}
    {'rank': 3, 'p': 0.2, 'top': 0.5, 'before': 0.8}
    """
    p = logits.double().softmax(dim=-1)  # seq vocab
    own = p.gather(1, chosen[:, None])  # seq 1
    likelier = p > own
    facts = {
        "rank": likelier.sum(dim=-1) + 1,
        "p": own[:, 0],
        "top": p.amax(dim=-1),
        "before": (p * likelier).sum(dim=-1),
    }
    return {name: values.tolist() for name, values in facts.items()}


def repeats(token_ids: Sequence[int], n: int) -> bool:
    """Whether some stretch of n tokens stands in the text more than once.

    >>> repeats([1, 2, 3, 9, 1, 2, 3], n=3), repeats([1, 1, 1], n=3)
    (True, False)
    """
    stretches = Counter(tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1))
    return max(stretches.values(), default=0) > 1
