"""A class graded by `course grade` and by stock `nbgrader autograde`, in one run.

    python benchmarks/bench_grading.py [--students 40] [--jobs 2] [--sizes 20 100 1000]

The class hands in 05_attention: three in four right, in the course's words or other ones, the rest
with one misconception each. Stock nbgrader runs with its own configuration and its own execution,
without a judge: a check only writes down what the answer gave, and demonstrations are skipped for
both. Both are whole processes, from their start to their end, imports and gradebook included.

Rows: throughput against stock; cost of one submission and memory of the runner by class size, "s
more" being what each submission costs beyond the size before; the same class with cells that work
for half a second more; a Dask cluster of two processes against two local ones, on the largest. The
"share of learners' cells" is their CPU seconds over the wall seconds of all workers. Writes
results/grading.json.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path

import nbformat
from report import print_rows, write_result

from grading import kernel
from grading.classrun import sample_class
from grading.course.sources import wrong_source
from grading.course.unit import Unit, load_unit
from grading.judging.judge import make_request
from grading.notebooks.release import source_notebook

UNIT = "05_attention"
WORK = """
import time
ends = time.process_time() + 0.5
while time.process_time() < ends:
    pass
"""
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


# --- the class ------------------------------------------------------------------------------------


def answers(unit: Unit, students: int) -> list[dict[str, str]]:
    """Answers of each student, by answer cell: every fourth has a misconception."""
    right = [sample_class.right_answers(unit), sample_class.other_ways(unit)]
    wrong = (
        {**right[0], exercise.answer_id: source}
        for exercise in cycle(unit.exercises)
        for m in exercise.misconceptions[:3]
        if isinstance(source := wrong_source(exercise, m), str)
    )
    return [next(wrong) if i % 4 == 3 else right[i % 4 % 2] for i in range(students)]


def write_class(folder: Path, students: int, work: str = "") -> Path:
    """The class's notebooks in nbgrader's layout. Each differs, so that nothing is graded twice.

    `work` is added to the last cell.
    """
    unit = load_unit(UNIT)
    for i, each in enumerate(answers(unit, students)):
        notebook = nbformat.reads(sample_class.notebook_with(unit, each).decode(), as_version=4)
        notebook.cells.append(nbformat.v4.new_code_cell(f"# by student {i}{work}"))
        place = folder / f"student-{i:05d}" / UNIT / f"{UNIT}.ipynb"
        place.parent.mkdir(parents=True)
        nbformat.write(notebook, place)
    return folder


# --- the two ways ---------------------------------------------------------------------------------


def wall(command: list[str], **options) -> tuple[float, int]:
    """Seconds of a whole process, and the most memory in MB that it held."""
    with tempfile.TemporaryFile() as log:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=log, stderr=log, **options)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)  # else it would be waited for again
        if process.returncode:
            log.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{log.read().decode()}")
    return seconds, round(usage.ru_maxrss / 1000)


def stock(folder: Path, students: int) -> float:
    """Wall seconds of `nbgrader autograde` in a course of its own, without our configuration."""
    unit = load_unit(UNIT)
    notebook = source_notebook(unit)
    (folder / "source" / UNIT).mkdir(parents=True)
    nbformat.write(notebook, folder / "source" / UNIT / f"{UNIT}.ipynb")
    (folder / "nbgrader_config.py").write_text("c = get_config()\n")
    for path in write_class(folder / "submitted", students).rglob("*.ipynb"):
        skip_demonstrations(path)
    for exercise in unit.exercises:
        request = make_request(exercise, tuple(exercise.draw(0)))
        kernel.save(folder / "evidence" / "requests", kernel.stem(exercise.id), request)
    told = {"PATH": PATH, "COURSE_EVIDENCE": str(folder / "evidence"), "OMP_NUM_THREADS": "1"}
    nbgrader = [sys.executable, "-m", "nbgrader"]
    options = {"cwd": folder, "env": {**os.environ, **told}}
    wall([*nbgrader, "generate_assignment", UNIT], **options)
    return wall([*nbgrader, "autograde", UNIT], **options)[0]


def skip_demonstrations(path: Path) -> None:
    """Mark the demonstrations with the tag that nbclient passes over."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if "demo" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("skip-execution")
    nbformat.write(notebook, path)


