"""neural_networks/match_learning_rates: which loss curve belongs to which learning rate?"""

import numpy as np

from grading.course.exercise import Misconception, Question, decision
from reference_impl.neural_networks.mlp import init_layers, train_mlp

LINK = "neural-networks-learning-rate"
CLASSES, D_IN, WIDTH, EXAMPLES, STEPS = 5, 16, 12, 40, 40


def draw(rng: np.random.Generator) -> Question:
    """Five runs: hardly moving, slow, good, thrown to ln(classes), thrown far above."""
    while True:
        rates = [float(rng.choice(pair)) for pair in RATES]
        curves = _runs(rng, rates)
        if _telling(curves):
            break
    letters = rng.permutation(list("ABCDE")).tolist()
    by_letter = dict(sorted(zip(letters, curves, strict=True)))
    shown = {"rates": rates, "classes": CLASSES, "curves": by_letter}
    still, slow, good, flat, wild = letters
    second = still + flat + slow + good + wild
    also = {"plateau-taken-for-slow": [second]}
    return Question(shown, "".join(letters), _wrong(letters, curves), also)


RATES = ((0.002, 0.003), (0.03, 0.05), (0.4, 0.5), (5.0, 6.0), (80.0, 100.0))


def _runs(rng, rates) -> list[np.ndarray]:
    """The loss before each step, for each rate, from one start; inputs are above 0, as ink is."""
    patterns = rng.uniform(size=(CLASSES, D_IN)) * (rng.random((CLASSES, D_IN)) < 0.6)
    labels = rng.integers(CLASSES, size=EXAMPLES)
    x = np.abs(patterns[labels] + 0.2 * rng.standard_normal((EXAMPLES, D_IN)))
    start = init_layers([D_IN, WIDTH, CLASSES], rng)
    order = np.random.default_rng(0)  # of no account: every batch is all examples
    return [
        np.array([loss for loss, _ in train_mlp(start, x, labels, rate, STEPS, EXAMPLES, order)])
        for rate in rates
    ]


def _telling(curves) -> bool:
    """Whether each run does what its rate is there to show."""
    still, slow, good, flat, wild = (curve[-1] for curve in curves)
    ordered = good < 0.6 * slow and slow < 0.9 * still < 0.99 * curves[0][0]
    thrown = curves[3].max() > 1.5 * curves[3][0] and abs(flat - np.log(CLASSES)) < 0.1
    return bool(ordered and thrown and np.isfinite(wild) and wild > 3 * curves[4][0])


def _wrong(letters: list[str], curves) -> dict[str, str]:
    still, slow, good, flat, wild = letters
    falling = sorted(range(5), key=lambda i: -curves[i][-1])
    return {
        "largest-rate-first": "".join(reversed(letters)),
        "larger-always-lower": "".join(letters[i] for i in falling),
        "lowest-loss-first": "".join(letters[i] for i in reversed(falling)),
        "plateau-taken-for-slow": flat + still + slow + good + wild,
        "jumps-exchanged": still + slow + good + wild + flat,
        "slow-ones-exchanged": slow + still + good + flat + wild,
        "good-one-taken-for-the-slow": still + good + slow + flat + wild,
    }


MISCONCEPTIONS = [
    Misconception(
        "largest-rate-first",
        "The order is right and turned round: the letter of the smallest rate comes first.",
        LINK,
    ),
    Misconception(
        "larger-always-lower",
        "You sorted the runs by their last loss, the highest first, as if a larger rate always got "
        "farther. Beyond a certain rate the first step throws the weights away: look at step 1.",
        LINK,
    ),
    Misconception(
        "lowest-loss-first",
        "You sorted the runs by their last loss, the lowest first. A small rate does not end low: "
        "in a few steps it hardly gets anywhere.",
        LINK,
    ),
    Misconception(
        "plateau-taken-for-slow",
        "You took the run that ends at ln(classes) for a slow one. A slow run stays near *its "
        "start*; this one jumped first, and then its hidden units were off.",
        LINK,
    ),
    Misconception(
        "jumps-exchanged",
        "The two runs that jump have changed places. The larger the rate, the farther the first "
        "step throws the weights.",
        LINK,
    ),
    Misconception(
        "slow-ones-exchanged",
        "The two slowest runs have changed places. At the first steps the loss falls by about the "
        "rate times the squared gradient: the smaller rate moves less.",
        LINK,
    ),
    Misconception(
        "good-one-taken-for-the-slow",
        "The best run and the one before it have changed places. Both fall smoothly, and so the "
        "one that falls faster has the larger rate.",
        LINK,
    ),
]

EXERCISE = decision(
    id="neural_networks/match_learning_rates",
    callable="match_learning_rates",
    title="Which curve is which?",
    parts={"all": 3},
    minutes=8,
    difficulty="medium",
    link=LINK,
    draw=draw,
    misconceptions=MISCONCEPTIONS,
)
