"""A learner's clicks, in a real browser under JupyterLab and Notebook 7, land where they say."""

import os
import threading

import nbformat
import pytest

from grading.course.unit import load_unit
from grading.learner import jupyter, record
from grading.learner.server import HOST, BookServer
from grading.learner.start import personal
from grading.notebooks import opening
from grading.notebooks.marking import cell_of
from grading.notebooks.mend import blank
from tests import jupyter_server

SLUG, MASK = "05_attention", "attention/causal_mask"
NAME = f"{SLUG}.ipynb"
MINUTES = 5 * 60_000  # until a browser gives up: a busy machine starts a kernel slowly
PATHS = {"jupyterlab": f"lab/tree/{NAME}", "notebook": f"notebooks/{NAME}"}


@pytest.fixture(scope="module")
def served(book):
    """The address of the built book's chapters on this machine."""
    with BookServer(0, book, "test") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{HOST}:{server.server_address[1]}/book/"
        server.shutdown()


@pytest.fixture(scope="module")
def mine(served, tmp_path_factory):
    """A learner's folder with one exercise of the unit, still open."""
    place = tmp_path_factory.mktemp("mine")
    record.make(place, seed=7)
    unit = load_unit(SLUG)
    whole, exercise = blank(unit), unit.by_id[MASK]
    text = next(c for c in whole.cells if f"#{exercise.link})" in c.source)
    hint = next(c for c in whole.cells if "<details>" in c.source)
    setup = nbformat.v4.new_code_cell(
        "from jaxtyping import Bool\nfrom torch import Tensor\n\nfrom grading import check"
    )
    cells = [opening.cell(SLUG), setup, text, *([hint] if hint is not text else [])]
    cells += [cell_of(whole, exercise.answer_id), cell_of(whole, exercise.grade_id)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=whole.metadata)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_BOOK", served)
        (place / NAME).write_text(personal(notebook, place), encoding="utf-8")
    return place


@pytest.fixture(scope="module", params=list(PATHS))
def frontend(request, mine, served, tmp_path_factory):
    """The address of the notebook in a frontend that runs on the learner's folder."""
    runtime = tmp_path_factory.mktemp("runtime")
    command = jupyter.lab_command(mine / NAME)
    command[2] = request.param
    command += ["--no-browser", "--allow-root", "--ServerApp.port=0", "--IdentityProvider.token=t"]
    environment = os.environ | jupyter.settings(mine)
    environment |= {"COURSE_BOOK": served, "JUPYTER_RUNTIME_DIR": str(runtime)}
    with jupyter_server.running(command, mine, environment) as server:
        yield f"{server['url']}{PATHS[request.param]}?token=t"


@pytest.fixture
def page(browser, frontend):
    """The notebook, open."""
    context = browser.new_context(viewport={"width": 1300, "height": 950})
    context.set_default_timeout(MINUTES)
    page = context.new_page()
    page.goto(frontend)
    page.wait_for_selector(".jp-RenderedMarkdown a[href*='/book/']")
    yield page
    context.close()


def follow(page, link):
    """Click a link; what the new tab shows, and how it looks."""
    link.scroll_into_view_if_needed()
    with page.context.expect_page() as opened:
        link.click()
    tab = opened.value
    tab.wait_for_load_state()
    anchor = tab.url.partition("#")[2]
    seen = tab.evaluate(
        """(id) => ({top: document.getElementById(id).getBoundingClientRect().top,
                     height: innerHeight,
                     font: getComputedStyle(document.querySelector("h1")).fontFamily})""",
        anchor,
    )
    tab.close()
    return tab.url, seen


def lands(url, seen, served, anchor):
    """The right page, at the right section, with its styles."""
    assert url == f"{served}{SLUG}.html#{anchor}"
    assert 0 <= seen["top"] < seen["height"] / 2
    assert "system-ui" in seen["font"] or "sans-serif" in seen["font"]


def test_clicks_land_and_untouched_looks_untouched(page, served, mine):
    link = load_unit(SLUG).by_id[MASK].link
    lands(
        *follow(page, page.locator(f".jp-RenderedMarkdown a[href$='#{link}']").first), served, link
    )
    page.get_by_text("Run", exact=True).first.click()
    page.get_by_text("Run All Cells", exact=True).first.click()
    box = page.locator("[role=status][data-status=missing]")
    box.wait_for()
    assert "Nothing to judge" in box.inner_text()
    lands(*follow(page, box.locator("a")), served, link)
    assert "0 of 18 parts of your model" in page.locator(".jp-OutputArea").last.inner_text()
    assert record.entry(MASK, mine).checks == 0


def test_hints_unfold(page):
    details = page.locator(".jp-RenderedMarkdown details").first
    details.scroll_into_view_if_needed()
    assert details.evaluate("d => d.open") is False
    details.locator("summary").first.click()
    assert details.evaluate("d => d.open") is True


def test_instructors_tools_are_not_in_the_way(page):
    assert page.get_by_text("Formgrader").count() == 0
    assert page.get_by_text("Create Assignment").count() == 0
