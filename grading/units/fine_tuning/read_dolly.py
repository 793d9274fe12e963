"""fine_tuning/read_dolly: dialogues out of JSON lines, and the numbers of the bad ones."""

import json

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.fine_tuning.draw import words

LINK = "fine-tuning-sources"


def cases(rng: np.random.Generator) -> list[Case]:
    """Every kind of bad line alone among good ones; contexts and white space; no lines."""

    def row(**fields) -> str:
        record = {"instruction": words(rng, 4), "context": words(rng, 3), "response": words(rng, 3)}
        record |= {"category": "open_qa", **fields}
        return json.dumps({name: value for name, value in record.items() if value != "missing"})

    def case(says, *lines, name=""):
        return Case(says, {"lines": list(lines)}, name=name)

    good = row()
    return [
        case("one good line", good, name="one"),
        case("three good lines", row(), row(context=""), row(), name="three"),
        case("a line without a context", row(context="")),
        case("a context of spaces alone", row(context="  \n")),
        case("a field that holds white space at its ends",
             row(instruction=" a\n", context="\n b ", response="c \n")),
        case("a field that holds line breaks", row(response="1.\n\n2.")),
        case("a field in another alphabet", row(instruction="Что это?", response="Это дом.")),
        case("further fields", row(source="us", n=5)),
        case("no category", row(category="missing")),
        case("line breaks at the ends of lines", good + "\n", row() + "\r\n"),
        case("blank lines between", good, "", "  \n", row()),
        case("a blank line before a bad one", "", "{", good, name="numbers"),
        case("a line that is cut short", good, row()[:-9], row()),
        case("a line that is no JSON", "instruction,context,response", good),
        case("a line with two objects", good + good),
        case("a list", good, "[]"),
        case("null", "null", good),
        case("a number", "5", good),
        case("a text", '"instruction context response"', good),
        case("no instruction", row(instruction="missing"), good),
        case("no context", good, row(context="missing")),
        case("no response", row(response="missing"), good),
        case("an instruction that is null", row(instruction=None), good),
        case("a context that is null", row(context=None), good),
        case("a response that is a number", good, row(response=5)),
        case("a response that is a list", row(response=["a"]), good),
        case("an empty instruction", row(instruction=""), good),
        case("an instruction of spaces", row(instruction=" \n"), good),
        case("an empty response", good, row(response="")),
        case("a response of spaces", row(response="  "), good),
        case("nothing but blank texts", good, row(instruction="", context="", response=" ")),
        case("bad lines first and last", "{", good, row(), "[]", name="ends"),
        case("bad lines alone", "{", "null", row(response="")),
        case("no lines"),
    ]  # fmt: skip


# --- right in other ways ---------------------------------------------------------------------


def with_exceptions(lines):
    """Everything that can go wrong raises."""
    found, bad = [], []
    for i, line in enumerate(lines):
        if line.strip() == "":
            continue
        try:
            row = json.loads(line)
            asked, passage, said = row["instruction"], row["context"], row["response"]
            blank = [not str.strip(text) for text in (asked, passage, said)]
            if blank[0] or blank[2]:
                raise ValueError("blank")
        except (ValueError, KeyError, TypeError):
            bad.append(i + 1)
        else:
            question = asked if blank[1] else asked + "\n\n" + passage
            found.append(
                [{"role": "user", "content": question}, {"role": "assistant", "content": said}]
            )
    return found, bad


def by_a_function(lines):
    """One line at a time: None is bad."""

    def dialogue(line):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            return None
        if type(row) is not dict:
            return None
        names = {"instruction", "context", "response"}
        if not names <= row.keys() or any(type(row[name]) is not str for name in names):
            return None
        if row["instruction"].isspace() or row["response"].isspace():
            return None
        if "" in (row["instruction"], row["response"]):
            return None
        parts = [row["instruction"], row["context"]]
        question = "\n\n".join(parts if parts[1].strip() else parts[:1])
        return [
            {"role": "user", "content": question},
            {"role": "assistant", "content": row["response"]},
        ]

    numbered = [(n, dialogue(line)) for n, line in enumerate(lines, 1) if line.strip()]
    return [d for _, d in numbered if d is not None], [n for n, d in numbered if d is None]


def with_flags(lines):
    """A list of complaints for each line."""
    good, bad = [], []
    number = 0
    for line in lines:
        number += 1
        text = line.strip()
        if len(text) == 0:
            continue
        row, complaints = {}, []
        try:
            row = json.loads(text)
        except ValueError:
            complaints.append("no JSON")
        if not isinstance(row, dict):
            row, complaints = {}, ["no object"]
        for name in ("instruction", "context", "response"):
            value = row.get(name, 0)
            if not isinstance(value, str) or (name != "context" and value.strip() == ""):
                complaints.append(name)
        if complaints:
            bad += [number]
            continue
        asked = row["instruction"]
        if row["context"].strip():
            asked += "\n\n" + row["context"]
        good += [[{"role": "user", "content": asked},
                  {"role": "assistant", "content": row["response"]}]]  # fmt: skip
    return good, bad


