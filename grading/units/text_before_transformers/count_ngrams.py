"""text_before_transformers/count_ngrams: how often each run of n tokens occurs."""

from collections import Counter, defaultdict

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception
from grading.units.text_before_transformers.draw import text

LINK = "text-before-transformers-counting"


def cases(rng: np.random.Generator) -> list[Case]:
    """n from 1 up to the length of the text and beyond it; runs that overlap themselves."""
    tokens = text(rng, 31, vocab_size=5)
    same = int(rng.integers(50, 90))
    return [
        Case("a text of 31 tokens and n=2", {"token_ids": tokens, "n": 2}),
        Case("the same text and n=1", {"token_ids": tokens, "n": 1}),
        Case("the same text and n=3", {"token_ids": tokens, "n": 3}),
        Case("the same text and n=5", {"token_ids": tokens, "n": 5}),
        Case("one token, seven times, and n=3", {"token_ids": [same] * 7, "n": 3}),
        Case("a text of 4 tokens and n=4", {"token_ids": [7, 3, 3, same], "n": 4}),
        Case("a text of 3 tokens and n=4", {"token_ids": [same, 3, 1], "n": 4}),
        Case("a text without tokens and n=1", {"token_ids": [], "n": 1}),
        Case("n=0", {"token_ids": tokens[:5], "n": 0}),
    ]


# --- right in other ways ---------------------------------------------------------------------


def by_shifted_copies(token_ids, n):
    """zip of the text with itself, each copy one place further."""
    if n <= 0:
        raise ValueError("n must be positive")
    return Counter(zip(*[token_ids[start:] for start in range(n)], strict=False))


def by_a_loop(token_ids, n):
    """A dictionary, a while loop, one count at a time; a plain dict comes back."""
    if n < 1:
        raise ValueError(n)
    counts = {}
    i = 0
    while i + n <= len(token_ids):
        run = tuple(token_ids[i + j] for j in range(n))
        counts[run] = counts.get(run, 0) + 1
        i += 1
    return counts


def by_a_window(token_ids, n):
    """A window that slides over the text."""
    if n < 1:
        raise ValueError(n)
    counts, window = defaultdict(int), []
    for token in token_ids:
        window = [*window, token][-n:]
        if len(window) == n:
            counts[tuple(window)] += 1
    return dict(counts)


# --- wrong in known ways -----------------------------------------------------------------------

RUN = "tuple(token_ids[i : i + n])"
STARTS = "range(len(token_ids) - n + 1)"


def keys_as_text(token_ids, n):
    """Keys of joined text."""
    if n < 1:
        raise ValueError(n)
    starts = range(len(token_ids) - n + 1)
    return Counter(" ".join(map(str, token_ids[i : i + n])) for i in starts)


def bare_single_tokens(token_ids, n):
    """Keys are tuples, but for n = 1 the tokens themselves."""
    if n < 1:
        raise ValueError(n)
    starts = range(len(token_ids) - n + 1)
    runs = (tuple(token_ids[i : i + n]) for i in starts)
    return Counter(run if n > 1 else run[0] for run in runs)


def every_order(token_ids, n):
    """Runs of 1 to n tokens together."""
    if n < 1:
        raise ValueError(n)
    counts = Counter()
    for order in range(1, n + 1):
        starts = range(len(token_ids) - order + 1)
        counts.update(tuple(token_ids[i : i + order]) for i in starts)
    return counts


def padded_at_the_beginning(token_ids, n):
    """As many runs as tokens: the first ones begin before the text."""
    if n < 1:
        raise ValueError(n)
    padded = [None] * (n - 1) + list(token_ids)
    return Counter(tuple(padded[i : i + n]) for i in range(len(token_ids)))


def padded_at_both_ends(token_ids, n):
    """NLTK's padding, with a token that is no id."""
    if n < 1:
        raise ValueError(n)
    padded = [-1] * (n - 1) + list(token_ids) + [-1] * (n - 1)
    return Counter(tuple(padded[i : i + n]) for i in range(len(padded) - n + 1))


PADDING = (
    "{} runs are counted that reach beyond the text, with something else where it has no tokens. "
    "Only runs that lie wholly in the text are asked for."
)

