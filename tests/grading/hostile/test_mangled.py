"""Whatever is changed in a notebook's JSON, it is read or refused in words: nothing else."""

import copy
import json

import nbformat
import pytest

from grading.notebooks.mend import mend
from grading.notebooks.read import Unreadable, read_notebook
from tests.grading.hostile.catalogue import UNIT, Handed

ODD = [None, True, -1, 1e400, "", "x", "\ud800", [], [None], [[]], {}, {"grade_id": []}, {"a": {}}]
DEEP = json.loads("[" * 300 + "]" * 300)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A right notebook as plain data, of three cells so that each change is quick."""
    whole = json.loads(Handed(tmp_path_factory.mktemp("tree"), "x").as_bytes())
    kinds = ("markdown", "code")
    cells = [next(c for c in whole["cells"] if c["cell_type"] == kind) for kind in kinds]
    graded = [c for c in whole["cells"] if "nbgrader" in c["metadata"]][:2]
    return {**whole, "cells": cells + graded}


def places(tree, path=()):
    """The paths of all values in a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def changed(tree, path, value):
    copied = copy.deepcopy(tree)
    at = copied
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return copied


def read(tree):
    """The cells of what comes of a tree: those of the release, and the learner's."""
    try:
        notebook = mend(read_notebook(json.dumps(tree).encode()), UNIT)
    except Unreadable as error:
        return str(error)
    nbformat.validate(notebook)
    nbformat.writes(notebook).encode()
    return notebook.cells


def test_any_value_may_be_anything(tree):
    refused = 0
    for path in places(tree):
        for value in [*ODD, DEEP]:
            found = read(changed(tree, path, value))
            refused += isinstance(found, str)
            assert isinstance(found, str) or len(found) >= 52, (path, value)
    assert refused  # and the rest is read


def test_any_value_may_be_missing(tree):
    for path in places(tree):
        copied = copy.deepcopy(tree)
        at = copied
        for key in path[:-1]:
            at = at[key]
        del at[path[-1]]
        assert read(copied)
