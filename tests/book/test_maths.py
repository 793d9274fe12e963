"""Formulas: one system of numbers, and every form that Jupyter reads is set or refused."""

import doctest
import re
from pathlib import Path

import jupytext
import pytest
from course_book import core_path, maths, references

from grading.book import build
from grading.course.errors import CourseError
from tests.book.small import HEADER, book_of_one_page, write

ROOT = Path(__file__).resolve().parents[2]
SOUND = r"""
# Sound

By {eq}`first` and {eq}`third`, $a_b*c*$ and $$d^2$$ within a sentence.

$$ a = 1 $$ (first)

\begin{align}
b &= 2 \\
c &= 3
\end{align}

$$
\begin{aligned} e &= 4 \\ f &= 5 \end{aligned}
$$ (third)

\begin{equation*}
g = 6
\end{equation*}

```{math}
h = 7
```

- $$i = 8$$
- It costs \$5, or \$6 with `$$`.

| a | b |
|---|---|
| $j$ | $k \mid l$ |
"""


def test_formulas_have_one_system_of_numbers_and_are_all_set(small_book):
    write(small_book, HEADER + SOUND)
    page = (build(small_book).parent / "book" / "page.html").read_text(encoding="utf-8")
    article = page[page.index("<article") : page.index("</article>")]
    assert re.findall(r'class="eqno">\((\d)\)', article) == ["1", "2", "3"]
    assert re.findall(r'href="#equation-\w+">\((\d)\)', article) == ["1", "3"]
    assert "eqn-num" not in article  # KaTeX's own counter
    assert article.count('class="katex"') == 10
    sentence = article[article.index("By ") : article.index("within a sentence")]
    assert "<div" not in sentence and 'class="katex-display"' in sentence
    text = re.sub(r"<annotation.*?</annotation>|<code.*?</code>", "", article, flags=re.DOTALL)
    assert "$$" not in text and "\\begin" not in text and "It costs $5, or $6" in text


# A page that holds it, and the fault that is told of it; None: there is none.
RAW = [
    (r"Here \(x^2\) is lost.", "write $...$"),
    (r"\[ x^2 \]", None),  # with spaces: brackets, as in a list
    (r"\[x^2\]", "write $...$"),
    (r"$$ x \tag{9} $$ (label)", "a number and a"),
    (r"$$ x \label{a} $$", "cannot be set"),
    (r"By \eqref{a} it follows.", None),
    (r"A half: \frac{1}{2}.", "left over of a formula"),
    (r"A block \begin{align} a \end{align} in a line.", "left over of a formula"),
    (r"Open $$ for ever.", "left over of a formula"),
    (r"$ \undefined $", "cannot be set"),
    ("In np.int64(4) of them.", "as code prints it"),
    ("In `np.int64(4)` of them.", None),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The faults that the build of a book with all these pages tells, by page."""
    root = book_of_one_page(tmp_path_factory.mktemp("raw"))
    toc = "format: jb-book\nroot: book/page\nchapters:\n"
    for number, (source, _) in enumerate(RAW):
        toc += f"- file: book/raw{number:02}\n"
        text = f"{HEADER}\n# Page\n\n{source}\n"
        (root / "book" / f"raw{number:02}.md").write_text(text, encoding="utf-8")
    (root / "_toc.yml").write_text(toc, encoding="utf-8")
    write(root, f"{HEADER}\n# Page\n")
    with pytest.raises(CourseError) as raised:
        build(root)
    lines = str(raised.value).splitlines()
    names = [f"book/raw{number:02}" for number in range(len(RAW))]
    return [[line for line in lines if name in line] for name in names]


@pytest.mark.parametrize("number", range(len(RAW)), ids=[source for source, _ in RAW])
def test_what_would_stand_raw_on_the_page_fails_the_build(told, number):
    words = RAW[number][1]
    assert any(words in line for line in told[number]) if words else told[number] == []


def markdown_cells(path: Path) -> str:
    cells = jupytext.read(path).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("path", sorted(ROOT.glob("solutions/*/*.py")), ids=lambda path: path.stem)
def test_notebooks_have_formulas_that_jupyter_and_the_book_both_set(path):
    text = markdown_cells(path)
    assert maths.foreign(text) == []
    assert not re.search(r"\{(math|eq)\}|\$\$ *\(|\\(label|eqref|ref)\b", text)


@pytest.mark.parametrize("module", [core_path, maths, references])
def test_docstring_examples(module):
    results = doctest.testmod(module)
    assert results.attempted and not results.failed
