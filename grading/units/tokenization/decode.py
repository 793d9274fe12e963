"""tokenization/decode: token ids back to text, whatever the ids are."""

import codecs

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.tokenization.draw import LETTERS, random_word, ranks_of

LINK = "tokenization-bytes"
SPECIAL = "tokenization-special"
END = "<|end|>"


def cases(rng: np.random.Generator) -> list[Case]:
    """Whole characters, characters over several tokens, bytes that are no text, special tokens."""
    a, b = (random_word(rng, LETTERS, 5).encode() for _ in range(2))
    byte = [bytes([value]) for value in rng.permutation(256).tolist()]
    joined = list(
        dict.fromkeys([a + b"q", b" " + b + b"w", "é".encode(), b"\xa4\xa8x", b" \xe0\xa4"])
    )
    ranks = ranks_of(byte, joined, start=int(rng.integers(1, 12)))
    draw = _Draw(ranks, {END: max(ranks.values()) + 3, "<|été|>": max(ranks.values()) + 5})
    return [
        draw("one token", [joined[0]]),
        draw("a word, a space and a word", [joined[0], joined[1]]),
        draw("the same tokens in the other order", [joined[1], joined[0]]),
        draw("the same token three times", [joined[0]] * 3),
        draw("spaces and line breaks at the ends", [b" ", joined[0], b"\n", b"\n"]),
        draw("a character whose bytes are two tokens", [b"\xc3", b"\xa9"], name="two"),
        draw("a character that two longer tokens share", [b" \xe0\xa4", b"\xa4\xa8x"]),
        draw("a character whose bytes are four tokens", [b"\xf0", b"\x9f", b"\x90", b"\xaf"]),
        draw("half a character at the end", [joined[0], b"\xc3"], name="half"),
        draw("half a character between two tokens", [joined[0], b"\xe0\xa4", joined[1]]),
        draw("a byte that no text has", [joined[0], b"\xff", joined[1]], name="no text"),
        draw("the bytes of a character the other way round", [b"\xa9", b"\xc3"]),
        draw("a special token", [joined[0], END, joined[1]], name="special"),
        draw("a special token that is not English", ["<|été|>", joined[0]]),
        draw("a special token inside a character", [b"\xc3", END, b"\xa9"]),
        draw("no ids", []),
        draw("an id that no token has", [joined[0], None], name="unknown"),
        draw("a negative id", [joined[0], -1]),
    ]


class _Draw:
    """Cases with one table of ranks and special tokens."""

    def __init__(self, ranks, special):
        self.ranks, self.special = ranks, special

    def __call__(self, says, tokens, name="") -> Case:
        inputs = {"ids": [i for t in tokens for i in self._ids(t)], "ranks": self.ranks}
        return Case(says, {**inputs, "special_tokens": self.special}, name=name)

    def _ids(self, token) -> list[int]:
        if token is None:
            return [max(self.special.values()) + 1]
        if isinstance(token, int):
            return [token]
        if isinstance(token, str):
            return [self.special[token]]
        whole = self.ranks.get(token)
        return [whole] if whole is not None else [self.ranks[bytes([byte])] for byte in token]


# --- right in other ways ---------------------------------------------------------------------


def by_searching(ids, ranks, special_tokens):
    """Lists of ids and tokens side by side."""
    tokens = [*ranks, *(token.encode() for token in special_tokens)]
    numbers = [*ranks.values(), *special_tokens.values()]
    data = bytearray()
    for number in ids:
        if number not in numbers:
            raise ValueError(number)
        data.extend(tokens[numbers.index(number)])
    return str(data, "utf8", "replace")


def with_a_decoder(ids, ranks, special_tokens):
    """A decoder that keeps half characters until the rest comes."""
    turned = dict(zip(ranks.values(), ranks.keys(), strict=True))
    names = {number: token for token, number in special_tokens.items()}
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = ""
    for number in ids:
        try:
            token = names[number].encode() if number in names else turned[number]
        except KeyError:
            raise ValueError(f"no id {number}") from None
        text += decoder.decode(token)
    return text + decoder.decode(b"", final=True)


def with_a_table(ids, ranks, special_tokens):
    """One dictionary of both kinds, and an error of its own."""
    table = {}
    table.update((number, token) for token, number in ranks.items())
    table.update((number, bytes(token, "utf-8")) for token, number in special_tokens.items())
    if set(ids) <= set(table):
        return b"".join(map(table.get, ids)).decode(errors="replace")
    raise ValueError("unknown id")


# --- wrong in known ways -----------------------------------------------------------------------


def by_place(ids, ranks, special_tokens):
    """Ids as places in a list of all tokens."""
    tokens = [*ranks, *(token.encode() for token in special_tokens)]
    if any(not 0 <= token_id < len(tokens) for token_id in ids):
        raise ValueError("no such place")
    return b"".join(tokens[token_id] for token_id in ids).decode(errors="replace")


RAISE = "if unknown:"
JOIN = 'b"".join(bytes_of[token_id] for token_id in ids)'
REPLACE = 'data.decode("utf-8", errors="replace")'

