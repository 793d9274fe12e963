"""capstone/first_difference: where two models part ways."""

import math

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception

LINK = "capstone-compare"


def cases(rng: np.random.Generator) -> list[Case]:
    """Small and large differences at several states; NaN, infinity, another shape; limits."""
    reference = [_tensor(rng, scale=size) for size in (1.0, 10.0, 100.0, 1000.0)]

    def off(*changes: tuple[int, float], at=(1, 2)) -> list[np.ndarray]:
        """At one position of state i, a vector moved by a share of the reference's length."""
        states = [state.copy() for state in reference]
        for i, share in changes:
            direction = rng.standard_normal(7)
            length = np.linalg.norm(reference[i][at]) * share
            states[i][at] += (direction / np.linalg.norm(direction) * length).astype(np.float32)
        return states

    def special(i: int, value: float) -> list[np.ndarray]:
        states = off()
        states[i][0, 1, 2] = value
        return states

    exact = [np.array([[3.0, 4.0], [0.0, 2.0]], dtype=np.float32)]
    just = [exact[0] + np.array([[0.0, 2.5], [0.0, 0.0]], dtype=np.float32)]
    shaped = [*off()[:2], reference[2][:, :1].copy(), reference[3]]
    kept = [*reference[:2], np.repeat(reference[2][:, :1], 5, axis=1), reference[3]]

    def case(says, states, wanted=None, tolerance=1e-2):
        right = reference if wanted is None else wanted
        return Case(says, {"states": states, "reference": right, "tolerance": tolerance})

    return [
        case("equal states", off()),
        case("a difference in state 2", off((2, 0.05))),
        case("a difference in state 0", off((0, 0.05))),
        case("a difference in the last state", off((3, 0.05))),
        case("a difference at the first position", off((1, 0.05), at=(0, 0))),
        case("a difference at the last position", off((1, 0.05), at=(1, 4))),
        case("differences in states 1 and 3, the later one larger", off((1, 0.05), (3, 0.4))),
        case("a small difference in every state", off(*((i, 0.006) for i in range(4)))),
        case("a small difference in state 1, a larger one in 2", off((1, 0.006), (2, 0.2))),
        case("a larger tolerance", off((0, 0.05), (1, 0.3)), tolerance=0.1),
        case("NaN in state 1", special(1, np.nan)),
        case("infinity in state 3", special(3, np.inf)),
        case("a state twice as large", [*off()[:1], 2 * reference[1], *off()[2:]], tolerance=0.7),
        case("a vector turned round", [*off()[:1], -reference[1], *off()[2:]]),
        case("a state of zeros", [*off()[:1], 0 * reference[1], *off()[2:]]),
        case("a state with one position only", shaped, kept),
        case("a state with one feature more", [*off()[:3], _tensor(rng, features=8)]),
        case("a difference of just the tolerance", just, exact, 0.5),
        case("equal states and tolerance 0", off(), tolerance=0.0),
        case("a reference vector of 0, and the same in the state", *_zero(reference, 0.0)),
        case("a reference vector of 0, and another in the state", *_zero(reference, 1e-4)),
        case("short vectors, one off by a twentieth", *_short(off((1, 0.05)), reference)),
        case("a difference and tolerance 0", off((1, 1e-3)), tolerance=0.0),
        case("a giant first position, and a small one that is off", *_giant(rng, False)),
        case("a giant feature, and a small one that is off", *_giant(rng, True)),
        Case("no tolerance given", {"states": off((1, 0.0015)), "reference": reference}),
        Case("no tolerance given, less apart", {"states": off((1, 5e-4)), "reference": reference}),
        case("no states", [], []),
    ]


def _tensor(rng, features: int = 7, scale: float = 1.0) -> np.ndarray:
    return (scale * rng.uniform(-1, 1, size=(2, 5, features))).astype(np.float32)


