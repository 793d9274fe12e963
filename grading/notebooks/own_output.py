"""What `course release` wrote, and what somebody has made of it since.

A released notebook carries a hash of itself, so that a file tells by itself whether it is still as
it was released. One that is not may hold somebody's answers: it is never written over.
"""

import hashlib
import json
import os
from pathlib import Path

from grading.course.errors import CourseError
from grading.course.places import ROOT


class NotOurs(CourseError):
    """Notebooks of `exercises/` that hold somebody's work; the message says what to do."""


def signed(text: str, slug: str) -> str:
    """A notebook's text with its unit, and the hash of all the rest, in its metadata."""
    tree = json.loads(text)
    course = tree["metadata"].setdefault("course", {})
    course["unit"] = slug
    course["release"] = _hash(tree)
    return json.dumps(tree, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def release_of(tree: dict) -> str | None:
    """The hash that a notebook was released with, None where it was released without one."""
    course = tree.get("metadata", {}).get("course")
    return course.get("release") if isinstance(course, dict) else None


def is_unchanged(path: Path) -> bool:
    """Whether release may write here: nothing is there, or just what it has written itself."""
    if not os.path.lexists(path):
        return True
    try:
        tree = json.loads(path.read_bytes())
        return release_of(tree) == _hash(tree)
    except (OSError, ValueError, AttributeError, TypeError, KeyError, RecursionError):
        return False  # no notebook any more; whatever it is, somebody made it


def _hash(tree: dict) -> str:
    """Of the whole notebook but for the hash itself."""
    course = {k: v for k, v in tree["metadata"].get("course", {}).items() if k != "release"}
    rest = tree | {"metadata": tree["metadata"] | {"course": course}}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:16]


def write(path: Path, text: str) -> None:
    """The whole text or, where the disk is full or the process is killed, what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(text, encoding="utf-8", newline="\n")
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def raise_for(changed: list[Path]) -> None:
    """Say which notebooks stay as they are, if any, and how their answers go on."""
    if not changed:
        return
    names = ", ".join(_shown(path) for path in changed)
    units = " ".join(path.stem for path in changed)
    raise NotOurs(
        f"{names}: somebody has worked in it, so it stays as it is. `course start {units}` takes "
        "the answers over into notebooks/. Then move the file away, and `course release` writes "
        "a new one."
    )


def _shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
