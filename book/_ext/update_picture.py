"""Draw the README's picture, book/_static/readme.png: the built chapter beside a checked exercise.

    .venv/bin/python book/_ext/update_picture.py

Needs the built book (`course build`) and Chromium, as the tests of the book do.
"""

import io
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from grading.classrun import sample_class
from grading.course.places import ROOT
from grading.course.sources import wrong_source
from grading.course.unit import load_unit
from grading.notebooks.marking import cell_of

sys.path.insert(0, str(ROOT))

from bootstrap import find_chromium  # noqa: E402

SIZE = {"width": 880, "height": 720}
PICTURE = ROOT / "book" / "_static" / "readme.png"


def checked_exercise() -> str:
    """The unit's first exercise, answered with its first misconception, run, as a web page."""
    unit = load_unit("attention")
    exercise = unit.exercises[0]
    answer = wrong_source(exercise, exercise.misconceptions[0])
    text = sample_class.notebook_with(unit, {exercise.answer_id: answer}).decode()
    notebook = nbformat.reads(text, as_version=4)
    setup = next(c for c in notebook.cells if "setup" in c.metadata.get("tags", []))
    title = nbformat.v4.new_markdown_cell(f"## {exercise.title}")
    shown = [cell_of(notebook, exercise.answer_id), cell_of(notebook, exercise.grade_id)]
    shown[0].source = re.sub(r'(\n    """.*?)\n.*?"""\n', r'\1"""\n', shown[0].source, flags=re.S)
    notebook.cells = [setup, title, *shown]
    NotebookClient(notebook, resources={"metadata": {"path": str(unit.release.parent)}}).execute()
    notebook.cells = notebook.cells[1:]
    return HTMLExporter(template_name="lab").from_notebook_node(notebook)[0]


def shot(browser: Browser, address: str, anchor: str | None = None) -> Image.Image:
    """What the browser shows at an address, scrolled to an anchor."""
    page = browser.new_context(viewport=SIZE, offline=True).new_page()
    page.goto(address)
    page.wait_for_timeout(1000)
    if anchor:
        page.evaluate(f"document.getElementById('{anchor}').scrollIntoView()")
        page.wait_for_timeout(500)
    return Image.open(io.BytesIO(page.screenshot()))


def main() -> None:
    """Take both shots and set them side by side."""
    chapter = ROOT / "_build" / "html" / "book" / "05_attention.html"
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        exercise = Path(folder) / "exercise.html"
        exercise.write_text(checked_exercise(), encoding="utf-8")
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        left = shot(browser, chapter.as_uri(), "attention-scale")
        right = shot(browser, exercise.as_uri())
        browser.close()
    both = Image.new("RGB", (2 * SIZE["width"], SIZE["height"]), "white")
    both.paste(left, (0, 0))
    both.paste(right, (SIZE["width"], 0))
    both.quantize(64).save(PICTURE, optimize=True)
    print(f"Wrote {PICTURE.relative_to(ROOT)}, {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
