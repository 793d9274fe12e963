"""What a submission sees, reaches and may change."""

import json
import os
import socket
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grading.course.places import ROOT
from grading.sandbox import bubblewrap, warm
from grading.sandbox.inside import frames
from grading.sandbox.program import environment
from tests.grading.machines import started
from tests.grading.sandbox.conftest import SMALL, below, ended, printed, program


def test_it_reads_nothing_of_what_knows_the_answers(kind, told, tmp_path):
    (tmp_path / "submission.ipynb").write_text("another learner's answers")
    secrets = [
        ROOT / name for name in ("reference_impl/decoder/attention.py", "grading/judging/judge.py")
    ]
    secrets += [ROOT / "solutions", ROOT / "README.md", ROOT / "grading/units/attention"]
    secrets += [Path.home(), "/etc/passwd", "/etc/shadow", "/var/log", "/proc/1/environ"]
    secrets += [tmp_path, tmp_path / "submission.ipynb", *ROOT.glob("gradebook.db")]
    secrets = [path for path in map(str, secrets) if os.path.exists(path)]
    assert len(secrets) >= 9
    cell = f"""
import os
def look(path):
    listed = attempt(lambda: os.listdir(path))
    return listed if isinstance(listed, list) else attempt(lambda: open(path).read()[:80])
seen = {{path: look(path) for path in {secrets!r}}}
print(json.dumps(seen))
"""
    home, folders = Path.home(), bubblewrap.python_folders()
    below = [folder.relative_to(home) for folder in folders if folder.is_relative_to(home)]
    way_to_python = {folder.parts[0] for folder in below}
    for path, seen in told(kind, cell).items():
        if path == "/proc/1/environ":  # where there is a /proc, process 1 is the sandbox's own
            assert seen in ("PermissionError", "FileNotFoundError"), seen
        elif path in str(Path.home()) and isinstance(seen, list):
            assert set(seen) <= {"work", *way_to_python}, seen
        else:
            assert seen in ("FileNotFoundError", "PermissionError", "NotADirectoryError"), path


def test_the_reference_is_not_there_in_words(any_kind, told):
    cell = """
try:
    import reference_impl.decoder.attention
except ImportError as error:
    print(json.dumps(str(error)))
"""
    assert "write the answer yourself" in told(any_kind, cell)


def test_what_judges_cannot_be_imported(kind, told):
    cell = """
import importlib
names = ("grading.judging.judge", "grading.judging.compare", "grading.units.attention.causal_mask")
print(json.dumps([attempt(lambda: importlib.import_module(name).__name__) for name in names]))
"""
    assert told(kind, cell) == ["ModuleNotFoundError"] * 3


def test_only_the_private_folder_can_be_written(kind, told):
    cell = """
import os, sys, tempfile
here = os.getcwd()
def write(folder):
    path = os.path.join(folder, "note")
    with open(path, "w") as file:
        file.write("x")
    os.remove(path)
    return "written"
places = ["/", "/dev", "/etc", "/run", "/run/course", "/sys", "/usr", "/var/tmp", sys.prefix]
places += [sys.base_prefix, os.path.dirname(here), os.path.dirname(os.__file__)]
places += [os.path.dirname(sys.modules["grading"].__file__)]
tried = {place: attempt(lambda: write(place)) for place in places}
mine = [attempt(lambda: write(here)), attempt(lambda: write(tempfile.gettempdir()))]
print(json.dumps([tried, mine, here == os.environ["HOME"] == tempfile.gettempdir()]))
"""
    tried, mine, home = told(kind, cell)
    refused = {
        "PermissionError",
        "OSError",
        "FileNotFoundError",
    }  # OSError: a read-only file system
    assert set(tried.values()) <= refused, tried
    assert mine == ["written", "written"] and home


def test_nothing_of_the_environment_can_be_changed(kind, told):
    cell = """
import os, torch
file = torch.__file__
print(json.dumps([
    attempt(lambda: open(file, "a").close()),
    attempt(lambda: os.remove(file)),
    attempt(lambda: os.rename(file, file + ".old")),
]))
"""
    assert not set(told(kind, cell)) & {None}


