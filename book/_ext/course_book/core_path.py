"""The core path of a chapter: all but its second reading, and how long it is.

A chapter is a page `NN_slug`. A section is second reading, with all below it, if its heading has
these words, or its text begins with "*Second reading.*". The head box, summary, questions, history
and further reading are not counted either. The rest is the core path, which a reader shall get
through in half an hour: one of more than 2,000 words fails the build.
`python book/_ext/course_book/core_path.py book/*.md` prints the numbers.
"""

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

MOST_WORDS = 2000
CHAPTER = re.compile(r"^book/\d\d_[a-z_]+$")
CODE = re.compile(r"^(`{3,})\{?[a-z].*?^\1$\n?", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#+) ", re.MULTILINE)
SECOND = re.compile(
    r"#+ (?:in short|summary|questions|history|further reading)"
    r"|#+ [^\n]*second reading|#+ [^\n]*\n+\*Second reading\.\*",
    re.IGNORECASE,
)
NOT_PROSE = re.compile(
    r"\A---\n.*?^---$"  # front matter
    # the head box; hints and answers, which are folded
    r"|^(:{3,})\{(?:exercise|dropdown|admonition\} (?:In t|T)his chapter$).*?^\1$"
    r"|\$\$.*?\$\$|\$[^$\n]+\$"  # formulas
    r"|^:{3,}[^\n]*$|^:[\w-]+:[^\n]*$"  # directives and their options
    r"|^\([\w-]+\)=$"  # labels
    r"|\{[\w:]+\}`[^`]*`"  # citations, numbers out of cells
    r"|\]\([^)]*\)|<[^>\n]+>",  # where links lead, HTML
    re.MULTILINE | re.DOTALL,
)

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("source-read", _check)


def count_words(text: str) -> int:
    """Words of prose in MyST text: no code, no formulas, no citations, nothing that is folded.

    >>> count_words("# Why\\n\\nA key {cite}`x2017` is [found](#a).\\n\\n```python\\nx\\n```\\n")
    5
    """
    return len(re.findall(r"\w[\w'’-]*", NOT_PROSE.sub(" ", CODE.sub("", text))))


def core(text: str) -> str:
    """A chapter without its second reading.

    >>> core("# A\\n\\n## B (second reading)\\n\\n### C\\n\\nlong\\n\\n## D\\n\\nshort\\n")
    '# A\\n\\n## D\\n\\nshort\\n'
    """
    text = CODE.sub("", text)
    starts = [match.start() for match in HEADING.finditer(text)] + [len(text)]
    kept, hidden_below = [text[: starts[0]]], 0  # level of the section that is left out
    for start, end in zip(starts, starts[1:], strict=False):
        section = text[start:end]
        level = len(HEADING.match(section)[1])
        if hidden_below and level > hidden_below:
            continue
        hidden_below = level if SECOND.match(section) else 0
        if not hidden_below:
            kept.append(section)
    return "".join(kept)


def _check(app: Sphinx, page: str, source: list[str]) -> None:
    if CHAPTER.search(page) and (words := count_words(core(source[0]))) > MOST_WORDS:
        message = "the core path of %s has %d words, more than %d: move some to the second reading"
        logger.warning(message, page, words, MOST_WORDS, location=page, type="course")


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        if CHAPTER.search(path.with_suffix("").as_posix()):
            text = path.read_text(encoding="utf-8")
            words = count_words(core(text))
            print(f"{path}: {words:,} words in the core path, {count_words(text):,} in all")
