"""attention/attention_layer: projections, heads, attention, and the way back."""

import math

import numpy as np
import torch
from einops import rearrange

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.attention.draw import causal, normal, padded

AXES = "batch seq d_model"
PLAIN, MASKED = "without a mask", "with a mask"


CAUSAL, CHANGED = "3 heads, 1 KV head and a causal mask", "the same with another last token"


def cases(rng: np.random.Generator) -> list[Case]:
    """Grouped, multi-head and multi-query layers; a changed future; reordered tokens."""
    grouped = _layer(rng, d_model=7, n_heads=6, n_kv_heads=2, head_dim=11)
    square = _layer(rng, d_model=15, n_heads=3, n_kv_heads=3, head_dim=5)
    wide = _layer(rng, d_model=13, n_heads=3, n_kv_heads=3, head_dim=7)
    shared = _layer(rng, d_model=13, n_heads=3, n_kv_heads=1, head_dim=7)
    x, order = normal(rng, 2, 5, 7), rng.permutation(5)
    early = normal(rng, 2, 5, 13)
    late = np.concatenate([early[:, :-1], normal(rng, 2, 1, 13)], axis=1)
    one, backward = normal(rng, 1, 5, 7), np.triu(np.ones((5, 5), dtype=bool))
    lengths = padded(rng.integers(2, 7, size=2), 7) & causal(7, 7)
    drawn = [
        ("6 heads, 2 KV heads and d_model 7", x, grouped, None),
        ("the same tokens in another order", x[:, order], grouped, None),
        ("3 heads of 5 and d_model 15", normal(rng, 2, 7, 15), square, None),
        ("3 heads and 3 KV heads of 7, d_model 13", normal(rng, 2, 5, 13), wide, None),
        ("a single token", normal(rng, 3, 1, 13), shared, None),
        (CAUSAL, early, shared, causal(5, 5)),
        (CHANGED, late, shared, causal(5, 5)),
        ("one sequence, 6 heads and a mask that is not causal", one, grouped, backward),
        ("3 heads of 5 and a causal mask", normal(rng, 2, 7, 15), square, causal(7, 7)),
        ("6 heads, 2 KV heads, causal and padding mask", normal(rng, 2, 7, 7), grouped, lengths),
    ]
    return [
        Case(
            says,
            {"x": inputs, **layer, "mask": mask},
            PLAIN if mask is None else MASKED,
            AXES,
        )
        for says, inputs, layer, mask in drawn
    ]


def _layer(rng, *, d_model, n_heads, n_kv_heads, head_dim) -> dict:
    """Weights of one layer; those of q and k are large enough for uneven attention."""
    q_width, kv_width = n_heads * head_dim, n_kv_heads * head_dim
    size = d_model**-0.5
    return {
        "q_proj": normal(rng, q_width, d_model, scale=1.5 * size),
        "k_proj": normal(rng, kv_width, d_model, scale=1.5 * size),
        "v_proj": normal(rng, kv_width, d_model, scale=size),
        "o_proj": normal(rng, d_model, q_width, scale=q_width**-0.5),
        "n_heads": n_heads,
        "n_kv_heads": n_kv_heads,
    }


# --- right in other ways ---------------------------------------------------------------------


