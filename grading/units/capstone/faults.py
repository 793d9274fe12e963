"""Twelve faults that can be planted into an assembled model: each an edit of its text.

`benchmarks/record_capstone.py` makes the models and notes what they do; the bug hunt shows that.
"""

# For each fault: what it is, in the words that learners read, and the edits of the module.
FAULTS: dict[str, tuple[str, dict[str, str]]] = {
    "no-mask": (
        "attention has no causal mask",
        {"    mask = causal_mask(q_seq, start + q_seq)\n": "    mask = None\n"},
    ),
    "no-scale": (
        "scores are not divided by the root of head_dim",
        {" / head_dim**0.5": ""},
    ),
    "softmax-over-queries": (
        "the softmax runs over the queries instead of the keys",
        {"weights = scores.softmax(dim=-1)": "weights = scores.softmax(dim=-2)"},
    ),
    "no-rotation": (
        "queries and keys are not turned by their positions",
        {"    return turned.flatten(-2).to(x.dtype)": "    return x"},
    ),
    "queries-turned-alone": (
        "queries are turned by their positions, keys are not",
        {"cache.append(apply_rope(k, angles), v)": "cache.append(k, v)"},
    ),
    "positions-restart": (
        "behind a cache, positions start again at 0",
        {"torch.arange(start, start + q_seq)": "torch.arange(q_seq)"},
    ),
    "kv-heads-tiled": (
        "query head h uses KV head h % 3 instead of h // 3",
        {
            "k.repeat_interleave(heads // kv_heads, dim=1)": "k.repeat(1, heads // kv_heads, 1, 1)",
            "v.repeat_interleave(heads // kv_heads, dim=1)": "v.repeat(1, heads // kv_heads, 1, 1)",
        },
    ),
    "no-residual": (
        "what attention writes replaces the stream and is not added to it",
        {"x = x + merge_heads(attend": "x = merge_heads(attend"},
    ),
    "gate-and-up-swapped": (
        "gate_proj and up_proj have changed places",
        {
            "F.silu(x @ gate_proj.T)": "F.silu(x @ up_proj.T)",
            "gate * (x @ up_proj.T)": "gate * (x @ gate_proj.T)",
        },
    ),
    "norm-weights-ignored": (
        "no norm multiplies by its weight",
        {"torch.rsqrt(mean_square + norm_eps) * weight)": "torch.rsqrt(mean_square + norm_eps))"},
    ),
    "no-final-norm": (
        "the final norm is missing",
        {"return rms_norm(x, final_norm, norm_eps) @": "return x @"},
    ),
    "layers-in-text-order": (
        "layers are sorted as words: 0, 1, 10, 11, ..., 19, 2, 20, ...",
        {
            "[blocks[layer] for layer in range(len(blocks))]": "[blocks[i] for i in sorted(blocks, "
            "key=str)]"
        },
    ),
}

EXPERIMENTS = {
    "at once": "the whole text in one pass",
    "by one": "token by token, behind a cache",
    "alone": "each token without those before it",
    "later": "all positions 100 later",
    "theta": "rope_theta 100 instead of 100,000",
    "q / 8": "all q_proj divided by 8",
    "norms": "the weights of all norms times 2",
    "no o": "all o_proj are 0",
    "no down": "all down_proj are 0",
    "two": "layers 0 and 1 alone",
}
