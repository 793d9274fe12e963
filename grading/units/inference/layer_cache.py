"""inference/layer_cache: keys and values that are computed once."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception
from grading.units.inference import drive
from grading.units.inference.draw import normal

LINK, LENGTH = "inference-cache", "inference-cache-step"
GROWS, SHRINKS = "append and length", "truncate"


def cases(rng: np.random.Generator) -> list[Case]:
    """Prompts and single tokens, two caches by turns, cuts and what comes after them."""

    def kv(seq, batch=2, kv_heads=3, head_dim=5):
        shape = (batch, kv_heads, seq, head_dim)
        return [normal(rng, *shape), normal(rng, *shape)]

    def case(says, part, calls, name=""):
        return Case(says, {"calls": calls}, part, name=name)

    def add(seq, which=0, **sizes):
        return [which, "append", *kv(seq, **sizes)]

    ask, ask_other = [0, "length"], [1, "length"]
    small = {"batch": 1, "kv_heads": 1, "head_dim": 2}

    def cut(length, which=0):
        return [which, "truncate", length]

    return [
        case("a new cache", GROWS, [ask], "new"),
        case("a prompt of 4 tokens", GROWS, [add(4), ask], "prompt"),
        case("a prompt of 4 tokens, then one more", GROWS, [add(4), add(1), ask], "step"),
        case("three pieces", GROWS, [add(2), ask, add(3), ask, add(1), ask]),
        case("one text, one head, token by token", GROWS, [add(1, **small) for _ in range(3)]),
        case(
            "a batch of 5 with one head",
            GROWS,
            [add(2, batch=5, kv_heads=1), add(1, 0, batch=5, kv_heads=1), ask],
        ),
        case("two caches by turns", GROWS, [add(4), add(2, 1), add(1), add(1, 1), ask, ask_other]),
        case("a cut, and then one token more", SHRINKS, [add(5), cut(3), ask, add(1), ask], "cut"),
        case(
            "a cut in the second of three pieces",
            SHRINKS,
            [add(2), add(3), add(1), cut(4), ask, add(1)],
        ),
        case("a cut to the present length", SHRINKS, [add(3), cut(3), ask, add(1)]),
        case("a cut to nothing", SHRINKS, [add(3), cut(0), ask, add(2), ask]),
        case("two cuts", SHRINKS, [add(5), cut(4), cut(2), ask, add(1)]),
        case("an empty cache cut to 0", SHRINKS, [cut(0), ask, add(1)]),
        case(
            "a cut in one of two caches",
            SHRINKS,
            [add(4), add(4, 1), cut(1), ask, ask_other, add(1, 1)],
        ),
        case("a cut above the length", SHRINKS, [add(3), cut(4)]),
        case("a cut of an empty cache to 1", SHRINKS, [cut(1)]),
        case("a cut to -1", SHRINKS, [add(3), cut(-1)]),
    ]


# --- right in other ways ---------------------------------------------------------------------


class ListOfPieces:
    """Pieces in lists, joined when they are asked for."""

    def __init__(self):
        self.pieces = []

    def append(self, k, v):
        self.pieces.append((k, v))
        return torch.cat([k for k, _ in self.pieces], 2), torch.cat([v for _, v in self.pieces], 2)

    @property
    def length(self):
        return sum(k.size(2) for k, _ in self.pieces)

    def truncate(self, length):
        if length < 0 or length > self.length:
            raise ValueError(length)
        if self.pieces:
            keys, values = (torch.cat(part, 2) for part in zip(*self.pieces, strict=True))
            self.pieces = [(keys.narrow(2, 0, length), values.narrow(2, 0, length))]


class RoomInAdvance:
    """Memory for many positions made once; a counter says how many are filled."""

    def __init__(self):
        self.memory, self.length = None, 0

    def append(self, k, v):
        if self.memory is None:
            batch, heads, _, width = k.shape
            self.memory = torch.empty(2, batch, heads, 512, width, dtype=k.dtype)
        end = self.length + k.shape[-2]
        self.memory[:, :, :, self.length : end] = torch.stack((k, v))
        self.length = end
        keys, values = self.memory[..., :end, :]
        return keys, values

    def truncate(self, length):
        if length not in range(self.length + 1):
            raise ValueError(length)
        self.length = length


class TokenByToken:
    """A dict from a position to its key and value."""

    def __init__(self):
        self.at = {}

    def append(self, k, v):
        for i in range(k.shape[2]):
            self.at[len(self.at)] = (k[:, :, i], v[:, :, i])
        together = [torch.stack([pair[side] for pair in self.at.values()], 2) for side in (0, 1)]
        return together[0], together[1]

    @property
    def length(self):
        return len(self.at)

    def truncate(self, length):
        if not 0 <= length <= len(self.at):
            raise ValueError(length)
        self.at = {i: pair for i, pair in self.at.items() if i < length}


# --- wrong in known ways -----------------------------------------------------------------------


class SharedByAll:
    """A list that belongs to the class."""

    pieces: list = []  # noqa: RUF012

    def __init__(self):
        pass

    def append(self, k, v):
        self.pieces.append((k, v))
        return torch.cat([k for k, _ in self.pieces], 2), torch.cat([v for _, v in self.pieces], 2)

    @property
    def length(self):
        return sum(k.shape[2] for k, _ in self.pieces)

    def truncate(self, length):
        if not 0 <= length <= self.length:
            raise ValueError(length)
        if self.pieces:
            keys, values = (torch.cat(part, 2) for part in zip(*self.pieces, strict=True))
            self.pieces[:] = [(keys[:, :, :length], values[:, :, :length])]


class CounterAlone:
    """A cut that only the counter notices."""

    def __init__(self):
        self.pieces, self.length = [], 0

    def append(self, k, v):
        self.pieces.append((k, v))
        self.length += k.shape[2]
        return torch.cat([k for k, _ in self.pieces], 2), torch.cat([v for _, v in self.pieces], 2)

    def truncate(self, length):
        if not 0 <= length <= self.length:
            raise ValueError(length)
        self.length = length


class LengthCountsCalls:
    """How often something came."""

    def __init__(self):
        self.pieces = []

    def append(self, k, v):
        self.pieces.append((k, v))
        return torch.cat([k for k, _ in self.pieces], 2), torch.cat([v for _, v in self.pieces], 2)

    @property
    def length(self):
        return len(self.pieces)

    def truncate(self, length):
        if not 0 <= length <= self.length:
            raise ValueError(length)
        self.pieces = self.pieces[:length]


KEYS, VALUES = "torch.cat([self.keys, k], dim=2)", "torch.cat([self.values, v], dim=2)"
RESULT = "return self.keys, self.values"
CUT = "self.keys, self.values = self.keys[:, :, :length], self.values[:, :, :length]"
COUNT = "return 0 if self.keys is None else self.keys.shape[2]"
REFUSE = "if not 0 <= length <= self.length:"

MISCONCEPTIONS = (
    Misconception(
        "only-the-newest",
        "What comes back is the newest tokens' keys and values alone. The queries of the new "
        "tokens have to see all that came before, too.",
        LINK,
        {RESULT: "return k, v"},
    ),
    Misconception(
        "nothing-returned",
        "`append` returns nothing. The attention of the new tokens needs what it stores: return "
        "all keys and all values.",
        LINK,
        {RESULT: "return None"},
    ),
    Misconception(
        "overwritten",
        "Each call replaces what was stored, so that the past is lost. A cache grows.",
        LINK,
        {KEYS: "k", VALUES: "v"},
    ),
    Misconception(
        "newest-first",
        "The newest keys and values stand before the older ones. The order of positions must stay, "
        "or masks and later cuts meet the wrong tokens.",
        LINK,
        {KEYS: "torch.cat([k, self.keys], dim=2)", VALUES: "torch.cat([v, self.values], dim=2)"},
    ),
    Misconception(
        "joined-along-the-batch",
        "New tokens are joined along the batch axis, as if they were further texts. They are "
        "further positions of the same texts.",
        LINK,
        {KEYS: "torch.cat([self.keys, k], dim=0)", VALUES: "torch.cat([self.values, v], dim=0)"},
    ),
    Misconception(
        "joined-along-the-heads",
        "New tokens are joined along the axis of the heads. They are further positions: kv_seq "
        "grows.",
        LINK,
        {KEYS: "torch.cat([self.keys, k], dim=1)", VALUES: "torch.cat([self.values, v], dim=1)"},
    ),
    Misconception(
        "joined-along-head-dim",
        "New tokens are joined along the last axis, which makes the vectors wider. They are "
        "further positions: kv_seq grows.",
        LINK,
        {KEYS: "torch.cat([self.keys, k], dim=-1)", VALUES: "torch.cat([self.values, v], dim=-1)"},
    ),
    Misconception(
        "values-not-stored",
        "The keys of earlier tokens are there, but of the values only the newest. Both are needed: "
        "one to find a token, one to read it.",
        LINK,
        {VALUES: "v"},
    ),
    Misconception(
        "keys-for-values",
        "The keys come back in the place of the values too.",
        LINK,
        {RESULT: "return self.keys, self.keys"},
    ),
    Misconception(
        "values-before-keys",
        "The values come back first and the keys second. Keys first is what the caller expects.",
        LINK,
        {RESULT: "return self.values, self.keys"},
    ),
    Misconception(
        "state-before-this-call",
        "From the second call on, what comes back lacks the newest tokens. A token also attends to "
        "itself, so its own key and value belong to the result.",
        LINK,
        {
            KEYS: f"(before := self.keys, {KEYS})[1]",
            VALUES: f"(values := self.values, {VALUES})[1]\n            return before, values",
        },
    ),
    Misconception(
        "shared-by-all-caches",
        "All caches share one memory: what goes into one comes out of the other. A model has one "
        "for each layer and text. What is made in the class body or as a default belongs to all.",
        LINK,
        answer=SharedByAll,
    ),
    Misconception(
        "length-counts-calls",
        "`length` counts how often something was stored, not how many positions. A prompt of 4 "
        "tokens comes in one call and takes 4 places.",
        LENGTH,
        answer=LengthCountsCalls,
    ),
    Misconception(
        "length-of-the-batch",
        "`length` is the number of texts in the batch. The position of the next token is the "
        "number of positions stored.",
        LENGTH,
        {COUNT: "return 0 if self.keys is None else len(self.keys)"},
    ),
    Misconception(
        "length-of-the-heads",
        "`length` is the number of KV heads, which stands on the second axis. Positions are "
        "counted along the third, kv_seq.",
        LENGTH,
        {COUNT: "return 0 if self.keys is None else self.keys.shape[1]"},
    ),
    Misconception(
        "length-counts-all-numbers",
        "`length` counts positions once for every text, or for every head. All texts of a batch "
        "are equally long: count the positions of one.",
        LENGTH,
        {COUNT: "return 0 if self.keys is None else self.keys.shape[2] * self.keys.shape[0]"},
    ),
    Misconception(
        "last-position",
        "`length` is the position of the newest token, one less than how many there are. The next "
        "token would stand on top of it.",
        LENGTH,
        {COUNT: "return 0 if self.keys is None else max(self.keys.shape[2] - 1, 0)"},
    ),
    Misconception(
        "newest-kept",
        "`truncate` keeps the newest positions and forgets the first. It is there to go back: the "
        "first ones stay.",
        LINK,
        {
            CUT: "n = self.length - length\n"
            "            self.keys, self.values = self.keys[:, :, n:], self.values[:, :, n:]"
        },
    ),
    Misconception(
        "cut-from-minus-length",
        "`truncate` takes the slice from -length on: that is the newest positions, and for 0 all "
        "of them. The first ones should stay.",
        LINK,
        {CUT: CUT.replace("[:, :, :length]", "[:, :, -length:]")},
    ),
    Misconception(
        "heads-cut",
        "`truncate` cuts the second axis, the KV heads. Positions stand on the third: "
        "batch kv_heads kv_seq head_dim.",
        LINK,
        {CUT: CUT.replace("[:, :, :length]", "[:, :length]")},
    ),
    Misconception(
        "that-many-dropped",
        "`truncate(length)` takes `length` positions away. It should leave that many.",
        LINK,
        {
            CUT: "n = self.length - length\n"
            "            self.keys, self.values = self.keys[:, :, :n], self.values[:, :, :n]"
        },
    ),
    Misconception(
        "keys-cut-alone",
        "`truncate` cuts the keys and leaves the values as long as they were: they no longer "
        "belong together.",
        LINK,
        {CUT: "self.keys = self.keys[:, :, :length]"},
    ),
    Misconception(
        "counter-cut-alone",
        "After `truncate`, `length` is right, but the forgotten keys and values come back with the "
        "next token.",
        LINK,
        answer=CounterAlone,
    ),
    Misconception(
        "everything-forgotten",
        "`truncate` empties the cache, whatever length was asked for.",
        LINK,
        {CUT: "self.keys = self.values = None"},
    ),
    Misconception(
        "any-length-accepted",
        "`truncate` accepts a length that the cache does not have. The docstring promises a "
        "ValueError: a slice would hide the slip of the caller.",
        LINK,
        {REFUSE: "if False:"},
    ),
    Misconception(
        "negative-length-accepted",
        "`truncate(-1)` cuts the last position off, as a slice does. The docstring promises a "
        "ValueError.",
        LINK,
        {REFUSE: "if length > self.length:"},
    ),
)


EXERCISE = Exercise(
    id="inference/layer_cache",
    callable="LayerCache",
    title="A cache for one layer",
    parts={GROWS: 2, SHRINKS: 1},
    minutes=15,
    difficulty="medium",
    link=LINK,
    cases=cases,
    drive=drive.two_caches,
    misconceptions=MISCONCEPTIONS,
    equivalent={
        "`self.keys is None and self.values is None` for "
        "`self.keys is None or self.values is None`": "they are None together",
        "`self.keys is not None or self.values is not None` for "
        "`self.keys is not None and self.values is not None`": "they are None together",
        "`dim=-2` for `dim=2`": "the same of four axes",
        "`dim=-2` for `dim=2` (2)": "the same of four axes",
    },
    alternatives=(ListOfPieces, RoomInAdvance, TokenByToken),
)
