"""fine_tuning/sft_batch: inputs, shifted targets, and -100 where nothing is to be predicted."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.fine_tuning.draw import example

LINK = "fine-tuning-shift"
MASK = "fine-tuning-mask"
PAD = "fine-tuning-padding"


def cases(rng: np.random.Generator) -> list[Case]:
    """One example and several, of lengths from 2 on; nothing learned and all; real pad tokens."""
    nine, five, seven = example(rng, 9, 4), example(rng, 5, 2), example(rng, 7, 3)
    gaps = (nine[0], np.array([0, 0, 1, 1, 0, 0, 1, 0, 1], dtype=bool))
    pads = (np.array([5, 0, 4, 0, 0]), np.array([False, False, True, True, True]))

    def case(says, examples, pad=0, name=""):
        return Case(says, {"examples": list(examples), "pad_id": pad}, axes="", name=name)

    return [
        case("one example", [nine], name="one"),
        case("two of the same length", [nine, example(rng, 9, 2)]),
        case("a long and a short one", [nine, five], name="two"),
        case("a short and a long one", [five, nine]),
        case("another pad_id", [nine, five], 77, name="other pad"),
        case("three of different lengths", [seven, nine, five]),
        case("replies with questions between", [gaps]),
        case("an example of two tokens", [example(rng, 2, 1)]),
        case("two tokens, and a longer one", [example(rng, 2, 1), seven]),
        case("an example of which nothing is learned", [example(rng, 6, 0), five]),
        case("an example of which everything is learned", [example(rng, 6, 6), five]),
        case("real tokens that equal pad_id", [pads, nine], name="real pads"),
        case("the same example twice", [seven, seven]),
        case("no examples", []),
    ]


# --- right in other ways ---------------------------------------------------------------------


def with_lists(examples, pad_id=0):
    """Plain lists, filled up row by row."""
    if len(examples) == 0:
        raise ValueError("nothing to batch")
    reads, wants = [], []
    for ids, learned in examples:
        ids, learned = ids.tolist(), learned.tolist()
        reads.append(ids[:-1])
        wants.append([ids[i] if learned[i] else -100 for i in range(1, len(ids))])
    longest = max(map(len, reads))
    reads = [row + [pad_id] * (longest - len(row)) for row in reads]
    wants = [row + [-100] * (longest - len(row)) for row in wants]
    return torch.tensor(reads), torch.tensor(wants)


def with_pad_sequence(examples, pad_id=0):
    """PyTorch's own padding, twice."""
    if not examples:
        raise ValueError("nothing to batch")
    pad = torch.nn.utils.rnn.pad_sequence
    inputs = pad([ids[:-1] for ids, _ in examples], batch_first=True, padding_value=pad_id)
    targets = [torch.where(learned, ids, -100)[1:] for ids, learned in examples]
    return inputs, pad(targets, batch_first=True, padding_value=-100)


def whole_first(examples, pad_id=0):
    """Pad whole examples, then cut both ends off; max raises ValueError by itself."""
    n = max(ids.numel() for ids, _ in examples)
    ids = torch.stack(
        [torch.nn.functional.pad(i, (0, n - len(i)), value=pad_id) for i, _ in examples]
    )
    on = torch.stack(
        [torch.nn.functional.pad(f, (0, n - len(f)), value=False) for _, f in examples]
    )
    targets = ids.clone()
    targets[~on] = -100
    inputs = ids[:, :-1].clone()
    for row, (own, _) in enumerate(examples):
        inputs[row, len(own) - 1 :] = pad_id
    return inputs, targets[:, 1:]


# --- wrong in known ways -----------------------------------------------------------------------

EMPTY = "if not examples:"
WIDTH = "width = max(len(token_ids) for token_ids, _ in examples) - 1"
INPUTS = "inputs = torch.full((len(examples), width), pad_id)"
TARGETS = "targets = torch.full((len(examples), width), -100)"
READ = "inputs[row, :n_inputs] = token_ids[:-1]"
WANTED = "wanted = token_ids[1:].masked_fill(~learned[1:], -100)"
WRITE = "targets[row, :n_inputs] = wanted"
RETURN = "return inputs, targets"

