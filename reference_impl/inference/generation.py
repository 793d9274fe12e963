"""Generation: run the prompt once (prefill), then one token at a time (decode).

Does not handle: batches of different lengths, beam search, speculative decoding.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from reference_impl.decoder.cache import CacheShape, KVCache
from reference_impl.inference.sampling import Sampler


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

    Greedy unless a `sampler` is given. Ends after `max_new_tokens`, before a token of `stop_ids`,
    or where the context or the cache is full. With a `cache`, `token_ids` are what comes after the
    tokens it holds; it then also holds these and every token yielded, except the last where the
    number ran out. The prompt is read `prefill_chunk` tokens at a time, which bounds the memory.

    Raises ValueError for an empty prompt, a batch, or a prompt that does not fit into the context.
    """
    sampler, token_ids = sampler or Sampler(), _one_sequence(token_ids)
    if not token_ids:
        raise ValueError("the prompt is empty: give at least one token id to continue")
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
        logits = _run(model, token_ids[start : start + prefill_chunk], cache)  # 1 vocab
    for n_left in reversed(range(min(max_new_tokens, room + 1))):
        token_id = int(sampler(logits).item())
        if token_id in stop_ids:
            return
        yield token_id
        if n_left:  # the last token is not run: nothing follows from it
            logits = _run(model, [token_id], cache)


def _one_sequence(token_ids: Sequence[int] | Tensor) -> list[int]:
    """A list of ids, also from a tensor of shape (seq,) or (1, seq)."""
    if isinstance(token_ids, Tensor):
        if token_ids.shape[:-1].numel() != 1:
            raise ValueError(
                f"token_ids of shape {tuple(token_ids.shape)} are a batch, but generate() takes "
                "one sequence: call it for each row"
            )
        return token_ids.flatten().tolist()
    return [int(token_id) for token_id in token_ids]


def _run(model: Model, token_ids: list[int], cache: KVCache) -> Tensor:
    """Logits after `token_ids`, without gradients.

    Around each call, not around the generator: there it would hold between the tokens too, in the
    caller's own code.
    """
    with torch.inference_mode():
        ids = torch.tensor([token_ids], device=cache.layers[0].keys.device)  # 1 seq
        return model.next_logits(ids, cache)
