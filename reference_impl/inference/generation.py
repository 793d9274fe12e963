"""Generation: run the prompt once (prefill), then one token at a time (decode).

Does not handle: beam search, speculative decoding.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from reference_impl.decoder.cache import CacheShape, KVCache
from reference_impl.inference.sampling import Sampler

Part = TypeVar("Part", str, list)


@runtime_checkable
class Model(Protocol):
    """What `generate` needs: `Decoder`, `FastDecoder` and `GPT2` have it."""

    config: CacheShape

    def next_logits(self, token_ids: Tensor, cache: KVCache) -> Tensor: ...

    def new_cache(self, batch: int = 1, capacity: int | None = None) -> KVCache: ...


def generate(
    model: Model,
    token_ids: Sequence[int] | Tensor,
    max_new_tokens: int = 64,
    *,
    sampler: Sampler | None = None,
    stop_ids: Collection[int] = (),
    cache: KVCache | None = None,
    prefill_chunk: int = 512,
) -> Iterator[int]:
    """Yield the tokens that continue `token_ids`, each as soon as it is chosen.

    Greedy unless a `sampler` is given. Ends after `max_new_tokens`, before a token of `stop_ids`
    (`until` ends it before a longer sequence or a text), or where the context or the cache is full.
    With a `cache`, `token_ids` are what comes after the tokens it holds; it then also holds these
    and every token yielded, except the last where the number ran out. A repetition penalty counts
    `token_ids` and what follows. The prompt is read `prefill_chunk` tokens at a time, which bounds
    the memory.

    Raises ValueError for an empty prompt, a batch (`generate_batch` takes it), or a prompt that
    does not fit into the context.
    """
    sampler, token_ids = sampler or Sampler(), _one_sequence(token_ids)
    if not token_ids or prefill_chunk < 1:
        raise ValueError(
            f"prefill_chunk={prefill_chunk}: give 1 or more"
            if token_ids
            else "the prompt is empty: give at least one token id to continue"
        )
    if cache is None:
        wanted = len(token_ids) + max_new_tokens
        cache = model.new_cache(capacity=min(wanted, model.config.context_length))
    room = min(cache.capacity, model.config.context_length) - cache.length - len(token_ids)
    if room < 0:
        raise ValueError(
            f"the prompt of {len(token_ids)} tokens is {-room} too long for the context of "
            f"{min(cache.capacity, model.config.context_length)} (of which {cache.length} are "
            "used): give a shorter prompt, or keep only its last tokens"
        )
    for start in range(0, len(token_ids), prefill_chunk):
        logits = _run(model, [token_ids[start : start + prefill_chunk]], cache)  # 1 vocab
    for n_left in reversed(range(min(max_new_tokens, room + 1))):
        (token_id,) = _choose(sampler, logits, [token_ids])
        if token_id in stop_ids:
            return
        token_ids.append(token_id)
        yield token_id
        if n_left:  # the last token is not run: nothing follows from it
            logits = _run(model, [[token_id]], cache)


def generate_batch(
    model: Model,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int = 64,
    *,
    sampler: Sampler | None = None,
    stop_ids: Collection[int] = (),
    n_samples: int = 1,
) -> list[list[int]]:
    """The new tokens after each prompt, all prompts run together; they may differ in length.

    `n_samples` continuations of each prompt stand side by side: those of prompt 0 first. They
    differ where the sampler draws. Each ends as in `generate`, and greedy ones are the same.
    No row is padded, so no mask is needed: all start at position 0, and where a shorter prompt is
    over its new tokens are run while the longer ones are still being read.

    Raises ValueError for no or an empty prompt, or one that does not fit into the context.
    """
    sampler, limit = sampler or Sampler(), model.config.context_length
    rows = [[int(i) for i in prompt] for prompt in prompts for _ in range(n_samples)]
    lengths = [len(row) for row in rows]
    if not rows or not min(lengths) or max(lengths) > limit:
        raise ValueError(
            f"{len(prompts)} prompts of {[len(p) for p in prompts]} tokens, {n_samples} samples of "
            f"each: want at least one sample of one prompt, and from 1 to {limit} tokens in each"
        )
    ends = [min(length + max_new_tokens, limit + 1) for length in lengths]
    cache = model.new_cache(batch=len(rows), capacity=min(max(ends), limit))
    done, stop_ids = [len(row) >= end for row, end in zip(rows, ends, strict=True)], set(stop_ids)
    start, end = 0, min(lengths)  # the positions that are run next
    while not all(done):
        logits = _run(model, [_part(row, start, end) for row in rows], cache)  # rows vocab
        for i, token_id in enumerate(_choose(sampler, logits, [row[:end] for row in rows])):
            if not done[i] and len(rows[i]) == end:
                if token_id not in stop_ids:
                    rows[i].append(token_id)
                done[i] = token_id in stop_ids or len(rows[i]) == ends[i]
        start, end = end, end + 1
    return [row[length:] for row, length in zip(rows, lengths, strict=True)]


def until(parts: Iterable[Part], stops: Sequence[Part]) -> Iterator[Part]:
    """The parts of a stream up to the first of `stops`: texts, or lists of token ids.

    A stop may begin in one part and end in another, so what could be the beginning of one is held
    back until it is known. Nothing more is read from `parts` afterwards. An empty stop is refused.

    >>> list(until(["one", " two", "\\nQues", "tion: three"], ["\\nQuestion:"]))
    ['one', ' two']
    >>> list(until([[5], [6], [7], [6], [8], [9]], [[6, 8]]))
    [[5], [6, 7]]
    """
    if not all(len(stop) for stop in stops):
        raise ValueError("an empty stop would end every stream at its start: leave it out")
    held = None  # what may be the beginning of a stop
    for part in parts:
        held = part if held is None else held + part
        places = range(len(held))
        found = [i for i in places if any(held[i : i + len(stop)] == stop for stop in stops)]
        begun = [i for i in places if any(held[i:] == stop[: len(held) - i] for stop in stops)]
        safe = found[0] if found else begun[0] if begun else len(held)
        if safe:
            yield held[:safe]
        if found:
            return
        held = held[safe:]
    if held:
        yield held


def _part(row: list[int], start: int, end: int) -> list[int]:
    """The row's tokens at these positions; once it is over, its last token, for nobody to read."""
    part = row[start:end]
    return part + [row[-1]] * (end - start - len(part))


