"""fine_tuning/read_hh_rlhf: the turns of a dialogue that is one text."""

import re

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.fine_tuning.draw import words

LINK = "fine-tuning-sources"


def cases(rng: np.random.Generator) -> list[Case]:
    """Dialogues of two to six turns; marks that are none; every kind of malformed row."""

    def turns(*speakers: str) -> str:
        return "".join(f"\n\n{speaker}: {words(rng, 3)}" for speaker in speakers)

    pair = turns("Human", "Assistant")
    other = turns("Human", "Assistant")

    def case(says, chosen, name="", rejected=other):
        return Case(says, {"row": {"chosen": chosen, "rejected": rejected}}, name=name)

    two = pair + turns("Human", "Assistant")
    return [
        case("a question and a reply", pair, "pair"),
        case("two questions and two replies", two, "four"),
        case("six turns", two + turns("Human", "Assistant")),
        case("a chosen and a rejected reply of the same question", pair, "chosen", pair + " Go."),
        case("a reply of several lines", pair + "\n1. a\n2. b"),
        case("a reply with an empty line", pair + "\n\nand more", "empty line"),
        case("white space at the ends", "\n\nHuman:   a \n\n\nAssistant: b\n\n", "ends"),
        case("nothing between the colon and what is said", "\n\nHuman:a\n\nAssistant:b"),
        case('"Human:" within a line', pair + " Human: no turn", "within"),
        case('"Assistant:" after a single line break', pair + "\nAssistant: no turn"),
        case('"human:" in small letters', pair + "\n\nhuman: no turn"),
        case("another speaker's name", pair + "\n\nSystem: no turn"),
        case("a speaker without a colon", pair + "\n\nHuman no turn"),
        case("a colon in what is said", "\n\nHuman: a: b\n\nAssistant: c: d"),
        case("more line breaks before the first turn", "\n\n" + pair),
        case("a rejected dialogue that is malformed", pair, rejected="nothing"),
        case("no line breaks before the first turn", pair.lstrip()),
        case("something before the first turn", "Hello" + pair),
        case("a text without turns", words(rng, 4)),
        case("an empty text", ""),
        case("a question alone", turns("Human")),
        case("a question at the end", two + turns("Human")),
        case("an assistant that begins", turns("Assistant", "Human", "Assistant")),
        case("a reply alone", turns("Assistant")),
        case("two questions in a row", turns("Human", "Human", "Assistant"), "in a row"),
        case("two replies in a row", turns("Human", "Assistant", "Assistant")),
        case("two and two in a row", turns("Human", "Human", "Assistant", "Assistant")),
        case("a question that is empty", "\n\nHuman:\n\nAssistant: b"),
        case("a reply of spaces", "\n\nHuman: a\n\nAssistant:  \n"),
    ]


# --- right in other ways ---------------------------------------------------------------------


def with_finditer(row):
    """Places of the marks; what stands between them."""
    text = row["chosen"]
    marks = list(re.finditer("\n\n(?:Human|Assistant):", text))
    if not marks or text[: marks[0].start()].strip():
        raise ValueError("no turn at the beginning")
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    out = []
    for i, (mark, end) in enumerate(zip(marks, ends, strict=True)):
        role = "user" if "Human" in mark.group() else "assistant"
        said = text[mark.end() : end].strip()
        if role != ("user", "assistant")[i % 2] or said == "":
            raise ValueError(f"turn {i + 1}")
        out.append({"role": role, "content": said})
    if len(out) % 2:
        raise ValueError("the last question has no reply")
    return out


def by_words(row):
    """Marks replaced by one that no text has, then split."""
    text = row["chosen"].replace("\n\nHuman:", "\0u").replace("\n\nAssistant:", "\0a")
    first, *pieces = text.split("\0")
    if first.strip() or "".join(piece[0] for piece in pieces).replace("ua", "") or not pieces:
        raise ValueError("malformed")
    messages = []
    for piece in pieces:
        if not piece[1:].strip():
            raise ValueError("blank")
        role = {"u": "user", "a": "assistant"}[piece[0]]
        messages.append({"role": role, "content": piece[1:].strip()})
    return messages


def in_exchanges(row):
    """Whole exchanges, a question and a reply at a time."""
    human, assistant = "\n\nHuman:", "\n\nAssistant:"
    before, *exchanges = row["chosen"].split(human)
    if before.strip() or not exchanges or assistant in before:
        raise ValueError("it does not begin with the human")
    messages = []
    for exchange in exchanges:
        said = [part.strip() for part in exchange.split(assistant)]
        if len(said) != 2 or "" in said:
            raise ValueError("not one question and one reply")
        for role, content in zip(("user", "assistant"), said, strict=True):
            messages.append({"role": role, "content": content})
    return messages


# --- wrong in known ways -----------------------------------------------------------------------

SPLIT = 'before, *parts = re.split(r"\\n\\n(Human|Assistant):", row["chosen"])'
SPEAKERS = "speakers = parts[::2]"
CONTENTS = "contents = [content.strip() for content in parts[1::2]]"
BEFORE = "if before.strip():"
ORDER = 'if not speakers or speakers != ["Human", "Assistant"] * (len(speakers) // 2):'
BLANK = "if not all(contents):"
ROLES = 'roles = {"Human": "user", "Assistant": "assistant"}'
MESSAGE = '{"role": roles[speaker], "content": content}'


