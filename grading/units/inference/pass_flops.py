"""inference/pass_flops: the operations of one pass, of a prompt or of a single token."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.inference import drive
from grading.units.inference.draw import FIXED, config

LINK = "inference-flops"
PROMPT, STEP = "a prompt", "a step with a cache"


def cases(rng: np.random.Generator) -> list[Case]:
    """One thing at a time: tokens, positions, every width; no layer would be no model."""
    sizes, n = config(rng), int(rng.choice([11, 13, 17]))
    fixed = [
        ("7 tokens of another model", {}, "fixed"),
        ("the same with a feed-forward 10 numbers wider", {"d_ff": 53}, "d_ff"),
        ("the same with 10 more tokens in the vocabulary", {"vocab_size": 111}, "vocab_size"),
        ("the same with 3 KV heads", {"n_kv_heads": 3}, "n_kv_heads"),
        ("the same with 8 heads", {"n_heads": 8}, "n_heads"),
    ]

    def case(says, part, changes, q_seq, kv_seq, name=""):
        inputs = {"config": sizes | changes, "q_seq": q_seq, "kv_seq": kv_seq}
        return Case(says, inputs, part, name=name)

    return [
        case(f"a prompt of {n} tokens", PROMPT, {}, n, n, "prompt"),
        case("a prompt of one token", PROMPT, {}, 1, 1),
        case(f"a prompt of {2 * n} tokens", PROMPT, {}, 2 * n, 2 * n, "twice"),
        case("one layer", PROMPT, {"n_layers": 1}, n, n),
        case("one KV head for all", PROMPT, {"n_kv_heads": 1}, n, n),
        case("as many KV heads as heads", PROMPT, {"n_kv_heads": 6}, n, n),
        case("one head", PROMPT, {"n_heads": 1, "n_kv_heads": 1}, n, n),
        case("wider heads", PROMPT, {"head_dim": 26}, n, n),
        case("a wider feed-forward", PROMPT, {"d_ff": 97}, n, n),
        case("a wider d_model", PROMPT, {"d_model": 83}, n, n),
        case("a larger vocabulary", PROMPT, {"vocab_size": 997}, n, n),
        case("another context length", PROMPT, {"context_length": 89}, n, n),
        case(f"one token behind {n} cached ones", STEP, {}, 1, n + 1, "step"),
        case("one token behind 1000 cached ones", STEP, {}, 1, 1001, "far"),
        case(f"3 tokens behind {n} cached ones", STEP, {}, 3, n + 3),
        case("one token and one KV head", STEP, {"n_kv_heads": 1}, 1, n + 1),
        *(case(says, PROMPT, FIXED | changes, 7, 7, name) for says, changes, name in fixed),
        Case(
            "one token behind 20 of that model",
            {"config": FIXED, "q_seq": 1, "kv_seq": 21},
            STEP,
            name="20",
        ),
        Case(
            "one token behind 30 of that model",
            {"config": FIXED, "q_seq": 1, "kv_seq": 31},
            STEP,
            name="30",
        ),
    ]


# --- right in other ways ---------------------------------------------------------------------


def product(rows, inner, columns):
    """Operations of one matrix product."""
    return 2 * rows * inner * columns


def product_by_product(config, q_seq, kv_seq):
    """Every matrix product of the model, one after the other."""
    c, total = config, 0
    for _ in range(c.n_layers):
        total += product(q_seq, c.d_model, c.n_heads * c.head_dim)  # q
        total += 2 * product(q_seq, c.d_model, c.n_kv_heads * c.head_dim)  # k, v
        for _head in range(c.n_heads):
            total += product(q_seq, c.head_dim, kv_seq)  # scores
            total += product(q_seq, kv_seq, c.head_dim)  # sums
        total += product(q_seq, c.n_heads * c.head_dim, c.d_model)  # o
        total += 2 * product(q_seq, c.d_model, c.d_ff) + product(q_seq, c.d_ff, c.d_model)
    return total + product(1, c.d_model, c.vocab_size)


def by_weights_and_pairs(config, q_seq, kv_seq):
    """2 for each weight and token, 4 for each pair of positions and feature of a query head."""
    heads, kv_heads, width = config.n_heads, config.n_kv_heads, config.head_dim
    shapes = [(2 * heads + 2 * kv_heads, width), (3, config.d_ff)]
    weights = config.n_layers * config.d_model * sum(a * b for a, b in shapes)
    pairs = q_seq * kv_seq * config.n_layers
    return 2 * weights * q_seq + 4 * pairs * heads * width + 2 * config.vocab_size * config.d_model


def by_making_the_matrices(config, q_seq, kv_seq):
    """Matrices without memory, counted; then attention."""
    import torch

    d, q_width, kv_width = (
        config.d_model,
        config.n_heads * config.head_dim,
        config.n_kv_heads * config.head_dim,
    )
    with torch.device("meta"):
        layer = [torch.empty(d, q_width), torch.empty(q_width, d)]
        layer += [torch.empty(d, kv_width) for _ in "kv"]
        layer += [torch.empty(d, config.d_ff) for _ in range(3)]
        last = torch.empty(d, config.vocab_size)
    per_token = 2 * config.n_layers * sum(matrix.numel() for matrix in layer)
    attention = config.n_layers * 2 * (2 * q_seq * kv_seq * q_width)
    return q_seq * per_token + attention + 2 * last.numel()


# --- wrong in known ways -----------------------------------------------------------------------

Q_WIDTH, KV_WIDTH = (
    "q_width = config.n_heads * config.head_dim",
    "kv_width = config.n_kv_heads * config.head_dim",
)
WEIGHTS = "config.d_model * (2 * q_width + 2 * kv_width + 3 * config.d_ff)"
ATTENTION = "2 * q_seq * kv_seq * q_width"
OUTPUT = "output = config.d_model * config.vocab_size"
RESULT = "2 * (config.n_layers * (q_seq * weights + attention) + output)"

MISCONCEPTIONS = (
    Misconception(
        "factor-2-forgotten",
        "This counts the multiplications alone. Each product is added to a sum, so a weight costs "
        "two operations for each token.",
        LINK,
        {RESULT: RESULT.removeprefix("2 * ")},
    ),
    Misconception(
        "output-layer-at-every-position",
        "The output layer is counted for every token. Only the last one's logits are wanted, to "
        "choose the next token.",
        LINK,
        {OUTPUT: "output = q_seq * config.d_model * config.vocab_size"},
    ),
    Misconception(
        "no-output-layer",
        "The output layer is missing: one row of d_model numbers times a matrix as large as the "
        "embedding table.",
        LINK,
        {OUTPUT: "output = 0"},
    ),
    Misconception(
        "lookup-counted",
        "Looking up the embeddings is counted as a product with the table. It reads a row and "
        "multiplies nothing.",
        LINK,
        {OUTPUT: "output = (q_seq + 1) * config.d_model * config.vocab_size"},
    ),
    Misconception(
        "no-attention",
        "Scores and weighted sums are missing. They have no weights of their own, so a count by "
        "parameters does not see them.",
        LINK,
        {ATTENTION: "0"},
    ),
    Misconception(
        "scores-alone",
        "Of attention only the scores, or only the weighted sums, are counted. Both are products "
        "of the same size.",
        LINK,
        {ATTENTION: "q_seq * kv_seq * q_width"},
    ),
    Misconception(
        "new-positions-alone",
        "The new tokens are taken to attend to each other only. They attend to all positions, the "
        "cached ones too.",
        LINK,
        {ATTENTION: "2 * q_seq * q_seq * q_width"},
    ),
    Misconception(
        "everything-computed-again",
        "All positions are counted as if they were run again. With a cache only the new tokens go "
        "through the matrices.",
        LINK,
        {
            RESULT: "2 * (config.n_layers * (kv_seq * weights + attention * kv_seq // q_seq)"
            " + output)"
        },
    ),
    Misconception(
        "old-positions-through-the-weights",
        "The cached positions are counted in the products with weights. With a cache only the new "
        "tokens go through the matrices.",
        LINK,
        {RESULT: "2 * (config.n_layers * (kv_seq * weights + attention) + output)"},
    ),
    Misconception(
        "stored-keys-made-again",
        "The k and v projections are counted for all positions. Those of the cached tokens are "
        "stored; a pass makes only the new tokens' keys and values.",
        LINK,
        {
            RESULT: RESULT.replace(
                "q_seq * weights",
                "q_seq * weights + (kv_seq - q_seq) * 2 * config.d_model * kv_width",
            )
        },
    ),
    Misconception(
        "cache-makes-the-prompt-cheap",
        "The prompt is counted as if its tokens cost nothing but one: every token of it has to go "
        "through all matrices once, cache or not.",
        LINK,
        {RESULT: "2 * (config.n_layers * (weights + attention) + output)"},
    ),
    Misconception(
        "half-of-the-scores",
        "What the causal mask hides is left out. In the plain layer it is computed and then "
        "hidden, and the docstring counts it.",
        LINK,
        {ATTENTION: "q_seq * (2 * kv_seq - q_seq + 1) * q_width"},
    ),
    Misconception(
        "kv-heads-as-wide-as-all",
        "k and v are counted as wide as q. They have only n_kv_heads heads.",
        LINK,
        {KV_WIDTH: "kv_width = q_width"},
    ),
    Misconception(
        "scores-of-kv-heads",
        "The scores are counted for each KV head. Sharing saves memory and no scores: every query "
        "head still meets all keys.",
        LINK,
        {ATTENTION: "2 * q_seq * kv_seq * kv_width"},
    ),
    Misconception(
        "two-matrices-in-the-feed-forward",
        "The feed-forward is counted with two matrices. SwiGLU has three: gate, up and down.",
        LINK,
        {"3 * config.d_ff": "2 * config.d_ff"},
    ),
    Misconception(
        "no-output-projection",
        "Of the four matrices in attention one as wide as all heads is missing: q and o are both "
        "of that size.",
        LINK,
        {"2 * q_width + 2": "q_width + 2"},
    ),
    Misconception(
        "one-layer",
        "This is the count of one layer and the output. There are n_layers layers.",
        LINK,
        {RESULT: "2 * (q_seq * weights + attention + output)"},
    ),
    Misconception(
        "output-in-every-layer",
        "The output layer is counted once for every layer. It stands at the end of the model, "
        "once.",
        LINK,
        {RESULT: "2 * config.n_layers * (q_seq * weights + attention + output)"},
    ),
    Misconception(
        "d-model-for-the-heads",
        "d_model is taken for the width of all query heads together. It often is the same, but "
        "that width is n_heads * head_dim.",
        LINK,
        {Q_WIDTH: "q_width = config.d_model"},
    ),
    Misconception(
        "training-step",
        "This is three times as much, as in training, where the backward pass costs twice the "
        "forward pass. Inference has none.",
        LINK,
        {RESULT: "6 * (config.n_layers * (q_seq * weights + attention) + output)"},
    ),
)


# What one more of something costs in the model of fixed sizes, 7 tokens.
WIDER = 2 * 7 * FIXED["n_layers"] * FIXED["d_model"]  # a column more in a matrix of every layer
HEAD = 2 * 7 * 7 * FIXED["n_layers"] * FIXED["head_dim"]  # scores of one head more, in every layer


def _costs(amount: int):
    """Whether the second case costs so much more than the first."""
    return lambda before, after: after - before == amount


PROPERTIES = tuple(
    Property(name, message, LINK, cases, _costs(amount))
    for name, message, cases, amount in (
        (
            "cost-of-the-feed-forward",
            "A feed-forward that is 10 numbers wider does not cost 10 columns more in each of its "
            "three matrices, in every layer and for every token.",
            ("fixed", "d_ff"),
            3 * 10 * WIDER,
        ),
        (
            "cost-of-the-output",
            "10 more tokens in the vocabulary do not cost 10 columns more in the output layer, for "
            "one token.",
            ("fixed", "vocab_size"),
            2 * 10 * FIXED["d_model"],
        ),
        (
            "cost-of-a-kv-head",
            "One KV head more does not cost head_dim columns more in k and in v, in every layer "
            "and for every token.",
            ("fixed", "n_kv_heads"),
            2 * FIXED["head_dim"] * WIDER,
        ),
        (
            "cost-of-a-head",
            "Two query heads more do not cost what q, o, scores and weighted sums of two heads "
            "cost.",
            ("fixed", "n_heads"),
            2 * (2 * FIXED["head_dim"] * WIDER + 2 * HEAD),
        ),
        (
            "cost-of-the-past",
            "A token behind 30 others does not cost 10 positions more, in scores and in weighted "
            "sums, than one behind 20.",
            ("20", "30"),
            2 * 2 * 10 * FIXED["n_layers"] * FIXED["n_heads"] * FIXED["head_dim"],
        ),
    )
)

EXERCISE = Exercise(
    id="inference/pass_flops",
    callable="pass_flops",
    title="What a pass costs",
    parts={PROMPT: 2, STEP: 1},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    drive=drive.with_config,
    misconceptions=MISCONCEPTIONS,
    alternatives=(product_by_product, by_weights_and_pairs, by_making_the_matrices),
    rtol=1e-7,
    properties=PROPERTIES,
)
