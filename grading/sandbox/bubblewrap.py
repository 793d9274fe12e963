"""The command line of bubblewrap: what a submission sees of this machine.

The operating system's programs and libraries and the Python environment, all read-only; the inside
of the course; empty folders. No network, and no processes but its own.
"""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from grading.course.places import ROOT

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "fonts")
PROCESSORS = "/sys/devices/system/cpu"  # how many there are
INSIDE, WORK = "/run/course/inside", "/run/course/work"  # where no project lies
SOCKETS = "/run/course/sockets"


def find() -> str | None:
    """The path of the program, None where it is not installed."""
    return shutil.which("bwrap")


def command(
    program: str, inside: Path, environment: dict[str, str], sockets: Path | None = None
) -> list[str]:
    """The start of the command line; the program to run within follows it.

    `sockets` is a folder that both sides see.
    """
    arguments = [program, "--die-with-parent", "--new-session", "--unshare-pid", "--unshare-net"]
    arguments += ["--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if os.geteuid() != 0:  # root makes namespaces without one for users, then becomes nobody
        arguments.append("--unshare-user")
    arguments += _system() + _python()
    arguments += [*_folders(INSIDE), "--ro-bind", str(inside), INSIDE]
    arguments += ["--bind", str(sockets), SOCKETS] if sockets else []
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    arguments += [*_folders(PROCESSORS), "--ro-bind-try", PROCESSORS, PROCESSORS]
    for folder in (WORK, "/dev/shm"):
        arguments += ["--perms", "1777", "--tmpfs", folder]
    if not any(path.is_relative_to("/tmp") for path in python_folders()):
        arguments += ["--symlink", WORK, "/tmp"]
    for folder in ("/", "/dev", *map(str, hidden_folders())):  # else forks could leave notes there
        arguments += ["--remount-ro", folder]
    arguments += ["--chdir", WORK, "--clearenv"]
    for name, value in environment.items():
        arguments += ["--setenv", name, value]
    return [*arguments, "--"]


def readable_paths() -> list[str]:
    """What may be read of this machine: the system's files and the Python environment."""
    settings = [f"/etc/{name}" for name in SETTINGS]
    devices = ["/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"]
    return [*SYSTEM, *settings, *devices, PROCESSORS, *map(str, python_folders())]


def python_folders() -> list[Path]:
    """The environment, the Python below it, and what the links from one to the other pass."""
    folders = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.base_prefix).resolve()}
    link = Path(sys.executable)
    while link.is_symlink():
        link = link.parent / os.readlink(link)
        folders.add(Path(os.path.normpath(link)).parent.parent)
    below_system = [f for f in folders if any(f.is_relative_to(s) for s in SYSTEM)]
    return sorted(folders - set(below_system) - {Path("/")})


def hidden_folders() -> list[Path]:
    """Folders of the course that lie below something readable: the whole of it, or where it is
    installed among other packages, its packages."""
    ours = {ROOT} if (ROOT / "pyproject.toml").exists() else set()
    for name in ("grading", "reference_impl"):
        found = importlib.util.find_spec(name)
        ours |= {Path(p) for p in (found.submodule_search_locations if found else [])}
    seen = [Path(path).resolve() for path in (*SYSTEM, *python_folders())]
    ours = {path.resolve() for path in ours}
    below = [path for path in ours if any(path.is_relative_to(s) for s in seen)]
    return sorted(p for p in below if not any(p != q and p.is_relative_to(q) for q in below))


def _system() -> list[str]:
    arguments = []
    for path in SYSTEM:
        if os.path.islink(path):
            arguments += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            arguments += ["--ro-bind", path, path]
    arguments += _folders("/etc/fonts")
    for name in SETTINGS:
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return arguments


def _python() -> list[str]:
    arguments = []
    for path in python_folders():
        arguments += [*_folders(path), "--ro-bind", str(path), str(path)]
    for hidden in hidden_folders():
        arguments += ["--tmpfs", str(hidden)]
        for path in python_folders():  # the environment often lies in the course's own folder
            if path.is_relative_to(hidden) and path != hidden:
                arguments += ["--ro-bind", str(path), str(path)]
    return arguments


def _folders(path: Path | str) -> list[str]:
    """Make the folders above a path for everyone to pass; root's bubblewrap would close them."""
    above = [str(parent) for parent in reversed(Path(path).parents)][1:]
    kept = [p for p in above if not any(Path(p).is_relative_to(s) for s in SYSTEM)]
    return [word for parent in kept for word in ("--perms", "0755", "--dir", parent)]
