"""Answers to unit 5 that were written from the notebook alone: none is in the bank.

Wrong ones are named for what is wrong with them; right ones are written in unusual ways.
"""

import itertools
import math

import numpy as np
import torch
from einops import rearrange, repeat

from grading.course.sources import solution_of
from grading.course.unit import load_exercise

WRONG: list[tuple[str, object]] = []
RIGHT: list[tuple[str, object]] = []


def wrong(topic):
    return lambda function: WRONG.append((f"attention/{topic}", function)) or function


def right(topic):
    return lambda function: RIGHT.append((f"attention/{topic}", function)) or function


def course(topic):
    return solution_of(load_exercise(f"attention/{topic}"))


# --- scores ---------------------------------------------------------------------------------------


@wrong("scores")
def best_key_only(q, k):
    all_of_them = q @ k.mT
    return all_of_them.max(dim=-1).values


@wrong("scores")
def negative_scores(q, k):
    return -(q @ k.mT)


@wrong("scores")
def halves_of_features(q, k):
    half = q.shape[-1] // 2
    return q[..., :half] @ k[..., :half].mT


@wrong("scores")
def turned_with_t(q, k):
    return q @ k.t()


@wrong("scores")
def letters_for_one_matrix(q, k):
    return torch.einsum("ij,kj->ik", q, k)


@wrong("scores")
def past_only(q, k):
    later = torch.ones(q.shape[-2], k.shape[-2]).triu(1) == 1
    return torch.where(later, torch.zeros(()), q @ k.mT)


@right("scores")
def by_tensordot(q, k):
    if q.dim() == 2:
        return torch.tensordot(q, k, dims=([1], [1]))
    return torch.stack([by_tensordot(one, other) for one, other in zip(q, k, strict=True)])


@right("scores")
def with_einops(q, k):
    wide = repeat(q, "... q d -> ... q n d", n=k.shape[-2])
    return (wide * k.unsqueeze(-3)).sum(-1)


# --- attention weights ----------------------------------------------------------------------------


@wrong("attention_weights")
def scale_by_the_log(q, k, mask=None):
    scores = q @ k.transpose(-2, -1) / math.log(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e30)
    weights = scores.softmax(-1)
    return weights if mask is None else weights * mask


@wrong("attention_weights")
def truth_of_a_mask(q, k, mask=None):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    if mask:
        scores = scores.masked_fill(~mask, -1e30)
    return scores.softmax(-1)


@wrong("attention_weights")
def hard_choice(q, k, mask=None):
    scores = q @ k.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e30)
    return torch.nn.functional.one_hot(scores.argmax(-1), k.shape[-2]).float()


@wrong("attention_weights")
def normalised_by_the_sum(q, k, mask=None):
    scores = (q @ k.transpose(-2, -1)).abs() / q.shape[-1] ** 0.5
    if mask is not None:
        scores = scores * mask
    return scores / scores.sum(-1, keepdim=True)


@wrong("attention_weights")
def sigmoid_instead(q, k, mask=None):
    weights = torch.sigmoid(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5)
    return weights if mask is None else weights * mask


@wrong("attention_weights")
def distances(q, k, mask=None):
    scores = torch.cdist(q, k)
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e30)
    weights = scores.softmax(-1)
    return weights if mask is None else weights * mask


@wrong("attention_weights")
def cosines(q, k, mask=None):
    q, k = (x / x.norm(dim=-1, keepdim=True) for x in (q, k))
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e30)
    weights = scores.softmax(-1)
    return weights if mask is None else weights * mask


@wrong("attention_weights")
def logarithms(q, k, mask=None):
    return course("attention_weights")(q, k, mask).log()


@wrong("attention_weights")
def hidden_keys_keep_a_little(q, k, mask=None):
    weights = course("attention_weights")(q, k, mask)
    return weights if mask is None else weights.clamp(min=1e-3)


@wrong("attention_weights")
def smallest_score_first(q, k, mask=None):
    return course("attention_weights")(-q, k, mask)


@wrong("attention_weights")
def one_sequence_for_all(q, k, mask=None):
    weights = course("attention_weights")(q, k, mask)
    return weights[:1].expand_as(weights) if weights.dim() == 4 else weights


