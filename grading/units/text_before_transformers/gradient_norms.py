"""text_before_transformers/gradient_norms: what arrives of a gradient, by distance."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.text_before_transformers.draw import sequences

LINK = "text-before-transformers-gradient"
AXES = "seq"


def cases(rng: np.random.Generator) -> list[Case]:
    """All sizes apart, sizes of 1, weights that shrink and weights that grow the gradient."""
    usual = sequences(rng, 3, 7, 5, 11)
    small = sequences(rng, 2, 5, 3, 7)
    grown = small | {"hidden_weight": 3 * small["hidden_weight"], "x": small["x"] / 9}
    one = sequences(rng, 1, 7, 3, 5)
    return [
        Case("3 sequences of 7 positions", usual, axes=AXES, name="usual"),
        Case("a batch of one", one, axes=AXES, name="one"),
        Case("one position", sequences(rng, 3, 1, 5, 7), axes=AXES),
        Case("a state of one number", sequences(rng, 2, 5, 3, 1), axes=AXES),
        Case("2 sequences of 5 positions", small, axes=AXES),
        Case("the same with larger weights and smaller x", grown, axes=AXES),
    ]


# --- right in other ways ---------------------------------------------------------------------


def by_hand(x, hidden, input_weight, hidden_weight, bias):
    """Without autograd: backwards through tanh, whose slope is 1 minus its square."""
    states = []
    for position in range(x.shape[1]):
        hidden = torch.tanh(x[:, position] @ input_weight.T + hidden @ hidden_weight.T + bias)
        states.append(hidden)
    gradient = torch.ones_like(hidden)
    norms = [gradient.norm()]
    for state in states[:0:-1]:
        gradient = (gradient * (1 - state**2)) @ hidden_weight
        norms.append(gradient.norm())
    return torch.stack(norms)


def with_retained_gradients(x, hidden, input_weight, hidden_weight, bias):
    """backward(), and .grad of every state."""
    weight = hidden_weight.clone().requires_grad_()
    states = []
    for vectors in x.transpose(0, 1):
        hidden = torch.tanh(vectors @ input_weight.T + hidden @ weight.T + bias)
        hidden.retain_grad()
        states.append(hidden)
    states[-1].sum().backward()
    return torch.tensor([state.grad.pow(2).sum().sqrt() for state in states[::-1]])


def restarted_from_each_state(x, hidden, input_weight, hidden_weight, bias):
    """For each distance the rest of the sequence is run again from that state."""

    def cell(vectors, state):
        return torch.tanh(vectors @ input_weight.T + state @ hidden_weight.T + bias)

    states = []
    for position in range(x.shape[1]):
        hidden = cell(x[:, position], hidden)
        states.append(hidden.detach())
    norms = []
    for distance in range(x.shape[1]):
        start = states[x.shape[1] - 1 - distance].clone().requires_grad_()
        state = start
        for position in range(x.shape[1] - distance, x.shape[1]):
            state = cell(x[:, position], state)
        (gradient,) = torch.autograd.grad(state.sum(), start)
        norms.append(torch.linalg.vector_norm(gradient))
    return torch.stack(norms)


# --- wrong in known ways -----------------------------------------------------------------------

GRADS = "torch.autograd.grad(hidden.sum(), states)"
NORMS = "torch.stack([grad.norm() for grad in reversed(grads)]).detach()"


def _backwards(slope):
    """Back by hand from state to state; `slope` of two neighbouring states, the later one first."""

    def norms(x, hidden, input_weight, hidden_weight, bias):
        states = []
        for position in range(x.shape[1]):
            hidden = torch.tanh(x[:, position] @ input_weight.T + hidden @ hidden_weight.T + bias)
            states.append(hidden)
        gradient = torch.ones_like(hidden)
        found = [gradient.norm()]
        for before, state in zip(states[-2::-1], states[:0:-1], strict=True):
            gradient = (gradient * slope(state, before)) @ hidden_weight
            found.append(gradient.norm())
        return torch.stack(found)

    return norms


def through_the_other_axis(x, hidden, input_weight, hidden_weight, bias):
    """By hand, and the weights are transposed on the way back, too."""
    states = []
    for position in range(x.shape[1]):
        hidden = torch.tanh(x[:, position] @ input_weight.T + hidden @ hidden_weight.T + bias)
        states.append(hidden)
    gradient = torch.ones_like(hidden)
    norms = [gradient.norm()]
    for state in states[:0:-1]:
        gradient = (gradient * (1 - state**2)) @ hidden_weight.T
        norms.append(gradient.norm())
    return torch.stack(norms)


MISCONCEPTIONS = (
    Misconception(
        "by-position-not-distance",
        "The norms come in the order of the text, so that entry 0 belongs to the first position. "
        "Entry 0 is distance 0: the last state.",
        LINK,
        {"reversed(grads)": "grads"},
    ),
    Misconception(
        "gradient-of-all-states",
        "This is the gradient of all states together, so that near steps cover up the far one. "
        "Only the last state is asked about.",
        LINK,
        {GRADS: "torch.autograd.grad(sum(state.sum() for state in states), states)"},
    ),
    Misconception(
        "norms-of-states",
        "These are the norms of the states. Asked for is the gradient with respect to them: how "
        "much the last state would move if they did.",
        LINK,
        {NORMS: "torch.stack([state.norm() for state in reversed(states)]).detach()"},
    ),
    Misconception(
        "gradient-by-x",
        "The gradient is taken with respect to the inputs x. Asked for is that with respect to "
        "the states.",
        LINK,
        {
            "for x_now in x.unbind(dim=1):": "xs = [x_now.clone().requires_grad_() for x_now in "
            "x.unbind(dim=1)]\n    for x_now in xs:",
            GRADS: "torch.autograd.grad(hidden.sum(), xs)",
        },
    ),
    Misconception(
        "first-state-instead-of-last",
        "The list of states begins with the one before the first position and leaves out the last: "
        "every distance is too large by one.",
        LINK,
        {
            "states, hidden = [], hidden.detach().requires_grad_()": "hidden = "
            "hidden.detach().requires_grad_()\n    states = [hidden]",
            GRADS: "torch.autograd.grad(hidden.sum(), states[:-1])",
        },
    ),
    Misconception(
        "squared-norm",
        "The squares are added up, but the root is missing: this is the square of the norm.",
        LINK,
        {"grad.norm()": "(grad**2).sum()"},
    ),
    Misconception(
        "sum-of-sizes",
        "The absolute values are added up. The norm asked for is the root of the sum of squares.",
        LINK,
        {"grad.norm()": "grad.abs().sum()"},
    ),
    Misconception(
        "root-mean-square",
        "This is the root of the mean of squares, or the norms divided by entry 0, which is the "
        "same. The norm asked for is the root of the sum of squares, not divided by anything.",
        LINK,
        {"grad.norm()": "grad.pow(2).mean().sqrt()"},
    ),
    Misconception(
        "mean-size",
        "This is the mean of the absolute values. The norm asked for is the root of the sum of "
        "squares.",
        LINK,
        {"grad.norm()": "grad.abs().mean()"},
    ),
    Misconception(
        "largest-number",
        "This is the largest absolute value of each gradient. The norm asked for takes all of "
        "them.",
        LINK,
        {"grad.norm()": "grad.abs().max()"},
    ),
    Misconception(
        "norm-of-each-sequence-averaged",
        "The norms of the sequences are averaged. Asked for is one norm over batch and d_hidden "
        "together.",
        LINK,
        {"grad.norm()": "grad.norm(dim=1).mean()"},
    ),
    Misconception(
        "norm-of-each-sequence-added",
        "The norms of the sequences are added up. Asked for is one norm over batch and d_hidden "
        "together, in which squares are added.",
        LINK,
        {"grad.norm()": "grad.norm(dim=1).sum()"},
    ),
    Misconception(
        "sequences-added-before-the-norm",
        "The gradients of the sequences are added up before the norm, so that they cancel in part. "
        "Square the numbers of all of them, and add up the squares.",
        LINK,
        {"grad.norm()": "grad.sum(0).norm()"},
    ),
    Misconception(
        "only-the-first-sequence",
        "Only the first sequence of the batch enters. The norm goes over all of them.",
        LINK,
        {"grad.norm()": "grad[0].norm()"},
    ),
    Misconception(
        "gradient-of-the-mean",
        "The gradient is that of the mean of the last state, which is smaller than that of its "
        "sum.",
        LINK,
        {"grad(hidden.sum(), states)": "grad(hidden.mean(), states)"},
    ),
    Misconception(
        "gradient-of-the-norm",
        "The gradient is that of the norm of the last state. The docstring asks for its sum, which "
        "treats all numbers of the state alike.",
        LINK,
        {"grad(hidden.sum(), states)": "grad(hidden.norm(), states)"},
    ),
    Misconception(
        "gradient-of-the-squares",
        "The gradient is that of the sum of the squares of the last state. The docstring asks for "
        "its plain sum, whose slope is 1 everywhere.",
        LINK,
        {"grad(hidden.sum(), states)": "grad((hidden**2).sum(), states)"},
    ),
    Misconception(
        "slope-of-tanh-left-out",
        "Only the weights act on the way back, as if there were no tanh. Where a state is near 1 "
        "or -1, its slope 1 - state² lets little through.",
        LINK,
        answer=_backwards(lambda state, before: 1),
    ),
    Misconception(
        "slope-at-the-state-before",
        "The slope of tanh is taken at the state before. The step from one state to the next has "
        "the slope 1 - state² of the later one, which the tanh has made.",
        LINK,
        answer=_backwards(lambda state, before: 1 - before**2),
    ),
    Misconception(
        "weights-transposed-on-the-way-back",
        "On the way back the weights are transposed, as on the way there. A gradient goes through "
        "a matrix the other way: `gradient @ hidden_weight`.",
        LINK,
        answer=through_the_other_axis,
    ),
    Misconception(
        "sliced-from-the-stack",
        "The states are cut out of the stacked result, on which the last state does not depend. "
        "Ask for the gradient by the very tensors that the loop made: keep them in a list.",
        LINK,
        {GRADS: "torch.autograd.grad((parts := torch.stack(states).unbind())[-1].sum(), parts)"},
    ),
    Misconception(
        "sliced-and-unused-allowed",
        "The states are cut out of the stacked result, on which the last state does not depend: "
        "`allow_unused` hides that behind None. Keep the very tensors that the loop made, in a "
        "list.",
        LINK,
        {
            GRADS: "[g if g is not None else torch.zeros_like(hidden) for g in torch.autograd.grad("
            "hidden.sum(), torch.stack(states).unbind(), allow_unused=True)]"
        },
    ),
    Misconception(
        "sliced-and-none",
        "One of the gradients is None: the states are cut out of the stacked result, on which the "
        "last state does not depend, and `allow_unused` lets it pass. Keep the very tensors that "
        "the loop made, in a list.",
        LINK,
        {
            GRADS: "torch.autograd.grad((parts := torch.stack(states).unbind())[-1].sum(), parts, "
            "allow_unused=True)"
        },
    ),
    Misconception(
        "nothing-needs-a-gradient",
        "PyTorch kept no way back: neither x nor state nor weights ask for a gradient. Make it "
        "with `requires_grad_()` on a detached copy of the first state.",
        LINK,
        {"hidden.detach().requires_grad_()": "hidden.detach()"},
    ),
    Misconception(
        "grad-not-retained",
        "`.grad` is None: after `backward()` PyTorch keeps it for the tensors that one began with, "
        "not for those that a step made. Call `retain_grad()` on each state, or use "
        "`torch.autograd.grad`.",
        LINK,
        {GRADS: "[None for _ in states]"},
    ),
    Misconception(
        "start-has-an-entry",
        "There is an entry too many, at the end: the state before the first position, which has "
        "none.",
        LINK,
        {
            "states, hidden = [], hidden.detach().requires_grad_()": "hidden = "
            "hidden.detach().requires_grad_()\n    states = [hidden]"
        },
    ),
    Misconception(
        "last-distance-missing",
        "There is an entry too few: one for each position is asked for, distance 0 included.",
        LINK,
        {"reversed(grads)": "[*reversed(grads)][1:] or grads"},
    ),
    Misconception(
        "no-way-back",
        "The last state depends on no other here: all entries but the first are 0. Either each "
        "step starts from the first state, or the way back is cut: by `detach`, or by asking for "
        "the gradient of a stacked copy.",
        LINK,
        {
            "states, hidden = [], hidden.detach().requires_grad_()": "states, start = [], "
            "hidden.detach().requires_grad_()",
            "hidden = rnn_cell(x_now, hidden,": "hidden = rnn_cell(x_now, start,",
            GRADS: "[g if g is not None else torch.zeros_like(hidden) for g in "
            "torch.autograd.grad(hidden.sum(), states, allow_unused=True)]",
        },
    ),
)

EXERCISE = Exercise(
    id="text_before_transformers/gradient_norms",
    callable="gradient_norms",
    title="What is left of a gradient",
    parts={"all": 4},
    minutes=20,
    difficulty="hard",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(by_hand, with_retained_gradients, restarted_from_each_state),
    equivalent={
        "`torch.stack([grad.norm() for grad in reversed(grads)])` for `torch.stack([grad.norm() "
        "for grad in reversed(grads)]).detach()`": "a first gradient needs no gradient itself",
        "`dim=-2` for `dim=1`": "of the three axes of x the same",
        "`hidden` for `hidden.detach()`": "the state that comes in has no history to cut off",
    },
    depends=("text_before_transformers/rnn_cell",),
    properties=(
        Property(
            "distance-0-is-the-root-of-the-size",
            "Entry 0 is not the root of batch * d_hidden. The sum of the last state has the slope "
            "1 by every number of that state.",
            LINK,
            ("usual", "one"),
            lambda usual, one: bool(np.isclose(usual[0], 33**0.5) and np.isclose(one[0], 5**0.5)),
        ),
    ),
)
