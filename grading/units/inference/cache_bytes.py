"""inference/cache_bytes: what the keys and values of a text weigh."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.inference import drive
from grading.units.inference.draw import config

LINK = "inference-cache-bytes"


def cases(rng: np.random.Generator) -> list[Case]:
    """One thing at a time: positions, texts, precision, KV heads, layers, widths."""
    sizes, seq = config(rng), int(rng.choice([11, 13, 17]))

    def case(says, changes, batch, seq, n_bytes, name=""):
        inputs = {"config": sizes | changes, "batch": batch, "seq": seq}
        return Case(says, {**inputs, "bytes_per_number": n_bytes}, name=name)

    return [
        case(f"one text of {seq} positions", {}, 1, seq, 2, "one"),
        case("a batch of 3 texts", {}, 3, seq, 2, "three"),
        case("numbers of 4 bytes", {}, 1, seq, 4, "wide"),
        case(f"one text of {2 * seq} positions", {}, 1, 2 * seq, 2, "long"),
        case("numbers of 1 byte", {}, 1, seq, 1),
        case("a single position", {}, 1, 1, 2),
        case("no position yet", {}, 1, 0, 2),
        case("one KV head for all", {"n_kv_heads": 1}, 1, seq, 2, "shared"),
        case("as many KV heads as heads", {"n_kv_heads": 6}, 1, seq, 2),
        case("one layer", {"n_layers": 1}, 1, seq, 2),
        case("wider heads", {"head_dim": 26}, 1, seq, 2),
        case("a wider feed-forward", {"d_ff": 97}, 1, seq, 2),
        case("a wider d_model", {"d_model": 83}, 1, seq, 2),
        Case("a call that names no bytes", {"config": sizes, "batch": 5, "seq": 7}),
    ]


# --- right in other ways ---------------------------------------------------------------------


def layer_by_layer(config, batch, seq, bytes_per_number=2):
    """Keys and values of each layer, added up."""
    total = 0
    for _layer in range(config.n_layers):
        keys = batch * config.n_kv_heads * seq * config.head_dim
        values = keys
        total += (keys + values) * bytes_per_number
    return total


def by_a_product(config, batch, seq, bytes_per_number=2):
    """NumPy's product of all factors."""
    factors = [2, config.n_layers, config.n_kv_heads, config.head_dim, batch, seq]
    return int(np.prod(factors)) * bytes_per_number


def by_making_one(config, batch, seq, bytes_per_number=2):
    """A tensor of that shape without memory, asked for its size."""
    import torch

    shape = (2, config.n_layers, batch, config.n_kv_heads, seq, config.head_dim)
    return torch.empty(shape, dtype=torch.int8, device="meta").nbytes * bytes_per_number


# --- wrong in known ways -----------------------------------------------------------------------

EACH = "2 * config.n_layers * config.n_kv_heads * config.head_dim"
TOTAL = "batch * seq * per_position * bytes_per_number"

