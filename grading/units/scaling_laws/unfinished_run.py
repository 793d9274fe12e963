"""scaling_laws/unfinished_run: real runs, one of them read before its schedule had ended."""

from collections.abc import Callable

import numpy as np

from grading.course.exercise import Misconception, Question, decision
from reference_impl.scaling_laws.recorded import recorded_sweep

LINK = "scaling-laws-schedule"
PLACES = (  # a size, and the budgets of its three runs
    (12, (6e8, 1.9e9, 6e9)),
    (16, (6e8, 1.9e9, 6e9)),
    (24, (6e8, 1.9e9, 6e9)),
)
FITS, BESIDE = "smooth-neighbour", "beside-the-odd-one"
Row = tuple[int, int, float]  # parameters, tokens, loss


def draw(rng: np.random.Generator) -> Question:
    """Nine runs of three sizes; one of them, not the shortest of its size, is read on its way."""
    runs = {(run.width, run.budget, run.seed): run for run in recorded_sweep()}
    places = [(width, budget) for width, budgets in PLACES for budget in budgets]
    chosen = [runs[*place, int(rng.integers(2))] for place in places]
    rows = [(run.n_parameters, run.n_tokens, run.loss) for run in chosen]
    faulty = 3 * int(rng.integers(len(PLACES))) + int(rng.integers(1, 3))
    rows[faulty] = (*rows[faulty][:2], chosen[faulty].early[0])
    order = rng.permutation(len(rows)).tolist()
    letters = {row: "ABCDEFGHI"[place] for place, row in enumerate(order)}
    wrong, others = choices(rows, faulty)
    return Question(
        shown={"table": _table([rows[row] for row in order])},
        right=letters[faulty],
        wrong={name: letters[row] for name, row in wrong.items()},
        also={name: [letters[row] for row in more] for name, more in others.items()},
    )


RANKS: dict[str, Callable[[Row], float]] = {  # the highest of each is what somebody would choose
    "high-loss": lambda row: row[2],
    "low-loss": lambda row: -row[2],
    "few-tokens-per-parameter": lambda row: -row[1] / row[0],
    "many-tokens-per-parameter": lambda row: row[1] / row[0],
    "large-model": lambda row: row[0] + row[1] / 1e9,
}


def choices(rows: list[Row], faulty: int) -> tuple[dict[str, int], dict[str, list[int]]]:
    """For each misconception a run that it points to, no run twice; then further runs for some."""
    beside = faulty + 1 if faulty % 3 == 1 else faulty - 1  # of the three runs of its size
    left = [row for row in range(len(rows)) if row not in (faulty, beside)]
    found = {}
    for name, rank in RANKS.items():
        found[name] = max(left, key=lambda row: rank(rows[row]))
        left.remove(found[name])
    of_its_size = [row for row in left if rows[row][0] == rows[faulty][0]]
    fit, *others = [row for row in left if row not in of_its_size]
    return found | {BESIDE: beside, FITS: fit}, {BESIDE: of_its_size, FITS: others}


def _table(rows: list[Row]) -> str:
    """The runs as text, a line each."""
    lines = ["run   parameters      tokens    loss"]
    lines += [
        f"{a:3} {n:12,} {d:11,}  {x:.3f}" for a, (n, d, x) in zip("ABCDEFGHI", rows, strict=True)
    ]
    return "\n".join(lines)


MISCONCEPTIONS = (
    Misconception(
        "high-loss",
        "This run's loss is high, and as high as it should be for so few tokens. A high loss by "
        "itself says nothing: compare with runs of the same size.",
        LINK,
    ),
    Misconception(
        "low-loss",
        "This run's loss is low. Reading too early makes a loss too high.",
        LINK,
    ),
    Misconception(
        "few-tokens-per-parameter",
        "This run read few tokens for its size. That is a matter of its plan; its schedule ended "
        "with them.",
        LINK,
    ),
    Misconception(
        "many-tokens-per-parameter",
        "This run read many tokens for its size, and lies where the other runs of its size point "
        "to.",
        LINK,
    ),
    Misconception(
        "large-model",
        "The size of a model by itself says nothing. This run lies where the others of its size "
        "point to.",
        LINK,
    ),
    Misconception(
        "beside-the-odd-one",
        "Something is wrong with the runs of this size, but not with this one. Reading too early "
        "makes a loss too high for its tokens, never too low.",
        LINK,
    ),
    Misconception(
        "smooth-neighbour",
        "This run fits the others of its size. Look for a size at which more tokens do not help as "
        "they should.",
        LINK,
    ),
)

EXERCISE = decision(
    id="scaling_laws/unfinished_run",
    callable="unfinished_run",
    title="Which run was not finished?",
    parts={"all": 2},
    minutes=10,
    difficulty="medium",
    link=LINK,
    draw=draw,
    misconceptions=MISCONCEPTIONS,
)
