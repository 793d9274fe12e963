"""A class run that is killed at any moment, or stopped with Ctrl-C, goes on where it was."""

import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest

from grading.classrun import sample_class
from tests.grading.books import SLUG, copy_course, course, hand_in, rows, start_course
from tests.grading.sandbox.conftest import below, ended

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals whole process groups")
KILLS = 4
CHEAP = 96  # submissions that are refused unread: the run is then made of its own steps alone


def write_class(home: Path, unit, right) -> None:
    hand_in(home / "submitted", "all-right", sample_class.notebook_with(unit, right))
    hand_in(home / "submitted", "untouched", sample_class.notebook_with(unit, {}))
    for number in range(CHEAP):
        hand_in(home / "submitted", f"student-{number:02d}", b"no notebook %d" % number)


def grade(home: Path) -> list:
    options = ["--jobs", "1", "--json", home / "out.json"]
    return ["grade", SLUG, "--submitted", home / "submitted", *options]


def entries(home: Path) -> int:
    """How many submissions are noted as written."""
    return sum(len(p.read_bytes().splitlines()) for p in home.glob("grading_store/written-*"))


def state(home: Path) -> tuple:
    """All that a run leaves for people: gradebook, records, judged notebooks."""
    judged = {p.relative_to(home): p.read_bytes() for p in home.glob("autograded/**/*.ipynb")}
    return rows(f"sqlite:///{home / 'gradebook.db'}"), (home / "out.json").read_bytes(), judged


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A course that stays as it is while these runs go on."""
    return copy_course(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, unit, right, root):
    """What a run that nobody disturbs leaves."""
    home = tmp_path_factory.mktemp("undisturbed")
    write_class(home, unit, right)
    status, said = course(*grade(home), root=root)
    assert status == 0, said
    assert len(json.loads((home / "out.json").read_bytes())) == (CHEAP + 2) * len(unit.exercises)
    return state(home)


def kill_somewhere(home: Path, root: Path, chance: random.Random) -> tuple[bool, int]:
    """Start a run and SIGKILL all its processes; whether it still ran, and what it had written.

    A third of the kills fall anywhere in the first seconds. The others wait for a few entries
    first: start-up takes longest, and writing is where it could go wrong.
    """
    before, wanted = entries(home), chance.choice([0, 0, 1, 2, 3, 4])
    process = start_course(*grade(home), root=root)
    while entries(home) < before + wanted and process.poll() is None:
        time.sleep(0.001)
    time.sleep(chance.uniform(0, 0.05 if wanted else 4))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL, entries(home) - before


def test_a_run_killed_at_any_moment_ends_with_the_same_gradebook(
    tmp_path, unit, right, root, undisturbed
):
    write_class(tmp_path, unit, right)
    chance = random.Random(0)
    kills = [kill_somewhere(tmp_path, root, chance) for _ in range(KILLS)]
    hit = sum(running for running, _ in kills)
    writing = sum(running and written > 0 for running, written in kills)
    print(f"{KILLS} kills: {hit} hit a running process, {writing} after it had begun to write")
    assert hit >= KILLS - 1 and writing >= KILLS / 2
    status, said = course(*grade(tmp_path), root=root)
    assert status == 0, said
    assert state(tmp_path) == undisturbed


@pytest.fixture
def temporary(monkeypatch):
    """The folder for temporary files of processes started here; a short name, for sockets."""
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def test_a_stopped_run_says_how_to_go_on(tmp_path, unit, right, root, undisturbed, temporary):
    write_class(tmp_path, unit, right)
    process = start_course(*grade(tmp_path), root=root)
    while entries(tmp_path) < 5 and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)  # as `kill -INT`: the workers hear nothing of it
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert b"run the same command again" in said and b"Traceback" not in said
    written = entries(tmp_path)
    assert f"{written} of {CHEAP + 2} submissions are in the gradebook" in said.decode()
    book = rows(f"sqlite:///{tmp_path / 'gradebook.db'}")
    submissions = [row for row in book if row[0] == "submitted_assignment"]
    assert 5 <= written == len(submissions) < CHEAP + 2
    assert set(book) <= set(undisturbed[0])
    status, said = course(*grade(tmp_path), root=root)
    assert status == 0 and f"{written} as graded before" in said
    assert state(tmp_path) == undisturbed
    assert not list(temporary.glob("course-*"))


def hand_in_endless(submitted: Path, unit, right) -> None:
    """A submission that does not end before its time is over."""
    first = unit.exercises[0]
    endless = f"def {first.callable}(*inputs):\n    while True: pass\nwhile True: pass"
    notebook = sample_class.notebook_with(unit, right | {first.answer_id: endless})
    hand_in(submitted, "endless", notebook)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    ("seconds", "name"),
    [(0, "INT"), (0.5, "INT"), (1, "INT"), (1.5, "INT"), (2, "INT"), (1, "TERM"), (4, "HUP")],
)
def test_ctrl_c_during_the_start_is_as_quiet(tmp_path, unit, right, root, temporary, seconds, name):
    hand_in_endless(tmp_path / "submitted", unit, right)
    process = start_course(*grade(tmp_path), root=root)
    while process.poll() is None and not children(process.pid):
        time.sleep(0.01)
    time.sleep(seconds)
    os.killpg(process.pid, signal.Signals[f"SIG{name}"])
    said, _ = process.communicate(timeout=60)
    # Python kills itself with the signal where that met a text that it was compiling.
    assert process.returncode in (130, -signal.SIGINT), said.decode()
    assert said.startswith(b"course: stopped.") and said.count(b"\n") == 1, said.decode()
    assert not list(temporary.glob("course-*"))


def children(process: int) -> str:
    """The processes that a process has started."""
    return Path(f"/proc/{process}/task/{process}/children").read_text()


def test_ctrl_c_in_a_terminal_ends_all_processes(tmp_path, unit, right, root):
    """The terminal sends the signal to every process of the group, endless loops among them."""
    hand_in_endless(tmp_path / "submitted", unit, right)
    for number in range(6):
        hand_in(tmp_path / "submitted", f"student-{number}", b"no notebook %d" % number)
    process = start_course(*grade(tmp_path), "--jobs", "2", root=root)
    while entries(tmp_path) < 6 and process.poll() is None:
        time.sleep(0.01)
    family = below(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)  # not before the last process has let go of stdout
    assert process.returncode == 130 and b"Traceback" not in said, said.decode()
    assert ended(family) and (family or sys.platform != "linux")
