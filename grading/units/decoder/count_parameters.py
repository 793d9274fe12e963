"""decoder/count_parameters: every learned number of a decoder."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property

LINK = "decoder-parameters"
PLAIN, DEEPER = "3 layers, 6 heads and 2 KV heads", "the same with twice as many layers"


def cases(rng: np.random.Generator) -> list[Case]:
    """One size changed at a time, from a start that is drawn; sizes of 1."""
    start = {
        "vocab_size": int(rng.integers(90, 200)),
        "d_model": int(rng.choice([35, 55, 65])),
        "n_layers": 3,
        "n_heads": 6,
        "n_kv_heads": 2,
        "head_dim": int(rng.choice([4, 8, 14])),
        "d_ff": int(rng.choice([77, 91, 119])),
        "tied_embeddings": True,
    }
    drawn = [
        (PLAIN, {}),
        (DEEPER, {"n_layers": 6}),
        ("the same with a table of its own at the end", {"tied_embeddings": False}),
        ("the same with a KV head for every head", {"n_kv_heads": 6}),
        ("the same with a single KV head", {"n_kv_heads": 1}),
        ("the same with a wider feed-forward", {"d_ff": 2 * start["d_ff"]}),
        ("a single layer", {"n_layers": 1}),
        ("no layer at all", {"n_layers": 0}),
        ("heads that fill d_model", {"d_model": 36, "head_dim": 6}),
        ("tied embeddings left out, which means tied", {"tied_embeddings": None}),
        ("every size 1", dict.fromkeys(list(start)[:-1], 1)),
    ]
    return [_case(says, {**start, **changed}) for says, changed in drawn]


def _case(says: str, sizes: dict) -> Case:
    return Case(says, {name: size for name, size in sizes.items() if size is not None})


# --- right in other ways ---------------------------------------------------------------------


def from_shapes(
    vocab_size, d_model, n_layers, n_heads, n_kv_heads, head_dim, d_ff, tied_embeddings=True
):
    """Every weight's shape in a list, and the sizes of arrays of them."""
    q, kv = n_heads * head_dim, n_kv_heads * head_dim
    shapes = {
        "embedding": [(vocab_size, d_model)],
        "attention": [(q, d_model), (kv, d_model), (kv, d_model), (d_model, q)] * n_layers,
        "feed_forward": [(d_ff, d_model), (d_ff, d_model), (d_model, d_ff)] * n_layers,
        "norms": [(d_model,)] * (2 * n_layers) + [(d_model,)],
        "output": [] if tied_embeddings else [(vocab_size, d_model)],
    }
    counts = {part: sum(int(np.prod(shape)) for shape in all_) for part, all_ in shapes.items()}
    counts["total"] = sum(counts.values())
    return counts


def layer_by_layer(
    vocab_size, d_model, n_layers, n_heads, n_kv_heads, head_dim, d_ff, tied_embeddings=True
):
    """A running count that grows with every layer."""
    counts = dict.fromkeys(["embedding", "attention", "feed_forward", "norms", "output"], 0)
    counts["embedding"] += vocab_size * d_model
    for _ in range(n_layers):
        for heads in (n_heads, n_kv_heads, n_kv_heads, n_heads):
            counts["attention"] += heads * head_dim * d_model
        for _ in ("gate", "up", "down"):
            counts["feed_forward"] += d_model * d_ff
        counts["norms"] += d_model + d_model
    counts["norms"] += d_model
    if not tied_embeddings:
        counts["output"] = counts["embedding"]
    total = 0
    for count in counts.values():
        total += count
    return counts | {"total": total}


def one_width_taken_out(
    vocab_size, d_model, n_layers, n_heads, n_kv_heads, head_dim, d_ff, tied_embeddings=True
):
    """One factor of d_model for everything, taken out."""
    per_layer = 2 * (n_heads + n_kv_heads) * head_dim
    rows = [vocab_size, n_layers * per_layer, 3 * n_layers * d_ff, 1 + 2 * n_layers]
    rows.append(int(not tied_embeddings) * vocab_size)
    names = "embedding attention feed_forward norms output total".split()
    return dict(zip(names, [d_model * n for n in (*rows, sum(rows))], strict=True))


