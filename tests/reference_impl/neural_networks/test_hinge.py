"""Sums of hinges: exact at every point, straight between, and only as good as the knots."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.neural_networks.hinge import fit_hinges, hinge_layers, hinge_sum
from reference_impl.neural_networks.mlp import mlp_forward

POINTS = st.lists(
    st.tuples(st.integers(-50, 50), st.floats(-10, 10)),
    min_size=2,
    max_size=12,
    unique_by=lambda point: point[0],
).map(lambda points: np.array(sorted(points), dtype=np.float64).T)


def broken_line(x, knots, values):
    return hinge_sum(x, knots, fit_hinges(knots, values), values[0])


@given(points=POINTS)
def test_passes_through_every_point_and_is_straight_between(points):
    knots, values = points
    x = np.linspace(knots[0], knots[-1], 101)
    np.testing.assert_allclose(broken_line(knots, knots, values), values, atol=1e-9)
    np.testing.assert_allclose(
        broken_line(x, knots, values), np.interp(x, knots, values), atol=1e-9
    )


@given(points=POINTS)
def test_it_is_a_perceptron_with_one_hidden_layer(points):
    knots, values = points
    x = np.linspace(knots[0] - 5, knots[-1] + 5, 37)
    logits, _ = mlp_forward(x[:, None], hinge_layers(knots, values))
    np.testing.assert_allclose(logits[:, 0], broken_line(x, knots, values), atol=1e-9)


def test_the_error_is_bounded_by_curvature_times_spacing_squared():
    x = np.linspace(0, np.pi, 2001)
    for pieces in (4, 8, 16, 32):
        knots = np.linspace(0, np.pi, pieces + 1)
        error = np.abs(broken_line(x, knots, np.sin(knots)) - np.sin(x)).max()
        bound = (np.pi / pieces) ** 2 / 8  # |sin''| is at most 1
        assert 0.9 * bound < error <= bound


def test_outside_the_knots_nothing_is_promised():
    knots = np.linspace(0, 2 * np.pi, 65)
    weights = fit_hinges(knots, np.sin(knots))
    left, right = hinge_sum(np.array([-np.pi / 2, 2.5 * np.pi]), knots, weights, 0.0)
    assert left == 0.0  # sin is -1 there
    assert right == pytest.approx(np.pi / 2, abs=1e-2)  # the last slope, 1, goes on; sin is 1


@pytest.mark.parametrize("knots", [[0.0], [1.0, 0.0], [0.0, 1.0, 1.0]])
def test_knots_must_increase(knots):
    with pytest.raises(ValueError, match="increasing"):
        fit_hinges(np.array(knots), np.zeros(len(knots)))
