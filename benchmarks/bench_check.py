"""How long a learner waits for `check`, exercise by exercise.

    python benchmarks/bench_check.py [--repeat 5]

Each figure is the median of fresh draws, reference and misconceptions run anew. "unlike" is an
answer that shows nothing known, for which the judge also tries two misconceptions at once. The
peer is what a plain notebook test does: the reference on the same cases and one comparison each.
"""

import argparse
import time
from collections.abc import Callable
from itertools import count
from statistics import median

import torch
from report import print_rows, write_result

from grading import kernel
from grading.course.exercise import Exercise
from grading.course.sources import solution_of, wrong_answer
from grading.course.unit import load_unit, unit_slugs
from grading.home import check_at_home
from grading.judging.judge import make_request

AIM = 1.0  # seconds


def plain(exercise: Exercise, seed: int) -> Callable[[], None]:
    """The peer: run the reference twice on the cases and compare the bytes of its outputs."""
    request = make_request(exercise, tuple(exercise.draw(seed)))
    answer = solution_of(exercise)

    def run() -> None:
        first, second = kernel.run(request, answer), kernel.run(request, answer)
        assert str(first) == str(second)

    return run


def unlike(answer: Callable) -> Callable:
    """An answer that is off in a way nobody listed."""

    def changed(*inputs):
        out = answer(*inputs)
        return out * 1.37 if isinstance(out, torch.Tensor) and out.is_floating_point() else None

    return changed


def seconds(run: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(exercise: Exercise, repeat: int) -> dict:
    """One row: medians of the kinds of answers, and the ratio to the peer."""
    right = solution_of(exercise)
    wrong = wrong_answer(exercise, exercise.misconceptions[-1])
    answers = {"right": right, "misconception": wrong, "unlike": unlike(right)}
    seeds = count()
    peer = median(seconds(plain(exercise, next(seeds))) for _ in range(repeat))
    times = {
        name: median(seconds(lambda a=answer: check_at_home(exercise.id, a)) for _ in range(repeat))
        for name, answer in answers.items()
    }
    row = {"exercise": exercise.id, "misconceptions": len(exercise.misconceptions), "peer": peer}
    return {**row, **times, "ratio": times["right"] / peer, "met": max(times.values()) < AIM}


def main() -> None:
    """Measure every exercise, print the table, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    exercises = [e for slug in unit_slugs() for e in load_unit(slug).exercises]
    rows = [measure(exercise, repeat) for exercise in exercises]
    print_rows(rows)
    write_result("check", rows, "torch")


if __name__ == "__main__":
    main()
