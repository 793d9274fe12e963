"""capstone/block_functions: every layer as a function, with its weights and its cache."""

from functools import partial

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.capstone import drive
from grading.units.decoder.draw import block_weights, normal
from reference_impl.decoder.functions import decoder_block

LINK = "capstone-layers"
SIZES = {"d_model": 7, "n_heads": 3, "n_kv_heads": 1, "head_dim": 5, "d_ff": 11}
WHOLE, PIECES = "the text at once", "the same text in pieces"


def cases(rng: np.random.Generator) -> list[Case]:
    """One layer and several, one text and pieces of it, other settings, too few caches."""
    blocks = [block_weights(rng, **SIZES) for _ in range(3)]
    wide = [block_weights(rng, **{**SIZES, "n_heads": 4, "n_kv_heads": 2}) for _ in range(2)]
    x = normal(rng, 2, 6, 7)
    single = normal(rng, 1, 1, 7)

    def case(says, blocks, pieces, heads=(3, 1), theta=20.0, eps=1e-5, n_caches=None, name=""):
        inputs = {"blocks": blocks, "pieces": pieces}
        inputs["caches"] = ["empty"] * (len(blocks) if n_caches is None else n_caches)
        inputs |= {"n_heads": heads[0], "n_kv_heads": heads[1]}
        return Case(says, inputs | {"rope_theta": theta, "norm_eps": eps}, name=name)

    return [
        case("one layer and one token", blocks[:1], [single]),
        case("one layer", blocks[:1], [x]),
        case("the same layer and another rope_theta", blocks[:1], [x], theta=3.0),
        case("the same layer, small numbers and a large eps", blocks[:1], [x / 100], eps=0.01),
        case("4 heads and 2 KV heads", wide, [x], heads=(4, 2)),
        case("three layers", blocks, [x], name=WHOLE),
        case("the same text in three pieces", blocks, np.split(x, [3, 4], axis=1), name=PIECES),
        case("three layers and small numbers", blocks, [x / 50], eps=1e-3),
        case("two caches for three layers", blocks, [x], n_caches=2),
        case("four caches for three layers", blocks, [x], n_caches=4),
        case("no layers", [], [x]),
    ]


# --- right in other ways ---------------------------------------------------------------------


def with_a_factory(blocks, caches, attend, n_heads, n_kv_heads, rope_theta, norm_eps):
    """A function that makes a function: each call of it has names of its own."""

    def layer(weights, cache):
        def attend_here(q, k, v):
            return attend(q, k, v, cache, rope_theta)

        def run(x):
            return decoder_block(x, weights, attend_here, n_heads, n_kv_heads, norm_eps)

        return run

    if len(blocks) != len(caches):
        raise ValueError(f"{len(blocks)} blocks and {len(caches)} caches")
    return list(map(layer, blocks, caches))


def with_defaults(blocks, caches, attend, n_heads, n_kv_heads, rope_theta, norm_eps):
    """Defaults of a lambda are looked up when it is made."""
    if len(caches) - len(blocks):
        raise ValueError("as many caches as blocks, please")
    functions = []
    for i in range(len(blocks)):
        look = lambda q, k, v, cache=caches[i]: attend(q, k, v, cache, rope_theta)  # noqa: E731
        functions.append(
            lambda x, w=blocks[i], look=look: decoder_block(
                x, w, look, n_heads, n_kv_heads, norm_eps
            )
        )
    return functions


