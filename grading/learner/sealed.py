"""Files that the course writes anew as often as it likes, but never over what a person changed.

Their last line holds a hash of all above it.
"""

import hashlib
import re
from pathlib import Path

from grading.course.errors import CourseError
from grading.learner.files import write_whole

SEAL = "Made by `course {command}`; sha256 of all above: {hash}"
FOUND = re.compile(
    r"^(?:# |<!-- )Made by `course \w+`; sha256 of all above: ([0-9a-f]{64})(?: -->)?\n\Z", re.M
)


def sealed(text: str, command: str, html: bool = False) -> str:
    """The text with its seal, as a comment of Python or HTML."""
    line = SEAL.format(command=command, hash=_hash(text))
    return f"{text}<!-- {line} -->\n" if html else f"{text}# {line}\n"


def write_sealed(path: Path, text: str) -> bool:
    """Write a sealed text; False, and nothing is touched, where a person changed the file."""
    if path.exists():
        before = read(path)
        if not is_unchanged(before):
            return False
        if before == text:
            return True
    write_whole(path, text.encode())
    return True


def is_unchanged(text: str) -> bool:
    """Whether a text is just as the course wrote it."""
    seal = FOUND.search(text)
    return bool(seal) and seal[1] == _hash(text[: seal.start()])


def read(path: Path) -> str:
    """A file's text, its line ends as "\\n". Raises CourseError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} cannot be read ({error}).") from None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
