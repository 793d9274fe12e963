"""How far a class run is: a bar with count, rate, what failed so far, time left; then one line."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from grading.notebooks.submission import Graded


class Tally:
    """Counts of a run; results of an earlier run say nothing about this one's speed.

    `failures` are submissions with something for the instructor to look at: no notebook, a crash,
    a time limit.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.new = self.reused = self.failures = 0
        self._clock, self._start = clock, clock()

    def add(self, graded: Graded, reused: bool) -> None:
        """Count one submission."""
        self.new, self.reused = self.new + (not reused), self.reused + reused
        stopped = any(v.status in ("timeout", "refused") for v in graded.verdicts)
        self.failures += bool(graded.problems) or stopped

    @property
    def done(self) -> int:
        """Submissions counted so far."""
        return self.new + self.reused

    @property
    def seconds(self) -> float:
        """Since the start."""
        return self._clock() - self._start

    @property
    def rate(self) -> float:
        """Submissions a minute, of those graded now; 0 while there are none."""
        return 60 * self.new / self.seconds if self.new and self.seconds else 0.0

    def pace(self) -> str:
        """ "30/min, 2 with problems, 0:14 left"."""
        left = "time left unknown"
        if self.rate:
            left = f"{_clock_face(60 * (self.total - self.done) / self.rate)} left"
        return f"{self.rate:.0f}/min, {self.failures} with problems, {left}"

    def line(self) -> str:
        """The line a run ends with."""
        text = f"{_counted(self.new, 'submission')} graded in {_clock_face(self.seconds)}"
        text += f" ({self.rate:.0f} a minute)" if self.rate else ""
        text += f", {self.reused} as graded before" if self.reused else ""
        return f"{text}; {self.failures} with problems."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _clock_face(seconds: float) -> str:
    """ "2:05", "1:02:05"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class _Pace(ProgressColumn):
    """A tally's pace as it is now: while nothing ends, the rate falls and the time left grows."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def render(self, task: Task) -> Text:
        """What the bar says beside itself."""
        return Text(self._tally.pace())


class Bar:
    """A tally on a terminal; elsewhere only its last line. A context manager."""

    def __init__(
        self, total: int, console: Console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.tally = Tally(total, clock)
        self._console = console
        columns = (
            TextColumn("Grading"),
            BarColumn(),
            MofNCompleteColumn(),
            _Pace(self.tally),
        )
        self._progress = Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        )

    def __enter__(self) -> "Bar":
        self._task = self._progress.add_task("", total=self.tally.total)
        self._progress.start()
        return self

    def __exit__(self, kind: type | None, *_) -> None:
        self._progress.stop()
        if kind is None or self.tally.done:  # an error at the start speaks for itself
            self._console.print(self.tally.line(), highlight=False)

    def add(self, graded: Graded, reused: bool) -> None:
        """Count one submission and show it."""
        self.tally.add(graded, reused)
        self._progress.update(self._task, completed=self.tally.done)
