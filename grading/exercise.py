"""What an exercise is: one object that holds everything the course knows about one task.

A unit is a package `grading/units/<name>/` whose `__init__` defines `UNIT`; its exercises lie in
files beside it, one a file. The text that learners read lies in `solutions/NN_<name>/`.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


class CourseError(Exception):
    """Something the person at the keyboard can mend: the message names the fix."""


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


@dataclass(frozen=True, eq=False)
class Unit:
    """One unit: its numbered slug ("05_attention") and its exercises in the notebook's order."""

    slug: str
    title: str
    exercises: tuple[Exercise, ...] = field(default=())

    @property
    def name(self) -> str:
        """The slug without its number."""
        return self.slug.split("_", 1)[1]

    @property
    def source(self) -> Path:
        """The hand-edited text source of the unit's notebook."""
        return ROOT / "solutions" / self.slug / f"{self.slug}.py"

    @property
    def release(self) -> Path:
        """The notebook that learners receive."""
        return ROOT / "exercises" / self.slug / f"{self.slug}.ipynb"

    @cached_property
    def by_id(self) -> dict[str, Exercise]:
        """Exercises by id."""
        return {exercise.id: exercise for exercise in self.exercises}


def unit_slugs() -> list[str]:
    """The slugs of all units that have a text source, in order."""
    return sorted(path.parent.name for path in ROOT.glob("solutions/[0-9]*/[0-9]*_*.py"))


def _import_unit(name: str) -> ModuleType:
    return importlib.import_module(f"grading.units.{name}")


def load_unit(slug: str) -> Unit:
    """The unit of a slug ("05_attention" or "attention"); an unknown one names those there are."""
    known = {s: s.split("_", 1)[1] for s in unit_slugs()}
    for full, name in known.items():
        if slug in (full, name):
            return _import_unit(name).UNIT
    raise CourseError(f"There is no unit {slug!r}. Units: {', '.join(known) or 'none'}.")


def load_exercise(exercise_id: str) -> Exercise:
    """The exercise of an id; an unknown one names the unit's exercises."""
    unit = load_unit(exercise_id.split("/")[0])
    if exercise_id not in unit.by_id:
        known = ", ".join(unit.by_id)
        raise CourseError(f"There is no exercise {exercise_id!r}. Exercises: {known}.")
    return unit.by_id[exercise_id]
