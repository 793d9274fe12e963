"""Positions: the published formulas, and what rotation promises."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.embeddings_and_positions.positions import (
    apply_rope,
    rope_angles,
    sinusoidal_positions,
)
from reference_impl.pretraining.training_attention import turn_heads


def test_sinusoids_are_the_paper_s_formula():
    d_model, base = 8, 10000.0
    table = sinusoidal_positions(5, d_model, base)
    for position in range(5):
        for i in range(d_model // 2):
            angle = position / base ** (2 * i / d_model)
            assert table[position, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[position, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_odd_widths_are_refused():
    with pytest.raises(ValueError, match="7 is odd"):
        sinusoidal_positions(3, 7)
    with pytest.raises(ValueError, match="5 is odd"):
        rope_angles(torch.arange(3), 5)


def test_rotation_is_a_product_with_complex_numbers():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 7, 10, dtype=torch.float64)
    angles = rope_angles(torch.arange(7), 10, 500.0).double()
    turned = torch.view_as_complex(x.unflatten(-1, (5, 2))) * torch.exp(1j * angles)
    torch.testing.assert_close(apply_rope(x, angles), torch.view_as_real(turned).flatten(-2))


@given(q=st.integers(0, 500), k=st.integers(0, 500), shift=st.integers(0, 5000))
def test_scores_depend_on_the_offset_alone(q, k, shift):
    generator = torch.Generator().manual_seed(q * 1000 + k)
    query, key = torch.randn(2, 1, 6, dtype=torch.float64, generator=generator)

    def score(q_position: int, k_position: int) -> torch.Tensor:
        angles = rope_angles(torch.tensor([q_position, k_position]), 6).double()
        return (apply_rope(query, angles[:1]) * apply_rope(key, angles[1:])).sum()

    # Angles are float32: at position 5500 they are exact to about 5500 * 2^-24.
    torch.testing.assert_close(score(q, k), score(q + shift, k + shift), atol=4e-3, rtol=0)


@given(position=st.integers(0, 8191))
def test_rotation_keeps_lengths_and_position_0_unmoved(position):
    x = torch.randn(1, 6, generator=torch.Generator().manual_seed(position))
    turned = apply_rope(x, rope_angles(torch.tensor([position]), 6))
    torch.testing.assert_close(turned.norm(), x.norm())
    assert torch.equal(apply_rope(x, rope_angles(torch.tensor([0]), 6)), x)


@pytest.mark.parametrize("default", [torch.float16, torch.bfloat16, torch.float64])
def test_angles_are_the_same_under_any_default_dtype(default):
    positions = torch.arange(0, 8192, 7)
    expected = rope_angles(positions, 64, 1e5), sinusoidal_positions(9, 16)
    torch.set_default_dtype(default)
    try:
        angles = rope_angles(positions, 64, 1e5), sinusoidal_positions(9, 16)
    finally:
        torch.set_default_dtype(torch.float32)
    assert angles[0].dtype == torch.float32
    assert all(map(torch.equal, angles, expected))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_turns_in_float32(dtype):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 500, 64).to(dtype)
    angles = rope_angles(torch.arange(500), 64)
    actual = apply_rope(x, angles)
    assert actual.dtype == dtype
    assert torch.equal(actual, apply_rope(x.float(), angles).to(dtype))
    turns = torch.polar(torch.ones_like(angles), angles)
    # Complex numbers multiply in another order: the last bit of a few may differ.
    exact = apply_rope(x.double(), angles.double())
    rounding = torch.finfo(dtype).eps
    for turned in actual, turn_heads(x, turns):
        torch.testing.assert_close(turned.double(), exact, rtol=rounding / 2, atol=1e-6)
