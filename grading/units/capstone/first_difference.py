"""capstone/first_difference: where two models part ways."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception

LINK = "capstone-compare"


def cases(rng: np.random.Generator) -> list[Case]:
    """Small and large differences at several states; NaN, infinity, another shape; limits."""
    sizes = (1.0, 10.0, 100.0, 1000.0)
    reference = [size * _tensor(rng) for size in sizes]

    def off(*changes: tuple[int, float, float]) -> list[np.ndarray]:
        """Of state i, one number moved by a share of the state's largest."""
        states = [state.copy() for state in reference]
        for i, share, direction in changes:
            states[i][0, 0, 1] += direction * share * np.abs(reference[i]).max()
        return states

    def special(i: int, value: float) -> list[np.ndarray]:
        states = off()
        states[i][0, 1, 2] = value
        return states

    shaped = [*off()[:2], reference[2][:, :1].copy(), reference[3]]
    kept = [*reference[:2], np.repeat(reference[2][:, :1], 5, axis=1), reference[3]]
    exact = [np.array([1.0, -4.0], dtype=np.float32)]

    def case(says, states, wanted=None, tolerance=1e-2):
        inputs = {
            "states": states,
            "reference": reference if wanted is None else wanted,
            "tolerance": tolerance,
        }
        return Case(says, inputs)

    return [
        case("equal states", off()),
        case("a difference in state 2", off((2, 0.05, 1))),
        case("a difference in state 2, downwards", off((2, 0.05, -1))),
        case("a difference in state 0", off((0, 0.05, 1))),
        case("a difference in the last state", off((3, 0.05, -1))),
        case("differences in states 1 and 3, the later one larger", off((1, 0.05, 1), (3, 0.4, 1))),
        case("a small difference in every state", off(*((i, 0.003, 1) for i in range(4)))),
        case("a small difference in state 1, a larger one in 2", off((1, 0.004, 1), (2, 0.2, 1))),
        case("a larger tolerance", off((0, 0.05, 1), (1, 0.3, 1)), tolerance=0.1),
        case("NaN in state 1", special(1, np.nan)),
        case("infinity in state 3", special(3, np.inf)),
        case("a state far too large", [*off()[:1], 40 * reference[1], *off()[2:]]),
        case("a state of zeros", [*off()[:1], 0 * reference[1], *off()[2:]]),
        case("a state with one position only", shaped, kept),
        case("a state with one feature more", [*off()[:3], _tensor(rng, features=8)]),
        case("a difference of just the tolerance", [exact[0] + np.float32(2)], exact, 0.5),
        case("equal states and tolerance 0", off(), tolerance=0.0),
        case("a difference and tolerance 0", off((1, 1e-3, 1)), tolerance=0.0),
        case("a difference before the last position", _earlier(reference)),
        case("a rare difference among small numbers", *_peak(rng)),
        Case("no tolerance given", {"states": off((1, 0.0015, 1)), "reference": reference}),
        Case(
            "no tolerance given, less apart", {"states": off((1, 5e-4, 1)), "reference": reference}
        ),
        case("no states", [], []),
    ]


def _tensor(rng, features: int = 7) -> np.ndarray:
    return rng.uniform(-1, 1, size=(2, 5, features)).astype(np.float32)


def _earlier(reference) -> list[np.ndarray]:
    states = [state.copy() for state in reference]
    states[1][1, 2] += 3
    return states


def _peak(rng) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """One feature of 100 among small ones, as real streams have; a small one is off by 0.1."""
    wanted = 0.01 * _tensor(rng)
    wanted[:, :, 3] = 100
    state = wanted.copy()
    state[0, 0, 0] += 0.1
    return [state], [wanted]


# --- right in other ways ---------------------------------------------------------------------


def with_allclose(states, reference, tolerance=1e-3):
    """torch.allclose, the largest number of the reference as an absolute tolerance."""
    for i in range(len(reference)):
        same = states[i].shape == reference[i].shape
        limit = tolerance * reference[i].abs().max().item()
        if not (same and torch.allclose(states[i], reference[i], rtol=0.0, atol=limit)):
            return i
    return None


