"""text_before_transformers/which_network: four gradients by distance, four networks."""

import numpy as np
import torch

from grading.course.exercise import Misconception, Question, decision
from reference_impl.text_before_transformers.recurrent import GRU, RNN, gradient_norms

LINK = "text-before-transformers-gates"
GRADIENT = "text-before-transformers-gradient"
DISTANCES = [0, 5, 10, 15, 20, 25, 30]
D_HIDDEN = 32
# From the smallest gradient at distance 30 to the largest.
NETWORKS = ("rnn", "gru", "gru with bias", "rnn times 3")


def draw(rng: np.random.Generator) -> Question:
    """Fresh networks and fresh sequences, their curves in random order."""
    curves = _curves(rng)
    order = [NETWORKS[i] for i in rng.permutation(4)]
    letters = dict(zip(order, "ABCD", strict=True))
    shown = {letters[name]: curves[name] for name in order}
    return Question(
        shown={"distances": DISTANCES, "curves": shown},
        right=letters,
        wrong={
            "gru-taken-for-rnn": _exchanged(letters, "rnn", "gru"),
            "bias-overlooked": _exchanged(letters, "gru", "gru with bias"),
            "gates-thought-to-amplify": _exchanged(letters, "gru with bias", "rnn times 3"),
            "large-weights-thought-to-shrink": _exchanged(letters, "rnn", "rnn times 3"),
            "gate-taken-for-growth": _exchanged(letters, "gru", "rnn times 3"),
            "bias-thought-to-harm": _exchanged(letters, "rnn", "gru with bias"),
            "curves-read-backwards": {
                name: letters[other] for name, other in zip(NETWORKS, NETWORKS[::-1], strict=True)
            },
        },
    )


def _exchanged(letters: dict[str, str], one: str, other: str) -> dict[str, str]:
    return letters | {one: letters[other], other: letters[one]}


def _curves(rng: np.random.Generator) -> dict[str, list[float]]:
    """Drawn again until the four lie apart at the end: some random networks are between two."""
    while True:
        seed = int(rng.integers(2**31))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            curves = {name: _curve(name) for name in NETWORKS}
        ends = [curves[name][-1] for name in NETWORKS]
        if all(3 * low < high for low, high in zip(ends, ends[1:], strict=False)):
            return curves


def _curve(name: str) -> list[float]:
    network = (RNN if name.startswith("rnn") else GRU)(5, D_HIDDEN)
    with torch.no_grad():
        if name == "rnn times 3":
            network.hidden_weight *= 3
        if name == "gru with bias":
            network.input_bias[D_HIDDEN : 2 * D_HIDDEN] = 2.0  # of the update gate
    x = torch.randn(2, DISTANCES[-1] + 1, 5)
    norms = gradient_norms(network.cell, x, torch.zeros(2, D_HIDDEN))
    return [float(f"{norms[d]:.3g}") for d in DISTANCES]


EXERCISE = decision(
    id="text_before_transformers/which_network",
    callable="which_network",
    title="Which curve is which network?",
    parts={"all": 2},
    minutes=6,
    difficulty="medium",
    link=LINK,
    draw=draw,
    misconceptions=(
        Misconception(
            "gru-taken-for-rnn",
            "Plain RNN and GRU have changed places. Even with both gates half open, a GRU passes "
            "on part of its state unchanged.",
            LINK,
        ),
        Misconception(
            "bias-overlooked",
            "The two GRUs have changed places. An update gate that begins near 1 keeps most of the "
            "state at each step: which curve falls more slowly?",
            LINK,
        ),
        Misconception(
            "gates-thought-to-amplify",
            "A curve that grows was given to the GRU with a bias. Its update gate is below 1: it "
            "keeps, but does not enlarge. Large weights do.",
            GRADIENT,
        ),
        Misconception(
            "large-weights-thought-to-shrink",
            "The two plain networks have changed places. Each step multiplies by the weights, so "
            "three times the weights cannot make less of a gradient here.",
            GRADIENT,
        ),
        Misconception(
            "gate-taken-for-growth",
            "The GRU without a bias and the network with large weights have changed places. Of the "
            "four, which can multiply a gradient by more than 1 at each step?",
            GRADIENT,
        ),
        Misconception(
            "bias-thought-to-harm",
            "The GRU with a bias was given the steepest fall. The bias opens the update gate "
            "towards keeping the state, and with it the gradient.",
            LINK,
        ),
        Misconception(
            "curves-read-backwards",
            "The order is exactly the reverse. On the left is distance 0, the last state itself; "
            "the further to the right, the longer the way back.",
            GRADIENT,
        ),
    ),
)
