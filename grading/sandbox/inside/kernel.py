"""A Jupyter kernel within the walls, for a notebook that is opened by hand.

    python -P -m grading.sandbox.inside.kernel KIND WORK CONNECTION_FILE LIMITS READABLE...

The sockets lie beside the connection file. This process is the kernel's parent: it watches the
kernel's memory, and ends everything that the kernel has started when the kernel ends or a SIGTERM
says so.
"""

import json
import os
import signal
import sys

from grading.sandbox.inside import walls
from grading.sandbox.inside.watch import Watch


def main(kind: str, work: str, connection_file: str, limits: str, readable: list[str]) -> int:
    """Run a kernel until it ends; its exit code."""
    walls.become_ordinary(kind)
    allowed = json.loads(limits)
    told, tell = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(tell, b"stop"))
    watch = Watch(kind)
    watch.start(lambda: _serve(kind, work, connection_file, allowed, readable))
    return watch.wait(allowed, told, work if kind != walls.NAMESPACES else None)["code"]


def _serve(kind: str, work: str, connection_file: str, limits: dict, readable: list[str]) -> None:
    """In the kernel's process: walls up, then the kernel. A wall that fails is its end."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    walls.enclose(kind, limits, work, readable, sockets=os.path.dirname(connection_file))
    from ipykernel import kernelapp

    kernelapp.IOPubThread = _without_pipe(kernelapp.IOPubThread)
    # A kernel looks for its parent by number, which in a process space of its own is another's.
    os.environ.pop("JPY_PARENT_PID", None)
    os.environ |= {"HOME": work, "TMPDIR": work, "IPYTHONDIR": os.path.join(work, ".ipython")}
    app = kernelapp.IPKernelApp.instance()
    walls.be_quiet()
    app.initialize(["-f", connection_file])
    app.start()


def _without_pipe(thread: type) -> type:
    """ipykernel's thread for outputs, without the TCP port on which forks of the kernel would send
    theirs: there is no TCP here, and ZeroMQ aborts where it is refused."""

    class IOPubThread(thread):
        def __init__(self, socket, pipe=True, session=None) -> None:
            super().__init__(socket, pipe=False, session=session)

    return IOPubThread


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5], sys.argv[5:]))
