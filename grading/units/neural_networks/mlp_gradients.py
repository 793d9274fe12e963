"""neural_networks/mlp_gradients: loss and gradients of a whole network."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.neural_networks.draw import layers, log_softmax, normal

ONE, MORE = "one layer", "more layers"
RELU, MATRIX = "neural-networks-relu", "neural-networks-matrix"


def cases(rng: np.random.Generator) -> list[Case]:
    """One layer to four, a batch of one, square layers, and a unit that is always off."""
    drawn = [
        ("one layer", (5, 3), 7, ONE, "one layer"),
        ("one layer and one example", (5, 3), 1, ONE, "one of one"),
        ("two layers", (5, 11, 3), 7, MORE, "two"),
        ("two layers and one example", (5, 11, 3), 1, MORE, "two, one example"),
        ("three layers", (2, 7, 5, 3), 11, MORE, "three"),
        ("four layers of equal width", (5, 5, 5, 5, 5), 7, MORE, "square"),
    ]
    found = [
        Case(says, _inputs(rng, sizes, batch), part, name=name)
        for says, sizes, batch, part, name in drawn
    ]
    dead = _inputs(rng, (5, 7, 3), 11)
    dead["layers"][0][1][2] = -100.0  # unit 2 is off for every example
    found.append(Case("a hidden unit that is off for all examples", dead, MORE, name="dead"))
    two = found[2].inputs
    more = {**two, "layers": [two["layers"][0], (two["layers"][1][0], two["layers"][1][1] + 3)]}
    found.append(Case("two layers, all last biases 3 higher", more, MORE, name="raised"))
    return found


def _inputs(rng, sizes, batch: int) -> dict:
    labels = rng.integers(sizes[-1], size=batch).astype(np.int64)
    return {"x": normal(rng, batch, sizes[0]), "labels": labels, "layers": layers(rng, sizes)}


# --- right in other ways ---------------------------------------------------------------------


def _loss(z, labels):
    rows = np.arange(len(labels))
    return float(-log_softmax(z)[rows, labels].mean())


def _start(z, labels):
    return (np.exp(log_softmax(z)) - np.eye(z.shape[1])[labels]) / len(labels)


def calls_itself(x, labels, layers):
    """The first layer, then the rest of the network as a function of its own."""

    def rest(x, layers):
        (weight, bias), *above = layers
        hidden = x @ weight.T + bias
        if above:
            loss, grads, grad = rest(np.where(hidden > 0, hidden, 0), above)
            grad = np.where(hidden > 0, grad, 0)
        else:
            loss, grads, grad = _loss(hidden, labels), [], _start(hidden, labels)
        return loss, [(grad.T @ x, grad.sum(0)), *grads], grad @ weight

    return rest(x, list(layers))[:2]


def before_and_after(x, labels, layers):
    """Keeps what stands before every ReLU; einsum backwards; results turned round at the end."""
    before, after = [], [x]
    for weight, bias in layers:
        before.append(np.einsum("bi,oi->bo", after[-1], weight) + bias)
        after.append(before[-1] * (before[-1] > 0))
    grad, results = _start(before[-1], labels), []
    for i in range(len(layers) - 1, -1, -1):
        results.append((np.einsum("bo,bi->oi", grad, after[i]), np.einsum("bo->o", grad)))
        if i > 0:
            grad = np.einsum("bo,oi->bi", grad, layers[i][0]) * (before[i - 1] > 0)
    return _loss(before[-1], labels), results[::-1]


def by_torch(x, labels, layers):
    """PyTorch's autograd."""
    import torch

    leaves = [[torch.tensor(array, requires_grad=True) for array in pair] for pair in layers]
    hidden = torch.tensor(x)
    for i, (weight, bias) in enumerate(leaves):
        hidden = torch.nn.functional.linear(hidden.relu() if i else hidden, weight, bias)
    loss = torch.nn.functional.cross_entropy(hidden, torch.tensor(labels))
    loss.backward()
    return loss.item(), [(weight.grad.numpy(), bias.grad.numpy()) for weight, bias in leaves]


# --- wrong in known ways -----------------------------------------------------------------------

