"""`course bank`: all exercises side by side; what is unchanged is not proved again."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from grading.course.exercise import Exercise
from grading.course.places import ROOT
from grading.course.unit import load_exercise, load_unit, unit_slugs
from grading.course.versions import exercise_version
from grading.judging.bank import Outcome, outcomes, rates
from grading.judging.mutant_bank import explained, mutant_outcomes

KEPT = ROOT / "_build" / "bank"


def print_bank(names: list[str], seeds: int, path: Path | None) -> int:
    """Prove exercises and print what is not as it should be, then the figures; the exit status."""
    exercises = _chosen(names)
    found: list[Outcome] = []
    for proved in _proofs(exercises, seeds):
        found += proved
        for outcome in proved:
            if not outcome.as_it_should:
                print(_told(outcome))
    _print_mutants(exercises, found)
    if path:
        path.write_text(json.dumps([asdict(o) for o in found], indent=1) + "\n", encoding="utf-8")
    figures = rates(found)
    print(
        f"{len(exercises)} exercises, {figures.misconceptions} misconceptions, "
        f"{figures.alternatives} alternative solutions, {seeds} draws each"
    )
    print(f"share killed: {figures.killed:.0%}")
    print(f"share named: {figures.named:.0%}")
    print(f"alternatives rejected: {figures.rejected}")
    print(f"properties broken by nobody: {figures.unbroken}")
    if figures.stale:
        print(f"listed as equivalent and not accepted: {figures.stale}")
    return 0 if figures.good else 1


def _print_mutants(exercises: list[Exercise], found: list[Outcome]) -> None:
    """The fourth figure, exercise by exercise and over all, with what is accepted."""
    figures = {exercise.id: explained(exercise, found) for exercise in exercises}
    for name, one in figures.items():
        if one.rejected or one.accepted:
            print(
                f"{name}: mutants explained: {one.share:.0%} of {one.rejected} "
                f"(accepted: {len(one.accepted)}, known to be equivalent: {one.known})"
            )
        for text in one.accepted:
            print(f"    accepted: {text}")
    rejected = sum(one.rejected for one in figures.values())
    share = sum(one.explained for one in figures.values()) / max(rejected, 1)
    accepted = sum(len(one.accepted) for one in figures.values())
    print(f"mutants explained: {share:.0%} (accepted: {accepted})")


def _chosen(names: list[str]) -> list[Exercise]:
    if not names:
        names = unit_slugs()
    chosen: list[Exercise] = []
    for name in names:
        chosen += [load_exercise(name)] if "/" in name else load_unit(name).exercises
    return chosen


def _told(o: Outcome) -> str:
    said = f"passed={o.passed} named={o.named}: {o.message}"
    return f"{o.exercise}: {o.kind} {o.name}, seed {o.seed}: {said}"


def _proofs(exercises: list[Exercise], seeds: int) -> Iterator[list[Outcome]]:
    """The outcomes of each exercise, in order; a few are proved here, many in processes."""
    tasks = [(exercise.id, exercise_version(exercise), seeds) for exercise in exercises]
    missing = [task for task in tasks if _kept(*task) is None]
    jobs = min(os.cpu_count() or 1, len(missing))
    if jobs < 2:
        yield from map(_prove, tasks)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_prove, tasks)


def _prove(task: tuple[str, str, int]) -> list[Outcome]:
    kept = _kept(*task)
    if kept is not None:
        return kept
    exercise_id, version, seeds = task
    exercise = load_exercise(exercise_id)
    proved = [*outcomes([exercise], range(1, seeds + 1)), *mutant_outcomes(exercise)]
    KEPT.mkdir(parents=True, exist_ok=True)
    path = _path(exercise_id, version, seeds)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_text(json.dumps([asdict(o) for o in proved]), encoding="utf-8")
    os.replace(part, path)
    return proved


def _kept(exercise_id: str, version: str, seeds: int) -> list[Outcome] | None:
    """What was proved of this very version, None if nothing was or it cannot be read."""
    try:
        tree = json.loads(_path(exercise_id, version, seeds).read_text(encoding="utf-8"))
        return [Outcome(**{**o, "broken": tuple(o["broken"])}) for o in tree]
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _path(exercise_id: str, version: str, seeds: int) -> Path:
    return KEPT / f"{exercise_id.replace('/', '__')}-{version[:16]}-{seeds}.json"
