"""text_before_transformers/rnn_cell: one step of a recurrent network."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.text_before_transformers.draw import network, normal

LINK = "text-before-transformers-recurrent"
AXES = "batch d_hidden"


def _inputs(rng, batch, d_in, d_hidden, scale=0.5):
    x, hidden = normal(rng, batch, d_in), normal(rng, batch, d_hidden)
    return {"x": x, "hidden": hidden, **network(rng, d_in, d_hidden, scale)}


def cases(rng: np.random.Generator) -> list[Case]:
    """Sizes apart and equal, sizes of 1, a state of zeros, small and large sums."""
    usual, square = _inputs(rng, 3, 5, 7), _inputs(rng, 2, 5, 5)
    zero_state = usual | {"hidden": 0 * usual["hidden"]}
    zero_bias = usual | {"bias": 0 * usual["bias"]}
    two = _inputs(rng, 2, 3, 11)
    other = two | {"x": two["x"].copy(), "hidden": two["hidden"].copy()}
    other["x"][1] += 1
    other["hidden"][1] -= 1
    return [
        Case("3 sequences", usual, axes=AXES),
        Case("the same from a state of zeros", zero_state, axes=AXES),
        Case("the same without a bias", zero_bias, axes=AXES),
        Case("x and state of the same width", square, axes=AXES),
        Case("a batch of one", _inputs(rng, 1, 3, 11), axes=AXES),
        Case("a state of one number", _inputs(rng, 3, 2, 1), axes=AXES),
        Case("an x of one number", _inputs(rng, 2, 1, 5), axes=AXES),
        Case("small weights", _inputs(rng, 3, 5, 7, scale=0.02), axes=AXES),
        Case("large weights", _inputs(rng, 3, 5, 7, scale=3.0), axes=AXES),
        Case("2 sequences", two, axes=AXES, name="before"),
        Case("the same, with another second sequence", other, axes=AXES, name="after"),
    ]


# --- right in other ways ---------------------------------------------------------------------


def with_linear(x, hidden, input_weight, hidden_weight, bias):
    """torch's linear, twice."""
    from_x = torch.nn.functional.linear(x, input_weight, bias)
    return (from_x + torch.nn.functional.linear(hidden, hidden_weight)).tanh()


def side_by_side(x, hidden, input_weight, hidden_weight, bias):
    """x and state as one vector, the two weights as one matrix."""
    both = torch.cat([x, hidden], dim=-1)
    weight = torch.cat([input_weight, hidden_weight], dim=1)
    return torch.tanh(bias + torch.einsum("bi,oi->bo", both, weight))


def number_by_number(x, hidden, input_weight, hidden_weight, bias):
    """Loops, and tanh by exponentials."""
    new = torch.empty(len(x), len(bias))
    for b in range(len(x)):
        for unit in range(len(bias)):
            total = bias[unit].double()
            total = total + (input_weight[unit].double() * x[b].double()).sum()
            total = total + (hidden_weight[unit].double() * hidden[b].double()).sum()
            new[b, unit] = 1 - 2 / (torch.exp(2 * total) + 1)
    return new


# --- wrong in known ways -----------------------------------------------------------------------

FROM_X, FROM_HIDDEN = "x @ input_weight.T", "hidden @ hidden_weight.T"
SUM = f"torch.tanh({FROM_X} + {FROM_HIDDEN} + bias)"

