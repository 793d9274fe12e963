"""The plays of Shakespeare by characters: small enough to train on while one watches.

Does not handle: other alphabets. A character outside of CHARACTERS is a ValueError.
"""

import string

import torch
from jaxtyping import Integer, UInt8
from torch import Tensor

from reference_impl.text_before_transformers.plays import split_plays

CHARACTERS = "\n !',-.:;?" + string.ascii_uppercase + string.ascii_lowercase  # the id is the place
IDS = {character: i for i, character in enumerate(CHARACTERS)}


def only_characters(text: str) -> str:
    """The text with what CHARACTERS lacks left out; a long dash becomes a short one.

    That concerns some 240 of 4.4 million characters of the plays: brackets, digits, a dollar.

    >>> only_characters("To be\u2014[2] or not")
    'To be- or not'
    """
    return "".join(c for c in text.replace("\u2014", "-") if c in IDS)


def encode_characters(text: str) -> UInt8[Tensor, " n_tokens"]:
    """The id of each character. Raises ValueError for one that is not among CHARACTERS.

    >>> encode_characters("Ab!")
    tensor([10, 37,  2], dtype=torch.uint8)
    """
    strange = sorted(set(text) - set(IDS))
    if strange:
        raise ValueError(f"{strange} are no characters of the plays: use only_characters first")
    return torch.tensor([IDS[c] for c in text], dtype=torch.uint8)


def decode_characters(token_ids: Integer[Tensor, " n_tokens"]) -> str:
    """The text of ids.

    >>> decode_characters(torch.tensor([10, 37, 2]))
    'Ab!'
    """
    return "".join(CHARACTERS[i] for i in token_ids.tolist())


def load_characters() -> tuple[UInt8[Tensor, " n_tokens"], UInt8[Tensor, " n_held_out"]]:
    """The ids of 37 plays, one after the other, and those of an act of Hamlet to measure on."""
    texts, act = split_plays()
    train = only_characters("\n".join(texts.values()))
    return encode_characters(train), encode_characters(only_characters(act))
