"""pretraining/document_mask: documents side by side in one row, kept apart."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property

LINK = "pretraining-documents"
AXES = "batch 1 seq seq"
NONE = -1


def cases(rng: np.random.Generator) -> list[Case]:
    """One document, several, padding, a document that goes on in the next row, ids in no order."""
    first = int(rng.integers(3, 30))
    several = np.array([[0, 0, 0, 1, 1, 2, 2]]) + first
    padded = np.array([[0, 0, 0, 1, 1, NONE, NONE]])
    return [
        _case("a row of one document", np.full((1, 5), first), "one"),
        _case("a row of three documents", several, "three"),
        _case("documents that are one token long", np.arange(5)[None] + first),
        _case("two documents and padding", padded, "padded"),
        _case("padding alone", np.full((1, 3), NONE)),
        _case("three rows", np.array([[0, 0, 1, 1, 1], [1, 2, 2, 2, 3], [3, 3, 3, NONE, NONE]])),
        _case("one token", np.array([[first]])),
        _case("a row that ends inside a document", np.array([[4, 4, 5], [5, 5, 5]])),
        _case("document ids in falling order", several[:, ::-1].copy()),
        _case("padding in front", padded[:, ::-1].copy()),
    ]


def _case(says: str, document_ids: np.ndarray, name: str = "") -> Case:
    return Case(says, {"document_ids": document_ids}, axes=AXES, name=name)


# --- right in other ways ---------------------------------------------------------------------


def cell_by_cell(document_ids):
    """Four loops."""
    batch, seq = document_ids.shape
    mask = torch.zeros(batch, 1, seq, seq, dtype=torch.bool)
    for b in range(batch):
        for q in range(seq):
            for k in range(q + 1):
                owner = document_ids[b, q].item()
                mask[b, 0, q, k] = owner != -1 and owner == document_ids[b, k].item()
    return mask


def with_tril(document_ids):
    """Equal ids, the lower triangle, and padding crossed out as columns."""
    same = document_ids.unsqueeze(-1) == document_ids.unsqueeze(-2)
    mask = torch.tril(same) & document_ids.ne(-1).unsqueeze(-2)
    return mask.unsqueeze(1)


def differences(document_ids):
    """Numbers of documents and of positions, subtracted."""
    ids = document_ids[:, None, None, :]
    apart = (ids - ids.transpose(2, 3)).abs()
    place = torch.arange(document_ids.size(1))
    ahead = (place[None] - place[:, None]).clamp(min=0)
    return ((apart + ahead) == 0) * (ids >= 0)


# --- wrong in known ways -----------------------------------------------------------------------

SPLIT = "query, key = document_ids[:, :, None], document_ids[:, None, :]"
SAME = "same = (query == key) & (query != NO_DOCUMENT)  # batch seq seq"
MASK = "mask = same & causal_mask(document_ids.shape[1]).to(same.device)"
RESULT = 'return rearrange(mask, "batch q_seq kv_seq -> batch 1 q_seq kv_seq")'

MISCONCEPTIONS = (
    Misconception(
        "future-visible",
        "Within a document every token sees every other, later ones too. Each may look at itself "
        "and back.",
        "pretraining-mask",
        {MASK: "mask = same"},
    ),
    Misconception(
        "documents-not-kept-apart",
        "The mask is causal, and tokens still look into the documents before their own.",
        LINK,
        {SAME: "same = (query != NO_DOCUMENT) & (key != NO_DOCUMENT)"},
    ),
    Misconception(
        "only-other-documents",
        "The mask is upside down: a token sees other documents and not its own.",
        LINK,
        {SAME: "same = (query != key) & (query != NO_DOCUMENT)"},
    ),
    Misconception(
        "padding-sees-padding",
        "Padding sees padding, as if it were one more document. It may look at nothing.",
        LINK,
        {SAME: "same = query == key"},
    ),
    Misconception(
        "padding-sees-itself",
        "A token of padding sees itself. It may look at nothing, and nothing looks at it.",
        LINK,
        {MASK: MASK + "\n    mask = mask | torch.eye(mask.shape[-1], dtype=torch.bool)"},
    ),
    Misconception(
        "earlier-documents-visible",
        "A token sees its own document and all with a smaller number. Only its own is allowed.",
        LINK,
        {SAME: "same = (query >= key) & (query != NO_DOCUMENT) & (key != NO_DOCUMENT)"},
    ),
    Misconception(
        "transposed",
        "Rows and columns have changed places: each token sees what comes after it. A row belongs "
        "to the token that looks.",
        LINK,
        {MASK: MASK.replace("same & ", "same & ").replace(").to(", ").mT.to(")},
    ),
    Misconception(
        "self-not-visible",
        "A token does not see itself. The diagonal belongs to the mask.",
        LINK,
        {MASK: MASK + "\n    mask = mask & ~torch.eye(mask.shape[-1], dtype=torch.bool)"},
    ),
    Misconception(
        "true-means-forbidden",
        "True stands where looking is forbidden. In this course True means *may attend*.",
        LINK,
        {MASK: MASK + "\n    mask = ~mask"},
    ),
    Misconception(
        "numbers-to-add",
        "These are numbers to add to scores. A boolean mask is wanted.",
        LINK,
        {
            RESULT: "mask = torch.zeros(mask.shape).masked_fill(~mask, float('-inf'))\n"
            "    return mask[:, None]"
        },
    ),
    Misconception(
        "zeros-and-ones",
        "The mask holds numbers, 0 and 1. Boolean values are wanted.",
        LINK,
        {RESULT: "return mask[:, None].long()"},
    ),
    Misconception(
        "no-axis-for-heads",
        "The axis for the heads is missing: batch, then an axis of size 1, then rows and columns.",
        LINK,
        {RESULT: "return mask"},
    ),
    Misconception(
        "heads-in-front",
        "The axis for the heads stands in front of the batch. It comes second.",
        LINK,
        {RESULT: "return mask[None]"},
    ),
    Misconception(
        "first-row-for-all",
        "Every row of the batch gets the mask of the first. Each has documents of its own.",
        LINK,
        {RESULT: "return mask[:1, None].expand(len(mask), -1, -1, -1)"},
    ),
    Misconception(
        "only-the-neighbour",
        "A token sees itself and its neighbour, no further: only neighbouring ids were compared.",
        LINK,
        {MASK: MASK + "\n    mask = mask & ~torch.ones(mask.shape[1:]).tril(-2).bool()"},
    ),
    Misconception(
        "document-0-is-padding",
        "Document 0 is treated as padding. The number of padding is -1.",
        LINK,
        {SAME: "same = (query == key) & (query > 0)"},
    ),
    Misconception(
        "only-document-starts-visible",
        "A token sees only the first token of its document.",
        LINK,
        {
            MASK: MASK + "\n    starts = torch.ones_like(document_ids, dtype=torch.bool)\n"
            "    starts[:, 1:] = document_ids[:, 1:] != document_ids[:, :-1]\n"
            "    mask = mask & starts[:, None, :]"
        },
    ),
)

EXERCISE = Exercise(
    id="pretraining/document_mask",
    callable="document_mask",
    title="Documents kept apart",
    parts={"all": 2},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(cell_by_cell, with_tril, differences),
    equivalent={
        "`causal_mask(document_ids.shape[1])` for "
        "`causal_mask(document_ids.shape[1]).to(same.device)`": "all is on one device here",
        "`document_ids` for `same` (2)": "only its device is read",
        "`same` for `document_ids` (3)": "both are as long as the row",
        "`document_ids.shape[-1]` for `document_ids.shape[1]`": "there are two axes",
        "`key` for `query` (2)": "the two are equal where it matters",
    },
    properties=(
        Property(
            "future-visible-to-nobody",
            "Some token sees one that comes after it.",
            "pretraining-mask",
            ("three",),
            lambda three: not np.triu(three[0, 0], 1).any(),
        ),
        Property(
            "first-token-sees-itself-alone",
            "The first token of the second document sees more, or less, than itself.",
            LINK,
            ("three",),
            lambda three: three[0, 0, 3].sum() == 1 and bool(three[0, 0, 3, 3]),
        ),
    ),
)
