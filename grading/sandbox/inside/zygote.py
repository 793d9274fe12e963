"""The warm process: imports PyTorch once, then is forked for every submission.

    python -m grading.sandbox.inside.zygote CONTROL KIND WORK READABLE...

CONTROL is the number of a Unix socket. A request is a message with two file descriptors: where the
job is read, and where the fork writes. One job runs at a time. While it runs, this process watches
its memory; when it ends, or the other side says so, every process of it is killed. The answer is
how it ended.
"""

import array
import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
import threading
import time

from grading.sandbox.inside import frames, pages, walls
from grading.sandbox.inside.system_calls import PR_SET_CHILD_SUBREAPER, prctl

# What notebooks import. Each that is missing here costs every submission the import.
WARM = ("torch", "torch.nn.functional", "numpy", "einops", "jaxtyping", "matplotlib.pyplot")
WARM += ("grading.kernel", "grading.sandbox.inside.job")
# What costs the first time: torch and einops look around before they do anything.
FIRST_CELL = """
import torch
from einops import rearrange
torch.manual_seed(0)
rearrange(torch.ones(2, 2) @ torch.ones(2, 2), "a b -> (a b)").softmax(-1)
"""
WATCH_SECONDS = 0.05


def main(control: int, kind: str, work: str, readable: list[str]) -> None:
    """Import what notebooks import, then serve until the other side closes the socket."""
    connection = socket.socket(fileno=control)
    os.environ["IPYTHONDIR"] = os.path.join(work, ".ipython")
    walls.become_ordinary(kind)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    shell = _warm_up()
    zygote = Zygote(connection, kind, work, readable, shell)
    _answer(connection, {"kind": kind, "user": os.getuid(), "pid": os.getpid()})
    while zygote.serve_one():
        pass


def _warm_up():
    import importlib

    import torch

    torch.set_num_threads(1)  # a fork of a process that has used several would hang
    for name in WARM:
        importlib.import_module(name)
    from grading.sandbox.inside.shell import make_shell

    shell = make_shell()
    outputs, _ = shell.run(FIRST_CELL)
    if [item["output_type"] for item in outputs] != ["execute_result"]:
        raise RuntimeError(f"the shell does not work: {outputs}")
    shell.reset(new_session=True)
    if threading.active_count() > 1:
        raise RuntimeError(f"threads run before the fork: {threading.enumerate()}")
    gc.collect()
    gc.freeze()  # so that a collection in a fork does not copy what all of them share
    return shell


def _answer(connection: socket.socket, message: dict) -> None:
    connection.sendall(json.dumps(message).encode())


class Zygote:
    """Serves the socket."""

    def __init__(self, connection, kind: str, work: str, readable: list[str], shell) -> None:
        self.connection, self.kind, self.work = connection, kind, work
        self.readable, self.shell = readable, shell
        # The processes that are no submission's: this one and, in bubblewrap, its own first one.
        self.own = {os.getpid(), 1}
        self.child = 0
        self.served = 0
        self.shared_bytes = _anonymous_bytes(os.getpid())  # what every fork has from the start

    def serve_one(self) -> bool:
        """Run one job; False where the other side has closed the socket."""
        request, descriptors = self._receive()
        if not descriptors:  # closed, or a job was told to stop that had just ended
            return bool(request)
        job, reply = descriptors
        limits = json.loads(request)
        self.child = os.fork()
        if self.child == 0:
            self.connection.close()
            try:
                self._stub(job, reply, limits)
            finally:
                os._exit(70)
        os.close(job), os.close(reply)
        answer = self._watch(self.child, limits)
        if self.kind != walls.NAMESPACES:
            shutil.rmtree(self._folder(self.child), ignore_errors=True)
        _answer(self.connection, answer)
        self.served += 1
        if self.served == 1:  # there is a class to grade: now it pays
            pages.enlarge()
            self.shared_bytes = _anonymous_bytes(os.getpid())
        return True

    def _folder(self, pid: int) -> str:
        """A job's private folder; with namespaces every job mounts its own over the same name."""
        return self.work if self.kind == walls.NAMESPACES else os.path.join(self.work, str(pid))

    def _receive(self) -> tuple[bytes, list[int]]:
        numbers = array.array("i")
        space = socket.CMSG_SPACE(2 * numbers.itemsize)
        message, extra, _, _ = self.connection.recvmsg(65536, space)
        for level, kind, data in extra:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
        return message, list(numbers)

    def _stub(self, job: int, reply: int, limits: dict) -> None:
        """In the first child: make the one that runs the job, and end as that ends."""
        if self.kind != walls.NAMESPACES:
            return self._run(job, reply, limits)
        child = walls.fork_apart()
        if child == 0:
            # This is process 1, which the kernel spares most signals, the one at the end of its
            # CPU among them: so the submission is its child.
            child = walls.fork_guarded()
            if child == 0:
                try:
                    self._run(job, reply, limits)
                finally:
                    os._exit(70)
        os.close(job), os.close(reply)
        os._exit(_wait_for(child))

    def _run(self, job: int, reply: int, limits: dict) -> None:
        """In the process of the submission: walls up, then its cells. Does not come back."""
        from grading.sandbox.inside.job import run_job  # imported when warming up

        folder = self._folder(os.getpid())
        os.makedirs(folder, 0o700, exist_ok=True)
        quiet = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(quiet, standard)
        os.setsid()
        try:
            walls.enclose(self.kind, limits, folder, self.readable)
        except OSError as error:  # without its walls nothing runs
            frames.write(reply, b"W", str(error))
            os._exit(71)
        run_job(self.shell, job, reply, limits, folder, walls.more_seconds)
        os._exit(0)

    # --- watching ---------------------------------------------------------------------------------

    def _watch(self, child: int, limits: dict) -> dict:
        """Wait for the end of the job, or bring it about; then kill what is left of it."""
        why, most = None, limits["memory_mb"] * 2**20
        watched = os.pidfd_open(child)
        while True:
            ready, _, _ = select.select([watched, self.connection], [], [], WATCH_SECONDS)
            if self.connection in ready and why is None:
                self.connection.recv(65536)
                why = "stopped"
            elif why is None and self._private_bytes() > most:
                why = "memory"
            if why:
                self._kill_all()
            if watched in ready:
                break
        os.close(watched)
        _, status = os.waitpid(child, 0)
        self._kill_all()
        code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return {"code": code, "why": why}

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

    def _private_bytes(self) -> int:
        """Memory that the submission's processes have beyond what they got by being forked."""
        held = map(_anonymous_bytes, self._processes())
        return sum(max(size - self.shared_bytes, 0) for size in held)

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


def _wait_for(child: int) -> int:
    """Wait for this child, and for orphans meanwhile; its exit code, as a shell would say it."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            ended = os.WIFSIGNALED(status)
            return 128 + os.WTERMSIG(status) if ended else os.WEXITSTATUS(status)


def _anonymous_bytes(pid: int) -> int:
    """Memory in use that is no file's; what processes share counts for each of them."""
    try:
        with open(f"/proc/{pid}/status") as file:
            lines = [line.split() for line in file if line.startswith(("RssAnon:", "RssShmem:"))]
    except OSError:  # it has just ended
        return 0
    return sum(int(kilobytes) * 1024 for _, kilobytes, _ in lines)


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


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
