"""Attention: against PyTorch's own, and properties that no mask may break."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_impl.decoder.attention import (
    Attention,
    attention_weights,
    causal_mask,
    grouped_query_attention,
    merge_heads,
    padding_mask,
    scaled_dot_product_attention,
    split_heads,
)
from reference_impl.embeddings_and_positions.positions import rope_angles

sizes = st.integers(1, 7)


def qkv(batch, heads, kv_heads, q_seq, kv_seq, head_dim, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(heads, q_seq), (kv_heads, kv_seq), (kv_heads, kv_seq)]
    return [scale * torch.randn(batch, *shape, head_dim, generator=generator) for shape in shapes]


def test_values_worked_by_hand():
    # One query, two keys, head_dim 4. Scores 4/2 and 0/2; weights e^2/(e^2+1), 1/(e^2+1).
    q = torch.tensor([[2.0, 0.0, 0.0, 0.0]])
    k = torch.tensor([[2.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]])
    v = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    torch.testing.assert_close(
        scaled_dot_product_attention(q, k, v),
        torch.tensor([[0.880797, 0.119203, 0.0, 0.0]]),
        atol=1e-6,
        rtol=0,
    )


@given(sizes, sizes, sizes, sizes, sizes, st.integers(0, 9), st.sampled_from([1e-3, 1.0, 50.0]))
def test_same_as_torch_under_any_mask(batch, heads, q_seq, kv_seq, head_dim, seed, scale):
    q, k, v = qkv(batch, heads, heads, q_seq, kv_seq, head_dim, seed, scale)
    mask = torch.rand(q_seq, kv_seq, generator=torch.Generator().manual_seed(seed)) < 0.6
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    expected = torch.where(mask.any(-1, keepdim=True), expected, 0.0)
    actual = scaled_dot_product_attention(q, k, v, mask)
    torch.testing.assert_close(actual, expected, atol=1e-5 * scale, rtol=1e-4)
    torch.testing.assert_close(
        scaled_dot_product_attention(q, k, v),
        F.scaled_dot_product_attention(q, k, v),
        atol=1e-5 * scale,
        rtol=1e-4,
    )


@given(sizes, sizes, sizes, st.integers(0, 99))
def test_weights_are_a_distribution_over_what_the_mask_allows(q_seq, kv_seq, head_dim, seed):
    q, k, _ = qkv(1, 2, 2, q_seq, kv_seq, head_dim, seed)
    mask = torch.rand(q_seq, kv_seq, generator=torch.Generator().manual_seed(seed)) < 0.4
    weights = attention_weights(q, k, mask)
    assert (weights[..., ~mask] == 0).all()
    assert (weights[..., mask] > 0).all()
    rows = mask.any(dim=-1).float().expand(1, 2, q_seq)  # 1, or 0 where nothing is allowed
    torch.testing.assert_close(weights.sum(dim=-1), rows)


def test_a_fully_masked_row_is_zero_and_has_a_gradient_of_zero():
    q, k, v = qkv(1, 1, 1, 2, 3, 4)
    q.requires_grad_(), k.requires_grad_()
    mask = torch.tensor([[False, False, False], [True, True, False]])
    out = scaled_dot_product_attention(q, k, v, mask)
    out.sum().backward()
    assert out[0, 0, 0].tolist() == [0.0] * 4
    assert q.grad[0, 0, 0].tolist() == [0.0] * 4
    assert torch.isfinite(k.grad).all() and k.grad[0, 0, 2].tolist() == [0.0] * 4


def test_inputs_are_left_as_they_were():
    q, k, v = qkv(2, 4, 2, 3, 5, 7)
    copies = [tensor.clone() for tensor in (q, k, v)]
    mask = causal_mask(3, 5)
    grouped_query_attention(q, k, v, mask)
    assert all(map(torch.equal, (q, k, v), copies))
    assert torch.equal(mask, causal_mask(3, 5))


@given(st.integers(1, 12), st.integers(0, 12))
def test_causal_mask_row_by_row(q_seq, earlier):
    mask = causal_mask(q_seq, earlier + q_seq)
    for i, row in enumerate(mask):  # query i stands at position earlier + i
        assert row.tolist() == [position <= earlier + i for position in range(earlier + q_seq)]
    assert torch.equal(mask, causal_mask(earlier + q_seq)[earlier:])


def test_causal_mask_needs_a_place_for_every_query():
    with pytest.raises(ValueError, match="kv_seq must be >= q_seq"):
        causal_mask(3, 2)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_padding_mask_counts_to_the_length(lengths):
    mask = padding_mask(torch.tensor(lengths), kv_seq=9)
    assert mask.shape == (len(lengths), 1, 1, 9)
    assert mask.sum(dim=-1).flatten().tolist() == lengths
    assert (mask.int().diff(dim=-1) <= 0).all()  # real tokens first


def test_padding_does_not_change_the_real_positions():
    q, k, v = qkv(2, 3, 3, 5, 5, 4)
    mask = causal_mask(5) & padding_mask(torch.tensor([5, 2]), 5)
    padded = scaled_dot_product_attention(q, k, v, mask)
    alone = scaled_dot_product_attention(q[1:, :, :2], k[1:, :, :2], v[1:, :, :2], causal_mask(2))
    torch.testing.assert_close(padded[1:, :, :2], alone)


@given(sizes, sizes, sizes, sizes)
def test_merge_undoes_split(batch, seq, n_heads, head_dim):
    x = torch.arange(batch * seq * n_heads * head_dim).view(batch, seq, -1).float()
    heads = split_heads(x, n_heads)
    assert heads.shape == (batch, n_heads, seq, head_dim)
    assert torch.equal(heads[:, -1], x[:, :, -head_dim:])
    assert torch.equal(merge_heads(heads), x)


@pytest.mark.parametrize(("heads", "kv_heads"), [(6, 6), (6, 2), (6, 1)])
def test_grouped_queries_share_neighbours_key_heads(heads, kv_heads):
    q, k, v = qkv(2, heads, kv_heads, 3, 5, 7)
    mask = causal_mask(3, 5)
    out = grouped_query_attention(q, k, v, mask)
    for head in range(heads):
        shared = head // (heads // kv_heads)
        alone = scaled_dot_product_attention(q[:, head], k[:, shared], v[:, shared], mask)
        torch.testing.assert_close(out[:, head], alone)
    torch.testing.assert_close(
        out, F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
    )


def test_uneven_groups_are_refused():
    q, k, v = qkv(1, 5, 2, 3, 3, 4)
    with pytest.raises(ValueError, match="5 query heads cannot share 2 KV heads"):
        grouped_query_attention(q, k, v)


@settings(max_examples=20)
@given(st.integers(0, 6), st.integers(0, 99))
def test_the_future_does_not_move_the_past(changed, seed):
    from reference_impl.decoder.config import ModelConfig

    torch.manual_seed(seed)
    config = ModelConfig(11, 16, d_model=6, n_layers=1, n_heads=4, n_kv_heads=2, head_dim=4, d_ff=5)
    layer = Attention(config)
    angles = rope_angles(torch.arange(7), 4)
    x = torch.randn(1, 7, 6)
    other = x.clone()
    other[0, changed] += 1.0
    before, after = layer(x, angles)[0], layer(other, angles)[0]
    assert torch.equal(before[:changed], after[:changed])
    assert (before[changed:] != after[changed:]).any(dim=-1).all()


# --- half precision, other default dtypes, no NaN on the way -------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [1.0, 300.0, 1e4])  # the products of the last two leave float16
@pytest.mark.parametrize("masked", [False, True])
def test_half_precision_is_the_exact_answer_rounded_once(dtype, size, masked):
    q, k, v = (x.to(dtype) for x in qkv(1, 2, 2, 5, 5, 64, scale=size))
    mask = causal_mask(5) if masked else None
    weights = attention_weights(q, k, mask)
    exact = attention_weights(q.double(), k.double(), mask)
    assert weights.dtype == dtype
    rounding = torch.finfo(dtype).eps
    # Scores near 1e8 have float32's own rounding, which the softmax sees in full.
    torch.testing.assert_close(weights.double(), exact, rtol=rounding, atol=1e-4)
    out = scaled_dot_product_attention(q, k, v, mask)
    expected = F.scaled_dot_product_attention(q.double(), k.double(), v.double(), attn_mask=mask)
    torch.testing.assert_close(out.double(), expected, rtol=4 * rounding, atol=size * rounding)


def test_one_product_above_float16_s_end():
    q = torch.tensor([[400.0, 0.0]], dtype=torch.float16)
    k = torch.tensor([[400.0, 0.0], [0.0, 1.0]], dtype=torch.float16)
    assert attention_weights(q, k).tolist() == [[1.0, 0.0]]  # 160,000 / sqrt 2 against 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_anomaly_detection_finds_no_nan_at_a_fully_masked_row(dtype):
    q, k, v = (x.to(dtype).requires_grad_() for x in qkv(1, 2, 2, 3, 3, 4))
    mask = torch.tensor([[False, False, False], [True, False, False], [True, True, True]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that anomaly detection is slow
        with torch.autograd.detect_anomaly(check_nan=True):
            grouped_query_attention(q, k, v, mask).sum().backward()
    assert q.grad[:, :, 0].eq(0).all() and v.grad[:, :, 0].ne(0).all()


@given(st.integers(0, 3), st.integers(0, 3))
def test_empty_axes(q_seq, kv_seq):
    q, k, v = qkv(1, 1, 1, q_seq, kv_seq, 4)
    out = scaled_dot_product_attention(q, k, v)
    assert out.shape == (1, 1, q_seq, 4)
    assert kv_seq or (out == 0).all()  # nothing to see is nothing gathered


def test_infinite_and_nan_keys_reach_only_the_queries_that_see_them():
    q, k, _ = qkv(1, 1, 1, 3, 3, 4)
    k[0, 0, 2] = float("nan")
    weights = attention_weights(q, k, causal_mask(3))
    assert weights[0, 0, :2].isfinite().all() and weights[0, 0, 2].isnan().all()
