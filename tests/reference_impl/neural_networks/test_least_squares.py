"""The largest stable learning rate: predicted from the curvature, then found by trying."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.neural_networks.least_squares import descend, largest_learning_rate

SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS, examples=st.integers(1, 7), d_in=st.integers(1, 5))
def test_curvature_equals_torchs_hessian(seed, examples, d_in):
    x = np.random.default_rng(seed).normal(size=(examples, d_in))
    features = torch.tensor(x)

    def loss(weight):
        return 0.5 * ((features @ weight - 1) ** 2).mean()

    hessian = torch.autograd.functional.hessian(loss, torch.zeros(d_in, dtype=torch.float64))
    largest = torch.linalg.eigvalsh(hessian)[-1].item()
    assert largest_learning_rate(x) == pytest.approx(2 / largest, rel=1e-9)


@given(seed=SEEDS)
def test_below_it_the_loss_falls_and_above_it_rises(seed):
    rng = np.random.default_rng(seed)
    x, target = rng.normal(size=(11, 3)), rng.normal(size=(11, 2))
    rate = largest_learning_rate(x)
    below = descend(x, target, 0.99 * rate, steps=20)
    assert all(later <= earlier + 1e-12 for earlier, later in zip(below, below[1:], strict=False))
    above = descend(x, target, 1.01 * rate, steps=2000)
    assert above[-1] > above[0]


def test_steps_equal_torchs_sgd():
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    weight = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    optimizer, losses = torch.optim.SGD([weight], lr=0.1), []
    for _ in range(6):
        optimizer.zero_grad()
        loss = 0.5 * ((torch.tensor(x) @ weight - torch.tensor(target)) ** 2).sum(dim=1).mean()
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    np.testing.assert_allclose(descend(x, target, 0.1, steps=5), losses, rtol=1e-12)


def test_divergence_ends_in_infinity_without_a_warning():
    assert descend(np.ones((1, 1)), np.ones((1, 1)), 1e9, steps=100)[-1] == float("inf")
