"""One run of the whole catalogue by each way of grading, for all tests and all test processes."""

import pickle

import pytest
from filelock import FileLock

from grading.sandbox import warm
from tests.grading.hostile import runs
from tests.grading.machines import started


@pytest.fixture(scope="session")
def handed_in(tmp_path_factory, worker_id):
    """A folder with everybody's submissions and results, the same for all test processes."""
    started(warm.NAMESPACES)
    base = tmp_path_factory.getbasetemp()
    home = (base if worker_id == "master" else base.parent) / "hostile"
    with FileLock(f"{home}.lock"):
        if not (home / "results").exists():
            results = runs.grade_both_ways(home, runs.BY_STOCK)
            (home / "results").write_bytes(pickle.dumps(results))
    return home


@pytest.fixture(scope="session")
def results(handed_in):
    """The outcomes by way of grading and student."""
    return pickle.loads((handed_in / "results").read_bytes())


@pytest.fixture(scope="session")
def stock(handed_in):
    """Stock nbgrader after it has graded the class."""
    return runs.Stock(handed_in / "stock", handed_in / "submitted")
