"""Landlock: the kernel's own limit on which files a process may touch, for ordinary users too.

The wall where bubblewrap cannot make namespaces. Reading is allowed below some folders, writing
below one; from version 3 on (Linux 6.2) no other file can be emptied, from 4 on no TCP port can be
reached, from 6 on no process outside can be sent a signal. Source: the kernel's documentation,
userspace-api/landlock.
"""

import ctypes
import os
import struct
from collections.abc import Iterable

from grading.sandbox.inside.system_calls import LIBC, PR_SET_NO_NEW_PRIVS, checked, prctl

CREATE, ADD_RULE, RESTRICT = 444, 445, 446  # the same numbers on every processor
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
READING = EXECUTE | READ_FILE | READ_DIR
SOCKETS = READ_FILE | 1 << 5 | 1 << 9  # 5 remove a file, 9 make a socket
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | 1 << 15  # 14 truncate, 15 ioctl
# Rights on files by version: 1 has 13, then rename across folders, truncate, and device ioctl.
RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
PATH_BENEATH = 1
TRUNCATES = 3  # the first version that knows the emptying of files
SCOPED = 6  # the first version that knows abstract sockets and signals


def version() -> int:
    """The version of Landlock in this kernel, 0 where it has none."""
    return max(LIBC.syscall(CREATE, None, 0, 1), 0)


def check_alone() -> None:
    """Raise OSError where Landlock without another wall would not keep files from harm."""
    if version() < TRUNCATES:
        raise OSError("this kernel has no Landlock, or one of before Linux 6.2")


def keeps_signals_in() -> bool:
    """Whether `restrict` also keeps a process from sending signals outside."""
    return version() >= SCOPED


def restrict(readable: Iterable[str], writable: Iterable[str], sockets: str | None = None) -> None:
    """From here on this process and its children see no other files, and in the folder `sockets`
    make nothing but sockets. Raises OSError if it fails."""
    abi = version()
    if not abi:
        raise OSError("this kernel has no Landlock")
    every = (1 << RIGHTS.get(abi, 16)) - 1
    network = 3 if abi >= 4 else 0  # bind and connect
    scoped = 3 if abi >= SCOPED else 0  # abstract sockets and signals
    attributes = struct.pack("=QQQ", every, network, scoped)
    size = 24 if abi >= SCOPED else 16 if abi >= 4 else 8
    ruleset = checked(LIBC.syscall(CREATE, attributes, ctypes.c_size_t(size), 0), "Landlock")
    for path in readable:
        _allow(ruleset, path, READING & every)
    for path in writable:
        _allow(ruleset, path, every)
    if sockets:
        _allow(ruleset, sockets, SOCKETS)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    checked(LIBC.syscall(RESTRICT, ruleset, 0), "Landlock")
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    if not os.path.exists(path):
        return
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):
            rights &= ON_FILES
        rule = struct.pack("=Qi", rights, descriptor)
        checked(LIBC.syscall(ADD_RULE, ruleset, PATH_BENEATH, rule, 0), f"Landlock, {path}")
    finally:
        os.close(descriptor)
