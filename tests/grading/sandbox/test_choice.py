"""Which sandbox is taken, what is said about it, and where it cannot be had."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from grading.course.errors import CourseError
from grading.course.places import ROOT
from grading.sandbox import bubblewrap, cold, session, tree, warm
from grading.sandbox.inside import frames
from tests.grading.machines import started
from tests.grading.sandbox.conftest import SMALL, printed


@pytest.fixture
def choose():
    """`strongest` without what was found out before."""
    return warm.strongest.__wrapped__


@pytest.fixture
def no_processes(monkeypatch):
    """None that was started before; those that a test starts are ended."""
    monkeypatch.setattr(warm, "_processes", {})
    yield
    warm.close_all()


@pytest.mark.skipif(sys.platform != "linux", reason="sandboxes are Linux's")
def test_this_machine_can_shut_submissions_in(choose):
    """On Linux the tests need one kind at least: install bubblewrap where this fails."""
    assert choose(False) in (warm.NAMESPACES, warm.LANDLOCK)


def test_bubblewrap_comes_first(choose, no_processes):
    if not bubblewrap.find():
        pytest.skip("bubblewrap is not installed")
    assert choose(False) == warm.NAMESPACES


def test_landlock_where_bubblewrap_is_missing(choose, no_processes, monkeypatch):
    started(warm.LANDLOCK)
    monkeypatch.setenv("PATH", "/nowhere")
    assert choose(False) == warm.LANDLOCK


def _refuse(monkeypatch, reasons):
    def fail(kind):
        raise warm.Unavailable(reasons[kind])

    monkeypatch.setattr(warm, "WarmProcess", fail)


def test_none_is_refused_with_every_reason_and_the_cure(choose, no_processes, monkeypatch):
    _refuse(monkeypatch, {"namespaces": "not here", "landlock": "an old kernel"})
    monkeypatch.setattr(warm, "can_fork", lambda: True)
    with pytest.raises(CourseError) as refused:
        choose(False)
    for words in ("namespaces - not here", "landlock - an old kernel", "bubblewrap", "--trusted"):
        assert words in str(refused.value)
    assert choose(True) == warm.TRUSTED


def test_another_system_than_linux_is_named_as_the_reason(choose, monkeypatch):
    monkeypatch.setattr(warm, "can_fork", lambda: False)
    with pytest.raises(CourseError, match="it is not Linux"):
        choose(False)
    assert choose(True) == warm.TRUSTED


def _fake_bubblewrap(folder, script):
    program = folder / "bwrap"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(folder)


def test_bubblewraps_own_words_are_the_reason(tmp_path, monkeypatch):
    words = "bwrap: setting up uid map: Permission denied"
    monkeypatch.setenv("PATH", _fake_bubblewrap(tmp_path, f"echo '{words}' >&2; exit 1"))
    before = _folders()
    with pytest.raises(warm.Unavailable, match=words):
        warm.WarmProcess(warm.NAMESPACES)
    assert _folders() == before


def test_without_bubblewrap_nothing_is_left_behind(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    before, descriptors = _folders(), len(os.listdir("/proc/self/fd"))
    with pytest.raises(warm.Unavailable, match="bubblewrap is not installed"):
        warm.WarmProcess(warm.NAMESPACES)
    assert _folders() == before and len(os.listdir("/proc/self/fd")) == descriptors


def _folders():
    import tempfile

    return set(Path(tempfile.gettempdir()).glob("course-sandbox-*"))


def test_forbidden_namespaces_are_unavailable():
    """As on a machine whose administrator allows an ordinary user no namespaces."""
    started(warm.NAMESPACES)
    command = ["unshare", "--user", "--map-root-user", "sh", "-c"]
    script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    look = "from grading.sandbox import warm\n"
    look += "try: warm.WarmProcess('namespaces')\nexcept warm.Unavailable as e: print('no:', e)"
    done = subprocess.run(
        [*command, script, "sh", sys.executable, "-c", look],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("no: "), done.stderr


def test_landlock_is_refused_where_it_could_not_hide_the_course(monkeypatch):
    monkeypatch.setattr(bubblewrap, "hidden_folders", lambda: [Path("/usr/share/course")])
    with pytest.raises(warm.Unavailable, match="it cannot hide /usr/share/course"):
        warm.WarmProcess(warm.LANDLOCK)


def test_walls_that_fail_run_nothing(run, monkeypatch):
    """What the process inside says in the place of a first cell, if a wall of it fails."""

    def no_walls(job, limits, heard):
        heard(frames.pack(b"W", "mount: not permitted"))

    monkeypatch.setattr(session, "_forked", lambda kind: _recovering(no_walls))
    with pytest.raises(session.NothingRan, match="mount: not permitted"):
        run(warm.TRUSTED, "print('unsafe')")


@pytest.mark.skipif(sys.platform != "linux", reason="loads Linux's system calls")
@pytest.mark.parametrize(("version", "enough"), [(0, False), (2, False), (3, True), (7, True)])
def test_landlock_alone_must_keep_files_from_being_emptied(monkeypatch, version, enough):
    from grading.sandbox.inside import landlock

    monkeypatch.setattr(landlock, "version", lambda: version)
    with nullcontext() if enough else pytest.raises(OSError, match=r"before Linux 6\.2"):
        landlock.check_alone()


def _recovering(run_job):
    def run(job, limits, heard):
        try:
            return run_job(job, limits, heard)
        except warm.Unavailable as error:
            return warm.End(1, f"the sandbox broke ({error})")

    return run


# --- where the course and its environment lie -----------------------------------------------------


def test_every_step_from_the_environment_to_python_can_be_read():
    link, readable = Path(sys.executable), [*bubblewrap.SYSTEM, *bubblewrap.python_folders()]
    while True:
        assert any(link.is_relative_to(folder) for folder in readable), link
        if not link.is_symlink():
            break
        link = Path(os.path.normpath(link.parent / os.readlink(link)))


def test_the_course_is_hidden_where_it_lies_in_something_readable(monkeypatch, tmp_path):
    assert bubblewrap.hidden_folders() == []
    monkeypatch.setattr(bubblewrap, "SYSTEM", (str(ROOT.parent),))
    assert bubblewrap.hidden_folders() == [ROOT]


def test_hidden_but_for_the_environment_within(monkeypatch):
    monkeypatch.setattr(bubblewrap, "hidden_folders", lambda: [ROOT])
    monkeypatch.setattr(bubblewrap, "python_folders", lambda: [ROOT / ".venv", Path("/opt/py")])
    words = bubblewrap.command("bwrap", Path("/inside"), {})
    hidden = words.index("--tmpfs", words.index("/opt/py"))
    again = words.index(str(ROOT / ".venv"), hidden)
    assert words[hidden + 1] == str(ROOT) and words[again - 1] == "--ro-bind"
    assert words[words.index(str(ROOT), again) - 1] == "--remount-ro"


def test_a_folder_with_spaces_works(monkeypatch, run):
    """Of the temporary files, of which the inside of the course is one."""
    import tempfile

    started(warm.NAMESPACES)
    # Not pytest's own folder: it closes that to others whenever a run begins.
    with tempfile.TemporaryDirectory(prefix="a folder: with spaces ") as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        process = warm.WarmProcess(warm.NAMESPACES)
        try:
            assert process.hello["kind"] == warm.NAMESPACES
        finally:
            process.close()
            monkeypatch.undo()


def test_the_inside_is_a_few_files_that_know_no_answer(tmp_path):
    folder = tree.write_tree(tmp_path / "inside")
    names = {str(path.relative_to(folder)) for path in folder.rglob("*.py")}
    assert not [n for n in names if "judge" in n or "compare" in n or "solution" in n]
    assert [n for n in names if n.startswith("reference_impl")] == ["reference_impl/__init__.py"]
    units = [n for n in names if n.startswith("grading/units")]
    assert all(n.endswith("/drive.py") for n in units)
    assert {"grading/__init__.py", "grading/kernel/__init__.py"} <= names


# --- without fork: macOS and Windows --------------------------------------------------------------


@pytest.fixture
def without_fork(monkeypatch):
    monkeypatch.setattr(warm, "can_fork", lambda: False)


def test_a_fresh_process_runs_the_same_job(run, without_fork):
    source = "import reference_impl"
    ran = run(warm.TRUSTED, "x = 40", "print(x + 2)", source)
    assert printed(ran, 1) == "42\n" and "write the answer yourself" in str(ran.outputs[2])


def test_a_fresh_process_that_ends_is_replayed_without_the_culprit(run, without_fork):
    ran = run(warm.TRUSTED, "import os\nos._exit(3)", "print('on')")
    assert ran.cut == {0: ("error", "This cell ended the whole Python process (exit code 3).")}
    assert printed(ran, 1) == "on\n"


def test_a_fresh_process_is_stopped_by_the_clock(without_fork):
    cell = {"index": 0, "source": "while True: pass", "seconds": 1.0, "check": None}
    begun = []

    def heard(data):
        begun.extend([data] if data.startswith(b"S") else [])
        return 0.5 if begun else 0.0

    end = cold.run(frames.pack(b"C", body=json.dumps([cell]).encode()), SMALL, heard)
    assert end.why == "time" and begun
