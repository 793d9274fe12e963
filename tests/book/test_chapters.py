"""What every chapter keeps: its core path is short, its outline and its words have a page."""

import doctest
import re
from pathlib import Path

import pytest
import yaml
from course_book import core_path, numbering, outline, tables

from grading.book import build
from grading.course.errors import CourseError
from tests.book.small import HEADER

ROOT = Path(__file__).resolve().parents[2]
TOC = (ROOT / "_toc.yml").read_text(encoding="utf-8")  # what is not in it is a draft
CHAPTERS = [
    ROOT / f"{page}.md" for page in re.findall(r"file: (book/\d\d_\w+)$", TOC, re.MULTILINE)
]
OUTLINES = sorted((ROOT / "book" / "_data").glob("outline_*.yml"))
LABEL = re.compile(r"^\(([\w-]+)\)=\n+#", re.MULTILINE)  # before a heading, whose words are shown


@pytest.mark.parametrize("module", [core_path, numbering, outline, tables])
def test_docstring_examples(module):
    results = doctest.testmod(module)
    assert results.attempted and not results.failed


def test_prose_is_counted_and_nothing_else():
    text = (
        f"{HEADER}\n(a-b)=\n# One two\n\nThree $x = 1$ four {{cite}}`five1999`.\n\n"
        "$$\ny = 2\n$$\n\n```{code-cell} ipython3\n# no title\nprint('six')\n```\n\n"
        ":::{exercise} attention/causal_mask\nA hint.\n:::\n\n"
        ":::{admonition} Five six\n:class: tip\nSeven\n:::\n\n[eight](#no-such)\n"
    )
    assert core_path.count_words(text) == 6  # a box's title is its directive's line
    second = "## Later (second reading)\n\nnine ten\n\n### Below\n\neleven\n\n## Back\n\ntwelve\n"
    assert core_path.count_words(core_path.core(text + second)) == 6 + 2
    assert core_path.count_words(text + second) == 6 + 9


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_the_core_path_can_be_read_in_half_an_hour(chapter):
    words = core_path.count_words(core_path.core(chapter.read_text(encoding="utf-8")))
    assert 500 < words <= core_path.MOST_WORDS


def test_a_long_chapter_a_false_outline_and_a_source_without_link_fail(small_book):
    folder = small_book / "book" / "_data"
    folder.mkdir()
    (folder / "outline_01.yml").write_text("- {point: A., section: gone}\n", encoding="utf-8")
    (folder / "outline_02.yml").write_text("- {point: A., sektion: b}\n", encoding="utf-8")
    sources = small_book / "book" / "references.bib"
    entry = "@misc{nolink1999, author={Nolink, Ann}, title={No Link}, year={1999}}\n"
    sources.write_text(entry, encoding="utf-8")
    (small_book / "_toc.yml").write_text("format: jb-book\nroot: book/05_page\n", encoding="utf-8")
    long = "word " * 2001
    text = f"{HEADER}\n# Long\n\n{long}\n\n:::{{outline}}\n:::\n\n{{cite}}`nolink1999`\n\n"
    text += "```{bibliography}\n```\n"
    (small_book / "book" / "05_page.md").write_text(text, encoding="utf-8")
    with pytest.raises(CourseError) as raised:
        build(small_book)
    for words in (
        "the core path of book/05_page has 2002 words",
        "gone",
        "outline_02.yml: a point has the fields point, section, refined",
        "nolink1999 has no link in the bibliography",
    ):
        assert words in str(raised.value)


def test_numbers_outline_sources_and_wide_tables_reach_the_page(small_book):
    folder = small_book / "book" / "_data"
    folder.mkdir()
    point = {"point": "All is said.", "section": "there", "refined": "Nearly all."}
    (folder / "outline_05.yml").write_text(yaml.safe_dump([point]), encoding="utf-8")
    (small_book / "_toc.yml").write_text("format: jb-book\nroot: book/05_page\n", encoding="utf-8")
    wide = "| a | b | c |\n|---|---|---|\n" + "| " + "many words in a cell | " * 3 + "\n"
    cited = "{cite}`vaswani2017` {cite}`touvron2023` {cite}`touvron2023b`"
    text = (
        f"{HEADER}\n# Page\n\n(there)=\n## Where it is said\n\n:::{{outline}}\n:::\n\n{cited}\n\n"
    )
    text += f"| x | y |\n|---|---|\n| 1 | 2 |\n\n{wide}\n```{{bibliography}}\n```\n"
    (small_book / "book" / "05_page.md").write_text(text, encoding="utf-8")
    page = (build(small_book).parent / "book" / "05_page.html").read_text(encoding="utf-8")
    article = page[page.index("<article") :]
    assert "<h1>5. Page" in article
    assert "<em>All is said.</em>" in article and "More exactly: Nearly all." in article
    assert re.search(r'href="#there"[^>]*>(<[^>]*>)*Where it is said', article)
    assert len(re.findall(r'<table class="[^"]*scrolls', article)) == 1
    plain = re.sub(r"<[^>]+>", "", article)
    labels = ["Vaswani et al., 2017", "Touvron et al., 2023", "Touvron et al., 2023b"]
    assert all(plain.count(f"[{label}]") == 2 for label in labels)  # in the text and in the list
    assert 'href="https://arxiv.org/abs/1706.03762"' in article


# --- what chapters and their companions say of each other -----------------------------------------


def labels() -> set[str]:
    return {label for chapter in CHAPTERS for label in LABEL.findall(chapter.read_text("utf-8"))}


@pytest.mark.parametrize("path", OUTLINES, ids=lambda path: path.stem)
def test_the_outline_of_a_chapter_leads_into_that_chapter(path):
    points = yaml.safe_load(path.read_text(encoding="utf-8"))
    [chapter] = [c for c in CHAPTERS if c.stem[:2] == path.stem[-2:]]
    own = LABEL.findall(chapter.read_text(encoding="utf-8"))
    assert points and [p["section"] for p in points if p["section"] not in own] == []


def test_every_word_of_the_glossary_stands_in_bold_in_a_chapter():
    text = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    body = text.split(":::{glossary}\n", 1)[1].split("\n:::", 1)[0]
    terms = re.findall(r"^(\w.*)$", body, re.MULTILINE)
    assert terms == sorted(terms, key=str.lower)
    chapters = " ".join(chapter.read_text(encoding="utf-8") for chapter in CHAPTERS)
    chapters = re.sub(r"```.*?```|`[^`\n]*`", "", chapters, flags=re.DOTALL)  # a power is no bold
    bold = {" ".join(b.lower().split()) for b in re.findall(r"\*\*([^*]+)\*\*", chapters)}
    missing = [t for t in terms if not {t.lower(), f"{t.lower()}s"} & bold]
    assert missing == []
