"""Tokenizers from published files: GGUF metadata and tiktoken's rank files.

Handles byte-level BPE only: no SentencePiece, no WordPiece, no `tokenizer.json`.
"""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from reference_impl.tokenization import Tokenizer

# How text is cut into words, by the name that tokenizer files use. `\s+(?!\S)` leaves the last
# space of a run to the word behind it, because most tokens of words begin with a space.
GPT2_PATTERN = "|".join(
    [
        r"'(?:[sdmt]|ll|ve|re)",  # English contractions
        r" ?\p{L}++",  # letters, and the space in front
        r" ?\p{N}++",  # digits, and the space in front
        r" ?[^\s\p{L}\p{N}]++",  # everything else that can be seen
        r"\s+(?!\S)",
        r"\s+",
    ]
)
# As GPT-2, but every digit is first cut out as a word of its own, so that a run of spaces may end
# at a digit as it may end at the end of the text.
SMOLLM_PATTERN = "|".join(
    [
        r"'(?:[sdmt]|ll|ve|re)",
        r" ?\p{L}++",
        r"\p{N}",
        r" ?[^\s\p{L}\p{N}]++",
        r"\s+(?![^\s\p{N}])",
        r"\s+",
    ]
)
GGUF_PATTERNS = {"gpt-2": GPT2_PATTERN, "gpt2": GPT2_PATTERN, "smollm": SMOLLM_PATTERN}

CONTROL_TOKEN, USER_DEFINED_TOKEN = 3, 4  # GGUF's token types that are never cut up


def unicode_of_bytes() -> dict[int, str]:
    """GPT-2's way to write bytes as visible characters: byte 32, the space, is written 'Ġ'.

    Bytes that are visible in Latin-1 stand for themselves, the others follow from U+0100 on.

    >>> "".join(map(unicode_of_bytes().get, " café".encode()))
    'ĠcafÃ©'
    """
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {
        byte: chr(0x100 + i) for i, byte in enumerate(hidden)
    }


def tokenizer_from_gguf(
    source: str | PathLike | Mapping[str, Any] | Any, pre_tokenizer: str | None = "gpt-2"
) -> Tokenizer:
    """The byte-level BPE tokenizer in a GGUF file's metadata.

    `source` is a path, an open `gguf.GGUFReader`, or the metadata as a mapping. `pre_tokenizer`
    names the pattern that cuts words, one of GGUF_PATTERNS; None takes the name in the file.

    The default gives the ids of transformers, which does not read that name. For SmolLM2 the
    name is "smollm": as in training, each digit is cut out first. The two differ only where
    several spaces or line breaks stand before a digit ("\\n\\n1." is 4 tokens, or 3).

    Raises FileNotFoundError without the file, ValueError where it has no byte-level BPE.
    """
    metadata = _gguf_metadata(source)
    model = metadata.get("tokenizer.ggml.model")
    if model != "gpt2":
        raise ValueError(
            f"tokenizer.ggml.model is {model!r}; want 'gpt2', byte-level BPE: "
            "choose a GGUF file of a model such as SmolLM2"
        )
    tokens, types, merges = (
        _required(metadata, f"tokenizer.ggml.{name}") for name in ("tokens", "token_type", "merges")
    )
    if len(tokens) != len(types):
        raise ValueError(
            f"{len(tokens)} tokens but {len(types)} token types: the file is damaged, get it again"
        )
    vocabulary, special_tokens = {}, {}
    for token_id, (token, kind) in enumerate(zip(tokens, types, strict=True)):
        if kind in (CONTROL_TOKEN, USER_DEFINED_TOKEN):
            special_tokens[token] = token_id
        else:
            vocabulary[_to_bytes(token)] = token_id
    pairs = [tuple(map(_to_bytes, merge.split(" "))) for merge in merges]
    name = pre_tokenizer or _required(metadata, "tokenizer.ggml.pre")
    return Tokenizer(vocabulary, _gguf_pattern(name), special_tokens, pairs)


def _gguf_metadata(source: Any) -> Mapping[str, Any]:
    if isinstance(source, Mapping):
        return source
    if not hasattr(source, "fields"):
        from gguf import GGUFReader  # only this path needs it, and it is slow to import

        path = Path(source)
        if not path.is_file():
            raise FileNotFoundError(f"no file {path}; `make course` installs the course's weights")
        try:
            source = GGUFReader(path)
        except (ValueError, IndexError, KeyError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no complete GGUF file ({error}); get it again") from error
    names = ("model", "pre", "tokens", "token_type", "merges")
    fields = {key: source.fields.get(key) for key in (f"tokenizer.ggml.{name}" for name in names)}
    return {key: field.contents() for key, field in fields.items() if field is not None}


def _required(metadata: Mapping[str, Any], key: str) -> Any:
    if key not in metadata:
        raise ValueError(
            f"no {key} in the GGUF metadata; want a file converted together with its tokenizer"
        )
    return metadata[key]


def _gguf_pattern(name: str) -> str:
    if name not in GGUF_PATTERNS:
        raise ValueError(
            f"unknown pre-tokenizer {name!r}; want one of {sorted(GGUF_PATTERNS)}, "
            "or add its pattern to GGUF_PATTERNS"
        )
    return GGUF_PATTERNS[name]


_CODE_OF_CHAR = {ord(char): byte for byte, char in unicode_of_bytes().items()}


def _to_bytes(token: str) -> bytes:
    """The inverse of `unicode_of_bytes`, for one token."""
    try:
        return token.translate(_CODE_OF_CHAR).encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(
            f"token {token!r} is not written in GPT-2's byte alphabet; "
            "want a byte-level BPE vocabulary"
        ) from None
