"""decoder/find_faults: six broken decoders, each known by its logits alone."""

from collections.abc import Callable
from functools import partial
from itertools import combinations, permutations

import numpy as np
import torch
from torch import Tensor

from grading.course.exercise import Misconception, Question, decision
from grading.units.decoder.draw import block_weights, norm_weight, normal
from reference_impl.decoder.attention import grouped_query_attention
from reference_impl.decoder.functions import attend_causally, decoder_block, decoder_logits
from reference_impl.decoder.norms import rms_norm

LINK = "decoder-bugs"
SIZES = {"d_model": 12, "n_heads": 3, "n_kv_heads": 1, "head_dim": 4, "d_ff": 20}
LETTERS = "ABCDEF"
VOCAB, SEQ, UNUSED = 9, 5, 8  # token 8 stands in no text
FAULTS = {
    "no-mask": "attention has no causal mask",
    "no-residual": "a block hands on what it wrote, and does not add it to its input",
    "swapped": "gate_proj and up_proj have changed places",
    "shared": "layer 0's weights are used in layer 1 as well",
    "no-final-norm": "the final norm is missing",
    "untied": "the output layer has a table of its own, a copy of the embedding from the start",
}
CHANGES = (
    "nothing",
    "the last token is another",
    "all o_proj and down_proj are 0",
    "all up_proj times 2, all down_proj divided by 2",
    "layer 1 has other weights",
    "the final norm's weight times 2",
    "the embedding of a token that is not in the text times 2",
)
Weights = dict[str, np.ndarray]


def draw(rng: np.random.Generator) -> Question:
    """A small decoder, its six broken copies under shuffled letters, and seven experiments."""
    while True:
        experiments = _experiments(rng)
        found = {name: _logits_of(name, experiments) for name in ("", *FAULTS)}
        if _telling(found):
            break
    letters = dict(zip(FAULTS, rng.permutation(list(LETTERS)).tolist(), strict=True))
    by_letter = {letter: found[name] for name, letter in letters.items()}
    faults = {str(i + 1): text for i, text in enumerate(FAULTS.values())}
    shown = {"faults": faults, "logits": dict(sorted(by_letter.items()))}
    right = list(letters.values())
    wrong = {**_wrong(right), **_extremes(shown["logits"])}
    read_as_letters = _backwards(right, LETTERS)
    known = read_as_letters in ("".join(right), *wrong.values())
    also = {} if known else {"numbers-of-the-faults": [read_as_letters]}
    mixed = _mixed_up("".join(right), {*wrong.values(), read_as_letters})
    wrong |= {name: first for name, (first, *_) in mixed.items()}
    also |= {name: others for name, (_, *others) in mixed.items()}
    return Question(shown, "".join(right), wrong, also)


# --- experiments ------------------------------------------------------------------------------


def _experiments(rng) -> dict[str, tuple]:
    """For each change: the text, the table, the blocks' weights, the final norm."""
    ids = rng.permutation(UNUSED)[: SEQ + 1]
    table, norm = normal(rng, VOCAB, SIZES["d_model"]), norm_weight(rng, SIZES["d_model"])
    first, second, third = (block_weights(rng, **SIZES) for _ in range(3))
    text, blocks = ids[:-1], [first, second]
    other_text = np.append(ids[:-2], ids[-1])
    silent = [_times(block, o_proj=0, down_proj=0) for block in blocks]
    stretched = [_times(block, up_proj=2, down_proj=0.5) for block in blocks]
    larger = table.copy()
    larger[UNUSED] *= 2
    made = (
        (text, table, blocks, norm, table),
        (other_text, table, blocks, norm, table),
        (text, table, silent, norm, table),
        (text, table, stretched, norm, table),
        (text, table, [first, third], norm, table),
        (text, table, blocks, 2 * norm, table),
        (text, larger, blocks, norm, table),
    )
    return dict(zip(CHANGES, made, strict=True))


def _times(block: Weights, **factors: float) -> Weights:
    scaled = {name: np.float32(factor) * block[name] for name, factor in factors.items()}
    return {**block, **scaled}


def _logits_of(fault: str, experiments: dict[str, tuple]) -> dict[str, np.ndarray]:
    """What a decoder with this fault ("": none) answers in every experiment, seq vocab."""
    found = {}
    for change, (ids, *arrays) in experiments.items():
        found[change] = np.round(_run(fault, torch.from_numpy(ids)[None], *arrays), 3)
    return found


