"""What a class run leaves: nothing of the judge inside the sandbox, no process, no stolen time."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from grading.course.places import ROOT
from grading.sandbox import Limits, session, warm
from grading.sandbox.session import Cell, run_cells
from tests.grading.hostile.catalogue import UNIT
from tests.grading.machines import started

# Reads everything that may be read and could be text or byte code, but for the system's own files.
SEARCH = """
import os
with open("planted.py", "w") as file:
    file.write({planted!r})
needles = {{text.encode() for text in {needles!r}}}
found, read = set(), 0
for top, folders, names in os.walk("/"):
    if top == "/":
        folders[:] = set(folders) - {{"usr", "lib", "lib32", "lib64", "proc", "sys", "dev"}}
    for path in (os.path.join(top, name) for name in names):
        try:
            if os.path.getsize(path) > 2**20 or path.endswith((".so", ".h", ".js", ".png")):
                continue
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            continue
        read += 1
        if not needles.isdisjoint(map(bytes.strip, data.splitlines())):
            found.add(path)
print(read > 1000, sorted(os.path.basename(path) for path in found))
"""


def tell_tales():
    """The longest line of each file that says what is right or what learners get wrong."""
    files = [*ROOT.glob("reference_impl/**/*.py"), *ROOT.glob("grading/units/*/*.py")]
    files += [ROOT / "grading" / "judging" / "judge.py", *ROOT.glob("solutions/*/*.py")]
    files = [path for path in files if path.name != "drive.py"]
    texts = [path.read_text(encoding="utf-8") for path in files]
    lines = [max(text.splitlines(), key=len, default="") for text in texts]
    return [line.strip() for line in lines if len(line) > 40]


@pytest.mark.parametrize("kind", [warm.NAMESPACES, warm.LANDLOCK])
def test_nothing_of_the_judge_can_be_read_inside(kind, monkeypatch):
    started(kind)
    monkeypatch.setattr(session.warm, "strongest", lambda trusted: kind)
    needles = tell_tales()
    assert len(needles) > 20
    source = SEARCH.format(needles=needles, planted=needles[0])
    ran = run_cells([Cell(0, source, 200.0)], {}, Limits())
    [output] = ran.outputs[0]
    # Landlock hides even the names of folders, so that there the walk finds no file at all.
    seen = "True ['planted.py']" if kind == warm.NAMESPACES else "False []"
    assert output["text"].strip() == seen


def test_no_process_is_left(results):
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().split(b"\0"))
        except OSError:  # it has ended meanwhile
            continue
    assert [b"sleep", b"98765"] not in [line[:2] for line in lines]
    assert any(b"python" in line[0] for line in lines)  # the list itself is not empty


@pytest.mark.parametrize("student", ["27a-timestamp-malformed", "27b-timestamp-backdated"])
def test_the_time_handed_in_is_this_machines(student, results, handed_in):
    path = handed_in / "submitted" / student / UNIT.slug / f"{UNIT.slug}.ipynb"
    saved = datetime.fromtimestamp(int(path.stat().st_mtime), UTC).replace(tzinfo=None)
    for folder in (handed_in, handed_in / "stock"):
        with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as book:
            assert book.find_submission(UNIT.slug, student).timestamp == saved


def test_nothing_came_out_of_a_zip_or_a_pickle(results, handed_in):
    names = {name for _, _, names in os.walk(handed_in) for name in names}
    assert not {"escaped.txt", "exploded"} & names


def test_judged_notebooks_stay_small(results):
    for outcomes in results.values():
        assert len(outcomes["32-prints-a-gigabyte"].notebook) < 2**20
        assert len(outcomes["33-chatty-thread"].notebook) < 2**20
