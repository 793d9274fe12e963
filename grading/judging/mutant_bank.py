"""How much the judge explains of wrong answers that nobody foresaw: changed solutions, judged."""

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from threading import current_thread, main_thread
from time import process_time
from typing import Any
from warnings import catch_warnings

from grading.course.exercise import Exercise
from grading.course.sources import compile_answer, solution_source
from grading.course.unit import load_unit
from grading.judging.bank import Outcome
from grading.judging.judge import judge
from grading.judging.mutants import LIMIT, Mutant, mutants
from grading.judging.trial import Trial, trial

CAUSES = ("named", "property", "explained")


def mutant_outcomes(exercise: Exercise, seed: int = 1) -> Iterator[Outcome]:
    """What the judge says of small changes of the solution.

    Fewer of them where the answer takes long; none of a decision, which has no source. One that
    takes much longer than the solution is left out: the time limit speaks to it, not the judge.
    """
    if exercise.is_decision:
        return
    at, path = trial(exercise, seed), load_unit(exercise.unit).source
    start = process_time()
    at.run(at.solution())
    took = process_time() - start
    accepted = set()
    for mutant in mutants(solution_source(path, exercise.callable), _number(took)):
        outcome = _of_mutant(at, mutant, limit=1 + 20 * took)
        if outcome is not None:
            accepted |= {mutant.text} if outcome.passed else set()
            yield outcome
    for text in exercise.equivalent.keys() - accepted:
        told = "It is listed as equivalent, and no mutant of this text is accepted."
        yield Outcome(exercise.id, "equivalent", text, seed, False, None, told)


def _number(seconds: float) -> int:
    """How many mutants: all that run in about 20 seconds."""
    return min(LIMIT, int(20 / max(seconds, 1e-3)))


def _of_mutant(at: Trial, mutant: Mutant, limit: float) -> Outcome | None:
    try:
        with cpu_seconds(limit), redirect_stdout(StringIO()), catch_warnings(action="ignore"):
            answer = compile_answer(at.exercise, {at.exercise.id: mutant.source})
            evidence = at.run(answer)
    except KeyboardInterrupt:
        return None
    except Exception:  # it cannot even be defined
        return None
    said = judge(at.exercise, at.seed, evidence)
    text = " ".join([said.message, *said.details])
    passed = said.status == "pass"
    name, named, cause = mutant.text, said.misconception, said.cause
    return Outcome(at.exercise.id, "mutant", name, at.seed, passed, named, text, (), cause)


@contextmanager
def cpu_seconds(limit: float) -> Iterator[None]:
    """KeyboardInterrupt after so many CPU seconds, where the system and the thread can do that."""
    if not hasattr(signal, "SIGVTALRM") or current_thread() is not main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@dataclass(frozen=True)
class Explained:
    """Of the mutants that are rejected, how many get a reason; and those that are accepted."""

    explained: int
    rejected: int
    accepted: tuple[str, ...]
    known: int

    @property
    def share(self) -> float:
        """Of the rejected ones."""
        return self.explained / max(self.rejected, 1)


def explained(exercise: Exercise, found: Iterable[Outcome]) -> Explained:
    """The fourth figure, of one exercise; what is accepted and not known as equivalent."""
    changed = [o for o in found if o.kind == "mutant" and o.exercise == exercise.id]
    wrong = [o for o in changed if not o.passed]
    accepted = [o.name for o in changed if o.passed]
    return Explained(
        explained=sum(o.cause in CAUSES for o in wrong),
        rejected=len(wrong),
        accepted=tuple(name for name in accepted if name not in exercise.equivalent),
        known=sum(name in exercise.equivalent for name in accepted),
    )
