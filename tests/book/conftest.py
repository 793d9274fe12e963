"""What tests of the book share: its Sphinx extension on the path, a book of one page."""

import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "book" / "_ext"))


@pytest.fixture
def small_book(tmp_path) -> Path:
    """A repository with the book's own configuration and no page but those a test writes."""
    root = tmp_path / "repository"
    (root / "book").mkdir(parents=True)
    shutil.copy(ROOT / "_config.yml", root)
    for name in ("_ext", "_static"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "book" / name, root / "book" / name, ignore=ignore)
    shutil.copy(ROOT / "book" / "references.bib", root / "book")
    (root / "book" / "picture.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', encoding="utf-8"
    )
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/page\n", encoding="utf-8")
    return root
