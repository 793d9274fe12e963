"""The class below all parts of an assembled model. `course assemble` copies its text; nobody
imports this file, so that `given` here only names where each part is found."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from grading import given
from reference_impl.capstone.joints import (
    WEIGHT_NAMES,
    block_functions,
    n_reusable,
    sort_weights,
    stream_text,
)

decoder_logits = given("decoder/decoder_logits")
encode = given("tokenization/encode")
decode = given("tokenization/decode")
LayerCache = given("inference/layer_cache")
attend_with_cache = given("inference/attend_with_cache")
sample = given("inference/sample")
generate = given("inference/generate")
render_chat = given("fine_tuning/render_chat")

PREFILL = 128  # tokens of a prompt that are run together: bounds the memory for their logits


class AssembledModel:
    """A model made of the parts above, with published weights.

    `config` has the sizes, `tensors` the weights by the names in the file, `tokenizer` the table
    of tokens (`vocabulary`), the `pattern` that cuts words, and the `special_tokens`.
    """

    def __init__(self, config: Any, tensors: Mapping[str, Tensor], tokenizer: Any) -> None:
        self.config, self.ranks = config, tokenizer.vocabulary
        self.pattern, self.special_tokens = tokenizer.pattern.pattern, tokenizer.special_tokens
        self.embedding, self.blocks, self.final_norm = sort_weights(tensors, WEIGHT_NAMES)
        self.caches = [LayerCache() for _ in self.blocks]
        self.cached_ids: list[int] = []
        self.ended: str | None = None

    def layers(self, caches: Sequence[Any]) -> list[Callable[[Tensor], Tensor]]:
        """The layers as functions from stream to stream, which remember in `caches`."""
        c = self.config
        return block_functions(
            self.blocks,
            caches,
            attend_with_cache,
            c.n_heads,
            c.n_kv_heads,
            c.rope_theta,
            c.norm_eps,
        )

    def logits(self, ids: Tensor, layers: Sequence[Callable[[Tensor], Tensor]]) -> Tensor:
        """Logits at every position (batch seq vocab) of ids (batch seq)."""
        eps = self.config.norm_eps
        return decoder_logits(ids, self.embedding, layers, self.final_norm, eps)

    @torch.inference_mode()
    def next_logits(self, token_ids: list[int]) -> Tensor:
        """Logits of the token that follows the text; only what the caches do not hold is run."""
        n_kept = n_reusable(self.cached_ids, token_ids)
        for cache in self.caches:
            cache.truncate(n_kept)
        self.cached_ids = self.cached_ids[:n_kept]
        layers = self.layers(self.caches)
        for start in range(n_kept, len(token_ids), PREFILL):
            new = token_ids[start : start + PREFILL]
            logits = self.logits(torch.tensor([new]), layers)  # batch seq vocab
            self.cached_ids = [*self.cached_ids, *new]
        return logits[0, -1]

    def encode_chat(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Token ids of a conversation. Raises ValueError for a message with a special token in it:
        it would end its own turn."""
        for message in messages:
            for special in self.special_tokens:
                if special in message["content"]:
                    raise ValueError(f"a message may not contain {special}: leave it out")
        return encode(render_chat(messages), self.ranks, self.pattern, self.special_tokens)

    def decode(self, ids: list[int]) -> str:
        """The text of token ids."""
        return decode(ids, self.ranks, self.special_tokens)

    def reply(
        self,
        messages: Sequence[Mapping[str, str]],
        temperature: float = 0.0,
        max_new_tokens: int = 256,
        seed: int = 0,
    ) -> Iterator[str]:
        """The answer to a conversation, piece by piece; `ended` then says what ended it."""
        generator = torch.Generator().manual_seed(seed)
        end = {self.special_tokens["<|im_end|>"]}
        self.ended = "limit"

        def choose(logits: Tensor) -> int:
            token_id = int(sample(logits[None], temperature, None, None, generator)[0])
            if token_id in end:
                self.ended = "end mark"
            return token_id

        prompt, context = self.encode_chat(messages), self.config.context_length
        ids = generate(self.next_logits, prompt, max_new_tokens, choose, end, context)
        yield from stream_text(ids, self.decode)


def load() -> AssembledModel:
    """The model with the weights of SmolLM2-135M-Instruct, which the course's reader reads."""
    from reference_impl.published.tokenizer_files import tokenizer_from_gguf
    from reference_impl.published.weights import config_from_gguf, open_weights

    file = open_weights()
    tensors = {name: file.tensor(name) for name in file.tensors}
    return AssembledModel(config_from_gguf(file), tensors, tokenizer_from_gguf(file.metadata))
