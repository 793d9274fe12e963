"""What the build refuses, and that its parts do what they say."""

import doctest
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from course_book import alternative_text, execution, exercise_box, maths, slimming

from grading.book import build
from grading.course.errors import CourseError
from grading.course.unit import load_exercise, unit_slugs
from tests.book import links
from tests.book.small import CELL, HEADER, write

ROOT = Path(__file__).resolve().parents[2]
PLOT = "import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])"
FAULTY = f"""{HEADER}
# Faulty

![](picture.svg)

<img src="_static/course.css">

[nowhere](#no-such-label)
{{cite}}`nobody1900`

$$ \\frac{{1 $$

:::{{exercise}} attention/no_such_exercise
:::
{CELL % PLOT}
{CELL % "raise RuntimeError('the cell that fails')"}
"""
HASH = "![3f994c23a949d471d4cb69440ca8a787bd23cbdce0ab7dc1f4a5d340e321ac00.svg](picture.svg)"


def test_every_fault_is_named(small_book):
    write(small_book, FAULTY + HASH)
    with pytest.raises(CourseError) as raised:
        build(small_book)
    message = str(raised.value)
    assert "a figure of cell 1 of book/page tells nothing" in message
    assert message.count("an image of book/page tells nothing") == 3  # none, raw, and the hash
    for part in (
        "no-such-label",
        'could not find bibtex key "nobody1900"',
        "this formula cannot be set: KaTeX parse error",
        "There is no exercise 'attention/no_such_exercise'",
        "RuntimeError: the cell that fails",
    ):
        assert part in message
    assert "page.md:" in message


def test_a_sound_page_builds_and_its_figure_repeats(small_book):
    alt = "---\nmystnb: {image: {alt: A line that rises.}}\n---\n"
    write(small_book, f"{HEADER}\n# Sound\n\n$x^2$ ![A dot](picture.svg)\n{CELL % (alt + PLOT)}")
    index = build(small_book)
    page = (index.parent / "book" / "page.html").read_text(encoding="utf-8")
    first = _figure(index)
    assert 'alt="A line that rises."' in page and 'class="katex"' in page
    assert "<dc:date>" not in first and "background" not in first
    assert not re.search(r'id="patch_1".{0,200}style="fill: #ffffff"', first, re.DOTALL)

    shutil.rmtree(small_book / "_build")  # the cache, too: the cell runs again
    assert _figure(build(small_book)) == first


def _figure(index: Path) -> str:
    (figure,) = [p for p in index.parent.glob("_images/*.svg") if p.stem != "picture"]
    return figure.read_text(encoding="utf-8")


PAGE = """# A page

```{code-cell} ipython3
:tags: [hide-input]
import json
from reference_impl.norms import (
    rms_norm,
)
record = json.load("_data/runs.json")
```
"""


