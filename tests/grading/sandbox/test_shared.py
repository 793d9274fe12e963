"""One warm process for several workers: each has a fork of it that is shut off from the others."""

import json
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grading.sandbox import shared, warm
from grading.sandbox.inside import frames
from grading.sandbox.program import Program
from tests.grading.machines import started
from tests.grading.sandbox.conftest import SMALL, below, ended, running


@pytest.fixture
def door():
    """The shared process's, ended behind the test."""
    started(warm.NAMESPACES)
    yield Path(shared.door())
    shared.close()


@pytest.fixture
def fork(door):
    """Make a fork for a worker; all are closed behind the test."""
    made = []

    def fork():
        made.append(warm.WarmProcess(warm.NAMESPACES, door))
        return made[-1]

    yield fork
    for process in made:
        process.close()


def printed(process, source):
    """What a cell prints in this process."""
    cell = {"index": 0, "seconds": 20.0, "check": None, "source": source}
    reader, shown = frames.Reader(2**20), []

    def heard(data):
        for kind, header, _ in reader.feed(data):
            shown.extend(header["outputs"] if kind == b"D" else [])
        return 20.0

    end = process.run(frames.pack(b"C", body=json.dumps([cell]).encode()), SMALL, heard)
    assert end.code == 0 and [o["output_type"] for o in shown] == ["stream"], (end, shown)
    return shown[0]["text"]


SPACES = """
import json, os
print(json.dumps({n: os.readlink(f"/proc/self/ns/{n}") for n in ("net", "pid", "user", "mnt")}))
"""


def test_forks_share_no_namespace_the_network_included(fork):
    """While both run: the number of a namespace that is gone is given to the next one."""
    found = []

    def heard(data):
        for kind, header, _ in frames.Reader(2**20).feed(data):
            if kind == b"D":
                found.append(json.loads(header["outputs"][0]["text"]))
                found.append(json.loads(printed(other, SPACES)))
        return 0.0 if found else 20.0

    one, other = fork(), fork()
    sources = (SPACES, "import time\ntime.sleep(60)")
    cells = [
        {"index": i, "seconds": 20.0, "check": None, "source": source}
        for i, source in enumerate(sources)
    ]
    one.run(frames.pack(b"C", body=json.dumps(cells).encode()), SMALL, heard)
    first, second = found
    assert not set(first.values()) & set(second.values())


def test_a_fork_sees_only_its_own_processes(fork):
    look = "import os\nprint(sorted(n for n in os.listdir('/proc') if n.isdigit()))"
    fork()
    assert printed(fork(), look) == "['1', '2']\n"


TERMINAL = """
import os, time
ours, theirs = os.openpty()
os.write(theirs, b"answer")
time.sleep(1.5)
print(os.ttyname(theirs), os.read(ours, 100))
"""
TERMINALS = """
import os, time
seen, end = set(), time.monotonic() + 1
while time.monotonic() < end:
    seen |= set(os.listdir("/dev/pts"))
print(sorted(seen))
"""


def test_forks_share_no_terminals(fork):
    """One would be a way from a submission to another that runs at the same time."""
    with ThreadPoolExecutor() as pool:
        one = pool.submit(printed, fork(), TERMINAL)
        assert printed(fork(), TERMINALS) == "['ptmx']\n"
        assert one.result() == "/dev/pts/0 b'answer'\n"


def test_a_fork_ends_with_its_connection_and_the_others_go_on(fork):
    one, other = fork(), fork()
    process = shared.program().process.pid
    before = below(process)
    one.close()
    assert printed(other, "print('on')") == "on\n"
    fork()  # whoever knocks next, the shared process takes leave of those that have ended
    assert len(below(process)) == len(before)


def test_a_terminals_ctrl_c_is_not_for_it(fork):
    """It reaches the whole process group; a job that it ended would look like a learner's fault."""
    fork()
    first = shared.program().process.pid
    groups = {os.getpgid(pid) for pid in below(first) | {first}}
    assert os.getpgid(0) not in groups


def test_closing_ends_all_and_leaves_nothing(door, fork):
    fork()
    program = shared.program()
    family, folder = below(program.process.pid) | {program.process.pid}, program.folder
    shared.close()
    assert ended(family) and not folder.exists() and not door.parent.exists()


def test_closing_it_while_it_starts_leaves_nothing():
    """Bubblewrap's second process does not yet end with its first at every moment."""
    started(warm.NAMESPACES)
    chance, names = random.Random(0), []
    for _ in range(100):
        program = Program(warm.NAMESPACES)
        names.append(program.folder.name)
        time.sleep(chance.uniform(0, 0.01))
        program.close(patience=0)
    assert ended([pid for name in names for pid in running(name)])


def test_a_process_that_was_killed_is_started_anew(door):
    program = shared.program()
    os.kill(program.process.pid, signal.SIGKILL)
    program.process.wait()
    assert shared.door() != str(door) and shared.program() is not program


def test_a_worker_starts_its_own_where_nobody_answers(door, monkeypatch):
    monkeypatch.setattr(warm, "_door", door)
    shared.close()
    process = warm.new_process(warm.NAMESPACES)
    try:
        assert process.program is not None
    finally:
        process.close()


def test_a_wrong_door_is_unavailable(door):
    with pytest.raises(warm.Unavailable):
        warm.WarmProcess(warm.NAMESPACES, door.with_name("nobody"))


def test_without_bubblewrap_there_is_none(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert shared.door() is None
