"""The judge: evidence in, verdict out.

It runs the reference and every misconception on the inputs the learner's code was given. It never
sees the learner's code or objects, only arrays and JSON values (`kernel.encode`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from types import MappingProxyType
from typing import Any

from grading import kernel
from grading.course.exercise import Case, Exercise, Misconception
from grading.course.sources import compile_answer, solution_of, wrong_answer, wrong_source
from grading.course.unit import load_unit
from grading.judging.compare import Tolerance, differ, same_error
from grading.judging.verdict import Verdict

MAX_NAMES = 200  # names that evidence gives, and characters of each
OTHER_FORM = ("the shape", "the dtype", "it returned")  # how a difference in form is told


@dataclass(frozen=True)
class Trial:
    """An exercise on the inputs of one seed: what is asked, what is right, what each bug gives."""

    exercise: Exercise
    cases: tuple[Case, ...]
    request: Mapping[str, Any]
    expected: Mapping[str, Any]
    wrong: Mapping[str, Mapping[str, Any]]

    def run(self, answer: Callable) -> dict[str, Any]:
        """The evidence that `answer` gives on these inputs."""
        return kernel.run(self.request, answer)

    def difference(
        self, i: int, got: Mapping[str, Any], expected: Mapping | None = None
    ) -> str | None:
        """What differs first on case i between two pieces of evidence; None if nothing does."""
        want, have = (expected or self.expected)["cases"][i], got["cases"][i]
        if want["error"] and have["error"]:
            return None if same_error(want["error"], have["error"]) else _raised(have["error"])
        if have["error"]:
            return _raised(have["error"])
        if want["error"]:
            return "it returned a value where an error is expected."
        tolerance = Tolerance(self.exercise.rtol, self.exercise.atol)
        return differ(want["output"], have["output"], tolerance, self.cases[i].axes)

    def right(self, got: Mapping[str, Any]) -> list[bool]:
        """Case by case: is the value right and the input left as it was?"""
        cases = enumerate(got["cases"])
        return [self.difference(i, got) is None and not case["mutated"] for i, case in cases]

    def shows(self, got: Mapping[str, Any], wrong: Mapping[str, Any]) -> bool:
        """Whether the evidence is that of a wrong answer, on every case."""
        indices = range(len(self.cases))
        telling = self.telling(got)
        if any(self._parted(i, got, wrong, telling) for i in indices):
            return False
        if any(self.difference(i, wrong) for i in indices):
            return True
        pairs = zip(got["cases"], wrong["cases"], strict=True)  # only an input changed in place
        return all(bool(a["mutated"]) == bool(b["mutated"]) for a, b in pairs)

    def behaves_like(self, got: Mapping[str, Any], answer: Callable) -> bool:
        """Whether `answer` gives this evidence; runs no further than the first case that differs.

        Cases on which the evidence is wrong come first: they tell the candidates apart.
        """
        indices = range(len(self.cases))
        telling = self.telling(got)
        for i in sorted(indices, key=lambda i: self.difference(i, got) is None):
            request = {**self.request, "cases": [self.request["cases"][i]]}
            [case] = kernel.run(request, answer)["cases"]
            if self._parted(i, got, {"cases": {i: case}}, telling):
                return False
        return any(self.difference(i, got) for i in indices)

    def telling(self, got: Mapping[str, Any]) -> bool:
        """Whether some case has a wrong value, which says more about a mistake than an error."""
        cases = enumerate(got["cases"])
        return any(not case["error"] and self.difference(i, got) for i, case in cases)

    def _parted(self, i: int, got: Mapping, wrong: Mapping, telling: bool) -> bool:
        """Whether two answers differ on case i.

        The same mistake written with einsum raises another error than with matmul: the wording
        counts only where errors are all there is to compare.
        """
        if telling and got["cases"][i]["error"] and wrong["cases"][i]["error"]:
            return False
        return self.difference(i, got, wrong) is not None


def _raised(error: Mapping[str, Any]) -> str:
    at = f" at `{error['line'].strip()}`" if error.get("line") else ""
    return f"it raised {error['type']}: {error['message']}{at}"


@lru_cache(maxsize=64)
def trial(exercise: Exercise, seed: int) -> Trial:
    """The trial of an exercise and seed, with reference and misconceptions already run."""
    cases = tuple(exercise.draw(seed))
    request = make_request(exercise, cases)
    expected = kernel.run(request, solution_of(exercise))
    wrong = {
        m.name: kernel.run(request, wrong_answer(exercise, m)) for m in exercise.misconceptions
    }
    return Trial(exercise, cases, request, expected, wrong)


def make_request(exercise: Exercise, cases: tuple[Case, ...]) -> dict[str, Any]:
    """What the learner's process is told: inputs, how to call, what to watch; nothing expected."""
    drive = exercise.drive
    if drive != "call":
        drive = f"grading.units.{exercise.unit}.drive:{drive}"
    inputs = [dict(case.inputs) for case in cases]
    return {
        "exercise": exercise.id,
        "drive": drive,
        "forbids": list(exercise.forbids),
        "cases": inputs,
    }


