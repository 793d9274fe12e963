"""A learner's folder, verdicts, and processes that end at any moment."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from grading.judging.verdict import Verdict
from grading.learner import record

LEARNER = str(Path(record.__file__).parent)


@pytest.fixture
def place(tmp_path):
    """A learner's folder."""
    folder = tmp_path / "mine"
    folder.mkdir()
    record.make(folder, seed=41)
    return folder


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    """No test starts a server that stays; those of the server do it themselves."""
    monkeypatch.setenv("COURSE_BOOK", "http://127.0.0.1:20001/book")


def make_verdict(exercise="attention/causal_mask", score=1.0, status="pass", misconception=None):
    names = (misconception,) if misconception else ()
    return Verdict(exercise, "Title", score, 1.0, status, "Message.", names)


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a process of its own; how it ended, as `os.waitstatus_to_exitcode` has it."""
    child = os.fork()
    if child == 0:
        try:
            sys.stdout = sys.stderr = open(os.devnull, "w")
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_after(lines: int, work: Callable[[], None]) -> bool:
    """Run `work` in a process that is killed before this many lines of the room have run.

    False where it came to its end first.
    """
    left = lines

    def trace(frame, event, _):
        nonlocal left
        if not frame.f_code.co_filename.startswith(LEARNER):
            return None
        if event == "line":
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    def traced() -> None:
        sys.settrace(trace)
        work()

    ended = in_child(traced)
    assert ended in (0, -signal.SIGKILL)
    return ended != 0
