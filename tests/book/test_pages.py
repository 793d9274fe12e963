"""Every page of the book in a real browser, light and dark, phone and desktop, without network."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PHONE = {"width": 360, "height": 800}
DESKTOP = {"width": 1280, "height": 900}


def pages() -> list[str]:
    """The pages of the table of contents, as paths below the book's folder, and Sphinx's own."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    found = [toc["root"]]

    def walk(entries):
        for entry in entries:
            found.append(entry["file"])
            walk(entry.get("sections", []))

    for part in toc["parts"]:
        walk(part["chapters"])
    return [*found, "genindex", "search"]


@dataclass
class Visit:
    """What one visit to a page saw; axe's findings by screen."""

    requests: list[str]
    errors: list[str]
    overflow: int
    cut: list[str]
    violations: dict[str, list[str]]
    images: list[dict]
    text: str


@pytest.fixture(scope="session")
def visit(book, browser):
    """Visit a page once in each colour scheme; the answer is kept."""
    kept = {}
    axe = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")

    def go(page: str, scheme: str) -> Visit:
        if (page, scheme) not in kept:
            kept[page, scheme] = _visit(browser, book / f"{page}.html", scheme, axe)
        return kept[page, scheme]

    return go


def _visit(browser, path: Path, scheme: str, axe: str) -> Visit:
    context = browser.new_context(offline=True, color_scheme=scheme, viewport=PHONE)
    page = context.new_page()
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri(), wait_until="load")
    overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    cut = page.evaluate(CUT_OFF)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    page.evaluate(axe)
    violations = {"phone": _violations(page)}
    page.set_viewport_size(DESKTOP)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    violations["desktop"] = _violations(page)
    images = page.evaluate(
        "[...document.images].map(i => ({src: i.src, alt: i.alt, width: i.naturalWidth}))"
    )
    text = page.evaluate(VISIBLE_TEXT)
    context.close()
    return Visit(requests, errors, overflow, cut, violations, images, text)


# The page's text without code and without what KaTeX keeps for screen readers.
VISIBLE_TEXT = """(() => {
  const page = document.querySelector("main").cloneNode(true);
  for (const hidden of page.querySelectorAll("pre, code, .katex-mathml")) hidden.remove();
  return page.textContent;
})()"""


# What reaches beyond the right edge, and no box around it scrolls.
CUT_OFF = """(() => {
  const scrolls = e =>
    e && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
  return [...document.querySelectorAll("article *")]
    .filter(e => e.checkVisibility() && !e.closest(".katex-mathml, .visually-hidden"))
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e.parentElement))
    .map(e => e.outerHTML.slice(0, 150));
})()"""

# Not in axe's default set: a control's name must contain the words seen on it.
AXE = "{preload: false, rules: {'label-content-name-mismatch': {enabled: true}}}"


def _violations(page) -> list[str]:
    found = page.evaluate(f"axe.run({AXE}).then(result => result.violations)")
    return [f"{v['id']}: {node['html'][:150]}" for v in found for node in v["nodes"]]


everywhere = pytest.mark.parametrize("page", pages())
both = pytest.mark.parametrize("scheme", ["light", "dark"])


@both
@everywhere
def test_asks_nobody(visit, page, scheme):
    abroad = [u for u in visit(page, scheme).requests if not u.startswith(("file:", "data:"))]
    assert abroad == []


@both
@everywhere
def test_no_console_message(visit, page, scheme):
    assert visit(page, scheme).errors == []


@both
@everywhere
def test_no_sideways_scroll_on_a_phone(visit, page, scheme):
    assert visit(page, scheme).overflow <= 0
    assert visit(page, scheme).cut == []


@both
@everywhere
def test_axe_finds_nothing(visit, page, scheme):
    assert visit(page, scheme).violations == {"phone": [], "desktop": []}


@both
@everywhere
def test_images_are_there_and_say_what_they_show(visit, page, scheme):
    from course_book.alternative_text import is_real

    for image in visit(page, scheme).images:
        assert image["width"] > 0, image
        assert is_real(image["alt"], image["src"]), image


@everywhere
def test_no_raw_tex(visit, page):
    text = visit(page, "light").text
    for sign in ("\\(", "\\[", "$$", "\\frac", "\\sum", "\\text", "\\operatorname"):
        assert sign not in text
