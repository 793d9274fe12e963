"""embeddings_and_positions/nearest: which rows point the same way."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.embeddings_and_positions.draw import normal

LINK = "embeddings-and-positions-neighbours"


def cases(rng: np.random.Generator) -> list[Case]:
    """Rows of equal and of very different lengths; the first, a middle and the last row."""
    return [
        _case("rows of length 1, the first row asks", _rows(rng, 11, 5, spread=0), 0, 3),
        _case("rows of length 1, a middle row asks", _rows(rng, 11, 5, spread=0), 5, 3),
        _case("rows of many lengths, a middle row asks", _rows(rng, 17, 7), 8, 5),
        _case("rows of many lengths, the last row asks", _rows(rng, 13, 7), 12, 5),
        _case("rows that share a common direction", _rows(rng, 13, 7) + 2, 3, 5),
        _case("rows of small numbers", 0.01 * _rows(rng, 11, 7), 4, 3),
        _case("a row with an opposite", _with_an_opposite(rng), 2, 3),
        _case("one neighbour", _rows(rng, 11, 5), 6, 1),
        _case("all others", _rows(rng, 7, 5), 3, 6),
        _case("two rows", _rows(rng, 2, 5), 1, 1),
    ]


def _case(says: str, table: np.ndarray, index: int, n: int) -> Case:
    return Case(says, {"table": table.astype(np.float32), "index": index, "n": n}, axes="n")


def _rows(rng, vocab: int, d_model: int, spread: float = 1.0) -> np.ndarray:
    """Rows with lengths from small to large; none, or all of length 1, at spread 0."""
    rows = normal(rng, vocab, d_model)
    rows /= np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows * np.exp(spread * rng.permutation(np.linspace(-1, 1, vocab)))[:, None]


def _with_an_opposite(rng) -> np.ndarray:
    rows = _rows(rng, 11, 5)
    rows[7] = -1.3 * rows[2] + 0.05 * normal(rng, 5)
    return rows


# --- right in other ways ---------------------------------------------------------------------


def with_cosine_similarity(table, index, n):
    """PyTorch's cosine, sorted, the row itself taken out of the list."""
    cosines = torch.nn.functional.cosine_similarity(table, table[index : index + 1])
    order = cosines.argsort(descending=True)
    order = order[order != index][:n]
    return order, cosines[order]


def row_by_row(table, index, n):
    """Plain Python numbers and a sorted list of pairs."""
    asked = table[index].double()
    pairs = []
    for i, row in enumerate(table.double()):
        if i != index:
            cosine = torch.dot(row, asked) / (row.norm() * asked.norm())
            pairs.append((cosine.item(), i))
    pairs.sort(reverse=True)
    return torch.tensor([i for _, i in pairs[:n]]), torch.tensor([c for c, _ in pairs[:n]])


def one_more_than_asked(table, index, n):
    """n + 1 neighbours, of which the first is the row itself."""
    unit = torch.nn.functional.normalize(table, dim=1)
    best = (unit @ unit[index]).topk(n + 1)
    return best.indices[1:], best.values[1:]


def dot_products_divided(table, index, n):
    """The formula as it stands: dot products, then both lengths."""
    dots = torch.einsum("vd,d->v", table, table[index])
    lengths = table.square().sum(dim=1).sqrt()
    cosines = dots / (lengths * lengths[index])
    others = torch.tensor([i for i in range(len(table)) if i != index])
    order = cosines[others].argsort(descending=True)[:n]
    return others[order], cosines[others][order]


# --- wrong in known ways -----------------------------------------------------------------------

UNIT = "table / table.norm(dim=-1, keepdim=True)"
COSINES = "directions @ directions[index]"
OUT = "cosines[index] = -torch.inf"
BEST = "best = cosines.topk(n)"
RETURN = "return best.indices, best.values"

