"""Answers to unit 06 that were written from its notebook alone, before the judge had seen them.

`WRONG` holds what learners really get wrong, `RIGHT` what is right in an unusual way: exercise,
source, and what is truly the matter. In a decision's source `shown` is what the learner sees and
`right` the right choice.
"""

WRONG = [
    # --- the likeliest tokens ---------------------------------------------------------------------
    (
        "top_tokens",
        """
def top_tokens(logits, k):
    p = torch.softmax(logits[:, -1], dim=-1)
    ids = p.argsort(dim=-1)[:, -k:]
    return ids, p.gather(1, ids)
""",
        "argsort goes up: the k likeliest, but the least likely of them comes first",
    ),
    (
        "top_tokens",
        """
def top_tokens(logits, k):
    best = torch.topk(logits[:, -1], k, dim=-1)
    return best.indices, best.values.log_softmax(dim=-1).exp()
""",
        "the softmax is taken over the k chosen logits, so they share 1 among themselves",
    ),
    (
        "top_tokens",
        """
def top_tokens(logits, k):
    p = torch.softmax(logits.mean(dim=1), dim=-1)
    values, indices = p.topk(k)
    return indices, values
""",
        "the logits are averaged over the positions; only the last predicts the next token",
    ),
    (
        "top_tokens",
        """
def top_tokens(logits, k):
    last = logits[:, -1].exp()
    p = last / last.sum(dim=-1, keepdim=True)
    values, indices = p.topk(k)
    return indices, values
""",
        "the exponential of large logits is infinite, as the maximum is not subtracted",
    ),
    (
        "top_tokens",
        """
def top_tokens(logits, k):
    p = torch.sigmoid(logits[:, -1])
    values, indices = torch.topk(p, k)
    return indices, values
""",
        "a sigmoid for each token: these are no shares of one whole",
    ),
    (
        "top_tokens",
        """
def top_tokens(logits, k):
    p = torch.softmax(logits, dim=-1)
    values, indices = p.amax(dim=1).topk(k)
    return indices, values
""",
        "the largest probability that a token has at any position, not that at the last",
    ),
    # --- LayerNorm --------------------------------------------------------------------------------
    (
        "layer_norm",
        """
def layer_norm(x, weight, bias, norm_eps=1e-5):
    h = x.float()
    h = h - h.mean(dim=-1, keepdim=True)
    h = h / (h.abs().mean(dim=-1, keepdim=True) + norm_eps)
    return (h * weight + bias).to(x.dtype)
""",
        "divides by the mean distance from the mean, not by the root of the variance",
    ),
    (
        "layer_norm",
        """
def layer_norm(x, weight, bias, norm_eps=1e-5):
    h = x.float()
    mean = h.mean(dim=-1, keepdim=True)
    scale = torch.sqrt((h**2).mean(dim=-1, keepdim=True) + norm_eps)
    return ((h - mean) / scale * weight + bias).to(x.dtype)
""",
        "the mean square of x itself is taken for the variance; the mean is not subtracted there",
    ),
    (
        "layer_norm",
        """
def layer_norm(x, weight, bias, norm_eps=1e-5):
    h = x.float()
    h = h - h.mean(dim=-1, keepdim=True)
    variance = h.square().mean(dim=-1, keepdim=True)
    return ((h / torch.sqrt(variance + norm_eps) + bias) * weight).to(x.dtype)
""",
        "shifts first and scales then, so that the weight multiplies the bias as well",
    ),
    (
        "layer_norm",
        """
def layer_norm(x, weight, bias, norm_eps=1e-5):
    h = x.float()
    h -= h.mean(dim=-1, keepdim=True)
    variance = h.square().mean(dim=-1, keepdim=True)
    return (h / torch.sqrt(variance + norm_eps) * weight + bias).to(x.dtype)
""",
        "float() of a float32 tensor is the tensor itself: `-=` writes into the input",
    ),
    (
        "layer_norm",
        """
def layer_norm(x, weight, bias, norm_eps=1e-5):
    axes = tuple(range(1, x.ndim)) if x.ndim > 1 else (0,)
    h = x.float()
    mean = h.mean(dim=axes, keepdim=True)
    variance = (h - mean).square().mean(dim=axes, keepdim=True)
    return ((h - mean) / torch.sqrt(variance + norm_eps) * weight + bias).to(x.dtype)
""",
        "one mean and variance for a whole text, all axes but the first, not for each vector",
    ),
    # --- RMSNorm ----------------------------------------------------------------------------------
    (
        "rms_norm",
        """
def rms_norm(x, weight, norm_eps=1e-5):
    h = x.float()
    return (h / (h.norm(dim=-1, keepdim=True) + norm_eps) * weight).to(x.dtype)
""",
        "divides by the length of the vector: the sum of squares, not their mean",
    ),
    (
        "rms_norm",
        """
def rms_norm(x, weight, norm_eps=1e-5):
    h = x.float()
    return (h * torch.rsqrt((h * h).mean(-1, keepdim=True) + norm_eps) * (1 + weight)).to(x.dtype)
""",
        "scales by 1 + weight, as Gemma does",
    ),
    (
        "rms_norm",
        """
def rms_norm(x, weight, norm_eps=1e-5):
    mean_square = x.square().float().mean(dim=-1, keepdim=True)
    return (x.float() / torch.sqrt(mean_square + norm_eps) * weight).to(x.dtype)
""",
        "the square is still taken in half precision, where it is infinite",
    ),
    (
        "rms_norm",
        """
def rms_norm(x, weight, norm_eps=1e-5):
    h = x.float() * weight
    return (h / torch.sqrt(h.square().mean(dim=-1, keepdim=True) + norm_eps)).to(x.dtype)
""",
        "multiplies by the weight before the norm, which then takes its size away again",
    ),
    (
        "rms_norm",
        """
def rms_norm(x, weight, norm_eps=1e-5):
    h = x.float()
    rms = h.square().mean(dim=-1, keepdim=True).sqrt()
    return (h / rms.clamp(min=norm_eps) * weight).to(x.dtype)
""",
        "norm_eps is a lower bound of the root mean square, not added under the root",
    ),
    # --- SwiGLU -----------------------------------------------------------------------------------
    (
        "swiglu",
        """
def swiglu(x, gate_proj, up_proj, down_proj):
    return F.silu((x @ gate_proj.T) * (x @ up_proj.T)) @ down_proj.T
""",
        "the SiLU is taken of the product, not of the gate alone",
    ),
    (
        "swiglu",
        """
def swiglu(x, gate_proj, up_proj, down_proj):
    both = torch.cat([x @ gate_proj.T, x @ up_proj.T], dim=-1)
    return F.glu(both, dim=-1) @ down_proj.T
""",
        "F.glu is a GLU: it takes the sigmoid of the second half, gate times sigmoid of up",
    ),
    (
        "swiglu",
        """
def swiglu(x, gate_proj, up_proj, down_proj):
    gate = x @ gate_proj.T
    gate = gate * torch.sigmoid(1.702 * gate)
    return (gate * (x @ up_proj.T)) @ down_proj.T
""",
        "1.702 belongs to the quick form of GELU; SiLU has 1",
    ),
    (
        "swiglu",
        """
def swiglu(x, gate_proj, up_proj, down_proj):
    return (F.silu(x @ gate_proj.T) + x @ up_proj.T) @ down_proj.T
""",
        "gate and up are added, not multiplied",
    ),
    # --- the block --------------------------------------------------------------------------------
    (
        "decoder_block",
        """
def decoder_block(x, weights, attend, n_heads, n_kv_heads, norm_eps=1e-5):
    normed = rms_norm(x, weights["attention_norm"], norm_eps)
    q = split_heads(normed @ weights["q_proj"].T, n_heads)
    k = split_heads(normed @ weights["k_proj"].T, n_kv_heads)
    v = split_heads(normed @ weights["v_proj"].T, n_kv_heads)
    k = k.repeat_interleave(n_heads // n_kv_heads, dim=1)
    v = v.repeat_interleave(n_heads // n_kv_heads, dim=1)
    x = x + merge_heads(attend(q, k, v)) @ weights["o_proj"].T
    normed = rms_norm(x, weights["feed_forward_norm"], norm_eps)
    ff = swiglu(normed, weights["gate_proj"], weights["up_proj"], weights["down_proj"])
    return x + ff
""",
        "keys and values are repeated for every query head before `attend`, which wants n_kv_heads",
    ),
    (
        "decoder_block",
        """
def decoder_block(x, weights, attend, n_heads, n_kv_heads, norm_eps=1e-5):
    batch, seq, _ = x.shape
    normed = rms_norm(x, weights["attention_norm"], norm_eps)
    q = (normed @ weights["q_proj"].T).reshape(batch, n_heads, seq, -1)
    k = (normed @ weights["k_proj"].T).reshape(batch, n_kv_heads, seq, -1)
    v = (normed @ weights["v_proj"].T).reshape(batch, n_kv_heads, seq, -1)
    x = x + attend(q, k, v).reshape(batch, seq, -1) @ weights["o_proj"].T
    normed = rms_norm(x, weights["feed_forward_norm"], norm_eps)
    ff = swiglu(normed, weights["gate_proj"], weights["up_proj"], weights["down_proj"])
    return x + ff
""",
        "heads are cut by a bare reshape, which mixes positions and heads, and put back likewise",
    ),
    (
        "decoder_block",
        """
def decoder_block(x, weights, attend, n_heads, n_kv_heads, norm_eps=1e-5):
    normed = rms_norm(x, weights["attention_norm"])
    q = split_heads(normed @ weights["q_proj"].T, n_heads)
    k = split_heads(normed @ weights["k_proj"].T, n_kv_heads)
    v = split_heads(normed @ weights["v_proj"].T, n_kv_heads)
    x = x + merge_heads(attend(q, k, v)) @ weights["o_proj"].T
    normed = rms_norm(x, weights["feed_forward_norm"])
    ff = swiglu(normed, weights["gate_proj"], weights["up_proj"], weights["down_proj"])
    return x + ff
""",
        "norm_eps is not handed on to the norms, which use their default",
    ),
    (
        "decoder_block",
        """
def decoder_block(x, weights, attend, n_heads, n_kv_heads, norm_eps=1e-5):
    normed = rms_norm(x, weights["attention_norm"], norm_eps)
    q = split_heads(normed @ weights["q_proj"].T, n_heads)
    k = split_heads(normed @ weights["k_proj"].T, n_kv_heads)
    v = split_heads(x @ weights["v_proj"].T, n_kv_heads)
    x = x + merge_heads(attend(q, k, v)) @ weights["o_proj"].T
    normed = rms_norm(x, weights["feed_forward_norm"], norm_eps)
    ff = swiglu(normed, weights["gate_proj"], weights["up_proj"], weights["down_proj"])
    return x + ff
""",
        "the values are made of the stream itself, not of the normed one",
    ),
    (
        "decoder_block",
        """
def decoder_block(x, weights, attend, n_heads, n_kv_heads, norm_eps=1e-5):
    normed = rms_norm(x, weights["attention_norm"], norm_eps)
    q = split_heads(normed @ weights["q_proj"].T, n_heads)
    k = split_heads(normed @ weights["k_proj"].T, n_kv_heads)
    v = split_heads(normed @ weights["v_proj"].T, n_kv_heads)
    h = x + merge_heads(attend(q, k, v)) @ weights["o_proj"].T
    normed = rms_norm(h, weights["feed_forward_norm"], norm_eps)
    ff = swiglu(normed, weights["gate_proj"], weights["up_proj"], weights["down_proj"])
    return x + ff
""",
        "the second sum goes back to the block's input, so what attention wrote is lost",
    ),
    (
        "decoder_block",
        """
def decoder_block(x, weights, attend, n_heads, n_kv_heads, norm_eps=1e-5):
    normed = rms_norm(x, weights["attention_norm"], norm_eps)
    q = split_heads(normed @ weights["q_proj"].T, n_heads)
    k = split_heads(normed @ weights["k_proj"].T, n_kv_heads)
    v = split_heads(normed @ weights["v_proj"].T, n_kv_heads)
    q = q / q.shape[-1] ** 0.5
    x = x + merge_heads(attend(q, k, v)) @ weights["o_proj"].T
    normed = rms_norm(x, weights["feed_forward_norm"], norm_eps)
    ff = swiglu(normed, weights["gate_proj"], weights["up_proj"], weights["down_proj"])
    return x + ff
""",
        "the queries are scaled by the root of head_dim here; that is the business of `attend`",
    ),
    (
        "decoder_block",
        """
def decoder_block(x, weights, attend, n_heads, n_kv_heads, norm_eps=1e-5):
    normed = rms_norm(x, weights["attention_norm"], norm_eps)
    q = split_heads(normed @ weights["q_proj"].T, n_heads)
    k = split_heads(normed @ weights["k_proj"].T, n_heads)
    v = split_heads(normed @ weights["v_proj"].T, n_heads)
    x = x + merge_heads(attend(q, k, v)) @ weights["o_proj"].T
    normed = rms_norm(x, weights["feed_forward_norm"], norm_eps)
    ff = swiglu(normed, weights["gate_proj"], weights["up_proj"], weights["down_proj"])
    return x + ff
""",
        "keys and values are split into n_heads heads, not n_kv_heads",
    ),
    # --- the whole decoder ------------------------------------------------------------------------
    (
        "decoder_logits",
        """
def decoder_logits(token_ids, token_embedding, blocks, final_norm, norm_eps=1e-5):
    x = token_embedding[token_ids]
    for block in blocks:
        x = x + block(x)
    return rms_norm(x, final_norm, norm_eps) @ token_embedding.T
""",
        "each block's output is added to the stream once more; the block has done that already",
    ),
    (
        "decoder_logits",
        """
def decoder_logits(token_ids, token_embedding, blocks, final_norm, norm_eps=1e-5):
    x = token_embedding[token_ids]
    for block in blocks:
        x = rms_norm(block(x), final_norm, norm_eps)
    return x @ token_embedding.T
""",
        "the final norm is applied after every block, and never where there are no blocks",
    ),
    (
        "decoder_logits",
        """
def decoder_logits(token_ids, token_embedding, blocks, final_norm, norm_eps=1e-5):
    x = token_embedding[token_ids] * token_embedding.shape[1] ** 0.5
    for block in blocks:
        x = block(x)
    return rms_norm(x, final_norm, norm_eps) @ token_embedding.T
""",
        "the embedding is scaled by the root of d_model, as in the transformer of 2017",
    ),
    (
        "decoder_logits",
        """
def decoder_logits(token_ids, token_embedding, blocks, final_norm, norm_eps=1e-5):
    embedded = token_embedding[token_ids]
    x = embedded
    for block in blocks:
        x = block(embedded)
    return rms_norm(x, final_norm, norm_eps) @ token_embedding.T
""",
        "every block reads the embedding, so only the last one counts",
    ),
    # --- the lens ---------------------------------------------------------------------------------
    (
        "logit_lens",
        """
def logit_lens(streams, final_norm, token_embedding, token_id, norm_eps=1e-5):
    logits = rms_norm(streams, final_norm, norm_eps) @ token_embedding.T
    ranks = logits.argsort(dim=-1, descending=True)[:, token_id] + 1
    return ranks, logits.softmax(dim=-1)[:, token_id]
""",
        "argsort says which token stands at a place, not at which place a token stands",
    ),
    (
        "logit_lens",
        """
def logit_lens(streams, final_norm, token_embedding, token_id, norm_eps=1e-5):
    logits = rms_norm(streams, final_norm, norm_eps) @ token_embedding.T
    ranks = (logits > logits[:, [token_id]]).sum(dim=-1) + 1
    return ranks, logits.softmax(dim=-1).max(dim=-1).values
""",
        "the probability of the likeliest token, not that of the token asked about",
    ),
    (
        "logit_lens",
        """
def logit_lens(streams, final_norm, token_embedding, token_id, norm_eps=1e-5):
    logits = rms_norm(streams, final_norm, norm_eps) @ token_embedding.T
    ranks = (logits < logits[:, [token_id]]).sum(dim=-1) + 1
    return ranks, logits.softmax(dim=-1)[:, token_id]
""",
        "counts the tokens with smaller logits: the rank from below",
    ),
    (
        "logit_lens",
        """
def logit_lens(streams, final_norm, token_embedding, token_id, norm_eps=1e-5):
    h = streams / (streams.square().mean() + norm_eps).sqrt() * final_norm
    logits = h @ token_embedding.T
    ranks = (logits > logits[:, [token_id]]).sum(dim=-1) + 1
    return ranks, logits.softmax(dim=-1)[:, token_id]
""",
        "one mean square for all states together instead of one for each",
    ),
    (
        "logit_lens",
        """
def logit_lens(streams, final_norm, token_embedding, token_id, norm_eps=1e-5):
    logits = rms_norm(streams, final_norm, norm_eps) @ token_embedding.T
    ranks = (logits > logits[:, token_id]).sum(dim=-1) + 1
    return ranks, logits.softmax(dim=-1)[:, token_id]
""",
        "the token's logits lack an axis, so they are set against the tokens, not row by row",
    ),
    # --- parameters -------------------------------------------------------------------------------
    (
        "count_parameters",
        """
def count_parameters(
    vocab_size, d_model, n_layers, n_heads, n_kv_heads, head_dim, d_ff, tied_embeddings=True
):
    q_o = 2 * d_model * d_model
    k_v = 2 * d_model * n_kv_heads * head_dim
    parts = {
        "embedding": vocab_size * d_model,
        "attention": n_layers * (q_o + k_v),
        "feed_forward": n_layers * 3 * d_model * d_ff,
        "norms": (2 * n_layers + 1) * d_model,
        "output": 0 if tied_embeddings else vocab_size * d_model,
    }
    return {**parts, "total": sum(parts.values())}
""",
        "takes the heads together to be as wide as d_model in q_proj and o_proj",
    ),
    (
        "count_parameters",
        """
def count_parameters(
    vocab_size, d_model, n_layers, n_heads, n_kv_heads, head_dim, d_ff, tied_embeddings=True
):
    parts = {
        "embedding": vocab_size * d_model,
        "attention": n_layers * 2 * d_model * head_dim * (n_heads + n_kv_heads),
        "feed_forward": n_layers * 3 * d_model * d_ff,
        "norms": (2 * n_layers + 1) * d_model,
        "output": vocab_size * d_model,
    }
    total = sum(parts.values())
    if tied_embeddings:
        total -= parts["output"]
    return {**parts, "total": total}
""",
        "tied: the output's table is left out of the total only, and not given as 0",
    ),
    (
        "count_parameters",
        """
def count_parameters(
    vocab_size, d_model, n_layers, n_heads, n_kv_heads, head_dim, d_ff, tied_embeddings=True
):
    parts = {
        "embedding": vocab_size * d_model,
        "attention": n_layers * 2 * d_model * head_dim * (n_heads + n_kv_heads),
        "feed_forward": n_layers * (3 * d_model * d_ff + 2 * d_ff + d_model),
        "norms": (2 * n_layers + 1) * d_model,
        "output": 0 if tied_embeddings else vocab_size * d_model,
    }
    return {**parts, "total": sum(parts.values())}
""",
        "the feed-forward's matrices are given biases",
    ),
    (
        "count_parameters",
        """
def count_parameters(
    vocab_size, d_model, n_layers, n_heads, n_kv_heads, head_dim, d_ff, tied_embeddings=True
):
    parts = {
        "embedding": vocab_size * d_model,
        "attention": n_layers * 2 * d_model * head_dim * (n_heads + n_kv_heads),
        "feed_forward": n_layers * 3 * d_model * d_ff,
        "norms": 2 * (2 * n_layers + 1) * d_model,
        "output": 0 if tied_embeddings else vocab_size * d_model,
    }
    return {**parts, "total": sum(parts.values())}
""",
        "a scale and a shift for each norm, as LayerNorm has; RMSNorm has the scale alone",
    ),
    # --- GPT-2 ------------------------------------------------------------------------------------
    (
        "gpt2_size",
        """
def gpt2_size():
    d, f = shown["d_model"], shown["d_ff"]
    layer = 4 * d * d + 2 * d + 2 * d * f + f + d + 4 * d
    tables = (shown["vocab_size"] + shown["context_length"]) * d
    return tables + shown["n_layers"] * layer + 2 * d
""",
        "q, k and v share one bias of d_model numbers; each of the three has its own",
    ),
    (
        "gpt2_size",
        """
def gpt2_size():
    d, f = shown["d_model"], shown["d_ff"]
    layer = 4 * d * d + 4 * d + 2 * d * f + f + d + 2 * d
    tables = (shown["vocab_size"] + shown["context_length"]) * d
    return tables + shown["n_layers"] * layer + d
""",
        "one number for each feature of a norm: the shifts of all LayerNorms are missing",
    ),
    (
        "gpt2_size",
        """
def gpt2_size():
    d, f = shown["d_model"], shown["d_ff"]
    layer = 4 * d * d + 4 * d + 2 * d * f + 2 * d + 4 * d
    tables = (shown["vocab_size"] + shown["context_length"]) * d
    return tables + shown["n_layers"] * layer + 2 * d
""",
        "the first feed-forward matrix is given a bias of d_model numbers, not d_ff",
    ),
    # --- six broken decoders ----------------------------------------------------------------------
    (
        "find_faults",
        """
def find_faults():
    letters = list(right)
    letters[3], letters[5] = letters[5], letters[3]
    return "".join(letters)
""",
        "faults 4 and 6, which both show in logits that do not change, have changed places",
    ),
    (
        "find_faults",
        """
def find_faults():
    return "".join("ABCDEF"[right.index(letter)] for letter in "ABCDEF")
""",
        "the other way round: the number of its fault for each decoder, written as a letter",
    ),
    (
        "find_faults",
        """
def find_faults():
    def largest(letter, change, factor=1):
        logits = {name: np.asarray(v) for name, v in shown["logits"][letter].items()}
        return np.abs(logits[change] - factor * logits["nothing"]).max()

    changes = [name for name in shown["logits"]["A"] if name != "nothing"]
    return "".join(max("ABCDEF", key=lambda letter: largest(letter, c)) for c in changes)
""",
        "takes for each experiment the decoder that changes most; often it should change",
    ),
]

