"""attention/tell_maps: six broken layers, each known by its attention map."""

from itertools import combinations, permutations

import numpy as np
import torch

from grading.course.exercise import Misconception, Question, decision
from grading.units.attention.draw import causal, normal
from reference_impl.decoder.attention import attention_weights

SEQ, HEAD_DIM = 5, 9
FAULTS = {
    "no-mask": "there is no causal mask",
    "over-queries": "the softmax runs over the queries",
    "no-scale": "the scores are not divided by √head_dim",
    "mask-after": "the mask is multiplied in after the softmax",
    "one-ahead": "the mask lets each query see one key too many",
    "transposed": "rows and columns of the mask have changed places",
}


def draw(rng: np.random.Generator) -> Question:
    """Queries and keys, and the maps of six broken layers on them under shuffled letters."""
    while True:
        q, k = normal(rng, SEQ, HEAD_DIM), normal(rng, SEQ, HEAD_DIM)
        maps = _maps(q, k)
        if _telling(maps):
            break
    letters = dict(zip(FAULTS, rng.permutation(list("ABCDEF")).tolist(), strict=True))
    by_letter = {letter: maps[fault] for fault, letter in letters.items()}
    faults = {str(i + 1): text for i, text in enumerate(FAULTS.values())}
    shown = {"faults": faults, "q": q, "k": k, "maps": dict(sorted(by_letter.items()))}
    right = list(letters.values())
    wrong = _wrong(right)
    also = {name: [_moved(right, *turn)] for name, (_, turn) in TURNS.items()}
    read_as_letters = _backwards(right, "ABCDEF")
    if read_as_letters not in ("".join(right), *wrong.values(), *sum(also.values(), [])):
        also["numbers-of-the-faults"] = [read_as_letters]
    for name, choices in _mixed(right, {*wrong.values(), *sum(also.values(), [])}).items():
        wrong[name], *also[name] = choices
    return Question(shown, "".join(right), wrong, also)


# --- maps ---------------------------------------------------------------------------------------


def _maps(q: np.ndarray, k: np.ndarray) -> dict[str, np.ndarray]:
    """The map of a sound layer ("") and of each broken one, q_seq kv_seq, in three digits."""
    asks, asked = torch.from_numpy(q), torch.from_numpy(k)
    mask = torch.from_numpy(causal(SEQ, SEQ))
    found = {
        "": attention_weights(asks, asked, mask),
        "no-mask": attention_weights(asks, asked),
        "over-queries": attention_weights(asked, asks, mask.T).T,
        "no-scale": attention_weights(HEAD_DIM**0.5 * asks, asked, mask),
        "mask-after": attention_weights(asks, asked) * mask,
        "one-ahead": attention_weights(asks, asked, torch.ones_like(mask).tril(1)),
        "transposed": attention_weights(asks, asked, mask.T),
    }
    return {fault: np.round(weights.numpy(), 3) for fault, weights in found.items()}


def _telling(maps: dict[str, np.ndarray]) -> bool:
    """Whether each fault shows its sign, and every other map, the sound one too, clearly not."""
    sharp = maps["no-scale"]
    return all(
        _shows(fault, weights, sharp, within=0.01 if name == fault else 0.15) == (name == fault)
        for fault in FAULTS
        for name, weights in maps.items()
    )


def _shows(fault: str, weights: np.ndarray, sharp: np.ndarray, within: float) -> bool:
    """Whether a map shows the sign of a fault, up to an error; `sharp` is softmax(q k^T)."""
    given, got = weights.sum(axis=1), weights.sum(axis=0)  # by each query, to each key
    before, next_, beyond = np.tril(weights, -1), np.diagonal(weights, 1), np.triu(weights, 2)
    signs = {
        "no-mask": before.max() > 0.1 and beyond.max() > 0.1,
        "over-queries": np.abs(got - 1).max() < within,
        "no-scale": np.abs(weights - sharp).max() < within,
        "mask-after": given.min() < 0.8 and given.max() < 1 + within,
        "one-ahead": next_.max() > 0.1 and beyond.max() == 0,
        "transposed": next_.max() > 0.1 and before.max() == 0,
    }
    return bool(signs[fault])


# --- wrong in known ways -----------------------------------------------------------------------

ORDER = list(FAULTS)
PAIRS = {f"{one}-and-{other}": (one, other) for one, other in combinations(FAULTS, 2)}
FUTURES = ("no-mask", "one-ahead", "transposed")  # these maps have weight above the diagonal
# Three faults that go round: from where each gets its letter, in the one direction and the other.
TURNS = {
    "lower-triangles-in-a-ring": (
        (("over-queries", "no-scale", "mask-after"), ("no-scale", "mask-after", "over-queries")),
        (("over-queries", "no-scale", "mask-after"), ("mask-after", "over-queries", "no-scale")),
    ),
    "futures-in-a-ring": (
        (FUTURES, ("one-ahead", "transposed", "no-mask")),
        (FUTURES, ("transposed", "no-mask", "one-ahead")),
    ),
}


def _wrong(letters: list[str]) -> dict[str, str]:
    swaps = {name: _moved(letters, pair, pair[::-1]) for name, pair in PAIRS.items()}
    turns = {name: _moved(letters, *turn) for name, (turn, _) in TURNS.items()}
    return {
        **swaps,
        **turns,
        "numbers-of-the-faults": _backwards(letters, "123456"),
        "order-reversed": "".join(letters[::-1]),
    }


