"""A filter on system calls: what would loosen a sandbox, or reach out of it, fails with EPERM.

The filter is a program for the kernel's packet-filter machine (seccomp(2), BPF). It stays for good
and for every process started later. Namespaces already keep a submission in; this keeps it from
building new ones to attack the kernel, and from memory that nobody counts. Where there are no
namespaces it is the only wall before the network, the machine's own sockets and other processes.
"""

import ctypes
import errno
import os
import platform
import struct

from grading.sandbox.inside.system_calls import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_SECCOMP,
    prctl,
)

# The numbers that each processor family gives the calls (Linux's unistd tables).
FAMILIES = {
    "x86_64": (
        0xC000003E,
        {"clone": 56, "clone3": 435, "socket": 41, "socketpair": 53, "prlimit64": 302}
        | {"ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312}
        | {"unshare": 272, "setns": 308, "mount": 165, "umount2": 166, "pivot_root": 155}
        | {"chroot": 161, "open_tree": 428, "move_mount": 429, "fsopen": 430, "mount_setattr": 442}
        | {"bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "open_by_handle_at": 304}
        | {"add_key": 248, "request_key": 249, "keyctl": 250, "io_uring_setup": 425}
        | {"pidfd_getfd": 438, "init_module": 175, "finit_module": 313, "kexec_load": 246}
        | {"memfd_create": 319, "memfd_secret": 447, "shmget": 29, "msgget": 68, "semget": 64}
        | {"connect": 42, "kill": 62, "tgkill": 234, "tkill": 200, "pidfd_send_signal": 424}
        | {"rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297}
        | {"mmap": 9, "setsockopt": 54, "vmsplice": 278, "shmat": 30, "shmctl": 31}
        | {"msgsnd": 69, "msgrcv": 70, "msgctl": 71, "semop": 65, "semtimedop": 220, "semctl": 66}
        | {"chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452}
        | {"utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280}
        | {"chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260}
        | {"setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "setxattrat": 463}
        | {"removexattr": 197, "lremovexattr": 198, "fremovexattr": 199, "removexattrat": 466}
        | {"file_setattr": 469},
    ),
    "aarch64": (
        0xC00000B7,
        {"clone": 220, "clone3": 435, "socket": 198, "socketpair": 199, "prlimit64": 261}
        | {"ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272}
        | {"unshare": 97, "setns": 268, "mount": 40, "umount2": 39, "pivot_root": 41}
        | {"chroot": 51, "open_tree": 428, "move_mount": 429, "fsopen": 430, "mount_setattr": 442}
        | {"bpf": 280, "perf_event_open": 241, "userfaultfd": 282, "open_by_handle_at": 265}
        | {"add_key": 217, "request_key": 218, "keyctl": 219, "io_uring_setup": 425}
        | {"pidfd_getfd": 438, "init_module": 105, "finit_module": 273, "kexec_load": 104}
        | {"memfd_create": 279, "memfd_secret": 447, "shmget": 194, "msgget": 186, "semget": 190}
        | {"connect": 203, "kill": 129, "tgkill": 131, "tkill": 130, "pidfd_send_signal": 424}
        | {"rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240}
        | {"mmap": 222, "setsockopt": 208, "vmsplice": 75, "shmat": 196, "shmctl": 195}
        | {"msgsnd": 189, "msgrcv": 188, "msgctl": 187, "semop": 193, "semtimedop": 192}
        | {"semctl": 191, "fchmod": 52, "fchmodat": 53, "fchmodat2": 452, "utimensat": 88}
        | {"fchown": 55, "fchownat": 54}
        | {"setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "setxattrat": 463}
        | {"removexattr": 14, "lremovexattr": 15, "fremovexattr": 16, "removexattrat": 466}
        | {"file_setattr": 469},
    ),
}
# Not denied altogether.
BY_ARGUMENT = {"clone", "clone3", "socket", "socketpair", "prlimit64", "mmap", "setsockopt"}
# Landlock hides files, but not the sockets that lie among them: a desktop's bus would run programs.
REACHING_OUT = {"connect"}
# Landlock does not ask who changes a file's mode, times, owner or attributes: the user whose files
# they are could be locked out of them, and hand-in times forged. Modes and times say that all went
# well and change nothing: `shutil.copy` in one's own folder sets them, and is right to go on. The
# rest fails, as it mostly does for an ordinary user, and programs are ready for that.
PRETENDED = {"chmod", "fchmod", "fchmodat", "fchmodat2"}
PRETENDED |= {"utime", "utimes", "futimesat", "utimensat"}
OF_FILES = {"chown", "fchown", "lchown", "fchownat", "file_setattr"}
OF_FILES |= {"setxattr", "lsetxattr", "fsetxattr", "setxattrat"}
OF_FILES |= {"removexattr", "lremovexattr", "fremovexattr", "removexattrat"}
# Landlock keeps signals in from version 6 on. A process may always send them to itself.
SIGNALS = {"kill", "tgkill"}
OTHER_SIGNALS = {"tkill", "pidfd_send_signal", "rt_sigqueueinfo", "rt_tgsigqueueinfo"}

NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
NAMESPACES |= CLONE_NEWCGROUP
AF_UNIX, DATAGRAMS = 1, 2  # the bit that SOCK_DGRAM has, and SOCK_RAW, which is the same to AF_UNIX
BUFFER_SIZES = (7, 8, 32, 33)  # SO_SNDBUF, SO_RCVBUF and what root has for them
SHARED_BY_NO_FILE = 0x21  # MAP_SHARED and MAP_ANONYMOUS
X32_BIT = 0x40000000  # x86-64's second table of numbers, unused by anything here

LOAD, AND, RETURN = 0x20, 0x54, 0x06
JUMP_EQUAL, JUMP_AT_LEAST = 0x15, 0x35
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
ALLOW, FAIL, KILL = 0x7FFF0000, 0x00050000, 0x80000000
WHOLE = 0xFFFFFFFF

Step = tuple[int, int, int, int]


def program(machine: str, alone: bool = False, signals: bool = True) -> list[Step]:
    """The filter as (code, jump if true, jump if false, value).

    With `alone`, other processes of the machine must be kept away too, as there is no namespace
    that does; without `signals` a process may send them to itself only.

    Raises OSError for a processor family without a table.
    """
    if machine not in FAMILIES:
        raise OSError(errno.ENOSYS, f"no table of system calls for {machine}")
    architecture, numbers = FAMILIES[machine]
    code = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        (JUMP_AT_LEAST, 0, 1, X32_BIT),
        (RETURN, 0, 0, KILL),
        # glibc falls back to clone, whose flags can be read, unlike those clone3 points to
        *_deny(numbers["clone3"], errno.ENOSYS),
        *_only(numbers["clone"], 0, NAMESPACES, 0),
        *_only(numbers["prlimit64"], 0, WHOLE, 0),
    ]
    # Such memory outlives its place in every process (munmap, madvise) until the last page of it is
    # given back, and then no process shows it. Files in a folder of bounded size do as well.
    code += _only(numbers["mmap"], 3, SHARED_BY_NO_FILE, SHARED_BY_NO_FILE, equal=False)
    for name in ("socket", "socketpair"):
        code += _only(numbers[name], 0, WHOLE, AF_UNIX)
        # A datagram goes anywhere without connect, and waits there when its sender has gone: so
        # the number of sockets would not bound the memory that lies in them (`watch.py`).
        code += _only(numbers[name], 1, DATAGRAMS, 0)
    for size in BUFFER_SIZES:
        code += _only(numbers["setsockopt"], 2, WHOLE, size, equal=False)
    for name in () if signals else SIGNALS:
        code += _only(numbers[name], 0, WHOLE, os.getpid())
    for name in PRETENDED if alone else ():
        code += _deny(numbers[name], 0) if name in numbers else []
    for name in denied(machine, alone, signals):
        code += _deny(numbers[name], errno.EPERM)
    return [*code, (RETURN, 0, 0, ALLOW)]


def denied(machine: str, alone: bool, signals: bool) -> list[str]:
    """The calls that fail whatever their arguments are."""
    allowed = BY_ARGUMENT | SIGNALS | PRETENDED | (set() if alone else REACHING_OUT | OF_FILES)
    allowed |= OTHER_SIGNALS if signals else set()
    return [name for name in FAMILIES[machine][1] if name not in allowed]


def _deny(number: int, error: int) -> list[Step]:
    """Do nothing but say this error, 0 for none."""
    return [(JUMP_EQUAL, 0, 1, number), (RETURN, 0, 0, FAIL | error)]


def _only(number: int, argument: int, mask: int, value: int, equal: bool = True) -> list[Step]:
    """Let the call pass only where the masked argument has this value, or with `equal` false has
    another."""
    return [
        (JUMP_EQUAL, 0, 5, number),
        (LOAD, 0, 0, ARGUMENTS + 8 * argument),
        (AND, 0, 0, mask),
        (JUMP_EQUAL, int(equal), int(not equal), value),
        (RETURN, 0, 0, FAIL | errno.EPERM),
        (LOAD, 0, 0, NUMBER),
    ]


def install(alone: bool = False, signals: bool = True) -> None:
    """Put the filter over this process, for good. Raises OSError where the kernel has none."""

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]

    steps = program(platform.machine(), alone, signals)
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    filtering = 2
    wanted = Program(len(steps), code)
    prctl(PR_SET_SECCOMP, filtering, ctypes.addressof(wanted))
