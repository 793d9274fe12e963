"""The page a learner gets back, as stock nbgrader writes it, in a real browser."""

import os
import re
import subprocess
import sys
from importlib.resources import files
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from nbgrader.api import Gradebook

from grading import cli
from grading.classrun import sample_class
from grading.course.places import ROOT
from grading.course.sources import wrong_source
from grading.judging.judge import verdict
from grading.judging.verdict import COLOURS
from grading.nbgrader_plug.feedback import Text, make_page
from grading.notebooks import flags
from grading.notebooks.marking import write_verdict
from grading.notebooks.mend import blank

UNIT = "05_attention"
ANSWER, CHECK = "attention__causal_mask__answer", "attention__causal_mask"
STUDENTS = ["mistaken", "right", "untouched", "broken", "wild"]
SCREENS = {"phone": 360, "desktop": 1280}

# What a learner may write to get at the inputs, the reader or the page.
WILD = """##### Out of order <script>document.title = "taken over"</script>

![a picture](https://example.com/x.png) <img src=x onerror="document.title = 'taken over'">
<iframe src="https://example.com"></iframe> <style>body { display: none }</style>

[script](javascript:alert(1)) [elsewhere](https://example.org/) [gone](other.md) [here](#points)
<div id="points" style="position: fixed" onclick="alert(1)">a box</div>

| one | two |
|---|---|
| WIDE | $x_1$ |

### Further on
""".replace("WIDE", "wide" * 80)
SPY = """seen = []
def spy(function):
    def watched(*inputs, **more):
        seen.append(inputs)
        return function(*inputs, **more)
    return watched
split_heads = spy(split_heads)  # and a word that instructors are pointed to: gradebook"""
TELL = """print("SPIED", seen)
from IPython.display import HTML
HTML("<script>document.title = 'taken over'</script><p>SPIED</p>")"""


def mistake_of(unit):
    """The misconception that the first exercise of "mistaken" shows."""
    return next(m for m in unit.exercises[0].misconceptions if m.edits)


def mistaken(unit):
    """The answer of the first exercise, by its cell, with the misconception in it."""
    exercise = unit.exercises[0]
    return {exercise.answer_id: wrong_source(exercise, mistake_of(unit))}


def wild(unit, right):
    """All right, with hostile cells around it."""
    notebook = nbformat.reads(sample_class.notebook_with(unit, right).decode(), as_version=4)
    index = [c.metadata.get("nbgrader", {}).get("grade_id") for c in notebook.cells].index
    notebook.cells.insert(
        index("attention__split_heads__answer") + 1, nbformat.v4.new_code_cell(SPY)
    )
    notebook.cells.insert(2, nbformat.v4.new_markdown_cell(WILD))
    notebook.cells.append(nbformat.v4.new_code_cell(TELL))
    notebook.cells.append(nbformat.v4.new_code_cell("assert len(seen) == 0, 'SPIED'"))
    return nbformat.writes(notebook).encode()


@pytest.fixture(scope="module")
def home(tmp_path_factory, unit, right):
    """A class graded by `course grade`, looked over by an instructor, given feedback on."""
    folder = tmp_path_factory.mktemp("feedback")
    handed_in = {
        "mistaken": sample_class.notebook_with(unit, right | mistaken(unit)),
        "right": sample_class.notebook_with(unit, right),
        "untouched": sample_class.notebook_with(unit, {}),
        "broken": b"no notebook",
        "wild": wild(unit, right),
    }
    for student, data in handed_in.items():
        path = folder / "submitted" / student / UNIT / f"{UNIT}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    assert cli.main(["grade", UNIT, "--submitted", str(folder / "submitted"), "--jobs", "2"]) == 0
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as book:
        _look_over(book)
    generate(folder)
    return folder


def _look_over(book):
    """What an instructor does in formgrader."""
    book.find_comment(ANSWER, UNIT, UNIT, "mistaken").manual_comment = "Look at `tril`. <b>Now</b>"
    book.find_grade("attention__read_map", UNIT, UNIT, "mistaken").manual_score = 1
    book.find_submission_notebook(UNIT, UNIT, "right").late_submission_penalty = 2
    book.db.commit()


