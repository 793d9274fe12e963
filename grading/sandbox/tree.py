"""The part of the course that goes into a sandbox: copies of a few files, in a folder of their own.

`check`, and how an answer is called; nothing that knows what is right. Where the reference
implementation would be imported from stands a file that says that it is not there.
"""

import shutil
from pathlib import Path

from grading.course.places import ROOT
from grading.course.unit import unit_slugs

NOT_HERE = '''"""Not the reference implementation."""

raise ImportError(
    "reference_impl is not there while a class is graded: write the answer yourself, and import "
    "only what the notebook imports"
)
'''


def write_tree(folder: Path) -> Path:
    """Write the inside into `folder`, readable by every user; return it."""
    wanted = ["grading/__init__.py", "grading/sandbox/__init__.py"]
    for room in ("grading/kernel", "grading/sandbox/inside"):
        wanted += [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob(f"{room}/*.py"))]
    for slug in unit_slugs():
        # Without the unit's __init__.py, which holds its exercises: a folder is package enough.
        drive = f"grading/units/{slug.split('_', 1)[1]}/drive.py"
        wanted += [drive] if (ROOT / drive).exists() else []
    for name in wanted:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    (folder / "reference_impl").mkdir(exist_ok=True)
    (folder / "reference_impl" / "__init__.py").write_text(NOT_HERE, encoding="utf-8")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder
