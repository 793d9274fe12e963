"""The built book and a browser that has no network."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grading.book import build

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "book" / "_ext"))  # the book's own Sphinx extension
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
ARGUMENTS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
FIX = "no Chromium: install it (Debian: apt install chromium) or name it in CHROMIUM"


@pytest.fixture(scope="session")
def book(tmp_path_factory) -> Path:
    """The folder of the built book; built once, with what cells computed before."""
    return build(ROOT, tmp_path_factory.mktemp("book")).parent


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """A Chromium of this machine: CHROMIUM, one on the PATH, or Playwright's own."""
    sync_api = pytest.importorskip("playwright.sync_api")
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_api.sync_playwright() as playwright:
        executable = found or playwright.chromium.executable_path
        if not Path(executable).exists():
            if os.environ.get("CI"):
                pytest.fail(FIX)
            pytest.skip(FIX)
        running = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield running
        running.close()
