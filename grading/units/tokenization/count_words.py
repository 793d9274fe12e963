"""tokenization/count_words: a text cut into words, each with how often it occurs."""

from collections import Counter, defaultdict

import numpy as np
import regex

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.tokenization.draw import LETTERS, WORDS, random_text, random_word
from reference_impl.tokenization.tokenization import split_special

LINK = "tokenization-words"
SPECIAL = "tokenization-special"
END, START = "<|end|>", "<|start|>"


def cases(rng: np.random.Generator) -> list[Case]:
    """Spaces, capitals, other scripts, gaps of the pattern, special tokens, nothing."""
    a, b, c = (random_word(rng, LETTERS, 4) + last for last in "xyz")
    n = int(rng.integers(10, 99))
    return [
        _case("one word", a),
        _case("a word at the beginning and again later", f"{a} {b} {a} {a}"),
        _case("several spaces and a line break", f"{a}  {b}\n{a}   {a}"),
        _case("the same word in capitals", f"{a} {a.upper()} {a.capitalize()} {a}"),
        _case("words, numbers and signs", f"{a}, {a}: {n} {b}! {n}?"),
        _case("letters of other scripts", f"{a} жизнь नमस्ते жизнь {a}é"),
        _case("a random text", random_text(rng, 60), name="random"),
        _case("a pattern that leaves something out", f"{a}-{b}, {a}", r"\w+"),
        _case("a pattern that takes everything", f"{a} {b}\n{a}", r"(?s:.+)"),
        _case("special tokens between words", f"{a} {b}{END}{a} {END}{b}", special=[END]),
        _case("a special token inside a word", f"{a}{END}{b} {c}", special=[END]),
        _case("two special tokens", f"{START}{a} {b}{END}{START}{a}{END}", special=[END, START]),
        _case("a special token that is not named", f"{a} {END} {b}"),
        _case("nothing but special tokens", END * 3, special=[END]),
        _case("a text without characters", ""),
    ]


def _case(says, text, pattern=WORDS, special=(), name="") -> Case:
    inputs = {"text": text, "pattern": pattern, "special_tokens": list(special)}
    return Case(says, inputs, name=name)


# --- right in other ways ---------------------------------------------------------------------


def one_by_one(text, pattern, special_tokens=()):
    """A plain dictionary, match by match."""
    counts = {}
    for i, part in enumerate(split_special(text, special_tokens)):
        if i % 2 == 0:
            for match in regex.finditer(pattern, part):
                counts[match.group()] = counts.get(match.group(), 0) + 1
    return counts


def all_words_first(text, pattern, special_tokens=()):
    """One long list of words, then a count."""
    words = []
    for part in split_special(text, special_tokens)[0::2]:
        words.extend(regex.compile(pattern).findall(part))
    return Counter(words)


def sums_of_counts(text, pattern, special_tokens=()):
    """The counts of every part added up."""
    total = defaultdict(int)
    parts = split_special(text, special_tokens)
    for start in range(0, len(parts), 2):
        for word, count in Counter(regex.findall(pattern, parts[start])).items():
            total[word] += count
    return dict(total)


# --- wrong in known ways -----------------------------------------------------------------------


def special_tokens_removed(text, pattern, special_tokens=()):
    """Deleted from the text, so that their neighbours touch."""
    for token in special_tokens:
        text = text.replace(token, "")
    return Counter(regex.findall(pattern, text))


FOUND, PART = "regex.findall(pattern, ordinary)", "split_special(text, special_tokens)[::2]"

