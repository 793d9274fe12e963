"""The walls that a fork of the warm process puts up around itself before it runs foreign code.

Three kinds. "namespaces": within bubblewrap, which has already taken away the network and shows
nothing but the environment, a fork gets processes, users and folders of its own. "landlock": where
no namespaces can be made. "trusted": limits only, for an instructor who asks for it.
"""

import os
import resource
import signal

from grading.sandbox.inside import landlock, seccomp
from grading.sandbox.inside.system_calls import (
    CAP_DAC_READ_SEARCH,
    CLONE_NEWIPC,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    PR_SET_DUMPABLE,
    PR_SET_KEEPCAPS,
    PR_SET_PDEATHSIG,
    close_device,
    keep_capabilities,
    mount,
    prctl,
    unshare,
)

NAMESPACES, LANDLOCK, TRUSTED = "namespaces", "landlock", "trusted"
NOBODY = 65534
HARMLESS = MS_NOSUID | MS_NODEV | MS_NOEXEC
MB = 2**20
DESCRIPTORS = 256  # of one process; a DataLoader with workers needs one for each tensor it has sent


def become_ordinary(kind: str) -> None:
    """Give up root, if it is root that started us. Trusted code keeps its user."""
    if os.geteuid() != 0 or kind == TRUSTED:
        return
    if kind == LANDLOCK:  # the environment may lie in root's own folder; Landlock says what is read
        prctl(PR_SET_KEEPCAPS, 1)
    else:  # root's bubblewrap covers parts of /proc, and then no fork could mount one of its own
        mount("proc", "/proc", flags=HARMLESS)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    if kind == LANDLOCK:
        keep_capabilities(1 << CAP_DAC_READ_SEARCH)
    prctl(PR_SET_DUMPABLE, 1)  # a change of user clears it, and with it the right to write uid_map


def fork_apart(more: int = 0) -> int:
    """As os.fork, but the child is process 1 of a process space of its own, and of a user space in
    which only its own user exists. The caller moves there too, so it is made for this alone.

    `more` names further kinds of namespaces.
    """
    user, group = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | more)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    return os.fork()


def fork_guarded() -> int:
    """As os.fork, but the child, of the same user, cannot look into the parent's memory."""
    prctl(PR_SET_DUMPABLE, 0)
    child = os.fork()
    if child == 0:
        prctl(PR_SET_DUMPABLE, 1)
    return child


def see_own_processes() -> None:
    """In the child of `fork_apart`: a /proc of its own process space, then no more rights."""
    mount("proc", "/proc", flags=HARMLESS)
    keep_capabilities()


def private_folders(work: str, work_mb: int) -> None:
    """Empty folders in memory, of bounded size, over those that all forks share.

    What checks read and write has one of its own: a cell that fills the rest does not stop them.
    """
    box = os.path.join(work, ".course")
    for folder, size in ((work, work_mb), (box, work_mb), ("/dev/shm", 64)):
        os.makedirs(folder, exist_ok=True)
        mount("tmpfs", folder, f"size={size}m,mode=700,nr_inodes=20000", HARMLESS)
    # Terminals of its own too: `openpty` makes them, and what forks share they could talk through.
    own_terminals = "newinstance,ptmxmode=0666,mode=600,max=16"
    mount("devpts", "/dev/pts", own_terminals, MS_NOSUID | MS_NOEXEC)
    close_device("/dev/zero")  # mapped, it is shared memory that belongs to no file
    try:
        mount("proc", "/proc", flags=HARMLESS)
    except OSError:  # in some containers; then there is none
        mount("tmpfs", "/proc", "size=4k,mode=755", HARMLESS)


def be_quiet() -> None:
    """From here on nothing is read from, and nothing shown on, whatever terminal started us."""
    quiet = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(quiet, standard)
    os.close(quiet)
    os.setsid()


def enclose(
    kind: str, limits: dict, work: str, readable: list[str], sockets: str | None = None
) -> None:
    """Put up every wall of this kind; what follows is foreign code. Raises OSError if one fails.

    `sockets` is a folder that the outside sees too, for sockets to be made in.
    """
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if kind == NAMESPACES:
        private_folders(work, limits["work_mb"])
        keep_capabilities()
    os.chdir(work)
    _limit(limits, _processes_of_user() if kind != NAMESPACES else 0)
    if kind == LANDLOCK:
        landlock.check_alone()
        landlock.restrict(readable, [work, "/dev/null"], sockets)
    elif kind == NAMESPACES and sockets and landlock.version():  # files there would fill the disk
        landlock.restrict(["/"], [work, "/dev"], sockets)
    if kind != TRUSTED:
        alone = kind == LANDLOCK
        seccomp.install(alone, signals=not alone or landlock.keeps_signals_in())


def _processes_of_user() -> int:
    """How many this user runs already: outside of namespaces the kernel's limit counts them too."""
    user, count = os.getuid(), 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{name}").st_uid == user:
                count += len(os.listdir(f"/proc/{name}/task"))
        except OSError:  # it has ended meanwhile, or may not be looked at
            continue
    return count


def _limit(limits: dict, others: int) -> None:
    with open("/proc/self/statm") as file:
        held = int(file.read().split()[0]) * resource.getpagesize()
    seconds = int(limits["total_seconds"])
    for name, value in {
        # Twice what may be used: so that one absurd allocation raises an error in its cell, while
        # a leak, which would starve later cells, is met by the watch on memory really used.
        "RLIMIT_AS": held + 2 * limits["memory_mb"] * MB,
        "RLIMIT_NPROC": others + limits["processes"],
        "RLIMIT_FSIZE": limits["file_mb"] * MB,
        "RLIMIT_CPU": seconds,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": DESCRIPTORS,
        "RLIMIT_MEMLOCK": MB,
        "RLIMIT_MSGQUEUE": 0,
    }.items():
        number = getattr(resource, name, None)
        if number is None:
            continue
        _, hard = resource.getrlimit(number)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (value, value))


def more_seconds(seconds: float) -> None:
    """Let the next cell use this much CPU; the kernel ends the process when it is used up."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    wanted = int(usage.ru_utime + usage.ru_stime + seconds + 1)
    resource.setrlimit(resource.RLIMIT_CPU, (min(wanted, hard), hard))
