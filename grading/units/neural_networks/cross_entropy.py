"""neural_networks/cross_entropy: from scores to a loss and its gradient, for scores of any size."""

import math

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.neural_networks.draw import log_softmax, normal, one_hot, quiet

ORDINARY, LARGE = "ordinary scores", "large scores"
SOFTMAX, STABLE = "neural-networks-softmax", "neural-networks-stable"


def cases(rng: np.random.Generator) -> list[Case]:
    """Batches and classes of several sizes, small and large scores, and shifted ones."""
    logits, labels = normal(rng, 7, 5), rng.integers(5, size=7)
    labels[:2] = 3  # a label that comes twice
    tall = normal(rng, 5, 3, scale=3e4)
    hopeless = np.abs(normal(rng, 3, 5, scale=1000.0)) + 900
    hopeless[np.arange(3), [0, 2, 4]] = -900
    drawn = [
        ("7 examples and 5 classes", logits, labels, ORDINARY, "plain"),
        (
            "the same batch twice over",
            np.tile(logits, (2, 1)),
            np.tile(labels, 2),
            ORDINARY,
            "twice",
        ),
        ("5 examples and 5 classes", normal(rng, 5, 5), rng.permutation(5), ORDINARY, "square"),
        ("one example", normal(rng, 1, 7), rng.integers(7, size=1), ORDINARY, "one"),
        ("one class", normal(rng, 3, 1), np.zeros(3, dtype=np.int64), ORDINARY, "class"),
        (
            "scores near 0",
            normal(rng, 7, 3, scale=0.01),
            rng.integers(3, size=7),
            ORDINARY,
            "small",
        ),
        ("rows of very different level", _levels(rng), rng.integers(5, size=7), ORDINARY, "levels"),
        ("the same scores, all 5,000 higher", logits + 5000, labels, LARGE, "shifted"),
        ("the same scores, all 5,000 lower", logits - 5000, labels, LARGE, "lowered"),
        ("scores of tens of thousands", tall, rng.integers(3, size=5), LARGE, "tall"),
        (
            "labels that hardly any probability is left for",
            hopeless,
            np.array([0, 2, 4]),
            LARGE,
            "no",
        ),
    ]
    return [
        Case(says, {"logits": z, "labels": y.astype(np.int64)}, part, name=name)
        for says, z, y, part, name in drawn
    ]


def _levels(rng) -> np.ndarray:
    """Every row has a level of its own: a maximum over all rows is that of one row alone."""
    return normal(rng, 7, 5) + np.arange(7)[:, None] * 11 - 33


# --- right in other ways ---------------------------------------------------------------------


def row_by_row(logits, labels):
    """A loop over the examples, sums with math.fsum."""
    grads, losses = np.zeros(logits.shape), []
    for i, label in enumerate(labels):
        top = max(logits[i])
        powers = [math.exp(z - top) for z in logits[i]]
        total = math.fsum(powers)
        losses.append(math.log(total) + top - logits[i][label])
        for j, power in enumerate(powers):
            grads[i, j] = (power / total - (j == label)) / len(labels)
    return math.fsum(losses) / len(labels), grads


def with_one_hot(logits, labels):
    """A one-hot matrix, and numpy's own logaddexp."""
    hot = one_hot(labels, logits.shape[1])
    log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    return float(-(hot * log_p).sum(axis=1).mean()), (np.exp(log_p) - hot) / logits.shape[0]


