"""Array autograd: broadcasting, matrix products and a whole perceptron, against torch."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from reference_impl.neural_networks.array_autograd import Array, numerical_gradient
from reference_impl.neural_networks.autograd import Value
from reference_impl.neural_networks.mlp import (
    cross_entropy,
    cross_entropy_backward,
    mlp_backward,
    mlp_forward,
)

OPERATIONS = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / (b * b + 0.5),
    "tanh": lambda a, b: a.tanh() * b,
    "exp_log": lambda a, b: (a.exp() + (b * b)).log(),
    "relu_power": lambda a, b: a.relu() * b**3,
    "plain_numbers": lambda a, b: 2 / (a * a + 1) + (1 - b) * 3,
    "used_twice": lambda a, b: (a + b) * a,
}
SHAPES = mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=4)


def assert_same_gradients(function, *arrays):
    """`function` of Arrays and of tensors, weighted at random and summed: value and gradients."""
    ours = [Array(array) for array in arrays]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    mine, yours = function(*ours), function(*theirs)
    np.testing.assert_allclose(mine.data, yours.detach().numpy(), rtol=1e-10, atol=1e-10)
    weights = np.random.default_rng(1).normal(size=mine.data.shape)
    (mine * weights).sum().backward()
    (yours * torch.tensor(weights)).sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        assert a.grad.shape == a.data.shape
        np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-9, atol=1e-9)


@given(shapes=SHAPES, name=st.sampled_from(sorted(OPERATIONS)), seed=st.integers(0, 2**32 - 1))
def test_operations_with_broadcasting_equal_torch(shapes, name, seed):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=shape) for shape in shapes.input_shapes]
    assert_same_gradients(OPERATIONS[name], *arrays)


@given(
    batches=mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=3),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)),
    seed=st.integers(0, 2**32 - 1),
)
def test_matrix_products_equal_torch(batches, sizes, seed):
    rng = np.random.default_rng(seed)
    rows, inner, columns = sizes
    left, right = batches.input_shapes
    a, b = rng.normal(size=(*left, rows, inner)), rng.normal(size=(*right, inner, columns))
    assert_same_gradients(lambda a, b: a @ b, a, b)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_sum_over_an_axis_keeps_it(axis):
    x = np.random.default_rng(2).normal(size=(3, 5))
    mine = Array(x)
    (mine.sum(axis=axis) ** 2).sum().backward()
    theirs = torch.tensor(x, requires_grad=True)
    (theirs.sum(dim=axis, keepdim=True) ** 2).sum().backward()
    np.testing.assert_allclose(mine.grad, theirs.grad.numpy(), rtol=1e-12)


def test_plain_arrays_may_stand_on_the_left():
    x, left = Array([[1.0], [2.0]]), np.array([[3.0, 5.0]])
    results = [left + x, left * x, left - x, left / x, left @ x]
    assert all(isinstance(result, Array) for result in results)
    assert results[2].data.tolist() == [[2.0, 4.0], [1.0, 3.0]]
    assert results[3].data.tolist() == [[3.0, 5.0], [1.5, 2.5]]
    assert results[4].data.tolist() == [[13.0]]


def perceptron_loss(x, layers, one_hot):
    """Cross-entropy of a two-layer perceptron in the operations of Array."""
    (w1, b1), (w2, b2) = layers
    logits = (x @ w1.transpose() + b1).relu() @ w2.transpose() + b2
    shifted = logits - logits.data.max(axis=-1, keepdims=True)  # a constant: softmax ignores it
    log_probabilities = shifted - shifted.exp().sum(axis=-1).log()
    return (log_probabilities * one_hot).sum() * (-1 / len(one_hot))


def test_a_perceptron_agrees_with_the_backward_pass_by_hand():
    rng = np.random.default_rng(3)
    x, labels = rng.normal(size=(7, 5)), rng.integers(0, 3, size=7)
    layers = [
        (rng.normal(size=(11, 5)), rng.normal(size=11)),
        (rng.normal(size=(3, 11)), rng.normal(size=3)),
    ]
    tracked = [(Array(weight), Array(bias)) for weight, bias in layers]
    loss = perceptron_loss(Array(x), tracked, np.eye(3)[labels])
    loss.backward()
    logits, saved = mlp_forward(x, layers)
    assert float(loss.data) == pytest.approx(cross_entropy(logits, labels), rel=1e-12)
    by_hand = mlp_backward(cross_entropy_backward(logits, labels), layers, saved)
    for (weight, bias), (grad_weight, grad_bias) in zip(tracked, by_hand, strict=True):
        np.testing.assert_allclose(weight.grad, grad_weight, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(bias.grad, grad_bias, rtol=1e-10, atol=1e-12)


def test_numbers_and_arrays_agree():
    x, y = Array([0.3, -0.7]), Array([1.1, 0.4])
    (x * y + (x + y).tanh()).exp().sum().backward()
    for i in range(2):
        a, b = Value(x.data[i]), Value(y.data[i])
        (a * b + (a + b).tanh()).exp().backward()
        assert (x.grad[i], y.grad[i]) == (pytest.approx(a.grad), pytest.approx(b.grad))


def test_gradients_add_up_over_calls():
    x = Array([1.0, 2.0])
    shared = x * x
    shared.sum().backward()
    (shared * 3).sum().backward()
    np.testing.assert_allclose(x.grad, [8.0, 16.0])  # 2 x + 6 x


def test_the_gradient_never_changes_what_it_came_from():
    # x + x passes the same array to both parents: adding in place would count it twice over
    x, y = Array([1.0]), Array([2.0])
    total = (x + y) + x
    total.sum().backward()
    assert (x.grad.tolist(), y.grad.tolist(), total.grad.tolist()) == ([2.0], [1.0], [1.0])


def test_numerical_gradient_equals_the_analytic_one():
    rng = np.random.default_rng(4)
    x, weight = rng.normal(size=(3, 5)), rng.normal(size=(5, 2))
    tracked = Array(x)
    (tracked @ weight).tanh().sum().backward()
    measured = numerical_gradient(lambda x: float(np.tanh(x @ weight).sum()), x)
    np.testing.assert_allclose(tracked.grad, measured, atol=1e-8)


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match=r"sum\(\) first"):
        Array([1.0, 2.0]).backward()
    with pytest.raises(ValueError, match="axis of length 1"):
        Array([1.0, 2.0]) @ Array([[1.0], [2.0]])
