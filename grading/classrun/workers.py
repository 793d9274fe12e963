"""Tasks in processes on this machine, or in those of a cluster; and what happens when one dies."""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import util
from typing import Any, Protocol

from grading.classrun import signals, without_grammars  # noqa: F401  (the latter before nbformat)
from grading.classrun.startup import ONE_THREAD, worker_context
from grading.course.errors import CourseError
from grading.course.unit import load_unit
from grading.course.versions import unit_version
from grading.notebooks.submission import Graded, grade_submission
from grading.sandbox import shared
from grading.sandbox.warm import close_all, fork_from

_log = logging.getLogger(__name__)
Call = tuple[Any, tuple, dict]  # a tag, arguments, options
PATIENCE = 10.0  # seconds for a task and its sandbox to end in good order
STOPPED, FORCED = 1, 2  # exit codes of a worker that was told to end, and of one that had to be
# A Dask worker may run tasks in several threads; a submission wants the process to itself.
_alone = threading.Lock()
_stopping = threading.Event()  # set in a worker that was told to end


class Died(Exception):
    """A task that ended the process it ran in, twice."""


def grade_task(student: str, slug: str, data: bytes | None, version: str, **options) -> Graded:
    """`grade_submission`, where the course is the same as where the class is graded from."""
    if _stopping.is_set():  # the pool hands out what it had queued
        sys.exit(STOPPED)
    if unit_version(load_unit(slug)) != version:
        raise CourseError(
            f"A worker has another version of {slug} (or of Python, NumPy or PyTorch) than this "
            f"process, or a file of the course changed meanwhile: bring both up to date, and run "
            f"the same command again."
        )
    return alone(grade_submission, student, slug, data, **options)


def alone(function: Callable, *arguments, **options) -> Any:
    """What a function returns that has this process to itself; told to end, it ends the process."""
    with _alone:
        try:
            return function(*arguments, **options)
        finally:
            if _stopping.is_set():  # the pool would take note of it and wait for the next task
                close_all()
                os._exit(STOPPED)


# --- processes on this machine --------------------------------------------------------------------


class LocalWorkers:
    """Processes that `startup.worker_context` begins; submissions run in forks of one warm process
    if `sandboxed`."""

    def __init__(self, jobs: int | None = None, sandboxed: bool = False) -> None:
        self.sandboxed = sandboxed
        self.slots = usable_cores() if jobs is None else jobs

    def __enter__(self) -> "LocalWorkers":
        self._before = {name: os.environ.get(name) for name in ONE_THREAD}
        os.environ.update(ONE_THREAD)  # read by libraries when they are loaded
        self._not_ours = set(multiprocessing.active_children())
        self._executor = self._pool()
        self.death = BrokenProcessPool
        return self

    def __exit__(self, kind: type | None, *_) -> None:
        if kind is not None:
            self._stop_tasks()
        self._executor.shutdown(wait=True, cancel_futures=True)
        if self.sandboxed:
            shared.close()
        for name, value in self._before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)

    def submit(self, function: Callable, *arguments, **options) -> Future:
        """As an Executor's; a pool that is broken already gives a future that says so."""
        try:
            return self._executor.submit(function, *arguments, **options)
        except BrokenProcessPool as error:
            broken: Future = Future()
            broken.set_exception(error)
            return broken

    def look_after(self) -> None:
        """See to a death that the pool does not notice: of a process that was killed amid a result.

        The pool waits for the rest, which the other processes' end of the pipe lets it expect. So
        all of them are ended, and their tasks given to new ones.
        """
        processes = self._processes()
        self._deaths = self._deaths + 1 if any(not p.is_alive() for p in processes) else 0
        if self._deaths > PATIENCE:
            for process in processes:
                process.kill()
                process.join()
            self._executor._result_queue._writer.close()

    def renew(self) -> None:
        """New processes in the place of a pool that broke.

        The pool tells the rest to end, and waits for them without a limit. A process that begins to
        wait for its next task in that very moment does not hear it.
        """
        for process in self._processes():
            process.join(PATIENCE)
            process.kill()
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._executor = self._pool()

    def _processes(self) -> list:
        return list((getattr(self._executor, "_processes", None) or {}).values())

    def _pool(self) -> Executor:
        self._deaths = 0  # how often in a row `look_after` has seen a dead process
        door = shared.door() if self.sandboxed else None
        told = {"initializer": _start_worker, "initargs": (door,)}
        return ProcessPoolExecutor(self.slots, mp_context=worker_context(), **told)

    def _stop_tasks(self) -> None:
        """End the tasks that run, so that nobody waits for a learner's endless loop."""
        calls = getattr(self._executor, "_call_queue", None)
        results = getattr(self._executor, "_result_queue", None)
        self._executor.shutdown(wait=False, cancel_futures=True)
        processes = set(multiprocessing.active_children()) - self._not_ours
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(2 * PATIENCE)
            process.kill()
        # A notebook half written to a process that is gone, or by one, would be waited for, for
        # ever: at the other end of the pipe is nobody, but this process has that end open too.
        if results is not None:
            results._writer.close()
        if calls is not None and sys.version_info < (3, 11, 5):  # later ones close it themselves
            calls._reader.close()


