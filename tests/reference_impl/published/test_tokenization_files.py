"""Reading tokenizer files: small files made here, good and bad, and what the errors say."""

import gzip
from base64 import b64encode
from pathlib import Path

import pytest

from reference_impl.published import tokenizer_files
from reference_impl.published.tokenizer_files import (
    GGUF_PATTERNS,
    bytes_of_unicode,
    read_ranks,
    tokenizer_from_gguf,
    tokenizer_from_tiktoken,
    unicode_of_bytes,
)
from reference_impl.tokenization.tokenization import Tokenizer

CONTROL, NORMAL, USER = 3, 1, 4


def metadata(**changes) -> dict:
    """A tiny tokenizer as GGUF metadata: ids 0 to 6, of which 0 and 6 are special."""
    whole = {
        "model": "gpt2",
        "pre": "smollm",
        "tokens": ["<|end|>", "Ġ", "a", "b", "ab", "Ġab", "<user>"],
        "token_type": [CONTROL, NORMAL, NORMAL, NORMAL, NORMAL, NORMAL, USER],
        "merges": ["a b", "Ġ ab"],
    } | changes
    return {f"tokenizer.ggml.{key}": value for key, value in whole.items() if value is not None}


def write_ranks(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def line(token: bytes, rank: int | str) -> str:
    return f"{b64encode(token).decode()} {rank}"


def test_bytes_and_their_signs():
    signs = unicode_of_bytes()
    assert len(set(signs.values())) == 256
    assert all(sign.isprintable() and not sign.isspace() for sign in signs.values())
    assert bytes_of_unicode(signs.values()) == [bytes([byte]) for byte in signs]


def test_gguf_metadata():
    tokenizer = tokenizer_from_gguf(metadata())
    assert tokenizer.special_tokens == {"<|end|>": 0, "<user>": 6}
    assert tokenizer.encode("ab ab<|end|>b<user>", "all") == [4, 5, 0, 3, 6]
    assert tokenizer.decode([4, 5, 0, 3, 6]) == "ab ab<|end|>b<user>"
    assert tokenizer.vocab_size == 7


def test_gguf_pre_tokenizer_is_the_callers_or_the_files():
    for name in ("gpt-2", "smollm"):
        chosen = tokenizer_from_gguf(metadata(), pre_tokenizer=name)
        assert chosen.pattern.pattern == GGUF_PATTERNS[name]
        of_file = tokenizer_from_gguf(metadata(pre=name))
        assert of_file.pattern.pattern == GGUF_PATTERNS[name]


def test_gguf_reader_path_and_metadata_give_one_tokenizer(tmp_path):
    gguf = pytest.importorskip("gguf")
    path = tmp_path / "tiny.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    tiny = metadata()
    writer.add_token_list(tiny["tokenizer.ggml.tokens"])
    writer.add_token_types(tiny["tokenizer.ggml.token_type"])
    writer.add_token_merges(tiny["tokenizer.ggml.merges"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    for source in (path, str(path), gguf.GGUFReader(path)):
        tokenizer = tokenizer_from_gguf(source)
        expected = tokenizer_from_gguf(tiny)
        assert tokenizer.__reduce__() == expected.__reduce__()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "llama"}, "model is 'llama'; want 'gpt2'"),
        ({"model": None}, "model is None; want 'gpt2'"),
        ({"merges": None}, "no tokenizer.ggml.merges in the GGUF metadata"),
        ({"tokens": None}, "no tokenizer.ggml.tokens"),
        ({"pre": None}, "no tokenizer.ggml.pre"),
        ({"pre": "klingon"}, r"'klingon'; want one of \[.*'smollm'"),
        ({"token_type": [1]}, "7 tokens but 1 token types"),
        ({"merges": ["a b", "ab"]}, "merge 'ab' is not two tokens"),
        ({"merges": ["a Ġ"]}, "b'a' [+] b' ' makes no token"),
        ({"tokens": ["<|end|>", "Ġ", "a", "b", "a b", "Ġab", "<user>"]}, "' ' in a token is not"),
        ({"tokens": ["<|end|>", "Ġ", "a", "b", "漢", "Ġab", "<user>"]}, "'漢' in a token is not"),
        (
            {"tokens": ["<|end|>", "Ġ", "a", "b", "a", "Ġab", "<user>"]},
            "token 'a' has ids 2 and 4",
        ),
    ],
)
def test_bad_gguf_metadata(changes, message):
    with pytest.raises(ValueError, match=message):
        tokenizer_from_gguf(metadata(**changes))


