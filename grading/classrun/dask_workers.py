"""The workers of a Dask cluster that runs already. Imports nothing heavy, so it can come first."""

import importlib
from concurrent.futures import Future
from contextlib import suppress
from functools import cache

from grading.classrun import startup
from grading.course.errors import CourseError


class DaskWorkers:
    """The workers of a cluster; its scheduler repeats a task whose worker died."""

    def __init__(self, address: str, patience: float = 15) -> None:
        self.address = address
        self.patience = patience
        self._client = None

    def connect(self) -> None:
        """Reach the scheduler, and have its workers import what they will need.

        Raises CourseError where no scheduler answers.
        """
        try:
            from distributed import Client, KilledWorker, fire_and_forget
        except ModuleNotFoundError:
            raise CourseError("--scheduler needs Dask: pip install 'dask[distributed]'.") from None
        try:
            self._client = Client(self.address, timeout=self.patience)
        except (OSError, ValueError) as error:
            raise CourseError(
                f"No Dask scheduler answers at {self.address} ({error}). `dask scheduler` starts "
                f"one, and says its address: tcp://HOST:8786."
            ) from None
        self.death = KilledWorker
        for worker in self._client.nthreads():
            fire_and_forget(self._client.submit(prepare, workers=[worker], pure=False))

    def __enter__(self) -> "DaskWorkers":
        if self._client is None:
            self.connect()
        try:
            self._client.wait_for_workers(1, timeout=self.patience)
        except TimeoutError:
            self._close()
            raise CourseError(
                f"The scheduler at {self.address} has no worker: `dask worker {self.address} "
                f"--nthreads 1` starts one."
            ) from None
        self.slots = sum(self._client.nthreads().values())
        # Not "pure": a call that is repeated must run again, not bring its old error back.
        self._executor = self._client.get_executor(pure=False)
        return self

    def __exit__(self, kind: type | None, *_) -> None:
        self._executor.shutdown(wait=kind is None)
        self._close()

    def _close(self) -> None:
        self._client.close()
        self._client = None

    def submit(self, function, *arguments, **options) -> Future:
        """As an Executor's."""
        return self._executor.submit(function, *arguments, **options)

    def look_after(self) -> None:
        """Nothing to do: Dask's scheduler does."""

    def renew(self) -> None:
        """Nothing to do: Dask's nannies start new workers."""


@cache
def cluster(address: str) -> DaskWorkers:
    """The workers of the cluster at this address; whoever asks again has the same connection."""
    return DaskWorkers(address)


def prepare() -> None:
    """In a worker that has not graded anything yet: import, and start its warm process."""
    for name in startup.PRELOAD:
        importlib.import_module(name)
    from grading.sandbox import warm

    with suppress(CourseError):  # it is said by the first submission
        warm.strongest(False)
