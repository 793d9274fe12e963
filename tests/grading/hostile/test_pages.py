"""Nothing that a learner wrote comes alive on a page that an instructor opens."""

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from nbgrader.server_extensions.formgrader import handlers

from tests.grading.hostile.awkward import SPELL
from tests.grading.hostile.catalogue import ENTRIES, UNIT, Handed

SPELLBOUND = [item.name for item in ENTRIES if item.name.startswith("script")]
RESOURCES = dict.fromkeys(
    ["assignment_id", "notebook_id", "submission_id", "base_url", "student", "notebook_path"], "x"
)


def formgrader(notebook):
    """The page on which an instructor looks at a submission."""
    where = {"template_name": "formgrade", "extra_template_basedirs": [handlers.template_path]}
    numbers = {"index": 0, "total": 1, "last_name": "", "first_name": ""}
    page, _ = HTMLExporter(**where).from_notebook_node(notebook, {**RESOURCES, **numbers})
    return page


def nbconvert(notebook):
    """What `jupyter nbconvert` makes of it."""
    return HTMLExporter().from_notebook_node(notebook)[0]


def spoken(browser, page_html):
    """What a page says by `alert`, after every link and element of it has been touched."""
    said, page = [], browser.new_page()
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.route("**/*", lambda route: route.abort())  # offline, whatever it asks for
    page.set_content(page_html, wait_until="load")
    page.evaluate("""() => {
        for (const link of document.querySelectorAll('a'))
            if (link.protocol === 'javascript:') link.click();
        for (const element of document.querySelectorAll('[onclick]')) element.click();
    }""")
    page.wait_for_timeout(100)
    page.close()
    return said


def judged(home, student):
    path = home / "stock" / "autograded" / student / UNIT.slug / f"{UNIT.slug}.ipynb"
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("make_page", [formgrader, nbconvert])
@pytest.mark.parametrize("student", SPELLBOUND)
def test_no_page_says_anything(student, make_page, results, handed_in, browser):
    page = make_page(judged(handed_in, student))
    assert "The causal mask" in page
    assert spoken(browser, page) == []


def test_no_feedback_says_anything(results, stock, browser):
    stock.run("generate_feedback", UNIT.slug, "--student=script*")
    for student in SPELLBOUND:
        path = stock.folder / "feedback" / student / UNIT.slug / f"{UNIT.slug}.html"
        page = path.read_text(encoding="utf-8")
        assert "The causal mask" in page
        assert spoken(browser, page) == []


@pytest.mark.parametrize("make_page", [formgrader, nbconvert])
def test_the_same_text_would_speak_on_its_own(make_page, browser, tmp_path):
    handed = Handed(tmp_path, "raw")
    [item] = [item for item in ENTRIES if item.name == "scripts-in-text"]
    item.damage(handed)
    assert "hostile" in spoken(browser, make_page(handed.notebook))
    assert SPELL == "alert('hostile')"