@wrong("attention_weights")
def triple_loop_of_a_square(q, k, mask=None):
    out = torch.zeros(*q.shape[:-1], q.shape[-2])
    for i in range(q.shape[-2]):
        for j in range(q.shape[-2]):
            out[..., i, j] = (q[..., i, :] * k[..., j, :]).sum(-1) / q.shape[-1] ** 0.5
    if mask is not None:
        out = out.masked_fill(~mask, -1e30)
    weights = out.softmax(-1)
    return weights if mask is None else weights * mask


@wrong("attention_weights")
def in_half_precision(q, k, mask=None):
    return course("attention_weights")(q, k, mask).half()


# --- scaled dot-product attention -----------------------------------------------------------------


@wrong("scaled_dot_product")
def only_the_best_value(q, k, v, mask=None):
    best = course("attention_weights")(q, k, mask).argmax(-1)
    return torch.take_along_dim(v, best[..., None], dim=-2)


@wrong("scaled_dot_product")
def values_before_keys(q, k, v, mask=None):
    return course("scaled_dot_product")(q, v, k, mask)


@wrong("scaled_dot_product")
def divided_by_the_keys(q, k, v, mask=None):
    return course("scaled_dot_product")(q, k, v, mask) / k.shape[-2]


@wrong("scaled_dot_product")
def both_results(q, k, v, mask=None):
    weights = course("attention_weights")(q, k, mask)
    return weights @ v, weights


@wrong("scaled_dot_product")
def weights_left_unnamed(q, k, v, mask=None):
    course("attention_weights")(q, k, mask) @ v


@wrong("scaled_dot_product")
def mean_of_values(q, k, v, mask=None):
    return v.mean(-2, keepdim=True).expand_as(q)


@wrong("scaled_dot_product")
def elementwise(q, k, v, mask=None):
    return course("attention_weights")(q, k, mask) * v.transpose(-2, -1)


# --- masks ----------------------------------------------------------------------------------------


@wrong("causal_mask")
def last_rows_by_a_negative_slice(q_seq, kv_seq=None):
    kv_seq = kv_seq or q_seq
    return torch.ones(kv_seq, kv_seq, dtype=torch.bool).tril()[-(kv_seq - q_seq) :]


@wrong("causal_mask")
def band_of_two(q_seq, kv_seq=None):
    kv_seq = kv_seq or q_seq
    mask = course("causal_mask")(q_seq, kv_seq)
    return mask & ~torch.ones(q_seq, kv_seq, dtype=torch.bool).tril(kv_seq - q_seq - 2)


@wrong("causal_mask")
def only_itself(q_seq, kv_seq=None):
    return torch.eye(q_seq, kv_seq or q_seq, dtype=torch.bool)


@wrong("causal_mask")
def as_whole_numbers(q_seq, kv_seq=None):
    return course("causal_mask")(q_seq, kv_seq).long()


@wrong("causal_mask")
def with_a_batch(q_seq, kv_seq=None):
    return course("causal_mask")(q_seq, kv_seq)[None, None]


@wrong("causal_mask")
def default_forgotten(q_seq, kv_seq=None):
    return torch.arange(kv_seq) <= torch.arange(kv_seq - q_seq, kv_seq)[:, None]


@wrong("padding_mask")
def a_row_for_every_query(lengths, kv_seq):
    return course("padding_mask")(lengths, kv_seq).expand(-1, 1, kv_seq, kv_seq)


@wrong("padding_mask")
def batch_on_the_query_axis(lengths, kv_seq):
    return course("padding_mask")(lengths, kv_seq).transpose(0, 2)


@wrong("padding_mask")
def lengths_sorted(lengths, kv_seq):
    return course("padding_mask")(lengths.sort(descending=True).values, kv_seq)


@wrong("padding_mask")
def only_the_last_token(lengths, kv_seq):
    return (torch.arange(kv_seq) == lengths[:, None] - 1)[:, None, None]


# --- heads ----------------------------------------------------------------------------------------


@wrong("split_heads")
def heads_last(x, n_heads):
    return rearrange(x, "b s (h d) -> b s d h", h=n_heads)


