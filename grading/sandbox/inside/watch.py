"""The processes of a submission: started within their walls, watched, and none left behind."""

import os
import select
import signal
import time
from collections.abc import Callable
from typing import NoReturn

from grading.sandbox.inside import walls
from grading.sandbox.inside.system_calls import PR_SET_CHILD_SUBREAPER, prctl

WATCH_SECONDS = 0.05


class Watch:
    """Watches one submission after the other."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        prctl(PR_SET_CHILD_SUBREAPER, 1)  # orphans of a submission become our children
        # The processes that are no submission's: this one and, in bubblewrap, its own first one.
        self.own = {os.getpid(), 1}
        self.child = 0
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
                self._kill_all()
        os.close(watched)
        _, status = os.waitpid(self.child, 0)
        self._kill_all()
        return {"code": _exit_code(status), "why": why}

    def _too_much(self, limits: dict, folder: str | None) -> str | None:
        processes = self._processes()
        held = map(_anonymous_bytes, processes)
        if sum(max(size - self.shared_bytes, 0) for size in held) > limits["memory_mb"] * 2**20:
            return "memory"  # beyond what they got by being forked
        if folder and _bytes_on_disk(folder, processes) > limits["work_mb"] * 2**20:
            return "files"
        return None

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

    def _kill_all(self) -> None:
        """Kill until none is left; new ones that are born meanwhile are found in the next round."""
        for _ in range(200):
            alive = False
            for pid in self._processes():
                try:
                    os.kill(pid, signal.SIGKILL)
                    alive = alive or not _is_zombie(pid)
                except (ProcessLookupError, PermissionError):
                    continue
            self._reap()
            if not alive:
                return
            time.sleep(0.002)

    def _reap(self) -> None:
        """Take leave of orphans; the job's own first child is left for `_watch`."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None or found.si_pid == self.child:
                return
            os.waitpid(found.si_pid, 0)


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
    """Memory in use that is no file's; what processes share counts for each of them."""
    try:
        with open(f"/proc/{pid}/status") as file:
            lines = [line.split() for line in file if line.startswith(("RssAnon:", "RssShmem:"))]
    except OSError:  # it has just ended
        return 0
    return sum(int(kilobytes) * 1024 for _, kilobytes, _ in lines)


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
        return ["Z", "0"]


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _is_zombie(pid: int) -> bool:
    return _stat(pid)[0] in "ZX"
