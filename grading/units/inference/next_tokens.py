"""inference/next_tokens: from the logits of a pass to the next token of each text."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception
from grading.units.inference.draw import normal

LINK = "inference-loop"


def cases(rng: np.random.Generator) -> list[Case]:
    """Batches and single texts, one position, one token, equal logits, small and large numbers."""
    batch = normal(rng, 3, 5, 7)
    batch[1, 0, int(rng.integers(7))] = 9.0  # the highest of its text, at the first position
    batch[2, 3, int(rng.integers(7))] = 9.0
    small = normal(rng, 2, 3, 11, scale=0.01) - 4.0  # all below 0
    large = normal(rng, 2, 3, 11, scale=60.0)
    ties = normal(rng, 2, 3, 7)
    ties[0, -1, [2, 5]] = 8.0
    ties[1, -1] = 0.0
    return [
        Case("three texts of five positions", {"logits": batch}, axes="batch"),
        Case("one text", {"logits": normal(rng, 1, 5, 7)}, axes="batch"),
        Case("texts of one position", {"logits": normal(rng, 3, 1, 7)}, axes="batch"),
        Case("one text of one position", {"logits": normal(rng, 1, 1, 13)}, axes="batch"),
        Case("as many texts as positions", {"logits": normal(rng, 5, 5, 11)}, axes="batch"),
        Case("small logits, all below 0", {"logits": small}, axes="batch"),
        Case("large logits", {"logits": large}, axes="batch"),
        Case("equal highest logits", {"logits": ties}, axes="batch"),
        Case("a vocabulary of one token", {"logits": normal(rng, 3, 2, 1)}, axes="batch"),
    ]


# --- right in other ways ---------------------------------------------------------------------


def text_by_text(logits):
    """Python's own max over the ids of each last row; of equals it takes the first."""
    chosen = []
    for text in logits.tolist():
        last = text[-1]
        chosen.append(max(range(len(last)), key=last.__getitem__))
    return torch.tensor(chosen)


def by_highest_value(logits):
    """Where a logit equals the highest, the first such place."""
    final = logits.select(1, logits.shape[1] - 1)  # batch vocab
    is_highest = final == final.amax(dim=1, keepdim=True)
    return is_highest.int().cumsum(dim=1).eq(0).sum(dim=1)


def every_position_first(logits):
    """The likeliest token of every position, and of those the last."""
    return torch.max(logits, dim=2).indices[:, -1]


# --- wrong in known ways -----------------------------------------------------------------------

ANSWER = "return logits[:, -1].argmax(dim=-1)"

MISCONCEPTIONS = (
    Misconception(
        "first-position",
        "This reads the logits of the first position, which say what follows the first token. "
        "What follows the whole text stands elsewhere.",
        LINK,
        {"logits[:, -1]": "logits[:, 0]"},
    ),
    Misconception(
        "last-text",
        "This takes the last text of the batch instead of the last position of each text: the "
        "first axis is the batch.",
        LINK,
        {"logits[:, -1]": "logits[-1]"},
    ),
    Misconception(
        "one-position-early",
        "This reads the position before the last. Each position's logits are about the token after "
        "it, so the last one has the guess that is still open.",
        LINK,
        {"logits[:, -1]": "logits[:, max(logits.shape[1] - 2, 0)]"},
    ),
    Misconception(
        "every-position",
        "This gives a token for every position. All but the last are guesses about tokens that "
        "are already there.",
        LINK,
        {"logits[:, -1]": "logits"},
    ),
    Misconception(
        "last-token-of-the-vocabulary",
        "This compares positions, by their logit of the last token in the vocabulary. The "
        "comparison wanted is between tokens, at one position.",
        LINK,
        {"logits[:, -1]": "logits[:, :, -1]"},
    ),
    Misconception(
        "logit-returned",
        "This returns how high the highest logit is. What is wanted is which token has it: its id.",
        LINK,
        {".argmax(dim=-1)": ".amax(dim=-1)"},
    ),
    Misconception(
        "probability-returned",
        "This returns the probability of the likeliest token. What is wanted is its id.",
        LINK,
        {".argmax(dim=-1)": ".softmax(dim=-1).amax(dim=-1)"},
    ),
    Misconception(
        "least-likely",
        "This is the token with the lowest logit, the least likely one.",
        LINK,
        {".argmax(dim=-1)": ".argmin(dim=-1)"},
    ),
    Misconception(
        "summed-over-positions",
        "The logits of all positions are added up (or averaged) before the choice. Earlier "
        "positions guess other tokens; they have no say in this one.",
        LINK,
        {"logits[:, -1]": "logits.sum(dim=1)"},
    ),
    Misconception(
        "highest-anywhere",
        "This looks for the highest logit at all positions of a text. Only the last position "
        "guesses the next token.",
        LINK,
        {"logits[:, -1]": "logits.amax(dim=1)"},
    ),
    Misconception(
        "one-token-for-the-batch",
        "This gives one token for the whole batch: the search runs over all texts at once. Each "
        "text continues in its own way.",
        LINK,
        {".argmax(dim=-1)": ".argmax()"},
    ),
    Misconception(
        "axis-kept",
        "The ids are right, but an axis of size 1 is left: the result has one axis, the batch.",
        LINK,
        {".argmax(dim=-1)": ".argmax(dim=-1, keepdim=True)"},
    ),
    Misconception(
        "last-of-equals",
        "Where several logits are the highest, this takes the last of their ids. The lowest id is "
        "asked for, so that everybody gets the same text.",
        LINK,
        {
            ANSWER: "last = logits[:, -1].flip(-1)\n"
            "    return last.shape[-1] - 1 - last.argmax(dim=-1)"
        },
    ),
    Misconception(
        "ids-as-floats",
        "The ids are right, but they are floats. An id is the number of a row in a table, so it "
        "has to be an integer.",
        LINK,
        {".argmax(dim=-1)": ".argmax(dim=-1).float()"},
    ),
)

EXERCISE = Exercise(
    id="inference/next_tokens",
    callable="next_tokens",
    title="The next token",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    equivalent={"`dim=1` for `dim=-1`": "one position is left of three axes: batch and vocab"},
    alternatives=(text_by_text, by_highest_value, every_position_first),
)
