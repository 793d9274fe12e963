"""Files that must not be lost: written whole or not at all, by one writer at a time."""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from grading.course.errors import CourseError

PATIENCE = 20  # seconds that a writer waits for another
UNFINISHED = ".new"  # how the name of a file ends until it is whole


class Unwritten(CourseError):
    """A file could not be written; what was there before is there still."""


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` in the place of the file, or leave it as it was and raise Unwritten."""
    path = Path(os.path.realpath(path))  # a link stays one
    new = _unfinished(path)
    try:
        _write_through(new, data)
        os.replace(new, path)
        _settle(path.parent)
    except OSError as error:
        raise Unwritten(f"{path} could not be written: {why(error)}.") from None
    finally:
        _remove(new)


def write_new(path: Path, data: bytes) -> bool:
    """Write a file where there is none; False, and nothing is touched, where there is one."""
    new = _unfinished(path)
    try:
        _write_through(new, data)
        _name(new, path)
        _settle(path.parent)
    except FileExistsError:
        return False
    except OSError as error:
        raise Unwritten(f"{path} could not be written: {why(error)}.") from None
    finally:
        _remove(new)
    return True


@contextmanager
def alone(folder: Path, patience: float = PATIENCE) -> Iterator[None]:
    """While this holds, no other process of the learner's writes into the folder.

    The lock ends with its process, however that ends. Raises Unwritten where it cannot be had.
    """
    lock = FileLock(folder / "lock", timeout=patience)
    try:
        lock.acquire()
    except Timeout:
        raise Unwritten(f"another program has been writing into {folder} for long.") from None
    except NotImplementedError:  # a disk without locks: files are whole all the same
        yield
        return
    except OSError as error:
        raise Unwritten(f"{folder} could not be locked: {why(error)}.") from None
    try:
        yield
    finally:
        lock.release()


def why(error: OSError) -> str:
    """The cause in words that name the fix."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return "the disk is full: make room and try again"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "you may not write there: choose a folder of your own"
    return error.strerror or str(error)


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}{UNFINISHED}")


def _write_through(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _name(new: Path, path: Path) -> None:
    """Give a finished file its name; FileExistsError where somebody has it."""
    if not hasattr(os, "link") or os.name == "nt":
        os.rename(new, path)  # on Windows this never replaces
        return
    try:
        os.link(new, path)
    except FileExistsError:
        raise
    except OSError:  # a disk without hard links
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        os.rename(new, path)


def _settle(folder: Path) -> None:
    """Have the names of a folder on the disk, too, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
