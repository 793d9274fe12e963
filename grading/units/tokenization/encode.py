"""tokenization/encode: special tokens, words, merges: a text as token ids."""

import numpy as np
import regex

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.tokenization.draw import WORDS, random_text, trained_ranks
from reference_impl.tokenization.plain import encode_word
from reference_impl.tokenization.tokenization import split_special

LINK = "tokenization-encode"
EDGES, SPECIAL = "tokenization-words", "tokenization-special"
ORDINARY, SPECIALS = "ordinary text", "special tokens"
END, START = "<|end|>", "<|start|>"


def cases(rng: np.random.Generator) -> list[Case]:
    """Words and their edges, spaces, other scripts; special tokens that count and that do not."""
    text = random_text(rng, 70)
    ranks = trained_ranks(rng, f"{text} {END}{END}{END} {text}", 25, start=int(rng.integers(5, 40)))
    few, more = " ".join(text.split()[:4]), " ".join(text.split()[4:11])
    high = max(ranks.values())
    one = {END: high + int(rng.integers(1, 9))}
    two = {**one, START: high + int(rng.integers(10, 19))}
    lower = {END: 2, START: 0}
    draw = _Draw(ranks)
    return [
        draw("one word", few.split()[0], {}),
        draw("several words", few, {}),
        draw("spaces and line breaks", f"  {few}\n\n{more}  ", {}),
        draw("a line break before a word", f"{few}\n{few}", {}),
        draw("capital letters", few.upper() + " " + few, {}),
        draw("characters of several bytes", f"{few} жизнь नम😀", {}),
        draw("a pattern that leaves something out", f"{few}-{few}", {}, pattern=r"\w+"),
        draw(
            "one word that the pattern does not cut", few.replace(" ", ""), {}, pattern=r"(?s:.+)"
        ),
        draw("the whole text as a single word", f"{few} {few}", {}, pattern=r"(?s:.+)"),
        draw("a text without characters", "", {}),
        draw("a special token between words", f"{few}{END} {more}", one, SPECIALS),
        draw(
            "the same text, in which nothing is special",
            f"{few}{END} {more}",
            {},
            SPECIALS,
            "plain",
        ),
        draw("special tokens at both ends", f"{START}{few}{END}", two, SPECIALS, "ends"),
        draw("two in a row", f"{few}{END}{END}{START}", two, SPECIALS),
        draw("special tokens with low ids", f"{START}{few}{END}{more}", lower, SPECIALS),
        draw("a special token that is not in the text", few, two, SPECIALS),
        draw("a special token inside a word", f"{few}{END}{few}", one, SPECIALS),
        draw("a special token alone", END, one, SPECIALS),
        draw("one that begins like another", "ab<t>!cd<t>", {"<t>": 1, "<t>!": 3}, SPECIALS),
    ]


class _Draw:
    """Cases with one table of ranks."""

    def __init__(self, ranks):
        self.ranks = ranks

    def __call__(self, says, text, special, part=ORDINARY, name="", pattern=WORDS) -> Case:
        inputs = {"text": text, "ranks": self.ranks, "pattern": pattern}
        return Case(says, {**inputs, "special_tokens": special}, part=part, name=name)


# --- right in other ways ---------------------------------------------------------------------


def word_after_word(text, ranks, pattern, special_tokens):
    """A pattern that knows the special tokens too; one loop over what it finds."""
    ids = []
    longest = sorted(special_tokens, key=len, reverse=True)
    cuts = [regex.escape(token) for token in longest] or [r"(?!)"]
    start = 0
    for match in [*regex.finditer("|".join(cuts), text), None]:
        for word in regex.finditer(pattern, text[start : match.start() if match else len(text)]):
            ids.extend(encode_word(word.group().encode(), ranks))
        if match:
            ids.append(special_tokens[match.group()])
            start = match.end()
    return ids


def in_one_comprehension(text, ranks, pattern, special_tokens):
    """Lists of ids, joined at the end."""
    parts = split_special(text, special_tokens)
    lists = [
        [special_tokens[part]]
        if i % 2
        else [n for w in regex.findall(pattern, part) for n in encode_word(w.encode(), ranks)]
        for i, part in enumerate(parts)
    ]
    return sum(lists, [])


def with_a_cache(text, ranks, pattern, special_tokens):
    """Each different word is encoded once; parts in pairs."""
    known = {}

    def ids_of(word):
        if word not in known:
            known[word] = encode_word(word.encode("utf8"), ranks)
        return known[word]

    parts = [*split_special(text, special_tokens), None]
    ids = []
    for ordinary, special in zip(parts[::2], parts[1::2], strict=True):
        for word in regex.compile(pattern).findall(ordinary):
            ids += ids_of(word)
        if special is not None:
            ids.append(special_tokens[special])
    return ids


# --- wrong in known ways -----------------------------------------------------------------------


def special_last(text, ranks, pattern, special_tokens):
    """All words first, the special tokens behind them."""
    parts = split_special(text, special_tokens)
    words = [w for part in parts[::2] for w in regex.findall(pattern, part)]
    ids = [n for word in words for n in encode_word(word.encode(), ranks)]
    return ids + [special_tokens[token] for token in parts[1::2]]


WORD = "regex.findall(pattern, part)"
PARTS = "split_special(text, special_tokens)"
ADD = 'ids += encode_word(word.encode("utf-8"), ranks)'

