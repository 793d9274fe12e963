"""inference/which_setting: six texts, six settings; which was drawn with top-p?"""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np

from grading.course.exercise import Misconception, Question, decision

LINK = "inference-top-p"
TEXTS = Path(__file__).with_name("texts.json")  # written by benchmarks/record_inference.py


@lru_cache
def texts() -> dict[str, list[list[list]]]:
    """By setting: texts that SmolLM2 wrote, rows of piece, rank, p, before."""
    return json.loads(TEXTS.read_text(encoding="utf-8"))["texts"]


def draw(rng: np.random.Generator) -> Question:
    """A text of each setting, under shuffled letters."""
    names = sorted(texts())
    letters = dict(zip(rng.permutation(names).tolist(), "ABCDEF", strict=True))
    shown = {}
    for name in sorted(names, key=letters.__getitem__):
        of_setting = texts()[name]
        shown[letters[name]] = _table(of_setting[int(rng.integers(len(of_setting)))])
    right = letters.pop("top-p")
    also = {name: [letter.lower()] for name, letter in letters.items()}
    return Question(shown, right, {**letters, "small-letter": right.lower()}, also)


def _table(rows: list[list]) -> str:
    """A text as a table, a line for each token."""
    lines = [f"{'token':16}{'rank':>6}{'p':>8}{'before':>9}"]
    for piece, rank, p, before in rows:
        lines.append(f"{piece!r:16}{rank:6}{p:8.3f}{before:9.3f}")
    return "\n".join(lines)


MISCONCEPTIONS = (
    Misconception(
        "greedy",
        "In this text every token has rank 1: nothing was drawn at all. That is greedy. Under "
        "top-p other tokens come as well.",
        "inference-loop",
    ),
    Misconception(
        "plain",
        "In this text a token was drawn although likelier ones together had more than 0.9: no set "
        "that reaches 0.6 has it. Nothing was ruled out here.",
        LINK,
    ),
    Misconception(
        "hot",
        "In this text tokens of very high ranks came: the distribution was made flat. That is a "
        "high temperature.",
        "inference-temperature",
    ),
    Misconception(
        "top-k",
        "In this text no rank is above 5, even where the model was undecided. And one token came "
        "although likelier ones together had more than 0.6. A fixed number of tokens was kept.",
        "inference-filters",
    ),
    Misconception(
        "min-p",
        "In this text a token came although likelier ones together had more than 0.6. What it "
        "never has is a token far less likely than the best one: that is min-p.",
        "inference-min-p",
    ),
    Misconception(
        "small-letter",
        'A small letter comes back. The texts have capital letters: "A" is not "a".',
        LINK,
    ),
)

EXERCISE = decision(
    id="inference/which_setting",
    callable="drawn_with_top_p",
    title="Which setting made which text?",
    parts={"all": 2},
    minutes=8,
    difficulty="medium",
    link=LINK,
    draw=draw,
    misconceptions=MISCONCEPTIONS,
)
