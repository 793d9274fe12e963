"""text_before_transformers/confused_pairs: which texts a bag of words cannot tell apart."""

from collections import Counter
from itertools import combinations

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception

LINK = "text-before-transformers-bag-of-words"
WORDS = ("crown", "night", "king", "queen", "ghost", "sword", "castle", "poison")


def cases(rng: np.random.Generator) -> list[Case]:
    """Orders, repeated words, letter case, white space, anagrams, groups of three, nothing."""
    a, b, c, d = (str(word) for word in rng.choice(WORDS, size=4, replace=False))
    return [
        Case(says, {"texts": texts})
        for says, texts in {
            "two texts with the same words": [f"{a} {b} {c}", f"{c} {a} {b}"],
            "two texts with other words": [f"{a} {b} {c}", f"{c} {a} {d}"],
            "one word more often in one of them": [f"{a} {b} {b}", f"{b} {a} {a}", f"{b} {a} {b}"],
            "a text that is longer by a repeated word": [f"{a} {b}", f"{b} {a} {b}"],
            "the same text twice": [f"{a} {b}", f"{a} {b}", f"{b} {a}"],
            "capital letters": [f"{a} {b.title()}", f"{b} {a.upper()}", f"{a.title()} {b}"],
            "several spaces and a line end": [f"{a}  {b}", f" {b} {a}\n", f"{a} {b}"],
            "punctuation marks": [f"{a}, {b}", f"{b} {a},", f"{a} {b},", f"{b}, {a}"],
            "words of the same letters": ["stop that", "that pots", "that stop", "post that"],
            "confused texts with others in between": [
                f"{a} {b} {c} {d}",
                f"{d} {d}",
                f"{b} {a} {c} {d}",
                f"{a} {a} {d}",
                f"{c} {d} {a} {b}",
                f"{d} {a} {a}",
            ],
            "one confused pair inside another": [f"{a} {b}", f"{c} {d}", f"{d} {c}", f"{b} {a}"],
            "texts of a single word": [a, b, a],
            "two texts without words": ["", " "],
            "one text": [f"{a} {b}"],
            "no texts": [],
        }.items()
    ]


# --- right in other ways ---------------------------------------------------------------------


def by_sorted_words(texts):
    """Sorted words stand for the bag; all combinations are compared."""
    split = [tuple(text.lower().split()) for text in texts]
    return [
        (i, j)
        for i, j in combinations(range(len(texts)), 2)
        if sorted(split[i]) == sorted(split[j]) and split[i] != split[j]
    ]


def by_groups(texts):
    """Texts with the same bag are gathered first; fast for many texts."""
    groups = {}
    for index, text in enumerate(texts):
        words = tuple(text.casefold().split())
        groups.setdefault(frozenset(Counter(words).items()), []).append((index, words))
    pairs = []
    for members in groups.values():
        for (i, first), (j, second) in combinations(members, 2):
            if first != second:
                pairs.append((i, j))
    pairs.sort()
    return pairs


def with_count_vectors(texts):
    """A row of counts for each text, as NumPy arrays."""
    split = [text.lower().split() for text in texts]
    vocabulary = sorted({word for words in split for word in words})
    rows = np.array([[words.count(word) for word in vocabulary] for words in split])
    found = []
    for i in range(len(texts)):
        for j in range(i + 1, len(texts)):
            if (rows[i] == rows[j]).all() and " ".join(split[i]) != " ".join(split[j]):
                found.append((i, j))
    return found


# --- wrong in known ways -----------------------------------------------------------------------


def paired_like_a_chain(texts):
    """Texts are gathered by bag, and each group is walked through once."""
    words, groups, pairs = [text.lower().split() for text in texts], {}, []
    for index, one in enumerate(words):
        groups.setdefault(tuple(sorted(one)), []).append(index)
    for group in groups.values():
        pairs += [(i, j) for i, j in zip(group, group[1:], strict=False) if words[i] != words[j]]
    return sorted(pairs)


def paired_with_the_first(texts):
    """The first text of each bag is kept, and the others are held against it."""
    words, first, pairs = [text.lower().split() for text in texts], {}, []
    for j, one in enumerate(words):
        i = first.setdefault(tuple(sorted(one)), j)
        if words[i] != one:
            pairs.append((i, j))
    return sorted(pairs)


SPLIT = "text.lower().split()"
BAG = "Counter(one)"
TEST = "bags[i] == bags[j] and words[i] != words[j]"
INNER = "for i in range(j):"

