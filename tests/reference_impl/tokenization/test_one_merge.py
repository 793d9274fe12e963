"""One merge with the books kept is one merge with everything counted anew."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from reference_impl.tokenization.bpe_training import count_pairs, merge_pair
from reference_impl.tokenization.one_merge import apply_merge

WORDS = st.lists(st.text(alphabet="ab", min_size=1, max_size=8), max_size=6, unique=True)


def books(words, word_counts):
    words_with = {}
    for i, word in enumerate(words):
        for pair in pairwise(word):
            words_with.setdefault(pair, set()).add(i)
    return count_pairs(zip(words, word_counts, strict=True)), words_with


@given(WORDS, st.sampled_from([(b"a", b"b"), (b"a", b"a"), (b"b", b"a")]))
def test_as_if_counted_anew(texts, pair):
    words = [[bytes([byte]) for byte in text.encode()] for text in texts]
    word_counts = [3 * i + 1 for i in range(len(words))]
    pair_counts, words_with = books(words, word_counts)
    merged = [merge_pair(word, pair, pair[0] + pair[1]) for word in words]
    apply_merge(words, word_counts, pair_counts, words_with, pair)
    assert words == merged
    anew, holders = books(merged, word_counts)
    assert +pair_counts == anew and min(pair_counts.values(), default=0) >= 0
    assert {key: value for key, value in words_with.items() if value} == holders