ACTIVATE = "        if index > 0:\n            x = np.maximum(x, 0)\n        inputs.append(x)\n"
OUT = "x = x @ weight.T + bias"
MASK = "grad = grad * (inputs[index] > 0)"
MASK_INSIDE = f"if index > 0:\n            {MASK}"
BACK = "grad, grad_weight, grad_bias = linear_backward(grad, inputs[index], layers[index][0])"
KEEP = "grads.insert(0, (grad_weight, grad_bias))"
BIAS_LAST = (
    "x = x @ weight.T\n        x = (np.maximum(x, 0) if index < len(layers) - 1 else x) + bias"
)
ORDER = "for index in reversed(range(len(layers))):"

MISCONCEPTIONS = (
    Misconception(
        "relu-forgotten-on-the-way-back",
        "Forward all is right, and so are the last layer's gradients. On the way down the gradient "
        "passes the ReLUs as if they were not there: it stops where their input was not above 0. "
        "A mask with `>= 0` stops nothing.",
        RELU,
        {MASK: "pass"},
    ),
    Misconception(
        "no-relu-at-all",
        "The layers stand on each other without a ReLU between, which makes them one layer; the "
        "gradients fit that. Between two layers stands a ReLU, forward and backward.",
        RELU,
        {"            x = np.maximum(x, 0)": "            pass", MASK: "pass"},
    ),
    Misconception(
        "relu-backward-alone",
        "Forward there is no ReLU, and on the way back there is: the two do not belong to the same "
        "function.",
        RELU,
        {"            x = np.maximum(x, 0)": "            pass"},
    ),
    Misconception(
        "relu-after-the-last-layer",
        "The last layer's scores go through a ReLU too. Logits may be negative: the softmax needs "
        "no help, and a score that is cut off cannot learn.",
        RELU,
        {
            ACTIVATE: "        inputs.append(x)\n",
            OUT: "x = np.maximum(x @ weight.T + bias, 0)",
            ORDER: "grad = grad * (x > 0)\n    " + ORDER,
        },
    ),
    Misconception(
        "relu-after-the-last-layer-forward",
        "Forward, the last layer's scores go through a ReLU; backward, they do not. No ReLU stands "
        "behind the last layer: the softmax takes the scores as they are.",
        RELU,
        {ACTIVATE: "        inputs.append(x)\n", OUT: "x = np.maximum(x @ weight.T + bias, 0)"},
    ),
    Misconception(
        "relu-on-the-input",
        "The input itself goes through a ReLU before the first layer. A ReLU stands between two "
        "layers only; negative inputs count.",
        RELU,
        {"        if index > 0:\n": "        if True:\n"},
    ),
    Misconception(
        "mask-of-the-gradient",
        "The gradient is passed on where the *gradient* is above 0. What decides is the input of "
        "the ReLU on the way forward.",
        RELU,
        {MASK: "grad = grad * (grad > 0)"},
    ),
    Misconception(
        "mask-inverted",
        "The gradient passes where the ReLU was off, and stops where it was on.",
        RELU,
        {MASK: "grad = grad * (inputs[index] <= 0)"},
    ),
    Misconception(
        "activation-for-its-derivative",
        "On the way back the gradient is multiplied by what came out of the ReLU. Its derivative "
        "is 1 where it was on, however large the number.",
        RELU,
        {MASK: "grad = grad * inputs[index]"},
    ),
    Misconception(
        "inputs-from-before-the-relu",
        "The weights' gradients are made with what stood before the ReLU. A layer multiplies what "
        "comes *out* of it, so that is what its weights' gradient needs.",
        RELU,
        {
            ACTIVATE: "        inputs.append(x)\n"
            "        if index > 0:\n            x = np.maximum(x, 0)\n"
        },
    ),
    Misconception(
        "outputs-kept",
        "What comes *out* of each layer is kept, and its weight's gradient is made with that. A "
        "weight multiplied what went *in*: keep that, for the first layer x.",
        MATRIX,
        {
            ACTIVATE: "        if index > 0:\n            x = np.maximum(x, 0)\n",
            OUT: f"{OUT}\n        inputs.append(x)",
            MASK: MASK_INSIDE,
        },
    ),
    Misconception(
        "first-input-for-every-layer",
        "The gradient of every layer's weight is made with the input of the network. Each layer "
        "needs what went into *it*.",
        MATRIX,
        {BACK: BACK.replace("inputs[index]", "inputs[0]")},
    ),
    Misconception(
        "nothing-handed-down",
        "What `linear_backward` gives for the layer below is not used, so that the layers below "
        "meet the gradient by the logits. Hand on the first of its three results.",
        MATRIX,
        {BACK: BACK.replace("grad, grad_weight", "_, grad_weight"), MASK: MASK_INSIDE},
    ),
    Misconception(
        "gradients-in-one-row",
        "The gradients lie one after the other in a single list. They come in pairs (grad_weight, "
        "grad_bias), one pair for each layer.",
        MATRIX,
        {KEEP: "grads[:0] = [grad_weight, grad_bias]"},
    ),
    Misconception(
        "gradients-last-layer-first",
        "The gradients are right, but the last layer's pair comes first. The walk goes back; the "
        "list has the order of the layers.",
        MATRIX,
        {KEEP: "grads.append((grad_weight, grad_bias))"},
    ),
    Misconception(
        "same-gradient-for-every-layer",
        "Each layer gets the gradient of the loss by the *logits*: nothing is handed down from "
        "layer to layer.",
        MATRIX,
        {
            BACK: "_, grad_weight, grad_bias = linear_backward(\n"
            "            grad[:, :1] + np.zeros((len(labels), len(layers[index][1])))\n"
            "            if grad.shape[1] != len(layers[index][1]) else grad,\n"
            "            inputs[index], layers[index][0])",
            MASK: "pass",
        },
    ),
    Misconception(
        "bias-left-out",
        "The biases are not added on the way forward, so that loss and gradients are those of "
        "another network.",
        MATRIX,
        {OUT: "x = x @ weight.T"},
    ),
    Misconception(
        "bias-after-the-relu",
        "Forward, a hidden layer's bias is added behind the ReLU. The layer is x @ weight.T + bias "
        "as a whole, and the ReLU comes after all of it.",
        RELU,
        {ACTIVATE: "        inputs.append(x)\n", OUT: BIAS_LAST},
    ),
    Misconception(
        "bias-after-the-relu-masked-before-it",
        "Forward, a hidden layer's bias is added behind the ReLU; backward, the mask fits that. "
        "But the layer is x @ weight.T + bias as a whole, and the ReLU comes after all of it.",
        RELU,
        {
            ACTIVATE: "        inputs.append(x)\n",
            OUT: BIAS_LAST,
            MASK: "if index > 0:\n            grad = grad * (inputs[index] > layers[index - 1][1])",
        },
    ),
    Misconception(
        "pairs-turned-round",
        "Each pair has the bias's gradient first. A layer is (weight, bias), and its gradients lie "
        "in the same order.",
        MATRIX,
        {KEEP: "grads.insert(0, (grad_bias, grad_weight))"},
    ),
    Misconception(
        "gradients-averaged-twice",
        "All gradients are divided by the batch once more. The loss is a mean, and its gradient "
        "has brought that factor along.",
        MATRIX,
        {KEEP: "grads.insert(0, (grad_weight / len(labels), grad_bias / len(labels)))"},
    ),
)


