"""The class table is whole on a narrow terminal too."""

import io

from rich.console import Console

from grading.judge import verdict
from grading.submission import Graded
from grading.table import MARKS, print_table
from grading.verdict import STATUSES


def test_every_status_has_a_mark():
    assert set(MARKS) == set(STATUSES)


def test_all_columns_and_remarks_fit_80_characters(unit):
    def graded(student, status, misconception=None):
        told = [
            verdict(e, 0, status, "[why] so", misconception=misconception) for e in unit.exercises
        ]
        return Graded(student, unit.slug, tuple(told), b"", (), 0.0)

    results = [
        graded("a-student-with-a-long-name", "fail", "a-rather-long-misconception-name"),
        graded("b", "error"),
    ]
    out = io.StringIO()
    print_table(results, Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    assert max(len(line) for line in lines if "│" in line) <= 80
    assert f"1 {unit.exercises[0].callable}  " in out.getvalue()
    row = next(line for line in lines if "a-student-with-a-long-name" in line)
    assert row.count("✗") == len(unit.exercises)
    assert f"b: {unit.exercises[0].id}: [why] so" in out.getvalue()
    assert (
        "1 student shows a-rather-long-misconception-name in " + unit.exercises[0].id
        in out.getvalue()
    )
