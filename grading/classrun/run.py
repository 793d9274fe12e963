"""Grade a class: find its submissions, map the pure task over workers, write each result once."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import nbformat
from sqlalchemy import make_url

from grading.classrun.collect import Found, find, overlooked
from grading.classrun.dask_workers import DaskWorkers, cluster
from grading.classrun.gradebook import GradebookWriter, driver_named
from grading.classrun.signals import uninterrupted
from grading.classrun.store import FOLDER, Ledger, Result, Store, digest, key_of
from grading.classrun.workers import LocalWorkers, grade_task, run_tasks
from grading.course.errors import CourseError
from grading.course.unit import Unit, load_unit, unit_slugs
from grading.course.versions import exercise_versions, unit_version
from grading.judging.judge import verdict
from grading.judging.verdict import book_address
from grading.notebooks.marking import write_verdict
from grading.notebooks.mend import blank
from grading.notebooks.submission import LIMITS, SEED, Graded, note


class Stopped(KeyboardInterrupt):
    """Ctrl-C during a class run; the message says what is done and how to go on."""


class Watcher(Protocol):
    """Whoever shows how far a run is."""

    def add(self, graded: Graded, reused: bool) -> None:
        """Count one submission, graded now or in an earlier run."""


def chosen_units(slugs: list[str]) -> list[str]:
    """Full slugs of the units named, all of them where none is."""
    return [load_unit(slug).slug for slug in slugs] if slugs else unit_slugs()


@dataclass(frozen=True)
class ClassRun:
    """A class and how it is graded; gradebook and results lie beside the submitted folder.

    db_url     the gradebook, `gradebook.db` by default
    jobs       processes on this machine, one a core by default
    scheduler  address of a Dask cluster that takes their place
    trusted    run submissions without a sandbox where this machine has none
    """

    submitted: Path
    units: tuple[str, ...]
    db_url: str | None = None
    jobs: int | None = None
    scheduler: str | None = None
    seed: int = SEED
    trusted: bool = False

    @cached_property
    def home(self) -> Path:
        """The folder that all this lies in."""
        return self.submitted.resolve().parent

    @cached_property
    def found(self) -> list[Found]:
        """The submissions, read once."""
        return find(self.submitted, list(self.units))

    @cached_property
    def loaded(self) -> list[Unit]:
        """The units that somebody handed in."""
        return [load_unit(slug) for slug in dict.fromkeys(item.unit for item in self.found)]

    @property
    def autograded(self) -> Path:
        """Where the judged notebooks go."""
        return self.home / "autograded"

    def store(self) -> Store:
        """Where results are kept."""
        return Store(self.home / FOLDER)

    def ledger(self) -> Ledger:
        """What this run's gradebook holds; a file in the class's folder may move with it."""
        url = make_url(self._url)
        name = url.render_as_string(hide_password=True)
        if url.get_backend_name() == "sqlite" and url.database:
            path = Path(url.database).resolve()
            near = path.is_relative_to(self.home)
            name = path.relative_to(self.home).as_posix() if near else path.as_posix()
        tag = hashlib.sha256(name.encode()).hexdigest()[:12]
        return Ledger(self.home / FOLDER / f"written-{tag}.jsonl")

    def with_seed(self, seed: int | None) -> "ClassRun":
        """The same run with this seed, or else with the one that its gradebook was filled with."""
        last = self.ledger().last
        before = self.store().get(last[1], last[0]) if seed is None and last else None
        return replace(self, seed=seed if seed is not None else before.seed if before else SEED)

    @cached_property
    def overlooked(self) -> list[str]:
        """What lies among the submissions and was not graded, in words."""
        return overlooked(self.submitted, self.found)

    def writer(self) -> GradebookWriter:
        """The one that writes the gradebook."""
        return GradebookWriter(self._url, self.autograded)

    def workers(self) -> LocalWorkers | DaskWorkers:
        """Where submissions are graded."""
        if self.scheduler:
            return cluster(self.scheduler)
        return LocalWorkers(self.jobs, sandboxed=True)

    @property
    def gradebook(self) -> str:
        """Where it is, in words."""
        url = make_url(self._url)
        return url.database if url.get_backend_name() == "sqlite" else url.render_as_string()

    @property
    def _url(self) -> str:
        return driver_named(self.db_url or f"sqlite:///{self.home / 'gradebook.db'}")

    def options(self, item: Found) -> dict[str, Any]:
        """How a submission is graded: `grade_submission`'s arguments beside its content."""
        return {
            "seed": self.seed,
            "book": book_address(self.autograded / item.student / item.unit),
            "reason": item.reason,
            "remarks": item.remarks,
            "limits": LIMITS,
            "trusted": self.trusted,
        }

    def key(self, item: Found) -> str:
        """The key of a submission's result, which all that decides it goes into."""
        settings = {**self.options(item), "limits": LIMITS.as_dict()}
        version = unit_version(load_unit(item.unit))
        return key_of(digest(item.content()), item.unit, version=version, **settings)

    def result(self, item: Found, graded: Graded) -> Result:
        """What the store keeps of a submission."""
        versions = exercise_versions(load_unit(item.unit))
        return Result(self.key(item), digest(item.content()), self.seed, versions, graded)

    def grade(self, items: Iterable[Found]) -> Iterator[tuple[Found, Graded | BaseException]]:
        """Grade submissions anew; in the order in which they end."""
        items = list(items)
        if not items:
            return
        calls = ((item, self._arguments(item), self.options(item)) for item in items)
        with self.workers() as workers:
            for item, outcome in run_tasks(workers, grade_task, calls):
                if isinstance(outcome, CourseError):  # it would be the same with all of them
                    raise outcome
                yield item, outcome

    def _arguments(self, item: Found) -> tuple:
        return item.student, item.unit, item.content(), unit_version(load_unit(item.unit))


