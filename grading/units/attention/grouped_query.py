"""attention/grouped_query: several query heads share one key-value head."""

import math

import numpy as np
import torch
from einops import rearrange

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.attention.draw import causal, normal, padded, patchy

PLAIN, MASKED = "without a mask", "with a mask"
REFUSED = "heads that cannot share"
AXES = "batch heads q_seq head_dim"


TWINS = "two equal queries in one group"


def cases(rng: np.random.Generator) -> list[Case]:
    """Groups of 2 and 3, one KV head for all, one for each, masks of several shapes, a rest."""
    both = padded(rng.integers(2, 7, size=2), 7) & causal(5, 7)
    shared = _inputs(rng, heads=6, kv_heads=2, q_seq=5, kv_seq=7)
    single = {name: x[:1] for name, x in _inputs(rng, heads=4, kv_heads=2).items()}
    twin = {**shared, "q": shared["q"].copy()}
    twin["q"][:, 1] = twin["q"][:, 0]
    drawn = [
        ("6 query heads and 3 KV heads", _inputs(rng, heads=6, kv_heads=3), None),
        ("6 query heads and 2 KV heads", _inputs(rng, heads=6, kv_heads=2), None),
        ("5 query heads and 1 KV head", _inputs(rng, heads=5, kv_heads=1), None),
        ("5 query heads and 5 KV heads", _inputs(rng, heads=5, kv_heads=5), None),
        (TWINS, twin, None),
        ("one sequence, 4 query heads and 2 KV heads", single, None),
        ("as many queries as keys", _inputs(rng, heads=6, kv_heads=3, q_seq=7), None),
        ("6 query heads, 3 KV heads and a mask", _inputs(rng, heads=6, kv_heads=3), both),
        (
            "a mask of its own for each of 10 heads",
            _inputs(rng, heads=10, kv_heads=5),
            patchy(rng, 2, 10, 5, 7),
        ),
        (
            "one query, 4 heads, 2 KV heads and 17 keys",
            _inputs(rng, heads=4, kv_heads=2, q_seq=1, kv_seq=17),
            patchy(rng, 2, 1, 1, 17),
        ),
    ]
    uneven = [
        ("5 query heads and 3 KV heads", _inputs(rng, heads=5, kv_heads=3)),
        ("7 query heads and 3 KV heads", _inputs(rng, heads=7, kv_heads=3)),
        ("3 query heads and 6 KV heads", _inputs(rng, heads=3, kv_heads=6)),
    ]
    return [
        *(
            Case(says, {**inputs, "mask": mask}, PLAIN if mask is None else MASKED, AXES)
            for says, inputs, mask in drawn
        ),
        *(Case(says, {**inputs, "mask": None}, REFUSED, AXES) for says, inputs in uneven),
    ]


def _inputs(rng, *, heads, kv_heads, q_seq=5, kv_seq=7, head_dim=11) -> dict[str, np.ndarray]:
    return {
        "q": normal(rng, 2, heads, q_seq, head_dim),
        "k": normal(rng, 2, kv_heads, kv_seq, head_dim),
        "v": normal(rng, 2, kv_heads, kv_seq, head_dim),
    }


# --- right in other ways ---------------------------------------------------------------------


def _check(q, k):
    if q.shape[1] % k.shape[1] != 0:
        raise ValueError("no even groups")


def group_as_an_axis(q, k, v, mask=None):
    """The query heads get an axis for the group; nothing is repeated."""
    _check(q, k)
    grouped = rearrange(q, "b (kv group) s d -> b kv group s d", kv=k.shape[1])
    scores = torch.einsum("bngqd,bnkd->bngqk", grouped, k) / math.sqrt(q.shape[-1])
    scores = rearrange(scores, "b kv group q k -> b (kv group) q k")
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    weights = rearrange(weights, "b (kv group) q k -> b kv group q k", kv=k.shape[1])
    out = torch.einsum("bngqk,bnkd->bngqd", weights, v)
    return rearrange(out, "b kv group s d -> b (kv group) s d")


