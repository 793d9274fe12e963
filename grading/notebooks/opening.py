"""The first code cell of every notebook: the same few lines, generated.

With the course there, it gets the first check ready. Without it, one line says how to get it: the
notebook may have been downloaded on its own, or run by another Python than the course's.
"""

import nbformat
from nbformat import NotebookNode

SOURCE = """\
try:
    from grading import ready
except ImportError:

    class CourseIsMissing(Exception):
        def _render_traceback_(self):
            return [str(self)]

    raise CourseIsMissing(
        "The course is not in this Python. In the course's folder run `make course`, then "
        "`.venv/bin/course start {slug}`. In VS Code choose that folder's .venv as the kernel."
    ) from None

ready("{slug}")"""


def cell(slug: str) -> NotebookNode:
    """The cell for a unit's notebook; folded, because it is not the learner's to read."""
    metadata = {"tags": ["setup", "hide-input"], "jupyter": {"source_hidden": True}}
    made = nbformat.v4.new_code_cell(SOURCE.replace("{slug}", slug), metadata=metadata)
    made.id = "course-ready"
    return made
