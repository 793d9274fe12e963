"""text_before_transformers/run_rnn: the loop that carries the state along."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.text_before_transformers.draw import normal, sequences

LINK = "text-before-transformers-recurrent"
AXES = "batch seq d_hidden"


def cases(rng: np.random.Generator) -> list[Case]:
    """All sizes apart, sizes of 1, a state from before and one of zeros; a later x changed."""
    usual = sequences(rng, 3, 5, 7, 11)
    from_zeros = usual | {"hidden": 0 * usual["hidden"]}
    two = sequences(rng, 2, 7, 3, 5)
    later = two | {"x": two["x"].copy()}
    later["x"][:, 4:] += normal(rng, 2, 3, 3)
    other = two | {"x": two["x"].copy(), "hidden": two["hidden"].copy()}
    other["x"][1] += 1
    other["hidden"][1] -= 1
    return [
        Case("3 sequences of 5 positions", usual, axes=AXES),
        Case("the same from a state of zeros", from_zeros, axes=AXES),
        Case("a batch of one", sequences(rng, 1, 5, 3, 7), axes=AXES),
        Case("one position", sequences(rng, 3, 1, 5, 7), axes=AXES),
        Case("a state of one number", sequences(rng, 2, 5, 3, 1), axes=AXES),
        Case("as many positions as sequences", sequences(rng, 5, 5, 3, 7), axes=AXES),
        Case("2 sequences of 7 positions", two, axes=AXES, name="before"),
        Case("the same with other x from position 4 on", later, axes=AXES, name="later"),
        Case("the same with another second sequence", other, axes=AXES, name="other"),
    ]


# --- right in other ways ---------------------------------------------------------------------


def with_torch(x, hidden, input_weight, hidden_weight, bias):
    """nn.RNN with the given weights."""
    d_hidden, d_in = input_weight.shape
    layer = torch.nn.RNN(d_in, d_hidden, batch_first=True)
    names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    weights = [input_weight, hidden_weight, bias, torch.zeros_like(bias)]
    layer.load_state_dict(dict(zip(names, weights, strict=True)))
    return layer(x, hidden[None])[0].detach()


def into_a_tensor(x, hidden, input_weight, hidden_weight, bias):
    """The part from x at once for all positions; states written into a tensor."""
    from_x = torch.einsum("bsi,oi->bso", x, input_weight) + bias
    states = torch.zeros(*x.shape[:2], len(bias))
    for position in range(x.shape[1]):
        before = hidden if position == 0 else states[:, position - 1]
        states[:, position] = (from_x[:, position] + before @ hidden_weight.t()).tanh()
    return states


def sequence_by_sequence(x, hidden, input_weight, hidden_weight, bias):
    """Two loops: over the sequences, and over the positions."""
    rows = []
    for one, state in zip(x, hidden, strict=True):
        row = []
        for vector in one:
            state = torch.tanh(input_weight @ vector + hidden_weight @ state + bias)
            row.append(state)
        rows.append(torch.stack(row))
    return torch.stack(rows)


# --- wrong in known ways -----------------------------------------------------------------------

STEP = "hidden = rnn_cell(x_now, hidden, input_weight, hidden_weight, bias)"
WALK = "for x_now in x.unbind(dim=1):"
RESULT = "return torch.stack(states, dim=1)"
KEEP = "states.append(hidden)"


def along_the_batch(x, hidden, input_weight, hidden_weight, bias):
    """Walks over sequences as if they were positions."""
    states, before = [], hidden[:1]
    for one in x:
        before = torch.tanh(one @ input_weight.T + before @ hidden_weight.T + bias)
        states.append(before)
    return torch.stack(states)


def carried_across_sequences(x, hidden, input_weight, hidden_weight, bias):
    """Each sequence starts where the one before it ended."""
    state, rows = hidden[0], []
    for one in x:
        row = []
        for vector in one:
            state = torch.tanh(input_weight @ vector + hidden_weight @ state + bias)
            row.append(state)
        rows.append(torch.stack(row))
    return torch.stack(rows)


MISCONCEPTIONS = (
    Misconception(
        "state-not-carried",
        "Every position starts from the first state, as if nothing had been read before. The state "
        "after one position is where the next one starts.",
        LINK,
        {STEP: STEP.replace("hidden =", "state =", 1), KEEP: "states.append(state)"},
    ),
    Misconception(
        "state-carried-across-sequences",
        "Each sequence goes on where the one before it in the batch ended. They do not know each "
        "other: every one starts from its own row of `hidden`.",
        LINK,
        answer=carried_across_sequences,
    ),
    Misconception(
        "along-the-batch",
        "The loop walks along the batch instead of the positions: what is carried on then is the "
        "state of another sequence. The axes are batch, seq, d_in.",
        LINK,
        answer=along_the_batch,
    ),
    Misconception(
        "given-state-ignored",
        "The network starts from zeros, and the state that was handed in has no effect. A text "
        "that is read in parts needs it.",
        LINK,
        {"states = []": "states, hidden = [], torch.zeros_like(hidden)"},
    ),
    Misconception(
        "positions-in-front",
        "The values are right, but the positions stand in front of the batch: the new axis was "
        "made at place 0.",
        LINK,
        {RESULT: "return torch.stack(states, dim=0)"},
    ),
    Misconception(
        "positions-at-the-end",
        "The values are right, but the positions are the last axis. The order asked for is batch, "
        "seq, d_hidden.",
        LINK,
        {RESULT: "return torch.stack(states, dim=-1)"},
    ),
    Misconception(
        "last-state-only",
        "Only the last state comes back. Asked for is the state after each position.",
        LINK,
        {RESULT: "return hidden"},
    ),
    Misconception(
        "last-state-everywhere",
        "Every position has the last state. A list that is handed one tensor again and again, "
        "written over in place, holds that tensor many times: keep a new one each time.",
        LINK,
        {RESULT: "return torch.stack([hidden] * len(states), dim=1)"},
    ),
    Misconception(
        "given-state-written-over",
        "Each step writes into `hidden` itself. The list then holds this one tensor many times, "
        "and whoever handed it in has lost their state: make a new tensor at each step.",
        LINK,
        {STEP: STEP.replace("hidden =", "hidden[:] =", 1)},
    ),
    Misconception(
        "first-state-included",
        "The state from before the first position is among the results, which then have one too "
        "many.",
        LINK,
        {"states = []": "states = [hidden]"},
    ),
    Misconception(
        "states-before-the-step",
        "Each result is the state before its position was read: everything is late by one, and "
        "the last position is never heard of.",
        LINK,
        {f"{STEP}\n        {KEEP}": f"{KEEP}\n        {STEP}"},
    ),
    Misconception(
        "from-right-to-left",
        "The text is read from its end to its beginning.",
        LINK,
        {WALK: "for x_now in x.flip(1).unbind(dim=1):", RESULT: RESULT + ".flip(1)"},
    ),
    Misconception(
        "results-in-reverse-order",
        "The states are right, but in reverse order: position 0 stands last.",
        LINK,
        {RESULT: RESULT + ".flip(1)"},
    ),
    Misconception(
        "first-position-skipped",
        "The first position is not read.",
        LINK,
        {
            WALK: "for x_now in x[:, 1:].unbind(dim=1):",
            RESULT: "return torch.stack(states or [hidden], dim=1)",
        },
    ),
    Misconception(
        "batch-mixed-by-reshape",
        "The shape is right, but the numbers were regrouped: stacked with the positions in front, "
        "they need the two axes exchanged, not a reshape.",
        LINK,
        {RESULT: "return torch.stack(states).reshape(x.shape[0], x.shape[1], -1)"},
    ),
    Misconception(
        "states-joined-side-by-side",
        "The states are joined into one long vector for each sequence. Each position needs a place "
        "on an axis of its own.",
        LINK,
        {RESULT: "return torch.cat(states, dim=1)"},
    ),
)

EXERCISE = Exercise(
    id="text_before_transformers/run_rnn",
    callable="run_rnn",
    title="The loop that carries the state",
    parts={"all": 3},
    minutes=10,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_torch, into_a_tensor, sequence_by_sequence),
    equivalent={
        "`dim=-2` for `dim=1`": "of the three axes of x the same",
        "`dim=-2` for `dim=1` (2)": "of the three axes of the result the same",
    },
    depends=("text_before_transformers/rnn_cell",),
    properties=(
        Property(
            "the-future-has-no-effect",
            "When only x from position 4 on changes, your states before it change too.",
            LINK,
            ("before", "later"),
            lambda before, later: bool(np.allclose(before[:, :4], later[:, :4], atol=1e-5)),
        ),
        Property(
            "the-past-has-an-effect",
            "x at position 4 was changed, and the state after position 6 did not move.",
            LINK,
            ("before", "later"),
            lambda before, later: not np.allclose(before[:, 6], later[:, 6], atol=1e-5),
        ),
        Property(
            "sequences-apart",
            "When only the second sequence changes, the states of the first change too.",
            LINK,
            ("before", "other"),
            lambda before, other: bool(np.allclose(before[0], other[0], atol=1e-5)),
        ),
    ),
)
