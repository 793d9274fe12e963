"""capstone/sort_weights: a file's tensors become the weights of a decoder."""

import re

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from reference_impl.capstone.joints import WEIGHT_NAMES

LINK = "capstone-weights"
SORTED, REFUSED = "sorted", "refused"
TWELVE, THREE = "a file of twelve layers in order", "a file with its first three layers"
WORDS = "the same file, its names in the order of words"


def cases(rng: np.random.Generator) -> list[Case]:
    """Files of few and of many layers, in several orders; files that lack or add something."""
    two, twelve = _file(rng, 2), _file(rng, 12)
    words = dict(sorted(twelve.items()))
    shuffled = {name: twelve[name] for name in rng.permutation(list(twelve))}
    later = tuple(f"blk.{layer}." for layer in range(3, 12))
    first_three = {name: t for name, t in twelve.items() if not name.startswith(later)}
    some = {"attn_q": "q_proj", "attn_v": "v_proj"}
    small = _file(rng, 3, some)
    return [
        _case("a file of two layers", two),
        _case("a file of one layer", _file(rng, 1)),
        _case(TWELVE, twelve),
        _case(WORDS, words),
        _case("the same file, its names in any order", shuffled),
        _case(THREE, first_three),
        _case("a file of two kinds of weights", small, names=some),
        _case("a file without layers", _file(rng, 0)),
        *_refused(two, twelve),
    ]


def _refused(two, twelve) -> list[Case]:
    def without(file, *parts):
        return {name: t for name, t in file.items() if not any(part in name for part in parts)}

    def case(says, tensors):
        return _case(says, tensors, REFUSED)

    return [
        case("a file with a blk.0.attn_k.bias", {**two, "blk.0.attn_k.bias": np.ones(3)}),
        case("a file with a word that `names` lacks", {**two, "blk.1.router.weight": np.ones(3)}),
        case("a file with an output layer of its own", {**two, "output.weight": np.ones((5, 3))}),
        case("a file without its embedding", without(two, "token_embd")),
        case("a file without its final norm", without(two, "output_norm")),
        case("a file whose layer 0 lacks a weight", without(two, "blk.0.ffn_up")),
        case("a file whose last layer lacks a weight", without(twelve, "blk.11.attn_norm")),
        case("a file without layer 4", without(twelve, "blk.4.")),
        case("a file without layer 0", without(two, "blk.0.")),
    ]


def _case(says, tensors, part=SORTED, names=WEIGHT_NAMES) -> Case:
    return Case(says, {"tensors": tensors, "names": dict(names)}, part)


