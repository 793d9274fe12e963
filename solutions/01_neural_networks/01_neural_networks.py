# %% [markdown]
# # Exercises: Neural networks
#
# In this notebook you write what trains a neural network: the gradients of numbers, of layers and
# of a whole network, and the loss they start from. At the end your own backward pass learns to
# read handwritten digits. Plan a little over two hours; every exercise says how long it takes.
# Numbers 4, 8 and 9 go with the chapter's second reading.
#
# **How checking works.** Replace `raise NotImplementedError()` by your code, run the cell, then
# run the `check` cell below it. The verdict comes within a second: right, or what goes wrong and
# where. Where your answer shows a known misunderstanding, the verdict says which one and links to
# the section that clears it up. The inputs are new each time, and you can check as often as you
# like. Demonstration cells use your functions. While one is missing, they say so and go on.
#
# **How to read a signature.** `Float[np.ndarray, "batch d_in"]` is an array of floats whose axes
# have these names. Nothing checks these words while you work: they are there for you. All arrays
# are NumPy arrays of float64. No function may change the arrays it is given.

# %% tags=["setup"]
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Int

from grading import check, demonstration, question

np.set_printoptions(precision=3, suppress=True)


class Node:
    """A number and how it was computed: from `parents`, with a derivative by each of them."""

    def __init__(
        self,
        data: int | float,
        parents: tuple["Node", ...] = (),
        local_grads: tuple[int | float, ...] = (),
    ) -> None:
        self.data = float(data)
        self.grad = 0.0
        self.parents = parents
        self.local_grads = local_grads  # d self / d parent, one for each parent

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.data:g}, grad={self.grad:g})"


# %% [markdown]
# ## 1. Hinges through points
#
# {{neural_networks/fit_hinges}}
#
# A hinge is 0 up to its knot and rises with slope 1 from there. One hinge at every knot but the
# last, times the right weights, goes through all points. The check also asks for the `ValueError`
# that the docstring promises.
#
# <details><summary>Hint</summary>
#
# First the slope of every piece. The weight of a hinge is what its knot adds to the slope so far;
# before the first knot the slope is 0. `np.diff` has an argument `prepend`.
#
# </details>

# %% exercise="neural_networks/fit_hinges"
from reference_impl.neural_networks.hinge import fit_hinges

# %% [markdown]
# Your hinges on the sine. How does the error change when their number doubles?

# %% tags=["demo"]
with demonstration():
    x = np.linspace(-3, 3, 601)
    for n_hinges in (4, 8, 16, 32):
        knots = np.linspace(-3, 3, n_hinges + 1)
        ramps = np.maximum(x[:, None] - knots[:-1], 0)  # points hinges
        drawn = np.sin(-3) + ramps @ fit_hinges(knots, np.sin(knots))
        print(f"{n_hinges:2} hinges: largest error {abs(drawn - np.sin(x)).max():.4f}")

# %% [markdown]
# ## 2. Parents first
#
# {{neural_networks/topological_order}}
#
# A node may pass its gradient on only when everything made from it has. So put the nodes in an
# order in which parents come before what is made of them. Many orders are right: the check walks
# back in yours and looks at the gradients that come out, and at how often each node is listed. One
# point is for graphs that are thousands of levels deep, where a function that calls itself once a
# level is stopped by Python.
#
# <details><summary>Hint</summary>
#
# Begin with a function that calls itself: visit a node's parents, then append the node. Remember
# which nodes you have entered.
#
# </details>
# <details><summary>Hint 2, for the deep graphs</summary>
#
# Keep a list of what is still to do. A node comes up twice: the first time you put it back, marked,
# and its parents on top; the second time its parents are done.
#
# </details>

# %% exercise="neural_networks/topological_order"
from reference_impl.neural_networks.autograd import topological_order

# %% [markdown]
# The graph of the chapter: L = (w x + b) · (w x). Is every node behind its parents?

# %% tags=["demo"]
with demonstration():
    w, x, b = Node(2), Node(3), Node(1)
    p = Node(6, (w, x), (3, 2))
    s = Node(7, (p, b), (1, 1))
    loss = Node(42, (s, p), (6, 7))
    names = {w: "w", x: "x", b: "b", p: "p", s: "s", loss: "L"}
    print([names[node] for node in topological_order(loss)])

