"""One merge of BPE training, in the words that it concerns alone.

Does not choose the merge: `bpe_training.train_bpe` does, and keeps its own books over token ids.
"""

from collections import Counter
from itertools import pairwise

from reference_impl.tokenization.bpe_training import Pair, merge_pair


def apply_merge(
    words: list[list[bytes]],
    word_counts: list[int],
    pair_counts: Counter[Pair],
    words_with: dict[Pair, set[int]],
    pair: Pair,
) -> None:
    """Merge `pair` wherever it occurs, and keep the books true, all in place.

    `words` holds the pieces of each different word, and `word_counts` how often it occurs.
    `pair_counts` says how often each pair occurs in all, `words_with` in which words, by their
    numbers in the list; both have `pair`, if only with 0 and an empty set. Afterwards all three
    are as if they had been made anew from the merged words; a pair that no longer occurs may stay
    with a count of 0 and an empty set. Words that do not hold the pair are neither changed nor
    read. `word_counts` stays as it is.

    >>> words, first, second = [[b"a", b"b", b"c"], [b"c"]], (b"a", b"b"), (b"b", b"c")
    >>> pair_counts, words_with = Counter({first: 5, second: 5}), {first: {0}, second: {0}}
    >>> apply_merge(words, [5, 2], pair_counts, words_with, first)
    >>> words, +pair_counts
    ([[b'ab', b'c'], [b'c']], Counter({(b'ab', b'c'): 5}))
    """
    for i in list(words_with.get(pair, ())):
        for before in pairwise(words[i]):
            pair_counts[before] -= word_counts[i]
            words_with[before].discard(i)
        words[i] = merge_pair(words[i], pair, pair[0] + pair[1])
        for after in pairwise(words[i]):
            pair_counts[after] += word_counts[i]
            words_with.setdefault(after, set()).add(i)
