"""text_before_transformers/evaluate_ngram: counted in some texts, tried on another."""

import math
from collections import Counter, defaultdict

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.text_before_transformers.draw import text

LINK = "text-before-transformers-sparsity"
SMOOTHING = "text-before-transformers-smoothing"
COST = "text-before-transformers-perplexity"


def cases(rng: np.random.Generator) -> list[Case]:
    """One text and several, n from 1 to 4, unseen n-grams and unseen contexts."""
    vocab_size = 7
    texts = [text(rng, n_tokens, 5) for n_tokens in (31, 2, 43, 1)]
    held_out = [*text(rng, 23, 5), 6, 5, 6, 0, 1, 0, 1]  # 5 and 6 are in none of the texts
    barely = [6, 5, 6, 5, *texts[0][:2], 5]
    k = float(rng.choice([0.2, 0.3, 0.6]))

    def case(says, texts, held_out, n, k, name=""):
        inputs = {"texts": texts, "held_out": held_out, "n": n, "vocab_size": vocab_size, "k": k}
        return Case(says, inputs, name=name)

    return [
        case("one text and n=2", texts[:1], held_out, 2, k, "one"),
        case("the same with k=1", texts[:1], held_out, 2, 1),
        case("four texts and n=2", texts, held_out, 2, k),
        case("four texts and n=1", texts, held_out, 1, k),
        case("four texts and n=3", texts, held_out, 3, k, "three"),
        case("four texts and n=4", texts, held_out, 4, 0.01),
        case("a held-out text of n tokens", texts, texts[2][7:10], 3, k),
        case("a held-out text that was counted", texts, texts[0], 2, k, "counted"),
        case("a held-out text of which two tokens were seen", texts, barely, 2, k),
    ]


# --- right in other ways ---------------------------------------------------------------------


def token_by_token(texts, held_out, n, vocab_size, k):
    """A dictionary of dictionaries, filled in loops."""
    after = defaultdict(lambda: defaultdict(int))
    for tokens in texts:
        for i in range(n - 1, len(tokens)):
            after[tuple(tokens[i - n + 1 : i])][tokens[i]] += 1
    cost, unseen, n_predicted = 0.0, 0, 0
    for i in range(n - 1, len(held_out)):
        table = after.get(tuple(held_out[i - n + 1 : i]), {})
        count, total = table.get(held_out[i], 0), sum(table.values())
        cost += math.log(total + k * vocab_size) - math.log(count + k)
        unseen += count == 0
        n_predicted += 1
    return cost / n_predicted, unseen / n_predicted


def with_zip(texts, held_out, n, vocab_size, k):
    """zip makes the n-grams; the kinds of the held-out text are weighted by how often they come."""

    def runs(tokens):
        return Counter(zip(*(tokens[i:] for i in range(n)), strict=False))

    counts = sum((runs(text) for text in texts), Counter())
    contexts = Counter()
    for run, times in counts.items():
        contexts[run[:-1]] += times
    wanted = runs(held_out)
    total = sum(wanted.values())
    cost = sum(
        times * -math.log((counts[run] + k) / (contexts[run[:-1]] + k * vocab_size))
        for run, times in wanted.items()
    )
    unseen = sum(times for run, times in wanted.items() if run not in counts)
    return cost / total, unseen / total


