"""inference/min_p: a limit that follows the likeliest token."""

import math

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.inference.draw import logits_of, normal

LINK = "inference-min-p"
AXES = "batch vocab"


def cases(rng: np.random.Generator) -> list[Case]:
    """Sharp and flat rows, p from 0 to 1, equal logits, shifted logits, sizes of 1."""
    row = logits_of(0.42, 0.24, 0.15, 0.1, 0.06, 0.03)[rng.permutation(6)]
    sharp = logits_of(0.93, 0.03, 0.02, 0.01, 0.007, 0.003)[rng.permutation(6)]
    # No probability is p times the highest: there rounding alone would decide.
    flat = logits_of(0.2, 0.18, 0.17, 0.165, 0.15, 0.135)[rng.permutation(6)]
    together = np.stack([row, sharp, flat])
    ties = np.array([[1.0, 4.0, -2.0, 4.0, 0.5]], dtype=np.float32)

    def case(says, logits, p, name=""):
        return Case(says, {"logits": np.atleast_2d(logits), "p": p}, axes=AXES, name=name)

    return [
        case("one row and p=0.3", row, 0.3, "row"),
        case("the same row, all logits 7 lower", row - 7, 0.3, "shifted"),
        case("the same row and p=0.1", row, 0.1),
        case("the same row and p=0.8", row, 0.8),
        case("the same row and p=0", row, 0.0),
        case("the same row and p=1", row, 1.0),
        case("a row, a sharper one and a flatter one, p=0.3", together, 0.3),
        case("the same rows and p=0.8", together, 0.8),
        case("two logits equally high, p=1", ties, 1.0),
        case("a vocabulary of one token", normal(rng, 3, 1), 0.3),
        case("large logits", 30 * row, 0.3),
        case("a p above 1", row, 1.2),
        case("a p below 0", row, -0.3),
    ]


# --- right in other ways ---------------------------------------------------------------------


def in_logits(logits, p):
    """A ratio of probabilities is a difference of logits."""
    if p < 0 or p > 1:
        raise ValueError("p")
    below = logits.max(dim=1, keepdim=True).values - logits
    limit = -math.log(p) if p else math.inf
    return torch.where(below <= limit, logits, -torch.inf)


def by_a_lowest_logit(logits, p):
    """The logarithm of p below the highest logit is the limit; torch's log(0) is -inf."""
    if not 0 <= p <= 1:
        raise ValueError("p")
    limit = logits.max(-1, keepdim=True).values + torch.tensor(float(p)).log()
    return logits.masked_fill(logits < limit, -torch.inf)


def by_ratios(logits, p):
    """exp of the distance from the highest is the ratio itself."""
    if not (p >= 0 and p <= 1):
        raise ValueError("p")
    ratios = (logits - logits.amax(1, keepdim=True)).exp()
    kept = logits.clone()
    kept[ratios < p] = float("-inf")
    return kept


def row_by_row(logits, p):
    """Lists and math.exp."""
    if p > 1 or p < 0:
        raise ValueError("p")
    rows = []
    for row in logits.tolist():
        best = max(row)
        rows.append([x if math.exp(x - best) >= p else -math.inf for x in row])
    return torch.tensor(rows)


# --- wrong in known ways -----------------------------------------------------------------------

PROBABILITIES = "probabilities = logits.softmax(dim=-1)"
HIGHEST = "highest = probabilities.amax(dim=-1, keepdim=True)"
DROP = "probabilities < p * highest"
REFUSE = "if not 0 <= p <= 1:"

