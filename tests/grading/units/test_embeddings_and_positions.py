"""Unit 04 beyond the generic tests: its question, and what its texts claim of the recorded runs."""

import json
from collections import Counter

import numpy as np
import pytest

from grading.course.places import ROOT
from grading.units.embeddings_and_positions import drive, find_rotary


@pytest.mark.parametrize("seed", range(20))
def test_one_table_alone_is_rotary(seed):
    question = find_rotary.draw(np.random.default_rng(seed))
    assert sorted(question.shown) == sorted([question.right, *question.wrong.values()])
    table = question.shown[question.right]
    # Equal along every diagonal ...
    diagonals = [np.ptp(np.diagonal(table, offset)) for offset in range(-6, 7)]
    assert max(diagonals) < 0.02
    # ... as the straight line is too, and not a straight line.
    straight = question.shown[question.wrong["straight-line"]]
    assert max(np.ptp(np.diagonal(straight, offset)) for offset in range(-6, 7)) < 0.02
    assert np.abs(np.diff(straight[0], n=2)).max() < 0.03 < np.abs(np.diff(table[0], n=2)).max()
    # Every other table breaks the rule of the diagonals, visibly.
    for name in set(question.wrong) - {"straight-line"}:
        other = question.shown[question.wrong[name]]
        assert max(np.ptp(np.diagonal(other, offset)) for offset in range(-6, 7)) > 0.5, name


def test_the_letters_are_drawn_evenly():
    letters = [find_rotary.draw(np.random.default_rng(seed)).right for seed in range(300)]
    counts = Counter(letters)
    assert set(counts) == set("ABCDEF") and max(counts.values()) < 90


def test_some_probed_layers_know_order_and_some_do_not():
    import torch

    x, order = torch.randn(7, 11), torch.tensor([3, 0, 4, 6, 1, 2, 5])
    blind = {
        name
        for name, layer in drive.LAYERS.items()
        if torch.allclose(layer(x[order]), layer(x)[order], atol=1e-5)
    }
    assert blind == {"doubled", "attention"}


def test_recorded_runs_hold_on_every_seed_and_passage():
    text = (ROOT / "book" / "_data" / "embeddings_and_positions.json").read_text(encoding="utf-8")
    recorded = json.loads(text)
    task = recorded["order_task"]
    assert all(len(shares) == 3 for shares in task.values())
    assert all(abs(share - 0.5) < 0.06 for share in task.pop("no positions"))
    assert min(min(shares) for shares in task.values()) > 0.95
    losses = recorded["wrong_positions"]
    right, moved = losses["as they are"], losses["1000 further on"]
    assert len(right) == 20 and np.allclose(right, moved, atol=1e-3)
    for way in ("all at 0", "twice as far apart", "counted backwards"):
        assert all(wrong > fine for wrong, fine in zip(losses[way], right, strict=True)), way
