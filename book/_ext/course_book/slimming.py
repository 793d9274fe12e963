"""After the build: style sheets without rules that no page uses, icon fonts without unused glyphs.

The theme brings 400 KB of styles and 230 KB of icons, of which a page needs a few kilobytes. A rule
stays if every class and id of one of its selectors is a word of some page or script of the book.
"""

import re
import shutil
from io import BytesIO
from pathlib import Path

import tinycss2
from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx

# What the themes copy beside what they use.
UNUSED = ["scripts/fontawesome.js", "**/*.map", "**/*.LICENSE.txt", "locales", "images/logo_*"]
UNUSED += ["**/*webpack-macros.html"]

WORD = re.compile(r"[\w-]+")
ICON = re.compile("[\ue000-\uf8ff]")  # where icon fonts have their characters
FONT_FORMATS = re.compile(r'url\(([^)]*?/fa-[^)]*)\.woff2\)\s*format\("woff2"\)(,\s*url\([^}]*)?')


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("build-finished", _slim)


def _slim(app: Sphinx, error: Exception | None) -> None:
    if error or app.builder.format != "html":
        return
    out = Path(app.outdir)
    static = out / "_static"
    for pattern in UNUSED:
        for path in static.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    words = set()
    for path in [*out.rglob("*.html"), *out.rglob("*.js")]:
        words.update(WORD.findall(path.read_text(encoding="utf-8")))
    icons = set()
    for path in static.rglob("*.css"):
        style = purge(path.read_text(encoding="utf-8"), words)
        style = FONT_FORMATS.sub(r'url(\1.woff) format("woff")', style)
        path.write_text(f'@charset "utf-8";{style}', encoding="utf-8")
        icons.update(map(ord, ICON.findall(style)))
    for font in static.glob("vendor/fontawesome/webfonts/*.ttf"):
        font.with_suffix(".woff").write_bytes(only_glyphs(font, icons))
        font.unlink()
        font.with_suffix(".woff2").unlink(missing_ok=True)


def purge(style: str, words: set[str]) -> str:
    """A style sheet without the selectors that name a class or an id outside `words`.

    >>> purge(".used, .not-used { top: 0 } .gone { top: 1px } p:not(.x) { top: 2px }", {"used"})
    '.used{ top: 0 }p:not(.x){ top: 2px }'
    """
    rules = tinycss2.parse_stylesheet(style, skip_comments=True, skip_whitespace=True)
    return "".join(_purged(rule, words) for rule in rules)


def _purged(rule, words: set[str]) -> str:
    if rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports", "layer"):
        inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
        kept = "".join(_purged(each, words) for each in inner)
        head = tinycss2.serialize(rule.prelude)
        return f"@{rule.at_keyword}{head}{{{kept}}}" if kept else ""
    if rule.type != "qualified-rule":
        return rule.serialize()
    selectors = [s for s in _selectors(rule.prelude) if _names(s) <= words]
    if not selectors:
        return ""
    head = ",".join(tinycss2.serialize(selector).strip() for selector in selectors)
    return f"{head}{{{tinycss2.serialize(rule.content)}}}"


def _selectors(prelude: list) -> list[list]:
    """The parts of a rule's head between its commas."""
    selectors = [[]]
    for token in prelude:
        if token == ",":
            selectors.append([])
        else:
            selectors[-1].append(token)
    return selectors


def _names(selector: list) -> set[str]:
    """The classes and ids that an element must have; what stands inside :not() is no such name."""
    names = {token.value for token in selector if token.type == "hash"}
    for before, token in zip(selector, selector[1:], strict=False):
        if before == "." and token.type == "ident":
            names.add(token.value)
    return names


def only_glyphs(font: Path, characters: set[int]) -> bytes:
    """A font with these characters alone, as WOFF, which needs no further package to write."""
    options = subset.Options(flavor="woff", layout_features=[], notdef_outline=True)
    with TTFont(font) as whole:
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=characters)
        subsetter.subset(whole)
        whole.flavor = "woff"
        buffer = BytesIO()
        whole.save(buffer)
    return buffer.getvalue()
