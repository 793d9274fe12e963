"""embeddings_and_positions/find_rotary: which of these score tables comes from rotary positions?"""

import numpy as np

from grading.course.exercise import Misconception, Question, decision

LINK = "embeddings-and-positions-offset"
SEQ, HEAD_DIM, BASE = 7, 16, 100.0


def draw(rng: np.random.Generator) -> Question:
    """Six tables of scores of one query and one key at positions 0 to 6, under shuffled letters."""
    tables = _tables(rng)
    names = list(tables)
    letters = dict(zip(rng.permutation(names).tolist(), "ABCDEF", strict=True))
    shown = {letters[name]: np.round(tables[name], 2) for name in names}
    shown = {letter: shown[letter] for letter in sorted(shown)}
    wrong = {name: letters[name] for name in names if name != "rotary"}
    return Question(shown=shown, right=letters["rotary"], wrong=wrong)


def _tables(rng) -> dict[str, np.ndarray]:
    q, k = rng.standard_normal((2, HEAD_DIM // 2)) + 1j * rng.standard_normal((2, HEAD_DIM // 2))
    speeds = BASE ** (-np.arange(HEAD_DIM // 2) / (HEAD_DIM // 2))
    at = np.arange(SEQ)
    turns = np.exp(1j * at[:, None] * speeds)  # seq pairs

    def scores(queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
        return (queries[:, None] * keys[None].conj()).real.sum(axis=-1)

    plain_q, plain_k = np.repeat(q[None], SEQ, axis=0), np.repeat(k[None], SEQ, axis=0)
    distance = np.abs(at[:, None] - at)
    return {
        "rotary": scores(q * turns, k * turns),
        "added-sinusoids": scores(q + turns, k + turns),
        "queries-only": scores(q * turns, plain_k),
        "keys-only": scores(plain_q, k * turns),
        "sum-of-positions": scores(q * turns, k / turns),
        "straight-line": scores(plain_q, plain_k) - rng.uniform(0.4, 0.9) * distance,
    }


MISCONCEPTIONS = (
    Misconception(
        "added-sinusoids",
        "In this table equal offsets have different scores: go along a diagonal. Here positions "
        "were added to the vectors.",
        "embeddings-and-positions-sinusoids",
    ),
    Misconception(
        "queries-only",
        "In this table every row holds one number: it does not matter where the key stands. Only "
        "the queries were turned.",
        LINK,
    ),
    Misconception(
        "keys-only",
        "In this table every column holds one number: it does not matter where the query stands. "
        "Only the keys were turned.",
        LINK,
    ),
    Misconception(
        "sum-of-positions",
        "This table is constant along the diagonals that run the other way, from bottom left to "
        "top right: it depends on the sum of the positions.",
        LINK,
    ),
    Misconception(
        "straight-line",
        "Offsets alone count here, but the score falls by the same amount with each step and is "
        "the same to both sides. Turning clock hands makes waves, not a straight line.",
        "embeddings-and-positions-angles",
    ),
)

EXERCISE = decision(
    id="embeddings_and_positions/find_rotary",
    callable="find_rotary",
    title="Find the rotary table",
    parts={"all": 2},
    minutes=8,
    difficulty="medium",
    link=LINK,
    draw=draw,
    misconceptions=MISCONCEPTIONS,
)
