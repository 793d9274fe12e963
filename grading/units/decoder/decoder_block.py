"""decoder/decoder_block: attention and feed-forward around the residual stream."""

import numpy as np
import torch
import torch.nn.functional as F

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.decoder import drive
from grading.units.decoder.draw import block_weights, normal

LINK = "decoder-block"
AXES = "batch seq d_model"
ATTENTION, BOTH = "attention alone", "attention and feed-forward"
CAUSAL, CHANGED = "3 heads and 1 KV head", "the same with another last token"
SILENT = "matrices that write nothing"


def cases(rng: np.random.Generator) -> list[Case]:
    """Each half alone, then both; grouped heads and single ones; sizes, eps, a changed future."""
    grouped = block_weights(rng, d_model=7, n_heads=6, n_kv_heads=2, head_dim=11, d_ff=13)
    square = block_weights(rng, d_model=15, n_heads=3, n_kv_heads=3, head_dim=5, d_ff=15)
    shared = block_weights(rng, d_model=13, n_heads=3, n_kv_heads=1, head_dim=7, d_ff=5)
    x, wide = normal(rng, 2, 5, 7, mean=0.3), normal(rng, 2, 5, 13)
    late = np.concatenate([wide[:, :-1], normal(rng, 2, 1, 13)], axis=1)
    no_feed_forward = {**grouped, "down_proj": 0 * grouped["down_proj"]}
    no_attention = {**grouped, "o_proj": 0 * grouped["o_proj"]}
    silent = {**no_feed_forward, "o_proj": no_attention["o_proj"]}
    own = "each its own value"
    return [
        _case(SILENT, x, silent, 6, 2, part=ATTENTION),
        _case("a feed-forward that writes nothing", x, no_feed_forward, 6, 2, part=ATTENTION),
        _case("the same, without a mask", x, no_feed_forward, 6, 2, "without a mask", ATTENTION),
        _case("the same, each its own value", x, no_feed_forward, 6, 2, own, ATTENTION),
        _case("an attention that writes nothing", x, no_attention, 6, 2),
        _case("6 heads and 2 KV heads", x, grouped, 6, 2),
        _case("the same, 20 times as large", 20 * x, grouped, 6, 2),
        _case("the same, 100 times smaller and a large eps", x / 100, grouped, 6, 2, eps=0.01),
        _case("the same, 300 times smaller, eps left out", x / 300, grouped, 6, 2, eps=None),
        _case("the same, each its own value and both writing", x, grouped, 6, 2, own),
        _case("3 heads of 5 and d_model 15", normal(rng, 2, 7, 15), square, 3, 3),
        _case("one text of one token", normal(rng, 1, 1, 15), square, 3, 3),
        _case(CAUSAL, wide, shared, 3, 1),
        _case(CHANGED, late, shared, 3, 1),
    ]


def _case(says, x, weights, heads, kv_heads, attention="causal", part=BOTH, eps=1e-5) -> Case:
    inputs = {"x": x, "weights": weights, "attention": attention, "n_heads": heads}
    inputs |= {"n_kv_heads": kv_heads} | ({} if eps is None else {"norm_eps": eps})
    return Case(says, inputs, part, AXES)


# --- right in other ways ---------------------------------------------------------------------


def written_out(x, weights, attend, n_heads, n_kv_heads, norm_eps=1e-5):
    """No function of the unit: torch's own norm, reshape and transpose, linear."""
    w = weights
    batch, seq, d_model = x.shape
    normed = F.rms_norm(x, (d_model,), w["attention_norm"], norm_eps)
    q = F.linear(normed, w["q_proj"]).view(batch, seq, n_heads, -1).transpose(1, 2)
    k = F.linear(normed, w["k_proj"]).view(batch, seq, n_kv_heads, -1).transpose(1, 2)
    v = F.linear(normed, w["v_proj"]).view(batch, seq, n_kv_heads, -1).transpose(1, 2)
    heads = attend(q, k, v).transpose(1, 2).reshape(batch, seq, -1)
    x = torch.add(x, F.linear(heads, w["o_proj"]))
    normed = F.rms_norm(x, (d_model,), w["feed_forward_norm"], norm_eps)
    hidden = F.silu(F.linear(normed, w["gate_proj"])) * F.linear(normed, w["up_proj"])
    return torch.add(x, F.linear(hidden, w["down_proj"]))


