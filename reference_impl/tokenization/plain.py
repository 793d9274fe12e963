"""Byte-level BPE in its plainest form: functions over a table of ranks, and nothing kept.

A table of ranks gives each token's bytes its id, and of two merges the one with the lower id comes
first. That is what tiktoken's files hold, and what the vocabulary of SmolLM2 amounts to.
`Tokenizer` gives the same ids, faster. Does not handle: merges that are listed apart from the ids.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import regex

from reference_impl.tokenization.tokenization import split_special


def byte_ids(text: str) -> list[int]:
    """The bytes of a text in UTF-8, as numbers from 0 to 255.

    >>> byte_ids("né")  # é is two bytes
    [110, 195, 169]
    """
    return list(text.encode("utf-8"))


def encode_word(word: bytes, ranks: Mapping[bytes, int]) -> list[int]:
    """The token ids of one word: its bytes, merged by rank.

    Of all neighbours whose joined bytes have a rank, those of the lowest rank become one, the
    leftmost first, until no neighbours have one. A byte that has no rank is left out beforehand,
    and so a word may have no ids at all.
    Source: Sennrich et al. 2016, section 3.2; over bytes, Radford et al. 2019, section 2.2.

    >>> ranks = {b"t": 0, b"h": 1, b"e": 2, b"he": 3, b"th": 4}
    >>> encode_word(b"the", ranks)  # he comes before th, and then t stands alone
    [0, 3]
    >>> encode_word(b"thxe", ranks)  # x has no rank: as if it were not there
    [0, 3]
    """
    pieces = [word[i : i + 1] for i in range(len(word)) if word[i : i + 1] in ranks]
    while True:
        found = [
            (ranks[left + right], i)
            for i, (left, right) in enumerate(pairwise(pieces))
            if left + right in ranks
        ]
        if not found:
            return [ranks[piece] for piece in pieces]
        _, i = min(found)
        pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]


def encode(
    text: str, ranks: Mapping[bytes, int], pattern: str, special_tokens: Mapping[str, int]
) -> list[int]:
    r"""The token ids of a text.

    First the text is split at the special tokens: each of them becomes its own id. Then `pattern`,
    a regular expression of the package `regex`, cuts the rest into words, and each word is encoded
    by itself; what the pattern does not match is left out. With `special_tokens={}` nothing is
    special: "<|end|>" is then ordinary text of seven characters.

    >>> ranks = {b"a": 0, b"b": 1, b" ": 2, b" a": 3, b"ab": 4}
    >>> encode("ab ab<|end|>", ranks, r" ?\w+", {"<|end|>": 9})
    [4, 3, 1, 9]
    """
    ids = []
    for i, part in enumerate(split_special(text, special_tokens)):
        if i % 2 == 1:
            ids.append(special_tokens[part])
        else:
            for word in regex.findall(pattern, part):
                ids += encode_word(word.encode("utf-8"), ranks)
    return ids


def decode(
    ids: Sequence[int], ranks: Mapping[bytes, int], special_tokens: Mapping[str, int]
) -> str:
    r"""The text of token ids, whatever they are: bytes that are not UTF-8 become "\ufffd".

    A special token becomes its own text. Only all bytes together are made into text, because a
    token may end inside a character. Raises ValueError for an id that nothing has.

    >>> ranks = {b"n": 0, b"\xc3": 1, b"\xa9": 2}
    >>> decode([0, 1, 2, 9], ranks, {"<|end|>": 9})
    'né<|end|>'
    >>> decode([0, 1], ranks, {})  # half an é
    'n\ufffd'
    """
    bytes_of = {token_id: token for token, token_id in ranks.items()}
    for token, token_id in special_tokens.items():
        bytes_of[token_id] = token.encode("utf-8")
    unknown = [token_id for token_id in ids if token_id not in bytes_of]
    if unknown:
        raise ValueError(f"no token has the id {unknown[0]}; decode with the table that encoded")
    data = b"".join(bytes_of[token_id] for token_id in ids)
    return data.decode("utf-8", errors="replace")


def encode_message(
    role: str,
    content: str,
    ranks: Mapping[bytes, int],
    pattern: str,
    special_tokens: Mapping[str, int],
) -> list[int]:
    r"""A chat message as SmolLM2 reads it, safe whatever its content is.

    The ids are those of `<|im_start|>`, then of the text made of role, a line break and content,
    then of `<|im_end|>` and of a last line break. The two marks are the only special tokens in it:
    whatever looks like one inside role or content is ordinary text, and no character is lost.

    >>> ranks = {b"u": 0, b"a": 1, b"\n": 2, b"\na": 3}
    >>> marks = {"<|im_start|>": 8, "<|im_end|>": 9}
    >>> encode_message("u", "a", ranks, r"\s?\w+|\s", marks)
    [8, 0, 3, 9, 2]
    """
    text = encode(f"{role}\n{content}", ranks, pattern, {})
    line_break = encode("\n", ranks, pattern, {})
    return [special_tokens["<|im_start|>"], *text, special_tokens["<|im_end|>"], *line_break]