def _run(fault: str, ids: Tensor, table, blocks: list[Weights], norm, first_table) -> np.ndarray:
    if fault == "shared":
        blocks = [blocks[0], blocks[0]]
    if fault == "swapped":
        blocks = [{**b, "gate_proj": b["up_proj"], "up_proj": b["gate_proj"]} for b in blocks]
    functions = [_block(block, fault) for block in blocks]
    table, norm, first = (torch.from_numpy(a) for a in (table, norm, first_table))
    if fault in ("untied", "no-final-norm"):
        x = table[ids]
        for function in functions:
            x = function(x)
        out = rms_norm(x, norm) @ first.T if fault == "untied" else x @ table.T
    else:
        out = decoder_logits(ids, table, functions, norm)
    return out[0].numpy()


def _block(weights: Weights, fault: str) -> Callable[[Tensor], Tensor]:
    tensors = {name: torch.from_numpy(weight) for name, weight in weights.items()}
    attend = grouped_query_attention if fault == "no-mask" else attend_causally
    run = partial(decoder_block, weights=tensors, attend=attend, n_heads=3, n_kv_heads=1)
    return (lambda x: run(x) - x) if fault == "no-residual" else run


# --- what is drawn must be telling ------------------------------------------------------------


def _telling(found) -> bool:
    """Whether each experiment shows its own fault clearly, and shows no other."""
    return all(
        _shows(change, logits) == (name == fault)
        for change, fault in zip(CHANGES[1:], FAULTS, strict=True)
        for name, logits in found.items()
    )


def _shows(change: str, logits: dict[str, np.ndarray]) -> bool:
    """Whether a decoder's answers to a change are not those of a sound decoder."""
    before, after = logits["nothing"], logits[change]
    moved = np.abs(after - before)
    if change == CHANGES[1]:
        return bool(moved[:-1].max() > 0.05)  # earlier positions
    if change == CHANGES[2]:
        return bool(np.abs(after).max() < 0.05)
    if change == CHANGES[3]:
        return bool(moved.max() > 0.05)
    if change == CHANGES[4]:
        return bool(moved.max() < 0.05)
    if change == CHANGES[5]:
        return bool(np.abs(after - 2 * before).max() > 0.05)
    return bool(np.abs(after[:, UNUSED] - 2 * before[:, UNUSED]).max() > 0.05)


def _exchanged(letters: list[str], i: int, j: int) -> str:
    letters = letters.copy()
    letters[i], letters[j] = letters[j], letters[i]
    return "".join(letters)


def _wrong(letters: list[str]) -> dict[str, str]:
    order = list(FAULTS)
    swaps = {name: tuple(order.index(fault) for fault in pair) for name, pair in ALL_SWAPS.items()}
    wrong = {name: _exchanged(letters, i, j) for name, (i, j) in swaps.items()}
    inverse = _backwards(letters, "123456")
    return {**wrong, "numbers-of-the-faults": inverse, "order-reversed": "".join(letters[::-1])}


def _backwards(letters: list[str], names: str) -> str:
    """The name of its fault for each decoder from A to F."""
    return "".join(names[letters.index(letter)] for letter in LETTERS)


def _mixed_up(right: str, known: set[str]) -> dict[str, list[str]]:
    """All orders with three or more letters out of place, by the first fault that has a wrong one.

    Those that show something else, the known ones, are left out.
    """
    mixed = {name: [] for name in MIXED}
    for order in map("".join, permutations(LETTERS)):
        places = [i for i, pair in enumerate(zip(right, order, strict=True)) if len({*pair}) == 2]
        if len(places) > 2 and order not in known:
            mixed[list(MIXED)[places[0]]].append(order)
    return mixed


def _extremes(logits: dict[str, dict[str, np.ndarray]]) -> dict[str, str]:
    """The decoder whose logits move most in each experiment, and the one whose move least."""

    def moved(letter: str, change: str) -> float:
        return np.abs(logits[letter][change] - logits[letter]["nothing"]).max()

    return {
        name: "".join(
            extreme(logits, key=lambda a, c=change: moved(a, c)) for change in CHANGES[1:]
        )
        for name, extreme in (("moves-most", max), ("moves-least", min))
    }


