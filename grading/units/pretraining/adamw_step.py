"""pretraining/adamw_step: one step of AdamW, by hand."""

from typing import Any

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.pretraining.draw import normal

LINK = "pretraining-adamw"


def cases(rng: np.random.Generator) -> list[Case]:
    """First and later steps; each setting alone; tiny gradients, where eps shows; zeros."""
    usual = {"step": 4, "learning_rate": 0.05}
    first = {"step": 1, "learning_rate": 0.05}
    drawn = [
        ("the first step, both moments 0", _state(rng, 5, fresh=True), first, "first"),
        ("the same with gradients ten times as large", None, first, "larger"),
        ("step 4", _state(rng, 5), usual, ""),
        ("step 4 of a matrix", _state(rng, 3, 5), usual, ""),
        ("one number", _state(rng, 1), usual, ""),
        ("step 1000", _state(rng, 5), {**usual, "step": 1000}, ""),
        ("no weight decay", _state(rng, 5), {**usual, "weight_decay": 0.0}, ""),
        ("a large weight decay", _state(rng, 5), {**usual, "weight_decay": 3.0}, ""),
        (
            "a large rate and a large decay",
            _state(rng, 5),
            {"step": 2, "learning_rate": 0.5, "weight_decay": 0.8},
            "",
        ),
        ("other betas", _state(rng, 5), {**usual, "betas": (0.7, 0.99)}, ""),
        ("another eps alone", _tiny(_state(rng, 5)), {**usual, "eps": 1e-2}, ""),
        ("betas of 0", _state(rng, 5), {**usual, "betas": (0.0, 0.0)}, ""),
        ("tiny gradients", _tiny(_state(rng, 5)), {**usual, "eps": 1e-3}, ""),
        (
            "tiny gradients at the first step",
            _tiny(_state(rng, 5, fresh=True)),
            {**first, "eps": 1e-3},
            "",
        ),
        ("gradients of 0 at the first step", _no_gradient(_state(rng, 5, fresh=True)), first, ""),
        ("gradients of 0 at a later step", _no_gradient(_state(rng, 5)), usual, ""),
        ("a learning rate of 0", _state(rng, 5), {"step": 4, "learning_rate": 0.0}, "still"),
    ]
    state: dict[str, Any] = {}
    made = []
    for says, own, settings, name in drawn:
        state = own if own else {**state, "gradient": state["gradient"] * np.float32(10)}
        made.append(Case(says, {**state, **_in_order(settings)}, name=name))
    return made


