"""Every submission of the catalogue has the right outcome, however it is graded."""

import pytest

from tests.grading.hostile import runs
from tests.grading.hostile.catalogue import ENTRIES, UNIT

ROWS = 41  # of the table of known attacks
WAYS = ("course grade", "nbgrader autograde")


def check(item, outcome):
    for exercise, (score, status, message) in zip(UNIT.exercises, outcome.verdicts, strict=True):
        points, expected, words = item.expected(exercise)
        assert (score, status) == (points, expected), (exercise.id, message)
        assert words in message, exercise.id
    for words in item.remarks:
        assert words in outcome.remarks
    for words in item.shown:
        assert words in outcome.notebook


@pytest.mark.parametrize("item", ENTRIES, ids=lambda item: item.name)
@pytest.mark.parametrize("way", WAYS)
def test_outcome(item, way, results):
    check(item, results[way][item.name])


def test_the_catalogue_has_every_row_of_the_table_and_more():
    rows = {int(item.name[:2]) for item in ENTRIES if item.name[:2].isdigit()}
    assert rows == set(range(1, ROWS + 1))
    assert len({item.name for item in ENTRIES}) == len(ENTRIES) > ROWS + 25


def test_the_weaker_sandbox_holds_too(tmp_path, monkeypatch):
    """Where there is no bubblewrap; entries that say so are the difference."""
    chosen = [item for item in ENTRIES if item.weaker and len(item.lost) < len(UNIT.exercises)]
    runs.write_class(tmp_path / "submitted")
    outcomes = runs.landlock(tmp_path / "submitted", {item.name for item in chosen}, monkeypatch)
    for item in chosen:
        check(item, outcomes[item.name])
