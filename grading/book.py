"""Build the HTML book, in a process of its own whose exit status nothing hides."""

import os
import re
import shutil
import subprocess
import sys
from collections import deque
from pathlib import Path

from grading.course.errors import CourseError

COMMAND = "from jupyter_book.cli.main import main; main()"
PAGE = re.compile(r"(reading|writing) (?:sources|output)\.\.\. \[ *\d+%\] (\S+)")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# Lines of Sphinx. "ERROR:tornado.general: ..." comes of a kernel's connection that was closed while
# it was still heard; a cell that did not run through is a line of Sphinx as well.
FAULT = re.compile(r"(WARNING|ERROR|CRITICAL):(?!tornado|asyncio)")


def build(root: Path, output: Path | None = None) -> Path:
    """Build the book of the repository at `root`; the path of its index.html.

    It lies in `_build/html` of `output`, or of `root`. Every page is read anew, because Sphinx
    tells of a fault only when it reads its page; what cells have computed is kept. Any warning, a
    failing cell or a link that leads nowhere raises CourseError.
    """
    html = (output or root) / "_build" / "html"
    shutil.rmtree(html, ignore_errors=True)
    arguments = ["build", str(root), "--path-output", str(output or root)]
    arguments += ["--all", "-W", "-n", "--keep-going"]
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        cwd=root,
        env=environment,
    ) as process:
        faults, last = _follow(process)
    if process.returncode or faults:
        faults += [_last_lines(log) for log in sorted(html.glob("reports/**/*.err.log"))]
        raise CourseError("\n".join(["the book does not build. Mend this:", *(faults or last)]))
    return html / "index.html"


def _follow(process: subprocess.Popen) -> tuple[list[str], deque[str]]:
    """Print what a build is at, page by page; its warnings and errors, and its last lines."""
    faults, last = [], deque(maxlen=20)
    for line in process.stdout:
        text = COLOURS.sub("", line).strip()
        last.append(text)
        if found := PAGE.search(text):
            print(f"  {found[1]} {found[2]}", flush=True)
        elif FAULT.search(text):
            faults.append(text)
    return faults, last


def _last_lines(log: Path) -> str:
    """The cell that failed and its error, from myst-nb's report."""
    lines = [line for line in COLOURS.sub("", log.read_text(encoding="utf-8")).splitlines() if line]
    return "\n".join([f"{log.name}:", *lines[-6:]])
