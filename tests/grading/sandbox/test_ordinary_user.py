"""The walls again, for an ordinary user: the other tests start them as whoever runs pytest."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from grading.course.places import ROOT
from grading.sandbox import bubblewrap
from tests.grading.machines import started

USER = 12345
# In mounts of its own: each folder that only root may pass becomes an empty one that all may pass,
# with the course and the environment's Python mounted in it again; then the command as the user.
SCRIPT = """
set -e
kept=$(mktemp -d); number=0
for path in $NEEDED; do
    number=$((number + 1)); mkdir "$kept/$number"; mount --bind "$path" "$kept/$number"
done
for path in $CLOSED; do mount -t tmpfs -o mode=755 none "$path"; done
number=0
for path in $NEEDED; do
    number=$((number + 1)); mkdir -p "$path"; mount --bind "$kept/$number" "$path"
done
exec setpriv --reuid=$USER --regid=$USER --clear-groups "$@"
"""


@pytest.fixture
def home():
    """A folder that the user may reach: pytest closes its own to others whenever a run begins."""
    with tempfile.TemporaryDirectory(prefix="course-user-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        os.chown(folder, USER, USER)
        yield Path(folder)


@pytest.fixture
def as_user(home):
    """Run a command as an ordinary user who can read this environment and the course."""
    if os.geteuid() != 0:
        pytest.skip("these tests run as an ordinary user already")
    if not shutil.which("setpriv") or not shutil.which("unshare"):
        pytest.skip("needs setpriv and unshare, of Debian's package util-linux")
    started("namespaces")  # who may not make namespaces cannot make these either
    needed = [path for path in (ROOT, *bubblewrap.python_folders()) if _closed(path)]
    told = {
        **os.environ,
        "NEEDED": " ".join(map(str, needed)),
        "CLOSED": " ".join({str(_closed(path)) for path in needed}),
        "USER": str(USER),
        "HOME": str(home),
        "TMPDIR": str(home),
    }

    def as_user(*command):
        whole = ["unshare", "--mount", "sh", "-c", SCRIPT, "sh", *command]
        return subprocess.run(whole, cwd=ROOT, env=told, capture_output=True, text=True)

    return as_user


def _open(path):
    return path.stat().st_mode & 0o5 == 0o5


def _closed(path):
    """The outermost folder above a path that an ordinary user may not pass."""
    return next((above for above in reversed(path.parents) if not _open(above)), None)


@pytest.mark.parametrize(
    "file", ["test_walls.py", pytest.param("test_limits.py", marks=pytest.mark.thorough)]
)
def test_all_walls_stand_for_an_ordinary_user(as_user, file):
    tests = Path(__file__).with_name(file)
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = as_user(*command, "-k", "not trusted", str(tests))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout


def test_it_is_an_ordinary_user(as_user):
    look = "import os, torch; print(os.getuid(), os.access('/etc/shadow', os.R_OK))"
    assert as_user(sys.executable, "-c", look).stdout == f"{USER} False\n"
