"""The plain functions give the ids of the fast tokenizer, of tiktoken and of a chat template."""

import numpy as np
import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.fine_tuning.chat import render_chat
from reference_impl.published.tokenizer_files import (
    CL100K_PATTERN,
    GPT2_PATTERN,
    tokenizer_from_gguf,
    tokenizer_from_tiktoken,
)
from reference_impl.published.weights import open_weights
from reference_impl.tokenization.declaration import load_declaration
from reference_impl.tokenization.plain import byte_ids, decode, encode, encode_message, encode_word

SPECIAL = {"<|end|>": 7, "<|end|>!": 9}
SMALL = {b"a": 0, b"b": 1, b" ": 2, b" a": 3, b"ab": 4, b"\xc3": 5, b"\xa9": 6}


@pytest.fixture(scope="module")
def cl100k():
    return tokenizer_from_tiktoken("cl100k_base")


@pytest.fixture(scope="module")
def smollm2():
    return tokenizer_from_gguf(open_weights())


@pytest.fixture(scope="module")
def articles():
    """One short piece of each language."""
    return [texts[0][:60] for texts in load_declaration().values()]


def test_cl100k_as_tiktoken_has_it(cl100k, articles):
    ranks = cl100k.vocabulary
    theirs = tiktoken.Encoding(
        "cl100k", pat_str=CL100K_PATTERN, mergeable_ranks=ranks, special_tokens={}
    )
    for text in articles:
        assert encode(text, ranks, CL100K_PATTERN, {}) == theirs.encode_ordinary(text)


def test_ranks_of_gpt2_are_those_of_gpt2(articles):
    ours = tokenizer_from_tiktoken("r50k_base")
    assert ours.encode("Hello world") == [15496, 995]
    for text in articles[:9]:
        ids = encode(text, ours.vocabulary, GPT2_PATTERN, {})
        assert ids == ours.encode(text) and decode(ids, ours.vocabulary, {}) == text


def test_ids_of_smollm2_are_ranks_too(smollm2, articles):
    joined = [smollm2.vocabulary[left + right] for left, right in smollm2.merges]
    assert joined == sorted(joined)
    pattern = smollm2.pattern.pattern
    for text in articles:
        assert encode(text, smollm2.vocabulary, pattern, {}) == smollm2.encode(text)


def test_a_message_is_that_of_the_template(smollm2):
    pattern, special = smollm2.pattern.pattern, smollm2.special_tokens
    for content in ("Hi", "\n\nTwo lines\n", "", "12 + 3"):
        messages = [{"role": "system", "content": content}]
        ours = encode_message("system", content, smollm2.vocabulary, pattern, special)
        chat = render_chat(messages, add_generation_prompt=False)
        assert ours == smollm2.encode(chat, allowed_special="all")


def test_nothing_in_a_message_is_special(smollm2):
    pattern, special = smollm2.pattern.pattern, smollm2.special_tokens
    ids = encode_message("user", "".join(special), smollm2.vocabulary, pattern, special)
    assert sum(i in special.values() for i in ids) == 2
    assert "".join(special) in decode(ids, smollm2.vocabulary, special)


def test_leftmost_then_longest_special_token():
    assert encode("ab<|end|>!<|end|>a", SMALL, r" ?\w+", SPECIAL) == [4, 9, 7, 0]
    assert encode("<|end|>", SMALL, r".", {}) == []  # none of these bytes has a rank


@given(st.lists(st.integers(0, 6), max_size=20))
def test_decode_takes_any_row_of_ids(ids):
    assert isinstance(decode(ids, SMALL, {}), str)


def test_decode_joins_bytes_before_it_reads_them():
    assert decode([5, 6], SMALL, {}) == "é" and decode([6, 5], SMALL, {}) == "\ufffd\ufffd"
    with pytest.raises(ValueError, match="no token has the id 8"):
        decode([0, 8], SMALL, SPECIAL)


@given(st.text(max_size=30))
def test_bytes_are_those_of_utf8(text):
    assert bytes(byte_ids(text)).decode() == text


@given(st.text(alphabet="ab ", max_size=20))
def test_a_word_as_the_fast_tokenizer_has_it(text):
    from reference_impl.tokenization.tokenization import Tokenizer

    fast = Tokenizer(SMALL, r"(?s:.+)", merges=[(b" ", b"a"), (b"a", b"b")])
    assert encode_word(text.encode(), SMALL) == fast.encode(text)


def test_random_ids_of_a_published_table(cl100k):
    ids = np.random.default_rng(0).choice(list(cl100k.vocabulary.values()), size=200).tolist()
    data = cl100k.decode_bytes(ids)
    assert decode(ids, cl100k.vocabulary, {}) == data.decode(errors="replace")
