"""A warm process in the strongest sandbox this machine has, and one job at a time in it."""

import atexit
import json
import os
import select
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from grading.course.errors import CourseError
from grading.sandbox import Limits
from grading.sandbox.program import LANDLOCK, NAMESPACES, TRUSTED, Program, Unavailable

IN_WORDS = {
    NAMESPACES: "bubblewrap: no network, processes and folders of its own, read-only environment",
    LANDLOCK: "Landlock and limits: no network, no files but the environment and its own folder",
    TRUSTED: "none: submissions ran with your rights",
}
NO_SANDBOX = (
    "This machine cannot shut submissions in: {reasons}. Install bubblewrap (Debian's and Ubuntu's "
    "package `bubblewrap`) or grade on Linux 6.2 or newer with Landlock. To run them with your own "
    "rights, because you trust everyone who wrote them, add --trusted."
)
START_SECONDS = 120.0


@dataclass(frozen=True)
class End:
    """How a job ended: the exit code of its process, why it was killed if it was, and whether it
    was the warm process that ended."""

    code: int
    why: str | None = None
    broke: bool = False


class Gone(Unavailable):
    """The warm process had ended before it was asked for anything."""


class WarmProcess:
    """A warm process, and one job at a time in it: one of its own, or a fork of the one that
    listens at `door`. Raises Unavailable where it does not work.
    """

    def __init__(self, kind: str, door: Path | None = None) -> None:
        self.kind = kind
        self.program: Program | None = None  # of its own
        self._one_job = threading.Lock()
        try:
            if door:
                self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                self._connection.connect(str(door))
            else:
                self.program = Program(kind)
                self._connection = self.program.connection
            self.hello = self._receive(START_SECONDS)
        except (OSError, ValueError, Unavailable) as error:
            self.close()
            raise Unavailable(str(error)) from None
        except BaseException:  # Ctrl-C: nothing stays behind
            self.close()
            raise
        if not self.hello:
            words = self.program.last_words() if self.program else "no fork is made of it"
            self.close()
            raise Unavailable(words)

    def _receive(self, seconds: float) -> dict | None:
        """The next message from inside; None where the process has ended."""
        ready, _, _ = select.select([self._connection], [], [], seconds)
        data = self._connection.recv(65536) if ready else b""
        return json.loads(data) if data else None

    def run(self, job: bytes, limits: Limits, heard: Callable[[bytes], float]) -> End:
        """Run one job. `heard` gets what comes back, piece by piece, and says how many more
        seconds may pass until more comes; a ValueError from it stops the job.

        Raises Unavailable where the warm process itself is gone. Whatever is raised, this process
        is closed: a job that still runs would take the next one's messages for its own.
        """
        with self._one_job:
            try:
                return self._run(job, limits, heard)
            except BaseException:
                self.close()
                raise

    def _run(self, job: bytes, limits: Limits, heard: Callable[[bytes], float]) -> End:
        mine, theirs = os.pipe()
        try:
            with tempfile.TemporaryFile() as file:
                file.write(job)
                file.seek(0)
                told = json.dumps(limits.as_dict()).encode()
                try:
                    socket.send_fds(self._connection, [told], [file.fileno(), theirs])
                except OSError as error:
                    raise Gone(str(error)) from None
            os.close(theirs)
            theirs = -1
            return self._listen(mine, heard)
        finally:
            os.close(mine)
            if theirs >= 0:
                os.close(theirs)

    def _listen(self, pipe: int, heard: Callable[[bytes], float]) -> End:
        why: str | None = None
        deadline = time.monotonic() + heard(b"")
        while True:
            ready, _, _ = select.select([pipe], [], [], max(deadline - time.monotonic(), 0))
            data = os.read(pipe, 2**20) if ready else None
            if data == b"":  # every process that could write has ended
                break
            if why is not None:  # what a job still says that has been told to stop
                if data is None:
                    raise Unavailable("a submission could not be stopped")
                continue
            try:
                if data is None:
                    raise TimeoutError
                deadline = time.monotonic() + heard(data)
            except (TimeoutError, ValueError) as error:
                why = "time" if data is None else str(error)
                deadline = time.monotonic() + START_SECONDS
                self._send_stop()
        answer = self._receive(START_SECONDS)
        if answer is None:
            raise Unavailable("the warm process has ended")
        return End(answer["code"], why or answer["why"])

    def _send_stop(self) -> None:
        try:
            self._connection.send(b"stop")
        except OSError as error:
            raise Unavailable(str(error)) from None

    def close(self) -> None:
        """End the process and everything in it; a fork of another's ends by itself soon after."""
        if self.program:
            self.program.close()
        elif hasattr(self, "_connection"):
            self._connection.close()


def can_fork() -> bool:
    """Whether this system can fork a warm process and pass it pipes: Linux."""
    return sys.platform == "linux"


@cache
def strongest(trusted: bool) -> str:
    """The strongest kind that works here; TRUSTED stands for no walls.

    Raises CourseError where there is none and the instructor has not said `trusted`.
    """
    reasons = []
    for kind in (NAMESPACES, LANDLOCK) if can_fork() else ():
        try:
            warm_process(kind)
            return kind
        except Unavailable as error:
            reasons.append(f"{kind} - {error}")
    if not trusted:
        raise CourseError(NO_SANDBOX.format(reasons="; ".join(reasons) or "it is not Linux"))
    return TRUSTED


_processes: dict[tuple[int, str], WarmProcess] = {}
_lock = threading.Lock()
_door: Path | None = None


def warm_process(kind: str, fresh: bool = False) -> WarmProcess:
    """This process's own warm process of a kind, started when first needed."""
    key = (os.getpid(), kind)  # one that was inherited by a fork belongs to the parent
    with _lock:
        if fresh and key in _processes:
            _processes.pop(key).close()
        if key not in _processes:
            _processes[key] = new_process(kind)
        return _processes[key]


def new_process(kind: str) -> WarmProcess:
    """Another one of this kind; a fork of the shared one where there is that."""
    if kind == NAMESPACES and _door:
        with suppress(Unavailable):
            return WarmProcess(kind, _door)
    return WarmProcess(kind)


def fork_from(door: str | None) -> None:
    """From now on, have this process's warm processes forked from the one that listens there
    (`shared.py`), as long as it does."""
    global _door
    _door = Path(door) if door else None


@atexit.register
def close_all() -> None:
    """End all warm processes of this process."""
    for key in [key for key in _processes if key[0] == os.getpid()]:
        _processes.pop(key).close()
