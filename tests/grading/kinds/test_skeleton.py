"""`course new`: what it writes is found at once, and nothing is written over."""

import pytest

from grading.course.errors import CourseError
from grading.course.skeleton import new_exercise
from grading.course.unit import Unit, _read, load_exercise


def test_a_new_exercise_is_found_and_the_text_kept(tmp_path, monkeypatch):
    (tmp_path / "solutions" / "91_begun").mkdir(parents=True)
    (tmp_path / "units" / "begun").mkdir(parents=True)
    (tmp_path / "units" / "begun" / "__init__.py").write_text('"""Begun."""\n')
    source = tmp_path / "solutions" / "91_begun" / "91_begun.py"
    source.write_text("# %% [markdown]\n# # Exercises: Begun\n")
    monkeypatch.setenv("COURSE_UNITS", str(tmp_path))
    before = source.read_text()
    files = new_exercise("begun/first_step")
    assert [path.name for path in files] == ["first_step.py", "91_begun.py"]
    assert source.read_text().startswith(before)
    _read.cache_clear()
    exercise = load_exercise("begun/first_step")
    assert (exercise.title, exercise.link) == ("First step", "begun-first-step")
    assert len(exercise.draw(1)) == 2
    with pytest.raises(CourseError, match="is there already"):
        new_exercise("begun/first_step")
    with pytest.raises(CourseError, match="small letters"):
        new_exercise("begun/First-Step")
    assert isinstance(Unit("91_begun", "x").folder, type(tmp_path))
