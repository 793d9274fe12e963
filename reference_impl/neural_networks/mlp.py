"""A multilayer perceptron in NumPy: the forward pass, and the backward pass written by hand.

A layer is a pair (weight, bias), with the weight laid out as in PyTorch's `nn.Linear`: one row for
each output. Between two layers stands a ReLU; after the last one nothing, its outputs are logits.
Every backward function takes the gradient of the loss with respect to what its forward function
returned, and returns the gradients with respect to what it took.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int

# The underscores: every layer of a list has widths of its own.
Layer = tuple[Float[np.ndarray, "_d_out _d_in"], Float[np.ndarray, " _d_out"]]


def sum_to_shape(
    grad: Float[np.ndarray, "..."], shape: tuple[int, ...]
) -> Float[np.ndarray, "..."]:
    """The gradient of something that was broadcast from `shape` to the shape of `grad`.

    A number that was copied along an axis served many outputs, so its gradient is the sum of
    theirs. Raises ValueError where `shape` does not broadcast to the shape of `grad`.

    >>> sum_to_shape(np.ones((5, 2)), (2,))  # a bias, added to 5 rows
    array([5., 5.])
    >>> sum_to_shape(np.ones((5, 2)), (5, 1))
    array([[2.],
           [2.],
           [2.],
           [2.],
           [2.]])
    """
    new_axes = grad.ndim - len(shape)
    padded = (1,) * new_axes + shape
    if new_axes < 0 or any(size not in (1, g) for size, g in zip(padded, grad.shape, strict=True)):
        raise ValueError(f"{shape} does not broadcast to {grad.shape}: pass the input's own shape")
    stretched = tuple(i for i, size in enumerate(padded) if size == 1)
    return np.asarray(grad.sum(axis=stretched, keepdims=True)).reshape(shape)


def linear(
    x: Float[np.ndarray, "batch d_in"],
    weight: Float[np.ndarray, "d_out d_in"],
    bias: Float[np.ndarray, " d_out"],
) -> Float[np.ndarray, "batch d_out"]:
    """x weight^T + bias: each output is a weighted sum of the inputs, shifted.

    >>> linear(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]]), np.array([0.5, 0.0]))
    array([[11.5, 17. ]])
    """
    return x @ weight.T + bias


def linear_backward(
    grad: Float[np.ndarray, "batch d_out"],
    x: Float[np.ndarray, "batch d_in"],
    weight: Float[np.ndarray, "d_out d_in"],
) -> tuple[
    Float[np.ndarray, "batch d_in"], Float[np.ndarray, "d_out d_in"], Float[np.ndarray, " d_out"]
]:
    """Gradients with respect to x, weight and bias. Each has the shape of its own tensor.

    Source: Rumelhart et al. 1986, equations 6 and 7.

    >>> x, weight = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]])
    >>> linear_backward(np.array([[1.0, 10.0]]), x, weight)
    (array([[53., 64.]]), array([[ 1.,  2.],
           [10., 20.]]), array([ 1., 10.]))
    """
    grad_x = grad @ weight  # batch d_in
    grad_weight = grad.T @ x  # d_out d_in
    grad_bias = grad.sum(axis=0)  # d_out
    return grad_x, grad_weight, grad_bias


def relu(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Each number where it is above 0, else 0.

    >>> relu(np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 3.])
    """
    return np.maximum(x, 0)