MISCONCEPTIONS = (
    Misconception(
        "merges-across-words",
        "The text is not cut into words, so that merges cross their edges. The pattern is as much "
        "part of a tokenizer as its ranks.",
        EDGES,
        {WORD: "[part]"},
    ),
    Misconception(
        "split-at-spaces",
        "The text is cut at spaces, which are then gone. The pattern says what a word is, and "
        "keeps its space.",
        EDGES,
        {WORD: "part.split()"},
    ),
    Misconception(
        "spaces-cut-off",
        "Words are encoded without their spaces. Then the text cannot come back, and the ids are "
        "those of other tokens.",
        EDGES,
        {"word.encode(": "word.strip().encode("},
    ),
    Misconception(
        "a-space-in-front",
        "Every word gets a space in front. Only those that have one in the text do: the first "
        "usually has none.",
        EDGES,
        {"word.encode(": "(' ' + word.lstrip()).encode("},
    ),
    Misconception(
        "small-letters",
        "Capital letters are made small. Other bytes, other tokens: the text cannot come back.",
        EDGES,
        {"word.encode(": "word.lower().encode("},
    ),
    Misconception(
        "single-bytes",
        "Each byte or character is encoded by itself, so that nothing merges. Hand over the whole "
        "word.",
        LINK,
        {ADD: "ids += [n for b in word.encode() for n in encode_word(bytes([b]), ranks)]"},
    ),
    Misconception(
        "other-scripts-lost",
        "Characters outside English letters have no ids. Every character has bytes in UTF-8.",
        "tokenization-bytes",
        {'encode("utf-8")': 'encode("ascii", errors="ignore")'},
    ),
    Misconception(
        "special-tokens-as-text",
        "Special tokens are encoded as ordinary text, though they are named. Each is one id, whose "
        "row the model has learned.",
        SPECIAL,
        {PARTS: "[text]"},
    ),
    Misconception(
        "special-tokens-left-out",
        "The special tokens have no ids in the result: only the text between them is encoded.",
        SPECIAL,
        {"ids.append(special_tokens[part])": "continue"},
    ),
    Misconception(
        "special-tokens-last",
        "The ids of the special tokens stand behind all others. Each stands where it is in the "
        "text.",
        SPECIAL,
        answer=special_last,
    ),
    Misconception(
        "ordinary-text-first-part-only",
        "The text behind the first special token is not encoded.",
        SPECIAL,
        {PARTS: f"{PARTS}[:2]"},
    ),
    Misconception(
        "always-special",
        "What looks like a special token counts as one even where nothing is to be special. With "
        "an empty table it is ordinary text: that is how text of strangers is read safely.",
        SPECIAL,
        {
            PARTS: 'split_special(text, special_tokens or ["<|end|>"])',
            "special_tokens[part]": "special_tokens.get(part, len(ranks))",
        },
    ),
    Misconception(
        "a-list-for-each-word",
        "There is a list for each word. A model reads one flat list of ids.",
        LINK,
        {
            "ids += encode_word": "ids.append(encode_word",
            '(word.encode("utf-8"), ranks)': '(word.encode("utf-8"), ranks))',
        },
    ),
    Misconception(
        "each-word-once",
        "A word that comes again is left out, or the words are in another order. Every word of the "
        "text has its ids, where it stands.",
        LINK,
        {WORD: f"sorted(set({WORD}))"},
    ),
    Misconception(
        "repeated-words-left-out",
        "A word that comes again is left out. Every word of the text has its ids, as often as it "
        "stands there: a count of words is no text.",
        LINK,
        {WORD: f"dict.fromkeys({WORD})"},
    ),
    Misconception(
        "words-looked-up-whole",
        "Each word is looked up in the table as a whole, and most words are no token. Hand it to "
        "`encode_word`, which merges its bytes.",
        LINK,
        {ADD: 'ids.append(ranks[word.encode("utf-8")])'},
    ),
    Misconception(
        "text-again-for-each-word",
        "The whole text is encoded once for each of its words. What goes to `encode_word` is the "
        "word.",
        LINK,
        {"word.encode(": "text.encode("},
    ),
    Misconception(
        "text-and-no-bytes",
        "No word has any ids: what `encode_word` gets is text, while the keys of the table are "
        "bytes. Encode each word in UTF-8 first.",
        LINK,
        {'word.encode("utf-8")': "word"},
    ),
    Misconception(
        "places-exchanged",
        "Ordinary text is looked up among the special tokens. It stands at the places 0, 2, 4 of "
        "what `split_special` gives, special tokens at 1, 3, 5.",
        SPECIAL,
        {"if i % 2 == 1:": "if i % 2 == 0:"},
    ),
    Misconception(
        "special-tokens-by-place",
        "The id of a special token is its place in the table. It is the number that the table has "
        "for it.",
        SPECIAL,
        {"special_tokens[part]": "list(special_tokens).index(part)"},
    ),
    Misconception(
        "what-stands-between",
        "The text is split at the matches, so that what stands between the words is encoded. The "
        "words are the matches themselves.",
        EDGES,
        {WORD: "regex.split(pattern, part)"},
    ),
)


def the_first_id(ends) -> bool:
    """It begins with the special token whose id is above all others."""
    return ends[0] == max(ends)


EXERCISE = Exercise(
    id="tokenization/encode",
    callable="encode",
    title="From text to ids",
    parts={ORDINARY: 2, SPECIALS: 1},
    minutes=10,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(word_after_word, in_one_comprehension, with_a_cache),
    depends=("tokenization/split_special", "tokenization/encode_word"),
    properties=(
        Property(
            "a-special-token-stands-where-it-stood",
            "A text that begins with a special token, whose id is the highest of all, should give "
            "that id first; yours does not.",
            SPECIAL,
            ("ends",),
            the_first_id,
        ),
    ),
)
