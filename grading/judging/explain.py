"""What is proven true of an answer that no misconception names, and nearest to its cause.

Each finder looks for one kind of relation between what came back, what is right, the inputs and the
cases, and speaks only where it holds on every case that it speaks of. The first that finds
something is told: those that point closest to the cause come first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from warnings import catch_warnings, warn

import numpy as np

from grading.judging.compare import Difference, changed_in_place
from grading.judging.evidence import Evidence, plain, unknown_inside
from grading.judging.explaining import (
    arithmetic,
    containers,
    forms,
    intermediates,
    placed,
    regions,
    replay,
    sentences,
)
from grading.judging.explaining.agree import agreed, before
from grading.judging.explaining.conditions import right_only_where, stops_only_where
from grading.judging.explaining.pairs import View
from grading.judging.explaining.sizes import sizes_of
from grading.judging.trial import Trial

LONGEST = 45  # words of an explanation
WITH_CASES = (
    "place",
    "function",
    "factor",
    "offset",
    "sharpness",
    "not a number",
    "region",
    "same",
)


@dataclass(frozen=True)
class Explanation:
    """One sentence that the evidence proves, and the kind of it."""

    kind: str
    text: str

    @property
    def strong(self) -> bool:
        """Whether one relation holds of all values, so that no two mistakes have to be guessed."""
        return self.kind in STRONG


STRONG = ("known", "place", "function", "factor", "offset", "sharpness", "other inputs", "mutated")


Finding = tuple[str, str]  # a kind and a sentence


def explain(
    at: Trial, got: Evidence, differences: Sequence[Difference | None]
) -> Explanation | None:
    """The explanation nearest to the cause, or None."""
    view = View(at, got, differences)
    if not view.wrong_cases:
        return None
    if random := not_repeatable(at, got):
        return random
    with np.errstate(all="ignore"), catch_warnings(action="ignore"):  # NaN and infinity may come
        for finder in FINDERS:
            if told := finder(view):
                return Explanation(told[0], _with_cases(view, *told))
    return None


def explain_or_warn(
    at: Trial, got: Evidence, differences: Sequence[Difference | None]
) -> Explanation | None:
    """The explanation, if one is found; a fault in looking for it costs nobody their verdict."""
    try:
        return explain(at, got, differences)
    except Exception as error:
        warn(f"{at.exercise.id}: no explanation, {type(error).__name__}: {error}", stacklevel=2)
        return None


def _with_cases(view: View, kind: str, text: str) -> str:
    """A sentence, and what the cases that are right have in common, where there is room."""
    where = right_only_where(view) if kind in WITH_CASES and view.right_cases else None
    longer = f"{text} {where}." if where else text
    return longer if len(longer.split()) <= LONGEST else text


def not_repeatable(at: Trial, got: Evidence) -> Explanation | None:
    """Whether the first case, run a second time, gave something else."""
    if got.again is None or unknown_inside(got.cases[0].output):
        return None
    first, again, case = got.cases[0], got.again, at.cases[0]
    same_end = bool(first.error) == bool(again.error)
    # A measure may find nothing alike in what it cannot measure: a text where a number is due.
    if same_end and (
        repr(plain(first.output)) == repr(plain(again.output))
        or at.measure(0).alike(case.inputs, first, again, case.axes)
    ):
        return None
    return Explanation(
        "not repeatable",
        "The same inputs gave another result the second time: something random is left in, or "
        "something is kept from one call to the next.",
    )


def changed_inputs(got: Evidence) -> list[str]:
    """The inputs that an answer changed in place, on any case."""
    return sorted({name for case in got.cases for name in case.mutated})


# --- finders --------------------------------------------------------------------------------------


def _changed_input(view: View) -> Finding | None:
    """Right values, and an input that is no longer what it was."""
    if {view.differences[i].kind for i in view.wrong_cases} != {"mutated"}:
        return None
    changed = changed_in_place(changed_inputs(view.got))
    return (
        "mutated",
        f"The values are right, but {changed}: whoever passed that in now holds something else. "
        "Make a new value instead.",
    )


def _errors_mostly(view: View) -> Finding | None:
    """An error on most of the wrong cases, and on which."""
    if 2 * len(view.errors) <= len(view.wrong_cases):
        return None
    first = view.errors[0]
    kind, text = forms.refused(view, first) or forms.an_error(
        view.got.cases[first].error, sizes_of(view.at, first)
    )
    where = stops_only_where(view)
    longer = f"{text}. {where}." if where else f"{text}."
    return kind, longer if len(longer.split()) <= LONGEST else f"{text}."


def _found(kind: str, family: Callable, sentence: Callable, enough: int = 5, weak: bool = False):
    """A finder that tells the first key of a family that holds."""

    def finder(view: View) -> Finding | None:
        for key, condition in agreed(view, family, enough):
            if (key in WEAK) == weak:
                text = sentence(key)
                return kind, condition + (text[0].lower() + text[1:] if condition else text)
        return None

    return finder


# True of nearly every answer where something is hidden: told where nothing else is.
WEAK = {("right only", "where 0 is expected"), ("elsewhere",)}


def _factor(view: View) -> Finding | None:
    """A factor, an offset, a sharpness: one number, or one made of the case's sizes."""
    for measure, text in (
        (arithmetic.factor, "your numbers are the right ones times {}."),
        (arithmetic.offset, "your numbers are the right ones plus {}."),
        (
            arithmetic.sharpness,
            "your shares have the right order, but as if what goes into the softmax had been "
            "multiplied by {}.",
        ),
    ):
        if found := arithmetic.one_number(view, measure):
            number, condition = found
            said = text.format(number).replace("plus -", "less ")
            return measure.__name__, condition + (said if condition else said[0].upper() + said[1:])
    if uneven := arithmetic.other_scale(view):
        condition = before(view, always=not view.right)
        told = (
            f"your shares have the right order, but are {uneven}: what goes into the softmax is "
            "off by a factor that is another in each case."
        )
        return "sharpness", condition + (told if condition else told[0].upper() + told[1:])
    return None


