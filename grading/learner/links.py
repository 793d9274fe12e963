"""Where the book can be read from here: an address, and the same in words.

The address is that of a small server for the built book on this machine (`server`), the same each
time, so that it may stand in a learner's notebook. Where a browser would not reach this machine, it
is the course's public address, if it has one; else words must do.
"""

import getpass
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from functools import lru_cache
from pathlib import Path

import yaml

from grading.course.places import ROOT
from grading.learner.server import HOST, WHO

HTML = ROOT / "_build" / "html"
FIRST, PORTS, TRIES = 20_000, 12_000, 8  # below the ports that systems give out by themselves
# Set where Python runs on another machine than the browser.
ELSEWHERE = ("COLAB_RELEASE_TAG", "JUPYTERHUB_API_URL", "BINDER_REPO_URL", "KAGGLE_KERNEL_RUN_TYPE")
PATIENCE = 5.0  # seconds until a server that was started must answer
_started: list[subprocess.Popen] = []  # kept, so that Python does not complain of a lost process


def chapters(start: bool = True) -> str | None:
    """The address of the chapters, with a slash at the end, or None where words must do.

    COURSE_BOOK names another one. With `start`, a server is started unless one runs.
    """
    if address := os.environ.get("COURSE_BOOK"):
        return address.rstrip("/") + "/"
    if any(name in os.environ for name in ELSEWHERE) or not (HTML / "index.html").is_file():
        public = setting("course_book")
        return public.rstrip("/") + "/book/" if public else None
    port = _served_port(start)
    return f"http://{HOST}:{port}/book/" if port else None


def lasting() -> str | None:
    """The address for links that stay in a notebook, also before the book is built."""
    return chapters() or (
        None
        if any(name in os.environ for name in ELSEWHERE)
        else f"http://{HOST}:{_ports()[0]}/book/"
    )


def words(link: str) -> str:
    """ "Attention, "Scale the scores" (book/05_attention.md)" for "05_attention.html#…"."""
    page, _, anchor = link.partition("#")
    file = Path("book") / f"{page.removesuffix('.html')}.md"
    chapter, section = _titles(ROOT / file, anchor)
    quoted = f", \N{LEFT DOUBLE QUOTATION MARK}{section}\N{RIGHT DOUBLE QUOTATION MARK}"
    return f"{chapter}{quoted if section else ''} ({file.as_posix()})"


@lru_cache
def _titles(file: Path, anchor: str) -> tuple[str, str]:
    """The title of a chapter and of the section that this label opens or stands in."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return file.stem, ""
    heading = r"#+ +(.+?)\s*$"
    chapter = re.search(f"^{heading}", text, re.MULTILINE)
    title = chapter[1] if chapter else file.stem
    label = re.search(rf"^\({re.escape(anchor)}\)=\s*$", text, re.MULTILINE) if anchor else None
    if not label or not chapter:
        return title, ""
    opened = re.compile(rf"(?:\(.*\)=\s*\n|\s*\n)*{heading}", re.MULTILINE)
    if section := opened.match(text, label.end()):
        return title, section[1]
    before = re.findall(f"^{heading}", text[chapter.end() : label.start()], re.MULTILINE)
    return title, (before[-1] if before else "")


@lru_cache
def setting(name: str) -> str:
    """A setting of the book's own extension in `_config.yml`; empty where there is none."""
    try:
        text = (ROOT / "_config.yml").read_text(encoding="utf-8")
        found = yaml.safe_load(text).get("sphinx", {}).get("config", {}).get(name)
    except (OSError, yaml.YAMLError):
        return ""
    return str(found or "")


# --- the server ----------------------------------------------------------------------------------


def _identity() -> str:
    return f"{getpass.getuser()} {ROOT.as_posix()}"


def _ports() -> list[int]:
    """The ports for this user and this course, the first choice first."""
    first = zlib.crc32(_identity().encode()) % PORTS
    return [FIRST + (first + i) % PORTS for i in range(TRIES)]


def _served_port(start: bool) -> int | None:
    """Where our server runs, started if need be. A port that another program has is passed over."""
    for port in _ports():
        answer = _ask(port)
        if answer is None and start:
            answer = _start(port)
        if answer == _identity():
            return port
    return None


def _ask(port: int) -> str | None:
    """What answers at a port: None where nothing does, "" where it is no server of ours."""
    no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with no_proxy.open(f"http://{HOST}:{port}{WHO}", timeout=2) as reply:
            return reply.read(4096).decode(errors="replace")
    except urllib.error.URLError as error:
        return None if isinstance(error.reason, ConnectionRefusedError) else ""
    except (OSError, ValueError):
        return ""


def _start(port: int) -> str | None:
    command = [sys.executable, "-m", "grading.learner.server", str(port), str(HTML), _identity()]
    quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    # In a session of its own: it stays when the terminal or the kernel goes.
    own = {"creationflags": 0x00000208} if os.name == "nt" else {"start_new_session": True}
    try:
        _started.append(subprocess.Popen(command, cwd=ROOT, **quiet, **own))
    except OSError:
        return None
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if (answer := _ask(port)) is not None:
            return answer
        time.sleep(0.05)
    return None