MISCONCEPTIONS = (
    Misconception(
        "last-run-missed",
        "The last run of the text is not counted. A run of n tokens may start up to n places "
        "before the end: try a text of exactly n tokens.",
        LINK,
        {STARTS: "range(len(token_ids) - n)"},
    ),
    Misconception(
        "first-run-missed",
        "The run at the very beginning of the text is not counted: positions start at 0.",
        LINK,
        {STARTS: "range(1, len(token_ids) - n + 1)"},
    ),
    Misconception(
        "short-runs-at-the-end",
        "At the end of the text, runs of fewer than n tokens are counted too: a slice that reaches "
        "beyond the end is cut off without an error.",
        LINK,
        {STARTS: "range(len(token_ids))"},
    ),
    Misconception(
        "runs-do-not-overlap",
        "The text is cut into pieces, so that each token is in one run only. Runs overlap: one "
        "starts at every position.",
        LINK,
        {STARTS: "range(0, len(token_ids) - n + 1, n)"},
    ),
    Misconception(
        "order-within-the-run-lost",
        "Runs with the same tokens in another order are counted as one. The order is what an "
        "n-gram has and a bag of words has not.",
        LINK,
        {RUN: "tuple(sorted(token_ids[i : i + n]))"},
    ),
    Misconception(
        "runs-one-place-too-early",
        "Each run ends before its position instead of with it: the last run of the text is never "
        "counted, and a slice that begins before the text comes in its place.",
        LINK,
        {RUN: "tuple(token_ids[i - n : i])", STARTS: "range(n - 1, len(token_ids))"},
    ),
    Misconception(
        "kinds-not-times",
        "Every run that occurs has the count 1, however often it comes: a set forgets how often.",
        LINK,
        {RUN + " for i in " + STARTS: "{" + RUN + " for i in " + STARTS + "}"},
    ),
    Misconception(
        "one-token-too-many",
        "The runs are one token longer than asked. With n=2 a pair is wanted: one token of context "
        "and the one after it.",
        LINK,
        {RUN: "tuple(token_ids[i : i + n + 1])", STARTS: "range(len(token_ids) - n)"},
    ),
    Misconception(
        "one-token-too-few",
        "The runs are one token shorter than asked: only the contexts are counted, without the "
        "token that follows them.",
        LINK,
        {RUN: "tuple(token_ids[i : i + n - 1])"},
    ),
    Misconception(
        "every-order-counted",
        "Shorter runs are counted beside those of n tokens. Asked for are the runs of exactly n.",
        LINK,
        answer=every_order,
    ),
    Misconception(
        "bare-single-tokens",
        "For n=1 the keys are bare tokens. A tuple of one token keeps the keys of all n alike, so "
        "that code which cuts off the last token works for n=1 too.",
        LINK,
        answer=bare_single_tokens,
    ),
    Misconception(
        "keys-as-text",
        "The keys are text, joined from the tokens. The wanted key of a run is the tuple of its "
        "ids, from which context and last token can be cut again.",
        LINK,
        answer=keys_as_text,
    ),
    Misconception(
        "padded-at-the-beginning",
        PADDING.format("At the beginning"),
        LINK,
        answer=padded_at_the_beginning,
    ),
    Misconception(
        "padded-at-both-ends", PADDING.format("At both ends"), LINK, answer=padded_at_both_ends
    ),
    Misconception(
        "single-tokens-refused",
        "n=1 is refused. A single token is a run, too, the 1-gram: only below 1 there is nothing "
        "to count.",
        LINK,
        {"if n < 1:": "if n <= 1:"},
    ),
    Misconception(
        "n-below-1-accepted",
        "n=0 gives an answer where the docstring promises a ValueError: there is no run without a "
        "token, and a caller should hear of it.",
        LINK,
        {"if n < 1:": "if n < 0:"},
    ),
)


EXERCISE = Exercise(
    id="text_before_transformers/count_ngrams",
    callable="count_ngrams",
    title="Count the runs of n tokens",
    parts={"all": 2},
    minutes=8,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(by_shifted_copies, by_a_loop, by_a_window),
)