def _in_order(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as they are passed; those that may be left out are, where none is named."""
    optional = {"betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1}
    named = {**optional, **settings} if settings.keys() & optional.keys() else settings
    return {key: named[key] for key in ("step", "learning_rate", *optional) if key in named}


def _state(rng: np.random.Generator, *shape: int, fresh: bool = False) -> dict[str, np.ndarray]:
    """Parameter, gradient and moments; fresh moments are 0."""
    grown = 0.0 if fresh else 1.0
    gradient = normal(rng, *shape)
    return {
        "parameter": normal(rng, *shape),
        "gradient": gradient + np.sign(gradient) * np.float32(0.2),
        "first": np.asarray(grown * normal(rng, *shape, scale=0.5), dtype=np.float32),
        "second": np.asarray(grown * normal(rng, *shape) ** 2 + grown * 0.1, dtype=np.float32),
    }


def _tiny(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Gradients of some thousandths, with moments to match."""
    small = np.float32(2e-3)
    return {
        "parameter": state["parameter"],
        "gradient": small * state["gradient"],
        "first": small * state["first"],
        "second": small**2 * state["second"],
    }


def _no_gradient(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {**state, "gradient": 0 * state["gradient"]}


# --- right in other ways ---------------------------------------------------------------------


def with_torch_optim(
    parameter, gradient, first, second, step, learning_rate, betas=(0.9, 0.95), eps=1e-8,
    weight_decay=0.1,
):  # fmt: skip
    """PyTorch's own AdamW, put into this state."""
    weight = torch.nn.Parameter(parameter.clone())
    optimizer = torch.optim.AdamW(
        [weight], lr=learning_rate, betas=betas, eps=eps, weight_decay=weight_decay
    )
    optimizer.state[weight] = {
        "step": torch.tensor(float(step - 1)),
        "exp_avg": first.clone(),
        "exp_avg_sq": second.clone(),
    }
    weight.grad = gradient.clone()
    optimizer.step()
    state = optimizer.state[weight]
    return weight.detach(), state["exp_avg"], state["exp_avg_sq"]


def by_lerp(
    parameter, gradient, first, second, step, learning_rate, betas=(0.9, 0.95), eps=1e-8,
    weight_decay=0.1,
):  # fmt: skip
    """Copies changed in place; the corrections folded into the rate and the root."""
    parameter, first, second = parameter.clone(), first.clone(), second.clone()
    parameter.sub_(learning_rate * weight_decay * parameter)
    first.lerp_(gradient, 1 - betas[0])
    second.mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
    root = second.sqrt().div_((1 - betas[1] ** step) ** 0.5).add_(eps)
    parameter.addcdiv_(first, root, value=-learning_rate / (1 - betas[0] ** step))
    return parameter, first, second


def number_by_number(
    parameter, gradient, first, second, step, learning_rate, betas=(0.9, 0.95), eps=1e-8,
    weight_decay=0.1,
):  # fmt: skip
    """Python numbers in a loop."""
    rows = []
    numbers = [x.flatten().tolist() for x in (parameter, gradient, first, second)]
    for w, g, m, v in zip(*numbers, strict=True):
        m += (1 - betas[0]) * (g - m)
        v += (1 - betas[1]) * (g * g - v)
        update = m / (1 - betas[0] ** step) / ((v / (1 - betas[1] ** step)) ** 0.5 + eps)
        rows.append((w - learning_rate * (update + weight_decay * w), m, v))
    columns = torch.tensor(rows).T.reshape(3, *parameter.shape)
    return columns[0], columns[1], columns[2]


# --- wrong in known ways -----------------------------------------------------------------------

FIRST = "first = beta1 * first + (1 - beta1) * gradient"
SECOND = "second = beta2 * second + (1 - beta2) * gradient**2"
UNBIASED_FIRST = "unbiased_first = first / (1 - beta1**step)"
UNBIASED_SECOND = "unbiased_second = second / (1 - beta2**step)"
DECAYED = "decayed = parameter * (1 - learning_rate * weight_decay)"
UPDATE = "update = unbiased_first / (unbiased_second.sqrt() + eps)"
RESULT = "return decayed - learning_rate * update, first, second"
BETAS = "beta1, beta2 = betas"

MISCONCEPTIONS = (
    Misconception(
        "eps-inside-the-root",
        "`eps` stands under the root, where a small one becomes much larger: the root of 1e-8 is "
        "1e-4. Add it after the root.",
        LINK,
        {UPDATE: "update = unbiased_first / (unbiased_second + eps).sqrt()"},
    ),
    Misconception(
        "eps-before-the-correction",
        "`eps` is added to the root of the moment as it is, and the correction comes after. It is "
        "added to the root of the corrected moment.",
        LINK,
        {UPDATE: "update = unbiased_first * (1 - beta2**step) ** 0.5 / (second.sqrt() + eps)"},
    ),
    Misconception(
        "root-before-the-correction",
        "The root is taken first, and then divided by 1 - beta ** step, which belongs under the "
        "root.",
        LINK,
        {UPDATE: "update = unbiased_first / (second.sqrt() / (1 - beta2**step) + eps)"},
    ),
    Misconception(
        "eps-left-out",
        "`eps` is missing, and a parameter that never had a gradient is divided by 0.",
        LINK,
        {UPDATE: "update = unbiased_first / unbiased_second.sqrt()"},
    ),
    Misconception(
        "decay-in-the-gradient",
        "The decay was added to the gradient, as Adam did before AdamW. It then enters the "
        "moments, and where gradients are large nearly nothing decays.",
        LINK,
        {
            FIRST: "gradient = gradient + weight_decay * parameter\n    " + FIRST,
            DECAYED: "decayed = parameter",
        },
    ),
    Misconception(
        "decay-without-the-rate",
        "The decay is not scaled by the learning rate, so the parameter loses a fixed share of "
        "itself, however small the steps have become.",
        LINK,
        {DECAYED: "decayed = parameter * (1 - weight_decay)"},
    ),
    Misconception(
        "decay-left-out",
        "The parameter does not decay: this is Adam without the W.",
        LINK,
        {DECAYED: "decayed = parameter"},
    ),
    Misconception(
        "decay-grows",
        "The decay makes the parameter larger. It takes away a share.",
        LINK,
        {DECAYED: "decayed = parameter * (1 + learning_rate * weight_decay)"},
    ),
    Misconception(
        "decay-after-the-step",
        "What decays is the parameter after the step. The share is one of the parameter as it came "
        "in.",
        LINK,
        {
            DECAYED: "decayed = parameter",
            RESULT: "return (parameter - learning_rate * update) * (1 - learning_rate * "
            "weight_decay), first, second",
        },
    ),
    Misconception(
        "no-correction",
        "The moments are used as they are. They began at 0, and so the first steps come out far "
        "too short or too long: divide by 1 - beta ** step.",
        LINK,
        {UNBIASED_FIRST: "unbiased_first = first", UNBIASED_SECOND: "unbiased_second = second"},
    ),
    Misconception(
        "first-moment-not-corrected",
        "The first moment is used without its correction, so the first steps are too short.",
        LINK,
        {UNBIASED_FIRST: "unbiased_first = first"},
    ),
    Misconception(
        "second-moment-not-corrected",
        "The second moment is used without its correction, so the first steps are too long.",
        LINK,
        {UNBIASED_SECOND: "unbiased_second = second"},
    ),
    Misconception(
        "correction-kept",
        "The corrected moments are handed back, and would be corrected again at the next step. "
        "The correction is for the update alone.",
        LINK,
        {RESULT: "return decayed - learning_rate * update, unbiased_first, unbiased_second"},
    ),
    Misconception(
        "steps-from-0",
        "The correction is late by one: it uses step - 1, which at the first step divides by 0. "
        "The first step is number 1.",
        LINK,
        {
            UNBIASED_FIRST: "unbiased_first = first / (1 - beta1 ** (step - 1)) if step > 1 "
            "else first / 0.0",
            UNBIASED_SECOND: "unbiased_second = second / (1 - beta2 ** (step - 1)) if step > 1 "
            "else second / 0.0",
        },
    ),
    Misconception(
        "step-counted-twice",
        "The correction uses step + 1, but the number that comes in already begins with 1.",
        LINK,
        {
            UNBIASED_FIRST: UNBIASED_FIRST.replace("step", "(step + 1)"),
            UNBIASED_SECOND: UNBIASED_SECOND.replace("step", "(step + 1)"),
        },
    ),
    Misconception(
        "correction-times-step",
        "The correction is 1 - beta * step. It is a power: beta ** step, which falls to 0 as steps "
        "go by.",
        LINK,
        {
            UNBIASED_FIRST: UNBIASED_FIRST.replace("**", " * "),
            UNBIASED_SECOND: UNBIASED_SECOND.replace("**", " * "),
        },
    ),
    Misconception(
        "betas-swapped",
        "The two betas have changed places: the first belongs to the gradients, the second to "
        "their squares.",
        LINK,
        {BETAS: "beta2, beta1 = betas"},
    ),
    Misconception(
        "betas-written-in",
        "The betas are 0.9 and 0.95 whatever `betas` says.",
        LINK,
        {BETAS: "beta1, beta2 = 0.9, 0.95"},
    ),
    Misconception(
        "betas-of-pytorch",
        "The betas are 0.9 and 0.999, PyTorch's defaults. Take those that are handed in.",
        LINK,
        {BETAS: "beta1, beta2 = 0.9, 0.999"},
    ),
    Misconception(
        "weights-of-the-mean-swapped",
        "Each running mean keeps 1 - beta of what it was and takes beta of what is new. It is the "
        "other way round: beta is the share that is kept.",
        LINK,
        {
            FIRST: "first = (1 - beta1) * first + beta1 * gradient",
            SECOND: "second = (1 - beta2) * second + beta2 * gradient**2",
        },
    ),
    Misconception(
        "sum-without-weight",
        "What is new enters the moments with its full size. Its share is 1 - beta.",
        LINK,
        {
            FIRST: "first = beta1 * first + gradient",
            SECOND: "second = beta2 * second + gradient**2",
        },
    ),
    Misconception(
        "not-squared",
        "The second moment averages the gradient, not its square.",
        LINK,
        {
            SECOND: "second = beta2 * second + (1 - beta2) * gradient",
            UPDATE: "update = unbiased_first / (unbiased_second.abs().sqrt() + eps)",
        },
    ),
    Misconception(
        "spread-around-the-mean",
        "The second moment takes in the square of the gradient's distance from the first. It takes "
        "in the square of the gradient itself, and is no variance.",
        LINK,
        {SECOND: "second = beta2 * second + (1 - beta2) * (gradient - first) ** 2"},
    ),
    Misconception(
        "square-of-the-moment",
        "The second moment takes in the square of the first moment. It takes in the square of the "
        "gradient.",
        LINK,
        {SECOND: "second = beta2 * second + (1 - beta2) * first**2"},
    ),
    Misconception(
        "root-left-out",
        "The update is divided by the second moment itself. Take its root, which has the unit of a "
        "gradient.",
        LINK,
        {UPDATE: "update = unbiased_first / (unbiased_second + eps)"},
    ),
    Misconception(
        "gradient-in-the-update",
        "The gradient itself is divided by the root. The update has the first moment there, which "
        "smooths over steps.",
        LINK,
        {UPDATE: "update = gradient / (unbiased_second.sqrt() + eps)"},
    ),
    Misconception(
        "old-moments-used",
        "The update uses the moments as they came in. They take in the new gradient first.",
        LINK,
        {
            FIRST: "old_first, old_second = first, second\n    " + FIRST,
            UNBIASED_FIRST: UNBIASED_FIRST.replace("= first", "= old_first"),
            UNBIASED_SECOND: UNBIASED_SECOND.replace("= second", "= old_second"),
        },
    ),
    Misconception(
        "uphill",
        "The update is added, so the loss rises. Go against the gradient.",
        LINK,
        {RESULT: "return decayed + learning_rate * update, first, second"},
    ),
    Misconception(
        "plain-gradient-descent",
        "The parameter moves by the learning rate times the gradient; the moments have no part in "
        "it.",
        LINK,
        {UPDATE: "update = gradient"},
    ),
    Misconception(
        "parameter-alone",
        "Only the parameter came back. The next step needs both moments, too.",
        LINK,
        {RESULT: "return decayed - learning_rate * update"},
    ),
    Misconception(
        "moments-swapped",
        "The two moments have changed places: the one of the gradients comes first.",
        LINK,
        {RESULT: "return decayed - learning_rate * update, second, first"},
    ),
    Misconception(
        "changed-in-place",
        "The tensors that came in were changed. Make new ones: the caller decides what to do with "
        "them.",
        LINK,
        {
            RESULT: "parameter.copy_(decayed - learning_rate * update)\n"
            "    return parameter, first, second"
        },
    ),
)

EXERCISE = Exercise(
    id="pretraining/adamw_step",
    callable="adamw_step",
    title="One step of AdamW",
    parts={"all": 3},
    minutes=20,
    difficulty="hard",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_torch_optim, by_lerp, number_by_number),
    equivalent={"`2e-08` for `1e-08`": "both vanish beside any root that is not 0"},
    properties=(
        Property(
            "a-first-step-has-one-length",
            "At the first step, gradients ten times as large move the parameter by another amount.",
            LINK,
            ("first", "larger"),
            lambda first, larger: bool(np.allclose(first[0], larger[0], rtol=1e-3, atol=1e-4)),
        ),
    ),
)
