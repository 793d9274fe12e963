"""bootstrap.py says what is wrong in one line, does nothing twice, and mends what was cut short.

Nothing is downloaded: `python -m pip` is a stand-in of a few lines wherever pip's answer is what
matters, and where the real pip runs it asks a closed port of this machine.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import bootstrap
from bootstrap import Bootstrap, Trouble, explain

SOURCE = Path(bootstrap.__file__)

FAKE_PIP = """
import os, sys
with open(os.environ["FAKE_PIP_CALLS"], "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
print(os.environ.get("FAKE_PIP_OUTPUT", ""))
sys.exit(int(os.environ.get("FAKE_PIP_STATUS", "0")))
"""


class Sandbox:
    """A small repository with a pip that only notes how it was called."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.folder = folder
        self.environments = self.compiled = 0
        self._calls = folder / "calls.txt"
        self._monkeypatch = monkeypatch
        for name in ("requirements.lock", "requirements-data.lock", "requirements-test.lock"):
            (folder / name).write_text("one==1.0\ntwo==2.0\n")
        (folder / "pyproject.toml").write_text("[project]\n")
        (folder / "fake" / "pip").mkdir(parents=True)
        (folder / "fake" / "pip" / "__init__.py").touch()
        (folder / "fake" / "pip" / "__main__.py").write_text(FAKE_PIP)
        monkeypatch.setenv("PYTHONPATH", str(folder / "fake"))
        monkeypatch.setenv("FAKE_PIP_CALLS", str(self._calls))
        monkeypatch.setattr(Bootstrap, "system_tools", lambda self: None)
        monkeypatch.setattr(bootstrap.subprocess, "run", self._run)

    def _run(self, command, **_):
        assert command[1:3] in (["-m", "venv"], ["-m", "compileall"])
        self.environments += command[2] == "venv"
        self.compiled += command[2] == "compileall"
        return subprocess.CompletedProcess(command, 0, stdout="")

    def pip_answers(self, output: str, status: int) -> None:
        self._monkeypatch.setenv("FAKE_PIP_OUTPUT", output)
        self._monkeypatch.setenv("FAKE_PIP_STATUS", str(status))

    def bootstrap(self) -> Bootstrap:
        """As a new process would see the folder."""
        made = Bootstrap(str(self.folder))
        made.python = sys.executable
        return made

    def calls(self) -> list[str]:
        """The arguments of every `pip install` since the last question."""
        if not self._calls.exists():
            return []
        lines = self._calls.read_text().splitlines()
        self._calls.unlink()
        prefix = "--disable-pip-version-check --no-input install --progress-bar off --no-compile "
        prefix += " ".join(bootstrap.HERE) + " "
        assert all(line.startswith(prefix) for line in lines)
        return [line.removeprefix(prefix) for line in lines]


@pytest.fixture
def sandbox(tmp_path, monkeypatch) -> Sandbox:
    return Sandbox(tmp_path, monkeypatch)


PACKAGES = "-r requirements.lock"
DATA = "--no-deps -r requirements-data.lock"
COURSE = "--no-deps --no-build-isolation -e ."
TESTS = "-r requirements.lock -r requirements-test.lock"


def test_the_first_run_installs_each_step_once_in_order(sandbox):
    sandbox.bootstrap().run()
    assert sandbox.environments == sandbox.compiled == 1
    assert sandbox.calls() == [PACKAGES, DATA, COURSE]


def test_a_second_run_starts_no_process(sandbox, monkeypatch, capsys):
    sandbox.bootstrap().run(test=True)
    capsys.readouterr()

    def forbidden(*_, **__):
        raise AssertionError("a finished environment must not start anything")

    monkeypatch.setattr(bootstrap.subprocess, "run", forbidden)
    monkeypatch.setattr(bootstrap.subprocess, "Popen", forbidden)
    sandbox.bootstrap().run(test=True)
    sandbox.bootstrap().run()
    assert capsys.readouterr().out == ""


def test_the_tests_step_comes_on_top(sandbox):
    sandbox.bootstrap().run()
    sandbox.calls()
    sandbox.bootstrap().run(test=True)
    assert sandbox.calls() == [TESTS]


def test_a_changed_lock_runs_its_own_step_again(sandbox):
    sandbox.bootstrap().run()
    sandbox.calls()
    (sandbox.folder / "requirements-data.lock").write_text("one==1.1\n")
    sandbox.bootstrap().run()
    assert sandbox.calls() == [DATA]
    assert sandbox.environments == 1


def test_a_failure_before_anything_was_written_keeps_the_environment(sandbox):
    sandbox.pip_answers("WARNING: Retrying (...) after NewConnectionError('...')", 1)
    with pytest.raises(Trouble, match="no connection to the package index"):
        sandbox.bootstrap().run()
    assert sandbox.calls() == [PACKAGES]
    sandbox.pip_answers("", 0)
    sandbox.bootstrap().run()
    assert sandbox.calls() == [PACKAGES, DATA, COURSE]
    assert sandbox.environments == 1


@pytest.mark.parametrize("how", ["failed while writing", "killed", "stopped by Ctrl-C"])
def test_a_run_cut_short_is_mended_by_the_next(sandbox, monkeypatch, how, capsys):
    if how == "failed while writing":
        sandbox.pip_answers("Installing collected packages: one, two\nERROR: [Errno 28]", 1)
        with pytest.raises(Trouble, match="disk is full"):
            sandbox.bootstrap().run()
    elif how == "killed":
        sandbox.bootstrap().run()
        stamp = sandbox.folder / ".venv" / "bootstrap.json"
        stamp.write_text(json.dumps(dict(json.loads(stamp.read_text()), doing="packages")))
    else:

        def stop(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(bootstrap.Progress, "see", stop)
            with pytest.raises(KeyboardInterrupt):
                sandbox.bootstrap().run()
    left_over = sandbox.folder / ".venv" / "half-written"
    left_over.touch()
    sandbox.calls()
    sandbox.pip_answers("", 0)
    sandbox.bootstrap().run()
    assert "Making .venv again: the last run stopped half-way." in capsys.readouterr().out
    assert sandbox.environments == 2
    assert not left_over.exists()
    assert sandbox.calls() == [PACKAGES, DATA, COURSE]


def test_a_moved_folder_gets_a_new_environment(sandbox, capsys):
    sandbox.bootstrap().run()
    stamp = sandbox.folder / ".venv" / "bootstrap.json"
    stamp.write_text(json.dumps(dict(json.loads(stamp.read_text()), folder="elsewhere")))
    sandbox.bootstrap().run()
    assert "the folder was moved or copied" in capsys.readouterr().out
    assert sandbox.environments == 2


def test_an_environment_whose_python_is_gone_is_made_again(sandbox):
    sandbox.bootstrap().run()
    gone = sandbox.bootstrap()
    gone.python = str(sandbox.folder / "no" / "python")
    assert gone.unsound(gone.load()) == "its Python is gone"


def test_a_venv_of_someone_else_is_left_alone(sandbox):
    other = sandbox.folder / ".venv" / "pyvenv.cfg"
    other.parent.mkdir()
    other.write_text("home = elsewhere\n")
    with pytest.raises(Trouble, match="did not make"):
        sandbox.bootstrap().run()
    assert other.read_text() == "home = elsewhere\n"
    assert sandbox.calls() == []


def test_a_python_without_venv_is_told_the_debian_package(sandbox, monkeypatch):
    def no_venv(command, **_):
        said = "The virtual environment was not created successfully because ensurepip is not\n"
        return subprocess.CompletedProcess(command, 1, stdout=said + "ensurepip is not available")

    monkeypatch.setattr(bootstrap.subprocess, "run", no_venv)
    package = "apt install python{}.{}-venv".format(*sys.version_info)
    with pytest.raises(Trouble, match=package):
        sandbox.bootstrap().run()


# Each as pip 23 to 25 prints it.
PIP_SAYS = {
    "the disk is full": "ERROR: Could not install packages due to an OSError: "
    "[Errno 28] No space left on device",
    "torch was not found for Python": "ERROR: Could not find a version that satisfies the "
    "requirement torch==2.13.0 (from versions: none)\n"
    "ERROR: No matching distribution found for torch==2.13.0",
    "pyzmq has no wheel for Python": "  Building wheel for pyzmq (pyproject.toml) ... error\n"
    "  error: subprocess-exited-with-error\n  ERROR: Failed building wheel for pyzmq\n"
    "ERROR: Could not build wheels for pyzmq, which is required",
    "set PIP_CERT": "WARNING: Retrying (Retry(total=0)) after connection broken by "
    "'SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate'))'",
    "no connection": "WARNING: Retrying (Retry(total=0)) after connection broken by "
    "'NewConnectionError('Failed to establish a new connection: [Errno -3] Temporary failure in "
    "name resolution')'\nERROR: No matching distribution found for einops==0.8.2",
    "no permission to write": "ERROR: Could not install packages due to an OSError: "
    "[WinError 5] Access is denied: '.venv\\\\Lib\\\\site-packages\\\\torch'",
    "not enough memory": "  File 'pip/_internal/network/session.py'\nMemoryError",
}


@pytest.mark.parametrize("meaning", PIP_SAYS)
def test_what_pip_says_becomes_one_line(meaning):
    line = explain(PIP_SAYS[meaning])
    assert meaning in line
    assert "\n" not in line
    assert bootstrap.AGAIN in line


def test_a_hiccup_that_pip_got_over_hides_nothing():
    hiccup = "WARNING: Retrying (Retry(total=4)) after ReadTimeoutError"
    for meaning in ("the disk is full", "no permission to write", "pyzmq has no wheel for Python"):
        assert meaning in explain(hiccup + "\n" + PIP_SAYS[meaning])


def test_a_torch_of_several_gigabytes_is_shown():
    said = []
    bootstrap.Progress(said.append, 1).see("  Downloading torch-2.13.0-cp311.whl (1.1 GB)\n")
    assert said == ["      downloading torch-2.13.0 (1.1 GB)"]


def test_an_unknown_failure_shows_pips_own_words():
    said = "Collecting one\nERROR: something nobody has seen before\n"
    assert explain(said).startswith("ERROR: something nobody has seen before.")


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 6, 15), (3, 10, 13)])
def test_an_old_python_is_named(version, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "version_info", version)
    assert bootstrap.main([]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("Python 3.11 or newer is needed and this is {}.{}:".format(*version))
    assert "install it" in said


def test_a_newer_python_on_the_path_is_offered(tmp_path, monkeypatch):
    for name in ("python3.9", "python3.12", "python3.13"):
        (tmp_path / name).touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(bootstrap, "WINDOWS", False)
    line = bootstrap.too_old((3, 9))
    assert line.endswith("it is here as python3.13, then run: make course PYTHON=python3.13")
    monkeypatch.setattr(bootstrap, "WINDOWS", True)
    assert bootstrap.too_old((3, 9)).endswith("then run: py -3.11 bootstrap.py")


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 14, 1)])
def test_a_new_python_is_not_complained_about(version):
    assert bootstrap.too_old(version) is None


