"""How a case in half precision is judged, which most answers to the norms have no other part in."""

from dataclasses import replace

import numpy as np

from grading.judging.compare import Tolerance, outcomes_differ
from grading.judging.evidence import Array, Outcome
from grading.judging.measures import Close

FLOATS = ("float16", "float32", "float64")


class HalfPrecision(Close):
    """Close to float16's three digits, in any float dtype: the docstring names none."""

    def __init__(self) -> None:
        super().__init__(Tolerance(rtol=3e-3, atol=3e-3))

    def difference(self, inputs, expected, got, axes):
        return outcomes_differ(_widened(expected), _widened(got), self.tolerance, axes)

    def alike(self, inputs, one, other, axes):
        """Always: whoever makes another mistake may or may not have thought of half precision."""
        return True


def _widened(outcome: Outcome) -> Outcome:
    """The same with a float array as float32."""
    found = outcome.output
    if not isinstance(found, Array) or found.dtype not in FLOATS:
        return outcome
    wide = Array(found.kind, "float32", np.asarray(found.value, dtype=np.float32))
    return replace(outcome, output=wide)
