"""The processes of a submission: started within their walls, watched, and none left behind."""

import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from grading.sandbox.inside import walls
from grading.sandbox.inside.system_calls import PR_SET_CHILD_SUBREAPER, prctl

WATCH_SECONDS = 0.05
KILL_SECONDS = 60.0  # far longer than it takes a busy machine
NO_FILES = ("RssAnon:", "RssShmem:", "VmSwap:")
FEW_DESCRIPTORS = 32  # of a whole job; if all were sockets, they would not hold much


class Watch:
    """Watches one submission after the other."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        prctl(PR_SET_CHILD_SUBREAPER, 1)  # orphans of a submission become our children
        # The processes that are no submission's: this one and, in bubblewrap, its own first one.
        self.own = {os.getpid(), 1}
        self.child = 0
        self.socket_bytes = _bytes_of_a_socket()
        self.measure()

    def measure(self) -> None:
        """Note how much memory every fork has from the start."""
        self.shared_bytes = _anonymous_bytes(os.getpid())

    def start(self, run: Callable[[], None]) -> int:
        """Call `run` in a process of its own; the number of the first process to make it."""
        self.child = os.fork()
        if self.child == 0:
            try:
                if self.kind == walls.NAMESPACES:
                    _into_namespaces()
                run()
                os._exit(0)
            finally:
                os._exit(70)
        return self.child

    def wait(self, limits: dict, told: int, folder: str | None = None) -> dict:
        """Wait for the end of the job, or bring it about where the descriptor `told` says so, or
        memory or disk are used up; then kill what is left of it.

        `folder` is where it may write, if that has no bounds of its own.
        """
        why = None
        watched = os.pidfd_open(self.child)
        while True:
            ready, _, _ = select.select([watched, told], [], [], WATCH_SECONDS)
            if watched in ready:
                break
            if told in ready and why is None:
                os.read(told, 65536)
                why = "stopped"
            why = why or self._too_much(limits, folder)
            if why:
                self._kill()
        os.close(watched)
        _, status = os.waitpid(self.child, 0)
        self._kill_all()
        return {"code": _exit_code(status), "why": why}

    def _too_much(self, limits: dict, folder: str | None) -> str | None:
        processes = self._processes()
        held = sum(max(_anonymous_bytes(pid) - self.shared_bytes, 0) for pid in processes)
        held += self._sockets(processes) * self.socket_bytes
        if held > limits["memory_mb"] * 2**20:
            return "memory"  # beyond what they got by being forked
        if folder and _bytes_on_disk(folder, processes) > limits["work_mb"] * 2**20:
            return "files"
        return None

    def _sockets(self, processes: list[int]) -> int:
        """How many sockets the submission has: what waits in them is memory of no process."""
        if self.kind == walls.NAMESPACES:  # the network is its own; some have no descriptor yet
            return _sockets_of_network()
        if sum(map(_descriptors, processes)) <= FEW_DESCRIPTORS:
            return 0
        return sum(map(_open_sockets, processes))

    def _processes(self) -> list[int]:
        """Every process of the submission: all but our own in a process space, else all below."""
        everyone = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        if self.kind == walls.NAMESPACES:
            return [pid for pid in everyone if pid not in self.own]
        parents = {pid: _parent(pid) for pid in everyone}
        below, grown = {os.getpid()}, True
        while grown:
            new = {pid for pid, parent in parents.items() if parent in below} - below
            below, grown = below | new, bool(new)
        return [pid for pid in below if pid != os.getpid()]

    def _kill(self) -> set[int]:
        """Kill whoever is alive; the processes that are found, empty if one of them was alive."""
        found = self._processes()
        alive = [pid for pid in found if not _is_zombie(pid)]
        for pid in alive:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if self.kind != walls.NAMESPACES:  # there, other process spaces' groups have no numbers
            for group in {_group(pid) for pid in found} - {os.getpgid(0), 0}:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(group, signal.SIGKILL)
        return set() if alive else set(found)

    def _kill_all(self) -> None:
        """Kill until none is left, which is sure when we, who inherit orphans, have no child.

        A process that forks and ends, again and again, is gone whenever it is to be killed. Where
        its group stays the same, that is killed at once. Else: the dead count against the limit on
        processes until we take leave of them. So we do not while anybody is alive, and one that
        cannot fork any more stays where it is found. Root, who runs trusted code, has no limit.
        """
        until, dead = time.monotonic() + KILL_SECONDS, set()
        while _has_children():
            found = self._kill()
            # All were dead before, and none has come since: then nobody was alive in between.
            if found and found <= dead:
                _reap()
            dead = found
            if time.monotonic() > until:
                raise RuntimeError(f"processes of a submission go on: {self._processes()}")
            time.sleep(0.001)


def _has_children() -> bool:
    """Living or dead."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _reap() -> None:
    """Take leave of all children that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _into_namespaces() -> None:
    """Return in a child that has namespaces of its own; its parents end as it ends."""
    child = walls.fork_apart()
    if child == 0:
        # This is process 1, which the kernel spares most signals, the one at the end of its CPU
        # time among them: so the submission is its child.
        child = walls.fork_guarded()
    if child == 0:
        return
    exit_as(child)


def exit_as(child: int) -> NoReturn:
    """End as this child ends; orphans may end before."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            os._exit(_exit_code(status))