def with_a_class(blocks, caches, attend, n_heads, n_kv_heads, rope_theta, norm_eps):
    """Objects that can be called, and torch's own operations in the place of `decoder_block`."""

    class Layer:
        def __init__(self, weights, cache):
            self.w, self.cache = weights, cache

        def norm(self, x, name):
            scale = torch.sqrt(x.square().mean(-1, keepdim=True) + norm_eps)
            return x / scale * self.w[name]

        def heads(self, x, name, n):
            return torch.einsum("bsd,fd->bsf", x, self.w[name]).unflatten(-1, (n, -1)).mT.mT

        def __call__(self, x):
            normed = self.norm(x, "attention_norm")
            q = self.heads(normed, "q_proj", n_heads).transpose(1, 2)
            k = self.heads(normed, "k_proj", n_kv_heads).transpose(1, 2)
            v = self.heads(normed, "v_proj", n_kv_heads).transpose(1, 2)
            found = attend(q, k, v, self.cache, rope_theta).transpose(1, 2).flatten(2)
            x = x + found @ self.w["o_proj"].T
            normed = self.norm(x, "feed_forward_norm")
            gate = normed @ self.w["gate_proj"].T
            hidden = gate * gate.sigmoid() * (normed @ self.w["up_proj"].T)
            return x + hidden @ self.w["down_proj"].T

    return [Layer(w, cache) for w, cache in zip(blocks, caches, strict=True)]


# --- wrong in known ways -----------------------------------------------------------------------


def added_once_more(blocks, caches, attend, n_heads, n_kv_heads, rope_theta, norm_eps):
    functions = with_a_factory(blocks, caches, attend, n_heads, n_kv_heads, rope_theta, norm_eps)
    return [lambda x, function=function: x + function(x) for function in functions]


def all_up_to_this(blocks, caches, attend, n_heads, n_kv_heads, rope_theta, norm_eps):
    functions = with_a_factory(blocks, caches, attend, n_heads, n_kv_heads, rope_theta, norm_eps)

    def run(x, last):
        for function in functions[: last + 1]:
            x = function(x)
        return x

    return [partial(run, last=i) for i in range(len(functions))]


def one_for_all(blocks, caches, attend, n_heads, n_kv_heads, rope_theta, norm_eps):
    functions = with_a_factory(blocks, caches, attend, n_heads, n_kv_heads, rope_theta, norm_eps)

    def whole(x):
        for function in functions:
            x = function(x)
        return x

    return [whole]


ZIP = "zip(blocks, caches, strict=True)"
ATTEND = "attend=partial(attend, cache=cache, rope_theta=rope_theta)"
WEIGHTS = "weights=weights"
# Where a loop over both has ended; written as edits, these go together with other mistakes.
LAST = "[min(len(blocks), len(caches)) - 1]"
LAST_CACHE = {ATTEND: ATTEND.replace("cache=cache", f"cache=caches{LAST}")}

