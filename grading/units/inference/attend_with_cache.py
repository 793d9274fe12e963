"""inference/attend_with_cache: one layer's attention for the newest tokens."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.inference import drive
from grading.units.inference.draw import normal

LINK = "inference-cache-step"
AXES = "batch heads q_seq head_dim"
ALL_AT_ONCE, STEPS = "a prompt", "token by token"


def cases(rng: np.random.Generator) -> list[Case]:
    """One text in many pieces; bases, heads, batches; a single token."""
    seven = _qkv(rng, 7)
    one_head = _qkv(rng, 5, batch=1, heads=1, kv_heads=1)
    return [
        _case("a prompt of 7 tokens at once", ALL_AT_ONCE, seven, [7], name="at once"),
        _case("a single token", ALL_AT_ONCE, _qkv(rng, 1), [1]),
        _case("a prompt of 5 tokens and another base", ALL_AT_ONCE, _qkv(rng, 5), [5], 100.0),
        _case("a call that names no base", ALL_AT_ONCE, _qkv(rng, 3), [3], None),
        _case("one text with one head", ALL_AT_ONCE, one_head, [5]),
        _case("as many KV heads as heads", ALL_AT_ONCE, _qkv(rng, 5, heads=3, kv_heads=3), [5]),
        _case("the same 7 tokens one by one", STEPS, seven, [1] * 7, name="one by one"),
        _case("a prompt of 4 tokens, then three one by one", STEPS, seven, [4, 1, 1, 1]),
        _case("2 tokens, then 5 together", STEPS, seven, [2, 5], name="in two"),
        _case("pieces of 3, 1 and 3 and another base", STEPS, seven, [3, 1, 3], 100.0),
        _case("one text with one head, 3 tokens and then 2", STEPS, one_head, [3, 2]),
        _case("one KV head for all, one by one", STEPS, _qkv(rng, 3, kv_heads=1), [1, 1, 1]),
    ]


def _qkv(rng, seq, batch=2, heads=6, kv_heads=2, head_dim=10) -> list[np.ndarray]:
    """Queries, keys and values; the queries are large, so that each looks at few keys."""
    widths = {"q": heads, "k": kv_heads, "v": kv_heads}
    q, k, v = (normal(rng, batch, n, seq, head_dim) for n in widths.values())
    return [2 * q, k, v]


def _case(says, part, qkv, sizes, base: float | None = 10000.0, name="") -> Case:
    inputs = dict(zip("qkv", qkv, strict=True)) | {"sizes": sizes, "rope_theta": base}
    return Case(says, inputs, part, AXES, name)


# --- right in other ways ---------------------------------------------------------------------


def turned(x, positions, base):
    """Rotary positions by complex numbers."""
    pairs = x.shape[-1] // 2
    speeds = base ** (-torch.arange(pairs) / pairs)
    turns = torch.exp(1j * positions[:, None] * speeds)
    return torch.view_as_real(
        torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * turns
    ).flatten(-2)


def with_keys_turned_late(q, k, v, cache, rope_theta=10000.0):
    """Keys are stored as they came, and all of them turned at every step."""
    before = cache.length
    keys, values = cache.append(k, v)
    places = torch.arange(keys.shape[2])
    keys = turned(keys, places, rope_theta)
    q = turned(q, places[before:], rope_theta)
    groups = q.shape[1] // keys.shape[1]
    keys, values = (x.repeat_interleave(groups, dim=1) for x in (keys, values))
    scores = q @ keys.mT / q.shape[-1] ** 0.5
    scores = scores.masked_fill(places > places[before:, None], -torch.inf)
    return scores.softmax(dim=-1) @ values


def query_by_query(q, k, v, cache, rope_theta=10000.0):
    """Store all, then each query with the keys up to its own and no mask."""
    start = cache.length
    own = torch.arange(start, start + q.size(2))
    keys, values = cache.append(turned(k, own, rope_theta), v)
    q = turned(q, own, rope_theta)
    rows = []
    for i in range(q.size(2)):
        heads = []
        for h in range(q.size(1)):
            group = h * keys.size(1) // q.size(1)
            seen, read = keys[:, group, : start + i + 1], values[:, group, : start + i + 1]
            weights = torch.softmax(
                torch.einsum("bd,bkd->bk", q[:, h, i], seen) / q.size(3) ** 0.5, 1
            )
            heads.append(torch.einsum("bk,bkd->bd", weights, read))
        rows.append(torch.stack(heads, dim=1))
    return torch.stack(rows, dim=2)


def with_pytorchs_attention(q, k, v, cache, rope_theta=10000.0):
    """PyTorch's attention under a mask of positions."""
    n = cache.length
    places = torch.arange(n, n + k.shape[-2])
    keys, values = cache.append(turned(k, places, rope_theta), v)
    mask = torch.arange(keys.shape[-2])[None] <= places[:, None]
    return torch.nn.functional.scaled_dot_product_attention(
        turned(q, places, rope_theta), keys, values, attn_mask=mask, enable_gqa=True
    )


