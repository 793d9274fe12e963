"""The system calls that Python 3.11 has no function for, by ctypes. Linux only."""

import ctypes
import os

LIBC = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
CLONE_NEWCGROUP = 0x02000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 2, 4, 8, 32, 4096
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS = 1, 4, 8
PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 22, 36, 38
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_READ_SEARCH = 2


def checked(result: int, what: str) -> int:
    """The result, or the OSError that it stands for."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def unshare(flags: int) -> None:
    """Leave the namespaces named by the flags for new ones of one's own."""
    checked(LIBC.unshare(flags), "unshare")


def mount(kind: str, target: str, options: str = "", flags: int = 0) -> None:
    """Mount a new file system of a kind ("tmpfs", "proc") over a folder."""
    arguments = (kind.encode(), target.encode(), kind.encode(), flags, options.encode())
    checked(LIBC.mount(*arguments), f"mount {kind} on {target}")


def close_device(path: str) -> None:
    """Let nobody open a device that is mounted by itself, as bubblewrap does it."""
    kept = os.statvfs(path).f_flag & (os.ST_RDONLY | os.ST_NOSUID | os.ST_NOEXEC)
    flags = MS_REMOUNT | MS_BIND | MS_NODEV | kept  # the first of these have the same numbers there
    checked(LIBC.mount(None, path.encode(), None, flags, None), f"close {path}")


def prctl(option: int, *arguments: int) -> None:
    """`prctl` with the rest of its arguments 0."""
    values = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    checked(LIBC.prctl(option, *values), f"prctl {option}")


def keep_capabilities(mask: int = 0) -> None:
    """Give up every capability (a root user's single rights) but those in the mask."""

    class Header(ctypes.Structure):
        _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]

    class Sets(ctypes.Structure):
        _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]

    header = Header(CAPABILITY_VERSION_3, 0)
    sets = (Sets * 2)(Sets(mask, mask, 0), Sets(0, 0, 0))
    checked(LIBC.capset(ctypes.byref(header), sets), "capset")