def _known(view: View) -> Finding | None:
    """An input or an intermediate result of the course's own answer came back."""
    return _found("known", intermediates.Known(view).whole, sentences.known)(view)


def _where_wrong(view: View) -> Finding | None:
    """What stands where the values are wrong; it speaks of nothing else."""
    for key, _ in agreed(view, intermediates.Known(view).where_wrong):
        return "where wrong", sentences.known(key)
    return None


def _lines(view: View) -> Finding | None:
    """Each line is one of an input."""
    return _found("lines", intermediates.Known(view).lines, sentences.known)(view)


def _sums(view: View) -> Finding | None:
    """Sums that should be 1 and are not, and those that are 1 instead."""
    keys = [key for key, _ in agreed(view, arithmetic.sums)]
    lost = [axis for name, axis in keys if name == "not one"]
    instead = [axis for name, axis in keys if name == "one instead"]
    if not lost:
        return None
    if instead:
        return "sums", f"Your numbers sum to 1 along {instead[0]}; along {lost[0]} they should."
    if ("own factor", lost[0]) in [key for key, _ in agreed(view, arithmetic.proportions)]:
        return "sums", (
            f"Along {lost[0]} the proportions are right, but the sums are not 1: look at what each "
            "line is divided by."
        )
    return "sums", f"Along {lost[0]} some of your numbers do not sum to 1, and the right ones do."


def _proportions(view: View) -> Finding | None:
    for (name, axis), condition in agreed(view, arithmetic.proportions):
        what = "multiplied by a number" if name == "own factor" else "shifted by a number"
        text = f"Along {axis} the numbers are right but for this: each line is {what} of its own."
        return name, condition + (text[0].lower() + text[1:] if condition else text)
    return None


def _cases(view: View) -> Finding | None:
    where = right_only_where(view)
    return ("cases", f"{where}.") if where else None


# Those that point closest to the cause come first.
FINDERS: tuple[Callable[[View], Finding | None], ...] = (
    _changed_input,
    forms.another_error,
    forms.not_refused,
    _errors_mostly,
    forms.another_form,
    forms.held_inside,
    _known,
    _found("place", placed.places, sentences.place),
    _found("function", arithmetic.functions, sentences.function),
    _factor,
    _found("same", regions.flat_along, sentences.region),
    replay.other_inputs,
    _found("not a number", regions.not_numbers, sentences.not_number, enough=0),
    _found("region", regions.right_in, sentences.region),
    _sums,
    _where_wrong,
    _lines,
    containers.strange_items,
    _cases,
    containers.entries,
    containers.collections,
    _proportions,
    _found("booleans", regions.booleans, sentences.place, enough=12),
    _found("elsewhere", placed.places, sentences.place, weak=True),
    _found("region", regions.right_in, sentences.region, weak=True),
    forms.other_shape,
)
