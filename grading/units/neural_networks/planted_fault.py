"""neural_networks/planted_fault: which fault made these gradients?"""

import numpy as np

from grading.course.exercise import Misconception, Question, decision
from grading.units.neural_networks.draw import layers, log_softmax, normal, one_hot

LINK = "neural-networks-gradient-check"
FAULTS = {
    "sum": "the gradient by the logits is not divided by the batch",
    "bias": "the gradients of the biases are means over the batch, not sums",
    "relu-0": "the ReLU between layer 0 and layer 1 is skipped on the way back",
    "relu-1": "the ReLU between layer 1 and layer 2 is skipped on the way back",
    "transposed": "the gradient of layer 1's weight is transposed",
    "label": "the gradient by the logits is the probability; the label's 1 is not subtracted",
    "input": "the gradient of layer 2's weight is made with what stood before the ReLU",
}

WORDS = "words-for-the-letter"
NOT_WRONG = "(this is the right one)"  # nobody's choice: a name for each fault is wanted


def faulty_gradients(x, labels, network, fault: str = ""):
    """The gradients of a network of three layers with a fault of FAULTS, and the right loss."""
    before, after = [], [x]
    for weight, bias in network:
        before.append(after[-1] @ weight.T + bias)
        after.append(np.maximum(before[-1], 0))
    log_p = log_softmax(before[-1])
    loss = -log_p[np.arange(len(labels)), labels].mean()
    grad = np.exp(log_p) - (0 if fault == "label" else one_hot(labels, log_p.shape[1]))
    grad = grad if fault == "sum" else grad / len(labels)
    grads = []
    for i in (2, 1, 0):
        came_in = before[1] if fault == "input" and i == 2 else after[i]
        grad_weight, grad_bias = grad.T @ came_in, grad.sum(axis=0)
        if fault == "transposed" and i == 1:
            grad_weight = grad_weight.T.copy()
        grads.insert(0, (grad_weight, grad_bias / len(x) if fault == "bias" else grad_bias))
        grad = grad @ network[i][0]
        if i > 0 and fault != f"relu-{i - 1}":
            grad = grad * (before[i - 1] > 0)
    return float(loss), grads


def draw(rng: np.random.Generator) -> Question:
    """A network of 5, 4, 4 and 3 numbers, a batch of 7, a fault, and letters in a new order."""
    while True:
        x, labels, network = normal(rng, 7, 5), rng.integers(3, size=7), layers(rng, (5, 4, 4, 3))
        if _telling(x, labels, network):
            break
    letters = dict(zip(rng.permutation(list(FAULTS)).tolist(), "ABCDEFG", strict=True))
    fault = str(rng.choice(list(FAULTS)))
    loss, grads = faulty_gradients(x, labels, network, fault)
    faults = {letter: FAULTS[name] for name, letter in letters.items()}
    shown = {"x": x, "labels": labels, "layers": network, "loss": loss, "gradients": grads}
    shown["faults"] = dict(sorted(faults.items()))
    others = [name for name in FAULTS if name != fault]
    wrong = {_taken_for(name): letters[name] for name in others}
    more = {_taken_for(fault): NOT_WRONG, WORDS: FAULTS[fault]}
    return Question(shown, letters[fault], {**wrong, **more})


def _telling(x, labels, network) -> bool:
    """Whether every array has a gradient to speak of, and any two faults differ in some array."""
    _, right = faulty_gradients(x, labels, network)
    if min(np.abs(array).max() for pair in right for array in pair) < 0.03:
        return False
    flat = [_flat(right)] + [_flat(faulty_gradients(x, labels, network, f)[1]) for f in FAULTS]
    return all(np.abs(a - b).max() > 0.02 for i, a in enumerate(flat) for b in flat[:i])


def _flat(grads) -> np.ndarray:
    return np.concatenate([array.ravel() for pair in grads for array in pair])


def _taken_for(fault: str) -> str:
    return f"taken-for-{fault}"


SIGNS = {
    "sum": "A loss that is not divided makes *every* gradient too large by one and the same "
    "factor, the batch of 7. That is not what the arrays show.",
    "bias": "With means in the place of sums the biases alone would be off, all by the factor 7, "
    "and every weight's gradient would be right. That is not what the arrays show.",
    "relu-0": "If the lowest ReLU were skipped, layer 0 alone would be wrong: a fault spoils what "
    "is computed after it, and layers 1 and 2 come before. That is not what the arrays show.",
    "relu-1": "If the upper ReLU were skipped, layers 1 and 0 would be wrong, weights and biases, "
    "and layer 2 right. That is not what the arrays show.",
    "transposed": "A transposed gradient is wrong in one array, and right again when you turn it "
    "round; nothing is computed from it, so all others are right. That is not what the arrays "
    "show.",
    "label": "Without the label's 1 every array would be wrong, by no common factor, and the last "
    "bias's gradient would be positive throughout. That is not what the arrays show.",
    "input": "With the numbers from before the ReLU one array alone would be wrong, layer 2's "
    "weight; what is handed down does not depend on it. That is not what the arrays show.",
}

EXERCISE = decision(
    id="neural_networks/planted_fault",
    callable="planted_fault",
    title="The planted fault",
    parts={"all": 3},
    minutes=12,
    difficulty="hard",
    link=LINK,
    draw=draw,
    misconceptions=[
        *(Misconception(_taken_for(fault), message, LINK) for fault, message in SIGNS.items()),
        Misconception(
            WORDS,
            "These are the words of a fault. Return the letter that stands before them.",
            LINK,
        ),
    ],
)
