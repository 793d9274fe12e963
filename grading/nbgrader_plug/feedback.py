"""The page that a learner gets back: nbgrader's feedback with the verdicts in front.

`nbgrader generate_feedback` runs `FeedbackPage` in the place of its GetGrades and fills the
template `templates/course_feedback`. Everything in a notebook but the verdicts is the learner's, so
none of it reaches the page as it is: Markdown is cleaned, and of outputs only errors are told (a
cell could print the inputs that its answers were checked on).
"""

import html
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from nbconvert.filters import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors.sanitize import SanitizeHTML
from nbformat import NotebookNode
from nbgrader.preprocessors import GetGrades

from grading.course.unit import Unit, load_unit
from grading.judging.verdict import HEADINGS, REFUSED, book_address, points

TEMPLATES = Path(__file__).parent / "templates"
TAGS = ("h1 h2 h3 h4 h5 h6 p br hr ul ol li em strong b i code pre blockquote a abbr div span del "
        "table thead tbody tr th td details summary sub sup").split()  # fmt: skip
NO_ANSWER = "No response."  # nbgrader's own comment on a stub: the verdict says it better
LONGEST = 100  # characters of an error's message


@dataclass
class Row:
    """A line of the table of points; `anchor` is the place on the page that explains it."""

    anchor: str
    title: str
    status: str
    words: str
    points: str


@dataclass
class Piece:
    """A stretch of the page.

    kind is "text", "code", "folded" (code that a click unfolds), "check" (a verdict) or "graded"
    (an answer that the instructor gives points for). `html` is ready for the page, all else is not.
    """

    kind: str
    html: str
    title: str = ""
    anchor: str = ""
    error: str = ""
    given: str = ""
    comment: str = ""


@dataclass
class Page:
    """What the template shows."""

    title: str
    student: str
    total: str
    late: str = ""
    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)


class FeedbackPage(GetGrades):
    """nbgrader's GetGrades, which brings points and comments; then a `Page` for the template."""

    _has_warned = False

    def preprocess(self, nb: NotebookNode, resources: dict):
        """Read the page off the judged notebook and what the gradebook says of it."""
        nb, resources = super().preprocess(nb, resources)
        of = resources["nbgrader"]
        converter = self.parent.parent
        folder = Path(converter._format_dest(of["assignment"], of["student"]))
        book = book_address(folder)
        self._warn_if_dead(folder / book / f"{of['assignment']}.html", book)
        resources["page"] = make_page(nb, of, load_unit(of["assignment"]), book)
        return nb, resources

    def _warn_if_dead(self, chapter: Path, book: str) -> None:
        """Once, not for every student."""
        if "://" not in book and not chapter.exists() and not FeedbackPage._has_warned:
            FeedbackPage._has_warned = True
            self.log.warning(
                "Links into the book lead nowhere, since it is not built here: run `course build`, "
                "or set COURSE_BOOK to its public address, and generate the feedback again."
            )


def make_page(nb: NotebookNode, of: dict, unit: Unit, book: str) -> Page:
    """The page of a notebook; `of` names the student and the points, `book` is its address."""
    page = Page(unit.title, of["student"], points(of["score"], of["max_score"]))
    page.remarks = list(nb.metadata.get("course", {}).get("remarks", []))
    page.late = f"{of['late_penalty']:g}" if of["late_penalty"] else ""
    text = Text(book)
    for cell in nb.cells:
        piece = _piece(cell, unit, text)
        page.pieces.append(piece)
        if piece.kind in ("check", "graded"):
            page.rows.append(_row(cell, piece))
    if REFUSED in nb.metadata:  # the remark says why; the notebook is not the learner's
        page.pieces = [piece for piece in page.pieces if piece.given or piece.comment]
        here = {piece.anchor for piece in page.pieces}
        page.rows = [
            replace(row, anchor=row.anchor if row.anchor in here else "") for row in page.rows
        ]
    return page


def _piece(cell: NotebookNode, unit: Unit, text: "Text") -> Piece:
    fields, tags = cell.metadata.get("nbgrader", {}), cell.metadata.get("tags", [])
    if cell.cell_type == "markdown":
        piece = Piece("text", text.markdown(cell.source))
    else:
        piece = Piece("code", code(cell.source), "A cell of your own")
    if "demo" in tags or "setup" in tags:
        piece.kind = "folded"
        piece.title = "Demonstration, not run here" if "demo" in tags else "What the notebook loads"
    elif fields:
        _describe(piece, cell, unit, text.book)
    piece.error = _error(cell)
    if fields.get("comment") not in (None, "", NO_ANSWER):
        piece.comment = text.markdown(fields["comment"])
    return piece