@wrong("split_heads")
def first_head_alone(x, n_heads):
    return x[:, None, :, : x.shape[-1] // n_heads]


@wrong("split_heads")
def heads_counted_from_the_end(x, n_heads):
    return course("split_heads")(x, n_heads).flip(1)


@wrong("merge_heads")
def last_head_first(x):
    return torch.cat(list(x.unbind(1))[::-1], dim=-1)


@wrong("merge_heads")
def batch_merged_too(x):
    return rearrange(x, "b h s d -> (b s) (h d)")


# --- grouped queries and the layer ----------------------------------------------------------------


@wrong("grouped_query")
def head_divided_by_kv_heads(q, k, v, mask=None):
    index = torch.arange(q.shape[1]) // k.shape[1]
    return course("scaled_dot_product")(q, k[:, index], v[:, index], mask)


@wrong("grouped_query")
def kv_heads_backwards(q, k, v, mask=None):
    return course("grouped_query")(q, k.flip(1), v.flip(1), mask)


@wrong("grouped_query")
def mask_for_the_first_head(q, k, v, mask=None):
    mask = mask[:, :1] if mask is not None and mask.dim() == 4 else mask
    return course("grouped_query")(q, k, v, mask)


@wrong("attention_layer")
def head_dim_from_d_model(x, q_proj, k_proj, v_proj, o_proj, n_heads, n_kv_heads, mask=None):
    batch, seq, d_model = x.shape
    head_dim = d_model // n_heads
    q = (x @ q_proj.T).view(batch, seq, n_heads, head_dim).transpose(1, 2)
    k = (x @ k_proj.T).view(batch, seq, n_kv_heads, head_dim).transpose(1, 2)
    v = (x @ v_proj.T).view(batch, seq, n_kv_heads, head_dim).transpose(1, 2)
    attended = course("grouped_query")(q, k, v, mask)
    return course("merge_heads")(attended) @ o_proj.T


@wrong("attention_layer")
def values_are_x(x, q_proj, k_proj, v_proj, o_proj, n_heads, n_kv_heads, mask=None):
    return course("attention_layer")(x, q_proj, k_proj, q_proj, o_proj, n_heads, n_kv_heads, mask)


@wrong("attention_layer")
def keys_of_the_next_token(x, q_proj, k_proj, v_proj, o_proj, n_heads, n_kv_heads, mask=None):
    split = course("split_heads")
    q, k, v = split(x @ q_proj.T, n_heads), x @ k_proj.T, split(x @ v_proj.T, n_kv_heads)
    k = split(k.roll(-1, 1), n_kv_heads)
    return course("merge_heads")(course("grouped_query")(q, k, v, mask)) @ o_proj.T


@wrong("attention_layer")
def noise_left_in(x, q_proj, k_proj, v_proj, o_proj, n_heads, n_kv_heads, mask=None):
    out = course("attention_layer")(x, q_proj, k_proj, v_proj, o_proj, n_heads, n_kv_heads, mask)
    return torch.nn.functional.dropout(out, 0.1)


@wrong("attention_layer")
def all_split_alike(x, q_proj, k_proj, v_proj, o_proj, n_heads, n_kv_heads, mask=None):
    def heads(y):
        return y.view(y.shape[0], y.shape[1], n_heads, y.shape[2] // n_heads).transpose(1, 2)

    q, k, v = heads(x @ q_proj.T), heads(x @ k_proj.T), heads(x @ v_proj.T)
    return course("merge_heads")(course("grouped_query")(q, k, v, mask)) @ o_proj.T


# --- maps -----------------------------------------------------------------------------------------


@wrong("read_map")
def percent(maps, from_word, to_word):
    return 100 * course("read_map")(maps, from_word, to_word)


@wrong("read_map")
def mean_over_heads(maps, from_word, to_word):
    return course("read_map")(maps, from_word, to_word).mean(-1)


@wrong("read_map")
def threshold_of_a_half(maps, from_word, to_word):
    row = maps[:, :, from_word[-1]]
    return course("read_map")(maps, from_word, to_word).masked_fill(row[..., 0] > 0.5, 0.0)


@wrong("read_map")
def zeroed_by_a_product(maps, from_word, to_word):
    asks = maps[:, :, from_word[-1]]
    reads = asks[..., 0] <= 0.9
    return reads * asks[..., to_word].sum(-1) / (1 - asks[..., 0])


@wrong("read_map")
def nested_lists(maps, from_word, to_word):
    return course("read_map")(maps, from_word, to_word).tolist()


# --- right in unusual ways ------------------------------------------------------------------------


@right("attention_weights")
def by_numpy(q, k, mask=None):
    scores = np.einsum("...qd,...kd->...qk", q.numpy(), k.numpy()) / np.sqrt(q.shape[-1])
    shown = np.ones_like(scores, dtype=bool) if mask is None else mask.numpy()
    scores = np.where(shown, scores, -np.inf)
    top = scores.max(-1, keepdims=True)
    grown = np.exp(scores - np.where(np.isinf(top), 0, top))
    total = grown.sum(-1, keepdims=True)
    return torch.from_numpy(grown / np.where(total == 0, 1, total)).float()


@right("attention_weights")
def with_log_sum_exp(q, k, mask=None):
    scores = (q / q.shape[-1] ** 0.25) @ (k / k.shape[-1] ** 0.25).mT
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return (scores - scores.logsumexp(-1, keepdim=True)).exp().nan_to_num(0.0)


@right("scaled_dot_product")
def with_baddbmm(q, k, v, mask=None):
    return torch.matmul(v.mT, course("attention_weights")(q, k, mask).mT).mT


@right("scaled_dot_product")
def query_by_query(q, k, v, mask=None):
    weights = course("attention_weights")(q, k, mask)
    rows = [(weights[..., i, :, None] * v).sum(-2) for i in range(q.shape[-2])]
    return torch.stack(rows, dim=-2)


@right("causal_mask")
def by_cumulative_sums(q_seq, kv_seq=None):
    kv_seq = kv_seq if kv_seq is not None else q_seq
    steps = torch.zeros(q_seq, kv_seq + 1, dtype=torch.int)
    steps[range(q_seq), range(kv_seq - q_seq + 1, kv_seq + 1)] = 1
    return steps[:, :-1].cumsum(1) == 0


@right("causal_mask")
def from_python_lists(q_seq, kv_seq=None):
    kv_seq = kv_seq or q_seq
    return torch.tensor([[j - i <= kv_seq - q_seq for j in range(kv_seq)] for i in range(q_seq)])


@right("padding_mask")
def by_repeat(lengths, kv_seq):
    places = repeat(torch.arange(kv_seq), "k -> b 1 1 k", b=len(lengths))
    return torch.lt(places, rearrange(lengths, "b -> b 1 1 1"))


@right("split_heads")
def unflattened(x, n_heads):
    return x.unflatten(-1, (n_heads, -1)).movedim(2, 1).contiguous()


@right("merge_heads")
def by_stacking_columns(x):
    columns = [x[:, h, :, c] for h, c in itertools.product(range(x.shape[1]), range(x.shape[3]))]
    return torch.stack(columns, dim=-1)


@right("grouped_query")
def indexed(q, k, v, mask=None):
    group, rest = divmod(q.shape[1], k.shape[1])
    if rest:
        raise ValueError("a rest of query heads has no KV head")
    index = [h // group for h in range(q.shape[1])]
    return course("scaled_dot_product")(q, k[:, index], v[:, index], mask)


@right("attention_layer")
def with_linear(x, q_proj, k_proj, v_proj, o_proj, n_heads, n_kv_heads, mask=None):
    split, linear = course("split_heads"), torch.nn.functional.linear
    q, k, v = linear(x, q_proj), linear(x, k_proj), linear(x, v_proj)
    heads = split(q, n_heads), split(k, n_kv_heads), split(v, n_kv_heads)
    return linear(course("merge_heads")(course("grouped_query")(*heads, mask)), o_proj)


@right("read_map")
def as_fractions(maps, from_word, to_word):
    table = []
    for layer in maps:
        table.append([])
        for head in layer:
            sink, *others = head[from_word[-1]].double().tolist()
            looked = sum(others[j - 1] for j in to_word)
            table[-1].append(0.0 if sink > 0.9 else looked / math.fsum(others))
    return torch.tensor(table)
