"""The class table: who solved what, and which misunderstandings are common."""

from collections import Counter

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from grading.classrun.gradebook import ByHand
from grading.classrun.regrade import Change
from grading.course.exercise import Exercise
from grading.course.unit import load_unit
from grading.judging.verdict import Verdict
from grading.notebooks.submission import Graded

MARKS = {
    "pass": "[green]✓[/]",
    "partial": "[yellow]½[/]",
    "fail": "[red]✗[/]",
    "error": "[red]![/]",
    "timeout": "[red]t[/]",
    "missing": "[dim]·[/]",
    "refused": "[red]–[/]",
}
MOST = 10  # kinds of misconceptions that are counted below the table
INHERITED = "[yellow]↑[/]"  # only by an earlier exercise's mistake
LEGEND = "✓ right  ½ partly  ✗ wrong  ↑ inherited  ! error  t too long  · empty  – refused"
PLAIN_SIGNS = str.maketrans("✓½✗↑·–", "+/x^.-")  # where the terminal's encoding has no others


def print_table(results: list[Graded], console: Console) -> None:
    """One table a unit, a line a student, then remarks and the common misunderstandings."""
    for slug in sorted({g.unit for g in results}):
        of_unit = [g for g in results if g.unit == slug]
        console.print(_table(slug, of_unit, console))
        console.print(_numbers(slug), highlight=False)
        console.print(_signs(LEGEND, console), soft_wrap=True)
        _print_remarks(of_unit, console)


def _signs(text: str, console: Console) -> str:
    """The text with marks that the console's encoding can write."""
    try:
        LEGEND.encode(console.encoding)
    except UnicodeEncodeError:
        return text.translate(PLAIN_SIGNS)
    return text


def _table(slug: str, results: list[Graded], console: Console) -> Table:
    unit = load_unit(slug)
    table = Table(
        title=f"{slug}: {unit.title}", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    # A long name goes on in the next line: it may not take the room of everybody's points.
    longest = max(len("student"), *(cell_len(graded.student) for graded in results))
    width = min(longest, max(12, console.width // 3))
    table.add_column("student", overflow="fold", min_width=width, max_width=width)
    for number in range(len(unit.exercises)):
        table.add_column(str(number + 1), justify="center", min_width=1, no_wrap=True)
    table.add_column("points", justify="right", min_width=6, no_wrap=True)
    table.add_column("why", overflow="fold", min_width=12)
    total = sum(exercise.points for exercise in unit.exercises)
    for graded in results:
        marks = [_signs(_mark(unit.by_id[v.exercise], v), console) for v in graded.verdicts]
        table.add_row(escape(graded.student), *marks, f"{graded.score:g}/{total:g}", _why(graded))
    return table


def _mark(exercise: Exercise, v: Verdict) -> str:
    if v.inherited and v.status in ("pass", "fail"):
        return INHERITED
    return MARKS[v.status]


def _numbers(slug: str) -> Columns:
    """What the table's numbers stand for."""
    names = [exercise.callable for exercise in load_unit(slug).exercises]
    return Columns([f"{number} {name}" for number, name in enumerate(names, 1)], padding=(0, 2))


def _why(graded: Graded) -> str:
    names = dict.fromkeys(v.misconception for v in graded.verdicts if v.misconception)
    return ", ".join([*names, *(["see below"] if _remark(graded) else [])])


def _remark(graded: Graded) -> str:
    """What no mark can say: the reason why a whole submission or an exercise stopped."""
    errors = [
        f"{v.exercise}: {v.message}" for v in graded.verdicts if v.status in ("error", "timeout")
    ]
    more = [f"(And {len(errors) - 1} more.)"] if len(errors) > 1 else []
    return " ".join([*graded.problems, *errors[:1], *more])


def _print_remarks(results: list[Graded], console: Console) -> None:
    """Each student counts once a misunderstanding, at the first exercise that shows it."""
    for graded in results:
        if remark := _remark(graded):
            console.print(
                f"  [bold]{escape(graded.student)}[/]: {escape(remark)}",
                highlight=False,
                soft_wrap=True,
            )
    counts: Counter = Counter()
    for graded in results:
        shown = [(name, v.exercise) for v in reversed(graded.verdicts) for name in v.misconceptions]
        counts.update((exercise, name) for name, exercise in dict(shown).items())
    for (exercise, name), count in counts.most_common(MOST):
        who = "1 student shows" if count == 1 else f"{count} students show"
        console.print(f"  {who} [bold]{name}[/] in {exercise}", soft_wrap=True)
    if len(counts) > MOST:
        console.print(f"  and {len(counts) - MOST} rarer ones: `--json` has them all")


def print_by_hand(slug: str, points: list[ByHand], console: Console) -> None:
    """What the gradebook adds up otherwise than the table."""
    names = {e.grade_id: e.callable for e in load_unit(slug).exercises}
    for one in points:
        said = []
        if one.given is not None:
            said.append(f"{one.given:g} by hand, {one.judged or 0:g} by the judge")
        if one.extra:
            said.append(f"{one.extra:g} extra")
        text = f"{names.get(one.cell, one.cell)}: {', '.join(said)}"
        console.print(f"  [bold]{escape(one.student)}[/], {text}", highlight=False, soft_wrap=True)


def print_left_out(slug: str, students: list[str], console: Console) -> None:
    """Whose points are in the gradebook from before, with nothing handed in now."""
    if students:
        text = f"In the gradebook, but not handed in now, of {slug}: {', '.join(students)}"
        console.print(text, highlight=False, soft_wrap=True, markup=False)


def print_changes(changes: list[Change], console: Console) -> None:
    """Student by exercise, what the gradebook holds and what it would hold."""
    table = Table(title="What would change")
    for title in ("student", "exercise", "points", "misconception"):
        table.add_column(title, overflow="fold")
    for change in changes:
        exercise = change.after.exercise
        table.add_row(
            escape(change.student), exercise, *_before_and_after(change.before, change.after)
        )
    console.print(table if changes else "No points and no misconception would change.")


def _before_and_after(before: Verdict | None, after: Verdict) -> tuple[str, str]:
    names = [v.misconception or "none" if v else "none" for v in (before, after)]
    named = names[1] if names[0] == names[1] else " → ".join(names)
    return f"{_points(before)} → {_points(after)}", "" if named == "none" else escape(named)


def _points(v: Verdict | None) -> str:
    return f"{v.score:g}/{v.max_score:g}" if v else "–"
