"""What tests of class runs share: small classes, and a gradebook's rows to compare."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest
from nbgrader.api import Base, Gradebook
from sqlalchemy import create_engine, select

from grading.course.places import ROOT

SLUG = "05_attention"
# nbgrader calls `alembic` when it makes a gradebook: the `course` command sees to that itself.
WITH_TOOLS = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


@cache
def _empty_gradebook() -> bytes:
    """A gradebook as nbgrader makes it, which takes it seconds."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", WITH_TOOLS)
        path = Path(folder) / "gradebook.db"
        Gradebook(f"sqlite:///{path}").close()
        return path.read_bytes()


def new_gradebook(home: Path) -> str:
    """The address of an empty gradebook in the folder of a class."""
    home.mkdir(exist_ok=True)
    path = home / "gradebook.db"
    path.write_bytes(_empty_gradebook())
    return f"sqlite:///{path}"


def hand_in(submitted: Path, student: str, data: bytes) -> None:
    """Put a notebook where a student's submission of the attention unit belongs."""
    folder = submitted / student / SLUG
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{SLUG}.ipynb"
    path.write_bytes(data)
    os.utime(path, (1.7e9, 1.7e9))  # a time of its own would tell two gradebooks apart


def copy_course(folder: Path) -> Path:
    """A copy of all that grading reads, for a test to edit, or to be alone with."""
    without = shutil.ignore_patterns("__pycache__", ".*")
    for name in ("grading", "reference_impl", "solutions", "exercises"):
        shutil.copytree(ROOT / name, folder / name, ignore=without)
    return folder


def start_course(*arguments, root: Path, **options) -> subprocess.Popen:
    """A real `course` process of a copy, the first of a process group of its own."""
    command = [sys.executable, "-m", "grading.cli", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(
        command, cwd=root, env=environment, start_new_session=True, **{**quiet, **options}
    )


def course(*arguments, root: Path) -> tuple[int, str]:
    """Exit status of a `course` command and all it says."""
    process = start_course(*arguments, root=root)
    said, _ = process.communicate(timeout=300)
    return process.returncode, said.decode()


def rows(db_url: str) -> Counter:
    """Every row of nbgrader's tables, with what it refers to in the place of random ids."""
    engine, known, found = create_engine(db_url), {}, Counter()
    with engine.connect() as connection:
        for table in Base.metadata.sorted_tables:  # what is referred to comes first
            for row in connection.execute(select(table)).mappings():
                content = _content(table, row, known)
                if "id" in table.c:
                    known[table.name, row["id"]] = content
                found[content] += 1
    engine.dispose()
    return found


def _content(table, row, known) -> tuple:
    values = [table.name]
    for column in table.c:
        keys = [(key.column.table.name, row[column.name]) for key in column.foreign_keys]
        meant = [known[key] for key in keys if key in known]
        if meant:
            values.append((column.name, meant[0]))
        elif not column.primary_key or table.name in ("student", "course"):
            value = row[column.name]
            values.append((column.name, str(value) if isinstance(value, datetime) else value))
    return tuple(values)
