"""What the fast decoder does differently, piece by piece, against the plain way to do it.

That whole models agree is in test_decoder.py, where every path runs both.
"""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.decoder.attention import causal_mask, grouped_query_attention
from reference_impl.decoder.norms import rms_norm
from reference_impl.embeddings_and_positions.positions import apply_rope, rope_angles
from reference_impl.fine_tuning.lora import adapters, add_lora, merge_lora
from reference_impl.inference.fast_decoder import (
    FLOAT32_LINEAR,
    PACKS,
    PIECES,
    FastDecoder,
    FastLinear,
    causal_attention,
    one_dnn_linear,
    packed_linear,
    turn_,
    works,
)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("d_out", [1, 7, PIECES, 5 * PIECES])
@pytest.mark.parametrize("shape", [(1, 1, 5), (2, 1, 5), (1, 3, 5)])
def test_fast_linear_is_a_linear_layer(threads, n_threads, dtype, d_out, shape):
    threads(n_threads)
    torch.manual_seed(0)
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 5e-2}[dtype]
    x, weight = torch.randn(shape).to(dtype), torch.randn(d_out, 5).to(dtype)
    linear = FastLinear(weight)
    expected = F.linear(x.double(), weight.double()).to(dtype)
    torch.testing.assert_close(linear(x), expected, rtol=0, atol=tolerance)
    # A row that is a view into a larger tensor, as the last position of a prompt is.
    row = torch.randn(1, 3, 10).to(dtype)[:, -1:, ::2]
    expected = F.linear(row.double(), weight.double()).to(dtype)
    torch.testing.assert_close(linear(row), expected, rtol=0, atol=tolerance)


def test_without_packing_bfloat16_is_the_same(monkeypatch):
    torch.manual_seed(0)
    x, weight = torch.randn(1, 1, 64).bfloat16(), torch.randn(48, 64).bfloat16()
    as_it_is = FastLinear(weight)
    monkeypatch.setattr("reference_impl.inference.fast_decoder.PACKS", False)
    plain = FastLinear(weight)
    assert plain.weight is weight
    torch.testing.assert_close(as_it_is(x), plain(x))


@pytest.mark.parametrize("error", [AttributeError, RuntimeError, TypeError])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_way_that_fails_or_errs_is_not_taken(monkeypatch, error, dtype):
    def broken(*args):
        raise error

    assert works(F.linear, dtype)
    assert not works(broken, dtype)
    assert not works(lambda x, weight: weight, dtype)
    assert FLOAT32_LINEAR in (one_dnn_linear, F.linear)
    assert works(packed_linear, torch.bfloat16) == PACKS
    monkeypatch.setattr("reference_impl.inference.fast_decoder.one_dnn_packed", broken)
    assert not works(packed_linear, dtype)


@given(start=st.integers(0, 90), seq=st.integers(1, 5))
def test_turn_is_rope(start, seq):
    x = torch.randn(2, 3, seq, 6, generator=torch.Generator().manual_seed(start))
    angles = rope_angles(torch.arange(start, start + seq), 6)
    turns = torch.polar(torch.ones_like(angles), angles)[:, None]
    expected = apply_rope(x, angles)
    wide, narrow = x.clone(), x.bfloat16()
    turn_(wide.transpose(1, 2), turns)
    turn_(narrow.transpose(1, 2), turns)
    torch.testing.assert_close(wide, expected)
    torch.testing.assert_close(narrow.float(), expected, atol=5e-2, rtol=1e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@given(q_seq=st.integers(1, 6), earlier=st.integers(0, 6), kv_heads=st.sampled_from([1, 2, 6]))
def test_causal_attention_is_grouped_query_attention(dtype, q_seq, earlier, kv_heads):
    generator = torch.Generator().manual_seed(q_seq + 10 * earlier)
    q = torch.randn(2, 6, q_seq, 4, generator=generator).to(dtype)
    k, v = torch.randn(2, 2, kv_heads, earlier + q_seq, 4, generator=generator).to(dtype)
    expected = grouped_query_attention(
        q.float(), k.float(), v.float(), causal_mask(q_seq, earlier + q_seq)
    )
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 3e-2}[dtype]
    actual = causal_attention(q, k, v)
    assert actual.dtype == dtype
    torch.testing.assert_close(actual.float(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_norm_is_rms_norm(model_of, dtype, size):
    fast = FastDecoder(model_of(d_model=48).to(dtype))
    torch.manual_seed(0)
    x, weight = (torch.randn(2, 3, 48) * size).to(dtype), torch.randn(48).to(dtype)
    expected = rms_norm(x.double(), weight.double(), fast.config.norm_eps).to(dtype)
    actual = fast.norm(x, weight)
    assert actual.dtype == dtype
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 2**-8}[dtype]
    torch.testing.assert_close(actual, expected, atol=1e-12, rtol=tolerance)


def test_its_caches_are_the_decoder_s(model_of):
    for model in (model_of(), model_of().bfloat16()):
        expected, actual = model.new_cache(2, 5), FastDecoder(model).new_cache(2, 5)
        for ours, theirs in zip(actual.layers, expected.layers, strict=True):
            assert (ours.keys.shape, ours.keys.dtype) == (theirs.keys.shape, theirs.keys.dtype)
            assert (ours.values.shape, ours.length) == (theirs.values.shape, theirs.length)


def test_the_decoder_keeps_its_weights_and_shares_its_memory(model_of):
    model = model_of()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    fast = FastDecoder(model)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    token_ids = torch.arange(5)[None]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 0.5  # trained on in place: the fast decoder follows
        torch.testing.assert_close(fast(token_ids), model(token_ids))


def test_another_device_is_refused(model_of):
    with pytest.raises(ValueError, match="on meta: use it as it is, or move it to the CPU"):
        FastDecoder(model_of().to("meta"))


def test_the_decoder_still_trains(model_of):
    model = model_of()
    FastDecoder(model)
    model(torch.arange(5)[None]).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_bfloat16_is_as_close_to_float32_as_the_plain_decoder(model_of):
    exact = model_of()
    half = model_of().bfloat16()
    token_ids = torch.arange(17)[None]
    with torch.no_grad():
        truth, plain = exact(token_ids), half(token_ids).float()
        fast = FastDecoder(half)(token_ids).float()
    assert (fast - truth).norm() <= 1.5 * (plain - truth).norm()
    assert (fast - truth).norm() <= 0.05 * truth.norm()


def test_adapters_are_to_be_merged_first(model_of):
    model, ids = model_of(), torch.tensor([[3, 1, 4]])
    add_lora(model, rank=2, alpha=2.0, layers=["o_proj", "up_proj"])
    for adapter in adapters(model).values():
        torch.nn.init.normal_(adapter.b)
    with pytest.raises(ValueError, match="not LoRALinear: merge adapters .*merge_lora"):
        FastDecoder(model)
    expected = model(ids)
    merge_lora(model)
    torch.testing.assert_close(FastDecoder(model)(ids), expected.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("autocast_dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_changes_nothing(model_of, dtype, autocast_dtype):
    model = FastDecoder(model_of().to(dtype))
    ids, cache = torch.tensor([[3, 1, 4]]), model.new_cache()
    expected = model(ids), model.next_logits(ids)
    with torch.autocast("cpu", autocast_dtype):
        assert torch.equal(model(ids), expected[0])
        assert torch.equal(model.next_logits(ids, cache), expected[1])
        assert model.next_logits(ids[:, :1], cache).dtype == dtype
