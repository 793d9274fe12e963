"""How a test makes a small book and writes its one page."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADER = """---
kernelspec: {name: python3, display_name: Python 3}
jupytext: {text_representation: {extension: .md, format_name: myst}}
---
"""
CELL = """
```{code-cell} ipython3
%s
```
"""


def write(root: Path, text: str) -> None:
    """Write the one page of the small book."""
    (root / "book" / "page.md").write_text(text, encoding="utf-8")


def book_of_one_page(folder: Path) -> Path:
    """A repository with the book's own configuration and a table of contents of one page."""
    root = folder / "repository"
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
