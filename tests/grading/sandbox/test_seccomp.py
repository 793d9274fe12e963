"""The filter on system calls: its tables, what its program says, what the kernel makes of it."""

import errno
import os
import platform
import re
import struct
from pathlib import Path

import pytest

from grading.sandbox.inside import seccomp

HEADERS = {
    "x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    "aarch64": "/usr/include/asm-generic/unistd.h",
}
MACHINES = list(seccomp.FAMILIES)


def verdict(machine, call, arguments=(), alone=False, signals=True, number=None, architecture=None):
    """Run the filter as the kernel does, on one call; what it says: ALLOW, KILL or FAIL | errno."""
    told, numbers = seccomp.FAMILIES[machine]
    values = [*arguments, *[0] * 6][:6]
    number = numbers.get(call, 0) if number is None else number
    data = struct.pack("=IIQ6Q", number, architecture or told, 0, *values)
    steps, at, held = seccomp.program(machine, alone, signals), 0, 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == seccomp.LOAD:
            (held,) = struct.unpack_from("=I", data, value)
        elif code == seccomp.AND:
            held &= value
        elif code == seccomp.RETURN:
            return value
        else:
            holds = held == value if code == seccomp.JUMP_EQUAL else held >= value
            at += if_true if holds else if_false


EPERM = seccomp.FAIL | errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("alone", [False, True])
def test_each_denied_call_fails_with_any_arguments(machine, alone):
    for call in seccomp.denied(machine, alone, signals=True):
        assert verdict(machine, call, alone=alone) == EPERM, call
        assert verdict(machine, call, [2**64 - 1] * 6, alone=alone) == EPERM, call


@pytest.mark.parametrize("machine", MACHINES)
def test_all_else_is_allowed(machine):
    known = set(seccomp.FAMILIES[machine][1].values())
    for number in set(range(500)) - known:
        assert verdict(machine, "", number=number, alone=True) == seccomp.ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_sockets_are_unix_sockets(machine):
    for call in ("socket", "socketpair"):
        for family in range(50):
            expected = seccomp.ALLOW if family == 1 else EPERM
            assert verdict(machine, call, [family, 1]) == expected
        cloexec = 0o2000000
        for kind, expected in {1: seccomp.ALLOW, 2: EPERM, 3: EPERM, 5: seccomp.ALLOW}.items():
            assert verdict(machine, call, [1, kind | cloexec]) == expected  # 2 and 3 are datagrams


@pytest.mark.parametrize("machine", MACHINES)
def test_the_size_of_a_socket_stays(machine):
    for option in range(100):
        expected = EPERM if option in (7, 8, 32, 33) else seccomp.ALLOW
        assert verdict(machine, "setsockopt", [3, 1, option]) == expected


@pytest.mark.parametrize("machine", MACHINES)
def test_shared_memory_is_some_files(machine):
    shared, private, anonymous, fixed = 1, 2, 0x20, 0x10
    for flags in (shared, private, private | anonymous, private | anonymous | fixed):
        assert verdict(machine, "mmap", [0, 4096, 3, flags]) == seccomp.ALLOW
    for flags in (shared | anonymous, shared | anonymous | fixed):
        assert verdict(machine, "mmap", [0, 4096, 3, flags]) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_what_landlock_does_not_know_about_files(machine):
    _, numbers = seccomp.FAMILIES[machine]
    for call in seccomp.PRETENDED & set(numbers):
        assert verdict(machine, call, alone=True) == seccomp.FAIL  # without an error: done nothing
        assert verdict(machine, call) == seccomp.ALLOW
    for call in seccomp.OF_FILES & set(numbers):
        assert verdict(machine, call, alone=True) == EPERM
        assert verdict(machine, call) == seccomp.ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_processes_and_threads_but_no_namespaces(machine):
    threads, child = 0x3D0F00, 0x11  # glibc's flags
    assert (
        verdict(machine, "clone", [threads]) == verdict(machine, "clone", [child]) == seccomp.ALLOW
    )
    for bit in (17, 25, 26, 27, 28, 29, 30):  # mount, cgroup, uts, ipc, user, pid, network
        assert verdict(machine, "clone", [child | 1 << bit]) == EPERM
    assert verdict(machine, "clone3") == seccomp.FAIL | errno.ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_limits_and_signals_of_itself_only(machine):
    own, other = os.getpid(), os.getpid() + 1
    assert verdict(machine, "prlimit64", [0]) == seccomp.ALLOW
    assert verdict(machine, "prlimit64", [other]) == EPERM
    for call in ("kill", "tgkill"):
        assert verdict(machine, call, [other]) == seccomp.ALLOW
        assert verdict(machine, call, [other], signals=False) == EPERM
        assert verdict(machine, call, [own], signals=False) == seccomp.ALLOW
    for call in seccomp.OTHER_SIGNALS:
        assert verdict(machine, call) == seccomp.ALLOW
        assert verdict(machine, call, signals=False) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_another_table_of_calls_is_the_end(machine):
    assert verdict(machine, "ptrace", architecture=0x40000003) == seccomp.KILL
    x32 = seccomp.X32_BIT | 101
    assert verdict(machine, "", number=x32) == seccomp.KILL


def test_a_processor_without_a_table_is_refused():
    with pytest.raises(OSError, match="no table of system calls for vax"):
        seccomp.program("vax")


def test_both_tables_name_the_same_calls():
    """But for those that newer families of processors never had."""
    one, other = (set(numbers) for _, numbers in seccomp.FAMILIES.values())
    assert one - other == {"chmod", "chown", "lchown", "utime", "utimes", "futimesat"}
    assert not other - one


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_are_those_of_the_kernels_headers(machine):
    header = Path(HEADERS[machine])
    if not header.exists():
        pytest.skip(f"{header} is not here: install linux-libc-dev")
    known = dict(re.findall(r"#define __NR\w*?_(\w+)\s+(\d+)", header.read_text()))
    latest = max(map(int, known.values()))
    for call, number in seccomp.FAMILIES[machine][1].items():
        if number <= latest:  # calls that are newer than the header have one number everywhere
            assert int(known.get(call, -1)) == number, call


def test_the_kernel_refuses_each(kind, told):
    """By number, with arguments that name nothing: EPERM comes before the kernel looks at them."""
    alone = kind == "landlock"
    calls = seccomp.FAMILIES[platform.machine()][1]
    cell = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def errno_of(number):
    ctypes.set_errno(0)
    libc.syscall(number, *[ctypes.c_long(-1)] * 6)
    return ctypes.get_errno()
print(json.dumps({{name: errno_of(number) for name, number in {calls!r}.items()
    if name in {seccomp.denied(platform.machine(), alone, signals=True)!r} or name == "clone3"}}))
"""
    seen = told(kind, cell)
    assert seen.pop("clone3") == errno.ENOSYS
    assert set(seen.values()) == {errno.EPERM} and len(seen) > 30
