"""scaling_laws/best_size: how large a model a sum of money should train."""

import math

import numpy as np

from grading.course.exercise import Misconception, Question, decision
from grading.judging.measures import Within

LINK = "scaling-laws-money"
FACTOR = 1.01


def draw(rng: np.random.Generator) -> Question:
    """An offer, drawn again until no wrong reading of it comes near the right or another one."""
    while True:
        question = _draw(rng)
        sizes = sorted([question.right, *question.wrong.values()])
        if all(b > 1.03 * a for a, b in zip(sizes, sizes[1:], strict=False)):
            return question


def _draw(rng: np.random.Generator) -> Question:
    dollars = 10_000 * int(rng.integers(12, 90))
    hourly = float(rng.integers(150, 390)) / 100
    sheet = 10**12 * int(rng.integers(300, 990))
    share = float(rng.integers(28, 47)) / 100
    alpha = float(rng.integers(330, 350)) / 1000
    beta = float(rng.integers(365, 385)) / 1000
    a, b = float(rng.integers(440, 520)), float(rng.integers(1900, 2300))
    law = {"E": 1.82, "A": a, "B": b, "alpha": alpha, "beta": beta}

    hours = dollars / hourly
    flops = hours * 3600 * sheet * share
    total = alpha + beta

    def size(compute: float, power: float = beta, per_pair: float = 6) -> float:
        g = (alpha * a / (beta * b)) ** (1 / total)
        return g * (compute / per_pair) ** (power / total) / 1e9

    right = size(flops)
    wrong = {
        "data-sheet-rate": size(flops / share),
        "divided-by-the-share": size(flops / share**2),
        "hours-for-seconds": size(flops / 3600),
        "minutes-for-seconds": size(flops / 60),
        "dollars-times-price": size(flops * hourly**2),
        "price-left-out": size(flops * hourly),
        "tokens-for-parameters": flops / 6 / (right * 1e9) / 1e9,
        "exponents-exchanged": size(flops, power=alpha),
        "g-upside-down": right * (beta * b / (alpha * a)) ** (2 / total),
        "twenty-tokens": math.sqrt(flops / 120) / 1e9,
        "forward-only": size(flops, per_pair=2),
        "six-left-out": size(flops, per_pair=1),
        "even-split": size(flops, power=total / 2),
    }
    shown = {
        "dollars": dollars,
        "dollars for an hour of one accelerator": hourly,
        "its operations a second (data sheet)": sheet,
        "share of these that a run gets": share,
        **law,
    }
    return Question(shown=shown, right=right, wrong=wrong)


MISCONCEPTIONS = (
    Misconception(
        "data-sheet-rate",
        "This counts on the rate of the data sheet. A run gets only the share of it that stands in "
        "the table.",
        LINK,
    ),
    Misconception(
        "divided-by-the-share",
        "The rate was divided by the share that a run gets, as if it got more than the data sheet "
        "promises. Multiply.",
        LINK,
    ),
    Misconception(
        "hours-for-seconds",
        "The hours were taken as seconds. The rate is one of operations a second.",
        LINK,
    ),
    Misconception(
        "minutes-for-seconds",
        "The hours were turned into minutes. The rate is one of operations a second.",
        LINK,
    ),
    Misconception(
        "dollars-times-price",
        "The dollars were multiplied by the price of an hour. Hours are dollars divided by it.",
        LINK,
    ),
    Misconception(
        "price-left-out",
        "Here an hour costs one dollar: the price was left out.",
        LINK,
    ),
    Misconception(
        "tokens-for-parameters",
        "These are the billions of tokens. Asked for are the parameters.",
        "scaling-laws-optimum",
    ),
    Misconception(
        "exponents-exchanged",
        "N was made to grow with alpha / (alpha + beta). It is beta's share.",
        "scaling-laws-optimum",
    ),
    Misconception(
        "g-upside-down",
        "G is upside down: a larger A calls for more parameters.",
        "scaling-laws-optimum",
    ),
    Misconception(
        "twenty-tokens",
        "This is the model with 20 tokens for each parameter. The law given here says another "
        "number.",
        "scaling-laws-optimum",
    ),
    Misconception(
        "forward-only",
        "Here each parameter and token takes 2 operations, the forward pass alone. Training takes "
        "6.",
        "scaling-laws-counting",
    ),
    Misconception(
        "six-left-out",
        "Here N times D is the compute. Each pair takes 6 operations.",
        "scaling-laws-counting",
    ),
    Misconception(
        "even-split",
        "N was made to grow with the root of the compute. That is so only where alpha and beta are "
        "equal.",
        "scaling-laws-optimum",
    ),
)

EXERCISE = decision(
    id="scaling_laws/best_size",
    callable="best_size",
    title="What the money buys",
    parts={"all": 2},
    minutes=10,
    difficulty="medium",
    link=LINK,
    draw=draw,
    misconceptions=MISCONCEPTIONS,
    compare=Within(factor=FACTOR),
)