def test_the_file_keeps_to_the_syntax_of_old_pythons():
    text = SOURCE.read_text(encoding="utf-8")
    assert text.isascii()
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Nonlocal, ast.Await, ast.MatMult)
    for node in ast.walk(ast.parse(text)):
        assert not isinstance(node, newer), ast.unparse(node)
        if isinstance(node, ast.FunctionDef):
            everything = node.args.args + node.args.kwonlyargs
            assert not node.args.kwonlyargs and not node.returns, node.name
            assert not any(argument.annotation for argument in everything), node.name
        if isinstance(node, ast.Call) and any(isinstance(a, ast.Starred) for a in node.args):
            # Over several lines the formatter ends it with a comma, which 2.7 cannot read.
            last = node.args[-1]
            assert not isinstance(last, ast.Starred) or last.end_lineno == node.end_lineno


def old_pythons() -> list[str]:
    """Those on this machine that really start."""
    found = [shutil.which(f"python{version}") for version in ("2.7", "3.6", "3.8", "3.10")]
    return [
        python
        for python in found
        if python and subprocess.run([python, "-c", ""], capture_output=True).returncode == 0
    ]


def test_old_pythons_of_this_machine_can_read_it():
    """Beside the rules above, which hold on every machine, whatever Pythons are here."""
    for python in old_pythons():
        done = subprocess.run([python, str(SOURCE)], capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stderr.startswith("Python 3.11 or newer is needed and this is"), done.stderr
        assert done.stderr.count("\n") == 1


def test_without_a_network_the_real_pip_is_explained(sandbox, monkeypatch):
    for name in [name for name in os.environ if name.startswith("PIP_")] + ["PYTHONPATH"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_RETRIES", "1")
    (sandbox.folder / "requirements.lock").write_text("a-package-that-is-not-here==1.0\n")
    boot = sandbox.bootstrap()
    with pytest.raises(Trouble, match="no connection to the package index"):
        boot.run()
    assert "127.0.0.1" in Path(boot.log).read_text()
    # pip failed before it wrote anything, so the next run goes on with this environment.
    assert boot.sound(boot.load())


@pytest.mark.parametrize(
    ("failure", "status", "line"),
    [
        (Trouble("it failed. Do this"), 1, "bootstrap.py: it failed. Do this.\n"),
        (OSError(28, "No space left on device"), 1, "bootstrap.py: the disk is full."),
        (KeyboardInterrupt(), 130, "\nbootstrap.py: stopped. Run the same command again"),
    ],
)
def test_every_failure_ends_in_one_line_and_a_status(failure, status, line, monkeypatch, capsys):
    def fail(self, test):
        raise failure

    monkeypatch.setattr(Bootstrap, "run", fail)
    assert bootstrap.main([]) == status
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.strip().count("\n") == 0


def test_progress_shows_long_work_in_few_lines(monkeypatch):
    said = []
    progress = bootstrap.Progress(said.append, 60)
    monkeypatch.setattr(bootstrap.time, "time", lambda: progress.since)
    progress.see("Collecting torch==2.13.0\n")
    progress.see("  Downloading torch-2.13.0-cp311-none-macosx_14_0_arm64.whl.metadata (30 kB)\n")
    progress.see("  Downloading einops-0.8.2-py3-none-any.whl (9.9 MB)\n")
    progress.see("  Downloading https://host/torch-2.13.0-cp311-none-any.whl (190.1 MB)\n")
    for number in range(59):
        progress.see(f"Collecting package{number}==1.0\n")
    progress.see("Installing collected packages: a, b, c\n")
    progress.see(None)
    assert [line.strip() for line in said] == [
        "downloading torch-2.13.0 (190.1 MB)",
        "50 of 60 found",
        "writing 3 packages into .venv",
        "still at work after 0 s",
    ]


def test_silence_is_noticed_while_lines_are_read():
    read_end, write_end = os.pipe()
    with open(write_end, "w") as writer:
        lines = bootstrap.lines_or_silence(open(read_end), seconds=0.01)
        assert next(lines) is None
        writer.write("Collecting one\n")
        writer.flush()
        assert next(line for line in lines if line is not None) == "Collecting one\n"
    assert [line for line in lines if line is not None] == []


@pytest.fixture
def bare_system(tmp_path, monkeypatch):
    """A Linux without any of the tools; the list of what was run on it."""
    (tmp_path / ".venv").mkdir()
    ran = []

    def run(command, **_):
        ran.append(" ".join(command))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(bootstrap.sys, "platform", "linux")
    lacking = [(name, lambda: None, untested) for name, _, untested in bootstrap.TOOLS]
    monkeypatch.setattr(bootstrap, "TOOLS", lacking)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: "/usr/bin/" + name)
    monkeypatch.setattr(bootstrap.subprocess, "run", run)
    return ran


def test_as_root_on_debian_the_tools_are_installed(tmp_path, bare_system, monkeypatch):
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 0, raising=False)
    Bootstrap(str(tmp_path)).system_tools()
    install = "apt-get install -y --no-install-recommends "
    install += "chromium-headless-shell libatomic1 bubblewrap postgresql"
    assert bare_system == ["apt-get update", install]


