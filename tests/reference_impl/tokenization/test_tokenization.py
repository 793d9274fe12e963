"""The tokenizer by itself: hand-computed examples, round trips, special tokens, errors."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_impl.published.tokenizer_files import (
    CL100K_PATTERN,
    GPT2_PATTERN,
    O200K_PATTERN,
    SMOLLM_PATTERN,
)
from reference_impl.tokenization import tokenization
from reference_impl.tokenization.bpe_training import BYTES, tokenizer_from_merges, train_bpe
from reference_impl.tokenization.saved_tokenizer import load_tokenizer, save_tokenizer
from reference_impl.tokenization.tokenization import (
    Tokenizer,
    merge_by_rank,
    merge_by_rank_naive,
)

SAMPLE = (
    "The banker sat on the bank of the river, and the river ran past the banker's bank. "
    "Der Bankier saß am Ufer; ナマズ was there too, 12345 of them, and    then    none.\n\n"
) * 3
SPECIAL = ["<|end|>", "<|end|>!", "<|start|>"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return tokenizer_from_merges(train_bpe(SAMPLE, 350, GPT2_PATTERN), GPT2_PATTERN, SPECIAL)


def test_lowest_rank_merges_first_not_the_leftmost():
    ranks = {b"ab": 1, b"bc": 0, b"abc": 2}
    letters = [b"a", b"b", b"c", b"a", b"b"]
    for merge in (merge_by_rank_naive, merge_by_rank):
        assert merge(letters, lambda left, right: ranks.get(left + right)) == [b"abc", b"ab"]
        assert merge(letters, lambda *pair: None) == letters
        assert merge([], lambda *pair: 0) == []


def test_only_listed_pairs_merge():
    # "abc" is a token and "bc" is one, but the only way to "abc" is through "ab".
    vocabulary = {b"a": 0, b"b": 1, b"c": 2, b"bc": 3, b"ab": 4, b"abc": 5}
    merges = [(b"b", b"c"), (b"a", b"b"), (b"ab", b"c")]
    assert Tokenizer(vocabulary, ".+", merges=merges).encode("abc") == [0, 3]
    assert Tokenizer(vocabulary, ".+").encode("abc") == [5]  # tiktoken: a token stays whole
    assert Tokenizer(vocabulary, ".+").encode("abca") == [5, 0]


@given(
    letters=st.text("abc", max_size=40),
    merges=st.lists(st.text("abc", min_size=2, max_size=5), max_size=12, unique=True),
)
def test_heap_equals_definition(letters, merges):
    ranks = {merge.encode(): rank for rank, merge in enumerate(merges)}
    pieces = [letter.encode() for letter in letters]

    def rank_of(left: bytes, right: bytes) -> int | None:
        return ranks.get(left + right)

    assert merge_by_rank(pieces, rank_of) == merge_by_rank_naive(pieces, rank_of)


@given(
    letters=st.text("ab", max_size=30),
    pairs=st.lists(st.tuples(st.text("ab", min_size=1, max_size=3), st.text("ab", min_size=1))),
)
def test_heap_equals_definition_for_listed_pairs(letters, pairs):
    ranks = {(left.encode(), right.encode()): rank for rank, (left, right) in enumerate(pairs)}
    pieces = [letter.encode() for letter in letters]

    def rank_of(left: bytes, right: bytes) -> int | None:
        return ranks.get((left, right))

    assert merge_by_rank(pieces, rank_of) == merge_by_rank_naive(pieces, rank_of)


def test_a_long_word_of_one_letter():
    vocabulary = {b"a": 0} | {b"a" * 2**i: i for i in range(1, 8)}
    ids = Tokenizer(vocabulary, r"\w+").encode("a" * 100_003)
    assert ids == [7] * 781 + [5, 1, 0]  # 100,003 = 781 * 128 + 32 + 2 + 1


@given(text=st.text(st.characters(codec="utf-8")))
def test_decode_undoes_encode(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.decode(tokenizer.encode(text, "none")) == text


@given(data=st.binary(max_size=60))
def test_any_bytes_decode(tokenizer, data):
    ids = [tokenizer.vocabulary[bytes([byte])] for byte in data]
    assert tokenizer.decode_bytes(ids) == data
    assert tokenizer.decode(ids) == data.decode("utf-8", errors="replace")


@given(data=st.data())
def test_any_ids_decode(tokenizer, data):
    """Also those that split a character, and special tokens anywhere."""
    ids = data.draw(st.lists(st.sampled_from(range(tokenizer.vocab_size)), max_size=30))
    expected = b"".join(tokenizer.token_bytes(token_id) for token_id in ids)
    assert tokenizer.decode(ids) == expected.decode("utf-8", errors="replace")


@given(text=st.text(st.characters(codec="utf-8")), times=st.integers(2, 3))
@settings(max_examples=30)
def test_known_words_encode_as_new_ones(tokenizer, text, times):
    fresh = Tokenizer(tokenizer.vocabulary, GPT2_PATTERN, merges=tokenizer.merges)
    assert [fresh.encode(text) for _ in range(times)] == [fresh.encode(text)] * times
    assert fresh.encode(text) == tokenizer.encode(text, "none")


def test_the_store_of_known_words_stays_small(tokenizer, monkeypatch):
    monkeypatch.setattr(tokenization, "CACHED_WORDS", 10)
    small = Tokenizer(tokenizer.vocabulary, GPT2_PATTERN, merges=tokenizer.merges)
    assert small.encode(SAMPLE) == tokenizer.encode(SAMPLE)
    small.encode("a" * 1000)
    assert len(small._word_ids) <= 10
    assert max(map(len, small._word_ids)) <= tokenization.CACHED_WORD_LENGTH


def test_both_merge_styles_agree_on_trained_merges(tokenizer):
    by_bytes = Tokenizer(tokenizer.vocabulary, GPT2_PATTERN)
    text = SAMPLE + "a new text about rivers, Ufer and ナマズ"
    assert by_bytes.encode(text) == tokenizer.encode(text)


def test_no_merge_crosses_a_word(tokenizer):
    for words in (["the", " river"], ["12", " bank"], ["bank", "\n", "er"]):
        apart = [token_id for word in words for token_id in tokenizer.encode(word)]
        assert tokenizer.encode("".join(words)) == apart


def test_special_tokens(tokenizer):
    end, end_mark, start = (tokenizer.special_tokens[token] for token in SPECIAL)
    a, mark = tokenizer.encode("a!")
    assert tokenizer.encode("a<|end|>!a", "all") == [a, end_mark, a]  # the longest at one place
    assert tokenizer.encode("<|end|><|end|>", ["<|end|>"]) == [end, end]
    assert tokenizer.encode("<|end|>!", {"<|end|>"}) == [end, mark]
    assert tokenizer.encode("<|start|><|end|>", {"<|start|>"})[0] == start
    ordinary = tokenizer.encode("<|start|>", "none")
    assert start not in ordinary and tokenizer.decode(ordinary) == "<|start|>"
    assert tokenizer.encode("<|start|>", set()) == tokenizer.encode("<|start|>") == ordinary
    assert tokenizer.decode([start, a]) == "<|start|>a"
    assert tokenizer.token_bytes(start) == b"<|start|>"


def test_special_tokens_overlapping_at_different_places_the_leftmost_counts():
    tokenizer = Tokenizer({b"a": 0, b"b": 1, b"c": 2}, ".", {"ab": 3, "bcc": 4})
    assert tokenizer.encode("abcc", "all") == [3, 2, 2]


def test_special_tokens_are_cut_out_before_words():
    # r"\w+" would take "stop" as a word; as a special token it is gone before.
    tokenizer = Tokenizer({byte: i for i, byte in enumerate(BYTES)}, r"\w+", {"stop": 256})
    assert tokenizer.encode("xstopy", "all") == [ord("x"), 256, ord("y")]


def test_special_tokens_may_hold_signs_of_regular_expressions():
    tokenizer = Tokenizer({byte: i for i, byte in enumerate(BYTES)}, r"\w", {"(.*)|[": 256})
    assert tokenizer.encode("a(.*)|[b", "all") == [97, 256, 98]


def test_vocab_size_is_the_highest_id_plus_one():
    assert Tokenizer({b"a": 0, b"b": 7}, ".").vocab_size == 8
    assert Tokenizer({b"a": 0}, ".", {"<|end|>": 9}).vocab_size == 10


def test_ids_may_be_a_tensor_or_an_array(tokenizer):
    ids = tokenizer.encode("the river")
    for kind in (torch.tensor, np.array, tuple, iter):
        assert tokenizer.decode(kind(ids)) == "the river"
    assert tokenizer.token_bytes(torch.tensor(ids)[0]) == tokenizer.token_bytes(ids[0]) == b"t"
    assert tokenizer.decode([]) == "" and tokenizer.encode("") == []


def test_bytes_without_a_token_are_left_out():
    assert Tokenizer({b"a": 0, b"b": 1, b"ab": 2}, ".+").encode("aéb") == [2]


def test_pickle_keeps_the_tokenizer(tokenizer):
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again.encode(SAMPLE + "<|end|>", "all") == tokenizer.encode(SAMPLE + "<|end|>", "all")


def test_lone_surrogates_are_refused_with_their_place(tokenizer):
    with pytest.raises(ValueError, match=r"character 4 is the lone surrogate '\\ud83d'.*utf-16"):
        tokenizer.encode("abc \ud83d def")
    with pytest.raises(ValueError, match="character 10 "):
        tokenizer.encode("<|start|>a\udc00")


def test_a_whole_surrogate_pair_is_called_a_pair(tokenizer):
    with pytest.raises(ValueError, match=r"characters 2 and 3 are a surrogate pair, .*utf-16"):
        tokenizer.encode("ab\ud83d\ude00")
    with pytest.raises(ValueError, match="character 3 is the lone surrogate"):
        tokenizer.encode("\ud83d\ude00 \ude00")
    with pytest.raises(ValueError, match="character 1 is the lone surrogate"):
        tokenizer.encode("a\ude00\ud83d")


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        ([0, 999], ValueError, r"999 is not a token id .*\(\d+ tokens, ids 0 to \d+\)"),
        ([-1], ValueError, "-1 is not a token id"),
        (torch.tensor([[1, 2]]), TypeError, "one flat sequence of integers"),
        (torch.tensor([[1, 2]]), TypeError, "each row of a batch"),
    ],
)
def test_wrong_ids(tokenizer, ids, error, message):
    with pytest.raises(error, match=message):
        tokenizer.decode(ids)


def test_an_unknown_id_between_known_ones():
    with pytest.raises(ValueError, match="3 is not a token id"):
        Tokenizer({b"a": 0, b"b": 7}, ".").token_bytes(3)


@pytest.mark.parametrize("allowed", ["some", {"<|nothing|>"}, {"<|end|>", "x"}])
def test_wrong_allowed_special(tokenizer, allowed):
    with pytest.raises(ValueError, match="want 'all', 'none' or a set"):
        tokenizer.encode("a", allowed)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({b"a": 0, b"b": 0}, "."), "2 tokens and 0 special tokens share 1 ids"),
        (({b"a": 0}, ".", {"<|end|>": 0}), "1 tokens and 1 special tokens share 1 ids"),
        (({}, "."), "0 tokens"),
        (({b"": 0}, "."), "empty string"),
        (({b"a": 0}, ".", {"": 1}), "empty string"),
        (({b"a": 0}, "(a)|b"), r"captures a group; write \(\?:"),
        (({b"a": 0}, "(a"), "no regular expression"),
        (({b"a": 0, b"b": 1}, ".", {}, [(b"a", b"b")]), "b'a' [+] b'b' makes no token"),
    ],
)
def test_wrong_parts(arguments, message):
    with pytest.raises(ValueError, match=message):
        Tokenizer(*arguments)


def test_text_between_the_words_of_a_pattern_is_left_out():
    tokenizer = Tokenizer({byte: i for i, byte in enumerate(BYTES)}, r"\w+")
    assert tokenizer.decode(tokenizer.encode("a b")) == "ab"


def test_contractions_digits_and_spaces_are_cut_as_published():
    cases = {
        "I'll": (["I", "'ll"], ["I", "'ll"]),
        "I'LL": (["I", "'", "LL"], ["I", "'LL"]),
        "x  y": (["x", " ", " y"], ["x", " ", " y"]),
        "12345": (["12345"], ["123", "45"]),
        "a\n\n b": (["a", "\n\n", " b"], ["a", "\n\n", " b"]),
        "(a": (["(", "a"], ["(a"]),
    }
    for text, (gpt2, cl100k) in cases.items():
        assert tokenization.compile_pattern(GPT2_PATTERN).findall(text) == gpt2
        assert tokenization.compile_pattern(CL100K_PATTERN).findall(text) == cl100k


# --- texts in parts ------------------------------------------------------------------------------

PATTERNS = {
    "gpt-2": GPT2_PATTERN,
    "smollm": SMOLLM_PATTERN,
    "cl100k": CL100K_PATTERN,
    "o200k": O200K_PATTERN,
    "words that hold spaces": r"\w+ \w+|\s|\w+|.",
}
parts_of_text = st.lists(
    st.text(st.sampled_from("ab Z7'.\n\t\r!é字\u3000sl"))
    | st.sampled_from(["<|end|>", "<|en", "d|>", "'ll"]),
    max_size=9,
)


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
@given(parts=parts_of_text, allowed=st.sampled_from(["none", "all", {"<|end|>"}]))
def test_parts_encode_as_the_whole(tokenizer, pattern, parts, allowed):
    ours = Tokenizer(tokenizer.vocabulary, pattern, tokenizer.special_tokens, tokenizer.merges)
    whole = ours.encode("".join(parts), allowed)
    assert list(ours.encode_iterable(parts, allowed)) == whole
    assert list(ours.encode_iterable(iter("".join(parts)), allowed)) == whole


def test_a_special_token_with_a_space_is_not_cut():
    ours = Tokenizer({byte: i for i, byte in enumerate(BYTES)}, GPT2_PATTERN, {"the end": 256})
    assert list(ours.encode_iterable(["a the", " end"], "all")) == [97, 32, 256]


def test_a_stream_of_any_length_is_held_a_little_at_a_time(tokenizer):
    read = 0

    def lines():
        nonlocal read
        while True:
            read += 1
            yield "the river ran past the bank\n"

    ids = tokenizer.encode_iterable(lines())
    for n in range(1, 20_000):
        next(ids)
        assert read <= n // 5 + 3  # six words and more a line: no more is read than is given out


# --- kept in a file ------------------------------------------------------------------------------


@pytest.mark.parametrize("with_merges", [True, False])
def test_a_saved_tokenizer_is_the_same(tokenizer, with_merges, tmp_path):
    path = tmp_path / "tokenizer.json"
    merges = tokenizer.merges if with_merges else None
    ours = Tokenizer(tokenizer.vocabulary, GPT2_PATTERN, tokenizer.special_tokens, merges)
    save_tokenizer(ours, path)
    again = load_tokenizer(str(path))
    assert again.__reduce__() == ours.__reduce__()
    assert again.encode(SAMPLE + "<|end|>", "all") == ours.encode(SAMPLE + "<|end|>", "all")
    assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.json"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"format": "another"}', '{"format": "byte-level BPE, 1"}'],
)
def test_files_that_are_no_saved_tokenizer(tmp_path, text):
    path = tmp_path / "tokenizer.json"
    with pytest.raises(FileNotFoundError, match="no file"):
        load_tokenizer(path)
    path.write_text(text)
    with pytest.raises(ValueError, match="no tokenizer that save_tokenizer wrote, or damaged"):
        load_tokenizer(path)


def test_a_cut_file_is_refused(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    save_tokenizer(tokenizer, path)
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole[: len(whole) // 2], encoding="utf-8")
    with pytest.raises(ValueError, match="damaged"):
        load_tokenizer(path)


# --- very long words -----------------------------------------------------------------------------


@given(data=st.data(), with_merges=st.booleans())
@settings(max_examples=200)
def test_long_words_merge_as_short_ones(data, with_merges):
    """Any vocabulary, also those in which a merge makes a pair of lower rank."""
    tokens = st.text("abc", min_size=2, max_size=5).map(str.encode)
    longer = data.draw(st.lists(tokens, unique=True, max_size=12))
    vocabulary = {token: i for i, token in enumerate([b"a", b"b", b"c", *longer])}
    splits = [(token[:i], token[i:]) for token in longer for i in range(1, len(token))]
    merges = [pair for pair in splits if all(half in vocabulary for half in pair)]
    merges = data.draw(st.permutations(merges)) if with_merges else None
    tokenizer = Tokenizer(vocabulary, "(?s).+", merges=merges)
    word = data.draw(st.text("abc", min_size=1, max_size=60))
    letters = [bytes([byte]) for byte in word.encode()]
    expected = [vocabulary[p] for p in merge_by_rank_naive(letters, tokenizer._rank_of)]
    arrays = tokenizer._merge_long(word.encode())
    assert arrays is None or arrays == expected
    assert arrays is not None or longer  # without merges there is nothing to give up at


def test_trained_merges_need_no_other_way(tokenizer):
    word = SAMPLE * 20
    pieces = merge_by_rank([bytes([byte]) for byte in word.encode()], tokenizer._rank_of)
    assert tokenizer._merge_long(word.encode()) == [tokenizer.vocabulary[piece] for piece in pieces]


def test_where_ranks_fall_the_heap_is_asked(monkeypatch):
    # "ab" (rank 4) makes the pair (ab, c) of rank 3, which comes before the next "ab".
    vocabulary = {b"a": 0, b"b": 1, b"c": 2, b"abc": 3, b"ab": 4}
    tokenizer = Tokenizer(vocabulary, "(?s).+")
    monkeypatch.setattr(tokenization, "LONG_WORD", 1)
    assert tokenizer._merge_long(b"abcab") is None
    assert tokenizer.encode("abcab") == [3, 4]
