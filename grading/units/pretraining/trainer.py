"""pretraining/trainer: gradients, clipping and AdamW, put together."""

import math

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.pretraining import drive
from grading.units.pretraining.draw import part, weights

LINK = "pretraining-step"
VOCAB, D_MODEL = 11, 6  # no size equals a number of steps


def cases(rng: np.random.Generator) -> list[Case]:
    """No step, one and several; long gradients; parts; warm-up and decay; the whole run."""
    own = weights(rng, VOCAB, D_MODEL)
    steep = {**own, "embedding.weight": own["embedding.weight"] * 6}

    def batch(*sizes: tuple[int, int, int]) -> list:
        return [part(rng, VOCAB, *size) for size in sizes]

    several = [batch((2, 5, 10)) for _ in range(4)]
    return [
        _case("no step yet", own, 30, 0.1, []),
        _case("the first step of 5", own, 5, 0.1, several[:1], "first"),
        _case("the first step of 5 with another rate", own, 5, 0.01, several[:1], "slower"),
        _case("the first step of 20, which warm up", own, 20, 0.1, several[:1]),
        _case("all 3 steps of 3", own, 3, 0.1, several[:3]),
        _case("4 steps of 18", own, 18, 0.1, several[:4]),
        _case("two steps with long gradients", steep, 5, 0.1, several[:2]),
        _case("a batch in two unequal parts", own, 5, 0.1, [batch((3, 5, 15), (1, 5, 2))]),
        _case("the same batch twice", own, 7, 0.05, several[:1] * 2),
        _case("one step on one token", own, 5, 0.1, [batch((1, 1, 1))]),
        _case("a rate of 0", own, 5, 0.0, several[:2]),
        _case("a run of one step", own, 1, 0.1, several[:1]),
    ]


def _case(says: str, own: dict, n_steps: int, max_lr: float, batches: list, name="") -> Case:
    inputs = {"weights": own, "n_steps": n_steps, "max_lr": max_lr, "batches": batches}
    return Case(says, inputs, name=name)


# --- right in other ways ---------------------------------------------------------------------


def _gradients(model, parts):
    """Loss and gradients of a batch in parts, by torch's own loss."""
    model.zero_grad(set_to_none=True)
    n_real = sum((targets != -100).sum() for _, targets in parts)
    total = 0.0
    for inputs, targets in parts:
        logits = model(inputs).flatten(0, -2)
        loss = torch.nn.functional.cross_entropy(logits, targets.flatten(), reduction="sum")
        loss = loss / n_real
        loss.backward()
        total += loss.item()
    return total


def _rate(step, n_steps, max_lr):
    """The schedule, written in another way."""
    ramp = n_steps // 10
    if step < ramp:
        return max_lr * (step + 1) / (ramp + 1)
    return max_lr * math.cos(math.pi / 2 * (step - ramp) / (n_steps - ramp)) ** 2


class WithTorchOptim:
    """PyTorch's AdamW and clipping, in two groups; the moments are read from its state."""

    def __init__(self, model, n_steps, max_lr):
        self.model, self.rates = model, [_rate(step, n_steps, max_lr) for step in range(n_steps)]
        groups = [{"params": [p], "weight_decay": 0.1 * (p.dim() > 1)} for p in model.parameters()]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95))
        self.steps_done = 0

    @property
    def moments(self):
        state = [self.optimizer.state.get(p) for p in self.model.parameters()]
        zeros = [(torch.zeros_like(p), torch.zeros_like(p)) for p in self.model.parameters()]
        found = zip(state, zeros, strict=True)
        return [(s["exp_avg"], s["exp_avg_sq"]) if s else zero for s, zero in found]

    def step(self, parts):
        loss = _gradients(self.model, parts)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rates[self.steps_done]
        self.optimizer.step()
        self.steps_done += 1
        return loss


class InPlace:
    """Moments changed in place, the factor of clipping folded into the gradient."""

    def __init__(self, model, n_steps, max_lr):
        self.model, self.steps_done = model, 0
        self.rate = lambda: _rate(self.steps_done, n_steps, max_lr)
        self.moments = [(0 * p.detach(), 0 * p.detach()) for p in model.parameters()]

    def step(self, parts):
        loss, rate = _gradients(self.model, parts), self.rate()
        norm = torch.sqrt(sum((p.grad**2).sum() for p in self.model.parameters()))
        self.steps_done += 1
        for p, (first, second) in zip(self.model.parameters(), self.moments, strict=True):
            gradient = p.grad / norm.clamp(min=1.0)
            first.mul_(0.9).add_(0.1 * gradient)
            second.mul_(0.95).add_(0.05 * gradient**2)
            root = (second / (1 - 0.95**self.steps_done)).sqrt() + 1e-8
            if p.dim() >= 2:
                p.data -= 0.1 * rate * p.data
            p.data -= rate / (1 - 0.9**self.steps_done) * first / root
        return loss