def test_elsewhere_each_missing_tool_is_named_with_what_it_costs(
    tmp_path, bare_system, monkeypatch, capsys
):
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000, raising=False)
    Bootstrap(str(tmp_path)).system_tools()
    said = capsys.readouterr().out
    assert bare_system == []
    assert "The sandbox for submissions is not tested: install bubblewrap (Debian's name)." in said
    assert said.count("\n") == len(bootstrap.TOOLS)


def test_other_systems_are_not_asked_for_linux_tools(monkeypatch):
    found = bootstrap.on_linux(lambda: None)
    monkeypatch.setattr(bootstrap.sys, "platform", "darwin")
    assert found()
    monkeypatch.setattr(bootstrap.sys, "platform", "linux")
    assert not found()


def test_a_browser_named_by_hand_is_taken(tmp_path, monkeypatch):
    browser = tmp_path / "my-browser"
    monkeypatch.setenv("CHROMIUM", str(browser))
    assert bootstrap.find_chromium() is None
    browser.touch()
    assert bootstrap.find_chromium() == str(browser)


def test_a_library_that_is_not_there_does_not_load():
    assert not bootstrap.loads("libnothing-of-this-name.so.1")


def wheel(folder: Path, name: str) -> None:
    """A package of one module, as pip takes it from a folder."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", "HERE = __file__\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")


def test_packages_are_compiled_but_for_their_own_tests(tmp_path):
    repository = tmp_path / "tests" / "pip"  # of these names only those within packages count
    boot = Bootstrap(str(repository))
    boot.python = sys.executable
    folder = repository / ".venv" / "lib" / "python3.11" / "site-packages"
    for name in (
        "one.py",
        "package/two.py",
        "tests/three.py",
        "package/tests/four.py",
        "broken.py",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("(" if name == "broken.py" else "1")
    boot.compile()
    assert {path.name.split(".")[0] for path in folder.rglob("*.pyc")} == {"one", "two"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """A folder with an environment that has pip and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder / ".venv"], check=True)
    return folder


