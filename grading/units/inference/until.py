"""inference/until: a stream of text that ends where a stop begins."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.inference import drive

LINK = "inference-stop"
PLAIN, SPLIT = "stops within a piece", "stops across pieces"
WORDS = ["the", " moon", " is", " far", ",", " cold", " and", " round"]


def cases(rng: np.random.Generator) -> list[Case]:
    """Stops in one piece, over two and over many; what only looks like one; the end of the text."""
    words = [WORDS[i] for i in rng.permutation(len(WORDS))]
    a, b, c, d = words[:4]

    def case(says, part, pieces, stops, name=""):
        return Case(says, {"pieces": pieces, "stops": stops}, part, name=name)

    return [
        case("no stop in the text", PLAIN, words, ["<end>"], "free"),
        case("no stops at all", PLAIN, words, []),
        case("no text", PLAIN, [], ["\n"]),
        case("one piece", PLAIN, [a], ["\n"]),
        case("a stop that is a piece", PLAIN, [a, b, "\n", c, d], ["\n"]),
        case("a stop within a piece", PLAIN, [a, f"{b}###{c}", d], ["###"]),
        case("a stop at the start of a piece", PLAIN, [a, f"###{b}", c], ["###"]),
        case("a stop at the end of a piece", PLAIN, [a, f"{b}###", c], ["###"]),
        case("a stop that is the first piece", PLAIN, ["###", a, b], ["###"]),
        case("a stop in the last piece", PLAIN, [a, b, f"{c}###"], ["###"]),
        case("a stop that comes twice in a piece", PLAIN, [a, f"{b};{c};{d}"], [";"]),
        case(
            "two stops in a piece, the first one listed first",
            PLAIN,
            [a, f"{b};{c}|{d}"],
            [";", "|"],
        ),
        case(
            "two stops in a piece, the later one listed first",
            PLAIN,
            [a, f"{b};{c}|{d}"],
            ["|", ";"],
        ),
        case("a stop in capitals, and small letters", PLAIN, [a, "stop", b, "STOP", c], ["STOP"]),
        case("a stop over two pieces", SPLIT, [a, f"{b}##", f"#{c}", d], ["###"], "two"),
        case("a stop over four pieces", SPLIT, [a, "\n", "An", "sw", "er:", b], ["\nAnswer:"]),
        case("a beginning that turns out to be none", SPLIT, [a, f"{b}#", f" {c}", d], ["###"]),
        case("a beginning at the very end", SPLIT, [a, b, f"{c}##"], ["###"], "end"),
        case(
            "a beginning, and the stop later in the next piece", SPLIT, [a, "#", f"{b}###"], ["###"]
        ),
        case("two beginnings, the second one real", SPLIT, [a, "x#", "y##", f"#{b}"], ["###"]),
        case("a beginning that repeats itself", SPLIT, [a, "<", "<", "<e", ">", b], ["<e>"]),
        case("a stop with a repeated beginning", SPLIT, ["aa", "ab", "c", d], ["aab"]),
        case("the second of two stops over two pieces", SPLIT, [a, "#", "#", b], [";;", "##"]),
        case("two stops with the same beginning", SPLIT, [a, "\n", "B:", b], ["\nA:", "\nB:"]),
        case("a longer and a shorter stop begun", SPLIT, [a, "-=", "-", b], ["-=-+", "=-"]),
        case("characters one by one", SPLIT, list(f"{a}{b}END{c}"), ["END"]),
        case("empty pieces between", SPLIT, [a, "", "#", "", "##", b], ["###"]),
    ]


# --- right in other ways ---------------------------------------------------------------------


def character_by_character(pieces, stops):
    """Each character is held until no stop can begin with it."""
    held = ""
    for piece in pieces:
        for character in piece:
            held += character
            if any(held.endswith(stop) for stop in stops):
                [stop] = [s for s in stops if held.endswith(s)]
                yield held[: len(held) - len(stop)]
                return
            while held and not any(stop[: len(held)] == held for stop in stops):
                ends = [s for s in stops if s in held]
                if ends:
                    break
                yield held[0]
                held = held[1:]
    yield held


def with_everything_so_far(pieces, stops):
    """The whole text is kept, and a number says how much of it is out."""
    text, out = "", 0
    for piece in pieces:
        text += piece
        ends = [place for stop in stops if (place := text.find(stop)) >= 0]
        if ends:
            yield text[out : min(ends)]
            return
        safe = len(text)
        for stop in stops:
            for length in range(1, len(stop)):
                if text.endswith(stop[:length]):
                    safe = min(safe, len(text) - length)
        yield text[out:safe]
        out = max(out, safe)
    yield text[out:]


def by_partition(pieces, stops):
    """str.partition at the first stop, and the longest ending that begins one."""
    rest = ""
    for piece in iter(pieces):
        rest = rest + piece
        heads = [rest.partition(stop)[0] for stop in stops if rest.partition(stop)[1]]
        if heads:
            yield min(heads, key=len)
            return
        hold = 0
        for n in range(1, len(rest) + 1):
            if any(stop.startswith(rest[-n:]) for stop in stops):
                hold = n
        yield rest[: len(rest) - hold]
        rest = rest[len(rest) - hold :]
    if rest:
        yield rest


# --- wrong in known ways -----------------------------------------------------------------------

ADD = "held += piece"
FOUND = "found = [held.index(stop) for stop in stops if stop in held]"
END = "yield held[: min(found)]\n            return"
BEGUN = "begun = [i for i in range(len(held)) if any(s.startswith(held[i:]) for s in stops)]"
SAFE = "safe = min(begun, default=len(held))"
LAST = "held = held[safe:]\n    yield held"


MISCONCEPTIONS = (
    Misconception(
        "only-within-a-piece",
        "Stops are looked for in each piece by itself. A model writes pieces as its tokens fall, "
        "and a stop may begin in one and end in another.",
        LINK,
        {BEGUN: "begun = []"},
    ),
    Misconception(
        "stop-shown-in-part",
        "Stops across pieces are noticed, but their beginning is already out by then. What may be"
        " a beginning has to wait.",
        LINK,
        {
            ADD: "held += piece\n        out = len(held) - len(piece)",
            END: "yield held[out : max(min(found), out)]\n            return",
            SAFE: "yield held[out:]",
            "yield held[:safe]": "pass",
            LAST: "pass",
        },
    ),
    Misconception(
        "stop-included",
        "The stop comes out too. The text ends before it.",
        LINK,
        {
            END: "first = min(stops, key=lambda s: held.find(s) % 10**6)\n"
            "            yield held[: min(found) + len(first)]\n            return"
        },
    ),
    Misconception(
        "text-before-the-stop-lost",
        "What stands before the stop in the same piece is lost. Only the stop and what follows it "
        "go.",
        LINK,
        {END: "return"},
    ),
    Misconception(
        "first-of-the-list",
        "Of several stops, the one that is listed first ends the text. It ends where the first one "
        "in the text begins.",
        LINK,
        {"min(found)": "found[0]"},
    ),
    Misconception(
        "last-place",
        "The text ends at the last place of a stop that is known. The first one ends it.",
        LINK,
        {"held.index(stop)": "held.rindex(stop)"},
    ),
    Misconception(
        "later-stop",
        "Of two stops in a piece the later one ends the text. The first one does.",
        LINK,
        {"min(found)": "max(found)"},
    ),
    Misconception(
        "rest-never-released",
        "What is held back when the pieces end never comes out. No stop can follow any more, so it "
        "is text.",
        LINK,
        {LAST: "held = held[safe:]"},
    ),
    Misconception(
        "all-at-the-end",
        "The text is right, but comes in one at the end. Each piece that is safe has to come out "
        "before the next is read: somebody is reading along.",
        LINK,
        {SAFE: "safe = 0"},
    ),
    Misconception(
        "one-piece-late",
        "Every piece is held back until the next one is there. Only an ending that may begin a "
        "stop has to wait.",
        LINK,
        {SAFE: f"{SAFE}\n        safe = min(safe, len(held) - len(piece))"},
    ),
    Misconception(
        "always-some-held-back",
        "As many characters as the longest stop could need are held back every time. Only an "
        "ending that is the beginning of a stop has to wait.",
        LINK,
        {SAFE: "safe = max(len(held) - max(map(len, stops), default=1) + 1, 0)"},
    ),
    Misconception(
        "one-character-held-back",
        "Only a last character that begins a stop is held back. The beginning may be longer than "
        "one character.",
        LINK,
        {BEGUN: BEGUN.replace("range(len(held))", "range(max(len(held) - 1, 0), len(held))")},
    ),
    Misconception(
        "shortest-beginning",
        "Where several endings begin a stop, the shortest is held back, and the longer one comes "
        "out. The longest may be the real one.",
        LINK,
        {SAFE: "safe = max(begun, default=len(held))"},
    ),
    Misconception(
        "held-piece-forgotten",
        "A piece that is held back is thrown away when it turns out to be no stop.",
        LINK,
        {LAST: 'held = ""\n    yield held'},
    ),
    Misconception(
        "held-piece-whole",
        "A whole piece waits as soon as its end may begin a stop. What stands before that ending "
        "is safe.",
        LINK,
        {SAFE: "safe = 0 if begun else len(held)"},
    ),
    Misconception(
        "first-stop-alone",
        "Only the first of `stops` can be begun in one piece and ended in another.",
        LINK,
        {BEGUN: BEGUN.replace("for s in stops)", "for s in stops[:1])")},
    ),
    Misconception(
        "other-stops-ignored",
        "Only the first of `stops` ends the text; the others have no effect at all. Whichever "
        "begins first ends it.",
        LINK,
        {
            FOUND: FOUND.replace("in stops if", "in stops[:1] if"),
            BEGUN: BEGUN.replace("for s in stops)", "for s in stops[:1])"),
        },
    ),
    Misconception(
        "reads-on",
        "The text is right, but after the stop another piece is read. Each piece costs a run of "
        "the model.",
        LINK,
        {END: "yield held[: min(found)]\n            next(iter(pieces), None)\n            return"},
    ),
    Misconception(
        "goes-on-after-the-stop",
        "A stop is taken out of the text, which then goes on. It ends there.",
        LINK,
        {
            END: "stop = min((s for s in stops if s in held), key=held.index)\n"
            "            yield held[: min(found)]\n"
            "            held = held[min(found) + len(stop) :]"
        },
    ),
    Misconception(
        "capitals-ignored",
        "Capital and small letters are taken for the same. A stop has to occur as it is written.",
        LINK,
        {
            FOUND: "low = held.lower()\n"
            "        found = [low.index(s.lower()) for s in stops if s.lower() in low]"
        },
    ),
    Misconception(
        "spaces-lost",
        "Spaces at the ends of pieces are lost: words run together.",
        LINK,
        {ADD: "held += piece.strip()"},
    ),
)

EXERCISE = Exercise(
    id="inference/until",
    callable="until",
    title="Stop at a text",
    parts={PLAIN: 1, SPLIT: 2},
    minutes=15,
    difficulty="hard",
    link=LINK,
    cases=cases,
    drive=drive.stream,
    misconceptions=MISCONCEPTIONS,
    alternatives=(character_by_character, with_everything_so_far, by_partition),
    properties=(
        Property(
            "free-text-waits",
            "Without a stop in sight the text does not come out piece by piece, each before the "
            "next is read.",
            LINK,
            ("free",),
            lambda free: all(free["after each reading"]),
        ),
        Property(
            "a-part-of-the-stop-is-out",
            "A part of the stop comes out.",
            LINK,
            ("two",),
            lambda two: "#" not in "".join(two["after each reading"]),
        ),
    ),
)
