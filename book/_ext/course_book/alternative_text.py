"""The gate for alternative texts: a figure without words for it fails the build.

Without an alternative text Sphinx writes the file's name, which satisfies every checker and tells
a reader who cannot see the figure nothing.
"""

import re
from pathlib import PurePosixPath

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

FILE_NAME = re.compile(r"\S*([0-9a-f]{20}|\.(svg|png|jpe?g|gif|webp)$)\S*", re.IGNORECASE)
TAG = re.compile(r"<(img|svg)\b[^>]*>", re.IGNORECASE)
HOW = "Write `mystnb: image: alt:` in the cell's header, or the words between ![ and ]."

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("doctree-resolved", _check_page)


def is_real(text: str | None, uri: str = "") -> bool:
    """Whether a text says something about an image, and is not the name of its file.

    >>> is_real("Loss against steps: steep, then flat."), is_real("plot.svg"), is_real(" ")
    (True, False, False)
    """
    words = (text or "").strip()
    return bool(words) and not FILE_NAME.fullmatch(words) and words != PurePosixPath(uri).stem


def _check_page(app: Sphinx, doctree: nodes.document, page: str) -> None:
    for image in doctree.findall(nodes.image):
        if not is_real(image.get("alt"), image.get("uri", "")):
            _complain(doctree, image, page, f"its alternative text is {image.get('alt')!r}")
    for raw in doctree.findall(nodes.raw):
        if "html" in raw.get("format", ""):
            for tag in TAG.finditer(raw.astext()):
                if not _says_something(tag):
                    _complain(doctree, raw, page, f"{tag[0][:60]} has no alternative text")


def _says_something(tag: re.Match) -> bool:
    if re.search(r"aria-hidden=.true", tag[0]):
        return True
    name = "alt" if tag[1].lower() == "img" else "aria-label"
    words = re.search(rf"\b{name}=(\"[^\"]*\"|'[^']*')", tag[0])
    return bool(words) and is_real(words[1][1:-1])


def _complain(doctree: nodes.document, node: nodes.Element, page: str, what: str) -> None:
    cell = _cell_number(doctree, node)
    where = f"a figure of cell {cell} of {page}" if cell else f"an image of {page}"
    message = "%s tells nothing to a reader who does not see it: %s. %s"
    logger.warning(message, where, what, HOW, location=node, type="course", subtype="alt")


def _cell_number(doctree: nodes.document, node: nodes.Element) -> int | None:
    """Which of the page's code cells, from 1, the node came out of."""
    cells = [c for c in doctree.findall(nodes.container) if c.get("nb_element") == "cell_code"]
    while node is not None and node not in cells:
        node = node.parent
    return cells.index(node) + 1 if node is not None else None
