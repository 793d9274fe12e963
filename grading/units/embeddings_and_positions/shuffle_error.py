"""embeddings_and_positions/shuffle_error: does a layer know the order?"""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception
from grading.units.embeddings_and_positions import drive
from grading.units.embeddings_and_positions.draw import normal

LINK = "embeddings-and-positions-order"


def cases(rng: np.random.Generator) -> list[Case]:
    """Layers that treat their input as a set, and others; orders with and without a circle."""
    turn = _turn(rng, 7)
    return [
        # The first is asked twice: its result is another for each order.
        _case(rng, "a running sum", "running sum", turn),
        _case(rng, "a layer that doubles every vector", "doubled", turn),
        _case(rng, "attention without positions", "attention", turn),
        _case(rng, "attention with a causal mask", "causal attention", turn),
        _case(rng, "attention with places added", "attention with places added", turn),
        _case(rng, "a running sum and 5 positions", "running sum", _turn(rng, 5)),
        _case(rng, "a running sum and two positions exchanged", "running sum", _swap(rng, 7)),
        _case(rng, "the difference from the first", "difference from the first", turn),
        _case(rng, "a layer that sees places alone", "places alone", turn),
        _case(rng, "an order that changes nothing", "running sum", np.arange(7)),
        _case(rng, "a single position", "running sum", np.arange(1)),
    ]


def _case(rng, says: str, layer: str, order: np.ndarray) -> Case:
    return Case(says, {"layer": layer, "x": normal(rng, len(order), 11), "order": order})


def _turn(rng, seq: int) -> np.ndarray:
    """An order that moves every position and is not its own inverse: one long circle."""
    circle = rng.permutation(seq)
    order = np.empty(seq, dtype=np.int64)
    order[circle] = np.roll(circle, 1)
    return order


def _swap(rng, seq: int) -> np.ndarray:
    order = np.arange(seq)
    order[[1, seq - 2]] = order[[seq - 2, 1]]
    return order


# --- right in other ways ---------------------------------------------------------------------


def position_by_position(layer, x, order):
    """A loop over the positions, with index_select."""
    shuffled, straight = layer(x.index_select(0, order)), layer(x)
    largest = 0.0
    for place, origin in enumerate(order.tolist()):
        largest = max(largest, float((shuffled[place] - straight[origin]).abs().max()))
    return largest


def brought_back(layer, x, order):
    """Shuffled, through the layer, and back into the old order."""
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order))
    return torch.dist(layer(x[order])[back], layer(x), p=float("inf")).item()


def with_a_matrix(layer, x, order):
    """The shuffle as a matrix of zeros and ones, multiplied from the left."""
    shuffle = torch.eye(len(order))[order]
    return (layer(shuffle @ x) - shuffle @ layer(x)).flatten().norm(p=float("inf")).item()


# --- wrong in known ways -----------------------------------------------------------------------

BOTH = "layer(x[order]), layer(x)[order]"
LARGEST = "(before - after).abs().max().item()"

