"""tokenization/byte_ids: a text as the numbers of its bytes."""

import unicodedata

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.tokenization.draw import LETTERS, random_word

LINK = "tokenization-bytes"
TWO, THREE, FOUR = "äéñøßжωЩ", "नไ中語한€", "😀🐯🚲𝄞"  # characters of so many bytes


def cases(rng: np.random.Generator) -> list[Case]:
    """Characters of one to four bytes, each alone and together; marks, spaces, nothing."""
    word = random_word(rng, LETTERS, 7)
    two, three, four = (str(rng.choice(list(kind))) for kind in (TWO, THREE, FOUR))
    return [
        Case("a word of English letters", {"text": word}, name="ascii"),
        Case("the same word in capitals", {"text": word.upper()}, name="capitals"),
        Case("one character of two bytes", {"text": two}),
        Case("one character of three bytes", {"text": three}),
        Case("one character of four bytes", {"text": four}),
        Case("characters of all lengths", {"text": word + four + two + three + two}),
        Case("a letter and a combining accent", {"text": f"{word}e\u0301"}),
        Case("spaces and line breaks at the ends", {"text": f"  {word}\t{two}\n\n"}),
        Case("the same letter five times", {"text": word[0] * 5}),
        Case("a text without characters", {"text": ""}),
        Case("the character 0", {"text": f"{word}\0"}),
    ]


# --- right in other ways ---------------------------------------------------------------------


def with_a_loop(text):
    """Character by character, byte by byte."""
    ids = []
    for character in text:
        for byte in character.encode():
            ids.append(byte)
    return ids


def by_arithmetic(text):
    """UTF-8 written out: how many bytes, and six bits in each of the later ones."""
    ids = []
    for code in map(ord, text):
        if code < 0x80:
            ids.append(code)
        elif code < 0x800:
            ids += [0xC0 | code >> 6, 0x80 | code & 0x3F]
        elif code < 0x10000:
            ids += [0xE0 | code >> 12, 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F]
        else:
            rest = [0x80 | code >> shift & 0x3F for shift in (12, 6, 0)]
            ids += [0xF0 | code >> 18, *rest]
    return ids


def by_numpy(text):
    """The buffer of the bytes read as an array."""
    return np.frombuffer(text.encode("utf8"), dtype=np.uint8).tolist()


# --- wrong in known ways -----------------------------------------------------------------------


def normalised(text):
    """Accents joined with their letters first."""
    return list(unicodedata.normalize("NFC", text).encode())


ENCODED = 'text.encode("utf-8")'
ANSWER = f"list({ENCODED})"

MISCONCEPTIONS = (
    Misconception(
        "code-points",
        "These are the characters' numbers in Unicode, one for each character. A byte is less than "
        "256: outside English letters a character is two to four of them.",
        LINK,
        {ANSWER: "[ord(character) for character in text]"},
    ),
    Misconception(
        "utf-16",
        "These are bytes of another encoding, UTF-16, which needs two even for an English letter. "
        "Asked for is UTF-8.",
        LINK,
        {ENCODED: 'text.encode("utf-16-le")'},
    ),
    Misconception(
        "latin-1",
        "Every character became one byte, and those that have none in Latin-1 became question "
        "marks. In UTF-8 no character is lost.",
        LINK,
        {ENCODED: 'text.encode("latin-1", errors="replace")'},
    ),
    Misconception(
        "only-ascii",
        "Characters outside English letters have vanished. Every character has bytes in UTF-8.",
        LINK,
        {ENCODED: 'text.encode("ascii", errors="ignore")'},
    ),
    Misconception(
        "byte-order-mark",
        "Three bytes stand in front that are not in the text: a mark that some programs put at the "
        "start of a file.",
        LINK,
        {ENCODED: 'text.encode("utf-8-sig")'},
    ),
    Misconception(
        "bytes-and-no-list",
        "This is a bytes object. Asked for is a list of the numbers in it.",
        LINK,
        {ANSWER: ENCODED},
    ),
    Misconception(
        "hexadecimal-text",
        "The bytes are written as text, in hexadecimal. Asked for are whole numbers, which can be "
        "rows of a table.",
        LINK,
        {ANSWER: f'[f"{{byte:02x}}" for byte in {ENCODED}]'},
    ),
    Misconception(
        "a-list-for-each-character",
        "Each character has a list of its own. A model reads one flat list: it does not know where "
        "a character begins.",
        LINK,
        {ANSWER: "[list(character.encode()) for character in text]"},
    ),
    Misconception(
        "how-many-bytes",
        "These are the numbers of bytes that each character has. Asked for are the bytes "
        "themselves.",
        LINK,
        {ANSWER: "[len(character.encode()) for character in text]"},
    ),
    Misconception(
        "each-byte-once",
        "A byte that comes again is missing, or the order is lost. The list has one number for "
        "every byte, in the order of the text.",
        LINK,
        {ANSWER: f"sorted(set({ENCODED}))"},
    ),
    Misconception(
        "stripped",
        "Spaces or line breaks at the ends are missing. They are characters like others: without "
        "them the text cannot come back.",
        LINK,
        {ENCODED: 'text.strip().encode("utf-8")'},
    ),
    Misconception(
        "small-letters",
        "Capital letters became small ones. Those are other bytes, and the text cannot come back.",
        LINK,
        {ENCODED: 'text.lower().encode("utf-8")'},
    ),
    Misconception(
        "normalised",
        "A letter with a combining accent became one character. Looking the same is not being the "
        "same: bytes are taken as they are.",
        LINK,
        answer=normalised,
    ),
)


def capitals_differ(small, capitals) -> bool:
    """Other characters, other bytes."""
    return small != capitals


EXERCISE = Exercise(
    id="tokenization/byte_ids",
    callable="byte_ids",
    title="A text as bytes",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_a_loop, by_arithmetic, by_numpy),
    properties=(
        Property(
            "capitals-are-other-bytes",
            "A word in small and in capital letters should have different bytes; yours are the "
            "same.",
            LINK,
            ("ascii", "capitals"),
            capitals_differ,
        ),
    ),
)
