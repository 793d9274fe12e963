"""attention/attention_weights: who looks at whom."""

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

PLAIN, MASKED = "without a mask", "with a mask"
AXES = "batch heads q_seq kv_seq"


UNMASKED = ("2 sequences with 3 heads and no mask", "q and k without batch and heads")
PADDED = "a padding mask of shape (2, 1, 1, 7)"
OTHER_HIDDEN = "the same with other keys where the mask hides them"


def cases(rng: np.random.Generator) -> list[Case]:
    """Shapes with and without batch, masks of every broadcast shape, small and large scores."""
    return [*_plain_cases(rng), *_masked_cases(rng), *_a_masked_key_that_changes(rng)]


def _plain_cases(rng) -> list[Case]:
    batch = queries_and_keys(rng, 2, 3, q_seq=5, kv_seq=7, head_dim=11)
    alone = queries_and_keys(rng, q_seq=5, kv_seq=3, head_dim=13)
    single = queries_and_keys(rng, 1, 1, q_seq=3, kv_seq=5, head_dim=7)
    square = queries_and_keys(rng, 2, 3, q_seq=7, kv_seq=7, head_dim=5)
    small = queries_and_keys(rng, 3, q_seq=2, kv_seq=7, head_dim=17, scale=0.05)
    large = queries_and_keys(rng, 3, q_seq=2, kv_seq=7, head_dim=11, scale=9.0)
    return [
        Case(UNMASKED[0], {**batch, "mask": None}, PLAIN, AXES),
        Case(UNMASKED[1], {**alone, "mask": None}, PLAIN, "q_seq kv_seq"),
        Case("one sequence with one head", {**single, "mask": None}, PLAIN, AXES),
        Case("as many queries as keys", {**square, "mask": None}, PLAIN, AXES),
        Case("q and k of small numbers", {**small, "mask": None}, PLAIN, "heads q_seq kv_seq"),
        Case("q and k of large numbers", {**large, "mask": None}, PLAIN, "heads q_seq kv_seq"),
    ]


def _masked_cases(rng) -> list[Case]:
    sentence = queries_and_keys(rng, 2, 3, q_seq=5, kv_seq=5, head_dim=11)
    per_head = queries_and_keys(rng, 2, 3, q_seq=5, kv_seq=7, head_dim=11)
    newest = queries_and_keys(rng, 2, 3, q_seq=1, kv_seq=17, head_dim=7)
    large = loud_hidden_keys(rng)
    nothing = queries_and_keys(rng, 3, q_seq=5, kv_seq=7, head_dim=11)
    blind = patchy(rng, 3, 5, 7)
    blind[rng.integers(3), rng.integers(5)] = False
    masks = {
        "a causal mask": (sentence, causal(5, 5), AXES),
        "a mask of its own for each head": (per_head, patchy(rng, 2, 3, 5, 7), AXES),
        "one query and 17 keys": (newest, patchy(rng, 1, 17), AXES),
        "hidden keys with much larger scores": (*large, AXES),
        "a query that may attend to nothing": (nothing, blind, "heads q_seq kv_seq"),
    }
    return [
        Case(says, {**inputs, "mask": mask}, MASKED, axes)
        for says, (inputs, mask, axes) in masks.items()
    ]


def _a_masked_key_that_changes(rng) -> list[Case]:
    inputs = queries_and_keys(rng, 2, 3, q_seq=5, kv_seq=7, head_dim=11)
    mask = padded(rng.integers(2, 7, size=2), 7)
    other = np.where(mask.swapaxes(-1, -2), inputs["k"], 3 * normal(rng, 2, 3, 7, 11))
    return [
        Case(PADDED, {**inputs, "mask": mask}, MASKED, AXES),
        Case(OTHER_HIDDEN, {"q": inputs["q"], "k": other, "mask": mask}, MASKED, AXES),
    ]


# --- right in other ways ---------------------------------------------------------------------


def with_einsum(q, k, mask=None):
    """einsum, torch.where, and exp after subtracting the largest score."""
    scores = torch.einsum("...qd,...kd->...qk", q, k) * q.shape[-1] ** -0.5
    if mask is None:
        mask = torch.ones_like(scores, dtype=torch.bool)
    scores = torch.where(mask, scores, -torch.inf)
    largest = scores.amax(dim=-1, keepdim=True)
    largest = torch.where(largest.isinf(), 0.0, largest)
    grown = (scores - largest).exp()
    total = grown.sum(dim=-1, keepdim=True)
    return grown / torch.where(total == 0, 1.0, total)


