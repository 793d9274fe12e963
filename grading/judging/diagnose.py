"""Naming the misunderstanding: which wrong answer that is known behaves like this one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations

from grading.course.exercise import Exercise, Misconception
from grading.course.sources import chain
from grading.judging.evidence import Evidence, Plain
from grading.judging.time_limit import TooLong, time_limit
from grading.judging.trial import Trial

SECONDS = 2.0  # of CPU for an answer with two mistakes


@dataclass(frozen=True)
class Diagnosis:
    """A misconception that the answer shows.

    names      of the misconception, or of two at once
    message    its sentence, link its label in the chapter
    before     what is said first
    inherited  the earlier function that it comes from, or is likely to; else None
    sure       whether it is known to come from there, so that this piece is right by itself
    """

    names: tuple[str, ...]
    message: str
    link: str
    before: str = ""
    inherited: str | None = None
    sure: bool = False

    @property
    def text(self) -> str:
        """All of it in words."""
        return self.before + self.message


def diagnose(at: Trial, got: Evidence, shown: Mapping[str, tuple[str, ...]]) -> Diagnosis | None:
    """What is known to be inherited, own, or likely inherited.

    `shown` says which misconceptions each earlier exercise of the learner shows; what was not
    checked yet is not in it.
    """
    earlier = [(e, m) for e in chain(at.exercise)[:-1] for m in e.misconceptions]
    for exercise, m in earlier:
        if m.name in shown.get(exercise.id, ()) and _inherits(at, got, exercise, m):
            before = f"This piece only inherits it from `{exercise.callable}`: "
            return Diagnosis((m.name,), m.message, m.link, before, exercise.callable, sure=True)
    for m in at.exercise.misconceptions:
        if at.behaves_like(got, m.name, lambda m=m: at.wrong(m)) or _chosen_too(at, got, m):
            return Diagnosis((m.name,), m.message, m.link)
    if not at.telling(got):  # errors alone are too little to blame anything further away
        return None
    return _guarded(at, got) or _made_again(at, got, earlier, shown)


def _chosen_too(at: Trial, got: Evidence, m: Misconception) -> bool:
    """Whether it is one of the further choices that show a misconception."""
    return any(
        at.behaves_like(got, f"{m.name} {n}", lambda choice=choice: lambda: choice)
        for n, choice in enumerate(at.also_wrong(m), 1)
    )


def _guarded(at: Trial, got: Evidence) -> Diagnosis | None:
    """A misconception of an answer that rightly refuses more than the known one does."""
    for m in at.exercise.misconceptions:
        if at.behaves_like(got, m.name, lambda m=m: at.wrong(m), guarded=True):
            return Diagnosis((m.name,), m.message, m.link)
    return None


def _made_again(at: Trial, got: Evidence, earlier, shown) -> Diagnosis | None:
    """A mistake of an earlier exercise: inside that function, or in the same step here."""
    for exercise, m in earlier:
        if m.name in shown.get(exercise.id, ()) or not _inherits(at, got, exercise, m):
            continue
        name = exercise.callable
        if exercise.id in shown:  # that function shows another mistake, or none
            before = f"In the step that `{name}` stands for: "
            return Diagnosis((m.name,), m.message, m.link, before)
        before = f"It goes wrong inside `{name}`, or in the same step here: "
        return Diagnosis((m.name,), m.message, m.link, before, inherited=name)
    return None


def _inherits(at: Trial, got: Evidence, exercise: Exercise, m: Misconception) -> bool:
    return at.behaves_like(got, f"{exercise.id} {m.name}", lambda: at.inheriting(exercise, m))


def two_at_once(at: Trial, got: Evidence) -> Diagnosis | None:
    """Two misconceptions of this exercise together."""
    if not at.telling(got) or _gives_nothing(at, got):
        return None
    for first, second in _pairs(at.exercise):
        name = f"{first.name} + {second.name}"
        answer = partial(at.wrong, first, second)
        if _fits(at, got, name, answer):
            message = f"{first.message} {second.message}"
            return Diagnosis((first.name, second.name), message, first.link, "Two things at once. ")
    return None


def _gives_nothing(at: Trial, got: Evidence) -> bool:
    """Whether no case gave a value, and one should: hundreds of pairs have nothing to say of it."""
    outputs = [case.output for case in got.cases if not case.error]
    nothing = bool(outputs) and all(output == Plain(None) for output in outputs)
    return nothing and not at.none_is_right


def _fits(at: Trial, got: Evidence, name: str, answer: Callable) -> bool:
    """Whether two mistakes in one answer behave like this; together they may never end."""
    try:
        with time_limit(SECONDS):
            return at.made(name, answer) is not None and at.behaves_like(got, name, answer)
    except TooLong:
        return False


def _pairs(exercise: Exercise) -> Iterator[tuple[Misconception, Misconception]]:
    yield from combinations(exercise.misconceptions, 2)
