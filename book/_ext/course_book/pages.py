"""What every page loads and how its parts are named: the theme's pages, made light and accessible.

Each change must find what it changes; where a new version of the theme is built differently, the
build fails here and not the reader's screen reader.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

# Files that a page loads only if its article contains the words.
NEEDED_BY = {
    "copybutton.js": 'class="highlight',
    "clipboard.min.js": 'class="highlight',
    "copybutton.css": 'class="highlight',
    "design-tabs.js": "sd-tab-set",
    "sphinx-design.min.css": 'class="sd-',
    "mystnb.": 'class="cell',
    "katex/katex.min.css": 'class="katex',
}
KATEX_STYLE = "katex/katex.min.css"
AT_ONCE = ("documentation_options.js",)  # scripts in the page itself read what it defines

# (what the theme writes, what the page shall say): a landmark for each part of the page.
LANDMARKS = []

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx; after the theme (500) has chosen its files."""
    app.connect("config-inited", _add_templates)
    app.connect("html-page-context", _lighten, priority=900)
    app.add_css_file(KATEX_STYLE)


def _add_templates(app: Sphinx, config) -> None:
    config.templates_path.insert(0, str(Path(__file__).parent / "templates"))


def _lighten(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    body = context.get("body") or ""
    for kind in ("script_files", "css_files"):
        context[kind] = [asset for asset in context[kind] if _is_needed(str(asset.filename), body)]
    for script in context["script_files"]:
        name = str(script.filename or "")
        if name and not name.endswith(AT_ONCE):
            script.attributes["defer"] = "defer"
    context["without_scripts"] = _without_scripts
    context["without_search"] = _without_search
    context["with_landmarks"] = _with_landmarks


def _is_needed(name: str, body: str) -> bool:
    return all(word in body for file, word in NEEDED_BY.items() if file in name)


def _without_scripts(html: str, *names: str) -> str:
    for name in names:
        html = _replace(html, rf'<script[^>]*src="[^"]*{re.escape(name)}[^"]*"></script>', "")
    return html


def _without_search(html: str) -> str:
    """The theme loads the whole search index on every page, for a search as you type not in use."""
    html = _replace(html, r'<meta name="viewport"[^>]*>', "")  # the base template writes one
    if "searchindex.js" in html:
        html = _without_scripts(html, "searchtools.js", "language_data.js", "searchindex.js")
    return html


def _with_landmarks(html: str) -> str:
    for old, new in LANDMARKS:
        html = _replace(html, re.escape(old), new)
    return html


def _replace(html: str, pattern: str, new: str) -> str:
    html, count = re.subn(pattern, lambda match: new, html)
    if not count:
        logger.warning("the theme no longer writes %s: amend pages.py", pattern, type="course")
    return html
