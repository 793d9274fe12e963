"""Byte-level BPE: text to token ids and back.

Three steps: cut the text at special tokens, cut the rest into words with a regular expression,
merge the bytes of each word by rank. This file does not read tokenizer files
(`tokenizer_files.py`), learn merges (`bpe_training.py`), keep a trained tokenizer
(`saved_tokenizer.py`), render chats (`chat.py`) or normalise.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import chain, pairwise
from operator import index
from typing import SupportsIndex

import regex

from reference_impl.tokenization.streaming import parts_between_words, words_end_at_whitespace

# Most words of a text come again, so their ids are kept: so many, none longer than this.
CACHED_WORDS, CACHED_WORD_LENGTH = 2**16, 64
LONG_WORD = 2000  # bytes from which arrays are faster than a heap


def merge_by_rank_naive(
    pieces: Sequence[bytes], rank_of: Callable[[bytes, bytes], int | None]
) -> list[bytes]:
    """Merge the neighbours of lowest rank, the leftmost first, until no neighbours have a rank.

    `rank_of(left, right)` is None where the pair is no merge. This is the definition, in time
    that grows with the square of the number of pieces; `merge_by_rank` is what the tokenizer runs.
    Source: Sennrich et al. 2016, section 3.2; over bytes, Radford et al. 2019, section 2.2.

    >>> ranks = {(b"t", b"h"): 0, (b"h", b"e"): 1, (b"th", b"e"): 2}
    >>> merge_by_rank_naive([b"t", b"h", b"e", b"h", b"e"], lambda *pair: ranks.get(pair))
    [b'the', b'he']
    """
    pieces = list(pieces)
    while True:
        ranked = [
            (rank, i)
            for i, pair in enumerate(pairwise(pieces))
            if (rank := rank_of(*pair)) is not None
        ]
        if not ranked:
            return pieces
        _, i = min(ranked)
        pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]


def merge_by_rank(
    pieces: Sequence[bytes], rank_of: Callable[[bytes, bytes], int | None]
) -> list[bytes]:
    """The same answer as `merge_by_rank_naive` in n log n: a heap of pairs over a linked list.

    >>> ranks = {(b"a", b"a"): 0, (b"aa", b"aa"): 1}
    >>> merge_by_rank([b"a"] * 7, lambda *pair: ranks.get(pair))
    [b'aaaa', b'aa', b'a']
    """
    end = len(pieces)
    pieces = [*pieces, b""]  # so that the last piece has a neighbour, which merges with nothing
    before, after = list(range(-1, end)), list(range(1, end + 2))
    heap = [
        (rank, i, pair)
        for i, pair in enumerate(pairwise(pieces[:end]))
        if (rank := rank_of(*pair)) is not None
    ]
    heapify(heap)
    while heap:
        _, i, (left, right) = heappop(heap)
        used = after[i]
        if pieces[i] != left or pieces[used] != right:
            continue  # one of the two has been merged since
        pieces[i], pieces[used] = left + right, b""
        after[i] = after[used]
        before[after[i]] = i
        for k in (before[i], i):
            if k >= 0 and after[k] < end:
                pair = pieces[k], pieces[after[k]]
                if (rank := rank_of(*pair)) is not None:
                    heappush(heap, (rank, k, pair))
    return [piece for piece in pieces if piece]


class _WordIds(dict):
    """Words already encoded; a plain dict so that lookups of known words stay in C."""

    def __init__(self, encode_word: Callable[[str], list[int]]):
        super().__init__()
        self.encode_word = encode_word

    def __missing__(self, word: str) -> list[int]:
        ids = self.encode_word(word)
        if len(word) <= CACHED_WORD_LENGTH:
            if len(self) >= CACHED_WORDS:
                self.clear()
            self[word] = ids
        return ids


class Tokenizer:
    """A byte-level BPE tokenizer.

    `vocabulary` gives the id of each token's bytes. `pattern` cuts text into words; merges never
    cross a cut, and text that it does not match is left out. `special_tokens` are ordinary text
    unless `encode` is told which of them count; these are cut out of the text before all else, and
    where two overlap the leftmost counts, then the longest.

    Which neighbours merge first is told in one of two ways:
    - `merges=None`, tiktoken's files: any two neighbours whose joined bytes are a token may merge,
      the lowest id first, and a word that is itself a token stays whole.
    - `merges=[(left, right), ...]`, the files of GPT-2 and Hugging Face: only these pairs merge,
      in the order of the list; ids are free.

    `vocab_size` is the highest id plus one, the rows that an embedding of the ids needs.

    A byte that has no token is left out, as transformers does (SmolLM2 lacks 21 bytes: rare
    control characters and bytes that UTF-8 does not use for assigned characters).

    >>> letters = {b"l": 0, b"o": 1, b"w": 2, b"e": 3, b"r": 4, b" ": 5}
    >>> tokenizer = Tokenizer(
    ...     {**letters, b"lo": 6, b"low": 7, b"er": 8}, r" ?\\S+", {"<|end|>": 9}
    ... )
    >>> tokenizer.encode("lower low<|end|>", allowed_special={"<|end|>"})
    [7, 8, 5, 7, 9]
    >>> tokenizer.decode([7, 8, 5, 7, 9])
    'lower low<|end|>'
    """

    def __init__(
        self,
        vocabulary: Mapping[bytes, int],
        pattern: str,
        special_tokens: Mapping[str, int] | None = None,
        merges: Sequence[tuple[bytes, bytes]] | None = None,
    ):
        self.vocabulary = dict(vocabulary)
        self.special_tokens = dict(special_tokens or {})
        self.merges = None if merges is None else list(merges)
        self.pattern = compile_pattern(pattern)
        self._bytes_of = _bytes_by_id(self.vocabulary, self.special_tokens)
        self.vocab_size = max(self._bytes_of) + 1
        self._rank_of = _rank_function(self.vocabulary, self.merges)
        self._word_ids = _WordIds(self._encode_word)

    def __reduce__(self):
        # Copies and pickles are built anew: functions and known words do not travel.
        return Tokenizer, (self.vocabulary, self.pattern.pattern, self.special_tokens, self.merges)

    def encode(self, text: str, allowed_special: str | Collection[str] = "none") -> list[int]:
        """The token ids of `text`.

        `allowed_special` names the special tokens that count as such: "none", "all" or a set of
        them. The text of any other special token is encoded as ordinary text: whoever wrote the
        text cannot speak for the program. Allow them only in text that the program wrote itself.
        Raises ValueError for a surrogate or an unknown name in `allowed_special`.
        """
        ids: list[int] = []
        try:
            for i, part in enumerate(split_special(text, self._allowed(allowed_special))):
                if i % 2:
                    ids.append(self.special_tokens[part])
                else:
                    words = self.pattern.findall(part)
                    ids.extend(chain.from_iterable(map(self._word_ids.__getitem__, words)))
        except UnicodeEncodeError:
            raise surrogate_error(text) from None
        return ids

    def encode_iterable(
        self, texts: Iterable[str], allowed_special: str | Collection[str] = "none"
    ) -> Iterator[int]:
        """The token ids of the joined `texts`, such as the lines of a file, one after another.

        Equal to `encode` of the whole, whose length does not matter: in memory are one text and
        what came since the last whitespace behind a letter or digit. There the published patterns
        always cut; the text of a pattern that does not (found by trying) is gathered first.
        """
        allowed = self._allowed(allowed_special)
        if words_end_at_whitespace(self.pattern, allowed):
            parts: Iterable[str] = parts_between_words(texts)
        else:
            parts = ["".join(texts)]
        for part in parts:
            yield from self.encode(part, allowed)

    def decode(self, ids: Iterable[SupportsIndex]) -> str:
        """The text of `ids`; bytes that are not UTF-8 become U+FFFD, so valid ids never raise."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Iterable[SupportsIndex]) -> bytes:
        """The bytes of `ids`, which may end in the middle of a character."""
        ids = ids.tolist() if hasattr(ids, "tolist") else list(ids)
        try:
            return b"".join([self._bytes_of[i] for i in ids])
        except KeyError as error:
            raise self._unknown_id(error.args[0]) from None
        except TypeError:
            raise TypeError(
                f"decode wants one flat sequence of integers, not {ids!r:.80}; "
                "decode each row of a batch by itself"
            ) from None

    def token_bytes(self, token_id: SupportsIndex) -> bytes:
        """The bytes of one token; of a special token, its text in UTF-8."""
        return self.decode_bytes([index(token_id)])

    def _allowed(self, allowed_special: str | Collection[str]) -> Collection[str]:
        """The special tokens that count as such. Raises ValueError for an unknown one."""
        if isinstance(allowed_special, str) and allowed_special in ("all", "none"):
            return self.special_tokens.keys() if allowed_special == "all" else ()
        if isinstance(allowed_special, str) or set(allowed_special) - self.special_tokens.keys():
            raise ValueError(
                f"allowed_special is {allowed_special!r}; want 'all', 'none' or a set of these "
                f"special tokens: {sorted(self.special_tokens)}"
            )
        return allowed_special

    def _encode_word(self, word: str) -> list[int]:
        data = word.encode()
        if self.merges is None and data in self.vocabulary:
            return [self.vocabulary[data]]
        if len(data) >= LONG_WORD and (ids := self._merge_long(data)) is not None:
            return ids
        letters = [byte for i in range(len(data)) if (byte := data[i : i + 1]) in self.vocabulary]
        return [self.vocabulary[piece] for piece in merge_by_rank(letters, self._rank_of)]

    def _merge_long(self, data: bytes) -> list[int] | None:
        """`merge_by_rank` by the way for long words; None where that would not be the same."""
        import numpy as np  # a fifth of a second, and few texts need it

        from reference_impl.tokenization.long_words import merge_long

        bytes_of, rank_of, vocabulary = self._bytes_of, self._rank_of, self.vocabulary
        id_of_byte = np.array([vocabulary.get(bytes([byte]), -1) for byte in range(256)])
        ids = id_of_byte[np.frombuffer(data, np.uint8)]
        return merge_long(
            ids[ids >= 0],
            lambda left, right: rank_of(bytes_of[left], bytes_of[right]),
            lambda left, right: vocabulary[bytes_of[left] + bytes_of[right]],
        )

    def _unknown_id(self, token_id: object) -> ValueError:
        return ValueError(
            f"{token_id!r} is not a token id of this tokenizer ({len(self._bytes_of)} tokens, "
            f"ids 0 to {self.vocab_size - 1}); decode with the tokenizer that encoded"
        )


