"""The decoder as plain functions of its weights: the same sums as in `decoder`, with no modules.

Whoever calls says how positions attend to each other, so that the same block works on a whole
text, with a cache, or with an attention that is watched. Weights lie as in `nn.Linear`: a row for
each output. Does not handle: biases, untied output tables.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from reference_impl.decoder.attention import (
    causal_mask,
    grouped_query_attention,
    merge_heads,
    split_heads,
)
from reference_impl.decoder.norms import rms_norm
from reference_impl.embeddings_and_positions.positions import apply_rope, rope_angles


def top_tokens(
    logits: Float[Tensor, "batch seq vocab"], k: int
) -> tuple[Int[Tensor, "batch k"], Float[Tensor, "batch k"]]:
    """The k likeliest next tokens of each text: their ids, and their probabilities.

    The next token of the text is predicted at its last position. The likeliest comes first.
    Probabilities are shares of the whole vocabulary, so those of k tokens sum to 1 or less.
    k is at least 1 and at most vocab. Logits may be any finite numbers, also large ones.

    >>> logits = torch.tensor([[[9.0, 0.0, 0.0], [0.0, 1.0, 2.0]]])  # 1, e and e * e: 11.11
    >>> ids, p = top_tokens(logits, k=2)
    >>> ids
    tensor([[2, 1]])
    >>> p  # 7.39 / 11.11 and 2.72 / 11.11
    tensor([[0.6652, 0.2447]])
    """
    probabilities = logits[:, -1].softmax(dim=-1)  # batch vocab
    likeliest = probabilities.topk(k, dim=-1)
    return likeliest.indices, likeliest.values


def swiglu(
    x: Float[Tensor, "... d_model"],
    gate_proj: Float[Tensor, "d_ff d_model"],
    up_proj: Float[Tensor, "d_ff d_model"],
    down_proj: Float[Tensor, "d_model d_ff"],
) -> Float[Tensor, "... d_model"]:
    """The feed-forward of a modern decoder: down(silu(gate(x)) * up(x)), without biases.

    silu(z) is z * sigmoid(z). A matrix has a row for each output: a projection is `x @ weight.T`.
    Source: Shazeer 2020, equation 6.

    >>> x, one = torch.tensor([[1.0, -2.0]]), torch.eye(2)
    >>> swiglu(x, gate_proj=one, up_proj=one, down_proj=one)  # 1 * 0.7311 * 1, -2 * 0.1192 * -2
    tensor([[0.7311, 0.4768]])
    """
    gate = F.silu(x @ gate_proj.T)  # ... d_ff
    hidden = gate * (x @ up_proj.T)  # ... d_ff
    return hidden @ down_proj.T


def decoder_block(
    x: Float[Tensor, "batch seq d_model"],
    weights: Mapping[str, Tensor],
    attend: Callable[[Tensor, Tensor, Tensor], Tensor],
    n_heads: int,
    n_kv_heads: int,
    norm_eps: float = 1e-5,
) -> Float[Tensor, "batch seq d_model"]:
    """One layer, pre-norm: attention, then feed-forward, each added to the stream it reads.

    Each of the two reads the stream through an RMSNorm of its own; the stream itself is never
    normalised. `weights` has the names attention_norm, q_proj, k_proj, v_proj, o_proj,
    feed_forward_norm, gate_proj, up_proj and down_proj; matrices have a row for each output.
    `attend(q, k, v)` gets q as batch n_heads seq head_dim, k and v as batch n_kv_heads seq
    head_dim, and returns batch n_heads seq head_dim. Positions and masks are its business.
    Sources: Xiong et al. 2020, figure 1b; Touvron et al. 2023, section 2.2.

    >>> two, zero, one = torch.full((2,), 2.0), torch.zeros(2, 2), torch.eye(2)
    >>> weights = dict.fromkeys(["attention_norm", "feed_forward_norm"], two)
    >>> weights |= dict.fromkeys(["q_proj", "k_proj", "gate_proj", "up_proj", "down_proj"], zero)
    >>> weights |= dict.fromkeys(["v_proj", "o_proj"], one)
    >>> x = torch.tensor([[[1.0, 7.0]]])  # root mean square 5; normed (0.4, 2.8)
    >>> decoder_block(x, weights, attend=lambda q, k, v: v, n_heads=1, n_kv_heads=1)
    tensor([[[1.4000, 9.8000]]])
    """
    normed = rms_norm(x, weights["attention_norm"], norm_eps)
    q = split_heads(normed @ weights["q_proj"].T, n_heads)  # batch heads seq head_dim
    k = split_heads(normed @ weights["k_proj"].T, n_kv_heads)  # batch kv_heads seq head_dim
    v = split_heads(normed @ weights["v_proj"].T, n_kv_heads)
    x = x + merge_heads(attend(q, k, v)) @ weights["o_proj"].T  # batch seq d_model
    normed = rms_norm(x, weights["feed_forward_norm"], norm_eps)
    return x + swiglu(normed, weights["gate_proj"], weights["up_proj"], weights["down_proj"])


def decoder_logits(
    token_ids: Int[Tensor, "batch seq"],
    token_embedding: Float[Tensor, "vocab d_model"],
    blocks: Sequence[Callable[[Tensor], Tensor]],
    final_norm: Float[Tensor, " d_model"],
    norm_eps: float = 1e-5,
) -> Float[Tensor, "batch seq vocab"]:
    """A whole decoder: look up, run the blocks in order, norm, and score every token.

    Each block is a function from stream to stream (batch seq d_model). `final_norm` is the weight
    of an RMSNorm. The embeddings are tied: the table that is looked up is also the output
    layer's, so a token's logit is the dot product of the normed stream with its row. There are
    logits at every position, and no softmax. `blocks` may be empty.
    Sources: Touvron et al. 2023, section 2.2; Press & Wolf 2017 for the tied embeddings.

    >>> table = torch.tensor([[1.0, 7.0], [1.0, 0.0], [0.0, 1.0]])  # vocab d_model
    >>> ids, blocks = torch.tensor([[1]]), [lambda x: 6 * x, lambda x: x + 1]  # (1, 0) -> (7, 1)
    >>> decoder_logits(ids, table, blocks, torch.ones(2), norm_eps=0.0)  # normed: (1.4, 0.2)
    tensor([[[2.8000, 1.4000, 0.2000]]])
    """
    x = token_embedding[token_ids]  # batch seq d_model
    for block in blocks:
        x = block(x)
    return rms_norm(x, final_norm, norm_eps) @ token_embedding.T  # batch seq vocab


def logit_lens(
    streams: Float[Tensor, "n_streams d_model"],
    final_norm: Float[Tensor, " d_model"],
    token_embedding: Float[Tensor, "vocab d_model"],
    token_id: int,
    norm_eps: float = 1e-5,
) -> tuple[Int[Tensor, " n_streams"], Float[Tensor, " n_streams"]]:
    """Rank and probability of a token if the model had to answer now, for each state of a stream.

    A state is read as if it were the last: RMSNorm with the weight `final_norm`, logits of all
    tokens by the tied table, softmax. The rank is 1 plus the number of tokens whose logit is
    larger, so 1 is the top; ranks are whole numbers. No two tokens have the same logit.
    Source: nostalgebraist 2020.

    >>> table = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 0.5]])  # vocab d_model
    >>> streams = torch.tensor([[9.0, 0.0], [0.0, 3.0]])  # normed: (1.4142, 0) and (0, 1.4142)
    >>> ranks, p = logit_lens(streams, torch.ones(2), table, token_id=1)
    >>> ranks  # the logits are 2.8284, 0, 1.4142 and 0, 1.4142, 0.7071
    tensor([3, 1])
    >>> p  # 1 / (16.92 + 1 + 4.11) and 4.11 / (1 + 4.11 + 2.03)
    tensor([0.0454, 0.5760])
    """
    logits = rms_norm(streams, final_norm, norm_eps) @ token_embedding.T  # n_streams vocab
    ranks = 1 + (logits > logits[:, [token_id]]).sum(dim=-1)  # n_streams
    return ranks, logits.softmax(dim=-1)[:, token_id]


def count_parameters(
    vocab_size: int,
    d_model: int,
    n_layers: int,
    n_heads: int,
    n_kv_heads: int,
    head_dim: int,
    d_ff: int,
    tied_embeddings: bool = True,
) -> dict[str, int]:
    """How many learned numbers each part of a decoder has, and all together.

    The parts: "embedding", the table; "attention", four matrices a layer; "feed_forward", the
    three of SwiGLU a layer; "norms", an RMSNorm before each of the two in every layer and one at
    the end; "output", a second table, or 0 where embeddings are tied; and their sum, "total".
    There are no biases, and rotary positions have no parameters. head_dim need not be
    d_model / n_heads.

    >>> count_parameters(10, d_model=4, n_layers=1, n_heads=2, n_kv_heads=1, head_dim=3, d_ff=6)
    {'embedding': 40, 'attention': 72, 'feed_forward': 72, 'norms': 12, 'output': 0, 'total': 196}
    >>> 4 * 6 + 4 * 3 + 4 * 3 + 6 * 4  # q, k, v and o
    72
    """
    table = vocab_size * d_model
    q_width, kv_width = n_heads * head_dim, n_kv_heads * head_dim
    counts = {
        "embedding": table,
        "attention": n_layers * d_model * (2 * q_width + 2 * kv_width),
        "feed_forward": n_layers * 3 * d_model * d_ff,
        "norms": (2 * n_layers + 1) * d_model,
        "output": 0 if tied_embeddings else table,
    }
    return {**counts, "total": sum(counts.values())}


# --- from modules to functions --------------------------------------------------------------------


def block_weights(block: nn.Module) -> dict[str, Tensor]:
    """The weights of a `decoder.Block` by the names that `decoder_block` reads.

    >>> block_weights(nn.ModuleDict({"attention": nn.ModuleDict({"q_proj": nn.Linear(2, 3)})}))
    Traceback (most recent call last):
    ValueError: attention.q_proj.bias: `decoder_block` knows no biases
    """
    weights = {}
    for name, parameter in block.named_parameters():
        if not name.endswith(".weight"):
            raise ValueError(f"{name}: `decoder_block` knows no biases")
        weights[name.split(".")[-2]] = parameter
    return weights


def attend_causally(
    q: Float[Tensor, "batch heads seq head_dim"],
    k: Float[Tensor, "batch kv_heads seq head_dim"],
    v: Float[Tensor, "batch kv_heads seq head_dim"],
    rope_theta: float = 10000.0,
) -> Float[Tensor, "batch heads seq head_dim"]:
    """Chapters 4 and 5 in one: rotary positions from 0 on, causal mask, grouped-query attention.

    >>> v = torch.tensor([[[[4.0, 0.0], [8.0, 0.0]]]])  # the second position sees both
    >>> attend_causally(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), v)
    tensor([[[[4., 0.],
              [6., 0.]]]])
    """
    seq, head_dim = q.shape[2:]
    angles = rope_angles(torch.arange(seq), head_dim, rope_theta)
    turned_q, turned_k = apply_rope(q, angles), apply_rope(k, angles)
    return grouped_query_attention(turned_q, turned_k, v, causal_mask(seq))
