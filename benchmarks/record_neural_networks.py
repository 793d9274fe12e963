"""The runs behind unit 01's sentences about training, on three seeds; several minutes.

    .venv/bin/python benchmarks/record_neural_networks.py

writes book/_data/neural_networks.json, which the chapter reads.
"""

import json
from pathlib import Path

import numpy as np
import torch

from reference_impl.neural_networks.digits import Digits, load_digits_split
from reference_impl.neural_networks.hinge import fit_hinges, hinge_sum
from reference_impl.neural_networks.least_squares import descend, largest_learning_rate
from reference_impl.neural_networks.mlp import (
    Layer,
    init_layers,
    learning_rate_sweep,
    mlp_forward,
    train_mlp,
)
from reference_impl.neural_networks.sine import sine_network

COMMAND = ".venv/bin/python benchmarks/record_neural_networks.py"
TO = Path(__file__).parents[1] / "book" / "_data" / "neural_networks.json"
SEEDS = (0, 1, 2)
WIDTHS = (4, 8, 16, 32, 64)
OUTSIDE = (-6.0, -4.0, 4.0, 6.0)
RATES = (1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0, 2.0, 3.0, 10.0, 100.0)


def placed_error(width: int) -> float:
    """The largest error on [-3, 3] of `width` hinges placed at equal distances."""
    knots = np.linspace(-3, 3, width + 1)
    x = np.linspace(-3, 3, 2001)
    drawn = hinge_sum(x, knots, fit_hinges(knots, np.sin(knots)), np.sin(-3))
    return float(np.abs(drawn - np.sin(x)).max())


def sine_runs() -> dict:
    """Hinges placed by hand, and the same number found by gradient descent."""
    x = np.linspace(-3, 3, 2001)
    learned = {}
    for width in WIDTHS:
        networks = [sine_network(width, seed) for seed in SEEDS]
        learned[width] = [float(np.abs(net(x) - np.sin(x)).max()) for net in networks]
    return {
        "widths": WIDTHS,
        "placed": [placed_error(width) for width in WIDTHS],
        "learned": [learned[width] for width in WIDTHS],
        "outside": OUTSIDE,
        "said": [net(np.array(OUTSIDE)).tolist() for net in networks],  # 64 hinges
    }


def accuracy(layers: list[Layer], digits: Digits) -> float:
    """The share of the digits that the network names rightly."""
    logits, _ = mlp_forward(flat(digits), layers)
    return float((logits.argmax(axis=1) == digits.labels).mean())


def flat(digits: Digits) -> np.ndarray:
    """Each image as one row of 64 numbers."""
    return digits.images.reshape(-1, 64).astype(np.float64)


def shuffled(train: Digits, test: Digits, seed: int) -> tuple[Digits, Digits]:
    """All digits in a new order, cut at the same place: the same writers in both parts."""
    images = np.concatenate([train.images, test.images])
    labels = np.concatenate([train.labels, test.labels])
    order = np.random.default_rng(seed).permutation(len(labels))
    cut = len(train.labels)
    return tuple(Digits(images[part], labels[part]) for part in (order[:cut], order[cut:]))


def digit_runs() -> dict:
    """64-64-10, learning rate 0.3, 60 epochs of batches of 32: by writers, and at random."""
    by_writers = load_digits_split()
    rows = []
    for name, seed in [(name, seed) for name in ("writers", "random") for seed in SEEDS]:
        train, test = by_writers if name == "writers" else shuffled(*by_writers, seed)
        rng = np.random.default_rng(seed)
        layers = init_layers([64, 64, 10], rng)
        *_, (_, layers) = train_mlp(layers, flat(train), train.labels, 0.3, 60, 32, rng)
        rows.append({"split": name, "seed": seed, "seen": accuracy(layers, train)})
        rows[-1]["not seen"] = accuracy(layers, test)
    return {"rows": rows, "test digits": len(test.labels)}


def rate_runs() -> dict:
    """The loss of 64-32-10 after 100 steps on all training digits at once."""
    train, _ = load_digits_split()
    losses = []
    for seed in SEEDS:
        layers = init_layers([64, 32, 10], np.random.default_rng(seed))
        losses.append(learning_rate_sweep(layers, flat(train), train.labels, RATES, 100))
    return {"rates": RATES, "losses": losses}


def least_squares_run() -> dict:
    """The largest stable rate on the digits: predicted from the curvature, found by halving."""
    train, _ = load_digits_split()
    x, target = flat(train), np.eye(10)[train.labels]
    low, high = 0.0, 2.0
    for _ in range(14):
        middle = (low + high) / 2
        losses = descend(x, target, middle, steps=200)
        low, high = (middle, high) if losses[-1] < losses[0] else (low, middle)
    return {"predicted": largest_learning_rate(x), "found": low}


def main() -> None:
    """Run everything and write the file."""
    torch.set_num_threads(1)
    found = {"command": COMMAND, "seeds": SEEDS, "least squares": least_squares_run()}
    found |= {"digits": digit_runs(), "rates": rate_runs(), "sine": sine_runs()}
    TO.parent.mkdir(exist_ok=True)
    TO.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
