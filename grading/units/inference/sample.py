"""inference/sample: temperature, top-k, top-p, and a draw."""

from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.judging.measures import Frequencies
from grading.kernel import RandomState
from grading.units.inference import drive
from grading.units.inference.draw import logits_of, normal

LINK, FILTERS = "inference-temperature", "inference-top-p"
SHAPE, CHANCE = "no chance in it", "drawn tokens"
ROWS = 2000
AXES = "batch"


def cases(rng: np.random.Generator) -> list[Case]:
    """What needs no chance, exactly; then 2,000 equal rows for each setting."""
    rows = normal(rng, 5, 7)
    ties = np.array([[1.0, 3.0, 3.0, 0.0]], dtype=np.float32)
    flat = normal(rng, 40, 7, scale=0.1)
    seeds = iter(rng.choice(10**6, 30, replace=False).tolist())  # else all cases draw alike
    order = rng.permutation(6)
    row = logits_of(0.4, 0.2, 0.15, 0.12, 0.08, 0.05)[order]

    def case(says, part, logits, temperature, k=None, p=None, compare=None, again=False, name=""):
        inputs = {"generator": RandomState(next(seeds)), "again": again, "logits": logits}
        inputs |= {"temperature": temperature}
        return Case(says, {**inputs, "k": k, "p": p}, part, AXES, name, compare)

    def drawn(says, *settings, name=""):
        many = np.repeat(row[None], ROWS, axis=0)
        return case(says, CHANCE, many, *settings, compare=Frequencies(probabilities), name=name)

    return [
        case("five rows and temperature 0", SHAPE, rows, 0.0),
        case("temperature 0 with k=3 and p=0.9", SHAPE, rows, 0.0, 3, 0.9),
        case("equal logits and temperature 0", SHAPE, ties, 0.0),
        case("one row and temperature 0", SHAPE, rows[:1], 0.0),
        case("five rows, temperature 1 and k=1", SHAPE, rows, 1.0, 1),
        case("one row, temperature 1 and k=1", SHAPE, rows[:1], 1.0, 1),
        case("five rows, temperature 1 and a tiny p", SHAPE, rows, 1.0, None, 0.01),
        case("a vocabulary of one token", SHAPE, rows[:, :1].copy(), 0.7, 2, 0.9),
        case("a temperature below 0", SHAPE, rows, -0.5),
        case("the same state of `generator` twice, then the next", SHAPE, flat, 1.5, again=True),
        drawn("many equal rows, temperature 1", 1.0, name="equal rows"),
        drawn("the same rows, temperature 0.5", 0.5),
        drawn("the same rows, temperature 2", 2.0),
        drawn("the same rows, k=3", 1.0, 3),
        drawn("the same rows, p=0.7", 1.0, None, 0.7, name="p alone"),
        drawn("the same rows, k=3 and p=0.7", 1.0, 3, 0.7),
        drawn("the same rows, temperature 2 and p=0.7", 2.0, None, 0.7),
        drawn("the same rows, temperature 0.5 and p=0.7", 0.5, None, 0.7),
        drawn("the same rows, temperature 0.5 and k=2", 0.5, 2),
        drawn("the same rows, temperature 2, k=4 and p=0.8", 2.0, 4, 0.8),
    ]


def probabilities(inputs: Mapping[str, Any]) -> np.ndarray:
    """Of each token in every row, which are all alike; filters by their definitions."""
    logits = np.asarray(inputs["logits"], dtype=float)[0] / inputs["temperature"]
    p = np.exp(logits - logits.max())
    p /= p.sum()
    ids = np.argsort(-p)
    if inputs["k"] is not None:
        p[ids[inputs["k"] :]] = 0
        p /= p.sum()
    if inputs["p"] is not None:
        n_kept = 1 + int((np.cumsum(p[ids]) < inputs["p"]).sum())
        p[ids[n_kept:]] = 0
    return p / p.sum()


# --- right in other ways ---------------------------------------------------------------------


def by_running_sums(logits, temperature, k, p, generator):
    """Sorted probabilities, filters by setting to 0, and a uniform number for each row."""
    if temperature < 0:
        raise ValueError("temperature")
    if temperature == 0:
        return torch.max(logits, dim=-1).indices
    chances, ids = (logits.double() / temperature).softmax(-1).sort(-1, descending=True)
    if k is not None:
        chances[:, k:] = 0
        chances = chances / chances.sum(-1, keepdim=True)
    if p is not None:
        chances = chances * (chances.cumsum(-1) - chances < p)
    ends = chances.cumsum(-1)
    u = torch.rand(len(logits), 1, generator=generator, dtype=torch.float64) * ends[:, -1:]
    place = (ends <= u).sum(-1, keepdim=True)
    return ids.gather(1, place).squeeze(1)


