"""What runs in the learner's process: layers with caches, streams of tokens, turns of a chat."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class Memory:
    """A cache of one layer: all keys and values so far."""

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    @property
    def length(self) -> int:
        return 0 if self.keys is None else self.keys.shape[2]

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        self.keys = k if self.keys is None else torch.cat([self.keys, k], dim=2)
        self.values = v if self.values is None else torch.cat([self.values, v], dim=2)
        return self.keys, self.values


def attend(q: Tensor, k: Tensor, v: Tensor, cache: Memory, rope_theta: float) -> Tensor:
    """A made-up attention that depends on its cache, on positions and on rope_theta."""
    start, seq = cache.length, q.shape[2]
    place = torch.arange(start, start + seq)[:, None]  # seq 1
    keys, values = cache.append(k * (1 + place / rope_theta), v)
    copies = q.shape[1] // k.shape[1]
    keys, values = keys.repeat_interleave(copies, dim=1), values.repeat_interleave(copies, dim=1)
    mask = torch.ones(seq, start + seq, dtype=torch.bool).tril(start)
    return F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)


def layers(
    answer: Callable,
    blocks: Sequence[Mapping[str, Tensor]],
    pieces: Sequence[Tensor],
    caches: Sequence[str],
    **settings: Any,
) -> dict[str, Any]:
    """Make the functions, then send each piece through all of them.

    "untouched": whether the caches were empty until a function was called; "functions": how many
    there are; "outputs": of each piece, after every layer; "lengths": of the caches in the end.
    """
    memories = [Memory() for _ in caches]
    functions = answer(blocks, memories, attend, *settings.values())
    n_functions = len(functions)  # an error for a generator, which runs out behind the first piece
    untouched, outputs = all(memory.length == 0 for memory in memories), []
    for x in pieces:
        after = []
        for function in functions:
            x = function(x)
            after.append(x.clone())
        outputs.append(after)
    lengths = [memory.length for memory in memories]
    found = {"untouched": untouched, "functions": n_functions}
    return {**found, "outputs": outputs, "lengths": lengths}


def stream(answer: Callable, tokens: Sequence[bytes], ids: Sequence[int]) -> dict[str, Any]:
    """What text came after how many tokens were read, in one, whatever its parts.

    "behind the last" came when there was no further token.
    """
    read = [0]

    def arriving() -> Iterator[int]:
        for token_id in ids:
            read[0] += 1
            yield token_id
        read[0] += 1

    def decode(some: Sequence[int]) -> str:
        return b"".join(tokens[i] for i in some).decode(errors="replace")

    came = [""] * (len(ids) + 2)
    for text in answer(arriving(), decode):
        came[read[0]] += text
    return {"after each token": came[1:-1], "behind the last": came[-1]}


def turn(
    answer: Callable,
    messages: Sequence[Mapping[str, str]],
    prompt: str,
    written: Sequence[int],
    end_id: int,
    **max_new_tokens: int,
) -> dict[str, Any]:
    """One turn with a model that writes `written`, and then "+" for ever; tokens are bytes.

    "after": the conversation; "rendered": what the template was given; "prompt": the text of the
    ids that the model was given; "read": how many of its tokens were read, in words, so that
    no verdict speaks of numbers where the answer is a conversation.
    """
    noted: dict[str, Any] = {}
    n_read = 0

    def render_chat(all_messages: Sequence[Mapping[str, str]]) -> str:
        noted["rendered"] = [dict(message) for message in all_messages]
        return "".join(f"[{m['role']}]{m['content']}" for m in all_messages) + "[assistant]"

    def encode(text: str) -> list[int]:
        return list(text.encode())

    def write(ids: Sequence[int]) -> Iterator[int]:
        nonlocal n_read
        noted["prompt"] = bytes(ids).decode(errors="replace")
        for token_id in written:
            n_read += 1
            yield token_id
        while n_read < 400:
            n_read += 1
            yield ord("+")
        raise RuntimeError("the turn does not end: 400 tokens were read")

    def decode(ids: Sequence[int]) -> str:
        parts = [b"<end>" if i == end_id else bytes([i]) for i in ids]
        return b"".join(parts).decode(errors="replace")

    more = max_new_tokens.values()
    after = answer(messages, prompt, render_chat, encode, write, decode, end_id, *more)
    read = f"{n_read} token{'s' * (n_read != 1)}"
    return {"after": [dict(message) for message in after], **noted, "read": read}
