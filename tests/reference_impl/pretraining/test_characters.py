"""The plays by characters: what goes in comes out, and the act is in none of the plays."""

import pytest
import torch

from reference_impl.pretraining.characters import (
    CHARACTERS,
    decode_characters,
    encode_characters,
    load_characters,
    only_characters,
)


def test_ids_are_places_in_the_alphabet():
    assert len(CHARACTERS) == len(set(CHARACTERS)) == 62
    assert list(CHARACTERS) == sorted(CHARACTERS)
    ids = encode_characters(CHARACTERS)
    assert ids.tolist() == list(range(62)) and ids.dtype == torch.uint8
    assert decode_characters(ids) == CHARACTERS


def test_a_strange_character_is_refused_or_left_out():
    with pytest.raises(ValueError, match="only_characters"):
        encode_characters("5 pounds")
    assert only_characters("5 pounds \u2014 & [more]") == " pounds -  more"


def test_the_act_is_held_out():
    train, act = load_characters()
    assert 4_200_000 < len(train) < 4_300_000 and 36_000 < len(act) < 38_000
    text, famous = decode_characters(train[-200_000:]), "To be, or not to be: that is the question"
    assert famous in decode_characters(act) and famous not in text
    assert train.max() < 62 and act.max() < 62
