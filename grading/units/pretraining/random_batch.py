"""pretraining/random_batch: windows from random places of a text."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception
from grading.judging.measures import Frequencies
from grading.kernel import RandomState
from grading.units.pretraining import drive
from grading.units.pretraining.draw import ids

LINK = "pretraining-batches"


def equally_likely(inputs) -> np.ndarray:
    """The probability of every start, 0 for where no whole window can start."""
    n_tokens = len(inputs["token_ids"])
    n_starts = n_tokens - inputs["context_length"]
    return (np.arange(n_tokens) < n_starts) / n_starts


def cases(rng: np.random.Generator) -> list[Case]:
    """Which places are drawn, what a window holds, texts of exactly one window and shorter."""
    counting = np.arange(23) + int(rng.integers(5, 60))
    starts = Frequencies(equally_likely)
    one = ids(rng, 90, 6)
    return [
        _case(rng, "3,000 windows of 5 tokens from 23", counting, 5, 3000, "starts", starts),
        _case(rng, "the places of 3,000 windows of 5", counting, 5, 3000, "places"),
        _case(rng, "the places of windows of one token", counting[:7], 1, 3000, "places"),
        _case(rng, "the places of windows of which two differ", counting[:8], 6, 3000, "places"),
        _case(rng, "more windows than places, each minus its first", counting[:9], 5, 29),
        _case(rng, "the next draw of the same generator", counting, 5, 50, "once more"),
        _case(rng, "whether 9 windows start one after the other", counting, 5, 9, "in a row"),
        _case(rng, "windows of 5, each minus its first token", counting, 5, 3),
        _case(rng, "windows of one token, each minus its first", counting, 1, 3),
        _case(rng, "a batch of one window", counting, 5, 1),
        _case(rng, "a generator in the same state again", counting, 5, 50, "repeated"),
        _case(
            rng, "the types of both, for a text in bytes", counting.astype(np.uint8), 5, 3, "types"
        ),
        _case(rng, "a text in bytes", counting.astype(np.uint8), 5, 3),
        _case(rng, "a text in 16 bits", counting.astype(np.int16), 5, 3),
        _case(rng, "a text of exactly one window", one, 5, 2, "as it is"),
        _case(rng, "a text that is one token too short", one, 6, 2, "as it is"),
        _case(rng, "a text that is far too short", one, 11, 2, "as it is"),
    ]


def _case(rng, says, token_ids, context_length, batch_size, view="from the start", compare=None):
    inputs = {
        "token_ids": token_ids,
        "context_length": context_length,
        "batch_size": batch_size,
        "generator": RandomState(int(rng.integers(10**6)), "torch"),
        "view": view,
    }
    axes = "batch seq" if view in ("from the start", "as it is") else ""
    return Case(says, inputs, axes=axes, compare=compare)


# --- right in other ways ---------------------------------------------------------------------


def _check(token_ids, context_length):
    if len(token_ids) < context_length + 1:
        raise ValueError("the text is too short")


def window_by_window(token_ids, context_length, batch_size, generator):
    """A loop of slices."""
    _check(token_ids, context_length)
    inputs, targets = [], []
    for _ in range(batch_size):
        i = int(torch.randint(0, len(token_ids) - context_length, (1,), generator=generator))
        inputs.append(token_ids[i : i + context_length])
        targets.append(token_ids[i + 1 : i + 1 + context_length])
    return torch.stack(inputs).to(torch.int64), torch.stack(targets).to(torch.int64)


def all_windows_first(token_ids, context_length, batch_size, generator):
    """Every window there is, by unfold; rows of them are chosen with multinomial."""
    _check(token_ids, context_length)
    windows = token_ids.long().unfold(0, context_length + 1, 1)
    even = torch.ones(len(windows))
    chosen = torch.multinomial(even, batch_size, replacement=True, generator=generator)
    return windows[chosen, :-1], windows[chosen, 1:]


def from_shares(token_ids, context_length, batch_size, generator):
    """A random share of the text, rounded down to a place."""
    _check(token_ids, context_length)
    share = torch.rand(batch_size, generator=generator, dtype=torch.float64)
    start = (share * (len(token_ids) - context_length)).floor().long()
    places = start.unsqueeze(1) + torch.arange(context_length)
    return token_ids.long().take(places), token_ids.long().take(places + 1)


# --- wrong in known ways -----------------------------------------------------------------------

COUNT = "n_starts = len(token_ids) - context_length"
CHECK = "if n_starts < 1:"
DRAW = "torch.randint(n_starts, (batch_size,), generator=generator)"
OFFSETS = "torch.arange(context_length + 1)"
WINDOWS = "token_ids[starts[:, None] + offsets].long()"
RESULT = "return shift(windows)"

MISCONCEPTIONS = (
    Misconception(
        "last-start-never-drawn",
        "The last place where a window fits is never drawn: the upper end of `randint` is not "
        "included already, and one more was taken off.",
        LINK,
        {DRAW: DRAW.replace("n_starts", "max(n_starts - 1, 1)")},
    ),
    Misconception(
        "last-start-taken-off",
        "The last place where a window fits is missing, and a text of exactly one window is "
        "refused: 1 was taken off once too often. A window from place 0 needs `context_length` + 1 "
        "tokens, no more.",
        LINK,
        {COUNT: COUNT + " - 1"},
    ),
    Misconception(
        "last-two-starts-never-drawn",
        "The last two places where a window fits are never drawn. The last window ends with the "
        "last token of the text.",
        LINK,
        {DRAW: DRAW.replace("n_starts", "max(n_starts - 2, 1)")},
    ),
    Misconception(
        "first-start-never-drawn",
        "The window at place 0 is never drawn. Places count from 0.",
        LINK,
        {DRAW: "torch.randint(min(1, n_starts - 1), n_starts, (batch_size,), generator=generator)"},
    ),
    Misconception(
        "start-too-far",
        "A window may start where its last target lies behind the end of the text. It holds one "
        "token more than its inputs.",
        LINK,
        {
            COUNT: "n_starts = len(token_ids) - context_length + 1",
            WINDOWS: "token_ids[(starts[:, None] + offsets).clamp(max=len(token_ids) - 1)].long()",
        },
    ),
    Misconception(
        "runs-off-the-text",
        "Places near the end of the text are drawn, where no whole window fits, and reading it "
        "fails. How many places are there from which a window and its targets fit?",
        LINK,
        {DRAW: DRAW.replace("n_starts", "len(token_ids)")},
    ),
    Misconception(
        "continues-at-the-beginning",
        "A window that runs over the end of the text goes on at its beginning. Those two pieces "
        "never stood side by side.",
        LINK,
        {
            DRAW: DRAW.replace("n_starts", "len(token_ids)"),
            WINDOWS: "token_ids[(starts[:, None] + offsets) % len(token_ids)].long()",
        },
    ),
    Misconception(
        "one-place-for-all",
        "All windows of the batch start at the same place: one place was drawn for the batch. Each "
        "row has its own.",
        LINK,
        {DRAW: "torch.randint(n_starts, (1,), generator=generator).expand(batch_size)"},
    ),
    Misconception(
        "nothing-drawn",
        "The windows come one after the other from the start of the text. They should start at "
        "random places.",
        LINK,
        {DRAW: "torch.arange(batch_size) % n_starts"},
    ),
    Misconception(
        "windows-side-by-side",
        "Windows start only at multiples of their length. Every place is wanted, else a token has "
        "the same place in its window each time.",
        LINK,
        {
            DRAW: "torch.randint((n_starts - 1) // context_length + 1, (batch_size,), "
            "generator=generator) * context_length"
        },
    ),
    Misconception(
        "never-again",
        "No place is drawn twice. Each draw is independent of the others, so a batch may be larger "
        "than the number of places.",
        LINK,
        {DRAW: "torch.randperm(n_starts, generator=generator)[:batch_size]"},
    ),
    Misconception(
        "generator-seeded-anew",
        "The generator is seeded anew inside, so every batch of a run is the same one. Whoever "
        "hands it in has seeded it: only draw.",
        LINK,
        {COUNT: "generator.manual_seed(0)\n    " + COUNT},
    ),
    Misconception(
        "generator-not-used",
        "The places do not come from the generator that was handed in, so nobody can draw the same "
        "batch again. Pass it on where you draw.",
        LINK,
        {DRAW: "torch.randint(n_starts, (batch_size,))"},
    ),
    Misconception(
        "not-shifted",
        "The targets are the inputs themselves. The target of a position is the next token.",
        "pretraining-shift",
        {RESULT: "return windows[:, :-1], windows[:, :-1]"},
    ),
    Misconception(
        "next-window-as-targets",
        "The targets are the whole window that follows the inputs. The target of each position is "
        "the next token: inputs and targets overlap in all but one.",
        "pretraining-shift",
        {
            COUNT: "n_starts = len(token_ids) - 2 * context_length + 1",
            OFFSETS: "torch.arange(2 * context_length)",
            RESULT: "return windows[:, :context_length], windows[:, context_length:]",
        },
    ),
    Misconception(
        "shifted-within-the-window",
        "The windows are one token short: a window of `context_length` tokens was shifted, and "
        "shifting takes one. Read one token more than the inputs need.",
        LINK,
        {OFFSETS: "torch.arange(context_length)"},
    ),
    Misconception(
        "one-token-too-many",
        "The windows are one token too long. With its targets, a window holds one token more than "
        "`context_length`, and no two.",
        LINK,
        {
            OFFSETS: "torch.arange(context_length + 2)",
            WINDOWS: "token_ids[(starts[:, None] + offsets).clamp(max=len(token_ids) - 1)].long()",
        },
    ),
    Misconception(
        "type-kept",
        "The ids keep the narrow type of the text. An embedding and a loss want int64; the "
        "docstring promises it.",
        LINK,
        {WINDOWS: "token_ids[starts[:, None] + offsets]"},
    ),
    Misconception(
        "axes-swapped",
        "The axes have changed places: a row for each window, a column for each position.",
        LINK,
        {RESULT: "return shift(windows)[0].T, shift(windows)[1].T"},
    ),
    Misconception(
        "short-text-accepted",
        "A text that is too short for a window and its targets is not refused with a ValueError.",
        LINK,
        {
            CHECK: "if n_starts < 0:",
            DRAW: DRAW.replace("n_starts", "max(n_starts, 1)"),
            WINDOWS: "token_ids[(starts[:, None] + offsets).clamp(max=len(token_ids) - 1)].long()",
        },
    ),
    Misconception(
        "last-target-not-counted",
        "A text with room for the inputs of a window alone is accepted, and its last target is "
        "missing. Window and targets take one token more than `context_length`.",
        LINK,
        {
            CHECK: "if n_starts < 0:",
            DRAW: DRAW.replace("n_starts", "max(n_starts, 1)"),
            WINDOWS: "token_ids[(starts[:, None] + offsets).clamp(max=len(token_ids) - 1)].long()",
            RESULT: "return shift(windows)[0], shift(windows)[1][:, : len(token_ids) - 1]",
        },
    ),
    Misconception(
        "length-not-checked",
        "Where the text is too short, it fails later with another error. Check first, and raise "
        "the ValueError that is promised.",
        LINK,
        {CHECK: "if False:"},
    ),
)

EXERCISE = Exercise(
    id="pretraining/random_batch",
    callable="random_batch",
    title="A random batch",
    parts={"all": 2},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(window_by_window, all_windows_first, from_shares),
    drive=drive.drawn,
    depends=("pretraining/shift",),
)
