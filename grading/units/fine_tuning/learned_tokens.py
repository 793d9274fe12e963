"""fine_tuning/learned_tokens: the tokens of the replies and of their end marks."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property

LINK = "fine-tuning-mask"
AXES = "seq"


def cases(rng: np.random.Generator) -> list[Case]:
    """One reply and several, none, empty ones, cut ones, headers of other lengths."""
    start, role, line, end, user = rng.permutation(np.arange(10, 60))[:5].tolist()
    header = [start, role, line]

    def text(n: int) -> list[int]:
        return rng.integers(60, 90, n).tolist()

    question = [start, user, line, *text(4), end, line]
    reply = [*header, *text(3), end, line]
    other = [*header, *text(5), end, line]
    cut = [*header, *text(4)]
    opened = [*header, *text(2), *header, *text(2), end, line]

    def case(says, ids, name="", header=header, end=end):
        ids = np.array(ids, dtype=np.int64)
        inputs = {"token_ids": ids, "header": header, "end_id": end}
        return Case(says, inputs, axes=AXES, name=name)

    return [
        case("a question and a reply", question + reply, "one"),
        case("two questions and two replies", question + reply + question + other, "two"),
        case("three replies in a row", reply + other + reply),
        case("a reply that stands first", reply + question, "first"),
        case("a reply without text", question + [*header, end, line] + question),
        case("a reply without an end mark", question + cut, "cut"),
        case("a header at the very end", question + header),
        case("a header within a reply", question + opened + question),
        case("questions alone", question + question, "none"),
        case("tokens that are fewer than the header", question[:2]),
        case("a header of one token", question + [role, *text(3), end, *text(2)], header=[role]),
        case("a longer header", question + [7, *reply] + other, header=[7, *header]),
        case("end marks that follow one another", [*reply[:-1], end, end, *question]),
        case("a reply right behind the end mark of another", [*reply[:-1], *other], "touching"),
        case("half a header", [start, role, *text(2), end, *reply]),
        case("the header's last token alone", [line, *text(2), end, *reply]),
        case("one token", text(1)),
        case("no tokens", []),
    ]


# --- right in other ways ---------------------------------------------------------------------


def by_jumping(token_ids, header, end_id):
    """From header to end mark, in jumps."""
    ids, flags, i = token_ids.tolist(), [], 0
    while i < len(ids):
        if ids[i : i + len(header)] != list(header):
            flags.append(False)
            i += 1
            continue
        i += len(header)
        flags += [False] * len(header)
        rest = ids[i:]
        n = rest.index(end_id) + 1 if end_id in rest else len(rest)
        flags += [True] * n
        i += n
    return torch.tensor(flags, dtype=torch.bool)


def with_slices(token_ids, header, end_id):
    """Places of headers and of end marks, as tensors."""
    learned = torch.zeros_like(token_ids, dtype=torch.bool)
    n, wanted = len(header), torch.tensor(header)
    ends = (token_ids == end_id).nonzero().flatten().tolist()
    free_from = 0
    for i in range(len(token_ids) - n + 1):
        if i >= free_from and bool((token_ids[i : i + n] == wanted).all()):
            later = [e for e in ends if e >= i + n]
            free_from = later[0] + 1 if later else len(token_ids)
            learned[i + n : free_from] = True
    return learned


def by_counting(token_ids, header, end_id):
    """How many tokens of the header were just seen; -1 inside of a reply."""
    seen, flags = [], []
    inside = False
    for token in token_ids.tolist():
        flags.append(inside)
        if inside and token == end_id:
            inside, seen = False, []
        elif not inside:
            seen = [*seen, token][-len(header) :]
            inside = seen == header
    return torch.tensor(flags, dtype=torch.bool)


# --- wrong in known ways -----------------------------------------------------------------------

ZEROS = "learned = torch.zeros(len(ids), dtype=torch.bool)"
SET = "learned[i] = inside"
CLOSE = "inside = token != end_id"
OPEN = "inside = ids[max(0, i + 1 - len(header)) : i + 1] == header"
RETURN = "return learned"

MISCONCEPTIONS = (
    Misconception(
        "end-mark-not-learned",
        "The end marks of the replies are left out. A model that never learns to say one never "
        "stops.",
        LINK,
        {SET: "learned[i] = inside and token != end_id"},
    ),
    Misconception(
        "header-learned",
        "The header, too, is learned. It is given to the model, and need not be said.",
        LINK,
        {RETURN: "for i in range(len(ids) - len(header) + 1):\n"
                 "        if ids[i : i + len(header)] == header:\n"
                 "            learned[i : i + len(header)] = True\n"
                 "    return learned"},
    ),
    Misconception(
        "last-header-token-learned",
        "The last token of the header is learned: one place too early.",
        LINK,
        {RETURN: "before = torch.cat([learned[1:], learned[:0].new_zeros(min(1, len(ids)))])\n"
                 "    return learned | before"},
    ),
    Misconception(
        "one-early",
        "Every flag stands one place too early, as if the targets were shifted already. The flags "
        "speak of the tokens themselves.",
        "fine-tuning-shift",
        {RETURN: "return torch.cat([learned[1:], learned[:0].new_zeros(min(1, len(ids)))])"},
    ),
    Misconception(
        "one-late",
        "Every flag stands one place too late: the first token of a reply is lost.",
        "fine-tuning-shift",
        {RETURN: "return torch.cat([learned[:0].new_zeros(min(1, len(ids))), learned[:-1]])"},
    ),
    Misconception(
        "line-break-learned",
        "What follows an end mark is learned, too. A reply is over with its end mark.",
        LINK,
        {RETURN: "after = torch.cat([learned[:0].new_zeros(min(1, len(ids))), learned[:-1]])\n"
                 "    return learned | after"},
    ),
    Misconception(
        "turned-round",
        "True and False have changed places: the questions are learned, and the replies are not.",
        LINK,
        {RETURN: "return ~learned"},
    ),
    Misconception(
        "everything",
        "All tokens are learned, the questions as well.",
        LINK,
        {SET: "learned[i] = True"},
    ),
    Misconception(
        "never-ends",
        "From the first reply on everything is learned, later questions as well. A reply ends at "
        "its end mark.",
        LINK,
        {CLOSE: "inside = True"},
    ),
    Misconception(
        "first-reply-only",
        "Only the first reply is learned. Every one is.",
        LINK,
        {RETURN: "starts = learned.int().diff(prepend=torch.zeros(min(1, len(ids))).int()) == 1\n"
                 "    return learned & (starts.cumsum(0) <= 1)"},
    ),
    Misconception(
        "last-reply-only",
        "Only the last reply is learned. Every one is.",
        LINK,
        {RETURN: "starts = learned.int().diff(prepend=torch.zeros(min(1, len(ids))).int()) == 1\n"
                 "    return learned & (starts.cumsum(0) == starts.sum())"},
    ),
    Misconception(
        "all-end-marks",
        "End marks of other turns are learned, too. Where a question ends is for the user to say.",
        LINK,
        {SET: "learned[i] = inside or token == end_id"},
    ),
    Misconception(
        "start-mark-is-enough",
        "The first token of the header opens a reply. Other turns begin with it, too: the whole "
        "header has to match.",
        LINK,
        {OPEN: "inside = i + 1 >= len(header) and ids[i + 1 - len(header)] == header[0]"},
    ),
    Misconception(
        "last-header-token-is-enough",
        "The last token of the header opens a reply wherever it stands. The whole header has to "
        "match.",
        LINK,
        {OPEN: "inside = token == header[-1]"},
    ),
    Misconception(
        "cut-reply-not-learned",
        "A reply without an end mark is not learned at all. It goes to the end.",
        LINK,
        {RETURN: "if inside:\n"
                 "        while i >= 0 and learned[i]:\n"
                 "            learned[i] = False\n"
                 "            i -= 1\n"
                 "    return learned"},
    ),
    Misconception(
        "header-inside-a-reply-opens",
        "A header within a reply begins a new one and is left out itself. Inside of a reply it is "
        "text like any other.",
        LINK,
        {RETURN: "for i in range(len(ids) - len(header) + 1):\n"
                 "        if ids[i : i + len(header)] == header:\n"
                 "            learned[i : i + len(header)] = False\n"
                 "    return learned"},
    ),
    Misconception(
        "token-behind-the-end-passed-over",
        "A reply that begins right behind the end mark of another is not learned. The token behind "
        "an end mark may be the first of a header: it is not passed over.",
        LINK,
        {OPEN: OPEN + " and not learned[max(0, i - len(header))]"},
    ),
    Misconception(
        "all-end-marks-close",
        "Headers are counted against all end marks, so that one that closes a question counts, "
        "too. An end mark closes a reply only where one is open.",
        LINK,
        {RETURN: "n, opened = len(header), 0\n"
                 "    for i, token in enumerate(ids):\n"
                 "        opened += ids[i - n : i] == header\n"
                 "        learned[i] = opened > ids[:i].count(end_id)\n"
                 "    return learned"},
    ),
    Misconception(
        "numbers",
        "The result holds numbers. Boolean values are wanted.",
        LINK,
        {ZEROS: "learned = torch.zeros(len(ids), dtype=torch.int64)"},
    ),
    Misconception(
        "a-list",
        "The result is a list. A tensor is wanted.",
        LINK,
        {RETURN: "return learned.tolist()"},
    ),
    Misconception(
        "places",
        "The result holds the places of the learned tokens. A flag for every token is wanted.",
        LINK,
        {RETURN: "return learned.nonzero().flatten()"},
    ),
    Misconception(
        "token-ids",
        "The result holds token ids. A flag for every token is wanted.",
        LINK,
        {RETURN: "return token_ids.masked_fill(~learned, -100)"},
    ),
    Misconception(
        "header-of-three",
        "A header of one particular length is expected. It has one token or more.",
        LINK,
        {OPEN: "inside = i >= 2 and ids[i - 2 : i + 1] == header"},
    ),
)  # fmt: skip

EXERCISE = Exercise(
    id="fine_tuning/learned_tokens",
    callable="learned_tokens",
    title="What is to be learned",
    parts={"all": 3},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    equivalent={
        "`torch.ones(len(ids), dtype=torch.bool)` for `torch.zeros(len(ids), dtype=torch.bool)`": (
            "every flag is set in the loop"
        ),
    },
    alternatives=(by_jumping, with_slices, by_counting),
    properties=(
        Property(
            "one-reply-and-its-end-mark",
            "A reply of three tokens and its end mark do not make four flags.",
            LINK,
            ("one",),
            lambda flags: flags.sum() == 4,
        ),
        Property(
            "questions-learn-nothing",
            "Where there are questions alone, some token is learned.",
            LINK,
            ("none",),
            lambda flags: not flags.any(),
        ),
    ),
)
