"""text_before_transformers/which_network: four gradients by distance, four networks."""

from itertools import permutations

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
    choices: dict[str, list[dict[str, str]]] = {}
    for ranks in permutations(range(4)):
        if misread := _misread(ranks):
            choice = {
                name: letters[NETWORKS[rank]] for name, rank in zip(NETWORKS, ranks, strict=True)
            }
            choices.setdefault(misread, []).append(choice)
    choices["keys-and-values-swapped"] = [
        dict(zip("ABCD", named, strict=True)) for named in permutations(NETWORKS)
    ]
    return Question(
        shown={"distances": DISTANCES, "curves": shown},
        right=letters,
        wrong={misread: found[0] for misread, found in choices.items()},
        also={misread: found[1:] for misread, found in choices.items()},
    )


def _misread(ranks: tuple[int, ...]) -> str | None:
    """What somebody misread who gave each of `NETWORKS` the curve of a rank, 0 for the lowest.

    Each of the 23 wrong choices shows one misreading: what is said about it is true of them all.
    """
    rnn, gru, with_bias, times_3 = ranks
    if ranks == (3, 2, 1, 0):
        return "curves-read-backwards"
    if times_3 == 0:
        return "large-weights-thought-to-shrink"
    if times_3 != 3:
        grows = NETWORKS[ranks.index(3)]
        return {"gru with bias": "gates-thought-to-amplify", "gru": "gate-taken-for-growth"}.get(
            grows, "growth-without-large-weights"
        )
    if with_bias == 0:
        return "bias-thought-to-harm"
    if rnn == 2:
        return "plain-network-thought-to-keep"
    return {(1, 0): "gru-taken-for-rnn", (0, 2): "bias-overlooked"}.get((rnn, gru))


def _curves(rng: np.random.Generator) -> dict[str, list[float]]:
    """Drawn again until the four lie apart at the end, and the last one has grown."""
    while True:
        seed = int(rng.integers(2**31))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            curves = {name: _curve(name) for name in NETWORKS}
        ends = [curves[name][-1] for name in NETWORKS]
        apart = all(3 * low < high for low, high in zip(ends, ends[1:], strict=False))
        if apart and ends[-1] > curves["rnn times 3"][0]:
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
            "The steepest fall was given to the network with large weights. Each step multiplies "
            "by the weights, so three times the weights cannot make less of a gradient here.",
            GRADIENT,
        ),
        Misconception(
            "gate-taken-for-growth",
            "The curve that grows was given to the GRU without a bias. Of the four, which can "
            "multiply a gradient by more than 1 at each step?",
            GRADIENT,
        ),
        Misconception(
            "growth-without-large-weights",
            "The curve that grows was given to the plain RNN as PyTorch starts it. Each step "
            "multiplies by its weights, and they are small: larger ones make a gradient grow.",
            GRADIENT,
        ),
        Misconception(
            "plain-network-thought-to-keep",
            "The plain RNN was given a curve above those of both GRUs. It has no gate that passes "
            "its state on unchanged: all of it goes through matrix and tanh at each step.",
            LINK,
        ),
        Misconception(
            "bias-thought-to-harm",
            "The GRU with a bias was given the steepest fall. The bias opens the update gate "
            "towards keeping the state, and with it the gradient.",
            LINK,
        ),
        Misconception(
            "keys-and-values-swapped",
            "The letters are the keys here, and the networks the values. Turn it round: the keys "
            "are the networks.",
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
