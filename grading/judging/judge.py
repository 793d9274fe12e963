"""The judge: evidence in, verdict out.

It runs the reference and every misconception on the inputs the learner's code was given. It never
sees the learner's code or objects, only arrays and plain values (`judging.evidence`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from grading.course.exercise import Exercise, Property
from grading.course.sources import chain
from grading.course.unit import load_unit
from grading.judging.compare import FORGOTTEN, Difference, changed_in_place
from grading.judging.diagnose import Diagnosis, diagnose, two_at_once
from grading.judging.evidence import BadEvidence, Evidence, plain
from grading.judging.explain import (
    Explanation,
    changed_inputs,
    explain_or_warn,
    not_repeatable,
)
from grading.judging.trial import Trial, trial
from grading.judging.verdict import Verdict


@dataclass(frozen=True)
class Judged:
    """An answer and what was found of it: case by case what differs, and a broken property."""

    at: Trial
    evidence: Evidence
    differences: list[Difference | None]
    broken: Property | None

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        return self.broken is None and not any(self.differences)

    @property
    def first(self) -> int:
        """The first case that is wrong, 0 where only a property is."""
        return next((i for i, found in enumerate(self.differences) if found), 0)


def judge(
    exercise: Exercise,
    seed: int,
    evidence: Mapping[str, Any] | None,
    shown: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    carry: bool = True,
) -> Verdict:
    """The verdict on the evidence of one answer; `None` where there is no evidence.

    seed   of the inputs; a decision is drawn for its learner, by the learner's own seed
    shown  which misconceptions the same learner's earlier exercises show, by exercise id: an answer
           that calls one of them may only inherit it
    carry  whether an answer that is right by itself and only inherits a named mistake of an earlier
           exercise earns its points
    """
    if evidence is None:
        return verdict(exercise, 0, "missing", "No result reached the judge.")
    at = trial(exercise, seed)
    try:
        parsed = at.parse(evidence)
        judged = _look(at, parsed)
    except (BadEvidence, OverflowError, RecursionError):
        return verdict(exercise, 0, "refused", "What came back is not an answer to this exercise.")
    if _untouched(parsed):
        stub = parsed.cases[0].error.function
        return verdict(exercise, 0, "missing", _missing(exercise, stub))
    said = _verdict(judged, shown, carry)
    return _without(parsed.forbidden, said, exercise) if parsed.forbidden else said


def verdict(exercise: Exercise, score: float, status: str, message: str, **more: Any) -> Verdict:
    """A verdict on this exercise, with the link into the chapter unless `more` gives another."""
    anchor = more.pop("anchor", exercise.link)
    link = None if status == "pass" else f"{load_unit(exercise.unit).slug}.html#{anchor}"
    maximum = exercise.points
    return Verdict(exercise.id, exercise.title, score, maximum, status, message, link=link, **more)


def _look(at: Trial, evidence: Evidence) -> Judged:
    differences = at.differences(evidence)
    # Arrays of other forms would be spread against each other, which may fill the memory.
    alike = not any(found and found.of_form for found in differences)
    return Judged(at, evidence, differences, _broken_property(at, evidence) if alike else None)


def _untouched(evidence: Evidence) -> bool:
    """Whether a stub was all that ran, or nothing was there to run."""
    errors = [case.error for case in evidence.cases]
    # torch raises this type too, for dtypes it does not know, but never without a message
    return all(e and (e.type, e.message) == ("NotImplementedError", "") for e in errors)


def _missing(exercise: Exercise, stub: str | None) -> str:
    """What is not there yet: a function's own text, one that it calls, or what a cell makes."""
    if exercise.checks and stub is None:
        return (
            f"`{exercise.checks}` is not made yet. Write the code above, then run the cell that "
            "makes it. If you did, that cell says why it stopped; where it is silent, is a "
            "`return` missing?"
        )
    called = [e.callable for e in chain(exercise)[:-1] if e.callable == stub]
    waits = f"`{stub}`, which you call," if called else "This exercise"
    return f"{waits} still waits for your code."


def _broken_property(at: Trial, evidence: Evidence) -> Property | None:
    """The first property that the outputs break; asked only where all its cases have outputs."""
    pairs = zip(at.cases, evidence.cases, strict=True)
    outcomes = {case.name or case.says: got for case, got in pairs}
    for item in at.exercise.properties:
        asked = [outcomes[name] for name in item.cases]
        if all(got.output is not None for got in asked):
            if not item.holds(*(plain(got.output) for got in asked)):
                return item
    return None


