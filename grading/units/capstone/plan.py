"""capstone/plan: what a model of one's own would take, from its sizes to days."""

from itertools import pairwise

import numpy as np

from grading.course.exercise import Misconception, Question, decision
from grading.judging.measures import Within
from reference_impl.decoder.functions import count_parameters

LINK = "capstone-plan"
DAY = 24 * 60 * 60
N_MACHINES = (2, 4, 8, 16)
ENOUGH = 1.002  # the factor within which an answer is right


def draw(rng: np.random.Generator) -> Question:
    """The sizes of a decoder, machines, and how well they are used; no two answers are near."""
    while True:
        sizes, plan = _sizes(rng), _plan(rng)
        right, wrong = _days(sizes, plan), _wrong(sizes, plan)
        answers = sorted([right, *wrong.values()])
        if all(b > 1.02 * a for a, b in pairwise(answers)):
            return Question(sizes | plan, right, wrong, {"rounded": _rounded(right)})


def _rounded(days: float) -> list[float]:
    """Rounded in further ways, and to fewer digits than are asked for."""
    found = (float(f"{days:.2g}"), round(days), round(days, 1))
    return [n for n in found if n and not days / ENOUGH <= n <= days * ENOUGH]


def _sizes(rng: np.random.Generator) -> dict[str, int]:
    heads = int(rng.choice([8, 12, 16]))
    kv_heads, head_dim = heads // 4, 64
    d_model = heads * head_dim
    return {
        "vocab_size": int(rng.choice([32_000, 49_152, 64_000])),
        "d_model": d_model,
        "n_layers": int(rng.integers(10, 25)),
        "n_heads": heads,
        "n_kv_heads": kv_heads,
        "head_dim": head_dim,
        "d_ff": 3 * d_model,
    }


def _plan(rng: np.random.Generator) -> dict[str, float]:
    return {
        "tokens_per_parameter": int(rng.integers(18, 41)),
        "machines": int(rng.choice(N_MACHINES)),
        "flops_per_second": float(rng.integers(20, 90)) * 1e12,
        "utilisation": float(rng.integers(25, 60)) / 100,
    }


def _days(sizes, plan, n_parameters=None, per_token=6.0, **changed) -> float:
    n = n_parameters or count_parameters(**sizes)["total"]
    p = plan | changed
    flops = per_token * n * p["tokens_per_parameter"] * n
    speed = p["machines"] * p["flops_per_second"] * p["utilisation"]
    return float(flops / speed / DAY)


def _wrong(sizes, plan) -> dict[str, float]:
    counts = count_parameters(**sizes)
    full = count_parameters(**{**sizes, "n_kv_heads": sizes["n_heads"]})["total"]
    two = counts["total"] - sizes["n_layers"] * sizes["d_model"] * sizes["d_ff"]
    untied = counts["total"] + counts["embedding"]
    single = count_parameters(**{**sizes, "n_layers": 1})["total"]
    right = _days(sizes, plan)
    return {
        "forward-alone": _days(sizes, plan, per_token=2.0),
        "backward-alone": _days(sizes, plan, per_token=4.0),
        "tokens-taken-for-the-ratio": right / counts["total"],
        "embedding-left-out": _days(sizes, plan, counts["total"] - counts["embedding"]),
        "embedding-twice": _days(sizes, plan, untied),
        "kv-heads-as-many-as-heads": _days(sizes, plan, full),
        "two-matrices": _days(sizes, plan, two),
        "full-speed": _days(sizes, plan, utilisation=1.0),
        "one-machine": _days(sizes, plan, machines=1),
        "machines-multiplied": right * plan["machines"] ** 2,
        "one-layer-counted": _days(sizes, plan, single),
        "sixty-forgotten": right * 60,
        "hours": right * 24,
        "seconds": right * DAY,
        "utilisation-multiplied": right * plan["utilisation"] ** 2,
        "twelve-d-squared": _days(sizes, plan, 12 * sizes["n_layers"] * sizes["d_model"] ** 2),
        "rounded": float(f"{right:.1g}"),
    }


MISCONCEPTIONS = [
    Misconception(
        "forward-alone",
        "Two operations for each parameter and token: that is the way forward alone. Training goes "
        "back as well, which costs twice as much again.",
        LINK,
    ),
    Misconception(
        "backward-alone",
        "Four operations for each parameter and token: that is the way back alone. Training goes "
        "forward first.",
        LINK,
    ),
    Misconception(
        "tokens-taken-for-the-ratio",
        "The ratio was used as if it were the number of tokens. It says how many tokens there are "
        "for *each* parameter.",
        LINK,
    ),
    Misconception(
        "embedding-left-out",
        "The embedding table is left out of the parameters. It is the output layer as well, so its "
        "product is computed for every token.",
        LINK,
    ),
    Misconception(
        "embedding-twice",
        "The embedding table is counted twice. It is tied: one table for input and output.",
        LINK,
    ),
    Misconception(
        "kv-heads-as-many-as-heads",
        "k_proj and v_proj are counted with n_heads heads. They have n_kv_heads.",
        LINK,
    ),
    Misconception(
        "two-matrices",
        "The feed-forward is counted with two matrices a layer. SwiGLU has three.",
        LINK,
    ),
    Misconception(
        "full-speed",
        "The machines are taken at full speed. `utilisation` is the share of it that training gets "
        "to use.",
        LINK,
    ),
    Misconception(
        "one-machine",
        "One machine does all of it here. They share the work.",
        LINK,
    ),
    Misconception(
        "machines-multiplied",
        "The more machines, the longer it takes here. They share the work: divide by them.",
        LINK,
    ),
    Misconception(
        "one-layer-counted",
        "Only one layer is counted. There are n_layers of them.",
        LINK,
    ),
    Misconception(
        "sixty-forgotten",
        "This is 60 times too long. A day has 24 hours of 60 minutes of 60 seconds each.",
        LINK,
    ),
    Misconception("hours", "These are hours. Wanted are days.", LINK),
    Misconception("seconds", "These are seconds. Wanted are days.", LINK),
    Misconception(
        "utilisation-multiplied",
        "The days are multiplied by the utilisation. The less of the speed is used, the longer it "
        "takes.",
        LINK,
    ),
    Misconception(
        "twelve-d-squared",
        "The parameters are estimated as 12 d_model² for each layer. Count them: these heads share "
        "keys and values, the feed-forward has three matrices, and there is an embedding.",
        LINK,
    ),
    Misconception(
        "rounded",
        "This is right up to the rounding. Keep more digits: it has to be right within 0.2%.",
        LINK,
    ),
]

EXERCISE = decision(
    id="capstone/plan",
    callable="days_of_training",
    title="A model of your own",
    parts={"all": 2},
    minutes=12,
    difficulty="medium",
    link=LINK,
    draw=draw,
    misconceptions=MISCONCEPTIONS,
    compare=Within(factor=ENOUGH),
)
