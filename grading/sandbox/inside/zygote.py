"""The warm process: imports PyTorch once, then is forked for every submission.

    python -P -m grading.sandbox.inside.zygote CONTROL DOOR KIND WORK READABLE...

`-P`: what lies in the folder where this is started must not be found by imports.

CONTROL is the number of a Unix socket. A request is a message with two file descriptors: where the
job is read, and where the fork writes. One job runs at a time. While it runs, this process watches
its memory; when it ends, or the other side says so, every process of it is killed. The answer is
how it ended.

DOOR is -1, or the number of a socket that listens. Then this process serves nobody itself: whoever
connects there has a fork of it, which serves that connection in the same way.
"""

import array
import gc
import json
import os
import shutil
import socket
import sys
import threading

from grading.sandbox.inside import copies, frames, pages, walls
from grading.sandbox.inside.watch import Watch

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

# Large pages cost about as much as they spare in so many jobs: whoever has had these is likely to
# have more, and a single notebook does not wait for them.
ENLARGE_AFTER = 16


def main(control: int, door: int, kind: str, work: str, readable: list[str]) -> None:
    """Import what notebooks import, then serve until the other side closes the socket."""
    connection = socket.socket(fileno=control)
    os.environ["IPYTHONDIR"] = os.path.join(work, ".ipython")
    walls.become_ordinary(kind)
    shell = _warm_up()

    def serve(connection: socket.socket, enlarge_after: int | None = None) -> None:
        zygote = Zygote(connection, kind, work, readable, shell)
        _answer(connection, {"kind": kind, "user": os.getuid(), "pid": os.getpid()})
        while zygote.serve_one():
            if zygote.served == enlarge_after:
                pages.enlarge()
                zygote.watch.measure()

    if door < 0:
        return serve(connection, ENLARGE_AFTER)
    pages.enlarge()  # once for all forks, which share the pages
    copies.serve(connection, socket.socket(fileno=door), serve)


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
        self.watch = Watch(kind)
        self.served = 0

    def serve_one(self) -> bool:
        """Run one job; False where the other side has closed the socket."""
        request, descriptors = self._receive()
        if not descriptors:  # closed, or a job was told to stop that had just ended
            return bool(request)
        job, reply = descriptors
        limits = json.loads(request)
        child = self.watch.start(lambda: self._run(job, reply, limits))
        os.close(job), os.close(reply)
        on_disk = self._folder(child) if self.kind != walls.NAMESPACES else None
        answer = self.watch.wait(limits, self.connection.fileno(), on_disk)
        if on_disk:
            shutil.rmtree(on_disk, ignore_errors=True)
        _answer(self.connection, answer)
        self.served += 1
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

    def _run(self, job: int, reply: int, limits: dict) -> None:
        """In the process of the submission: walls up, then its cells."""
        from grading.sandbox.inside.job import run_job  # imported when warming up

        self.connection.close()
        folder = self._folder(os.getpid())
        os.makedirs(folder, 0o700, exist_ok=True)
        walls.be_quiet()
        try:
            walls.enclose(self.kind, limits, folder, self.readable)
        except OSError as error:  # without its walls nothing runs
            frames.write(reply, b"W", str(error))
            os._exit(71)
        run_job(self.shell, job, reply, limits, folder, walls.more_seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:])
