"""What an exercise is: one object that holds everything the course knows about one task.

A unit is a package `grading/units/<name>/` whose `__init__` defines `UNIT`; its exercises lie in
files beside it, one a file. The text that learners read lies in `solutions/NN_<name>/`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One call of the learner's code.

    `inputs` are passed to the drive in this order: numpy arrays arrive as torch tensors of the same
    dtype, everything else (numbers, strings, lists, None) must be expressible in JSON.
    `part` names the part of the exercise that this case proves. `says` completes the sentence
    "On <says>, ..." in messages to the learner.
    """

    says: str
    inputs: Mapping[str, Any]
    part: str = "all"
    axes: str = ""  # axis words of the expected output, "batch heads q_seq head_dim"


@dataclass(frozen=True)
class Misconception:
    """A wrong implementation, with its name and one kind sentence to the learner.

    Written as `edits`, pairs (find, replace) on the solution's source, each of which must apply
    exactly once; or, where an edit cannot say it, as a whole function `answer`.
    `link` is a label in the unit's chapter (`attention-scale`).
    """

    name: str
    message: str
    link: str
    edits: tuple[tuple[str, str], ...] = ()
    answer: Callable | None = None


@dataclass(frozen=True)
class Property:
    """A relation between the outputs of several cases that every right answer keeps.

    `holds(outputs)` receives the learner's outputs, one entry a case (None where it raised), and
    says whether the relation holds; `message` is told to the learner where it does not.
    """

    name: str
    message: str
    link: str
    holds: Callable[[Sequence[Any]], bool]


@dataclass(frozen=True, eq=False)  # one object each: compared and hashed by identity
class Exercise:
    """One graded task; the exercise is released only if `course bank` proves it.

    id            "attention/causal_mask": the unit's name and the topic
    callable      the name the learner defines, also the name in the solution file
    parts         points by part name; a part is earned when all its cases are right
    cases         draws fresh inputs from a numpy Generator; every axis has a size of its own
    drive         how the answer is called: "call" (all inputs, in order) or the name of a function
                  in the unit's `drive.py`, which runs in the learner's process and imports nothing
                  of grading
    rtol, atol    a float output is right if |yours - expected| <= atol + rtol * |expected|
    forbids       dotted names that the answer must not call ("torch.nn.functional.softmax")
    depends       ids of exercises whose answers this one calls
    alternatives  other right implementations, by name, which the judge must accept
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
    alternatives: Mapping[str, Callable]
    drive: str = "call"
    rtol: float = 1e-4
    atol: float = 1e-5
    forbids: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()
    properties: tuple[Property, ...] = ()
    seconds: float = 20.0

    @property
    def unit(self) -> str:
        """The unit's name without its number: "attention"."""
        return self.id.split("/")[0]

    @property
    def grade_id(self) -> str:
        """The id of the check cell: nbgrader allows letters, digits, - and _ alone."""
        from grading.kernel import stem  # PyTorch comes with it, and `course --help` needs neither

        return stem(self.id)

    @property
    def answer_id(self) -> str:
        """The id of the cell that the learner fills."""
        return f"{self.grade_id}__answer"

    @property
    def points(self) -> float:
        """Points of all parts together."""
        return sum(self.parts.values())

    def draw(self, seed: int) -> list[Case]:
        """The cases for a seed; the same seed and exercise give the same inputs everywhere."""
        entropy = [seed, *self.id.encode()]
        return self.cases(np.random.default_rng(entropy))