def norms_folded_into_the_matrices(x, weights, attend, n_heads, n_kv_heads, norm_eps=1e-5):
    """A norm's weight scales the columns of the matrices that read; sums at the very end."""

    def unit(stream):
        return stream / (stream.square().mean(-1, keepdim=True) + norm_eps).sqrt()

    def read(stream, name, norm):
        return torch.einsum("bsd,fd->bsf", unit(stream), weights[name] * weights[norm])

    def heads_of(name, n):
        projected = read(x, name, "attention_norm")
        return projected.unflatten(-1, (n, -1)).permute(0, 2, 1, 3)

    q, k, v = heads_of("q_proj", n_heads), heads_of("k_proj", n_kv_heads), None
    v = heads_of("v_proj", n_kv_heads)
    found = attend(q, k, v).permute(0, 2, 1, 3).flatten(2) @ weights["o_proj"].T
    between = x + found
    gate = read(between, "gate_proj", "feed_forward_norm")
    up = read(between, "up_proj", "feed_forward_norm")
    return x + found + (gate * gate.sigmoid() * up) @ weights["down_proj"].mT


def head_by_head(x, weights, attend, n_heads, n_kv_heads, norm_eps=1e-5):
    """Slices of the projections as heads; the output projection added head by head; float64."""
    w = {name: weight.double() for name, weight in weights.items()}
    stream = x.double()

    def norm(s, name):
        return s * (s.pow(2).mean(dim=-1, keepdim=True) + norm_eps).rsqrt() * w[name]

    normed, head_dim = norm(stream, "attention_norm"), len(w["q_proj"]) // n_heads
    q, k, v = (
        torch.stack((normed @ w[name].T).split(head_dim, dim=-1), dim=1)
        for name in ("q_proj", "k_proj", "v_proj")
    )
    columns = w["o_proj"].split(head_dim, dim=1)
    attended = attend(q, k, v)
    for h in range(n_heads):
        stream = stream + attended[:, h] @ columns[h].T
    normed = norm(stream, "feed_forward_norm")
    for gate, up, down in zip(w["gate_proj"], w["up_proj"], w["down_proj"].T, strict=True):
        stream = stream + (F.silu(normed @ gate) * (normed @ up))[..., None] * down
    return stream.float()


# --- wrong in known ways -----------------------------------------------------------------------

NORM_1 = 'normed = rms_norm(x, weights["attention_norm"], norm_eps)'
NORM_2 = 'normed = rms_norm(x, weights["feed_forward_norm"], norm_eps)'
Q = 'split_heads(normed @ weights["q_proj"].T, n_heads)'
K = 'split_heads(normed @ weights["k_proj"].T, n_kv_heads)'
V = 'split_heads(normed @ weights["v_proj"].T, n_kv_heads)'
ATTEND = "attend(q, k, v)"
MERGED = f"merge_heads({ATTEND})"
WRITTEN = f'{MERGED} @ weights["o_proj"].T'
FEED = 'swiglu(normed, weights["gate_proj"], weights["up_proj"], weights["down_proj"])'

OWN_CAUSAL = MERGED.replace(
    ATTEND, "F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)"
)
OWN_OPEN = MERGED.replace(ATTEND, "F.scaled_dot_product_attention(q, k, v, enable_gqa=True)")

