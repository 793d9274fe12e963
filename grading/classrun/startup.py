"""What comes before the heavy imports. Imports nothing of the course, so that it can come first."""

import atexit
import gc
import multiprocessing
import os
import signal
import sys
from multiprocessing.context import BaseContext
from pathlib import Path

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

# Imported once for all workers. The judge runs solutions, which import what notebooks do.
PRELOAD = ["grading.classrun.workers", "matplotlib.pyplot"]


def find_own_programs() -> None:
    """Let this process find the programs beside its Python: nbgrader calls `alembic` by its name,
    and the book's builder `node`."""
    own = str(Path(sys.executable).parent)
    if os.environ.get("PATH", "").split(os.pathsep)[0] != own:
        os.environ["PATH"] = os.pathsep.join([own, os.environ.get("PATH", os.defpath)])


def end_quickly() -> None:
    """Spare the half second in which Python, at its end, looks for garbage in all of PyTorch."""
    atexit.register(gc.freeze)


def leave_out_grammars() -> None:
    """Spare the second that a package spends on the grammar of internet addresses.

    jsonschema, which nbformat imports, wants it for a check that no notebook asks for, and does
    without where it is not installed.
    """
    sys.modules.setdefault("rfc3987_syntax", None)


def worker_context() -> BaseContext:
    """How worker processes begin: forked from a fresh process that has imported PyTorch once.

    That process starts here, and imports while the caller does the same. Never forked from the
    caller: where PyTorch's threads have run, a fork can hang. Elsewhere than on Linux every worker
    starts afresh; macOS has libraries that a fork breaks.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    _start_forkserver()
    return context


def _start_forkserver() -> None:
    """With one thread, and Ctrl-C shut out of it, and of what it forks until that listens."""
    from multiprocessing import forkserver, resource_tracker  # Windows has none

    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)  # read by libraries when they are loaded
    resource_tracker.ensure_running()  # it lets Ctrl-C in again when it has started
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