MISCONCEPTIONS = (
    Misconception(
        "last-layer-in-all",
        "All functions run the last layer. A function made in a loop looks up the loop's names "
        "when it is *called*, and by then they stand at the end.",
        LINK,
        {WEIGHTS: f"weights=blocks{LAST}", **LAST_CACHE},
    ),
    Misconception(
        "last-cache-in-all",
        "All layers remember in the last cache. A function made in a loop looks up the loop's "
        "names when it is *called*, and by then they stand at the end.",
        LINK,
        LAST_CACHE,
    ),
    Misconception(
        "one-cache-for-all",
        "All layers share the first cache: the keys of one layer are read by the next. Each layer "
        "has its own.",
        LINK,
        {ATTEND: ATTEND.replace("cache=cache", "cache=caches[0]")},
    ),
    Misconception(
        "first-weights-in-all",
        "All functions have the weights of layer 0.",
        LINK,
        {WEIGHTS: "weights=blocks[0]"},
    ),
    Misconception(
        "layers-reversed",
        "The last layer comes first. The stream goes through layer 0 before all others.",
        LINK,
        {ZIP: "zip(blocks[::-1], caches[::-1], strict=True)"},
    ),
    Misconception(
        "new-cache-every-time",
        "The caches that came in stay empty: every call has a new one, so a later piece of the "
        "text sees nothing of the earlier ones.",
        LINK,
        {ATTEND: "attend=lambda q, k, v, cache=cache: attend(q, k, v, type(cache)(), rope_theta)"},
    ),
    Misconception(
        "theta-not-handed-on",
        "`rope_theta` is not handed on: 10,000 stands in its place. SmolLM2 has 100,000.",
        "capstone-layers",
        {ATTEND: ATTEND.replace("rope_theta=rope_theta", "rope_theta=10_000.0")},
    ),
    Misconception(
        "theta-and-eps-swapped",
        "`rope_theta` and `norm_eps` have changed places. Handed on by name, they cannot.",
        LINK,
        {
            ATTEND: ATTEND.replace("rope_theta=rope_theta", "rope_theta=norm_eps"),
            "norm_eps=norm_eps": "norm_eps=rope_theta",
        },
    ),
    Misconception(
        "cache-in-place-of-q",
        "The cache stands where the queries have to come: `partial` fills places from the left, "
        "and the first of `attend` is q. Give what is known by name.",
        LINK,
        {ATTEND: "attend=partial(attend, cache, rope_theta)"},
    ),
    Misconception(
        "eps-not-handed-on",
        "`norm_eps` is not handed on, so the norms use the default of `decoder_block`.",
        LINK,
        {"            norm_eps=norm_eps,\n": ""},
    ),
    Misconception(
        "kv-heads-as-many-as-heads",
        "Keys and values are cut into n_heads heads. They have n_kv_heads.",
        LINK,
        {"n_kv_heads=n_kv_heads": "n_kv_heads=n_heads"},
    ),
    Misconception(
        "too-few-caches-unnoticed",
        "Where there are not as many caches as blocks, what is left over of either falls away in "
        "silence. A ValueError should say so.",
        LINK,
        {ZIP: "zip(blocks, caches, strict=False)"},
    ),
    Misconception(
        "fewer-caches-unnoticed",
        "Where there are fewer caches than blocks, the last layers fall away in silence. A "
        "ValueError should say so.",
        LINK,
        {ZIP: "zip(blocks[: len(caches)], caches, strict=True)"},
    ),
    Misconception(
        "more-caches-unnoticed",
        "Where there are more caches than blocks, nobody is told, though they belong to another "
        "model. A ValueError should say so.",
        LINK,
        {ZIP: "zip(blocks, caches[: len(blocks)], strict=True)"},
    ),
    Misconception(
        "copies-of-the-caches",
        "Each layer remembers in a cache of its own making: those that came in stay empty. Whoever "
        "passed them in wants to see how long they are, and to cut them.",
        LINK,
        {ATTEND: ATTEND.replace("cache=cache", 'cache=__import__("copy").deepcopy(cache)')},
    ),
    Misconception(
        "all-layers-up-to-this-one",
        "Each function runs the layers before its own as well. The stream comes in from them: "
        "function i is layer i alone.",
        LINK,
        answer=all_up_to_this,
    ),
    Misconception(
        "added-once-more",
        "The stream is added to what a block returns. `decoder_block` has added it already.",
        LINK,
        answer=added_once_more,
    ),
    Misconception(
        "one-function-for-all",
        "This is one function that runs all layers. Wanted is a list with one for each, so that "
        "somebody can look between them.",
        LINK,
        answer=one_for_all,
    ),
)


def _caches_alike(whole) -> bool:
    return len(set(whole["lengths"])) == 1


def _pieces_agree(whole, pieces) -> bool:
    together = np.concatenate([outputs[-1] for outputs in pieces["outputs"]], axis=1)
    return bool(np.allclose(together, whole["outputs"][0][-1], rtol=1e-3, atol=1e-3))


EXERCISE = Exercise(
    id="capstone/block_functions",
    callable="block_functions",
    title="Layers that remember",
    parts={"all": 4},
    minutes=15,
    difficulty="hard",
    link=LINK,
    cases=cases,
    drive=drive.layers,
    rtol=5e-4,
    atol=1e-4,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_a_factory, with_defaults, with_a_class),
    properties=(
        Property(
            "caches-not-alike",
            "After one text in three layers, the three caches are not equally long. Each layer has "
            "its own, and puts a text into it once.",
            LINK,
            (WHOLE,),
            _caches_alike,
        ),
        Property(
            "pieces-differ",
            "The same text gives another stream in pieces than at once. Does each layer find what "
            "it remembered, and run once for each piece?",
            LINK,
            (WHOLE, PIECES),
            _pieces_agree,
        ),
    ),
)
