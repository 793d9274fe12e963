"""Keeping a trained tokenizer: one JSON file with all that it is made of.

A token's bytes are written as the characters of the same numbers (Latin-1), so that ordinary
English text can be read in the file. The order of the merges is the order of the list.
"""

import json
import os
from os import PathLike
from pathlib import Path

from reference_impl.tokenization.tokenization import Tokenizer

FORMAT = "byte-level BPE, 1"


def save_tokenizer(tokenizer: Tokenizer, path: str | PathLike) -> None:
    """Write the tokenizer to a file, whole or not at all; `load_tokenizer` reads it."""
    merges = tokenizer.merges
    state = {
        "format": FORMAT,
        "pattern": tokenizer.pattern.pattern,
        "special_tokens": tokenizer.special_tokens,
        "merges": merges and [[half.decode("latin-1") for half in pair] for pair in merges],
        "vocabulary": {token.decode("latin-1"): i for token, i in tokenizer.vocabulary.items()},
    }
    draft = Path(f"{path}.new")
    draft.write_text(json.dumps(state, indent=0, ensure_ascii=False), encoding="utf-8")
    os.replace(draft, path)


def load_tokenizer(path: str | PathLike) -> Tokenizer:
    """The tokenizer in a file of `save_tokenizer`: the same ids for every text.

    Raises FileNotFoundError, or ValueError for another kind of file or a damaged one.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: give one that save_tokenizer wrote")
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        if state["format"] != FORMAT:
            raise ValueError(f"its format is {state['format']!r}, and {FORMAT!r} is read here")
        merges = state["merges"]
        if merges is not None:
            merges = [(left.encode("latin-1"), right.encode("latin-1")) for left, right in merges]
        vocabulary = {token.encode("latin-1"): i for token, i in state["vocabulary"].items()}
        return Tokenizer(vocabulary, state["pattern"], state["special_tokens"], merges)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is no tokenizer that save_tokenizer wrote, or damaged ({error!r}): "
            "save it again"
        ) from error