def _zero(reference, value: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """All equal, but for `value` in the state where a vector of the reference is 0."""
    wanted = [state.copy() for state in reference]
    wanted[2][1, 3] = 0
    states = [state.copy() for state in wanted]
    states[2][1, 3, 4] = value
    return states, wanted


def _short(states, reference) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The same shares of vectors that are much shorter than 1."""
    return [[(x / 20000).astype(np.float32) for x in some] for some in (states, reference)]


def _giant(rng, everywhere: bool) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """A feature of 1000, at the first position or at all, as real streams have.

    A small number is off: by more than its position allows, or by much of itself alone.
    """
    wanted = _tensor(rng)
    wanted[:, :, 3] = 1000
    if not everywhere:
        wanted[:, 1:, 3] = 0.5
    state = wanted.copy()
    state[0, 2, 0] += 0.5
    return [state], [wanted]


# --- right in other ways ---------------------------------------------------------------------


def position_by_position(states, reference, tolerance=1e-3):
    """Each vector by itself, in Python's own numbers."""

    def length(vector):
        return math.sqrt(sum(number * number for number in vector))

    for i, (state, wanted) in enumerate(zip(states, reference, strict=True)):
        if list(state.shape) != list(wanted.shape):
            return i
        n = wanted.shape[-1]
        for a, r in zip(state.reshape(-1, n).tolist(), wanted.reshape(-1, n).tolist(), strict=True):
            apart = length([x - y for x, y in zip(a, r, strict=True)])
            if math.isnan(apart) or apart > tolerance * length(r) * (1 + 1e-6):
                return i


def by_squares(states, reference, tolerance=1e-3):
    """Squared lengths in float64, and a list of agreements."""
    found = []
    for state, wanted in zip(states, reference, strict=True):
        if state.shape != wanted.shape:
            found.append(False)
            continue
        apart = (state.double() - wanted.double()).square().sum(-1)
        found.append(bool((apart <= tolerance**2 * wanted.double().square().sum(-1)).all()))
    return found.index(False) if False in found else None


def with_numpy(states, reference, tolerance=1e-3):
    """NumPy's norm, and next() over the numbers that differ."""

    def differs(i):
        state, wanted = states[i].numpy(), reference[i].numpy()
        if state.shape != wanted.shape or not np.isfinite(state).all():
            return True
        apart = np.linalg.norm(state - wanted, axis=-1)
        return bool((apart > tolerance * np.linalg.norm(wanted, axis=-1)).any())

    return next(filter(differs, range(len(reference))), None)


# --- wrong in known ways -----------------------------------------------------------------------

DIFFERENCE = "difference = (state - wanted).norm(dim=-1)"
SIZE = "size = wanted.norm(dim=-1)"
TEST = "if not (difference <= tolerance * size).all():"
WHOLE_TEST = "if apart > tolerance * wanted.norm():"
SHAPE = "if state.shape != wanted.shape:\n            return i\n        "
PAIRS = "enumerate(zip(states, reference, strict=True))"

MISCONCEPTIONS = (
    Misconception(
        "absolute",
        "The difference is compared with the tolerance itself. The vectors of a deep model grow "
        "from layer to layer: measure by the reference's.",
        LINK,
        {TEST: "if not (difference <= tolerance).all():"},
    ),
    Misconception(
        "largest-of-the-state",
        "The largest difference is measured by the largest number of the whole state. A few giant "
        "numbers then hide what is wrong everywhere else: measure each position by its own vector.",
        LINK,
        {
            DIFFERENCE: "difference = (state - wanted).abs().max()",
            SIZE: "size = wanted.abs().max()",
        },
    ),
    Misconception(
        "whole-state",
        "The length of the whole state is measured. One giant position then hides all others: "
        "measure each position by its own vector.",
        LINK,
        {DIFFERENCE: "difference = (state - wanted).norm()", SIZE: "size = wanted.norm()"},
    ),
    Misconception(
        "whole-state-and-no-guards",
        "The length of the whole state is measured, so a giant position hides all others: measure "
        "each position by its own vector. A NaN or another shape is not noticed: look for both.",
        LINK,
        {SHAPE: "", DIFFERENCE: "apart = (state - wanted).norm()", TEST: WHOLE_TEST},
    ),
    Misconception(
        "largest-number-and-no-guards",
        "The largest difference is measured by the largest number of the whole state, and giant "
        "numbers hide the rest: measure each position by its own vector. A NaN or another "
        "shape is not noticed: look for both.",
        LINK,
        {
            SHAPE: "",
            DIFFERENCE: "apart = (state - wanted).abs().max()",
            TEST: WHOLE_TEST.replace("norm", "abs().max"),
        },
    ),
    Misconception(
        "largest-number-absolute",
        "The largest difference of any number is compared with the tolerance itself, and a NaN or "
        "another shape is not noticed. Vectors grow from layer to layer: measure each position by "
        "the reference's.",
        LINK,
        {
            SHAPE: "",
            DIFFERENCE: "apart = (state - wanted).abs().max()",
            TEST: "if apart > tolerance:",
        },
    ),
    Misconception(
        "mean-of-the-positions",
        "The mean of all positions is asked for. One position that is off is enough.",
        LINK,
        {TEST: "if not (difference / size).mean() <= tolerance:"},
    ),
    Misconception(
        "ratio-of-the-means",
        "The mean of the differences is compared with the mean of the lengths, so that the other "
        "positions hide one that is off. Measure each position by its own vector.",
        LINK,
        {TEST: "if not difference.mean() <= tolerance * size.mean():"},
    ),
    Misconception(
        "any-position-will-do",
        "It is enough here that some position agrees. Every one has to.",
        LINK,
        {".all():": ".any() and difference.numel():"},
    ),
    Misconception(
        "number-by-number",
        "Each number is measured by its own reference. A small number among large ones then counts "
        "as different: measure the vector of a position as a whole.",
        LINK,
        {DIFFERENCE: "difference = (state - wanted).abs()", SIZE: "size = wanted.abs()"},
    ),
    Misconception(
        "over-the-positions",
        "The length is taken over the positions, feature by feature. A vector lies along the last "
        "axis.",
        LINK,
        {
            DIFFERENCE: "difference = (state - wanted).norm(dim=-2)",
            SIZE: "size = wanted.norm(dim=-2)",
        },
    ),
    Misconception(
        "lengths-compared",
        "The lengths of the two vectors are compared. A vector that is turned round has the same "
        "length: take the length of the difference.",
        LINK,
        {DIFFERENCE: "difference = (state.norm(dim=-1) - wanted.norm(dim=-1)).abs()"},
    ),
    Misconception(
        "direction-alone",
        "Only the direction of the two vectors is compared. One that is twice as long has the same "
        "direction: take the length of the difference.",
        LINK,
        {
            DIFFERENCE: "difference = 1 - torch.cosine_similarity(state, wanted, dim=-1)",
            TEST: "if not (difference <= tolerance).all():",
        },
    ),
    Misconception(
        "sum-of-sizes",
        "The sizes of the numbers are added up. The Euclidean length is the root of the sum of "
        "their squares.",
        LINK,
        {DIFFERENCE: "difference = (state - wanted).abs().sum(dim=-1)"},
    ),
    Misconception(
        "nan-agrees",
        "A state with NaN passes as equal. Every comparison with NaN is False, so ask what has to "
        "be true of an equal state, not what has to be true of a different one.",
        LINK,
        {TEST: "if (difference > tolerance * size).any():"},
    ),
    Misconception(
        "own-size",
        "The difference is measured by the state itself. One that is far too large then passes by "
        "its own size: measure by the reference.",
        LINK,
        {SIZE: "size = state.norm(dim=-1)"},
    ),
    Misconception(
        "last-difference",
        "This is the last state that differs. What comes behind the first one inherits its "
        "difference: the first shows where to look.",
        LINK,
        {PAIRS: f"list({PAIRS})[::-1]"},
    ),
    Misconception(
        "counted-from-one",
        "States are counted from 1 here. The first has number 0.",
        LINK,
        {PAIRS: "enumerate(zip(states, reference, strict=True), 1)"},
    ),
    Misconception(
        "first-that-agrees",
        "This is the first state that agrees. Wanted is the first that does not.",
        LINK,
        {TEST: "if (difference <= tolerance * size).all():"},
    ),
    Misconception(
        "shape-not-asked",
        "States of different shapes are subtracted: PyTorch stretches one of them or raises an "
        "error. Another shape is a difference by itself.",
        LINK,
        {SHAPE: ""},
    ),
    Misconception(
        "strictly-below",
        "A difference of just the tolerance counts as too large, and with tolerance 0 so do equal "
        "states. It may be as large as that.",
        LINK,
        {"difference <= tolerance": "difference < tolerance"},
    ),
    Misconception(
        "last-position-alone",
        "Only the last position is looked at. Every position can be off.",
        LINK,
        {TEST: "if not (difference <= tolerance * size)[..., -1:].all():"},
    ),
    Misconception(
        "first-position-alone",
        "Only the first position is looked at. Every position can be off.",
        LINK,
        {TEST: "if not (difference <= tolerance * size)[..., :1].all():"},
    ),
    Misconception(
        "squared-length",
        "The difference is squared and the reference's length is not, or a root is missing. Both "
        "are lengths.",
        LINK,
        {DIFFERENCE: "difference = (state - wanted).square().sum(dim=-1)"},
    ),
    Misconception(
        "tolerance-not-squared",
        "Squares of both lengths are compared, and the tolerance is not squared: with 0.01, a "
        "tenth of the length passes.",
        LINK,
        {
            DIFFERENCE: "difference = (state - wanted).square().sum(dim=-1)",
            SIZE: "size = wanted.square().sum(dim=-1)",
        },
    ),
    Misconception(
        "divided-by-zero",
        "Where a vector of the reference is 0 and yours as well, 0 / 0 is NaN, and they count as "
        "different. Multiply the tolerance by the length, then nothing is divided.",
        LINK,
        {TEST: "if not (difference / size <= tolerance).all():"},
    ),
    Misconception(
        "lengths-below-one",
        "A length below 1 is taken for 1, so a short vector may be off by more than its share.",
        LINK,
        {SIZE: "size = wanted.norm(dim=-1).clamp(min=1)"},
    ),
    Misconception(
        "minus-one-for-none",
        "Where all states agree it returns -1, which is a place in Python: the last. Wanted is "
        "None.",
        LINK,
        {"    return None": "    return -1"},
    ),
)

EXERCISE = Exercise(
    id="capstone/first_difference",
    callable="first_difference",
    title="The first difference",
    parts={"all": 3},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(position_by_position, by_squares, with_numpy),
    equivalent={
        "`zip(states, reference)` for `zip(states, reference, strict=True)`": "equally many",
        "`False` for `True`": "equally many",
        "`wanted - state` for `state - wanted`": "its length is the same",
    },
)
