"""attention/scaled_dot_product: each query's weighted average of the values."""

import math

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.attention.draw import (
    causal,
    loud_hidden_keys,
    normal,
    padded,
    patchy,
    queries_and_keys,
)

AXES = "batch heads q_seq head_dim"


ORDERED, REORDERED = "a mask of its own for each head", "the same keys in another order"


def cases(rng: np.random.Generator) -> list[Case]:
    """Without and with masks, one query, no batch, and the same keys and values reordered."""
    batch = _inputs(rng, 2, 3, q_seq=5, kv_seq=7, head_dim=11)
    alone = _inputs(rng, q_seq=3, kv_seq=3, head_dim=13)
    single = _inputs(rng, 1, 1, q_seq=3, kv_seq=5, head_dim=7)
    sentence = _inputs(rng, 2, 3, q_seq=5, kv_seq=5, head_dim=11)
    newest = _inputs(rng, 2, 3, q_seq=1, kv_seq=17, head_dim=7)
    large = _inputs(rng, 3, q_seq=5, kv_seq=7, head_dim=11, scale=5.0)
    blind = patchy(rng, 5, 7)
    blind[rng.integers(5)] = False
    loud, loud_mask = loud_hidden_keys(rng)
    loud["v"] = normal(rng, 2, 3, 7, 11)
    lengths = padded(rng.integers(2, 17, size=2), 17)
    return [
        Case("2 sequences with 3 heads and no mask", {**batch, "mask": None}, axes=AXES),
        Case("q, k and v without batch and heads", {**alone, "mask": None}, axes="q_seq head_dim"),
        Case("one sequence with one head", {**single, "mask": None}, axes=AXES),
        Case("a causal mask", {**sentence, "mask": causal(5, 5)}, axes=AXES),
        Case("one query, 17 keys and a padding mask", {**newest, "mask": lengths}, axes=AXES),
        Case(
            "a query that may attend to nothing",
            {**large, "mask": blind},
            axes="heads q_seq head_dim",
        ),
        Case("hidden keys with much larger scores", {**loud, "mask": loud_mask}, axes=AXES),
        *_reordered(rng),
    ]


def _inputs(rng, *lead, q_seq, kv_seq, head_dim, scale=1.0) -> dict[str, np.ndarray]:
    sizes = {"q_seq": q_seq, "kv_seq": kv_seq, "head_dim": head_dim}
    v = normal(rng, *lead, kv_seq, head_dim)
    return {**queries_and_keys(rng, *lead, **sizes, scale=scale), "v": v}


def _reordered(rng) -> list[Case]:
    inputs = _inputs(rng, 2, 3, q_seq=5, kv_seq=7, head_dim=11)
    mask, order = patchy(rng, 2, 3, 5, 7), rng.permutation(7)
    moved = {"q": inputs["q"], "k": inputs["k"][..., order, :], "v": inputs["v"][..., order, :]}
    return [
        Case(ORDERED, {**inputs, "mask": mask}, axes=AXES),
        Case(REORDERED, {**moved, "mask": mask[..., order]}, axes=AXES),
    ]


# --- right in other ways ---------------------------------------------------------------------


def all_in_one(q, k, v, mask=None):
    """Weights and average in one function, with einsum, in double precision."""
    scores = torch.einsum("...qd,...kd->...qk", q.double(), k.double()) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = torch.where(mask, scores, -math.inf)
    weights = torch.nan_to_num(scores.softmax(-1))
    return torch.einsum("...qk,...kd->...qd", weights, v.double()).to(q.dtype)


def divided_at_the_end(q, k, v, mask=None):
    """The sum of the values weighted by exp(score), divided by the sum of exp(score)."""
    scores = (k @ q.transpose(-1, -2)).transpose(-1, -2) * q.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(mask.logical_not(), -math.inf)
    largest = scores.max(dim=-1, keepdim=True).values.clamp(min=-1e30)
    grown = torch.exp(scores - largest)
    total = grown.sum(dim=-1, keepdim=True)
    return (grown @ v) / total.clamp(min=1e-30)


def key_by_key(q, k, v, mask=None):
    """One key at a time, with a running maximum and a running total; values added as they come."""
    best = torch.full(q.shape[:-1], -1e30)
    total = torch.zeros(q.shape[:-1])
    out = torch.zeros_like(q)
    for j in range(k.shape[-2]):
        score = (q * k[..., j : j + 1, :]).sum(-1) / q.shape[-1] ** 0.5
        if mask is not None:
            score = torch.where(mask[..., j], score, -math.inf)
        new_best = torch.maximum(best, score)
        shrink, gain = (best - new_best).exp(), (score - new_best).exp()
        total = total * shrink + gain
        out = out * shrink[..., None] + gain[..., None] * v[..., j : j + 1, :]
        best = new_best
    return torch.where(total[..., None] > 0, out / total[..., None], 0.0)


