"""`course grade --changed`: grade anew what an edit of the exercises has changed, and no more.

A verdict is kept where submission, seed and version of the exercise are as they were. A notebook
is run as a whole all the same, since its answers call one another.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace

import nbformat

from grading.classrun.collect import Found
from grading.classrun.gradebook import check_points
from grading.classrun.run import ClassRun, Outcome, ResultWriter, Watcher, in_order
from grading.classrun.signals import uninterrupted
from grading.classrun.store import Ledger, Result, Store, digest
from grading.course.unit import load_unit
from grading.course.versions import exercise_versions
from grading.judging.verdict import Verdict
from grading.notebooks.marking import write_verdict
from grading.notebooks.submission import Graded


@dataclass(frozen=True)
class Change:
    """One exercise of one student; `before` is None where it was not graded yet."""

    student: str
    unit: str
    before: Verdict | None
    after: Verdict

    @property
    def matters(self) -> bool:
        """Whether points, status or misconception differ."""

        def shown(v: Verdict | None):
            return v and (v.score, v.max_score, v.status, v.misconception)

        return shown(self.before) != shown(self.after)


@dataclass(frozen=True)
class Plan:
    """A submission, what of it is in the gradebook, and which exercises are to be graded anew."""

    found: Found
    old: Result | None
    stale: frozenset[str]


@dataclass(frozen=True)
class Done:
    """All grades as they are in the gradebook now, whether anything was written, and whose grading
    failed."""

    graded: list[Graded]
    written: bool
    failed: tuple[str, ...] = ()


def plan(run: ClassRun, store: Store, ledger: Ledger) -> list[Plan]:
    """For every submission what has to be graded anew.

    The ledger says what was written; the gradebook itself, whether that is still there.
    """
    plans = []
    with run.writer() as writer:
        scores = {unit.slug: writer.scores(unit.slug) for unit in run.loaded}
        held = {
            (item.student, item.unit): old
            for item in run.found
            if (key := ledger.key(item.student, item.unit))
            and (old := store.get(key, item.student))
            and writer.holds(old.graded, scores[item.unit])
        }
    for item in run.found:
        old = held.get((item.student, item.unit))
        versions = exercise_versions(load_unit(item.unit))
        plans.append(Plan(item, old, _stale(old, digest(item.content()), run.seed, versions)))
    return plans


def _stale(
    old: Result | None, submission: str, seed: int, versions: Mapping[str, str]
) -> frozenset[str]:
    if old is None or (old.submission, old.seed) != (submission, seed):
        return frozenset(versions)
    return frozenset(name for name, now in versions.items() if old.versions.get(name) != now)


def merge(old: Graded, new: Graded, stale: frozenset[str], book: str) -> Graded:
    """The new grading with the old verdicts of all that did not change."""
    kept = {v.exercise: v for v in old.verdicts if v.exercise not in stale}
    verdicts = tuple(kept.get(v.exercise, v) for v in new.verdicts)
    notebook = nbformat.reads(new.notebook.decode(), as_version=4)
    for exercise in load_unit(new.unit).exercises:
        if exercise.id in kept:
            write_verdict(notebook, exercise, kept[exercise.id], book)
    return replace(new, verdicts=verdicts, notebook=nbformat.writes(notebook).encode())


def regrade(
    run: ClassRun,
    bar: Callable[[int], AbstractContextManager[Watcher]],
    confirm: Callable[[list[Change], list[str]], None],
) -> Done:
    """Grade what changed, and write it.

    `bar` is told how many submissions are to be graded anew, and shows how far that is. `confirm`
    is shown the changes and whose grading failed, and raises CourseError to leave all as it is.
    """
    for unit in run.loaded:
        check_points(unit)
    with run.store() as store:
        plans = plan(run, store, run.ledger())
        todo = [p for p in plans if p.stale]
        kept = [p.old.graded for p in plans if not p.stale]
        if not todo:
            return Done(in_order(kept), written=False)
        with bar(len(todo)) as watcher:
            outcomes, failed = _grade(run, store, todo, watcher)
        kept += [p.old.graded for p, _ in failed if p.old]
        changes = [change for p, outcome in outcomes for change in _changes(p, outcome.graded)]
        changes.sort(key=lambda change: (change.student, change.unit))
        said = tuple(f"{p.found.student}: {error}" for p, error in failed)
        confirm(changes, list(said))
        _write(run, store, [outcome for _, outcome in outcomes])
        return Done(in_order([*kept, *(o.graded for _, o in outcomes)]), True, said)


def _write(run: ClassRun, store: Store, outcomes: list[Outcome]) -> None:
    with run.writer() as writer:
        writer.register(run.loaded)
        results = ResultWriter(run, store, writer)
        for outcome in outcomes:
            with uninterrupted():
                results.save(outcome)


def _grade(run: ClassRun, store: Store, todo: list[Plan], watcher: Watcher):
    """Outcomes by plan, and the plans whose grading failed: what is in the gradebook stays."""
    by_item = {(p.found.student, p.found.unit): p for p in todo}
    outcomes, failed = [], []
    with closing(_graded(run, store, todo)) as stream:
        for item, graded, reused in stream:
            p = by_item[item.student, item.unit]
            if isinstance(graded, BaseException):
                failed.append((p, graded))
                continue
            if p.old:
                graded = merge(p.old.graded, graded, p.stale, run.options(item)["book"])
            result = run.result(item, graded)
            store.put(result)
            outcomes.append((p, Outcome(item, graded, result, reused=True)))
            watcher.add(graded, reused)
    return outcomes, failed


def _graded(
    run: ClassRun, store: Store, todo: list[Plan]
) -> Iterator[tuple[Found, Graded | BaseException, bool]]:
    """Each submission's new grading, and whether it was in the store: of a run not agreed to."""
    missing = []
    for item in (p.found for p in todo):
        if result := store.get(run.key(item), item.student):
            yield item, result.graded, True
        else:
            missing.append(item)
    with closing(run.grade(missing)) as stream:
        for item, graded in stream:
            yield item, graded, False


def _changes(p: Plan, graded: Graded) -> list[Change]:
    before = {v.exercise: v for v in p.old.graded.verdicts} if p.old else {}
    item = p.found
    every = [Change(item.student, item.unit, before.get(v.exercise), v) for v in graded.verdicts]
    return [change for change in every if change.matters]
