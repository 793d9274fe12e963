"""Training's attention: the plain one's outputs and gradients, piece by piece and in a model."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.decoder.attention import causal_mask, grouped_query_attention
from reference_impl.embeddings_and_positions.positions import apply_rope, rope_angles
from reference_impl.pretraining.loss import cross_entropy
from reference_impl.pretraining.training_attention import (
    TrainingAttention,
    for_training,
    shared_key_attention,
    turn_heads,
)

seqs, kv_counts, groups = st.integers(1, 7), st.integers(1, 3), st.integers(1, 4)


def random_tensors(*shapes):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


def compare(plain, fast, inputs):
    """Same output, and the same gradients of a sum with random weights."""
    expected, actual = plain(*inputs), fast(*inputs)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)
    weights = random_tensors(expected.shape)[0].detach()
    wanted = torch.autograd.grad((expected * weights).sum(), inputs)
    found = torch.autograd.grad((actual * weights).sum(), inputs)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@given(start=st.integers(0, 90), seq=seqs)
def test_turns_are_rope(start, seq):
    angles = rope_angles(torch.arange(start, start + seq), 6)
    turns = torch.polar(torch.ones_like(angles), angles)
    features = random_tensors((2, seq, 3, 6))  # heads last but one, as they come from a product
    compare(
        lambda x: apply_rope(x.transpose(1, 2), angles),
        lambda x: turn_heads(x.transpose(1, 2), turns),
        features,
    )


@given(seq=seqs, kv_heads=kv_counts, group=groups)
def test_queries_in_one_product_attend_as_they_do_apart(seq, kv_heads, group):
    q, k, v = random_tensors(
        *((2, heads, seq, 10) for heads in (kv_heads * group, *[kv_heads] * 2))
    )
    mask = causal_mask(seq)
    compare(
        lambda *qkv: grouped_query_attention(*qkv, mask),
        lambda *qkv: shared_key_attention(*qkv, mask),
        (q, k, v),
    )


@pytest.mark.parametrize("n_kv_heads", [1, 2, 6])
def test_a_model_for_training_has_the_same_logits_and_gradients(model_of, n_kv_heads):
    plain, fast = model_of(n_kv_heads=n_kv_heads), for_training(model_of(n_kv_heads=n_kv_heads))
    token_ids = torch.randint(53, (3, 12), generator=torch.Generator().manual_seed(1))
    inputs, targets = token_ids[:, :-1], token_ids[:, 1:]
    assert all(type(block.attention) is TrainingAttention for block in fast.blocks)
    torch.testing.assert_close(fast(inputs), plain(inputs), rtol=1e-4, atol=1e-4)
    for model in (plain, fast):
        cross_entropy(model(inputs), targets).backward()
    for ours, theirs in zip(fast.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.bfloat16, 0.05)])
def test_other_dtypes_stay_what_they_are(model_of, dtype, tolerance):
    plain, fast = model_of().blocks[0].attention.to(dtype), for_training(model_of())
    x, angles = random_tensors((2, 7, 24), (7, 5))
    found = fast.blocks[0].attention.to(dtype)(x.to(dtype), angles.detach())
    assert found.dtype == dtype
    expected = plain(x.to(dtype), angles.detach())
    assert (found - expected).norm() < tolerance * expected.norm()


def test_it_is_the_same_model_under_the_same_names(model_of):
    plain = model_of()
    weights = dict(plain.named_parameters())
    fast = for_training(plain)
    assert fast is plain
    assert list(weights) == [name for name, _ in fast.named_parameters()]
    assert all(weights[name] is parameter for name, parameter in fast.named_parameters())


def test_with_a_cache_it_is_the_plain_attention(model_of):
    plain, fast = model_of(), for_training(model_of())
    token_ids = torch.tensor([[5, 1, 4, 1, 5]])
    caches = plain.new_cache(), fast.new_cache()
    for part in token_ids.split(2, dim=1):
        expected, actual = plain(part, caches[0]), fast(part, caches[1])
        assert torch.equal(actual, expected)
