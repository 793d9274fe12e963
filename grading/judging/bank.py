"""The proof behind every exercise: misconceptions rejected and named, right answers accepted, and
every property broken by somebody; and how much the judge explains of what nobody foresaw."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from grading.course.exercise import Exercise
from grading.judging.evidence import plain
from grading.judging.judge import judge
from grading.judging.trial import Trial, trial

SEEDS = range(1, 6)


@dataclass(frozen=True)
class Outcome:
    """What the judge said of one known answer on one seed.

    kind    "misconception", "alternative", "solution"; "property", broken by nobody; "mutant", a
            changed solution; "equivalent", which is listed as one and none that is accepted
    broken  the properties of the exercise that the answer breaks
    cause   what the message rests on (`Verdict.cause`)
    """

    exercise: str
    kind: str
    name: str
    seed: int
    passed: bool
    named: str | None
    message: str
    broken: tuple[str, ...] = ()
    cause: str | None = None

    @property
    def as_it_should(self) -> bool:
        """Whether the judge said what it should of this answer."""
        if self.kind == "misconception":
            return not self.passed and self.named == self.name
        return self.passed or self.kind == "mutant"


def outcomes(exercises: Iterable[Exercise], seeds: Iterable[int] = SEEDS) -> Iterator[Outcome]:
    """Judge every known answer to every exercise, on each seed."""
    for exercise in exercises:
        found = [outcome for seed in seeds for outcome in _on_seed(exercise, seed)]
        yield from found
        yield from _unbroken(exercise, found)


def _on_seed(exercise: Exercise, seed: int) -> Iterator[Outcome]:
    at = trial(exercise, seed)
    known: list[tuple[str, str, Any]] = [("solution", "solution", at.solution())]
    known += [("alternative", answer.__name__, answer) for answer in exercise.alternatives]
    known += [("misconception", m.name, at.wrong(m)) for m in exercise.misconceptions]
    for kind, name, answer in known:
        yield of_answer(at, kind, name, answer)


def of_answer(at: Trial, kind: str, name: str, answer: Callable) -> Outcome:
    """What the judge says of an answer that is known."""
    evidence = at.run(answer)
    said = judge(at.exercise, at.seed, evidence)
    passed = said.status == "pass"
    text = " ".join([said.message, *said.details])
    broken = tuple(_broken(at, evidence))
    return Outcome(
        at.exercise.id, kind, name, at.seed, passed, said.misconception, text, broken, said.cause
    )


def _broken(at: Trial, evidence: Any) -> Iterator[str]:
    """The properties that an answer breaks, where its outputs have the expected form."""
    parsed = at.parse(evidence)
    if any(found and found.of_form for found in at.differences(parsed)):
        return
    pairs = zip(at.cases, parsed.cases, strict=True)
    outputs = {case.name or case.says: got.output for case, got in pairs}
    for item in at.exercise.properties:
        asked = [outputs[name] for name in item.cases]
        if None not in asked and not item.holds(*map(plain, asked)):
            yield item.name


def _unbroken(exercise: Exercise, found: list[Outcome]) -> Iterator[Outcome]:
    """A property that no wrong answer breaks proves nothing."""
    broken = {name for outcome in found for name in outcome.broken}
    for item in exercise.properties:
        if item.name not in broken:
            text = "No misconception breaks it: it proves nothing, or lacks one."
            yield Outcome(exercise.id, "property", item.name, 0, False, None, text)


@dataclass(frozen=True)
class Rates:
    """Shares over all outcomes; an exercise is released only at 100%, 100%, 0 and 0."""

    killed: float
    named: float
    rejected: int
    unbroken: int
    stale: int
    misconceptions: int
    alternatives: int

    @property
    def good(self) -> bool:
        """Whether the bank proves its exercises."""
        return self.killed == self.named == 1 and self.rejected == self.unbroken == self.stale == 0


def rates(all_outcomes: list[Outcome]) -> Rates:
    """The figures that `course bank` ends with."""
    wrong = [o for o in all_outcomes if o.kind == "misconception"]
    right = [o for o in all_outcomes if o.kind in ("solution", "alternative")]
    count = max(len(wrong), 1)
    return Rates(
        killed=sum(not o.passed for o in wrong) / count,
        named=sum(o.as_it_should for o in wrong) / count,
        rejected=len({(o.exercise, o.name) for o in right if not o.passed}),
        unbroken=sum(o.kind == "property" for o in all_outcomes),
        stale=sum(o.kind == "equivalent" for o in all_outcomes),
        misconceptions=len({(o.exercise, o.name) for o in wrong}),
        alternatives=len({(o.exercise, o.name) for o in right if o.kind == "alternative"}),
    )
