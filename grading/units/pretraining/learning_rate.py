"""pretraining/learning_rate: a warm-up, then half a cosine wave."""

import math

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property

LINK = "pretraining-schedule"
RAMP, WAVE = "warm-up", "decay"


def cases(rng: np.random.Generator) -> list[Case]:
    """First, middle and last steps of both parts; no warm-up; a floor; beyond the end; no room."""
    top = float(rng.uniform(1, 9))
    floor = top / 10
    run = {"n_steps": 53, "max_lr": top, "warmup_steps": 11}
    plain = {"n_steps": 53, "max_lr": top}
    lifted = {**run, "min_lr": floor}
    return [
        _case("the first step of a warm-up", 0, run, RAMP, "first"),
        _case("the second step of a warm-up", 1, run, RAMP),
        _case("the middle of a warm-up", 5, run, RAMP),
        _case("the last step of a warm-up", 10, run, RAMP, "last"),
        _case("the first step behind the warm-up", 11, run, RAMP, "peak"),
        _case("a warm-up of one step", 0, {**run, "warmup_steps": 1}, RAMP),
        _case("a warm-up with a floor", 3, lifted, RAMP),
        _case("the second step behind the warm-up", 12, run, WAVE),
        _case("a quarter of the wave", 21, {**run, "n_steps": 51}, WAVE),
        _case("half of the wave", 31, {**run, "n_steps": 51}, WAVE, "half"),
        _case("the last step", 52, run, WAVE),
        _case("the step behind the last", 53, run, WAVE, "end"),
        _case("a step far behind the last", 90, run, WAVE),
        _case("a floor, in the middle", 31, lifted, WAVE),
        _case("a floor, behind the last step", 53, lifted, WAVE),
        _case("a floor, far behind", 90, lifted, WAVE),
        _case("no warm-up, the first step", 0, plain, WAVE),
        _case("no warm-up, in the middle", 20, plain, WAVE),
        _case("a run of one step", 0, {"n_steps": 1, "max_lr": top}, WAVE),
        _case("a warm-up that leaves one step", 4, {**run, "n_steps": 5, "warmup_steps": 4}, WAVE),
        _case("a warm-up as long as the run", 2, {**run, "n_steps": 11}, WAVE),
        _case("a warm-up longer than the run", 2, {**run, "n_steps": 7}, WAVE),
        _case("a run without steps", 0, {"n_steps": 0, "max_lr": top}, WAVE),
    ]


def _case(says: str, step: int, settings: dict, part: str, name: str = "") -> Case:
    return Case(says, {"step": step, **settings}, part, name=name)


# --- right in other ways ---------------------------------------------------------------------


def with_tables(step, n_steps, max_lr, warmup_steps=0, min_lr=0.0):
    """All rates of the run as a table by NumPy, and one of them read."""
    if not warmup_steps < n_steps:
        raise ValueError("no room")
    ramp = max_lr * np.arange(1, warmup_steps + 1) / (warmup_steps + 1)
    turns = np.linspace(0, np.pi, n_steps - warmup_steps + 1)
    wave = min_lr + (max_lr - min_lr) * (np.cos(turns) + 1) / 2
    table = np.concatenate([ramp, wave])
    return float(table[min(step, n_steps)])


def squared_cosine(step, n_steps, max_lr, warmup_steps=0, min_lr=0.0):
    """(1 + cos x) / 2 is the square of cos(x / 2); the end is a case of its own."""
    if n_steps - warmup_steps <= 0:
        raise ValueError("no room")
    if step >= n_steps:
        return min_lr
    if step >= warmup_steps:
        share = math.cos(math.pi / 2 * (step - warmup_steps) / (n_steps - warmup_steps)) ** 2
        return share * max_lr + (1 - share) * min_lr
    return (step + 1) * (max_lr / (warmup_steps + 1))


def by_complex_numbers(step, n_steps, max_lr, warmup_steps=0, min_lr=0.0):
    """The wave as the height of a point that goes round half a circle."""
    import cmath

    left = n_steps - warmup_steps
    if left < 1:
        raise ValueError("no room")
    climbed = min(1.0, (step + 1) / (warmup_steps + 1))
    gone = min(max(step - warmup_steps, 0), left)
    point = cmath.rect(1, cmath.pi * gone / left)
    middle, radius = (max_lr + min_lr) / 2, (max_lr - min_lr) / 2
    return climbed * max_lr if gone == 0 and climbed < 1 else middle + radius * point.real


# --- wrong in known ways -----------------------------------------------------------------------