def raising_all_scores(low, high) -> bool:
    """Softmax does not see what is added to all scores alike."""
    return bool(np.isclose(low[0], high[0], rtol=1e-6))


def off_learns_nothing(output) -> bool:
    """A unit that is off everywhere has no gradient."""
    weight, bias = output[1][0]
    return bool(np.allclose(weight[2], 0) and np.isclose(bias[2], 0))


EXERCISE = Exercise(
    id="neural_networks/mlp_gradients",
    callable="mlp_gradients",
    title="The whole network",
    parts={ONE: 1, MORE: 4},
    minutes=20,
    difficulty="hard",
    link=RELU,
    cases=cases,
    arrays="numpy",
    depends=("neural_networks/linear_backward", "neural_networks/cross_entropy"),
    misconceptions=MISCONCEPTIONS,
    alternatives=(calls_itself, before_and_after, by_torch),
    properties=(
        Property(
            "unit-that-is-off",
            "A hidden unit that is off for every example has a gradient. Moving its weights a "
            "little changes nothing, so it has to be 0.",
            RELU,
            ("dead",),
            off_learns_nothing,
        ),
        Property(
            "all-scores-raised",
            "With all last biases 3 higher the loss is another. Softmax does not see what is added "
            "to all scores alike.",
            "neural-networks-softmax",
            ("two", "raised"),
            raising_all_scores,
        ),
    ),
)
