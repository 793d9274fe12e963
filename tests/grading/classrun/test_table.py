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
    def graded(student, status, *names):
        told = []
        for e in unit.exercises:
            own = set(names) <= {m.name for m in e.misconceptions}
            more = {"misconceptions": names, "inherited": None if own else "split_heads"}
            told.append(verdict(e, 0, status, "[why] so", **more))
        return Graded(student, unit.slug, tuple(told), b"", (), 0.0)

    results = [
        graded("c", "fail", *(m.name for m in unit.exercises[0].misconceptions[:2])),
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


def table_of(unit, student, encoding="utf-8", width=80):
    """The printed table of this student and another one, as bytes that the encoding can hold."""
    told = [verdict(e, 0, "pass", "so") for e in unit.exercises[1:]]
    first = verdict(unit.exercises[0], 0, "fail", "so", misconceptions=("no-scale",))
    results = [Graded(s, unit.slug, (first, *told), b"", (), 0.0) for s in (student, "other")]
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding)  # strict: what it cannot write is an error
    print_table(results, Console(file=out, width=width))
    out.flush()
    return raw.getvalue().decode(encoding)


def test_one_long_name_hides_nobody_s_points_and_reasons(unit):
    name = "A" * 90 + " de la " + "B" * 60
    for student in (name, name.replace(" ", "-")):
        text = table_of(unit, student)
        lines = text.splitlines()
        table = lines[: lines.index(LEGEND)]
        assert max(map(len, table)) <= 80
        for begins in ("AAA", "other"):
            row = next(line for line in table if line.strip().startswith(begins))
            total = sum(exercise.points for exercise in unit.exercises)
            assert row.count("✗") == 1 and f"0/{total:g}" in row and "no-scale" in row
        column = "".join(line[1:27].strip() for line in table)
        assert student.replace(" ", "") in column.replace(" ", "")  # the whole name is there


def test_a_terminal_with_few_signs_gets_plain_marks(unit):
    text = table_of(unit, "ada", encoding="cp1252")
    row = next(line for line in text.splitlines() if line.strip(" |").startswith("ada"))
    assert row.count("x") == 1 and row.count("+") == len(unit.exercises) - 1
    assert "+ right  / partly  x wrong  ^ inherited" in text
