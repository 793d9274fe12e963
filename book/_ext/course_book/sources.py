"""Where pages are looked for: in the folders that the table of contents names, and nowhere else.

Sphinx reads all text files below the repository: those of an environment (.venv), too, some of
which look like pages and are none.
"""

from pathlib import Path

import yaml
from sphinx.application import Sphinx
from sphinx.config import Config


def setup(app: Sphinx) -> None:
    """Connect to Sphinx; before the table of contents (900) is applied."""
    app.connect("config-inited", _exclude_other_folders, priority=100)


def _exclude_other_folders(app: Sphinx, config: Config) -> None:
    root = Path(app.srcdir)
    toc = yaml.safe_load((root / config.external_toc_path).read_text(encoding="utf-8"))
    holding = {Path(page).parts[0] for page in _pages(toc)}
    for folder in sorted(path.name for path in root.iterdir() if path.is_dir()):
        if folder not in holding:
            config.exclude_patterns.append(f"{folder}/**")


def _pages(entry) -> list[str]:
    """All pages of a part of the table of contents, however deep."""
    if isinstance(entry, list):
        return [page for each in entry for page in _pages(each)]
    if isinstance(entry, dict):
        own = [entry[key] for key in ("root", "file") if key in entry]
        return own + [page for value in entry.values() for page in _pages(value)]
    return []