MISCONCEPTIONS = (
    Misconception(
        "no-tanh",
        "This is the sum before the tanh: without it a state can grow without bound, and many "
        "steps are no more than one matrix.",
        LINK,
        {SUM: f"{FROM_X} + {FROM_HIDDEN} + bias"},
    ),
    Misconception(
        "sigmoid",
        "The sum goes through a sigmoid, so all numbers of the state are positive. This cell uses "
        "tanh, which goes from -1 to 1.",
        LINK,
        {SUM: f"torch.sigmoid({FROM_X} + {FROM_HIDDEN} + bias)"},
    ),
    Misconception(
        "relu",
        "The sum goes through a ReLU, which cuts off what is negative. This cell uses tanh.",
        LINK,
        {SUM: f"torch.relu({FROM_X} + {FROM_HIDDEN} + bias)"},
    ),
    Misconception(
        "state-ignored",
        "The state before has no effect: the network sees one token at a time and remembers "
        "nothing.",
        LINK,
        {f" + {FROM_HIDDEN}": ""},
    ),
    Misconception(
        "input-ignored",
        "x has no effect: the network remembers, but reads nothing new.",
        LINK,
        {f"{FROM_X} + ": ""},
    ),
    Misconception(
        "bias-missing",
        "The bias has no effect: it belongs into the sum, once.",
        LINK,
        {f"{FROM_HIDDEN} + bias)": f"{FROM_HIDDEN})"},
    ),
    Misconception(
        "bias-twice",
        "The bias is added twice. PyTorch's own cell has two biases; here their sum is given as "
        "one.",
        LINK,
        {f"{FROM_HIDDEN} + bias)": f"{FROM_HIDDEN} + 2 * bias)"},
    ),
    Misconception(
        "bias-outside",
        "The bias is added after the tanh. It belongs to the sum that the tanh receives.",
        LINK,
        {SUM: f"torch.tanh({FROM_X} + {FROM_HIDDEN}) + bias"},
    ),
    Misconception(
        "tanh-of-the-input-alone",
        "The tanh goes over the part that comes from x alone. It belongs over the whole sum, so "
        "that the state stays between -1 and 1.",
        LINK,
        {SUM: f"torch.tanh({FROM_X} + bias) + {FROM_HIDDEN}"},
    ),
    Misconception(
        "two-tanhs",
        "Each part has a tanh of its own. There is one, over the sum of all three.",
        LINK,
        {SUM: f"torch.tanh({FROM_X} + bias) + torch.tanh({FROM_HIDDEN})"},
    ),
    Misconception(
        "two-tanhs-bias-with-the-state",
        "What comes from x has a tanh of its own, and state and bias have another. There is one, "
        "over the sum of all three.",
        LINK,
        {SUM: f"torch.tanh({FROM_X}) + torch.tanh({FROM_HIDDEN} + bias)"},
    ),
    Misconception(
        "joined-in-another-order",
        "State and x are joined to one vector, and their weights to one matrix, in another order: "
        "the weights of the one then meet the numbers of the other.",
        LINK,
        {
            SUM: "torch.tanh(torch.cat([hidden, x], dim=1) "
            "@ torch.cat([input_weight, hidden_weight], dim=1).T + bias)"
        },
    ),
    Misconception(
        "state-before-the-product",
        "What comes from x is added to the state before the second product, so that x goes through "
        "both weights. Each has weights of its own; the two products are added.",
        LINK,
        {SUM: f"torch.tanh(({FROM_X} + hidden) @ hidden_weight.T + bias)"},
    ),
    Misconception(
        "state-kept-beside",
        "The old state is added to the result unchanged. The plain cell keeps of it only what "
        "goes through the matrix and the tanh.",
        LINK,
        {SUM: f"hidden + {SUM}"},
    ),
    Misconception(
        "state-weights-not-transposed",
        "The state meets the weights by columns. A row of `hidden_weight` belongs to one number "
        "of the new state; no error shows it, as the matrix is square.",
        LINK,
        {FROM_HIDDEN: "hidden @ hidden_weight"},
    ),
    Misconception(
        "input-weights-not-transposed",
        "The weights of x are not transposed where the widths are equal, and do not fit where they "
        "are not. A row belongs to one number of the new state.",
        LINK,
        {FROM_X: "x @ input_weight"},
    ),
    Misconception(
        "only-the-first-sequence",
        "All sequences of the batch get the state of the first: each has its own.",
        LINK,
        {FROM_HIDDEN: "hidden[:1] @ hidden_weight.T"},
    ),
    Misconception(
        "averaged-over-the-batch",
        "The states of all sequences are averaged before they enter: each sequence has its own.",
        LINK,
        {FROM_HIDDEN: "hidden.mean(0, keepdim=True) @ hidden_weight.T"},
    ),
)

EXERCISE = Exercise(
    id="text_before_transformers/rnn_cell",
    callable="rnn_cell",
    title="One step of a recurrent network",
    parts={"all": 2},
    minutes=8,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_linear, side_by_side, number_by_number),
    properties=(
        Property(
            "sequences-apart",
            "When only the second sequence changes, the new state of the first changes too.",
            LINK,
            ("before", "after"),
            lambda before, after: bool(np.allclose(before[0], after[0], atol=1e-5)),
        ),
    ),
)
