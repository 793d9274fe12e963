"""text_before_transformers/nats_and_perplexity: what a text costs a model."""

import math

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property

LINK = "text-before-transformers-perplexity"
USUAL, EDGE = "ordinary texts", "a probability of 0, and no text"


def cases(rng: np.random.Generator) -> list[Case]:
    """One token, several, 4,000 (whose product is 0), certainty, a zero, nothing."""
    several = rng.uniform(0.05, 0.9, size=7)
    rare = rng.uniform(1e-9, 1e-6, size=11)
    long = rng.uniform(0.01, 0.5, size=4001)
    zero = np.concatenate([several, [0.0], several])
    drawn = {
        "one token": (several[:1], USUAL, "alone"),
        "7 tokens": (several, USUAL, "once"),
        "the same 7 tokens twice": (np.tile(several, 2), USUAL, "twice"),
        "11 tokens of tiny probability": (rare, USUAL, ""),
        "4,001 tokens": (long, USUAL, ""),
        "5 tokens of equal probability": (np.full(5, 1 / 17), USUAL, "equal"),
        "tokens that were certain": (np.ones(3), USUAL, ""),
        "a token of probability 0 among others": (zero, EDGE, "zero"),
        "a text without tokens": (np.zeros(0), EDGE, ""),
    }
    return [
        Case(says, {"probabilities": p}, part, name=name) for says, (p, part, name) in drawn.items()
    ]


# --- right in other ways ---------------------------------------------------------------------


def one_by_one(probabilities):
    """A loop over Python numbers."""
    total = 0.0
    for p in probabilities.tolist():
        if p == 0:
            return math.inf, math.inf
        total -= math.log(p)
    if len(probabilities) == 0:
        raise ValueError("empty")
    mean = total / len(probabilities)
    return mean, math.exp(mean)


def from_bits(probabilities):
    """Bits first, then nats; numpy's floats come back."""
    if not probabilities.size:
        raise ValueError("empty")
    with np.errstate(divide="ignore"):
        bits = np.mean(np.log2(1 / probabilities))
    return bits * np.log(2), 2**bits


def by_roots(probabilities):
    """The geometric mean of 1 / p as a product of roots."""
    n = len(probabilities)
    if n < 1:
        raise ValueError("empty")
    if min(probabilities) <= 0:
        return float("inf"), float("inf")
    perplexity = float(np.prod((1 / probabilities) ** (1 / n)))
    return math.log(perplexity), perplexity


# --- wrong in known ways -----------------------------------------------------------------------

NATS = "float(-np.log(probabilities).mean())"
BOTH = "return nats, math.exp(nats)"
ZERO = "if (probabilities == 0).any():\n        return math.inf, math.inf"
NO_ZERO = {ZERO: "if False:\n        return math.inf, math.inf"}  # NumPy's ln 0 is minus infinity
EMPTY = "if len(probabilities) == 0:"


def _quietly(expression: str) -> str:
    """The same without NumPy's warnings about 0."""
    return f"np.errstate(all='ignore')(lambda: float({expression}))()"


WEIGHTED = (
    "Each cost is multiplied by its probability and then {}, as in the entropy of a model. Here "
    "the tokens have come already, and each counts once, however unlikely it was."
)

NO_NUMBER = " And 0 times infinity is no number."

