"""embeddings_and_positions/look_up: a row of the table for each id."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception
from grading.units.embeddings_and_positions.draw import distinct, normal

LINK = "embeddings-and-positions-lookup"


def cases(rng: np.random.Generator) -> list[Case]:
    """One id, a text, a batch of texts; ids that repeat; tables of one row and of one column."""
    text = "seq d_model"
    return [
        _case(rng, "a text of 5 different ids", text, 11, 13, distinct(rng, 11, 5)),
        _case(rng, "a text in which an id comes twice", text, 7, 13, _with_repeats(rng, 7, 5)),
        _case(rng, "a text longer than the table", text, 3, 7, rng.integers(3, size=11)),
        _case(rng, "a batch of 2 texts", "batch seq d_model", 11, 7, distinct(rng, 11, 2, 3)),
        _case(rng, "a batch of one text", "batch seq d_model", 11, 7, distinct(rng, 11, 1, 5)),
        _case(rng, "a text of one id", text, 5, 3, distinct(rng, 5, 1)),
        _case(rng, "a single id, not in a list", "d_model", 7, 5, np.array(rng.integers(1, 7))),
        _case(rng, "a table with one column", text, 11, 1, distinct(rng, 11, 5)),
        _case(rng, "the first and the last row", text, 7, 5, np.array([6, 0])),
    ]


def _case(rng, says: str, axes: str, vocab: int, d_model: int, ids: np.ndarray) -> Case:
    return Case(says, {"table": normal(rng, vocab, d_model), "token_ids": ids}, axes=axes)


def _with_repeats(rng, vocab: int, seq: int) -> np.ndarray:
    ids = distinct(rng, vocab, seq)
    ids[-1] = ids[0]
    return ids


# --- right in other ways ---------------------------------------------------------------------


def one_hot_product(table, token_ids):
    """Vectors of 0 with a single 1, times the table."""
    one_hot = torch.nn.functional.one_hot(token_ids, len(table)).to(table.dtype)
    return one_hot @ table


def with_index_select(table, token_ids):
    """All ids in one row, then the shape put back."""
    rows = table.index_select(0, token_ids.reshape(-1))
    return rows.reshape(*token_ids.shape, table.shape[1])


def one_by_one(table, token_ids):
    """Recursion over the axes, a row at a time."""
    if token_ids.dim() == 0:
        return table[int(token_ids)]
    return torch.stack([one_by_one(table, part) for part in token_ids])


def with_embedding(table, token_ids):
    """PyTorch's own."""
    return torch.nn.functional.embedding(token_ids, table)


# --- wrong in known ways -----------------------------------------------------------------------

ROWS = "table[token_ids]"

MISCONCEPTIONS = (
    Misconception(
        "columns-read",
        "The ids pick columns. Each id has a row of the table; the second axis of the table holds "
        "the numbers of one vector.",
        LINK,
        {ROWS: "table[:, token_ids]"},
    ),
    Misconception(
        "positions-for-ids",
        "The rows come in the order of the table, as if the ids were 0, 1, 2 and so on. What "
        "counts is the id that stands at a position, not the position.",
        LINK,
        {ROWS: "table[torch.arange(token_ids.numel()) % len(table)].reshape(*token_ids.shape, -1)"},
    ),
    Misconception(
        "ids-sorted",
        "The ids were sorted first, so the vectors no longer stand in the order of the text.",
        LINK,
        {ROWS: "table[token_ids.sort().values]"},
    ),
    Misconception(
        "each-id-once",
        "An id that comes several times is looked up once, and the order is lost: the result "
        "needs a vector for every position.",
        LINK,
        {ROWS: "table[token_ids.unique()]"},
    ),
    Misconception(
        "batch-flattened",
        "The texts of a batch are joined into one long list: keep the axes of the ids, and add "
        "the vectors behind them.",
        LINK,
        {ROWS: "table[token_ids.flatten()]"},
    ),
    Misconception(
        "counted-from-1",
        "The rows are one too early: id 0 is the first row, so an id is the row's index as it is.",
        LINK,
        {ROWS: "table[token_ids - 1]"},
    ),
    Misconception(
        "one-hot-only",
        "These are the one-hot vectors: a single 1 at the place of the id. They still have to "
        "meet the table.",
        LINK,
        {ROWS: "torch.nn.functional.one_hot(token_ids, len(table)).float()"},
    ),
    Misconception(
        "scaled",
        "The rows are multiplied by the square root of d_model. The transformer of 2017 did that; "
        "a lookup hands over the rows as they are.",
        LINK,
        {ROWS: "table[token_ids] * table.shape[1] ** 0.5"},
    ),
    Misconception(
        "summed",
        "The vectors of a text are added up into one, which is a bag of words: the sequence needs "
        "one vector for each position.",
        LINK,
        {ROWS: "table[token_ids].sum(dim=-2)"},
    ),
    Misconception(
        "length-1",
        "Each vector was divided by its length. The lengths belong to what was learned: hand over "
        "the rows unchanged.",
        LINK,
        {ROWS: "torch.nn.functional.normalize(table[token_ids], dim=-1)"},
    ),
    Misconception(
        "batch-of-one-dropped",
        "A batch of one text loses its batch axis. The result has all axes of the ids, those of "
        "size 1 too.",
        LINK,
        {ROWS: "table[token_ids].squeeze(0)"},
    ),
    Misconception(
        "averaged",
        "The vectors of a text are averaged into one: the sequence needs one vector for each "
        "position.",
        LINK,
        {ROWS: "table[token_ids].mean(dim=-2)"},
    ),
)

EXERCISE = Exercise(
    id="embeddings_and_positions/look_up",
    callable="look_up",
    title="Look up embeddings",
    parts={"all": 1},
    minutes=5,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(one_hot_product, with_index_select, one_by_one, with_embedding),
)
