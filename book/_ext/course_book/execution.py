"""How cells run: with the book's figure style, without the user's own settings, and cached.

A cached result is kept only while the code and the recorded runs that it may have used are the
same: myst-nb compares the cells of a page, and would show old numbers after a change elsewhere.
"""

import hashlib
import os
import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

HERE = Path(__file__).parent
STYLE = HERE / "matplotlibrc"
KERNEL_CONFIG = HERE / "ipython_kernel_config.py"
USES_GRADING = re.compile(r"^ *(from|import) grading\b", re.MULTILINE)
KEPT = 4  # caches of earlier states, for whoever goes back and forth between two


def setup(app: Sphinx) -> None:
    """Connect to Sphinx; before myst-nb (500) reads the configuration."""
    app.connect("config-inited", _prepare, priority=400)


def _prepare(app: Sphinx, config: Config) -> None:
    root = Path(app.srcdir)
    build = root / "_build"
    profile = build / ".ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / KERNEL_CONFIG.name).write_bytes(KERNEL_CONFIG.read_bytes())
    # Kernels inherit these: the page looks the same whoever builds it.
    os.environ["IPYTHONDIR"] = str(profile.parent)
    os.environ["MATPLOTLIBRC"] = str(STYLE)
    cache = build / ".jupyter_cache" / fingerprint(root)
    config.nb_execution_cache_path = str(cache)
    _keep_newest(cache)


def fingerprint(root: Path) -> str:
    """Names the state of all that cells may use: code, recorded runs, packages' versions, style."""
    folders = ["reference_impl"]
    if any(USES_GRADING.search(page.read_text("utf-8")) for page in root.glob("book/*.md")):
        folders.append("grading")
    files = [file for folder in folders for file in sorted(root.glob(f"{folder}/**/*.py"))]
    files += sorted(root.glob("book/_data/*.json"))
    files += [STYLE, KERNEL_CONFIG, *sorted(root.glob("requirements*.lock"))]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _keep_newest(cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    os.utime(cache)
    caches = sorted(filter(Path.is_dir, cache.parent.iterdir()), key=lambda c: c.stat().st_mtime)
    for old in caches[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
