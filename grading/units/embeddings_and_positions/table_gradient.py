"""embeddings_and_positions/table_gradient: what a table learns from the places it was read at."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception
from grading.units.embeddings_and_positions.draw import distinct, normal

LINK = "embeddings-and-positions-gradient"
AXES = "vocab d_model"


def cases(rng: np.random.Generator) -> list[Case]:
    """Ids that come once, twice, everywhere; batches; tables whose last rows nobody reads."""
    twice = distinct(rng, 7, 5)
    twice[-1] = twice[1]
    batch = distinct(rng, 11, 2, 3)
    across = batch.copy()
    across[1, 0] = across[0, 2]
    ids = {
        "3 different ids": (7, distinct(rng, 7, 3)),
        "5 ids, one of them twice": (7, twice),
        "an id that stands at every place": (5, np.full(7, rng.integers(5))),
        "a batch of 2 texts without repeats": (13, batch),
        "a batch in which 2 texts share an id": (13, across),
        "a batch in which a text repeats an id": (17, _repeated(batch)),
        "a batch of one text": (7, distinct(rng, 7, 1, 3)),
        "a single place": (5, distinct(rng, 5, 1)),
        "a table whose last rows are not read": (17, distinct(rng, 5, 3)),
        "a table that is read from end to end": (5, rng.permutation(5)),
    }
    return [_case(rng, says, vocab, places) for says, (vocab, places) in ids.items()]


def _repeated(batch: np.ndarray) -> np.ndarray:
    """The same ids, the first of the second text twice there."""
    repeated = batch.copy()
    repeated[1, 2] = repeated[1, 0]
    return repeated


def _case(rng, says: str, vocab: int, ids: np.ndarray) -> Case:
    d_model = 1 if says == "a single place" else 5
    upstream = normal(rng, *ids.shape, d_model)
    return Case(says, {"token_ids": ids, "upstream": upstream, "vocab": vocab}, axes=AXES)


# --- right in other ways ---------------------------------------------------------------------


def place_by_place(token_ids, upstream, vocab):
    """A plain loop over the places."""
    gradient = torch.zeros(vocab, upstream.shape[-1])
    rows = upstream.reshape(-1, upstream.shape[-1])
    for row, change in zip(token_ids.flatten().tolist(), rows, strict=True):
        gradient[row] += change
    return gradient


def one_hot_product(token_ids, upstream, vocab):
    """The gradient of a matrix product: one-hot, transposed, times upstream."""
    one_hot = torch.nn.functional.one_hot(token_ids.flatten(), vocab).float()
    return one_hot.T @ upstream.flatten(0, -2)


def with_autograd(token_ids, upstream, vocab):
    """PyTorch's own gradient of a lookup."""
    table = torch.zeros(vocab, upstream.shape[-1], requires_grad=True)
    table[token_ids].backward(upstream)
    return table.grad


def row_by_row(token_ids, upstream, vocab):
    """For each row, the sum over the places where a comparison says yes."""
    return torch.stack([upstream[token_ids == v].sum(dim=0) for v in range(vocab)])


# --- wrong in known ways -----------------------------------------------------------------------

ADD = "gradient.index_add(0, token_ids.flatten(), rows)"
ROWS = "rows = upstream.reshape(-1, upstream.shape[-1])"
COUNTS = "torch.bincount(token_ids.flatten(), minlength=vocab)"


def text_by_text(token_ids, upstream, vocab):
    """A loop over the first axis only: right where that is the places."""
    gradient = torch.zeros(vocab, upstream.shape[-1])
    for ids, rows in zip(token_ids, upstream, strict=True):
        gradient[ids] += rows
    return gradient


def a_text_at_once(token_ids, upstream, vocab):
    """A loop over the texts, also where there is a single one without a batch axis."""
    gradient = torch.zeros(vocab, upstream.shape[-1])
    texts = token_ids.reshape(-1, token_ids.shape[-1])
    for ids, rows in zip(texts, upstream.reshape(*texts.shape, -1), strict=True):
        gradient[ids] += rows
    return gradient


