"""The sweep that was recorded for chapter 10: small decoders on the plays, and a larger run.

`benchmarks/record_scaling_laws.py` makes it, and says how.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

RECORD = Path(__file__).parents[2] / "book" / "_data" / "scaling_laws.json"


@dataclass(frozen=True)
class Run:
    """A run whose schedule ended: its plan, and the loss on held-out text in nats a character.

    `budget` is what 6 N D was to be, `flops` every product counted. `early` has the losses on the
    way, at the shares of the run that `READ_AT` gives, while the learning rate was still high.
    `n_rates` is how many learning rates were tried; the best one's run is kept.
    """

    budget: float
    width: int
    n_parameters: int
    non_embedding: int
    n_tokens: int
    flops: int
    rate: float
    seed: int
    loss: float
    early: tuple[float, ...]
    n_rates: int


READ_AT = (0.316, 0.5)


def recorded_sweep() -> list[Run]:
    """Every size of every budget, two seeds each, at the best of its learning rates."""
    return [_run(row) for row in _record()["sweep"]]


def recorded_larger_run() -> list[Run]:
    """The run of ten times the largest budget of the sweep, by its seeds."""
    return [_run(row) for row in _record()["held_out"]]


def lowest_of_each(runs: Iterable[Run]) -> list[Run]:
    """Of each budget the run of lowest loss, the smallest budget first."""
    lowest: dict[float, Run] = {}
    for run in runs:
        if run.budget not in lowest or run.loss < lowest[run.budget].loss:
            lowest[run.budget] = run
    return [lowest[budget] for budget in sorted(lowest)]


@lru_cache
def _record() -> dict[str, Any]:
    return json.loads(RECORD.read_text(encoding="utf-8"))


def _run(row: dict[str, Any]) -> Run:
    names = {field.name for field in fields(Run)} - {"early", "n_rates"}
    n_rates = len(row["rates_tried"])
    return Run(**{name: row[name] for name in names}, early=tuple(row["early"]), n_rates=n_rates)
