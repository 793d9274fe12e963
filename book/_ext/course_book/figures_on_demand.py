"""After the build: a page's figures are fetched when the reader comes near them.

A chapter has a dozen figures of five to fifteen kilobytes, and most readers who open it look at the
first. Each figure gets the size that its file states, so that nothing jumps when it arrives.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

IMAGE = re.compile(r'<img (?=[^>]*\bsrc="([^"]+\.svg)")(?![^>]*\bloading=)')
SIZE = re.compile(r'<svg\b[^>]*?\swidth="([\d.]+)(pt|px|)"\s+height="([\d.]+)\2"', re.DOTALL)
PIXELS = {"pt": 4 / 3, "px": 1, "": 1}


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("build-finished", _change_pages)


def _change_pages(app: Sphinx, error: Exception | None) -> None:
    if error or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        page.write_text(on_demand(html, page.parent), encoding="utf-8")


def on_demand(html: str, folder: Path) -> str:
    """A page, all of whose SVG images but the first load when they come near; with their sizes."""
    first = IMAGE.search(html)

    def changed(tag: re.Match) -> str:
        lazy = "" if tag.start() == first.start() else 'loading="lazy" '
        return f"<img {lazy}{_size(folder / tag[1])}"

    return IMAGE.sub(changed, html)


def _size(file: Path) -> str:
    """width and height in pixels, as the file's first tag has them; nothing where it has none."""
    if not file.is_file() or not (found := SIZE.search(file.read_text("utf-8")[:2000])):
        return ""
    width, height = (round(float(found[i]) * PIXELS[found[2]]) for i in (1, 3))
    return f'width="{width}" height="{height}" '
