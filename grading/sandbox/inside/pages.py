"""Large pages for the memory of the warm process, so that its forks cost less.

A fork copies the table of the process's pages, and its end takes that copy apart again. With pages
of 2 MB the table is short. A page that is then written to is copied in small pieces, as before.
Source: madvise(2), MADV_COLLAPSE.
"""

import ctypes
from collections.abc import Iterator

from grading.sandbox.inside.system_calls import LIBC

MADV_COLLAPSE = 25
LARGE = 2**21


def enlarge() -> None:
    """Turn this process's own memory into large pages. Linux before 6.1 leaves it as it is."""
    for start, end in list(_own_memory()):
        start, end = -(-start // LARGE) * LARGE, end // LARGE * LARGE
        if start < end:
            LIBC.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_COLLAPSE)


def _own_memory() -> Iterator[tuple[int, int]]:
    """Where the memory lies that is writable and no file's."""
    with open("/proc/self/maps") as file:
        for line in file:
            where, rights, _, _, _, *name = line.split()
            if rights.startswith("rw-p") and name in ([], ["[heap]"]):
                start, end = where.split("-")
                yield int(start, 16), int(end, 16)
