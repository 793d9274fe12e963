"""inference/fit_context: what stays of a conversation that is too long."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception

LINK = "inference-context"


def cases(rng: np.random.Generator) -> list[Case]:
    """Conversations that fit, just fit, and do not; kept beginnings of every size; errors."""
    ids = rng.permutation(900)[:23].tolist()
    n_keep = int(rng.choice([3, 5]))

    def case(says, n, context_length, n_answer, keep, name=""):
        inputs = {"token_ids": ids[:n], "context_length": context_length}
        return Case(says, {**inputs, "n_answer": n_answer, "n_keep": keep}, name=name)

    return [
        case("a conversation that is too long", 23, 17, 4, n_keep, "long"),
        case("the same with nothing to keep", 23, 17, 4, 0),
        case("the same with an answer of one token", 23, 17, 1, n_keep),
        case("the same with no answer", 23, 17, 0, n_keep),
        case("one token too many", 14, 17, 4, n_keep),
        case("a conversation that just fits", 13, 17, 4, n_keep, "fits"),
        case("a conversation that fits well", 7, 17, 4, n_keep),
        case("a conversation shorter than what is to be kept", 2, 17, 4, n_keep),
        case("only what is to be kept fits", 23, 17, 17 - n_keep, n_keep),
        case(
            "only what is to be kept fits, and it is all there is", n_keep, 17, 17 - n_keep, n_keep
        ),
        case("the answer takes the whole context", 23, 17, 17, 0),
        case("one token of the newest fits", 23, 17, 16 - n_keep, n_keep),
        case("no conversation yet", 0, 17, 4, 0),
        case("no conversation, and something to keep", 0, 17, 4, n_keep),
        case("one token too many to keep", 23, 17, 18 - n_keep, n_keep),
        case("too much to keep for a short conversation", 2, 17, 15, n_keep),
        case("an answer longer than the context", 23, 17, 19, 0),
        Case(
            "a call that does not name n_keep",
            {"token_ids": ids[:19], "context_length": 11, "n_answer": 2},
        ),
    ]


# --- right in other ways ---------------------------------------------------------------------


def by_counting_what_goes(token_ids, context_length, n_answer, n_keep=0):
    """How many tokens are too many; they go after the kept ones."""
    if n_keep + n_answer > context_length:
        raise ValueError("does not fit")
    too_many = max(0, len(token_ids) + n_answer - context_length)
    return [t for i, t in enumerate(token_ids) if not n_keep <= i < n_keep + too_many]


def by_deleting(token_ids, context_length, n_answer, n_keep=0):
    """A copy from which the oldest token that may go is taken until the rest fits."""
    if context_length - n_answer - n_keep < 0:
        raise ValueError("does not fit")
    left = token_ids.copy()
    while len(left) + n_answer > context_length:
        del left[n_keep]
    return left


def from_the_end(token_ids, context_length, n_answer, n_keep=0):
    """The kept ones first, then from the newest backwards as long as there is room."""
    room = context_length - n_answer - n_keep
    if room < 0:
        raise ValueError("does not fit")
    newest = []
    for token in reversed(token_ids[n_keep:]):
        if len(newest) == room:
            break
        newest.append(token)
    return [*token_ids[:n_keep], *newest[::-1]]


# --- wrong in known ways -----------------------------------------------------------------------

ROOM = "room = context_length - n_answer"
REFUSE = "if n_keep > room:"
WHOLE = "if len(token_ids) <= room:\n        return list(token_ids)"
N_LAST = "n_last = room - n_keep"
RESULT = "return token_ids[:n_keep] + token_ids[len(token_ids) - n_last :]"

MISCONCEPTIONS = (
    Misconception(
        "no-room-for-the-answer",
        "The whole context is filled with the conversation. The answer needs places too: its "
        "tokens stand behind the prompt in the same context.",
        LINK,
        {ROOM: f"{ROOM} + n_answer", REFUSE: "if n_keep + n_answer > context_length:"},
    ),
    Misconception(
        "oldest-kept",
        "The oldest tokens stay and the newest are cut: the question that was just asked would be "
        "gone.",
        LINK,
        {RESULT: "return token_ids[:room]"},
    ),
    Misconception(
        "beginning-not-kept",
        "The first `n_keep` tokens are cut like any others. They are the instructions, which the "
        "model would then forget.",
        LINK,
        {RESULT: "return token_ids[len(token_ids) - room :]"},
    ),
    Misconception(
        "kept-on-top",
        "The beginning is kept in addition to a full room of newest tokens. Together that is more "
        "than fits.",
        LINK,
        {N_LAST: "n_last = room"},
    ),
    Misconception(
        "rest-fills-the-room",
        "The beginning is kept in addition to as many of the rest as there is room for. Together "
        "that is more than fits.",
        LINK,
        {RESULT: "return token_ids[:n_keep] + token_ids[n_keep:][-room:]"},
    ),
    Misconception(
        "newest-left-out",
        "Only the beginning stays of a conversation that is too long: the newest tokens are "
        "missing.",
        LINK,
        {RESULT: "return token_ids[:n_keep]"},
    ),
    Misconception(
        "newest-before-the-kept",
        "The right tokens, but the newest stand before the kept beginning. Their order must stay.",
        LINK,
        {RESULT: "return token_ids[len(token_ids) - n_last :] + token_ids[:n_keep]"},
    ),
    Misconception(
        "minus-zero-slice",
        "Where no newest token fits, the slice starts at -0, and that is the whole list. Count its "
        "start from the front.",
        LINK,
        {RESULT: "return token_ids[:n_keep] + token_ids[-n_last:]"},
    ),
    Misconception(
        "one-too-few",
        "One token less stays than there is room for.",
        LINK,
        {N_LAST: "n_last = max(room - n_keep - 1, 0)"},
    ),
    Misconception(
        "one-too-many",
        "One token more stays than there is room for.",
        LINK,
        {N_LAST: "n_last = room - n_keep + 1"},
    ),
    Misconception(
        "short-ones-cut-too",
        "A conversation that fits is taken apart as well, and some of its tokens come twice. What "
        "fits stays whole.",
        LINK,
        {
            "if len(token_ids) <= room:": "if False:",
            RESULT: RESULT.replace(
                "token_ids[len(token_ids) - n_last :]",
                "token_ids[max(len(token_ids) - n_last, 0) :]",
            ),
        },
    ),
    Misconception(
        "fits-only-with-room-to-spare",
        "A conversation that fills its room exactly is treated as too long, and loses a token.",
        LINK,
        {
            "if len(token_ids) <= room:": "if len(token_ids) < room:",
            N_LAST: "n_last = room - n_keep - (len(token_ids) == room)",
        },
    ),
    Misconception(
        "fits-without-the-answer",
        "A conversation that fits the context by itself stays whole, though the answer has no "
        "room behind it then. It fits only if both do.",
        LINK,
        {"if len(token_ids) <= room:": "if len(token_ids) <= context_length:"},
    ),
    Misconception(
        "too-much-accepted",
        "`n_keep` and `n_answer` together are more than the context, and no ValueError is raised. "
        "The caller would send a prompt that cannot be answered.",
        LINK,
        {REFUSE: "if False:"},
    ),
    Misconception(
        "full-context-refused",
        "Where `n_keep` and `n_answer` fill the context exactly, a ValueError is raised. That is "
        "not more than fits.",
        LINK,
        {REFUSE: "if n_keep >= room:"},
    ),
    Misconception(
        "only-the-answer-checked",
        "A ValueError is raised only where the answer alone exceeds the context. What is to be "
        "kept counts as well.",
        LINK,
        {REFUSE: "if room < 0:"},
    ),
    Misconception(
        "refused-instead-of-cut",
        "A conversation that is too long raises an error. It should be cut: an error is for what "
        "cannot be done at all.",
        LINK,
        {REFUSE: "if n_keep > room or len(token_ids) > room:"},
    ),
    Misconception(
        "conversation-changed",
        "The result is right, but the caller's list has been cut. The conversation is still "
        "needed, to be shown and stored: work on a copy.",
        LINK,
        {RESULT: "del token_ids[n_keep : len(token_ids) - n_last]\n    return token_ids"},
    ),
)

EXERCISE = Exercise(
    id="inference/fit_context",
    callable="fit_context",
    title="What falls out of the context",
    parts={"all": 2},
    minutes=8,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    equivalent={
        "`len(token_ids) < room` for `len(token_ids) <= room`": "as many as there is room for: the "
        "kept ones and the last of the rest are all"
    },
    alternatives=(by_counting_what_goes, by_deleting, from_the_end),
)
