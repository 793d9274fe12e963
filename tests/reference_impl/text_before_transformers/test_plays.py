"""The plays as words: what is kept, what is left out, and the act that nobody counted."""

from collections import Counter

import pytest

from reference_impl.text_before_transformers import plays
from reference_impl.text_before_transformers.plays import (
    Vocabulary,
    find_plays,
    held_out_act,
    load_plays,
    spoken,
    to_words,
)


def test_directions_names_and_headings_are_left_out():
    markdown = (
        "# A Play\n\n## ACT I\n\n_Enter DUKE and\nothers_\n\n**DUKE**  \n"
        "Now, __\\[Aside]_ now!  \nGo. *A horn.*\n\n**LORD**  \nI go.\n"
    )
    assert spoken(markdown) == "Now,  now!\nGo.\nI go."


def test_a_direction_that_is_never_closed_costs_one_paragraph_at_most():
    assert spoken("_Enter DUKE\n\nGood day.\n\n_Exit_\n") == "_Enter DUKE\nGood day."


def test_words_keep_apostrophes_and_hyphens_inside_them():
    assert to_words("'Tis the o'er-wrought King's") == ["tis", "the", "o'er-wrought", "king's"]
    assert to_words("Stay;--go... (soft)") == ["stay", ";", "go", ".", ".", ".", "soft"]


def test_thirty_eight_plays_are_there_with_famous_lines():
    texts = load_plays()
    assert len(texts) == len(find_plays()) == 38
    assert "To be, or not to be: that is the question" in texts["hamlet"]
    assert "Now is the winter of our discontent" in texts["richard-iii"]
    assert not any("**" in text or "\n\n" in text for text in texts.values())


def test_the_held_out_act_is_nowhere_in_the_counted_texts():
    texts, act = held_out_act()
    assert len(texts) == 37 and sum(map(len, texts)) > 900_000
    assert "to be , or not to be : that is the question" in " ".join(act)
    joined = " ".join(word for text in texts for word in text)
    assert "or not to be : that is the question" not in joined
    assert "elsinore" not in Counter(joined.split())


def test_plays_that_are_not_installed_say_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setattr(plays.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install"):
        find_plays()


def test_a_package_without_plays_says_so(monkeypatch, tmp_path):
    class Spec:
        submodule_search_locations = [str(tmp_path)]

    monkeypatch.setattr(plays.importlib.util, "find_spec", lambda name: Spec)
    with pytest.raises(FileNotFoundError, match="holds no plays"):
        find_plays()


def test_a_vocabulary_keeps_the_frequent_words_and_equals_in_order():
    vocabulary = Vocabulary([["b", "a", "c"], ["c"]], size=3)
    assert vocabulary.words == [plays.UNKNOWN, "a", "c"]
    assert vocabulary.decode(vocabulary.encode(["c", "b", "a"])) == ["c", plays.UNKNOWN, "a"]
    assert len(Vocabulary([["one"]], size=10)) == 2