CHECK = "if warmup_steps >= n_steps:"
CLIMBS = "if step < warmup_steps:"
RATE = "return max_lr * (step + 1) / (warmup_steps + 1)"
PROGRESS = "progress = min((step - warmup_steps) / (n_steps - warmup_steps), 1.0)"
RESULT = "return min_lr + (max_lr - min_lr) * (1 + math.cos(math.pi * progress)) / 2"

MISCONCEPTIONS = (
    Misconception(
        "starts-at-0",
        "The warm-up starts at a rate of 0, and a step with it does nothing. The first step has "
        "one part of the climb behind it.",
        LINK,
        {RATE: "return max_lr * step / warmup_steps"},
    ),
    Misconception(
        "full-rate-one-step-early",
        "The last step of the warm-up has the full rate already: the climb has warmup_steps + 1 "
        "equal parts.",
        LINK,
        {RATE: "return max_lr * (step + 1) / warmup_steps"},
    ),
    Misconception(
        "starts-at-0-and-never-full",
        "The first step has a rate of 0: step must count as one part of the climb.",
        LINK,
        {RATE: "return max_lr * step / (warmup_steps + 1)"},
    ),
    Misconception(
        "no-warm-up",
        "There is no warm-up: the wave begins with the first step, at the full rate.",
        LINK,
        {RATE: "return max_lr"},
    ),
    Misconception(
        "wave-over-the-whole-run",
        "The wave is laid over the whole run, so it has fallen already when the warm-up ends. It "
        "begins where the warm-up ends.",
        LINK,
        {PROGRESS: "progress = min(step / n_steps, 1.0)"},
    ),
    Misconception(
        "wave-under-the-warm-up",
        "The wave runs from step 0 on, and the warm-up is a factor on it. The warm-up is a part of "
        "its own: the wave begins where it ends.",
        LINK,
        {
            CLIMBS: "if False:",
            PROGRESS: "progress = min(step / n_steps, 1.0)",
            RESULT: RESULT.replace(
                "return ", "return min((step + 1) / (warmup_steps + 1), 1.0) * ("
            )
            + ")",
        },
    ),
    Misconception(
        "wave-as-long-as-the-run",
        "The wave begins after the warm-up and takes n_steps steps, so the run ends before it has "
        "come down.",
        LINK,
        {PROGRESS: "progress = min((step - warmup_steps) / n_steps, 1.0)"},
    ),
    Misconception(
        "low-at-the-last-step",
        "The lowest rate comes at step n_steps - 1. That step should still do something: the wave "
        "comes down at step n_steps.",
        LINK,
        {
            PROGRESS: "progress = min((step - warmup_steps) / max(n_steps - warmup_steps - 1, 1), "
            "1.0)"
        },
    ),
    Misconception(
        "a-line-down",
        "The rate falls in a line. Half a cosine wave is wanted: slow, fast, slow.",
        LINK,
        {RESULT: "return min_lr + (max_lr - min_lr) * (1 - progress)"},
    ),
    Misconception(
        "quarter-wave",
        "This is a quarter of a wave, which falls fastest at the end. Half a wave goes from cos 0 "
        "= 1 to cos(pi) = -1.",
        LINK,
        {RESULT: "return min_lr + (max_lr - min_lr) * math.cos(math.pi / 2 * progress)"},
    ),
    Misconception(
        "whole-wave",
        "The rate comes back up at the end: this is a whole wave. Half of one is wanted.",
        LINK,
        {RESULT: RESULT.replace("math.pi *", "2 * math.pi *")},
    ),
    Misconception(
        "sine",
        "The wave is a sine. A cosine begins at 1.",
        LINK,
        {RESULT: RESULT.replace("math.cos", "math.sin")},
    ),
    Misconception(
        "degrees",
        "The cosine gets degrees or a share of the way. `math.cos` takes radians: half a wave is "
        "pi.",
        LINK,
        {RESULT: RESULT.replace("math.pi * progress", "180 * progress")},
    ),
    Misconception(
        "not-halved",
        "1 + cos runs from 2 to 0, so the rate is twice what it should be. Halve it.",
        LINK,
        {RESULT: "return min_lr + (max_lr - min_lr) * (1 + math.cos(math.pi * progress))"},
    ),
    Misconception(
        "cosine-not-lifted",
        "The plain cosine runs from 1 to -1: half of the run would climb the loss. Lift it by 1 "
        "and halve it.",
        LINK,
        {RESULT: "return min_lr + (max_lr - min_lr) * math.cos(math.pi * progress)"},
    ),
    Misconception(
        "floor-added",
        "`min_lr` is added on top, so that the rate begins above `max_lr`. The wave goes from one "
        "to the other.",
        LINK,
        {RESULT: "return min_lr + max_lr * (1 + math.cos(math.pi * progress)) / 2"},
    ),
    Misconception(
        "floor-as-a-limit",
        "The wave goes to 0 and is cut off at `min_lr`. It comes down to `min_lr` by itself.",
        LINK,
        {RESULT: "return max(min_lr, max_lr * (1 + math.cos(math.pi * progress)) / 2)"},
    ),
    Misconception(
        "floor-left-out",
        "`min_lr` is not used: the rate falls to 0.",
        LINK,
        {RESULT: "return max_lr * (1 + math.cos(math.pi * progress)) / 2"},
    ),
    Misconception(
        "nothing-behind-the-end",
        "Behind the end the rate is 0. It stays at `min_lr`.",
        LINK,
        {RESULT: "if step > n_steps:\n        return 0.0\n    " + RESULT},
    ),
    Misconception(
        "nothing-from-the-end-on",
        "From step n_steps on the rate is 0. There it is `min_lr`, and stays.",
        LINK,
        {RESULT: "if step >= n_steps:\n        return 0.0\n    " + RESULT},
    ),
    Misconception(
        "upwards",
        "The wave goes up: it begins with the lowest rate.",
        LINK,
        {RESULT: RESULT.replace("1 + math.cos", "1 - math.cos")},
    ),
    Misconception(
        "rises-again-behind-the-end",
        "Behind the last step the rate rises again: a cosine goes on. It stays at `min_lr`.",
        LINK,
        {PROGRESS: "progress = (step - warmup_steps) / (n_steps - warmup_steps)"},
    ),
    Misconception(
        "climbs-from-the-floor",
        "The warm-up begins at `min_lr`. Its equal parts are parts of `max_lr`.",
        LINK,
        {RATE: "return min_lr + (max_lr - min_lr) * (step + 1) / (warmup_steps + 1)"},
    ),
    Misconception(
        "climb-in-fewer-parts",
        "The climb has two parts too few, so it overshoots `max_lr` before the wave begins: it has "
        "warmup_steps + 1 equal parts.",
        LINK,
        {RATE: "return max_lr * (step + 1) / max(warmup_steps - 1, 1)"},
    ),
    Misconception(
        "climb-in-more-parts",
        "The climb has a part too many and jumps at its end: it has warmup_steps + 1 equal parts.",
        LINK,
        {RATE: "return max_lr * (step + 1) / (warmup_steps + 2)"},
    ),
    Misconception(
        "climb-one-step-ahead",
        "The warm-up is ahead by a step: the first one has one part of the climb, not two.",
        LINK,
        {RATE: "return max_lr * (step + 2) / (warmup_steps + 1)"},
    ),
    Misconception(
        "equal-length-is-the-end",
        "A warm-up as long as the run is accepted, and so is a run without steps. Neither leaves "
        "a step for the wave, and the docstring promises a ValueError.",
        LINK,
        {
            CHECK: "if warmup_steps > n_steps:",
            CLIMBS: "if step >= n_steps:\n        return min_lr\n    " + CLIMBS,
        },
    ),
    Misconception(
        "room-not-checked",
        "A warm-up that leaves no step for the wave is not refused with a ValueError.",
        LINK,
        {CHECK: "if False:"},
    ),
    Misconception(
        "equal-length-accepted",
        "A warm-up as long as the run is accepted. It leaves no step for the wave, and the "
        "docstring promises a ValueError.",
        LINK,
        {CHECK: "if warmup_steps > n_steps:"},
    ),
)

EXERCISE = Exercise(
    id="pretraining/learning_rate",
    callable="learning_rate",
    title="A schedule",
    parts={RAMP: 1, WAVE: 1},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_tables, squared_cosine, by_complex_numbers),
    equivalent={
        "`step <= warmup_steps` for `step < warmup_steps`": "both parts give max_lr at that step"
    },
    properties=(
        Property(
            "climbs",
            "The warm-up does not climb: its first step, its last and the first step behind it "
            "should have rising rates.",
            LINK,
            ("first", "last", "peak"),
            lambda first, last, peak: first < last < peak,
        ),
        Property(
            "first-step-does-something",
            "The first step has a rate of 0.",
            LINK,
            ("first",),
            lambda first: first > 0,
        ),
        Property(
            "half-way-half-the-rate",
            "In the middle of the wave the rate is not half of what it was at its beginning.",
            LINK,
            ("half", "peak"),
            lambda half, peak: bool(np.isclose(2 * half, peak, rtol=1e-3)),
        ),
        Property(
            "down-at-the-end",
            "Behind the last step the rate is not 0, though no floor was given.",
            LINK,
            ("end",),
            lambda end: abs(end) < 1e-4,
        ),
    ),
)
