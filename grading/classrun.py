"""Grade the submissions of a class: find them, map the pure task over processes, write once."""

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from pathlib import Path

from grading.collect import Found, find
from grading.exercise import load_unit, unit_slugs
from grading.gradebook import GradebookWriter
from grading.submission import SEED, Graded, grade_submission
from grading.verdict import book_address


def chosen_units(slugs: list[str]) -> list[str]:
    """Full slugs of the units named, all of them where none is."""
    return [load_unit(slug).slug for slug in slugs] if slugs else unit_slugs()


def local_executor(jobs: int | None) -> Executor:
    """Processes on this machine; spawned, since forking after torch has run threads can hang."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=context, initializer=_one_thread)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def grade_class(
    found: list[Found], executor: Executor, autograded: Path, seed: int = SEED
) -> Iterator[Graded]:
    """Results as they come; a submission whose grading itself fails is reported, not dropped."""
    futures = {}
    for item in found:
        book = book_address(autograded / item.student / item.unit)
        future = executor.submit(
            grade_submission,
            item.student,
            item.unit,
            item.data,
            seed,
            book,
            item.reason,
            item.remarks,
        )
        futures[future] = item
    for future in as_completed(futures):
        yield future.result()


def run(
    submitted: Path,
    units: list[str],
    db_url: str | None = None,
    jobs: int | None = None,
    seed: int = SEED,
    progress: Callable[[Graded, int, int], None] = lambda graded, done, total: None,
) -> list[Graded]:
    """Grade a class into its gradebook; both lie beside the submitted folder by default."""
    found = find(submitted, units)
    home = submitted.resolve().parent
    writer = GradebookWriter(db_url or f"sqlite:///{home / 'gradebook.db'}", home / "autograded")
    writer.register([load_unit(slug) for slug in {item.unit: None for item in found}])
    submitted_at = {(item.student, item.unit): item.submitted_at for item in found}
    results = []
    with local_executor(jobs) as executor:
        for graded in grade_class(found, executor, writer.autograded, seed):
            writer.write(graded, submitted_at[graded.student, graded.unit])
            results.append(graded)
            progress(graded, len(results), len(found))
    return sorted(results, key=lambda g: (g.unit, g.student))


def records(results: list[Graded]) -> list[dict]:
    """The objects of `--json`, one an exercise and student."""
    return [v.record(g.student, g.unit) for g in results for v in g.verdicts]


def write_json(path: Path, objects: list[dict]) -> None:
    """Write a list of objects for machines."""
    path.write_text(json.dumps(objects, indent=1) + "\n", encoding="utf-8")