MISCONCEPTIONS = (
    Misconception(
        "output-not-shuffled",
        "The outputs of the shuffled input are compared with the outputs in the old order. Outputs "
        "move with their inputs even where a layer knows nothing of order: shuffle both sides.",
        LINK,
        {BOTH: "layer(x[order]), layer(x)"},
    ),
    Misconception(
        "sides-in-different-orders",
        "The two sides do not end in the same order: one was shuffled twice, or brought back while "
        "the other was not. The difference shows only where the order is not its own inverse.",
        LINK,
        {BOTH: "layer(x[order])[order], layer(x)"},
    ),
    Misconception(
        "layer-on-one-side-only",
        "One side never went through the layer: this compares outputs with inputs.",
        LINK,
        {BOTH: "layer(x[order]), x[order]"},
    ),
    Misconception(
        "same-side-twice",
        "Both sides are the same computation, so the error is always 0. Once the shuffle comes "
        "before the layer, once after it.",
        LINK,
        {BOTH: "layer(x[order]), layer(x[order])"},
    ),
    Misconception(
        "features-shuffled",
        "The order was applied to the features. It belongs to the positions, the first axis.",
        LINK,
        {BOTH: "layer(x[:, order]), layer(x)[:, order]"},
    ),
    Misconception(
        "sign-kept",
        "The largest difference is taken with its sign, so a large negative one is missed: take "
        "absolute values first.",
        LINK,
        {LARGEST: "(before - after).max().item()"},
    ),
    Misconception(
        "mean-instead-of-largest",
        "This is the mean of the absolute differences. The largest is wanted: one position that "
        "moves is enough to show that order counts.",
        LINK,
        {LARGEST: "(before - after).abs().mean().item()"},
    ),
    Misconception(
        "root-mean-square",
        "This is the root of the mean squared difference, and the largest absolute difference is "
        "asked for.",
        LINK,
        {LARGEST: "(before - after).square().mean().sqrt().item()"},
    ),
    Misconception(
        "length-of-the-difference",
        "This is the length of the whole difference, all squares added up. The largest absolute "
        "difference is wanted.",
        LINK,
        {LARGEST: "(before - after).norm().item()"},
    ),
    Misconception(
        "yes-or-no",
        "This says only whether the two agree. How far they differ is asked for, as a number.",
        LINK,
        {LARGEST: "not torch.allclose(before, after, atol=1e-5)"},
    ),
    Misconception(
        "each-position-by-itself",
        "There is a difference for each position: one number is wanted, the largest of all.",
        LINK,
        {LARGEST: "(before - after).abs().amax(dim=-1)"},
    ),
    Misconception(
        "sum-instead-of-largest",
        "All absolute differences are added up. The largest is wanted.",
        LINK,
        {LARGEST: "(before - after).abs().sum().item()"},
    ),
    Misconception(
        "relative",
        "The difference was divided by the size of the outputs. The plain largest difference is "
        "asked for.",
        LINK,
        {LARGEST: "((before - after).abs().max() / after.abs().max()).item()"},
    ),
    Misconception(
        "sign-kept-the-other-way-round",
        "Places where the shuffled input gives the larger number are missed, since the difference "
        "keeps its sign: take absolute values before the largest.",
        LINK,
        {LARGEST: "(after - before).max().item()"},
    ),
    Misconception(
        "longest-difference-of-a-position",
        "This is the length of the difference vector of a position, for the position where it is "
        "longest. The largest single number of all differences is wanted.",
        LINK,
        {LARGEST: "(before - after).norm(dim=-1).max().item()"},
    ),
    Misconception(
        "largest-sum-of-a-position",
        "The differences of each position are added up before the largest is taken. The largest "
        "single difference is wanted.",
        LINK,
        {LARGEST: "(before - after).abs().sum(dim=-1).max().item()"},
    ),
    Misconception(
        "largest-square",
        "This is the largest squared difference. The largest absolute difference is wanted.",
        LINK,
        {LARGEST: "(before - after).square().max().item()"},
    ),
    Misconception(
        "difference-of-the-largest",
        "The largest number of one side is compared with the largest of the other, wherever they "
        "stand. Subtract place by place first, then take the largest.",
        LINK,
        {LARGEST: "(before.max() - after.max()).abs().item()"},
    ),
    Misconception(
        "inverse-order",
        "Both sides are put into the inverse order. `x[order]` fetches: position `order[i]` comes "
        "to place i. Writing to `y[order]`, or `order.argsort()`, does the reverse.",
        LINK,
        {BOTH: "layer(x[order.argsort()]), layer(x)[order.argsort()]"},
    ),
)

EXERCISE = Exercise(
    id="embeddings_and_positions/shuffle_error",
    callable="shuffle_error",
    title="The shuffle test",
    parts={"all": 2},
    minutes=10,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(position_by_position, brought_back, with_a_matrix),
    drive=drive.probe,
    equivalent={
        f"`{LARGEST.removesuffix('.item()')}` for `{LARGEST}`": "a tensor of one number is one",
        "`after - before` for `before - after`": "absolute values follow",
    },
)
