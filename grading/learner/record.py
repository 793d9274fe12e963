"""What this learner has done: points, misconceptions met and overcome, the text of right answers.

It lies in the folder `.course` of the learner's own folder, one file an exercise. Several notebooks
may note something at once, and a process may end at any moment.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from grading.course.unit import load_exercise, load_unit, unit_slugs
from grading.judging.verdict import Verdict
from grading.learner.files import Unwritten, alone, write_new, write_whole
from grading.learner.parts import PARTS, Part, lacks

HERE = ".course"
ABOUT = "learner.json"


@dataclass(frozen=True)
class Entry:
    """What is known of one exercise.

    `points` are the most that an answer earned, `source` the text of the last answer that was
    right, `shown` when the worked solution was shown, `right` when an answer was first right.
    `misconceptions` tells of each that an answer showed whether a later one was right.
    """

    exercise: str
    callable: str
    points: float = 0.0
    max_points: float = 0.0
    checks: int = 0
    status: str = "missing"
    misconceptions: dict[str, bool] = field(default_factory=dict)
    source: str | None = None
    right: str | None = None
    shown: str | None = None

    def after(self, verdict: Verdict, source: str | None) -> "Entry":
        """The entry once this verdict is noted."""
        met = self.misconceptions | dict.fromkeys(verdict.misconceptions, False)
        passed = verdict.status == "pass"
        return replace(
            self,
            points=max(self.points, float(verdict.score)),
            max_points=float(verdict.max_score),
            checks=self.checks + (verdict.status != "missing"),
            status=verdict.status,
            misconceptions=dict.fromkeys(met, True) if passed else met,
            source=source if passed and source else self.source,
            right=(self.right or _now()) if passed else self.right,
        )


# --- the folder ----------------------------------------------------------------------------------


def folder(cwd: Path | None = None) -> Path | None:
    """The learner's folder: the nearest of `cwd` and its parents that is one, or None."""
    try:
        here = Path(cwd or Path.cwd()).resolve()
    except OSError:  # the current folder is gone
        return None
    return next((place for place in (here, *here.parents) if _is_learners(place)), None)


def _is_learners(place: Path) -> bool:
    try:
        return (place / HERE / ABOUT).is_file()
    except OSError:  # a folder that we may not look into
        return False


def about(cwd: Path | None = None) -> dict:
    """What `course start` noted of this learner; nothing outside of a learner's folder."""
    place = folder(cwd)
    try:
        noted = json.loads((place / HERE / ABOUT).read_bytes()) if place else {}
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def seed(cwd: Path | None = None) -> int:
    """This learner's own seed, for questions that are drawn for each learner; 0 for nobody."""
    found = about(cwd).get("seed")
    return found if isinstance(found, int) else 0


# --- noting --------------------------------------------------------------------------------------


def keep(exercise_id: str, verdict: Verdict, source: str | None, cwd: Path | None = None) -> None:
    """Note a verdict, and the text of an answer that is right; outside of the folder do nothing.

    A disk that is full or closed to us is said in one line: the verdict counts all the same.
    """
    _change(exercise_id, lambda entry: entry.after(verdict, source), cwd)


def note_shown(exercise_id: str, cwd: Path | None = None) -> None:
    """Note that the worked solution of an exercise was shown."""
    _change(exercise_id, lambda entry: replace(entry, shown=entry.shown or _now()), cwd)


def _change(exercise_id: str, change, cwd: Path | None) -> None:
    place = folder(cwd)
    if place is None:
        return
    path = _path(place, exercise_id)
    try:
        with suppress(OSError):  # what stands in the way, the lock says
            path.parent.mkdir(exist_ok=True)
        with alone(path.parent):
            entry = _read(path) or Entry(exercise_id, load_exercise(exercise_id).callable)
            _put_aside_if_unreadable(path)
            write_whole(path, _bytes(change(entry)))
    except Unwritten as error:
        print(f"Your progress was not noted: {error}")


def _path(place: Path, exercise_id: str) -> Path:
    return place / HERE / "record" / f"{exercise_id.replace('/', '__')}.json"


