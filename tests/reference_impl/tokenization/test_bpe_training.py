"""Training: hand-computed merges, the fast version equal to the definition, a published list."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_impl.published.tokenizer_files import CL100K_PATTERN, GPT2_PATTERN, unicode_of_bytes
from reference_impl.tokenization import bpe_training
from reference_impl.tokenization.bpe_training import (
    count_pairs,
    count_words,
    merge_pair,
    tokenizer_from_merges,
    train_bpe,
    train_bpe_naive,
)

TRAINERS = pytest.mark.parametrize("train", [train_bpe_naive, train_bpe])
END = "<|end|>"
# Few letters make many ties, runs and equal tokens from different merges.
TEXTS = st.one_of(
    st.text("ab", max_size=60),
    st.text("abc ", max_size=80),
    st.lists(st.sampled_from(["low", "lower", "newest", "widest", "aaaa", END, " ", "é漢"])).map(
        "".join
    ),
    st.text(st.characters(codec="utf-8"), max_size=40),
)


@TRAINERS
def test_the_example_of_the_paper(train):
    """Counts of the words low 5, lower 2, newest 6, widest 3, as in Sennrich et al. 2016.

    (e, s), (s, t) count 9 each and (w, e) 8. Of the two 9s the greater is (s, t); then (e, st) is
    9. Now (w, e) counts 2 only, for the e of newest is gone: (o, w), (l, o) 7, so (o, w); then
    (l, ow) 7; then (w, est), (n, e), (e, w) 6: (w, est), then (n, e), then (ne, west).
    """
    text = " ".join(["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3)
    expected = "s t, e st, o w, l ow, w est, n e, ne west, w i, wi d, wid est, low e, lowe r"
    merges = [tuple(pair.encode().split()) for pair in expected.split(",")]
    for n in (0, 1, 6, 12):
        assert train(text, 256 + n, r"\w+") == merges[:n]
    assert train(text, 1000, r"\w+") == merges  # no pair is left


@TRAINERS
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ab ba", [(b"b", b"a"), (b"a", b"b")]),  # 1 to 1: the greater pair
        ("ab zz ab zz", [(b"z", b"z"), (b"a", b"b")]),
        ("ab ab zz", [(b"a", b"b"), (b"z", b"z")]),  # the count comes before the order
        ("za zb", [(b"z", b"b"), (b"z", b"a")]),  # the right side decides
        ("a\u00e9", [(b"\xc3", b"\xa9"), (b"a", b"\xc3\xa9")]),  # bytes as numbers, unsigned
        ("aab aab bz", [(b"a", b"b"), (b"a", b"ab"), (b"b", b"z")]),
    ],
)
def test_ties(train, text, expected):
    assert train(text, 300, r"\w+") == expected


@TRAINERS
def test_a_longer_token_is_greater_than_its_beginning(train):
    # After (a, b) the pairs (x, a) and (x, ab) count 2 each; b"ab" > b"a".
    text = "xa xa xab xab ab ab ab"
    assert train(text, 258, r"\w+") == [(b"a", b"b"), (b"x", b"ab")]


@TRAINERS
def test_runs_of_one_letter(train):
    # "aaaa" counts (a, a) three times, merges to aa aa, then to aaaa.
    assert train("aaaa", 300, r"\w+") == [(b"a", b"a"), (b"aa", b"aa")]
    assert train("aaa", 300, r"\w+") == [(b"a", b"a"), (b"aa", b"a")]
    assert train("aaaaa", 258, r"\w+") == [(b"a", b"a"), (b"aa", b"aa")]


@TRAINERS
def test_words_count_as_often_as_they_occur(train):
    assert train("xy " * 3 + "abc abc", 257, r"\w+") == [(b"x", b"y")]


@TRAINERS
def test_no_merge_crosses_a_word_or_a_special_token(train):
    text = f"ab{END}cd ab{END}cd"
    merges = train(text, 300, r" ?\w+|[^\w\s]+", [END])
    assert {left + right for left, right in merges} == {b"ab", b"cd", b" ab"}
    # Without the special token its own text is trained on.
    assert (b"<", b"|") in train(text, 300, r" ?\w+|[^\w\s]+")


@TRAINERS
def test_the_longest_special_token_is_cut_out(train):
    text = "<a><a>b<a>b"
    assert train(text, 300, r".+", ["<a>", "<a>b"]) == []
    assert train("x<a>by", 300, r".+", ["<a>"]) == [(b"b", b"y")]


@TRAINERS
def test_vocab_size_counts_bytes_and_special_tokens(train):
    text = "the theme of the thesis, then"
    assert len(train(text, 260, GPT2_PATTERN)) == 4
    assert len(train(text, 260, GPT2_PATTERN, [END, "<|start|>"])) == 2
    assert train(text, 257, GPT2_PATTERN, [END]) == []
    with pytest.raises(ValueError, match="vocab_size is 256; want at least 257, the 256 bytes and"):
        train(text, 256, GPT2_PATTERN, [END])


def test_wrong_text_and_pattern():
    with pytest.raises(ValueError, match="captures a group"):
        train_bpe("a", 300, "(a)")
    with pytest.raises(ValueError, match="character 3 is the lone surrogate"):
        train_bpe("abc\ud800", 300, GPT2_PATTERN)


@TRAINERS
def test_nothing_to_learn(train):
    assert train("", 300, GPT2_PATTERN) == []
    assert train("a b", 300, r"\w") == []
    assert train(END * 3, 300, GPT2_PATTERN, [END]) == []


@given(text=TEXTS, n_merges=st.integers(0, 40), specials=st.sampled_from([(), (END,)]))
@settings(max_examples=300)
def test_indexed_equals_naive(text, n_merges, specials):
    size = 256 + len(specials) + n_merges
    for pattern in (r"\w+|\W+", GPT2_PATTERN):
        fast = train_bpe(text, size, pattern, specials)
        assert fast == train_bpe_naive(text, size, pattern, specials)
        # Each merge makes a token that was not there before: ids and bytes go one to one.
        assert len({left + right for left, right in fast}) == len(fast)


def test_indexed_equals_naive_on_runs_of_one_letter():
    text = "aaa " * 5 + "aab " * 4 + "baa " * 3 + "aaaa bbaaab abaaba aaaaaaa"
    for size in range(256, 290):
        assert train_bpe(text, size, r"\w+") == train_bpe_naive(text, size, r"\w+")


def test_indexed_equals_naive_on_text(shared_data):
    text = (shared_data / "tinyshakespeare.txt").read_text()[:20_000]
    fast = train_bpe(text, 400, CL100K_PATTERN)
    assert fast == train_bpe_naive(text, 400, CL100K_PATTERN)
    assert len(fast) == 144


@given(text=TEXTS)
def test_the_trained_tokenizer_round_trips(text):
    merges = train_bpe(text, 300, GPT2_PATTERN, [END])
    tokenizer = tokenizer_from_merges(merges, GPT2_PATTERN, [END])
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.vocab_size == 257 + len(merges) <= 300


def test_training_shortens_its_own_text_as_far_as_it_says():
    """Encoding the training text gives the pieces at which training stopped."""
    text = "low " * 5 + "lower " * 2 + "newest " * 6 + "widest " * 3
    words = count_words(text, GPT2_PATTERN)
    pieces = {word: [bytes([byte]) for byte in word.encode()] for word in words}
    merges = train_bpe(text, 270, GPT2_PATTERN)
    for left, right in merges:
        pieces = {word: merge_pair(pieces[word], (left, right), left + right) for word in words}
    tokenizer = tokenizer_from_merges(merges, GPT2_PATTERN)
    for word in words:
        assert [tokenizer.token_bytes(i) for i in tokenizer.encode(word)] == pieces[word]


def test_ids_are_bytes_then_merges_then_special_tokens():
    tokenizer = tokenizer_from_merges([(b"t", b"h"), (b"th", b"e")], r"\w+", ["<b>", "<a>"])
    assert tokenizer.vocabulary[b"\x00"] == 0 and tokenizer.vocabulary[b"\xff"] == 255
    assert tokenizer.vocabulary[b"th"] == 256 and tokenizer.vocabulary[b"the"] == 257
    assert tokenizer.special_tokens == {"<b>": 258, "<a>": 259}


def test_counting_and_merging():
    words = [([1, 2, 1, 2, 1], 3), ([2, 1], 4), ([7], 100), ([], 9)]
    assert count_pairs(words) == {(1, 2): 6, (2, 1): 10}
    assert merge_pair([1, 2, 1, 2, 1], (1, 2), 9) == [9, 9, 1]
    assert merge_pair([1, 1, 1], (1, 1), 9) == [9, 1]
    assert merge_pair([], (1, 1), 9) == []


def test_merges_of_a_published_list(shared_data, monkeypatch):
    """Stanford CS336's 243 merges of this text (2024, assignment 1), by their sha256.

    That list breaks ties by GPT-2's signs for bytes, in which the space is greater than letters;
    here the bytes themselves decide. All else must be the same.
    """
    signs = unicode_of_bytes()

    def write(token: bytes) -> str:
        return "".join(signs[byte] for byte in token)

    def descending(token: bytes) -> str:
        return "".join(chr(0x200 - ord(sign)) for sign in write(token)) + chr(0x200)

    monkeypatch.setattr(bpe_training, "_descending", descending)
    text = (shared_data / "bpe_corpus_en.txt").read_text()
    merges = train_bpe(text, 500, GPT2_PATTERN, ["<|endoftext|>"])
    written = "".join(f"{write(left)} {write(right)}\n" for left, right in merges)
    published = "d0ee31fb8fe062a8d2778c9ee7dc38284898753bc7541dd41b0cffcfaad128fd"
    assert hashlib.sha256(written.encode()).hexdigest() == published