# --- from evidence to verdict --------------------------------------------------------------------


def judge(
    exercise: Exercise,
    seed: int,
    evidence: Mapping[str, Any] | None,
    shown: Mapping[str, str | None] = MappingProxyType({}),
) -> Verdict:
    """The verdict on the evidence of one answer; `None` where there is no evidence.

    `shown` tells which misconception the same learner's earlier exercises show, by exercise id: an
    answer that calls one of them may only inherit it.
    """
    if evidence is None:
        return verdict(exercise, 0, "missing", "No result reached the judge.")
    at = trial(exercise, seed)
    if not _well_formed(at, evidence):
        return verdict(exercise, 0, "refused", "What came back is not an answer to this exercise.")
    if forbidden := sorted({name for case in evidence["cases"] for name in case["forbidden"]}):
        names = " and ".join(f"`{name}`" for name in forbidden)
        return verdict(exercise, 0, "refused", f"Write this one out yourself, without {names}.")
    if stub := _untouched(evidence):
        called = [e.callable for e in _earlier(exercise) if e.callable == stub]
        waits = f"`{stub}`, which you call," if called else "This exercise"
        return verdict(exercise, 0, "missing", f"{waits} still waits for your code.")
    right = at.right(evidence)
    # Arrays of other shapes would be spread against each other, which may fill the memory.
    alike = not any(_starts_with(at, i, evidence, *OTHER_FORM) for i in range(len(right)))
    broken = _broken_property(exercise, evidence) if alike else None
    if all(right) and broken is None:
        return verdict(exercise, exercise.points, "pass", "Every case is right.")
    return _not_right(at, evidence, right, broken, shown)


def verdict(exercise: Exercise, score: float, status: str, message: str, **more: Any) -> Verdict:
    """A verdict on this exercise, with the link into the chapter unless `more` gives another."""
    anchor = more.pop("anchor", exercise.link)
    link = None if status == "pass" else f"{load_unit(exercise.unit).slug}.html#{anchor}"
    maximum = exercise.points
    return Verdict(exercise.id, exercise.title, score, maximum, status, message, link=link, **more)


def _well_formed(at: Trial, evidence: Mapping[str, Any]) -> bool:
    """Evidence comes from a process that the learner controls: take nothing for granted."""
    try:
        if evidence["exercise"] != at.exercise.id or len(evidence["cases"]) != len(at.cases):
            return False
        for i, case in enumerate(evidence["cases"]):
            if not (_are_names(case["mutated"]) and _are_names(case["forbidden"])):
                return False
            at.difference(i, evidence)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError):
        return False
    return True


def _are_names(value: Any) -> bool:
    """Whether this is a short list of short texts."""
    return (
        isinstance(value, list)
        and len(value) <= MAX_NAMES
        and all(isinstance(name, str) and len(name) <= MAX_NAMES for name in value)
    )


def _untouched(evidence: Mapping[str, Any]) -> str | None:
    """The function whose stub was all that ran, if so."""
    errors = [case["error"] for case in evidence["cases"]]
    # torch raises this type too, for dtypes it does not know, but never without a message
    stub = ("NotImplementedError", "")
    if all(e is not None and (e["type"], e["message"]) == stub for e in errors):
        return str(errors[0].get("function"))
    return None


def _broken_property(exercise: Exercise, evidence: Mapping[str, Any]):
    outputs = [None if case["error"] else _plain(case["output"]) for case in evidence["cases"]]
    for item in exercise.properties:
        try:
            if not item.holds(outputs):
                return item
        except (TypeError, ValueError, IndexError, KeyError, AttributeError):
            continue  # another type or shape than expected: the comparison says so better
    return None


