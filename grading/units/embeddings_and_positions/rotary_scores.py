"""embeddings_and_positions/rotary_scores: products that know the offset, and nothing else."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.embeddings_and_positions.draw import normal

LINK = "embeddings-and-positions-offset"
AXES = "batch heads q_seq kv_seq"
BASE = 10000.0


def cases(rng: np.random.Generator) -> list[Case]:
    """A whole text, the newest tokens of one, shifted texts, other bases, axes in front."""
    q, k = normal(rng, 5, 14), normal(rng, 5, 14)
    places, start = np.arange(5), int(rng.integers(30, 90))
    few, many = normal(rng, 2, 14), normal(rng, 7, 14)
    text = "q_seq kv_seq"
    return [
        _case("a text from position 0 on", q, k, places, places, BASE, text, "at 0"),
        _case(
            "the same text, starting later",
            q,
            k,
            places + start,
            places + start,
            BASE,
            text,
            "later",
        ),
        _case("the same text and another base", q, k, places, places, 300.0, text),
        _case("queries behind the keys", q, k, places + start, places, BASE, text),
        _case("the newest 2 of 7 tokens", few, many, np.array([5, 6]), np.arange(7), BASE, text),
        _case("the newest of 7 tokens", few[:1], many, np.array([6]), np.arange(7), BASE, text),
        _case(
            "positions in no order",
            q,
            many,
            rng.permutation(40)[:5],
            rng.permutation(40)[:7],
            BASE,
            text,
        ),
        _case(
            "one query and one key",
            normal(rng, 1, 6),
            normal(rng, 1, 6),
            np.array([9]),
            np.array([2]),
            BASE,
            text,
        ),
        _case("everything at position 0", q, k, 0 * places, 0 * places, BASE, text),
        Case("a call that names no base", _without_base(q, k, places), axes=text),
        _heads(rng, 2, 3),
        _heads(rng, 1, 1),
    ]


def _case(says, q, k, at_q, at_k, base, axes, name="") -> Case:
    inputs = {"q": q, "k": k, "q_positions": at_q, "k_positions": at_k, "rope_theta": base}
    return Case(says, inputs, axes=axes, name=name)


def _without_base(q, k, places) -> dict:
    return {"q": q, "k": k, "q_positions": places + 2, "k_positions": places}


def _heads(rng, batch: int, heads: int) -> Case:
    q, k = normal(rng, batch, heads, 5, 10), normal(rng, batch, heads, 7, 10)
    says = f"a batch of {batch} with {heads} head{'s' * (heads > 1)}"
    return _case(says, q, k, np.arange(2, 7), np.arange(7), BASE, AXES)


# --- right in other ways ---------------------------------------------------------------------


def complex_products(q, k, q_positions, k_positions, rope_theta=10000.0):
    """Pairs as complex numbers: the real part of q times the conjugate of k."""
    pairs = q.shape[-1] // 2
    speeds = rope_theta ** (-torch.arange(pairs) / pairs)
    turn_q = torch.exp(1j * q_positions[:, None] * speeds)
    turn_k = torch.exp(1j * k_positions[:, None] * speeds)
    q = torch.complex(q[..., 0::2], q[..., 1::2]) * turn_q
    k = torch.complex(k[..., 0::2], k[..., 1::2]) * turn_k
    return torch.einsum("...qp,...kp->...qk", q, k.conj()).real


def by_offset(q, k, q_positions, k_positions, rope_theta=10000.0):
    """No turned vectors at all: a cosine and a sine of every offset."""
    pairs = q.shape[-1] // 2
    speeds = rope_theta ** (-torch.arange(pairs) / pairs)
    offsets = (q_positions[:, None] - k_positions[None])[..., None] * speeds  # q k pairs
    a, b = q[..., :, None, 0::2], q[..., :, None, 1::2]
    c, d = k[..., None, :, 0::2], k[..., None, :, 1::2]
    return ((a * c + b * d) * offsets.cos() + (a * d - b * c) * offsets.sin()).sum(dim=-1)


def pair_of_positions_at_a_time(q, k, q_positions, k_positions, rope_theta=10000.0):
    """Loops over queries and keys; the query alone turns, by the offset."""
    width = q.shape[-1]
    speeds = torch.tensor([rope_theta ** (-i / width) for i in range(0, width, 2)])
    scores = torch.zeros(*q.shape[:-1], k.shape[-2])
    for i in range(q.shape[-2]):
        for j in range(k.shape[-2]):
            angle = (q_positions[i] - k_positions[j]) * speeds
            a, b = q[..., i, 0::2], q[..., i, 1::2]
            first = a * angle.cos() - b * angle.sin()
            second = a * angle.sin() + b * angle.cos()
            key = k[..., j, :]
            scores[..., i, j] = (first * key[..., 0::2] + second * key[..., 1::2]).sum(dim=-1)
    return scores


# --- wrong in known ways -----------------------------------------------------------------------

Q = "q = apply_rope(q, rope_angles(q_positions, head_dim, rope_theta))"
K = "k = apply_rope(k, rope_angles(k_positions, head_dim, rope_theta))"
PRODUCT = "q @ k.mT"

MISCONCEPTIONS = (
    Misconception(
        "keys-not-turned",
        "Only the queries are turned, so a score depends on the query's position alone, as if all "
        "keys stood at 0.",
        LINK,
        {K: "pass"},
    ),
    Misconception(
        "queries-not-turned",
        "Only the keys are turned, so a score depends on the key's position alone, as if all "
        "queries stood at 0.",
        LINK,
        {Q: "pass"},
    ),
    Misconception(
        "nothing-turned",
        "These are the products of q and k as they came in: no position has been used.",
        LINK,
        {Q: "pass", K: "pass"},
    ),
    Misconception(
        "keys-turned-backwards",
        "The keys are turned the other way than the queries, so a score depends on the sum of the "
        "two positions instead of on their difference.",
        LINK,
        {K: K.replace("rope_angles", "-rope_angles")},
    ),
    Misconception(
        "both-turned-backwards",
        "Both are turned by the wrong offset: a key one place ahead counts as one place behind. "
        "Turn each by its own position, forwards.",
        LINK,
        {
            Q: Q.replace("rope_angles", "-rope_angles"),
            K: K.replace("rope_angles", "-rope_angles"),
        },
    ),
    Misconception(
        "turned-by-the-offset-twice",
        "The queries are turned by twice their angles.",
        LINK,
        {Q: Q.replace("rope_angles", "2 * rope_angles")},
    ),
    Misconception(
        "query-positions-counted-anew",
        "The queries are counted from 0, whatever positions were given. The newest tokens of a "
        "text do not stand at its beginning.",
        LINK,
        {Q: Q.replace("q_positions", "torch.arange(q.shape[-2])")},
    ),
    Misconception(
        "positions-counted-anew",
        "Queries and keys are both counted from 0, whatever positions were given.",
        LINK,
        {
            Q: Q.replace("q_positions", "torch.arange(q.shape[-2])"),
            K: K.replace("k_positions", "torch.arange(k.shape[-2])"),
        },
    ),
    Misconception(
        "base-left-out",
        "`rope_theta` is not handed on, so the base is always 10,000.",
        LINK,
        {Q: Q.replace(", rope_theta)", ")"), K: K.replace(", rope_theta)", ")")},
    ),
    Misconception(
        "scaled",
        "The products are divided by the square root of head_dim. Attention does that later; here "
        "the plain products are asked for.",
        LINK,
        {PRODUCT: "q @ k.mT / head_dim**0.5"},
    ),
    Misconception(
        "softmax-taken",
        "These are weights that sum to 1: a softmax was taken. The plain products are asked for.",
        LINK,
        {PRODUCT: "(q @ k.mT).softmax(dim=-1)"},
    ),
    Misconception(
        "transposed",
        "Rows and columns have changed places: a row for each query, a column for each key.",
        LINK,
        {PRODUCT: "k @ q.mT"},
    ),
    Misconception(
        "all-axes-reversed",
        "`.T` turns round all axes, batch and heads too: swap just the last two.",
        LINK,
        {PRODUCT: "q @ k.permute(*range(k.dim() - 1, -1, -1))"},
    ),
    Misconception(
        "number-by-number",
        "q and k are multiplied number by number, so that each query meets one key only. Every "
        "query meets every key.",
        LINK,
        {PRODUCT: "(q * k).sum(dim=-1)"},
    ),
    Misconception(
        "each-counted-from-its-own-first",
        "Queries and keys are each counted from their own first position. The offset between the "
        "two lists is lost; with a cache it is what matters.",
        LINK,
        {
            Q: Q.replace("q_positions", "q_positions - q_positions[0]"),
            K: K.replace("k_positions", "k_positions - k_positions[0]"),
        },
    ),
    Misconception(
        "counted-on-from-the-first",
        "Only the first of the positions is used, for queries and keys, and counted on from there. "
        "Use all that were given: they may have gaps, and stand in any order.",
        LINK,
        {
            Q: Q.replace("q_positions", "q_positions[0] + torch.arange(q.shape[-2])"),
            K: K.replace("k_positions", "k_positions[0] + torch.arange(k.shape[-2])"),
        },
    ),
    Misconception(
        "keys-at-the-positions-of-the-queries",
        "The keys are turned by the positions of the queries. Each list has positions of its own: "
        "the keys' are in `k_positions`.",
        LINK,
        {K: K.replace("k_positions", "q_positions")},
    ),
    Misconception(
        "queries-at-the-positions-of-the-keys",
        "The queries are turned by the positions of the keys. Each list has positions of its own: "
        "the queries' are in `q_positions`.",
        LINK,
        {Q: Q.replace("q_positions", "k_positions")},
    ),
    Misconception(
        "positions-exchanged",
        "The positions have changed places: queries are turned by `q_positions`, keys by "
        "`k_positions`.",
        LINK,
        {Q: Q.replace("q_positions", "k_positions"), K: K.replace("k_positions", "q_positions")},
    ),
    Misconception(
        "queries-taken-for-the-last-keys",
        "The queries are turned by the last positions of the keys, as if they were always the "
        "newest of the same text. Their own positions are in `q_positions`.",
        LINK,
        {Q: Q.replace("q_positions", "k_positions[-q.shape[-2] :]")},
    ),
    Misconception(
        "causal-mask-put-on",
        "Keys behind the query are hidden: a causal mask was put on. Attention does that later; "
        "here the plain products are asked for.",
        LINK,
        {PRODUCT: "(q @ k.mT).masked_fill(q_positions[:, None] < k_positions, -torch.inf)"},
    ),
)


def _same_scores(at_0: np.ndarray, later: np.ndarray) -> bool:
    largest = float(np.abs(at_0[np.isfinite(at_0)]).max(initial=1.0))
    return bool(np.allclose(at_0, later, atol=1e-2 * largest))


PROPERTIES = (
    Property(
        "shift-changes-scores",
        "All positions, of queries and of keys, were shifted by the same amount, and the scores "
        "changed. Only the offset between the two should count.",
        LINK,
        cases=("at 0", "later"),
        holds=_same_scores,
    ),
)

EXERCISE = Exercise(
    id="embeddings_and_positions/rotary_scores",
    callable="rotary_scores",
    title="Scores that know the offset",
    parts={"all": 2},
    minutes=8,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(complex_products, by_offset, pair_of_positions_at_a_time),
    atol=5e-5,  # at far positions the angles are rounded
    depends=("embeddings_and_positions/rope_angles", "embeddings_and_positions/apply_rope"),
    properties=PROPERTIES,
    equivalent={
        "`k` for `q` (3)": "q and k have the same width",
    },
)
