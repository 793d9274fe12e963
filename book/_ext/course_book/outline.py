"""The directive `{outline}`: the session's points, out of book/_data/outline_NN.yml.

A file has a list of points. Each has `point` (what the outline says), `section` (the label where it
is taught; one that does not exist fails the build) and `refined` (what the course makes more exact;
empty or missing: nothing). NN is the number of the chapter.
"""

import re
from pathlib import Path

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

FIELDS = {"point", "section", "refined"}

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.add_directive("outline", Outline)


class Outline(SphinxDirective):
    """One list a chapter, in the chapters' order."""

    def run(self) -> list[nodes.Node]:
        """The points as MyST, set by MyST."""
        folder = Path(self.env.srcdir) / "book" / "_data"
        lines = []
        for file in sorted(folder.glob("outline_*.yml")):
            self.env.note_dependency(str(file))
            try:
                lines += written(yaml.safe_load(file.read_text(encoding="utf-8")), file.stem[-2:])
            except (ValueError, yaml.YAMLError) as error:
                where = self.get_location()
                logger.warning("%s: %s", file.name, error, location=where, type="course")
        box = nodes.Element()
        source, line = self.get_source_info()
        self.state.nested_parse(StringList(lines, source), line, box)
        return box.children


def written(points: object, number: str) -> list[str]:
    """The Markdown of one chapter's points.

    >>> written([{"point": "A.", "section": "x-y", "refined": "B."}], "05")
    ['**Chapter 5**', '', '- *A.* [](#x-y)  ', '  More exactly: B.', '']
    """
    if not isinstance(points, list) or not re.fullmatch(r"\d\d", number):
        raise ValueError("wanted outline_NN.yml with a list of points")
    lines = [f"**Chapter {int(number)}**", ""]
    for point in points:
        if not isinstance(point, dict) or not {"point", "section"} <= set(point) <= FIELDS:
            raise ValueError(f"a point has the fields point, section, refined; found {point!r}")
        refined = (point.get("refined") or "").strip()
        lines.append(f"- *{point['point'].strip()}* [](#{point['section']})" + "  " * bool(refined))
        lines += [f"  More exactly: {refined}"] if refined else []
    return [*lines, ""]
