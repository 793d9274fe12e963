"""attention/scores: how well each query fits each key."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.attention.draw import queries_and_keys

AXES = "batch heads q_seq kv_seq"
BATCH, DOUBLED = "2 sequences with 3 heads", "the same with every key doubled"


def cases(rng: np.random.Generator) -> list[Case]:
    """With and without axes in front; one query, one feature, sizes that happen to be equal."""
    batch = queries_and_keys(rng, 2, 3, q_seq=5, kv_seq=7, head_dim=11)
    alone = queries_and_keys(rng, q_seq=5, kv_seq=3, head_dim=13)
    heads = queries_and_keys(rng, 3, q_seq=2, kv_seq=7, head_dim=17)
    newest = queries_and_keys(rng, 2, 3, q_seq=1, kv_seq=7, head_dim=5)
    square = queries_and_keys(rng, 2, 3, q_seq=7, kv_seq=7, head_dim=5)
    equal = queries_and_keys(rng, 2, 3, q_seq=5, kv_seq=5, head_dim=5)
    narrow = queries_and_keys(rng, 2, 3, q_seq=3, kv_seq=5, head_dim=1)
    doubled = {**batch, "k": 2 * batch["k"]}
    return [
        Case(BATCH, batch, axes=AXES),
        Case(DOUBLED, doubled, axes=AXES),
        Case("q and k without batch and heads", alone, axes="q_seq kv_seq"),
        Case("q and k with heads and no batch", heads, axes="heads q_seq kv_seq"),
        Case("a single query", newest, axes=AXES),
        Case("as many queries as keys", square, axes=AXES),
        Case("as many queries as keys and as features", equal, axes=AXES),
        Case("queries and keys of one feature", narrow, axes=AXES),
    ]


# --- right in other ways ---------------------------------------------------------------------


def with_einsum(q, k):
    """The axes by letters; what is left out on the right is summed."""
    return torch.einsum("...qd,...kd->...qk", q, k)


def products_then_sum(q, k):
    """All pairs by broadcasting, then the sum over the features."""
    return (q[..., :, None, :] * k[..., None, :, :]).sum(dim=-1)


def key_by_key(q, k):
    """One column after the other, each a matrix times a vector."""
    columns = [torch.matmul(q, k[..., j, :, None]) for j in range(k.shape[-2])]
    return torch.cat(columns, dim=-1)


def pair_by_pair(q, k):
    """Loops over queries and keys, in double precision."""
    out = torch.empty(*q.shape[:-1], k.shape[-2])
    for i in range(q.shape[-2]):
        for j in range(k.shape[-2]):
            out[..., i, j] = (q[..., i, :].double() * k[..., j, :].double()).sum(-1)
    return out


# --- wrong in known ways -----------------------------------------------------------------------

PRODUCT, KEYS = "q @ k.mT", "k.mT"
LINK = "attention-query-key-value"

MISCONCEPTIONS = (
    Misconception(
        "scaled-already",
        "These scores are divided by the square root of head_dim. That step comes with the "
        "weights, in the next exercise: here the dot products are wanted as they are.",
        "attention-scale",
        {PRODUCT: f"{PRODUCT} / q.shape[-1] ** 0.5"},
    ),
    Misconception(
        "mean-of-products",
        "The products of the features are averaged: a dot product is their sum, and grows with the "
        "number of features.",
        "attention-scale",
        {PRODUCT: f"{PRODUCT} / q.shape[-1]"},
    ),
    Misconception(
        "softmax-taken",
        "A softmax has made shares of the scores: no number is negative and each row sums to 1. "
        "What is wanted here stands before the softmax.",
        "attention-softmax-axis",
        {PRODUCT: f"({PRODUCT}).softmax(dim=-1)"},
    ),
    Misconception(
        "weights-instead-of-scores",
        "These are whole attention weights: scaled, and turned into shares by a softmax. They are "
        "the next exercise; this one asks for the dot products alone.",
        "attention-softmax-axis",
        {PRODUCT: f"({PRODUCT} / q.shape[-1] ** 0.5).softmax(dim=-1)"},
    ),
    Misconception(
        "largest-taken-off",
        "The largest score of each row is taken off, as a softmax does before its exponentials. "
        "Leave that to the softmax: here the scores stay as large as they are.",
        "attention-softmax-axis",
        {PRODUCT: f"({PRODUCT}) - ({PRODUCT}).amax(dim=-1, keepdim=True)"},
    ),
    Misconception(
        "future-set-to-zero",
        "Scores of keys to the right of the query's own place are set to 0. Nothing is hidden "
        "here: each query meets every key. Where something is hidden, -inf has to stand, not 0.",
        "attention-mask-before-softmax",
        {PRODUCT: f"({PRODUCT}).tril()"},
    ),
    Misconception(
        "future-hidden",
        "A causal mask has put -inf where a key stands to the right of the query. Masks come with "
        "the weights, in the next exercise: here every query meets every key.",
        "attention-causal-mask",
        {
            PRODUCT: f"({PRODUCT}).masked_fill(\n"
            "        ~torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril(), -torch.inf\n"
            "    )"
        },
    ),
    Misconception(
        "rows-and-columns-swapped",
        "Rows and columns have changed places: row i belongs to query i, and column j to key j. "
        "Here row i belongs to key i.",
        LINK,
        {PRODUCT: "k @ q.mT"},
    ),
    Misconception(
        "keys-not-transposed",
        "`q @ k` pairs the features of a query with the *positions* of the keys, which fails or "
        "means nothing. Turn the keys round first, so that features meet features.",
        LINK,
        {KEYS: "k"},
    ),
    Misconception(
        "queries-transposed",
        "The queries are turned round where the keys should be: then features come out as rows, "
        "and the sum runs over the positions. What has to be summed are the features.",
        LINK,
        {PRODUCT: "q.mT @ k"},
    ),
    Misconception(
        "keys-reshaped",
        "The keys have the shape of a transpose, but their numbers were only counted off anew, so "
        "that a column mixes several keys. Swap the last two axes instead.",
        LINK,
        {KEYS: "k.reshape(*k.shape[:-2], k.shape[-1], k.shape[-2])"},
    ),
    Misconception(
        "all-axes-reversed",
        "This works for two axes, and no longer with batch and heads in front. Count axes from the "
        "end and swap the last two alone; `.T`, for one, turns all of them round.",
        LINK,
        {KEYS: "k.permute(*range(k.dim() - 1, -1, -1))"},
    ),
    Misconception(
        "transposed-from-the-front",
        "The axes to be swapped are counted from the front: 1 and 2 are positions and features "
        "only behind exactly one other axis. Count from the end, -2 and -1.",
        LINK,
        {KEYS: "k.transpose(1, 2)"},
    ),
    Misconception(
        "einsum-of-two-axes",
        "The letters of this `einsum` name a single matrix of queries. Begin each of the three "
        "with `...`, which stands for the axes in front, however many there are.",
        LINK,
        {PRODUCT: 'torch.einsum("qd,kd->qk", q, k)'},
    ),
    Misconception(
        "einsum-of-three-axes",
        "The letters of this `einsum` want exactly one axis in front. There may be none, or batch "
        "and heads: write `...` in the place of that letter.",
        LINK,
        {PRODUCT: 'torch.einsum("bqd,bkd->bqk", q, k)'},
    ),
    Misconception(
        "einsum-of-four-axes",
        "The letters of this `einsum` want batch and heads. There may be fewer axes in front, or "
        "none: `...` in the place of the two letters takes what is there.",
        LINK,
        {PRODUCT: 'torch.einsum("bhqd,bhkd->bhqk", q, k)'},
    ),
    Misconception(
        "every-sequence-with-every-other",
        "Queries meet the keys of all other sequences and heads, too: the axes in front come "
        "twice, from q and from k. Only what stands at the same place of them belongs together.",
        "attention-multi-head",
        {PRODUCT: "torch.tensordot(q, k, dims=([-1], [-1]))"},
    ),
    Misconception(
        "elementwise-product",
        "`*` multiplies number by number and adds nothing up: query i meets key i alone, feature "
        "by feature. Each query has to meet every key, and one number comes of it.",
        LINK,
        {PRODUCT: "q * k"},
    ),
    Misconception(
        "same-position-only",
        "Each query meets only the key at its own position. In attention every query meets every "
        "key, so there is a row of numbers for each query.",
        LINK,
        {PRODUCT: "(q * k).sum(dim=-1)"},
    ),
    Misconception(
        "products-not-summed",
        "All pairs are there, but the products of their features still stand one beside the other. "
        "A dot product adds them up: one number for each pair.",
        LINK,
        {PRODUCT: "q[..., :, None, :] * k[..., None, :, :]"},
    ),
    Misconception(
        "first-feature-only",
        "Only the first feature of each query and key is multiplied. A dot product adds up the "
        "products of all of them.",
        LINK,
        {PRODUCT: "q[..., :1] @ k[..., :1].mT"},
    ),
    Misconception(
        "last-feature-only",
        "Only the last feature of each query and key counts here. All products belong into the "
        "sum.",
        LINK,
        {PRODUCT: "q[..., -1:] @ k[..., -1:].mT"},
    ),
    Misconception(
        "cosines",
        "These are cosines: queries and keys were brought to length 1 first. A dot product keeps "
        "the lengths, so that a query can ask loudly or softly.",
        LINK,
        {
            PRODUCT: "(q / q.norm(dim=-1, keepdim=True)) @ (k / k.norm(dim=-1, keepdim=True)).mT",
        },
    ),
    Misconception(
        "brought-to-length-one",
        "Every query and key is brought to length 1, which makes cosines of the dot products. "
        "Leave them as long as they are: a long key gets a larger score.",
        LINK,
        {
            PRODUCT: "torch.nn.functional.normalize(q, dim=-1)"
            " @ torch.nn.functional.normalize(k, dim=-1).mT",
        },
    ),
    Misconception(
        "distances",
        "These are distances between queries and keys: small where the two are near each other. A "
        "score is a dot product, and large where the two point the same way.",
        LINK,
        {PRODUCT: "torch.cdist(q, k)"},
    ),
    Misconception(
        "queries-with-queries",
        "The queries are multiplied by themselves, and the keys are not used. What a query asks is "
        "compared with what the keys answer to.",
        LINK,
        {KEYS: "q.mT"},
    ),
    Misconception(
        "keys-with-keys",
        "The keys are multiplied by themselves, and nobody asks: a row belongs to a query.",
        LINK,
        {PRODUCT: "k @ k.mT"},
    ),
    Misconception(
        "heads-added",
        "The scores of all heads, or of all sequences, are added up. Whatever axes stand in front "
        "stay as they are: each head has scores of its own.",
        "attention-multi-head",
        {PRODUCT: f"({PRODUCT}).flatten(0, -3).sum(dim=0) if q.dim() > 2 else {PRODUCT}"},
    ),
)


# --- what every right answer keeps ---------------------------------------------------------------


def doubled_keys_double_the_scores(before, after) -> bool:
    """The second case has the keys of the first, times 2."""
    return bool(np.allclose(2 * before, after, rtol=1e-3, atol=1e-4))


EXERCISE = Exercise(
    id="attention/scores",
    callable="scores",
    title="Scores",
    parts={"all": 1},
    minutes=4,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_einsum, products_then_sum, key_by_key, pair_by_pair),
    properties=(
        Property(
            "doubled-keys-double-the-scores",
            "With every key doubled your scores are not twice what they were. A sum of products "
            "would be.",
            LINK,
            (BATCH, DOUBLED),
            doubled_keys_double_the_scores,
        ),
    ),
)