MISCONCEPTIONS = (
    Misconception(
        "sum-instead-of-mean",
        "The costs are added up and not divided by the number of tokens, so a text twice as long "
        "costs twice as much. Wanted is the cost of a token.",
        LINK,
        {NATS: "float(-np.log(probabilities).sum())"},
    ),
    Misconception(
        "sum-without-end",
        "The costs are added up and not divided by the number of tokens, and exp of so large a sum "
        "is infinite for a long text. Divide first: wanted is the cost of a token.",
        LINK,
        {
            NATS: "float(-np.log(probabilities).sum())",
            BOTH: "return nats, math.exp(nats) if nats < 700 else math.inf",
        },
    ),
    Misconception(
        "mean-before-logarithm",
        "The probabilities are averaged before the logarithm, and so one bad surprise hardly "
        "counts. Each token has a cost; average the costs.",
        LINK,
        {NATS: "float(-np.log(probabilities.mean()))"},
    ),
    Misconception(
        "mean-of-inverses",
        "This is the mean of 1 / p. Perplexity is the geometric mean of 1 / p: exp of the mean of "
        "the logarithms.",
        LINK,
        {NATS: "float(np.log((1 / probabilities).mean()))"},
    ),
    Misconception(
        "perplexity-by-mean-of-inverses",
        "The nats are right, but the perplexity is the plain mean of 1 / p, in which one surprise "
        "outweighs all else. It is exp of the mean cost.",
        LINK,
        {BOTH: "return nats, float((1 / probabilities).mean())"},
    ),
    Misconception(
        "weighted-by-probability",
        WEIGHTED.format("added"),
        LINK,
        {NATS: "float(-(probabilities * np.log(probabilities)).sum())"},
    ),
    Misconception(
        "weighted-and-averaged",
        WEIGHTED.format("averaged"),
        LINK,
        {NATS: "float(-(probabilities * np.log(probabilities)).mean())"},
    ),
    Misconception(
        "weighted-by-probability-of-0",
        WEIGHTED.format("added") + NO_NUMBER,
        LINK,
        {
            NATS: _quietly("-(probabilities * np.log(probabilities)).sum()"),
            BOTH: "return nats, math.inf if nats > 700 else math.exp(nats)",
            **NO_ZERO,
        },
    ),
    Misconception(
        "weighted-and-averaged-with-0",
        WEIGHTED.format("averaged") + NO_NUMBER,
        LINK,
        {NATS: _quietly("-(probabilities * np.log(probabilities)).mean()"), **NO_ZERO},
    ),
    Misconception(
        "median-instead-of-mean",
        "This is the median of the costs, which a few bad surprises do not move. Wanted is their "
        "mean.",
        LINK,
        {NATS: "float(np.median(-np.log(probabilities)))"},
    ),
    Misconception(
        "one-token-less",
        "The costs are divided by one less than the number of tokens. Every token of the list has "
        "a probability, the first one too.",
        LINK,
        {NATS: "float(-np.log(probabilities).sum() / (len(probabilities) - 1 or 1))"},
    ),
    Misconception(
        "product-underflows",
        "The probabilities are multiplied first, and the product of some hundred of them is 0 on a "
        "computer: the logarithm then has nothing to say. Add logarithms instead.",
        LINK,
        {
            NATS: "float(-np.log(np.prod(probabilities)) / len(probabilities)) "
            "if np.prod(probabilities) > 0 else math.inf",
            BOTH: "return nats, math.inf if nats == math.inf else math.exp(nats)",
        },
    ),
    Misconception(
        "bits-instead-of-nats",
        "The cost is in bits: the logarithm has base 2, and so has the power. Perplexity comes out "
        "right, but nats are wanted, from the natural logarithm.",
        LINK,
        {NATS: "float(-np.log2(probabilities).mean())", BOTH: "return nats, 2**nats"},
    ),
    Misconception(
        "bases-mixed",
        "The logarithm has base 2 and the power base e. They have to be the same, and for nats "
        "both are e.",
        LINK,
        {NATS: "float(-np.log2(probabilities).mean())"},
    ),
    Misconception(
        "power-of-2",
        "The nats are right, but the perplexity is a power of 2. What the natural logarithm took "
        "apart, exp puts together.",
        LINK,
        {BOTH: "return nats, 2**nats"},
    ),
    Misconception(
        "base-10",
        "The logarithm has base 10. The cost in nats comes from the natural logarithm.",
        LINK,
        {NATS: "float(-np.log10(probabilities).mean())"},
    ),
    Misconception(
        "sign-lost",
        "The logarithm of a probability is negative or 0; a cost is not. The minus is missing.",
        LINK,
        {NATS: "float(np.log(probabilities).mean())"},
    ),
    Misconception(
        "sign-lost-at-0-too",
        "The minus is missing: what was called impossible costs minus infinity here, less than all "
        "else, and a likely token costs more than a rare one. A cost is −ln p.",
        LINK,
        {NATS: _quietly("np.log(probabilities).mean()"), **NO_ZERO},
    ),
    Misconception(
        "numbers-swapped",
        "The two numbers have changed places: nats first, then perplexity.",
        LINK,
        {BOTH: "return math.exp(nats), nats"},
    ),
    Misconception(
        "perplexity-of-the-sum",
        "The nats are right, but the perplexity comes from the sum of the costs: it then grows "
        "with the length of the text. It belongs to the mean cost.",
        LINK,
        {BOTH: "return nats, float(np.exp(np.minimum(nats * len(probabilities), 700)))"},
    ),
    Misconception(
        "zeros-left-out",
        "Tokens of probability 0 are left out of the mean, so the worst that a model can do costs "
        "nothing. It called impossible what happened: the cost is infinite.",
        LINK,
        {ZERO: "probabilities = probabilities[probabilities > 0]"},
    ),
    Misconception(
        "zeros-made-small",
        "A probability of 0 is replaced by a tiny number, and the result depends on which one was "
        "chosen. What was called impossible costs infinitely much; smoothing belongs in the model.",
        LINK,
        {ZERO: "probabilities = np.maximum(probabilities, 1e-10)"},
    ),
    Misconception(
        "zero-raises",
        "A probability of 0 stops the function. It is a possible, if bad, answer of a model: its "
        "cost is infinite, `math.inf`.",
        LINK,
        {ZERO: "if (probabilities == 0).any():\n        raise ValueError('log of 0')"},
    ),
    Misconception(
        "no-text-accepted",
        "A text without tokens gets an answer. There is no mean of nothing: the docstring promises "
        "a ValueError.",
        LINK,
        {EMPTY: "if len(probabilities) == 0:\n        return 0.0, 1.0\n    " + EMPTY},
    ),
)

EXERCISE = Exercise(
    id="text_before_transformers/nats_and_perplexity",
    callable="nats_and_perplexity",
    title="Nats and perplexity",
    parts={USUAL: 2, EDGE: 1},
    minutes=10,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(one_by_one, from_bits, by_roots),
    arrays="numpy",
    equivalent={
        "without `if (probabilities == 0).any():`": "NumPy's logarithm of 0 is minus infinity, "
        "with a warning that costs nothing"
    },
    properties=(
        Property(
            "length-does-not-matter",
            "The same tokens read twice give another cost a token than read once.",
            LINK,
            ("once", "twice"),
            lambda once, twice: bool(np.isclose(once[0], twice[0])),
        ),
        Property(
            "equal-choices",
            "A model that gives 1/17 to every token has a perplexity of 17, and yours is another.",
            LINK,
            ("equal",),
            lambda equal: bool(np.isclose(equal[1], 17)),
        ),
        Property(
            "impossible-costs-infinitely-much",
            "One token had the probability 0, and the text costs a finite number of nats all the "
            "same. What a model called impossible costs infinitely much.",
            LINK,
            ("zero",),
            lambda zero: not math.isfinite(zero[0]),
        ),
    ),
)
