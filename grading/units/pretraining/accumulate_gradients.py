"""pretraining/accumulate_gradients: a large batch in parts, with the large batch's gradients."""

from typing import Any

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.pretraining import drive
from grading.units.pretraining.draw import normal, part, weights

LINK = "pretraining-accumulation"
VOCAB, D_MODEL = 7, 5


def cases(rng: np.random.Generator) -> list[Case]:
    """One part, equal parts, unequal ones, one without a target, gradients from before."""
    own = weights(rng, VOCAB, D_MODEL)

    def drawn(batch: int, seq: int, n_real: int) -> tuple[Any, Any]:
        return part(rng, VOCAB, batch, seq, n_real)

    equal = [drawn(2, 3, 6) for _ in range(3)]
    long, short = drawn(4, 5, 20), drawn(2, 3, 2)
    before = {name: normal(rng, *value.shape) for name, value in own.items()}
    return [
        _case("one part", own, [long]),
        _case("two equal parts, all targets real", own, equal[:2], name="two"),
        _case("three equal parts, all targets real", own, equal, name="three"),
        _case("parts of 20 and of 2 real targets", own, [long, short], name="unequal"),
        _case("the same parts in another order", own, [short, long], name="exchanged"),
        _case("rows of unequal length", own, [drawn(2, 5, 8), drawn(2, 5, 3), drawn(2, 5, 10)]),
        _case("a part without a real target, last", own, [long, drawn(2, 3, 0)]),
        _case("a part without a real target, first", own, [drawn(2, 3, 0), short]),
        _case("one real target in all", own, [drawn(1, 4, 1), drawn(1, 4, 0)]),
        _case("gradients that are there already", own, [long, short], before),
        _case("parts of one token", own, [drawn(1, 1, 1), drawn(1, 1, 1)]),
    ]


def _case(says: str, own: dict, parts: list, before: dict | None = None, name: str = "") -> Case:
    return Case(says, {"weights": own, "parts": parts, "before": before}, name=name)


# --- right in other ways ---------------------------------------------------------------------


def divided_by_the_number(model, parts):
    """Sums of losses by hand, each divided by the number of real targets of all parts."""
    n_real = sum(int(targets.ne(-100).sum()) for _, targets in parts)
    losses = []
    for inputs, targets in parts:
        log_p = torch.log_softmax(model(inputs), dim=-1)
        is_real = targets.ne(-100)
        chosen = log_p[is_real].gather(1, targets[is_real][:, None])
        loss = -chosen.sum() / n_real
        loss.backward()
        losses.append(float(loss.detach()))
    return sum(losses)


def scaled_afterwards(model, parts):
    """Sums of losses; what was there is put aside, and the new gradients are divided at the end."""
    kept = [p.grad for p in model.parameters()]
    for p in model.parameters():
        p.grad = None
    total, n_real = 0.0, 0
    for inputs, targets in parts:
        logits = model(inputs)
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, -2), targets.flatten(), ignore_index=-100, reduction="sum"
        )
        loss.backward()
        total, n_real = total + loss.item(), n_real + (targets >= 0).sum().item()
    for p, old in zip(model.parameters(), kept, strict=True):
        new = p.grad / n_real
        p.grad = new if old is None else old + new
    return total / n_real


def with_autograd_grad(model, parts):
    """torch.autograd.grad for each part, added by hand."""
    parameters = list(model.parameters())
    counts = [(targets != -100).sum() for _, targets in parts]
    total = torch.zeros(())
    for inputs, targets in parts:
        logits = model(inputs)
        one_hot = (targets[..., None] == torch.arange(logits.shape[-1])).float()
        loss = -(logits.log_softmax(-1) * one_hot).sum() / sum(counts)
        for p, g in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            p.grad = g if p.grad is None else p.grad + g
        total += loss.detach()
    return total.item()


# --- wrong in known ways -----------------------------------------------------------------------

NUMBER = "n_real = sum((targets != -100).sum().item() for _, targets in parts)"
SHARE = "share = (targets != -100).sum().item() / n_real"
LOSS = "loss = next_token_loss(model(inputs), targets) * share"
BACKWARD = "loss.backward()"
ADD = "total += loss.item()"
TOTAL = "total = 0.0"
LOOP = "for inputs, targets in parts:"

