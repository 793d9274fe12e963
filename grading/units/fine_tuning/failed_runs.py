"""fine_tuning/failed_runs: five recorded runs, five faults."""

import json
from functools import lru_cache
from itertools import combinations

import numpy as np

from grading.course.exercise import Misconception, Question, decision
from grading.course.places import ROOT

LINK = "fine-tuning-failures"
RECORDED = ROOT / "book" / "_data" / "fine_tuning.json"
LETTERS = {
    "end mark not learned": "a",
    "targets not shifted": "b",
    "asked in another template": "c",
    "four examples again and again": "d",
    "nothing is trained": "e",
}
HEAD = "     loss         answers held out   verse             of 16 replies"
HEAD += "\nrun  first  last  before  after      before  after     stopped  right"


@lru_cache
def recorded() -> dict[tuple[str, int], dict]:
    """The recorded runs of the small model, by fault and seed."""
    rows = json.loads(RECORDED.read_text(encoding="utf-8"))["small"]
    return {(row["fault"], row["seed"]): row for row in rows}


def draw(rng: np.random.Generator) -> Question:
    """Each fault by one of its seeds, in a random order."""
    faults = rng.permutation(list(LETTERS)).tolist()
    rows = [_row(fault, int(rng.choice(_seeds()))) for fault in faults]
    table = "\n".join([HEAD, *(f"{n:<4}{row}" for n, row in enumerate(rows, 1))])
    right = "".join(LETTERS[fault] for fault in faults)
    wrong, also = {}, {}
    for one, other in combinations("abcde", 2):
        swapped = right.translate(str.maketrans(one + other, other + one))
        wrong[f"{one}-and-{other}"] = swapped
        also[f"{one}-and-{other}"] = [right.replace(one, other), right.replace(other, one)]
    wrong["other-signs"] = right.upper()
    also["other-signs"] = [sign.join(right) for sign in (" ", ",", ", ")] + [list(right)]
    runs = [right.index(letter) + 1 for letter in "abcde"]
    wrong["runs-for-faults"] = "".join(map(str, runs))
    also["runs-for-faults"] = [runs]
    as_letters = "".join("abcde"[run - 1] for run in runs)
    if as_letters not in (right, *wrong.values()):
        also["runs-for-faults"].append(as_letters)
    return Question(shown={"table": table}, right=right, wrong=wrong, also=also)


def _seeds() -> list[int]:
    """The seeds of which every run is recorded."""
    seeds = {seed for _, seed in recorded()}
    wanted = ("before", *LETTERS)
    return sorted(seed for seed in seeds if all((name, seed) in recorded() for name in wanted))


def _row(fault: str, seed: int) -> str:
    run, before = recorded()[fault, seed], recorded()["before", seed]
    loss = f"{run['losses'][0]:6.2f}{run['losses'][-1]:6.2f}"
    answers = f"{before['held_out']:8.2f}{run['held_out']:7.2f}"
    verse = f"{before['verse']:12.2f}{run['verse']:7.2f}"
    return f"{loss}{answers}{verse}{run['stopped']:12}{run['right']:7}"


MISCONCEPTIONS = (
    Misconception(
        "a-and-b",
        "In one of these two runs no reply stops, although its letters may be right: it was never "
        "taught to end. In the other the loss falls to nothing while the answers get worse.",
        LINK,
    ),
    Misconception(
        "a-and-c",
        "Both give few right replies, for other reasons. Look at the answers held out: a question "
        "that is put in another template cannot make their loss bad, and a missing end mark must.",
        LINK,
    ),
    Misconception(
        "a-and-d",
        "One of these two stops and is mostly wrong, the other does not stop. Who has read four "
        "answers has read their end marks, too.",
        LINK,
    ),
    Misconception(
        "a-and-e",
        "Neither stops, but one of the two has changed nothing at all: look at verse, before and "
        "after.",
        LINK,
    ),
    Misconception(
        "b-and-c",
        "In one of these two the loss on answers held out is as good as it gets, so that training "
        "was sound and the fault lies in use. In the other it is worse than before.",
        LINK,
    ),
    Misconception(
        "b-and-d",
        "In both the loss falls to almost nothing while the answers held out stay bad. Which "
        "of the "
        "two has learned to stop? Repeating what one reads does not teach that.",
        LINK,
    ),
    Misconception(
        "b-and-e",
        "One of these two has a loss that falls to nothing, and one has learned nothing: verse is "
        "as it was.",
        LINK,
    ),
    Misconception(
        "c-and-d",
        "Both have learned their training examples. Only one is good on answers held out, too; the "
        "other knows four answers and no more.",
        LINK,
    ),
    Misconception(
        "c-and-e",
        "One of these two models is as it was before, on verse and on answers. The other is well "
        "trained, and is asked badly.",
        LINK,
    ),
    Misconception(
        "d-and-e",
        "One of these two has learned something, if only four answers: its loss falls. The other "
        "has not changed.",
        LINK,
    ),
    Misconception(
        "other-signs",
        "The faults are right. Write their letters small and in one text, with nothing between, "
        'such as "abcde".',
        LINK,
    ),
    Misconception(
        "runs-for-faults",
        "This is the run of each fault, in the order of the faults a to e. The fault of each run "
        "is wanted, as a letter, in the order of the runs 1 to 5.",
        LINK,
    ),
)

EXERCISE = decision(
    id="fine_tuning/failed_runs",
    callable="failed_runs",
    title="Why did these runs not learn to answer?",
    parts={"all": 2},
    minutes=10,
    difficulty="medium",
    link=LINK,
    draw=draw,
    misconceptions=MISCONCEPTIONS,
)
