"""Values that cells put into prose are written as people write them: 4, never np.int64(4)."""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from course_book.prose import found_in_prose

CODE = re.compile(r"\b(?:np\.\w+|tensor|array|dtype)\(")

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("doctree-resolved", _refuse_code)


def _refuse_code(app: Sphinx, doctree: nodes.document, page: str) -> None:
    message = "%r is a value as code prints it: glue an int, a float or a text"
    for _, around, _ in found_in_prose(doctree, CODE):
        logger.warning(message, around, location=page, type="course", subtype="glued")