def test_results_are_kept_only_while_what_the_page_uses_is_the_same(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return execution.state(tmp_path, PAGE)

    write("reference_impl/__init__.py", "")
    write("reference_impl/norms.py", "from reference_impl import sizes\n")
    write("reference_impl/sizes.py", "eps = 1e-5\n")
    before = write("book/_data/runs.json", "{}")
    assert write("reference_impl/other.py", "") == before
    assert write("grading/judge.py", "") == before
    assert write("book/_data/others.json", "{}") == before
    states = {
        before,
        write("reference_impl/norms.py", "import reference_impl.sizes\n"),
        write("reference_impl/sizes.py", "eps = 1e-6\n"),
        write("book/_data/runs.json", "[]"),
        write("requirements.lock", "torch\n"),
    }
    assert len(states) == 5

    page = PAGE.replace("import json", "from grading import check\nimport json")
    write("grading/__init__.py", "")
    before = execution.state(tmp_path, page)
    write("grading/judge.py", "bar = 1\n")  # found by no import of the page
    assert execution.state(tmp_path, page) != before


def test_a_page_runs_again_when_what_it_uses_has_changed(small_book):
    package = small_book / "reference_impl"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    cell = "import sys; sys.path.insert(0, '..')\nfrom reference_impl.size import SIZE\nprint(SIZE)"
    write(small_book, f"{HEADER}\n# Sizes\n{CELL % cell}")

    def shown(size):
        (package / "size.py").write_text(f"SIZE = 'is {size}'\n", encoding="utf-8")
        page = build(small_book).parent / "book" / "page.html"
        return re.search(r"is \d", page.read_text(encoding="utf-8"))[0]

    assert [shown(3), shown(4)] == ["is 3", "is 4"]


@pytest.mark.parametrize("module", [alternative_text, slimming])
def test_docstring_examples(module):
    results = doctest.testmod(module)
    assert results.attempted and not results.failed


def test_script_and_style_of_the_formulas_are_of_one_version():
    script = maths.KATEX.read_text(encoding="utf-8")
    style = (ROOT / "book/_static/katex/katex.min.css").read_text(encoding="utf-8")
    update = (ROOT / "book/_ext/update_katex.py").read_text(encoding="utf-8")
    (version,) = re.findall(r'^VERSION = "([\d.]+)"$', update, re.MULTILINE)
    assert f'.katex-version:after{{content:"{version}"}}' in style
    assert f'version:"{version}"' in script


def test_an_exercise_box_tells_what_the_exercise_says(small_book):
    notebook = small_book / "exercises" / "05_attention" / "05_attention.ipynb"
    notebook.parent.mkdir(parents=True)
    cells = [nbformat.v4.new_markdown_cell("# Exercises\n\n[back](../../book/page.md#label)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), notebook)
    with (small_book / "_toc.yml").open("a", encoding="utf-8") as toc:
        toc.write("chapters:\n- file: exercises/05_attention/05_attention\n- file: book/learners\n")
    (small_book / "book" / "learners.md").write_text("# Working\n", encoding="utf-8")
    box = ":::{exercise} attention/causal_mask\nCompare *positions*.\n:::"
    write(small_book, f"# Page\n\n(label)=\n## Section\n\n{box}\n")

    index = build(small_book)
    page = (index.parent / "book" / "page.html").read_text(encoding="utf-8")
    exercise = load_exercise("attention/causal_mask")
    assert f"<strong>{exercise.title}</strong>" in page
    assert f"{exercise.minutes}\xa0minutes · {exercise.difficulty} · {exercise.points:g} " in page
    assert "<details" in page and "Compare <em>positions</em>." in page
    plain = re.sub(r"<[^>]+>", "", page)
    assert "course start 05_attention" in plain and "colab" not in page
    assert links.faults(index.parent) == []  # the notebook, its download, and the way back


def test_a_box_offers_the_web_where_the_course_is_there():
    at_home = exercise_box._ways("05_attention", "", "main")
    on_the_web = exercise_box._ways("05_attention", "https://github.com/who/lm.git", "next")
    path = "exercises/05_attention/05_attention.ipynb"
    assert on_the_web[: len(at_home)] == at_home
    assert on_the_web[len(at_home) :] == [
        f"[Colab](https://colab.research.google.com/github/who/lm/blob/next/{path})",
        "[Binder](https://mybinder.org/v2/gh/who/lm/next?labpath="
        "exercises%2F05_attention%2F05_attention.ipynb)",
    ]
    assert exercise_box._ways("05_attention", "https://example.org/lm", "main") == at_home


# --- the built book ------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", unit_slugs())
def test_notebooks_are_shown_unexecuted_and_can_be_downloaded(book, slug):
    folder = book / "exercises" / slug
    page = (folder / f"{slug}.html").read_text(encoding="utf-8")
    assert "cell_output" not in page
    source = (ROOT / "exercises" / slug / f"{slug}.ipynb").read_bytes()
    offered = re.findall(r'href="([^"]*\.ipynb)"', page)
    assert any((folder / unquote(link)).resolve().read_bytes() == source for link in offered)