def _plain(tree: Mapping[str, Any]) -> Any:
    match tree["kind"]:
        case "list":
            return [_plain(item) for item in tree["items"]]
        case "dict":
            return {name: _plain(item) for name, item in tree["items"].items()}
    return tree.get("value")


def _not_right(at: Trial, evidence, right: list[bool], broken, shown) -> Verdict:
    exercise = at.exercise
    earned, details = _parts(at, right)
    errors = [case["error"] for case in evidence["cases"]]
    first = right.index(False) if False in right else 0
    status = "partial" if earned else "error" if all(errors) else "fail"
    found = _diagnose(at, evidence, shown)
    if found:
        status = "partial" if earned else "fail"
        name, message, anchor = found
        more = {"misconception": name, "anchor": anchor}
        details = [*_first_difference(at, evidence, right), *details]
    elif broken is not None and not _starts_with(at, first, evidence, "it raised"):
        message, more = broken.message, {"anchor": broken.link}
        details = [*_first_difference(at, evidence, right), *details]
    else:
        [message], more = _first_difference(at, evidence, right), {}
    return verdict(exercise, earned, status, message, details=tuple(details), **more)


def _parts(at: Trial, right: list[bool]) -> tuple[float, list[str]]:
    """Points earned, and one sentence a part where there are several."""
    earned, sentences = 0.0, []
    for part, worth in at.exercise.parts.items():
        ok = all(r for r, case in zip(right, at.cases, strict=True) if case.part == part)
        earned += worth if ok else 0
        sentences.append(f"{'Right' if ok else 'Not yet'}: {part} ({worth:g}).")
    return earned, sentences if len(at.exercise.parts) > 1 else []


def _starts_with(at: Trial, i: int, evidence, *words: str) -> bool:
    """Whether the difference on case i, if there is one, is told with one of these words first."""
    text = at.difference(i, evidence)
    return text is not None and text.startswith(words)


def _first_difference(at: Trial, evidence, right: list[bool]) -> list[str]:
    i = right.index(False) if False in right else 0
    text = at.difference(i, evidence)
    if text is None:
        names = ", ".join(f"`{name}`" for name in evidence["cases"][i]["mutated"])
        text = f"the input {names} was changed in place: make a new tensor instead."
    return [f"On {at.cases[i].says}, {text}"]


# --- naming the misunderstanding -----------------------------------------------------------------


def _diagnose(at: Trial, evidence, shown) -> tuple[str, str, str] | None:
    """Name, sentence and link of what is known to be inherited, own, inherited, or two at once."""
    inherited = list(_inherited(at.exercise))
    known = [(earlier, m) for earlier, m in inherited if shown.get(earlier.id) == m.name]
    if found := _first_inherited(at, evidence, known, "This piece only inherits it from `{}`: "):
        return found
    for m in at.exercise.misconceptions:
        if at.shows(evidence, at.wrong[m.name]):
            return m.name, m.message, m.link
    if not at.telling(evidence):  # errors alone are too little to blame anything further away
        return None
    where = "It goes wrong inside `{}`, or in the same step here: "
    unchecked = [(earlier, m) for earlier, m in inherited if earlier.id not in shown]
    if found := _first_inherited(at, evidence, unchecked, where):
        return found
    for first, second in combinations(at.exercise.misconceptions, 2):
        answer = wrong_answer(at.exercise, first, second)
        if answer is not None and at.behaves_like(evidence, answer):
            message = f"Two things at once. {first.message} {second.message}"
            return f"{first.name} + {second.name}", message, first.link
    return None


def _first_inherited(at: Trial, evidence, candidates, where: str) -> tuple[str, str, str] | None:
    for earlier, m in candidates:
        source = wrong_source(earlier, m)
        if at.behaves_like(evidence, compile_answer(at.exercise, {earlier.id: source})):
            return m.name, where.format(earlier.callable) + m.message, m.link
    return None


def _inherited(exercise: Exercise) -> Iterator[tuple[Exercise, Misconception]]:
    for earlier in _earlier(exercise):
        yield from ((earlier, m) for m in earlier.misconceptions)


def _earlier(exercise: Exercise) -> Iterator[Exercise]:
    """The exercises whose answers this one calls, directly or not."""
    unit = load_unit(exercise.unit)
    for needed in exercise.depends:
        yield unit.by_id[needed]
        yield from _earlier(unit.by_id[needed])