def by_gumbel_noise(logits, temperature, k, p, generator):
    """The highest of logits with Gumbel noise is a draw from their softmax."""
    if temperature < 0:
        raise ValueError("temperature")
    if temperature == 0:
        return logits.argmax(-1)
    logits = logits / temperature
    if k is not None:
        limit = logits.sort(-1, descending=True).values[:, min(k, logits.shape[1]) - 1, None]
        logits = torch.where(logits < limit, -torch.inf, logits)
    if p is not None:
        chances = logits.softmax(-1)
        above = (chances[:, None] * (chances[:, None] > chances[:, :, None])).sum(-1)
        logits = torch.where(above < p, logits, -torch.inf)
    noise = -torch.log(
        -torch.log(torch.rand(logits.shape, generator=generator, dtype=torch.float64))
    )
    return (logits + noise).argmax(dim=-1)


def row_by_row(logits, temperature, k, p, generator):
    """A loop over the rows, lists of the kept ids, a draw among these."""
    if temperature < 0:
        raise ValueError("temperature")
    chosen, known = [], {}
    for row in logits.tolist():
        if temperature == 0:
            chosen.append(row.index(max(row)))
            continue
        if tuple(row) not in known:
            chances = torch.softmax(torch.tensor(row) / temperature, 0)
            ids = sorted(range(len(row)), key=lambda i: -chances[i])[: k or None]
            left = chances[ids] / chances[ids].sum()
            n_kept = len(ids) if p is None else int((left.cumsum(0) - left < p).sum())
            known[tuple(row)] = ids[:n_kept], list(accumulate(left[:n_kept].tolist()))
        ids, ends = known[tuple(row)]
        u = ends[-1] * torch.rand((), generator=generator).item()
        chosen.append(ids[bisect_right(ends, u)])
    return torch.tensor(chosen)


# --- wrong in known ways -----------------------------------------------------------------------

NEGATIVE = "if temperature < 0:"
GREEDY = "if temperature == 0:\n        return logits.argmax(dim=-1)"
COOL = "logits = logits / temperature"
TOP_K = "if k is not None:\n        logits = top_k(logits, k)"
TOP_P = "if p is not None:\n        logits = top_p(logits, p)"
DRAW = "return torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)[:, 0]"
PROBABILITIES_FILTERED = (
    "The filters get probabilities where they expect logits. Top-p makes a softmax of them once "
    "more, and adds up numbers that are nearly equal."
)