# --- wrong in known ways -----------------------------------------------------------------------

COUNT = "for number, line in enumerate(lines, start=1):"
BLANK = "if not line.strip():"
CATCH = "except ValueError:"
NOTHING = "row = None"
FIELDS = "fields = row if isinstance(row, dict) else {}"
TEXTS = 'texts = [fields.get(name) for name in ("instruction", "context", "response")]'
ALL = "if not all(isinstance(text, str) for text in texts):"
EMPTY = "if not instruction.strip() or not response.strip():"
QUESTION = 'question = f"{instruction}\\n\\n{context}" if context.strip() else instruction'
USER = 'user = {"role": "user", "content": question}'
APPEND = 'dialogues.append([user, {"role": "assistant", "content": response}])'
RETURN = "return dialogues, bad"

MISCONCEPTIONS = (
    Misconception(
        "stops-at-bad-json",
        "A line that is no JSON ends everything with an error. It is noted, and the next one read.",
        LINK,
        {CATCH: "except KeyError:"},
    ),
    Misconception(
        "bad-lines-in-silence",
        "Bad lines are left out and not noted. Their numbers are wanted.",
        LINK,
        {RETURN: "return dialogues, []"},
    ),
    Misconception(
        "lines-from-0",
        "The lines are counted from 0. The first is line 1.",
        LINK,
        {COUNT: "for number, line in enumerate(lines):"},
    ),
    Misconception(
        "blank-lines-not-counted",
        "Blank lines were not counted, so that later numbers are too small.",
        LINK,
        {COUNT: "for number, line in enumerate([one for one in lines if one.strip()], start=1):"},
    ),
    Misconception(
        "blank-lines-are-bad",
        "Blank lines are among the bad ones. They are passed over.",
        LINK,
        {BLANK: "if False:"},
    ),
    Misconception(
        "only-empty-lines-are-blank",
        "A line of spaces is among the bad ones. It is blank, too.",
        LINK,
        {BLANK: "if not line:"},
    ),
    Misconception(
        "not-an-object",
        "JSON that is no object ends everything with an error. Such lines are bad.",
        LINK,
        {FIELDS: "fields = {} if row is None else row"},
    ),
    Misconception(
        "nothing-but-objects",
        "JSON that is no object ends everything with an error, `null` as well. Such lines are bad.",
        LINK,
        {NOTHING: "row = {}", FIELDS: "fields = row"},
    ),
    Misconception(
        "indexed-without-asking",
        "JSON that is no object ends everything with an error: it has no fields to ask for. Such "
        "lines are bad.",
        LINK,
        {NOTHING: "row = {}",
         FIELDS: "fields = row",
         TEXTS: "try:\n"
                '            texts = [fields[n] for n in ("instruction", "context", "response")]\n'
                "        except KeyError:\n"
                "            texts = [None]"},
    ),
    Misconception(
        "null-is-an-object",
        "A line that holds `null` ends everything with an error. It is bad, and the next one read.",
        LINK,
        {NOTHING: "row = {}", FIELDS: "fields = {} if isinstance(row, (list, int, str)) else row"},
    ),
    Misconception(
        "missing-field-stops",
        "A line that lacks a field ends everything with an error. It is bad, and the next "
        "one read.",
        LINK,
        {TEXTS: TEXTS.replace("fields.get(name)", "fields[name]")},
    ),
    Misconception(
        "missing-field-is-empty",
        "A context that is missing counts as an empty one. A line without the field is bad.",
        LINK,
        {TEXTS: TEXTS.replace("fields.get(name)", 'fields.get(name, "")')},
    ),
    Misconception(
        "null-is-empty",
        "A context that is null counts as an empty one. It is no text, and the line is bad.",
        LINK,
        {FIELDS: FIELDS + '\n        if "context" in fields and fields["context"] is None:\n'
                          '            fields["context"] = ""'},
    ),
    Misconception(
        "made-into-texts",
        "What is no text was made into one. A response that is a number makes a line bad.",
        LINK,
        {TEXTS: TEXTS + "\n        texts = [one if one is None else str(one) for one in texts]"},
    ),
    Misconception(
        "good-lines-lost",
        "No good line becomes a dialogue.",
        LINK,
        {APPEND: "pass"},
    ),
    Misconception(
        "everything-is-bad",
        "Every line counts as bad, the good ones as well.",
        LINK,
        {FIELDS: "fields = {}"},
    ),
    Misconception(
        "good-for-bad",
        "Lines whose instruction and response say something count as bad, and those that say "
        "nothing are kept.",
        LINK,
        {EMPTY: "if not (not instruction.strip() or not response.strip()):"},
    ),
    Misconception(
        "only-blank-lines-read",
        "Blank lines are read, and all others are passed over.",
        LINK,
        {BLANK: "if line.strip():"},
    ),
    Misconception(
        "only-blank-ones-noted",
        "A line that lacks something is left out and not noted, while one that says nothing is.",
        LINK,
        {ALL: ALL + "\n            continue\n        if False:"},
    ),
    Misconception(
        "blank-ones-not-noted",
        "A line whose instruction or response is blank is left out and not noted. It is bad.",
        LINK,
        {EMPTY: EMPTY + "\n            continue\n        if False:"},
    ),
    Misconception(
        "both-blank",
        "Only a line that has neither instruction nor response is bad here. One of the two is "
        "enough.",
        LINK,
        {EMPTY: EMPTY.replace(" or ", " and ")},
    ),
    Misconception(
        "blank-texts-at-all-kept",
        "A line whose instruction or response is blank is kept. It teaches nothing, or to say "
        "nothing.",
        LINK,
        {EMPTY: "if False:"},
    ),
    Misconception(
        "lines-from-2",
        "The numbers are one too large. The first line is line 1.",
        LINK,
        {COUNT: "for number, line in enumerate(lines, start=2):"},
    ),
    Misconception(
        "blank-response-kept",
        "A line whose response says nothing is kept. It teaches to say nothing.",
        LINK,
        {EMPTY: "if not instruction.strip():"},
    ),
    Misconception(
        "blank-instruction-kept",
        "A line whose instruction is blank is kept.",
        LINK,
        {EMPTY: "if not response.strip():"},
    ),
    Misconception(
        "spaces-are-something",
        "An instruction or a response of white space alone is kept. It is blank.",
        LINK,
        {EMPTY: "if not instruction or not response:"},
    ),
    Misconception(
        "context-needed",
        "A line whose context is empty is treated as bad. Most lines of the file have none.",
        LINK,
        {EMPTY: "if not instruction.strip() or not response.strip() or not context.strip():"},
    ),
    Misconception(
        "context-lost",
        "The context is lost. The question is about it.",
        LINK,
        {QUESTION: "question = instruction"},
    ),
    Misconception(
        "context-first",
        "The context stands before the instruction. It follows it.",
        LINK,
        {QUESTION: 'parts = [context, instruction] if context.strip() else [instruction]\n'
                   '        question = "\\n\\n".join(parts)'},
    ),
    Misconception(
        "one-line-break",
        "A single line break stands between instruction and context. An empty line was asked for.",
        LINK,
        {QUESTION: 'question = f"{instruction}\\n{context}" if context.strip() else instruction'},
    ),
    Misconception(
        "space-before-context",
        "A space stands between instruction and context. An empty line was asked for.",
        LINK,
        {QUESTION: 'question = f"{instruction} {context}" if context.strip() else instruction'},
    ),
    Misconception(
        "spaces-are-a-context",
        "A context of white space alone stands in the question. It is blank, so that the "
        "instruction stands by itself.",
        LINK,
        {QUESTION: QUESTION.replace("context.strip()", "context")},
    ),
    Misconception(
        "empty-line-always",
        "An empty line follows the instruction even where there is no context.",
        LINK,
        {QUESTION: 'question = f"{instruction}\\n\\n{context}"'},
    ),
    Misconception(
        "stripped",
        "White space at the ends was stripped. Nothing is to be.",
        LINK,
        {"= texts\n": "= [text.strip() for text in texts]\n"},
    ),
    Misconception(
        "context-of-its-own",
        "The context is a message of its own. It belongs to the user's.",
        LINK,
        {QUESTION: "question = instruction",
         APPEND: 'middle = [{"role": "system", "content": context}] if context.strip() else []\n'
                 '        reply = {"role": "assistant", "content": response}\n'
                 "        dialogues.append([user, *middle, reply])"},
    ),
    Misconception(
        "roles-of-the-file",
        "The messages have the roles instruction and response. The template knows user and "
        "assistant.",
        LINK,
        {USER: 'user = {"role": "instruction", "content": question}',
         APPEND: 'dialogues.append([user, {"role": "response", "content": response}])'},
    ),
    Misconception(
        "one-long-dialogue",
        "All lines are joined to one dialogue. Each is one of its own.",
        LINK,
        {APPEND: 'dialogues += [user, {"role": "assistant", "content": response}]'},
    ),
    Misconception(
        "lines-for-numbers",
        "The bad lines themselves are returned. Their numbers are wanted.",
        LINK,
        {RETURN: "return dialogues, [lines[number - 1] for number in bad]"},
    ),
    Misconception(
        "count-for-numbers",
        "How many lines are bad is returned. Their numbers are wanted.",
        LINK,
        {RETURN: "return dialogues, len(bad)"},
    ),
)  # fmt: skip

EXERCISE = Exercise(
    id="fine_tuning/read_dolly",
    callable="read_dolly",
    title="A reader that says what it left out",
    parts={"all": 2},
    minutes=15,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_exceptions, by_a_function, with_flags),
    properties=(
        Property(
            "context-behind-an-empty-line",
            "No empty line stands in a question that has a context.",
            LINK,
            ("one",),
            lambda result: "\n\n" in result[0][0][0]["content"],
        ),
    ),
)