MISCONCEPTIONS = (
    Misconception(
        "mask-not-shifted",
        "The targets are shifted, and the flags are not: each flag is applied one place too late. "
        "The first token of a reply is lost, and something else is learned behind its last.",
        LINK,
        {WANTED: "wanted = token_ids[1:].masked_fill(~learned[:-1], -100)"},
    ),
    Misconception(
        "targets-not-shifted",
        "Each target is the very token that is read there. It has to be the next one.",
        LINK,
        {WANTED: "wanted = token_ids[:-1].masked_fill(~learned[:-1], -100)"},
    ),
    Misconception(
        "targets-not-shifted-but-flags",
        "Flags are shifted and the targets are not: where the next token is learned, the target is "
        "the token that is read.",
        LINK,
        {WANTED: "wanted = token_ids[:-1].masked_fill(~learned[1:], -100)"},
    ),
    Misconception(
        "shifted-twice",
        "Each target is the token after the next: shifted by two.",
        LINK,
        {WANTED: "wanted = token_ids[1:].masked_fill(~learned[1:], -100).roll(-1)\n"
                 "        wanted[-1] = -100"},
    ),
    Misconception(
        "loss-on-the-questions-too",
        "Every next token is a target, also where it is not learned. Only learned tokens are; -100 "
        "stands for all others.",
        MASK,
        {WANTED: "wanted = token_ids[1:]"},
    ),
    Misconception(
        "flags-turned-round",
        "Learned tokens are hidden and all others are targets: the flags are turned round.",
        MASK,
        {WANTED: "wanted = token_ids[1:].masked_fill(learned[1:], -100)"},
    ),
    Misconception(
        "zeros-for-no-target",
        "0 stands where no target is. 0 is a token like any other; -100 is none.",
        MASK,
        {WANTED: "wanted = token_ids[1:].masked_fill(~learned[1:], 0)"},
    ),
    Misconception(
        "pad-id-for-no-target",
        "`pad_id` stands in the targets. There it is a token to predict; -100 is none.",
        PAD,
        {TARGETS: "targets = torch.full((len(examples), width), pad_id)"},
    ),
    Misconception(
        "real-pads-hidden",
        "Real tokens that have the number of `pad_id` are no targets here. Where pad and end mark "
        "share a number, no reply learns to end.",
        PAD,
        {WRITE: "targets[row, :n_inputs] = wanted.masked_fill(wanted == pad_id, -100)"},
    ),
    Misconception(
        "inputs-hidden",
        "-100 stands in the inputs, too. The model reads everything; only targets are hidden.",
        MASK,
        {READ: "inputs[row, :n_inputs] = token_ids[:-1].masked_fill(~learned[:-1], -100)"},
    ),
    Misconception(
        "only-replies-are-read",
        "What is not learned is replaced in the inputs, so that the model does not see the "
        "questions. It reads everything; only targets are hidden.",
        MASK,
        {READ: "inputs[row, :n_inputs] = token_ids[:-1].masked_fill(~learned[:-1], pad_id)"},
    ),
    Misconception(
        "filled-on-the-left",
        "Short rows are filled on the left. They are filled on the right, where the causal mask "
        "keeps real tokens from seeing it.",
        PAD,
        {READ: "inputs[row, width - n_inputs :] = token_ids[:-1]",
         WRITE: "targets[row, width - n_inputs :] = wanted"},
    ),
    Misconception(
        "pad-id-ignored",
        "The inputs are filled with 0, whatever `pad_id` is.",
        PAD,
        {INPUTS: "inputs = torch.full((len(examples), width), 0)"},
    ),
    Misconception(
        "last-token-read",
        "The last token is among the inputs, so that the rows are one place too long. Nothing "
        "follows it.",
        LINK,
        {WIDTH: "width = max(len(token_ids) for token_ids, _ in examples)",
         "n_inputs = len(token_ids) - 1": "n_inputs = len(token_ids)",
         READ: "inputs[row, :n_inputs] = token_ids",
         WRITE: "targets[row, : n_inputs - 1] = wanted"},
    ),
    Misconception(
        "cut-to-the-shortest",
        "All rows are cut to the shortest example. A cut reply teaches to break off.",
        PAD,
        {WIDTH: "width = min(len(token_ids) for token_ids, _ in examples) - 1",
         "n_inputs = len(token_ids) - 1": "n_inputs = width",
         READ: "inputs[row, :n_inputs] = token_ids[:-1][:width]",
         WRITE: "targets[row, :n_inputs] = wanted[:width]"},
    ),
    Misconception(
        "sorted-by-length",
        "The rows do not stand in the order of the examples.",
        PAD,
        {WIDTH: WIDTH + "\n    examples = sorted(examples, key=lambda pair: -len(pair[0]))"},
    ),
    Misconception(
        "order-swapped",
        "Targets come first and inputs second. It should be the other way round.",
        LINK,
        {RETURN: "return targets, inputs"},
    ),
    Misconception(
        "floats",
        "The results hold floats. Token ids are whole numbers.",
        LINK,
        {RETURN: "return inputs.float(), targets.float()"},
    ),
    Misconception(
        "flags-for-targets",
        "The second result holds flags. The targets themselves are wanted.",
        MASK,
        {RETURN: "return inputs, targets != -100"},
    ),
    Misconception(
        "examples-changed",
        "The examples that came in were changed: -100 stands in their token ids now. Work on a "
        "copy.",
        MASK,
        {WANTED: "wanted = token_ids[1:].masked_fill_(~learned[1:], -100)"},
    ),
    Misconception(
        "nothing-for-no-examples",
        "Without examples something is returned. ValueError is wanted.",
        LINK,
        {EMPTY: "if not examples:\n        nothing = torch.empty(0, 0).long()\n"
                "        return nothing, nothing\n"
                "    if not examples:"},
    ),
)  # fmt: skip

EXERCISE = Exercise(
    id="fine_tuning/sft_batch",
    callable="sft_batch",
    title="A batch of examples",
    parts={"all": 3},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    equivalent={
        "without `if not examples:`": "max raises ValueError by itself",
        "`1` for `0`": "the check hands over every argument",
    },
    alternatives=(with_lists, with_pad_sequence, whole_first),
    properties=(
        Property(
            "as-many-targets-as-learned",
            "Of one example with four learned tokens there are not four targets.",
            MASK,
            ("one",),
            lambda pair: (np.asarray(pair[1]) != -100).sum() == 4,
        ),
        Property(
            "padding-changes-inputs-alone",
            "With another `pad_id` the targets changed: padding is never learned.",
            PAD,
            ("two", "other pad"),
            lambda two, other: np.array_equal(two[1], other[1]),
        ),
    ),
)  # fmt: skip
