"""inference/top_k: the k likeliest tokens, and no others."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.inference.draw import normal

LINK = "inference-filters"
AXES = "batch vocab"


def cases(rng: np.random.Generator) -> list[Case]:
    """k from 1 to more than there are; one row and one axis; equal logits; k = 0."""
    rows = normal(rng, 3, 7)
    ties = normal(rng, 2, 7)
    ties[0, [1, 3, 6]], ties[0, 4] = 5.0, 6.0
    ties[1] = -1.5
    below = normal(rng, 2, 5) - 9.0

    def case(says, logits, k, axes=AXES, name=""):
        return Case(says, {"logits": logits, "k": k}, axes=axes, name=name)

    return [
        case("three rows and k=3", rows, 3, name="three"),
        case("the same rows and k=4", rows, 4, name="four"),
        case("the same rows and k=1", rows, 1, name="one"),
        case("the same rows and k=7, as many as there are", rows, 7, name="all"),
        case("the same rows and k=9, more than there are", rows, 9),
        case("one row and k=2", normal(rng, 1, 11), 2),
        case("logits without a batch and k=2", normal(rng, 7), 2, "vocab"),
        case("logits all below 0 and k=2", below, 2),
        case("several logits as high as the lowest that is kept", ties, 2),
        case("a vocabulary of one token", normal(rng, 3, 1), 1),
        case("logits of texts and positions, k=3", normal(rng, 2, 3, 5), 3, "batch seq vocab"),
        case("k=0", rows, 0),
        case("k=-1", rows, -1),
    ]


# --- right in other ways ---------------------------------------------------------------------


def by_sorting(logits, k):
    """Sort, take the k-th highest, keep what is not below it."""
    if k <= 0:
        raise ValueError("nothing would be kept")
    ordered = torch.sort(logits, descending=True).values
    limit = ordered[..., min(k, logits.size(-1)) - 1].unsqueeze(-1)
    return torch.where(logits >= limit, logits, torch.tensor(-torch.inf))


def by_counting_what_is_higher(logits, k):
    """A token stays if fewer than k others are higher."""
    if k < 1:
        raise ValueError("nothing would be kept")
    higher = (logits.unsqueeze(-2) > logits.unsqueeze(-1)).sum(dim=-1)
    kept = logits.clone()
    kept[higher >= k] = -float("inf")
    return kept


def row_by_row(logits, k):
    """Python lists, one row after the other."""
    if k < 1:
        raise ValueError("nothing would be kept")
    result = torch.full_like(logits, -torch.inf)
    flat, target = logits.reshape(-1, logits.shape[-1]), result.view(-1, logits.shape[-1])
    for i, row in enumerate(flat.tolist()):
        limit = sorted(row)[-min(k, len(row))]
        for j, value in enumerate(row):
            if value >= limit:
                target[i, j] = flat[i, j]
    return result


# --- wrong in known ways -----------------------------------------------------------------------

LOWEST = "lowest_kept = logits.topk(min(k, logits.shape[-1])).values[..., -1:]"
RESULT = 'return logits.masked_fill(logits < lowest_kept, float("-inf"))'
REFUSE = "if k < 1:"

MISCONCEPTIONS = (
    Misconception(
        "one-too-few",
        "One token less than k is kept: the k-th highest is cut as well.",
        LINK,
        {"logits < lowest_kept": "logits <= lowest_kept"},
    ),
    Misconception(
        "one-too-many",
        "One token more than k is kept.",
        LINK,
        {"min(k, logits.shape[-1])": "min(k + 1, logits.shape[-1])"},
    ),
    Misconception(
        "only-the-best",
        "Only the highest logit is kept, whatever k is: everything is compared with the highest "
        "and not with the k-th highest.",
        LINK,
        {".values[..., -1:]": ".values[..., :1]"},
    ),
    Misconception(
        "least-likely-kept",
        "The k lowest logits are kept, the least likely tokens.",
        LINK,
        {
            "logits.topk(min(k, logits.shape[-1]))": "logits.topk(min(k, logits.shape[-1]), "
            "largest=False)",
            "logits < lowest_kept": "logits > lowest_kept",
        },
    ),
    Misconception(
        "the-others-kept",
        "The k highest are ruled out and the others kept: the comparison is the wrong way round.",
        LINK,
        {"logits < lowest_kept": "logits >= lowest_kept"},
    ),
    Misconception(
        "ruled-out-with-0",
        "What is ruled out gets the logit 0. That is a logit like others, and e to the power of 0"
        " is 1: such a token can still be drawn. What does the softmax make 0 of?",
        LINK,
        {'float("-inf")': "0.0"},
    ),
    Misconception(
        "only-k-values-returned",
        "Only the k highest logits come back, so nobody knows whose they are. The result has the "
        "shape of the logits, each at its token's place.",
        LINK,
        {RESULT: "return logits.topk(min(k, logits.shape[-1])).values"},
    ),
    Misconception(
        "ids-returned",
        "These are the ids of the k likeliest tokens. Asked for are logits, with all others ruled "
        "out.",
        LINK,
        {RESULT: "return logits.topk(min(k, logits.shape[-1])).indices"},
    ),
    Misconception(
        "probabilities-returned",
        "The right tokens are kept, but probabilities come back instead of logits. What follows "
        "would take a softmax of them once more.",
        LINK,
        {RESULT: RESULT + ".softmax(dim=-1)"},
    ),
    Misconception(
        "mask-returned",
        "This says which tokens are kept, as True and False. Asked for are their logits, and minus "
        "infinity for the others.",
        LINK,
        {RESULT: "return logits >= lowest_kept"},
    ),
    Misconception(
        "over-all-rows",
        "The k highest are searched in all rows together, so that some rows keep more and others "
        "nothing. Each row has a choice of its own.",
        LINK,
        {LOWEST: "lowest_kept = logits.flatten().topk(min(k, logits.numel())).values[-1:]"},
    ),
    Misconception(
        "limit-of-the-first-row",
        "Every row is compared with the k-th highest logit of the first row. Each row has its own "
        "limit.",
        LINK,
        {LOWEST: f"{LOWEST}\n    lowest_kept = lowest_kept.flatten()[:1]"},
    ),
    Misconception(
        "along-the-batch",
        "The k highest are searched along the batch: rows compete for each token. Within a row "
        "tokens compete.",
        LINK,
        {LOWEST: "lowest_kept = logits.topk(min(k, logits.shape[0]), dim=0).values[-1:]"},
    ),
    Misconception(
        "ties-cut",
        "Of several logits as high as the k-th highest, some are cut. Which ones would be chance, "
        "so the docstring keeps all of them.",
        LINK,
        {
            RESULT: "kept = logits.topk(min(k, logits.shape[-1]))\n"
            '    return torch.full_like(logits, float("-inf")).scatter(-1, kept.indices, '
            "kept.values)"
        },
    ),
    Misconception(
        "large-k-refused",
        "A k larger than the vocabulary raises an error. It rules nothing out, that is all.",
        LINK,
        {"min(k, logits.shape[-1])": "k"},
    ),
    Misconception(
        "no-token-accepted",
        "A k below 1 raises no ValueError. It would leave no token to choose.",
        LINK,
        {REFUSE: "if k < 1:\n        return logits\n    if k < 1:"},
    ),
    Misconception(
        "zero-refused-alone",
        "k = 0 is refused and a negative k is not. Both would leave no token.",
        LINK,
        {REFUSE: "if k < 0:\n        return logits\n    if k < 1:"},
    ),
    Misconception(
        "logits-changed",
        "The result is right, but the logits that were handed in are changed by it. Make a new "
        "tensor.",
        LINK,
        {"logits.masked_fill(": "logits.masked_fill_("},
    ),
)


def _counts(*kept) -> bool:
    return all(
        bool((np.isfinite(one).sum(axis=-1) == k).all())
        for one, k in zip(kept, (1, 3, 4, 7), strict=True)
    )


EXERCISE = Exercise(
    id="inference/top_k",
    callable="top_k",
    title="Top-k",
    parts={"all": 1},
    minutes=6,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(by_sorting, by_counting_what_is_higher, row_by_row),
    properties=(
        Property(
            "k-tokens-are-left",
            "With all logits different, not k of them are left in every row: the others have to "
            "be minus infinity.",
            LINK,
            ("one", "three", "four", "all"),
            _counts,
        ),
    ),
)