def in_double_precision(q, k, mask=None):
    """float64, queries scaled first, a large finite number as the mask, zeros by multiplication."""
    scores = (q.double() / math.sqrt(q.size(-1))) @ k.double().mT
    if mask is not None:
        scores = scores + (1 - mask.double()) * -1e30
    weights = torch.nn.functional.softmax(scores, dim=-1)
    if mask is not None:
        weights = weights * mask
    return weights.float()


def row_by_row(q, k, mask=None):
    """Loops over the queries; scores only for the keys in sight."""
    lead = q.shape[:-2]
    weights = torch.zeros(*lead, q.shape[-2], k.shape[-2])
    allowed = torch.ones_like(weights, dtype=torch.bool)
    if mask is not None:
        allowed = mask.expand_as(weights)
    flat_q, flat_k = q.reshape(-1, *q.shape[-2:]), k.reshape(-1, *k.shape[-2:])
    flat_allowed = allowed.reshape(-1, *weights.shape[-2:])
    flat_weights = weights.view(-1, *weights.shape[-2:])
    for one in range(flat_q.shape[0]):
        for i in range(q.shape[-2]):
            seen = flat_allowed[one, i].nonzero().flatten()
            scores = flat_k[one, seen] @ flat_q[one, i] / math.sqrt(q.shape[-1])
            flat_weights[one, i, seen] = scores.softmax(0)
    return weights


# --- wrong in known ways -----------------------------------------------------------------------

SCORES = "q.to(wide) @ k.to(wide).transpose(-2, -1) / head_dim**0.5"
SCALE = " / head_dim**0.5"
WIDTH = "head_dim = q.shape[-1]"
SOFTMAX = "scores.softmax(dim=-1)"
LOWEST = "torch.finfo(scores.dtype).min"
HIDE = f"scores = scores.masked_fill(~mask, {LOWEST})"
ZERO = "weights = weights.masked_fill(~mask, 0.0)"

ABOUT_SCALE = (
    Misconception(
        "no-scale",
        "The scores are not divided by anything, so they grow with the width of the heads and the "
        "softmax puts nearly everything on one key.",
        "attention-scale",
        {SCALE: ""},
    ),
    Misconception(
        "scaled-by-head-dim",
        "The scores are divided by head_dim itself, which is too much: a sum of head_dim products "
        "has a spread of only the square root of head_dim.",
        "attention-scale",
        {SCALE: " / head_dim"},
    ),
    Misconception(
        "scaled-up",
        "The scores are multiplied by the square root of head_dim instead of divided by it, so "
        "the softmax saturates even more than without a scale.",
        "attention-scale",
        {SCALE: " * head_dim**0.5"},
    ),
    Misconception(
        "scaled-by-d-model",
        "The scores are scaled by the width of all heads together (d_model); each dot product "
        "only adds up the head_dim numbers of one head.",
        "attention-scale",
        {WIDTH: "head_dim = q.shape[-1] * q.shape[-3:-2].numel()"},
    ),
    Misconception(
        "scaled-by-number-of-keys",
        "The scores are scaled by the number of keys; their spread comes from how many numbers "
        "one dot product adds up, which is the length of a key, not how many keys there are.",
        "attention-scale",
        {WIDTH: "head_dim = k.shape[-2]"},
    ),
    Misconception(
        "divided-by-number-of-keys",
        "The scores are divided by the number of keys, as for a mean over them. Their spread comes "
        "from the numbers that one dot product adds up: the length of a key.",
        "attention-scale",
        {SCALE: " / k.shape[-2]"},
    ),
    Misconception(
        "scaled-by-number-of-queries",
        "The scores are scaled by the number of queries; their spread comes from how many numbers "
        "one dot product adds up, which is the length of a query.",
        "attention-scale",
        {WIDTH: "head_dim = q.shape[-2]"},
    ),
    Misconception(
        "scaled-by-axis-1",
        "The width is taken from axis 1 counted from the front, which is head_dim only while there "
        "is no batch and no head axis: head_dim is the last axis, whatever stands in front.",
        "attention-scale",
        {WIDTH: "head_dim = q.shape[1]"},
    ),
    Misconception(
        "scaled-after-softmax",
        "The scale comes after the softmax: it should tame the scores going in; here it shrinks "
        "the finished weights, whose rows then no longer sum to 1.",
        "attention-scale",
        {SCALE: "", SOFTMAX: SOFTMAX + SCALE},
    ),
)

