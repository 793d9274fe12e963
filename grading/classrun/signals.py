"""Ctrl-C in the process that grades a class: never lost, and never heard amid a write.

A request to end (SIGTERM) and a closed terminal (SIGHUP) are taken for the same.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SIGNALS = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]
_heard = threading.Event()


@contextmanager
def remembered() -> Iterator[None]:
    """Remember a Ctrl-C in the block, so that `check` raises anew what somebody's `except:` hid.

    An import that catches every exception, or a finalizer, whose exceptions Python drops, may be
    what runs when the signal comes.
    """
    if not _is_main():
        yield
        return
    before = _handle(_hear)
    usual = sys.unraisablehook

    def tell(dropped) -> None:
        """Nothing of a Ctrl-C that met a finalizer: it is remembered, so it is not lost."""
        if not (_heard.is_set() and issubclass(dropped.exc_type, KeyboardInterrupt)):
            usual(dropped)

    sys.unraisablehook = tell
    try:
        yield
    finally:
        sys.unraisablehook = usual
        _restore(before)
        _heard.clear()


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def _handle(handler: Callable) -> dict:
    """Have all three signals handled so, but for those that are ignored; who did it before."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    # Ignored, as by nohup, or not Python's to restore.
    before = {n: old for n, old in before.items() if old not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, handler)
    return before


def _restore(before: dict) -> None:
    for number, old in before.items():
        signal.signal(number, old)


def _hear(*_) -> None:
    _heard.set()
    raise KeyboardInterrupt


def check() -> None:
    """Raise KeyboardInterrupt if there was a Ctrl-C; long waits call this again and again."""
    if _heard.is_set():
        raise KeyboardInterrupt


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put Ctrl-C off until the end of the block; only the main thread hears it at all."""
    if not _is_main():
        yield
        return
    heard: list[int] = []
    before = _handle(lambda number, _: heard.append(number))
    try:
        yield
    finally:
        _restore(before)
    if heard:
        raise KeyboardInterrupt
