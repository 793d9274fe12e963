"""Weights in 8 bits: what the rounding may cost, from a row to a text of the real model."""

import weakref

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.decoder.decoder import Decoder
from reference_impl.fine_tuning.chat import encode_chat
from reference_impl.inference.fast_decoder import FastDecoder
from reference_impl.inference.generation import generate
from reference_impl.inference.int8_decoder import (
    Int8Decoder,
    Int8Linear,
    fastest_int8_mm,
    plain_int8_mm,
    quantise_rows,
)
from reference_impl.published.tokenizer_files import tokenizer_from_gguf

PASSAGE = (
    "The Moon is Earth's only natural satellite. It orbits at an average distance of 384,400 "
    "kilometres, about thirty times the diameter of the Earth. Its gravity raises the tides of "
    "the oceans and slightly lengthens the day. The same side of it always faces the Earth, so "
    "people first saw the far side in 1959, when a probe sent photographs of it. In July 1969 two "
    "astronauts of Apollo 11 became the first people to walk on its surface."
)
ANSWER = (
    "Gravity is a fundamental concept in physics that describes the curvature of spacetime caused "
    "by the presence of mass."
)


def restored(weight: torch.Tensor) -> torch.Tensor:
    levels, scale = quantise_rows(weight)
    return levels.float() * scale.float()[:, None]


@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([1e-6, 0.02, 1.0, 1e4]))
def test_no_weight_moves_by_more_than_half_its_row_s_scale(seed, size):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(7, 40, generator=generator) * size
    weight *= torch.logspace(-2, 2, 7)[:, None]  # rows of very different size
    levels, scale = quantise_rows(weight)
    off = (levels.double() * scale.double()[:, None] - weight.double()).abs().amax(dim=1)
    assert (off <= scale.double() * 0.5001).all()  # the quotient itself is rounded to float32
    # A scale is its row's largest weight / 127, give or take bfloat16's rounding of 1/256.
    torch.testing.assert_close(scale.float() * 127, weight.abs().amax(dim=1), rtol=2**-8, atol=0)


@given(seed=st.integers(0, 2**32 - 1))
def test_rows_are_apart_and_signs_alike(seed):
    weight = torch.randn(5, 33, generator=torch.Generator().manual_seed(seed))
    levels, scale = quantise_rows(weight)
    assert levels.abs().max() <= 127
    for i, row in enumerate(weight):
        alone, its_scale = quantise_rows(row[None])
        assert torch.equal(alone[0], levels[i])
        assert its_scale == scale[i]
    negative, same_scale = quantise_rows(-weight)
    assert torch.equal(negative, -levels)
    assert torch.equal(same_scale, scale)


def test_levels_come_back_exactly():
    levels = torch.arange(-127, 128).repeat(3, 1)
    scale = torch.tensor([[0.5], [2.0], [2.0**-20]])
    assert torch.equal(restored(levels * scale), levels * scale)
    assert torch.equal(restored(torch.zeros(2, 4)), torch.zeros(2, 4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("d_in", [5, 32, 48, 96])
@pytest.mark.parametrize("d_out", [7, 32, 40, 64])
@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 3)])
def test_linear_is_that_of_the_restored_weight(dtype, d_in, d_out, shape):
    torch.manual_seed(0)
    x, weight = torch.randn(*shape, d_in).bfloat16().to(dtype), torch.randn(d_out, d_in)
    actual = Int8Linear(weight.to(dtype))(x)
    assert actual.dtype == dtype
    expected = F.linear(x.double(), restored(weight.to(dtype)).double())
    size = F.linear(x.double().abs(), weight.double().abs())  # of the terms that are summed
    assert ((actual.double() - expected).abs() <= size * 2**-7).all()


@pytest.mark.parametrize("error", [AttributeError, RuntimeError, TypeError])
def test_without_the_kernel_the_plain_way_serves(monkeypatch, error):
    assert fastest_int8_mm() in (plain_int8_mm, getattr(torch, "_weight_int8pack_mm", None))

    def broken(*args):
        raise error

    monkeypatch.setattr(torch, "_weight_int8pack_mm", broken, raising=False)
    assert fastest_int8_mm() is plain_int8_mm
    monkeypatch.setattr(torch, "_weight_int8pack_mm", lambda x, levels, scale: x)
    assert fastest_int8_mm() is plain_int8_mm


def round_weights(model: Decoder) -> Decoder:
    """Every matrix as its 8 bits give it back."""
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data = restored(parameter.data)
    return model


FITTING = {"vocab_size": 64, "d_model": 32, "head_dim": 16, "n_heads": 4, "d_ff": 96}


@pytest.mark.parametrize("changes", [{}, FITTING, {"tied_embeddings": False}], ids=str)
def test_logits_are_those_of_the_rounded_weights(model_of, changes):
    """Also with widths that the kernel takes."""
    model, exact = model_of(**changes), model_of(**changes)
    token_ids = torch.randint(0, 53, (2, 19), generator=torch.Generator().manual_seed(1))
    actual = Int8Decoder(model)(token_ids)
    with torch.no_grad():
        truth, rounded = exact(token_ids), round_weights(model)(token_ids)
    # Beside them only inputs and results of the products are rounded, to bfloat16's 8 bits.
    assert (actual - rounded).norm() <= 0.02 * rounded.norm()
    assert (actual - truth).norm() <= 0.05 * truth.norm()
    assert (actual - truth).norm() > 1e-4 * truth.norm()  # it did round


@pytest.mark.parametrize("changes", [{}, FITTING], ids=str)
def test_cache_and_chunks_make_little_difference(model_of, changes):
    fast = Int8Decoder(model_of(**changes))
    token_ids = torch.randint(0, 53, (1, 11), generator=torch.Generator().manual_seed(1))
    whole = fast(token_ids)
    for sizes in ([11], [5, 1, 1, 4], [1] * 11):
        cache = fast.new_cache(capacity=11)
        parts = torch.cat([fast(part, cache) for part in token_ids.split(sizes, dim=1)], dim=1)
        assert (parts - whole).norm() <= 0.02 * whole.norm()
        last = fast.next_logits(token_ids)
        assert (last - whole[:, -1]).norm() <= 0.02 * last.norm()


@pytest.mark.parametrize("tied", [True, False])
def test_the_floats_go_with_the_decoder(model_of, tied):
    model = model_of(tied_embeddings=tied)
    matrices = [weakref.ref(p) for p in model.parameters() if p.dim() == 2]
    fast = Int8Decoder(model)
    del model
    assert [matrix() for matrix in matrices if matrix() is not None] == []
    assert fast(torch.arange(5)[None]).isfinite().all()


def test_smollm2_in_8_bits_says_the_same(smollm2, weights_file, threads):
    threads(2)
    tokenizer = tokenizer_from_gguf(weights_file.metadata)
    question = [{"role": "user", "content": "What is gravity?"}]
    fast = Int8Decoder(smollm2)
    answer = generate(fast, encode_chat(tokenizer, question), 30)
    assert tokenizer.decode(list(answer)).startswith(ANSWER)
    token_ids = torch.tensor([tokenizer.encode(PASSAGE)])
    losses = [
        F.cross_entropy(run(token_ids)[0, :-1], token_ids[0, 1:]).item()
        for run in (FastDecoder(smollm2), fast)
    ]
    assert abs(losses[1] - losses[0]) <= 0.01 * losses[0]
