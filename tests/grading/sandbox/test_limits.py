"""What a submission may use up, and what becomes of one that wants more."""

import io
from dataclasses import replace

import pytest

from grading.sandbox import Limits, warm
from grading.sandbox.inside import watch
from tests.grading.machines import started
from tests.grading.sandbox.conftest import SMALL, errors, printed


def test_an_absurd_allocation_is_an_error_in_its_cell_only(any_kind, run):
    ran = run(any_kind, "x = bytearray(50 * 2**30)", "print('on')")
    assert errors(ran) == ["MemoryError"]
    assert printed(ran, 1) == "on\n" and not ran.cut


LEAK = """
import time
kept = []
for _ in range(60):
    kept.append(bytearray(10 * 2**20))
    time.sleep(0.01)
time.sleep(20)
"""
SHARED = """
import mmap, time
memory = mmap.mmap(-1, 400 * 2**20)
for start in range(0, len(memory), 2**20):
    memory[start : start + 2**20] = b"x" * 2**20
time.sleep(20)
"""
MANY = """
import os, time
for _ in range(6):
    if os.fork() == 0:
        kept = bytearray(80 * 2**20)
        time.sleep(20)
time.sleep(20)
"""


TOO_MUCH = {0: ("error", "This cell used more than 300 MB of memory.")}


@pytest.mark.parametrize("source", [LEAK, MANY], ids=["leak", "many"])
def test_memory_that_is_really_used_is_counted(any_kind, run, source):
    ran = run(any_kind, source, "print('on')")
    assert ran.cut == TOO_MUCH
    assert printed(ran, 1) == "on\n"


def test_shared_memory_is_counted_where_it_can_be_had(run):
    started(warm.TRUSTED)
    assert run(warm.TRUSTED, SHARED).cut == TOO_MUCH


def test_memory_that_nobody_counts_cannot_be_had(kind, told):
    """Shared memory of no file is still there when no process has it in its table any more."""
    cell = """
import ctypes, mmap, os
libc = ctypes.CDLL(None)
def zeros():
    zero = os.open("/dev/zero", os.O_RDWR)
    return len(mmap.mmap(zero, 2**20))
print(json.dumps([attempt(lambda: os.memfd_create("x")), libc.shmget(0, 2**20, 0o1600),
    attempt(lambda: len(mmap.mmap(-1, 2**20))), attempt(zeros)]))
"""
    assert told(kind, cell) == ["PermissionError", -1, "PermissionError", "PermissionError"]


def test_memory_that_can_be_counted_can_be_mapped(kind, told):
    cell = """
import mmap
open("file", "wb").write(bytes(2**20))
file = open("file", "r+b")
private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
print(json.dumps([len(mmap.mmap(-1, 2**20, flags=private)), len(mmap.mmap(file.fileno(), 2**20))]))
"""
    assert told(kind, cell) == [2**20, 2**20]


def test_memory_that_is_swapped_out_is_counted(monkeypatch):
    status = "Name:\tx\nRssAnon:\t1 kB\nRssFile:\t9 kB\nRssShmem:\t20 kB\nVmSwap:\t300 kB\n"
    monkeypatch.setattr(watch, "open", lambda path: io.StringIO(status), raising=False)
    assert watch._anonymous_bytes(1) == 321 * 1024


# Each is filled, and may be closed at one end without giving up what lies in it.
SOCKETS = """
import ctypes, os, socket, time
def fill(one):
    one.setblocking(False)
    try:
        while True:
            one.send(bytes(2**16))
    except BlockingIOError:
        return one
kept = []
for _ in range(6):
    if os.fork() == 0:
        {hide}
        for _ in range(100):
            kept += map(fill, socket.socketpair())
        time.sleep(20)
time.sleep(20)
"""
HIDDEN = "ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)"  # PR_SET_DUMPABLE


