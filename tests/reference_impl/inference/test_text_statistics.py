"""Entropies, ranks and repeated stretches: by hand, and against scipy."""

import numpy as np
import torch
from scipy import stats

from reference_impl.inference.text_statistics import choices, entropy, repeats


def test_entropy_is_scipys():
    logits = torch.randn(5, 11, generator=torch.Generator().manual_seed(0))
    expected = stats.entropy(logits.double().softmax(-1).numpy(), axis=-1)
    assert np.allclose(entropy(logits), expected, atol=1e-5)


def test_entropy_of_a_certain_and_of_an_even_choice():
    assert entropy(torch.tensor([0.0, -torch.inf])) == 0
    assert torch.allclose(entropy(torch.zeros(7)), torch.tensor(7.0).log())


def test_choices_by_hand():
    logits = torch.tensor([[0.1, 0.6, 0.3], [0.1, 0.6, 0.3]]).log()
    facts = choices(logits, torch.tensor([1, 2]))
    assert facts["rank"] == [1, 2]
    assert np.allclose(facts["p"], [0.6, 0.3])
    assert np.allclose(facts["top"], [0.6, 0.6])
    assert np.allclose(facts["before"], [0.0, 0.6])


def test_equally_likely_tokens_share_a_rank():
    facts = choices(torch.zeros(1, 4), torch.tensor([3]))
    assert facts["rank"] == [1] and facts["before"] == [0.0]


def test_repeats_sees_overlapping_stretches_and_no_shorter_ones():
    assert repeats([7, 7, 7, 7], 3)
    assert not repeats([1, 2, 3, 4, 1, 2, 3], 4)
    assert repeats([1, 2, 3, 4, 1, 2, 3, 4], 4)
    assert not repeats([], 2)
