"""pretraining/shift: the target of each position is the token that follows."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.pretraining.draw import ids

LINK = "pretraining-shift"


def cases(rng: np.random.Generator) -> list[Case]:
    """One text, a batch, several axes in front, two tokens, one token."""
    return [
        Case("a text of 7 tokens", {"token_ids": ids(rng, 90, 7)}, axes="seq", name="text"),
        Case("a batch of 3 texts", {"token_ids": ids(rng, 90, 3, 5)}, axes="batch seq"),
        Case("a batch of one text", {"token_ids": ids(rng, 90, 1, 5)}, axes="batch seq"),
        Case("as many texts as tokens", {"token_ids": ids(rng, 90, 4, 4)}, axes="batch seq"),
        Case("two axes in front", {"token_ids": ids(rng, 90, 2, 3, 4)}),
        Case("two tokens", {"token_ids": ids(rng, 90, 2)}, axes="seq"),
        Case("one token, which has no next", {"token_ids": ids(rng, 90, 1)}, axes="seq"),
        Case("a token that repeats", {"token_ids": np.full(5, 11)}, axes="seq"),
    ]


# --- right in other ways ---------------------------------------------------------------------


def by_narrow(token_ids):
    """Pieces of the last axis by where they start and how long they are."""
    length = token_ids.shape[-1] - 1
    return token_ids.narrow(-1, 0, length), token_ids.narrow(-1, 1, length)


def by_positions(token_ids):
    """Positions first, then the tokens that stand there and one further."""
    positions = torch.arange(token_ids.shape[-1] - 1)
    return torch.index_select(token_ids, -1, positions), token_ids[..., positions + 1]


def row_by_row(token_ids):
    """Python lists, a row at a time."""
    rows = token_ids.reshape(-1, token_ids.shape[-1]).tolist()
    shape = (*token_ids.shape[:-1], token_ids.shape[-1] - 1)
    inputs = torch.tensor([row[:-1] for row in rows], dtype=torch.int64)
    targets = torch.tensor([row[1:] for row in rows], dtype=torch.int64)
    return inputs.reshape(shape), targets.reshape(shape)


# --- wrong in known ways -----------------------------------------------------------------------

RESULT = "return token_ids[..., :-1], token_ids[..., 1:]"


def _edit(new: str) -> dict[str, str]:
    return {RESULT: f"return {new}"}


MISCONCEPTIONS = (
    Misconception(
        "not-shifted",
        "The targets are the inputs themselves. A model learns to repeat what it reads from such "
        "targets, and its loss falls to 0; the target of a position is the next token.",
        LINK,
        _edit("token_ids[..., :-1], token_ids[..., :-1]"),
    ),
    Misconception(
        "whole-text-twice",
        "Inputs and targets are both the whole text. Leave the last token out of the inputs, since "
        "nothing follows it, and the first out of the targets.",
        LINK,
        _edit("token_ids, token_ids"),
    ),
    Misconception(
        "backwards",
        "The targets are the tokens *before*: a model would learn to say what it has just read. "
        "Inputs and targets have changed places.",
        LINK,
        _edit("token_ids[..., 1:], token_ids[..., :-1]"),
    ),
    Misconception(
        "by-two",
        "The targets stand two tokens further on. One is wanted.",
        LINK,
        _edit("token_ids[..., :-2], token_ids[..., 2:]"),
    ),
    Misconception(
        "rolled-around",
        "The target of the last position is the first token of the text: it was turned round like "
        "a ring. The last token has no next one, and is no input.",
        LINK,
        _edit("token_ids, token_ids.roll(-1, dims=-1)"),
    ),
    Misconception(
        "texts-shifted",
        "Texts are shifted against each other, not tokens: the first axis was cut. The tokens "
        "stand along the last axis.",
        LINK,
        _edit("token_ids[:-1], token_ids[1:]"),
    ),
    Misconception(
        "one-target-only",
        "There is a target for the last position alone. Every position has a next token, and all "
        "of them are trained at once.",
        LINK,
        _edit("token_ids[..., :-1], token_ids[..., -1]"),
    ),
    Misconception(
        "padded-to-length",
        "The text keeps its length, and the last target is filled up with a number that is no "
        "token. Here both results are one token shorter than the text.",
        LINK,
        _edit("token_ids, torch.cat([token_ids[..., 1:], 0 * token_ids[..., :1] - 100], dim=-1)"),
    ),
    Misconception(
        "not-cut-at-the-end",
        "The targets are right, but the inputs still hold the last token, which has no target.",
        LINK,
        _edit("token_ids, token_ids[..., 1:]"),
    ),
    Misconception(
        "not-cut-at-the-start",
        "The inputs are right, but the targets still hold the first token, which nothing comes "
        "before.",
        LINK,
        _edit("token_ids[..., :-1], token_ids"),
    ),
    Misconception(
        "stacked",
        "Inputs and targets are joined in one tensor. Two tensors are wanted, as a tuple.",
        LINK,
        _edit("torch.stack([token_ids[..., :-1], token_ids[..., 1:]])"),
    ),
    Misconception(
        "as-floats",
        "The ids have become floats. They stay whole numbers: an embedding table is indexed by "
        "them.",
        LINK,
        _edit("token_ids[..., :-1].float(), token_ids[..., 1:].float()"),
    ),
)

EXERCISE = Exercise(
    id="pretraining/shift",
    callable="shift",
    title="Inputs and targets",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(by_narrow, by_positions, row_by_row),
    properties=(
        Property(
            "next-token",
            "The first target is not the second input.",
            LINK,
            ("text",),
            lambda text: bool(text[1][0] == text[0][1]),
        ),
    ),
)
