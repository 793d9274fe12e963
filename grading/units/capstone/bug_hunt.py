"""capstone/bug_hunt: twelve models with one fault each, known by what they do."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from grading.course.exercise import Misconception, Question, decision
from grading.units.capstone.faults import EXPERIMENTS, FAULTS

LINK = "capstone-bugs"
LETTERS = "ABCDEFGHIJKL"
EVIDENCE = Path(__file__).with_name("evidence.json")
N_ASKED = 3
OTHER_ORDER = "other-order"
# Not more than one of each group is asked for: what tells them apart is not the same.
GROUPS = (
    ("no-mask", "no-scale", "softmax-over-queries"),
    ("no-rotation", "queries-turned-alone", "positions-restart"),
    ("kv-heads-tiled", "no-residual", "gate-and-up-swapped"),
    ("norm-weights-ignored", "no-final-norm", "layers-in-text-order"),
)


def draw(rng: np.random.Generator) -> Question:
    """A passage, letters for the twelve models, and three faults to find."""
    found = json.loads(EVIDENCE.read_text(encoding="utf-8"))
    number = int(rng.integers(len(found["texts"])))
    rows = {row["model"]: row for row in found["models"] if row["passage"] == number}
    letters = dict(zip(FAULTS, rng.permutation(list(LETTERS)).tolist(), strict=True))
    groups = rng.permutation(len(GROUPS))[:N_ASKED]
    asked = [str(rng.choice(GROUPS[group])) for group in groups]
    shown = {
        **found["texts"][number],
        "asked": {i + 1: FAULTS[name][0] for i, name in enumerate(asked)},
        "experiments": dict(EXPERIMENTS),
        "sound": _seen(rows["sound"]),
        "models": {letter: _seen(rows[name]) for name, letter in _by_letter(letters)},
    }
    return Question(shown, *_answers(asked, letters))


def _by_letter(letters: dict[str, str]) -> list[tuple[str, str]]:
    return sorted(letters.items(), key=lambda item: item[1])


def _seen(row: dict[str, Any]) -> dict[str, Any]:
    """What is shown of a model: losses by experiment, the largest logit, the reach, a text."""
    return {
        "losses": {name: round(loss, 3) for name, loss in row["losses"].items()},
        "largest logit": round(row["largest logit"], 1),
        "reach": round(row["reach"], 2),
        "text": row["text"],
    }


# --- what is right, and what is not -----------------------------------------------------------


def _answers(asked: list[str], letters: dict[str, str]) -> tuple[str, dict, dict]:
    """The right letters, a wrong answer for each misconception, and all further ones.

    Three letters with a wrong one among them show the fault of the first model that was not asked
    for, or else of the first that stands in two places; the right letters in another order show
    nothing but that.
    """
    right = tuple(letters[name] for name in asked)
    names = {letter: name for name, letter in letters.items()}
    found: dict[str, list[str]] = {OTHER_ORDER: [], **{name: [] for name in FAULTS}}
    for answer in product(LETTERS, repeat=N_ASKED):
        if answer == right:
            continue
        if sorted(answer) == sorted(right):
            found[OTHER_ORDER].append("".join(answer))
            continue
        wrong = [letter for letter in answer if letter not in right]
        twice = [a for a, b in zip(answer, right, strict=True) if a != b]
        found[names[(wrong or twice)[0]]].append("".join(answer))
    return "".join(right), {n: some[0] for n, some in found.items()}, _further(found)


def _further(found: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: some[1:] for name, some in found.items() if some[1:]}


HOW_IT_SHOWS = {
    "no-mask": "A later token reaches back to earlier logits, so the loss falls below that of the "
    "sound model: it sees the answers.",
    "no-scale": "Dividing q_proj by 8, the root of head_dim, gives back the loss of the sound "
    "model. And a token alone does not notice.",
    "softmax-over-queries": "A later token reaches back, as without a mask, and yet the loss is "
    "high. And a token alone does not notice.",
    "no-rotation": "Another rope_theta changes nothing, nor do later positions. And a token alone "
    "does not notice.",
    "queries-turned-alone": "It matters to it where the text begins: with all positions 100 later "
    "the loss is another. The sound model sees distances alone.",
    "positions-restart": "At once its losses are those of the sound model. Only token by token, "
    "behind a cache, they are not.",
    "kv-heads-tiled": "Where attention writes nothing (o_proj 0), its loss is that of the sound "
    "model. And a token alone does notice.",
    "no-residual": "Where attention writes nothing (o_proj 0), nothing is left of the stream, and "
    "the loss is exactly ln 49,152 = 10.803.",
    "gate-and-up-swapped": "Where the feed-forward writes nothing (down_proj 0), its loss is that "
    "of the sound model.",
    "norm-weights-ignored": "All weights of the norms times 2: it does not notice, in any digit.",
    "no-final-norm": "Its largest logit is many times that of the sound model, because nothing "
    "brings the stream to one size at the end.",
    "layers-in-text-order": "With layers 0 and 1 alone its loss is that of the sound model: as "
    "words and as numbers, these two come in the same order.",
}

START = "A letter of yours stands for a model with another fault. How that one shows itself:"
MISCONCEPTIONS = [
    Misconception(
        OTHER_ORDER,
        "These are the three models. Their letters belong in the order of the faults: which of "
        "them shows fault 1?",
        LINK,
    ),
    *(Misconception(name, f"{START} {text}", LINK) for name, text in HOW_IT_SHOWS.items()),
]

EXERCISE = decision(
    id="capstone/bug_hunt",
    callable="bug_hunt",
    title="The bug hunt",
    parts={"all": 4},
    minutes=25,
    difficulty="hard",
    link=LINK,
    draw=draw,
    misconceptions=MISCONCEPTIONS,
)