MISCONCEPTIONS = (
    Misconception(
        "split-at-spaces",
        "The words are cut at spaces and not by the pattern, and their spaces are gone. A text of "
        "tokens without spaces cannot be put together again.",
        LINK,
        {FOUND: "ordinary.split()"},
    ),
    Misconception(
        "spaces-cut-off",
        "The words have lost the space in front of them. It is part of the word, because the "
        "pattern says so, and is needed to get the text back.",
        LINK,
        {FOUND: f"[word.strip() for word in {FOUND}]"},
    ),
    Misconception(
        "what-stands-between",
        "The text is split at the matches, so that what stands between the words is counted. The "
        "words are the matches themselves.",
        LINK,
        {FOUND: "regex.split(pattern, ordinary)"},
    ),
    Misconception(
        "small-letters",
        "Words in capital letters are counted as small ones. For a tokenizer they are other words: "
        "other bytes.",
        LINK,
        {FOUND: "regex.findall(pattern, ordinary.lower())"},
    ),
    Misconception(
        "each-word-once",
        "Every word has the count 1 in its part of the text. How often it occurs is what decides "
        "which pairs are merged.",
        LINK,
        {FOUND: f"set({FOUND})"},
    ),
    Misconception(
        "whole-text-as-a-word",
        "The text is not cut into words: each part counts as one.",
        LINK,
        {FOUND: "[ordinary] if ordinary else []"},
    ),
    Misconception(
        "special-tokens-counted",
        "Special tokens are counted as words. They are never merged with anything, so nothing is "
        "to be learned from them.",
        SPECIAL,
        {PART: "split_special(text, special_tokens)"},
    ),
    Misconception(
        "special-tokens-not-cut-out",
        "Special tokens are cut into words like other text. They have to be cut out of the text "
        "first, by `split_special`.",
        SPECIAL,
        {PART: "[text]"},
    ),
    Misconception(
        "special-tokens-removed",
        "What stood before and behind a special token has become one word. The special token is an "
        "edge that no word crosses: cut there, instead of deleting it.",
        SPECIAL,
        answer=special_tokens_removed,
    ),
    Misconception(
        "first-part-only",
        "Only the text before the first special token is counted.",
        SPECIAL,
        {PART: "split_special(text, special_tokens)[:1]"},
    ),
    Misconception(
        "last-part-only",
        "Only the words behind the last special token are there: the counts of each part replace "
        "those before.",
        SPECIAL,
        {"counts.update(": "counts = Counter("},
    ),
    Misconception(
        "words-as-bytes",
        "The words are bytes. At this step they are still text; the pattern knows letters, not "
        "bytes.",
        LINK,
        {FOUND: f"[word.encode() for word in {FOUND}]"},
    ),
    Misconception(
        "letters-counted",
        "Characters are counted, not words.",
        LINK,
        {f"counts.update({FOUND})": f'counts.update("".join({FOUND}))'},
    ),
    Misconception(
        "list-of-words",
        "This is a list of words. Wanted is each different word with how often it occurs.",
        LINK,
        {"return counts": "return list(counts.elements())"},
    ),
    Misconception(
        "odd-places",
        "Words are counted in the special tokens, and not in the text between them, which stands "
        "at the places 0, 2, 4.",
        SPECIAL,
        {PART: "split_special(text, special_tokens)[1::2]"},
    ),
    Misconception(
        "first-word-of-each-part",
        "Only the first word of each part is counted: `match` and `search` find one, `findall` "
        "all of them.",
        LINK,
        {FOUND: f"{FOUND}[:1]"},
    ),
    Misconception(
        "another-regular-expression",
        "The pattern is not understood: `re` does not know signs such as \\p{L}. Take the package "
        "`regex`.",
        LINK,
        {FOUND: '__import__("re").findall(pattern, ordinary)'},
    ),
)


def sixty_words(counts) -> bool:
    """The counts add up to the words of the text."""
    return sum(counts.values()) == 60


EXERCISE = Exercise(
    id="tokenization/count_words",
    callable="count_words",
    title="Cut a text into words",
    parts={"all": 2},
    minutes=8,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(one_by_one, all_words_first, sums_of_counts),
    depends=("tokenization/split_special",),
    properties=(
        Property(
            "counts-add-up-to-the-text",
            "A text of 60 words should have counts that add up to 60; yours add up to another "
            "number.",
            LINK,
            ("random",),
            sixty_words,
        ),
    ),
)
