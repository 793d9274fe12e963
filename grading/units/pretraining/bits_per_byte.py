"""pretraining/bits_per_byte: a measure that does not depend on the tokens."""

import math

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.pretraining.draw import normal
from grading.units.pretraining.plain_number import PLAIN

LINK = "pretraining-bits"
ENGLISH = "the quick brown fox jumps over the lazy dog"


def cases(rng: np.random.Generator) -> list[Case]:
    """Few and many tokens for one text, one token, other scripts, one character, no text."""
    words, letters = _losses(rng, 9), _losses(rng, len(ENGLISH))
    cut_finer = np.repeat(words / 3, 3)
    return [
        _case("English of 9 tokens", words, ENGLISH, "words"),
        _case("the same tokens at twice the cost", 2 * words, ENGLISH, "costlier"),
        _case("the same nats over three times the tokens", cut_finer, ENGLISH, "finer"),
        _case("English by letters", letters, ENGLISH),
        _case("one token", words[:1], "river"),
        _case("one letter", words[:1], "a"),
        _case("Greek, two bytes a letter", words[:5], "ποτάμι"),
        _case("Hindi, three bytes a sign", words[:7], "नदी"),
        _case("a smiling face, four bytes", words[:4], "\U0001f600"),
        _case("lines and spaces", words[:6], " to be,\n\n or not \n"),
        _case("tokens that were certain", np.zeros(3, np.float32), "abc"),
        _case("an empty text", words[:3], ""),
        _case("no tokens and an empty text", words[:0], ""),
    ]


def _losses(rng, n_tokens: int) -> np.ndarray:
    return np.abs(normal(rng, n_tokens, scale=2)) + np.float32(0.1)


def _case(says: str, losses: np.ndarray, text: str, name: str = "") -> Case:
    return Case(says, {"losses": losses, "text": text}, name=name, compare=PLAIN)


# --- right in other ways ---------------------------------------------------------------------


def from_probabilities(losses, text):
    """Each loss as bits by a logarithm to base 2."""
    if not text:
        raise ValueError("empty")
    bits = [-math.log2(math.exp(-loss)) if loss < 700 else loss / math.log(2) for loss in losses]
    return sum(float(b) for b in bits) / len(bytes(text, "utf-8"))


def mean_times_number(losses, text):
    """Nats a token, then tokens a byte, then bits a nat."""
    size = len(text.encode("utf-8"))
    if size == 0:
        raise ValueError("empty")
    nats_per_token = losses.double().mean()
    return float(nats_per_token * (len(losses) / size) / np.log(2))


def bytes_counted_by_hand(losses, text):
    """How many bytes each character takes, from its number."""
    n_bytes = 0
    for c in text:
        n_bytes += 1 + sum(ord(c) >= limit for limit in (0x80, 0x800, 0x10000))
    if n_bytes < 1:
        raise ValueError("no bytes")
    return torch.sum(losses * math.log2(math.e)).item() / n_bytes


# --- wrong in known ways -----------------------------------------------------------------------

BYTES = "n_bytes = len(text.encode())"
CHECK = "if n_bytes == 0:"
BITS = "bits = losses.sum().item() / math.log(2)"
RESULT = "return bits / n_bytes"