# --- wrong in known ways -----------------------------------------------------------------------

WEIGHTS = "attention_weights(q, k, mask)"

MISCONCEPTIONS = (
    Misconception(
        "weights-by-rank",
        "The weights of each row are sorted before they meet the values: the largest weight "
        "goes to the last value. Each weight belongs to its own key's value.",
        "attention-query-key-value",
        {WEIGHTS: f"{WEIGHTS}.sort(dim=-1).values"},
    ),
    Misconception(
        "mask-not-passed-on",
        "The mask stops here: it is not handed to the weights, so every query averages over all "
        "values, the hidden ones too.",
        "attention-causal-mask",
        {WEIGHTS: "attention_weights(q, k)"},
    ),
    Misconception(
        "keys-averaged",
        "The weights average the keys. Keys only say where something is to be found; what is "
        "gathered there are the values.",
        "attention-query-key-value",
        {"@ v": "@ k"},
    ),
    Misconception(
        "queries-and-keys-swapped",
        "Queries and keys have changed places on the way in: each row of weights now belongs to a "
        "key instead of a query.",
        "attention-query-key-value",
        {WEIGHTS: "attention_weights(k, q, mask)"},
    ),
    Misconception(
        "weights-transposed",
        "The weights are transposed before they meet the values, so each output sums over the "
        "queries that look at it instead of the keys it looks at.",
        "attention-query-key-value",
        {WEIGHTS: f"{WEIGHTS}.transpose(-2, -1)"},
    ),
    Misconception(
        "values-times-weights",
        "`v @ weights` has the two the wrong way round: a product sums over the last axis of the "
        "first, and that has to be the keys. So the weights come first, then the values.",
        "attention-query-key-value",
        {f"{WEIGHTS} @ v": f"v @ {WEIGHTS}"},
    ),
    Misconception(
        "scaled-twice",
        "The scores are scaled once here and once more inside `attention_weights`, so the weights "
        "are flatter than they should be.",
        "attention-scale",
        {WEIGHTS: "attention_weights(q / q.shape[-1] ** 0.5, k, mask)"},
    ),
    Misconception(
        "output-scaled",
        "The result is divided by the square root of head_dim, too. Only the scores need that: an "
        "average of values already has the size of a value.",
        "attention-scale",
        {f"{WEIGHTS} @ v": f"{WEIGHTS} @ v / q.shape[-1] ** 0.5"},
    ),
    Misconception(
        "softmax-twice",
        "A second softmax runs over weights that already sum to 1: it flattens them, and gives "
        "hidden keys, whose weight was 0, a share again.",
        "attention-softmax-axis",
        {WEIGHTS: f"{WEIGHTS}.softmax(dim=-1)"},
    ),
    Misconception(
        "weights-returned",
        "These are the weights themselves; the last step is missing, in which each query averages "
        "the values with them.",
        "attention-query-key-value",
        {"@ v": "# @ v"},
    ),
    Misconception(
        "query-added",
        "The query is added to what it gathered. The block adds its input back later, around the "
        "whole layer; attention itself returns only the average of the values.",
        "attention-query-key-value",
        {f"return {WEIGHTS}": f"return q + {WEIGHTS}"},
    ),
)


def order_does_not_matter(before, after) -> bool:
    """The two cases hold the same keys, values and mask columns in two orders."""
    return bool(np.allclose(before, after, atol=1e-4))


EXERCISE = Exercise(
    id="attention/scaled_dot_product",
    callable="scaled_dot_product_attention",
    title="Scaled dot-product attention",
    parts={"all": 2},
    minutes=6,
    difficulty="easy",
    link="attention-query-key-value",
    cases=cases,
    rtol=1e-3,  # scores above 100 round by about 1e-5 in float32, and values by their weights
    atol=2e-4,
    misconceptions=MISCONCEPTIONS,
    alternatives=(
        all_in_one,
        divided_at_the_end,
        key_by_key,
    ),
    forbids=(
        "torch.nn.functional.scaled_dot_product_attention",
        "torch.nn.MultiheadAttention.__init__",
    ),
    depends=("attention/attention_weights",),
    properties=(
        Property(
            "order-of-keys-does-not-matter",
            "Put the keys in another order, and the values and the mask's columns with them, and "
            "your output changes. An average does not depend on the order of what it averages.",
            "attention-query-key-value",
            (ORDERED, REORDERED),
            order_does_not_matter,
        ),
    ),
)
