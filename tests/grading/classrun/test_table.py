"""The class table is whole on a narrow terminal too."""

import io

from rich.console import Console

from grading.classrun.table import LEGEND, MARKS, print_table
from grading.judging.judge import verdict
from grading.judging.verdict import STATUSES
from grading.notebooks.submission import Graded


def test_every_status_has_a_mark():
    assert set(MARKS) == set(STATUSES)


def test_all_columns_and_remarks_fit_80_characters(unit):
    def graded(student, status, misconception=None):
        told = [
            verdict(e, 0, status, "[why] so", misconception=misconception) for e in unit.exercises
        ]
        return Graded(student, unit.slug, tuple(told), b"", (), 0.0)

    results = [
        graded("c", "fail", " + ".join(m.name for m in unit.exercises[0].misconceptions[:2])),
        graded("a-student-with-a-long-name", "fail", "a-rather-long-misconception-name"),
        graded("b", "error"),
    ]
    out = io.StringIO()
    print_table(results, Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    table = lines[: lines.index(LEGEND)]
    assert len(table) > 5 and max(map(len, table)) <= 80 and len(LEGEND) <= 80
    assert f"1 {unit.exercises[0].callable}  " in out.getvalue()
    row = next(line for line in lines if "a-student-with-a-long-name" in line)
    assert row.count("↑") == len(unit.exercises)  # it is no exercise's own
    both = next(line for line in lines if line.startswith(" c "))
    assert both.count("✗") == 1 and both.count("↑") == len(unit.exercises) - 1
    for m in unit.exercises[0].misconceptions[:2]:
        assert f"1 student shows {m.name} in {unit.exercises[0].id}" in out.getvalue()
    assert f"(And {len(unit.exercises) - 1} more.)" in out.getvalue()
    assert f"b: {unit.exercises[0].id}: [why] so" in out.getvalue()
    assert (
        "1 student shows a-rather-long-misconception-name in " + unit.exercises[0].id
        in out.getvalue()
    )
