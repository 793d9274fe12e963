"""fine_tuning/share_of_compute: two runs in operations, and the share of the second."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property

LINK = "fine-tuning-share"
LORA = "fine-tuning-lora"


def cases(rng: np.random.Generator) -> list[Case]:
    """Sizes of published models and of small ones; one thing changed at a time."""
    n = int(rng.integers(2, 9)) * 10**8 + int(rng.integers(10**6))
    before = int(rng.integers(2, 9)) * 10**10
    tokens = int(rng.integers(2, 9)) * 10**8

    def case(says, name="", n=n, before=before, tokens=tokens, epochs=1, frozen=False):
        inputs = {"n_parameters": n, "pretraining_tokens": before, "tuning_tokens": tokens}
        return Case(says, {**inputs, "epochs": epochs, "frozen": frozen}, name=name)

    return [
        case("one epoch of full tuning", "one"),
        case("three epochs", "three", epochs=3),
        case("one epoch with frozen weights", "frozen", frozen=True),
        case("two epochs with frozen weights", epochs=2, frozen=True),
        case("a model of ten times the parameters", "large", n=10 * n),
        case("no pretraining at all", before=0),
        case("no tuning tokens", tokens=0),
        case("as many tokens of tuning as of pretraining", tokens=before),
        case("a model of one parameter", n=1),
        case("one token of tuning", tokens=1),
    ]


# --- right in other ways ---------------------------------------------------------------------


def by_tokens(n_parameters, pretraining_tokens, tuning_tokens, epochs=1, frozen=False):
    """The parameters cancel in the share: tokens alone, weighed."""
    weighed = tuning_tokens * epochs * (2 / 3 if frozen else 1)
    share = weighed / (pretraining_tokens + weighed)
    return 6 * n_parameters * weighed / 86400 / 1e15, share


def by_thirds(n_parameters, pretraining_tokens, tuning_tokens, epochs=1, frozen=False):
    """Forward, gradients of the layers, gradients of the weights, counted apart."""
    one_way = 2 * n_parameters * tuning_tokens * epochs
    used = one_way + one_way + (0 if frozen else one_way)
    before = 3 * (2 * n_parameters * pretraining_tokens)
    return used / 8.64e19, 1 - before / (before + used)


def with_floats(n_parameters, pretraining_tokens, tuning_tokens, epochs=1, frozen=False):
    """Petaflop/s-days from the start."""
    day = 1e15 * 3600 * 24
    costs = {"before": 6.0 * n_parameters * pretraining_tokens / day, "tuning": 0.0}
    for _ in range(epochs):
        costs["tuning"] += (6.0 - 2.0 * frozen) * n_parameters * tuning_tokens / day
    return costs["tuning"], costs["tuning"] / sum(costs.values())


# --- wrong in known ways -----------------------------------------------------------------------

BEFORE = "pretraining = 6 * n_parameters * pretraining_tokens"
PER_TOKEN = "per_token = (4 if frozen else 6) * n_parameters"
TUNING = "tuning = per_token * tuning_tokens * epochs"
DAYS = "days = tuning / (1e15 * 24 * 60 * 60)"
SHARE = "share = tuning / (pretraining + tuning)"
RETURN = "return days, share"

MISCONCEPTIONS = (
    Misconception(
        "ratio-to-pretraining",
        "The tuning is divided by the pretraining alone. A share is a part of the whole, and the "
        "tuning belongs to the whole.",
        LINK,
        {SHARE: "share = tuning / pretraining if pretraining else float('inf')"},
    ),
    Misconception(
        "share-of-pretraining",
        "This is what pretraining takes of the whole. The share of the tuning was asked for.",
        LINK,
        {SHARE: "share = pretraining / (pretraining + tuning)"},
    ),
    Misconception(
        "percent",
        "The share comes in per cent. Between 0 and 1 was asked for.",
        LINK,
        {SHARE: "share = 100 * tuning / (pretraining + tuning)"},
    ),
    Misconception(
        "epochs-forgotten",
        "The number of epochs makes no difference. Each epoch reads all tuning tokens again.",
        LINK,
        {TUNING: "tuning = per_token * tuning_tokens"},
    ),
    Misconception(
        "epochs-of-pretraining-too",
        "Pretraining is multiplied by the epochs as well. They are those of the tuning.",
        LINK,
        {BEFORE: BEFORE + " * epochs"},
    ),
    Misconception(
        "frozen-costs-the-same",
        "Frozen weights make no difference. The gradients of the weights themselves fall away: 2 "
        "of the 6 operations.",
        LORA,
        {PER_TOKEN: "per_token = 6 * n_parameters"},
    ),
    Misconception(
        "frozen-costs-a-forward-pass",
        "Frozen weights cost as if nothing went backward. The gradients still travel through all "
        "layers to reach the adapters: only those of the weights fall away.",
        LORA,
        {PER_TOKEN: "per_token = (2 if frozen else 6) * n_parameters"},
    ),
    Misconception(
        "frozen-costs-nothing",
        "Frozen weights cost nothing here. They need no gradients of their own, but every token "
        "still runs through them, forward and backward.",
        LORA,
        {PER_TOKEN: "per_token = (0 if frozen else 6) * n_parameters"},
    ),
    Misconception(
        "frozen-the-other-way-round",
        "Tuning with frozen weights costs more here than tuning them all. It is the other way "
        "round.",
        LORA,
        {PER_TOKEN: "per_token = (6 if frozen else 4) * n_parameters"},
    ),
    Misconception(
        "pretraining-cheaper-per-token",
        "Pretraining is counted with fewer than 6 operations for each parameter and token. It goes "
        "forward and backward, as tuning does.",
        LINK,
        {BEFORE: "pretraining = 2 * n_parameters * pretraining_tokens"},
    ),
    Misconception(
        "one-way-back",
        "A token of the tuning takes 4 operations here, or 2 where the weights are frozen. Two "
        "kinds of gradients are computed: those that travel back through the layers take 2, those "
        "of the weights 2.",
        LINK,
        {PER_TOKEN: "per_token = (2 if frozen else 4) * n_parameters"},
    ),
    Misconception(
        "one-way-back-in-both",
        "A token takes 4 operations here, in both runs, or 2 where the weights are frozen. Two "
        "kinds of gradients are computed: those that travel back through the layers take 2, those "
        "of the weights 2.",
        LINK,
        {BEFORE: "pretraining = 4 * n_parameters * pretraining_tokens",
         PER_TOKEN: "per_token = (2 if frozen else 4) * n_parameters"},
    ),
    Misconception(
        "frozen-pretraining",
        "With frozen weights the share is one of tokens, as if pretraining had become cheaper too. "
        "The weights were not frozen then: a token took 6 operations, and one of the tuning takes "
        "4.",
        LORA,
        {BEFORE: "pretraining = (4 if frozen else 6) * n_parameters * pretraining_tokens"},
    ),
    Misconception(
        "petaflop-hours",
        "The days are 24 times too many: these are petaflop/s-hours.",
        LINK,
        {DAYS: "days = tuning / (1e15 * 60 * 60)"},
    ),
    Misconception(
        "petaflops-not-days",
        "These are 10**15 operations, a petaflop each. A petaflop/s-day is as many in every second "
        "of a day.",
        LINK,
        {DAYS: "days = tuning / 1e15"},
    ),
    Misconception(
        "teraflop-days",
        "The days are a thousand times too many: peta is 10**15, tera 10**12.",
        LINK,
        {DAYS: "days = tuning / (1e12 * 24 * 60 * 60)"},
    ),
    Misconception(
        "days-of-both",
        "The days are those of pretraining and tuning together. Those of the tuning were asked "
        "for.",
        LINK,
        {DAYS: "days = (pretraining + tuning) / (1e15 * 24 * 60 * 60)"},
    ),
    Misconception(
        "order-swapped",
        "The share comes first and the days second. It should be the other way round.",
        LINK,
        {RETURN: "return share, days"},
    ),
    Misconception(
        "share-alone",
        "Only the share is returned. Both numbers are wanted, days and share.",
        LINK,
        {RETURN: "return share"},
    ),
)  # fmt: skip

EXERCISE = Exercise(
    id="fine_tuning/share_of_compute",
    callable="share_of_compute",
    title="What share of the compute?",
    parts={"all": 1},
    minutes=6,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(by_tokens, by_thirds, with_floats),
    atol=1e-20,
    equivalent=dict.fromkeys(
        ("`2` for `1`", "`0` for `1`", "`True` for `False`"), "the check hands over every argument"
    ),
    properties=(
        Property(
            "size-cancels",
            "The share changed with the size of the model. Both runs are of the same model.",
            LINK,
            ("one", "large"),
            lambda one, large: abs(one[1] - large[1]) < 1e-9,
        ),
        Property(
            "three-epochs-three-times",
            "Three epochs do not take three times the days of one.",
            LINK,
            ("one", "three"),
            lambda one, three: abs(three[0] - 3 * one[0]) < 1e-6 * three[0],
        ),
        Property(
            "frozen-takes-two-thirds",
            "With frozen weights the days are not two thirds of those without.",
            LORA,
            ("one", "frozen"),
            lambda one, frozen: abs(frozen[0] - one[0] * 2 / 3) < 1e-6 * one[0],
        ),
    ),
)