class NewValuesAtOnce:
    """New values of all parameters first, in a dict, and then loaded."""

    def __init__(self, model, n_steps, max_lr):
        self.model, self.run = model, (n_steps, max_lr)
        sizes = [p.shape for p in model.parameters()]
        self.moments = [tuple(torch.zeros(2, *size)) for size in sizes]
        self.steps_done = 0

    def step(self, parts):
        loss = _gradients(self.model, parts)
        rate, number = _rate(self.steps_done, *self.run), self.steps_done + 1
        grads = [p.grad.clone() for p in self.model.parameters()]
        length = sum(float(g.pow(2).sum()) for g in grads) ** 0.5
        factor = 1.0 / length if length > 1 else 1.0
        new = {}
        for i, (name, p) in enumerate(self.model.named_parameters()):
            g = factor * grads[i]
            m, v = 0.9 * self.moments[i][0] + 0.1 * g, 0.95 * self.moments[i][1] + 0.05 * g * g
            self.moments[i] = (m, v)
            ratio = m / (1 - 0.9**number) / ((v / (1 - 0.95**number)) ** 0.5 + 1e-8)
            keep = 1 - 0.1 * rate if len(p.shape) > 1 else 1.0
            new[name] = p.detach() * keep - rate * ratio
        self.model.load_state_dict(new)
        self.steps_done = number
        return loss


# --- wrong in known ways -----------------------------------------------------------------------

MOMENTS = "self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in model.parameters()]"
CLEAR = "self.model.zero_grad()"
LOSS = "loss = accumulate_gradients(self.model, parts)"
CLIP = "gradients, _ = clip_gradients([p.grad for p in parameters], max_norm=1.0)"
RATE = "rate = learning_rate(self.steps_done, self.n_steps, self.max_lr, self.n_steps // 10)"
COUNT = "self.steps_done += 1"
DECAY = "decay = 0.1 if parameter.dim() >= 2 else 0.0"
STATE = "*self.moments[i], self.steps_done, rate,"
COPY = "parameter.data.copy_(new)"
KEEP = "self.moments[i] = first, second"
RESULT = "return loss"
ADAMW, SCHEDULE, CLIPPING = "pretraining-adamw", "pretraining-schedule", "pretraining-clipping"

