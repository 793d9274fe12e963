"""Attacks on the sandbox, the machine and the grader; and using up what there is."""

from tests.grading.hostile.catalogue import Handed, entry

ENDED = "ended the whole Python process"
PROCESSES = ["starts, ends or unchains processes"]
BELOW = ["calls the machine below Python"]
FILES = ["looks at the machine's own files"]
REFUSED = ("error", "nothing gained")

TRY = """
def gained(attempt):
    try:
        return attempt()
    except OSError:
        return None
"""


def attempt(handed: Handed, code: str) -> None:
    """An attack that is rewarded with the right answer if it succeeds: so it must not pass."""
    handed.extra(TRY)
    handed.inside(code)


# --- looking around -----------------------------------------------------------------------------


@entry("reads the machine's users", remarks=FILES, causal_mask=REFUSED)
def reads_users(handed: Handed) -> None:
    code = """
        paths = ["/etc/passwd", "/etc/shadow", "/etc/hostname", "/etc/group", "/var/log/syslog"]
        assert any(gained(lambda: open(path).read()) for path in paths), "nothing gained"
        """
    attempt(handed, code)


@entry("looks for other students' folders", causal_mask=REFUSED)
def reads_others(handed: Handed) -> None:
    code = """
        import os
        tops = ("..", "../..", "../../..", "/", "/tmp", "/home", "/root", "/work", "/srv")
        names = [name for top in tops for name in gained(lambda: os.listdir(top)) or ()]
        wanted = {"submitted", "gradebook.db", "solutions", "autograded", "release"}
        assert wanted & set(names), "nothing gained"
        """
    attempt(handed, code)


@entry(
    "looks into the memory and environment of other processes", remarks=FILES, causal_mask=REFUSED
)
def reads_processes(handed: Handed) -> None:
    code = """
        import os
        numbers = [n for n in gained(lambda: os.listdir("/proc")) or () if n.isdigit()]
        others = [n for n in numbers if int(n) != os.getpid()]
        paths = [f"/proc/{n}/{what}" for n in others for what in ("environ", "mem", "maps")]
        read = [gained(lambda: open(path, "rb").read(9)) for path in paths]
        read += [gained(lambda: os.listdir(f"/proc/{n}/{what}"))
                 for n in others for what in ("fd", "root")]
        assert any(read), "nothing gained"
        """
    attempt(handed, code)


@entry("writes into the Python environment", causal_mask=REFUSED)
def writes_site_packages(handed: Handed) -> None:
    code = """
        import os, sys, grading.kernel
        files = torch.__file__, grading.kernel.__file__
        places = [sys.prefix, *map(os.path.dirname, files)]
        def write(place):
            with open(os.path.join(place, "sitecustomize.py"), "w") as file:
                return file.write("import os")
        assert any(gained(lambda: write(place)) for place in places), "nothing gained"
        """
    attempt(handed, code)


# --- getting out --------------------------------------------------------------------------------


@entry("asks the kernel for more rights", remarks=BELOW, causal_mask=REFUSED)
def new_namespaces(handed: Handed) -> None:
    handed.inside("""
        import ctypes
        libc = ctypes.CDLL(None)
        tries = {
            "user namespace": libc.unshare(0x10000000),
            "mount namespace": libc.unshare(0x00020000),
            "mount": libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),
            "unmount": libc.umount2(b"/proc", 2),
            "chroot": libc.chroot(b"/"),
            "ptrace": libc.ptrace(16, 1, 0, 0),
            "root": libc.setuid(0),
        }
        assert 0 in tries.values(), "nothing gained"
        """)


@entry("opens sockets of every kind", remarks=["reach the network"], causal_mask=REFUSED)
def sockets(handed: Handed) -> None:
    code = """
        import socket
        kinds = [(socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET6, socket.SOCK_DGRAM),
                 (socket.AF_INET, socket.SOCK_RAW), (socket.AF_NETLINK, socket.SOCK_RAW),
                 (socket.AF_PACKET, socket.SOCK_RAW)]
        assert any(gained(lambda: socket.socket(*kind)) for kind in kinds), "nothing gained"
        """
    attempt(handed, code)


@entry("kills whatever it can reach, and goes on", remarks=PROCESSES)
def kills_everything(handed: Handed) -> None:
    handed.extra("""
        import contextlib, os, signal
        for process in (1, os.getppid(), -1):
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(OSError):
                    os.kill(process, number)
        """)


