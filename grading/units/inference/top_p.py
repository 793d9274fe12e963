"""inference/top_p: as few tokens as together reach a probability."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.inference.draw import logits_of, normal

LINK = "inference-top-p"
AXES = "batch vocab"


def cases(rng: np.random.Generator) -> list[Case]:
    """Sharp and flat rows, p small and 1, tokens in any order, sizes of 1, tokens ruled out."""
    order = rng.permutation(6)
    row = logits_of(0.4, 0.25, 0.15, 0.1, 0.06, 0.04)[order]
    sharp = logits_of(0.93, 0.03, 0.02, 0.01, 0.007, 0.003)[rng.permutation(6)]
    flat = logits_of(0.2, 0.18, 0.17, 0.16, 0.15, 0.14)[rng.permutation(6)]
    rising = logits_of(0.02, 0.05, 0.08, 0.1, 0.2, 0.55)
    filtered = np.where(row >= np.sort(row)[2], row, -np.inf)  # four are left
    together = np.stack([row, sharp, flat])

    def case(says, logits, p, name=""):
        return Case(says, {"logits": np.atleast_2d(logits), "p": p}, axes=AXES, name=name)

    return [
        case("one row and p=0.7", row, 0.7, "0.7"),
        case("the same row and p=0.5", row, 0.5, "0.5"),
        case("the same row and p=0.2", row, 0.2, "0.2"),
        case("the same row and p=0.97", row, 0.97),
        case("the same row and p=1", row, 1.0, "1"),
        case("a row, a sharper one and a flatter one, p=0.7", together, 0.7, "rows"),
        case("the same rows and p=0.95", together, 0.95),
        case("tokens in the order of their probabilities, the least first", rising, 0.6),
        case(
            "tokens in the order of their probabilities, the likeliest first",
            rising[::-1].copy(),
            0.6,
        ),
        case("logits that top-k has been at", filtered, 0.8),
        case("a vocabulary of one token", normal(rng, 3, 1), 0.3),
        case("large logits", 40 * row, 0.7),
        case("p=0", row, 0.0),
        case("a p above 1", row, 1.2),
        case("a p below 0", row, -0.3),
    ]


# --- right in other ways ---------------------------------------------------------------------


def one_after_the_other(logits, p):
    """Take the likeliest, then the next, until p is reached."""
    if p <= 0 or p > 1:
        raise ValueError("p")
    result = torch.full_like(logits, -torch.inf)
    for row, kept in zip(logits, result, strict=True):
        probabilities = torch.softmax(row.double(), 0)
        total = 0.0
        for token in torch.argsort(row, descending=True).tolist():
            kept[token] = row[token]
            total += probabilities[token].item()
            if total >= p - 1e-9:
                break
    return result


def by_the_mass_above(logits, p):
    """For each token, how much probability lies on likelier ones."""
    if not (p > 0 and p <= 1):
        raise ValueError("p")
    probabilities = logits.softmax(-1)  # batch vocab
    likelier = probabilities[:, None, :] > probabilities[:, :, None]  # batch token other
    above = (likelier * probabilities[:, None, :]).sum(-1)
    return torch.where(above < p, logits, float("-inf"))


def by_a_limit(logits, p):
    """The probability of the last kept token is the limit for all."""
    if p > 1 or p <= 0:
        raise ValueError("p")
    ordered = logits.softmax(dim=1).sort(dim=1, descending=True).values
    n_kept = ((ordered.cumsum(dim=1) - ordered) < p).sum(dim=1, keepdim=True)
    limit = ordered.gather(1, n_kept - 1)
    kept = logits.clone()
    kept[logits.softmax(dim=1) < limit] = float("-inf")
    return kept


# --- wrong in known ways -----------------------------------------------------------------------

SORTED = "probabilities, order = logits.softmax(dim=-1).sort(dim=-1, descending=True)"
BEFORE = "before = probabilities.cumsum(dim=-1) - probabilities"
DROPPED = "dropped = torch.zeros_like(before, dtype=torch.bool).scatter(-1, order, before >= p)"
RESULT = 'return logits.masked_fill(dropped, float("-inf"))'
REFUSE = "if not 0 < p <= 1:"

MISCONCEPTIONS = (
    Misconception(
        "crossing-token-dropped",
        "The token whose probability makes the sum reach p is dropped, so that less than p is "
        "left; and where the first token alone reaches it, nothing is.",
        LINK,
        {BEFORE: "before = probabilities.cumsum(dim=-1)"},
    ),
    Misconception(
        "crossing-token-dropped-but-the-first",
        "The token whose probability makes the sum reach p is dropped, except when it is the "
        "first: fewer tokens are kept than reach p.",
        LINK,
        {DROPPED: f"before = probabilities.cumsum(dim=-1)\n    before[:, 0] = 0\n    {DROPPED}"},
    ),
    Misconception(
        "one-too-many",
        "One token more is kept than it takes to reach p.",
        LINK,
        {BEFORE: f"{BEFORE}\n    before = torch.cat([0 * before[:, :1], before[:, :-1]], dim=-1)"},
    ),
    Misconception(
        "not-sorted",
        "The probabilities are added up in the order of the ids. Begin with the likeliest, or the "
        "set is not the smallest.",
        LINK,
        {
            SORTED: "probabilities = logits.softmax(dim=-1)\n"
            "    order = torch.arange(logits.shape[-1]).expand_as(logits)"
        },
    ),
    Misconception(
        "least-likely-first",
        "The sum begins with the least likely tokens, and those are kept.",
        LINK,
        {", descending=True": ""},
    ),
    Misconception(
        "not-put-back",
        "The right number of tokens is dropped, but at their places in the sorted order. Sorting "
        "moved them: bring the decision back to each token's own id.",
        LINK,
        {DROPPED: "dropped = before >= p"},
    ),
    Misconception(
        "gathered-instead-of-scattered",
        "The decisions are brought back with `gather`, which reads at the places in `order`. They "
        "have to be written there, as `scatter` does.",
        LINK,
        {DROPPED: "dropped = (before >= p).gather(-1, order)"},
    ),
    Misconception(
        "sorted-logits-returned",
        "The logits come back sorted. Each has to stay at its token's place, or another token is "
        "drawn.",
        LINK,
        {RESULT: 'return logits.gather(-1, order).masked_fill(before >= p, float("-inf"))'},
    ),
    Misconception(
        "logits-added-up",
        "The logits are added up, not probabilities. Take the softmax first.",
        LINK,
        {SORTED: "probabilities, order = logits.sort(dim=-1, descending=True)"},
    ),
    Misconception(
        "each-compared-with-p",
        "Every token is compared with p by itself: a token stays if its own probability is that "
        "large. It is their sum, from the likeliest on, that has to reach p.",
        LINK,
        {DROPPED: "dropped = logits.softmax(dim=-1) < p"},
    ),
    Misconception(
        "each-compared-with-the-rest",
        "A token stays if its own probability is at least 1 - p. It is the sum, from the likeliest "
        "on, that has to reach p.",
        LINK,
        {DROPPED: "dropped = logits.softmax(dim=-1) < 1 - p"},
    ),
    Misconception(
        "share-of-the-tokens",
        "A share p of all tokens is kept, however the probability is spread. A sharp row needs one "
        "token to reach p, a flat one many.",
        LINK,
        {BEFORE: "before = torch.arange(logits.shape[-1]).expand_as(logits) / logits.shape[-1]"},
    ),
    Misconception(
        "complement",
        "This keeps tokens until they reach 1 - p.",
        LINK,
        {"before >= p": "before >= max(1 - p, 1e-9)"},
    ),
    Misconception(
        "ruled-out-with-0",
        "What is ruled out gets the logit 0, and can still be drawn: e to the power of 0 is 1.",
        LINK,
        {'float("-inf")': "0.0"},
    ),
    Misconception(
        "probabilities-returned",
        "The right tokens are kept, but their probabilities come back. The next filter, and the "
        "softmax at the end, expect logits.",
        LINK,
        {RESULT: RESULT + ".softmax(dim=-1)"},
    ),
    Misconception(
        "bare-probabilities-returned",
        "The right tokens are kept with their old probabilities, and the others get 0. Asked for "
        "are logits.",
        LINK,
        {RESULT: "return logits.softmax(dim=-1).masked_fill(dropped, 0.0)"},
    ),
    Misconception(
        "log-probabilities-returned",
        "The right tokens are kept, but not their logits: logarithms of their probabilities come "
        "back. The kept logits stay as they are.",
        LINK,
        {RESULT: RESULT.replace("logits.", "logits.log_softmax(dim=-1).")},
    ),
    Misconception(
        "softmax-along-the-batch",
        "The softmax runs along the batch, so that the rows compete. Within a row the tokens share "
        "out a probability of 1.",
        LINK,
        {"logits.softmax(dim=-1)": "logits.softmax(dim=0)"},
    ),
    Misconception(
        "summed-along-the-batch",
        "The probabilities are added up along the batch: one row's sum goes on in the next. Every "
        "row has a sum of its own, from its likeliest token on.",
        LINK,
        {".cumsum(dim=-1)": ".cumsum(dim=0)"},
    ),
    Misconception(
        "first-row-decides",
        "The first row decides which tokens are kept in all rows. Each row has its own.",
        LINK,
        {RESULT: 'return logits.masked_fill(dropped[:1], float("-inf"))'},
    ),
    Misconception(
        "count-of-the-first-row",
        "The first row decides how many tokens are kept in all rows. A sharp row needs fewer to "
        "reach p, a flat one more.",
        LINK,
        {
            DROPPED: "before = before[:1].expand_as(before)\n    " + DROPPED,
        },
    ),
    Misconception(
        "min-p-instead",
        "A token stays if it is at least p times as likely as the likeliest: that is min-p. Here "
        "the sum, from the likeliest on, has to reach p.",
        LINK,
        {
            DROPPED: "chances = logits.softmax(dim=-1)\n"
            "    dropped = chances < p * chances.amax(dim=-1, keepdim=True)"
        },
    ),
    Misconception(
        "the-others-kept",
        "The set that reaches p is ruled out, and the tail after it is kept: the comparison is the "
        "wrong way round.",
        LINK,
        {"before >= p": "before < p"},
    ),
    Misconception(
        "any-p-accepted",
        "A p that no sum can be asked to reach, 0 or less or more than 1, raises no ValueError.",
        LINK,
        {REFUSE: "if False:"},
    ),
    Misconception(
        "zero-accepted",
        "p = 0 raises no ValueError: no set is needed to reach it.",
        LINK,
        {REFUSE: "if not 0 <= p <= 1:"},
    ),
    Misconception(
        "one-refused",
        "p = 1 raises an error. It keeps every token, and is how the filter is switched off.",
        LINK,
        {REFUSE: "if not 0 < p < 1:"},
    ),
    Misconception(
        "logits-changed",
        "The result is right, but the logits that were handed in are changed by it. Make a new "
        "tensor.",
        LINK,
        {"logits.masked_fill(": "logits.masked_fill_("},
    ),
)


def _reaches(rows) -> bool:
    """What is kept of three rows had at least 0.7 of the probability, and is not everything."""
    return bool((np.isfinite(rows).sum(axis=-1) >= 1).all())


def _more_for_a_larger_p(*rows) -> bool:
    """p = 0.2, 0.5, 0.7, 1: never fewer tokens."""
    kept = [np.isfinite(row).sum() for row in rows]
    return kept == sorted(kept)


EXERCISE = Exercise(
    id="inference/top_p",
    callable="top_p",
    title="Top-p",
    parts={"all": 2},
    minutes=12,
    difficulty="hard",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(one_after_the_other, by_the_mass_above, by_a_limit),
    equivalent={
        "`before > p` for `before >= p`": "a sum of rounded probabilities is never exactly p",
        **dict.fromkeys(
            ("`dim=1` for `dim=-1`", "`dim=1` for `dim=-1` (2)", "`dim=1` for `dim=-1` (3)"),
            "logits have two axes, batch and vocab",
        ),
    },
    properties=(
        Property(
            "nothing-left",
            "In some row no token is left. The likeliest one is always kept.",
            LINK,
            ("rows",),
            _reaches,
        ),
        Property(
            "larger-p-keeps-less",
            "A larger p keeps fewer tokens of the same row than a smaller one.",
            LINK,
            ("0.2", "0.5", "0.7", "1"),
            _more_for_a_larger_p,
        ),
    ),
)
