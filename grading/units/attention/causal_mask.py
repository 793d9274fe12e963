"""attention/causal_mask: no query sees what comes after it."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception

SAME, MORE = "as many keys as queries", "more keys than queries"
AXES = "q_seq kv_seq"


def cases(rng: np.random.Generator) -> list[Case]:
    """Square masks with kv_seq given and left out, and the masks of a cache."""
    q_seq = int(rng.choice([5, 7, 11]))
    more = int(rng.choice([13, 17]))
    keys = int(rng.choice([11, 19]))
    return [
        Case(f"`causal_mask({q_seq}, {q_seq})`", {"q_seq": q_seq, "kv_seq": q_seq}, SAME, AXES),
        Case(f"`causal_mask({more})`", {"q_seq": more}, SAME, AXES),
        Case("`causal_mask(1, 1)`", {"q_seq": 1, "kv_seq": 1}, SAME, AXES),
        Case(f"`causal_mask({q_seq}, {more})`", {"q_seq": q_seq, "kv_seq": more}, MORE, AXES),
        Case(f"`causal_mask(2, {keys})`", {"q_seq": 2, "kv_seq": keys}, MORE, AXES),
        Case(f"`causal_mask(1, {keys})`", {"q_seq": 1, "kv_seq": keys}, MORE, AXES),
    ]


# --- right in other ways ---------------------------------------------------------------------


def by_comparing_positions(q_seq, kv_seq=None):
    """A query's own position against each key's, by broadcasting."""
    kv_seq = q_seq if kv_seq is None else kv_seq
    query_positions = torch.arange(kv_seq - q_seq, kv_seq)
    return torch.arange(kv_seq) <= query_positions.unsqueeze(1)


def row_by_row(q_seq, kv_seq=None):
    """Loops: row i sees the first kv_seq - q_seq + i + 1 keys."""
    if kv_seq is None:
        kv_seq = q_seq
    mask = torch.zeros((q_seq, kv_seq), dtype=torch.bool)
    for i in range(q_seq):
        mask[i, : kv_seq - q_seq + i + 1] = True
    return mask


def last_rows_of_the_square(q_seq, kv_seq=None):
    """What is not above the diagonal of the whole square, and of that the last rows."""
    kv_seq = kv_seq or q_seq
    square = ~torch.triu(torch.ones(kv_seq, kv_seq), diagonal=1).bool()
    return square[-q_seq:]


# --- wrong in known ways -----------------------------------------------------------------------

SIZES = "torch.ones(q_seq, kv_seq, dtype=torch.bool)"
LOWER = ".tril(diagonal=kv_seq - q_seq)"
DEFAULT = "kv_seq = q_seq if kv_seq is None else kv_seq"

MISCONCEPTIONS = (
    Misconception(
        "inverted",
        "True and False have changed places: in this course True means that a query may attend, "
        "and here it marks the future.",
        "attention-causal-mask",
        {f"return {SIZES}{LOWER}": f"return ~{SIZES}{LOWER}"},
    ),
    Misconception(
        "upper-triangle",
        "This keeps the upper triangle: each position sees itself and everything after it, and "
        "nothing before. A causal model looks back.",
        "attention-causal-mask",
        {LOWER: ".triu(diagonal=kv_seq - q_seq)"},
    ),
    Misconception(
        "diagonal-dropped",
        "No position sees itself, and the first one sees nothing at all. A token may look at "
        "itself: what must stay hidden is the next one.",
        "attention-causal-mask",
        {LOWER: ".tril(diagonal=kv_seq - q_seq - 1)"},
    ),
    Misconception(
        "leaks-one-token",
        "Every position also sees the one after it, which is the very token it has to predict. "
        "The loss would fall, and the model would have learnt to peek.",
        "attention-causal-mask",
        {LOWER: ".tril(diagonal=kv_seq - q_seq + 1)"},
    ),
    Misconception(
        "queries-taken-as-first",
        "The queries are treated as the first of the positions. They are the last: with a cache, "
        "everything before them has been computed and may be seen.",
        "attention-causal-mask",
        {LOWER: ".tril()"},
    ),
    Misconception(
        "offset-the-wrong-way",
        "The diagonal is moved the wrong way, so that with more keys than queries the queries see "
        "almost nothing: they stand after the cached positions and see all of those.",
        "attention-causal-mask",
        {LOWER: ".tril(diagonal=q_seq - kv_seq)"},
    ),
    Misconception(
        "keys-ignored",
        "The mask is always q_seq by q_seq. Where there are more keys than queries it needs one "
        "column for every key.",
        "attention-causal-mask",
        {DEFAULT: "kv_seq = q_seq"},
    ),
    Misconception(
        "keys-in-rows",
        "Rows and columns have changed places: a row belongs to a query and says which keys that "
        "query may look at.",
        "attention-causal-mask",
        {f"return {SIZES}{LOWER}": f"return {SIZES}{LOWER}.T"},
    ),
    Misconception(
        "everything-visible",
        "Every query may attend to every key, the future included: nothing is hidden yet.",
        "attention-causal-mask",
        {LOWER: ""},
    ),
    Misconception(
        "numbers-instead-of-booleans",
        "The pattern is right, but the mask holds the numbers 1.0 and 0.0: with those, `~mask` "
        "fails and `mask & other` too. Make it boolean.",
        "attention-mask-before-softmax",
        {"dtype=torch.bool": "dtype=torch.float32"},
    ),
    Misconception(
        "zeros-and-minus-infinity",
        "This is the other kind of mask, 0 and -inf to be added to the scores. Both exist; in "
        "this course a mask is boolean, so that masks combine with `&`.",
        "attention-mask-before-softmax",
        {f"return {SIZES}{LOWER}": f'return torch.where({SIZES}{LOWER}, 0.0, float("-inf"))'},
    ),
)

EXERCISE = Exercise(
    id="attention/causal_mask",
    callable="causal_mask",
    title="The causal mask",
    parts={SAME: 1, MORE: 2},
    minutes=10,
    difficulty="easy",
    link="attention-causal-mask",
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(
        by_comparing_positions,
        row_by_row,
        last_rows_of_the_square,
    ),
    equivalent=dict.fromkeys(
        (
            "without `if kv_seq < q_seq:`",
            "`q_seq` for `kv_seq` (2)",
            "`kv_seq` for `q_seq` (2)",
        ),
        "only the error changes, which is not asked for",
    ),
)