# %% [markdown]
# ## 3. Numbers that know their gradients
#
# {{neural_networks/value}}
#
# `Node` above only stores. Your `Value` computes: each operation returns a new `Value` with its
# number, its parents and the local derivative by each parent. Both sides of `+` and `*` are Values;
# an exponent is a plain number. `backward` walks back once, with your `topological_order`. It adds
# to `grad`, so that a leaf that serves in two results collects from both.
#
# <details><summary>Hint</summary>
#
# `Value(data, parents, local_grads)`: for a sum of `a` and `b` the last two are `(a, b)` and
# `(1.0, 1.0)`. With one parent they are `(a,)` and `(slope,)`: the comma makes the tuple. The
# chapter has a table of the others.
#
# </details>
# <details><summary>Hint 2, for backward</summary>
#
# The derivative of a result by itself is 1. Go through the order from its end: every parent gets
# something *added*, which is a product of two numbers that you have.
#
# </details>


# %% exercise="neural_networks/value"
class Value(Node):
    """A node with arithmetic: what is computed from Values is a Value and knows its derivatives.

    Both sides of `+` and `*` are Values; the exponent of `**` is a plain number.

    >>> x = Value(3.0)
    >>> y = x * x + x  # dy/dx = 2 x + 1
    >>> y.backward()
    >>> y.data, x.grad
    (12.0, 7.0)
    """

    def __add__(self, other: "Value") -> "Value":
        """The sum of two Values."""
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: "Value") -> "Value":
        """The product of two Values."""
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, exponent: int | float) -> "Value":
        """Self to the power of a plain number."""
        slope = exponent * self.data ** (exponent - 1)
        return Value(self.data**exponent, (self,), (slope,))

    def tanh(self) -> "Value":
        """The hyperbolic tangent, `np.tanh` of the number."""
        data = np.tanh(self.data)
        return Value(data, (self,), (1 - data**2,))

    def backward(self) -> None:
        """Add to the `grad` of every node below this one the derivative of self by it.

        Call it once for each result. Leaves keep adding up over several results.
        """
        self.grad = 1.0
        for node in reversed(topological_order(self)):
            for parent, local_grad in zip(node.parents, node.local_grads, strict=True):
                parent.grad += local_grad * node.grad


# %% [markdown]
# The six nodes of the chapter, and then one unit of a network, tanh(w x + b), that learns: 40 steps
# downhill from w = 1, b = 0 towards an output of 0.5 for the input 2. What would happen without the
# line that sets the gradients to 0? Guess, then take it out and run the cell again.

# %% tags=["demo"]
with demonstration():
    w, x, b = Value(2), Value(3), Value(1)
    p = w * x
    loss = (p + b) * p
    loss.backward()
    print("w", w.grad, " x", x.grad, " b", b.grad, " (in the chapter: 39, 26, 6)")

    w, b = Value(1), Value(0)
    for _ in range(40):
        w.grad = b.grad = 0.0
        output = (w * Value(2) + b).tanh()
        loss = (output + Value(-0.5)) ** 2
        loss.backward()
        w.data -= 0.1 * w.grad
        b.data -= 0.1 * b.grad
    print(f"output after 40 steps: {output.data:.3f}, wanted 0.5")

# %% [markdown]
# ## 4. A gradient by nudging
#
# {{neural_networks/numerical_gradient}}
#
# This is slow, and hard to get wrong, so it is what other gradients are checked against. Move one
# number at a time, up and down, and see what the function does. The check uses arrays with any
# number of axes, and steps large enough to tell the two-sided difference from the one-sided.
#
# <details><summary>Hint</summary>
#
# `np.ndindex(x.shape)` goes through all indices of an array of any shape. Make the two moved arrays
# anew for each index.
#
# </details>

# %% exercise="neural_networks/numerical_gradient"
from reference_impl.neural_networks.array_autograd import numerical_gradient

# %% [markdown]
# The error against the step, for the sum of exp(x). It falls with the square of the step; then
# rounding takes over, for the difference of two nearly equal numbers has few digits left.