def ours(submitted: Path, jobs: int, scheduler: str | None = None) -> dict:
    """`course grade`: its seconds and memory, and from what it keeps, the learners' share."""
    course = Path(sys.executable).with_name("course")
    command = [str(course), "grade", UNIT, "--submitted", str(submitted)]
    where = ["--scheduler", scheduler] if scheduler else ["--jobs", str(jobs)]
    seconds, megabytes = wall(command + where)
    kept = (submitted.parent / "grading_store" / "results").glob("*.json")
    results = [json.loads(path.read_text(encoding="utf-8"))["graded"] for path in kept]
    return {
        "seconds": seconds,
        "runner_mb": megabytes,
        "cells": sum(result["cell_seconds"] for result in results),
        "full": sum(all(v["status"] == "pass" for v in r["verdicts"]) for r in results),
    }


# --- the rows -------------------------------------------------------------------------------------


def figures(what: str, students: int, jobs: int, run: dict, peer: float | None = None) -> dict:
    """One row of the table; `peer` is another way's seconds for the same class."""
    share = run["cells"] / (run["seconds"] * jobs) if "cells" in run else ""
    return {
        "what": what,
        "students": students,
        "seconds": run["seconds"],
        "a minute": students / run["seconds"] * 60,
        "s each": run["seconds"] / students,
        "s more": run.get("more", ""),
        "share of learners' cells": share,
        "runner MB": run.get("runner_mb", ""),
        "times the peer": peer / run["seconds"] if peer else "",
    }


def measure(options: argparse.Namespace, folder: Path) -> list[dict]:
    """All rows; each run has a folder of its own, so that no result is taken from another's."""
    rows, jobs, count = [], options.jobs, options.students
    peer = None
    if not options.skip_stock:
        peer = stock(folder / "stock", count)
        rows.append(figures("nbgrader autograde", count, 1, {"seconds": peer}))
    run = ours(write_class(folder / "ours" / "submitted", count), jobs)
    assert run["full"] == sum(i % 4 != 3 for i in range(count)), "the right ones get full points"
    rows.append(figures("course grade", count, jobs, run, peer))
    rows += size_rows(folder, options.sizes, jobs)
    run = ours(write_class(folder / "work" / "submitted", count, WORK), jobs)
    rows.append(figures("course grade, 0.5 s more in cells", count, jobs, run))
    if not options.skip_dask:
        rows.append(dask_row(folder, rows, jobs))
    return rows


def size_rows(folder: Path, sizes: list[int], jobs: int) -> list[dict]:
    """A row for each size of the class."""
    rows: list[dict] = []
    for size in sorted(sizes):
        run = ours(write_class(folder / f"size-{size}" / "submitted", size), jobs)
        if rows:
            more = size - rows[-1]["students"]
            run["more"] = (run["seconds"] - rows[-1]["seconds"]) / more
        rows.append(figures(f"course grade, {size} students", size, jobs, run))
        shutil.rmtree(folder / f"size-{size}")
    return rows


def dask_row(folder: Path, rows: list[dict], jobs: int) -> dict:
    """As many Dask processes against the local ones, on the largest class; the cluster is up
    already, but has not graded anything yet."""
    from dask.distributed import LocalCluster

    local = max((r for r in rows if r["what"].startswith("course")), key=lambda r: r["students"])
    submitted = write_class(folder / "dask" / "submitted", local["students"])
    cluster = LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None)
    with cluster:
        run = ours(submitted, jobs, cluster.scheduler_address)
    return figures("Dask, against local", local["students"], jobs, run, local["seconds"])


def on_paper(rows: list[dict], jobs: int) -> str:
    """How many cores 50,000 submissions in an hour need, from the largest class measured."""
    largest = max((r for r in rows if r["what"].startswith("course")), key=lambda r: r["students"])
    core_seconds = largest["s each"] * jobs
    cores = 50_000 * core_seconds / 3600
    return (
        f"50,000 submissions in an hour at {core_seconds:.3f} core seconds each: {cores:.1f} cores"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs="*", default=[20, 100, 1000])
    parser.add_argument("--skip-stock", action="store_true")
    parser.add_argument("--skip-dask", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-grading-") as folder:
        rows = measure(options, Path(folder))
    print_rows(rows)
    print(on_paper(rows, options.jobs))
    print(write_result("grading", rows, "torch", "nbgrader"))


if __name__ == "__main__":
    main()
