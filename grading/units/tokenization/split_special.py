"""tokenization/split_special: a text cut at its special tokens."""

import re

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.tokenization.draw import LETTERS, random_word

LINK = "tokenization-special"
NAMES = ("end", "start", "user", "system", "pad", "stop")


def cases(rng: np.random.Generator) -> list[Case]:
    """Where special tokens stand, none, several, one inside or over another."""
    one, two = (f"<|{name}|>" for name in rng.choice(NAMES, size=2, replace=False))
    a, b, c = (random_word(rng, LETTERS[:20], 5) for _ in range(3))
    return [
        _case("one special token in the middle", f"{a} {one} {b}", [one]),
        _case("one at the beginning", f"{one}{a}", [one]),
        _case("one at the end", f"{a} {one}", [one]),
        _case("nothing but one", one, [one]),
        _case("the same one twice in a row", f"{a}{one}{one}{b}", [one]),
        _case("two different ones", f"{one}{a}{two}{b}{one}", [one, two]),
        _case("two of which one does not occur", f"{a}{two}{b}", [one, two]),
        _case("text that has none of them", f"{a} {b}", [one, two]),
        _case("a part of one", f"{a}{one[:-1]} {b}", [one]),
        _case("one in capitals", f"{a}{one.upper()}{b}", [one]),
        _case("names without their signs", f"{a} {one[2:-2]} {two[2:-2]}", [one, two]),
        _case("line breaks and spaces", f"\n{a} \n{one}\n {b} ", [one], "spaces"),
        _case("one that begins like another", f"{a}<t>{b}<t>!{c}", ["<t>", "<t>!"]),
        _case("the same two, named in the other order", f"{a}<t>{b}<t>!{c}", ["<t>!", "<t>"]),
        _case("two that overlap", "ABCDE", ["BCDE", "AB"]),
        _case("signs of regular expressions", f"{a}(x)*{b}[x]", ["(x)*", "[x]"]),
        _case("the keys of a dictionary", f"{a}{one}{b}{two}", {one: 7, two: 3}),
        _case("no special tokens", f"{a} {one}", []),
        _case("a text without characters", "", [one]),
    ]


def _case(says, text, special_tokens, name="") -> Case:
    return Case(says, {"text": text, "special_tokens": special_tokens}, name=name)


# --- right in other ways ---------------------------------------------------------------------


def from_place_to_place(text, special_tokens):
    """At every place, the longest token that begins there."""
    parts, ordinary, i = [], "", 0
    while i < len(text):
        here = [token for token in special_tokens if text.startswith(token, i)]
        if here:
            token = max(here, key=len)
            parts += [ordinary, token]
            ordinary, i = "", i + len(token)
        else:
            ordinary += text[i]
            i += 1
    return [*parts, ordinary]


def by_search(text, special_tokens):
    """The first token of all in the rest, the longest where two begin together."""
    parts, rest = [], text
    while True:
        places = [(rest.find(t), -len(t), t) for t in special_tokens if t in rest]
        if not places:
            return [*parts, rest]
        at, _, token = min(places)
        parts += [rest[:at], token]
        rest = rest[at + len(token) :]


def by_finditer(text, special_tokens):
    """Matches of the standard library's re, and what lies between them."""
    tokens = sorted(special_tokens, key=lambda token: (-len(token), token))
    if not tokens:
        return [text]
    parts, start = [], 0
    for match in re.finditer("|".join(re.escape(token) for token in tokens), text):
        parts.extend([text[start : match.start()], match.group()])
        start = match.end()
    parts.append(text[start:])
    return parts


# --- wrong in known ways -----------------------------------------------------------------------


def _with_the_token_kept(text, token):
    """What lies between the places of one token, and the token at each of them."""
    first, *rest = text.split(token)
    return [first, *(part for piece in rest for part in (token, piece))]


def one_token_after_another(text, special_tokens):
    """Each token cut out of what the longer ones left."""
    parts = [text]
    for token in sorted(special_tokens, key=len, reverse=True):
        cut = []
        for i, part in enumerate(parts):
            if i % 2 == 1:
                cut.append(part)
                continue
            cut += _with_the_token_kept(part, token)
        parts = cut
    return parts


def cut_again(text, special_tokens):
    """Each token cut out of all parts, special tokens among them."""
    parts = [text]
    for token in special_tokens:
        cut = []
        for part in parts:
            cut += _with_the_token_kept(part, token)
        parts = cut
    return parts


SORTED = "sorted(special_tokens, key=len, reverse=True)"
ESCAPED, RETURN = "map(regex.escape, longest_first)", "return regex.split("
SPLIT = 'regex.split("(" + "|".join(map(regex.escape, longest_first)) + ")", text)'

