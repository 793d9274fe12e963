"""What is proven true of an answer that no misconception names, and nearest to its cause."""

from collections.abc import Sequence
from dataclasses import dataclass

from grading.judging.compare import Difference
from grading.judging.evidence import Evidence
from grading.judging.trial import Trial


@dataclass(frozen=True)
class Explanation:
    """One sentence that the evidence proves, and the kind of it."""

    kind: str
    text: str


def explain(
    at: Trial, got: Evidence, differences: Sequence[Difference | None]
) -> Explanation | None:
    """The explanation nearest to the cause, or None."""
    return None