SIGNS = {
    "no-mask": "Without a mask *earlier* positions answer to a later token.",
    "no-residual": "Where nothing is added to the input, blocks that write nothing leave 0.",
    "swapped": "Through the SiLU a factor of 2 is not undone by 1/2 at the end.",
    "shared": "Where layer 0 stands in for layer 1, new weights in layer 1 change nothing.",
    "no-final-norm": "Where the final norm is missing, its weight changes nothing.",
    "untied": "With a table of its own for the output, the changed embedding has no effect.",
}
SWAPS = {
    "mask-and-residual": ("no-mask", "no-residual"),
    "mask-and-shared": ("no-mask", "shared"),
    "residual-and-final-norm": ("no-residual", "no-final-norm"),
    "residual-and-shared": ("no-residual", "shared"),
    "swapped-and-shared": ("swapped", "shared"),
    "swapped-and-final-norm": ("swapped", "no-final-norm"),
    "final-norm-and-untied": ("no-final-norm", "untied"),
    "shared-and-untied": ("shared", "untied"),
}
OTHER_SWAPS = {
    f"{one}-and-{other}": (one, other)
    for one, other in combinations(FAULTS, 2)
    if (one, other) not in SWAPS.values()
}
ALL_SWAPS = SWAPS | OTHER_SWAPS


def _of_a_swap(name: str, one: str, other: str) -> Misconception:
    first, second = (list(FAULTS).index(fault) + 1 for fault in (one, other))
    message = f"Faults {first} and {second} have changed places. {SIGNS[one]} {SIGNS[other]}"
    return Misconception(name, message, LINK)


# With three letters out of place or more, the first of them stands at fault 1 to 4.
MIXED = {f"mixed-up-from-{fault}": fault for fault in list(FAULTS)[:4]}

MISCONCEPTIONS = [
    Misconception(
        "mask-and-residual",
        "Faults 1 and 2 have changed places. Without a mask, *earlier* positions answer to a later "
        "token. Where nothing is added to the input, blocks that write nothing hand on nothing.",
        LINK,
    ),
    Misconception(
        "mask-and-shared",
        "Faults 1 and 4 have changed places. Without a mask, *earlier* positions answer to a later "
        "token. Where layer 0 stands in for layer 1, new weights in layer 1 change nothing.",
        LINK,
    ),
    Misconception(
        "residual-and-final-norm",
        "Faults 2 and 5 have changed places. A final norm's weight that is never used makes no "
        "difference when it is doubled. Where nothing is added, blocks that write nothing give 0.",
        LINK,
    ),
    Misconception(
        "residual-and-shared",
        "Faults 2 and 4 have changed places. Which experiment concerns layer 1 alone? And what is "
        "left of the stream where blocks write nothing, and nothing is added?",
        LINK,
    ),
    Misconception(
        "swapped-and-shared",
        "Faults 3 and 4 have changed places. What up_proj gives passes through no function, so the "
        "factors 2 and 1/2 cancel; through the SiLU they do not.",
        LINK,
    ),
    Misconception(
        "swapped-and-final-norm",
        "Faults 3 and 5 have changed places. Two experiments multiply by 2: one inside the "
        "feed-forward, one at the end. Ask of each what a sound decoder makes of it.",
        LINK,
    ),
    Misconception(
        "final-norm-and-untied",
        "Faults 5 and 6 have changed places. The weight of the final norm scales all logits; a row "
        "of a tied table scales the logit of its own token.",
        LINK,
    ),
    Misconception(
        "shared-and-untied",
        "Faults 4 and 6 have changed places. Both show in something that does *not* change: one "
        "when layer 1 changes, the other when a row of the table does.",
        LINK,
    ),
    *(_of_a_swap(name, *pair) for name, pair in OTHER_SWAPS.items()),
    *(
        Misconception(
            name,
            "Three letters or more are out of place, and the first of them is that of fault "
            f"{n}. {SIGNS[fault]}",
            LINK,
        )
        for n, (name, fault) in enumerate(MIXED.items(), 1)
    ),
    Misconception(
        "moves-most",
        "For each experiment this is the decoder whose logits move most. Ask first what a sound "
        "one would do: where it moves, the fault shows in a decoder that does not.",
        LINK,
    ),
    Misconception(
        "moves-least",
        "For each experiment this is the decoder whose logits move least. Ask first what a sound "
        "one would do: where it stays as it is, the fault shows in a decoder that moves.",
        LINK,
    ),
    Misconception(
        "numbers-of-the-faults",
        "These are the faults of decoders A to F, in this order. Wanted are the letters of the "
        "decoders that have faults 1 to 6.",
        LINK,
    ),
    Misconception(
        "order-reversed",
        "The letters are right, from the last fault to the first.",
        LINK,
    ),
]

EXERCISE = decision(
    id="decoder/find_faults",
    callable="find_faults",
    title="Six broken decoders",
    parts={"all": 3},
    minutes=15,
    difficulty="hard",
    link=LINK,
    draw=draw,
    misconceptions=MISCONCEPTIONS,
)
