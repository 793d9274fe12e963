"""An exercise on the inputs of one seed: what is asked, what is right, what each bug gives.

Nothing wrong is run before an answer is not right, and no case of it that is not looked at.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from grading import kernel
from grading.course.examples import with_examples
from grading.course.exercise import Case, Decision, Exercise, Misconception, Question
from grading.course.sources import compile_answer, solution_of, wrong_answer, wrong_source
from grading.judging.compare import Difference, Tolerance, changed_in_place, same_words
from grading.judging.evidence import Evidence, Outcome, Plain, Raised, parse
from grading.judging.measures import Choice, Close, Measure

REQUEST_BYTES = 256 * 2**20
RAISES = re.compile(r"(?:^|[:;]\s*)raise\b")  # a line's first word, or `if x: raise ...`


@dataclass(frozen=True, eq=False)
class Trial:
    """An exercise, its cases for a seed, and the request that the learner's process gets."""

    exercise: Exercise
    seed: int
    cases: tuple[Case, ...]
    request: Mapping[str, Any]
    _known: dict[tuple[str, int], Outcome] = field(default_factory=dict)
    _last: list[tuple[Evidence, list[Difference | None]]] = field(default_factory=list)

    # --- running answers -------------------------------------------------------------------------

    def run(self, answer: Callable) -> dict[str, Any]:
        """The evidence, not parsed, that an answer gives on these inputs."""
        return kernel.run(self.request, self._prepared(answer))

    def parsed(self, answer: Callable) -> Evidence:
        """The evidence that an answer gives on these inputs."""
        return self.parse(self.run(answer))

    def parse(self, tree: Any) -> Evidence:
        """Evidence that came back; raises BadEvidence."""
        return parse(tree, self.exercise.id, len(self.cases))

    def _prepared(self, answer: Callable) -> Any:
        return self.exercise.prepare(answer) if self.exercise.prepare else answer

    def _outcome(self, answer: Callable, i: int) -> Outcome:
        request = {**self.request, "cases": [self.request["cases"][i]], "twice": False}
        [case] = parse(kernel.run(request, answer), self.exercise.id, 1).cases
        return case

    def known(self, name: str, answer: Callable[[], Any], i: int) -> Outcome:
        """What an answer that is known by a name gives on case i; run once, when it is asked."""
        if (name, i) not in self._known:
            self._known[name, i] = self._outcome(self.made(name, answer), i)
        return self._known[name, i]

    def made(self, name: str, answer: Callable[[], Any]) -> Any:
        """An answer that is known by a name, made once; None where there is none."""
        if name not in self._made:
            found = answer()
            self._made[name] = None if found is None else self._prepared(found)
        return self._made[name]

    @cached_property
    def _made(self) -> dict[str, Any]:
        return {}

    # --- right and wrong -------------------------------------------------------------------------

    def measure(self, i: int) -> Measure:
        """How case i is judged."""
        exercise = self.exercise
        kind = Choice if exercise.is_decision else Close
        return self.cases[i].compare or kind(Tolerance(exercise.rtol, exercise.atol))

    def expected(self, i: int) -> Outcome | None:
        """What is right on case i; None where no reference has to run to tell."""
        if not self.measure(i).needs_reference:
            return None
        return self.known("solution", self.solution, i)

    @property
    def none_is_right(self) -> bool:
        """Whether on some case None is what should come back."""
        outcomes = [self.expected(i) for i in range(len(self.cases))]
        return any(outcome and outcome.output == Plain(None) for outcome in outcomes)

    def solution(self) -> Callable:
        """The course's own answer."""
        if isinstance(self.exercise, Decision):
            return lambda: self.question.right
        return solution_of(self.exercise)

    def wrong(self, *misconceptions: Misconception) -> Callable | None:
        """The answer that shows these misconceptions; None where they exclude each other."""
        if isinstance(self.exercise, Decision):
            if len(misconceptions) > 1:
                return None
            return lambda: self.question.wrong[misconceptions[0].name]
        return wrong_answer(self.exercise, *misconceptions)

    def also_wrong(self, misconception: Misconception) -> tuple[Any, ...]:
        """Further choices in a decision that show a misconception."""
        if not isinstance(self.exercise, Decision):
            return ()
        return tuple(self.question.also.get(misconception.name, ()))

    @cached_property
    def question(self) -> Question:
        """What a decision is about, drawn once: that may take training runs."""
        return self.exercise.question(self.seed)

    def inheriting(self, earlier: Exercise, misconception: Misconception) -> Callable:
        """The right answer on top of an earlier one that shows a misconception."""
        return compile_answer(self.exercise, {earlier.id: wrong_source(earlier, misconception)})

    def differences(self, got: Evidence) -> list[Difference | None]:
        """What is wrong with each case; an input changed in place counts, too.

        Of the evidence that was asked of last it is kept: hundreds of known answers are held
        against it.
        """
        if not self._last or self._last[0][0] is not got:
            found = [self.difference(i, outcome) for i, outcome in enumerate(got.cases)]
            self._last[:] = [(got, found)]
        return list(self._last[0][1])

    def difference(self, i: int, got: Outcome) -> Difference | None:
        """What is wrong with the outcome of case i."""
        case = self.cases[i]
        found = self.measure(i).difference(case.inputs, self.expected(i), got, case.axes)
        if found is None and got.mutated:
            text = f"{changed_in_place(got.mutated)}: make a new value instead."
            return Difference("mutated", text)
        return found

    # --- answers that are known to be wrong ------------------------------------------------------

    def behaves_like(
        self, got: Evidence, name: str, answer: Callable[[], Any], guarded: bool = False
    ) -> bool:
        """Whether an answer gives this evidence; it runs no further than the first difference.

        Cases on which the evidence is wrong come first: they tell the candidates apart.

        guarded  leave out where the evidence rightly refuses: whether somebody guards against an
                 edge has nothing to do with a mistake that they make elsewhere
        """
        wrong = self.differences(got)
        if not any(wrong):
            return False
        telling = self.telling(got)
        for i in sorted(range(len(self.cases)), key=lambda i: wrong[i] is None):
            if guarded and not wrong[i] and got.cases[i].error:
                continue
            if not self._alike(i, got.cases[i], self.known(name, answer, i), telling):
                return False
        return True

    def telling(self, got: Evidence) -> bool:
        """Whether some case has a wrong value, which says more about a mistake than an error."""
        return any(d and not d.is_error for d in self.differences(got))

    def _alike(self, i: int, got: Outcome, other: Outcome, telling: bool) -> bool:
        """Whether two answers agree on case i.

        The same mistake written with einsum raises another error than with matmul: the wording
        counts only where errors are all there is to compare, and not where both raise themselves
        what the docstring promises: in which words is theirs to choose.
        """
        if bool(got.error) != bool(other.error) or got.mutated != other.mutated:
            return False
        if got.error and other.error:
            return (
                telling
                or self.promised(got.error, other.error)
                or same_words(got.error, other.error)
            )
        case = self.cases[i]
        return self.measure(i).alike(case.inputs, other, got, case.axes)

    def promised(self, *errors: Raised) -> bool:
        """Whether all are raised by the answer itself, with a type that is right on some case.

        A line that is not known is taken for such a one.
        """
        own = [RAISES.search(e.line or "raise") for e in errors]
        return all(own) and all(e.type in self._promises for e in errors)

    @cached_property
    def _promises(self) -> set[str]:
        wanted = [self.expected(i) for i in range(len(self.cases))]
        return {outcome.error.type for outcome in wanted if outcome and outcome.error}


@lru_cache(maxsize=512)
def trial(exercise: Exercise, seed: int) -> Trial:
    """The trial of an exercise and seed."""
    cases = tuple(with_examples(exercise, exercise.draw(seed)))
    return Trial(exercise, seed, cases, make_request(exercise, cases))


def make_request(exercise: Exercise, cases: tuple[Case, ...]) -> dict[str, Any]:
    """What the learner's process is told: inputs, how to call, what to watch; nothing expected."""
    budget = [REQUEST_BYTES]
    inputs = [{n: kernel.encode(v, budget) for n, v in case.inputs.items()} for case in cases]
    return {
        "exercise": exercise.id,
        "drive": exercise.drive_name,
        "arrays": exercise.arrays,
        "forbids": list(exercise.forbids),
        "twice": exercise.twice and exercise.checks is None,
        "cases": inputs,
    }
