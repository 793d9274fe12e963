"""From logits to the next token: greedy, temperature, top-k, top-p, min-p, repetition penalty.

Each filter takes logits and returns logits, so that they compose; a token that is ruled out gets
minus infinity, and the softmax that follows shares its probability among the others.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

SMALLEST_TEMPERATURE = 1e-30  # below it float32 logits overflow when they are divided
ROUNDING = 1e-6  # a sum of float32 probabilities that is this near to top-p has reached it


def greedy(logits: Float[Tensor, "... vocab"]) -> Int[Tensor, "..."]:
    """The id of the highest logit, the lowest id where several are equal.

    >>> greedy(torch.tensor([1.0, 3.0, 2.0]))
    tensor(1)
    """
    return logits.argmax(dim=-1)


def temperature(
    logits: Float[Tensor, "... vocab"], temperature: int | float
) -> Float[Tensor, "... vocab"]:
    """Divide the logits by a temperature: below 1 sharpens the distribution, above 1 flattens it.

    Raises ValueError unless the temperature is a finite number above 0 (and above 1e-30, where
    float32 ends); use `greedy` for the limit at 0.

    >>> temperature(torch.tensor([1.0, 3.0]), 0.5)
    tensor([2., 6.])
    """
    if not SMALLEST_TEMPERATURE <= temperature < math.inf:
        raise ValueError(
            f"temperature={temperature} is not a finite number above 0 (1e-30 or more): "
            "use greedy() for the limit 0"
        )
    return logits / temperature


def top_k(logits: Float[Tensor, "... vocab"], k: int) -> Float[Tensor, "... vocab"]:
    """Keep the k highest logits, and any equal to the lowest of them; the others become -inf.

    A k above the vocabulary keeps all. The logits handed in stay as they are. Raises ValueError if
    k < 1. Source: Fan et al. 2018, section 5.4.

    >>> top_k(torch.tensor([1.0, 3.0, 2.0]), 2)
    tensor([-inf, 3., 2.])
    """
    if k < 1:
        raise ValueError(f"top_k={k} would keep no token: give 1 or more")
    lowest_kept = logits.topk(min(k, logits.shape[-1])).values[..., -1:]  # ... 1
    return logits.masked_fill(logits < lowest_kept, float("-inf"))


def top_p(logits: Float[Tensor, "... vocab"], p: int | float) -> Float[Tensor, "... vocab"]:
    """Keep the smallest set of most probable tokens whose probabilities sum to p or more.

    The token whose probability reaches p is kept, so at least one always is; p = 1 keeps all.
    A sum within a millionth of p, float32's rounding, has reached it. Raises ValueError unless
    0 < p <= 1. Source: Holtzman et al. 2020, equation 2.

    >>> logits = torch.tensor([0.2, 0.5, 0.3]).log()  # sorted sums: 0.5, 0.8, 1.0
    >>> top_p(logits, 0.6).softmax(-1)  # 0.5 is not enough, 0.5 + 0.3 is
    tensor([0.0000, 0.6250, 0.3750])
    """
    if not 0 < p <= 1:
        raise ValueError(f"top_p={p} is no probability to reach: give a number in (0, 1]")
    if p == 1:
        return logits
    probabilities, order = (
        logits.double().softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
    )
    sum_before = F.pad(probabilities.cumsum(dim=-1), (1, -1))  # of the more probable tokens
    reached = sum_before >= p * (1 - ROUNDING)
    dropped = torch.zeros_like(reached).scatter(-1, order, reached)
    return logits.masked_fill(dropped, float("-inf"))


def min_p(logits: Float[Tensor, "... vocab"], p: int | float) -> Float[Tensor, "... vocab"]:
    """Keep the tokens that are at least p times as probable as the most probable one.

    Where the model is sure few are kept, where it wavers many. p = 0 keeps all, p = 1 the most
    probable alone (and its equals). Raises ValueError unless 0 <= p <= 1.
    Source: Nguyen et al. 2024.

    >>> logits = torch.tensor([0.2, 0.5, 0.3]).log()
    >>> min_p(logits, 0.5).softmax(-1)  # 0.25 or more are kept
    tensor([0.0000, 0.6250, 0.3750])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"min_p={p} is no share of a probability: give a number from 0 to 1")
    if p == 0:
        return logits
    lowest_kept = logits.amax(dim=-1, keepdim=True) + math.log(p) - ROUNDING  # ... 1
    return logits.masked_fill(logits < lowest_kept, float("-inf"))