def _exit_code(status: int) -> int:
    """As a shell would say it."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _anonymous_bytes(pid: int) -> int:
    """Memory in use that is no file's, swapped out or not; what processes share counts for each of
    them."""
    try:
        with open(f"/proc/{pid}/status") as file:
            lines = [line.split() for line in file if line.startswith(NO_FILES)]
    except OSError:  # it has just ended
        return 0
    return sum(int(kilobytes) * 1024 for _, kilobytes, _ in lines)


def _bytes_of_a_socket() -> int:
    """What may wait in one: the kernel takes in more until its size is reached, so up to twice."""
    one, other = socket.socketpair()
    with one, other:
        return 2 * one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)


def _sockets_of_network() -> int:
    """Those of this process's network, of the one kind that submissions can make."""
    with open("/proc/net/unix", "rb") as file:
        return file.read().count(b"\n") - 1


def _descriptors(pid: int) -> int:
    """How many are open; as many as may be where the process does not let us look."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        return walls.DESCRIPTORS
    except OSError:  # it has just ended
        return 0


def _open_sockets(pid: int) -> int:
    """As `_descriptors`, of sockets alone."""
    folder = f"/proc/{pid}/fd"
    try:
        return sum(_is_socket(f"{folder}/{number}") for number in os.listdir(folder))
    except OSError:
        return _descriptors(pid)


def _is_socket(path: str) -> bool:
    try:
        return os.readlink(path).startswith("socket:")
    except PermissionError:  # the process hides it (PR_SET_DUMPABLE)
        return True
    except OSError:
        return False


def _bytes_on_disk(folder: str, processes: list[int]) -> int:
    """Of the files in a folder, and of those that are open but have no name any more."""
    found = [
        os.path.join(at, name) for at, below, files in os.walk(folder) for name in below + files
    ]
    sizes = [_size(path) for path in found]
    for pid in processes:
        try:
            opened = [f"/proc/{pid}/fd/{number}" for number in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        sizes += [_size(path, follow=True) for path in opened if _has_no_name(path)]
    return sum(sizes)


def _size(path: str, follow: bool = False) -> int:
    try:
        return 4096 + 512 * os.stat(path, follow_symlinks=follow).st_blocks
    except OSError:
        return 0


def _has_no_name(path: str) -> bool:
    try:
        return os.stat(path).st_nlink == 0
    except OSError:
        return False


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat behind the name, which may hold anything."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return ["Z", "0", "0"]


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _group(pid: int) -> int:
    return int(_stat(pid)[2])


def _is_zombie(pid: int) -> bool:
    return _stat(pid)[0] in "ZX"