@pytest.mark.parametrize("hide", ["pass", HIDDEN], ids=["plain", "hidden"])
def test_what_waits_in_sockets_is_counted(any_kind, run, hide):
    ran = run(any_kind, SOCKETS.format(hide=hide), "print('on')")
    assert ran.cut == TOO_MUCH
    assert printed(ran, 1) == "on\n"


UNACCEPTED = """
import socket, time
listener = socket.socket(socket.AF_UNIX)
listener.bind("name")
listener.listen(4096)
for _ in range(900):
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        client.connect("name")
        try:
            while True:
                client.send(bytes(2**16))
        except BlockingIOError:
            pass
time.sleep(20)
"""


def test_what_waits_where_nobody_has_accepted_is_counted(kind, run):
    ran = run(kind, UNACCEPTED, "print('on')")
    if kind == warm.LANDLOCK:
        assert errors(ran) == ["PermissionError"] and not ran.cut
    else:
        assert ran.cut == TOO_MUCH
    assert printed(ran, 1) == "on\n"


def test_sockets_keep_the_size_they_have(kind, told):
    cell = """
import socket
one, _ = socket.socketpair()
def enlarge(name): one.setsockopt(socket.SOL_SOCKET, getattr(socket, name), 2**20)
seen = [attempt(lambda: enlarge(name)) for name in ("SO_SNDBUF", "SO_RCVBUF")]
datagrams = [attempt(lambda: socket.socket(socket.AF_UNIX, kind).fileno())
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW)]
print(json.dumps([seen, datagrams, one.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)]))
"""
    refused = ["PermissionError"] * 2
    assert told(kind, cell) == [refused, refused, None]


WORKERS = """
import torch
from torch.utils.data import DataLoader, TensorDataset
batches = list(DataLoader(TensorDataset(torch.arange(400.0)), batch_size=4, num_workers=2))
print(len(batches))
"""


def test_the_workers_of_a_loader_have_descriptors_enough(any_kind, run):
    ran = run(any_kind, WORKERS, limits=Limits())
    if any_kind == warm.LANDLOCK:  # there is no folder for the memory that they would share
        assert errors(ran) == ["PermissionError"]
    else:
        assert printed(ran) == "100\n"


CHILDREN = """
import asyncio, subprocess
async def say(word):
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("/bin/echo", word, stdout=pipe)
    return (await process.communicate())[0].decode().strip()
words = await asyncio.gather(*map(say, "abcdef"))
print(*words, subprocess.check_output(["/bin/echo", "g"], text=True).strip())
"""


def test_ordinary_programs_and_loops_run(any_kind, run):
    assert printed(run(any_kind, CHILDREN)) == "a b c d e f g\n"


def test_cpu_seconds_of_a_cell(any_kind, run):
    ran = run(any_kind, "while True: pass", "print('on')", seconds=1)
    assert ran.cut[0] == ("timeout", "This cell did not end within 1 seconds.")
    assert printed(ran, 1) == "on\n"


STUBBORN = """
import signal, resource
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
_, hard = resource.getrlimit(resource.RLIMIT_CPU)
resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
while True: pass
"""


@pytest.mark.parametrize(
    "source", [STUBBORN, "import time; time.sleep(100)"], ids=["ignores", "sleeps"]
)
def test_the_clock_ends_what_uses_no_cpu_or_ignores_signals(any_kind, run, source):
    limits = replace(SMALL, wall_factor=1.0, wall_grace=1.0)
    ran = run(any_kind, source, "print('on')", seconds=1, limits=limits)
    assert ran.cut[0][0] == "timeout"
    assert printed(ran, 1) == "on\n"


def test_all_cells_together(any_kind, run):
    limits = replace(SMALL, total_seconds=2.0, wall_factor=1.0)
    ran = run(any_kind, *["import time; time.sleep(1.5)"] * 3, limits=limits)
    assert ran.problems == ["The notebook used up its time; what was answered until then counts."]