def repetition_penalty(
    logits: Float[Tensor, "batch vocab"], token_ids: Int[Tensor, "batch seq"], penalty: int | float
) -> Float[Tensor, "batch vocab"]:
    """Make the tokens of each row's text so far less likely: divide their logits by `penalty`.

    A negative logit is multiplied instead, since dividing it would make the token likelier. How
    often a token came plays no part. Penalty 1 changes nothing. Raises ValueError unless it is a
    finite number above 0. Source: Keskar et al. 2019, section 4.1 (which only divides).

    >>> repetition_penalty(torch.tensor([[4.0, -4.0, 4.0]]), torch.tensor([[0, 1, 1]]), 2.0)
    tensor([[ 2., -8.,  4.]])
    """
    if not 0 < penalty < math.inf:
        raise ValueError(f"repetition_penalty={penalty}: give a finite number above 0; 1 is none")
    seen = logits.gather(-1, token_ids)  # batch seq
    return logits.scatter(-1, token_ids, torch.where(seen > 0, seen / penalty, seen * penalty))


class Sampler:
    """Chooses the next token from logits: repetition penalty, temperature, top-k, top-p, min-p,
    then a draw.

    `temperature` 0 is greedy, and so is one below 1e-30. With the same `seed` the same logits give
    the same tokens. Raises ValueError for settings out of their range, which the functions say.

    >>> Sampler()(torch.tensor([[1.0, 3.0, 2.0]]))  # greedy
    tensor([1])
    >>> Sampler(temperature=1.0, top_k=1)(torch.tensor([[1.0, 3.0, 2.0]]))
    tensor([1])
    """

    def __init__(
        self,
        temperature: int | float = 0.0,
        top_k: int | None = None,
        top_p: int | float | None = None,
        seed: int | None = None,
        *,
        min_p: int | float | None = None,
        repetition_penalty: int | float = 1.0,
    ) -> None:
        if temperature < 0:
            raise ValueError(f"temperature={temperature} is negative: give 0 (greedy) or more")
        self.temperature = 0.0 if temperature < SMALLEST_TEMPERATURE else temperature
        self.top_k, self.top_p, self.min_p = top_k, top_p, min_p
        self.repetition_penalty = repetition_penalty
        self._filtered(torch.zeros(1, 1), torch.zeros(1, 0, dtype=torch.int64))  # checks them
        self.generator = torch.Generator()
        if seed is None:
            self.generator.seed()
        else:
            self.generator.manual_seed(seed)

    def __call__(
        self,
        logits: Float[Tensor, "batch vocab"],
        token_ids: Int[Tensor, "batch seq"] | None = None,
    ) -> Int[Tensor, " batch"]:
        """One token id for each row of logits. `token_ids`, each row's text so far, are what a
        repetition penalty needs. Raises ValueError where a row of logits has NaN, an infinite
        highest logit, or only tokens that are ruled out."""
        highest = logits.amax(dim=-1)
        if not highest.isfinite().all():
            raise ValueError(
                f"the highest logits of the rows are {highest.tolist()}, from which no token can "
                "be chosen: look for NaN or infinity in the weights, or a filter that keeps nothing"
            )
        if token_ids is None and self.repetition_penalty != 1:
            raise ValueError("a repetition penalty needs the tokens so far: pass token_ids")
        if self.temperature == 0 and token_ids is None:
            return greedy(logits)
        logits = self._filtered(logits.float().cpu(), token_ids)
        if self.temperature == 0:
            return greedy(logits)
        drawn = torch.multinomial(logits.softmax(dim=-1), 1, generator=self.generator)
        return drawn.squeeze(-1)

    def _filtered(self, logits: Tensor, token_ids: Tensor | None) -> Tensor:
        """The logits after every setting. Shifting them changes no probability, and keeps the
        highest from overflowing when it is divided."""
        if token_ids is not None:
            logits = repetition_penalty(logits, token_ids.cpu(), self.repetition_penalty)
        if self.temperature != 0:
            highest = logits.amax(dim=-1, keepdim=True)
            logits = temperature(logits - highest, self.temperature)
        if self.top_k is not None:
            logits = top_k(logits, self.top_k)
        if self.top_p is not None:
            logits = top_p(logits, self.top_p)
        return logits if self.min_p is None else min_p(logits, self.min_p)