def _choose(sampler: Sampler, logits: Tensor, rows: list[list[int]]) -> list[int]:
    """A token for each row. A sampler that penalises repetition is given the rows as well."""
    if getattr(sampler, "repetition_penalty", 1.0) == 1.0:
        return sampler(logits).tolist()
    width = max(map(len, rows))
    padded = [row + [row[-1]] * (width - len(row)) for row in rows]  # once more is no more
    return sampler(logits, torch.tensor(padded)).tolist()


def _one_sequence(token_ids: Sequence[int] | Tensor) -> list[int]:
    """A list of ids, also from a tensor of shape (seq,) or (1, seq)."""
    if isinstance(token_ids, Tensor):
        if token_ids.shape[:-1].numel() != 1:
            raise ValueError(
                f"token_ids of shape {tuple(token_ids.shape)} are a batch, but generate() takes "
                "one sequence: call generate_batch(), or it for each row"
            )
        return token_ids.flatten().tolist()
    return [int(token_id) for token_id in token_ids]


def _run(model: Model, rows: list[list[int]], cache: KVCache) -> Tensor:
    """Logits after the rows' tokens, without gradients.

    Around each call, not around the generator: there it would hold between the tokens too, in the
    caller's own code.
    """
    with torch.inference_mode():
        ids = torch.tensor(rows, device=cache.layers[0].keys.device)  # batch seq
        return model.next_logits(ids, cache)
