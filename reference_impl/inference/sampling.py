"""From logits to the next token: greedy, temperature, top-k and top-p.

Each filter takes logits and returns logits, so that they compose; a token that is ruled out gets
minus infinity, and the softmax that follows shares its probability among the others.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def greedy(logits: Float[Tensor, "... vocab"]) -> Int[Tensor, "..."]:
    """The id of the highest logit, the lowest id where several are equal.

    >>> greedy(torch.tensor([1.0, 3.0, 2.0]))
    tensor(1)
    """
    return logits.argmax(dim=-1)


def temperature(
    logits: Float[Tensor, "... vocab"], temperature: float
) -> Float[Tensor, "... vocab"]:
    """Divide the logits by a temperature: below 1 sharpens the distribution, above 1 flattens it.

    Raises ValueError unless temperature > 0; use `greedy` for the limit at 0.

    >>> temperature(torch.tensor([1.0, 3.0]), 0.5)
    tensor([2., 6.])
    """
    if temperature <= 0:
        raise ValueError(f"temperature={temperature} is not above 0: use greedy() for the limit 0")
    return logits / temperature


def top_k(logits: Float[Tensor, "... vocab"], k: int) -> Float[Tensor, "... vocab"]:
    """Keep the k highest logits, and any equal to the lowest of them. Raises ValueError if k < 1.

    Source: Fan et al. 2018, section 5.4.

    >>> top_k(torch.tensor([1.0, 3.0, 2.0]), 2)
    tensor([-inf, 3., 2.])
    """
    if k < 1:
        raise ValueError(f"top_k={k} would keep no token: give 1 or more")
    lowest_kept = logits.topk(min(k, logits.shape[-1])).values[..., -1:]  # ... 1
    return logits.masked_fill(logits < lowest_kept, float("-inf"))


def top_p(logits: Float[Tensor, "... vocab"], p: float) -> Float[Tensor, "... vocab"]:
    """Keep the smallest set of most probable tokens whose probabilities sum to p or more.

    The token whose probability crosses p is kept, so at least one always is. Raises ValueError
    unless 0 < p <= 1. Source: Holtzman et al. 2020, equation 2.

    >>> logits = torch.tensor([0.2, 0.5, 0.3]).log()  # sorted sums: 0.5, 0.8, 1.0
    >>> top_p(logits, 0.6).softmax(-1)  # 0.5 is not enough, 0.5 + 0.3 is
    tensor([0.0000, 0.6250, 0.3750])
    """
    if not 0 < p <= 1:
        raise ValueError(f"top_p={p} is no probability to reach: give a number in (0, 1]")
    probabilities, order = logits.softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
    sum_before = probabilities.cumsum(dim=-1) - probabilities
    dropped = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, sum_before >= p)
    return logits.masked_fill(dropped, float("-inf"))


class Sampler:
    """Chooses the next token from logits: temperature, then top-k, then top-p, then a draw.

    `temperature` 0 is greedy. With the same `seed` the same logits give the same tokens.

    >>> Sampler()(torch.tensor([[1.0, 3.0, 2.0]]))  # greedy
    tensor([1])
    >>> Sampler(temperature=1.0, top_k=1)(torch.tensor([[1.0, 3.0, 2.0]]))
    tensor([1])
    """

    def __init__(
        self,
        temperature: float = 0.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> None:
        if temperature < 0:
            raise ValueError(f"temperature={temperature} is negative: give 0 (greedy) or more")
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p
        self.generator = torch.Generator()
        if seed is None:
            self.generator.seed()
        else:
            self.generator.manual_seed(seed)

    def __call__(self, logits: Float[Tensor, "batch vocab"]) -> Int[Tensor, " batch"]:
        """One token id for each row of logits."""
        if self.temperature == 0:
            return greedy(logits)
        logits = temperature(logits.float().cpu(), self.temperature)
        if self.top_k is not None:
            logits = top_k(logits, self.top_k)
        if self.top_p is not None:
            logits = top_p(logits, self.top_p)
        drawn = torch.multinomial(logits.softmax(dim=-1), 1, generator=self.generator)
        return drawn.squeeze(-1)
