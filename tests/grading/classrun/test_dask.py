"""The same class on one process, on two and on a real Dask cluster: the same to the byte."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from grading import cli
from grading.classrun import sample_class, workers
from grading.classrun.dask_workers import DaskWorkers
from grading.course.errors import CourseError
from grading.course.places import ROOT
from tests.grading.books import hand_in, new_gradebook, rows
from tests.grading.classrun.test_runner import DIES


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The file of a scheduler with two worker processes, started with Dask's own commands."""
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    told = {"PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    kinds = {
        "scheduler": ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"],
        "worker": ["--nworkers", "2", "--nthreads", "1", "--no-dashboard"],
    }
    started = []
    try:
        for kind, options in kinds.items():
            command = [sys.executable, "-m", "dask", kind, "--scheduler-file", str(file), *options]
            with open(folder / kind, "wb") as log:
                told_all = {**os.environ, **told}
                started.append(
                    subprocess.Popen(command, cwd=folder, env=told_all, stdout=log, stderr=log)
                )
            while not file.exists() and started[0].poll() is None:
                time.sleep(0.05)
        yield json.loads(file.read_text())["address"]
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGINT)
        for process in reversed(started):
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:  # Dask's own goodbye may hang; it is not tested here
                process.kill()
                process.wait()


def write_class(home, unit, right):
    last = unit.exercises[-1]
    wrong = {last.answer_id: f"def {last.callable}(*inputs):\n    return inputs[0]"}
    hand_in(home / "submitted", "ada", sample_class.notebook_with(unit, right))
    hand_in(home / "submitted", "ben", sample_class.notebook_with(unit, right | wrong))
    hand_in(home / "submitted", "cleo", b"no notebook")


def test_any_number_of_workers_anywhere_gives_the_same_to_the_byte(tmp_path, cluster, unit, right):
    states = []
    for name, options in {
        "one": ["--jobs", "1"],
        "two": ["--jobs", "2"],
        "cluster": ["--scheduler", cluster],
    }.items():
        home = tmp_path / name
        write_class(home, unit, right)
        new_gradebook(home)
        command = ["grade", "--submitted", home / "submitted", "--json", home / "out.json"]
        assert cli.main([*map(str, command), *options]) == 0
        judged = {p.relative_to(home): p.read_bytes() for p in home.glob("autograded/**/*.ipynb")}
        assert len(judged) == 3
        book = rows(f"sqlite:///{home / 'gradebook.db'}")
        states.append(((home / "out.json").read_bytes(), judged, book))
    assert states[0] == states[1] == states[2]
    scores = dict.fromkeys(("ada", "ben", "cleo"), 0)
    for record in json.loads(states[0][0]):
        scores[record["student"]] += record["score"]
    full = sum(e.points for e in unit.exercises)
    assert scores == {"ada": full, "ben": full - unit.exercises[-1].points, "cleo": 0}


def test_a_worker_that_dies_is_replaced_and_its_task_alone_reported(cluster):
    texts = ["1 + 1", DIES, "2 + 2", "3 + 3"]
    with DaskWorkers(cluster) as pool:
        outcomes = dict(workers.run_tasks(pool, eval, [(text, (text,), {}) for text in texts]))
    assert isinstance(outcomes.pop(DIES), workers.Died)
    assert outcomes == {"1 + 1": 2, "2 + 2": 4, "3 + 3": 6}


def test_a_cluster_that_is_not_there_is_said():
    with pytest.raises(CourseError, match="No Dask scheduler answers at tcp://127.0.0.1:9"):
        DaskWorkers("tcp://127.0.0.1:9", patience=1).__enter__()