MISCONCEPTIONS = (
    Misconception(
        "nats-for-bits",
        "This is nats for a byte. A bit is a factor of 2: divide by ln 2.",
        LINK,
        {BITS: "bits = losses.sum().item()"},
    ),
    Misconception(
        "times-ln-2",
        "The nats are multiplied by ln 2. There are more bits than nats, so divide.",
        LINK,
        {BITS: "bits = losses.sum().item() * math.log(2)"},
    ),
    Misconception(
        "characters-for-bytes",
        "The text's characters are counted, not its bytes. In UTF-8 a letter outside English takes "
        "two to four.",
        LINK,
        {BYTES: "n_bytes = len(text)"},
    ),
    Misconception(
        "bits-per-token",
        "This is bits for a token, and depends on how the text was cut. Divide by the bytes of the "
        "text.",
        LINK,
        {RESULT: "return bits / len(losses)"},
    ),
    Misconception(
        "mean-over-tokens-too",
        "The mean over the tokens was divided by the bytes. What the whole text costs is the sum "
        "over its tokens.",
        LINK,
        {BITS: "bits = losses.mean().item() / math.log(2) if len(losses) else 0.0"},
    ),
    Misconception(
        "nats-per-token",
        "This is the mean loss in nats for a token: neither bits nor bytes.",
        LINK,
        {RESULT: "return losses.mean().item()"},
    ),
    Misconception(
        "perplexity",
        "This is the perplexity, exp of the mean loss. It depends on the tokens; bits for a byte "
        "are wanted.",
        LINK,
        {RESULT: "return math.exp(losses.mean().item())"},
    ),
    Misconception(
        "bits-of-the-text",
        "These are the bits of the whole text. Divide by the number of its bytes.",
        LINK,
        {RESULT: "return bits"},
    ),
    Misconception(
        "bytes-per-bit",
        "This is bytes for a bit: the division is upside down.",
        LINK,
        {RESULT: "return n_bytes / bits"},
    ),
    Misconception(
        "times-the-bytes",
        "The bits are multiplied by the bytes. What each byte costs is a division.",
        LINK,
        {RESULT: "return bits * n_bytes"},
    ),
    Misconception(
        "a-tensor-comes-back",
        "A tensor came back. A plain Python float is wanted: end with `.item()`, or `float(...)`.",
        LINK,
        {BITS: "bits = losses.sum() / math.log(2)"},
    ),
    Misconception(
        "a-number-for-each-token",
        "There is a number for each token. One number is wanted for the whole text.",
        LINK,
        {BITS: "bits = losses / math.log(2)"},
    ),
    Misconception(
        "bits-per-bit",
        "The bytes were taken times 8. Wanted is how many bits the model needs for each byte.",
        LINK,
        {RESULT: "return bits / (8 * n_bytes)"},
    ),
    Misconception(
        "words-for-bytes",
        "The text's words are counted, not its bytes.",
        LINK,
        {BYTES: "n_bytes = len(text.split())"},
    ),
    Misconception(
        "spaces-left-out",
        "Spaces and line ends are left out of the bytes. The model had to predict them as well.",
        LINK,
        {BYTES: 'n_bytes = len("".join(text.split()).encode())'},
    ),
    Misconception(
        "logarithm-of-the-losses",
        "A logarithm was taken of the losses, but they are logarithms already. From nats to bits "
        "is a division.",
        LINK,
        {BITS: "bits = losses.log2().sum().item()"},
    ),
    Misconception(
        "two-bytes-a-character",
        "The text was encoded in another way than UTF-8, with two bytes for most characters.",
        LINK,
        {BYTES: 'n_bytes = len(text.encode("utf-16-le"))'},
    ),
    Misconception(
        "empty-text-accepted",
        "An empty text gets an answer. Bits for no byte mean nothing: the docstring promises a "
        "ValueError.",
        LINK,
        {CHECK: "if n_bytes == 0:\n        return 0.0\n    " + CHECK},
    ),
    Misconception(
        "division-by-zero",
        "An empty text divides by 0. Look first, and raise the ValueError that is promised.",
        LINK,
        {CHECK: "if False:"},
    ),
)

EXERCISE = Exercise(
    id="pretraining/bits_per_byte",
    callable="bits_per_byte",
    title="Bits for a byte",
    parts={"all": 2},
    minutes=8,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(from_probabilities, mean_times_number, bytes_counted_by_hand),
    properties=(
        Property(
            "twice-the-cost",
            "The same tokens, each at twice the cost, do not come out at twice the bits.",
            LINK,
            ("words", "costlier"),
            lambda words, costlier: bool(np.isclose(2 * words, costlier, rtol=1e-3)),
        ),
        Property(
            "cut-does-not-matter",
            "The same text at the same cost, cut into three times the tokens, comes out otherwise.",
            LINK,
            ("words", "finer"),
            lambda words, finer: bool(np.isclose(words, finer, rtol=1e-3)),
        ),
    ),
)