MISCONCEPTIONS = (
    Misconception(
        "always-the-likeliest",
        "The likeliest token is taken each time; nothing is drawn. A token of probability 0.2 "
        "should come once in five.",
        LINK,
        {DRAW: "return logits.argmax(dim=-1)"},
    ),
    Misconception(
        "temperature-multiplied",
        "The logits are multiplied by the temperature, or the probabilities are raised to its "
        "power, which is the same. High temperatures then make the choice sharper, and should make "
        "it flatter.",
        LINK,
        {COOL: "logits = logits * temperature"},
    ),
    Misconception(
        "temperature-without-effect",
        "The temperature has no effect. (Dividing probabilities by it has none either: shared out "
        "again they are the same.) It divides the logits.",
        LINK,
        {COOL: "pass"},
    ),
    Misconception(
        "temperature-twice",
        "The logits are divided by the temperature twice: 2 works like 4, and 0.5 like 0.25. Once "
        "is what the formula says.",
        LINK,
        {COOL: "logits = logits / temperature / temperature"},
    ),
    Misconception(
        "temperature-last",
        "The temperature comes after the filters. It changes the probabilities that top-p adds up, "
        "so it has to come first.",
        LINK,
        {COOL: "pass", DRAW: f"logits = logits / temperature\n    {DRAW}"},
    ),
    Misconception(
        "top-p-first",
        "Top-p comes before top-k. The order asked for is top-k first: what it leaves is shared "
        "out anew, and top-p adds that up.",
        FILTERS,
        {f"{TOP_K}\n    {TOP_P}": f"{TOP_P}\n    {TOP_K}"},
    ),
    Misconception(
        "k-without-effect",
        "`k` has no effect on what is drawn.",
        FILTERS,
        {TOP_K: "pass"},
    ),
    Misconception(
        "p-without-effect",
        "`p` has no effect on what is drawn.",
        FILTERS,
        {TOP_P: "pass"},
    ),
    Misconception(
        "filters-after-the-draw",
        "A token is drawn from all, and replaced by the likeliest where a filter rules it out. "
        "That gives the likeliest too much: what is left should be shared out and then drawn.",
        FILTERS,
        {
            COOL: f"{COOL}\n    everything = logits",
            DRAW: "drawn = torch.multinomial(everything.softmax(dim=-1), 1, generator=generator)\n"
            "    gone = logits.gather(1, drawn).isinf()\n"
            "    return torch.where(gone, logits.argmax(-1, keepdim=True), drawn)[:, 0]",
        },
    ),
    Misconception(
        "all-kept-equally-likely",
        "All tokens that are left are drawn equally often. Their probabilities still count.",
        LINK,
        {DRAW: DRAW.replace("logits.softmax(dim=-1)", "logits.isfinite().double()")},
    ),
    Misconception(
        "one-draw-for-all-rows",
        "One token is drawn and handed to every row. Each row is a text of its own, with a draw of "
        "its own.",
        LINK,
        {DRAW: f"{DRAW}[:1].expand(len(logits))"},
    ),
    Misconception(
        "place-in-the-order",
        "What comes back is the place in the order from likely to unlikely, not the token's id. "
        "Sorting moved the tokens.",
        LINK,
        {DRAW: "logits = logits.sort(dim=-1, descending=True).values\n    " + DRAW},
    ),
    Misconception(
        "axis-kept",
        "An axis of size 1 is left: the result has one axis, the batch.",
        LINK,
        {DRAW: DRAW.removesuffix("[:, 0]")},
    ),
    Misconception(
        "batch-squeezed-away",
        "For a single row the batch axis is lost: `squeeze()` takes away every axis of size 1. "
        "Name the axis that has to go.",
        LINK,
        {DRAW: DRAW.replace("[:, 0]", ".squeeze()")},
    ),
    Misconception(
        "zero-divides",
        "Temperature 0 divides by 0. It stands for greedy: the highest logit.",
        LINK,
        {"if temperature == 0:": "if False:"},
    ),
    Misconception(
        "zero-means-off",
        "Temperature 0 is taken as *no temperature*, that is 1. It stands for greedy: the highest "
        "logit.",
        LINK,
        {GREEDY: "temperature = temperature or 1.0"},
    ),
    Misconception(
        "negative-accepted",
        "A temperature below 0 raises no ValueError. It would make unlikely tokens likely.",
        LINK,
        {NEGATIVE: "if False:"},
    ),
    Misconception(
        "own-generator",
        "The draws do not come from `generator`: the same seed gives other tokens the next time.",
        LINK,
        {"generator=generator": "generator=None"},
    ),
    Misconception(
        "seeded-anew",
        "The generator is seeded inside, so that every call draws the same, whatever state it was "
        "handed. Who calls seeds it, once.",
        LINK,
        {DRAW: f"generator.manual_seed(0)\n    {DRAW}"},
    ),
    Misconception(
        "filters-get-probabilities",
        PROBABILITIES_FILTERED,
        FILTERS,
        {
            COOL: "logits = (logits / temperature).softmax(dim=-1)",
            DRAW: DRAW.replace("softmax(dim=-1)", "clamp(min=0)"),
        },
    ),
    Misconception(
        "filters-get-probabilities-and-zeros",
        f"{PROBABILITIES_FILTERED} Top-k marks what is left out by -inf, which is no probability.",
        FILTERS,
        {
            COOL: "logits = (logits / temperature).softmax(dim=-1)",
            TOP_K: f"{TOP_K}.clamp(min=0)",
            DRAW: DRAW.replace("softmax(dim=-1)", "clamp(min=0)"),
        },
    ),
    Misconception(
        "softmax-twice",
        "The softmax is taken twice, once before the filters and once for the draw. The second one "
        "makes the probabilities nearly equal.",
        LINK,
        {COOL: "logits = (logits / temperature).softmax(dim=-1)"},
    ),
    Misconception(
        "logits-changed",
        "The tokens are right, but the logits that were handed in are changed. Make new tensors.",
        LINK,
        {COOL: "logits /= temperature"},
    ),
)

EXERCISE = Exercise(
    id="inference/sample",
    callable="sample",
    title="Sample",
    parts={SHAPE: 1, CHANCE: 2},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    drive=drive.draw,
    equivalent=dict.fromkeys(
        ("`dim=1` for `dim=-1`", "`dim=1` for `dim=-1` (2)"),
        "logits have two axes, batch and vocab",
    ),
    misconceptions=MISCONCEPTIONS,
    alternatives=(by_running_sums, by_gumbel_noise, row_by_row),
    depends=("inference/top_k", "inference/top_p"),
    properties=(
        Property(
            "equal-rows-get-one-token",
            "Two thousand equal rows all get the same token at temperature 1. Each row has a draw "
            "of its own.",
            LINK,
            ("equal rows",),
            lambda drawn: len(np.unique(drawn)) > 1,
        ),
        Property(
            "p-keeps-too-many",
            "With p=0.7, tokens come up besides the three that reach 0.7. Does top-p get logits?",
            FILTERS,
            ("p alone",),
            lambda drawn: len(np.unique(drawn)) <= 3,
        ),
    ),
)
