"""Where every link of a folder of HTML leads, and whether it is there."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ABROAD = ("http", "https", "mailto")
STYLE_URL = re.compile(r"url\(\s*['\"]?([^'\")]+)['\"]?\s*\)")


@dataclass
class Page(HTMLParser):
    """The ids and the links of one page."""

    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)  # what a reader may follow
    loads: list[str] = field(default_factory=list)  # what the browser fetches by itself

    def __post_init__(self):
        super().__init__()

    def handle_starttag(self, tag, attrs):
        """Sort the tag's addresses."""
        named = {name: value for name, value in attrs if value}
        if "id" in named:
            self.ids.append(named["id"])
        if tag == "a":
            self.links += [named[name] for name in ("href",) if name in named]
        else:
            self.loads += [named[name] for name in ("href", "src", "action") if name in named]


def read(path: Path) -> Page:
    """Parse one page."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def faults(root: Path) -> list[str]:
    """Every link, image, script or style sheet that is not there, and every id given twice."""
    pages = {path: read(path) for path in sorted(root.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(root).as_posix()
        twice = {one for one in page.ids if page.ids.count(one) > 1}
        found += [f"{name}: the id {one} stands twice" for one in sorted(twice)]
        for address in page.links + page.loads:
            if why := _fault(root, path, address, pages, may_leave=address in page.links):
                found.append(f"{name}: {address} {why}")
    for path in sorted(root.rglob("*.css")):
        for address in STYLE_URL.findall(path.read_text(encoding="utf-8")):
            if not address.startswith("data:") and (
                why := _fault(root, path, address, pages, may_leave=False)
            ):
                found.append(f"{path.relative_to(root).as_posix()}: {address} {why}")
    return found


def _fault(root: Path, path: Path, address: str, pages: dict, may_leave: bool) -> str | None:
    parts = urlsplit(address)
    if parts.scheme in ABROAD or parts.netloc:
        return None if may_leave else "is loaded from elsewhere"
    if parts.scheme:
        return None if parts.scheme == "data" else f"has the scheme {parts.scheme}"
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_relative_to(root.resolve()):
        return "leaves the book"
    if not target.is_file():
        return "is not there"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
        return "names an id that is not there"
    return None
