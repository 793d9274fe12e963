"""A notebook's cells through the sandbox: run, and after a crash run again without the culprit."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grading.sandbox import Limits, cold, warm
from grading.sandbox.inside import frames

MAX_RUNS = 40  # of one notebook: each leaves out one more cell
LONGEST = 200  # characters of a reason
ESCAPED = 8  # times as long as it was printed may a text be in JSON
FULL_CELLS = 20  # cells with as much output as a cell may have, in one notebook


class NothingRan(RuntimeError):
    """Not one cell could be started: the machine's fault, which nobody is graded for."""


@dataclass(frozen=True)
class Cell:
    """A code cell to run. `check` is the file stem of the exercise whose evidence it brings."""

    index: int
    source: str
    seconds: float
    check: str | None = None


@dataclass
class Ran:
    """What came back: outputs by cell, evidence (JSON text, npz bytes) by exercise, why cells were
    cut short, CPU seconds of the cells, and the sandbox it was in; problems that everybody is told,
    and what an instructor alone may want to look at."""

    outputs: dict[int, list] = field(default_factory=dict)
    evidence: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    cut: dict[int, tuple[str, str]] = field(default_factory=dict)  # status, words
    seconds: float = 0.0
    sandbox: str = ""
    output_bytes: int = 0
    problems: list[str] = field(default_factory=list)
    to_look_at: list[str] = field(default_factory=list)


def run_cells(
    cells: Sequence[Cell], requests: Mapping[str, bytes], limits: Limits, trusted: bool = False
) -> Ran:
    """Run the cells in order, in the strongest sandbox there is.

    `requests` are files for the checks, by name. A cell that brings its process to an end, or takes
    too long, is left out and the rest is run again; checks that have answered are not run twice.
    Raises CourseError where there is no sandbox and `trusted` is not given, NothingRan where it
    does not work.
    """
    kind = warm.strongest(trusted)
    run_job = _forked(kind) if warm.can_fork() else cold.run
    ran = Ran(sandbox=warm.IN_WORDS[kind])
    ends = time.monotonic() + limits.total_seconds * limits.wall_factor
    broken = False
    for _ in range(MAX_RUNS):
        todo = [c for c in cells if c.index not in ran.cut and c.check not in ran.evidence]
        attempt = _Attempt(todo, requests, limits, ran, ends)
        attempt.run(run_job)
        if attempt.finished:
            return ran
        if attempt.broke and not broken:
            broken = True  # somebody may have ended the warm process: that is no cell's fault
            continue
        if attempt.at is None:
            raise NothingRan(attempt.words)
        ran.cut[attempt.at.index] = (attempt.status, attempt.words)
        if time.monotonic() >= ends or ran.seconds > limits.total_seconds:
            what = "used up its time"
            break
    else:
        what = f"was ended by {MAX_RUNS} of its cells"
    ran.problems.append(f"The notebook {what}; what was answered until then counts.")
    return ran


