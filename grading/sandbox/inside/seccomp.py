"""A filter on system calls: what would loosen a sandbox, or reach the network, fails with EPERM.

The filter is a program for the kernel's packet-filter machine (seccomp(2), BPF). It stays for good
and for every process started later. Namespaces already keep a submission in; this keeps it from
building new ones to attack the kernel, and is the only wall before the network where there are no
namespaces.
"""

import ctypes
import errno
import platform
import struct

from grading.sandbox.inside.system_calls import (
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
        {"clone": 56, "clone3": 435, "socket": 41, "socketpair": 53}
        | {"ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312}
        | {"unshare": 272, "setns": 308, "mount": 165, "umount2": 166, "pivot_root": 155}
        | {"chroot": 161, "open_tree": 428, "move_mount": 429, "fsopen": 430, "mount_setattr": 442}
        | {"bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "open_by_handle_at": 304}
        | {"add_key": 248, "request_key": 249, "keyctl": 250, "io_uring_setup": 425}
        | {"pidfd_getfd": 438, "init_module": 175, "finit_module": 313, "kexec_load": 246},
    ),
    "aarch64": (
        0xC00000B7,
        {"clone": 220, "clone3": 435, "socket": 198, "socketpair": 199}
        | {"ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272}
        | {"unshare": 97, "setns": 268, "mount": 40, "umount2": 39, "pivot_root": 41}
        | {"chroot": 51, "open_tree": 428, "move_mount": 429, "fsopen": 430, "mount_setattr": 442}
        | {"bpf": 280, "perf_event_open": 241, "userfaultfd": 282, "open_by_handle_at": 265}
        | {"add_key": 217, "request_key": 218, "keyctl": 219, "io_uring_setup": 425}
        | {"pidfd_getfd": 438, "init_module": 105, "finit_module": 273, "kexec_load": 104},
    ),
}
NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
AF_UNIX = 1
X32_BIT = 0x40000000  # x86-64's second table of numbers, unused by anything here

LOAD, JUMP_EQUAL, JUMP_SET, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
ALLOW, FAIL, KILL = 0x7FFF0000, 0x00050000, 0x80000000


def program(machine: str) -> list[tuple[int, int, int, int]]:
    """The filter as (code, jump if true, jump if false, value).

    Raises OSError for a processor family without a table.
    """
    if machine not in FAMILIES:
        raise OSError(errno.ENOSYS, f"no table of system calls for {machine}")
    architecture, numbers = FAMILIES[machine]
    rest = dict(numbers)
    clone, clone3 = rest.pop("clone"), rest.pop("clone3")
    sockets = [rest.pop("socket"), rest.pop("socketpair")]
    code = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        (JUMP_AT_LEAST, 0, 1, X32_BIT),
        (RETURN, 0, 0, KILL),
        # glibc falls back to clone, whose flags can be read, unlike those clone3 points to
        (JUMP_EQUAL, 0, 1, clone3),
        (RETURN, 0, 0, FAIL | errno.ENOSYS),
    ]
    for number in rest.values():
        code += [(JUMP_EQUAL, 0, 1, number), (RETURN, 0, 0, FAIL | errno.EPERM)]
    code += [
        (JUMP_EQUAL, 0, 4, clone),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (JUMP_SET, 0, 1, NAMESPACES),
        (RETURN, 0, 0, FAIL | errno.EPERM),
        (RETURN, 0, 0, ALLOW),
    ]
    for number in sockets:
        code += [
            (JUMP_EQUAL, 0, 4, number),
            (LOAD, 0, 0, FIRST_ARGUMENT),
            (JUMP_EQUAL, 1, 0, AF_UNIX),
            (RETURN, 0, 0, FAIL | errno.EPERM),
            (RETURN, 0, 0, ALLOW),
        ]
    return [*code, (RETURN, 0, 0, ALLOW)]


def install() -> None:
    """Put the filter over this process, for good. Raises OSError where the kernel has none."""

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]

    steps = program(platform.machine())
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    filtering = 2
    wanted = Program(len(steps), code)
    prctl(PR_SET_SECCOMP, filtering, ctypes.addressof(wanted))
