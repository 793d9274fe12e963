"""Unit 11: where the notebook's plain answers and the reference's general ones meet."""

import torch

from grading.course.sources import compile_answer
from grading.course.unit import load_unit
from reference_impl.fine_tuning import chat, fine_tuning
from reference_impl.fine_tuning.sft_sources import HHRLHF, SAMPLES, Dolly, Oasst1
from reference_impl.fine_tuning.sft_sources.source import json_object
from reference_impl.fine_tuning.small_talk import character_tokenizer, small_talk


def answer(topic):
    """The worked solution of an exercise of this unit."""
    unit = load_unit("fine_tuning")
    [exercise] = [e for e in unit.exercises if e.id == f"fine_tuning/{topic}"]
    return compile_answer(exercise, {})


def test_render_chat_is_the_references():
    render_chat = answer("render_chat")
    for messages in sum(small_talk(), []):
        for some in (messages, messages[1:], messages[:2], []):
            for prompt in (True, False):
                assert render_chat(some, prompt) == chat.render_chat(some, prompt)


def test_flags_and_targets_are_the_references():
    tokenizer, learned_tokens = character_tokenizer(), answer("learned_tokens")
    header, end_id = chat.start_of_reply(tokenizer), tokenizer.special_tokens[chat.END]
    for messages in small_talk()[1]:
        example = fine_tuning.encode_example(tokenizer, messages, context_length=96)
        learned = learned_tokens(example.token_ids, header, end_id)
        assert torch.equal(learned, example.learned)
        inputs, targets = answer("sft_batch")([(example.token_ids, learned)])
        wanted = example.inputs_and_targets()
        assert torch.equal(inputs[0], wanted[0]) and torch.equal(targets[0], wanted[1])


def test_readers_read_what_the_references_read():
    dolly = SAMPLES / "dolly.jsonl"
    dialogues, bad = answer("read_dolly")(dolly.read_text(encoding="utf-8").splitlines())
    assert dialogues == [dialogue.messages for dialogue in Dolly(dolly)] and bad == []
    hh_rlhf = HHRLHF(SAMPLES / "hh_rlhf.jsonl.gz")
    rows = [row for _, row in hh_rlhf.rows()]
    read = answer("read_hh_rlhf")
    assert [read(json_object(row)) for row in rows] == [d.messages for d in hh_rlhf]
    trees = Oasst1(SAMPLES / "oasst1_trees.jsonl")
    found = [answer("best_path")(prompt) for _, prompt in trees.rows()]
    assert [path for path in found if path] == [d.messages for d in trees]
