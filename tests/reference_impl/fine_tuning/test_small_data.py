"""The course's own short answers and small talk: what is held out is never trained on."""

import torch

from reference_impl.fine_tuning.chat import render_chat
from reference_impl.fine_tuning.short_answers import (
    dialogue,
    held_out_pairs,
    in_format,
    keeps_format,
    trained_pairs,
)
from reference_impl.fine_tuning.small_talk import (
    CONTEXT_LENGTH,
    N_TOKENS,
    base_model,
    character_tokenizer,
    facts,
    small_talk,
)


def test_short_answers_held_out_are_not_trained_on():
    trained, held_out = trained_pairs(), held_out_pairs()
    assert len(trained) == 36 and len(held_out) == 22
    assert not {question for question, _ in trained} & {question for question, _ in held_out}
    assert all(keeps_format(dialogue(*pair)[1]["content"]) for pair in trained + held_out)


def test_only_the_whole_format_counts():
    assert keeps_format(in_format('a "word"'))
    for reply in ("", "Paris", '{"answer": "a"} and more', '{"answer": "a", "b": "c"}'):
        assert not keeps_format(reply)
    for reply in ('{"Answer": "a"}', '{"answer": null}', '["answer"]', '{"answer": "a"'):
        assert not keeps_format(reply)


def test_small_talk_holds_out_one_wording_of_each_fact():
    training, held_out = small_talk()
    asked = [messages[1]["content"] for messages in training + held_out]
    assert len(set(asked)) == len(asked)
    for messages in held_out:
        answers = [m[2]["content"] for m in training]
        assert answers.count(messages[2]["content"]) == 5
    answers = {answer for _, answer in facts()}
    assert not any(fact.endswith(f" {answer}") for fact, _ in facts() for answer in answers)


def test_small_talk_fits_the_model():
    tokenizer, model = character_tokenizer(), base_model(seed=0, n_steps=1)
    assert sum(parameter.numel() for parameter in model.parameters()) == 58_608
    for messages in sum(small_talk(), []):
        text = render_chat(messages, add_generation_prompt=False)
        ids = tokenizer.encode(text, allowed_special="all")
        assert len(ids) <= CONTEXT_LENGTH and max(ids) < N_TOKENS
        assert tokenizer.decode(ids) == text
    with torch.no_grad():
        assert model(torch.tensor([ids])).shape == (1, len(ids), N_TOKENS)
