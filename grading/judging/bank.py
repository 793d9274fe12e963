"""The proof behind every exercise: misconceptions rejected and named, right answers accepted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from grading.course.exercise import Exercise
from grading.course.sources import solution_of, wrong_answer
from grading.course.unit import Unit
from grading.judging.judge import Trial, judge, trial

SEEDS = range(1, 6)


@dataclass(frozen=True)
class Outcome:
    """What the judge said of one known answer on one seed."""

    exercise: str
    kind: str  # "misconception", "alternative" or "solution"
    name: str
    seed: int
    passed: bool
    named: str | None
    message: str

    @property
    def as_it_should(self) -> bool:
        """Whether the judge said what it should of this answer."""
        if self.kind == "misconception":
            return not self.passed and self.named == self.name
        return self.passed


def outcomes(units: Iterable[Unit], seeds: Iterable[int] = SEEDS) -> Iterator[Outcome]:
    """Judge every known answer to every exercise, on each seed."""
    for unit in units:
        for exercise in unit.exercises:
            for seed in seeds:
                yield from _of_exercise(exercise, seed)


def _of_exercise(exercise: Exercise, seed: int) -> Iterator[Outcome]:
    at = trial(exercise, seed)
    known = [("solution", "solution", solution_of(exercise))]
    known += [("alternative", name, answer) for name, answer in exercise.alternatives.items()]
    known += [("misconception", m.name, wrong_answer(exercise, m)) for m in exercise.misconceptions]
    for kind, name, answer in known:
        yield _outcome(exercise, at, seed, kind, name, answer)


def _outcome(exercise: Exercise, at: Trial, seed: int, kind: str, name: str, answer) -> Outcome:
    said = judge(exercise, seed, at.run(answer))
    passed = said.status == "pass"
    text = " ".join([said.message, *said.details])
    return Outcome(exercise.id, kind, name, seed, passed, said.misconception, text)


@dataclass(frozen=True)
class Rates:
    """Shares over all outcomes; an exercise is released only at 100%, 100% and 0."""

    killed: float
    named: float
    rejected: int
    misconceptions: int
    alternatives: int

    @property
    def good(self) -> bool:
        """Whether the bank proves its exercises."""
        return self.killed == self.named == 1 and self.rejected == 0


def rates(all_outcomes: list[Outcome]) -> Rates:
    """The three figures that `course bank` ends with."""
    wrong = [o for o in all_outcomes if o.kind == "misconception"]
    right = [o for o in all_outcomes if o.kind != "misconception"]
    count = max(len(wrong), 1)
    return Rates(
        killed=sum(not o.passed for o in wrong) / count,
        named=sum(o.as_it_should for o in wrong) / count,
        rejected=len({(o.exercise, o.name) for o in right if not o.passed}),
        misconceptions=len({(o.exercise, o.name) for o in wrong}),
        alternatives=len({(o.exercise, o.name) for o in right if o.kind == "alternative"}),
    )
