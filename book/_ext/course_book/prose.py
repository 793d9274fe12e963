"""What readers see as text: neither code nor formulas."""

import re
from collections.abc import Iterator

from docutils import nodes

VERBATIM = (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw)


def found_in_prose(
    doctree: nodes.document, pattern: re.Pattern
) -> Iterator[tuple[str, str, nodes.Element]]:
    """The first match in each text, the words around it, and the node that holds it."""
    for text in doctree.findall(nodes.Text):
        if (found := pattern.search(text)) and not _is_verbatim(text):
            around = text[max(0, found.start() - 20) : found.end() + 20]
            yield found[0], around, text.parent


def _is_verbatim(text: nodes.Text) -> bool:
    """Whether it stands in code, a formula or a comment."""
    node = text.parent
    while node is not None and not isinstance(node, (*VERBATIM, nodes.comment)):
        node = node.parent
    return node is not None
