"""Other ways of being right than being close: bounds, factors, frequencies.

A measure says what is wrong with an outcome, given what is expected. `needs_reference` tells
whether the course's own answer has to run for that: a training run of minutes never is.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from grading.judging.compare import Difference, Tolerance, describe, outcomes_differ, raised
from grading.judging.evidence import BadEvidence, Items, Outcome, Plain, Value, plain

FALSE_ALARM = 1e-7  # of a statistical test, for each case
LETTERS = re.compile("[A-Z]+")  # a choice among things that are shown under letters


class Measure(Protocol):
    """How the output of a case is judged."""

    needs_reference: bool

    def difference(
        self, inputs: Mapping[str, Any], expected: Outcome | None, got: Outcome, axes: str
    ) -> Difference | None:
        """What is wrong with the outcome; None if it is right."""

    def alike(self, inputs: Mapping[str, Any], one: Outcome, other: Outcome, axes: str) -> bool:
        """Whether two answers behave alike, as far as this can tell."""


@dataclass(frozen=True)
class Close:
    """Equal, floats within a tolerance: the default."""

    tolerance: Tolerance
    needs_reference = True

    def difference(self, inputs, expected, got, axes):
        return outcomes_differ(expected, got, self.tolerance, axes)

    def alike(self, inputs, one, other, axes):
        return outcomes_differ(one, other, self.tolerance, axes) is None


@dataclass(frozen=True)
class Bound:
    """A number that must not be above a limit, such as the loss of a trained model.

    limit    what the text of the exercise states
    measure  from the case's inputs and the answer's output to the number; it runs in the judge
    says     what the number is: "the validation loss"
    """

    limit: float
    measure: Callable[[Mapping[str, Any], Any], float]
    says: str
    needs_reference = False

    def number(self, inputs: Mapping[str, Any], got: Outcome) -> float:
        """The number that an output amounts to."""
        return float(self.measure(inputs, plain(got.output)))

    def difference(self, inputs, expected, got, axes):
        if got.error:
            return Difference("raised", raised(got.error))
        try:
            found = self.number(inputs, got)
        except (TypeError, ValueError, IndexError, KeyError, AttributeError):
            return Difference("type", f"{self.says} cannot be measured on {describe(got.output)}.")
        if found <= self.limit:  # False for NaN
            return None
        text = f"{self.says} is {found:.4g}; it has to be at most {self.limit:g}."
        return Difference("measure", text)

    def alike(self, inputs, one, other, axes):
        """Two runs that fail alike: within a tenth of each other."""
        if one.error or other.error:
            return bool(one.error and other.error and one.error.type == other.error.type)
        try:
            a, b = self.number(inputs, one), self.number(inputs, other)
        except (TypeError, ValueError, IndexError, KeyError, AttributeError):
            return False
        return math.isclose(a, b, rel_tol=0.1) or (math.isnan(a) and math.isnan(b))


@dataclass(frozen=True)
class Choice:
    """The choice of a decision. What is right is never told: the question stays the learner's own.

    tolerance  where the choice is a float
    """

    tolerance: Tolerance
    needs_reference = True

    def difference(self, inputs, expected, got, axes):
        found = outcomes_differ(expected, got, self.tolerance, axes)
        if found is None or got.error:
            return found
        return Difference(
            found.kind, f"it returned {describe(got.output)}, {_lacks(expected, got)}."
        )

    def alike(self, inputs, one, other, axes):
        return outcomes_differ(one, other, self.tolerance, axes) is None


def _lacks(expected: Outcome, got: Outcome) -> str:
    """What form is wanted, where it is another one; the choice itself is not told."""
    want, have = plain(expected.output), plain(got.output)
    if type(want) is not type(have):
        return f"where {'a text' if isinstance(want, str) else 'another type'} is wanted"
    if isinstance(want, str) and LETTERS.fullmatch(want) and not LETTERS.fullmatch(have):
        return "where capital letters are wanted, as one word"
    if isinstance(want, str) and len(want) != len(have):
        return f"where {'1 letter is' if len(want) == 1 else f'{len(want)} letters are'} wanted"
    return "which is not the right choice"


@dataclass(frozen=True)
class Within:
    """A number that was predicted: right within a factor of what it really is."""

    factor: float
    needs_reference = True

    def difference(self, inputs, expected, got, axes):
        if got.error:
            return Difference("raised", raised(got.error))
        want, have = plain(expected.output), plain(got.output)
        if type(have) not in (int, float):
            text = f"it returned {describe(got.output)}, expected a number."
            return Difference("type", text)
        if want and have and want / self.factor <= have <= want * self.factor:
            return None
        text = (
            f"your number is {have:.4g}, more than a factor of {self.factor:g} from what is right."
        )
        return Difference("value", text)

    def alike(self, inputs, one, other, axes):
        return self.difference(inputs, one, other, axes) is None


@dataclass(frozen=True)
class Frequencies:
    """How often a random answer gave each whole number 0, 1, 2, ... of its range.

    probabilities  from the case's inputs to the probability of each number
    The exact G-test's chi-square bound has a false-alarm rate of 1e-7 a case; a number that cannot
    come up and did is wrong with certainty.
    """

    probabilities: Callable[[Mapping[str, Any]], Sequence[float]]
    needs_reference = False

    def difference(self, inputs, expected, got, axes):
        if got.error:
            return Difference("raised", raised(got.error))
        wanted = np.asarray(self.probabilities(inputs), dtype=float)
        counts = _counts(got.output, len(wanted))
        if isinstance(counts, Difference):
            return counts
        never = [n for n in np.flatnonzero(wanted == 0) if counts[n]]
        if never:
            text = (
                f"{counts[never[0]]} of {counts.sum()} draws are {never[0]}, which cannot come up."
            )
            return Difference("value", text)
        possible = wanted > 0
        if _p_value(counts[possible], wanted[possible]) >= FALSE_ALARM:
            return None
        worst = int(np.argmax(np.abs(counts - wanted * counts.sum())))
        text = (
            f"{worst} came up in {counts[worst] / counts.sum():.3f} of {counts.sum()} draws; its "
            f"probability is {wanted[worst]:.3f}."
        )
        return Difference("value", text)

    def alike(self, inputs, one, other, axes):
        """Whether two answers draw alike: the same test, on both counts together."""
        if one.error or other.error:
            return bool(one.error and other.error)
        size = len(self.probabilities(inputs))
        a, b = _counts(one.output, size), _counts(other.output, size)
        if isinstance(a, Difference) or isinstance(b, Difference):
            return False
        table = np.stack([a, b])[:, (a + b) > 0]
        if table.shape[1] < 2:
            return True
        expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
        return _of_g_test(table, expected, freedom=table.shape[1] - 1) >= 1e-4


def _counts(value: Value | None, size: int) -> np.ndarray | Difference:
    """How often each whole number below `size` is among the values."""
    items = value.items if isinstance(value, Items) else None
    numbers = [item.value for item in items or () if isinstance(item, Plain)]
    try:
        drawn = np.asarray(numbers if items else plain(value))
    except ValueError as error:
        raise BadEvidence(str(error)) from None
    if drawn.ndim != 1 or drawn.dtype.kind not in "iu" or (items and len(items) != len(numbers)):
        return Difference("type", f"it returned {describe(value)}, expected whole numbers.")
    if len(drawn) == 0 or drawn.min() < 0 or drawn.max() >= size:
        return Difference("value", f"it drew numbers outside of 0 to {size - 1}.")
    return np.bincount(drawn, minlength=size)


def _p_value(counts: np.ndarray, probabilities: np.ndarray) -> float:
    """Of a G-test; numbers that are expected less than five times are taken together."""
    expected = probabilities / probabilities.sum() * counts.sum()
    rare = expected < 5
    if rare.any():
        counts = np.append(counts[~rare], counts[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    if len(counts) < 2:
        return 1.0
    return _of_g_test(counts, expected, freedom=len(counts) - 1)


def _of_g_test(counts: np.ndarray, expected: np.ndarray, freedom: int) -> float:
    """The p-value of twice the log of the likelihood ratio, which is about chi-squared."""
    # Not scipy.stats, whose import takes a learner's first check seconds.
    from scipy.special import chdtrc, xlogy

    return float(chdtrc(freedom, 2 * xlogy(counts, counts / expected).sum()))