MISCONCEPTIONS = (
    Misconception(
        "keys-alone",
        "This counts the keys or the values, and not both: each position stores one vector of "
        "either kind.",
        LINK,
        {EACH: "config.n_layers * config.n_kv_heads * config.head_dim"},
    ),
    Misconception(
        "all-query-heads",
        "This counts a key and a value for each query head. In grouped-query attention several "
        "query heads share one KV head, and only that is stored.",
        LINK,
        {"config.n_kv_heads": "config.n_heads"},
    ),
    Misconception(
        "d-model-wide",
        "This takes d_model for the width of the stored vectors. What is stored are the KV heads' "
        "vectors, head_dim wide each.",
        LINK,
        {"config.n_kv_heads * config.head_dim": "config.d_model"},
    ),
    Misconception(
        "head-dim-worked-out",
        "head_dim is worked out as d_model // n_heads. It often is the same, but a config says it "
        "by itself: `config.head_dim`.",
        LINK,
        {"config.head_dim": "(config.d_model // config.n_heads)"},
    ),
    Misconception(
        "one-layer",
        "This is the cache of a single layer. Each layer makes keys and values of its own.",
        LINK,
        {EACH: "2 * config.n_kv_heads * config.head_dim"},
    ),
    Misconception(
        "one-head",
        "This counts one KV head. All KV heads of a layer are stored.",
        LINK,
        {EACH: "2 * config.n_layers * config.head_dim"},
    ),
    Misconception(
        "width-left-out",
        "This counts how many vectors are stored. Each of them has head_dim numbers.",
        LINK,
        {EACH: "2 * config.n_layers * config.n_kv_heads"},
    ),
    Misconception(
        "batch-left-out",
        "The size of the batch has no effect. Every text has keys and values of its own.",
        LINK,
        {TOTAL: "seq * per_position * bytes_per_number"},
    ),
    Misconception(
        "bytes-fixed",
        "`bytes_per_number` has no effect: every number is taken to have 2 bytes.",
        LINK,
        {TOTAL: "batch * seq * per_position * 2"},
    ),
    Misconception(
        "numbers-counted",
        "This is how many numbers are stored. Each of them takes `bytes_per_number` bytes.",
        LINK,
        {TOTAL: "batch * seq * per_position"},
    ),
    Misconception(
        "bits-counted",
        "This is eight times too much: the answer is in bits.",
        LINK,
        {TOTAL: "8 * batch * seq * per_position * bytes_per_number"},
    ),
    Misconception(
        "squared-length",
        "This grows with the square of the length, as the attention weights do. The weights are "
        "not stored: keys and values are, one of each for a position.",
        LINK,
        {TOTAL: "batch * seq * seq * per_position * bytes_per_number"},
    ),
    Misconception(
        "full-context",
        "This is the cache of a full context, whatever `seq` is. Asked for are the positions that "
        "are there.",
        LINK,
        {TOTAL: "batch * config.context_length * per_position * bytes_per_number"},
    ),
    Misconception(
        "queries-stored-too",
        "This counts three vectors for a position. A query is used once, when its token comes; "
        "only keys and values are needed again.",
        LINK,
        {EACH: "3 * config.n_layers * config.n_kv_heads * config.head_dim"},
    ),
    Misconception(
        "per-position",
        "These are the bytes of one position. The text has `seq` of them.",
        LINK,
        {TOTAL: "batch * per_position * bytes_per_number"},
    ),
    Misconception(
        "megabytes",
        "The number is right in megabytes; bytes are asked for.",
        LINK,
        {TOTAL: "batch * seq * per_position * bytes_per_number / 1e6"},
    ),
)

EXERCISE = Exercise(
    id="inference/cache_bytes",
    callable="cache_bytes",
    title="What the cache weighs",
    parts={"all": 1},
    minutes=6,
    difficulty="easy",
    link=LINK,
    cases=cases,
    drive=drive.with_config,
    misconceptions=MISCONCEPTIONS,
    alternatives=(layer_by_layer, by_a_product, by_making_one),
    rtol=1e-6,
    properties=(
        Property(
            "three-texts",
            "Three texts of the same length do not need three times the bytes of one.",
            LINK,
            ("one", "three"),
            lambda one, three: three == 3 * one,
        ),
        Property(
            "wider-numbers",
            "Numbers of 4 bytes do not need twice the bytes of numbers of 2.",
            LINK,
            ("one", "wide"),
            lambda one, wide: wide == 2 * one,
        ),
        Property(
            "twice-the-positions",
            "A text of twice as many positions does not need twice the bytes.",
            LINK,
            ("one", "long"),
            lambda one, long: long == 2 * one,
        ),
        Property(
            "sharing-saves",
            "One KV head instead of two does not halve the bytes. What is stored is one key and "
            "one value for each KV head.",
            LINK,
            ("one", "shared"),
            lambda one, shared: one == 2 * shared,
        ),
    ),
)