def compile_pattern(pattern: str) -> regex.Pattern:
    """The compiled pattern; ValueError where it is wrong or has a group that captures."""
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"pattern {pattern!r} is no regular expression: {error}") from None
    if compiled.groups:
        raise ValueError(f"pattern {pattern!r} captures a group; write (?:...) instead of (...)")
    return compiled


def split_special(text: str, special_tokens: Iterable[str]) -> list[str]:
    """Cut `text` at special tokens, the longest where several begin at the same place.

    Ordinary text stands at the even places, special tokens at the odd ones.

    >>> split_special("a<|end|><|end|>!b", ["<|end|>", "<|end|>!"])
    ['a', '<|end|>', '', '<|end|>!', 'b']
    """
    longest_first = sorted(special_tokens, key=len, reverse=True)
    if not longest_first:
        return [text]
    return regex.split("(" + "|".join(map(regex.escape, longest_first)) + ")", text)


def _bytes_by_id(
    vocabulary: Mapping[bytes, int], special_tokens: Mapping[str, int]
) -> dict[int, bytes]:
    bytes_of = {token_id: token for token, token_id in vocabulary.items()}
    bytes_of.update((token_id, token.encode()) for token, token_id in special_tokens.items())
    if not bytes_of or len(bytes_of) < len(vocabulary) + len(special_tokens):
        raise ValueError(
            f"{len(vocabulary)} tokens and {len(special_tokens)} special tokens share "
            f"{len(bytes_of)} ids; give each its own"
        )
    if b"" in vocabulary or "" in special_tokens:
        raise ValueError("the empty string cannot be a token; leave it out")
    return bytes_of


def _rank_function(
    vocabulary: Mapping[bytes, int], merges: Sequence[tuple[bytes, bytes]] | None
) -> Callable[[bytes, bytes], int | None]:
    if merges is None:
        return lambda left, right: vocabulary.get(left + right)
    for left, right in merges:
        if left + right not in vocabulary:
            raise ValueError(
                f"merge {left!r} + {right!r} makes no token of the vocabulary; "
                "take vocabulary and merges from the same tokenizer"
            )
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    return lambda left, right: ranks.get((left, right))


LONE_SURROGATE = regex.compile(
    r"[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]"
)


def surrogate_error(text: str) -> ValueError:
    """The error for a text that UTF-8 cannot write: it holds halves of a pair of UTF-16."""
    lone = LONE_SURROGATE.search(text)
    if lone:
        what = f"character {lone.start()} is the lone surrogate {lone[0]!r}"
    else:
        place = next(i for i, char in enumerate(text) if "\ud800" <= char <= "\udbff")
        what = (
            f"characters {place} and {place + 1} are a surrogate pair, "
            f"{text[place : place + 2]!r}: one character in UTF-16's two halves"
        )
    return ValueError(
        f"{what}, which UTF-8 cannot write; clean the text first: "
        "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
    )