CHANGES = """
import ctypes, os
libc = ctypes.CDLL(None)
changes = {
    "mode": lambda: os.chmod(path, 0),
    "mode of an open file": lambda: os.fchmod(os.open(path, os.O_RDONLY), 0),
    "times": lambda: os.utime(path, (1e9, 1e9)),
    "times of an open file": lambda: os.utime(os.open(path, os.O_RDONLY), (1e9, 1e9)),
    "old call for times": lambda: libc.utimes(path.encode(), None),
    "owner": lambda: os.chown(path, os.getuid(), os.getgid()),
    "attribute": lambda: os.setxattr(path, "user.course", b"x"),
}
"""


def test_nothing_about_files_of_others_can_be_changed(kind, told, tmp_path):
    """Landlock does not ask about this: an instructor is who their files belong to."""
    book = tmp_path / "gradebook.db"
    book.write_text("grades")
    readable = Path(json.__file__)  # of the environment
    before = [_about(path) for path in (book, tmp_path, readable)]
    for path in (book, tmp_path, readable):
        cell = f"path = {str(path)!r}\n{CHANGES}"
        cell += "print(json.dumps({name: attempt(change) for name, change in changes.items()}))"
        seen = told(kind, cell)
        refused = {"PermissionError", "FileNotFoundError", "OSError"}  # the last: it is read-only
        assert {seen["owner"], seen["attribute"]} <= refused
    assert [_about(path) for path in (book, tmp_path, readable)] == before


def _about(path):
    found = path.stat()
    return found.st_mode, found.st_mtime_ns, found.st_ctime_ns, found.st_uid, os.listxattr(path)


def test_copies_can_be_made_in_the_private_folder(any_kind, told):
    """They set modes and times, which may be without effect but no error."""
    cell = """
import os, shutil, tempfile, zipfile
from pathlib import Path
Path("a").write_text("text")
shutil.copy("a", "b"), shutil.copy2("a", "c"), Path("a").touch(), os.mkdir("d")
shutil.copytree("d", "e"), shutil.move("c", "e/c"), shutil.make_archive("z", "zip", "e")
shutil.unpack_archive("z.zip", "f")
with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile() as file:
    shutil.copy("a", folder)
print(json.dumps([Path(name).read_text() for name in ("b", "e/c", "f/c")]))
"""
    assert told(any_kind, cell) == ["text"] * 3


def test_no_network(kind, told):
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    cell = f"""
import socket
def tcp(): socket.create_connection(("127.0.0.1", {listening.getsockname()[1]}), 2); return "in"
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    return s.sendto(b"x", ("127.0.0.1", 9))
def six(): return socket.socket(socket.AF_INET6).fileno()
def raw(): return socket.socket(socket.AF_PACKET, socket.SOCK_RAW).fileno()
def link(): return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).fileno()
def name(): return socket.gethostbyname("example.com")
def loop():
    import asyncio
    async def nothing(): return "asyncio"
    return asyncio.new_event_loop().run_until_complete(nothing())
print(json.dumps([attempt(f) for f in (tcp, udp, six, raw, link, name, loop)]))
"""
    with listening:
        *reached, loop = told(kind, cell)
    assert reached == ["PermissionError"] * 5 + ["gaierror"]
    assert loop == "asyncio"  # which needs a pair of sockets of its own


@pytest.mark.parametrize("address", ["abstract", "path"])
def test_the_sockets_of_this_machine_are_out_of_reach(kind, told, address):
    """A desktop's bus and Docker's socket run programs for whoever reaches them."""
    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as ours:
        os.chmod(name, 0o755)
        path = f"\0{name}" if address == "abstract" else f"{name}/bus"
        ours.bind(path)
        if address == "path":
            os.chmod(path, 0o777)
        ours.listen()
        cell = f"""
import socket
def stream(): socket.socket(socket.AF_UNIX).connect({path!r}); return "in"
def datagram():
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    return one.sendto(b"x", {path!r})
print(json.dumps([attempt(stream), attempt(datagram)]))
"""
        seen = told(kind, cell)
    assert set(seen) <= {"PermissionError", "FileNotFoundError", "ConnectionRefusedError"}


def test_it_runs_as_an_ordinary_user_without_any_right(kind, told):
    cell = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print(json.dumps([os.getuid(), os.geteuid(), os.getgid(), os.getgroups(),
    attempt(lambda: os.setuid(0)), attempt(lambda: os.chroot(".")),
    libc.prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)]))
