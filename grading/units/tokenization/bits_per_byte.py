"""tokenization/bits_per_byte: a loss that does not depend on how the text was cut."""

import math

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.tokenization.draw import LETTERS, random_word

LINK = "tokenization-bits-per-byte"


def cases(rng: np.random.Generator) -> list[Case]:
    """One token, several, characters of several bytes, a perfect guess; nothing."""
    word, other = random_word(rng, LETTERS, 7) + "a", random_word(rng, LETTERS, 5) + "b"
    nats = rng.uniform(0.1, 4, size=7).round(3).tolist()
    halves = [half for value in nats for half in (value / 2, value / 2)]
    return [
        _case("one token", nats[:1], word),
        _case("several tokens of English letters", nats, f"{word} {other} {word}", "whole"),
        _case("the same text cut into twice as many", halves, f"{word} {other} {word}", "halves"),
        _case("characters of two bytes", nats[:3], "жизньé"),
        _case("characters of three and four bytes", nats[:5], "नम🐯 中"),
        _case("a text with line breaks and spaces", nats[:4], f" {word}\n\n {other}\n"),
        _case("tokens with small losses", [value / 1000 for value in nats], word),
        _case("tokens with large losses", [value * 100 for value in nats], word),
        _case("losses of 0", [0.0, 0.0, 0.0], word),
        _case("one byte", nats[:1], "q"),
        _case("a text without characters", nats[:1], ""),
        _case("no tokens and no characters", [], ""),
    ]


def _case(says, nats, text, name="") -> Case:
    return Case(says, {"nats": nats, "text": text}, name=name)


# --- right in other ways ---------------------------------------------------------------------


def with_numpy(nats, text):
    """An array of losses in bits."""
    n_bytes = np.frombuffer(text.encode(), dtype=np.uint8).size
    if n_bytes == 0:
        raise ValueError("no text")
    return float((np.asarray(nats) / np.log(2)).sum() / n_bytes)


def by_probabilities(nats, text):
    """Mean loss, tokens per byte, base of the logarithm; one after the other."""
    if not text:
        raise ValueError("no text")
    per_token = math.fsum(nats) / len(nats)
    tokens_per_byte = len(nats) / len(bytes(text, "utf-8"))
    return per_token * tokens_per_byte * math.log2(math.e)


def by_a_loop(nats, text):
    """Bits added up one token at a time."""
    size = sum(len(character.encode()) for character in text)
    if size < 1:
        raise ValueError(text)
    bits = 0.0
    for loss in nats:
        bits += loss / math.log(2)
    return bits / size


# --- wrong in known ways -----------------------------------------------------------------------

BYTES, SUM, LN2 = 'text.encode("utf-8")', "sum(nats)", "math.log(2)"
CHECK = "if not text:"

MISCONCEPTIONS = (
    Misconception(
        "bits-per-character",
        "The number of characters is divided by. In many scripts a character is three bytes, and "
        "their text would look three times as hard.",
        LINK,
        {BYTES: "text"},
    ),
    Misconception(
        "nats-per-byte",
        "These are nats. A bit is ln 2 = 0.69 of a nat, so there are more bits than nats.",
        LINK,
        {f"{LN2} * ": ""},
    ),
    Misconception(
        "multiplied-by-ln-2",
        "The losses are multiplied by ln 2. A bit is the smaller unit, so there are more of them: "
        "divide.",
        LINK,
        {f"{SUM} / ({LN2} * n_bytes)": f"{SUM} * {LN2} / n_bytes"},
    ),
    Misconception(
        "bits-per-token",
        "These are bits for each token. A tokenizer with long tokens would look worse on the same "
        "text: divide the bits of all tokens by the bytes of the text.",
        LINK,
        {f"{SUM} / ({LN2} * n_bytes)": f"{SUM} / ({LN2} * len(nats))"},
    ),
    Misconception(
        "mean-over-bytes",
        "The mean loss of a token is divided by the number of bytes. The bytes belong to all "
        "tokens together: add the losses up.",
        LINK,
        {SUM: "sum(nats) / len(nats)"},
    ),
    Misconception(
        "bits-of-the-whole-text",
        "These are the bits of the whole text. Divided by its bytes they can be compared with "
        "those of another text.",
        LINK,
        {f"({LN2} * n_bytes)": LN2},
    ),
    Misconception(
        "decimal-logarithm",
        "The losses are divided by log 10 instead of ln 2. A bit is a choice between two.",
        LINK,
        {LN2: "math.log(10)"},
    ),
    Misconception(
        "logarithm-of-a-logarithm",
        "The logarithm is taken of the losses. They are logarithms already: only the unit changes.",
        LINK,
        {f"{SUM} / ({LN2} * n_bytes)": "sum(math.log2(x) for x in nats) / n_bytes"},
    ),
    Misconception(
        "perplexity",
        "This is an exponential, as for perplexity. Bits per byte is a plain sum of losses, in "
        "bits, over the bytes.",
        LINK,
        {f"return {SUM} / ({LN2} * n_bytes)": f"return math.exp({SUM} / n_bytes)"},
    ),
    Misconception(
        "utf-16",
        "The bytes are counted in another encoding, in which an English letter has two or four. "
        "Count those of UTF-8.",
        LINK,
        {BYTES: 'text.encode("utf-16-le")'},
    ),
    Misconception(
        "bytes-for-each-bit",
        "The fraction is turned round: bytes for each bit.",
        LINK,
        {f"{SUM} / ({LN2} * n_bytes)": f"({LN2} * n_bytes) / ({SUM} or 1)"},
    ),
    Misconception(
        "spaces-not-counted",
        "Spaces and line breaks are left out of the bytes. The model had to guess them too.",
        LINK,
        {BYTES: '"".join(text.split()).encode()'},
    ),
    Misconception(
        "another-kind-of-error",
        "A text without bytes stops with another error than the ValueError that the docstring "
        "promises, or gives a number.",
        LINK,
        {CHECK: "if False:"},
    ),
    Misconception(
        "nats-of-the-whole-text",
        "This is the loss of the whole text, in nats. Asked for are bits, and for one byte.",
        LINK,
        {f"{SUM} / ({LN2} * n_bytes)": SUM},
    ),
)


def cut_does_not_matter(whole, halves) -> bool:
    """The same total loss on the same text."""
    return bool(np.isclose(whole, halves))


EXERCISE = Exercise(
    id="tokenization/bits_per_byte",
    callable="bits_per_byte",
    title="Bits per byte",
    parts={"all": 1},
    minutes=6,
    difficulty="easy",
    link=LINK,
    cases=cases,
    arrays="numpy",
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_numpy, by_probabilities, by_a_loop),
    properties=(
        Property(
            "the-cut-does-not-matter",
            "The same text, cut into twice as many tokens of half the loss, should need as many "
            "bits for a byte; by yours it does not.",
            LINK,
            ("whole", "halves"),
            cut_does_not_matter,
        ),
    ),
)