MISCONCEPTIONS = (
    Misconception(
        "attention-residual-missing",
        "What attention writes replaces the stream instead of being added to it: the token itself "
        "is lost.",
        "decoder-stream",
        {f"x = x + {WRITTEN}": f"x = {WRITTEN}"},
    ),
    Misconception(
        "feed-forward-residual-missing",
        "What the feed-forward writes replaces the stream instead of being added to it.",
        "decoder-stream",
        {f"return x + {FEED}": f"return {FEED}"},
    ),
    Misconception(
        "no-residual-at-all",
        "Nothing is added: both halves replace the stream. A block that writes nothing must leave "
        "the stream as it is.",
        "decoder-stream",
        {f"x = x + {WRITTEN}": f"x = {WRITTEN}", f"return x + {FEED}": f"return {FEED}"},
    ),
    Misconception(
        "residual-from-the-normed",
        "The addition starts from what the norm has made, so the stream is normalised in every "
        "block. Add to the stream as it came in; only the readers see the norm.",
        "decoder-pre-norm",
        {
            f"x = x + {WRITTEN}": f"x = normed + {WRITTEN}",
            f"return x + {FEED}": f"return normed + {FEED}",
        },
    ),
    Misconception(
        "attention-residual-from-the-normed",
        "What attention writes is added to its normed input. Add it to the stream as it came in; "
        "only the reader sees the norm.",
        "decoder-pre-norm",
        {f"x = x + {WRITTEN}": f"x = normed + {WRITTEN}"},
    ),
    Misconception(
        "feed-forward-residual-from-the-normed",
        "What the feed-forward writes is added to its normed input. Add it to the stream as it "
        "was; only the reader sees the norm.",
        "decoder-pre-norm",
        {f"return x + {FEED}": f"return normed + {FEED}"},
    ),
    Misconception(
        "post-norm",
        "The norms come after the additions, as in 2017: post-norm. In this decoder each half "
        "reads through its norm, and the stream itself is never normalised.",
        "decoder-pre-norm",
        {
            NORM_1: "normed = x",
            f"x = x + {WRITTEN}": f"x = rms_norm(x + {WRITTEN}, "
            'weights["attention_norm"], norm_eps)',
            NORM_2: "normed = x",
            f"return x + {FEED}": f"x = x + {FEED}\n"
            '    return rms_norm(x, weights["feed_forward_norm"], norm_eps)',
        },
    ),
    Misconception(
        "output-normed",
        "The norms are where they belong, and what a half writes is normalised once more before "
        "it is added. What is written goes into the stream as it is.",
        "decoder-pre-norm",
        {
            f"x = x + {WRITTEN}": f"x = x + rms_norm({WRITTEN}, "
            'weights["attention_norm"], norm_eps)',
        },
    ),
    Misconception(
        "feed-forward-output-normed",
        "What the feed-forward writes is normalised once more before it is added. It goes into the "
        "stream as it is.",
        "decoder-pre-norm",
        {
            f"return x + {FEED}": f"return x + rms_norm({FEED}, "
            'weights["feed_forward_norm"], norm_eps)',
        },
    ),
    Misconception(
        "no-norms",
        "Both halves read the stream as it is. Each should read it through its own RMSNorm.",
        "decoder-pre-norm",
        {NORM_1: "normed = x", NORM_2: "normed = x"},
    ),
    Misconception(
        "attention-norm-missing",
        "Attention reads the stream as it is. It should read it through `attention_norm`.",
        "decoder-pre-norm",
        {NORM_1: "normed = x"},
    ),
    Misconception(
        "feed-forward-norm-missing",
        "The feed-forward reads the stream as it is. It should read it through "
        "`feed_forward_norm`.",
        "decoder-pre-norm",
        {NORM_2: "normed = x"},
    ),
    Misconception(
        "norms-swapped",
        "The two norms have changed places: attention reads through `attention_norm`, the "
        "feed-forward through `feed_forward_norm`.",
        LINK,
        {
            'weights["attention_norm"]': 'weights["the other"]',
            'weights["feed_forward_norm"]': 'weights["attention_norm"]',
            'weights["the other"]': 'weights["feed_forward_norm"]',
        },
    ),
    Misconception(
        "one-norm-for-both",
        "Both halves read through `attention_norm`. The feed-forward has a norm of its own.",
        LINK,
        {NORM_2: NORM_2.replace("feed_forward_norm", "attention_norm")},
    ),
    Misconception(
        "parallel-block",
        "The feed-forward reads what attention read, the stream at the beginning. Some models do "
        "that; here it comes second and reads what attention has added.",
        LINK,
        {
            NORM_2: "normed = rms_norm(block_input, weights['feed_forward_norm'], norm_eps)",
            NORM_1: f"block_input = x\n    {NORM_1}",
        },
    ),
    Misconception(
        "norm-not-taken-again",
        "The feed-forward reads what was normed before attention. Its own norm reads the stream "
        "as it is after the first addition.",
        LINK,
        {f"{NORM_2}\n    ": ""},
    ),
    Misconception(
        "feed-forward-first",
        "The feed-forward comes before attention here. First attention, then the feed-forward.",
        LINK,
        {
            f"    {NORM_2}\n    return x + {FEED}": "    return x",
            NORM_1: f"{NORM_2}\n    x = x + {FEED}\n    {NORM_1}",
        },
    ),
    Misconception(
        "added-from-the-start",
        "The feed-forward's part is added to the stream as it came into the block, so what "
        "attention wrote is lost. Two additions, one after the other.",
        "decoder-stream",
        {
            NORM_1: f"block_input = x\n    {NORM_1}",
            f"return x + {FEED}": f"return block_input + {FEED}",
        },
    ),
    Misconception(
        "feed-forward-missing",
        "The block ends after attention: the feed-forward is missing.",
        LINK,
        {f"return x + {FEED}": "return x"},
    ),
    Misconception(
        "attention-missing",
        "Attention is missing: nothing comes from other positions.",
        LINK,
        {f"x = x + {WRITTEN}": "x = x + 0"},
    ),
    Misconception(
        "output-projection-missing",
        "The merged heads are added to the stream without `o_proj`, which brings them together "
        "and back to d_model.",
        LINK,
        {' @ weights["o_proj"].T': ""},
    ),
    Misconception(
        "values-not-normed",
        "The values are made of the stream as it is. Queries, keys and values all read through "
        "`attention_norm`.",
        LINK,
        {V: V.replace("normed", "x")},
    ),
    Misconception(
        "keys-made-like-values",
        "The keys are made with v_proj, like the values. They have a matrix of their own, k_proj.",
        LINK,
        {K: K.replace("k_proj", "v_proj")},
    ),
    Misconception(
        "values-made-like-keys",
        "The values are made with k_proj, like the keys. They have a matrix of their own, v_proj.",
        LINK,
        {V: V.replace("v_proj", "k_proj")},
    ),
    Misconception(
        "keys-and-values-swapped",
        "Keys and values have changed places on the way into `attend(q, k, v)`.",
        LINK,
        {MERGED: "merge_heads(attend(q, v, k))"},
    ),
    Misconception(
        "queries-and-keys-swapped",
        "q_proj makes the keys here, and k_proj the queries.",
        LINK,
        {
            Q: Q.replace("q_proj", "k_proj"),
            K: K.replace("k_proj", "q_proj"),
        },
    ),
    Misconception(
        "kv-split-into-query-heads",
        "Keys and values are cut into n_heads heads. They have n_kv_heads, each as wide as a query "
        "head.",
        LINK,
        {K: K.replace("n_kv_heads", "n_heads"), V: V.replace("n_kv_heads", "n_heads")},
    ),
    Misconception(
        "keys-repeated-for-attend",
        "Keys and values are repeated for every query head before `attend`. It takes them with "
        "n_kv_heads; to share them among the queries is its business.",
        LINK,
        {name: f"{name}.repeat_interleave(n_heads // n_kv_heads, dim=1)" for name in (K, V)},
    ),
    Misconception(
        "queries-scaled",
        "The queries are divided by the root of head_dim before `attend`, which does that itself: "
        "the scores are scaled twice.",
        LINK,
        {Q: f"{Q} / (len(weights['q_proj']) // n_heads) ** 0.5"},
    ),
    Misconception(
        "attend-ignored",
        "`attend` is not used: the block attends by itself, with a causal mask. Hand q, k and v to "
        "the `attend` that comes in; masks and positions are its business.",
        LINK,
        {MERGED: OWN_CAUSAL},
    ),
    Misconception(
        "attend-ignored-without-a-mask",
        "`attend` is not used: the block attends by itself, without a mask, so every position sees "
        "the future. Hand q, k and v to the `attend` that comes in.",
        LINK,
        {MERGED: OWN_OPEN},
    ),
    Misconception(
        "attend-ignored-for-rotary-positions",
        "`attend` is not used: the block turns queries and keys by their positions and attends by "
        "itself. The `attend` that comes in does what is to be done.",
        LINK,
        {
            f"x = x + {WRITTEN}": "angles = rope_angles(torch.arange(x.shape[1]), q.shape[-1])\n"
            "    q, k = apply_rope(q, angles), apply_rope(k, angles)\n"
            f"    x = x + {WRITTEN.replace(MERGED, OWN_CAUSAL)}",
        },
    ),
    Misconception(
        "heads-not-split",
        "`attend` gets queries, keys and values as the matrices give them. Split each into heads "
        "first, and merge what comes back.",
        LINK,
        {
            Q: 'normed @ weights["q_proj"].T',
            K: 'normed @ weights["k_proj"].T',
            V: 'normed @ weights["v_proj"].T',
        },
    ),
    Misconception(
        "heads-not-merged",
        "`o_proj` meets each head by itself. It reads all heads of a position side by side, "
        "n_heads * head_dim numbers: merge the heads before it.",
        LINK,
        {MERGED: ATTEND},
    ),
    Misconception(
        "head-dim-recomputed",
        "head_dim is taken to be d_model / n_heads, and need not be that. `q_proj` has n_heads * "
        "head_dim rows: its result tells the width.",
        LINK,
        {
            call: f'(normed @ weights["{name}"].T).view(*x.shape[:2], {heads}, '
            "x.shape[2] // n_heads).transpose(1, 2)"
            for call, name, heads in (
                (Q, "q_proj", "n_heads"),
                (K, "k_proj", "n_kv_heads"),
                (V, "v_proj", "n_kv_heads"),
            )
        },
    ),
    Misconception(
        "projections-not-transposed",
        "Attention's matrices are used the wrong way round. They have a row for each output, as in "
        "`nn.Linear`: what is read meets the transpose of each.",
        LINK,
        {f'"{name}"].T': f'"{name}"]' for name in ("q_proj", "k_proj", "v_proj", "o_proj")},
    ),
    Misconception(
        "output-projection-not-transposed",
        "`o_proj` is used the wrong way round: it has a row for each of the d_model outputs, so "
        "multiply by its transpose, like the other three.",
        LINK,
        {'"o_proj"].T': '"o_proj"]'},
    ),
    Misconception(
        "split-without-transpose",
        "Queries, keys and values are reshaped straight into heads, so a head gets whole tokens "
        "instead of its slice of every token: `split_heads` swaps seq and heads as well.",
        "decoder-block",
        {
            call: f'(normed @ weights["{name}"].T).reshape({shape})'
            for call, name, heads in (
                (Q, "q_proj", "n_heads"),
                (K, "k_proj", "n_kv_heads"),
                (V, "v_proj", "n_kv_heads"),
            )
            for shape in [f"x.shape[0], {heads}, x.shape[1], -1"]
        },
    ),
    Misconception(
        "merged-without-transpose",
        "The attended heads are reshaped straight to one vector for each position, which mixes "
        "positions: seq has to come before heads first, as in `merge_heads`.",
        "decoder-block",
        {MERGED: "attend(q, k, v).reshape(x.shape[0], x.shape[1], -1)"},
    ),
    Misconception(
        "gate-and-up-swapped",
        "`gate_proj` and `up_proj` have changed places on the way into `swiglu`.",
        "decoder-swiglu",
        {'weights["gate_proj"], weights["up_proj"]': 'weights["up_proj"], weights["gate_proj"]'},
    ),
    Misconception(
        "gate-proj-for-up-proj",
        "`gate_proj` is given to `swiglu` twice, and `up_proj` is not used.",
        "decoder-swiglu",
        {'weights["up_proj"]': 'weights["gate_proj"]'},
    ),
    Misconception(
        "eps-not-passed-on",
        "norm_eps stops here: the norms inside use their own default. Models differ in it, so hand "
        "it on to both.",
        "decoder-rms-norm",
        {
            NORM_1: NORM_1.replace(", norm_eps", ""),
            NORM_2: NORM_2.replace(", norm_eps", ""),
        },
    ),
    Misconception(
        "attention-eps-not-passed-on",
        "norm_eps does not reach the norm before attention, which uses its default.",
        "decoder-rms-norm",
        {NORM_1: NORM_1.replace(", norm_eps", "")},
    ),
    Misconception(
        "feed-forward-eps-not-passed-on",
        "norm_eps does not reach the norm before the feed-forward, which uses its default.",
        "decoder-rms-norm",
        {NORM_2: NORM_2.replace(", norm_eps", "")},
    ),
    Misconception(
        "stream-changed",
        "The result is right, but x was written over with `+=`. Whoever passed it in, a logit lens "
        "for example, still needs it: make a new tensor.",
        "decoder-stream",
        {f"x = x + {WRITTEN}": f"x += {WRITTEN}"},
    ),
)


def _future_has_no_effect(early, late) -> bool:
    return bool(np.allclose(early[:, :-1], late[:, :-1], atol=1e-4))


EXERCISE = Exercise(
    id="decoder/decoder_block",
    callable="decoder_block",
    title="The block",
    parts={ATTENTION: 2, BOTH: 2},
    minutes=20,
    difficulty="hard",
    link=LINK,
    cases=cases,
    drive=drive.block,
    rtol=5e-4,
    atol=1e-4,
    misconceptions=MISCONCEPTIONS,
    alternatives=(written_out, norms_folded_into_the_matrices, head_by_head),
    depends=("decoder/rms_norm", "decoder/swiglu"),
    properties=(
        Property(
            "future-has-an-effect",
            "Under a causal mask only the last token was changed, and earlier outputs changed "
            "with it. Something in your block mixes positions beside `attend`.",
            LINK,
            (CAUSAL, CHANGED),
            _future_has_no_effect,
        ),
    ),
)
