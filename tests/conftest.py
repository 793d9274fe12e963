"""What tests share: shape checks, optional sample data, the built book, an offline browser."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

# Before torch is imported: threads that wait must sleep, or tests that run side by side spend
# their time waiting for one another.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import pytest
import torch
from filelock import FileLock
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

from bootstrap import find_chromium

# Before the first import of reference_impl: from here on every jaxtyping signature in it is
# checked by beartype. Outside pytest the signatures cost nothing.
install_import_hook("reference_impl", "beartype.beartype")

ROOT = Path(__file__).resolve().parents[1]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
ARGUMENTS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
FIX = "no Chromium: install it (Debian: apt install chromium) or name it in CHROMIUM"

# A shell that starts something in the background has it ignore Ctrl-C, nohup the end of a terminal,
# and both go over to all that it starts; tests send these signals to processes that must not.
for name, usual in {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}.items():
    if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) == signal.SIG_IGN:
        signal.signal(getattr(signal, name), usual)

# One thread: the tensors here are tiny, and tests run side by side.
torch.set_num_threads(1)

# The same examples every time, and no verdict from the clock: a test fails for what it found.
settings.register_profile(
    "course",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("course")


# Tests that run in one process where several do the work (`-n 4`; many wait for programs) are those
# of a file; of these files together, which share the number of processes that a user may have; and
# of a file for all units, each unit.
SANDBOX = ("tests/grading/hostile/", "tests/grading/sandbox/")
BY_UNIT = ("tests/grading/units/test_every_unit.py", "tests/book/test_pages.py")
# What takes longest begins first, so that no process works alone at the end. The first builds the
# book, which others need.
LONGEST = ("tests/book/test_links.py", "sandbox", "tests/grading/classrun/")
LONGEST += ("tests/reference_impl/published/", "tests/book/")


def group_of(nodeid: str) -> str:
    """The group of a test, by its id."""
    file, _, test = nodeid.partition("::")
    if file.endswith("test_ordinary_user.py"):  # counted apart: another user's processes
        return file
    if file.startswith(SANDBOX):
        return "sandbox"
    if file in BY_UNIT:
        return f"{file} {_unit_of(test)}"
    return file


def _unit_of(test: str) -> str:
    """The unit that a test's parameter names, "scaling_laws" or "05_attention"; "" for none."""
    parameter = test.partition("[")[2].rstrip("]")
    page = re.search(r"/(\d\d_\w+)", parameter)  # exercises/05_attention/05_attention-light
    return page[1] if page else parameter.split("/")[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest groups first."""

    def place(item: pytest.Item) -> int:
        group = group_of(item.nodeid)
        return next((i for i, one in enumerate(LONGEST) if group.startswith(one)), len(LONGEST))

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)  # a run without xdist does not know it
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Share the tests out by group; xdist's own `loadgroup` finds no groups with pytest 9."""
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False  # by the number of tests

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return ByGroup(config, log)


PRINTED = np.get_printoptions()


@pytest.fixture(autouse=True)
def printed_as_usual() -> None:
    """Examples show numbers in full, whatever a notebook's setup has set in an earlier test."""
    np.set_printoptions(**PRINTED)
    torch.set_printoptions(profile="default")


@pytest.fixture
def shared_data() -> Path:
    """A folder `shared/data` beside the repository with samples of public files; skips without."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no sample data beside the repository (shared/data)")
    return folder


@pytest.fixture(scope="session")
def book(tmp_path_factory) -> Path:
    """The folder of the built book; built once for all test processes, with what cells computed
    before."""
    from grading.book import build

    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "book"
    failed = home.with_suffix(".failed")
    with FileLock(home.with_suffix(".lock")):
        assert not failed.exists(), failed.read_text(encoding="utf-8")
        if not home.exists():
            try:
                build(ROOT, home)
            except BaseException as error:
                failed.write_text(str(error), encoding="utf-8")
                raise
    return home / "_build" / "html"


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """A Chromium of this machine: CHROMIUM, one on the PATH, or Playwright's own."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        executable = find_chromium() or playwright.chromium.executable_path
        if not Path(executable).exists():
            if os.environ.get("CI"):
                pytest.fail(FIX)
            pytest.skip(FIX)
        running = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield running
        running.close()
