"""What the grading tests share: the attention unit, its answers, notebooks made of them."""

import nbformat
import pytest

from grading.classrun import sample_class
from grading.course.unit import load_unit


@pytest.fixture(scope="session")
def unit():
    """The unit that every test of grading works on."""
    return load_unit("attention")


@pytest.fixture(scope="session")
def right(unit):
    """The course's own answers, by the id of the answer cell."""
    return sample_class.right_answers(unit)


@pytest.fixture
def notebook(unit, right):
    """A fresh notebook with all answers right, for a test to damage."""
    return nbformat.reads(sample_class.notebook_with(unit, right).decode(), as_version=4)
