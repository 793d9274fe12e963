"""Talking to SmolLM2-Instruct: the ChatML template, and replies as a stream of text.

Does not handle: tools, images, other templates.
"""

import codecs
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

# Read when torch is first imported, so it stands before. GNU OpenMP's threads else spin for long
# while they wait for one another, and where another program keeps a core busy, a token then takes
# many times as long. With short spins it takes a few per cent longer on a quiet machine.
os.environ.setdefault("GOMP_SPINCOUNT", "2500")

from reference_impl.inference.fast_decoder import FastDecoder
from reference_impl.inference.generation import Model, generate
from reference_impl.inference.sampling import Sampler
from reference_impl.published.weights import load_smollm2
from reference_impl.tokenization.tokenization import Tokenizer

START, END = "<|im_start|>", "<|im_end|>"
SYSTEM_MESSAGE = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"

Message = Mapping[str, str]  # {"role": "system", "user" or "assistant", "content": ...}


def with_system_message(messages: Sequence[Message]) -> list[Message]:
    """The messages, begun with SmolLM2's own system message unless they begin with one."""
    if messages and messages[0]["role"] != "system":
        return [{"role": "system", "content": SYSTEM_MESSAGE}, *messages]
    return list(messages)


def render_chat(messages: Sequence[Message], add_generation_prompt: bool = True) -> str:
    """The conversation as one text, in the template that SmolLM2-Instruct was trained with.

    `add_generation_prompt` opens the assistant's turn at the end: the model continues there.

    >>> print(render_chat([{"role": "system", "content": "Be brief."},
    ...                    {"role": "user", "content": "Hi"}]))
    <|im_start|>system
    Be brief.<|im_end|>
    <|im_start|>user
    Hi<|im_end|>
    <|im_start|>assistant
    <BLANKLINE>
    """
    for message in messages:
        check_message(message["role"], message["content"])
    turns = [
        f"{START}{message['role']}\n{message['content']}{END}\n"
        for message in with_system_message(messages)
    ]
    return "".join(turns) + (f"{START}assistant\n" if add_generation_prompt else "")


def check_message(role: Any, content: Any) -> None:
    """Raise TypeError where one of the two is no text."""
    for name, value in (("role", role), ("content", content)):
        if not isinstance(value, str):
            raise TypeError(
                f"the message's {name} is {value!r}, but should be a text: a message without words "
                "(such as a tool call) has no place in this template"
            )


def encode_turn(tokenizer: Tokenizer, role: str, content: str) -> list[int]:
    """The token ids of one whole turn, from its start mark to the line break after its end mark.
    Raises TypeError where role or content is no text: None would be encoded as the word "None".

    Only the template's own marks become special tokens: the text "<|im_end|>" inside a message
    is encoded as the ten characters it is, so that nobody can speak in another role's name.
    """
    check_message(role, content)
    text = tokenizer.encode(f"{role}\n{content}", allowed_special="none")
    return [tokenizer.special_tokens[START], *text, *end_of_turn(tokenizer)]


def end_of_turn(tokenizer: Tokenizer) -> list[int]:
    """The end mark and the line break that close every turn."""
    return [tokenizer.special_tokens[END], *tokenizer.encode("\n", allowed_special="none")]


def start_of_reply(tokenizer: Tokenizer) -> list[int]:
    """The tokens that open the assistant's turn, for the model to continue."""
    text = tokenizer.encode("assistant\n", allowed_special="none")
    return [tokenizer.special_tokens[START], *text]


def encode_chat(
    tokenizer: Tokenizer, messages: Sequence[Message], add_generation_prompt: bool = True
) -> list[int]:
    """The token ids of `render_chat`, except that a message cannot end its own turn."""
    ids = []
    for message in with_system_message(messages):
        check_message(message["role"], message["content"])
        ids += encode_turn(tokenizer, message["role"], message["content"])
    return ids + (start_of_reply(tokenizer) if add_generation_prompt else [])


def stream_text(tokenizer: Tokenizer, token_ids: Iterable[int]) -> Iterator[str]:
    """Text for tokens as they come, holding back a character until all its bytes are there.

    A token may end in the middle of a UTF-8 character; only the whole character is yielded.
    Bytes that can no longer become one are yielded as U+FFFD.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for token_id in token_ids:
        if text := decoder.decode(tokenizer.decode_bytes([token_id])):
            yield text
    if text := decoder.decode(b"", final=True):
        yield text


class Conversation:
    """A chat with memory: each reply sees all turns before it.

    The key-value cache is kept between turns, so a new turn costs only its own tokens. A reply
    whose stream is dropped before its end is forgotten, together with its prompt. `ended` tells
    what ended the last reply: "end mark" of the model's own, "limit" of new tokens, or "context".
    """

    def __init__(self, model: Model, tokenizer: Tokenizer, system: str = SYSTEM_MESSAGE) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.token_ids = encode_turn(tokenizer, "system", system)
        self.cache = model.new_cache()
        self.ended: str | None = None

    def reply(
        self, prompt: str, sampler: Sampler | None = None, max_new_tokens: int = 256
    ) -> Iterator[str]:
        """Stream the answer to `prompt`. Raises ValueError where it no longer fits the context."""
        token_ids = self.token_ids + encode_turn(self.tokenizer, "user", prompt)
        token_ids += start_of_reply(self.tokenizer)
        self.cache.truncate(min(self.cache.length, len(self.token_ids)))
        new_ids = generate(
            self.model,
            token_ids[self.cache.length :],
            max_new_tokens,
            sampler=sampler,
            stop_ids={self.tokenizer.special_tokens[END]},
            cache=self.cache,
        )
        answer = []
        self.ended = None
        yield from stream_text(self.tokenizer, _noting(new_ids, answer))
        self.ended = self._what_ended(len(token_ids), len(answer), max_new_tokens)
        self.token_ids = token_ids + answer + end_of_turn(self.tokenizer)

    def _what_ended(self, prompt_length: int, answer_length: int, max_new_tokens: int) -> str:
        context = min(self.cache.capacity, self.model.config.context_length)
        if answer_length == max_new_tokens:
            return "limit"
        # The last token that fits is chosen from the full context, and not run.
        return "context" if prompt_length + answer_length > context else "end mark"


def _noting(items: Iterable[int], notes: list[int]) -> Iterator[int]:
    """The items, each also appended to `notes` as it passes."""
    for item in items:
        notes.append(item)
        yield item


@cache
def default_model() -> tuple[FastDecoder, Tokenizer]:
    """SmolLM2-135M-Instruct in float32 and its tokenizer, loaded once."""
    model, tokenizer = load_smollm2()
    return FastDecoder(model), tokenizer


def chat(
    prompt: str,
    *,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    max_new_tokens: int = 256,
    seed: int | None = None,
    system: str = SYSTEM_MESSAGE,
) -> Iterator[str]:
    """Stream SmolLM2-135M-Instruct's answer to one prompt, piece by piece; greedy by default.

    `print(*chat("What is gravity?"), sep="")`. Raises FileNotFoundError or GGUFError, saying
    what to do, where the weights are not there.
    """
    model, tokenizer = default_model()
    sampler = Sampler(temperature, top_k, top_p, seed)
    return Conversation(model, tokenizer, system).reply(prompt, sampler, max_new_tokens)
