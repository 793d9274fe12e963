"""embeddings_and_positions/apply_rope: turn each pair by its angle."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.embeddings_and_positions.draw import normal

LINK = "embeddings-and-positions-rotary"
AXES = "batch heads seq head_dim"


def cases(rng: np.random.Generator) -> list[Case]:
    """With and without axes in front; no turn, quarter turns, the same and different turns."""
    angles = _angles(rng, 5, 7)
    quarter = np.full((5, 7), np.pi / 2, dtype=np.float32)
    one_for_all = np.repeat(_angles(rng, 1, 7), 5, axis=0)
    vector = normal(rng, 5, 14)
    return [
        _case("a sequence without axes in front", vector, angles, "seq head_dim", "turned"),
        _case("the same sequence, no turn at all", vector, 0 * angles, "seq head_dim"),
        _case("the same sequence, quarter turns", vector, quarter, "seq head_dim"),
        _case("the same turn at every position", vector, one_for_all, "seq head_dim"),
        _case("the same turn for every pair", vector, _same(rng, 5, 7), "seq head_dim"),
        _case("a batch of sequences with 3 heads", normal(rng, 2, 3, 5, 14), angles, AXES),
        _case("a batch of one, one head", normal(rng, 1, 1, 5, 14), angles, AXES),
        _case("3 heads without a batch", normal(rng, 3, 5, 14), angles, "heads seq head_dim"),
        _case("a single pair", normal(rng, 5, 2), _angles(rng, 5, 1), "seq head_dim"),
        _case("a single position", normal(rng, 3, 1, 14), _angles(rng, 1, 7), "heads seq head_dim"),
        _case("as many pairs as positions", normal(rng, 3, 7, 14), _angles(rng, 7, 7), AXES[6:]),
    ]


def _case(says: str, x: np.ndarray, angles: np.ndarray, axes: str, name: str = "") -> Case:
    return Case(says, {"x": x, "angles": angles}, axes=axes, name=name)


def _angles(rng, seq: int, pairs: int) -> np.ndarray:
    return rng.uniform(-3, 3, size=(seq, pairs)).astype(np.float32)


def _same(rng, seq: int, pairs: int) -> np.ndarray:
    return np.repeat(_angles(rng, seq, 1), pairs, axis=1)


# --- right in other ways ---------------------------------------------------------------------


def complex_numbers(x, angles):
    """A pair is a complex number, a turn a product."""
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2)


def rotation_matrices(x, angles):
    """A 2 x 2 matrix for each position and pair."""
    cos, sin = angles.cos(), angles.sin()
    matrices = torch.stack((torch.stack((cos, -sin), -1), torch.stack((sin, cos), -1)), -2)
    pairs = x.unflatten(-1, (-1, 2))
    return torch.einsum("spij,...spj->...spi", matrices, pairs).flatten(-2)


def with_a_turned_copy(x, angles):
    """x times cos plus a copy, turned by a right angle, times sin."""
    turned = torch.empty_like(x)
    turned[..., 0::2] = -x[..., 1::2]
    turned[..., 1::2] = x[..., 0::2]
    cos = angles.cos().repeat_interleave(2, dim=-1)
    sin = angles.sin().repeat_interleave(2, dim=-1)
    return x * cos + turned * sin


def pair_by_pair(x, angles):
    """A loop over the pairs that fills an empty tensor."""
    out = torch.zeros_like(x)
    for i in range(angles.shape[1]):
        a, b, angle = x[..., 2 * i], x[..., 2 * i + 1], angles[:, i]
        out[..., 2 * i] = a * torch.cos(angle) - b * torch.sin(angle)
        out[..., 2 * i + 1] = a * torch.sin(angle) + b * torch.cos(angle)
    return out


# --- wrong in known ways -----------------------------------------------------------------------

SPLIT = "even, odd = x[..., 0::2], x[..., 1::2]"
PAIR = "(even * cos - odd * sin, even * sin + odd * cos)"
TURNED = f"turned = torch.stack({PAIR}, dim=-1)"
JOIN = "turned.flatten(-2).to(x.dtype)"
COS_SIN = "cos, sin = angles.cos(), angles.sin()"


def halves_with_neighbours_angles(x, angles):
    """`rotate_half`, as programs have it that pair halves, with angles for neighbours."""
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    doubled = angles.repeat_interleave(2, dim=-1)
    return x * doubled.cos() + turned * doubled.sin()


def partners_in_halves(x, angles):
    """The partners of neighbours, all of the first numbers before all of the second ones."""
    turned = torch.cat((-x[..., 1::2], x[..., 0::2]), dim=-1)
    doubled = angles.repeat_interleave(2, dim=-1)
    return x * doubled.cos() + turned * doubled.sin()


MISCONCEPTIONS = (
    Misconception(
        "turned-backwards",
        "Every pair turns the wrong way round. A quarter turn takes (1, 0) to (0, 1), not to "
        "(0, -1): look at the two signs.",
        LINK,
        {PAIR: "(even * cos + odd * sin, odd * cos - even * sin)"},
    ),
    Misconception(
        "minus-forgotten",
        "A minus is missing in the first number of each pair, so lengths change: this is no "
        "rotation.",
        LINK,
        {PAIR: "(even * cos + odd * sin, even * sin + odd * cos)"},
    ),
    Misconception(
        "minus-in-both",
        "There is a minus in both numbers of each pair, so lengths change: this is no rotation.",
        LINK,
        {PAIR: "(even * cos - odd * sin, even * sin - odd * cos)"},
    ),
    Misconception(
        "sine-and-cosine-swapped",
        "Sine and cosine have changed places: with the angle 0 nothing may move.",
        LINK,
        {COS_SIN: "sin, cos = angles.cos(), angles.sin()"},
    ),
    Misconception(
        "first-number-used-after-its-change",
        "The second number of each pair is computed from the first one *after* it was changed. "
        "Both need the old values.",
        LINK,
        {
            TURNED: "even = even * cos - odd * sin\n"
            "    turned = torch.stack((even, even * sin + odd * cos), dim=-1)"
        },
    ),
    Misconception(
        "half-split-pairs",
        "Feature i is paired with feature i + head_dim / 2. Many programs do that, and for their "
        "weights it is right; here neighbours are a pair.",
        "embeddings-and-positions-layout",
        {
            SPLIT: "even, odd = x.chunk(2, dim=-1)",
            JOIN: "turned.transpose(-1, -2).flatten(-2).to(x.dtype)",
        },
    ),
    Misconception(
        "halves-in-neighbours-out",
        "The halves of the vector are taken as pairs, and the results are put back as neighbours: "
        "use one layout for reading and writing.",
        "embeddings-and-positions-layout",
        {SPLIT: "even, odd = x.chunk(2, dim=-1)"},
    ),
    Misconception(
        "neighbours-in-halves-out",
        "The pairs are turned rightly and put down in two halves, all first numbers before all "
        "second ones. They belong back at their own places.",
        "embeddings-and-positions-layout",
        {JOIN: "turned.transpose(-1, -2).flatten(-2).to(x.dtype)"},
    ),
    Misconception(
        "pairs-not-joined",
        "The pairs are turned, and still lie on an axis of their own: the result has the shape of "
        "x.",
        LINK,
        {JOIN: "turned.to(x.dtype)"},
    ),
    Misconception(
        "one-position-for-all",
        "All positions turn by the angles of the first one: each has its own row of angles.",
        LINK,
        {COS_SIN: "cos, sin = angles[0].cos(), angles[0].sin()"},
    ),
    Misconception(
        "one-speed-for-all",
        "All pairs turn by the angle of pair 0: each pair has its own.",
        LINK,
        {COS_SIN: "cos, sin = angles[:, :1].cos(), angles[:, :1].sin()"},
    ),
    Misconception(
        "angles-for-other-features",
        "The angles are laid out for two halves, a1 a2 ... a1 a2 ..., while neighbours are turned "
        "together: both numbers of a pair need the same angle.",
        "embeddings-and-positions-layout",
        {
            f"{COS_SIN}  #": "doubled = torch.cat((angles, angles), dim=-1)\n"
            "    cos, sin = doubled.cos(), doubled.sin()  #",
            PAIR: "(even * cos[..., 0::2] - odd * sin[..., 0::2], "
            "even * sin[..., 1::2] + odd * cos[..., 1::2])",
        },
    ),
    Misconception(
        "angles-added",
        "The angles are added to the features. Rotary positions add nothing: they turn pairs.",
        LINK,
        {PAIR: "(even + angles, odd + angles)"},
    ),
    Misconception(
        "only-first-numbers",
        "Only the first number of each pair changes: a turn moves both.",
        LINK,
        {PAIR: "(even * cos - odd * sin, odd)"},
    ),
    Misconception(
        "x-changed",
        "x was written over: whoever passed it in has lost the vectors before the turn. Make a new "
        "tensor for the result.",
        LINK,
        {f"return {JOIN}": f"x.copy_({JOIN})\n    return x"},
    ),
    Misconception(
        "numbers-of-a-pair-exchanged",
        "The two numbers of each pair were exchanged before the turn: the first one is the even "
        "feature, 0, 2, 4 and so on. With the angle 0 nothing may move.",
        LINK,
        {SPLIT: "odd, even = x[..., 0::2], x[..., 1::2]"},
    ),
    Misconception(
        "partner-from-the-other-half",
        "Each feature meets its partner from the other half of the vector, as `rotate_half` of "
        "many programs does, while the angles are laid out for neighbours. Neighbours are a pair.",
        "embeddings-and-positions-layout",
        answer=halves_with_neighbours_angles,
    ),
    Misconception(
        "partners-in-halves",
        "The partners (-b, a) of all pairs were laid out in two halves, all of -b before all of "
        "a, and then added to neighbours: each has to stand where its pair stands.",
        "embeddings-and-positions-layout",
        answer=partners_in_halves,
    ),
    Misconception(
        "sine-and-cosine-swapped-in-the-second",
        "In the second number of each pair sine and cosine have changed places: it is a sin + b "
        "cos, so that with the angle 0 it stays b.",
        LINK,
        {PAIR: "(even * cos - odd * sin, even * cos + odd * sin)"},
    ),
)


def _keeps_lengths(turned: np.ndarray, still: np.ndarray) -> bool:
    lengths = np.linalg.norm(still, axis=-1)
    return bool(np.allclose(np.linalg.norm(turned, axis=-1), lengths, rtol=1e-3))


PROPERTIES = (
    Property(
        "lengths-change",
        "The same vectors have other lengths after the turn than with no turn at all. A rotation "
        "keeps every length.",
        LINK,
        cases=("turned", "the same sequence, no turn at all"),
        holds=_keeps_lengths,
    ),
)

EXERCISE = Exercise(
    id="embeddings_and_positions/apply_rope",
    callable="apply_rope",
    title="Rotary positions",
    parts={"all": 3},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(complex_numbers, rotation_matrices, with_a_turned_copy, pair_by_pair),
    properties=PROPERTIES,
    equivalent={
        "`turned.flatten(-2)` for `turned.flatten(-2).to(x.dtype)`": "inputs are float32",
        "`::2` for `0::2`": "a slice begins at 0",
        "`angles` for `x` (3)": "both are float32: their dtype is asked",
        "`sin` for `x` (3)": "both are float32: their dtype is asked",
    },
)
