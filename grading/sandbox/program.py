"""The program that submissions are forked from, in one kind of sandbox: its start and its end.

Its own side is `inside/zygote.py`.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from grading.sandbox import bubblewrap
from grading.sandbox.tree import write_tree

NAMESPACES, LANDLOCK, TRUSTED = "namespaces", "landlock", "trusted"  # as in inside/walls.py
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


class Program:
    """The program in a sandbox of this kind, at the other end of `connection`.

    `door` is a listening socket; whoever connects to it is served by a fork of the program.
    Raises Unavailable or OSError where this kind does not work; that it has started does not yet
    mean that it works.
    """

    def __init__(self, kind: str, door: socket.socket | None = None) -> None:
        self.kind = kind
        self.process: subprocess.Popen | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="course-sandbox-"))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.connection = ours
        try:
            with theirs, open(self.folder / "log", "wb") as log:
                passed = [theirs.fileno(), *([door.fileno()] if door else [])]
                command, told = self._command(passed[0], passed[1] if door else -1)
                self.process = subprocess.Popen(
                    command,
                    pass_fds=passed,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=told,
                    cwd=self.folder,  # else `-m` would look for modules where we stand, first
                    process_group=0,  # Ctrl-C is not for it: what happens then is our decision
                )
        except BaseException:  # Ctrl-C too: nothing stays behind
            self.close()
            raise

    def _command(self, control: int, door: int) -> tuple[list[str], dict[str, str]]:
        """The command, and its own environment."""
        if self.kind == LANDLOCK and (hidden := bubblewrap.hidden_folders()):
            raise Unavailable(f"it cannot hide {hidden[0]}, which lies in what must be readable")
        os.chmod(self.folder, 0o755)
        inside = write_tree(self.folder / "inside")
        module = "grading.sandbox.inside.zygote"
        python = [sys.executable, "-P", "-m", module, str(control), str(door), self.kind]
        if self.kind == NAMESPACES:
            program = bubblewrap.find()
            if not program:
                raise Unavailable("bubblewrap is not installed")
            told = environment(bubblewrap.WORK, bubblewrap.INSIDE)
            walls = bubblewrap.command(program, inside, told)
            return [*walls, *python, bubblewrap.WORK], OWN_ENVIRONMENT
        work = self.folder / "work"
        work.mkdir(mode=0o777)
        os.chmod(work, 0o777)
        command = [*python, str(work), str(inside), *bubblewrap.readable_paths()]
        return command, environment(str(work), str(inside))

    def last_words(self) -> str:
        """The last line that it has logged."""
        log = (self.folder / "log").read_text(errors="replace").strip()
        return log.splitlines()[-1] if log else "it does not start"

    def close(self, patience: float = 5) -> None:
        """End the program and everything in it; by force after `patience` seconds."""
        self.connection.close()
        if self.process is not None:
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                # The group: bubblewrap ends with its parent only from a moment after its start on.
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
