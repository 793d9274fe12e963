"""What every page loads and how its parts are named: the theme's pages, made light and accessible.

tests/book holds a browser against the result; a new version of the theme that is built differently
shows there.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

KATEX_STYLE = "katex/katex.min.css"
# Files that a page loads only if its article contains the words.
NEEDED_BY = {
    "copybutton.js": 'class="highlight',
    "clipboard.min.js": 'class="highlight',
    "copybutton.css": 'class="highlight',
    "design-tabs.js": "sd-tab-set",
    "sphinx-design.min.css": 'class="sd-',
    "mystnb.": 'class="cell',
    KATEX_STYLE: 'class="katex',
}
AT_ONCE = "documentation_options.js"  # scripts in the page's own text read what it defines
# The theme has these on every page, for icons that the icon font has, and for a search as you type.
SUPERFLUOUS = re.compile(
    r'<script[^>]*["/](?:fontawesome|searchtools|language_data|searchindex)\.js[^>]*></script>'
)
VIEWPORT = re.compile(r'<meta name="viewport"[^>]*>')

# Landmarks, and names that contain what is seen: (where in the theme's HTML, what, by what).
SEARCH = 'search-button__button pst-js-only" title="Search" aria-label="Search"'
NAMES = [
    ('<div id="pst-primary-sidebar"', "<div", '<div role="complementary" aria-label="Book"'),
    (f"search-button-field {SEARCH}", ' aria-label="Search"', ""),
    ('<summary><span class="toctree-toggle"', "<summary", '<summary aria-label="Pages below"'),
    ('<summary aria-label="Toggle hidden content">', ' aria-label="Toggle hidden content"', ""),
    ('<div class="citation"', "<div", '<div role="listitem"'),
    (' role="doc-biblioentry"', ' role="doc-biblioentry"', ""),  # deprecated
    ('title="Toggle primary sidebar"', "Toggle primary sidebar", "Contents of the book"),
]


def setup(app: Sphinx) -> None:
    """Connect to Sphinx; after the theme (500) has chosen its files."""
    app.connect("config-inited", _add_templates)
    app.connect("html-page-context", _lighten, priority=900)
    app.add_css_file(KATEX_STYLE)
    app.add_config_value("comments_config", {}, "env")  # Jupyter Book sets it in any case


def _add_templates(app: Sphinx, config: Config) -> None:
    config.templates_path.insert(0, str(Path(__file__).parent / "templates"))


def _lighten(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    body = context.get("body") or ""
    for kind in ("script_files", "css_files"):
        context[kind] = [asset for asset in context[kind] if _is_needed(str(asset.filename), body)]
    searches = page == "search"  # it runs its scripts in the order of its text
    for script in context["script_files"]:
        script.attributes.pop("defer", None)  # the pages share these objects
        if script.filename and AT_ONCE not in str(script.filename) and not searches:
            script.attributes["defer"] = "defer"
    context["light_head"] = lambda head: VIEWPORT.sub("", head if searches else _light(head))
    context["light"] = _light
    context["well_named"] = _well_named


def _is_needed(name: str, body: str) -> bool:
    return all(word in body for file, word in NEEDED_BY.items() if file in name)


def _light(html: str) -> str:
    return SUPERFLUOUS.sub("", html)


def _well_named(html: str) -> str:
    for where, what, by in NAMES:
        html = html.replace(where, where.replace(what, by))
    return html
