"""A unit of one exercise of each kind, released in a folder of its own and never shipped."""

import os
import shutil
from pathlib import Path

import pytest

from grading.course.unit import load_unit
from grading.notebooks.release import release

HERE = Path(__file__).parent


@pytest.fixture(scope="module")  # not longer: what asks for all units would find it
def kinds(tmp_path_factory):
    """The unit; `COURSE_UNITS` names its folder to every process that is started."""
    root = tmp_path_factory.mktemp("kinds")
    for folder in ("solutions", "units"):
        shutil.copytree(HERE / folder, root / folder)
    before = os.environ.get("COURSE_UNITS")
    os.environ["COURSE_UNITS"] = str(root)
    release(["90_kinds"])
    yield load_unit("kinds")
    if before is None:
        del os.environ["COURSE_UNITS"]
    else:
        os.environ["COURSE_UNITS"] = before