MISCONCEPTIONS = (
    Misconception(
        "set-of-words",
        "This compares which words there are and forgets how often. A bag keeps the counts, so "
        "*no no yes* and *no yes yes* have different bags.",
        LINK,
        {BAG: "set(one)"},
    ),
    Misconception(
        "equal-texts-included",
        "Texts with the same words in the same order are listed too. Those are not confused, they "
        "are equal.",
        LINK,
        {TEST: "bags[i] == bags[j]"},
    ),
    Misconception(
        "compared-as-typed",
        "Whether two texts differ is asked of the characters, so a space or a capital letter makes "
        "a difference. Compare the lists of words.",
        LINK,
        {TEST: "bags[i] == bags[j] and texts[i] != texts[j]"},
    ),
    Misconception(
        "capitals-kept",
        "Words that differ in capital letters alone count as different words here. The docstring "
        "asks for lower case.",
        LINK,
        {SPLIT: "text.split()"},
    ),
    Misconception(
        "split-at-single-spaces",
        "Splitting at one space makes empty words where there are two, and leaves line ends in "
        "the words. Split at any white space.",
        LINK,
        {SPLIT: 'text.lower().split(" ")'},
    ),
    Misconception(
        "spacing-compared",
        "Whether two texts differ is asked of the whole strings, so another white space makes "
        "another text. Compare the lists of words.",
        LINK,
        {TEST: "bags[i] == bags[j] and texts[i].lower() != texts[j].lower()"},
    ),
    Misconception(
        "punctuation-dropped",
        "Punctuation marks are taken off the words. A word is whatever stands between white space, "
        "so *king,* and *king* are two.",
        LINK,
        {SPLIT: 're.findall(r"\\w+", text.lower())'},
    ),
    Misconception(
        "reversed-texts-alone",
        "Only texts that are each other's reverse are found. Any other order of the same words is "
        "confused as well.",
        LINK,
        {TEST: "words[i] == words[j][::-1] and words[i] != words[j]"},
    ),
    Misconception(
        "groups-paired-like-a-chain",
        "Of three or more texts with the same bag, each is paired with the next one alone. Every "
        "two of them are a pair.",
        LINK,
        answer=paired_like_a_chain,
    ),
    Misconception(
        "paired-with-the-first-of-the-bag",
        "Of three or more texts with the same bag, each is paired with the first of them alone. "
        "Every two of them are a pair.",
        LINK,
        answer=paired_with_the_first,
    ),
    Misconception(
        "bag-of-letters",
        "The letters are counted, not the words, and anagrams look alike.",
        LINK,
        {BAG: 'Counter("".join(one))'},
    ),
    Misconception(
        "bag-of-characters",
        "The characters are counted, spaces too: a text that is handed to `Counter` or `sorted` "
        "falls apart into characters. Hand over the list of its words.",
        LINK,
        {f"{BAG} for one in words": "Counter(text.lower()) for text in texts"},
    ),
    Misconception(
        "same-length-suffices",
        "Texts with the same number of words are taken for confused, whichever words they are.",
        LINK,
        {BAG: "len(one)"},
    ),
    Misconception(
        "neighbours-only",
        "Only texts that stand next to each other in the list are compared. Any two may be "
        "confused.",
        LINK,
        {INNER: "for i in range(max(j - 1, 0), j):"},
    ),
    Misconception(
        "first-text-only",
        "Only pairs with the first text are found. Any two texts may be confused.",
        LINK,
        {INNER: "for i in range(min(j, 1)):"},
    ),
    Misconception(
        "pairs-twice",
        "Each pair is listed in both directions. One with the smaller index first is enough.",
        LINK,
        {"pairs.append((i, j))": "pairs.extend([(i, j), (j, i)])"},
    ),
    Misconception(
        "larger-index-first",
        "The pairs have their larger index first; i < j is asked for.",
        LINK,
        {"pairs.append((i, j))": "pairs.append((j, i))"},
    ),
    Misconception(
        "not-sorted",
        "The pairs are right, but they are not sorted: those with the smallest first index come "
        "first.",
        LINK,
        {"return sorted(pairs)": "return pairs"},
    ),
    Misconception(
        "texts-instead-of-indices",
        "The pairs hold the texts themselves. Their places in the list are asked for.",
        LINK,
        {"pairs.append((i, j))": "pairs.append((texts[i], texts[j]))"},
    ),
)

EXERCISE = Exercise(
    id="text_before_transformers/confused_pairs",
    callable="confused_pairs",
    title="What a bag of words cannot tell",
    parts={"all": 2},
    minutes=8,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(by_sorted_words, by_groups, with_count_vectors),
    equivalent={"`words` for `texts` (2)": "there is one list of words for each text"},
)
