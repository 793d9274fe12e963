"""A chapter's number is that of its file, in the title and wherever the title is shown.

Counting the chapters of the table of contents would give other numbers while some are missing.
"""

import re

from sphinx.application import Sphinx

CHAPTER = re.compile(r"^book/(\d\d)_\w+$")
TITLE = re.compile(r"^# (?=\S)", re.MULTILINE)
CELL = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)  # a comment in code is no title


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("source-read", _number)


def _number(app: Sphinx, page: str, source: list[str]) -> None:
    if chapter := CHAPTER.match(page):
        source[0] = numbered(source[0], int(chapter[1]))


def numbered(text: str, number: int) -> str:
    """Markdown with the number before its first title.

    >>> numbered("(label)=\\n# Attention\\n\\n# Second\\n", 5)
    '(label)=\\n# 5. Attention\\n\\n# Second\\n'
    """
    code = [match.span() for match in CELL.finditer(text)]
    for title in TITLE.finditer(text):
        if not any(start <= title.start() < end for start, end in code):
            return f"{text[: title.end()]}{number}. {text[title.end() :]}"
    return text
