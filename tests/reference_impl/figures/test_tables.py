"""Tables of computed cells."""

import pytest

from reference_impl.figures.tables import table


def test_rows_may_come_from_anywhere():
    made = table(("a", "b"), (cells for cells in [("1", "2")]))
    assert made.data.splitlines() == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]
    assert table(["a"], []).data == "| a |\n| --- |"


def test_a_row_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match="row 1 has 1 cells; the header has 2"):
        table(["a", "b"], [["1", "2"], ["3"]])