@dataclass(frozen=True)
class Outcome:
    """What became of a submission; `result` is None where the grading itself failed."""

    found: Found
    graded: Graded
    result: Result | None
    reused: bool = False


def grade_class(run: ClassRun, watcher: Watcher) -> list[Graded]:
    """Grade a class into its gradebook; what an earlier run has done is not done again.

    Raises Stopped on Ctrl-C, between two submissions.
    """
    graded: list[Graded] = []
    try:
        with run.store() as store, run.writer() as writer:
            writer.register(run.loaded)
            results = ResultWriter(run, store, writer)
            with closing(_outcomes(run, store)) as outcomes:
                for outcome in outcomes:
                    with uninterrupted():
                        results.save(outcome)
                        # On disk by now: kept here, a large class would fill the memory.
                        graded.append(replace(outcome.graded, notebook=b""))
                    watcher.add(outcome.graded, outcome.reused)
    except KeyboardInterrupt:
        raise Stopped(
            f"stopped. {len(graded)} of {len(run.found)} submissions are in the gradebook, whole; "
            f"run the same command again to go on."
        ) from None
    return in_order(graded)


def in_order(graded: Iterable[Graded]) -> list[Graded]:
    """By unit and student, however the workers finished."""
    return sorted(graded, key=lambda g: (g.unit, g.student.casefold(), g.student))


def _outcomes(run: ClassRun, store: Store) -> Iterator[Outcome]:
    """What is in the store first, then the rest as it ends."""
    missing = []
    for item in run.found:
        if result := store.get(run.key(item), item.student):
            yield Outcome(item, result.graded, result, reused=True)
        else:
            missing.append(item)
    with closing(run.grade(missing)) as stream:
        for item, outcome in stream:
            if isinstance(outcome, BaseException):
                yield Outcome(item, _failed(run, item, outcome), None)
            else:
                yield Outcome(item, outcome, run.result(item, outcome))


def _failed(run: ClassRun, item: Found, error: BaseException) -> Graded:
    """No points, and a reason for the instructor: the fault may not be the learner's."""
    reason = f"It could not be graded ({type(error).__name__}: {error})"[:500]
    unit, notebook = load_unit(item.unit), blank(load_unit(item.unit))
    said = [verdict(exercise, 0, "error", f"{reason}.") for exercise in unit.exercises]
    for exercise, one in zip(unit.exercises, said, strict=True):
        write_verdict(notebook, exercise, one, run.options(item)["book"])
    problems = (*item.remarks, f"{reason}: the gradebook marks it for review.")
    note(notebook, list(problems))
    text = nbformat.writes(notebook).encode()
    return Graded(item.student, unit.slug, tuple(said), text, problems, 0.0, failed=True)


class ResultWriter:
    """Where results become entries: into the store, then the gradebook, then the ledger."""

    def __init__(self, run: ClassRun, store: Store, writer: GradebookWriter) -> None:
        self.store, self.writer, self.ledger = store, writer, run.ledger()
        self._scores = {unit.slug: writer.scores(unit.slug) for unit in run.loaded}

    def save(self, outcome: Outcome) -> None:
        """Save one submission; what was saved before is left as it is."""
        graded, result = outcome.graded, outcome.result
        if result and not outcome.reused:
            self.store.put(result)
        if result and self._is_written(result):
            return
        self.writer.write(graded, outcome.found.submitted_at, review=result is None)
        if result:
            self.ledger.record(graded.student, graded.unit, result.key)

    def _is_written(self, result: Result) -> bool:
        """By the ledger, and by what is really there: a gradebook may have been put back."""
        graded = result.graded
        noted = self.ledger.key(graded.student, graded.unit) == result.key
        return noted and self.writer.holds(graded, self._scores[graded.unit])


def write_records(path: Path | None, results: list[Graded]) -> None:
    """Write what `--json FILE` asks for, if it does: an object for each exercise and student."""
    if path:
        write_json(path, [v.record(g.student, g.unit) for g in results for v in g.verdicts])


def write_json(path: Path, objects: list[dict]) -> None:
    """Write a list of objects for machines."""
    path.write_text(json.dumps(objects, indent=1) + "\n", encoding="utf-8")