MISCONCEPTIONS = (
    Misconception(
        "gradients-not-cleared",
        "The gradients of earlier steps are still there, and `backward` adds to them: from the "
        "second step on every step goes the way of all batches so far.",
        LINK,
        {CLEAR: "pass"},
    ),
    Misconception(
        "cleared-after-the-loss",
        "The gradients are cleared between `backward` and the step, so the step has none. Clear "
        "before.",
        LINK,
        {CLEAR: "pass", LOSS: LOSS + "\n        self.model.zero_grad(set_to_none=False)"},
    ),
    Misconception(
        "not-clipped",
        "The step does not use clipped gradients. `clip_gradients` hands back new ones and leaves "
        "those of the parameters as they are.",
        CLIPPING,
        {CLIP: "gradients = [p.grad for p in parameters]"},
    ),
    Misconception(
        "clipped-one-by-one",
        "Each parameter's gradient is clipped by itself. The norm is that of all together.",
        CLIPPING,
        {CLIP: "gradients = [clip_gradients([p.grad], max_norm=1.0)[0][0] for p in parameters]"},
    ),
    Misconception(
        "adamw-from-0",
        "AdamW gets the number of the step as it is counted from 0, and divides by 1 - beta ** 0 = "
        "0. Its first step is number 1.",
        ADAMW,
        {STATE: STATE.replace("steps_done", "steps_done - 1")},
    ),
    Misconception(
        "adamw-always-at-1",
        "AdamW is told that every step is the first, so later moments are divided by far too "
        "little.",
        ADAMW,
        {STATE: STATE.replace("self.steps_done", "1")},
    ),
    Misconception(
        "adamw-one-ahead",
        "AdamW gets a number that is too large by one: at the first step it is 2.",
        ADAMW,
        {STATE: STATE.replace("steps_done", "steps_done + 1")},
    ),
    Misconception(
        "step-not-counted",
        "`steps_done` stays where it was, so that every step has the learning rate of the first.",
        LINK,
        {COUNT: "pass", STATE: STATE.replace("steps_done", "steps_done + 1")},
    ),
    Misconception(
        "moments-not-kept",
        "The moments are the same afterwards, so every step begins with the old ones: put the new "
        "pairs in their place.",
        LINK,
        {KEEP: "pass"},
    ),
    Misconception(
        "moments-begin-with-1",
        "The moments begin with 1. They are running means that begin with 0, which AdamW's "
        "correction makes up for.",
        ADAMW,
        {MOMENTS: MOMENTS.replace("zeros", "ones")},
    ),
    Misconception(
        "moments-shared",
        "Every pair holds the same pair of tensors, made for the first parameter. Each parameter "
        "has moments of its own shape.",
        LINK,
        {
            MOMENTS: "self.moments = [(torch.zeros(()), torch.zeros(()))] * len(list("
            "model.parameters()))"
        },
    ),
    Misconception(
        "moments-swapped",
        "The two moments of a pair have changed places.",
        LINK,
        {KEEP: "self.moments[i] = second, first"},
    ),
    Misconception(
        "parameters-not-changed",
        "The parameters are the same afterwards: `adamw_step` gives a new tensor, and nobody has "
        "put it into the model.",
        LINK,
        {COPY: "parameter = new"},
    ),
    Misconception(
        "everything-decays",
        "All parameters decay. Gains and biases, which have one axis, should not.",
        ADAMW,
        {DECAY: "decay = 0.1"},
    ),
    Misconception(
        "nothing-decays",
        "No parameter decays. Those of two or more axes should.",
        ADAMW,
        {DECAY: "decay = 0.0"},
    ),
    Misconception(
        "the-others-decay",
        "Gains and biases decay and matrices do not: it is the other way round.",
        ADAMW,
        {DECAY: "decay = 0.0 if parameter.dim() >= 2 else 0.1"},
    ),
    Misconception(
        "betas-of-pytorch",
        "The second beta is 0.999, as in PyTorch's AdamW. Here it is 0.95, the default of "
        "`adamw_step`.",
        ADAMW,
        {"weight_decay=decay,": "weight_decay=decay, betas=(0.9, 0.999),"},
    ),
    Misconception(
        "floor-of-a-tenth",
        "The rate falls to a tenth of `max_lr`, a usual choice. Here it falls to 0.",
        SCHEDULE,
        {RATE: RATE.replace("// 10)", "// 10, self.max_lr / 10)")},
    ),
    Misconception(
        "always-the-largest-rate",
        "Every step has the rate `max_lr`: the schedule is not used.",
        SCHEDULE,
        {RATE: "rate = self.max_lr"},
    ),
    Misconception(
        "no-warm-up",
        "The rate does not warm up: the first tenth of the steps should climb.",
        SCHEDULE,
        {RATE: RATE.replace(", self.n_steps // 10)", ")")},
    ),
    Misconception(
        "warm-up-of-a-fraction",
        "The warm-up takes n_steps / 10 steps, which may be a fraction. It takes n_steps // 10, a "
        "whole number, and none in a run of fewer than 10.",
        SCHEDULE,
        {RATE: RATE.replace("//", "/")},
    ),
    Misconception(
        "rate-of-the-next-step",
        "Each step has the rate of the next one. The first step is number 0 of the schedule.",
        SCHEDULE,
        {RATE: RATE.replace("self.steps_done", "self.steps_done + 1")},
    ),
    Misconception(
        "only-the-last-parameter",
        "Only the last parameter moves.",
        LINK,
        {COPY: "if i == len(parameters) - 1:\n                " + COPY},
    ),
    Misconception(
        "plain-gradient-descent",
        "The parameters move by the rate times the gradient: AdamW has no part in it.",
        ADAMW,
        {COPY: "parameter.data.sub_(rate * gradients[i])"},
    ),
    Misconception(
        "first-part-only",
        "Only the first part of the batch was read.",
        "pretraining-accumulation",
        {LOSS: LOSS.replace("parts)", "parts[:1])")},
    ),
    Misconception(
        "last-part-only",
        "Only the last part of the batch counts: the gradients of the others are gone. Clear once, "
        "before the first.",
        "pretraining-accumulation",
        {LOSS: LOSS.replace("parts)", "parts[-1:])")},
    ),
    Misconception(
        "a-step-for-each-part",
        "Each part gets a step of its own. The parts are one batch: collect the gradients of all, "
        "then make one step.",
        "pretraining-accumulation",
        {
            LOSS: "if len(parts) > 1:\n"
            "            return sum(self.step([part]) for part in parts) / len(parts)\n"
            "        " + LOSS
        },
    ),
    Misconception(
        "loss-after-the-step",
        "This is the loss after the step. The one before is wanted, which costs nothing more.",
        LINK,
        {RESULT: "return accumulate_gradients(self.model, parts)"},
    ),
    Misconception(
        "nothing-returned",
        "Nothing came back. The loss of the batch is wanted.",
        LINK,
        {RESULT: "return None"},
    ),
)

EXERCISE = Exercise(
    id="pretraining/trainer",
    callable="Trainer",
    title="A step of training",
    parts={"all": 3},
    minutes=20,
    difficulty="hard",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(WithTorchOptim, InPlace, NewValuesAtOnce),
    drive=drive.stepped,
    depends=(
        "pretraining/adamw_step",
        "pretraining/learning_rate",
        "pretraining/clip_gradients",
        "pretraining/accumulate_gradients",
    ),
    equivalent={"`parameter` for `parameter.detach()`": "the new value is copied without its past"},
    properties=(
        Property(
            "the-rate-decides",
            "A rate of 0.1 and a rate of 0.01 lead to the same parameters.",
            SCHEDULE,
            ("first", "slower"),
            lambda first, slower: (
                not np.allclose(
                    first["parameters"]["output.weight"], slower["parameters"]["output.weight"]
                )
            ),
        ),
    ),
)
