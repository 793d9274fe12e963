"""Every page of the book in a real browser, light and dark, phone and desktop, without network."""

import gzip
import re
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SCREENS = {"phone": {"width": 360, "height": 800}, "desktop": {"width": 1280, "height": 900}}


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


# Exercises have one template and no outputs: axe, which is slow, is asked of one of them.
FOR_AXE = [p for p in pages() if not p.startswith("exercises/") or p.startswith("exercises/01")]


@dataclass
class Visit:
    """What the visits to a page in one colour scheme saw, on each screen where they may differ."""

    at_first: list[str] = field(default_factory=list)  # requests before the reader scrolls
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    overflow: dict[str, int] = field(default_factory=dict)
    cut_off: dict[str, list[str]] = field(default_factory=dict)
    violations: dict[str, list[str]] = field(default_factory=dict)
    images: list[dict] = field(default_factory=list)
    text: str = ""
    background: str = ""


@pytest.fixture(scope="session")
def visit(book, browser):
    """Visit a page once, in both colour schemes; the answer is kept."""
    kept = {}
    axe = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")

    def go(page: str, scheme: str) -> Visit:
        if page not in kept:
            kept[page] = _visit(browser, book / f"{page}.html", axe if page in FOR_AXE else "")
        return kept[page][scheme]

    return go


def _visit(browser, path: Path, axe: str) -> dict[str, Visit]:
    """What is seen in the light on a phone, then on a desktop, and there in the dark: colours
    change no sizes. Axe is asked where its text is given."""
    light, dark = Visit(), Visit()
    context = browser.new_context(offline=True, color_scheme="light", viewport=SCREENS["phone"])
    page = context.new_page()
    _listen(page, light)
    page.goto(path.as_uri(), wait_until="load")
    light.at_first = list(light.requests)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    _look(page, "phone", light)
    page.set_viewport_size(SCREENS["desktop"])
    _look(page, "desktop", light)
    if axe:
        page.evaluate(axe)
        page.evaluate(THINNED)
        _ask_axe(page, "desktop", light, STRUCTURE)
        _ask_axe(page, "desktop", light, CONTRAST)
    _listen(page, dark)
    page.emulate_media(color_scheme="dark")
    _look(page, "desktop", dark)
    if axe:
        _ask_axe(page, "desktop", dark, CONTRAST)
        page.set_viewport_size(SCREENS["phone"])
        _ask_axe(page, "phone", light, NARROW)
    context.close()
    return {"light": light, "dark": dark}


def _listen(page, visit: Visit) -> None:
    """From here on note what the page fetches and complains of."""
    page.on("request", lambda request: visit.requests.append(request.url))
    page.on("console", lambda message: note(visit, message))
    page.on("pageerror", lambda error: visit.messages.append(str(error)))


def _look(page, screen: str, visit: Visit) -> None:
    """Note what the page shows."""
    page.evaluate(ALL_IMAGES)
    page.evaluate(SETTLED)
    visit.overflow[screen] = page.evaluate(OVERFLOW)
    visit.cut_off[screen] = page.evaluate(CUT_OFF)
    visit.images = page.evaluate(IMAGES)
    visit.text = page.evaluate(VISIBLE_TEXT)
    visit.background = page.evaluate("getComputedStyle(document.body).backgroundColor")


def _ask_axe(page, screen: str, visit: Visit, rules: str) -> None:
    """Note what axe finds."""
    found = [
        f"{rule['id']}: {node['html'][:150]}"
        for rule in page.evaluate(rules)
        for node in rule["nodes"]
    ]
    visit.violations.setdefault(screen, []).extend(found)


def note(visit: Visit, message) -> None:
    """Keep what the browser complains of."""
    if message.type in ("error", "warning"):
        visit.messages.append(message.text)


# --- what is asked of the page -------------------------------------------------------------------

# Letters are loaded, what follows from their size is drawn, and what fades in is there.
SETTLED = """document.fonts.ready.then(() => new Promise(
  done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)))
)).then(() => Promise.allSettled(document.getAnimations()
  .filter(each => each.effect.getComputedTiming().endTime < Infinity)
  .map(each => each.finished)))
.then(() => null)"""