def generate(folder):
    """`nbgrader generate_feedback` with this repository's configuration."""
    options = [f"--CourseDirectory.db_url=sqlite:///{folder / 'gradebook.db'}"]
    for step in ("autograded", "feedback"):
        options.append(f"--CourseDirectory.{step}_directory={folder / step}")
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_feedback", UNIT, *options],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "COURSE_BOOK"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def page_of(home, student):
    return home / "feedback" / student / UNIT / f"{UNIT}.html"


@pytest.fixture
def visit(home, browser):
    """A page opened in a colour scheme and width, as `visit(student, scheme, screen)`."""
    contexts = []

    def go(student, scheme="light", screen="phone"):
        size = {"width": SCREENS[screen], "height": 800}
        context = browser.new_context(offline=True, color_scheme=scheme, viewport=size)
        contexts.append(context)
        page = context.new_page()
        page.heard = []
        page.on("request", lambda request: page.heard.append(request.url))
        page.on("console", lambda message: page.heard.append(message.text))
        page.on("pageerror", lambda error: page.heard.append(str(error)))
        page.goto(page_of(home, student).as_uri(), wait_until="load")
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        return page

    yield go
    for context in contexts:
        context.close()


# --- for every reader -----------------------------------------------------------------------------

CUT_OFF = """(() => {
  const scrolls = e =>
    e && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
  return [...document.querySelectorAll("body *")]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e.parentElement))
    .map(e => e.outerHTML.slice(0, 150));
})()"""
# A page's structure is the same in every colour and on every screen, its contrast on every screen.
# What is hidden or scrolls is not.
NARROW = ["scrollable-region-focusable", "aria-hidden-focus", "skip-link"]
RULES = {("light", "desktop"): None, ("dark", "desktop"): ["color-contrast"]}
AXE = """rules => axe.run(rules ? {preload: false, runOnly: rules} : {preload: false})
  .then(result => result.violations)"""


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("student", STUDENTS)
def test_anyone_can_read_it_anywhere(home, visit, student, scheme, screen):
    page = visit(student, scheme, screen)
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    # axe judges no contrast on a gradient: without the shadow at code's edges it does.
    page.add_style_tag(content=".highlight pre { background-image: none !important }")
    found = page.evaluate(AXE, RULES.get((scheme, screen), NARROW))
    assert [f"{r['id']}: {n['html'][:150]}" for r in found for n in r["nodes"]] == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(CUT_OFF) == []
    assert page.heard == [page_of(home, student).as_uri()]  # no other request, no console message


def test_dark_and_light_differ(visit):
    background = "getComputedStyle(document.body).backgroundColor"
    light, dark = (visit("right", scheme).evaluate(background) for scheme in ("light", "dark"))
    assert light == "rgb(255, 255, 255)" != dark


@pytest.mark.parametrize("student", STUDENTS)
def test_headings_and_landmarks_are_in_order(visit, student):
    page = visit(student)
    headings = "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(h => +h.tagName[1])"
    levels = page.evaluate(headings)
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False))
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("body > header, body > main, body > footer").count() == 3


@pytest.mark.parametrize("student", STUDENTS)
def test_every_link_leads_somewhere(home, visit, book, student):
    page = visit(student)
    links = page.evaluate("[...document.links].map(a => a.getAttribute('href'))")
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    for link in links:
        parts = urlsplit(link)
        if parts.path and not parts.scheme:
            target = (page_of(home, student).parent / unquote(parts.path)).resolve()
            chapter = target.relative_to(ROOT / "_build" / "html" / "book")
            text = (book / "book" / chapter).read_text(encoding="utf-8")
            assert f'id="{parts.fragment}"' in text, link
        elif not parts.path:
            assert parts.fragment in ids, link
    into_the_book = sum("/book/" in link for link in links)
    assert into_the_book >= 9 or student == "broken"  # one an exercise, in its text


# --- what it says ---------------------------------------------------------------------------------


