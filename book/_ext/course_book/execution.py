"""How cells run: with the book's figure style, without the user's own settings, and cached.

myst-nb keeps what a page's cells computed while the cells are the same, and would show old numbers
after a change elsewhere. Each page that runs has therefore one cell more, which is not shown: the
name of the state of all that its own cells may use.
"""

import ast
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.config import Config

HERE = Path(__file__).parent
STYLE = HERE / "matplotlibrc"
KERNEL_CONFIG = HERE / "ipython_kernel_config.py"
PACKAGES = ("reference_impl", "grading")
CELL = re.compile(r"^(`{3,}|~{3,})\{code-cell\}.*?\n(.*?)^\1", re.MULTILINE | re.DOTALL)
IMPORT = re.compile(
    r"^ *(?:from +([\w.]+) +import +(?:\(([^)]*)\)|([^(\n]+))|import +([\w.]+))", re.MULTILINE
)
STATE_CELL = "\n\n```{code-cell} ipython3\n:tags: [remove-cell]\n# What is used here: %s\n```\n"
KEPT = 80  # results: of every page's newest states, for whoever goes back and forth between two


def setup(app: Sphinx) -> None:
    """Connect to Sphinx; before myst-nb (500) reads the configuration, after all who read pages."""
    app.connect("config-inited", _prepare, priority=400)
    app.connect("source-read", _name_state, priority=900)


def _prepare(app: Sphinx, config: Config) -> None:
    build = Path(app.srcdir) / "_build"
    profile = build / ".ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / KERNEL_CONFIG.name).write_bytes(KERNEL_CONFIG.read_bytes())
    # Kernels inherit these: the page looks the same whoever builds it.
    os.environ["IPYTHONDIR"] = str(profile.parent)
    os.environ["MATPLOTLIBRC"] = str(STYLE)
    cache = build / ".jupyter_cache" / "pages"
    cache.mkdir(parents=True, exist_ok=True)
    config.nb_execution_cache_path = str(cache)
    get_cache(cache).change_cache_limit(KEPT)
    for old in set(cache.parent.iterdir()) - {cache}:  # of another layout
        shutil.rmtree(old) if old.is_dir() else old.unlink()


def _name_state(app: Sphinx, page: str, source: list[str]) -> None:
    if page.startswith("book/") and CELL.search(source[0]):
        source[0] += STATE_CELL % state(Path(app.srcdir), source[0])


def state(root: Path, page: str) -> str:
    """Names the state of all that a page's cells may use: code, recorded runs, packages, style."""
    cells = "\n".join(cell for _, cell in CELL.findall(page))
    code = _modules(root, cells)
    text = "\n".join([cells, *(file.read_text("utf-8") for file in code)])
    files = [file for module in code for file in (module, *sorted(module.parent.glob("samples/*")))]
    files += [file for file in sorted(root.glob("book/_data/*.json")) if file.name in text]
    files += [STYLE, KERNEL_CONFIG, *sorted(root.glob("requirements*.lock"))]
    digest = hashlib.sha256()
    for file in dict.fromkeys(files):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _modules(root: Path, cells: str) -> list[Path]:
    """The files of the course that cells import, and what these import, and so on."""
    found, waiting = set(), list(_named_in_cells(cells))
    while waiting:
        for file in _files(root, waiting.pop()):
            if file not in found:
                found.add(file)
                waiting += _named_in_module(file)
    if any(file.is_relative_to(root / "grading") for file in found):
        # It finds units and their answers by their names, in no import.
        found |= {f for name in (*PACKAGES, "solutions") for f in root.glob(f"{name}/**/*.py")}
    return sorted(found)


def _named_in_cells(cells: str) -> Iterator[str]:
    for module, in_brackets, listed, alone in IMPORT.findall(cells):
        names = re.findall(r"\w+", in_brackets or listed)
        yield from _with_names(module, names) if module else [alone]


def _named_in_module(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from _with_names(node.module, [each.name for each in node.names])


def _with_names(module: str, names: list[str]) -> Iterator[str]:
    yield module
    yield from (f"{module}.{name}" for name in names)


def _files(root: Path, module: str) -> Iterator[Path]:
    """The files that importing a module of the course runs; none for others."""
    parts = module.split(".")
    if parts[0] not in PACKAGES:
        return
    for end in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:end])
        yield from filter(Path.is_file, (place / "__init__.py", place.with_suffix(".py")))
