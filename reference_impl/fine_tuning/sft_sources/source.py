"""What all sources of fine-tuning data share: dialogues out, and an account of every bad row."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from reference_impl.fine_tuning.chat import Message
from reference_impl.fine_tuning.sft_sources.files import SourceError, not_utf8, numbered_lines

JSON_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


class BadRow(Exception):
    """What is wrong with one row. `Source` adds the file and the line."""


@dataclass(frozen=True)
class Dialogue:
    """Messages as `reference_impl.fine_tuning.chat` takes them, and where they come from."""

    messages: list[Message]
    source: str
    path: Path
    line: int


@dataclass(frozen=True)
class Problem:
    """A row that was left out: where it stands and what is wrong with it."""

    path: Path
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.what}"


class Source(ABC):
    """The dialogues in one public file. Iterate over it, as often as needed.

    A bad row raises SourceError where `on_error` is "refuse". With "skip" it is left out and noted
    in `skipped`, which tells of the rows read so far in the current pass. A file that is damaged
    as a whole raises in both cases. One row is in memory at a time, and what was noted.
    """

    name: str

    def __init__(self, path: str | PathLike, on_error: str = "refuse") -> None:
        if on_error not in ("refuse", "skip"):
            raise ValueError(f"on_error is {on_error!r}; want 'refuse' or 'skip'")
        self.path, self.on_error = Path(path), on_error
        self.skipped: list[Problem] = []

    def __iter__(self) -> Iterator[Dialogue]:
        self.skipped = []
        for line, row in self.rows():
            try:
                messages = self.messages(line, row)
                check_turns(messages)
            except BadRow as error:
                self.report(line, error)
            else:
                yield Dialogue(messages, self.name, self.path, line)

    @abstractmethod
    def messages(self, line: int, row: Any) -> list[Message]:
        """The messages of one of `rows`. Raises BadRow."""

    def rows(self) -> Iterator[tuple[int, Any]]:
        """The rows and the lines where they begin: here, every line that is not blank."""
        found = False
        for line, text in numbered_lines(self.path):
            found = found or bool(text.strip())
            if problem := not_utf8(text):
                self.report(line, BadRow(problem))
            elif text.strip():
                yield line, text.rstrip("\r\n")
        if not found:
            raise SourceError(f"{self.path} has no rows, only blank lines: download it again")

    def report(self, line: int, error: BadRow) -> None:
        """Note a bad row, or refuse it."""
        problem = Problem(self.path, line, str(error))
        if self.on_error == "refuse":
            raise SourceError(
                f"{problem}. Or read with on_error='skip': it is left out and listed in `skipped`"
            ) from None
        self.skipped.append(problem)


def json_object(text: str) -> dict[str, Any]:
    """The object on a line of a JSON Lines file. Raises BadRow where there is none, or one with the
    same name twice."""
    try:
        value = json.loads(text, object_pairs_hook=named_once)
    except (ValueError, RecursionError) as error:
        raise BadRow(
            f"{text[:40]!r} is not one whole JSON object ({error}): the file is cut short, or not "
            "in JSON Lines; download it again"
        ) from None
    if not isinstance(value, dict):
        raise BadRow(
            f"{JSON_NAMES[type(value)]} stands where a JSON object should: write one object a line"
        )
    return value


def named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs of a JSON object as a dict. Raises BadRow where a name comes twice."""
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRow(f"field {twice!r} comes twice: keep the one that is meant")
    return row


def field(row: dict[str, Any], name: str, *kinds: type) -> Any:
    """A field of a row that must be there and of one of these kinds. Raises BadRow."""
    if name not in row:
        raise BadRow(
            f"there is no field {name!r}, only {', '.join(row) or 'nothing'}: add it, or take the "
            "reader made for this file"
        )
    if type(row[name]) not in kinds:
        raise BadRow(
            f"field {name!r} is {JSON_NAMES[type(row[name])]}, but should be "
            f"{' or '.join(JSON_NAMES[kind] for kind in kinds)}: correct it"
        )
    return row[name]


def question_and_answer(question: str, answer: str) -> list[Message]:
    """The shortest dialogue."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def check_turns(messages: list[Message]) -> None:
    """Raise BadRow unless user and assistant take turns, and each says something."""
    if all(message["role"] != "assistant" for message in messages):
        raise BadRow("there is no reply of the assistant to learn from: leave the row out")
    for i, message in enumerate(messages):
        expected = ("user", "assistant")[i % 2]
        if message["role"] != expected:
            raise BadRow(
                f"message {i + 1} is the {message['role']}'s where the {expected}'s should stand: "
                "join or remove messages until they take turns"
            )
        if not message["content"].strip():
            raise BadRow(f"message {i + 1}, the {expected}'s, is empty: fill it in")
        if any("\ud800" <= char <= "\udfff" for char in message["content"]):
            raise BadRow(
                f"message {i + 1} holds half a character (a lone surrogate): write it anew"
            )
    if messages[-1]["role"] != "assistant":
        raise BadRow("the last message has no reply of the assistant: remove it")
