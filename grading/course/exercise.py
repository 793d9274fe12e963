"""What an exercise is: one object that holds everything the course knows about one task.

A unit is a folder `grading/units/<name>/` with a file for each exercise, which defines `EXERCISE`.
The text that learners read, and the order, are in `solutions/NN_<name>/NN_<name>.py`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from grading.course.errors import CourseError

STEM = "__"  # between a unit's name and the topic where "/" is not allowed
DIFFICULTIES = ("easy", "medium", "hard")


@dataclass(frozen=True)
class Case:
    """One call of the learner's code.

    says     completes the sentence "On <says>, ..." in messages to the learner
    inputs   passed to the drive by name: NumPy arrays (they arrive as the exercise says), numbers,
             text, bytes, None, `kernel.RandomState`, and lists, tuples, sets and dicts of these
    part     the part of the exercise that this case proves
    axes     axis words of the expected output, "batch heads q_seq head_dim"
    name     what properties know it by; `says` where it has none
    compare  how the output is judged (`judging.measures`), closeness by default
    """

    says: str
    inputs: Mapping[str, Any]
    part: str = "all"
    axes: str = ""
    name: str = ""
    compare: Any = None


@dataclass(frozen=True)
class Misconception:
    """A wrong implementation, with its name and one kind sentence to the learner.

    Written as `edits` of the solution's source, find to replace, each of which must apply exactly
    once; or, where an edit cannot say it, as a whole function `answer`.
    `link` is a label in the unit's chapter (`attention-scale`).
    """

    name: str
    message: str
    link: str
    edits: Mapping[str, str] = field(default_factory=dict)
    answer: Callable | None = None


@dataclass(frozen=True)
class Property:
    """A relation between the outputs of some cases that every right answer keeps.

    `holds` receives the learner's outputs on the named `cases`, as NumPy arrays and Python values,
    where each has the expected form, and says whether the relation holds; `message` is told where
    it does not, and claims no more than that.
    """

    name: str
    message: str
    link: str
    cases: tuple[str, ...]
    holds: Callable[..., bool]


@dataclass(frozen=True, eq=False)  # one object each: compared and hashed by identity
class Exercise:
    """One graded task; the exercise is released only if `course bank` proves it.

    id            "attention/causal_mask": the unit's name and the topic
    callable      the name the learner defines, also the name in the solution file
    parts         points by part name; a part is earned when all its cases are right
    minutes       a learner is likely to need
    cases         draws fresh inputs from a numpy Generator; every axis has a size of its own
    alternatives  other right implementations, which the judge must accept
    drive         how the answer is called: a function of `kernel.drives` or of the unit's own
                  `drive.py`, which runs in the learner's process; all inputs in order by default
    arrays        how arrays arrive, "torch" or "numpy"
    rtol, atol    a float output is right if |yours - expected| <= atol + rtol * |expected|
    forbids       dotted names that the answer must not call ("torch.nn.functional.softmax")
    depends       ids of exercises of this unit whose answers this one calls
    seconds       of CPU that the answer and its check may take
    checks        what `check` receives where that is not the callable: a name that a run cell of
                  the notebook makes ("model"); `prepare` makes the same from a known answer
    twice         whether the same inputs must give the same result again
    equivalent    small changes of the solution that change no result (`course bank` prints those it
                  finds accepted), and for each the reason
    """

    id: str
    callable: str
    title: str
    parts: Mapping[str, float]
    minutes: int
    difficulty: str
    link: str
    cases: Callable[[np.random.Generator], list[Case]]
    misconceptions: tuple[Misconception, ...]
    alternatives: tuple[Callable, ...]
    drive: Callable | None = None
    arrays: str = "torch"
    rtol: float = 1e-4
    atol: float = 1e-5
    forbids: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()
    properties: tuple[Property, ...] = ()
    seconds: float = 20.0
    checks: str | None = None
    prepare: Callable | None = None
    twice: bool = True
    equivalent: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _validate(self)

    @property
    def unit(self) -> str:
        """The unit's name without its number: "attention"."""
        return self.id.split("/")[0]

    @property
    def grade_id(self) -> str:
        """The id of the check cell: nbgrader allows letters, digits, - and _ alone."""
        return self.id.replace("/", STEM)

    @property
    def answer_id(self) -> str:
        """The id of the cell that the learner fills."""
        return f"{self.grade_id}__answer"

    @property
    def points(self) -> float:
        """Points of all parts together."""
        return sum(self.parts.values())

    @property
    def drive_name(self) -> str:
        """The name of the drive as a request gives it: "module:function"."""
        if self.drive is None:
            return "grading.kernel.drives:call"
        return f"{self.drive.__module__}:{self.drive.__qualname__}"

    @property
    def is_decision(self) -> bool:
        """Whether the answer is a choice or number about something drawn for each learner."""
        return False

    def draw(self, seed: int) -> list[Case]:
        """The cases for a seed; the same seed and exercise give the same inputs everywhere.

        Raises CourseError for a part without a case: it would give its points to everybody.
        """
        cases = self.cases(np.random.default_rng([seed, *self.id.encode()]))
        drawn, known = {case.part for case in cases}, set(self.parts)
        if drawn != known:
            raise CourseError(
                f"{self.id}: parts {sorted(known)}, but its cases are of {sorted(drawn)}. "
                f"Each part needs a case, and each case a part."
            )
        return cases


