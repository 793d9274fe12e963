"""One job in a fresh process without walls, where a warm one cannot be forked: macOS and Windows.

For a learner who checks a notebook of their own; a class is graded so only on the instructor's
word. It pays for the import of PyTorch each time, and the clock alone limits it.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from grading.sandbox import Limits, warm
from grading.sandbox.program import environment
from grading.sandbox.tree import write_tree


def run(job: bytes, limits: Limits, heard: Callable[[bytes], float]) -> warm.End:
    """As `WarmProcess.run`."""
    with tempfile.TemporaryDirectory(prefix="course-") as name:
        folder = Path(name)
        work, inside = folder / "work", write_tree(folder / "inside")
        work.mkdir()
        (folder / "job").write_bytes(job)
        told = {**os.environ, **environment(str(work), str(inside))}
        told["PATH"] = os.environ.get("PATH", "")
        module = "grading.sandbox.inside.once"
        command = [sys.executable, "-P", "-m", module, str(folder / "job"), str(work)]
        command.append(json.dumps(limits.as_dict()))
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=told) as process:
            return _listen(process, heard)


def _listen(process: subprocess.Popen, heard: Callable[[bytes], float]) -> warm.End:
    alarm, why = _Alarm(process), None
    alarm.set(heard(b"") + warm.START_SECONDS)
    while data := process.stdout.read1(2**20):
        try:
            alarm.set(heard(data))
        except ValueError as error:
            why = str(error)
            process.kill()
            break
    alarm.stop()
    return warm.End(process.wait(), "time" if alarm.rang else why)


class _Alarm:
    """Kills the process when the time set is over."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process, self.rang = process, False
        self._timer: threading.Timer | None = None

    def set(self, seconds: float) -> None:
        self.stop()
        self._timer = threading.Timer(seconds, self._ring)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _ring(self) -> None:
        self.rang = True
        self.process.kill()
