"""What the judge says of one exercise, as data, as text and as a notebook output."""

import html
import os
import re
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from grading.course.places import ROOT

STATUSES = ("pass", "partial", "fail", "error", "timeout", "missing", "refused")
REFUSED = "course_refused"  # in a notebook's metadata: why the blank one stands for what came
HEADINGS = {
    "pass": "Right",
    "partial": "Partly right",
    "fail": "Not yet",
    "error": "It stops with an error",
    "timeout": "It took too long",
    "missing": "Nothing to judge",
    "refused": "Not accepted",
}
# Each stands out, 3 to 1 at least, from white and from the dark of JupyterLab, VS Code and Colab.
# Grey is what nobody has tried yet.
COLOURS = {"pass": "#2a9a4b", "partial": "#b87a00", "fail": "#e5534b", "missing": "#808890"}
EMPHASIS = re.compile(r"(?<![\w*])\*([^\s*](?:[^*]*[^\s*])?)\*(?![\w*])")


@dataclass(frozen=True)
class Verdict:
    """Points and the reason for them; points and explanation always come together.

    status is one of STATUSES; misconceptions are names from the exercise: two where two come
    together, none where nothing has a name.
    details are further sentences (what differs first, which parts are earned); link is a page of
    the book with its anchor, "05_attention.html#attention-scale", or None. inherited is the earlier
    function that the misconception comes from; cause says what the message rests on: "named",
    "property", "explained" or "difference".
    """

    exercise: str
    title: str
    score: float
    max_score: float
    status: str
    message: str
    misconceptions: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    link: str | None = None
    inherited: str | None = None
    cause: str | None = None

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status {self.status!r}: one of {', '.join(STATUSES)}")

    @property
    def misconception(self) -> str | None:
        """The names in one text; None where there is none."""
        return " + ".join(self.misconceptions) or None

    def record(self, student: str, unit: str) -> dict[str, Any]:
        """The object that `--json` writes, one an exercise and student."""
        fields = asdict(self)
        fields |= {"score": float(self.score), "max_score": float(self.max_score)}
        fields["misconception"] = self.misconception
        names = (
            "exercise",
            "score",
            "max_score",
            "status",
            "misconception",
            "message",
            "inherited",
        )
        return {"student": student, "unit": unit, **{name: fields[name] for name in names}}

    def text(self) -> str:
        """Plain text for terminals and screen readers."""
        head = f"{HEADINGS[self.status]}: {self.title}, {points(self.score, self.max_score)}."
        return "\n".join([head, self.message, *self.details])

    def html(self, book: str) -> str:
        """A box for notebooks and feedback; `book` is the address of the built book's chapters."""
        paragraphs = "".join(f"<p>{inline(text)}</p>" for text in (self.message, *self.details))
        if self.link:
            paragraphs += (
                f'<p><a href="{html.escape(book + self.link)}">Read about it in the chapter</a></p>'
            )
        colour = COLOURS.get(self.status, COLOURS["fail"])
        head = f"{HEADINGS[self.status]}: {points(self.score, self.max_score)}"
        return (
            f'<div role="status" data-status="{self.status}" '
            f'style="border-left: 4px solid {colour}; padding: 0.2em 1em">'
            f"<p><strong>{head}</strong> · {html.escape(self.title)}</p>{paragraphs}</div>"
        )


def book_address(folder: Path) -> str:
    """Where a notebook in `folder` finds the book: COURSE_BOOK, else the one built here."""
    if address := os.environ.get("COURSE_BOOK"):
        return address.rstrip("/") + "/"
    chapters = ROOT / "_build" / "html" / "book"
    try:
        return Path(os.path.relpath(chapters, folder.resolve())).as_posix() + "/"
    except ValueError:  # another drive
        return chapters.as_uri() + "/"


def points(score: float, max_score: float) -> str:
    """ "3 of 4 points"."""
    return f"{score:g} of {max_score:g} point{'' if max_score == 1 else 's'}"


def inline(text: str) -> str:
    """Escape, set `code` in backticks as code, and *words* between stars with emphasis."""
    pieces = html.escape(text).split("`")
    if len(pieces) % 2 == 0:  # an odd backtick: leave the text as it is
        return "`".join(pieces)
    words = (EMPHASIS.sub(r"<em>\1</em>", piece) for piece in pieces[::2])
    code = (f"<code>{piece}</code>" for piece in pieces[1::2])
    return "".join(piece for pair in zip_longest(words, code, fillvalue="") for piece in pair)
