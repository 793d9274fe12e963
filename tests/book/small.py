"""How a test writes the one page of a small book."""

from pathlib import Path

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
