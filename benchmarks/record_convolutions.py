"""Training runs that chapter 3 speaks of, each on three seeds: book/_data/convolutions.json.

    .venv/bin/python benchmarks/record_convolutions.py

Two studies on digits by writers not seen in training: accuracy after a shift of 0, 1 and 2 pixels
for three networks, and error against depth with and without skips (also with three times the epochs
at a smaller learning rate). Takes about three minutes on one core.
"""

import json
from pathlib import Path

import torch
from torch import nn

from reference_impl.convolutions.depth import DeepMLP, first_layer_gradient
from reference_impl.convolutions.image_classifier import (
    GlobalMaxCNN,
    accuracy,
    train_classifier,
)
from reference_impl.convolutions.shifting import accuracy_when_shifted, on_canvas
from reference_impl.neural_networks.digits import load_digits_split

FILE = Path(__file__).parents[1] / "book" / "_data" / "convolutions.json"
SEEDS, SHIFTS, DEPTHS = (0, 1, 2), (0, 1, 2), (4, 8, 16, 32)
NETWORKS = {  # maker, epochs, learning rate
    "dense": (lambda: dense_network(), 15, 1e-2),
    "flatten": (lambda: GlobalMaxCNN(pool="flatten"), 6, 3e-3),
    "global maximum": (lambda: GlobalMaxCNN(), 6, 1e-2),
}
SETTINGS = {"short": (10, 1e-3), "long": (30, 3e-4)}  # epochs, learning rate


def dense_network() -> nn.Sequential:
    """One hidden layer that reads all 144 pixels of the canvas."""
    return nn.Sequential(nn.Flatten(), nn.Linear(144, 64), nn.ReLU(), nn.Linear(64, 10))


def shift_runs(name: str, train, test) -> list[list[float]]:
    """For each seed, the accuracy after each shift."""
    make, epochs, rate = NETWORKS[name]
    runs = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        model = make()
        list(train_classifier(model, *train, epochs=epochs, learning_rate=rate, seed=seed))
        runs.append([round(accuracy_when_shifted(model, *test, k), 4) for k in SHIFTS])
        print(name, seed, runs[-1], flush=True)
    return runs


def depth_runs(setting: str, skip: bool, train, test) -> dict[str, list[list[float]]]:
    """For each seed and depth: both errors, and the first gradient of the first layer."""
    epochs, rate = SETTINGS[setting]
    runs = {"training": [], "held_out": [], "gradient": []}
    for seed in SEEDS:
        row = {name: [] for name in runs}
        for depth in DEPTHS:
            torch.manual_seed(seed)
            model = DeepMLP(depth, skip)
            row["gradient"].append(round(first_layer_gradient(model, *train), 4))
            list(train_classifier(model, *train, epochs=epochs, learning_rate=rate, seed=seed))
            row["training"].append(round(1 - accuracy(model, *train), 4))
            row["held_out"].append(round(1 - accuracy(model, *test), 4))
        print(setting, "skip" if skip else "plain", seed, row, flush=True)
        for name, values in row.items():
            runs[name].append(values)
    return runs


def main() -> None:
    """Run both studies and write the file."""
    torch.set_num_threads(1)
    parts = load_digits_split()
    canvas = [on_canvas(part) for part in parts]
    small = [on_canvas(part, margin=0) for part in parts]
    record = {
        "command": ".venv/bin/python benchmarks/record_convolutions.py",
        "seeds": SEEDS,
        "shifts": SHIFTS,
        "depths": DEPTHS,
        "shifted": {name: shift_runs(name, *canvas) for name in NETWORKS},
        "depth": {
            setting: {
                name: depth_runs(setting, name == "skip", *small) for name in ("plain", "skip")
            }
            for setting in SETTINGS
        },
    }
    FILE.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print("written:", FILE.name)


if __name__ == "__main__":
    main()