# Figures that are fetched when the reader comes near.
ALL_IMAGES = """Promise.all([...document.images].map(image => {
  image.loading = "eager";
  return image.decode().catch(() => null);
})).then(() => null)"""

OVERFLOW = "document.documentElement.scrollWidth - innerWidth"

IMAGES = "[...document.images].map(i => ({src: i.src, alt: i.alt, width: i.naturalWidth}))"

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

# Code and formulas are thousands of words and letters, which have no structure: three of each class
# stay, the others are set as the text around them.
THINNED = """(() => {
  const seen = {};
  for (const each of document.querySelectorAll("pre span, .katex span")) {
    const kind = `${each.className} in ${each.parentElement.className}`;
    seen[kind] = (seen[kind] || 0) + 1;
    if (seen[kind] > 3 && !each.children.length) each.replaceWith(...each.childNodes);
  }
})()"""

# What axe asks of a page is the same in each colour scheme and on each screen, but for the contrast
# and for what is hidden or scrolls on a narrow one. One rule is not in axe's default set: a
# control's name must contain the words seen on it.
STRUCTURE = """() => axe.run({preload: false, resultTypes: ["violations"], rules: {
  "label-content-name-mismatch": {enabled: true}, "color-contrast": {enabled: false},
}}).then(result => result.violations)"""

NARROW = """() => axe.run({
  preload: false, resultTypes: ["violations"],
  runOnly: ["scrollable-region-focusable", "aria-hidden-focus", "skip-link"],
}).then(result => result.violations)"""

# Two of all texts that have the same classes, up to their great-grandparents.
CONTRAST = """() => {
  const seen = {}, asked = [];
  const is = (e, up) => `${e.tagName} ${e.className} ${up ? is(e.parentElement, up - 1) : ""}`;
  for (const each of document.body.querySelectorAll("*")) {
    if (![...each.childNodes].some(c => c.nodeType === 3 && c.textContent.trim())) continue;
    const kind = is(each, each.closest("main") ? 3 : 1);
    seen[kind] = (seen[kind] || 0) + 1;
    if (seen[kind] <= 2) asked.push(each);
  }
  return axe.run({include: asked}, {
    preload: false, resultTypes: ["violations"], runOnly: ["color-contrast"],
  }).then(result => result.violations);
}"""


everywhere = pytest.mark.parametrize("page", pages())
both = pytest.mark.parametrize("scheme", ["light", "dark"])


@both
@everywhere
def test_asks_nobody(visit, page, scheme):
    abroad = [u for u in visit(page, scheme).requests if not u.startswith(("file:", "data:"))]
    assert abroad == []


def test_the_search_finds_pages_without_a_server(book, browser):
    context = browser.new_context(offline=True)
    messages = []
    context.on("console", lambda message: messages.append((message.type, message.text)))
    context.on("weberror", lambda error: messages.append(("error", str(error.error))))
    page = context.new_page()
    page.goto((book / "search.html").as_uri() + "?q=axis")
    page.wait_for_selector("#search-results li a[href*='book/notation.html']")  # one by one
    context.close()
    assert [text for kind, text in messages if kind in ("error", "warning")] == []


def test_asks_nobody_when_a_server_gives_it(book, browser):
    handler = partial(Silent, directory=str(book))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        home = f"http://127.0.0.1:{server.server_port}/"
        context = browser.new_context()
        abroad, messages = [], []
        context.route(
            lambda url: not url.startswith((home, "data:")),
            lambda route: (abroad.append(route.request.url), route.abort()),
        )
        context.on("console", lambda message: messages.append((message.type, message.text)))
        page = context.new_page()
        page.goto(home)
        page.wait_for_url("**/book/intro.html")  # where the index leads
        for name in pages()[::4]:  # what they fetch is asked of each page above
            page.goto(f"{home}{name}.html", wait_until="load")
        context.close()
        server.shutdown()
    assert abroad == []
    assert [text for kind, text in messages if kind in ("error", "warning")] == []