MISCONCEPTIONS = (
    Misconception(
        "mean-of-means",
        "Each part counts the same, however many real targets it has: means were averaged. A "
        "part's share is its number of real targets over that of all.",
        LINK,
        {SHARE: "share = 1 / len(parts)"},
    ),
    Misconception(
        "sum-of-means",
        "The means of the parts are added up, so that more parts make larger gradients.",
        LINK,
        {SHARE: "share = 1.0"},
    ),
    Misconception(
        "padding-counted",
        "The shares count all positions, padding too. Only real targets weigh.",
        LINK,
        {
            NUMBER: "n_real = sum(targets.numel() for _, targets in parts)",
            SHARE: "share = targets.numel() / n_real",
        },
    ),
    Misconception(
        "padding-in-the-number",
        "The sum over real targets is divided by the number of all positions.",
        LINK,
        {NUMBER: "n_real = sum(targets.numel() for _, targets in parts)"},
    ),
    Misconception(
        "rows-counted",
        "The shares count rows. Rows may hold different numbers of real targets, and these are "
        "what weighs.",
        LINK,
        {
            NUMBER: "n_real = sum(len(targets) for _, targets in parts)",
            SHARE: "share = len(targets) / n_real",
        },
    ),
    Misconception(
        "sum-over-tokens",
        "The losses of all tokens are added, and never divided by their number.",
        LINK,
        {SHARE: "share = (targets != -100).sum().item()"},
    ),
    Misconception(
        "cleared-between-parts",
        "The gradients are cleared before each part, so only the last part is left of them.",
        LINK,
        {LOOP: LOOP + "\n        model.zero_grad()"},
    ),
    Misconception(
        "cleared-at-the-start",
        "The gradients that were there are gone. This function adds, as `backward` does: clearing "
        "is the caller's business.",
        LINK,
        {TOTAL: TOTAL + "\n    model.zero_grad()"},
    ),
    Misconception(
        "cleared-at-the-end",
        "No gradients are left: they were cleared after the last part. The step that needs them "
        "comes later.",
        LINK,
        {"return total": "model.zero_grad()\n    return total"},
    ),
    Misconception(
        "backward-forgotten",
        "The loss is right and there are no gradients: `backward` was never called.",
        LINK,
        {BACKWARD: "pass"},
    ),
    Misconception(
        "last-part-only",
        "`backward` was called once, for the last part alone. Each part needs its own.",
        LINK,
        {BACKWARD: "pass", "return total": "loss.backward()\n    return total"},
    ),
    Misconception(
        "first-part-only",
        "Only the first part was read.",
        LINK,
        {LOOP: "for inputs, targets in parts[:1]:"},
    ),
    Misconception(
        "one-backward-at-the-end",
        "The values are right, but `backward` is called once, after the last part: until then all "
        "parts are in memory together. Call it for each part.",
        LINK,
        {
            TOTAL: TOTAL + "\n    whole = 0.0",
            BACKWARD: "whole = whole + loss",
            "return total": "whole.backward()\n    return total",
        },
    ),
    Misconception(
        "number-so-far",
        "Each part is divided by the real targets that were read so far, so the first parts weigh "
        "too much. Count those of all parts before the loop.",
        LINK,
        {
            NUMBER: "n_real, nats = 0, 0.0",
            SHARE: "n = (targets != -100).sum().item()\n"
            "        n_real += n\n"
            "        share = n / max(n_real, 1)",
            ADD: "nats += loss.item() * n_real\n        total = nats / max(n_real, 1)",
        },
    ),
    Misconception(
        "rows-joined",
        "The parts were joined to one batch. That is what parts are to avoid, and it fails where "
        "their rows differ in length.",
        LINK,
        {
            LOOP: "whole = [torch.cat(side) for side in zip(*parts)]\n"
            "    for inputs, targets in [whole]:"
        },
    ),
    Misconception(
        "all-parts-at-once",
        "The parts were joined and read at once. That is what parts are to avoid: the large batch "
        "does not fit into memory.",
        LINK,
        {
            LOOP: "whole = [torch.cat([x.flatten() for x in side]) for side in zip(*parts)]\n"
            "    for inputs, targets in [whole]:"
        },
    ),
    Misconception(
        "loss-of-the-last-part",
        "The gradients are right, but the loss is that of the last part. Add up.",
        LINK,
        {ADD: "total = loss.item()"},
    ),
    Misconception(
        "loss-not-weighted",
        "The gradients are right, but the loss is the sum of the parts' means: it lacks their "
        "shares.",
        LINK,
        {ADD: "total += loss.item() / share if share else 0.0"},
    ),
    Misconception(
        "mean-of-losses-returned",
        "The gradients are right, but the loss is the plain mean of the parts' means.",
        LINK,
        {ADD: "total += loss.item() / share / len(parts) if share else 0.0"},
    ),
    Misconception(
        "loss-as-a-tensor",
        "The loss came as a tensor. A plain Python float is wanted: add up `loss.item()`, which "
        "lets go of the part that it came from.",
        LINK,
        {ADD: "total += loss"},
    ),
    Misconception(
        "parameters-moved",
        "The parameters have changed. Here gradients are collected; the step comes later.",
        LINK,
        {
            "return total": "with torch.no_grad():\n        for p in model.parameters():\n"
            "            p -= 0.1 * p.grad\n    return total"
        },
    ),
    Misconception(
        "inputs-as-targets",
        "The targets are the inputs. Each part brings targets of its own.",
        "pretraining-shift",
        {LOSS: LOSS.replace("model(inputs), targets", "model(inputs), inputs")},
    ),
    Misconception(
        "divided-by-its-own-number",
        "Parts without a real target are divided by 0. Their share is 0: leave the rest to the "
        "loss.",
        LINK,
        {
            LOSS: "n = (targets != -100).sum()\n        loss = next_token_loss(model(inputs), "
            "targets) * n / n * share"
        },
    ),
)

EXERCISE = Exercise(
    id="pretraining/accumulate_gradients",
    callable="accumulate_gradients",
    title="A large batch in parts",
    parts={"all": 3},
    minutes=15,
    difficulty="hard",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(divided_by_the_number, scaled_afterwards, with_autograd_grad),
    drive=drive.accumulated,
    depends=("pretraining/next_token_loss",),
    equivalent={
        "`(targets != -100).sum()` for `(targets != -100).sum().item()`": "tensors divide as well",
        "`(targets != -100).sum()` for `(targets != -100).sum().item()` (2)": "the same",
    },
    properties=(
        Property(
            "order-does-not-matter",
            "The same parts in another order give another loss or other gradients.",
            LINK,
            ("unequal", "exchanged"),
            lambda one, other: bool(
                np.allclose(one["loss"], other["loss"], rtol=1e-3)
                and all(
                    np.allclose(one["gradients"][k], other["gradients"][k], atol=1e-4)
                    for k in one["gradients"]
                )
            ),
        ),
    ),
)