def _verdict(judged: Judged, shown: Mapping[str, tuple[str, ...]], carry: bool) -> Verdict:
    exercise = judged.at.exercise
    if judged.right:
        return verdict(exercise, exercise.points, "pass", "Every case is right.")
    found = diagnose(judged.at, judged.evidence, shown)
    if found and found.inherited and found.sure and carry:
        message = (
            f"Right by itself. It inherits a mistake from `{found.inherited}`, which costs "
            f"nothing here: {found.message}"
        )
        more = {"misconceptions": found.names, "inherited": found.inherited}
        return verdict(exercise, exercise.points, "pass", message, cause="named", **more)
    return _not_right(judged, found)


def _not_right(judged: Judged, found: Diagnosis | None) -> Verdict:
    """Points for the parts that are right, and the best reason there is for the rest."""
    exercise, first = judged.at.exercise, judged.first
    earned, parts = _parts(judged)
    difference = _first_difference(judged)
    also = [*difference, *_changed_beside(judged), *parts]
    told = None if found else _explained(judged)
    if not found and not (told and told.strong):
        found = two_at_once(judged.at, judged.evidence)
    errors_only = all(case.error for case in judged.evidence.cases)
    status = "partial" if earned else "error" if errors_only and not found else "fail"
    if found:
        more = {"misconceptions": found.names, "anchor": found.link, "inherited": found.inherited}
        message, details, cause = found.text, also, "named"
    elif told and (told.strong or told.kind == "not repeatable"):
        message, details, cause, more = told.text, also, "explained", {}
    elif judged.broken and not (judged.differences[first] and judged.differences[first].is_error):
        more = {"anchor": judged.broken.link}
        message, details, cause = judged.broken.message, also, "property"
    elif told:
        message, details, cause, more = told.text, also, "explained", {}
    else:
        [message], details, more = difference or ["A property is broken."], parts, {}
        cause = "difference"
    return verdict(exercise, earned, status, message, details=tuple(details), cause=cause, **more)


def _explained(judged: Judged) -> Explanation | None:
    """What is proven of the answer; where nothing else differs, whether it repeats."""
    if any(judged.differences):
        return explain_or_warn(judged.at, judged.evidence, judged.differences)
    return not_repeatable(judged.at, judged.evidence)


def _parts(judged: Judged) -> tuple[float, list[str]]:
    """Points earned, and one sentence a part where there are several.

    A property that is broken spares no part: which of them it belongs to is not known.
    """
    earned, sentences = 0.0, []
    pairs = list(zip(judged.differences, judged.at.cases, strict=True))
    only_property = judged.broken is not None and not any(judged.differences)
    for part, worth in judged.at.exercise.parts.items():
        ok = not only_property and all(d is None for d, case in pairs if case.part == part)
        earned += worth if ok else 0
        sentences.append(f"{'Right' if ok else 'Not yet'}: {part} ({worth:g}).")
    return earned, sentences if len(judged.at.exercise.parts) > 1 else []


def _changed_beside(judged: Judged) -> list[str]:
    """An input changed in place is told beside whatever else is wrong."""
    names = changed_inputs(judged.evidence)
    if not names or any(d and d.kind == "mutated" for d in judged.differences):
        return []
    return [f"Apart from that, {changed_in_place(names)}: make a new value instead."]


def _first_difference(judged: Judged) -> list[str]:
    found = judged.differences[judged.first]
    if not found:
        return []
    text = found.text.removesuffix(FORGOTTEN) if judged.at.none_is_right else found.text
    return [f"On {judged.at.cases[judged.first].says}, {text}"]


def _without(names: list[str], said: Verdict, exercise: Exercise) -> Verdict:
    """No points for what was to be written out, and what it would have earned else."""
    words = " and ".join(f"`{name}`" for name in names)
    message = f"Write this one out yourself, without {words}: the exercise's text asks for that."
    if said.status == "pass":
        rest = "The values are right: written out, it earns all points."
    else:
        rest = f"Apart from that: {said.message}"
    return verdict(exercise, 0, "refused", message, details=(rest,))
