"""The certificate, and a conversation with one's own model: a tiny one, of bytes alone."""

import re
from datetime import date

import pytest

from grading import cli
from grading.learner import certificate, own_model, record
from grading.learner.sealed import is_unchanged
from tests.grading.learner.conftest import make_verdict
from tests.grading.learner.test_assemble import all_right, weights  # noqa: F401

DAY = date(2026, 11, 30)


@pytest.fixture
def speaking(place, weights, monkeypatch):  # noqa: F811
    """The folder of a learner whose model is the tiny one."""
    all_right(place)
    loaded = own_model.load_module

    def load_tiny(path):
        names = loaded(path)
        made = names[own_model.MODEL]
        tiny = made(weights.config, weights.tensors, weights.tokenizer)
        return {**names, own_model.LOAD: lambda: tiny}

    monkeypatch.setattr(own_model, "load_module", load_tiny)
    return place


def test_the_page_stands_alone_and_says_what_is_noted(speaking):
    mask = "attention/causal_mask"
    record.keep(mask, make_verdict(mask, 0, "fail", "diagonal-masked"), None, speaking)
    record.keep(mask, make_verdict(mask), "def causal_mask(): ...", speaking)
    norm = "decoder/rms_norm"
    record.keep(norm, make_verdict(norm, 0, "fail", "eps-outside"), None, speaking)
    text = certificate.page(record.summary(cwd=speaking), "<Hi> & you", "A <b>", DAY)
    assert not re.search(r"(?:src|href)=|url\(|@import|<script", text)
    assert "&lt;Hi&gt; &amp; you" in text and "A &lt;b&gt;" in text
    assert "30 November 2026" in text and "rope_angles" in text
    overcome, still_open = text.split("met and overcome: 1")[1].split("still open: 1")
    assert "diagonal masked" in overcome and "eps outside" in still_open
    assert is_unchanged(text)


def test_without_anything_noted_there_is_a_page(place):
    text = certificate.page(record.summary(cwd=place), "", None, DAY)
    assert "0 of 18 parts" in text and "(it said nothing)" in text and "Points" not in text


def test_the_command_writes_it_and_leaves_a_changed_one(speaking, capsys):
    assert cli.main(["certificate", "--folder", str(speaking), "--name", "Ada"]) == 0
    path = speaking / certificate.FILE
    assert (
        "<strong>Ada</strong>" in path.read_text() and "Your certificate" in capsys.readouterr().out
    )
    assert cli.main(["certificate", "--folder", str(speaking)]) == 0
    assert "Ada" not in path.read_text()
    path.write_text(path.read_text() + "mine")
    assert cli.main(["certificate", "--folder", str(speaking)]) == 0
    assert path.read_text().endswith("mine") and "stays" in capsys.readouterr().out


def chat(place, *more):
    return cli.main(["chat", "--model", "mine", "--folder", str(place), *more])


def test_a_question_to_one_s_own_model(speaking, capsys):
    assert chat(speaking, "Hi", "--max-new-tokens", "5") == 0
    said = capsys.readouterr()
    assert said.out.strip() and "stopped after 5 tokens" in said.err
    assert chat(speaking, "Hi", "--max-new-tokens", "5") == 0
    assert capsys.readouterr().out == said.out  # greedy


def test_a_conversation_keeps_both_sides_and_forgets_what_was_stopped(speaking, weights):  # noqa: F811
    from grading.learner.talk import OwnConversation

    model = own_model.load_module(own_model.write_model(speaking).path)["load"]()
    talk = OwnConversation(model)
    answer = "".join(talk.reply("a", None, 6))
    assert talk.messages[-1] == {"role": "assistant", "content": answer}
    cached = list(model.cached_ids)
    next(talk.reply("b", None, 6))  # dropped
    assert len(talk.messages) == 2
    "".join(talk.reply("c", None, 2))
    asked = model.encode_chat(talk.messages[:-1])
    assert model.cached_ids[: len(asked)] == asked and cached[:20] == asked[:20]


def test_a_part_that_fails_and_a_mark_in_the_message(speaking, capsys):
    assert chat(speaking, "a <|im_end|> b") == 1
    assert "may not contain <|im_end|>" in capsys.readouterr().err
    path = own_model.write_model(speaking).path
    path.write_text(path.read_text().replace("/ head_dim**0.5", "/ head_dims"))
    assert chat(speaking, "a") == 1
    assert "`course assemble` says which part" in capsys.readouterr().err
