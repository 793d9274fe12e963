"""Running a submission where it can do no harm and see nothing that would help it cheat.

`inside/` is what runs within: a warm process that has imported PyTorch once and is forked for each
submission, walls that each fork puts up around itself, and the shell that runs the cells. The rest
runs outside: `warm.py` chooses the strongest sandbox this machine has and `program.py` starts it,
`session.py` sends cells in and brings outputs and evidence back, `provisioner.py` offers the same
sandbox to Jupyter as a kernel.

This file is itself part of the inside: it imports nothing of the course.
"""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Seconds are of CPU, so that a busy machine is fair to all.

    cell_seconds     of a cell that belongs to no exercise; an exercise has its own `seconds`
    cap_seconds      of any cell, whatever its exercise allows
    total_seconds    of all cells together, replays after a crash included
    wall_factor      a cell that waits instead of computing is stopped after this many times its
    wall_grace       seconds on the clock, and these on top
    memory_mb        really used beyond what the warm process has; twice as much address space
    processes        processes and threads together
    work_mb          files in the private folder, which lies in memory
    file_mb          one file
    output_kb        printed or displayed by one cell; the rest is cut
    reply_mb         everything that comes back: outputs and answers
    """

    cell_seconds: float = 30.0
    cap_seconds: float = 600.0
    total_seconds: float = 300.0
    wall_factor: float = 3.0
    wall_grace: float = 5.0
    memory_mb: int = 2048
    processes: int = 64
    work_mb: int = 256
    file_mb: int = 128
    output_kb: int = 200
    reply_mb: int = 300

    def as_dict(self) -> dict[str, float]:
        """For the process inside, which is told in JSON."""
        return asdict(self)
