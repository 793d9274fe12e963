"""Tables on a phone: those with much text scroll sideways, the others are made to fit.

A table that scrolls hides its last columns, and these often hold the result. So only one whose
words would be squeezed into towers gets the class `scrolls` (course.css).
"""

from docutils import nodes
from sphinx.application import Sphinx

MOST_LETTERS = 44  # of the widest cells of all columns: so many fit into 360 pixels
WRAPS_AT = 14  # letters: a longer cell may break into lines of this length


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("doctree-resolved", _mark)


def _mark(app: Sphinx, doctree: nodes.document, page: str) -> None:
    for table in doctree.findall(nodes.table):
        rows = [[entry.astext() for entry in row.children] for row in table.findall(nodes.row)]
        if letters(rows) > MOST_LETTERS:
            table["classes"].append("scrolls")


def letters(rows: list[list[str]]) -> int:
    """How many letters side by side the rows of a table need; two more a column for its edges.

    >>> letters([["token", "weight"], ["canoe", "0.12"]])
    15
    """
    widths = [max(map(_needed, column)) for column in zip(*rows, strict=False)]
    return sum(width + 2 for width in widths)


def _needed(cell: str) -> int:
    longest_word = max(map(len, cell.split()), default=0)
    return max(longest_word, min(len(cell), WRAPS_AT))