def relu_backward(
    grad: Float[np.ndarray, "*shape"], x: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """The gradient passes where the input `x` of the ReLU was above 0, and stops elsewhere.

    >>> relu_backward(np.array([5.0, 5.0, 5.0]), np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 5.])
    """
    return grad * (x > 0)


def softmax(logits: Float[np.ndarray, "... classes"]) -> Float[np.ndarray, "... classes"]:
    """exp(logits), divided by its sum: positive numbers that add up to 1.

    The largest logit is subtracted first. That changes nothing in exact arithmetic and keeps exp
    from overflowing.

    >>> softmax(np.array([1e4, 1e4 + np.log(3.0)]))
    array([0.25, 0.75])
    """
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def cross_entropy(
    logits: Float[np.ndarray, "batch classes"], labels: Int[np.ndarray, " batch"]
) -> float:
    """The mean over the batch of -log softmax(logits)[label], in nats.

    The logarithm is taken before the exponential is rounded to 0, so that a label with a very
    small probability costs much, but never infinity.

    >>> round(cross_entropy(np.array([[0.0, np.log(3.0)]]), np.array([1])), 4)  # -log(3/4)
    0.2877
    >>> cross_entropy(np.array([[0.0, 1e4]]), np.array([0]))
    10000.0
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def cross_entropy_backward(
    logits: Float[np.ndarray, "batch classes"], labels: Int[np.ndarray, " batch"]
) -> Float[np.ndarray, "batch classes"]:
    """The gradient of `cross_entropy`: (softmax - one-hot label) / batch.

    >>> cross_entropy_backward(np.array([[0.0, np.log(3.0)]]), np.array([1]))
    array([[ 0.25, -0.25]])
    """
    grad = softmax(logits)
    grad[np.arange(len(labels)), labels] -= 1
    return grad / len(labels)


def mlp_forward(
    x: Float[np.ndarray, "batch d_in"], layers: Sequence[Layer]
) -> tuple[Float[np.ndarray, "batch classes"], list[tuple[np.ndarray, np.ndarray]]]:
    """The logits, and for each layer what went in and what came out before the ReLU.

    >>> one, zero = np.ones((1, 1)), np.zeros(1)
    >>> logits, saved = mlp_forward(np.array([[-2.0]]), [(one, zero), (one, zero + 7)])
    >>> logits, saved[0][1], saved[1][0]
    (array([[7.]]), array([[-2.]]), array([[0.]]))
    """
    saved = []
    for index, (weight, bias) in enumerate(layers):
        hidden = linear(x, weight, bias)  # batch d_out
        saved.append((x, hidden))
        x = relu(hidden) if index < len(layers) - 1 else hidden
    return x, saved


def mlp_backward(
    grad: Float[np.ndarray, "batch classes"],
    layers: Sequence[Layer],
    saved: Sequence[tuple[np.ndarray, np.ndarray]],
) -> list[Layer]:
    """Gradients of all weights and biases, in the order of the layers.

    `grad` belongs to the logits (`cross_entropy_backward`), `saved` comes from `mlp_forward`.
    Source: Rumelhart et al. 1986.

    >>> layers = [(np.array([[2.0]]), np.zeros(1)), (np.array([[5.0]]), np.zeros(1))]
    >>> logits, saved = mlp_forward(np.array([[3.0]]), layers)  # 5 relu(2 x)
    >>> mlp_backward(np.array([[1.0]]), layers, saved)
    [(array([[15.]]), array([5.])), (array([[6.]]), array([1.]))]
    """
    grads = []
    for index in reversed(range(len(layers))):
        x, hidden = saved[index]
        if index < len(layers) - 1:
            grad = relu_backward(grad, hidden)
        grad, grad_weight, grad_bias = linear_backward(grad, x, layers[index][0])
        grads.insert(0, (grad_weight, grad_bias))
    return grads


def sgd_step(layers: Sequence[Layer], grads: Sequence[Layer], learning_rate: float) -> list[Layer]:
    """New layers, one step downhill: each parameter minus learning_rate times its gradient.

    >>> layers, grads = [(np.eye(1), np.ones(1))], [(10 * np.eye(1), np.zeros(1))]
    >>> sgd_step(layers, grads, learning_rate=0.1)
    [(array([[0.]]), array([1.]))]
    """
    return [
        (weight - learning_rate * grad_weight, bias - learning_rate * grad_bias)
        for (weight, bias), (grad_weight, grad_bias) in zip(layers, grads, strict=True)
    ]


def init_layers(sizes: Sequence[int], rng: np.random.Generator) -> list[Layer]:
    """Layers of the given widths: normal weights of variance 2 / d_in, biases 0.

    That variance keeps the size of the activations the same from layer to layer under ReLU.
    Source: He et al. 2015b, equation 10.

    >>> [weight.shape for weight, bias in init_layers([64, 32, 10], np.random.default_rng(0))]
    [(32, 64), (10, 32)]
    """
    return [
        (rng.normal(0, (2 / d_in) ** 0.5, size=(d_out, d_in)), np.zeros(d_out))
        for d_in, d_out in zip(sizes, sizes[1:], strict=False)
    ]


def train_mlp(
    layers: Sequence[Layer],
    x: Float[np.ndarray, "examples d_in"],
    labels: Int[np.ndarray, " examples"],
    learning_rate: float,
    epochs: int,
    batch: int,
    rng: np.random.Generator,
) -> Iterator[tuple[float, list[Layer]]]:
    """Stochastic gradient descent: after every step, the loss before it and the new layers.

    Each epoch takes all examples once, in a new order. A learning rate that is too large lets the
    numbers overflow; then the losses become inf or NaN, without a warning, and stay so.

    >>> layers, x = [(np.zeros((2, 1)), np.zeros(2))], np.array([[1.0]])
    >>> rng = np.random.default_rng(0)
    >>> steps = train_mlp(layers, x, np.array([0]), 0.1, epochs=3, batch=1, rng=rng)
    >>> [round(loss, 3) for loss, layers in steps]  # from ln 2 downwards
    [0.693, 0.598, 0.521]
    """
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch):
            chosen = order[start : start + batch]
            with np.errstate(over="ignore", invalid="ignore"):  # divergence is a result here
                logits, saved = mlp_forward(x[chosen], layers)
                loss = cross_entropy(logits, labels[chosen])
                grad = cross_entropy_backward(logits, labels[chosen])
                layers = sgd_step(layers, mlp_backward(grad, layers, saved), learning_rate)
            yield loss, layers


def learning_rate_sweep(
    layers: Sequence[Layer],
    x: Float[np.ndarray, "examples d_in"],
    labels: Int[np.ndarray, " examples"],
    learning_rates: Sequence[float],
    steps: int,
) -> list[float]:
    """The loss after `steps` steps on all examples at once, for each learning rate.

    Every rate begins anew from the same `layers`. Numbers that overflowed count as inf.

    >>> layers, x = [(np.zeros((2, 1)), np.zeros(2))], np.array([[1.0], [2.0]])
    >>> losses = learning_rate_sweep(layers, x, np.array([0, 1]), [0.0, 0.1, 50.0], steps=10)
    >>> [round(loss, 2) for loss in losses]  # ln 2 stays; better; worse than at the start
    [0.69, 0.63, 12.5]
    """
    losses = []
    for learning_rate in learning_rates:
        rng = np.random.default_rng(0)  # the order within a batch of all examples is of no account
        *_, (_, trained) = train_mlp(layers, x, labels, learning_rate, steps, len(x), rng)
        with np.errstate(over="ignore", invalid="ignore"):
            loss = cross_entropy(mlp_forward(x, trained)[0], labels)
        losses.append(loss if np.isfinite(loss) else float("inf"))
    return losses
