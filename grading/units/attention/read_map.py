"""attention/read_map: what a head looked at, read off its weights."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception
from grading.units.attention.draw import normal

AXES = "n_layers heads"


def cases(rng: np.random.Generator) -> list[Case]:
    """Words of one and of several tokens, in the middle and at the end of a sentence."""
    words = {
        "two words of one token each": (2, 3, 7, [4], [2]),
        "a word of three tokens that looks": (2, 3, 11, [5, 6, 7], [2]),
        "a word of two tokens that is looked at": (3, 5, 11, [8], [3, 4]),
        "two words of several tokens": (2, 5, 13, [9, 10], [2, 3, 4]),
        "a word at the end and its neighbour": (2, 3, 7, [6], [5]),
        "a word that looks at itself": (2, 3, 7, [3, 4], [3, 4]),
    }
    return [
        Case(
            f"{says} ({asks} looks at {seen})",
            {"maps": _maps(rng, *sizes), "from_word": asks, "to_word": seen},
            axes=AXES,
        )
        for says, (*sizes, asks, seen) in words.items()
    ]


def _maps(rng, n_layers: int, heads: int, seq: int) -> np.ndarray:
    """Causal maps with a sink: position 0 takes 10 to 70% of a row, in some rows 95 to 100%."""
    scores = 2 * normal(rng, n_layers, heads, seq, seq)
    scores[..., 0] = -np.inf
    seen = np.exp(scores) * np.tril(np.ones((seq, seq)))
    sink = rng.uniform(0.1, 0.7, size=(n_layers, heads, seq, 1))
    sink[rng.integers(n_layers), rng.integers(heads)] = rng.uniform(0.95, 0.999, size=(seq, 1))
    sink[rng.integers(n_layers), rng.integers(heads)] = 1.0
    # One head parks a single row and reads with all others.
    sink[rng.integers(n_layers), rng.integers(heads), rng.integers(seq)] = 0.97
    maps = seen / np.maximum(seen.sum(-1, keepdims=True), 1e-9) * (1 - sink)
    maps[..., 0] = 1 - maps[..., 1:].sum(-1)
    return maps.astype(np.float32)


# --- right in other ways ---------------------------------------------------------------------


def layer_by_layer(maps, from_word, to_word):
    """Plain loops over Python numbers."""
    table = torch.zeros(maps.shape[:2])
    for layer, heads in enumerate(maps.tolist()):
        for head, rows in enumerate(heads):
            row = rows[from_word[-1]]
            if row[0] <= 0.9:
                table[layer, head] = sum(row[j] for j in to_word) / sum(row[1:])
    return table


def with_a_selector(maps, from_word, to_word):
    """The word as a vector of zeros and ones; the sink taken off the total."""
    row = maps.double()[..., max(from_word), :]
    word = torch.zeros(row.shape[-1], dtype=row.dtype)
    word[list(to_word)] = 1.0
    rest = row.sum(-1) - row[..., 0]
    share = row @ word / rest.clamp(min=1e-12)
    return (share * (row[..., 0] <= 0.9)).float()


def each_word_token_apart(maps, from_word, to_word):
    """Weights of one token after the other, added up; the sink decides by `torch.where`."""
    asks = from_word[len(from_word) - 1]
    looked = torch.stack([maps[:, :, asks, j] for j in to_word]).sum(dim=0)
    parked = maps[:, :, asks, 0]
    share = looked / (1 - parked).clamp(min=1e-9)
    return torch.where(parked > 0.9, torch.zeros_like(share), share)


# --- wrong in known ways -----------------------------------------------------------------------

ROW = "maps[:, :, from_word[-1]]"
WORD = "row[..., to_word].sum(dim=-1)"
REST = "row[..., 1:].sum(dim=-1)"
SHARE = "share = looked / rest"
PARKED = "share.masked_fill(row[..., 0] > 0.9, 0.0)"

MISCONCEPTIONS = (
    Misconception(
        "column-read",
        "This reads down a column: who looks at the first word, instead of where it looks. A row "
        "belongs to the position that looks, a column to the one that is looked at.",
        "attention-reading-maps",
        {ROW: "maps[:, :, :, from_word[-1]]"},
    ),
    Misconception(
        "column-as-it-is",
        "These numbers stand in a column: who looks at `from_word`. Where it looks stands in its "
        "row, and only in a row does position 0 have to be taken out.",
        "attention-reading-maps",
        {ROW: "maps[:, :, :, from_word[-1]]", SHARE: "share = looked"},
    ),
    Misconception(
        "indices-swapped",
        "The two positions have changed places where the weights are read: these are the weights "
        "with which `to_word` looks at `from_word`, and a causal model never looks ahead.",
        "attention-reading-maps",
        {WORD: "maps[:, :, to_word, from_word[-1]].sum(dim=-1)"},
    ),
    Misconception(
        "index-lists-paired",
        "Two lists as indices are taken in pairs: first with first, second with second. The word "
        "that looks has one row, the one of its last token; the other list picks from that row.",
        "attention-reading-maps",
        {WORD: "maps[:, :, from_word, to_word].sum(dim=-1)"},
    ),
    Misconception(
        "threshold-reversed",
        "The comparison with 0.9 is the wrong way round: heads that read are set to 0, and those "
        "that park nearly everything on position 0 are kept.",
        "attention-reading-maps",
        {PARKED: "share.masked_fill(row[..., 0] < 0.9, 0.0)"},
    ),
    Misconception(
        "words-swapped",
        "The two words have changed places: this is how much `to_word` looks at `from_word`. In a "
        "causal model an earlier word cannot look at a later one, hence the zeros.",
        "attention-reading-maps",
        {ROW: ROW.replace("from", "to"), WORD: WORD.replace("to_word", "from_word")},
    ),
    Misconception(
        "first-token-asks",
        "The row is that of the first token of `from_word`. A causal model has not seen the rest "
        "of the word there: the last token is the first that knows the whole word.",
        "attention-reading-maps",
        {ROW: ROW.replace("-1", "0")},
    ),
    Misconception(
        "sentence-end-asks",
        "The row is that of the last position of the sentence, whichever word was asked for: take "
        "the last token of `from_word`.",
        "attention-reading-maps",
        {ROW: "maps[:, :, -1]"},
    ),
    Misconception(
        "rows-averaged",
        "The rows of all tokens of `from_word` are averaged; the early ones have not seen the "
        "whole word yet. Its last token alone speaks for it.",
        "attention-reading-maps",
        {ROW: "maps[:, :, from_word].mean(dim=2)"},
    ),
    Misconception(
        "tokens-averaged",
        "The weights on the tokens of `to_word` are averaged, so long words seem to get less. The "
        "weights of a row are shares of a whole: shares add up.",
        "attention-reading-maps",
        {WORD: WORD.replace("sum", "mean")},
    ),
    Misconception(
        "last-token-only",
        "Only the last token of `to_word` is counted; a query may look at any of its tokens, so "
        "add up all of them.",
        "attention-reading-maps",
        {WORD: "row[..., to_word[-1]]"},
    ),
    Misconception(
        "last-token-left-out",
        "The last token of `to_word` is left out: a slice ends before its second number. Here you "
        "have the list of all positions and can index with it.",
        "attention-reading-maps",
        {WORD: "row[..., to_word[0] : to_word[-1]].sum(dim=-1)"},
    ),
    Misconception(
        "strongest-token-only",
        "Only the token of `to_word` with the largest weight is counted; what goes to the others "
        "is attention to the word, too.",
        "attention-reading-maps",
        {WORD: WORD.replace("sum", "amax")},
    ),
    Misconception(
        "sink-kept",
        "Position 0 still has its share, which in most heads is the largest: take it out, and let "
        "the rest of the row sum to 1 again.",
        "attention-reading-maps",
        {SHARE: "share = looked"},
    ),
    Misconception(
        "weights-as-they-are",
        "These are the weights as they stand in the map: the share of position 0 is neither taken "
        "out nor looked at, and in most heads it is the largest.",
        "attention-reading-maps",
        {SHARE: "share = looked", PARKED: "share"},
    ),
    Misconception(
        "positions-shifted",
        "After position 0 was cut off, everything moved one place to the left, and the word's "
        "positions still count from the old start: the neighbours to the right are read.",
        "attention-reading-maps",
        {WORD: "row[..., [min(j + 1, row.shape[-1] - 1) for j in to_word]].sum(dim=-1)"},
    ),
    Misconception(
        "softmax-instead-of-division",
        "What is left after taking out position 0 goes through a softmax. These are weights "
        "already, not scores: divide them by their sum.",
        "attention-softmax-axis",
        {
            WORD: "row[..., 1:].softmax(dim=-1)[..., [j - 1 for j in to_word]].sum(dim=-1)",
            SHARE: "share = looked",
        },
    ),
    Misconception(
        "parked-heads-kept",
        "Heads that park more than 0.9 of the row on position 0 are kept. Dividing the crumbs "
        "that are left by their own tiny sum makes noise look like attention.",
        "attention-reading-maps",
        {PARKED: "share.nan_to_num(0.0)"},
    ),
    Misconception(
        "parked-heads-nan",
        "Heads that park more than 0.9 of the row on position 0 are kept: their crumbs look like "
        "attention, and where nothing is left, 0 / 0 is NaN. Their share is 0.",
        "attention-reading-maps",
        {PARKED: "share"},
    ),
    Misconception(
        "nan-times-zero",
        "Where position 0 has the whole row, 0 / 0 is NaN, and NaN times 0 is NaN still. Put the 0 "
        "there with `masked_fill` or `torch.where` instead of multiplying by it.",
        "attention-fully-masked",
        {PARKED: "share * (row[..., 0] <= 0.9)"},
    ),
    Misconception(
        "maps-changed",
        "The shares are right, but the maps were written to on the way: whoever passed them in "
        "has lost position 0. Work on a copy, or on a slice you only read.",
        "attention-reading-maps",
        {
            f"rest = {REST}": "sink = row[..., 0].clone()\n    row[..., 0] = 0",
            SHARE: "share = looked / row.sum(dim=-1)",
            PARKED: "share.masked_fill(sink > 0.9, 0.0)",
        },
    ),
)

EXERCISE = Exercise(
    id="attention/read_map",
    callable="read_map",
    title="Read an attention map",
    parts={"all": 3},
    minutes=12,
    difficulty="medium",
    link="attention-reading-maps",
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(layer_by_layer, with_a_selector, each_word_token_apart),
    equivalent={
        "`row[..., 0] >= 0.9` for `row[..., 0] > 0.9`": "no float32 is exactly 0.9",
    },
)