def test_points_come_first_with_a_link_to_each_verdict(visit, unit):
    page = visit("mistaken")
    rows = page.locator("main > table tbody tr")
    assert rows.count() == len(unit.exercises)
    for row, exercise in zip(rows.all(), unit.exercises, strict=True):
        assert row.locator("a").get_attribute("href") == f"#{exercise.grade_id}"
        assert row.locator("a").inner_text() == exercise.title
        assert page.locator(f"[id='{exercise.grade_id}']").inner_text().count("points") >= 1
    with_penalty = page.title()
    assert with_penalty == page.locator("h1").inner_text()
    total = float(re.search(r"(\d+) of", with_penalty)[1])
    cells = [text.split(" of ")[0] for text in rows.locator("td:last-child").all_inner_texts()]
    assert total == sum(map(float, cells))


def test_a_misconception_is_told_in_words_with_a_link(visit, unit):
    mistake = mistake_of(unit)
    box = visit("mistaken").locator(f"[id='{unit.exercises[0].grade_id}']")
    assert mistake.message.replace("`", "") in box.inner_text()
    assert "yours is" in box.inner_text()
    link = box.get_by_text("Read about it in the chapter").get_attribute("href")
    assert link.endswith(f"{UNIT}.html#{mistake.link}")


def test_what_the_instructor_says_is_shown(visit):
    page = visit("mistaken")
    comment = page.locator(f"[id='comment-{ANSWER}']")
    assert "Look at tril. Now" in comment.inner_text()
    assert page.locator(f"a[href='#comment-{ANSWER}']").count() == 1
    row = page.locator("main > table tbody tr").last.inner_text()
    assert "Set by the instructor" in row and "1 of 3" in row
    given = page.locator("#attention__read_map .given").inner_text()
    assert given == "Points given by the instructor: 1 of 3 points"


def test_a_late_penalty_is_in_the_table_and_in_the_total(visit, unit):
    page = visit("right")
    full = sum(e.points for e in unit.exercises)
    assert page.locator("tfoot tr").all_inner_texts()[0].split() == ["Handed", "in", "late", "−2"]
    assert page.locator("h1").inner_text() == f"Attention: {full - 2:g} of {full:g} points"


def test_a_remark_on_the_whole_submission_is_told_at_the_top(visit):
    remarks = visit("broken").locator("main > ul").inner_text()
    assert "it is not JSON" in remarks
    # The blank notebook that stands for it in the gradebook would only look like a loss.
    assert visit("broken").get_by_text("Your notebook").count() == 0
    assert visit("broken").locator("main a").count() == 0
    assert visit("right").get_by_text("Remarks").count() == 0
    assert visit("untouched").get_by_text("Remarks").count() == 0


# --- what it does not say -------------------------------------------------------------------------


DANGEROUS = "script, iframe, img, main style, [onclick], [style*=position], [href^=javascript]"


def test_nothing_of_the_learners_runs(visit, unit):
    page = visit("wild")
    full = sum(e.points for e in unit.exercises)
    assert page.title() == f"Attention: {full:g} of {full:g} points"
    assert page.locator(DANGEROUS).count() == 0
    assert "Out of order" in page.locator("main").inner_text()


def test_what_is_for_the_instructor_is_not_told(home, visit, unit):
    judged = home / "autograded" / "wild" / UNIT / f"{UNIT}.ipynb"
    assert flags.remarks(nbformat.read(judged, as_version=4), unit)
    assert visit("wild").get_by_text("To look at").count() == 0
    assert "To look at" not in page_of(home, "wild").read_text()


def test_markdown_is_cleaned_even_where_nobody_did_before(browser):
    page = browser.new_context(offline=True).new_page()
    page.set_content(f"<title>as it was</title>{Text('../book/').markdown(WILD)}")
    assert page.title() == "as it was"
    assert page.locator(DANGEROUS).count() == 0
    assert page.locator("[id], div[class=''], a[href^='#'], a[href='other.md']").count() == 0
    assert page.locator("a").all_inner_texts() == ["elsewhere"]
    assert page.get_by_text("a box").is_visible()
    page.context.close()