def _describe(piece: Piece, cell: NotebookNode, unit: Unit, book: str) -> None:
    """What a cell is that nbgrader knows: a check, an answer, or one graded by hand."""
    fields = cell.metadata.nbgrader
    piece.anchor = fields.grade_id
    title = {e.grade_id: e.title for e in unit.exercises}.get(fields.grade_id)
    if title:
        piece.kind, piece.title = "check", title
        piece.html, judged = _verdict(cell, book)
    elif fields.get("grade") or fields.get("task"):
        piece.kind, piece.title, judged = "graded", "Written answer", None
    else:
        titles = {e.answer_id: e.title for e in unit.exercises}
        piece.title = f"Your answer: {titles.get(fields.grade_id, '')}"
        return
    if fields.score != judged:
        piece.given = points(fields.score, fields.points)


def _row(cell: NotebookNode, piece: Piece) -> Row:
    fields = cell.metadata.nbgrader
    found = re.search(r'data-status="(\w+)"', piece.html)
    status = found[1] if found and not piece.given else ""
    words = HEADINGS.get(status, "Set by the instructor")
    return Row(piece.anchor, piece.title, status, words, f"{fields.score:g} of {fields.points:g}")


def _verdict(cell: NotebookNode, book: str) -> tuple[str, float | None]:
    """A check's verdict with links that lead from this page, and its points; None if it has none.

    The judge left them as the cell's only output.
    """
    for output in cell.outputs:
        data = output.get("data", {})
        if "text/html" in data:
            link = rf'href="{html.escape(book)}\1"'
            box = re.sub(r'href="(?:[^"]*/)?([^"/]+)"', link, data["text/html"])
            return box, float(data["text/plain"])
    return "<p>It was not judged.</p>", None


def _error(cell: NotebookNode) -> str:
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            message = re.sub(
                r"\(<ipython-input[^>]*>, (line \d+)\)", r"(\1 of this cell)", output.evalue
            )
            return f"This cell stops with {output.ename}: {message[:LONGEST]}"
    return ""


# --- the learner's text and code ------------------------------------------------------------------


def code(source: str) -> str:
    """Python as highlighted HTML; a keyboard can scroll it."""
    return Highlight2HTML(pygments_lexer="python")(source).replace("<pre>", '<pre tabindex="0">')


class Text:
    """Markdown as HTML that runs nothing, loads nothing and has its headings in order."""

    def __init__(self, book: str) -> None:
        self.book = book
        self.level = 2  # of the heading before
        attributes = {"a": self._may_stay, "div": ["class"], "span": ["class"]}
        self._clean = SanitizeHTML(tags=TAGS, attributes=attributes).sanitize_html_tags

    def markdown(self, source: str) -> str:
        """Render; links into the book lead there from this page, and pictures are left out."""
        source = re.sub(r"\]\(\.\./\.\./book/(\w+)\.md(?=[#)])", rf"]({self.book}\1.html", source)
        renderer = IPythonRenderer(escape=False, exclude_anchor_links=True)
        text = MarkdownWithMath(renderer=renderer).render(source)
        text = self._clean(re.sub(r"<img\b[^>]*>", "<em>(a picture, not shown here)</em>", text))
        text = re.sub(r"<a>(.*?)</a>", r"\1", text, flags=re.DOTALL)
        text = re.sub(r"<h([1-6])>(.*?)</h\1>", self._in_order, text, flags=re.DOTALL)
        text = text.replace("<table>", '<div class="wide" tabindex="0"><table>')
        text = text.replace("</table>", "</table></div>")
        return text.replace("<pre>", '<pre tabindex="0">')

    def _may_stay(self, tag: str, name: str, value: str) -> bool:
        """A link stays if it leads into the book or to a full address."""
        return name == "href" and value.startswith((self.book, "https://", "http://", "mailto:"))

    def _in_order(self, heading: re.Match) -> str:
        self.level = min(int(heading[1]) + 1, self.level + 1, 6)
        return f"<h{self.level}>{heading[2]}</h{self.level}>"