def test_bad_gguf_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file .*none.gguf; `make course`"):
        tokenizer_from_gguf(tmp_path / "none.gguf")
    (tmp_path / "text.gguf").write_text("not a GGUF file")
    with pytest.raises(ValueError, match="text.gguf is not a GGUF file"):
        tokenizer_from_gguf(tmp_path / "text.gguf")


def test_read_ranks(tmp_path):
    lines = [line(b"a", 0), line(b"\xff ", 1), "", line(b"a\xff ", 2)]
    expected = {b"a": 0, b"\xff ": 1, b"a\xff ": 2}
    assert read_ranks(write_ranks(tmp_path / "plain.tiktoken", *lines)) == expected
    packed = tmp_path / "packed.tiktoken.gz"
    packed.write_bytes(gzip.compress("\r\n".join(lines).encode()))
    assert read_ranks(str(packed)) == expected


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([line(b"a", 0), "YQ= 1"], r"line 2: b'YQ= 1' is not a token in base64"),
        ([line(b"a", 0), line(b"b", 1), "Y?==\t2"], r"line 3: .* is not a token in base64"),
        ([line(b"a", 0), "Yg=="], r"line 2: b'Yg==' is not .* its rank"),
        ([line(b"a", 0), line(b"b", "x")], "line 2: .*invalid literal"),
        ([line(b"a", 0), line(b"b", -1)], "line 2: .*rank -1 is negative"),
        ([line(b"a", 0), line(b"b", 1), line(b"c", 1)], "rank 1 was given before, on line 2"),
        ([line(b"a", 0), line(b"b", 1), line(b"a", 2)], "token b'a' .* before, on line 1"),
        (["<html><body>Not found</body></html>"], "line 1: .* is not a token in base64"),
        ([""], "has no ranks"),
    ],
)
def test_bad_rank_files(tmp_path, lines, message):
    path = write_ranks(tmp_path / "bad.tiktoken", *lines)
    with pytest.raises(ValueError, match=message) as caught:
        read_ranks(path)
    assert str(path) in str(caught.value)


def test_missing_and_damaged_rank_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no rank file .*none.tiktoken"):
        read_ranks(tmp_path / "none.tiktoken")
    with pytest.raises(FileNotFoundError, match="no rank file"):
        tokenizer_from_tiktoken("cl100k_base", tmp_path)
    packed = gzip.compress(b"".join(b"%d" % i for i in range(1000)))
    for damaged in (packed[:-20], packed[:20] + b"\x00\xff" * 50, packed[:12]):
        (tmp_path / "damaged.gz").write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged gzip"):
            read_ranks(tmp_path / "damaged.gz")


def test_a_rank_file_cut_short_is_refused(tmp_path):
    path = write_ranks(tmp_path / "short.tiktoken", line(b"a", 0), line(b"b", 1))
    with pytest.raises(ValueError, match="short.tiktoken has 2 ranks where o200k_base has 199998"):
        tokenizer_from_tiktoken("o200k_base", path)


def test_unknown_encoding():
    with pytest.raises(ValueError, match="'cl200k'; want one of .*'cl100k_base', 'o200k_base'"):
        tokenizer_from_tiktoken("cl200k")


def test_a_rank_file_by_path(tmp_path):
    # GPT-2's size and pattern; the tokens are the bytes, two words and made-up ones.
    ranks = [bytes([byte]) for byte in range(256)] + [b" t", b"he", b" the"]
    ranks += [b"\x00" * 3 + str(i).encode() for i in range(50256 - len(ranks))]
    path = write_ranks(tmp_path / "r50k.tiktoken", *(line(t, i) for i, t in enumerate(ranks)))
    tokenizer = tokenizer_from_tiktoken("r50k_base", path)
    assert isinstance(tokenizer, Tokenizer)
    assert tokenizer.encode(" the 12<|endoftext|>", "all") == [258, 32, 49, 50, 50256]
    assert tokenizer.vocab_size == 50257


def test_without_installed_ranks_tiktoken_is_asked(monkeypatch):
    openai_public = pytest.importorskip("tiktoken_ext.openai_public")
    monkeypatch.setattr(tokenizer_files, "find_spec", lambda package: None)

    def offline(*_, **__):
        raise ConnectionError("no network")

    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", offline)
    with pytest.raises(
        FileNotFoundError, match="no ranks of o200k_base are installed .*no network"
    ):
        tokenizer_from_tiktoken("o200k_base")
    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", lambda *_, **__: {b"a": 0})
    with pytest.raises(ValueError, match="o200k_base has 1 ranks"):
        tokenizer_from_tiktoken("o200k_base")
