"""text_before_transformers/next_probabilities: counts after a context, smoothed by add-k."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.text_before_transformers.draw import text

LINK = "text-before-transformers-smoothing"
COUNTING = "text-before-transformers-counting"
SEEN, RARE = "contexts that occur", "contexts without a successor"


def _case(says, tokens, context, vocab_size, k, part=SEEN, name=""):
    inputs = {"token_ids": tokens, "context": context, "vocab_size": vocab_size, "k": k}
    return Case(says, inputs, part, "vocab", name)


def cases(rng: np.random.Generator) -> list[Case]:
    """Contexts of 0 to 3 tokens, k of 0, 1 and others; contexts at the end, and unseen ones."""
    tokens = text(rng, 61, vocab_size=5) + [4, 0, 1, 4, 0, 2, 4, 0, 1, 0, 4]
    ends = [6, 2, 6, 1, 6]  # 6 comes three times and has two successors
    k = float(rng.choice([0.25, 0.3, 0.7]))
    return [
        _case("a context of one token and k=1", tokens, (0,), 7, 1, name="one"),
        _case(f"the same context and k={k}", tokens, (0,), 7, k, name="part of one"),
        _case("the same context and k=0", tokens, (0,), 7, 0),
        _case("the same context and k=3", tokens, (0,), 7, 3),
        _case("a context of two tokens", tokens, (4, 0), 7, k, name="two"),
        _case("the same two tokens in the other order", tokens, (0, 4), 7, k),
        _case("the empty context", tokens, (), 7, k, name="none"),
        _case("a context of three tokens", tokens, (2, 4, 0), 5, k),
        _case("a context that is also the end of the text", ends, (6,), 11, k),
        _case("a context that overlaps itself", _stutter(rng), (3, 3), 5, k, name="overlap"),
        _case("the same text and one of its tokens", _stutter(rng), (3,), 5, k),
        _case("a vocabulary of one token", [0, 0, 0], (0,), 1, 1),
        _case("a context that never occurs", tokens, (6,), 7, k, RARE, name="unseen"),
        _case("a context that only ends the text", [3, 3, 1], (1,), 5, 1, RARE),
        _case("a context that never occurs, and k=0", tokens, (6,), 7, 0, RARE),
        _case("a context that only ends the text, and k=0", [3, 3, 1], (1,), 5, 0, RARE),
    ]


def _stutter(rng: np.random.Generator) -> list[int]:
    """3 comes four times in a row, and twice: after (3, 3) comes 3 two times, and another twice."""
    other = int(rng.integers(3))
    return [3, 3, 3, 3, other, 4, 3, 3, 4]


# --- right in other ways ---------------------------------------------------------------------


def by_scanning(token_ids, context, vocab_size, k):
    """Every position of the text is compared with the context."""
    followers = np.zeros(vocab_size)
    n = len(context)
    for i in range(n, len(token_ids)):
        if tuple(token_ids[i - n : i]) == tuple(context):
            followers[token_ids[i]] += 1
    if followers.sum() + k == 0:
        raise ValueError("never seen")
    smoothed = followers + k
    return smoothed / smoothed.sum()


def with_bincount(token_ids, context, vocab_size, k):
    """Windows as rows of an array; followers by a boolean index and bincount."""
    n, ids = len(context), np.array(token_ids)
    starts = max(len(ids) - n, 0)
    windows = np.array([ids[i : i + n + 1] for i in range(starts)]).reshape(starts, n + 1)
    after = windows[(windows[:, :n] == np.array(context)).all(axis=1), -1].astype(int)
    total = len(after) + k * vocab_size
    if total == 0:
        raise ValueError("0 / 0")
    return (np.bincount(after, minlength=vocab_size) + k) / total


def token_by_token(token_ids, context, vocab_size, k):
    """A list of numbers, made an array at the end."""
    n = len(context)
    after = [
        token_ids[i + n]
        for i in range(len(token_ids) - n)
        if list(token_ids[i : i + n]) == list(context)
    ]
    if not after and not k:
        raise ValueError("nothing to count")
    total = float(len(after) + vocab_size * k)
    return np.asarray([(after.count(token) + k) / total for token in range(vocab_size)])


# --- wrong in known ways -----------------------------------------------------------------------

RESULT = "(after + k) / (total + k * vocab_size)"
TOTAL = "total = after.sum()"
KEY = "(*context, token)"
REFUSE = "total == 0 and k == 0"


def _shared_by(denominator: str, counts: str = "(after + k)") -> dict[str, str]:
    """Divided by something that may be 0, as NumPy does it, without its warning."""
    return {RESULT: f"np.errstate(all='ignore')(lambda: {counts} / ({denominator}))()"}


def context_counted_alone(token_ids, context, vocab_size, k):
    """The denominator counts the context itself, its place at the text's end included."""
    n = len(context)
    runs = [tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1)]
    after = np.zeros(vocab_size)
    for i in range(len(token_ids) - n):
        if runs[i] == tuple(context):
            after[token_ids[i + n]] += 1
    total = runs.count(tuple(context)) if n else len(token_ids)
    if total == 0 and k == 0:
        raise ValueError("never seen")
    return (after + k) / (total + k * vocab_size)