def with_arrays(texts, held_out, n, vocab_size, k):
    """Each n-gram as one whole number; NumPy finds and counts them."""

    def numbers(tokens):
        ids = np.array(tokens, dtype=np.int64)
        windows = np.stack([ids[i : len(ids) - n + 1 + i] for i in range(n)])
        return (windows * vocab_size ** np.arange(n - 1, -1, -1)[:, None]).sum(0)

    train = np.concatenate([numbers(text) for text in texts if len(text) >= n] or [[]])
    test = numbers(held_out)
    counts = (train[None, :] == test[:, None]).sum(1)
    contexts = (train[None, :] // vocab_size == test[:, None] // vocab_size).sum(1)
    probabilities = (counts + k) / (contexts + k * vocab_size)
    return -np.log(probabilities).mean(), (counts == 0).mean()


# --- wrong in known ways -----------------------------------------------------------------------

COUNT = "counts.update(count_ngrams(text, n))"
CONTEXTS = """for ngram, times in counts.items():
        contexts[ngram[:-1]] += times"""
PROBABILITY = "(counts[ngram] + k) / (contexts[ngram[:-1]] + k * vocab_size)"
UNSEEN = "unseen += counts[ngram] == 0"
RESULT = "return nats, unseen / len(probabilities)"
LOOP = "for text in texts:"
NUMBER = "len(held_out) - n + 1"
STARTS = f"range({NUMBER})"
APPEND = f"probabilities.append({PROBABILITY})"


def with_shorter_contexts(texts, held_out, n, vocab_size, k):
    """Every token is predicted, the first ones from as many tokens as there are."""
    costs, unseen = [], 0
    for i in range(len(held_out)):
        ngram = tuple(held_out[max(i - n + 1, 0) : i + 1])
        m = len(ngram)
        runs = [tuple(text[j : j + m]) for text in texts for j in range(len(text) - m + 1)]
        same_context = sum(run[:-1] == ngram[:-1] for run in runs)
        costs.append(math.log((same_context + k * vocab_size) / (runs.count(ngram) + k)))
        unseen += ngram not in runs
    return sum(costs) / len(costs), unseen / len(costs)


def joined_for_the_cost(texts, held_out, n, vocab_size, k):
    """The probabilities from all texts end to end, the share text by text."""
    joined = [token for text in texts for token in text]
    nats, _ = token_by_token([joined], held_out, n, vocab_size, k)
    _, unseen = token_by_token(texts, held_out, n, vocab_size, k)
    return nats, unseen


def a_model_for_each_text(texts, held_out, n, vocab_size, k):
    """The mean over the texts of what each of them alone would give."""
    found = [token_by_token([text], held_out, n, vocab_size, k) for text in texts]
    nats, unseen = zip(*found, strict=True)
    return sum(nats) / len(texts), sum(unseen) / len(texts)


MISCONCEPTIONS = (
    Misconception(
        "n-grams-across-texts",
        "The texts are put end to end and counted as one, so some n-grams begin in one text and "
        "end in the next: those never stood in any of them.",
        LINK,
        {LOOP: "for text in [[token for text in texts for token in text]]:"},
    ),
    Misconception(
        "joined-for-the-cost",
        "The share is right, but the probabilities come from all texts put end to end, as if some "
        "n-grams began in one text and ended in the next.",
        LINK,
        answer=joined_for_the_cost,
    ),
    Misconception(
        "held-out-text-counted",
        "The held-out text is counted too, and the model then predicts what it has read. That is "
        "what holding out is to prevent.",
        LINK,
        {LOOP: "for text in [*texts, held_out]:"},
    ),
    Misconception(
        "tested-on-what-was-counted",
        "The model is tried on the texts that it counted. Its n-grams are all seen there, and the "
        "result says nothing about a new text.",
        LINK,
        {
            "probabilities, unseen = [], 0": "probabilities, unseen = [], 0\n"
            "    held_out = [token for text in texts for token in text]"
        },
    ),
    Misconception(
        "only-the-last-text",
        "Each text overwrites the counts of the one before, so only the last is left: add up.",
        LINK,
        {COUNT: "counts = Counter(count_ngrams(text, n))"},
    ),
    Misconception(
        "later-count-replaces",
        "Where an n-gram stands in two texts, the count of the later replaces that of the earlier, "
        "as `update` of a plain dict does. `Counter.update` adds.",
        LINK,
        {COUNT: "counts = Counter({**counts, **count_ngrams(text, n)})"},
    ),
    Misconception(
        "only-the-first-text",
        "Only the first of the texts is counted.",
        LINK,
        {LOOP: "for text in texts[:1]:"},
    ),
    Misconception(
        "contexts-counted-alone",
        "The contexts are counted as runs of n - 1 tokens, also where a text ends and nothing "
        "follows. Such a place has nothing to share out.",
        SMOOTHING,
        {
            CONTEXTS: "for text in texts:\n        contexts.update("
            "count_ngrams(text, n - 1) if n > 1 else {(): len(text)})"
        },
    ),
    Misconception(
        "contexts-counted-by-count-ngrams",
        "The contexts are counted as n-grams of n - 1 tokens. For n=1 there is no such thing, and "
        "at the end of a text stands one that nothing follows: make the second table from the "
        "first.",
        SMOOTHING,
        {CONTEXTS: "for text in texts:\n        contexts.update(count_ngrams(text, n - 1))"},
    ),
    Misconception(
        "vocabulary-of-the-texts",
        "The denominator takes the number of different tokens in the texts for the vocabulary. "
        "`vocab_size` may be larger, and each of its tokens was given a k.",
        SMOOTHING,
        {
            PROBABILITY: "(counts[ngram] + k) / (contexts[ngram[:-1]] "
            "+ k * len({token for text in texts for token in text}))"
        },
    ),
    Misconception(
        "first-token-as-context",
        "The denominator takes in all n-grams with the same first token. The context has n - 1 "
        "tokens, and for n=1 it is empty.",
        SMOOTHING,
        {
            "contexts[ngram[:-1]] += times": "contexts[ngram[:1]] += times",
            PROBABILITY: PROBABILITY.replace("[:-1]", "[:1]"),
        },
    ),
    Misconception(
        "last-token-as-context",
        "The denominator takes in all n-grams whose last token but one is the same. The context "
        "is all n - 1 tokens before the last.",
        SMOOTHING,
        {
            "contexts[ngram[:-1]] += times": "contexts[ngram[-2:-1]] += times",
            PROBABILITY: PROBABILITY.replace("[:-1]", "[-2:-1]"),
        },
    ),
    Misconception(
        "a-model-for-each-text",
        "Each text has a model of its own here, and their results are averaged. Add the counts of "
        "all texts up first: one model has read them all.",
        LINK,
        answer=a_model_for_each_text,
    ),
    Misconception(
        "contexts-count-kinds",
        "The denominator counts how many different tokens follow the context, not how many times "
        "something follows.",
        SMOOTHING,
        {"contexts[ngram[:-1]] += times": "contexts[ngram[:-1]] += 1"},
    ),
    Misconception(
        "denominator-not-smoothed",
        "The denominator lacks k for each token of the vocabulary: the probabilities after a "
        "context then add up to more than 1.",
        SMOOTHING,
        {PROBABILITY: "(counts[ngram] + k) / max(contexts[ngram[:-1]], k)"},
    ),
    Misconception(
        "vocabulary-without-k",
        "The denominator grows by the number of tokens instead of k times that number, which is "
        "the same only for k=1.",
        SMOOTHING,
        {PROBABILITY: "(counts[ngram] + k) / (contexts[ngram[:-1]] + vocab_size)"},
    ),
    Misconception(
        "kinds-seen-as-vocabulary",
        "The denominator takes the number of different n-grams for the size of the vocabulary.",
        SMOOTHING,
        {PROBABILITY: "(counts[ngram] + k) / (contexts[ngram[:-1]] + k * len(counts))"},
    ),
    Misconception(
        "share-of-all-n-grams",
        "Each n-gram is measured against all n-grams of the texts. Wanted is the probability of "
        "its last token after its own context.",
        SMOOTHING,
        {PROBABILITY: "(counts[ngram] + k) / (sum(counts.values()) + k * vocab_size)"},
    ),
    Misconception(
        "unseen-left-out-of-the-cost",
        "N-grams that were never seen do not enter the mean cost. They are the dear ones: leaving "
        "them out makes a large n look good.",
        COST,
        {
            APPEND: f"if counts[ngram]: {APPEND}",
            RESULT: f"return nats, unseen / ({NUMBER})",
        },
    ),
    Misconception(
        "unseen-cost-nothing",
        "N-grams that were never seen add nothing to the cost. Smoothing gives them a small "
        "probability, and so a large cost.",
        COST,
        {APPEND: f"probabilities.append({PROBABILITY} if counts[ngram] else 1.0)"},
    ),
    Misconception(
        "seen-after-the-first-look",
        "An n-gram that was never seen is unseen the first time only. Looking it up put it into "
        "the table, as a `defaultdict` does with every key that is read: use `get`, or a Counter.",
        LINK,
        {UNSEEN: "unseen += ngram not in counts\n        counts[ngram] += 0"},
    ),
    Misconception(
        "first-tokens-predicted-too",
        "The first n - 1 tokens of the held-out text are predicted too, from shorter contexts. "
        "Only whole n-grams predict.",
        LINK,
        answer=with_shorter_contexts,
    ),
    Misconception(
        "short-n-grams-at-the-end",
        "At its end, the held-out text is cut into runs of fewer than n tokens, and these are "
        "looked up too. Only whole n-grams predict.",
        LINK,
        {STARTS: "range(len(held_out))"},
    ),
    Misconception(
        "last-n-gram-missed",
        "The last n-gram of the held-out text is left out: it may start n places before the end.",
        LINK,
        {
            STARTS: "range(len(held_out) - n)",
            RESULT: "return nats, unseen / max(len(probabilities), 1)",
        },
    ),
    Misconception(
        "share-seen",
        "The second number is the share of n-grams that were seen. Asked for is the share of those "
        "that were not.",
        LINK,
        {RESULT: "return nats, 1 - unseen / len(probabilities)"},
    ),
    Misconception(
        "number-instead-of-share",
        "The second number counts the unseen n-grams. Asked for is their share of all n-grams of "
        "the held-out text.",
        LINK,
        {RESULT: "return nats, float(unseen)"},
    ),
    Misconception(
        "different-n-grams-alone",
        "In the share, each different n-gram counts once. Asked for is every n-gram as often as it "
        "comes.",
        LINK,
        {
            RESULT: "kinds = set(count_ngrams(held_out, n))\n"
            "    return nats, sum(counts[kind] == 0 for kind in kinds) / len(kinds)"
        },
    ),
    Misconception(
        "each-kind-once",
        "Each different n-gram of the held-out text enters once, in the cost as in the share. Go "
        "through them as they come: one that stands there ten times counts ten times.",
        LINK,
        {
            f"for i in {STARTS}:": "for ngram in count_ngrams(held_out, n):",
            "ngram = tuple(held_out[i : i + n])": "pass",
        },
    ),
    Misconception(
        "unseen-contexts-counted",
        "The second number is the share of contexts that never came. An n-gram can be new although "
        "its context is well known.",
        LINK,
        {UNSEEN: "unseen += contexts[ngram[:-1]] == 0"},
    ),
    Misconception(
        "divided-by-all-tokens",
        "The number of unseen n-grams is divided by the number of tokens of the held-out text. It "
        "has n - 1 fewer n-grams than tokens.",
        LINK,
        {RESULT: "return nats, unseen / len(held_out)"},
    ),
    Misconception(
        "perplexity-instead-of-nats",
        "The first number is the perplexity. Asked for is the mean cost in nats, whose exp it is.",
        COST,
        {"nats, _ = nats": "_, nats = nats"},
    ),
    Misconception(
        "mean-log-probability",
        "The first number is the mean of the log-probabilities, below 0. A cost is minus the log: "
        "the rarer, the dearer.",
        COST,
        {RESULT: "return -nats, unseen / len(probabilities)"},
    ),
)

EXERCISE = Exercise(
    id="text_before_transformers/evaluate_ngram",
    callable="evaluate_ngram",
    title="A text that nobody counted",
    parts={"all": 4},
    minutes=18,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(token_by_token, with_zip, with_arrays),
    arrays="numpy",
    depends=(
        "text_before_transformers/count_ngrams",
        "text_before_transformers/nats_and_perplexity",
    ),
    properties=(
        Property(
            "a-share",
            "Your second number is not between 0 and 1. It is a share: unseen n-grams, divided by "
            "all n-grams of the held-out text.",
            LINK,
            ("one", "three", "counted"),
            lambda *all_of: all(0 <= share <= 1 for _, share in all_of),
        ),
        Property(
            "nothing-new-in-what-was-counted",
            "A text that was counted has n-grams that you call unseen.",
            LINK,
            ("counted",),
            lambda counted: counted[1] == 0,
        ),
        Property(
            "a-cost-is-above-0",
            "Your first number is below 0 somewhere. No probability is above 1, so no cost is.",
            COST,
            ("one", "three", "counted"),
            lambda *all_of: all(not nats < 0 for nats, _ in all_of),
        ),
    ),
)
