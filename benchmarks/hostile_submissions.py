"""What becomes of every hostile and awkward submission, by `course grade` and by stock nbgrader.

    python -m benchmarks.hostile_submissions

Grades the catalogue in tests/grading/hostile both ways at once, prints a table, and says whether
each outcome is the right one. It takes a few minutes. Writes results/hostile.json.
"""

import sys
import tempfile
from pathlib import Path

from tests.grading.hostile import runs

sys.path.append(str(Path(__file__).parent))  # where the other benchmarks, run as files, find these
from report import write_result  # noqa: E402


def main() -> int:
    """Print the table; the exit status is 0 only if every outcome is right."""
    with tempfile.TemporaryDirectory() as folder:
        rows = runs.table(runs.grade_both_ways(Path(folder) / "class"))
    for row in rows:
        print(" | ".join(row.values()))
    wrong = sum(row["outcome"] != "right" for row in rows)
    same = sum(row["course grade"] == row["nbgrader autograde"] for row in rows)
    print(f"{len(rows)} submissions: {wrong} wrong outcomes, {same} the same by both ways")
    print(write_result("hostile", rows, "torch", "nbgrader"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
