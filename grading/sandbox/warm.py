"""A warm process in the strongest sandbox this machine has, and one job at a time in it."""

import atexit
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from grading.exercise import CourseError
from grading.sandbox import Limits, bubblewrap
from grading.sandbox.tree import write_tree

NAMESPACES, LANDLOCK, TRUSTED = "namespaces", "landlock", "trusted"  # as in inside/walls.py
IN_WORDS = {
    NAMESPACES: "bubblewrap: no network, processes and folders of its own, read-only environment",
    LANDLOCK: "Landlock and limits: no network, no files but the environment and its own folder",
    TRUSTED: "none: submissions ran with your rights",
}
NO_SANDBOX = (
    "This machine cannot shut submissions in: {reasons}. Install bubblewrap (Debian's and Ubuntu's "
    "package `bubblewrap`) or grade on a Linux with Landlock. To run them with your own rights, "
    "because you trust everyone who wrote them, add --trusted."
)
START_SECONDS = 120.0
OWN_ENVIRONMENT = {"PATH": os.environ.get("PATH", "/usr/bin:/bin")}  # bubblewrap's


class Unavailable(RuntimeError):
    """This kind of sandbox does not work here; the message says why."""


def environment(work: str, inside: str) -> dict[str, str]:
    """What the process inside is told: nothing of the user's own environment."""
    one_thread = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": work,
        "USER": "learner",
        "TMPDIR": work,
        "PYTHONPATH": inside,
        "PYTHONHASHSEED": "0",  # the same order of sets in every run
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MPLCONFIGDIR": work,
        **dict.fromkeys(one_thread, "1"),
    }


@dataclass(frozen=True)
class End:
    """How a job ended: the exit code of its process, and why it was killed if it was."""

    code: int
    why: str | None = None


class WarmProcess:
    """A zygote in one kind of sandbox. Raises Unavailable where that kind does not work."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._folder = Path(tempfile.mkdtemp(prefix="course-sandbox-"))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection = ours
        self._one_job = threading.Lock()
        try:
            with theirs, open(self._folder / "log", "wb") as log:
                self._process = subprocess.Popen(
                    self._command(theirs.fileno()),
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._environment,
                    cwd=self._folder,  # else `-m` would look for modules where we stand, first
                )
            self.hello = self._receive(START_SECONDS)
        except (OSError, ValueError, Unavailable) as error:
            self.close()
            raise Unavailable(str(error)) from None
        except BaseException:  # Ctrl-C: nothing stays behind
            self.close()
            raise
        if not self.hello:
            log = (self._folder / "log").read_text(errors="replace").strip()
            self.close()
            raise Unavailable(log.splitlines()[-1] if log else "it does not start")

    def _command(self, control: int) -> list[str]:
        if self.kind == LANDLOCK and (hidden := bubblewrap.hidden_folders()):
            raise Unavailable(f"it cannot hide {hidden[0]}, which lies in what must be readable")
        os.chmod(self._folder, 0o755)
        inside = write_tree(self._folder / "inside")
        module = "grading.sandbox.inside.zygote"
        python = [sys.executable, "-P", "-m", module, str(control), self.kind]
        if self.kind == NAMESPACES:
            program = bubblewrap.find()
            if not program:
                raise Unavailable("bubblewrap is not installed")
            self._environment = OWN_ENVIRONMENT
            told = environment(bubblewrap.WORK, bubblewrap.INSIDE)
            return [*bubblewrap.command(program, inside, told), *python, bubblewrap.WORK]
        work = self._folder / "work"
        work.mkdir(mode=0o777)
        os.chmod(work, 0o777)
        self._environment = environment(str(work), str(inside))
        return [*python, str(work), str(inside), *bubblewrap.readable_paths()]

    def _receive(self, seconds: float) -> dict | None:
        """The next message from inside; None where the process has ended."""
        ready, _, _ = select.select([self._connection], [], [], seconds)
        data = self._connection.recv(65536) if ready else b""
        return json.loads(data) if data else None

    def run(self, job: bytes, limits: Limits, heard: Callable[[bytes], float]) -> End:
        """Run one job. `heard` gets what comes back, piece by piece, and says how many more
        seconds may pass until more comes; a ValueError from it stops the job.

        Raises Unavailable where the warm process itself is gone.
        """
        with self._one_job:
            return self._run(job, limits, heard)

    def _run(self, job: bytes, limits: Limits, heard: Callable[[bytes], float]) -> End:
        mine, theirs = os.pipe()
        try:
            with tempfile.TemporaryFile(dir=self._folder) as file:
                file.write(job)
                file.seek(0)
                told = json.dumps(limits.as_dict()).encode()
                try:
                    socket.send_fds(self._connection, [told], [file.fileno(), theirs])
                except OSError as error:
                    raise Unavailable(str(error)) from None
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
        """End the process and everything in it."""
        self._connection.close()
        process = getattr(self, "_process", None)
        if process is not None:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def can_fork() -> bool:
    """Whether this system can fork a warm process and pass it pipes: Linux."""
    return sys.platform == "linux"


@cache
def strongest(trusted: bool) -> str:
    """The strongest kind that works here; "once" stands for no fork and no walls.

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


def warm_process(kind: str, fresh: bool = False) -> WarmProcess:
    """This process's own warm process of a kind, started when first needed."""
    key = (os.getpid(), kind)  # one that was inherited by a fork belongs to the parent
    with _lock:
        if fresh and key in _processes:
            _processes.pop(key).close()
        if key not in _processes:
            _processes[key] = WarmProcess(kind)
        return _processes[key]


@atexit.register
def close_all() -> None:
    """End all warm processes of this process."""
    for key in [key for key in _processes if key[0] == os.getpid()]:
        _processes.pop(key).close()
