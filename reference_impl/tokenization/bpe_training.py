"""Learning the merges of byte-level BPE from a text.

Two functions, one answer: `train_bpe_naive` says what training is, `train_bpe` does it fast.
Ties: of the pairs with the highest count the lexicographically greatest is merged, comparing
(left bytes, right bytes). Neither reads files nor trains in parallel; the text fits in memory.
Source: Sennrich et al. 2016, algorithm 1; over bytes, Radford et al. 2019, section 2.2.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise

import regex

from reference_impl.tokenization.tokenization import (
    Tokenizer,
    compile_pattern,
    split_special,
    surrogate_error,
)

Pair = tuple[bytes, bytes]
Piece = bytes | int  # a piece of a word: its bytes, or its token id
BYTES = [bytes([byte]) for byte in range(256)]


def train_bpe_naive(
    text: str, vocab_size: int, pattern: str, special_tokens: Sequence[str] = ()
) -> list[Pair]:
    r"""The merges that BPE learns from `text`, in order: count all pairs, merge the best, repeat.

    `vocab_size` counts the 256 bytes, the special tokens and one token a merge. The text is split
    at the special tokens, and `pattern` cuts the rest into words; no merge crosses a cut. Of the
    pairs with the highest count the greatest is merged, comparing (left bytes, right bytes). Fewer
    merges come back where no pair is left. Raises ValueError where `vocab_size` is less than the
    bytes and the special tokens.

    In "ab ab abc" the words are "ab", " ab" and " abc". First (a, b) counts 3, then (" ", ab) 2.

    >>> train_bpe_naive("ab ab abc", 256 + 3, r" ?\w+")
    [(b'a', b'b'), (b' ', b'ab'), (b' ab', b'c')]
    """
    least = 256 + len(special_tokens)
    if vocab_size < least:
        raise ValueError(
            f"vocab_size is {vocab_size}; want at least {least}, the 256 bytes and "
            f"{len(special_tokens)} special tokens"
        )
    words = count_words(text, pattern, special_tokens)
    pieces = {word: [bytes([byte]) for byte in word.encode()] for word in words}
    merges: list[Pair] = []
    while len(merges) < vocab_size - least:
        counts = count_pairs([(pieces[word], count) for word, count in words.items()])
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        pieces = {word: merge_pair(pieces[word], best, best[0] + best[1]) for word in words}
        merges.append(best)
    return merges


def train_bpe(
    text: str, vocab_size: int, pattern: str, special_tokens: Sequence[str] = ()
) -> list[Pair]:
    """The same merges as `train_bpe_naive`, many times faster.

    A merge changes only the words that hold its pair. So the counts are kept, an index says which
    words hold which pair, and a heap gives the best pair. Raises ValueError also for a pattern that
    is wrong or captures a group, and for a text that UTF-8 cannot write.
    """
    n_merges = _room_for_merges(vocab_size, special_tokens)
    _check(text, pattern)
    index = _PairIndex(count_words(text, pattern, special_tokens))
    merges: list[Pair] = []
    while len(merges) < n_merges and (best := index.pop_best()) is not None:
        merges.append((index.tokens[best[0]], index.tokens[best[1]]))
        index.merge(best)
    return merges


def tokenizer_from_merges(
    merges: Iterable[Pair], pattern: str, special_tokens: Sequence[str] = ()
) -> Tokenizer:
    r"""The tokenizer of trained merges: ids 0 to 255 are the bytes, then merges, then specials.

    >>> tokenizer = tokenizer_from_merges([(b"a", b"b")], r" ?\w+", ["<|end|>"])
    >>> tokenizer.encode("ab<|end|>", allowed_special="all")
    [256, 257]
    """
    merges = list(merges)
    tokens = BYTES + [left + right for left, right in merges]
    vocabulary = {token: token_id for token_id, token in enumerate(tokens)}
    specials = {token: len(tokens) + i for i, token in enumerate(special_tokens)}
    return Tokenizer(vocabulary, pattern, specials, merges)


def count_words(text: str, pattern: str, special_tokens: Sequence[str] = ()) -> Counter[str]:
    r"""How often each word occurs, in the ordinary text between special tokens.

    A word is a match of `pattern`, a regular expression of the package `regex`, just as it stands:
    with its spaces and capitals. What the pattern does not match is left out, and so are the
    special tokens.

    >>> count_words("a b<|end|> b", r" ?\w+", ["<|end|>"])
    Counter({' b': 2, 'a': 1})
    """
    counts: Counter[str] = Counter()
    for ordinary in split_special(text, special_tokens)[::2]:
        counts.update(regex.findall(pattern, ordinary))
    return counts


def count_pairs(words: Iterable[tuple[Sequence[Piece], int]]) -> Counter[tuple[Piece, Piece]]:
    """How often two pieces stand side by side.

    `words` holds each word once, as its pieces, and how often it occurs: each of its pairs counts
    that often. Pairs within one word only; overlapping ones count too. Pairs that never occur are
    not in the result.

    >>> count_pairs([([b"a", b"a", b"a"], 5), ([b"a", b"b"], 1)])
    Counter({(b'a', b'a'): 10, (b'a', b'b'): 1})
    """
    counts: Counter[tuple[Piece, Piece]] = Counter()
    for pieces, count in words:
        for pair in pairwise(pieces):
            counts[pair] += count
    return counts


def merge_pair(pieces: Sequence[Piece], pair: tuple[Piece, Piece], merged: Piece) -> list[Piece]:
    """`pieces` with each occurrence of `pair` replaced by `merged`, as a new list.

    From left to right and without overlap; what was merged is not merged again. `pieces` itself
    stays as it was.

    >>> merge_pair([b"a", b"a", b"a", b"b"], (b"a", b"a"), b"aa")
    [b'aa', b'a', b'b']
    """
    result, i = [], 0
    while i < len(pieces):
        if i + 1 < len(pieces) and pieces[i] == pair[0] and pieces[i + 1] == pair[1]:
            result.append(merged)
            i += 2
        else:
            result.append(pieces[i])
            i += 1
    return result


class _PairIndex:
    """The words as token ids, the count of every pair, where it occurs, and a heap of pairs."""

    def __init__(self, word_counts: Counter[str]):
        self.tokens = list(BYTES)
        self.order = [_descending(token) for token in self.tokens]
        self.words = [list(word.encode()) for word in word_counts]
        self.word_counts = list(word_counts.values())
        self.counts = count_pairs(zip(self.words, self.word_counts, strict=True))
        self.words_with: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
        for i, word in enumerate(self.words):
            for pair in pairwise(word):
                self.words_with[pair].add(i)
        self.heap = [self._entry(pair) for pair in self.counts]
        heapify(self.heap)

    def pop_best(self) -> tuple[int, int] | None:
        """The pair to merge next. Counts that fell since their entry was made are put back."""
        while self.heap:
            minus_count, _, _, pair = heappop(self.heap)
            count = self.counts[pair]
            if count == -minus_count:
                return pair
            if 0 < count < -minus_count:
                heappush(self.heap, self._entry(pair))
        return None

    def merge(self, pair: tuple[int, int]) -> None:
        """Merge `pair` in every word that holds it, and keep counts, index and heap true."""
        new = len(self.tokens)
        self.tokens.append(self.tokens[pair[0]] + self.tokens[pair[1]])
        self.order.append(_descending(self.tokens[new]))
        changes: defaultdict[tuple[int, int], int] = defaultdict(int)
        for i in self.words_with.pop(pair):
            old, count = self.words[i], self.word_counts[i]
            self.words[i] = merge_pair(old, pair, new)
            for before in pairwise(old):
                changes[before] -= count
            for after in pairwise(self.words[i]):
                changes[after] += count
                if new in after:
                    self.words_with[after].add(i)
        for changed, change in changes.items():
            self.counts[changed] += change
            if change > 0:
                heappush(self.heap, self._entry(changed))

    def _entry(self, pair: tuple[int, int]) -> tuple[int, str, str, tuple[int, int]]:
        return -self.counts[pair], self.order[pair[0]], self.order[pair[1]], pair


def _descending(token: bytes) -> str:
    """A string that sorts the other way round: heapq gives the least, a tie wants the greatest."""
    return "".join(chr(255 - byte) for byte in token) + chr(256)


def _check(text: str, pattern: str) -> None:
    compile_pattern(pattern)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise surrogate_error(text) from None


def _room_for_merges(vocab_size: int, special_tokens: Sequence[str]) -> int:
    n_merges = vocab_size - len(BYTES) - len(special_tokens)
    if n_merges < 0:
        raise ValueError(
            f"vocab_size is {vocab_size}; want at least {len(BYTES) + len(special_tokens)}, "
            f"the 256 bytes and {len(special_tokens)} special tokens"
        )
    return n_merges
