"""A submission is rebuilt from the release: only the learner's code survives of it."""

import json

import nbformat
import pytest

from grading.notebooks.marking import cell_of
from grading.notebooks.mend import blank, mend
from grading.notebooks.read import Unreadable, read_notebook, unit_of

CHECK, ANSWER = "attention__causal_mask", "attention__causal_mask__answer"


def sources(notebook):
    return [cell.source for cell in notebook.cells]


def test_an_honest_notebook_stays_as_it_is(unit, notebook):
    expected = sources(notebook)
    assert sources(mend(notebook, unit)) == expected


def test_mending_twice_is_mending_once(unit, notebook):
    notebook.cells.insert(3, nbformat.v4.new_code_cell("helper = 1"))
    once = mend(notebook, unit)
    assert nbformat.writes(mend(nbformat.from_dict(once), unit)) == nbformat.writes(once)


def test_metadata_tags_and_outputs_of_the_learner_vanish(unit, notebook):
    check = cell_of(notebook, CHECK)
    check.metadata.nbgrader |= {"points": 1000, "grade": False, "locked": False}
    check.metadata.tags = ["skip-execution"]
    check.source = "print('all right')"
    check.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "1000"})]
    mended = cell_of(mend(notebook, unit), CHECK)
    assert mended == cell_of(blank(unit), CHECK)


@pytest.mark.parametrize("damage", ["delete", "duplicate", "raw"])
def test_check_cells_come_back_once(unit, notebook, damage):
    check = cell_of(notebook, CHECK)
    place = notebook.cells.index(check)
    if damage == "delete":
        del notebook.cells[place]
    elif damage == "duplicate":
        notebook.cells.append(nbformat.from_dict(check))
    else:
        check.cell_type = "raw"
    expected = sources(blank(unit))
    mended = mend(notebook, unit)
    assert cell_of(mended, CHECK).cell_type == "code"
    assert len(mended.cells) == len(expected)
    answer = mended.cells.index(cell_of(mended, ANSWER))
    assert mended.cells[answer + 1] == cell_of(mended, CHECK)


def test_a_deleted_answer_comes_back_as_the_stub(unit, notebook):
    notebook.cells.remove(cell_of(notebook, ANSWER))
    assert "NotImplementedError" in cell_of(mend(notebook, unit), ANSWER).source


def test_extra_cells_stay_in_place_without_metadata(unit, notebook):
    forged = {"nbgrader": {"grade": True, "grade_id": "bonus", "points": 50, "solution": False}}
    place = notebook.cells.index(cell_of(notebook, ANSWER))
    notebook.cells.insert(place, nbformat.v4.new_code_cell("def helper(): ...", metadata=forged))
    mended = mend(notebook, unit)
    extra = mended.cells[place]
    assert (extra.source, dict(extra.metadata)) == ("def helper(): ...", {})


def test_answers_are_found_by_cell_id_where_an_editor_drops_metadata(unit, notebook):
    mine = cell_of(notebook, ANSWER).source
    for cell in notebook.cells:
        cell.metadata = nbformat.NotebookNode()
    assert cell_of(mend(notebook, unit), ANSWER).source == mine


def prose(notebook):
    """A released text cell that has links and HTML of its own."""
    return next(c for c in notebook.cells if "<details>" in c.source and "](../" in c.source)


def test_text_of_an_earlier_release_stays_markdown(unit, notebook):
    old = prose(notebook)
    old.source = old.source.replace("points", "marks") + "\n\nA note of my own."
    assert old.source in sources(mend(notebook, unit))


@pytest.mark.parametrize(
    "more",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x](https://example.org/x.png)",
        "<details open ontoggle=alert(1)>",
        "[x]<details>(https://example.org)",
        "<<details>script>alert(1)<</details>/script>",
        "[x]: https://example.org",
    ],
)
def test_markup_of_ones_own_does_not_hide_behind_that_of_the_release(unit, notebook, more):
    old = prose(notebook)
    old.source += f"\n\n{more}\n"
    assert old.source not in sources(mend(notebook, unit))
    assert any(text.startswith("~~~") and more in text for text in sources(mend(notebook, unit)))


def test_demonstrations_come_from_the_release(unit, notebook):
    demos = [c for c in notebook.cells if "demo" in c.metadata.get("tags", [])]
    assert demos
    for cell in demos:
        cell.source = "import os; os._exit(1)"
    assert not any("_exit" in source for source in sources(mend(notebook, unit)))


def as_bytes(tree):
    return json.dumps(tree).encode()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "No notebook was handed in"),
        (b"  \n", "empty"),
        (b"PK\x03\x04", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "not a notebook"),
        (b'{"a": 1}', "not a notebook"),
        (as_bytes({"nbformat": 5, "nbformat_minor": 0, "metadata": {}, "cells": []}), "format 5"),
        (as_bytes({"nbformat": 4, "nbformat_minor": 5, "metadata": {}}), "damaged"),
        (as_bytes({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [3]}), "damaged"),
        (as_bytes({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{}]}), "damaged"),
    ],
)
def test_what_is_no_notebook_says_why(data, text):
    with pytest.raises(Unreadable, match=text):
        read_notebook(data)


def test_old_formats_are_read(unit, notebook):
    old = nbformat.convert(notebook, 3)
    mended = mend(read_notebook(nbformat.writes(old, version=3).encode()), unit)
    assert sum(source.startswith("check(") for source in sources(mended)) == len(unit.exercises)


def test_the_unit_is_known_by_name_or_by_content(unit, notebook):
    data = nbformat.writes(notebook).encode()
    assert unit_of("05_attention (1).ipynb", b"") == unit.slug
    assert unit_of("homework.ipynb", data) == unit.slug
    with pytest.raises(Unreadable, match="05_attention"):
        unit_of("homework.ipynb", b"{}")