# --- wrong in known ways -----------------------------------------------------------------------

ATTENTION = "n_layers * d_model * (2 * q_width + 2 * kv_width)"
FEED = "n_layers * 3 * d_model * d_ff"
NORMS = "(2 * n_layers + 1) * d_model"
OUTPUT = "0 if tied_embeddings else table"
TOTAL = "sum(counts.values())"

MISCONCEPTIONS = (
    Misconception(
        "kv-as-wide-as-queries",
        "Keys and values are counted with as many heads as queries. They have n_kv_heads, fewer "
        "where heads share them.",
        LINK,
        {ATTENTION: "n_layers * d_model * 4 * q_width"},
    ),
    Misconception(
        "square-projections",
        "All four matrices of attention are counted as d_model by d_model. Heads have a width of "
        "their own, head_dim, and keys and values have fewer of them.",
        LINK,
        {ATTENTION: "n_layers * 4 * d_model * d_model"},
    ),
    Misconception(
        "square-queries-and-output",
        "The query and output matrices are counted as d_model by d_model. They are n_heads * "
        "head_dim wide, which need not be d_model.",
        LINK,
        {ATTENTION: "n_layers * d_model * (2 * d_model + 2 * kv_width)"},
    ),
    Misconception(
        "output-projection-left-out",
        "Attention has three matrices here. The fourth, o_proj, brings the heads back to d_model.",
        LINK,
        {ATTENTION: "n_layers * d_model * (q_width + 2 * kv_width)"},
    ),
    Misconception(
        "one-matrix-for-keys-and-values",
        "Keys and values are counted with one matrix together. Each has its own, k_proj and "
        "v_proj.",
        LINK,
        {ATTENTION: "n_layers * d_model * (2 * q_width + kv_width)"},
    ),
    Misconception(
        "head-dim-left-out",
        "The matrices of attention are counted with one row a head. A head has head_dim of them.",
        LINK,
        {ATTENTION: "n_layers * d_model * 2 * (n_heads + n_kv_heads)"},
    ),
    Misconception(
        "one-head-counted",
        "The matrices of attention are counted for a single head: q_proj makes n_heads of them, "
        "each head_dim wide.",
        LINK,
        {ATTENTION: "n_layers * d_model * 4 * head_dim"},
    ),
    Misconception(
        "two-matrices-in-the-feed-forward",
        "The feed-forward is counted with two matrices, as in 2017. SwiGLU has three: gate, up and "
        "down.",
        "decoder-swiglu",
        {FEED: "n_layers * 2 * d_model * d_ff"},
    ),
    Misconception(
        "feed-forward-four-times-as-wide",
        "The feed-forward is counted as 4 times d_model wide. Its width is d_ff, which is given.",
        "decoder-swiglu",
        {FEED: "n_layers * 3 * d_model * 4 * d_model"},
    ),
    Misconception(
        "final-norm-left-out",
        "The norm at the end, after the last layer, is missing.",
        LINK,
        {NORMS: "2 * n_layers * d_model"},
    ),
    Misconception(
        "one-norm-a-layer",
        "There is one norm a layer here. Attention and feed-forward each have their own.",
        LINK,
        {NORMS: "(n_layers + 1) * d_model"},
    ),
    Misconception(
        "three-norms-a-layer",
        "The norm at the end is counted in every layer. It comes once.",
        LINK,
        {NORMS: "3 * n_layers * d_model"},
    ),
    Misconception(
        "norms-with-biases",
        "The norms are counted with a weight and a bias: that is LayerNorm. RMSNorm has the weight "
        "alone.",
        "decoder-rms-norm",
        {NORMS: "2 * (2 * n_layers + 1) * d_model"},
    ),
    Misconception(
        "norms-without-width",
        "A norm is counted as one number. It has a weight for each of the d_model features.",
        "decoder-rms-norm",
        {NORMS: "2 * n_layers + 1"},
    ),
    Misconception(
        "norms-left-out",
        "The norms are missing: each has d_model numbers, two in every layer and one at the end.",
        LINK,
        {NORMS: "0"},
    ),
    Misconception(
        "tied-table-counted-twice",
        "The output layer is counted although it is the embedding table: tied weights are the same "
        "numbers, and count once.",
        "decoder-tied",
        {OUTPUT: "table"},
    ),
    Misconception(
        "untied-table-left-out",
        "The output layer counts as 0 even where it has a table of its own.",
        "decoder-tied",
        {OUTPUT: "0"},
    ),
    Misconception(
        "tied-the-wrong-way-round",
        "The output layer is counted where the embeddings are tied, and left out where they are "
        "not.",
        "decoder-tied",
        {OUTPUT: "table if tied_embeddings else 0"},
    ),
    Misconception(
        "one-layer-only",
        "Attention and feed-forward are counted for one layer: every layer has weights of its own.",
        LINK,
        {
            ATTENTION: ATTENTION.replace("n_layers * ", ""),
            FEED: FEED.replace("n_layers * ", ""),
        },
    ),
    Misconception(
        "biases-counted",
        "Attention's matrices are counted with biases. Modern decoders have none.",
        LINK,
        {ATTENTION: f"n_layers * (q_width + 2 * kv_width + d_model) + {ATTENTION}"},
    ),
    Misconception(
        "feed-forward-biases-counted",
        "The feed-forward's matrices are counted with biases. Modern decoders have none.",
        LINK,
        {FEED: f"n_layers * (2 * d_ff + d_model) + {FEED}"},
    ),
    Misconception(
        "head-dim-recomputed",
        "head_dim is taken to be d_model / n_heads. It is given, and need not be that.",
        LINK,
        {
            ATTENTION: "n_layers * 2 * d_model * (n_heads + n_kv_heads) * (d_model // n_heads)",
        },
    ),
    Misconception(
        "norms-of-one-layer",
        "The norms are counted for one layer and the end. Every layer has two of its own.",
        LINK,
        {NORMS: "3 * d_model"},
    ),
    Misconception(
        "tied-table-shown",
        'The total is right, but "output" is not 0 where the embeddings are tied: the table is '
        'counted as "embedding" already.',
        "decoder-tied",
        {OUTPUT: "table", TOTAL: "sum(counts.values()) - (table if tied_embeddings else 0)"},
    ),
    Misconception(
        "total-without-the-output",
        "The total leaves out a table of the output layer's own.",
        "decoder-tied",
        {TOTAL: 'sum(counts.values()) - counts["output"]'},
    ),
    Misconception(
        "total-with-a-second-table",
        "The parts are right; the total has a second table even where the output layer is the "
        "first one.",
        "decoder-tied",
        {TOTAL: 'sum(counts.values()) - counts["output"] + table'},
    ),
    Misconception(
        "total-without-the-embedding",
        "The total leaves out the embedding table. Some papers count that way; here it is in.",
        LINK,
        {TOTAL: 'sum(counts.values()) - counts["embedding"]'},
    ),
    Misconception(
        "total-missing",
        'The parts are right; their sum, "total", is missing.',
        LINK,
        {f'{{**counts, "total": {TOTAL}}}': "counts"},
    ),
    Misconception(
        "only-the-total",
        "This is the total. A dict is wanted that has the parts as well.",
        LINK,
        {f'{{**counts, "total": {TOTAL}}}': TOTAL},
    ),
)


def _layers_add_the_same(three, six) -> bool:
    """Attention and feed-forward of six layers are twice those of three."""
    return all(six[part] == 2 * three[part] for part in ("attention", "feed_forward"))


EXERCISE = Exercise(
    id="decoder/count_parameters",
    callable="count_parameters",
    title="Count the parameters",
    parts={"all": 2},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(from_shapes, layer_by_layer, one_width_taken_out),
    properties=(
        Property(
            "layers-not-alike",
            "With twice as many layers, attention or feed-forward does not have twice as many "
            "parameters.",
            LINK,
            (PLAIN, DEEPER),
            _layers_add_the_same,
        ),
    ),
)