def _split(pattern: str) -> dict[str, str]:
    return {SPLIT: SPLIT.replace("\\n\\n(Human|Assistant):", pattern)}


MISCONCEPTIONS = (
    Misconception(
        "rejected-read",
        "These are the messages of the rejected dialogue: what people did not want.",
        LINK,
        {SPLIT: SPLIT.replace("chosen", "rejected")},
    ),
    Misconception(
        "single-line-break",
        "A mark after a single line break opens a turn. An empty line belongs before it.",
        LINK,
        _split("\\n+(Human|Assistant):"),
    ),
    Misconception(
        "mark-anywhere",
        "A speaker's name within a line opens a turn. An empty line belongs before it.",
        LINK,
        _split("\\s*(Human|Assistant):"),
    ),
    Misconception(
        "empty-line-is-enough",
        "An empty line alone ends a turn. A speaker's name has to follow; without one it is "
        "part of "
        "what is said.",
        LINK,
        {CONTENTS: 'contents = [content.strip().split("\\n\\n")[0] for content in parts[1::2]]'},
    ),
    Misconception(
        "split-at-empty-lines",
        "The text is split at every empty line, and what does not begin with a speaker is lost. "
        "What is said may itself have empty lines.",
        LINK,
        {SPLIT: 'before, parts = "", []\n'
                '    for paragraph in row["chosen"].split("\\n\\n"):\n'
                '        speaker, _, said = paragraph.partition(":")\n'
                '        if speaker in ("Human", "Assistant"):\n'
                "            parts += [speaker, said]\n"
                "        elif not parts:\n"
                "            before += paragraph"},
    ),
    Misconception(
        "third-line-break-hides-a-turn",
        "The text is split at empty lines before anybody looks for a speaker. Where three line "
        "breaks stand in a row, the third hides the turn behind it.",
        LINK,
        {SPLIT: 'before, parts = "", []\n'
                '    for paragraph in row["chosen"].strip().split("\\n\\n"):\n'
                '        speaker, _, said = paragraph.partition(":")\n'
                '        if speaker in ("Human", "Assistant"):\n'
                "            parts += [speaker, said]\n"
                "        elif parts:\n"
                '            parts[-1] += "\\n\\n" + paragraph\n'
                "        else:\n"
                "            before = paragraph"},
    ),
    Misconception(
        "small-letters-too",
        "A name in small letters opens a turn. The file writes Human and Assistant.",
        LINK,
        {SPLIT: 'before, *parts = re.split(r"\\n\\n((?i:Human|Assistant)):", row["chosen"])\n'
                "    parts[::2] = [part.capitalize() for part in parts[::2]]"},
    ),
    Misconception(
        "any-name",
        "Any word with a colon opens a turn. Only Human and Assistant speak.",
        LINK,
        _split("\\n\\n(\\w+):"),
    ),
    Misconception(
        "colon-not-needed",
        "A speaker's name without a colon opens a turn.",
        LINK,
        _split("\\n\\n(Human|Assistant):?"),
    ),
    Misconception(
        "space-needed",
        "A turn opens only where a space follows the colon. Nothing need follow it.",
        LINK,
        _split("\\n\\n(Human|Assistant): "),
    ),
    Misconception(
        "only-the-first-line",
        "Only the first line of what is said is kept.",
        LINK,
        {CONTENTS: 'contents = [content.strip().partition("\\n")[0] for content in parts[1::2]]'},
    ),
    Misconception(
        "last-exchange-only",
        "Only the last question and reply are returned. The whole dialogue was asked for.",
        LINK,
        {ROLES: ROLES + "\n    speakers, contents = speakers[-2:], contents[-2:]"},
    ),
    Misconception(
        "first-exchange-only",
        "Only the first question and reply are returned. The whole dialogue was asked for.",
        LINK,
        {ROLES: ROLES + "\n    speakers, contents = speakers[:2], contents[:2]"},
    ),
    Misconception(
        "not-stripped",
        "White space stands at the ends of what is said. It is stripped.",
        LINK,
        {CONTENTS: "contents = parts[1::2]",
         BLANK: "if not all(content.strip() for content in contents):"},
    ),
    Misconception(
        "white-space-squeezed",
        "White space within what is said became single spaces, so that line breaks are lost. Only "
        "the ends are stripped.",
        LINK,
        {CONTENTS: 'contents = [" ".join(content.split()) for content in parts[1::2]]'},
    ),
    Misconception(
        "only-spaces-stripped",
        "Line breaks stand at the ends of what is said. All white space is stripped, not spaces "
        "alone.",
        LINK,
        {CONTENTS: 'contents = [content.strip(" ") for content in parts[1::2]]'},
    ),
    Misconception(
        "stripped-at-the-left",
        "White space stands at the end of what is said. It is stripped at both ends.",
        LINK,
        {CONTENTS: "contents = [content.lstrip() for content in parts[1::2]]"},
    ),
    Misconception(
        "beginning-needed",
        "Line breaks before the first turn are refused. White space may stand there.",
        LINK,
        {BEFORE: "if before:"},
    ),
    Misconception(
        "what-stands-before-is-lost",
        "What stands before the first turn is left out without a word. ValueError is wanted.",
        LINK,
        {BEFORE: "if False:"},
    ),
    Misconception(
        "nothing-is-fine",
        "A text without turns gives an empty list. ValueError is wanted.",
        LINK,
        {ORDER: 'if speakers != ["Human", "Assistant"] * (len(speakers) // 2):',
         BEFORE: "if before.strip() and parts:"},
    ),
    Misconception(
        "empty-text-is-fine",
        "An empty text gives an empty list. ValueError is wanted: it has no turn.",
        LINK,
        {ORDER: 'if speakers != ["Human", "Assistant"] * (len(speakers) // 2):'},
    ),
    Misconception(
        "turns-not-checked",
        "Turns may come in any order here. They begin with the human, alternate and end with the "
        "assistant, else ValueError.",
        LINK,
        {ORDER: "if not speakers:"},
    ),
    Misconception(
        "only-ends-checked",
        "Two turns of the same speaker in a row pass. They have to alternate.",
        LINK,
        {ORDER: 'if not speakers or speakers[0] != "Human" or speakers[-1] != "Assistant":'},
    ),
    Misconception(
        "turns-joined",
        "Two turns of the same speaker in a row are joined to one. They have to alternate, else "
        "ValueError.",
        LINK,
        {BEFORE: "turns = []\n"
                 "    for speaker, content in zip(speakers, contents, strict=True):\n"
                 "        if turns and turns[-1][0] == speaker and content:\n"
                 '            turns[-1][1] += "\\n\\n" + content\n'
                 "        else:\n"
                 "            turns.append([speaker, content])\n"
                 "    speakers, contents = [one for one, _ in turns], [said for _, said in turns]\n"
                 "    if before.strip():"},
    ),
    Misconception(
        "only-the-number-checked",
        "An even number of turns passes, whoever speaks. They have to alternate, the human first.",
        LINK,
        {ORDER: "if not speakers or len(speakers) % 2:"},
    ),
    Misconception(
        "end-not-checked",
        "A question at the end passes. Nobody answered it: ValueError is wanted.",
        LINK,
        {ORDER: 'wanted = (["Human", "Assistant"] * len(speakers))[: len(speakers)]\n'
                "    if not speakers or speakers != wanted:"},
    ),
    Misconception(
        "question-at-the-end-dropped",
        "A question at the end is dropped without a word. ValueError is wanted.",
        LINK,
        {SPEAKERS: 'if len(parts) > 2 and parts[-2] == "Human":\n        parts = parts[:-2]\n'
                   "    speakers = parts[::2]"},
    ),
    Misconception(
        "beginning-not-checked",
        "An assistant that begins passes. The human has to.",
        LINK,
        {ORDER: 'wanted = (["Human", "Assistant"] * len(speakers))[-len(speakers):]\n'
                "    if not speakers or speakers != wanted:"},
    ),
    Misconception(
        "blank-turns-kept",
        "A turn that says nothing passes. ValueError is wanted.",
        LINK,
        {BLANK: "if False:"},
    ),
    Misconception(
        "roles-not-renamed",
        "The roles are Human and Assistant. The template knows user and assistant.",
        LINK,
        {ROLES: 'roles = {"Human": "Human", "Assistant": "Assistant"}'},
    ),
    Misconception(
        "roles-swapped",
        "The human is the assistant here, and the other way round.",
        LINK,
        {ROLES: 'roles = {"Human": "assistant", "Assistant": "user"}'},
    ),
    Misconception(
        "pairs",
        "Pairs of role and content are returned. Messages are dictionaries.",
        LINK,
        {MESSAGE: "(roles[speaker], content)"},
    ),
)  # fmt: skip

EXERCISE = Exercise(
    id="fine_tuning/read_hh_rlhf",
    callable="read_hh_rlhf",
    title="A dialogue in one text",
    parts={"all": 2},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_finditer, by_words, in_exchanges),
    equivalent={
        "`zip(speakers, contents)` for `zip(speakers, contents, strict=True)`": "equally many",
        "`contents` for `speakers`": "equally many",
        "`contents` for `speakers` (4)": "equally many",
        "`False` for `True`": "equally many",
    },
    properties=(
        Property(
            "no-white-space-at-the-ends",
            "What is said begins or ends with white space.",
            LINK,
            ("pair", "ends"),
            lambda *dialogues: all(
                message["content"] == message["content"].strip()
                for messages in dialogues
                for message in messages
            ),
        ),
        Property(
            "two-of-one-speaker-refused",
            "Two turns of one speaker in a row give a dialogue. Human and assistant alternate, "
            "else ValueError is wanted: nothing is joined or left out.",
            LINK,
            ("in a row",),
            lambda messages: False,  # asked only where something came back
        ),
    ),
)