MISCONCEPTIONS = (
    Misconception(
        "read-as-a-pattern",
        "The special tokens are read as regular expressions, where | means or, and brackets and "
        "stars have meanings too. They are plain text: escape them.",
        LINK,
        {ESCAPED: "longest_first"},
    ),
    Misconception(
        "in-the-order-given",
        "Where one special token begins like another, the one named first is taken. The longest "
        "counts, in whatever order they are named.",
        LINK,
        {SORTED: "list(special_tokens)"},
    ),
    Misconception(
        "shortest-first",
        "Where one special token begins like another, the shorter one is taken, and the rest of "
        "the longer one is left in the text. The longest counts.",
        LINK,
        {SORTED: "sorted(special_tokens, key=len)"},
    ),
    Misconception(
        "longest-anywhere",
        "Where two special tokens overlap, the longer one is cut out although the other begins "
        "before it. The leftmost counts first, and length only where both begin at one place.",
        LINK,
        answer=one_token_after_another,
    ),
    Misconception(
        "special-tokens-lost",
        "The special tokens themselves are missing from the list: only the text between them is "
        "there.",
        LINK,
        {SPLIT: 'regex.split("|".join(map(regex.escape, longest_first)), text)'},
    ),
    Misconception(
        "empty-parts-left-out",
        "Empty parts are missing. They keep special tokens at the odd places and ordinary text at "
        "the even ones, so that one can be told from the other.",
        LINK,
        {SPLIT: f"[part for part in {SPLIT} if part]"},
    ),
    Misconception(
        "empty-pattern",
        "Without special tokens the pattern is empty, and an empty pattern fits everywhere: the "
        "text is cut to bits. Nothing is to be cut then.",
        LINK,
        {"if not longest_first:": "if False:"},
    ),
    Misconception(
        "first-one-only",
        "The text is cut once and no more. Every special token in it is cut out.",
        LINK,
        {'")", text)': '")", text, maxsplit=1)'},
    ),
    Misconception(
        "a-row-of-them-as-one",
        "Special tokens next to each other come out as one part. Each is a token of its own, with "
        "an empty text between them.",
        LINK,
        {'"("': '"((?:"', '")", text)': '")+)", text)'},
    ),
    Misconception(
        "stripped",
        "Spaces or line breaks around the special tokens are missing. They belong to the text.",
        LINK,
        {SPLIT: f"[part.strip() for part in {SPLIT}]"},
    ),
    Misconception(
        "capitals-count-too",
        "A special token in capital letters is cut out as well. Those are other characters, and so "
        "ordinary text.",
        LINK,
        {'")", text)': '")", text, flags=regex.IGNORECASE)'},
    ),
    Misconception(
        "nothing-cut",
        "The text comes back in one piece. Special tokens have to be found before words are cut "
        "and bytes are merged; afterwards it is too late.",
        LINK,
        {f"return {SPLIT}": "return [text]"},
    ),
    Misconception(
        "joined-to-the-text-before",
        "A special token stands in one part with the text before it. It is a part of its own.",
        LINK,
        {SPLIT: f"(lambda p: [a + b for a, b in zip(p[::2], [*p[1::2], ''])])({SPLIT})"},
    ),
    Misconception(
        "brackets-around-each",
        "There are empty entries (None) between the parts: each token has round brackets of its "
        "own, and `regex.split` gives what is in each of them. One pair around all is enough.",
        LINK,
        {SPLIT: 'regex.split("|".join(f"({regex.escape(t)})" for t in longest_first), text)'},
    ),
    Misconception(
        "separator-escaped-too",
        "Several special tokens are sought as one long text, with | between them. Escape each of "
        "them, and join them afterwards: that | means or.",
        LINK,
        {SPLIT: 'regex.split("(" + regex.escape("|".join(longest_first)) + ")", text)'},
    ),
    Misconception(
        "ordinary-text-lost",
        "The special tokens are there, and the ordinary text between them is missing.",
        LINK,
        {SPLIT: 'regex.findall("|".join(map(regex.escape, longest_first)), text)'},
    ),
    Misconception(
        "square-brackets",
        "The text is cut at single characters of the special tokens. Square brackets in a pattern "
        "mean any one of the characters in them: take round ones.",
        LINK,
        {'"("': '"(["', '")", text)': '"])", text)'},
    ),
    Misconception(
        "one-after-another",
        "The text is cut at one token after another, so that one that was found is cut again by "
        "the next. At each place all of them compete, and the longest counts.",
        LINK,
        answer=cut_again,
    ),
)


def spaces_kept(parts) -> bool:
    """A line break at the beginning, a space at the end."""
    return parts[0].startswith("\n") and parts[-1].endswith(" ")


EXERCISE = Exercise(
    id="tokenization/split_special",
    callable="split_special",
    title="Cut at special tokens",
    parts={"all": 2},
    minutes=10,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    equivalent={
        f"`sorted(special_tokens, reverse=True)` for `{SORTED}`": "of two that begin together one "
        "begins the other: backwards, the longer comes first",
        "`special_tokens` for `longest_first`": "both are empty, or neither is",
    },
    alternatives=(from_place_to_place, by_search, by_finditer),
    properties=(
        Property(
            "white-space-is-kept",
            "A text that begins with a line break and ends with a space should give parts that do "
            "so too; yours do not.",
            LINK,
            ("spaces",),
            spaces_kept,
        ),
    ),
)
