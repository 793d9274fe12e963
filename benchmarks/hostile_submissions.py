"""What becomes of every hostile and awkward submission, by `course grade` and by stock nbgrader.

    python -m benchmarks.hostile_submissions

Grades the catalogue in tests/grading/hostile both ways at once, prints a table, and says whether
each outcome is the right one. It takes a few minutes.
"""

import sys
import tempfile
from pathlib import Path

from tests.grading.hostile import runs
from tests.grading.hostile.catalogue import ENTRIES


def main() -> int:
    """Print the table; the exit status is 0 only if every outcome is right."""
    with tempfile.TemporaryDirectory() as folder:
        results = runs.grade_both_ways(Path(folder) / "class")
    print("\n".join(runs.table(results)))
    wrong = [
        (way, item.name)
        for way, outcomes in results.items()
        for item in ENTRIES
        if runs.faults(item, outcomes[item.name])
    ]
    print(
        f"{len(ENTRIES)} submissions, {len(results)} ways of grading; wrong outcomes: {wrong or 0}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