def test_outputs_do_not_carry_the_inputs_out(home, visit):
    judged = home / "autograded" / "wild" / UNIT / f"{UNIT}.ipynb"
    assert "SPIED [(tensor" in judged.read_text()  # the learner's process does see them
    text = visit("wild").locator("body").inner_text()
    assert "SPIED [" not in text and "<p>SPIED" not in text.replace(TELL, "")
    assert text.count("SPIED") == 4  # in the three lines of source, and as the error's message
    assert "This cell stops with AssertionError: SPIED" in text


def test_the_page_is_made_anew_each_time(home, unit):
    with Gradebook(f"sqlite:///{home / 'gradebook.db'}") as book:
        book.find_grade("attention__read_map", UNIT, UNIT, "untouched").manual_score = 2
        book.db.commit()
    generate(home)
    full = sum(e.points for e in unit.exercises)
    assert f"2 of {full:g} points" in page_of(home, "untouched").read_text()


FORMGRADER = """
import sys
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config
from grading.nbgrader_plug.plug import configure
home, config = sys.argv[1], Config()
configure(config)
config.HTMLExporter.template_name = "formgrade"  # as formgrader sets it for its own pages
config.CourseDirectory.db_url = f"sqlite:///{home}/gradebook.db"
config.CourseDirectory.autograded_directory = f"{home}/autograded"
config.CourseDirectory.feedback_directory = f"{home}/feedback"
course = CourseDirectory(config=config)
done = NbGraderAPI(course, config=config).generate_feedback("05_attention", "right")
sys.exit(done.get("error"))
"""


def test_formgraders_button_makes_the_same_page(home):
    path = page_of(home, "right")
    before = path.read_text()
    path.write_text("")
    command = [sys.executable, "-c", FORMGRADER, str(home)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert path.read_text() == before


# --- the parts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["https://example.org/course/book/", "../../../_b/html/book/"])
def test_links_lead_into_the_book_wherever_it_is(unit, address):
    notebook = blank(unit)
    for exercise in unit.exercises:
        said = verdict(exercise, 0, "fail", "Not so.")
        write_verdict(notebook, exercise, said, "../../somewhere/else/")
    for cell in notebook.cells:
        if "grade_id" in cell.metadata.get("nbgrader", {}):
            cell.metadata.nbgrader.score = 0
    full = sum(e.points for e in unit.exercises)
    of = {"student": "ada", "score": 0, "max_score": full, "late_penalty": 0}
    page = make_page(notebook, of, unit, address)
    links = re.findall(r'href="([^"]*)"', "".join(piece.html for piece in page.pieces))
    assert len(links) == 2 * len(unit.exercises)
    assert all(link.startswith(f"{address}{UNIT}.html#attention-") for link in links)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("a `b < c` *d*", "<p>a <code>b &lt; c</code> <em>d</em></p>"),
        ("x <!-- y --> z", "<p>x  z</p>"),
        (
            "<details><summary>Hint</summary>\n\nIt.\n\n</details>",
            "<details><summary>Hint</summary>",
        ),
        ("[a](ftp://x.org) [b](//x.org) [c](data:text/html,x)", "<p>a b c</p>"),
    ],
)
def test_markdown_keeps_what_is_harmless(source, shown):
    assert shown in Text("../book/").markdown(source)


def test_headings_are_put_in_order():
    text = Text("")
    found = [re.findall(r"<h(\d)", text.markdown(f"{'#' * n} x"))[0] for n in (1, 4, 6, 2, 3, 1)]
    assert found == ["2", "3", "4", "3", "4", "2"]


@pytest.mark.parametrize("page", ["#ffffff", "#111111", "#212121", "#1e1e1e", "#383838"])
@pytest.mark.parametrize("colour", COLOURS.values())
def test_the_verdicts_colours_stand_out_on_every_page(colour, page):
    """White, JupyterLab's two darks, VS Code's and Colab's; WCAG 2 asks 3 to 1 of graphics."""
    darker, lighter = sorted(luminance(c) for c in (colour, page))
    assert (lighter + 0.05) / (darker + 0.05) >= 3


def luminance(colour):
    """The relative luminance of WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