class _Attempt:
    """One run of the cells that are left, until `ends` on the clock at the latest."""

    def __init__(self, cells, requests, limits: Limits, ran: Ran, ends: float) -> None:
        self.cells = {cell.index: cell for cell in cells}
        self.requests, self.limits, self.ran = requests, limits, ran
        self.at: Cell | None = None  # the cell that runs now, or was the last to run
        self.finished = self.broke = False
        self.status, self.words = "error", "the process did not start"
        self._waiting = list(self.cells)  # cells that have not begun
        self._running = False
        self._ends, self._deadline = ends, 0.0  # the latter of the cell that runs
        self._allow(limits.cell_seconds)
        shown = {b"D": ESCAPED * limits.output_kb * 1024}
        self._reader = frames.Reader(limits.reply_mb * 2**20, shown)

    def run(self, run_job: Callable) -> None:
        end = run_job(self._job(), self.limits, self.heard)
        self.broke = end.broke
        if not self.finished:
            self.status, self.words = self._why(end)
            if self.at is not None:  # what it has cost before it was ended
                self.ran.seconds += self.at.seconds if self.status == "timeout" else 0.0

    def _job(self) -> bytes:
        parts = [frames.pack(b"R", {"file": n}, body) for n, body in self.requests.items()]
        fields = ("index", "source", "seconds", "check")
        cells = [{name: getattr(c, name) for name in fields} for c in self.cells.values()]
        return b"".join([*parts, frames.pack(b"C", body=json.dumps(cells).encode())])

    def heard(self, data: bytes) -> float:
        """Take in what has come; how many more seconds may pass until something comes.

        A cell's time does not start again when it says something: else it could wait for ever.
        """
        for kind, header, body in self._reader.feed(data):
            try:
                self._take(kind, header, body)
            except (frames.BrokenFrame, warm.Unavailable):
                raise
            except Exception as error:  # forged, and it may trip over anything
                raise frames.BrokenFrame(f"a message that is none ({error})") from None
        return self._deadline - time.monotonic()

    def _allow(self, seconds: float) -> None:
        """From now on, a cell may take this much CPU, which on the clock may be some more."""
        allowed = seconds * self.limits.wall_factor + self.limits.wall_grace
        self._deadline = min(time.monotonic() + allowed, self._ends)

    def _take(self, kind: bytes, header: Any, body: bytes) -> None:
        """One message; whatever is out of turn was forged, or comes from a copy of the process."""
        if kind == b"S" and not self._running and self._waiting[:1] == [header["cell"]]:
            self.at, self._running = self.cells[self._waiting.pop(0)], True
            self._allow(self.at.seconds)
        elif kind == b"E" and self._running:
            if header["name"] == self.at.check:
                self.ran.evidence[self.at.check] = (str(header["json"]), body)
        elif kind == b"D" and self._running and header["cell"] == self.at.index:
            # Not as a float: a number may be too long for one.
            self.ran.seconds += float(min(max(0, header["seconds"]), self.at.seconds))
            self._keep(list(header["outputs"]))
            self._running = False
        elif kind == b"W" and self.at is None:
            raise warm.Unavailable(str(header))
        elif kind == b"X" and not self._running and not self._waiting:
            self.finished = True
        else:
            self.at = self.cells.get(header["cell"], self.at) if kind == b"D" else self.at
            raise frames.BrokenFrame("it sent messages of its own")

    def _keep(self, outputs: list) -> None:
        """Outputs of the cell, as long as the notebook has not shown far too much."""
        self.ran.output_bytes += len(json.dumps(outputs))
        too_much = self.ran.output_bytes > FULL_CELLS * self.limits.output_kb * 1024
        self.ran.outputs[self.at.index] = [] if too_much else outputs

    def _why(self, end: warm.End) -> tuple[str, str]:
        seconds = self.at.seconds if self.at is not None else 0
        if end.why == "time" or end.code == 128 + 24:  # SIGXCPU
            return "timeout", f"This cell did not end within {seconds:g} seconds."
        if end.why == "memory":
            return "error", f"This cell used more than {self.limits.memory_mb} MB of memory."
        if end.why == "files":
            return "error", f"This cell wrote more than {self.limits.work_mb} MB of files."
        if end.why:
            return "error", f"This cell was stopped: {end.why[:LONGEST]}."
        what = f"signal {end.code - 128}" if end.code > 128 else f"exit code {end.code}"
        return "error", f"This cell ended the whole Python process ({what})."


def _forked(kind: str) -> Callable:
    """Run a job in this process's warm process; one that has broken is made anew, once."""

    def run(job: bytes, limits: Limits, heard: Callable) -> warm.End:
        try:
            try:
                return warm.warm_process(kind).run(job, limits, heard)
            except warm.Gone:
                return warm.warm_process(kind, fresh=True).run(job, limits, heard)
        except warm.Unavailable as error:
            warm.warm_process(kind, fresh=True)
            return warm.End(1, f"the sandbox broke ({error})", broke=True)

    return run