# --- wrong in known ways -----------------------------------------------------------------------

START = "start, q_seq = cache.length, q.shape[2]"
PLACES = "torch.arange(start, start + q_seq)"
THETA = ", rope_theta)"
STORE = "cache.append(apply_rope(k, angles), v)"
MASK = "mask = causal_mask(q_seq, start + q_seq)"
RESULT = "return grouped_query_attention(apply_rope(q, angles), keys, values, mask)"
TURNED_Q = "apply_rope(q, angles)"

MISCONCEPTIONS = (
    Misconception(
        "position-0-every-step",
        "The newest tokens are turned as if they stood at the beginning, at every step. They stand "
        "behind what the cache holds.",
        LINK,
        {PLACES: "torch.arange(q_seq)"},
    ),
    Misconception(
        "all-at-the-first-place",
        "All newest tokens are turned by the position of the first of them. Each stands one place "
        "further than the one before.",
        LINK,
        {PLACES: "torch.full((q_seq,), start)"},
    ),
    Misconception(
        "positions-from-the-other-end",
        "The newest tokens' positions begin at 1 after the cached ones, or end one too late: there "
        "is a gap between old and new tokens.",
        LINK,
        {PLACES: "torch.arange(start + (start > 0), start + (start > 0) + q_seq)"},
    ),
    Misconception(
        "length-read-after-storing",
        "The position is read from the cache when the new tokens are in it already, so they are "
        "turned too far, by as many places as they are.",
        LINK,
        {PLACES: "torch.arange(start + q_seq, start + 2 * q_seq)"},
    ),
    Misconception(
        "queries-not-turned",
        "The keys are turned by their positions and the queries are not, as if every query stood "
        "at 0.",
        LINK,
        {TURNED_Q: "q"},
    ),
    Misconception(
        "keys-not-turned",
        "The queries are turned by their positions and the keys are not, as if all keys stood at "
        "0.",
        LINK,
        {STORE: "cache.append(k, v)"},
    ),
    Misconception(
        "nothing-turned",
        "Neither queries nor keys are turned by their positions: the order of the tokens is lost.",
        LINK,
        {STORE: "cache.append(k, v)", TURNED_Q: "q"},
    ),
    Misconception(
        "values-turned-too",
        "The values are turned as well. Positions decide who looks at whom; what is read stays as "
        "it is.",
        LINK,
        {STORE: "cache.append(apply_rope(k, angles), apply_rope(v, angles))"},
    ),
    Misconception(
        "stored-keys-turned-again",
        "The keys in the cache are turned already, and are turned once more at every step. Turn a "
        "key once: when it comes in, or every time when it is used, but not both.",
        LINK,
        {
            STORE: f"{STORE}\n    everywhere = rope_angles(torch.arange(start + q_seq), "
            "q.shape[3], rope_theta)\n    keys = apply_rope(keys, everywhere) if start else keys"
        },
    ),
    Misconception(
        "base-left-out",
        "`rope_theta` is not used, so that the base is always 10,000. SmolLM2 has 100,000.",
        LINK,
        {THETA: ")"},
    ),
    Misconception(
        "no-mask",
        "Nothing is hidden. A single token may see all that is cached, but the tokens of a prompt, "
        "or several after a cache, still must not see those after them.",
        LINK,
        {MASK: "mask = None"},
    ),
    Misconception(
        "mask-from-the-top-left",
        "The causal mask is laid as if the new tokens were the first positions. They are the last: "
        "all cached ones are before them.",
        LINK,
        {MASK: "mask = torch.ones(q_seq, start + q_seq, dtype=torch.bool).tril()"},
    ),
    Misconception(
        "masked-only-without-a-cache",
        "With an empty cache the mask is right, and with tokens in it nothing is hidden. Several "
        "new tokens at once need it then, too.",
        LINK,
        {MASK: f"{MASK} if start == 0 else None"},
    ),
    Misconception(
        "own-place-hidden",
        "Tokens see what is before them but not themselves, except the very first.",
        LINK,
        {
            MASK: "mask = torch.ones(q_seq, start + q_seq, dtype=torch.bool).tril(start - 1)\n"
            "    mask[0, 0] = True"
        },
    ),
    Misconception(
        "cache-not-read",
        "The new tokens attend only to each other, as if no text stood before them. `append` "
        "stores them and returns all keys and values: those are what they attend to.",
        LINK,
        {
            RESULT: f"keys, values = apply_rope(k, angles), v\n    mask = causal_mask(q_seq)\n"
            f"    {RESULT}"
        },
    ),
    Misconception(
        "stored-twice",
        "The new tokens are stored twice: every call of `append` adds them to the cache once more.",
        LINK,
        {
            STORE: f"{STORE}\n    keys, values = cache.append(keys[:, :, start:], v)",
            MASK: "mask = causal_mask(q_seq, keys.shape[2])",
        },
    ),
    Misconception(
        "keys-for-values",
        "The keys are read in the place of the values. Keys say where to look; what is gathered "
        "there are the values.",
        LINK,
        {RESULT: RESULT.replace("values", "keys")},
    ),
    Misconception(
        "values-for-keys",
        "Keys and values have changed places in the cache.",
        LINK,
        {"keys, values = cache.append": "values, keys = cache.append"},
    ),
    Misconception(
        "values-of-the-newest",
        "The weights are taken over all positions, but of the values those that stand first are "
        "read in the wrong order: they are reversed.",
        LINK,
        {RESULT: RESULT.replace("values", "values.flip(2)")},
    ),
    Misconception(
        "heads-tiled",
        "The query heads meet the KV heads in the order 0 1 0 1 ...: neighbours should share, the "
        "first heads KV head 0, the next KV head 1.",
        LINK,
        {
            RESULT: "n = q.shape[1] // k.shape[1]\n"
            "    keys, values = keys.repeat(1, n, 1, 1), values.repeat(1, n, 1, 1)\n"
            f"    {RESULT}"
        },
    ),
    Misconception(
        "not-scaled",
        "The scores are not divided by the root of head_dim, so each token looks at too few "
        "others. `grouped_query_attention` does it by itself.",
        LINK,
        {RESULT: RESULT.replace(TURNED_Q, f"{TURNED_Q} * q.shape[3] ** 0.5")},
    ),
    Misconception(
        "last-token-alone",
        "Only the last of the new tokens gets a result. Each of them needs its own: the next layer "
        "makes its keys and values from it.",
        LINK,
        {RESULT: RESULT + "[:, :, -1:]"},
    ),
)


def _near(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.allclose(one, other, atol=1e-3))


EXERCISE = Exercise(
    id="inference/attend_with_cache",
    callable="attend_with_cache",
    title="Attention with a cache",
    parts={ALL_AT_ONCE: 1, STEPS: 3},
    minutes=15,
    difficulty="hard",
    link=LINK,
    cases=cases,
    drive=drive.attend,
    misconceptions=MISCONCEPTIONS,
    equivalent={"`q.shape[-1]` for `q.shape[3]`": "the same of four axes"},
    alternatives=(with_keys_turned_late, query_by_query, with_pytorchs_attention),
    atol=5e-5,
    properties=(
        Property(
            "steps-differ",
            "The same 7 tokens give other results one by one than all at once.",
            LINK,
            ("at once", "one by one"),
            _near,
        ),
        Property(
            "pieces-differ",
            "The same 7 tokens give other results in pieces of 2 and 5 than all at once.",
            LINK,
            ("at once", "in two"),
            _near,
        ),
    ),
)
