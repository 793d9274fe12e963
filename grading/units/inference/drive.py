"""How answers about loops, caches and costs are called; runs in the learner's process."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

VOCAB = 11  # of the made-up model
MANY = 1000  # rows, from which on draws are counted


def write(
    answer: Callable,
    token_ids: list[int],
    max_new_tokens: int,
    choose: str,
    stop_ids: Sequence[int],
    context_length: int,
) -> dict[str, Any]:
    """Let the loop write with a made-up model that reads every token and its place.

    For each token that came: the token, and how often the model had been asked by then. "asked":
    what the model was given each time.
    """
    asked: list[list[int]] = []

    def next_logits(ids: Iterable[int]) -> Tensor:
        asked.append([int(i) for i in ids])
        if len(asked) > 2 * max_new_tokens + 20:
            raise RuntimeError("the loop does not end: the model is asked again and again")
        return made_up_logits(asked[-1])

    came = []
    chosen = CHOICES[choose]
    for token in answer(next_logits, token_ids, max_new_tokens, chosen, stop_ids, context_length):
        came.append((int(token), len(asked)))
        if len(came) > max_new_tokens + 20:
            raise RuntimeError("the loop does not end")
    return {"tokens": came, "asked": asked}


def made_up_logits(ids: Sequence[int]) -> Tensor:
    """Logits that any change of the text changes; whole numbers, and no two alike."""
    state = 7
    for token in ids:
        state = (31 * state + 17 * token + 5) % 1009
    order = sorted(range(VOCAB), key=lambda i: (state * (2 * i + 3) ** 2 + 11 * i) % 1013)
    logits = torch.empty(VOCAB)
    logits[order] = torch.arange(float(VOCAB))
    return logits


CHOICES = {
    "highest": lambda logits: int(logits.argmax()),
    "second": lambda logits: int(logits.topk(2).indices[1]),
}


def stream(answer: Callable, pieces: Sequence[str], stops: Sequence[str]) -> dict[str, Any]:
    """What text came after how many pieces were read (in one, whatever its parts).

    "read" is how many pieces were read in the end.
    """
    read = [0]

    def arriving() -> Iterator[str]:
        for piece in pieces:
            read[0] += 1
            yield piece

    came = [""] * (len(pieces) + 1)
    for text in answer(arriving(), stops):
        came[read[0]] += text
    return {"after each reading": came[1:], "read": read[0]}


def two_caches(answer: type, calls: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Two objects of the class, called by turns: (which of them, method, arguments ...).

    What each method gave, by its name; "length" is read as an attribute. "apart": whether what is
    stored in one object stays out of another. Where not, nothing is called: earlier cases would
    show.
    """
    if not apart(answer):
        return {"apart": False}
    caches = answer(), answer()
    gave: dict[str, list[Any]] = {"append": [], "length": [], "truncate": []}
    for which, method, *arguments in calls:
        if method == "length":
            gave[method].append(caches[which].length)
        else:
            found = getattr(caches[which], method)(*arguments)
            gave[method].append(_copied(found))
    return {"apart": True, **gave}


def apart(answer: type) -> bool:
    """Whether two new objects keep what they store to themselves."""
    first, second = answer(), answer()
    before = second.length
    try:
        first.append(torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1, 2))
    except Exception:  # its own cases will show that, unless it holds what others stored
        return bool(before == 0)
    return bool(second.length == before)


def _copied(value: Any) -> Any:
    """Later calls must not reach it."""
    if isinstance(value, tuple | list):
        return type(value)(_copied(item) for item in value)
    return value.clone() if isinstance(value, Tensor) else value


class Cache:
    """A cache as the exercise describes it, for one layer, with room for 64 positions."""

    def __init__(self) -> None:
        self.stored: list[Tensor] = []
        self.length = 0

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store the newest keys and values; all of both, old and new."""
        together = torch.stack([k, v])  # 2 batch kv_heads seq head_dim
        self.stored.append(together.clone())
        self.length += k.shape[2]
        keys, values = torch.cat(self.stored, dim=3)
        return keys, values


def attend(
    answer: Callable,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    sizes: Sequence[int],
    rope_theta: float | None,
) -> Tensor:
    """A text in pieces of these sizes, one cache for all; the results one after the other."""
    cache, parts = Cache(), []
    base = () if rope_theta is None else (rope_theta,)
    for q_i, k_i, v_i in zip(*(x.split(list(sizes), dim=2) for x in (q, k, v)), strict=True):
        parts.append(answer(q_i, k_i, v_i, cache, *base))
    return torch.cat(parts, dim=2)


@dataclass(frozen=True)
class Config:
    """The sizes of a decoder, as in the course's ModelConfig."""

    vocab_size: int
    context_length: int
    d_model: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    d_ff: int


def with_config(answer: Callable, config: dict[str, int], **inputs: Any) -> Any:
    """All inputs, in their order; the sizes as an object with attributes."""
    return answer(Config(**config), *inputs.values())


def draw(answer: Callable, generator: torch.Generator, again: bool, **inputs: Any) -> Any:
    """All inputs, and the generator behind them.

    Of many rows the shape is not looked at, only what was drawn. `again` draws twice from one state
    of the generator, then from the state that this leaves, and says whether the same came.
    """
    state = generator.get_state()
    drawn = answer(*inputs.values(), generator)
    if again:
        generator.set_state(state)
        from_one_state = torch.equal(drawn, answer(*inputs.values(), generator))
        afterwards = torch.equal(drawn, answer(*inputs.values(), generator))
        return {"the same from one state": from_one_state, "the same afterwards": afterwards}
    many = isinstance(drawn, Tensor) and drawn.numel() >= MANY
    return drawn.flatten() if many else drawn
