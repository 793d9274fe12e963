"""neural_networks/linear_backward: the gradients of one layer."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.neural_networks.draw import normal

LINK = "neural-networks-matrix"


def cases(rng: np.random.Generator) -> list[Case]:
    """Sizes of their own, sizes of 1 in each place, and all sizes equal."""
    drawn = [
        ("a batch of 7, 5 inputs and 3 outputs", 7, 5, 3, "plain"),
        ("a batch of one", 1, 5, 3, "batch of one"),
        ("one input", 7, 1, 3, "one input"),
        ("one output", 7, 5, 1, "one output"),
        ("as many outputs as inputs", 7, 5, 5, "square"),
        ("a batch of 5, 5 inputs and 5 outputs", 5, 5, 5, "all equal"),
    ]
    found = [
        Case(says, _inputs(rng, batch, d_in, d_out), name=name)
        for says, batch, d_in, d_out, name in drawn
    ]
    plain = found[0].inputs
    doubled = {name: np.concatenate([plain[name]] * 2) for name in ("grad", "x")}
    doubled["weight"] = plain["weight"]
    return [*found, Case("the same batch twice over", doubled, name="doubled")]


def _inputs(rng, batch: int, d_in: int, d_out: int) -> dict[str, np.ndarray]:
    x, weight = normal(rng, batch, d_in), normal(rng, d_out, d_in)
    return {"grad": normal(rng, batch, d_out), "x": x, "weight": weight}


# --- right in other ways ---------------------------------------------------------------------


def with_einsum(grad, x, weight):
    """Every product by its axes."""
    return (
        np.einsum("bo,oi->bi", grad, weight),
        np.einsum("bo,bi->oi", grad, x),
        np.einsum("bo->o", grad),
    )


def example_by_example(grad, x, weight):
    """A loop over the batch: outer products that add up."""
    grad_x = np.zeros(x.shape)
    grad_weight, grad_bias = np.zeros(weight.shape), np.zeros(len(weight))
    for i in range(len(x)):
        grad_x[i] = weight.T @ grad[i]
        grad_weight += np.outer(grad[i], x[i])
        grad_bias += grad[i]
    return grad_x, grad_weight, grad_bias


def by_broadcasting(grad, x, weight):
    """Products of all pairs, then sums."""
    grad_weight = (grad[:, :, None] * x[:, None, :]).sum(axis=0)
    grad_x = (grad[:, :, None] * weight[None]).sum(axis=1)
    return grad_x, grad_weight, np.ones(len(grad)) @ grad


# --- wrong in known ways -----------------------------------------------------------------------

X = "grad_x = grad @ weight  #"
WEIGHT = "grad_weight = grad.T @ x  #"
BIAS = "grad_bias = grad.sum(axis=0)  #"
RETURN = "return grad_x, grad_weight, grad_bias"

MISCONCEPTIONS = (
    Misconception(
        "bias-not-summed",
        "The bias gets the gradient of every example by itself. One bias was added to all of them, "
        "so what comes back over the batch adds up to one number for each output.",
        LINK,
        {BIAS: "grad_bias = grad  #"},
    ),
    Misconception(
        "bias-averaged",
        "The bias gets the mean over the batch. Nothing is divided here: if the loss is a mean, "
        "the gradient that came in has been divided already.",
        LINK,
        {BIAS: "grad_bias = grad.mean(axis=0)  #"},
    ),
    Misconception(
        "bias-summed-over-outputs",
        "The bias's gradient is summed over the outputs. It belongs to the outputs, one number for "
        "each; the sum goes over the examples.",
        LINK,
        {BIAS: "grad_bias = grad.sum(axis=1)  #"},
    ),
    Misconception(
        "bias-keeps-an-axis",
        "The bias's gradient has the right numbers and one axis too many: its shape is that of the "
        "bias, d_out alone.",
        LINK,
        {BIAS: "grad_bias = grad.sum(axis=0, keepdims=True)  #"},
    ),
    Misconception(
        "bias-in-one-number",
        "The bias's gradient is a single number, the sum over examples and outputs. Each output "
        "has a bias of its own.",
        LINK,
        {BIAS: "grad_bias = grad.sum()  #"},
    ),
    Misconception(
        "weight-transposed",
        "The weight's gradient has its axes exchanged: it lies as d_in by d_out. A gradient has "
        "the shape of its own array, and the weight lies as d_out by d_in.",
        LINK,
        {WEIGHT: "grad_weight = x.T @ grad  #"},
    ),
    Misconception(
        "weight-not-summed",
        "The weight's gradient is kept for every example by itself, with a batch axis in front. "
        "One weight served them all: sum over the batch.",
        LINK,
        {WEIGHT: "grad_weight = grad[:, :, None] * x[:, None, :]  #"},
    ),
    Misconception(
        "weight-averaged",
        "The weight's gradient is divided by the batch. The mean belongs to the loss, and its "
        "factor has come in with the gradient.",
        LINK,
        {WEIGHT: "grad_weight = grad.T @ x / len(x)  #"},
    ),
    Misconception(
        "parameters-averaged",
        "The gradients of weight and bias are divided by the batch. Here both are sums over the "
        "examples: if the loss is a mean, its gradient has been divided before it came in.",
        LINK,
        {
            WEIGHT: "grad_weight = grad.T @ x / len(x)  #",
            BIAS: "grad_bias = grad.mean(axis=0)  #",
        },
    ),
    Misconception(
        "transposed-on-the-way-down",
        "The gradient goes down through the transpose of the weight. Forward the layer uses "
        "weight.T, so that backward it is the weight itself; the shapes say it, unless it is "
        "square.",
        LINK,
        {X: "grad_x = grad @ weight.T  #"},
    ),
    Misconception(
        "input-in-place-of-the-weight",
        "What goes down to x is made with x itself, by an element-wise product of sums. How much "
        "an input counts is said by the weight.",
        LINK,
        {X: "grad_x = grad.sum(axis=1, keepdims=True) * x  #"},
    ),
    Misconception(
        "weight-without-the-input",
        "The weight's gradient does not depend on x. A weight counts as much as the input that it "
        "multiplies.",
        LINK,
        {WEIGHT: "grad_weight = grad.sum(axis=0)[:, None] + np.zeros(weight.shape)  #"},
    ),
    Misconception(
        "handed-down-as-it-is",
        "What goes down to x is the incoming gradient itself, d_out numbers for each example. x "
        "has d_in: each input reached the outputs through the weight.",
        LINK,
        {X: "grad_x = grad  #"},
    ),
    Misconception(
        "weight-gets-the-incoming-gradient",
        "The weight's gradient is the incoming gradient turned round, one column an example. It "
        "has to meet x and be summed over the batch.",
        LINK,
        {WEIGHT: "grad_weight = grad.T  #"},
    ),
    Misconception(
        "gradient-meets-itself",
        "The weight's gradient is made of the incoming gradient twice. What a weight multiplied "
        "was x: that is what the gradient has to meet.",
        LINK,
        {WEIGHT: "grad_weight = grad.T @ grad  #"},
    ),
    Misconception(
        "input-meets-itself",
        "The weight's gradient is made of x twice, so that the incoming gradient has no say in it.",
        LINK,
        {WEIGHT: "grad_weight = x.T @ x  #"},
    ),
    Misconception(
        "results-in-another-order",
        "The three results are right, but weight and x have changed places: first x, then the "
        "weight, then the bias.",
        LINK,
        {RETURN: "return grad_weight, grad_x, grad_bias"},
    ),
    Misconception(
        "parameters-first",
        "The three results are right, but in another order: x comes first, then weight, then bias.",
        LINK,
        {RETURN: "return grad_weight, grad_bias, grad_x"},
    ),
    Misconception(
        "minus-for-downhill",
        'All three have the wrong sign. These are the gradients; the minus of "downhill" comes '
        "later, in the step.",
        "neural-networks-step",
        {RETURN: "return -grad_x, -grad_weight, -grad_bias"},
    ),
)


def twice_the_batch_twice_the_gradient(once, twice) -> bool:
    """The parameters' gradients are sums over the examples."""
    return all(np.allclose(2 * a, b, atol=1e-6) for a, b in zip(once[1:], twice[1:], strict=True))


EXERCISE = Exercise(
    id="neural_networks/linear_backward",
    callable="linear_backward",
    title="One layer, backwards",
    parts={"all": 3},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    arrays="numpy",
    misconceptions=MISCONCEPTIONS,
    equivalent={"`axis=-2` for `axis=0`": "the same axis of two"},
    alternatives=(with_einsum, example_by_example, by_broadcasting),
    properties=(
        Property(
            "sums-over-the-batch",
            "The same batch twice over does not double the gradients of weight and bias. They are "
            "sums over the examples.",
            LINK,
            ("plain", "doubled"),
            twice_the_batch_twice_the_gradient,
        ),
    ),
)