""".replace("PR_GET_NO_NEW_PRIVS", "39")
    user, effective, group, groups, becoming_root, chroot, no_new_privileges = told(kind, cell)
    ours = os.getuid() or 65534
    assert (user, effective, group) == (ours, ours, os.getgid() or 65534)
    assert 0 not in groups
    assert becoming_root in ("PermissionError", "OSError")  # OSError: there is no user 0 here
    assert chroot == "PermissionError"
    assert no_new_privileges == 1


def test_only_its_own_processes_are_there(kind, told):
    cell = f"""
import os, signal
seen = attempt(lambda: [int(name) for name in os.listdir("/proc") if name.isdigit()])
print(json.dumps([seen, attempt(lambda: os.kill({os.getpid()}, 0)), os.getpid()]))
"""
    seen, signal_to_us, own = told(kind, cell)
    if kind == warm.NAMESPACES:
        assert set(seen) == {1, own} and signal_to_us == "ProcessLookupError"
    else:
        assert seen == "PermissionError" and signal_to_us == "PermissionError"


def test_limits_of_other_processes_are_out_of_reach(kind, told):
    cell = f"""
import resource
print(json.dumps(attempt(lambda: resource.prlimit({os.getpid()}, resource.RLIMIT_CPU))))
"""
    assert told(kind, cell) in ("PermissionError", "ProcessLookupError")


def test_the_parent_process_cannot_be_looked_into(kind, told):
    cell = """
import os
def memory(pid): return open(f"/proc/{pid}/mem", "rb").fileno()
print(json.dumps([attempt(lambda: memory(os.getppid())), attempt(lambda: memory(1))]))
"""
    assert set(told(kind, cell)) <= {"PermissionError", "FileNotFoundError"}


def test_it_holds_no_descriptor_but_the_pipe_for_its_answers(any_kind, told):
    cell = """
import os, stat
kinds = {}
for number in range(256):
    try:
        kinds[number] = stat.S_IFMT(os.fstat(number).st_mode) == stat.S_IFIFO
    except OSError:
        pass
print(json.dumps(kinds))
"""
    seen = told(any_kind, cell)
    assert {"0", "1", "2"} <= set(seen)
    assert [number for number, pipe in seen.items() if int(number) > 2 and not pipe] == []
    assert sum(seen.values()) == 1


def test_the_environment_tells_nothing_of_ours(any_kind, told):
    seen = told(any_kind, "import os\nprint(json.dumps(dict(os.environ)))")
    known = set(environment("", "")) | {"COURSE_EVIDENCE", "IPYTHONDIR", "PWD", "LC_CTYPE"}
    known |= {"KMP_INIT_AT_FORK", "KMP_DUPLICATE_LIB_OK", "TORCHINDUCTOR_CACHE_DIR"}  # torch's own
    assert set(seen) <= known


def test_one_job_sees_nothing_of_the_one_before(any_kind, run):
    left = "import os, torch\ntorch.secret = 1\nopen('note', 'w').write('x')\nprint(os.getcwd())"
    first = printed(run(any_kind, left)).strip()
    look = f"""
import os, torch
before = {first!r}
found = os.listdir(before) if os.path.exists(before) else []
print([name for name in [*found, *os.listdir()] if name == "note"], hasattr(torch, "secret"))
print([name for name in globals() if name in ("left", "secret")])
"""
    assert printed(run(any_kind, look)) == "[] False\n[]\n"


def test_jobs_of_two_workers_see_nothing_of_each_other(kind, run):
    """Each worker has a warm process of its own; this job looks while the other's runs."""
    other, begun = warm.new_process(kind), threading.Event()
    cell = {"index": 0, "seconds": 20.0, "check": None}
    cell["source"] = "import time\nopen('note', 'w').write('x')\ntime.sleep(1.5)"

    def heard(data):
        if data.startswith(b"S"):
            begun.set()
        return 20.0

    job = frames.pack(b"C", body=json.dumps([cell]).encode())
    try:
        with ThreadPoolExecutor() as pool:
            end = pool.submit(other.run, job, SMALL, heard)
            assert begun.wait(20)
            look = "import glob, os\nprint(glob.glob(os.path.dirname(os.getcwd()) + '/*/note'))"
            assert printed(run(kind, look)) == "[]\n"
            assert end.result().code == 0
    finally:
        other.close()


def test_closing_ends_every_process(any_kind):
    started(any_kind)
    process = warm.WarmProcess(any_kind)
    family = below(program(process).process.pid) | {program(process).process.pid}
    assert len(family) >= 1
    process.close()
    assert ended(family)
    assert not program(process).folder.exists()