ABOUT_SOFTMAX = (
    Misconception(
        "keys-reshaped",
        "The keys have the shape of a transpose, but their numbers were only counted off anew: a "
        "column holds pieces of several keys. Swap the last two axes instead.",
        "attention-query-key-value",
        {".transpose(-2, -1)": ".reshape(*k.shape[:-2], k.shape[-1], k.shape[-2])"},
    ),
    Misconception(
        "largest-of-all-subtracted",
        "The largest score of the whole tensor is subtracted before the exponential. A row that "
        "lies far below it becomes 0 / 0: subtract each row's own largest score.",
        "attention-softmax-axis",
        {
            SOFTMAX: "(scores - scores.max()).exp()\n"
            "    weights = weights / weights.sum(dim=-1, keepdim=True)"
        },
    ),
    Misconception(
        "queries-and-keys-swapped",
        "Queries and keys have changed places: row i should hold how much query i looks at each "
        "key, and here it holds how much each query looks at key i.",
        "attention-query-key-value",
        {"q.to(wide) @ k.to(wide).transpose(-2, -1)": "k @ q.transpose(-2, -1)"},
    ),
    Misconception(
        "transposed-from-the-front",
        "The transpose swaps axes 1 and 2 counted from the front, which are heads and keys as soon "
        "as there is a batch: swap the last two axes, -2 and -1.",
        "attention-query-key-value",
        {".transpose(-2, -1)": ".transpose(1, 2)"},
    ),
    Misconception(
        "all-axes-reversed",
        "This works while q and k have two axes, and no longer with batch and heads in front. "
        "Count axes from the end and turn round the last two alone; `.T`, for one, turns all.",
        "attention-query-key-value",
        {".transpose(-2, -1)": ".permute(*range(k.dim() - 1, -1, -1))"},
    ),
    Misconception(
        "softmax-over-queries",
        "The softmax runs over the queries, so the columns sum to 1 instead of the rows: each "
        "query has its own attention to share out among the keys.",
        "attention-softmax-axis",
        {SOFTMAX: "scores.softmax(dim=-2)"},
    ),
    Misconception(
        "softmax-over-axis-1",
        "The softmax runs over axis 1 counted from the front, which is the keys only while there "
        "is no batch and no head axis: count axes from the end and the function works for both.",
        "attention-softmax-axis",
        {SOFTMAX: "scores.softmax(dim=1)"},
    ),
    Misconception(
        "softmax-over-the-whole-matrix",
        "One softmax runs over the whole matrix, so all queries together share a total of 1; "
        "every single query has a total of 1 of its own.",
        "attention-softmax-axis",
        {SOFTMAX: "scores.flatten(-2).softmax(dim=-1).view_as(scores)"},
    ),
    Misconception(
        "no-softmax",
        "These are still scores: without a softmax they can be negative and their rows do not "
        "sum to 1, so they are no weights for an average.",
        "attention-softmax-axis",
        {SOFTMAX: "scores"},
    ),
    Misconception(
        "softmax-overflows",
        "The softmax takes the exponential of the raw scores, which is infinite in float32 from "
        "about 89 on and ends as NaN: subtract each row's largest score first, or use softmax.",
        "attention-softmax-axis",
        {SOFTMAX: "scores.exp() / scores.exp().sum(dim=-1, keepdim=True)"},
    ),
    Misconception(
        "input-changed",
        "The weights are right, but q was divided in place: whoever passed it in now holds other "
        "numbers than before. Make a new tensor instead of `/=`.",
        "attention-scale",
        {f"scores = {SCORES}": "q /= head_dim**0.5\n    scores = q @ k.transpose(-2, -1)"},
    ),
)

