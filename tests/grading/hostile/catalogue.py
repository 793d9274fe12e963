"""How the catalogue of hostile and awkward submissions is written down.

An entry is a function that damages a notebook in which everything is right; its decorator says what
it tries and what must come of it. Whatever exercise is not named must have full points.
"""

import json
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from grading.classrun import sample_class
from grading.course.exercise import Exercise
from grading.course.unit import Unit, load_unit
from grading.notebooks.marking import cell_of

UNIT: Unit = load_unit("attention")
# An answer that nothing else calls, with integers in and booleans out; and one with floats.
VICTIM, FLOATS = "causal_mask", "read_map"
WRONG = "def causal_mask(q_seq, kv_seq=None):\n    return torch.zeros(q_seq, kv_seq or q_seq)"

Lost = tuple[str, str]  # the verdict's status, and words in its message


@dataclass(frozen=True)
class Entry:
    """A submission and its right outcome.

    name      also the student's: the row of the table of known attacks, where it is one, and words
    tries     what it tries, in one line
    lost      status and words of the message for each exercise without its points, by topic
    remarks   words that the remarks for the instructor hold
    shown     words that the judged notebook shows somewhere
    weaker    whether it must come out the same where Landlock stands in for bubblewrap
    """

    name: str
    tries: str
    damage: Callable[["Handed"], None]
    lost: Mapping[str, Lost] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    weaker: bool = True

    def expected(self, exercise: Exercise) -> tuple[float, str, str]:
        """Points, status, and words of the message."""
        topic = exercise.id.split("/")[1]
        if topic in self.lost:
            return 0.0, *self.lost[topic]
        return exercise.points, "pass", "Every case is right."


ENTRIES: list[Entry] = []
TOPICS = tuple(exercise.id.split("/")[1] for exercise in UNIT.exercises)


def entry(
    tries: str,
    row: str = "",
    everything: Lost | None = None,
    since: str = "",
    remarks: Iterable[str] = (),
    shown: Iterable[str] = (),
    weaker: bool = True,
    **lost: Lost,
) -> Callable:
    """Put the function into the catalogue. `everything` is lost, from the topic `since` on."""

    def put(damage: Callable) -> Callable:
        name = damage.__name__.replace("_", "-")
        name = f"{row:>02}-{name}" if row else name
        first = TOPICS.index(since) if since else 0
        every = dict.fromkeys(TOPICS[first:], everything) if everything else {}
        both = {**every, **lost}
        ENTRIES.append(Entry(name, tries, damage, both, tuple(remarks), tuple(shown), weaker))
        return damage

    return put


class Handed:
    """What a student hands in: a notebook with all answers right, for an entry to damage."""

    def __init__(self, submitted: Path, student: str) -> None:
        self.folder = submitted / student / UNIT.slug
        self.folder.mkdir(parents=True)
        self.path = self.folder / f"{UNIT.slug}.ipynb"
        data = sample_class.notebook_with(UNIT, right_answers())
        self.notebook: NotebookNode | None = nbformat.reads(data.decode(), as_version=4)

    def answer(self, source: str, topic: str = VICTIM) -> None:
        """Put another answer in the place of the right one."""
        self.answer_cell(topic).source = textwrap.dedent(source).strip()

    def wrong(self, before: str = "", after: str = "") -> None:
        """A wrong answer, with something to make it count."""
        self.answer(f"{textwrap.dedent(before)}\n{WRONG}\n{textwrap.dedent(after)}")

    def around(self, before: str = "", after: str = "", topic: str = VICTIM) -> None:
        """The right answer, with something before and behind it in its cell."""
        source = right_answers()[f"attention__{topic}__answer"]
        self.answer(f"{textwrap.dedent(before)}\n{source}\n{textwrap.dedent(after)}", topic)

    def inside(self, body: str, topic: str = VICTIM) -> None:
        """An answer that does something first; the right value is its reward for success."""
        right = right_answers()[f"attention__{topic}__answer"]
        body = textwrap.indent(textwrap.dedent(body).strip(), "    ")
        wrapped = f"def {topic}(*inputs):\n{body}\n    return _right(*inputs)"
        self.answer(f"{right.replace(f'def {topic}(', 'def _right(')}\n\n\n{wrapped}", topic)

    def extra(self, source: str, topic: str = VICTIM, kind: str = "code", **metadata) -> None:
        """Put a cell of one's own before the answer."""
        new = getattr(nbformat.v4, f"new_{kind}_cell")
        cell = new(textwrap.dedent(source).strip(), metadata=metadata)
        self.notebook.cells.insert(self.place(topic), cell)

    def behind(self, source: str, topic: str = VICTIM) -> None:
        """Put a code cell between the answer and its check."""
        cell = nbformat.v4.new_code_cell(textwrap.dedent(source).strip())
        self.notebook.cells.insert(self.place(topic) + 1, cell)

    def answer_cell(self, topic: str = VICTIM) -> NotebookNode:
        return cell_of(self.notebook, f"attention__{topic}__answer")

    def check_cell(self, topic: str = VICTIM) -> NotebookNode:
        return cell_of(self.notebook, f"attention__{topic}")

    def place(self, topic: str = VICTIM) -> int:
        """The index of the answer cell."""
        wanted = self.answer_cell(topic)
        return next(i for i, cell in enumerate(self.notebook.cells) if cell is wanted)

    def instead(self, data: bytes, name: str = "") -> None:
        """Hand in these bytes, under another name if one is given."""
        (self.folder / (name or self.path.name)).write_bytes(data)
        self.notebook = None

    def as_bytes(self) -> bytes:
        # nbformat would refuse what some entries write, and would mend what others break.
        return json.dumps(self.notebook).encode()


@cache
def right_answers() -> dict[str, str]:
    """The course's own answers, by answer cell."""
    return sample_class.right_answers(UNIT)


def hand_in(item: Entry, submitted: Path) -> None:
    """Write an entry's submission."""
    handed = Handed(submitted, item.name)
    item.damage(handed)
    if handed.notebook is not None:
        handed.path.write_bytes(handed.as_bytes())