def by_torch(logits, labels):
    """PyTorch's loss and autograd."""
    import torch

    z = torch.tensor(logits, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(z, torch.tensor(labels))
    loss.backward()
    return loss.item(), z.grad.numpy()


# --- wrong in known ways -----------------------------------------------------------------------

SHIFT = "shifted = logits - logits.max(axis=-1, keepdims=True)  #"
LOG_P = "log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))  #"
LOSS = "loss = -log_p[rows, labels].mean()"
GRAD = "grad = np.exp(log_p)  #"
ONE = "grad[rows, labels] -= 1"
RETURN = "return float(loss), grad / len(labels)"
QUIET = quiet("cross_entropy")


def one_label_for_all(logits, labels):
    """Takes the columns of all labels away from every row."""
    log_p = log_softmax(logits)
    rows = np.arange(len(labels))
    grad = np.exp(log_p)
    grad[:, labels] -= 1
    return float(-log_p[rows, labels].mean()), grad / len(labels)


def all_labels_in_loss_and_gradient(logits, labels):
    """Takes the columns of all labels from every row, in the loss too."""
    log_p = log_softmax(logits)
    grad = np.exp(log_p)
    grad[:, labels] -= 1
    return float(-log_p[:, labels].mean()), grad / len(labels)


MISCONCEPTIONS = (
    Misconception(
        "largest-score-not-subtracted",
        "Ordinary scores are right. Large ones overflow: the exponential of 1,000 is infinite. "
        "Move every row so that its largest score is 0; softmax does not notice.",
        STABLE,
        {
            SHIFT: "shifted = logits  #",
            **QUIET,
        },
    ),
    Misconception(
        "plain-softmax",
        "Ordinary scores are right. Large ones overflow, and infinity divided by infinity is NaN; "
        "very low ones make 0 divided by 0. Move each row's largest score to 0 first, and compute "
        "the logarithms of the probabilities directly.",
        STABLE,
        {
            SHIFT: "shifted = logits  #",
            LOG_P: "powers = np.exp(shifted)\n"
            "    log_p = np.log(powers / powers.sum(axis=-1, keepdims=True))  #",
            **QUIET,
        },
    ),
    Misconception(
        "log-of-a-rounded-zero",
        "The largest score is subtracted, and yet the loss becomes infinite: a small probability "
        "is rounded to 0 before its logarithm is taken. Compute the logarithms themselves.",
        STABLE,
        {
            LOG_P: "powers = np.exp(shifted)\n"
            "    log_p = np.log(powers / powers.sum(axis=-1, keepdims=True))  #",
            **QUIET,
        },
    ),
    Misconception(
        "probability-kept-from-zero",
        "A small number is added to the probabilities before the logarithm. That hides the "
        "infinity and bounds the loss; a hopeless label should cost what the scores say.",
        STABLE,
        {
            LOG_P: "p = np.exp(shifted)\n"
            "    p = p / p.sum(axis=-1, keepdims=True)\n"
            "    log_p = np.log(p + 1e-12)  #"
        },
    ),
    Misconception(
        "one-maximum-for-all-rows",
        "The largest score of the whole batch is subtracted. Rows that lie far below it are "
        "rounded away. Each row has a largest score of its own.",
        STABLE,
        {SHIFT: "shifted = logits - logits.max()  #", **QUIET},
    ),
    Misconception(
        "softmax-over-the-batch",
        "The probabilities sum to 1 over the examples. Each example, a row, shares out a total of "
        "1 among its classes.",
        SOFTMAX,
        {
            LOG_P: "shifted = logits - logits.max(axis=0)\n"
            "    log_p = shifted - np.log(np.exp(shifted).sum(axis=0))  #"
        },
    ),
    Misconception(
        "loss-summed",
        "The loss is a sum over the batch; it should be the mean. The gradient is right.",
        SOFTMAX,
        {LOSS: "loss = -log_p[rows, labels].sum()"},
    ),
    Misconception(
        "gradient-not-divided",
        "The loss is a mean, but its gradient is that of the sum: it is too large by the number of "
        "examples.",
        SOFTMAX,
        {RETURN: "return float(loss), grad"},
    ),
    Misconception(
        "both-summed",
        "Loss and gradient belong to the sum over the batch. The mean is asked for, so that the "
        "step does not grow with the batch.",
        SOFTMAX,
        {LOSS: "loss = -log_p[rows, labels].sum()", RETURN: "return float(loss), grad"},
    ),
    Misconception(
        "divided-by-classes-too",
        "The mean is taken over examples and classes. Only the examples count: each has one loss, "
        "however many classes there are.",
        SOFTMAX,
        {
            LOSS: "loss = -log_p[rows, labels].sum() / logits.size",
            RETURN: "return float(loss), grad / logits.size",
        },
    ),
    Misconception(
        "gradient-is-the-probability",
        "The gradient is the probability alone. It misses the label: at the right class it has to "
        "be 1 less.",
        SOFTMAX,
        {ONE: "pass"},
    ),
    Misconception(
        "gradient-with-the-wrong-sign",
        "The gradient is the label minus the probability, which points downhill. A gradient points "
        "uphill; the minus comes in the step.",
        SOFTMAX,
        {RETURN: "return float(loss), -grad / len(labels)"},
    ),
    Misconception(
        "gradient-by-the-log-probability",
        "This is the gradient by the logarithms of the probabilities, -1 at the label. The scores "
        "come before the softmax, so its derivative belongs to it.",
        SOFTMAX,
        {GRAD: "grad = np.zeros(logits.shape)  #"},
    ),
    Misconception(
        "gradient-by-the-probability",
        "This is the gradient by the probabilities, -1/p at the label. It has to go back through "
        "the softmax as well.",
        SOFTMAX,
        {
            GRAD: "hot = np.arange(logits.shape[1]) == labels[:, None]\n"
            "    grad = np.where(hot, -np.exp(-log_p), 0.0)  #",
            **QUIET,
            ONE: "pass",
        },
    ),
    Misconception(
        "labels-of-all-in-every-row",
        "Every row has 1 subtracted in the columns of *all* labels: `grad[:, labels]` takes all "
        "rows. Each row has one label, its own.",
        SOFTMAX,
        answer=one_label_for_all,
    ),
    Misconception(
        "labels-of-all-in-the-loss-too",
        "`[:, labels]` takes the columns of *all* labels from every row, in the loss and in the "
        "gradient. Each row has one label: pair the rows' numbers with the labels.",
        SOFTMAX,
        answer=all_labels_in_loss_and_gradient,
    ),
    Misconception(
        "base-two",
        "The loss is measured in bits, with a logarithm to the base 2. Nats are asked for, the "
        "natural logarithm.",
        SOFTMAX,
        {LOSS: "loss = -log_p[rows, labels].mean() / np.log(2)"},
    ),
    Misconception(
        "probability-not-its-logarithm",
        "The loss is 1 minus the probability of the label. Cross-entropy is minus its logarithm, "
        "which grows without a bound where the probability falls to 0.",
        SOFTMAX,
        {LOSS: "loss = (1 - np.exp(log_p[rows, labels])).mean()"},
    ),
    Misconception(
        "loss-without-the-minus",
        "The loss is negative: the logarithm of a probability is below 0, and the loss is minus "
        "that.",
        SOFTMAX,
        {LOSS: "loss = log_p[rows, labels].mean()"},
    ),
)


def a_mean(once, twice) -> bool:
    """A mean does not change when the batch is repeated."""
    return bool(np.isclose(once[0], twice[0], rtol=1e-6))


def rows_sum_to_zero(output) -> bool:
    """The probabilities sum to 1, the label's 1 is taken away."""
    return bool(np.allclose(np.asarray(output[1]).sum(axis=1), 0, atol=1e-6))


EXERCISE = Exercise(
    id="neural_networks/cross_entropy",
    callable="cross_entropy",
    title="Softmax and cross-entropy",
    parts={ORDINARY: 2, LARGE: 1},
    minutes=15,
    difficulty="medium",
    link=SOFTMAX,
    cases=cases,
    arrays="numpy",
    misconceptions=MISCONCEPTIONS,
    equivalent={
        "`axis=1` for `axis=-1`": "the same axis of two",
        "`axis=1` for `axis=-1` (2)": "the same axis of two",
        "`shifted` for `labels`": "only its length counts, the batch",
        "`logits` for `labels`": "only its length counts, the batch",
        "`shifted` for `labels` (3)": "only its length counts, the batch",
    },
    alternatives=(row_by_row, with_one_hot, by_torch),
    properties=(
        Property(
            "mean-of-the-batch",
            "The same batch twice over has another loss. A mean would stay.",
            SOFTMAX,
            ("plain", "twice"),
            a_mean,
        ),
        Property(
            "rows-of-the-gradient",
            "The rows of the gradient do not sum to 0. Raising all scores of an example alike "
            "changes nothing, so their derivatives cancel.",
            SOFTMAX,
            ("plain",),
            rows_sum_to_zero,
        ),
    ),
)