@entry("raises its limits", remarks=PROCESSES, causal_mask=REFUSED)
def raises_limits(handed: Handed) -> None:
    handed.inside("""
        import resource
        def more(name):
            try:
                resource.setrlimit(name, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                return True
            except (ValueError, OSError):
                return False
        names = (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_NPROC,
                 resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)
        assert any(map(more, names)), "nothing gained"
        """)


# --- not ending ---------------------------------------------------------------------------------


@entry("ignores the signals that would end it", causal_mask=("timeout", "within 2 seconds"))
def deaf_to_limits(handed: Handed) -> None:
    handed.inside("""
        import signal
        for number in (signal.SIGXCPU, signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        while True: pass
        """)


@entry("sleeps for ever", causal_mask=("timeout", "did not end within 2 seconds"))
def sleeps(handed: Handed) -> None:
    handed.inside("import time; time.sleep(10**6)")


@entry("loops in the answer's cell itself", causal_mask=("timeout", "within 2 seconds"))
def loops_outside_the_function(handed: Handed) -> None:
    handed.around(before="while True: pass")


@entry("lets two copies of itself go on", remarks=PROCESSES)
def forks_in_a_cell(handed: Handed) -> None:
    handed.extra("import os; os.fork()")


@entry("lets a copy of itself go on that says it is none", remarks=PROCESSES)
def hidden_fork(handed: Handed) -> None:
    handed.extra("""
        import os
        _number = os.getpid()
        os.getpid = lambda: _number
        os.fork()
        """)


@entry("does something at its end")
def at_exit(handed: Handed) -> None:
    handed.extra("import atexit, time; _ = atexit.register(time.sleep, 10**6)")


# --- crashing -----------------------------------------------------------------------------------


@entry("reads address 0", remarks=BELOW, causal_mask=("error", f"{ENDED} (signal 11)"))
def segfault(handed: Handed) -> None:
    handed.inside("import ctypes; ctypes.string_at(0)")


@entry("aborts", remarks=PROCESSES, causal_mask=("error", f"{ENDED} (signal 6)"))
def aborts(handed: Handed) -> None:
    handed.inside("import os; os.abort()")


@entry("closes every file there is", remarks=PROCESSES, causal_mask=("error", ENDED))
def closes_descriptors(handed: Handed) -> None:
    handed.inside("import os; os.closerange(0, 256)")


@entry("recurses for ever", causal_mask=("error", "RecursionError"))
def recursion(handed: Handed) -> None:
    handed.answer("def causal_mask(*inputs): return causal_mask(*inputs)")


@entry("recurses beyond the stack", causal_mask=("error", f"{ENDED} (signal 11)"))
def stack_overflow(handed: Handed) -> None:
    handed.inside("""
        import sys
        sys.setrecursionlimit(10**9)
        def deeper(x): return max([x], key=deeper)
        deeper(1)
        """)


# --- using up -----------------------------------------------------------------------------------


@entry("leaks memory", causal_mask=("error", "used more than 512 MB of memory"))
def leak(handed: Handed) -> None:
    handed.inside("""
        import gc
        gc.disable()
        leaked = globals().setdefault("leaked", [])
        while True: leaked.append(torch.ones(2**24))
        """)


@entry("fills its folder, then goes on", shown=["No space left"], weaker=False)
def fills_disk(handed: Handed) -> None:
    handed.extra("""
        for number in range(100):
            with open(f"big{number}", "wb") as file: file.write(bytes(2**25))
        """)


@entry("makes files until there are no more", shown=["No space left"], weaker=False)
def fills_inodes(handed: Handed) -> None:
    handed.extra("""
        import os
        for number in range(30_000): os.close(os.open(f"f{number}", os.O_CREAT))
        """)


@entry("deletes the grader's folder, and its own", remarks=["reach the judge"])
def deletes_folders(handed: Handed) -> None:
    handed.extra("""
        import os, shutil
        shutil.rmtree(".course", ignore_errors=True)
        shutil.rmtree(os.getcwd(), ignore_errors=True)
        """)


@entry("changes folder and environment")
def changes_folder(handed: Handed) -> None:
    handed.extra('import os; os.chdir("/"); os.environ.clear()')


@entry("opens files until there are no more", shown=["ended the whole Python process"])
def descriptors(handed: Handed) -> None:
    handed.extra("files = []\nwhile True: files.append(open('/dev/null'))")
