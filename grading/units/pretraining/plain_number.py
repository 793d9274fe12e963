"""A number that has to be a plain one, where the docstring promises that."""

from grading.course.exercise import Exercise
from grading.judging.compare import Difference, Tolerance
from grading.judging.evidence import Array, Items, Outcome, Value
from grading.judging.measures import Close


class PlainNumber(Close):
    """Close, and the number, alone or last of several values, is no tensor without axes."""

    def difference(self, inputs, expected, got, axes):
        found = super().difference(inputs, expected, got, axes)
        if found or not _is_tensor(got.output):
            return found
        text = "the number is right, but it is a tensor; a plain Python float is promised."
        return Difference("type", text)

    def alike(self, inputs, one: Outcome, other: Outcome, axes):
        return _is_tensor(one.output) == _is_tensor(other.output) and super().alike(
            inputs, one, other, axes
        )


def _is_tensor(value: Value | None) -> bool:
    if isinstance(value, Items) and value.items:
        value = value.items[-1]
    return isinstance(value, Array) and value.value.ndim == 0


PLAIN = PlainNumber(Tolerance(Exercise.rtol, Exercise.atol))
