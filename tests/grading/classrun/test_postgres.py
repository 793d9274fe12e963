"""The gradebook on a real PostgreSQL server holds the same rows as on SQLite."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
from nbgrader.api import Gradebook

from grading import cli
from grading.classrun import gradebook, sample_class
from grading.classrun.gradebook import GradebookWriter
from grading.course.places import ROOT
from tests.grading.books import SLUG, WITH_TOOLS, hand_in, new_gradebook, rows, start_course
from tests.grading.classrun.test_gradebook import by_hand, graded, mark_by_hand

pwd = pytest.importorskip("pwd", reason="starts a server on a Unix socket, as another user")
CHEAP = 24


def find(program: str) -> str | None:
    """A program of PostgreSQL, which Debian keeps off the PATH."""
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return shutil.which(program) or (str(kept[-1]) if kept else None)


def as_ordinary_user(folder: Path) -> dict:
    """PostgreSQL refuses to run as root: give the folder to another user, and be that one."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@pytest.fixture(scope="module")
def server():
    """The address of a server of our own, on a Unix socket, gone afterwards."""
    if not find("initdb"):
        assert "CI" not in os.environ, "PostgreSQL is missing: `bootstrap.py --test` installs it."
        pytest.skip("no PostgreSQL server here (Debian: postgresql)")
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as name:
        folder = Path(name)
        options = {"cwd": folder, "stdout": subprocess.DEVNULL, **as_ordinary_user(folder)}
        made = [find("initdb"), "-D", folder / "data", "-U", "course", "-A", "trust", "--no-sync"]
        subprocess.run(made, check=True, **options)
        command = [find("postgres"), "-D", folder / "data", "-k", folder, "-h", "", "-F"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **options)
        try:
            while not list(folder.glob(".s.PGSQL.*[0-9]")):
                assert process.poll() is None, "the server does not start"
                time.sleep(0.05)
            yield f"postgresql://course@/{{}}?host={folder}"
        finally:
            process.send_signal(signal.SIGINT)  # its fast shutdown
            process.wait(30)


@pytest.fixture
def url(server, request):
    """The address of an empty database."""
    name = request.node.name.replace("_", "")[:40].lower()
    address = server.format("postgres")
    for _ in range(100):
        try:
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}"')
            break
        except psycopg.OperationalError:  # it is still starting
            time.sleep(0.1)
    return server.format(name)


def test_a_killed_run_ends_with_the_same_rows_as_on_sqlite(tmp_path, url, unit, right):
    new_gradebook(tmp_path)
    hand_in(tmp_path / "submitted", "ada", sample_class.notebook_with(unit, right))
    for number in range(CHEAP):
        hand_in(tmp_path / "submitted", f"student-{number}", b"no notebook %d" % number)
    grade = ["grade", "--submitted", str(tmp_path / "submitted"), "--jobs", "1"]
    process = start_course(*grade, "--db", url, root=ROOT)
    ledger = tmp_path / "grading_store"
    while not list(ledger.glob("written-*")) and process.poll() is None:
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    named = url.replace("postgresql:", "postgresql+psycopg:")
    assert 0 < sum(row[0] == "submitted_assignment" for row in rows(named)) < CHEAP + 1
    for more in (["--db", url], []):
        assert cli.main([*grade, *more]) == 0
    assert rows(named) == rows(f"sqlite:///{tmp_path / 'gradebook.db'}")


def test_manual_grades_stay_and_a_failed_write_leaves_nothing(tmp_path, url, unit, monkeypatch):
    monkeypatch.setenv("PATH", WITH_TOOLS)
    named = gradebook.driver_named(url)
    with GradebookWriter(url, tmp_path) as writer:
        writer.register([unit])
        writer.write(graded(unit, "ada", 1))
        mark_by_hand(named, unit, "ada")
        writer.write(graded(unit, "ada", 0.5))
        assert by_hand(named, unit, "ada")[0] == [(0.5, 0.5, 0.25, True), (0, 1.5, 0.25, False)]
        before = rows(named)
        with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError):
            patch.setattr(gradebook.SaveAutoGrades, "_add_comment", _full)
            writer.write(graded(unit, "ben", 0.5))
        assert rows(named) == before
        writer.write(graded(unit, "ben", 0.5))
    with Gradebook(named) as book:
        assert book.find_submission(SLUG, "ben").score == 0.5


def _full(*_):
    raise OSError("the disk is full")
