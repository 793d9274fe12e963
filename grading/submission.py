"""One submission is one pure task: notebook bytes in, verdicts and the judged notebook out."""

import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import nbformat
from nbformat import NotebookNode

from grading import flags
from grading.exercise import CourseError, Unit, load_unit, unit_slugs
from grading.marking import refuse, run_and_judge
from grading.sandbox import Limits
from grading.sandbox.session import Ran
from grading.verdict import Verdict

SEED = 0  # of the inputs that a class is graded on, unless told otherwise
LIMITS = Limits()


class Unreadable(CourseError):
    """A submission that is no notebook; the message says what it is instead."""


@dataclass(frozen=True)
class Graded:
    """The result of one submission.

    `problems` are remarks for the instructor, `seconds` the time it took, `cell_seconds` the CPU
    that the learner's own cells used of it, `sandbox` what they were shut in by, `failed` whether
    the grading itself went wrong.
    """

    student: str
    unit: str
    verdicts: tuple[Verdict, ...]
    notebook: bytes
    problems: tuple[str, ...]
    seconds: float
    sandbox: str = ""
    cell_seconds: float = 0.0
    failed: bool = False

    @property
    def score(self) -> float:
        """Points of all exercises together."""
        return sum(v.score for v in self.verdicts)


def grade_submission(
    student: str,
    slug: str,
    data: bytes | None,
    seed: int = SEED,
    book: str = "",
    reason: str = "",
    remarks: tuple[str, ...] = (),
    *,
    limits: Limits = LIMITS,
    trusted: bool = False,
) -> Graded:
    """Run and judge one submission; `data` is None where there is none, for this `reason`.

    Raises CourseError where this machine has no sandbox and nobody said `trusted`.

    `book` is the address of the book's chapters as the judged notebook will see it; `remarks` are
    those of collecting.
    """
    start = time.monotonic()
    unit = load_unit(slug)
    problems, ran = list(remarks), Ran()
    try:
        notebook = mend(read_notebook(data, reason), unit)
        verdicts, ran = run_and_judge(notebook, unit, seed, book, limits, trusted)
        problems += ran.problems
    except Unreadable as error:
        notebook = blank(unit)
        problems.append(str(error))
        verdicts = refuse(notebook, unit, str(error), book)
    note(notebook, problems)
    text = nbformat.writes(notebook).encode()
    return Graded(
        student,
        unit.slug,
        tuple(verdicts),
        text,
        tuple(problems),
        time.monotonic() - start,
        ran.sandbox,
        ran.seconds,
    )


# --- reading and mending --------------------------------------------------------------------------


def read_notebook(data: bytes | None, reason: str = "") -> NotebookNode:
    """The notebook in these bytes, as nbformat 4; Unreadable says why it is none."""
    if data is None:
        raise Unreadable(reason or "No notebook was handed in under the unit's name.")
    if not data.strip():
        raise Unreadable("The file is empty: save the notebook and hand it in again.")
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"The file is not a notebook: it is not JSON ({error}).") from None
    if not isinstance(tree, dict) or not isinstance(tree.get("nbformat"), int):
        raise Unreadable("The file is JSON, but not a notebook: it has no `nbformat`.")
    if tree["nbformat"] > 4:
        raise Unreadable(f"The notebook has format {tree['nbformat']}: save it as format 4.")
    try:
        notebook = nbformat.convert(nbformat.from_dict(tree), 4)
        for cell in notebook.cells:
            cell.source, cell.cell_type = _source(cell), str(cell.cell_type)
            if not isinstance(cell.get("metadata"), dict):
                cell.metadata = NotebookNode()
    except Exception as error:  # nbformat raises whatever a mangled tree makes it trip over
        raise Unreadable(f"The notebook is damaged: {type(error).__name__}: {error}.") from None
    return notebook


def unit_of(name: str, data: bytes) -> str:
    """The unit a notebook belongs to, by its file name or else by the checks in it."""
    for slug in unit_slugs():
        if _letters(slug) in _letters(name):
            return slug
    text = data.decode("utf-8", errors="replace")
    for slug in unit_slugs():
        if any(exercise.id in text for exercise in load_unit(slug).exercises):
            return slug
    known = ", ".join(unit_slugs())
    raise Unreadable(f"{name} is no notebook of this course. Units: {known}.")


def _letters(name: str) -> str:
    """ "05_attention (1)" and "Attention" are both "attention"."""
    return "".join(c for c in name.casefold() if c.isalpha())


def _source(cell: NotebookNode) -> str:
    """A cell's text with Unix line ends and without half characters (lone surrogates)."""
    text = "".join(cell.source) if isinstance(cell.source, list) else str(cell.source)
    return text.replace("\r\n", "\n").encode(errors="replace").decode()


@lru_cache
def _released(unit: Unit) -> str:
    if not unit.release.exists():
        raise CourseError(f"{unit.release} is missing: write it with `course release`.")
    return unit.release.read_text(encoding="utf-8")