MISCONCEPTIONS = (
    Misconception(
        "strict",
        "Bytes that are not UTF-8 stop everything. A model may write half a character, or be cut "
        "off inside one: such bytes become U+FFFD.",
        LINK,
        {REPLACE: 'data.decode("utf-8")'},
    ),
    Misconception(
        "token-by-token",
        "Each token is made into text by itself, so that a character whose bytes are two tokens is "
        "lost. Join all bytes first.",
        LINK,
        {
            JOIN: "[bytes_of[token_id] for token_id in ids]",
            REPLACE: '"".join(token.decode("utf-8", errors="replace") for token in data)',
        },
    ),
    Misconception(
        "bad-bytes-left-out",
        "Bytes that are not UTF-8 vanish without a trace. They become U+FFFD, so that the reader "
        "sees that something is missing.",
        LINK,
        {'errors="replace"': 'errors="ignore"'},
    ),
    Misconception(
        "bad-bytes-written-out",
        "Bytes that are not UTF-8 are written as \\x and their number. They become the one "
        "character U+FFFD.",
        LINK,
        {'errors="replace"': 'errors="backslashreplace"'},
    ),
    Misconception(
        "latin-1",
        "Every byte became one character, so that é is two. The bytes are UTF-8.",
        LINK,
        {REPLACE: 'data.decode("latin-1")'},
    ),
    Misconception(
        "spaces-between-tokens",
        "There are spaces between the tokens. A token that begins a word has its space in it "
        "already.",
        "tokenization-words",
        {JOIN: 'b" ".join(bytes_of[token_id] for token_id in ids)'},
    ),
    Misconception(
        "special-tokens-left-out",
        "Special tokens are missing from the text. Here they come back as their own text; a chat "
        "program may hide them afterwards.",
        SPECIAL,
        {JOIN: 'b"".join(bytes_of[i] for i in ids if i not in special_tokens.values())'},
    ),
    Misconception(
        "special-tokens-unknown",
        "A special token is refused as if its id were unknown. It is in the other table.",
        SPECIAL,
        {"bytes_of[token_id] = token.encode": "bytes_of[-2 - token_id] = token.encode"},
    ),
    Misconception(
        "ids-as-places",
        "The ids are taken for places in a list of the tokens. A table may begin at another number "
        "than 0 and have gaps, mostly before the special tokens: turn the tables round.",
        LINK,
        answer=by_place,
    ),
    Misconception(
        "unknown-ids-left-out",
        "An id that no token has is passed over. It is a sign that tokenizer and model do not "
        "belong together: raise a ValueError.",
        LINK,
        {RAISE: "if False:", JOIN: 'b"".join(bytes_of.get(token_id, b"") for token_id in ids)'},
    ),
    Misconception(
        "unknown-ids-replaced",
        "An id that no token has becomes U+FFFD, as if it were a bad byte. It is a sign that "
        "tokenizer and model do not belong together: raise a ValueError.",
        LINK,
        {
            RAISE: "if False:",
            JOIN: 'b"".join(bytes_of.get(token_id, b"\\xff") for token_id in ids)',
        },
    ),
    Misconception(
        "another-kind-of-error",
        "An id that no token has stops with another error than the ValueError that the docstring "
        "promises.",
        LINK,
        {RAISE: "if False:"},
    ),
    Misconception(
        "stripped",
        "Spaces or line breaks at the ends are missing. They are part of the text.",
        LINK,
        {REPLACE: f"{REPLACE}.strip()"},
    ),
    Misconception(
        "bytes-and-no-text",
        "These are the bytes. Asked for is the text that they spell.",
        LINK,
        {REPLACE: "data"},
    ),
    Misconception(
        "list-of-tokens",
        "This is a list, with a text for each token. Asked for is one text.",
        LINK,
        {REPLACE: '[bytes_of[i].decode("utf-8", errors="replace") for i in ids]'},
    ),
)


def one_mark(half, no_text) -> bool:
    """What is no text is marked."""
    return "\ufffd" in half and "\ufffd" in no_text


def whole_character(two) -> bool:
    """Two tokens, one character."""
    return len(two) == 1 and two != "\ufffd"


EXERCISE = Exercise(
    id="tokenization/decode",
    callable="decode",
    title="From ids to text",
    parts={"all": 2},
    minutes=8,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    equivalent={
        "`ids` for `token_id` (2)": "only the words of the error change",
        "`token` for `token_id` (2)": "only the words of the error change",
    },
    alternatives=(by_searching, with_a_decoder, with_a_table),
    properties=(
        Property(
            "bad-bytes-are-marked",
            "Half a character, or a byte that no text has, should leave the mark U+FFFD; in your "
            "text there is none.",
            LINK,
            ("half", "no text"),
            one_mark,
        ),
        Property(
            "two-tokens-one-character",
            "Two tokens that are the two bytes of é should become that one character; yours become "
            "something else.",
            LINK,
            ("two",),
            whole_character,
        ),
    ),
)