MISCONCEPTIONS = (
    Misconception(
        "repeats-overwritten",
        "Where an id stands at several places, one of its changes survives: assigning to an index "
        "with repeats, also by `+=`, writes each row once. All places have to add up.",
        LINK,
        {f"return {ADD}": "gradient[token_ids.flatten()] += rows\n    return gradient"},
    ),
    Misconception(
        "first-place-only",
        "Where an id stands at several places, only the first counts. Every place adds its share.",
        LINK,
        {
            f"return {ADD}": "gradient[token_ids.flatten().flip(0)] += rows.flip(0)\n"
            "    return gradient"
        },
    ),
    Misconception(
        "repeats-averaged",
        "The changes of an id that stands at several places are averaged. The loss feels each of "
        "its places, so they add up.",
        LINK,
        {ADD: f"{ADD} / {COUNTS}.clamp(min=1)[:, None]"},
    ),
    Misconception(
        "averaged-over-places",
        "All is divided by the number of places. If the loss is a mean, that division is already "
        "in `upstream`.",
        LINK,
        {ADD: f"{ADD} / token_ids.numel()"},
    ),
    Misconception(
        "counts-only",
        "Each row holds how often its id stands in the text. That is the gradient only where "
        "every upstream number is 1: add up the upstream vectors themselves.",
        LINK,
        {ADD: f"{COUNTS}[:, None].float().expand(vocab, upstream.shape[-1])"},
    ),
    Misconception(
        "only-rows-read",
        "The rows that were not read are left out. The gradient has the table's own shape; those "
        "rows are zero.",
        LINK,
        {ADD: f"{ADD}[token_ids.unique()]"},
    ),
    Misconception(
        "first-text-only",
        "Only the first text of the batch counts: places in all texts read the same table.",
        LINK,
        {
            "token_ids.flatten()": "(token_ids if token_ids.dim() == 1 else token_ids[0])",
            ROWS: "rows = upstream if token_ids.dim() == 1 else upstream[0]",
        },
    ),
    Misconception(
        "spread-over-all-rows",
        "Every row gets the sum of all changes. A row was read at the places of its own id alone, "
        "so only those can change it.",
        LINK,
        {ADD: "gradient + rows.sum(dim=0)"},
    ),
    Misconception(
        "as-long-as-the-largest-id",
        "The gradient ends at the largest id of the text; the table has `vocab` rows.",
        LINK,
        {ADD: f"{ADD}[: token_ids.max() + 1]"},
    ),
    Misconception(
        "step-instead-of-gradient",
        "The sign is turned round. That is the direction of a step downhill; the gradient itself "
        "points uphill.",
        LINK,
        {ADD: f"-{ADD}"},
    ),
    Misconception(
        "transposed",
        "Rows and columns have changed places: the gradient has a row for each id, like the table.",
        LINK,
        {ADD: f"{ADD}.T"},
    ),
    Misconception(
        "repeats-within-a-text-overwritten",
        "Texts add up, but an id that stands twice in one text counts once: a whole text was added "
        "at once, and `+=` on an index with repeats writes each row once.",
        LINK,
        answer=text_by_text,
    ),
    Misconception(
        "a-text-at-once",
        "Different texts add up, but an id that stands twice in one text counts once there: `+=` "
        "on an index with repeats writes each row once. Every place has to count.",
        LINK,
        answer=a_text_at_once,
    ),
    Misconception(
        "a-row-for-each-place",
        "These are the upstream vectors, a row for each place of the text. The table has a row for "
        "each id: there the vectors of all its places are added up.",
        LINK,
        {ADD: "rows"},
    ),
    Misconception(
        "sums-at-the-places",
        "The sums are right, but there is a row for each place of the text: the table has a row "
        "for each id, from 0 to vocab - 1.",
        LINK,
        {ADD: f"{ADD}[token_ids.flatten()]"},
    ),
    Misconception(
        "a-gradient-for-each-text",
        "A batch gets one gradient for each of its texts. There is one table, and all texts read "
        "it: add up over the batch, too.",
        LINK,
        {
            f"return {ADD}": "one_hot = torch.nn.functional.one_hot(token_ids, vocab).float()\n"
            "    return one_hot.mT @ upstream"
        },
    ),
)

EXERCISE = Exercise(
    id="embeddings_and_positions/table_gradient",
    callable="table_gradient",
    title="The gradient of a table",
    parts={"all": 2},
    minutes=10,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(place_by_place, one_hot_product, with_autograd, row_by_row),
)
