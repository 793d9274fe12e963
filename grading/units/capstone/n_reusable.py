"""capstone/n_reusable: how much of a cache still holds for another text."""

import os
from itertools import takewhile

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property

LINK = "capstone-cache"


def cases(rng: np.random.Generator) -> list[Case]:
    """One turn more, another ending, another beginning, the same text, a shorter one."""
    a, b, c, d, e, f, g = (int(i) for i in rng.permutation(np.arange(100, 140))[:7])
    text = [a, b, c, d, e]

    def case(says, cached, wanted, name=""):
        inputs = {"cached_ids": list(cached), "token_ids": list(wanted)}
        return Case(says, inputs, name=name)

    return [
        case("a text that goes on by two tokens", text, [*text, f, g], "longer"),
        case("a text that goes on by one token", text, [*text, f]),
        case("another last token", text, [a, b, c, d, g]),
        case("another token in the middle, and the same after it", text, [a, b, g, d, e], "middle"),
        case("another first token, and the same after it", text, [g, b, c, d, e], "first"),
        case("nothing in common", text, [f, g]),
        case("the same text again", text, text, "same"),
        case("a beginning of what is cached", text, text[:3]),
        case("the first cached token alone", text, text[:1]),
        case("one token that is not cached first", text, [b]),
        case("an empty cache", [], [a, b]),
        case("an empty cache and one token", [], [a]),
        case("the same tokens in another order", text, [b, a, d, c, e, f]),
        case("tokens that come twice", [a, a, b, a], [a, a, a, b, c]),
        case("the first token missing", text, text[1:]),
        case("a shorter text with another ending", text, [a, b, g]),
    ]


# --- right in other ways ---------------------------------------------------------------------


def by_common_prefix(cached_ids, token_ids):
    """os.path.commonprefix takes any sequences; the last token is left out before."""
    return len(os.path.commonprefix([list(cached_ids), list(token_ids)[:-1]]))


def with_takewhile(cached_ids, token_ids):
    """Pairs as long as they are equal."""
    pairs = zip(cached_ids, token_ids[: len(token_ids) - 1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def from_the_longest(cached_ids, token_ids):
    """The longest beginning first, down to the empty one."""
    for n in range(min(len(cached_ids), len(token_ids) - 1), 0, -1):
        if list(cached_ids[:n]) == list(token_ids[:n]):
            return n
    return 0


# --- wrong in known ways -----------------------------------------------------------------------

LAST = "return min(n_same, len(token_ids) - 1)"
PAIRS = "zip(cached_ids, token_ids, strict=False)"
LOOP = "if cached != wanted:\n            break"

MISCONCEPTIONS = (
    Misconception(
        "nothing-left-to-run",
        "Where the cache holds the whole text, nothing is left to run, and nobody predicts the "
        "next token. The last token has to be run all the same.",
        LINK,
        {LAST: "return n_same"},
    ),
    Misconception(
        "whole-cache-kept",
        "The whole cache stays, whatever it holds. Keys and values of a token are good only where "
        "it and all before it are the same.",
        LINK,
        {LAST: "return min(len(cached_ids), len(token_ids) - 1)"},
    ),
    Misconception(
        "whole-cache-kept-to-the-end",
        "All positions that both have are kept, even of other tokens, and none is left to run "
        "where the text is not longer. Compare the tokens, and run the last one.",
        LINK,
        {LAST: "return min(len(cached_ids), len(token_ids))"},
    ),
    Misconception(
        "all-or-nothing",
        "The cache is kept as a whole or not at all. A common beginning is good by itself: "
        "`truncate` forgets the rest.",
        LINK,
        {LAST: f"n_same = n_same if n_same == len(cached_ids) else 0\n    {LAST}"},
    ),
    Misconception(
        "equal-places-counted",
        "Equal tokens behind the first difference are counted, too. Their keys and values come "
        "from a stream that has seen another text.",
        LINK,
        {LOOP: "if cached != wanted:\n            continue"},
    ),
    Misconception(
        "equal-places-before-the-last",
        "Equal tokens behind the first difference are counted, too, but for the text's last. Their "
        "keys and values come from a stream that has seen another text.",
        LINK,
        {
            LOOP: "if cached != wanted:\n            continue",
            PAIRS: "zip(cached_ids, token_ids[:-1], strict=False)",
        },
    ),
    Misconception(
        "none-without-a-difference",
        "Where no token differs as far as both go, nothing stays. That is the usual turn of a "
        "chat: all that was compared may stay.",
        LINK,
        {LAST: "return n_same if n_same < min(len(cached_ids), len(token_ids) - 1) else 0"},
    ),
    Misconception(
        "last-of-the-cache-held-back",
        "The last token of the *cache* is held back. It is the last token of the *text* that has "
        "to be run.",
        LINK,
        {LAST: "return max(min(n_same, len(cached_ids) - 1), 0)"},
    ),
    Misconception(
        "equal-tokens-counted",
        "It is counted how many tokens the two have in common, wherever they stand. Only a common "
        "beginning holds.",
        LINK,
        {LAST: "return min(len(set(cached_ids) & set(token_ids)), len(token_ids) - 1)"},
    ),
    Misconception(
        "first-difference-included",
        "One position too many stays: the one at which the texts differ.",
        LINK,
        {LAST: "return min(n_same + (n_same < len(cached_ids)), len(token_ids) - 1)"},
    ),
    Misconception(
        "always-one-back",
        "One position too few stays wherever the texts differ or go on. Only where the text ends "
        "within the cache does one have to be run again.",
        LINK,
        {LAST: "return max(min(n_same, len(token_ids)) - 1, 0)"},
    ),
    Misconception(
        "nothing-kept",
        "Nothing stays: every turn pays for the whole conversation again.",
        LINK,
        {LAST: "return 0"},
    ),
    Misconception(
        "what-has-to-be-run",
        "This is how many tokens have to be run. Wanted is how many positions may stay.",
        LINK,
        {LAST: "return len(token_ids) - min(n_same, len(token_ids) - 1)"},
    ),
    Misconception(
        "what-is-forgotten",
        "This is how many positions of the cache are forgotten. Wanted is how many may stay.",
        LINK,
        {LAST: "return len(cached_ids) - min(n_same, len(token_ids) - 1)"},
    ),
    Misconception(
        "last-of-the-cache-run-again",
        "The last token of the cache is always run again. It is the last token of the *text* that "
        "has to be run.",
        LINK,
        {LAST: "return max(min(n_same, len(cached_ids) - 1, len(token_ids) - 1), 0)"},
    ),
)

EXERCISE = Exercise(
    id="capstone/n_reusable",
    callable="n_reusable",
    title="What may stay in the cache",
    parts={"all": 2},
    minutes=8,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(by_common_prefix, with_takewhile, from_the_longest),
    properties=(
        Property(
            "nobody-predicts",
            "For a text that is cached as a whole, all of it stays, so no token is run.",
            LINK,
            ("same",),
            lambda same: same < 5,
        ),
        Property(
            "more-than-the-last-run-again",
            "For a text that is cached as a whole, more than its last token is run again.",
            LINK,
            ("same",),
            lambda same: same >= 4,
        ),
        Property(
            "kept-behind-a-difference",
            "Positions stay though their token, or one before it, is another one in the text.",
            LINK,
            ("middle", "first"),
            lambda middle, first: middle <= 2 and first <= 0,
        ),
        Property(
            "less-than-the-beginning",
            "The text goes on behind all that is cached, and yet not all of it stays.",
            LINK,
            ("longer",),
            lambda longer: longer >= 5,
        ),
    ),
)
