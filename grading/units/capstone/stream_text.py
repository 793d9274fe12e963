"""capstone/stream_text: text as it comes, and never half a character."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.capstone import drive

LINK = "capstone-stream"
WORDS = [b"the", b" tiger", b" is", b" far", b",", b" and", b" cold", b"\n", b" "]
SIGNS = ["é", "ß", "ж", "你", "က", "€", "🐯", "😀", "𝄞"]


def cases(rng: np.random.Generator) -> list[Case]:
    """Whole words, characters of two to four tokens, broken ones, and a real U+FFFD."""
    words = [WORDS[i] for i in rng.permutation(len(WORDS))]
    two, three, four = (SIGNS[3 * n + int(rng.integers(3))] for n in range(3))
    two, three, four = (sign.encode() for sign in (two, three, four))

    def case(says, tokens, name=""):
        order = rng.permutation(len(tokens)).tolist()  # ids say nothing of the order
        shuffled = [tokens[i] for i in order]
        ids = [order.index(i) for i in range(len(tokens))]
        return Case(says, {"tokens": shuffled, "ids": ids}, name=name)

    def bytes_of(*signs):
        return [bytes([byte]) for sign in signs for byte in sign]

    return [
        case("words", words[:5], "words"),
        case("one word", words[:1]),
        case("no tokens", []),
        case("a character of two tokens", [words[0], *bytes_of(two), words[1]], "two"),
        case("a character of three tokens", [words[0], *bytes_of(three), words[1]]),
        case("a character of four tokens", [words[0], *bytes_of(four), words[1]]),
        case("a character over two longer tokens", [b"a" + four[:2], four[2:] + b"b", words[2]]),
        case("two such characters", bytes_of(four, three)),
        case("a text that ends in half a character", [words[0], *bytes_of(four)[:2]], "half"),
        case("half a character with text in front", [words[0], b"x" + three[:2]]),
        case("half a character, then a word", [words[0], three[:2], words[1], words[2]]),
        case("bytes that are no character", [words[0], b"\xff", b"\xfe", words[1]]),
        case("a byte that is no character, then words", [b"\xff", words[0], words[1]]),
        case("bytes that are no character, and the end", [words[0], b"\xff", b"\xfe"]),
        case("a real U+FFFD", [words[0], "\ufffd".encode(), words[1], words[2]]),
        case("white space at the ends", [b" ", words[0], b"\n", b" "]),
        case("tokens without bytes", [words[0], b"", words[1], b""]),
        case("the same word twice", [b"ha", b"ha", b"ha"]),
    ]


# --- right in other ways ---------------------------------------------------------------------


def by_pending_tokens(token_ids, decode):
    """Only the tokens that are not shown yet are decoded."""
    pending = []
    for token_id in token_ids:
        pending.append(token_id)
        text = decode(pending)
        if text.endswith("\ufffd"):
            safe = text.rstrip("\ufffd")
            if safe:  # the tokens stay: what they begin is not over
                shown = safe
                yield from _rest(token_ids, decode, pending, shown)
                return
        else:
            yield text
            pending = []
    yield decode(pending)


def _rest(token_ids, decode, pending, shown):
    yield shown
    out = len(shown)
    for token_id in token_ids:
        pending.append(token_id)
        safe = decode(pending).rstrip("\ufffd")
        if len(safe) > out:
            yield safe[out:]
            out = len(safe)
    yield decode(pending)[out:]


def by_prefixes(token_ids, decode):
    """removeprefix of what is out already."""
    ids, out = [], ""
    for token_id in iter(token_ids):
        ids = [*ids, token_id]
        text = decode(ids)
        while text.endswith("\ufffd"):
            text = text[:-1]
        yield text.removeprefix(out)
        out = text if len(text) > len(out) else out
    yield decode(ids).removeprefix(out)


def character_by_character(token_ids, decode):
    """Characters one by one, each once it is known that something real follows or stands there."""
    seen, n_out = [], 0
    for token_id in token_ids:
        seen += [token_id]
        text = decode(seen)
        last = max((i for i, sign in enumerate(text) if sign != "\ufffd"), default=-1)
        for i in range(n_out, last + 1):
            yield text[i]
        n_out = max(n_out, last + 1)
    yield from decode(seen)[n_out:]


# --- wrong in known ways -----------------------------------------------------------------------


def held_back_counted(token_ids, decode):
    ids, out = [], 0
    for token_id in token_ids:
        ids.append(token_id)
        text = decode(ids)
        yield text.rstrip("\ufffd")[out:]
        out = len(text)
    yield decode(ids)[out:]


TEXT = 'text = decode(ids).rstrip("\\ufffd")'
SHOW = "yield text[shown:]"
REST = "    if rest := decode(ids)[shown:]:\n        yield rest"

MISCONCEPTIONS = (
    Misconception(
        "token-by-token",
        "Each token is decoded by itself, so a character of several tokens comes out as broken "
        "pieces. Decode all tokens so far, and show what is new.",
        LINK,
        {TEXT: "text = decode(ids)[:shown] + decode([token_id])", REST: "    pass"},
    ),
    Misconception(
        "nothing-held-back",
        "A part of a character comes out as U+FFFD and cannot be taken back. Hold it until the "
        "rest is there.",
        LINK,
        {TEXT: "text = decode(ids)"},
    ),
    Misconception(
        "whole-text-every-time",
        "The whole text comes out again with every token. Yield what is new.",
        LINK,
        {SHOW: "yield text"},
    ),
    Misconception(
        "rest-never-shown",
        "What is held back when the tokens end never comes out. No token can complete it any more, "
        "so it is text as it is.",
        LINK,
        {REST: "    pass"},
    ),
    Misconception(
        "all-at-the-end",
        "The text comes in one at the end. Somebody is reading along: show what is safe before the "
        "next token is read.",
        LINK,
        {TEXT: 'text = ""'},
    ),
    Misconception(
        "one-token-late",
        "Every token waits for the next one. Only U+FFFD at the end has to wait.",
        LINK,
        {TEXT: 'text = decode(ids[:-1]).rstrip("\\ufffd")'},
    ),
    Misconception(
        "whole-token-held-back",
        "Where the text ends in half a character, nothing of it comes out. What stands before the "
        "half is safe.",
        LINK,
        {TEXT: 'text = decode(ids)\n        text = "" if text.endswith("\\ufffd") else text'},
    ),
    Misconception(
        "held-back-for-good",
        "A U+FFFD anywhere in the text holds everything back. Only those at the end can still "
        "become a character: bytes that stay broken would silence the rest of the answer.",
        LINK,
        {TEXT: 'text = decode(ids)\n        text = "" if "\\ufffd" in text else text'},
    ),
    Misconception(
        "held-back-counted-as-shown",
        "What is held back counts as shown, so it never comes out. Count what was yielded, not how "
        "long the text is.",
        LINK,
        answer=held_back_counted,
    ),
    Misconception(
        "replacement-characters-removed",
        "U+FFFD is taken out of the text everywhere. Bytes that stay broken have to be seen as "
        "such: all parts together are `decode` of all ids.",
        LINK,
        {
            TEXT: 'text = decode(ids).replace("\\ufffd", "")',
            REST: '    if rest := decode(ids).replace("\\ufffd", "")[shown:]:\n        yield rest',
        },
    ),
    Misconception(
        "held-back-once",
        "Only one U+FFFD is held back. Several broken bytes may stand at the end.",
        LINK,
        {TEXT: 'text = decode(ids).removesuffix("\\ufffd")'},
    ),
    Misconception(
        "white-space-held-back",
        "White space at the end is held back, too. It is text like any other.",
        LINK,
        {TEXT: 'text = decode(ids).rstrip("\\ufffd").rstrip()'},
    ),
    Misconception(
        "rest-removed-at-the-end",
        "Half a character at the very end is dropped, and the text before it comes late.",
        LINK,
        {
            TEXT: 'text = decode(ids[:-1]).rstrip("\\ufffd")',
            REST: '    if rest := decode(ids).rstrip("\\ufffd")[shown:]:\n        yield rest',
        },
    ),
    Misconception(
        "taken-off-at-both-ends",
        "U+FFFD is taken off the beginning of the text as well. Only what stands at its end can "
        "still become a character.",
        LINK,
        {TEXT: TEXT.replace("rstrip", "strip")},
    ),
    Misconception(
        "tokens-counted-for-characters",
        "Tokens are counted where characters are wanted: what is shown already is measured in "
        "characters of the text.",
        LINK,
        {"shown = len(text)": "shown = len(ids)"},
    ),
)

EXERCISE = Exercise(
    id="capstone/stream_text",
    callable="stream_text",
    title="Text as it comes",
    parts={"all": 3},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    drive=drive.stream,
    misconceptions=MISCONCEPTIONS,
    alternatives=(by_pending_tokens, by_prefixes, character_by_character),
    properties=(
        Property(
            "whole-character-never-comes",
            "A character of two tokens does not come out when its second token is there.",
            LINK,
            ("two",),
            lambda two: any(ord(sign) > 127 for sign in two["after each token"][2]),
        ),
        Property(
            "words-wait",
            "Plain words do not come out each before the next token is read.",
            LINK,
            ("words",),
            lambda words: all(words["after each token"]),
        ),
        Property(
            "half-a-character-is-out",
            "While a character is not whole, U+FFFD comes out in its place.",
            LINK,
            ("two",),
            lambda two: "\ufffd" not in "".join(two["after each token"]),
        ),
    ),
)
