"""decoder/gpt2_size: the size of a GPT-2, to the last digit."""

from collections import Counter
from itertools import combinations

import numpy as np

from grading.course.exercise import Misconception, Question, decision
from reference_impl.decoder.gpt2 import GPT2Config

LINK = "decoder-gpt2"


def draw(rng: np.random.Generator) -> Question:
    """A GPT-2 with sizes of its own, and what each way to miscount gives."""
    n_heads = int(rng.choice([8, 12, 16, 20]))
    config = GPT2Config(
        vocab_size=int(rng.integers(20_000, 60_000)),
        context_length=int(rng.choice([512, 768, 1024, 2048])),
        d_model=64 * n_heads,
        n_layers=int(rng.integers(7, 37)),
        n_heads=n_heads,
    )
    fields = "vocab_size context_length d_model n_layers n_heads d_ff".split()
    shown = {name: getattr(config, name) for name in fields}
    wrong = _wrong(config)
    return Question(shown, gpt2_parameters(config), wrong, _two_at_once(config, wrong))


def gpt2_parameters(config: GPT2Config) -> int:
    """Every learned number of `gpt2.GPT2(config)`."""
    return sum(_parts(config).values())


def _parts(c: GPT2Config) -> dict[str, int]:
    d, layers = c.d_model, c.n_layers
    return {
        "table": c.vocab_size * d,
        "positions": c.context_length * d,
        "attention": layers * 4 * d * d,
        "attention_biases": layers * 4 * d,
        "feed_forward": layers * 2 * d * c.d_ff,
        "feed_forward_biases": layers * (c.d_ff + d),
        "norm_weights": layers * 2 * d,
        "norm_biases": layers * 2 * d,
        "final_norm": 2 * d,
    }


def _wrong(c: GPT2Config) -> dict[str, int]:
    parts, right = _parts(c), gpt2_parameters(c)
    matrix_biases = parts["attention_biases"] + parts["feed_forward_biases"]
    return {
        "no-biases-at-all": right - matrix_biases - parts["norm_biases"] - c.d_model,
        "matrices-without-biases": right - matrix_biases,
        "one-bias-of-d-model-a-layer-missing": right - c.n_layers * c.d_model,
        "two-widths-a-layer-missing": right - c.n_layers * 2 * c.d_model,
        "three-widths-a-layer-missing": right - c.n_layers * 3 * c.d_model,
        "final-norm-without-bias": right - c.d_model,
        "attention-without-biases": right - parts["attention_biases"],
        "feed-forward-without-biases": right - parts["feed_forward_biases"],
        "norms-without-biases": right - parts["norm_biases"] - c.d_model,
        "positions-left-out": right - parts["positions"],
        "output-counted-again": right + parts["table"],
        "final-norm-left-out": right - parts["final_norm"],
        "norms-left-out": right - parts["norm_weights"] - parts["norm_biases"] - 2 * c.d_model,
        "norm-on-the-embedding": right + 2 * c.d_model,
        "three-norms-a-layer": right + c.n_layers * 2 * c.d_model,
        "output-with-biases": right + c.vocab_size,
        "one-feed-forward-matrix": right - parts["feed_forward"] // 2,
        "three-matrices": right + parts["feed_forward"] // 2,
        "like-smollm2": _as_a_modern_decoder(c),
        "embeddings-left-out": right - parts["table"] - parts["positions"],
    }


def _two_at_once(c: GPT2Config, wrong: dict[str, int]) -> dict[str, list[int]]:
    """For a miscount, what it gives together with a later one, where nothing else gives that."""
    right = gpt2_parameters(c)
    whole = ("no-biases-at-all", "like-smollm2")  # these say all that is miscounted
    names = [name for name in wrong if name not in whole]
    pairs = {
        (one, other): wrong[one] + wrong[other] - right for one, other in combinations(names, 2)
    }
    counts = Counter([right, *wrong.values(), *pairs.values()])
    also: dict[str, list[int]] = {}
    for (one, _), count in pairs.items():
        if counts[count] == 1:
            also.setdefault(one, []).append(count)
    return also


def _as_a_modern_decoder(c: GPT2Config) -> int:
    """The formula of `count_parameters` with GPT-2's numbers."""
    d = c.d_model
    in_layer = 4 * d * d + 3 * d * c.d_ff + 2 * d
    return c.vocab_size * d + c.n_layers * in_layer + d


MESSAGES = {
    "no-biases-at-all": "No bias is counted. GPT-2 has one for every output of every matrix in a "
    "block, and one in every norm.",
    "matrices-without-biases": "The matrices are counted without their biases: one number for each "
    "output, in attention and in the feed-forward.",
    "one-bias-of-d-model-a-layer-missing": "A layer has d_model more: a matrix that gives back the "
    "width of the stream, in attention or in the feed-forward, is counted without its bias.",
    "two-widths-a-layer-missing": "A layer has 2 * d_model more: that is a norm, of which each "
    "layer has two, or the biases of two of the four matrices of attention.",
    "three-widths-a-layer-missing": "A layer has 3 * d_model more: the biases of queries, keys and "
    "values have d_model each, and that of the matrix that goes up has d_ff.",
    "final-norm-without-bias": "The norm after the last layer has a bias as well.",
    "attention-without-biases": "A layer has 4 * d_model more: each of attention's four matrices "
    "has d_model biases, and the feed-forward's matrix that goes up has d_ff.",
    "feed-forward-without-biases": "The feed-forward is counted without biases: d_ff of them for "
    "the matrix that goes up, d_model for the one that goes down.",
    "norms-without-biases": "The norms are counted without biases. GPT-2 has LayerNorm: a weight "
    "and a bias.",
    "positions-left-out": "The table of positions is missing: GPT-2 learns a vector for each of "
    "its positions.",
    "output-counted-again": "The output layer is counted. GPT-2's is the embedding table itself: "
    "tied.",
    "final-norm-left-out": "The norm after the last layer is missing.",
    "norms-left-out": "The norms are missing: two a layer and one at the end, each with a weight "
    "and a bias.",
    "norm-on-the-embedding": "There are 2 * d_model too many: one norm more than GPT-2 has, which "
    "is two a layer and one after the last.",
    "three-norms-a-layer": "A layer has 2 * d_model less: two norms, each with a weight and a "
    "bias, and four biases of d_model in attention.",
    "output-with-biases": "The output layer is counted with a bias for each token. Only the "
    "matrices of the blocks have biases.",
    "one-feed-forward-matrix": "A matrix of the feed-forward is missing. GPT-2's has two, up and "
    "down.",
    "three-matrices": "The feed-forward is counted with three matrices. GPT-2's has two, without a "
    "gate.",
    "like-smollm2": "This is the count of a modern decoder of these sizes. GPT-2 has biases, a "
    "table of positions, LayerNorm, and a feed-forward of two matrices.",
    "embeddings-left-out": "Both tables, of tokens and of positions, are left out. Some papers "
    "count that way; here every learned number counts.",
}

EXERCISE = decision(
    id="decoder/gpt2_size",
    callable="gpt2_size",
    title="A GPT-2 to the last digit",
    parts={"all": 2},
    minutes=10,
    difficulty="medium",
    link=LINK,
    draw=draw,
    misconceptions=[Misconception(name, message, LINK) for name, message in MESSAGES.items()],
)
