"""Cells run in each kind of sandbox that this machine has."""

import json
import os
import time
from pathlib import Path

import pytest

from grading.sandbox import Limits, session, shared, warm
from tests.grading.machines import started

SHUT = (warm.NAMESPACES, warm.LANDLOCK)
FORKED = "forked"  # of the process that a class run's workers share
_forked = {}  # by process and kind, as in `warm`
SMALL = Limits(memory_mb=300, work_mb=40, file_mb=20, processes=20, output_kb=20, wall_grace=2.0)

# For cells: what becomes of an attempt, as a plain value.
TRY = """
import json
def attempt(action):
    try:
        return action()
    except BaseException as error:
        return type(error).__name__
"""


@pytest.fixture(params=(*SHUT, FORKED))
def kind(request, monkeypatch):
    """Each kind of sandbox that shuts submissions in."""
    return _kind(request.param, monkeypatch)


# The code that ends jobs is the same with Landlock and without walls.
LANDLOCK_TOO = pytest.param(warm.LANDLOCK, marks=pytest.mark.thorough)


@pytest.fixture(params=(warm.NAMESPACES, FORKED, warm.TRUSTED, LANDLOCK_TOO))
def any_kind(request, monkeypatch):
    """These, and the kind without walls."""
    return _kind(request.param, monkeypatch)


def _kind(name, monkeypatch):
    if name == FORKED:
        started(name := warm.NAMESPACES)
        monkeypatch.setattr(warm, "_processes", _forked)
        monkeypatch.setattr(warm, "_door", Path(shared.door()))
        if warm.warm_process(name).program:  # a test has ended the one that it was a fork of
            warm.warm_process(name, fresh=True)
        assert warm.warm_process(name).program is None
    started(name)
    return name


@pytest.fixture(scope="session", autouse=True)
def _end_forks():
    yield
    while _forked:
        _forked.popitem()[1].close()


def program(process):
    """The program that this warm process is, or is a fork of."""
    return process.program or shared.program()


@pytest.fixture
def run(monkeypatch):
    """Run cells, given as source texts, in a sandbox of this kind."""

    def run(kind, *sources, limits=SMALL, seconds=20.0, requests=None):
        monkeypatch.setattr(warm, "strongest", lambda trusted: kind)
        cells = [session.Cell(i, source, seconds) for i, source in enumerate(sources)]
        return session.run_cells(cells, requests or {}, limits)

    return run


@pytest.fixture
def told(run):
    """Run cells; what the last one printed, which is JSON."""

    def told(kind, *sources, **options):
        ran = run(kind, *(TRY + source for source in sources), **options)
        return json.loads(printed(ran, len(sources) - 1))

    return told


def printed(ran, index=0):
    """What a cell printed; its other outputs are a failure."""
    outputs = ran.outputs[index]
    assert all(o["output_type"] == "stream" for o in outputs), outputs
    return "".join(o["text"] for o in outputs)


def errors(ran, index=0):
    """The names of the errors that a cell ended with."""
    return [o["ename"] for o in ran.outputs[index] if o["output_type"] == "error"]


def below(pid):
    """The processes that descend from this one, by number."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
        except OSError:  # it has just ended
            continue
    found, grown = {pid}, True
    while grown:
        new = {child for child, parent in parents.items() if parent in found} - found
        found, grown = found | new, bool(new)
    return found - {pid}


def running(word):
    """The processes of this machine whose command line holds this word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in path.read_text(errors="replace") and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def ended(processes, seconds=20.0):
    """Whether all of these processes have ended; the kernel takes a moment over it."""
    until = time.monotonic() + seconds
    while left := [pid for pid in processes if Path(f"/proc/{pid}").exists()]:
        if time.monotonic() > until:
            return not left
        time.sleep(0.02)
    return True