def written_out(x, q_proj, k_proj, v_proj, o_proj, n_heads, n_kv_heads, mask=None):
    """No function of the unit: einsum over named weights, in double precision."""
    x, o_proj = x.double(), o_proj.double()
    q = rearrange(x @ q_proj.double().T, "b s (h d) -> b h s d", h=n_heads)
    k = rearrange(x @ k_proj.double().T, "b s (h d) -> b h s d", h=n_kv_heads)
    v = rearrange(x @ v_proj.double().T, "b s (h d) -> b h s d", h=n_kv_heads)
    k = k.repeat_interleave(n_heads // n_kv_heads, 1)
    v = v.repeat_interleave(n_heads // n_kv_heads, 1)
    scores = torch.einsum("bhqd,bhkd->bhqk", q, k) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e30)
    out = torch.einsum("bhqk,bhkd->bqhd", scores.softmax(-1), v)
    return (out.flatten(2) @ o_proj.T).float()


def head_by_head(x, q_proj, k_proj, v_proj, o_proj, n_heads, n_kv_heads, mask=None):
    """Each head projects, attends and adds its part through its own columns of o_proj."""
    head_dim = q_proj.shape[0] // n_heads
    out = torch.zeros_like(x)
    for h in range(n_heads):
        kv = h // (n_heads // n_kv_heads)
        rows, kv_rows = slice(h * head_dim, (h + 1) * head_dim), slice(kv * head_dim, None)
        q = torch.nn.functional.linear(x, q_proj[rows])
        k = torch.nn.functional.linear(x, k_proj[kv_rows][:head_dim])
        v = torch.nn.functional.linear(x, v_proj[kv_rows][:head_dim])
        scores = q @ k.transpose(1, 2) / math.sqrt(head_dim)
        if mask is not None:
            allowed = mask[:, 0] if mask.dim() == 4 else mask
            scores = scores.masked_fill(~allowed, -math.inf)
        out = out + scores.softmax(dim=-1) @ v @ o_proj[:, rows].T
    return out


def one_projection_for_all(x, q_proj, k_proj, v_proj, o_proj, n_heads, n_kv_heads, mask=None):
    """q, k and v by one matmul; the heads' group as an axis of its own."""
    head_dim = len(q_proj) // n_heads
    widths = [len(q_proj), len(k_proj), len(v_proj)]
    q, k, v = (torch.cat([q_proj, k_proj, v_proj]) @ x.mT).mT.split(widths, dim=-1)
    batch, seq, _ = x.shape
    q = q.reshape(batch, seq, n_kv_heads, -1, head_dim)
    k = k.reshape(batch, seq, n_kv_heads, head_dim)
    v = v.reshape(batch, seq, n_kv_heads, head_dim)
    scores = torch.einsum("bqngd,bknd->bngqk", q, k) * head_dim**-0.5
    if mask is not None:
        wide = mask if mask.dim() == 2 else mask[:, :, None]
        scores = torch.where(wide, scores, torch.finfo(scores.dtype).min)
    out = torch.einsum("bngqk,bknd->bqngd", scores.softmax(dim=-1), v)
    return torch.einsum("bsf,df->bsd", out.flatten(2), o_proj)


# --- wrong in known ways -----------------------------------------------------------------------

Q = "split_heads(x @ q_proj.T, n_heads)"
K = "split_heads(x @ k_proj.T, n_kv_heads)"
V = "split_heads(x @ v_proj.T, n_kv_heads)"
ATTEND = "grouped_query_attention(q, k, v, mask)"
OUT = "merge_heads(attended) @ o_proj.T"

MISCONCEPTIONS = (
    Misconception(
        "output-projection-missing",
        "The heads lie side by side and nothing mixes them: after merging, o_proj brings them "
        "together and back to d_model.",
        "attention-output-projection",
        {OUT: "merge_heads(attended)"},
    ),
    Misconception(
        "heads-not-merged",
        "The heads are still apart when the output projection comes: merge them first, so that "
        "each position has one long vector again.",
        "attention-split-merge",
        {OUT: "attended @ o_proj.T"},
    ),
    Misconception(
        "output-projection-transposed",
        "o_proj is used the wrong way round. Its rows belong to the outputs, as in `nn.Linear`: "
        "multiply by its transpose, like the other three.",
        "attention-output-projection",
        {OUT: "merge_heads(attended) @ o_proj"},
    ),
    Misconception(
        "all-projections-transposed",
        "The four weights are used the wrong way round. Their rows belong to the outputs, as in "
        "`nn.Linear`: x meets the transpose of each.",
        "attention-layer",
        {
            "x @ q_proj.T": "x @ q_proj",
            "x @ k_proj.T": "x @ k_proj",
            "x @ v_proj.T": "x @ v_proj",
            "@ o_proj.T": "@ o_proj",
        },
    ),
    Misconception(
        "kv-split-into-query-heads",
        "Keys and values are cut into n_heads heads. They have only n_kv_heads, each as wide as a "
        "query head, or their dot products do not fit.",
        "attention-grouped-query",
        {K: K.replace("n_kv_heads", "n_heads"), V: V.replace("n_kv_heads", "n_heads")},
    ),
    Misconception(
        "kv-width-cut-into-query-heads",
        "k and v are n_kv_heads heads wide, so they do not divide into n_heads. Split both into "
        "n_kv_heads: the attention inside gives every query head the one it reads.",
        "attention-grouped-query",
        {
            call: f"(x @ {name}.T).reshape(*x.shape[:2], n_heads, -1).transpose(1, 2)"
            for call, name in ((K, "k_proj"), (V, "v_proj"))
        },
    ),
    Misconception(
        "keys-as-values",
        "The values are made with k_proj, so v_proj is never used: what a token offers to be "
        "found by and what it hands over are two different things.",
        "attention-query-key-value",
        {V: V.replace("v_proj", "k_proj")},
    ),
    Misconception(
        "keys-and-values-swapped",
        "Keys and values have changed places on the way into attention: queries are compared with "
        "what should be gathered, and gather what they should be compared with.",
        "attention-query-key-value",
        {ATTEND: "grouped_query_attention(q, v, k, mask)"},
    ),
    Misconception(
        "queries-and-keys-swapped",
        "q_proj makes the keys here and k_proj the queries. Each token asks with q_proj and is "
        "found by k_proj; where there are fewer KV heads the two do not even have the same width.",
        "attention-query-key-value",
        {Q: Q.replace("q_proj", "k_proj"), K: K.replace("k_proj", "q_proj")},
    ),
    Misconception(
        "scaled-by-d-model",
        "The scores are scaled by the width of x, d_model. A dot product adds up the head_dim "
        "numbers of one head, and its spread is the square root of that.",
        "attention-scale",
        {Q: f"{Q} * (q_proj.shape[0] / n_heads / x.shape[-1]) ** 0.5"},
    ),
    Misconception(
        "merged-without-transpose",
        "The attended heads are reshaped straight to d_model, so each position gets numbers of "
        "several positions of one head: seq has to come before heads first, as in `merge_heads`.",
        "attention-split-merge",
        {OUT: "attended.reshape(x.shape[0], x.shape[1], -1) @ o_proj.T"},
    ),
    Misconception(
        "split-without-transpose",
        "Queries, keys and values are reshaped straight into heads, so a head gets whole tokens "
        "instead of its slice of every token: swap seq and heads, as `split_heads` does.",
        "attention-split-merge",
        {
            call: f"(x @ {name}.T).reshape(x.shape[0], {heads}, x.shape[1], -1)"
            for call, name, heads in (
                (Q, "q_proj", "n_heads"),
                (K, "k_proj", "n_kv_heads"),
                (V, "v_proj", "n_kv_heads"),
            )
        },
    ),
    Misconception(
        "mask-not-passed-on",
        "The mask stops here: it is not handed to the attention inside, so every token sees the "
        "whole sequence, the future and the padding too.",
        "attention-causal-mask",
        {ATTEND: "grouped_query_attention(q, k, v)"},
    ),
    Misconception(
        "always-causal",
        "The layer makes a causal mask of its own and ignores the one it is given. Here the "
        "caller decides: no mask means that everything may be seen.",
        "attention-layer",
        {
            ATTEND: "grouped_query_attention(\n"
            "        q, k, v, torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()\n"
            "    )"
        },
    ),
    Misconception(
        "causal-where-no-mask",
        "Where no mask is given, the layer makes a causal one. None hides nothing: whether the "
        "future is to be hidden is for the caller to say.",
        "attention-layer",
        {
            ATTEND: "grouped_query_attention(\n"
            "        q, k, v,\n"
            "        torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()\n"
            "        if mask is None else mask,\n"
            "    )"
        },
    ),
    Misconception(
        "residual-added",
        "The layer adds its input to its output. The block does that, around the whole layer; "
        "here it would be counted twice.",
        "attention-layer",
        {f"return {OUT}": f"return x + {OUT}"},
    ),
)


def future_has_no_effect(early, late) -> bool:
    """The two cases differ in the last token only, under a causal mask."""
    return bool(np.allclose(early[:, :-1], late[:, :-1], atol=1e-4))


EXERCISE = Exercise(
    id="attention/attention_layer",
    callable="attention_layer",
    title="The attention layer",
    parts={MASKED: 1, PLAIN: 3},  # the docstring's example, without a mask, is of the last part
    minutes=15,
    difficulty="hard",
    link="attention-layer",
    cases=cases,
    rtol=3e-4,
    atol=3e-5,
    misconceptions=MISCONCEPTIONS,
    alternatives=(
        written_out,
        head_by_head,
        one_projection_for_all,
    ),
    forbids=(
        "torch.nn.functional.scaled_dot_product_attention",
        "torch.nn.MultiheadAttention.__init__",
    ),
    depends=("attention/split_heads", "attention/grouped_query", "attention/merge_heads"),
    properties=(
        Property(
            "future-has-no-effect",
            "Under a causal mask only the last token was changed, and earlier outputs changed "
            "with it.",
            "attention-causal-mask",
            (CAUSAL, CHANGED),
            future_has_no_effect,
        ),
    ),
)
