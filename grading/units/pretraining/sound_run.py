"""pretraining/sound_run: six real runs, of which one can be trusted."""

import json
from functools import lru_cache

import numpy as np

from grading.course.exercise import Misconception, Question, decision
from grading.course.places import ROOT

LINK = "pretraining-removed"
RECORDED = ROOT / "book" / "_data" / "pretraining.json"
STEPS = (0, 20, 100, 299)
RUNS = {  # a change of benchmarks/record_pretraining.py: what choosing it is called here
    "no mask": "sees-the-next-token",
    "targets not shifted": "repeats-what-it-reads",
    "softmax twice": "softmax-taken-twice",
    "rate too high": "rate-too-high",
}
RIGHT, BITS = "nothing changed", "losses-in-bits"


@lru_cache
def recorded() -> dict[tuple[str, int], list[float]]:
    """The losses that each recorded run reported, by what was changed and the seed."""
    rows = json.loads(RECORDED.read_text(encoding="utf-8"))["faults"]
    return {(row["change"], row["seed"]): row["losses"] for row in rows}


def draw(rng: np.random.Generator) -> Question:
    """Each run by one of its seeds; letters in a random order."""
    losses = {name: recorded()[name, int(rng.integers(3))] for name in (RIGHT, *RUNS)}
    sound = int(rng.integers(3))
    losses[BITS] = [loss / np.log(2) for loss in recorded()[RIGHT, sound]]
    letters = dict(zip(rng.permutation(list(losses)).tolist(), "ABCDEF", strict=True))
    wrong = {RUNS.get(name, name): letters[name] for name in losses if name != RIGHT}
    rows = sorted((letters[name], losses[name]) for name in losses)
    return Question(shown={"table": _table(rows)}, right=letters[RIGHT], wrong=wrong)


def _table(rows: list[tuple[str, list[float]]]) -> str:
    """The runs as text, a line each."""
    head = "step      " + "".join(f"{step:>8}" for step in STEPS)
    return "\n".join(
        [head, *(f"run {a}     " + "".join(f"{x:8.3f}" for x in xs) for a, xs in rows)]
    )


MISCONCEPTIONS = (
    Misconception(
        "sees-the-next-token",
        "This run starts where it should and ends far too low: no model predicts the plays that "
        "well after 300 steps. What it is asked for stands in sight.",
        "pretraining-mask",
    ),
    Misconception(
        "repeats-what-it-reads",
        "This run begins below ln 62, although a model that knows nothing cannot do better than "
        "chance. Its answers are the tokens that it reads.",
        "pretraining-shift",
    ),
    Misconception(
        "softmax-taken-twice",
        "This run starts where it should, comes down very slowly and stays high. That is what the "
        "loss does where probabilities are handed to it as logits.",
        "pretraining-loss",
    ),
    Misconception(
        "rate-too-high",
        "This run starts well, but at step 100 it is still near 3.1, where a model is that knows "
        "how frequent the characters are, and nothing else. Its steps are too large.",
        "pretraining-schedule",
    ),
    Misconception(
        "losses-in-bits",
        "This run begins at 6.0, which is log 62 to base 2: its losses are in bits. Nothing is "
        "wrong with such a run but that it cannot be compared. Nats were asked for.",
        "pretraining-bits",
    ),
)

EXERCISE = decision(
    id="pretraining/sound_run",
    callable="sound_run",
    title="Which run can you trust?",
    parts={"all": 1},
    minutes=6,
    difficulty="medium",
    link=LINK,
    draw=draw,
    misconceptions=MISCONCEPTIONS,
)
