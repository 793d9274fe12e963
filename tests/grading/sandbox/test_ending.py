"""However a job ends, no process of it is left, and the next one finds all as it was."""

import json
import os
import signal
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from grading.sandbox import session, warm
from grading.sandbox.inside import frames, watch
from tests.grading.machines import started
from tests.grading.sandbox.conftest import SMALL, below, ended, printed, program, running

QUICK = replace(SMALL, wall_factor=1.0, wall_grace=1.0)

# Each leaves a program behind whose command line holds a word that is only its own.
DAEMON = """
import os, subprocess, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv("/bin/sleep", ["sleep", "{word}"])
    os._exit(0)
time.sleep(0.3)
"""
ENDINGS = {
    "done": "",
    "exit": "import os\nos._exit(3)",
    "crash": "import ctypes\nctypes.string_at(0)",
    "loop": "while True: pass",
    "sleep": "import time\ntime.sleep(60)",
    "ignores": "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(60)",
    "kills": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "stops": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_process_is_left(any_kind, run, ending):
    before = below(program(started(any_kind)).process.pid)
    word = f"86400.{uuid.uuid4().int % 10**12}"
    # Without namespaces the kernel counts a user's processes of all jobs: bombs of other tests too.
    limits = replace(QUICK, processes=200)
    ran = run(any_kind, DAEMON.format(word=word) + ENDINGS[ending], limits=limits, seconds=1)
    assert bool(ran.cut) == (ending != "done")
    assert below(program(started(any_kind)).process.pid) == before
    assert ended(running(word))


def test_a_daemon_does_run_until_then(any_kind, run):
    """That the test above would see one: the program is there while its cell is."""
    word, seen = f"86400.{uuid.uuid4().int % 10**12}", []
    watching = threading.Thread(target=lambda: _look(word, seen))
    watching.start()
    run(any_kind, DAEMON.format(word=word) + "time.sleep(2)")
    watching.join()
    assert seen and ended(seen)


def _look(word, seen):
    until = time.monotonic() + 20
    while not seen and time.monotonic() < until:
        seen += running(word)
        time.sleep(0.02)


def test_a_fork_bomb(kind, run):
    before = below(program(started(kind)).process.pid)
    bomb = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
    ran = run(kind, bomb, "print('on')", limits=QUICK, seconds=1)
    assert 0 in ran.cut and printed(ran, 1) == "on\n"
    assert below(program(started(kind)).process.pid) == before


# A process that is another one whenever it is looked for.
COMET = """
import subprocess, sys, time
code = '''
import os, time
end = time.monotonic() + 60
while time.monotonic() < end:
    try:
        if os.fork():
            os._exit(0)
        {step}
    except OSError:
        pass
'''
subprocess.Popen([sys.executable, "-S", "-E", "-c", code, "{word}"], start_new_session=True)
time.sleep(0.5)
"""


@pytest.mark.parametrize("step", ["pass", "os.setsid()"], ids=["in a group", "in no group"])
def test_a_process_that_forks_and_ends_again_and_again(kind, run, step):
    word = f"86400.{uuid.uuid4().int % 10**12}"
    start = time.monotonic()
    ran = run(kind, COMET.format(step=step, word=word), "print('on')")
    assert printed(ran, 1) == "on\n" and not ran.cut
    assert not any(running(word) for _ in range(20))
    assert time.monotonic() - start < 40  # it would have gone on for longer


def test_processes_that_cannot_be_ended_are_an_error(monkeypatch):
    """Nothing is run beside what is left of another submission."""
    monkeypatch.setattr(watch, "prctl", lambda *arguments: None)
    monkeypatch.setattr(watch, "KILL_SECONDS", 0)
    monkeypatch.setattr(watch, "_has_children", lambda: True)
    watcher = watch.Watch("landlock")
    monkeypatch.setattr(watcher, "_processes", lambda: [])
    with pytest.raises(RuntimeError, match="processes of a submission go on"):
        watcher._kill_all()


def test_a_fork_that_goes_on_says_nothing(any_kind, run):
    """A copy of the process would run the cells after it a second time."""
    ran = run(any_kind, "import os\nos.fork()\nprint('a')", "print('b')")
    assert [printed(ran, i) for i in range(2)] == ["a\n", "b\n"] and not ran.cut


@pytest.mark.parametrize("said", ["", "exit", "killed"])
def test_a_survivor_that_holds_the_pipe_does_not_hold_up_the_end(any_kind, run, said):
    start = time.monotonic()
    after = {"": "", "exit": "os._exit(1)", "killed": "os.kill(os.getpid(), 9)"}[said]
    ran = run(any_kind, f"import os, time\nif os.fork() == 0: time.sleep(600)\n{after}")
    assert bool(ran.cut) == bool(said)
    assert time.monotonic() - start < 60


FORGE = """
import os, stat
from grading.sandbox.inside import frames
for number in range(3, 20):
    try:
        if stat.S_ISFIFO(os.fstat(number).st_mode):
            frames.write(number, {message})
    except OSError:
        pass
"""
FORGED = [
    ("finished", 'b"X", None', "messages of its own"),
    ("another cell", 'b"S", {"cell": 1}', "messages of its own"),
    ("no walls", 'b"W", "x"', "messages of its own"),
    ("no fields", 'b"D", {}', "a message that is none"),
    ("no dict", 'b"D", [1]', "a message that is none"),
    ("no number", 'b"D", {"cell": 0, "outputs": [], "seconds": "x"}', "a message that is none"),
    ("long number", 'b"D", {"cell": 0, "outputs": [], "seconds": 10**400}', "of its own"),
    ("long output", 'b"D", {"cell": 0, "outputs": ["x" * 10**7]}', "of impossible size"),
    ("unknown", 'b"?", None', "messages of its own"),
]


@pytest.mark.parametrize(("message", "words"), [f[1:] for f in FORGED], ids=[f[0] for f in FORGED])
def test_forged_messages_end_the_cell_that_sent_them(any_kind, run, message, words):
    ran = run(any_kind, FORGE.format(message=message), "print('on')")
    assert words in ran.cut[0][1]
    assert printed(ran, 1) == "on\n" and set(ran.cut) == {0}


def test_a_forged_output_of_another_cell_is_not_taken(any_kind, run):
    """It looks like a copy of the process that has gone on to that cell, which is left out too."""
    message = 'b"D", {"cell": 1, "outputs": [], "seconds": 0}'
    ran = run(any_kind, FORGE.format(message=message), "print('on')")
    assert ran.outputs == {} and set(ran.cut) == {0, 1}


def test_a_job_that_nobody_listens_to_is_not_mixed_up_with_the_next(any_kind, run):
    """Whatever goes wrong outside, the next job has a process to itself."""

    def trip(data):
        if data:
            raise ZeroDivisionError
        return 20.0

    cell = {"index": 0, "seconds": 20.0, "check": None, "source": "import time; time.sleep(9)"}
    job = frames.pack(b"C", body=json.dumps([cell]).encode())
    with pytest.raises(ZeroDivisionError):
        started(any_kind).run(job, SMALL, trip)
    ran = run(any_kind, "print('on')")
    assert printed(ran) == "on\n" and not ran.cut and not ran.problems


def test_nobody_is_graded_where_nothing_could_be_run(monkeypatch, run):
    def broken(kind):
        return lambda job, limits, heard: warm.End(1, "the sandbox broke (so)", broke=True)

    monkeypatch.setattr(session, "_forked", broken)
    with pytest.raises(session.NothingRan, match="the sandbox broke"):
        run(warm.NAMESPACES, "print('on')")


def test_a_notebook_keeps_as_much_output_as_many_full_cells(any_kind, run):
    limits = replace(SMALL, output_kb=1)
    ran = run(any_kind, *["print('x' * 800)"] * 40, limits=limits)
    kept = [bool(ran.outputs[index]) for index in range(40)]
    assert kept == sorted(kept, reverse=True) and 10 < sum(kept) < 30 and not ran.cut


def test_the_warm_process_is_killed_and_nothing_is_lost(any_kind, run):
    broken = started(any_kind)
    timer = threading.Timer(1.0, lambda: os.kill(_zygote(broken), signal.SIGKILL))
    timer.start()
    ran = run(any_kind, "import time; time.sleep(3)", "print('on')")
    timer.join()
    assert not ran.cut and not ran.problems
    assert printed(ran, 1) == "on\n"
    assert started(any_kind) is not broken


def test_a_warm_process_that_has_ended_before_costs_nothing(any_kind, run):
    process = started(any_kind)
    zygote, ours = _zygote(process), program(process).process
    os.kill(zygote, signal.SIGKILL)
    if zygote == ours.pid:  # there until we take leave of it
        ours.wait(20)
    assert ended([zygote])
    ran = run(any_kind, "print('on')")
    assert printed(ran) == "on\n" and not ran.cut and not ran.problems


def _zygote(process):
    """The warm process itself: below bubblewrap's two where they are, and below the shared one and
    the process that waits for its fork."""
    found, before = _pythons(process), []
    while found != before:  # until an earlier fork has gone
        time.sleep(0.1)
        found, before = _pythons(process), found
    return found[0 if process.program else 2]


def _pythons(process):
    """The processes of the program that run Python, the oldest first."""
    found = []
    for pid in below(program(process).process.pid) | {program(process).process.pid}:
        with suppress(OSError):  # it has just ended
            if "python" in Path(os.readlink(f"/proc/{pid}/exe")).name:
                began = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
                found.append((int(began), pid))  # numbers begin again when they are used up
    return [pid for _, pid in sorted(found)]


def test_sixty_jobs_leave_nothing_behind(kind, run):
    process = started(kind)
    run(kind, "1 + 1")
    before, memory = _held(process), _resident(process)
    for number in range(60):
        ran = run(kind, f"{number}" if number % 10 else "import os\nos._exit(1)")
        assert bool(ran.cut) == (number % 10 == 0), ran
    assert started(kind) is process and _held(process) == before
    assert _resident(process) - memory < 8 * 2**20


def _held(process):
    """Descriptors here and in the warm process, files in its folder, and its processes."""
    descriptors = [len(os.listdir(f"/proc/{pid}/fd")) for pid in (os.getpid(), _zygote(process))]
    files = sorted(map(str, program(process).folder.rglob("*")))
    return descriptors, files, below(program(process).process.pid)


def _resident(process):
    pages = [
        Path(f"/proc/{p}/statm").read_text().split()[1] for p in (os.getpid(), _zygote(process))
    ]
    return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE")