RIGHT = [
    (
        "top_tokens",
        """
import numpy as np


def top_tokens(logits, k):
    ids, shares = [], []
    for text in logits.numpy():
        last = text[-1] - text[-1].max()
        powers = np.exp(last)
        order = sorted(range(len(last)), key=lambda i: -last[i])[:k]
        ids.append(order)
        shares.append([float(powers[i] / powers.sum()) for i in order])
    return torch.tensor(ids), torch.tensor(shares)
""",
        "a loop over texts, sorted by Python",
    ),
    (
        "top_tokens",
        """
def top_tokens(logits, k):
    last = logits.select(1, logits.size(1) - 1)
    ids = last.argsort(dim=1, descending=True).narrow(1, 0, k)
    log_p = last.gather(1, ids) - torch.logsumexp(last, dim=1, keepdim=True)
    return ids, torch.exp(log_p)
""",
        "sorted whole, and probabilities by logsumexp",
    ),
    (
        "layer_norm",
        """
def layer_norm(x, weight, bias, norm_eps=1e-5):
    h = x.double()
    width = h.shape[-1]
    centre = torch.eye(width, dtype=h.dtype) - 1 / width
    h = torch.einsum("...i,ij->...j", h, centre)
    root = (torch.einsum("...i,...i->...", h, h) / width + norm_eps).sqrt()
    return torch.addcmul(bias.double(), h / root[..., None], weight.double()).to(x.dtype)
""",
        "centred by a matrix, with einsum, in float64",
    ),
    (
        "layer_norm",
        """
def layer_norm(x, weight, bias, norm_eps=1e-5):
    h = x.to(torch.float32, copy=True)
    variance, mean = torch.var_mean(h, dim=-1, correction=0, keepdim=True)
    h.sub_(mean).mul_(torch.rsqrt(variance + norm_eps)).mul_(weight).add_(bias)
    return h.to(x.dtype)
""",
        "in place, on a copy",
    ),
    (
        "rms_norm",
        """
def rms_norm(x, weight, norm_eps=1e-5):
    if x.dim() > 1:
        parts = [rms_norm(part, weight, norm_eps) for part in x]
        return torch.stack(parts) if parts else x.clone()
    h = x.float()
    return (h * weight * (torch.dot(h, h) / len(h) + norm_eps) ** -0.5).to(x.dtype)
""",
        "recursion over the axes in front, one vector at a time",
    ),
    (
        "swiglu",
        """
def swiglu(x, gate_proj, up_proj, down_proj):
    gate, up = F.linear(x, torch.cat([gate_proj, up_proj])).chunk(2, dim=-1)
    return F.linear(gate * up * 0.5 * (1 + torch.tanh(gate / 2)), down_proj)
""",
        "one product for both readings; the sigmoid written by tanh",
    ),
    (
        "decoder_block",
        """
def decoder_block(x, weights, attend, n_heads, n_kv_heads, norm_eps=1e-5):
    stream = x.clone()

    def project(h, name, heads):
        matrix = weights[name].unflatten(0, (heads, -1))
        return torch.einsum("bsd,hed->bhse", h, matrix)

    h = rms_norm(stream, weights["attention_norm"], norm_eps)
    found = attend(
        project(h, "q_proj", n_heads), project(h, "k_proj", n_kv_heads),
        project(h, "v_proj", n_kv_heads),
    )
    o_proj = weights["o_proj"].unflatten(1, (n_heads, -1))
    stream += torch.einsum("bhse,dhe->bsd", found, o_proj)
    h = rms_norm(stream, weights["feed_forward_norm"], norm_eps)
    stream += swiglu(h, *(weights[name + "_proj"] for name in ("gate", "up", "down")))
    return stream
""",
        "einsum over heads; in place, on a copy",
    ),
    (
        "decoder_block",
        """
def decoder_block(x, weights, attend, n_heads, n_kv_heads, norm_eps=1e-5):
    batch, seq, d_model = x.shape
    together = torch.cat([weights["q_proj"], weights["k_proj"], weights["v_proj"]])
    h = rms_norm(x, weights["attention_norm"], norm_eps) @ together.mT
    heads = h.view(batch, seq, n_heads + 2 * n_kv_heads, -1).transpose(1, 2)
    q, k, v = heads.split([n_heads, n_kv_heads, n_kv_heads], dim=1)
    out = torch.cat(list(attend(q, k, v).unbind(dim=1)), dim=-1)
    middle = x + F.linear(out, weights["o_proj"])
    h = middle * torch.rsqrt(middle.pow(2).mean(-1, keepdim=True) + norm_eps)
    h = h * weights["feed_forward_norm"]
    up = F.linear(h, weights["up_proj"])
    return middle + F.linear(up * F.silu(F.linear(h, weights["gate_proj"])), weights["down_proj"])
""",
        "q, k and v by one product, split along the heads; the second norm written out",
    ),
    (
        "decoder_logits",
        """
from functools import reduce


def decoder_logits(token_ids, token_embedding, blocks, final_norm, norm_eps=1e-5):
    one_hot = F.one_hot(token_ids, len(token_embedding)).to(token_embedding.dtype)
    x = reduce(lambda stream, block: block(stream), blocks, one_hot @ token_embedding)
    scale = (x.square().mean(-1) + norm_eps).rsqrt()
    return torch.einsum("bsd,d,vd,bs->bsv", x, final_norm, token_embedding, scale)
""",
        "one-hot rows, a fold over the blocks, the norm's division last of all",
    ),
    (
        "decoder_logits",
        """
def decoder_logits(token_ids, token_embedding, blocks, final_norm, norm_eps=1e-5):
    def run(x, rest):
        return run(rest[0](x), rest[1:]) if len(rest) else x

    x = run(F.embedding(token_ids, token_embedding), list(blocks))
    h = rms_norm(x, final_norm, norm_eps)
    return torch.stack([h @ row for row in token_embedding], dim=-1)
""",
        "recursion over the blocks, and a logit for each row of the table",
    ),
    (
        "logit_lens",
        """
def logit_lens(streams, final_norm, token_embedding, token_id, norm_eps=1e-5):
    logits = rms_norm(streams, final_norm, norm_eps) @ token_embedding.T
    places = logits.argsort(dim=-1, descending=True).argsort(dim=-1)
    p = 1 / (logits - logits[:, token_id, None]).exp().sum(dim=-1)
    return 1 + places[:, token_id], p
""",
        "a rank by argsort of argsort; a probability without softmax",
    ),
    (
        "count_parameters",
        """
def count_parameters(
    vocab_size, d_model, n_layers, n_heads, n_kv_heads, head_dim, d_ff, tied_embeddings=True
):
    def size(*modules):
        return sum(p.numel() for m in modules for p in m.parameters())

    with torch.device("meta"):
        def linear(n_in, n_out):
            return nn.Linear(n_in, n_out, bias=False)

        table = nn.Embedding(vocab_size, d_model)
        attention = [linear(d_model, n * head_dim) for n in (n_heads, n_kv_heads, n_kv_heads)]
        attention.append(linear(n_heads * head_dim, d_model))
        feed_forward = [linear(d_model, d_ff), linear(d_model, d_ff), linear(d_ff, d_model)]
        norm = nn.RMSNorm(d_model)
        result = {"total": 0, "output": 0 if tied_embeddings else size(linear(d_model, vocab_size))}
    result["embedding"] = size(table)
    result["attention"] = n_layers * size(*attention)
    result["feed_forward"] = n_layers * size(*feed_forward)
    result["norms"] = (1 + 2 * n_layers) * size(norm)
    result["total"] = sum(result.values())
    return result
""",
        "counted in modules without memory; the keys in another order",
    ),
    (
        "gpt2_size",
        """
def gpt2_size():
    from torch import nn
    d, f, rest = shown["d_model"], shown["d_ff"], 0
    import torch
    with torch.device("meta"):
        layer = nn.TransformerEncoderLayer(d, shown["n_heads"], f, bias=True)
        parts = [nn.Embedding(shown["vocab_size"], d), nn.Embedding(shown["context_length"], d)]
        parts.append(nn.LayerNorm(d))
    count = lambda module: sum(p.numel() for p in module.parameters())
    return sum(map(count, parts)) + shown["n_layers"] * count(layer)
""",
        "counted in PyTorch's own layer, which has the same matrices, biases and norms",
    ),
    (
        "find_faults",
        """
def find_faults():
    logits = {
        letter: [np.asarray(v) for v in experiments.values()]
        for letter, experiments in shown["logits"].items()
    }

    def spread(values):
        return float(np.abs(values).max())

    tests = [
        lambda n, last, zero, up, layer, norm, token: -spread((last - n)[:-1]),
        lambda n, last, zero, up, layer, norm, token: spread(zero),
        lambda n, last, zero, up, layer, norm, token: -spread(up - n),
        lambda n, last, zero, up, layer, norm, token: spread(layer - n),
        lambda n, last, zero, up, layer, norm, token: spread(norm - n),
        lambda n, last, zero, up, layer, norm, token: spread(token[:, -1] - n[:, -1]),
    ]
    return "".join(min(logits, key=lambda letter: test(*logits[letter])) for test in tests)
""",
        "all six experiments, each by its extreme",
    ),
]
