"""Files are written whole or not at all, and nobody's file is written over."""

import os
import resource
import signal
import stat

import pytest

from grading.learner import files
from grading.learner.files import Unwritten, alone, write_new, write_whole
from tests.grading.learner.conftest import in_child, killed_after

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
LONG = b"x" * 100_000


def test_a_file_is_replaced_and_nothing_else_stays(tmp_path):
    path = tmp_path / "a"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_new_file_never_replaces_one(tmp_path):
    path = tmp_path / "a"
    assert write_new(path, b"one")
    assert not write_new(path, b"two")
    assert path.read_bytes() == b"one"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_disk_without_hard_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    test_a_new_file_never_replaces_one(tmp_path)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_text("one")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_whole(tmp_path / "link", b"two")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "two"


@pytest.mark.parametrize("write", [write_whole, write_new])
def test_killed_at_any_line_the_file_is_old_or_new(tmp_path, write):
    path, before = tmp_path / "a", LONG if write is write_whole else None
    lines = 0
    while True:
        path.unlink(missing_ok=True)
        if before:
            path.write_bytes(before)
        killed = killed_after(lines, lambda: write(path, b"new" * 1000))
        now = path.read_bytes() if path.exists() else None
        assert now in (before, b"new" * 1000), f"killed after {lines} lines"
        if not killed:
            break
        lines += 1
    assert lines > 10 and now != before


@pytest.mark.parametrize("write", [write_whole, write_new])
def test_a_full_disk_is_said_and_changes_nothing(tmp_path, write):
    path = tmp_path / "a"
    if write is write_whole:
        path.write_bytes(b"old")

    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            write(path, LONG)
        except Unwritten as error:
            os._exit(7 if "the disk is full" in str(error) else 8)

    assert in_child(work) == 7
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == (
        [("a", b"old")] if write is write_whole else []
    )


def test_a_folder_of_somebody_elses_is_said(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)

    def work():
        if os.geteuid() == 0:
            os.setuid(65534)
        try:
            write_whole(path, b"new")
        except Unwritten as error:
            os._exit(7 if "you may not write there" in str(error) else 8)

    assert in_child(work) == 7
    tmp_path.chmod(stat.S_IRWXU)
    assert path.read_bytes() == b"old"


def test_one_writer_at_a_time_and_a_killed_one_holds_nobody_up(tmp_path):
    with alone(tmp_path):
        assert in_child(lambda: _take(tmp_path)) == 7
    in_child(lambda: _take_and_die(tmp_path))
    with alone(tmp_path, patience=0):
        pass


def _take(folder):
    try:
        with alone(folder, patience=0.05):
            os._exit(0)
    except Unwritten:
        os._exit(7)


def _take_and_die(folder):
    with alone(folder):
        os.kill(os.getpid(), signal.SIGKILL)


def test_causes_are_told_in_words():
    assert "make room" in files.why(OSError(28, "No space left on device"))
    assert "a folder of your own" in files.why(OSError(30, "Read-only file system"))
    assert files.why(OSError(5, "Input/output error")) == "Input/output error"