def number_by_number(states, reference, tolerance=1e-3):
    """Lists of Python numbers."""
    for i, (state, wanted) in enumerate(zip(states, reference, strict=True)):
        limit = tolerance * max(abs(number) for number in wanted.flatten().tolist())
        pairs = zip(state.flatten().tolist(), wanted.flatten().tolist(), strict=False)
        if list(state.shape) != list(wanted.shape):
            return i
        if not all(abs(a - b) <= limit * (1 + 1e-6) for a, b in pairs):
            return i


def all_then_first(states, reference, tolerance=1e-3):
    """A list of agreements, and the place of the first False in it."""

    def agrees(state, wanted):
        if state.shape != wanted.shape or not bool(torch.isfinite(state).all()):
            return False
        apart = torch.linalg.vector_norm(state - wanted, ord=float("inf"))
        return bool(apart <= tolerance * torch.linalg.vector_norm(wanted, ord=float("inf")))

    found = [agrees(s, w) for s, w in zip(states, reference, strict=True)]
    return found.index(False) if False in found else None


# --- wrong in known ways -----------------------------------------------------------------------

DIFFERENCE = "difference = (state - wanted).abs().max()"
TEST = "if not difference <= tolerance * wanted.abs().max():"
SHAPE = "if state.shape != wanted.shape:\n            return i\n        "

MISCONCEPTIONS = (
    Misconception(
        "absolute",
        "The difference is compared with the tolerance itself. States of a deep model go into the "
        "hundreds: measure it by the largest number of the reference.",
        LINK,
        {TEST: "if not difference <= tolerance:"},
    ),
    Misconception(
        "nan-agrees",
        "A state with NaN passes as equal. Every comparison with NaN is False, so ask what has to "
        "be true of an equal state, not what has to be true of a different one.",
        LINK,
        {TEST: "if difference > tolerance * wanted.abs().max():"},
    ),
    Misconception(
        "sign-kept",
        "Only numbers that are too large are noticed, not those that are too small: the sign of "
        "the difference should not count.",
        LINK,
        {DIFFERENCE: "difference = (state - wanted).max()"},
    ),
    Misconception(
        "mean-difference",
        "The mean of all differences is measured. One number that is off is enough: take the "
        "largest.",
        LINK,
        {DIFFERENCE: "difference = (state - wanted).abs().mean()"},
    ),
    Misconception(
        "mean-size",
        "The difference is measured by the mean number of the reference, not by its largest one.",
        LINK,
        {"wanted.abs().max()": "wanted.abs().mean()"},
    ),
    Misconception(
        "number-by-number",
        "Each number is measured by its own reference. Small numbers among large ones then count "
        "as different: one size for the whole state.",
        LINK,
        {
            DIFFERENCE: "difference = ((state - wanted).abs() - tolerance * wanted.abs()).max()",
            TEST: "if not difference <= 0:",
        },
    ),
    Misconception(
        "own-size",
        "The difference is measured by the state itself. A state that is far too large then "
        "passes or fails by its own size: measure by the reference.",
        LINK,
        {"wanted.abs().max()": "state.abs().max()"},
    ),
    Misconception(
        "last-difference",
        "This is the last state that differs. What comes behind the first one inherits its "
        "difference: the first shows where to look.",
        LINK,
        {
            "for i, (state, wanted) in enumerate(zip(states, reference, strict=True)):": "for i, "
            "(state, wanted) in list(enumerate(zip(states, reference, strict=True)))[::-1]:"
        },
    ),
    Misconception(
        "counted-from-one",
        "States are counted from 1 here. The first has number 0.",
        LINK,
        {
            "enumerate(zip(states, reference, strict=True))": "enumerate(zip(states, reference, "
            "strict=True), 1)"
        },
    ),
    Misconception(
        "first-that-agrees",
        "This is the first state that agrees. Wanted is the first that does not.",
        LINK,
        {TEST: "if difference <= tolerance * wanted.abs().max():"},
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
        {
            DIFFERENCE: "difference = (state - wanted)[..., -1:, :].abs().max() if state.dim() > 1 "
            "else (state - wanted).abs().max()"
        },
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
    alternatives=(with_allclose, number_by_number, all_then_first),
)
