"""decoder/top_tokens: from logits to the likeliest next tokens."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.decoder.draw import normal

LINK = "decoder-logits"
LEVEL, RAISED = "logits of a text", "the same logits, each larger by 7"


def cases(rng: np.random.Generator) -> list[Case]:
    """One and several texts; k of 1, 3 and the whole vocabulary; small and large logits."""
    logits = normal(rng, 2, 5, 11, scale=2)
    return [
        _case("2 texts and k = 3", logits, 3),
        _case("the same 2 texts and k = 1", logits, 1),
        _case("the same 2 texts and the whole vocabulary", logits, 11),
        _case(LEVEL, normal(rng, 1, 7, 13, scale=2), 5, "level"),
        _case("a text of one token", normal(rng, 1, 1, 13, scale=2), 3),
        _case("3 texts of one token", normal(rng, 3, 1, 7, scale=2), 2),
        _case("2 texts, as many tokens as texts", normal(rng, 2, 2, 5, scale=2), 2),
        _case("logits around 200", normal(rng, 2, 3, 7, scale=2, mean=200), 3),
        _case("logits all below 0", normal(rng, 2, 3, 7, scale=2, mean=-50), 3),
        _case("logits nearly alike", normal(rng, 2, 3, 7, scale=0.05), 3),
    ]


def _case(says: str, logits: np.ndarray, k: int, name: str = "") -> Case:
    return Case(says, {"logits": logits, "k": k}, axes="batch k", name=name)


# --- right in other ways ---------------------------------------------------------------------


def sorted_down(logits, k):
    """Sort everything, then cut."""
    p, ids = torch.softmax(logits, dim=2)[:, -1, :].sort(dim=1, descending=True)
    return ids[:, :k], p[:, :k]


def by_hand(logits, k):
    """Exponentials after the largest logit was taken off; text by text."""
    ids, shares = [], []
    for text in logits:
        last = text[len(text) - 1].double()
        weights = (last - last.max()).exp()
        order = torch.argsort(-last)[:k]
        ids.append(order)
        shares.append((weights / weights.sum())[order].float())
    return torch.stack(ids), torch.stack(shares)


def log_and_back(logits, k):
    """topk of the logits, normalised by logsumexp."""
    last = logits.select(1, logits.shape[1] - 1)
    values, ids = torch.topk(last, k)
    return ids, (values - last.logsumexp(-1, keepdim=True)).exp()


# --- wrong in known ways -----------------------------------------------------------------------

P = "logits[:, -1].softmax(dim=-1)"
TOP = "probabilities.topk(k, dim=-1)"
OUT = "likeliest.indices, likeliest.values"

MISCONCEPTIONS = (
    Misconception(
        "first-position",
        "The logits are read at the first position, which has seen one token only. What comes "
        "next is predicted by the last position, which has seen the whole text.",
        LINK,
        {"logits[:, -1]": "logits[:, 0]"},
    ),
    Misconception(
        "position-before-the-last",
        "The logits are read one position too early: they guess the last token of the text, "
        "which is already there. The last position guesses the one that comes next.",
        LINK,
        {"logits[:, -1]": "logits[:, max(logits.shape[1] - 2, 0)]"},
    ),
    Misconception(
        "all-positions",
        "There is an answer for every position here. Only the last position of a text predicts "
        "what comes after it.",
        LINK,
        {"logits[:, -1]": "logits"},
    ),
    Misconception(
        "largest-over-positions",
        "A token gets the largest probability that it has anywhere in the text. What comes next "
        "is predicted by the last position alone.",
        LINK,
        {P: "logits.softmax(dim=-1).amax(dim=1)"},
    ),
    Misconception(
        "averaged-over-positions",
        "The probabilities are averaged over the positions. What comes next is predicted by the "
        "last position alone.",
        LINK,
        {P: "logits.softmax(dim=-1).mean(dim=1)"},
    ),
    Misconception(
        "logits-averaged-over-positions",
        "The logits are averaged over the positions. What comes next is predicted by the last "
        "position alone, which has seen the whole text.",
        LINK,
        {P: "logits.mean(dim=1).softmax(dim=-1)"},
    ),
    Misconception(
        "last-text-read",
        "The last text of the batch is read, at all its positions. The axes are batch, seq and "
        "vocab: every text has an answer, from its last position.",
        LINK,
        {"logits[:, -1]": "logits[-1]"},
    ),
    Misconception(
        "softmax-over-positions",
        "The softmax runs along the positions, so that a token's shares over the text sum to 1. "
        "It is the tokens of the vocabulary that compete at one position.",
        LINK,
        {P: "logits.softmax(dim=1)[:, -1]"},
    ),
    Misconception(
        "softmax-over-texts",
        "The softmax runs along the batch: texts that have nothing to do with each other compete. "
        "The last axis, the vocabulary, is the one whose shares sum to 1.",
        LINK,
        {P: "logits[:, -1].softmax(dim=0)"},
    ),
    Misconception(
        "shares-of-the-top",
        "The probabilities sum to 1 over the k tokens alone. They are shares of the whole "
        "vocabulary: the softmax comes before the best are chosen.",
        LINK,
        {P: "logits[:, -1]", OUT: "likeliest.indices, likeliest.values.softmax(dim=-1)"},
    ),
    Misconception(
        "logits-returned",
        "The tokens are right, but beside them stand logits. Probabilities come from the softmax; "
        "logits may be negative and sum to nothing in particular.",
        LINK,
        {P: "logits[:, -1]"},
    ),
    Misconception(
        "log-probabilities",
        "The tokens are right; beside them stand the logarithms of the probabilities.",
        LINK,
        {P: "logits[:, -1].log_softmax(dim=-1)"},
    ),
    Misconception(
        "sigmoid-for-softmax",
        "Each logit goes through a sigmoid of its own, so the numbers do not sum to 1. The tokens "
        "exclude each other: they share one total, by a softmax.",
        LINK,
        {P: "logits[:, -1].sigmoid()"},
    ),
    Misconception(
        "exponentials-overflow",
        "Bare exponentials overflow where logits are large, and infinity divided by infinity is no "
        "number. `softmax` takes the largest logit off first.",
        LINK,
        {P: "logits[:, -1].exp() / logits[:, -1].exp().sum(dim=-1, keepdim=True)"},
    ),
    Misconception(
        "softmax-twice",
        "The softmax is taken of probabilities: it was taken already. A second one flattens them.",
        LINK,
        {P: f"{P}.softmax(dim=-1)"},
    ),
    Misconception(
        "probabilities-not-sorted-along",
        "The ids are right; beside them stand the probabilities of tokens 0, 1, 2 and so on, and "
        "not those of these ids. `topk` and `sort` return both.",
        LINK,
        {OUT: "likeliest.indices, probabilities[:, :k]"},
    ),
    Misconception(
        "divided-by-the-sum",
        "The logits are divided by their sum, with no exponential. That gives shares only where "
        "all are positive, and depends on a constant that should not matter.",
        LINK,
        {P: "logits[:, -1] / logits[:, -1].sum(dim=-1, keepdim=True)"},
    ),
    Misconception(
        "unlikeliest",
        "These are the k least likely tokens. Sorting goes upwards unless told otherwise.",
        LINK,
        {TOP: "probabilities.topk(k, dim=-1, largest=False)"},
    ),
    Misconception(
        "likeliest-last",
        "The right k tokens, in rising order: the likeliest should come first.",
        LINK,
        {OUT: "likeliest.indices.flip(-1), likeliest.values.flip(-1)"},
    ),
    Misconception(
        "sorted-by-id",
        "The right k tokens, sorted by their ids: the likeliest should come first.",
        LINK,
        {
            f"{TOP}\n    return {OUT}": f"{TOP}\n    ids = likeliest.indices.sort(dim=-1).values\n"
            "    return ids, probabilities.gather(-1, ids)"
        },
    ),
    Misconception(
        "values-before-ids",
        "The two results have changed places: first the ids, then the probabilities.",
        LINK,
        {OUT: "likeliest.values, likeliest.indices"},
    ),
    Misconception(
        "probabilities-in-double-precision",
        "The probabilities are right, in float64. Return them in the dtype of the logits.",
        LINK,
        {OUT: "likeliest.indices, likeliest.values.double()"},
    ),
)


def _sum_to_at_most_one(*outputs) -> bool:
    return all(bool((p.sum(axis=-1) < 1.001).all() and (p >= 0).all()) for _, p in outputs)


EXERCISE = Exercise(
    id="decoder/top_tokens",
    callable="top_tokens",
    title="The likeliest next tokens",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(sorted_down, by_hand, log_and_back),
    properties=(
        Property(
            "no-shares",
            "Some of the numbers returned as probabilities are negative, or those of one text sum "
            "to more than 1.",
            LINK,
            ("level", "the same 2 texts and the whole vocabulary"),
            _sum_to_at_most_one,
        ),
    ),
    equivalent=dict.fromkeys(
        ("`dim=1` for `dim=-1`", "`dim=1` for `dim=-1` (2)"), "two axes are left: 1 is the last"
    ),
)
