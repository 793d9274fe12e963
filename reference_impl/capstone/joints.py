"""The joints of a model that is put together from parts: weights by name, layers with caches, the
tokens that need not be run again, text from tokens, a turn of a chat, and a comparison.

Each takes what it joins as an argument, so that it works with anybody's parts. Does not handle:
batches of texts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float

from reference_impl.decoder.functions import decoder_block

# What a GGUF file calls the weights of a layer, and what `decoder_block` calls them.
WEIGHT_NAMES = {
    "attn_norm": "attention_norm",
    "attn_q": "q_proj",
    "attn_k": "k_proj",
    "attn_v": "v_proj",
    "attn_output": "o_proj",
    "ffn_norm": "feed_forward_norm",
    "ffn_gate": "gate_proj",
    "ffn_up": "up_proj",
    "ffn_down": "down_proj",
}


def sort_weights(
    tensors: Mapping[str, torch.Tensor], names: Mapping[str, str]
) -> tuple[torch.Tensor, list[dict[str, torch.Tensor]], torch.Tensor]:
    """A file's tensors in the order a decoder wants them: token embedding, blocks, final norm.

    "token_embd.weight" is the embedding, "output_norm.weight" the final norm, and
    "blk.7.attn_q.weight" belongs to layer 7. The blocks come in the order of the layers, each as a
    dict of its weights by the names that `decoder_block` reads: `names` says what a file's word
    ("attn_q") is called there ("q_proj"). The tensors are handed on as they are. A file without
    layers has an empty list of blocks. Raises ValueError for a tensor that has no place, and where
    one is missing: the embedding, the final norm, one of `names` in some layer, or a whole layer
    below the highest.

    >>> one, two, three, four = torch.ones(4, 1)
    >>> file = {"blk.1.attn_q.weight": three, "blk.0.attn_q.weight": two}
    >>> file |= {"token_embd.weight": one, "output_norm.weight": four}
    >>> sort_weights(file, {"attn_q": "q_proj"})
    (tensor([1.]), [{'q_proj': tensor([1.])}, {'q_proj': tensor([1.])}], tensor([1.]))
    """
    rest = dict(tensors)
    embedding, final_norm = (
        rest.pop("token_embd.weight", None),
        rest.pop("output_norm.weight", None),
    )
    blocks: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in rest.items():
        match name.split("."):
            case ["blk", layer, word, "weight"] if word in names and layer.isdecimal():
                blocks.setdefault(int(layer), {})[names[word]] = tensor
            case _:
                raise ValueError(f"no part of the decoder has a place for the tensor {name!r}")
    for layer in range(max(blocks, default=-1) + 1):
        if missing := set(names.values()) - blocks.get(layer, {}).keys():
            raise ValueError(f"layer {layer} lacks {', '.join(sorted(missing))}")
    if embedding is None or final_norm is None:
        raise ValueError("token_embd.weight and output_norm.weight are both needed")
    return embedding, [blocks[layer] for layer in range(len(blocks))], final_norm


def block_functions(
    blocks: Sequence[Mapping[str, torch.Tensor]],
    caches: Sequence[Any],
    attend: Callable[..., torch.Tensor],
    n_heads: int,
    n_kv_heads: int,
    rope_theta: float,
    norm_eps: float,
) -> list[Callable[[torch.Tensor], torch.Tensor]]:
    """The layers of a decoder, each as a function from stream to stream, ready to be called.

    Layer i runs `decoder_block` with the weights `blocks[i]`, and its attention remembers in
    `caches[i]`. It is called decoder_block(x, weights, attend, n_heads, n_kv_heads, norm_eps), with
    an attention of three arguments, q, k and v; the `attend` that comes in takes five, attend(q, k,
    v, cache, rope_theta). Nothing is computed and no cache is touched before a function is called.
    Raises ValueError where there are not as many caches as blocks.

    >>> two, zero, one = torch.full((2,), 2.0), torch.zeros(2, 2), torch.eye(2)
    >>> weights = dict.fromkeys(["attention_norm", "feed_forward_norm"], two)
    >>> weights |= dict.fromkeys(["q_proj", "k_proj", "gate_proj", "up_proj", "down_proj"], zero)
    >>> weights |= dict.fromkeys(["v_proj", "o_proj"], one)
    >>> def attend(q, k, v, cache, rope_theta):
    ...     return v * cache["factor"]
    >>> functions = block_functions([weights] * 2, [{"factor": 1}, {"factor": 0}], attend, 1, 1,
    ...                             rope_theta=10.0, norm_eps=0.0)
    >>> x = torch.tensor([[[1.0, 7.0]]])  # root mean square 5; normed and times 2: (0.4, 2.8)
    >>> functions[0](x)
    tensor([[[1.4000, 9.8000]]])
    >>> functions[1](x)
    tensor([[[1., 7.]]])
    """
    return [
        partial(
            decoder_block,
            weights=weights,
            attend=partial(attend, cache=cache, rope_theta=rope_theta),
            n_heads=n_heads,
            n_kv_heads=n_kv_heads,
            norm_eps=norm_eps,
        )
        for weights, cache in zip(blocks, caches, strict=True)
    ]


def n_reusable(cached_ids: Sequence[int], token_ids: Sequence[int]) -> int:
    """How many positions of a cache may stay when the model goes on with another text.

    The cache holds the keys and values of `cached_ids`; the text is `token_ids`, one token or
    more. A position may stay if its token and all before it are the same in both. At least the
    last token of the text has to be run, because its logits are what is wanted.

    >>> n_reusable([5, 6, 7], [5, 6, 8, 9])  # 7 is not in the text
    2
    >>> n_reusable([5, 6, 7], [5, 6, 7])  # all is there, but somebody has to predict
    2
    """
    n_same = 0
    for cached, wanted in zip(cached_ids, token_ids, strict=False):
        if cached != wanted:
            break
        n_same += 1
    return min(n_same, len(token_ids) - 1)


def stream_text(token_ids: Iterable[int], decode: Callable[[list[int]], str]) -> Iterator[str]:
    """Yield text for tokens as they come, and never a part of a character.

    `decode` makes a text of a list of ids; bytes that are no whole character become U+FFFD, written
    "\\ufffd". One at the end may become a character with the next token: so all that stand at the
    end are held back until something else follows, or the tokens end. Everything else is yielded
    before the next token is read. In how many parts the text comes between two readings does not
    matter, nor do empty texts. All parts together are `decode` of all ids.

    >>> tokens = [b"h", b"\\xc3", b"\\xa9", b"!"]
    >>> decode = lambda ids: b"".join(tokens[i] for i in ids).decode(errors="replace")
    >>> list(stream_text([0, 1, 2, 3], decode))
    ['h', 'é', '!']
    >>> list(stream_text([0, 1], decode))  # the second half never comes
    ['h', '\\ufffd']
    """
    ids: list[int] = []
    shown = 0  # characters
    for token_id in token_ids:
        ids.append(token_id)
        text = decode(ids).rstrip("\ufffd")
        if len(text) > shown:
            yield text[shown:]
            shown = len(text)
    if rest := decode(ids)[shown:]:
        yield rest


def chat_turn(
    messages: Sequence[Mapping[str, str]],
    prompt: str,
    render_chat: Callable[[list[Mapping[str, str]]], str],
    encode: Callable[[str], list[int]],
    write: Callable[[list[int]], Iterable[int]],
    decode: Callable[[list[int]], str],
    end_id: int,
    max_new_tokens: int = 256,
) -> list[Mapping[str, str]]:
    """The conversation after one more turn: `messages`, what the user asks, what is answered.

    A message is {"role": ..., "content": ...}; the user's role is "user", the model's "assistant".
    `render_chat` makes one text of all messages up to the question, ready for the answer; `encode`
    makes ids of it. `write` gives the tokens that follow, one after the other, for ever. The
    answer ends before the token `end_id`, or with its `max_new_tokens`-th token; no token is read
    beyond that. `decode` makes its text, which is kept without white space at both ends.
    `messages` stays as it is.

    >>> answer = iter([72, 105, 0, 99])  # 0 is the end mark
    >>> encode, decode = lambda text: list(text.encode()), lambda ids: bytes(ids).decode()
    >>> chat_turn([], "Hello!", str, encode, lambda ids: answer, decode, end_id=0)
    [{'role': 'user', 'content': 'Hello!'}, {'role': 'assistant', 'content': 'Hi'}]
    >>> next(answer)  # nothing behind the mark was read
    99
    """
    asked = [*messages, {"role": "user", "content": prompt}]
    answer: list[int] = []
    for token_id in write(encode(render_chat(asked))):
        if token_id == end_id:
            break
        answer.append(token_id)
        if len(answer) == max_new_tokens:
            break
    return [*asked, {"role": "assistant", "content": decode(answer).strip()}]


def first_difference(
    states: Sequence[Float[torch.Tensor, "..."]],
    reference: Sequence[Float[torch.Tensor, "..."]],
    tolerance: float = 1e-3,
) -> int | None:
    """The number of the first state that is not the reference's; None where all agree.

    States are counted from 0. The last axis of a state holds the features of one position. Two
    states agree if they have the same shape and at *every* position the length (Euclidean norm) of
    the difference is at most `tolerance` times the length of the reference's vector. A NaN or an
    infinite number never agrees; the reference's are all finite. There are as many states in both.

    >>> reference = [torch.tensor([[3.0, 4.0], [0.0, 100.0]])]  # two positions, of length 5 and 100
    >>> states = [torch.tensor([[3.1, 4.0], [0.0, 100.0]])]  # the first is off by 0.1
    >>> first_difference(states, reference, tolerance=0.01)  # 0.1 / 5 = 0.02
    0
    >>> first_difference(states, reference, tolerance=0.03) is None
    True
    """
    for i, (state, wanted) in enumerate(zip(states, reference, strict=True)):
        if state.shape != wanted.shape:
            return i
        difference = (state - wanted).norm(dim=-1)  # ...
        size = wanted.norm(dim=-1)  # ...
        if not (difference <= tolerance * size).all():  # also where it is NaN
            return i
    return None
