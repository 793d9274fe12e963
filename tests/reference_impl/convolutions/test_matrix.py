"""A convolution's matrix against torch's own convolution in one dimension."""

import pytest
import torch
import torch.nn.functional as F

from reference_impl.convolutions.matrix import convolution_matrix


@pytest.mark.parametrize("taps", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("seq", [1, 2, 6])
@pytest.mark.parametrize("causal", [False, True])
def test_times_a_signal_is_torchs_convolution(taps, seq, causal):
    if taps % 2 == 0 and not causal:
        with pytest.raises(ValueError, match="no middle"):
            convolution_matrix(torch.rand(taps), seq)
        return
    torch.manual_seed(0)
    kernel, signal = torch.rand(taps), torch.rand(seq)
    before = taps - 1 if causal else taps // 2
    padded = F.pad(signal, (before, taps - 1 - before))
    expected = F.conv1d(padded[None, None], kernel[None, None])[0, 0]
    torch.testing.assert_close(convolution_matrix(kernel, seq, causal) @ signal, expected)


def test_a_causal_matrix_is_lower_triangular():
    matrix = convolution_matrix(torch.rand(3), seq=5, causal=True)
    assert (matrix.triu(1) == 0).all() and (matrix.diagonal() != 0).all()
