"""Fresh inputs for the exercises: letters, words, texts, tables of ranks."""

from collections.abc import Sequence

from numpy.random import Generator

from grading.course.exercise import Case
from reference_impl.tokenization.bpe_training import train_bpe

WORDS = r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+"  # a pattern of words, for the package regex
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def fresh_letters(rng: Generator, *templates: str) -> list[str]:
    """The templates with other small letters, the same for all and in the same order of the
    alphabet, so that comparisons between them come out alike."""
    used = sorted({letter for template in templates for letter in template if letter in LETTERS})
    drawn = sorted(rng.choice(list(LETTERS), size=len(used), replace=False).tolist())
    table = str.maketrans(dict(zip(used, drawn, strict=True)))
    return [template.translate(table) for template in templates]


def pieces(template: str) -> list[bytes]:
    """ "a bc d" as three pieces."""
    return [piece.encode() for piece in template.split()]


def random_word(rng: Generator, alphabet: str, longest: int) -> str:
    """One to `longest` letters."""
    return "".join(rng.choice(list(alphabet), size=rng.integers(1, longest + 1)).tolist())


def random_text(rng: Generator, n_words: int, alphabet: str = "abcd", longest: int = 5) -> str:
    """Words with single spaces between them; few different ones, some of them often."""
    known = [random_word(rng, alphabet, longest) for _ in range(max(2, n_words // 3))]
    return " ".join(known[i] for i in (rng.integers(0, len(known), n_words) ** 2 % len(known)))


def ranks_of(letters: Sequence[bytes], joined: Sequence[bytes], start: int = 0) -> dict[bytes, int]:
    """A table of ranks: single bytes first, then tokens in the order in which they merge."""
    return {token: start + i for i, token in enumerate([*letters, *joined])}


def trained_ranks(rng: Generator, text: str, n_merges: int, start: int = 0) -> dict[bytes, int]:
    """Ranks learned from a text; single bytes have the lowest ids, in a random order."""
    merges = train_bpe(text, 256 + n_merges, WORDS)
    order = rng.permutation(256).tolist()
    joined = list(dict.fromkeys(left + right for left, right in merges))
    return ranks_of([bytes([byte]) for byte in order], joined, start)


def a_case(says: str, *, name: str = "", part: str = "all", **inputs) -> Case:
    """A case whose inputs are given by their names."""
    return Case(says, inputs, part=part, name=name)