# %% tags=["demo"]
with demonstration():
    point = np.array([0.5, 1.0])
    for step in (1e-1, 1e-3, 1e-5, 1e-7, 1e-9, 1e-11):
        nudged = numerical_gradient(lambda x: float(np.exp(x).sum()), point, step)
        print(f"step {step:.0e}: error {abs(nudged - np.exp(point)).max():.1e}")

# %% [markdown]
# ## 5. One layer, backwards
#
# {{neural_networks/linear_backward}}
#
# A layer computes `x @ weight.T + bias`. You are given the gradient of the loss by its output, of
# shape `batch d_out`. Hand it on to everything that went in.
#
# <details><summary>Hint</summary>
#
# Each result has the shape of its own array: find the product that gives it. A weight and a bias
# served every example of the batch, so what comes back over all examples adds up. Do not divide by
# anything: if the loss is a mean, its gradient has been divided already.
#
# </details>

# %% exercise="neural_networks/linear_backward"
from reference_impl.neural_networks.mlp import linear_backward

# %% [markdown]
# Your gradient of one number of the weight beside a nudge of it, for the loss "sum of squares of
# the outputs": the change of the loss from below to above, divided by both steps together.

# %% tags=["demo"]
with demonstration():
    rng = np.random.default_rng(1)
    x, weight, bias = rng.normal(size=(4, 3)), rng.normal(size=(2, 3)), rng.normal(size=2)
    _, grad_weight, _ = linear_backward(2 * (x @ weight.T + bias), x, weight)
    losses = []
    for nudge in (-1e-5, 1e-5):
        moved = weight.copy()
        moved[0, 1] += nudge
        losses.append(((x @ moved.T + bias) ** 2).sum())
    print(f"yours {grad_weight[0, 1]:.4f}, nudged {(losses[1] - losses[0]) / 2e-5:.4f}")

# %% [markdown]
# ## 6. Softmax and cross-entropy
#
# {{neural_networks/cross_entropy}}
#
# From the scores of a batch to the loss and to the gradient that starts the walk back. Ordinary
# scores earn two points; scores in the thousands, where the plain formula gives infinity or NaN,
# the third.
#
# <details><summary>Hint</summary>
#
# Take the largest score of each row away first. Then compute the *logarithms* of the
# probabilities, without a logarithm of a probability.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `log_p[np.arange(len(labels)), labels]` picks one entry of each row. The gradient by the scores is
# the probability, less 1 at the label, and the loss is a mean.
#
# </details>


