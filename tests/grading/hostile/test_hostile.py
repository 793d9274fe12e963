"""Every submission of the catalogue has the right outcome, however it is graded."""

import pytest

from grading.sandbox import warm
from tests.grading.hostile import runs
from tests.grading.hostile.catalogue import ENTRIES, UNIT
from tests.grading.machines import started

ROWS = 41  # of the table of known attacks
WAYS = {"course grade": ENTRIES, "nbgrader autograde": runs.BY_STOCK}


@pytest.mark.parametrize(
    ("way", "item"),
    [(way, item) for way, items in WAYS.items() for item in items],
    ids=lambda part: getattr(part, "name", part),
)
def test_outcome(item, way, results):
    assert runs.faults(item, results[way][item.name]) == []


def test_the_catalogue_has_every_row_of_the_table_and_more():
    rows = {int(item.name[:2]) for item in ENTRIES if item.name[:2].isdigit()}
    assert rows == set(range(1, ROWS + 1))
    assert len({item.name for item in ENTRIES}) == len(ENTRIES) > ROWS + 25


@pytest.mark.thorough
def test_the_weaker_sandbox_holds_too(tmp_path, monkeypatch):
    """Where there is no bubblewrap: every entry but those that say they find a way out there."""
    started(warm.LANDLOCK)
    chosen = [item for item in ENTRIES if item.weaker and len(item.lost) < len(UNIT.exercises)]
    assert len(chosen) > 50
    runs.write_class(tmp_path / "submitted")
    outcomes = runs.landlock(tmp_path / "submitted", {item.name for item in chosen}, monkeypatch)
    found = {item.name: runs.faults(item, outcomes[item.name]) for item in chosen}
    assert not any(found.values()), found
