"""nbgrader's Validate, the real one, on a learner's notebook: it must tell the truth."""

import nbformat
import pytest
from nbgrader.validator import Validator
from traitlets.config import Config

from grading.course.unit import load_unit
from grading.notebooks import opening
from grading.notebooks.marking import cell_of
from grading.notebooks.mend import blank
from tests.grading.learner.test_noting import CELL

MASK = "attention/causal_mask"


@pytest.fixture
def validated(place):
    """What Validate says of a notebook with one exercise, by the answer in it."""

    def validate(answer):
        unit = load_unit("attention")
        whole, exercise = blank(unit), unit.by_id[MASK]
        setup = nbformat.v4.new_code_cell(
            "from jaxtyping import Bool\nfrom torch import Tensor\n\nfrom grading import check"
        )
        gap = cell_of(whole, exercise.answer_id)
        gap.source = answer or gap.source
        cells = [opening.cell(unit.slug), setup, gap, cell_of(whole, exercise.grade_id)]
        path = place / "05_attention.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=whole.metadata), path)
        patient = Config({"Execute": {"timeout": 600}})  # a busy machine imports slowly
        return Validator(config=patient).validate(str(path))

    return validate


def test_untouched_is_no_success(validated):
    [failed] = validated(None)["failed"]
    assert failed["source"] == f'check("{MASK}", causal_mask)'
    assert "still waits for your code" in failed["error"]


def test_wrong_is_no_success_and_says_why(validated):
    [failed] = validated(CELL.replace("<=", "<"))["failed"]
    assert "Not yet: The causal mask, 0 of" in failed["error"]


def test_right_is(validated):
    assert validated(CELL) == {}
