"""How cells run: with the book's figure style, without the user's own settings, and cached.

A cached result is kept only while the code that it may have used is the same: myst-nb compares the
cells of a page, and would show old numbers after a change in reference_impl.
"""

import hashlib
import os
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

HERE = Path(__file__).parent
STYLE = HERE / "matplotlibrc"
KERNEL_CONFIG = HERE / "ipython_kernel_config.py"


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
    config.nb_execution_cache_path = str(build / ".jupyter_cache" / fingerprint(root))


def fingerprint(root: Path) -> str:
    """Names the state of all code that cells may use: ours, the packages' versions, the style."""
    files = [*sorted(root.glob("reference_impl/**/*.py")), STYLE, KERNEL_CONFIG]
    files += sorted(root.glob("requirements*.lock"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