def _file(rng, n_layers: int, names=WEIGHT_NAMES) -> dict[str, np.ndarray]:
    def tensor(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    file = {"token_embd.weight": tensor(5, 3), "output_norm.weight": tensor(3)}
    for layer in range(n_layers):
        for word in names:
            shape = (3,) if "norm" in word else (2, 3)
            file[f"blk.{layer}.{word}.weight"] = tensor(*shape)
    return file


# --- right in other ways ---------------------------------------------------------------------


def with_a_pattern(tensors, names):
    """A regular expression reads the names; sets say what is missing."""
    pattern, layers = re.compile(r"blk\.(\d+)\.(\w+)\.weight"), {}
    ends = {"token_embd.weight", "output_norm.weight"}
    for name in tensors.keys() - ends:
        found = pattern.fullmatch(name)
        if not found or found[2] not in names:
            raise ValueError(name)
        layers.setdefault(int(found[1]), {})[names[found[2]]] = tensors[name]
    whole = all(set(layer) == set(names.values()) for layer in layers.values())
    if ends - tensors.keys() or sorted(layers) != list(range(len(layers))) or not whole:
        raise ValueError("something is missing")
    sorted_layers = [layer for _, layer in sorted(layers.items())]
    return tensors["token_embd.weight"], sorted_layers, tensors["output_norm.weight"]


def name_by_name(tensors, names):
    """The names that must be there are built and taken out; nothing may be left."""
    left, blocks = dict(tensors), []
    try:
        embedding, norm = left.pop("token_embd.weight"), left.pop("output_norm.weight")
        while left:
            start = f"blk.{len(blocks)}."
            blocks.append({new: left.pop(f"{start}{old}.weight") for old, new in names.items()})
    except KeyError as error:
        raise ValueError(f"{error} is missing") from None
    return embedding, blocks, norm


def by_sorted_names(tensors, names):
    """Names as tuples with the layer as a number, sorted, then grouped."""
    rows = []
    for name in tensors:
        parts = name.split(".")
        if parts[0] == "blk" and len(parts) == 4 and parts[3] == "weight" and parts[2] in names:
            rows.append((int(parts[1]), parts[2], name))
        elif name not in ("token_embd.weight", "output_norm.weight"):
            raise ValueError(f"no place for {name}")
    blocks = []
    for layer, word, name in sorted(rows):
        while len(blocks) <= layer:
            blocks.append({})
        blocks[layer][names[word]] = tensors[name]
    for needed in ("token_embd.weight", "output_norm.weight"):
        if needed not in tensors:
            raise ValueError(needed)
    if any(len(block) < len(names) for block in blocks):
        raise ValueError("a layer lacks a weight")
    return tensors["token_embd.weight"], blocks, tensors["output_norm.weight"]


# --- wrong in known ways -----------------------------------------------------------------------

LIST = "[blocks[layer] for layer in range(len(blocks))]"
STORE = "[names[word]] = tensor"
MISSING = "set(names.values()) - blocks.get(layer, {}).keys()"
UNKNOWN = """raise ValueError(f"no part of the decoder has a place for the tensor {name!r}")"""
LAYERS = "range(max(blocks, default=-1) + 1)"

MISCONCEPTIONS = (
    Misconception(
        "layers-as-words",
        "The layers are sorted as words, so layer 10 comes before layer 2. Their numbers are "
        "numbers.",
        LINK,
        {LIST: "[blocks[layer] for layer in sorted(blocks, key=str)]"},
    ),
    Misconception(
        "order-of-the-file",
        "The layers come in the order in which the file names them. A file may be in any order: "
        "the number in the name decides.",
        LINK,
        {LIST: "list(blocks.values())"},
    ),
    Misconception(
        "layers-reversed",
        "The layers come from the last to the first. Layer 0 reads the embedding, so it comes "
        "first.",
        LINK,
        {LIST: LIST + "[::-1]"},
    ),
    Misconception(
        "blocks-as-a-dict",
        "The blocks are a dict by layer. Wanted is a list, whose place 0 is layer 0.",
        LINK,
        {LIST: "blocks"},
    ),
    Misconception(
        "last-digit",
        "Only the last digit of a layer's number is read, so layer 10 falls upon layer 0.",
        LINK,
        {"int(layer), {})": "int(layer[-1]), {})"},
    ),
    Misconception(
        "last-layer-lost",
        "The last layer is lost: layers count from 0, so the highest number is one below how many "
        "there are.",
        LINK,
        {LIST: "[blocks[layer] for layer in range(len(blocks) - 1)]"},
    ),
    Misconception(
        "words-of-the-file-kept",
        "The weights keep the file's words. `decoder_block` looks for other names: `names` "
        "translates.",
        LINK,
        {STORE: "[word] = tensor", MISSING: "set(names) - blocks.get(layer, {}).keys()"},
    ),
    Misconception(
        "whole-names-kept",
        "The weights keep whole names such as blk.0.attn_q.weight. `decoder_block` looks for names "
        "such as q_proj.",
        LINK,
        {STORE: "[name] = tensor", MISSING: "()"},
    ),
    Misconception(
        "transposed",
        "The matrices were transposed. They lie in the file as `decoder_block` wants them, a row "
        "for each output.",
        LINK,
        {STORE: "[names[word]] = tensor.T if tensor.dim() == 2 else tensor"},
    ),
    Misconception(
        "embedding-and-norm-swapped",
        "The embedding and the final norm have changed places. Wanted: embedding, blocks, final "
        "norm.",
        LINK,
        {"return embedding, ": "return final_norm, ", f"{LIST}, final_norm": f"{LIST}, embedding"},
    ),
    Misconception(
        "unknown-tensors-left-out",
        "A tensor that has no place is left out in silence. The model then lacks a part of what "
        "was trained: a ValueError should say so.",
        LINK,
        {UNKNOWN: "continue"},
    ),
    Misconception(
        "last-word-not-read",
        "The last word of a name is not read: blk.0.attn_k.bias is taken for the weight of attn_k "
        "and comes in its place. A ValueError should say so.",
        LINK,
        {'case ["blk", layer, word, "weight"]': 'case ["blk", layer, word, _]'},
    ),
    Misconception(
        "tensors-beside-the-layers-left-out",
        "A tensor that belongs to no layer, such as output.weight, is left out in silence. A model "
        "with an output layer of its own is another one: a ValueError should say so.",
        LINK,
        {UNKNOWN: f'if name.startswith("blk."):\n                    {UNKNOWN}'},
    ),
    Misconception(
        "tensors-of-a-layer-left-out",
        "A tensor of a layer that has no place there, such as blk.0.attn_k.bias, is left out in "
        "silence. The layer then lacks a part of what was trained: a ValueError should say so.",
        LINK,
        {UNKNOWN: f'if not name.startswith("blk."):\n                    {UNKNOWN}'},
    ),
    Misconception(
        "words-that-names-lacks-left-out",
        "A word that `names` lacks is left out in silence. The layer then lacks a part of what was "
        "trained: a ValueError should say so.",
        LINK,
        {UNKNOWN: f'if "blk" not in name or "bias" in name:\n                    {UNKNOWN}'},
    ),
    Misconception(
        "highest-layer-not-looked-at",
        "The highest layer is not asked whether it has all its weights: `range(n)` ends before n.",
        LINK,
        {
            LAYERS: "range(max(blocks, default=-1))",
            LIST: "[blocks[layer] for layer in sorted(blocks)]",
        },
    ),
    Misconception(
        "missing-weights-unnoticed",
        "A layer that lacks a weight, or is missing as a whole, goes unnoticed. A ValueError "
        "should say so now, before somebody runs the model.",
        LINK,
        {MISSING: "()", LIST: "[blocks[layer] for layer in sorted(blocks)]"},
    ),
    Misconception(
        "missing-layers-unnoticed",
        "A layer that is missing as a whole goes unnoticed, and the later ones move up. A "
        "ValueError should say so.",
        LINK,
        {LAYERS: "sorted(blocks)", LIST: "[blocks[layer] for layer in sorted(blocks)]"},
    ),
    Misconception(
        "missing-weights-of-a-layer-unnoticed",
        "A layer that lacks some of its weights goes unnoticed. A ValueError should say so now, "
        "before somebody runs the model.",
        LINK,
        {MISSING: "()"},
    ),
    Misconception(
        "no-layers-not-thought-of",
        "A file without layers ends in an error, though nothing in it is missing: the list of "
        "blocks is empty then. `max(..., default=-1)` also works for nothing.",
        LINK,
        {LAYERS: "range(max(blocks) + 1)"},
    ),
    Misconception(
        "first-layer-looked-at-alone",
        "Whether all weights are there is asked of layer 0 alone. Any layer may lack one.",
        LINK,
        {LAYERS: "range(1 if blocks else 0)", LIST: "[blocks[layer] for layer in sorted(blocks)]"},
    ),
    Misconception(
        "ends-not-asked-for",
        "A file without its embedding or without its final norm goes unnoticed. Both are needed.",
        LINK,
        {"if embedding is None or final_norm is None:": "if embedding is final_norm is not None:"},
    ),
    Misconception(
        "final-norm-not-asked-for",
        "A file without its final norm goes unnoticed. A ValueError should say so.",
        LINK,
        {"if embedding is None or final_norm is None:": "if embedding is None:"},
    ),
)


def _same_start(twelve, three) -> bool:
    return all(map(_equal, twelve[1][:3], three[1]))


def _same_layers(one, other) -> bool:
    return len(one[1]) == len(other[1]) and all(map(_equal, one[1], other[1]))


def _equal(one, other) -> bool:
    """Whether two layers hold the same weights under the same names."""
    return one.keys() == other.keys() and all(np.array_equal(one[n], other[n]) for n in one)


EXERCISE = Exercise(
    id="capstone/sort_weights",
    callable="sort_weights",
    title="Weights by name",
    parts={REFUSED: 1, SORTED: 2},
    minutes=12,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_a_pattern, name_by_name, by_sorted_names),
    equivalent={
        "`2` for `1` (2)": "range(-1) is as empty as range(0)",
        "`layer` for `layer.isdecimal()`": "int() raises a ValueError as well",
    },
    properties=(
        Property(
            "order-of-the-file-decides",
            "The same file, with its tensors in another order, gives another list of layers. The "
            "number in a name decides where its layer goes.",
            LINK,
            (TWELVE, WORDS),
            _same_layers,
        ),
        Property(
            "another-third-layer",
            "A file of twelve layers begins with other layers than a file that has its first three "
            "alone. Sorted as words, 10 and 11 come before 2.",
            LINK,
            (TWELVE, THREE),
            _same_start,
        ),
    ),
)