# %% exercise="neural_networks/cross_entropy"
def cross_entropy(
    logits: Float[np.ndarray, "batch classes"], labels: Int[np.ndarray, " batch"]
) -> tuple[float, Float[np.ndarray, "batch classes"]]:
    """The mean over the batch of -log softmax(logits)[label], in nats, and its gradient.

    The gradient is that by the logits and has their shape. Logits of any size give finite numbers.

    >>> loss, grad = cross_entropy(np.array([[0.0, np.log(3.0)]]), np.array([1]))
    >>> round(loss, 4), grad  # probabilities 1/4 and 3/4
    (0.2877, array([[ 0.25, -0.25]]))
    >>> cross_entropy(np.array([[0.0, 1000.0]]), np.array([0]))
    (1000.0, array([[-1.,  1.]]))
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)  # batch classes
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))  # batch classes
    rows = np.arange(len(labels))
    loss = -log_p[rows, labels].mean()
    grad = np.exp(log_p)  # batch classes
    grad[rows, labels] -= 1
    return float(loss), grad / len(labels)


# %% [markdown]
# Scores of ten classes that know nothing: what loss do you expect, before you run it?

# %% tags=["demo"]
with demonstration():
    loss, grad = cross_entropy(np.zeros((2, 10)), np.array([3, 7]))
    print(f"loss {loss:.4f}; the gradient's row for label 3:", grad[0])

# %% [markdown]
# ## 7. The whole network
#
# {{neural_networks/mlp_gradients}}
#
# Put the pieces together: forward through all layers, with a ReLU between two layers and none
# after the last; the loss; and back again, with your `linear_backward`. The result has a pair of
# gradients for each pair of parameters, in the same order. A network of one layer, which has no
# ReLU, earns a point of its own.
#
# <details><summary>Hint</summary>
#
# Keep what goes into each layer in a list. On the way back, `linear_backward` gives three things:
# two are results, the third goes on to the layer below.
#
# </details>
# <details><summary>Hint 2</summary>
#
# What goes into any layer but the first came out of a ReLU. It is above 0 exactly where the ReLU
# let something through.
#
# </details>


# %% exercise="neural_networks/mlp_gradients"
def mlp_gradients(
    x: Float[np.ndarray, "batch d_in"],
    labels: Int[np.ndarray, " batch"],
    layers: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[float, list[tuple[np.ndarray, np.ndarray]]]:
    """The cross-entropy of a multilayer perceptron, and its gradients by all parameters.

    A layer is a pair (weight, bias) and computes x @ weight.T + bias. Between two layers stands a
    ReLU. The gradients are a list of pairs (grad_weight, grad_bias), in the order of the layers.

    >>> layers = [(np.array([[2.0]]), np.zeros(1)), (np.array([[1.0], [1.0]]), np.zeros(2))]
    >>> loss, grads = mlp_gradients(np.array([[3.0]]), np.array([0]), layers)  # logits 6 and 6
    >>> round(loss, 4), grads[1][0].tolist(), grads[0][0].tolist()
    (0.6931, [[-3.0], [3.0]], [[0.0]])
    """
    inputs = []
    for index, (weight, bias) in enumerate(layers):
        if index > 0:
            x = np.maximum(x, 0)
        inputs.append(x)
        x = x @ weight.T + bias  # batch d_out
    loss, grad = cross_entropy(x, labels)
    grads = []
    for index in reversed(range(len(layers))):
        grad, grad_weight, grad_bias = linear_backward(grad, inputs[index], layers[index][0])
        grads.insert(0, (grad_weight, grad_bias))
        grad = grad * (inputs[index] > 0)  # of use to the layer below alone
    return loss, grads


# %% [markdown]
# Now real digits. Your gradients train a network of 64 hidden units, in batches of 32, on people
# whose digits come first in scikit-learn's file. It is tested on people who come later. Below are
# some that it names wrongly: would you have read them?

# %% tags=["demo"]
from sklearn.datasets import load_digits

digits = load_digits()
images, labels = digits.data / 16, digits.target  # examples 64, examples
CUT = 1415  # a new writer begins here


def digits_named(layers, images):
    """For each image the digit with the largest logit."""
    x = images
    for index, (weight, bias) in enumerate(layers):
        x = (np.maximum(x, 0) if index else x) @ weight.T + bias
    return x.argmax(axis=1)


def train(images, labels, epochs=60, learning_rate=0.3, batch=32, seed=0):
    """Stochastic gradient descent with your gradients; stops when the loss is no number."""
    rng = np.random.default_rng(seed)
    layers = [
        (rng.normal(0, (2 / d_in) ** 0.5, (d_out, d_in)), np.zeros(d_out))
        for d_in, d_out in [(64, 64), (64, 10)]
    ]
    for epoch in range(epochs):
        for rows in np.array_split(rng.permutation(len(labels)), len(labels) // batch):
            loss, grads = mlp_gradients(images[rows], labels[rows], layers)
            if not np.isfinite(loss):
                raise ValueError(f"the loss is {loss} in epoch {epoch}: it has diverged")
            layers = [
                (w - learning_rate * grad_w, b - learning_rate * grad_b)
                for (w, b), (grad_w, grad_b) in zip(layers, grads, strict=True)
            ]
        if epoch % 20 == 19:
            print(f"epoch {epoch + 1}: loss of the last batch {loss:.4f}")
    return layers


# %% tags=["demo"]
with demonstration():
    network = train(images[:CUT], labels[:CUT])
    said = digits_named(network, images)
    print(f"people it has seen:     {(said == labels)[:CUT].mean():.1%}")
    print(f"people it has not seen: {(said == labels)[CUT:].mean():.1%}")

    wrong = CUT + np.flatnonzero((said != labels)[CUT:])[:8]
    figure, panels = plt.subplots(1, 8, figsize=(7, 1.4))
    for panel, i in zip(panels, wrong, strict=False):
        panel.imshow(images[i].reshape(8, 8), cmap="Greys")
        panel.set_title(f"{labels[i]}, said {said[i]}", fontsize=8)
    for panel in panels:
        panel.axis("off")
    plt.show()

# %% [markdown]
# ## 8. The planted fault
#
# {{neural_networks/planted_fault}}
#
# Somebody else wrote `mlp_gradients`, with one fault. You do not see their code. You see a small
# network, a batch, and the gradients they got: `shown["gradients"]`, in the form of yours. Which of
# the faults in `shown["faults"]` is it? Everybody gets another network and another order of the
# letters. `shown["loss"]` is the right loss.
#
# Find out in the next cell, then return the letter itself.
#
# <details><summary>Hint</summary>
#
# Compare array by array with the right gradients (yours, or nudged ones). Which arrays are right?
# Where one is wrong, what is the ratio, number by number?
#
# </details>

# %% tags=["demo"]
with demonstration():
    shown = question("neural_networks/planted_fault")
    for letter, fault in shown["faults"].items():
        print(f"{letter}: {fault}")
    _, right = mlp_gradients(shown["x"], shown["labels"], shown["layers"])
    for i, (theirs, yours) in enumerate(zip(shown["gradients"], right, strict=True)):
        for name, a, b in zip(("weight", "bias"), theirs, yours, strict=True):
            print(f"layer {i} {name:6}: largest difference {abs(a - b).max():.3f}")


# %% exercise="neural_networks/planted_fault"
def planted_fault() -> str:
    """The letter of the fault, one of the keys of `shown["faults"]`."""
    return "E"


# %% [markdown]
# ## 9. The largest learning rate
#
# {{neural_networks/largest_learning_rate}}
#
# For least squares you can say beforehand where gradient descent begins to diverge. The loss is
# half the mean over the examples of the squared error of `x @ weight`.
#
# <details><summary>Hint</summary>
#
# The curvature is the matrix `x.T @ x` divided by the number of examples.
# `np.linalg.eigvalsh` gives the eigenvalues of a symmetric matrix, the largest one last.
#
# </details>

# %% exercise="neural_networks/largest_learning_rate"
from reference_impl.neural_networks.least_squares import largest_learning_rate

# %% [markdown]
# Predict, then measure: 300 steps on the digits, a little below your rate and a little above it.

# %% tags=["demo"]
with demonstration():
    x, targets = images[:CUT], np.eye(10)[labels[:CUT]]
    rate = largest_learning_rate(x)
    print(f"your prediction: {rate:.4f}")
    for share in (0.5, 0.98, 1.02):
        weight = np.zeros((64, 10))
        for _ in range(300):
            weight = weight - share * rate * x.T @ (x @ weight - targets) / len(x)
        loss = ((x @ weight - targets) ** 2).sum(axis=1).mean() / 2
        print(f"{share:.2f} of it: loss 0.5 -> {loss:.4g}")

# %% [markdown]
# ## 10. Which curve is which?
#
# {{neural_networks/match_learning_rates}}
#
# Five runs of one network on the same data, from the same start, with five learning rates.
# `runs["rates"]` has the rates, the smallest first; `runs["curves"]` has the loss before each step
# of every run, by letter. Return the letters in the order of the rates, as one word such as
# "ABCDE". Everybody gets other runs.
#
# <details><summary>Hint</summary>
#
# Sort out the extremes first: the run that has hardly moved, and the one that begins with the
# largest jump. A run that lies still at the loss of "knows nothing", ln(classes), need not be a
# slow one: look at its first steps.
#
# </details>

# %% tags=["demo"]
with demonstration():
    runs = question("neural_networks/match_learning_rates")
    print("rates", runs["rates"], f"  ln(classes) = {np.log(runs['classes']):.2f}")
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for letter, curve in runs["curves"].items():
        axes.plot(curve, label=letter)
        print(letter, "first losses", np.round(curve[:4], 2), "last", np.round(curve[-1], 3))
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.legend()
    plt.show()


# %% exercise="neural_networks/match_learning_rates"
def match_learning_rates() -> str:
    """The letters of the curves, that of the smallest learning rate first: "ABCDE"."""
    return "BEDAC"


# %% [markdown]
# You have written what trains every network, also the one at the end of this course: a graph,
# walked back once, whose gradients add up. Ten exercises, 34 points. Next comes unit 2, text before
# transformers: what such networks could do with words, and what they could not.
