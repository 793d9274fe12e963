"""The perceptron by hand: every function against torch, stability, and learning real digits."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from reference_impl.neural_networks.array_autograd import numerical_gradient
from reference_impl.neural_networks.digits import load_digits_split
from reference_impl.neural_networks.mlp import (
    cross_entropy,
    cross_entropy_backward,
    init_layers,
    learning_rate_sweep,
    linear,
    linear_backward,
    mlp_backward,
    mlp_forward,
    relu,
    relu_backward,
    sgd_step,
    softmax,
    sum_to_shape,
    train_mlp,
)

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 7)


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-10, atol=1e-12)


def leaf(array):
    return torch.tensor(array, requires_grad=True)


@given(
    shapes=mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4),
    seed=SEEDS,
)
def test_sum_to_shape_is_the_gradient_of_broadcasting(shapes, seed):
    grad = np.random.default_rng(seed).normal(size=shapes.result_shape)
    x = torch.zeros(shapes.input_shapes[0], dtype=torch.float64, requires_grad=True)
    x.broadcast_to(shapes.result_shape).backward(torch.tensor(grad))
    ours = sum_to_shape(grad, shapes.input_shapes[0])
    assert ours.shape == x.shape
    close(ours, x.grad)


@pytest.mark.parametrize("shape", [(3,), (2, 5), (1, 5, 2)])
def test_sum_to_shape_refuses_what_does_not_broadcast(shape):
    with pytest.raises(ValueError, match="does not broadcast"):
        sum_to_shape(np.ones((5, 2)), shape)


@given(batch=SIZES, d_in=SIZES, d_out=SIZES, seed=SEEDS)
def test_linear_equals_torch(batch, d_in, d_out, seed):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=shape) for shape in ((batch, d_in), (d_out, d_in), (d_out,))]
    grad = rng.normal(size=(batch, d_out))
    tensors = [leaf(array) for array in arrays]
    expected = F.linear(*tensors)
    expected.backward(torch.tensor(grad))
    close(linear(*arrays), expected)
    for ours, theirs in zip(linear_backward(grad, *arrays[:2]), tensors, strict=True):
        assert ours.shape == tuple(theirs.shape)
        close(ours, theirs.grad)


def test_relu_equals_torch_also_at_zero():
    x, grad = np.array([[-1.5, 0.0, 2.5], [3.0, -0.0, -4.0]]), np.arange(1.0, 7.0).reshape(2, 3)
    theirs = leaf(x)
    theirs.relu().backward(torch.tensor(grad))
    close(relu(x), theirs.relu())
    close(relu_backward(grad, x), theirs.grad)


@given(batch=SIZES, classes=SIZES, scale=st.sampled_from([0.01, 1.0, 100.0, 1e4]), seed=SEEDS)
def test_cross_entropy_equals_torch(batch, classes, scale, seed):
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(batch, classes)) * scale, rng.integers(classes, size=batch)
    theirs = leaf(logits)
    expected = F.cross_entropy(theirs, torch.tensor(labels))
    expected.backward()
    assert cross_entropy(logits, labels) == pytest.approx(expected.item(), rel=1e-10, abs=1e-12)
    close(cross_entropy_backward(logits, labels), theirs.grad)
    close(softmax(logits), theirs.softmax(dim=-1))


@pytest.mark.parametrize("offset", [-1e4, 1e4, 1e300])
def test_softmax_is_stable_far_from_zero(offset):
    # float32 at 1e4 still holds halves exactly; 1e300 leaves no digit for the differences
    differences = np.array([[0.0, 0.5, 1.0]]) if abs(offset) == 1e4 else np.zeros((1, 3))
    for dtype in (np.float64, np.float32)[: 2 if abs(offset) == 1e4 else 1]:
        logits = (differences + offset).astype(dtype)
        np.testing.assert_allclose(softmax(logits), softmax(differences), rtol=1e-6)
        loss = cross_entropy(logits, np.array([2]))
        assert loss == pytest.approx(cross_entropy(differences, np.array([2])), rel=1e-6)


def test_a_hopeless_label_costs_the_gap_not_infinity():
    logits = np.array([[1e4, -1e4, 0.0]])
    assert cross_entropy(logits, np.array([1])) == 2e4
    assert cross_entropy_backward(logits, np.array([1])).tolist() == [[1.0, -1.0, 0.0]]


def random_problem(seed, sizes, batch):
    rng = np.random.default_rng(seed)
    layers = [
        (rng.normal(size=(d_out, d_in)), rng.normal(size=d_out))
        for d_in, d_out in zip(sizes, sizes[1:], strict=False)
    ]
    return rng.normal(size=(batch, sizes[0])), rng.integers(sizes[-1], size=batch), layers


@settings(max_examples=50)
@given(sizes=st.lists(SIZES, min_size=2, max_size=5), batch=SIZES, seed=SEEDS)
def test_whole_network_equals_torch(sizes, batch, seed):
    x, labels, layers = random_problem(seed, sizes, batch)
    tensors = [(leaf(weight), leaf(bias)) for weight, bias in layers]
    hidden = torch.tensor(x)
    for index, (weight, bias) in enumerate(tensors):
        hidden = F.linear(hidden.relu() if index else hidden, weight, bias)
    F.cross_entropy(hidden, torch.tensor(labels)).backward()
    logits, saved = mlp_forward(x, layers)
    close(logits, hidden)
    grads = mlp_backward(cross_entropy_backward(logits, labels), layers, saved)
    for ours, theirs in zip(grads, tensors, strict=True):
        close(ours[0], theirs[0].grad)
        close(ours[1], theirs[1].grad)


def test_whole_network_equals_measured_slopes():
    x, labels, layers = random_problem(0, [3, 5, 2], batch=7)
    logits, saved = mlp_forward(x, layers)
    grad = mlp_backward(cross_entropy_backward(logits, labels), layers, saved)[0][0]

    def loss(weight):
        return cross_entropy(mlp_forward(x, [(weight, layers[0][1]), layers[1]])[0], labels)

    np.testing.assert_allclose(grad, numerical_gradient(loss, layers[0][0]), atol=1e-8)


def test_the_loss_is_a_mean_so_repeating_the_batch_changes_nothing():
    x, labels, layers = random_problem(1, [3, 5, 2], batch=7)
    for copies in (1, 3):
        many_x, many_labels = np.tile(x, (copies, 1)), np.tile(labels, copies)
        logits, saved = mlp_forward(many_x, layers)
        loss = cross_entropy(logits, many_labels)
        grads = mlp_backward(cross_entropy_backward(logits, many_labels), layers, saved)
        if copies == 1:
            first_loss, first_grads = loss, grads
    assert loss == pytest.approx(first_loss, rel=1e-12)
    np.testing.assert_allclose(grads[0][0], first_grads[0][0], rtol=1e-12, atol=1e-15)


def test_nothing_is_changed_in_place():
    x, labels, layers = random_problem(2, [3, 5, 2], batch=7)
    before = [array.copy() for array in (x, *layers[0], *layers[1])]
    logits, saved = mlp_forward(x, layers)
    logits_before = logits.copy()
    grads = mlp_backward(cross_entropy_backward(logits, labels), layers, saved)
    sgd_step(layers, grads, 0.1)
    for array, kept in zip((x, *layers[0], *layers[1]), before, strict=True):
        assert (array == kept).all()
    assert (logits == logits_before).all()


def test_sgd_equals_torch_over_several_steps():
    x, labels, layers = random_problem(3, [3, 5, 2], batch=7)
    tensors = [leaf(array) for layer in layers for array in layer]
    optimizer = torch.optim.SGD(tensors, lr=0.1)
    for _ in range(5):
        logits, saved = mlp_forward(x, layers)
        grads = mlp_backward(cross_entropy_backward(logits, labels), layers, saved)
        layers = sgd_step(layers, grads, learning_rate=0.1)
        optimizer.zero_grad()
        hidden = F.linear(torch.tensor(x), *tensors[:2]).relu()
        F.cross_entropy(F.linear(hidden, *tensors[2:]), torch.tensor(labels)).backward()
        optimizer.step()
    for ours, theirs in zip([array for layer in layers for array in layer], tensors, strict=True):
        close(ours, theirs)


@pytest.fixture(scope="module")
def digits():
    """Training and test digits as rows of 64 numbers."""
    return [
        (part.images.reshape(-1, 64).astype(np.float64), part.labels)
        for part in load_digits_split()
    ]


def test_learns_handwritten_digits(digits):
    (x, labels), (test_x, test_labels) = digits
    rng = np.random.default_rng(0)
    layers = init_layers([64, 32, 10], rng)
    steps = list(train_mlp(layers, x, labels, 0.1, epochs=20, batch=32, rng=rng))
    assert len(steps) == 20 * 45  # 1415 examples: 44 full batches and a rest, each epoch
    logits, _ = mlp_forward(test_x, steps[-1][1])
    assert (logits.argmax(axis=1) == test_labels).mean() > 0.87


def test_learning_rates_from_too_small_to_divergence(digits):
    x, labels = (array[:100] for array in digits[0])
    layers = init_layers([64, 32, 10], np.random.default_rng(0))
    start = cross_entropy(mlp_forward(x, layers)[0], labels)
    small, good, huge, overflown = learning_rate_sweep(
        layers, x, labels, learning_rates=[1e-3, 0.3, 1e3, 1e200], steps=40
    )
    assert good < 0.7 < small < start < huge
    assert overflown == float("inf")
    # Each rate starts anew: alone, it gives the same number as in the sweep.
    assert learning_rate_sweep(layers, x, labels, [0.3], steps=40) == [good]