@pytest.mark.parametrize("told_by", ["file", "environment"])
@pytest.mark.parametrize(
    "told",
    [
        {"user": "true", "compile": "true"},
        {"target": "elsewhere", "dry-run": "true", "require-hashes": "true"},
    ],
    ids=["user", "target"],
)
def test_a_pip_that_is_set_to_install_elsewhere_installs_here(
    tmp_path, monkeypatch, environment, told_by, told
):
    for name in [name for name in os.environ if name.startswith("PIP_")] + ["PYTHONPATH"]:
        monkeypatch.delenv(name, raising=False)
    if told_by == "file":
        lines = [f"{name} = {value}" for name, value in told.items()]
        (tmp_path / "pip.conf").write_text("\n".join(["[install]", *lines]))
        monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    else:
        for name, value in told.items():
            monkeypatch.setenv(f"PIP_{name.upper().replace('-', '_')}", value)
    name = "_".join(["tiny", told_by, *told]).replace("-", "_")
    wheel(tmp_path, name)
    boot = Bootstrap(str(environment))
    boot.save({"steps": {}})
    boot.pip(["--no-index", "--find-links", str(tmp_path), name], count=1)
    assert not list(Path(boot.venv).rglob(f"{name}*.pyc"))  # that is left to `compile`
    ask = [boot.python, "-c", f"import {name}; print({name}.HERE)"]
    found = subprocess.run(ask, capture_output=True, text=True)
    assert Path(found.stdout.strip()).is_relative_to(boot.venv), found.stderr
    assert not (tmp_path / "elsewhere").exists()