def test_saying_something_gives_no_more_time(any_kind, run):
    """Half a message, again and again, to the pipe for answers: whichever descriptor that is."""
    cell = """
import os, time
while True:
    for number in range(3, 20):
        try:
            os.write(number, b"\\0")
        except OSError:
            pass
    time.sleep(0.1)
"""
    limits = replace(SMALL, wall_factor=1.0, wall_grace=1.0)
    ran = run(any_kind, cell, "print('on')", seconds=1, limits=limits)
    assert set(ran.cut) == {0} and printed(ran, 1) == "on\n"


def test_processes_and_threads(kind, told):
    cell = """
import os, time
count = 0
try:
    while count < 500:
        if os.fork() == 0:
            time.sleep(5)
            os._exit(0)
        count += 1
except OSError:
    print(json.dumps(count))
"""
    # Without namespaces the kernel counts all of a user's processes, and some end meanwhile.
    assert 5 <= told(kind, cell) <= 2 * SMALL.processes


def test_one_file(any_kind, told):
    cell = """
def write():
    with open("big", "wb") as file:
        for _ in range(30):
            file.write(bytes(2**20))
print(json.dumps([attempt(write), __import__("os").path.getsize("big")]))
"""
    error, size = told(any_kind, cell)
    assert error == "OSError" and size <= SMALL.file_mb * 2**20


FILL = """
import os, time
for number in range(20):
    with open(f"file{number}", "wb") as file:
        file.write(os.urandom(2**20) * 10)
time.sleep(5)
"""
UNNAMED = """
import os, time
kept = []
for number in range(20):
    kept.append(open("file", "wb"))
    kept[-1].write(os.urandom(2**20) * 10)
    os.remove("file")
time.sleep(5)
"""


@pytest.mark.parametrize("source", [FILL, UNNAMED], ids=["named", "unnamed"])
def test_all_files_together(any_kind, run, source):
    ran = run(any_kind, source, "print('on')")
    if any_kind == warm.NAMESPACES:  # a folder in memory that is full
        assert errors(ran) == ["OSError"] and not ran.cut
    else:
        assert ran.cut == {0: ("error", "This cell wrote more than 40 MB of files.")}
    assert printed(ran, 1) == "on\n"


def test_shared_memory_files(kind, told):
    cell = """
def write():
    with open("/dev/shm/big", "wb") as file:
        file.write(bytes(15 * 2**20))
    return "written"
print(json.dumps(attempt(write)))
"""
    expected = "written" if kind == warm.NAMESPACES else "PermissionError"
    assert told(kind, cell) == expected


@pytest.mark.parametrize(
    "source",
    [
        "print('x' * 10**7)",
        "for _ in range(10**5): print('x' * 100)",
        "import sys\nfor _ in range(10**5): print('x' * 99, file=sys.stderr)",
        "from IPython.display import display\nfor _ in range(1000): display('x' * 1000)",
    ],
    ids=["at once", "in lines", "stderr", "displayed"],
)
def test_output_is_cut(any_kind, run, source):
    ran = run(any_kind, source, "print('on')")
    size = len(str(ran.outputs[0]))
    assert 10_000 < size < 4 * SMALL.output_kb * 1024
    assert "is cut" in str(ran.outputs[0])
    assert printed(ran, 1) == "on\n" and not ran.cut


def test_what_is_cut_takes_no_memory(any_kind, run):
    ran = run(any_kind, 'for _ in range(500): print("x" * 2**20)', "print('on')")
    assert not ran.cut and printed(ran, 1) == "on\n"


def test_a_flood_through_the_pipe_is_stopped(any_kind, run):
    cell = """
import os
while True:
    for number in range(3, 20):
        try:
            os.write(number, bytes(2**16))
        except OSError:
            pass
"""
    ran = run(any_kind, cell, "print('on')", limits=replace(SMALL, reply_mb=20))
    assert ran.cut[0][0] == "error" and printed(ran, 1) == "on\n"
