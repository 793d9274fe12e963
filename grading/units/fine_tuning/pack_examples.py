"""fine_tuning/pack_examples: several examples in each row, whole, and whose token is whose."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.fine_tuning import draw

LINK = "fine-tuning-packing"


def cases(rng: np.random.Generator) -> list[Case]:
    """Rows that are just full, rows to come back to, sizes of 1, what does not fit."""

    def case(says, lengths, context=9, pad=0, name="", learned=2):
        examples = [draw.example(rng, n, min(learned, n)) for n in lengths]
        return _case(says, examples, context, pad, name)

    four = [draw.example(rng, n, 2) for n in (5, 4, 7, 3)]
    return [
        case("one example", (6,), name="one"),
        case("one example that fills its row", (10,)),
        case("two examples that share a row", (5, 4), name="share"),
        case("two examples that fill a row to its last place", (6, 5), name="full"),
        case("two examples of which the second is one place too long", (6, 6)),
        case("a third one that goes back into the first row", (6, 7, 4), name="back"),
        case("several that leave room in three rows", (7, 8, 6, 3, 4, 2, 2)),
        case("three short ones that leave one place", (4, 4, 3)),
        case("short ones before long ones", (3, 4, 9, 8, 2)),
        _case("four examples", four, 9, 0, "four"),
        _case("the same four in longer rows", four, 20, 0, "longer"),
        _case("the same four with another pad_id", four, 9, 77, "other pad"),
        case("examples of which everything is learned", (4, 5, 3), learned=9, name="all learned"),
        case("examples of two tokens in rows of one place", (2, 2, 2), context=1),
        case("a row that is left for one that fits less well", (4, 8, 3, 5)),
        case("an example that is too long by one", (4, 11)),
        case("no examples", ()),
    ]


def _case(says, examples, context, pad, name) -> Case:
    inputs = {"examples": examples, "context_length": context, "pad_id": pad}
    return Case(says, inputs, axes="", name=name)


# --- right in other ways ---------------------------------------------------------------------


def with_lists(examples, context_length, pad_id=0):
    """Rows as three growing lists each."""
    rows = []
    for number, (ids, learned) in enumerate(examples):
        ids, learned = ids.tolist(), learned.tolist()
        wanted = [t if on else -100 for t, on in zip(ids[1:], learned[1:], strict=True)]
        if len(wanted) > context_length:
            raise ValueError("too long")
        for row in rows:
            if len(row[0]) + len(wanted) <= context_length:
                break
        else:
            row = ([], [], [])
            rows.append(row)
        row[0].extend(ids[:-1])
        row[1].extend(wanted)
        row[2].extend([number] * len(wanted))
    if not rows:
        raise ValueError("none")
    filled = []
    for k, filler in enumerate((pad_id, -100, -1)):
        filled.append([row[k] + [filler] * (context_length - len(row[k])) for row in rows])
    return tuple(torch.tensor(table) for table in filled)


def into_a_large_table(examples, context_length, pad_id=0):
    """A row for each example at first; those that stay empty are cut off."""
    n = len(examples)
    if n == 0 or max(len(ids) for ids, _ in examples) - 1 > context_length:
        raise ValueError("nothing, or too long")
    inputs = torch.full((n, context_length), pad_id)
    targets, owners = torch.full_like(inputs, -100), torch.full_like(inputs, -1)
    used = [0] * n
    for number, (ids, learned) in enumerate(examples):
        length = len(ids) - 1
        row = next(r for r in range(n) if used[r] + length <= context_length)
        places = torch.arange(used[row], used[row] + length)
        inputs[row, places] = ids[:length]
        targets[row, places] = torch.where(learned, ids, -100)[1:]
        owners[row].index_fill_(0, places, number)
        used[row] += length
    n_rows = sum(u > 0 for u in used)
    return inputs[:n_rows], targets[:n_rows], owners[:n_rows]


def by_places(examples, context_length, pad_id=0):
    """First a row and a start for each, then everything is written."""
    ends, plan = [], []
    for ids, _ in examples:
        n = ids.shape[0] - 1
        fits = [r for r, end in enumerate(ends) if context_length - end >= n] or [len(ends)]
        if fits[0] == len(ends):
            ends.append(0)
        plan.append((fits[0], ends[fits[0]]))
        ends[fits[0]] += n
    if not ends or max(ends) > context_length:
        raise ValueError("an example that fits nowhere, or none")
    out = torch.tensor([pad_id, -100, -1]).repeat(len(ends), context_length, 1)
    for number, ((row, start), (ids, learned)) in enumerate(zip(plan, examples, strict=True)):
        for i in range(len(ids) - 1):
            wanted = int(ids[i + 1]) if learned[i + 1] else -100
            out[row, start + i] = torch.tensor([int(ids[i]), wanted, number])
    return out[..., 0], out[..., 1], out[..., 2]


# --- wrong in known ways -----------------------------------------------------------------------

EMPTY = "if not examples:"
ORDER = "for number, (token_ids, _) in enumerate(examples):"
LONG = "if length > context_length:"
FITTING = "fitting = [row for row in range(len(rows)) if room[row] >= length]"
CHOSEN = "chosen = fitting[0] if fitting else len(rows) - 1"
TAKE = "room[chosen] -= length"
INPUTS = "inputs, targets = torch.full(shape, pad_id), torch.full(shape, -100)"
IDS = "document_ids = torch.full(shape, -1)"
WRITE = "inputs[row, start:end], targets[row, start:end] = one_input[0], one_target[0]"
NUMBER = "document_ids[row, start:end] = number"
RETURN = "return inputs, targets, document_ids"

MISCONCEPTIONS = (
    Misconception(
        "one-a-row",
        "Every example has a row of its own: nothing is packed.",
        LINK,
        {FITTING: "fitting = []"},
    ),
    Misconception(
        "only-the-last-row",
        "Only the last row is looked at. An example goes into the first row that has room, which "
        "may be an earlier one.",
        LINK,
        {FITTING: "fitting = [r for r in range(len(rows)) if room[r] >= length][-1:]\n"
                  "        fitting = [r for r in fitting if r == len(rows) - 1]"},
    ),
    Misconception(
        "last-row-that-fits",
        "An example goes into the last row that has room. The first was asked for.",
        LINK,
        {CHOSEN: "chosen = fitting[-1] if fitting else len(rows) - 1"},
    ),
    Misconception(
        "fullest-row",
        "An example goes into the row where it fits most tightly. The first that has room was "
        "asked for.",
        LINK,
        {CHOSEN: "chosen = min(fitting, key=lambda row: room[row]) if fitting else len(rows) - 1"},
    ),
    Misconception(
        "emptiest-row",
        "An example goes into the row with the most room. The first that has enough was asked for.",
        LINK,
        {CHOSEN: "chosen = max(fitting, key=lambda row: room[row]) if fitting else len(rows) - 1"},
    ),
    Misconception(
        "last-place-never-used",
        "An example that would fill a row to its last place is put into another one. It fits.",
        LINK,
        {FITTING: "fitting = [row for row in range(len(rows)) if room[row] > length]"},
    ),
    Misconception(
        "one-place-too-many",
        "Each example takes a place too many. One of n tokens has n - 1 inputs.",
        LINK,
        {TAKE: "room[chosen] -= length + 1"},
    ),
    Misconception(
        "longest-first",
        "The examples were sorted by length first. They come in their order.",
        LINK,
        {ORDER: "ordered = sorted(enumerate(examples), key=lambda pair: -len(pair[1][0]))\n"
                "    for number, (token_ids, _) in ordered:"},
    ),
    Misconception(
        "next-example-predicted",
        "At its last place an example predicts the first token of the one behind it. That is "
        "another text: nothing follows.",
        LINK,
        {RETURN: "for row in range(len(rows)):\n"
                 "        for i in range(context_length - 1):\n"
                 "            if document_ids[row, i] != document_ids[row, i + 1] > -1:\n"
                 "                targets[row, i] = inputs[row, i + 1]\n"
                 "    return inputs, targets, document_ids"},
    ),
    Misconception(
        "loss-on-the-questions-too",
        "Every next token is a target, also where it is not learned.",
        "fine-tuning-mask",
        {WRITE: "inputs[row, start:end] = one_input[0]\n"
                "            targets[row, start:end] = examples[number][0][1:]"},
    ),
    Misconception(
        "targets-not-hidden-at-padding",
        "Padding has `pad_id` for a target. It has none: -100.",
        "fine-tuning-padding",
        {INPUTS: "inputs, targets = torch.full(shape, pad_id), torch.full(shape, pad_id)"},
    ),
    Misconception(
        "pad-id-ignored",
        "The rows are filled with 0, whatever `pad_id` is.",
        "fine-tuning-padding",
        {INPUTS: "inputs, targets = torch.full(shape, 0), torch.full(shape, -100)"},
    ),
    Misconception(
        "padding-is-document-0",
        "Padding has the document id 0, which is that of the first example. It gets -1.",
        LINK,
        {IDS: "document_ids = torch.full(shape, 0)"},
    ),
    Misconception(
        "ids-count-in-each-row",
        "Document ids begin at 0 in every row. They are the examples' numbers.",
        LINK,
        {NUMBER: "document_ids[row, start:end] = numbers.index(number)"},
    ),
    Misconception(
        "ids-from-1",
        "Document ids count from 1. They count from 0.",
        LINK,
        {NUMBER: "document_ids[row, start:end] = number + 1"},
    ),
    Misconception(
        "ids-of-rows",
        "Document ids are the numbers of the rows, so that examples in one row see each "
        "other. They "
        "are the examples' numbers.",
        LINK,
        {NUMBER: "document_ids[row, start:end] = row"},
    ),
    Misconception(
        "positions-for-ids",
        "Positions within the example stand where its number should.",
        LINK,
        {NUMBER: "document_ids[row, start:end] = torch.arange(end - start)"},
    ),
    Misconception(
        "too-long-is-cut",
        "An example that is too long was cut. A cut reply teaches to break off: ValueError is "
        "wanted.",
        LINK,
        {ORDER: "cut = context_length + 1\n"
                "    examples = [(ids[:cut], flags[:cut]) for ids, flags in examples]\n"
                "    for number, (token_ids, _) in enumerate(examples):"},
    ),
    Misconception(
        "too-long-is-left-out",
        "An example that is too long was left out without a word. ValueError is wanted.",
        LINK,
        {LONG: "if length > context_length:\n            continue\n        if False:"},
    ),
    Misconception(
        "nothing-for-no-examples",
        "Without examples something is returned. ValueError is wanted.",
        LINK,
        {EMPTY: "if not examples:\n        nothing = torch.empty(0, context_length).long()\n"
                "        return nothing, nothing, nothing\n    if not examples:"},
    ),
    Misconception(
        "order-of-results",
        "Document ids come first. The order is inputs, targets, document ids.",
        LINK,
        {RETURN: "return document_ids, inputs, targets"},
    ),
    Misconception(
        "rows-behind-one-another",
        "Only two results are returned. Document ids are wanted, too: without them the examples of "
        "a row see each other.",
        LINK,
        {RETURN: "return inputs, targets"},
    ),
)  # fmt: skip

EXERCISE = Exercise(
    id="fine_tuning/pack_examples",
    callable="pack_examples",
    title="Examples side by side",
    parts={"all": 3},
    minutes=18,
    difficulty="hard",
    link=LINK,
    cases=cases,
    depends=("fine_tuning/sft_batch",),
    misconceptions=MISCONCEPTIONS,
    equivalent={
        "`1` for `0`": "the check hands over every argument",
        "`one_input.shape[-1]` for `one_input.shape[1]`": "there are two axes",
        "`one_input[-1]` for `one_input[0]`": "there is one row",
    },
    alternatives=(with_lists, into_a_large_table, by_places),
    properties=(
        Property(
            "padding-is-no-document",
            "A place without a target and without an example has a document id other than -1.",
            LINK,
            ("one",),
            lambda result: set(result[2][0, 5:].tolist()) == {-1},
        ),
        Property(
            "nothing-predicted-across",
            "Some last place of an example has a target that belongs to the next one: there are "
            "more targets than learned tokens.",
            LINK,
            ("four",),
            lambda result: (np.asarray(result[1]) != -100).sum() == 8,
        ),
    ),
)
