"""The class table: who solved what, and which misunderstandings are common."""

from collections import Counter

from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from grading.exercise import load_unit
from grading.regrade import Change
from grading.submission import Graded
from grading.verdict import Verdict

MARKS = {
    "pass": "[green]✓[/]",
    "partial": "[yellow]½[/]",
    "fail": "[red]✗[/]",
    "error": "[red]![/]",
    "timeout": "[red]t[/]",
    "missing": "[dim]·[/]",
    "refused": "[red]–[/]",
}
LEGEND = "✓ right  ½ partly  ✗ wrong  ! error  t time limit  · nothing to judge  – not accepted"


def print_table(results: list[Graded], console: Console) -> None:
    """One table a unit, a line a student, then remarks and the common misunderstandings."""
    for slug in sorted({g.unit for g in results}):
        of_unit = [g for g in results if g.unit == slug]
        console.print(_table(slug, of_unit))
        console.print(_numbers(slug), highlight=False)
        console.print(LEGEND, soft_wrap=True)
        _print_remarks(of_unit, console)


def _table(slug: str, results: list[Graded]) -> Table:
    unit = load_unit(slug)
    table = Table(title=f"{slug}: {unit.title}")
    table.add_column("student", no_wrap=True)
    for number in range(len(unit.exercises)):
        table.add_column(str(number + 1), justify="center", min_width=1, no_wrap=True)
    table.add_column("points", justify="right", min_width=6, no_wrap=True)
    table.add_column("why", overflow="fold")
    total = sum(exercise.points for exercise in unit.exercises)
    for graded in results:
        marks = [MARKS[v.status] for v in graded.verdicts]
        table.add_row(escape(graded.student), *marks, f"{graded.score:g}/{total:g}", _why(graded))
    return table


def _numbers(slug: str) -> Columns:
    """What the table's numbers stand for."""
    names = [exercise.callable for exercise in load_unit(slug).exercises]
    return Columns([f"{number} {name}" for number, name in enumerate(names, 1)], padding=(0, 2))


def _why(graded: Graded) -> str:
    names = dict.fromkeys(v.misconception for v in graded.verdicts if v.misconception)
    return ", ".join(names) or ("see below" if _remark(graded) else "")


def _remark(graded: Graded) -> str:
    """What no mark can say: the reason why a whole submission or an exercise stopped."""
    errors = [
        f"{v.exercise}: {v.message}" for v in graded.verdicts if v.status in ("error", "timeout")
    ]
    return " ".join([*graded.problems, *errors[:1]])


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
        first = {v.misconception: v.exercise for v in reversed(graded.verdicts)}
        counts.update((exercise, name) for name, exercise in first.items() if name)
    for (exercise, name), count in counts.most_common(5):
        who = "1 student shows" if count == 1 else f"{count} students show"
        console.print(f"  {who} [bold]{name}[/] in {exercise}", soft_wrap=True)


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