MISCONCEPTIONS = (
    Misconception(
        "absolute-limit",
        "Every token is compared with p itself. The limit is p times the probability of the "
        "likeliest token: where the model is sure few are kept, where it wavers many.",
        LINK,
        {DROP: "probabilities < p"},
    ),
    Misconception(
        "share-of-the-logit",
        "p is taken of the highest logit, not of the highest probability. A logit can be below 0, "
        "and shifting all of them should change nothing.",
        LINK,
        {PROBABILITIES: "probabilities = logits"},
    ),
    Misconception(
        "complement",
        "Tokens may be less likely than the best by a share of p, so the limit is 1 - p times the "
        "highest probability. Asked for is p times.",
        LINK,
        {DROP: "probabilities < (1 - p) * highest"},
    ),
    Misconception(
        "difference-of-probabilities",
        "A token stays if its probability is at most p below the highest. What counts is the "
        "ratio of the two.",
        LINK,
        {DROP: "probabilities < highest - p"},
    ),
    Misconception(
        "difference-of-logits",
        "A token stays if its logit is at most p below the highest. What counts is the ratio of "
        "the probabilities.",
        LINK,
        {DROP: "logits < logits.amax(dim=-1, keepdim=True) - p"},
    ),
    Misconception(
        "the-others-kept",
        "What is likely enough is ruled out and the rest kept: the comparison is the wrong way "
        "round.",
        LINK,
        {DROP: "probabilities >= p * highest"},
    ),
    Misconception(
        "equals-dropped",
        "A token exactly at the limit is dropped; with p = 1 that is the likeliest itself. *At "
        "least* p times keeps it.",
        LINK,
        {DROP: "probabilities <= p * highest"},
    ),
    Misconception(
        "highest-of-all-rows",
        "All rows are compared with the likeliest token of the whole batch. Each row has its own.",
        LINK,
        {HIGHEST: "highest = probabilities.max()"},
    ),
    Misconception(
        "best-row-for-each-token",
        "Each token is compared with its own probability in other rows. Within a row it is "
        "compared with the likeliest token.",
        LINK,
        {HIGHEST: "highest = probabilities.amax(dim=0, keepdim=True)"},
    ),
    Misconception(
        "softmax-along-the-batch",
        "The softmax runs along the batch, so that the rows compete. Within a row the tokens share "
        "out a probability of 1.",
        LINK,
        {PROBABILITIES: "probabilities = logits.softmax(dim=0)"},
    ),
    Misconception(
        "share-of-the-mean",
        "The limit is p times the mean probability of a row. It is p times that of the likeliest.",
        LINK,
        {HIGHEST: "highest = probabilities.mean(dim=-1, keepdim=True)"},
    ),
    Misconception(
        "ruled-out-with-0",
        "What is ruled out gets the logit 0, and can still be drawn: e to the power of 0 is 1.",
        LINK,
        {'float("-inf")': "0.0"},
    ),
    Misconception(
        "probabilities-returned",
        "The right tokens are kept, but probabilities come back. The softmax at the end expects "
        "logits.",
        LINK,
        {'float("-inf"))': 'float("-inf")).softmax(dim=-1)'},
    ),
    Misconception(
        "bare-probabilities-returned",
        "The right tokens are kept with their probabilities, and the others get 0. Asked for are "
        "logits, and -inf for the others.",
        LINK,
        {"logits.masked_fill(": "probabilities.masked_fill(", 'float("-inf")': "0.0"},
    ),
    Misconception(
        "log-probabilities-returned",
        "The right tokens are kept, but not their logits: logarithms of their probabilities come "
        "back. The kept logits stay as they are.",
        LINK,
        {"logits.masked_fill(": "logits.log_softmax(dim=-1).masked_fill("},
    ),
    Misconception(
        "any-p-accepted",
        "A p below 0 or above 1 raises no ValueError. Above 1 no token would be left.",
        LINK,
        {REFUSE: "if False:"},
    ),
    Misconception(
        "ends-refused",
        "p = 0 or p = 1 raises an error. Both mean something: keep all, keep the likeliest.",
        LINK,
        {REFUSE: "if not 0 < p < 1:"},
    ),
    Misconception(
        "zero-refused",
        "p = 0 raises an error. It keeps all tokens, and is how the filter is switched off.",
        LINK,
        {REFUSE: "if not 0 < p <= 1:"},
    ),
    Misconception(
        "logits-changed",
        "The result is right, but the logits that were handed in are changed by it. Make a new "
        "tensor.",
        LINK,
        {"logits.masked_fill(": "logits.masked_fill_("},
    ),
)


def _same_tokens(row, shifted) -> bool:
    return bool((np.isfinite(row) == np.isfinite(shifted)).all())


EXERCISE = Exercise(
    id="inference/min_p",
    callable="min_p",
    title="Min-p",
    parts={"all": 1},
    minutes=6,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(in_logits, by_a_lowest_logit, by_ratios, row_by_row),
    equivalent=dict.fromkeys(
        ("`dim=1` for `dim=-1`", "`dim=1` for `dim=-1` (2)"),
        "logits have two axes, batch and vocab",
    ),
    properties=(
        Property(
            "a-shift-changes-the-choice",
            "The same logits, all 7 lower, keep other tokens. The softmax of both is the same.",
            LINK,
            ("row", "shifted"),
            _same_tokens,
        ),
    ),
)
