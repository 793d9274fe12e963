"""A whole class, once with `course grade` and once with stock nbgrader: the same scores."""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from grading import cli
from grading.classrun import sample_class
from grading.course.places import ROOT
from grading.notebooks import own_output

SEED = 7
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory, unit):
    """A folder with the sample class's submissions."""
    folder = tmp_path_factory.mktemp("class")
    sample_class.write(unit, folder / "submitted")
    return folder


@pytest.fixture(scope="module")
def results(home, unit):
    """The records of `course grade` on the sample class, by student."""
    options = ["--submitted", home / "submitted", "--json", home / "out.json", "--seed", SEED]
    assert cli.main(["grade", unit.slug, *map(str, options)]) == 0
    by_student: dict[str, list] = {}
    for record in json.loads((home / "out.json").read_text()):
        by_student.setdefault(record["student"], []).append(record)
    return by_student


def scores(by_student):
    return {name: sum(r["score"] for r in records) for name, records in by_student.items()}


def test_everyone_gets_what_they_deserve(results, unit):
    full = sum(e.points for e in unit.exercises)
    reached = scores(results)
    assert reached["ada-all-right"] == reached["ben-other-ways"] == full
    assert reached["gus-untouched"] == reached["ivan-not-json"] == 0
    assert reached["hana-raises"] == full - unit.exercises[-1].points
    assert {r["status"] for r in results["gus-untouched"]} == {"missing"}
    assert {r["status"] for r in results["ivan-not-json"]} == {"refused"}
    assert results["hana-raises"][-1]["status"] == "error"
    named = set()
    for name in ("cleo-mistaken", "dara-mistaken", "edna-mistaken"):
        found = {r["misconception"] for r in results[name] if r["misconception"]}
        assert len(found) == 1, name
        assert reached[name] < full
        named |= found
    assert len(named) == 3


def test_the_gradebook_and_the_judged_notebooks_hold_the_same(home, results, unit):
    with Gradebook(f"sqlite:///{home / 'gradebook.db'}") as book:
        for student, score in scores(results).items():
            assert book.find_submission(unit.slug, student).score == score
    path = home / "autograded" / "cleo-mistaken" / unit.slug / f"{unit.slug}.ipynb"
    text = path.read_text()
    assert "Read about it in the chapter" in text
    nbformat.validate(nbformat.reads(text, as_version=4))


def test_grading_again_gives_the_same_verdicts(home, results, unit, tmp_path):
    shutil.copytree(home / "submitted" / "cleo-mistaken", tmp_path / "submitted" / "cleo-mistaken")
    out = tmp_path / "out.json"
    options = ["--submitted", tmp_path / "submitted", "--jobs", 1, "--json", out, "--seed", SEED]
    assert cli.main(["grade", *map(str, options)]) == 0
    assert json.loads(out.read_text()) == results["cleo-mistaken"]


@pytest.fixture(scope="module")
def stock(home, unit, results):
    """A gradebook made by `nbgrader` alone, with this repository's configuration."""
    folder = home / "stock"
    folder.mkdir()
    options = [
        f"--CourseDirectory.submitted_directory={home / 'submitted'}",
        f"--CourseDirectory.release_directory={folder / 'release'}",
        f"--CourseDirectory.autograded_directory={folder / 'autograded'}",
        f"--CourseDirectory.feedback_directory={folder / 'feedback'}",
        f"--CourseDirectory.db_url=sqlite:///{folder / 'gradebook.db'}",
    ]

    def nbgrader(*arguments):
        command = [sys.executable, "-m", "nbgrader", *arguments, *options]
        done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    nbgrader("generate_assignment", unit.slug)
    nbgrader("autograde", unit.slug, f"--ExecuteAndJudge.seed={SEED}")
    nbgrader("generate_feedback", unit.slug)
    nbgrader("export", f"--CsvExportPlugin.to={folder / 'grades.csv'}")
    return folder


def test_stock_nbgrader_gives_the_same_scores(stock, results):
    with open(stock / "grades.csv") as file:
        rows = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert rows == scores(results)


def test_stock_nbgrader_says_the_same(home, stock, unit):
    """Numbers of the inputs drawn are in the words."""
    for student in ("cleo-mistaken", "hana-raises"):
        path = Path("autograded", student, unit.slug, f"{unit.slug}.ipynb")
        assert said_in(stock / path, unit) == said_in(home / path, unit)


def said_in(path, unit) -> list[str]:
    """The verdicts in a judged notebook, without the way to the book from there."""
    checks = {e.grade_id for e in unit.exercises}
    cells = nbformat.read(path, as_version=4).cells
    judged = [c for c in cells if c.metadata.get("nbgrader", {}).get("grade_id") in checks]
    return [re.sub('href="[^"]*"', "", c.outputs[0].data["text/html"]) for c in judged]


def test_stock_generate_assignment_writes_what_is_committed(stock, unit):
    name = Path(unit.slug) / f"{unit.slug}.ipynb"
    written = (stock / "release" / name).read_text(encoding="utf-8")
    committed = (ROOT / "exercises" / name).read_text(encoding="utf-8")
    assert own_output.signed(written, unit.slug) == committed  # but for the mark of what is ours


def test_feedback_says_the_misconception(stock, unit, results):
    page = stock / "feedback" / "cleo-mistaken" / unit.slug / f"{unit.slug}.html"
    message = next(r["message"] for r in results["cleo-mistaken"] if r["misconception"])
    assert message.split("`")[0].strip()[:40] in page.read_text().replace("&#x27;", "'")


def test_formgrader_shows_the_same_scores(stock, unit, results, home):
    course = home / "course"
    course.mkdir()
    lines = [
        (ROOT / "nbgrader_config.py").read_text(),
        f"c = get_config().CourseDirectory\nc.db_url = 'sqlite:///{stock / 'gradebook.db'}'",
        f"c.root = {str(course)!r}  # formgrader shows what lies below the server's folder",
        f"c.submitted_directory = {str(home / 'submitted')!r}",
        f"c.autograded_directory = {str(stock / 'autograded')!r}",
    ]
    (course / "nbgrader_config.py").write_text("\n".join(lines))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--no-browser", "--allow-root", "--ServerApp.token=t", f"--ServerApp.port={port}"]
    command = [sys.executable, "-m", "jupyter_server", *options, "--ServerApp.ip=127.0.0.1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, cwd=course, env=ENVIRONMENT, **quiet)
    try:
        address = f"http://127.0.0.1:{port}/formgrader"
        shown = _json(f"{address}/api/submissions/{unit.slug}?token=t")
        assert {s["student"]: s["score"] for s in shown} == scores(results)
        with urllib.request.urlopen(f"{address}/manage_assignments?token=t", timeout=30) as page:
            assert "formgrader" in page.read().decode()
    finally:
        server.terminate()
        server.wait()


def _json(url):
    """The answer of a server that may still be starting."""
    for _ in range(120):
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.loads(answer.read())
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"no answer from {url}")
