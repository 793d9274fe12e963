"""A limit for wrong answers made up of two known ones, which may never end together."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class TooLong(BaseException):
    """The time is up; no Exception, or the code that runs would count it as its own error."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TooLong after so many seconds of this process's CPU.

    Only in the main thread, and not on Windows: elsewhere nothing can stop a loop, and it goes on.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_) -> None:
        raise TooLong

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL if before is None else before)