def _moved(letters: list[str], faults: tuple[str, ...], sources: tuple[str, ...]) -> str:
    """The letters, those of some faults taken from others."""
    moved = letters.copy()
    for fault, source in zip(faults, sources, strict=True):
        moved[ORDER.index(fault)] = letters[ORDER.index(source)]
    return "".join(moved)


def _backwards(letters: list[str], names: str) -> str:
    """The name of its fault for each map from A to F."""
    return "".join(names[letters.index(letter)] for letter in "ABCDEF")


def _mixed(letters: list[str], named: set[str]) -> dict[str, list[str]]:
    """Every order of the letters that has no name yet, and one letter that stands there twice."""
    right = "".join(letters)
    ahead = {right[ORDER.index(fault)] for fault in FUTURES}
    found = {"halves-mixed": [], "both-halves-mixed": [], "letter-twice": []}
    for order in map("".join, permutations(right)):
        if order != right and order not in named:
            halves_right = {order[ORDER.index(fault)] for fault in FUTURES} == ahead
            found["both-halves-mixed" if halves_right else "halves-mixed"].append(order)
    for i, letter in enumerate(right):
        others = [other for other in right if other != letter]
        found["letter-twice"] += [right[:i] + other + right[i + 1 :] for other in others]
    return found


LINKS = {
    "no-mask": "attention-causal-mask",
    "over-queries": "attention-softmax-axis",
    "no-scale": "attention-scale",
    "mask-after": "attention-mask-before-softmax",
    "one-ahead": "attention-causal-mask",
    "transposed": "attention-causal-mask",
}
SIGNS = {
    "no-mask": "Without a mask there is weight below the diagonal and in every column above it.",
    "over-queries": "With the softmax over the queries each *column* sums to 1.",
    "no-scale": "Without the scale rows sum to 1, and are sharper than a sound layer's.",
    "mask-after": "Masked after the softmax, all rows but the last sum to less than 1.",
    "one-ahead": "With one key too many, the future shows in the one place beside the diagonal.",
    "transposed": "With the mask turned round nothing is left *below* the diagonal.",
}
# What tells the two apart where more is to be said than both signs.
TOLD_APART = {
    ("no-mask", "one-ahead"): "Both show the future. Without a mask it is there in every column; "
    "with one key too many it ends one place beside the diagonal.",
    ("no-mask", "transposed"): "Both show the whole future. Only one of them shows the past as "
    "well: with a mask that is turned round, nothing stands below the diagonal.",
    ("one-ahead", "transposed"): "One shows the past and the next position. In the other each "
    "query sees itself and what comes after it, and nothing stands below the diagonal.",
    ("over-queries", "no-scale"): "Both are 0 above the diagonal. Add up the rows: where each "
    "query gives away a total of 1, the softmax runs over the keys.",
    ("over-queries", "mask-after"): "In both rows do not sum to 1. Add up the columns, too: a "
    "softmax over the queries makes each of *them* 1. What a mask took away later is missing, and "
    "no row has more than 1.",
    ("no-scale", "mask-after"): "Both look like sound maps. Add up the rows: a late mask leaves "
    "less than 1 in them, sharper scores do not.",
}


def _of_a_swap(name: str, one: str, other: str) -> Misconception:
    first, second = (ORDER.index(fault) + 1 for fault in (one, other))
    apart = TOLD_APART.get((one, other), f"{SIGNS[one]} {SIGNS[other]}")
    message = f"Faults {first} and {second} have changed places. {apart}"
    return Misconception(name, message, LINKS[other])


MISCONCEPTIONS = (
    *(_of_a_swap(name, *pair) for name, pair in PAIRS.items()),
    Misconception(
        "lower-triangles-in-a-ring",
        "Three maps are 0 above the diagonal, and their letters are mixed up among faults 2, 3 and "
        "4. Add up rows and columns: one map has columns of 1, and one has no row of more than 1 "
        "and most of less.",
        "attention-softmax-axis",
    ),
    Misconception(
        "futures-in-a-ring",
        "Three maps show the future, and their letters are mixed up among faults 1, 5 and 6. Which "
        "of them has nothing below the diagonal? And in which does the first row end after its "
        "second place?",
        "attention-causal-mask",
    ),
    Misconception(
        "both-halves-mixed",
        "The maps that show the future stand at faults 1, 5 and 6, as they should. But within both "
        "threes letters are mixed up: look below the diagonal there, and add up rows and columns "
        "at 2, 3 and 4.",
        "attention-causal-mask",
    ),
    Misconception(
        "halves-mixed",
        "Among the letters of faults 2, 3 and 4 is a map with weight above the diagonal. Only "
        "faults 1, 5 and 6 show the future. Sort the six maps by that first, then each three among "
        "themselves.",
        "attention-causal-mask",
    ),
    Misconception(
        "letter-twice",
        "One letter stands there twice, and one is missing: each map has one fault, and each fault "
        "one map. The other letters are right.",
        "attention-softmax-axis",
    ),
    Misconception(
        "numbers-of-the-faults",
        "These are the faults of maps A to F, in this order. Wanted are the letters of the maps "
        "that have faults 1 to 6.",
        "attention-softmax-axis",
    ),
    Misconception(
        "order-reversed",
        "The letters are right, from the last fault to the first.",
        "attention-softmax-axis",
    ),
)

EXERCISE = decision(
    id="attention/tell_maps",
    callable="tell_maps",
    title="Six broken layers",
    parts={"all": 2},
    minutes=10,
    difficulty="medium",
    link="attention-softmax-axis",
    draw=draw,
    misconceptions=MISCONCEPTIONS,
)
