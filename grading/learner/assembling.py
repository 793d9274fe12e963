"""What `course assemble` says: whose the parts are, and whether the model is SmolLM2."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grading.course.errors import CourseError
from grading.learner.comparison import TOLERANCE, Comparison, Weights, compare
from grading.learner.own_model import Written


def written_lines(written: Written) -> Iterator[str]:
    """The parts by whose they are, and the file."""
    if written.changed:
        yield f"{written.path.name} was changed since it was assembled, so it stays as it is."
        yield f"For a new one move it away: {written.path}"
        return
    for name, own in written.parts.items():
        why = f" ({written.why[name]})" if name in written.why else ""
        yield f"+ {name}: yours" if own else f"  {name}: the course's{why}"
    yield f"{written.own_parts} of {len(written.parts)} parts are yours."
    yield f"Your model: {written.path}"


def compare_published(path: Path) -> Comparison:
    """Compare with the course's decoder on SmolLM2's weights; CourseError without them."""
    try:
        weights = Weights.published()
    except (OSError, ValueError) as error:
        raise CourseError(str(error)) from None
    return compare(path, weights)


def comparison_lines(found: Comparison) -> Iterator[str]:
    """What differs from the reference, and which part it is."""
    if found.differences:
        worst, n = max(found.differences), len(found.differences)
        yield f"Largest difference in {n} states, from the embedding to the logits: {worst:.1e}"
    if found.equal:
        yield f"The same model as the course's, layer by layer (up to {TOLERANCE:g} of a vector)."
        return
    if found.first is not None:
        yield f"The first state that differs: {found.state(found.first)}."
    for other in found.others:
        yield f"Different: {other}."
    if found.error:
        yield f"An error ended it: {found.error}"
    yield from _culprit_lines(found)


def _culprit_lines(found: Comparison) -> Iterator[str]:
    if found.culprit is None:
        yield "No part makes the difference by itself: look at what you changed in the file."
        return
    yield f"The first part that makes the difference: {found.culprit}."
    if found.verdict is not None:
        yield found.verdict.message
        if found.verdict.misconceptions:
            names = ", ".join(name.replace("-", " ") for name in found.verdict.misconceptions)
            yield f"Its name: {names}. Read about it: {found.verdict.link}"


def as_json(written: Written, found: Comparison) -> dict[str, Any]:
    """The same for machines."""
    return {
        "file": str(written.path),
        "changed": written.changed,
        "parts": dict(written.parts),
        "equal": found.equal,
        "differences": [d if d < float("inf") else None for d in found.differences],
        "first": None if found.first is None else found.state(found.first),
        "others": list(found.others),
        "part": found.culprit,
        "misconceptions": list(found.verdict.misconceptions) if found.verdict else [],
        "error": found.error or None,
    }