def blank(unit: Unit) -> NotebookNode:
    """The unit's notebook as it was released."""
    return nbformat.reads(_released(unit), as_version=4)


def mend(notebook: NotebookNode, unit: Unit) -> NotebookNode:
    """The released notebook with the learner's code in it, whatever was done to the rest.

    Answers and extra cells are the learner's; check cells, metadata, tags and ids come from the
    release; deleted cells are put back; outputs are dropped. Text of the learner's comes back so
    that it can run nothing in the browser of whoever grades.
    """
    mended = blank(unit)
    released = {_key(cell): cell for cell in mended.cells}
    cells: list[NotebookNode] = []
    used: set[str] = set()
    for cell in notebook.cells:
        key = _key(cell)
        if key not in released or key in used:
            if not _is_check(released.get(key)):  # a copy of a check cell adds nothing
                cells.append(_extra(cell.cell_type, _source(cell)))
            continue
        used.add(key)
        cells += _restored(released[key], _source(cell))
    _put_back(cells, mended.cells, used)
    mended.cells = cells
    for index, cell in enumerate(cells):
        cell.id = cell.get("id") or f"extra-{index}"
    return mended


def _key(cell: NotebookNode) -> str:
    """What a cell is known by: nbgrader's id, else the cell's own id."""
    fields = cell.metadata.get("nbgrader")
    grade_id = fields.get("grade_id") if isinstance(fields, dict) else None
    return str(grade_id or cell.get("id", "")).replace("_", "-")


def _is_check(cell: NotebookNode | None) -> bool:
    return cell is not None and bool(cell.metadata.get("nbgrader", {}).get("grade"))


def _extra(kind: str, source: str) -> NotebookNode:
    """A cell of the learner's own; a raw cell is shown as the text it is."""
    if kind == "code":
        cell = nbformat.v4.new_code_cell(source)
    else:
        cell = nbformat.v4.new_markdown_cell(harmless(source, verbatim=kind != "markdown"))
    del cell["id"]
    return cell


def _restored(cell: NotebookNode, source: str) -> list[NotebookNode]:
    """A cell of the release with the learner's text, where that is the learner's to change."""
    tags = cell.metadata.get("tags", [])
    if source == cell.source or _is_check(cell) or "demo" in tags:
        return [cell]
    if "setup" in tags:  # everything needs it; what the learner made of it runs behind it
        return [cell, _extra("code", source)]
    cell.source = source if cell.cell_type == "code" else harmless(source, ours=cell.source)
    return [cell]


# HTML and entities, links of every kind, and what MathJax has to make links, styles and macros.
ACTIVE = re.compile(
    r"<[A-Za-z/!?]|&[#\w]|\][(:\[]"
    r"|\\(href|url|require|style|class|cssId|data|mmlToken|unicode|def|edef|gdef|xdef|let|futurelet"
    r"|newcommand|renewcommand|providecommand|newenvironment|renewenvironment|csname"
    r"|DeclareMathOperator|DeclarePairedDelimiter|Newextarrow|includegraphics|texttip|toggle"
    r"|mathtip|tooltip|bbox|html\w*)(?![A-Za-z])"
)


MARKUP = re.compile(r"\[[^\[\]\n]*\]\([^()\s]*\)|</?[a-z]+>")  # a whole link, a tag


def harmless(text: str, verbatim: bool = False, ours: str = "") -> str:
    """Markdown as it is if all it can do is to look good; anything else as a block of its source.

    Links and HTML that `ours`, the text of the release, has too may stay: the text may be that of
    an earlier release. Formgrader and feedback pages turn Markdown into HTML with whatever HTML,
    script or link it holds, in the browser of the instructor.
    """
    lines = text.split("\n")
    shown = len(lines) > 2 and re.fullmatch("~{3,}", lines[0]) and lines[-1] == lines[0]
    if shown and not any(lines[0] in line for line in lines[1:-1]):
        return text  # it is such a block already
    theirs = text
    for markup in set(MARKUP.findall(ours)):
        theirs = theirs.replace(markup, "")  # with nothing between, what is around it shows
    if not verbatim and not ACTIVE.search(theirs):
        return text
    longest = max([2, *map(len, re.findall("~+", text))])
    fence = "~" * (longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _put_back(cells: list[NotebookNode], released: list[NotebookNode], used: set[str]) -> None:
    """Insert what is missing right behind its released predecessor."""
    place = 0
    for cell in released:
        if _key(cell) in used:
            place = next(i for i, c in enumerate(cells) if c is cell) + 1
        else:
            cells.insert(place, cell)
            place += 1


def note(notebook: NotebookNode, remarks: Iterable[str]) -> None:
    """Leave remarks on the whole submission where the learner's feedback page finds them."""
    told = [remark for remark in remarks if not remark.startswith(flags.MARK)]
    if told:
        before = notebook.metadata.get("course", {}).get("remarks", [])
        notebook.metadata["course"] = {"remarks": [*before, *told]}