ABOUT_MASKS = (
    Misconception(
        "mask-ignored",
        "The mask has no effect yet: every query still looks at every key, the forbidden ones too.",
        "attention-causal-mask",
        {HIDE: "pass", ZERO: "pass"},
    ),
    Misconception(
        "mask-inverted",
        "The mask is read the other way round: True means that a query may attend, and here just "
        "those keys are hidden.",
        "attention-causal-mask",
        {HIDE: HIDE.replace("~", ""), ZERO: ZERO.replace("~", "")},
    ),
    Misconception(
        "mask-after-softmax",
        "The mask comes after the softmax, when the hidden keys have already taken their share: "
        "the weights that are left no longer sum to 1.",
        "attention-mask-before-softmax",
        {HIDE: "pass"},
    ),
    Misconception(
        "mask-filled-with-0",
        "Hidden scores are set to 0, and a score of 0 is a score like any other: e to the 0 is 1, "
        "so the hidden keys still get weight.",
        "attention-mask-before-softmax",
        {HIDE: HIDE.replace(LOWEST, "0.0"), ZERO: "pass"},
    ),
    Misconception(
        "mask-added",
        "The boolean mask is added to the scores, where True counts as 1: allowed keys gain a "
        "little and hidden ones keep their score. Only a mask of 0 and -inf can be added.",
        "attention-mask-before-softmax",
        {HIDE: "scores = scores + mask", ZERO: "pass"},
    ),
    Misconception(
        "mask-multiplied-by-minus-infinity",
        "Multiplying the mask by -inf turns the allowed scores into NaN as well, since 0 times "
        "infinity is no number: choose between two values instead, with where or masked_fill.",
        "attention-mask-before-softmax",
        {HIDE: 'scores = scores + ~mask * float("-inf")', ZERO: "pass"},
    ),
    Misconception(
        "fully-masked-nan",
        "A query that may attend to nothing gets NaN, because a softmax of only -inf divides 0 by "
        "0; its weights should be zeros, or one such row spoils everything after it.",
        "attention-fully-masked",
        {HIDE: HIDE.replace(LOWEST, 'float("-inf")'), ZERO: "pass"},
    ),
    Misconception(
        "fully-masked-averages",
        "A query that may attend to nothing spreads its weight evenly over the hidden keys, "
        "because their scores are all the same large negative number: such a row should be zeros.",
        "attention-fully-masked",
        {HIDE: HIDE.replace(LOWEST, "-1e9"), ZERO: "pass"},
    ),
    Misconception(
        "mask-too-weak",
        "Hidden scores get a number like -100, which large scores still outweigh: only -inf, or "
        "the most negative number of the dtype, hides a key whatever the scores are.",
        "attention-mask-before-softmax",
        {HIDE: HIDE.replace(LOWEST, "-100.0"), ZERO: "pass"},
    ),
    Misconception(
        "masked-then-renormalised",
        "Masking the finished weights and dividing by what is left works on paper; where a hidden "
        "key has nearly all the weight, what is left rounds to 0 / 0. Hide the scores instead.",
        "attention-mask-before-softmax",
        {HIDE: "pass", ZERO: "weights = weights * mask / (weights * mask).sum(-1, True)"},
    ),
    Misconception(
        "mask-changed",
        "The weights are right, but the mask was inverted in place: its owner now holds the "
        "opposite, and the next layer hides what this one showed. Make a new tensor with `~`.",
        "attention-causal-mask",
        {HIDE: HIDE.replace("~mask", "mask.logical_not_()"), ZERO: ZERO.replace("~mask", "mask")},
    ),
)


# --- what every right answer keeps ---------------------------------------------------------------


def hidden_keys_have_no_effect(before, after) -> bool:
    """The two cases differ in hidden keys only."""
    return bool(np.allclose(before, after, atol=1e-4))


def rows_sum_to_one(*outputs) -> bool:
    """Whether each row is a share-out of 1; the last axis is the keys."""
    sums = [weights.sum(axis=-1) for weights in outputs]
    return all(bool(np.isclose(s, 1, atol=1e-3).all()) for s in sums)


EXERCISE = Exercise(
    id="attention/attention_weights",
    callable="attention_weights",
    title="Attention weights",
    parts={PLAIN: 2, MASKED: 2},
    minutes=15,
    difficulty="medium",
    link="attention-query-key-value",
    cases=cases,
    rtol=5e-4,  # scores above 100 round by about 1e-5 in float32
    atol=5e-5,
    misconceptions=(*ABOUT_SCALE, *ABOUT_SOFTMAX, *ABOUT_MASKS),
    alternatives=(
        with_einsum,
        in_double_precision,
        row_by_row,
    ),
    forbids=(
        "torch.nn.functional.scaled_dot_product_attention",
        "torch.nn.MultiheadAttention.__init__",
    ),
    properties=(
        Property(
            "hidden-keys-have-no-effect",
            "A key that the mask hides still has an effect: when only hidden keys change, your "
            "weights change too.",
            "attention-mask-before-softmax",
            (PADDED, OTHER_HIDDEN),
            hidden_keys_have_no_effect,
        ),
        Property(
            "rows-sum-to-one",
            "Without a mask, some row of your weights does not sum to 1 over the keys.",
            "attention-softmax-axis",
            UNMASKED,
            rows_sum_to_one,
        ),
    ),
    equivalent=dict.fromkeys(
        (
            "`weights` for `weights.to(q.dtype)`",
            "`q` for `q.to(wide)`",
            "`k` for `q`",
            "`k` for `k.to(wide)`",
            "`k` for `q` (2)",
            "`k` for `q` (3)",
            "`weights` for `q` (3)",
        ),
        "the inputs are float32, like all results on the way",
    ),
)