def in_any_order(token_ids, context, vocab_size, k):
    """Sorted tokens are compared."""
    n, after = len(context), np.zeros(vocab_size)
    for i in range(len(token_ids) - n):
        if sorted(token_ids[i : i + n]) == sorted(context):
            after[token_ids[i + n]] += 1
    if after.sum() == 0 and k == 0:
        raise ValueError("never seen")
    return (after + k) / (after.sum() + k * vocab_size)


def _found_apart(step):
    """Counts after a search that goes on `step(n)` places behind the start of a find."""

    def probabilities(token_ids, context, vocab_size, k):
        n, i, after = len(context), 0, np.zeros(vocab_size)
        while i + n < len(token_ids):
            found = tuple(token_ids[i : i + n]) == tuple(context)
            if found:
                after[token_ids[i + n]] += 1
            i += step(n) if found else 1
        if after.sum() == 0 and k == 0:
            raise ValueError("never seen")
        return (after + k) / (after.sum() + k * vocab_size)

    return probabilities


APART = (
    "Places are missed where the context stands: after a find, the search goes on behind {}. The "
    "context may stand again one place further, as *3 3* does in *3 3 3*."
)

MISCONCEPTIONS = (
    Misconception(
        "denominator-not-smoothed",
        "The probabilities add up to more than 1: every count got its k, but the sum of the counts "
        "in the denominator did not grow with them.",
        LINK,
        _shared_by("total"),
    ),
    Misconception(
        "k-added-once",
        "The denominator grows by one k; but every token of the vocabulary got one.",
        LINK,
        {RESULT: "(after + k) / (total + k)"},
    ),
    Misconception(
        "vocabulary-without-k",
        "The denominator grows by the number of tokens in the vocabulary, which is right only for "
        "k=1: add up what all of them were given.",
        LINK,
        {RESULT: "(after + k) / (total + vocab_size)"},
    ),
    Misconception(
        "k-for-seen-tokens-alone",
        "The denominator counts only the kinds of tokens that followed this context. Those that "
        "never did were given a k as well.",
        LINK,
        _shared_by("total + k * (after > 0).sum()"),
    ),
    Misconception(
        "only-unseen-smoothed",
        "Only the tokens that never followed got a k, so that seen ones are not treated alike: in "
        "add-k smoothing every count grows by k.",
        LINK,
        {RESULT: "np.where(after == 0, k, after) / np.where(after == 0, k, after).sum()"},
    ),
    Misconception(
        "always-add-one",
        "Every count grows by 1, whatever `k` says: add-one is the case k=1 of add-k.",
        LINK,
        {RESULT: "(after + 1) / (total + vocab_size)"},
    ),
    Misconception(
        "not-smoothed",
        "`k` has no effect: these are the bare counts, shared out. A token that never followed "
        "keeps the probability 0.",
        LINK,
        {RESULT: "after / max(total, 1)"},
    ),
    Misconception(
        "only-the-numerator-counts",
        "This divides by all n-grams of the text, so it is the share of the whole text. Wanted is "
        "the share among those n-grams that begin with the context.",
        COUNTING,
        {TOTAL: "total = sum(counts.values())"},
    ),
    Misconception(
        "vocabulary-of-the-text",
        "The denominator takes the number of different tokens in the text for the vocabulary. "
        "`vocab_size` may be larger, and each of its tokens was given a k.",
        LINK,
        _shared_by("total + k * len(set(token_ids))"),
    ),
    Misconception(
        "unseen-left-at-zero",
        "Only the tokens that did follow got a k, and what never followed keeps the probability "
        "0. Every token of the vocabulary gets k more.",
        LINK,
        _shared_by("np.where(after > 0, after + k, 0).sum()", "np.where(after > 0, after + k, 0)"),
    ),
    Misconception(
        "search-goes-on-behind-the-context",
        APART.format("the context"),
        COUNTING,
        answer=_found_apart(lambda n: max(n, 1)),
    ),
    Misconception(
        "search-goes-on-behind-the-next-token",
        APART.format("the token that followed"),
        COUNTING,
        answer=_found_apart(lambda n: n + 1),
    ),
    Misconception(
        "divided-by-the-length",
        "This divides by the length of the text. Wanted is the share among the tokens that come "
        "after this context.",
        COUNTING,
        {TOTAL: "total = len(token_ids)"},
    ),
    Misconception(
        "end-of-text-counted",
        "The denominator counts every place where the context stands, also the end of the text, "
        "where nothing follows. Only places with a token after them can be shared out.",
        COUNTING,
        answer=context_counted_alone,
    ),
    Misconception(
        "context-reversed",
        "The context is read backwards: its last token stands directly before the next one.",
        COUNTING,
        {KEY: "(*context[::-1], token)"},
    ),
    Misconception(
        "order-of-the-context-lost",
        "Any order of the context's tokens is taken for the context, as in a bag of words. They "
        "have to stand in its order.",
        COUNTING,
        answer=in_any_order,
    ),
    Misconception(
        "token-before-context",
        "This counts what comes before the context. The next token stands behind it.",
        COUNTING,
        {KEY: "(token, *context)"},
    ),
    Misconception(
        "last-token-of-context-only",
        "Only the last token of the context is looked at, whatever stands before it: all of them "
        "have to match.",
        COUNTING,
        {"counts = count_ngrams": "context = context[-1:]\n    counts = count_ngrams"},
    ),
    Misconception(
        "softmax-of-counts",
        "The counts go through a softmax, which turns a count of 10 into thousands of times the "
        "weight of a count of 1. Counts are shared out by dividing.",
        LINK,
        {RESULT: "np.exp(after + k) / np.exp(after + k).sum()"},
    ),
    Misconception(
        "unseen-context-refused",
        "A context that was never seen is refused although k is above 0. Then each of the V tokens "
        "has k of kV occurrences, that is 1/V. Only where k is 0 as well is there nothing to go "
        "by.",
        LINK,
        {f"if {REFUSE}:": "if total == 0:"},
    ),
    Misconception(
        "nothing-becomes-uniform",
        "Where nothing ever followed and k is 0, every token gets the same probability. The "
        "docstring promises a ValueError: such an answer was made up, not counted.",
        LINK,
        {
            f"if {REFUSE}:": f"if {REFUSE}:\n        return np.full(vocab_size, 1 / vocab_size)\n"
            f"    if {REFUSE}:"
        },
    ),
    Misconception(
        "zero-by-zero",
        "Where nothing ever followed and k is 0, 0 is divided by 0. Look at the total first, and "
        "raise the ValueError that the docstring promises.",
        LINK,
        {f"if {REFUSE}:": f"if {REFUSE}:\n        return 0 * after + np.nan\n    if {REFUSE}:"},
    ),
)

EXERCISE = Exercise(
    id="text_before_transformers/next_probabilities",
    callable="next_probabilities",
    title="Which token comes next?",
    parts={SEEN: 3, RARE: 1},
    minutes=15,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(by_scanning, with_bincount, token_by_token),
    arrays="numpy",
    depends=("text_before_transformers/count_ngrams",),
    properties=(
        Property(
            "every-token-gets-k",
            "Some token has the probability 0 although k is above 0: what never followed was given "
            "k occurrences, too.",
            LINK,
            ("one", "part of one", "two", "none"),
            lambda *all_of: all(bool(np.all(np.asarray(p) != 0)) for p in all_of),
        ),
        Property(
            "probabilities-sum-to-1",
            "Your probabilities of all tokens of the vocabulary do not add up to 1.",
            LINK,
            ("one", "part of one", "two", "none", "unseen"),
            lambda *all_of: all(bool(np.isclose(np.sum(p), 1)) for p in all_of),
        ),
    ),
)
