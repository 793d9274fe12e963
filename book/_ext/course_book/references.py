"""The list of sources: each under the name and year that the text cites it by, its title a link.

A source leads to its `url`, its `doi`, or the number in its note "arXiv 1706.03762"; one without
any fails the build. A second source of the same author and year has a letter in its year (2023b).
"""

import re

from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.richtext import HRef, Text
from pybtex.style.formatting.unsrt import Style as Unsorted
from pybtex.style.labels import BaseLabelStyle
from pybtex.style.template import node
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

ARXIV = re.compile(r"arXiv (\d{4}\.\d{4,5})")

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx; before the bibliographies are read."""
    register_plugin("pybtex.style.labels", "course", Labels)
    register_plugin("pybtex.style.formatting", "course", Style)
    app.connect("config-inited", _choose, priority=100)


def _choose(app: Sphinx, config: Config) -> None:
    config.bibtex_default_style = "course"


def address(entry: Entry) -> str | None:
    """Where a source can be read.

    >>> address(Entry("misc", {"note": "arXiv 1706.03762"}))
    'https://arxiv.org/abs/1706.03762'
    >>> address(Entry("article", {"doi": "10.1038/323533a0"}))
    'https://doi.org/10.1038/323533a0'
    """
    if "url" in entry.fields:
        return entry.fields["url"]
    if "doi" in entry.fields:
        return f"https://doi.org/{entry.fields['doi']}"
    found = ARXIV.search(entry.fields.get("note", ""))
    return f"https://arxiv.org/abs/{found[1]}" if found else None


def name_and_year(entry: Entry) -> str:
    """What the text calls a source.

    >>> from pybtex.database import Person
    >>> people = {"author": [Person("Vaswani, Ashish"), Person("Shazeer, Noam")]}
    >>> name_and_year(Entry("misc", {"year": "2017"}, people))
    'Vaswani and Shazeer, 2017'
    """
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    names = [" ".join(p.prelast_names + p.last_names) for p in people]
    shown = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
    return str(Text.from_latex(f"{shown}, {entry.fields['year']}"))


class Labels(BaseLabelStyle):
    """Name and year, as in the text."""

    def format_labels(self, sorted_entries):
        """One label for each entry."""
        return [name_and_year(entry) for entry in sorted_entries]


@node
def _linked(children, context):
    entry = context["entry"]
    title = Text.from_latex(entry.fields["title"])
    if not (where := address(entry)):
        message = (
            "%s has no link in the bibliography: give it a url, a doi or a note 'arXiv NUMBER'"
        )
        logger.warning(message, entry.key, type="course")
        return title + "."
    return HRef(where, title) + "."


class Style(Unsorted):
    """The plain style, by author, with the title as the one link."""

    default_sorting_style = "author_year_title"
    default_label_style = "course"

    def format_title(self, e, which_field, as_sentence=True):
        """The title, leading to the source."""
        return _linked

    def format_btitle(self, e, which_field, as_sentence=True):
        """A book's own title leads to it; the title of proceedings does not."""
        return (
            _linked
            if which_field == "title"
            else super().format_btitle(e, which_field, as_sentence)
        )

    def format_web_refs(self, e):
        """Nothing: the title is the link."""
        return Text()
