"""One readable module from a learner's own answers, with the course's pieces in every gap.

It begins with the class at the end (`assembled_model.py`) and follows the names from there: to
parts, to what these call, to imports. Where a name is the answer to an exercise and the learner
has a right one, their text stands there, and what it calls is looked for in its own notebook.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from grading.course.errors import CourseError
from grading.course.exercise import Exercise
from grading.course.following import file_of, import_line, names_of, segment
from grading.course.free_names import bound_names, free_names, split_imports
from grading.course.sources import compile_answer, place_of
from grading.course.unit import load_unit, unit_slugs
from grading.learner import record
from grading.learner.parts import PARTS, Part, lacks

FRAME = Path(__file__).with_name("assembled_model.py")
MODEL, LOAD = "AssembledModel", "load"
CAPSTONE = "12_capstone"  # its exercises are the joints between the parts
OURS = ("reference_impl", "grading")
Place = tuple[Path, str]


@dataclass(frozen=True)
class Piece:
    """A definition in the module: its name, its text, whose it is ("yours", "the course's"), the
    exercise that it answers if it does, and why it is the course's."""

    name: str
    text: str
    own: bool
    exercise: Exercise | None = None
    why: str = ""


@dataclass
class Assembly:
    """A module in the making: imports by the name they bind, pieces in the order of their use.

    `taken` are names that others use: what each imports, "" where it is defined. A learner's helper
    of the same name stays inside a function.
    """

    own_text: Callable[[Exercise], tuple[str | None, str]]
    taken: dict[str, str] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    pieces: dict[str, Piece] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)

    def add(self, path: Path, name: str) -> None:
        """Add what a name of a file stands for, and before it all that it uses."""
        names = names_of(path)
        if path == FRAME and (exercise := _part_exercises().get(name)):
            self.add_exercise(exercise)
        elif name in names.given:
            self.add_place(place_of(names.given[name]))
        elif name in names.imported:
            self._add_import(name, *names.imported[name])
        elif name in names.defined:
            self.add_place((path, name))
        else:
            raise LookupError(name)

    def add_place(self, place: Place) -> None:
        """Add a definition of the course, or the learner's answer in its place."""
        if exercise := _exercises().get(place):
            self.add_exercise(exercise)
        elif place[0] != FRAME and place[1] in names_of(place[0]).imported:
            self.add(*place)
        else:
            self._add_course(place)

    def add_exercise(self, exercise: Exercise) -> None:
        """Add the answer to an exercise: the learner's, or the course's and why."""
        if exercise.callable in self.begun:
            return
        text, why = self.own_text(exercise)
        before = dict(self.imports), dict(self.pieces), set(self.begun)
        if text is not None:
            try:
                return self._add_own(exercise, text)
            except LookupError as missing:
                self.imports, self.pieces, self.begun = before
                why = f"yours uses `{missing.args[0]}`, which its cell does not define"
        self._add_course(place_of(exercise.id), exercise, why)

    def _add_own(self, exercise: Exercise, text: str) -> None:
        if name := lacks(exercise, text):
            raise LookupError(name)
        self.begun.add(exercise.callable)
        source, unit = load_unit(exercise.unit).source, load_unit(exercise.unit)
        answers = {e.callable: e for e in unit.exercises}
        imports, rest = split_imports(text)
        for name in free_names(text):
            if name in answers:
                self.add_exercise(answers[name])
            else:
                self.add(source, name)
        helpers = dict.fromkeys(sorted(bound_names(rest) - {exercise.callable}), "")
        own = {name: line for name, line in imports.items() if name != "annotations"} | helpers
        if any(n in self.taken and line != (self.taken[n] or None) for n, line in own.items()):
            rest = _alone(exercise.callable, text)
        else:
            self.imports |= {name: line for name, line in own.items() if line}
            self.taken |= own
        self.pieces[exercise.callable] = Piece(exercise.callable, rest, True, exercise)

    def _add_course(self, place: Place, exercise: Exercise | None = None, why: str = "") -> None:
        path, name = place
        if name in self.begun:
            return
        self.begun.add(name)
        text = segment(path, names_of(path).defined[name])
        for used in free_names(text):
            self.add(path, used)
        self.pieces[name] = Piece(name, text, False, exercise, why)

    def _add_import(self, name: str, module: str, original: str | None) -> None:
        if module.startswith(OURS):
            if original is None or original != name:
                raise CourseError(f"{module}: only `from ... import name` is followed")
            return self.add_place((file_of(module), original))
        self.imports.setdefault(name, import_line(name, module, original))
        return None


def _alone(name: str, text: str) -> str:
    """A text whose helpers have names that others use as well: they stay inside."""
    inside = "\n".join(f"    {line}" if line else "" for line in text.splitlines())
    return f"def _make_{name}():\n{inside}\n    return {name}\n\n\n{name} = _make_{name}()"


# --- whose text stands where ----------------------------------------------------------------------


def exercise_of(part: Part) -> Exercise | None:
    """The exercise in which a part is written; None where its unit is not here yet."""
    if part.unit not in unit_slugs():
        return None
    exercises = load_unit(part.unit).exercises
    return next((e for e in exercises if e.callable in part.names), None)


@lru_cache
def _part_exercises() -> dict[str, Exercise]:
    found = (exercise_of(part) for part in PARTS)
    return {exercise.callable: exercise for exercise in found if exercise}


@lru_cache
def _exercises() -> dict[Place, Exercise]:
    """The exercises of the units that an assembled model may use, by where their answers stand."""
    used = {part.unit for part in PARTS} | {CAPSTONE}
    units = [load_unit(slug) for slug in unit_slugs() if slug in used]
    exercises = [e for unit in units for e in unit.exercises if not e.is_decision]
    return {place_of(e.id): e for e in exercises if not e.checks}


def nothing_own(exercise: Exercise) -> tuple[None, str]:
    """The course's text for every part."""
    return None, ""


def own_answers(cwd: Path) -> Callable[[Exercise], tuple[str | None, str]]:
    """The learner's right answers by what is noted in their folder, each tried by itself first."""

    def own_text(exercise: Exercise) -> tuple[str | None, str]:
        noted = record.entry(exercise.id, cwd)
        if noted is None or not noted.checks:
            return None, "yours is not written yet"
        if not (noted.right and noted.source):
            return None, "yours is not right yet"
        try:
            made = compile_answer(exercise, {exercise.id: noted.source})
        except Exception as error:  # it needs something of its notebook that was not in its cell
            return None, f"yours does not run outside its notebook ({_short(error)})"
        if not callable(made):
            return None, "yours is not right yet"
        return noted.source, ""

    return own_text


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:100]


def assemble(own_text: Callable[[Exercise], tuple[str | None, str]] = nothing_own) -> Assembly:
    """The whole module, with the learner's text wherever `own_text` has one."""
    taken: dict[str, str] = {}
    if own_text is not nothing_own:
        plain = assemble()
        taken = dict.fromkeys(plain.pieces, "") | plain.imports
    made = Assembly(own_text, taken)
    made.add_place((FRAME, LOAD))
    for part in PARTS:  # also what a right answer of theirs does without
        if (exercise := exercise_of(part)) is not None:
            made.add_exercise(exercise)
    for name in (MODEL, LOAD):
        made.pieces[name] = made.pieces.pop(name)
    return made


def parts_of(made: Assembly) -> dict[str, Piece]:
    """The piece of each part, by the part's title."""
    by_name: Mapping[str, Piece] = made.pieces
    return {part.title: by_name[name] for part in PARTS for name in part.names if name in by_name}