MISCONCEPTIONS = (
    Misconception(
        "dot-product",
        "These are dot products, not cosines: long rows come out near to everybody. Divide by "
        "both lengths.",
        LINK,
        {UNIT: "table"},
    ),
    Misconception(
        "own-length-left-in",
        "Each product is divided by the other row's length only. The order is right, but the "
        "numbers still hold the length of row `index`.",
        LINK,
        {COSINES: "directions @ table[index]"},
    ),
    Misconception(
        "their-lengths-left-in",
        "The products are divided by the length of row `index` only, so long rows still come out "
        "on top: divide by both lengths.",
        LINK,
        {COSINES: "table @ directions[index]"},
    ),
    Misconception(
        "columns-normalised",
        "The columns were brought to length 1 instead of the rows: a row is one vector.",
        LINK,
        {UNIT: "table / table.norm(dim=0, keepdim=True)"},
    ),
    Misconception(
        "squared-lengths",
        "The products are divided by the squares of the lengths, so a row has not cosine 1 with "
        "itself: take the square root.",
        LINK,
        {UNIT: "table / table.square().sum(dim=-1, keepdim=True)"},
    ),
    Misconception(
        "itself-included",
        "The row is its own nearest neighbour here, with cosine 1. It should be left out.",
        LINK,
        {OUT: "pass"},
    ),
    Misconception(
        "itself-included-and-one-cut",
        "The first of the whole list was cut away, so one neighbour is missing: it takes one more "
        "than n to have n left.",
        LINK,
        {OUT: "pass", RETURN: "return best.indices[1:], best.values[1:]"},
    ),
    Misconception(
        "farthest",
        "These are the rows least like row `index`, the farthest first: a large cosine means near.",
        LINK,
        {OUT: OUT.replace("-", ""), BEST: "best = cosines.topk(n, largest=False)"},
    ),
    Misconception(
        "opposites-near",
        "The sign of the cosine is dropped, so a row that points the opposite way counts as near. "
        "Its cosine is close to -1.",
        LINK,
        {COSINES: f"({COSINES}).abs()"},
    ),
    Misconception(
        "distance",
        "These are the nearest by distance between the points. Rows that point the same way and "
        "differ in length are far apart then; the cosine compares directions.",
        LINK,
        {COSINES: "-(table - table[index]).norm(dim=-1)"},
    ),
    Misconception(
        "centred",
        "The mean of all rows was taken off first. That changes every direction; the cosine here "
        "is that of the rows as they are.",
        LINK,
        {
            f"directions = {UNIT}": "centred = table - table.mean(dim=0)\n"
            "    directions = centred / centred.norm(dim=-1, keepdim=True)"
        },
    ),
    Misconception(
        "ids-moved-up",
        "Row `index` was removed from the table before the search, and so every later row has "
        "moved up by one: its id is one too small.",
        LINK,
        {
            OUT: "cosines = torch.cat((cosines[:index], cosines[index + 1 :]))",
        },
    ),
    Misconception(
        "in-the-order-of-the-table",
        "The right rows, in the order of the table. The most alike comes first.",
        LINK,
        {
            RETURN: "ids = best.indices.sort().values\n    return ids, cosines[ids]",
        },
    ),
    Misconception(
        "least-alike-first",
        "The right rows, in the wrong order: the most alike comes first.",
        LINK,
        {RETURN: "return best.indices.flip(0), best.values.flip(0)"},
    ),
    Misconception(
        "ids-and-cosines-swapped",
        "The two results have changed places: ids first, cosines second.",
        LINK,
        {RETURN: "return best.values, best.indices"},
    ),
    Misconception(
        "ids-only",
        "The ids alone came back: return the cosines beside them.",
        LINK,
        {RETURN: "return best.indices"},
    ),
    Misconception(
        "table-changed",
        "The table was divided in place: whoever passed it in now holds other embeddings than "
        "before. Make a new table for the directions.",
        LINK,
        {
            f"directions = {UNIT}": "table /= table.norm(dim=-1, keepdim=True)\n"
            "    directions = table"
        },
    ),
    Misconception(
        "whole-table-normalised",
        "The table was divided by one single number, the length of everything in it. Each row has "
        "a length of its own.",
        LINK,
        {UNIT: "table / table.norm()"},
    ),
    Misconception(
        "itself-at-0",
        "The row's own cosine was set to 0, which is still more than that of rows on the other "
        "side. It must lose against every cosine, down to -1.",
        LINK,
        {OUT: "cosines[index] = 0"},
    ),
    Misconception(
        "softmax-taken",
        "The order is right, and the numbers are shares from a softmax. The cosines themselves are "
        "asked for.",
        LINK,
        {COSINES: f"({COSINES}).softmax(dim=0)"},
    ),
    Misconception(
        "chosen-by-distance",
        "The cosines belong to the rows, but the rows were chosen by the distance between the "
        "points, which depends on their lengths. Choose by the cosines themselves.",
        LINK,
        {
            BEST: "distances = (table - table[index]).norm(dim=-1)\n"
            "    distances[index] = torch.inf\n"
            "    ids = distances.topk(n, largest=False).indices",
            RETURN: "return ids, cosines[ids]",
        },
    ),
    Misconception(
        "chosen-by-dot-product",
        "The cosines belong to the rows, but the rows were chosen by their dot products, which "
        "prefer long rows. Choose by the cosines themselves.",
        LINK,
        {
            BEST: "products = table @ table[index]\n"
            "    products[index] = -torch.inf\n"
            "    ids = products.topk(n).indices",
            RETURN: "return ids, cosines[ids]",
        },
    ),
    Misconception(
        "angles-for-cosines",
        "The ids are right, and beside them stand angles. The cosines themselves are asked for.",
        LINK,
        {RETURN: "return best.indices, best.values.arccos()"},
    ),
)


def _are_cosines(result: tuple) -> bool:
    return bool(np.all(np.abs(result[1]) < 1 + 1e-3))


def _itself_is_out(result: tuple) -> bool:
    return 8 not in result[0].tolist()


PROPERTIES = (
    Property(
        "beyond-1",
        "Some of the second results lie outside of -1 to 1, so they are no cosines. What is each "
        "dot product divided by?",
        LINK,
        cases=("rows of many lengths, a middle row asks",),
        holds=_are_cosines,
    ),
    Property(
        "itself-among-them",
        "The row that asks is among its own neighbours.",
        LINK,
        cases=("rows of many lengths, a middle row asks",),
        holds=_itself_is_out,
    ),
)


EXERCISE = Exercise(
    id="embeddings_and_positions/nearest",
    callable="nearest",
    title="Nearest neighbours",
    parts={"all": 2},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(
        with_cosine_similarity,
        row_by_row,
        one_more_than_asked,
        dot_products_divided,
    ),
    equivalent={
        "`dim=1` for `dim=-1`": "a table has two axes",
    },
    properties=PROPERTIES,
)