def _bytes(entry: Entry) -> bytes:
    return (json.dumps(asdict(entry), indent=1, ensure_ascii=False) + "\n").encode(
        errors="replace"  # half a character in an answer's text
    )


def _read(path: Path) -> Entry | None:
    try:
        fields = json.loads(path.read_bytes())
        known = {name: fields[name] for name in Entry.__dataclass_fields__ if name in fields}
        return Entry(**known)
    except (OSError, ValueError, TypeError):
        return None


def _put_aside_if_unreadable(path: Path) -> None:
    """Somebody may have edited it by hand: what they wrote stays, under another name."""
    if path.exists() and _read(path) is None:
        with suppress(OSError):  # the write that follows says why
            os.replace(path, path.with_name(f"{path.name}.{datetime.now(UTC):%Y%m%d%H%M%S%f}"))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


# --- reading -------------------------------------------------------------------------------------


def entry(exercise_id: str, cwd: Path | None = None) -> Entry | None:
    """What is noted of an exercise, if anything."""
    place = folder(cwd)
    return _read(_path(place, exercise_id)) if place else None


def entries(cwd: Path | None = None) -> Iterator[Entry]:
    """All that is noted."""
    if place := folder(cwd):
        for path in sorted((place / HERE / "record").glob("*.json")):
            if noted := _read(path):
                yield noted


def piece(exercise_id: str, cwd: Path | None = None) -> str | None:
    """The text of the learner's own right answer, or None where there is none."""
    noted = entry(exercise_id, cwd)
    return noted.source if noted and noted.right else None


@dataclass(frozen=True)
class ExerciseSummary:
    """How far an exercise of a unit is; `noted` is None where it was never checked."""

    id: str
    title: str
    max_points: float
    noted: Entry | None

    @property
    def points(self) -> float:
        """The most that an answer earned."""
        return min(self.noted.points, self.max_points) if self.noted else 0.0

    @property
    def done(self) -> bool:
        """Whether nothing is left to earn."""
        return self.points >= self.max_points


@dataclass(frozen=True)
class UnitSummary:
    """How far a unit is."""

    slug: str
    title: str
    exercises: tuple[ExerciseSummary, ...]

    @property
    def points(self) -> float:
        """Points so far."""
        return sum(e.points for e in self.exercises)

    @property
    def max_points(self) -> float:
        """Points that the unit has."""
        return sum(e.max_points for e in self.exercises)

    @property
    def next(self) -> ExerciseSummary | None:
        """The first exercise that has points left."""
        return next((e for e in self.exercises if not e.done), None)


@dataclass(frozen=True)
class Summary:
    """How far the whole course is: its units, and the parts of the model with whether they are
    the learner's own."""

    units: tuple[UnitSummary, ...]
    parts: tuple[tuple[Part, bool], ...]

    @property
    def own_parts(self) -> int:
        """How many parts are the learner's own."""
        return sum(own for _, own in self.parts)


def summary(slugs: list[str] | None = None, cwd: Path | None = None) -> Summary:
    """How far this learner is in these units (all by default), and in the whole model."""
    noted = {e.exercise: e for e in entries(cwd)}
    units = []
    for unit in map(load_unit, unit_slugs() if slugs is None else slugs):
        rows = [ExerciseSummary(e.id, e.title, e.points, noted.get(e.id)) for e in unit.exercises]
        units.append(UnitSummary(unit.slug, unit.title, tuple(rows)))
    return Summary(tuple(units), tuple((part, _is_own(part, noted)) for part in PARTS))


def _is_own(part: Part, noted: dict[str, Entry]) -> bool:
    name = part.unit.split("_", 1)[1]
    return any(
        e.right
        and e.source
        and e.callable in part.names
        and e.exercise.startswith(f"{name}/")
        and not lacks(load_exercise(e.exercise), e.source)
        for e in noted.values()
    )


def make(place: Path, seed: int, **more) -> bool:
    """Make a folder a learner's; False where it is one already."""
    (place / HERE / "record").mkdir(parents=True, exist_ok=True)
    text = json.dumps({"seed": seed, **more}, indent=1) + "\n"
    return write_new(place / HERE / ABOUT, text.encode())
