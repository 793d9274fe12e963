"""One warm process for all the workers of a class run: PyTorch is imported in it only once.

It is started before anybody waits for it. Each worker has a fork of it, and each fork network,
processes, users and folders of its own, as if the worker had started it itself.
"""

import atexit
import os
import socket
import tempfile
from pathlib import Path

from grading.sandbox import bubblewrap
from grading.sandbox.program import NAMESPACES, Program, Unavailable


class Shared:
    """The process, and the `door` that workers knock at."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="course-door-")  # for this user alone
        self.door = Path(self._folder.name) / "door"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
                listener.bind(str(self.door))
                listener.listen(128)
                self.program = Program(NAMESPACES, listener)
        except BaseException:
            self._folder.cleanup()
            raise

    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.program.process.poll() is None

    def close(self) -> None:
        """End it and all forks of it."""
        self.program.close(patience=0)  # it may still be importing, and would not hear of it
        self._folder.cleanup()


_shared: dict[int, Shared] = {}  # by the process whose it is


def door() -> str | None:
    """Where this process's workers find it, started if need be; None where it cannot be had.

    Then, and where it turns out that it does not work, every worker starts its own.
    """
    if not bubblewrap.find():
        return None
    own = _shared.get(os.getpid())
    if own and not own.runs():
        close()
        own = None
    try:
        own = own or _shared.setdefault(os.getpid(), Shared())
    except (OSError, Unavailable):
        return None
    return str(own.door)


def program() -> Program:
    """The one that `door` leads to."""
    return _shared[os.getpid()].program


@atexit.register
def close() -> None:
    """End this process's, if there is one."""
    if own := _shared.pop(os.getpid(), None):
        own.close()