def head_by_head(q, k, v, mask=None):
    """Loops over query heads, in double precision."""
    _check(q, k)
    heads, group = q.shape[1], q.shape[1] // k.shape[1]
    out = torch.empty_like(q)
    for h in range(heads):
        one_q, one_k, one_v = q[:, h].double(), k[:, h // group].double(), v[:, h // group].double()
        scores = one_q @ one_k.transpose(1, 2) / q.shape[-1] ** 0.5
        if mask is not None:
            its_mask = mask if mask.dim() == 2 else mask[:, min(h, mask.shape[1] - 1)]
            scores = torch.where(its_mask, scores, -1e30)
        out[:, h] = (scores.softmax(-1) @ one_v).float()
    return out


def expanded(q, k, v, mask=None):
    """KV heads expanded to a new axis and flattened; exponentials by hand."""
    _check(q, k)
    batch, kv_heads, kv_seq, head_dim = k.shape
    group = q.shape[1] // kv_heads
    wide = (batch, kv_heads, group, kv_seq, head_dim)
    k = k.unsqueeze(2).expand(wide).flatten(1, 2)
    v = v.unsqueeze(2).expand(wide).flatten(1, 2)
    scores = torch.matmul(q * head_dim**-0.5, k.transpose(-1, -2))
    if mask is not None:
        scores = scores + torch.zeros(mask.shape).masked_fill(~mask, -math.inf)
    grown = (scores - scores.amax(-1, keepdim=True)).exp()
    return (grown / grown.sum(-1, keepdim=True)) @ v


# --- wrong in known ways -----------------------------------------------------------------------

REPEAT_K = "k = k.repeat_interleave(heads // kv_heads, dim=1)"
REPEAT_V = "v = v.repeat_interleave(heads // kv_heads, dim=1)"
TILE_K = "k = k.repeat(1, heads // kv_heads, 1, 1)"
TILE_V = "v = v.repeat(1, heads // kv_heads, 1, 1)"
CALL = "scaled_dot_product_attention(q, k, v, mask)"
CHECK = "if heads % kv_heads:"

MISCONCEPTIONS = (
    Misconception(
        "kv-heads-tiled",
        "The KV heads are repeated in turn: 0, 1, 0, 1. Query heads that share are neighbours, so "
        "each KV head has to be repeated before the next one comes: 0, 0, 1, 1.",
        "attention-grouped-query",
        {REPEAT_K: TILE_K, REPEAT_V: TILE_V},
    ),
    Misconception(
        "only-values-tiled",
        "Keys and values are repeated in different orders, so that a query finds its way by the "
        "keys of one KV head and gathers the values of another.",
        "attention-grouped-query",
        {REPEAT_V: TILE_V},
    ),
    Misconception(
        "only-keys-tiled",
        "Keys and values are repeated in different orders: the values' order is right, the keys "
        "come in turn. A query must find its way by the keys of the very head it gathers from.",
        "attention-grouped-query",
        {REPEAT_K: TILE_K},
    ),
    Misconception(
        "first-kv-head-for-all",
        "Every query head uses KV head 0, as if there were only one. That is multi-query "
        "attention; here each group has a KV head of its own.",
        "attention-grouped-query",
        {
            REPEAT_K: "k = k[:, :1].expand(-1, heads, -1, -1)",
            REPEAT_V: "v = v[:, :1].expand(-1, heads, -1, -1)",
        },
    ),
    Misconception(
        "kv-heads-averaged",
        "The KV heads are averaged into one, which all query heads then share; each group should "
        "read its own KV head.",
        "attention-grouped-query",
        {REPEAT_K: "k = k.mean(dim=1, keepdim=True)", REPEAT_V: "v = v.mean(dim=1, keepdim=True)"},
    ),
    Misconception(
        "kv-heads-not-repeated",
        "Query heads and KV heads meet without having been matched up, which works only where "
        "there is one KV head or as many as query heads: repeat each for its group first.",
        "attention-grouped-query",
        {REPEAT_K: "pass", REPEAT_V: "pass"},
    ),
    Misconception(
        "neither-repeated-nor-refused",
        "Each query head has to find one KV head opposite: repeat each KV head for the query "
        "heads of its group, then attend. Where they cannot share evenly, raise the ValueError "
        "that the docstring promises.",
        "attention-grouped-query",
        {REPEAT_K: "pass", REPEAT_V: "pass", CHECK: "if False:"},
    ),
    Misconception(
        "repeated-kv-heads-times",
        "Each KV head is repeated as often as there are KV heads. It should be as often as there "
        "are query heads in a group: heads divided by kv_heads.",
        "attention-grouped-query",
        {
            REPEAT_K: "k = k.repeat_interleave(kv_heads, dim=1)[:, :heads]",
            REPEAT_V: "v = v.repeat_interleave(kv_heads, dim=1)[:, :heads]",
        },
    ),
    Misconception(
        "head-divided-by-kv-heads",
        "Query head h reads KV head h // kv_heads. Divide by how many query heads share one KV "
        "head instead: that is heads // kv_heads.",
        "attention-grouped-query",
        {
            REPEAT_K: "k = k[:, torch.arange(heads) // kv_heads]",
            REPEAT_V: "v = v[:, torch.arange(heads) // kv_heads]",
        },
    ),
    Misconception(
        "output-heads-reordered",
        "The values are right, but the heads come out in another order: all first members of the "
        "groups, then all second ones. The output keeps the order of the query heads.",
        "attention-grouped-query",
        {
            f"return {CALL}": f"out = {CALL}\n"
            '    pattern = "b (kv group) s d -> b (group kv) s d"\n'
            "    return rearrange(out, pattern, kv=kv_heads)"
        },
    ),
    Misconception(
        "one-output-per-group",
        "The query heads of each group are averaged, and only kv_heads of them are left. Queries "
        "stay as many as they were; only keys and values are shared.",
        "attention-grouped-query",
        {
            f"return {CALL}": f"out = {CALL}\n"
            "    return out.unflatten(1, (kv_heads, heads // kv_heads)).mean(dim=2)"
        },
    ),
    Misconception(
        "mask-not-passed-on",
        "The mask stops here: it is not handed to the attention inside, so every query sees every "
        "key.",
        "attention-causal-mask",
        {CALL: "scaled_dot_product_attention(q, k, v)"},
    ),
    Misconception(
        "uneven-groups-not-refused",
        "Where the number of KV heads does not divide that of the query heads, there is no "
        "ValueError that says so: the docstring promises one.",
        "attention-grouped-query",
        {CHECK: "if False:"},
    ),
    Misconception(
        "rest-of-the-kv-heads-unused",
        "Where the number of KV heads does not divide that of the query heads, the heads are "
        "matched up nevertheless, unevenly: the docstring promises a ValueError.",
        "attention-grouped-query",
        {
            CHECK: "if False:",
            REPEAT_K: "k = k.repeat_interleave(-(-heads // kv_heads), dim=1)[:, :heads]",
            REPEAT_V: "v = v.repeat_interleave(-(-heads // kv_heads), dim=1)[:, :heads]",
        },
    ),
    Misconception(
        "division-asked-the-wrong-way-round",
        "What is asked is whether `heads` divides `kv_heads`. There are more query heads than KV "
        "heads: the number of KV heads has to divide that of the query heads.",
        "attention-grouped-query",
        {CHECK: "if kv_heads % heads:"},
    ),
    Misconception(
        "only-more-kv-heads-refused",
        "Only more KV heads than query heads are refused. Fewer may be impossible to share, too: "
        "their number has to divide that of the query heads.",
        "attention-grouped-query",
        {CHECK: "if heads < kv_heads:"},
    ),
)


def twins_agree(out) -> bool:
    """Heads 0 and 1 have equal queries and share a KV head."""
    return bool(np.allclose(out[:, 0], out[:, 1], atol=1e-4))


EXERCISE = Exercise(
    id="attention/grouped_query",
    callable="grouped_query_attention",
    title="Grouped-query attention",
    # The docstring's example, without a mask, is of the last part.
    parts={REFUSED: 1, MASKED: 1, PLAIN: 1},
    minutes=12,
    difficulty="medium",
    link="attention-grouped-query",
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(
        group_as_an_axis,
        head_by_head,
        expanded,
    ),
    forbids=(
        "torch.nn.functional.scaled_dot_product_attention",
        "torch.nn.MultiheadAttention.__init__",
    ),
    depends=("attention/scaled_dot_product",),
    properties=(
        Property(
            "neighbours-share",
            "Query heads 0 and 1 stand in one group and were given the same queries, and yet "
            "their outputs differ.",
            "attention-grouped-query",
            (TWINS,),
            twins_agree,
        ),
    ),
    equivalent={
        "`v` for `k` (3)": "there are as many keys as values",
    },
)