@dataclass(frozen=True)
class Question:
    """What a decision is about.

    shown  what the learner gets to see, by name: arrays, text, numbers. Nothing that gives it away.
    right  the right choice or number
    wrong  what each misconception of the decision would choose, by its name
    also   further choices that show a misconception, by its name
    """

    shown: Mapping[str, Any]
    right: Any
    wrong: Mapping[str, Any]
    also: Mapping[str, Sequence[Any]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Decision(Exercise):
    """A choice or a number about something that is drawn for each learner, so that it cannot be
    passed on. The learner's function takes no input and returns the choice.

    draw_question  draws from a numpy Generator: what is shown, what is right, what is wrong
    compare        how the answer is judged (`judging.measures`), equality by default

    `decision(...)` makes one.
    """

    draw_question: Callable[[np.random.Generator], Question] | None = None
    compare: Any = None

    @property
    def is_decision(self) -> bool:
        return True

    def question(self, seed: int) -> Question:
        """The question of a learner's seed."""
        question = self.draw_question(np.random.default_rng([seed, *self.id.encode()]))
        names = {misconception.name for misconception in self.misconceptions}
        if set(question.wrong) != names or not set(question.also) <= names:
            raise CourseError(
                f"{self.id}: wrong answers {sorted({*question.wrong, *question.also})}, "
                f"misconceptions {sorted(names)}."
            )
        return question


def decision(
    *,
    draw: Callable[[np.random.Generator], Question],
    misconceptions: Sequence[Misconception],
    compare: Any = None,
    **fields: Any,
) -> Decision:
    """A decision; its one case has no inputs, so that nothing gives the answer away."""
    [part] = fields["parts"]
    says = "the question that was drawn for you"
    return Decision(
        cases=lambda rng: [Case(says, {}, part, name="choice", compare=compare)],
        misconceptions=tuple(misconceptions),
        alternatives=(),
        draw_question=draw,
        compare=compare,
        **fields,
    )


def _validate(exercise: Exercise) -> None:
    """Faults of an author that would be judged wrongly, found at import."""
    faults = []
    if not re.fullmatch(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*", exercise.id):
        faults.append("the id is `unit/topic` in small letters, digits and _")
    if not exercise.parts or any(points <= 0 for points in exercise.parts.values()):
        faults.append("`parts` gives points, more than 0, to at least one part")
    if exercise.difficulty not in DIFFICULTIES:
        faults.append(f"difficulty is one of {', '.join(DIFFICULTIES)}")
    if exercise.arrays not in ("torch", "numpy"):
        faults.append('arrays is "torch" or "numpy"')
    if (exercise.checks is None) != (exercise.prepare is None):
        faults.append("`checks` and `prepare` come together")
    names = [m.name for m in exercise.misconceptions] + [p.name for p in exercise.properties]
    if len(set(names)) != len(names):
        faults.append("two misconceptions or properties share a name")
    if any(not isinstance(m.edits, Mapping) for m in exercise.misconceptions):
        faults.append("`edits` maps what is found to what replaces it")
    if exercise.drive is not None and "<" in exercise.drive_name:
        faults.append("the drive is a function of a module, not a lambda")
    if faults:
        raise CourseError(f"{exercise.id}: {'; '.join(faults)}.")
