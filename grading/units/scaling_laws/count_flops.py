"""scaling_laws/count_flops: the operations of a training run, product by product."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.scaling_laws import drive

LINK = "scaling-laws-counting"
FIXED = {  # sizes that properties may count with
    "vocab_size": 101,
    "context_length": 61,
    "d_model": 31,
    "n_layers": 5,
    "n_heads": 6,
    "n_kv_heads": 2,
    "head_dim": 10,
    "d_ff": 43,
}
TOKENS = 7  # of the model of fixed sizes


def cases(rng: np.random.Generator) -> list[Case]:
    """One thing at a time: tokens, context, every width; sizes of 1."""
    sizes = FIXED | {
        "vocab_size": int(rng.choice([103, 107, 109])),
        "context_length": int(rng.choice([67, 71])),
        "d_model": int(rng.choice([29, 37])),
        "n_layers": int(rng.choice([3, 7])),
        "d_ff": int(rng.choice([41, 47])),
    }
    n = int(rng.choice([1009, 1013, 1019]))

    def case(says: str, n_tokens: int = n, name: str = "", **changes: int) -> Case:
        return Case(says, {"config": sizes | changes, "n_tokens": n_tokens}, name=name)

    def fixed(says: str, name: str, **changes: int) -> Case:
        return Case(says, {"config": FIXED | changes, "n_tokens": TOKENS}, name=name)

    return [
        case("a small model", name="small"),
        case("one token", n_tokens=1),
        case("no tokens", n_tokens=0),
        case("three times the tokens", n_tokens=3 * n, name="longer"),
        case("a number of tokens that is no whole number of windows", n_tokens=997),
        case("one layer", n_layers=1),
        case("a window of one token", context_length=1),
        case("one KV head for all", n_kv_heads=1),
        case("as many KV heads as heads", n_kv_heads=6),
        case("one head", n_heads=1, n_kv_heads=1),
        case("wider heads", head_dim=26),
        case("a wider feed-forward", d_ff=97),
        case("a wider d_model", d_model=83),
        case("a larger vocabulary", vocab_size=997),
        case("a longer window", context_length=131),
        fixed("7 tokens of another model", "fixed"),
        fixed("the same with a feed-forward 10 numbers wider", "d_ff", d_ff=53),
        fixed("the same with 10 more tokens in the vocabulary", "vocabulary", vocab_size=111),
        fixed("the same with 10 more positions in a window", "window", context_length=71),
        fixed("the same with 3 KV heads", "kv heads", n_kv_heads=3),
    ]


# --- right in other ways ---------------------------------------------------------------------


def matrix_by_matrix(config, n_tokens):
    """Every matrix product of a token, one after the other, three times."""
    c, total = config, 0
    for _ in range(c.n_layers):
        total += 2 * c.d_model * c.n_heads * c.head_dim  # q
        total += 2 * 2 * c.d_model * c.n_kv_heads * c.head_dim  # k, v
        for _head in range(c.n_heads):
            total += 2 * c.head_dim * c.context_length + 2 * c.context_length * c.head_dim
        total += 2 * c.n_heads * c.head_dim * c.d_model  # o
        total += 2 * 3 * c.d_model * c.d_ff
    total += 2 * c.d_model * c.vocab_size
    return n_tokens * (total + 2 * total)


def six_times_weights(config, n_tokens):
    """6 for each weight and token, 12 for each pair of positions and feature of a head."""
    shapes = [(2 * config.n_heads + 2 * config.n_kv_heads, config.head_dim), (3, config.d_ff)]
    weights = config.n_layers * config.d_model * sum(a * b for a, b in shapes)
    weights += config.vocab_size * config.d_model
    pairs = config.context_length * config.n_layers * config.n_heads * config.head_dim
    return 6 * n_tokens * weights + 12 * n_tokens * pairs


def by_making_the_matrices(config, n_tokens):
    """Matrices without memory, counted; then attention."""
    import torch

    width, kv_width = config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim
    with torch.device("meta"):
        layer = [torch.empty(config.d_model, n) for n in (width, kv_width, kv_width)]
        layer += [torch.empty(width, config.d_model)]
        layer += [torch.empty(config.d_model, config.d_ff) for _ in ("gate", "up", "down")]
        last = torch.empty(config.d_model, config.vocab_size)
    numbers = config.n_layers * sum(matrix.numel() for matrix in layer) + last.numel()
    numbers += config.n_layers * 2 * config.context_length * width
    return int(6 * numbers * n_tokens)


# --- wrong in known ways -----------------------------------------------------------------------

Q_WIDTH = "q_width = config.n_heads * config.head_dim"
KV_WIDTH = "kv_width = config.n_kv_heads * config.head_dim"
ATTENTION = "attention = config.d_model * (2 * q_width + 2 * kv_width)"
FEED_FORWARD = "feed_forward = 3 * config.d_model * config.d_ff"
LOOKING = "looking = 2 * config.context_length * q_width"
OUTPUT = "output = config.d_model * config.vocab_size"
FORWARD = "forward = 2 * (config.n_layers * (attention + feed_forward + looking) + output)"
RESULT = "return 3 * forward * n_tokens"

MISCONCEPTIONS = (
    Misconception(
        "forward-only",
        "This is a third of the count: the forward pass alone. A training run goes backward too.",
        LINK,
        {RESULT: "return forward * n_tokens"},
    ),
    Misconception(
        "two-passes-for-three",
        "This is two thirds of the count. The forward pass has each product once, the backward "
        "pass twice: for the gradient of the weights and for that of the input.",
        LINK,
        {RESULT: "return 2 * forward * n_tokens"},
    ),
    Misconception(
        "additions-not-counted",
        "This counts the multiplications alone. Each product is added to a sum, so a weight costs "
        "two operations.",
        LINK,
        {FORWARD: FORWARD.replace("= 2 *", "=")},
    ),
    Misconception(
        "no-attention-products",
        "Scores and weighted sums are missing. They have no weights of their own, so a count by "
        "parameters does not see them.",
        LINK,
        {LOOKING: "looking = 0"},
    ),
    Misconception(
        "scores-alone",
        "Of attention's own products only the scores, or only the weighted sums, are counted. Both "
        "are of the same size.",
        LINK,
        {LOOKING: "looking = config.context_length * q_width"},
    ),
    Misconception(
        "half-of-the-scores",
        "What the causal mask hides is left out. It is computed and then hidden, and the docstring "
        "counts it.",
        LINK,
        {LOOKING: "looking = (config.context_length + 1) * q_width"},
    ),
    Misconception(
        "window-of-all-tokens",
        "Each token is made to look at all n_tokens of the run. It sees its own window of "
        "context_length positions.",
        LINK,
        {LOOKING: "looking = 2 * n_tokens * q_width"},
    ),
    Misconception(
        "one-head-looks",
        "Scores and weighted sums are counted for one head. Every query head has its own.",
        LINK,
        {LOOKING: "looking = 2 * config.context_length * config.head_dim"},
    ),
    Misconception(
        "scores-of-kv-heads",
        "The scores are counted for each KV head. Sharing keys saves memory and no scores: every "
        "query head meets all keys.",
        LINK,
        {LOOKING: "looking = 2 * config.context_length * kv_width"},
    ),
    Misconception(
        "window-squared",
        "The square of the window is counted for each token. It is the count of a whole window: "
        "one token meets context_length positions once.",
        LINK,
        {LOOKING: "looking = 2 * config.context_length**2 * q_width"},
    ),
    Misconception(
        "half-of-the-looking-of-kv-heads",
        "The scores, or the weighted sums, are counted for each KV head. Every query head makes "
        "both, with the keys and values that it shares.",
        LINK,
        {LOOKING: "looking = config.context_length * (q_width + kv_width)"},
    ),
    Misconception(
        "looking-forward-only",
        "Scores and weighted sums are counted in the forward pass alone. They have no weights, but "
        "gradients go back through both, at twice the cost.",
        LINK,
        {RESULT: "return (3 * forward - 4 * config.n_layers * looking) * n_tokens"},
    ),
    Misconception(
        "output-forward-only",
        "The output layer is counted in the forward pass alone. The backward pass takes twice as "
        "much again, there as well.",
        LINK,
        {RESULT: "return (3 * forward - 4 * output) * n_tokens"},
    ),
    Misconception(
        "looking-as-wide-as-the-model",
        "Scores and sums are taken over d_model numbers. They are over the query heads' numbers, "
        "n_heads * head_dim, which may differ.",
        LINK,
        {LOOKING: "looking = 2 * config.context_length * config.d_model"},
    ),
    Misconception(
        "no-output-layer",
        "The output layer is missing: d_model numbers times a matrix as large as the embedding "
        "table, for every token.",
        LINK,
        {OUTPUT: "output = 0"},
    ),
    Misconception(
        "lookup-counted",
        "Looking up the embeddings is counted as a product with the table. It reads a row and "
        "multiplies nothing.",
        LINK,
        {OUTPUT: "output = 2 * config.d_model * config.vocab_size"},
    ),
    Misconception(
        "output-in-every-layer",
        "The output layer is counted once for every layer. It stands at the end of the model, "
        "once.",
        LINK,
        {FORWARD: "forward = 2 * config.n_layers * (attention + feed_forward + looking + output)"},
    ),
    Misconception(
        "one-layer",
        "This is the count of one layer and the output. There are n_layers layers.",
        LINK,
        {FORWARD: "forward = 2 * (attention + feed_forward + looking + output)"},
    ),
    Misconception(
        "kv-heads-as-wide-as-all",
        "k and v are counted as wide as q. They have only n_kv_heads heads.",
        LINK,
        {KV_WIDTH: "kv_width = q_width"},
    ),
    Misconception(
        "q-as-narrow-as-kv",
        "q and o, or the scores, are counted as narrow as k and v. They have all n_heads heads.",
        LINK,
        {Q_WIDTH: "q_width = config.n_kv_heads * config.head_dim"},
    ),
    Misconception(
        "d-model-for-the-heads",
        "d_model is taken for the width of all query heads together. It often is the same, but "
        "that width is n_heads * head_dim.",
        LINK,
        {Q_WIDTH: "q_width = config.d_model"},
    ),
    Misconception(
        "d-model-for-q-and-o",
        "q and o are counted as d_model x d_model. They have n_heads * head_dim columns or rows, "
        "which may be another number.",
        LINK,
        {ATTENTION: "attention = config.d_model * (2 * config.d_model + 2 * kv_width)"},
    ),
    Misconception(
        "no-output-projection",
        "Of attention's four matrices one as wide as all heads is missing: q and o are both of "
        "that size.",
        LINK,
        {ATTENTION: "attention = config.d_model * (q_width + 2 * kv_width)"},
    ),
    Misconception(
        "k-or-v-missing",
        "Of attention's four matrices one as wide as the KV heads is missing: k and v are both of "
        "that size.",
        LINK,
        {ATTENTION: "attention = config.d_model * (2 * q_width + kv_width)"},
    ),
    Misconception(
        "no-attention-weights",
        "The weights of q, k, v and o are missing.",
        LINK,
        {ATTENTION: "attention = 0"},
    ),
    Misconception(
        "two-matrices-in-the-feed-forward",
        "The feed-forward is counted with two matrices. This decoder's has three: gate, up, down.",
        LINK,
        {FEED_FORWARD: "feed_forward = 2 * config.d_model * config.d_ff"},
    ),
    Misconception(
        "no-feed-forward",
        "The feed-forward is missing: three matrices in every layer.",
        LINK,
        {FEED_FORWARD: "feed_forward = 0"},
    ),
    Misconception(
        "one-token",
        "This is the cost of one token, whatever n_tokens is.",
        LINK,
        {RESULT: "return 3 * forward"},
    ),
    Misconception(
        "whole-windows-only",
        "Tokens that do not fill a window are left out. They cost as much as others.",
        LINK,
        {
            RESULT: "n_tokens = n_tokens // config.context_length * config.context_length\n"
            "    return 3 * forward * n_tokens"
        },
    ),
    Misconception(
        "filled-windows",
        "The tokens are rounded up to whole windows. The docstring counts n_tokens, no more.",
        LINK,
        {
            RESULT: "windows = -(-n_tokens // config.context_length)\n"
            "    return 3 * forward * windows * config.context_length"
        },
    ),
    Misconception(
        "windows-for-tokens",
        "The tokens are multiplied by the window's length once more. n_tokens counts all tokens "
        "already.",
        LINK,
        {RESULT: "return 3 * forward * n_tokens * config.context_length"},
    ),
    Misconception(
        "rule-of-thumb",
        "This is 6ND with all weights. Asked for is the count of products, with attention's scores "
        "and sums and without the norms' weights.",
        LINK,
        {
            RESULT: "weights = config.n_layers * (attention + feed_forward + 2 * config.d_model)\n"
            "    return 6 * (weights + config.d_model + output) * n_tokens"
        },
    ),
)

WIDER = 6 * TOKENS * FIXED["n_layers"] * FIXED["d_model"]  # a column more in every layer


def _costs(amount: int):
    """Whether the second case costs so much more than the first."""
    return lambda before, after: after - before == amount


PROPERTIES = (
    Property(
        "three-times-the-tokens",
        "Three times the tokens do not come out at three times the operations.",
        LINK,
        ("small", "longer"),
        lambda small, longer: 3 * small == longer,
    ),
    Property(
        "cost-of-the-feed-forward",
        "A feed-forward that is 10 numbers wider does not cost 10 columns more in each of its "
        "three matrices, in every layer, forward and backward.",
        LINK,
        ("fixed", "d_ff"),
        _costs(3 * 10 * WIDER),
    ),
    Property(
        "cost-of-the-output",
        "10 more tokens in the vocabulary do not cost 10 columns more in the output layer, forward "
        "and backward.",
        LINK,
        ("fixed", "vocabulary"),
        _costs(6 * TOKENS * 10 * FIXED["d_model"]),
    ),
    Property(
        "cost-of-the-window",
        "A window of 10 more positions does not cost 10 more scores and 10 more terms of the sum, "
        "for each query head of every layer, forward and backward.",
        LINK,
        ("fixed", "window"),
        _costs(12 * TOKENS * 10 * FIXED["n_layers"] * FIXED["n_heads"] * FIXED["head_dim"]),
    ),
    Property(
        "cost-of-a-kv-head",
        "One KV head more does not cost head_dim columns more in k and in v, in every layer, "
        "forward and backward.",
        LINK,
        ("fixed", "kv heads"),
        _costs(2 * FIXED["head_dim"] * WIDER),
    ),
)

EXERCISE = Exercise(
    id="scaling_laws/count_flops",
    callable="count_flops",
    title="Operations, one by one",
    parts={"all": 3},
    minutes=15,
    difficulty="medium",
    link=LINK,
    cases=cases,
    drive=drive.with_config,
    misconceptions=MISCONCEPTIONS,
    alternatives=(matrix_by_matrix, six_times_weights, by_making_the_matrices),
    rtol=1e-7,
    properties=PROPERTIES,
)