def usable_cores() -> int:
    """The cores this process may use; a container often has fewer than its machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _start_worker(door: str | None) -> None:
    import torch

    torch.set_num_threads(1)
    # Ctrl-C reaches every process of the terminal: what happens then is the main one's decision.
    # A handler of our own, since a learner's process would inherit that the signal is ignored.
    signal.signal(signal.SIGINT, lambda *_: None)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, _end)
    fork_from(door)
    # The processes of a pool end without `atexit`, which takes a sandbox's folder away elsewhere.
    util.Finalize(None, close_all, exitpriority=1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end(*_) -> None:
    """End the task in good order, which takes its sandbox down; the process by force if need be."""
    if _stopping.is_set():  # told twice, as by a pool that sees another of its processes end
        return
    if not _alone.locked():
        # Between two tasks: at once, so that nobody reads on where this process stopped reading.
        close_all()
        os._exit(STOPPED)
    _stopping.set()
    threading.Thread(target=_end_late, daemon=True).start()
    sys.exit(STOPPED)


def _end_late() -> None:
    time.sleep(PATIENCE)
    os._exit(FORCED)


def _end_with_parent() -> None:
    """A pool's processes would wait for ever for the next task of a run that was killed."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)


# --- tasks ----------------------------------------------------------------------------------------


class Workers(Protocol):
    """Somebody who runs tasks: `LocalWorkers`, `dask_workers.DaskWorkers`."""

    slots: int
    death: type[Exception]  # what the future of a task raises whose process has died

    def submit(self, function: Callable, *arguments, **options) -> Future:
        """As an Executor's."""

    def look_after(self) -> None:
        """Called once a second while tasks are waited for."""

    def renew(self) -> None:
        """New processes, if those there were have died."""


def run_tasks(
    workers: Workers,
    function: Callable,
    calls: Iterable[tuple[Any, tuple, dict]],
) -> Iterator[tuple[Any, Any]]:
    """For every call (tag, arguments, options) its tag and its result or exception, as they come.

    Few calls wait in the workers at a time. If a process dies, those few are run again one by one:
    the call that ends its process then too is reported as Died, the others have lost nothing.
    (Dask blames what waited behind a killer as well.)
    """
    calls = iter(calls)
    while True:
        running: dict[Future, Call] = {}
        suspects: list[Call] = []
        while not suspects:
            while len(running) < 2 * workers.slots and (call := next(calls, None)):
                running[_submit(workers, function, call)] = call
            if not running:
                return
            yield from _finished(workers, running, suspects)
        yield from _one_by_one(workers, function, suspects)


def _submit(workers, function: Callable, call: Call) -> Future:
    _, arguments, options = call
    return workers.submit(function, *arguments, **options)


def _finished(
    workers, running: dict[Future, Call], suspects: list[Call]
) -> Iterator[tuple[Any, Any]]:
    """Wait for a result; if a process died, for the end of all, and note which had none."""
    done = _wait(workers, running, FIRST_COMPLETED)
    if any(isinstance(_outcome(future), workers.death) for future in done):
        done = _wait(workers, running)
    for future in done:
        call = running.pop(future)
        outcome = _outcome(future)
        if isinstance(outcome, workers.death):
            suspects.append(call)
        else:
            yield call[0], outcome


def _one_by_one(workers, function: Callable, calls: list[Call]) -> Iterator[tuple[Any, Any]]:
    _log.warning("A process that grades has died: what it may have had is graded again, singly.")
    _renew(workers)
    for call in calls:
        outcome = _alone_now(workers, function, call)
        if isinstance(outcome, workers.death):
            _renew(workers)
            outcome = Died("it ended the process that graded it, twice")
        yield call[0], outcome


def _renew(workers) -> None:
    """New processes, one of which has proved that it can run at all."""
    workers.renew()
    if isinstance(_alone_now(workers, os.getpid, (None, (), {})), workers.death):
        raise CourseError(
            "The processes that grade end as soon as they start. Is there memory left? Fewer "
            "--jobs need less."
        )


def _alone_now(workers, function: Callable, call: Call) -> Any:
    future = _submit(workers, function, call)
    _wait(workers, [future])
    return _outcome(future)


def _wait(workers, futures: Iterable[Future], until: str = "ALL_COMPLETED") -> list[Future]:
    """As `wait`, in short steps: Windows hears Ctrl-C only between them."""
    futures = list(futures)
    while True:
        signals.check()
        done, pending = wait(futures, timeout=1, return_when=until)
        if not pending or (done and until == FIRST_COMPLETED):
            return [future for future in futures if future in done]
        workers.look_after()


def _outcome(future: Future) -> Any:
    try:
        return future.exception() or future.result()
    except CancelledError:
        raise CourseError(
            "The cluster has gone. What was graded is kept: run the same command again to go on."
        ) from None