class Silent(SimpleHTTPRequestHandler):
    """Serves files without a line for each on the terminal."""

    def log_message(self, *arguments):
        """Say nothing."""


@everywhere
def test_a_page_is_light(visit, page):
    assert weight(visit(page, "light").at_first) < 200_000


@everywhere
def test_a_whole_page_is_not_heavy_either(visit, page):
    """What a reader has fetched who went through all figures, photographs among them."""
    assert weight(visit(page, "light").requests) < 750_000


def test_figures_are_fetched_when_the_reader_comes_near(book, browser):
    context = browser.new_context(offline=True, viewport=SCREENS["phone"])
    page = context.new_page()
    fetched = []
    page.on("request", lambda request: fetched.append(request.url))
    page.goto((book / "book" / "05_attention.html").as_uri(), wait_until="load")
    figures = page.evaluate("[...document.images].map(i => [i.src, i.width, i.height])")
    before = {src for src, _, _ in figures if src in fetched}
    assert 1 <= len(before) < len(figures)
    assert all(100 < width <= 360 and height > 50 for _, width, height in figures)  # not yet there
    page.evaluate(ALL_IMAGES)
    after = page.evaluate("[...document.images].map(i => [i.src, i.width, i.height])")
    context.close()
    assert all(src in fetched for src, _, _ in after)
    assert all(
        abs(old[2] - new[2]) <= 1 for old, new in zip(figures, after, strict=True)
    )  # nothing jumps


def weight(requests: list[str]) -> int:
    """Bytes that a page's files weigh on their way to the reader, text compressed."""
    found = {unquote(urlsplit(url).path) for url in requests if url.startswith("file:")}
    total = 0
    for path in map(Path, sorted(found)):
        data = path.read_bytes()
        packed = path.suffix in (".woff", ".woff2", ".png", ".jpg")
        total += len(data if packed else gzip.compress(data, mtime=0))
    return total


@both
@everywhere
def test_no_console_message(visit, page, scheme):
    assert visit(page, scheme).messages == []


@both
@everywhere
def test_nothing_is_cut_off_and_the_page_does_not_scroll_sideways(visit, page, scheme):
    assert max(visit(page, scheme).overflow.values()) <= 0
    assert sum(visit(page, scheme).cut_off.values(), []) == []


@both
@pytest.mark.parametrize("page", FOR_AXE)
def test_axe_finds_nothing(visit, page, scheme):
    assert sum(visit(page, scheme).violations.values(), []) == []


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


# --- the colours of figures ----------------------------------------------------------------------

STYLE = (ROOT / "book" / "_ext" / "course_book" / "matplotlibrc").read_text(encoding="utf-8")
COLOURS = re.findall(r'"([0-9a-f]{6})"', STYLE)  # the cycle C0, C1, ...
COLOURS += re.findall(r"(?:labelcolor|text\.color): ([0-9a-f]{6})", STYLE)


@pytest.mark.parametrize("colour", sorted(set(COLOURS)))
def test_figure_colours_can_be_read_on_light_and_dark(visit, colour):
    drawn = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    for scheme, seen in {"light": drawn, "dark": turned_round(drawn)}.items():
        found = re.findall(r"\d+", visit("book/intro", scheme).background)[:3]
        assert contrast(seen, [int(part) / 255 for part in found]) >= 4.5


def turned_round(colour: list[float]) -> list[float]:
    """What CSS makes of a colour with `invert(1) hue-rotate(180deg)` (course.css).

    The matrix is the one of the Filter Effects specification for an angle of 180 degrees.
    """
    r, g, b = (1 - part for part in colour)
    matrix = [(-0.574, 1.430, 0.144), (0.426, 0.430, 0.144), (0.426, 1.430, -0.856)]
    return [min(1.0, max(0.0, x * r + y * g + z * b)) for x, y, z in matrix]


def contrast(one: list[float], other: list[float]) -> float:
    """The contrast ratio of WCAG 2 of two sRGB colours."""
    darker, lighter = sorted(luminance(colour) for colour in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: list[float]) -> float:
    """The relative luminance of WCAG 2."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
