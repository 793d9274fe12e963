"""Unit 09: answers that are written out equal the reference; one run of the question is sound."""

import math

import numpy as np
import torch
from torch import nn

from grading.course.sources import solution_of
from grading.course.unit import load_exercise
from grading.units.pretraining import sound_run
from reference_impl.pretraining import loss, optimizer, schedule
from reference_impl.pretraining.training import add_gradients


def answer(topic):
    return solution_of(load_exercise(f"pretraining/{topic}"))


def test_the_loss_is_the_reference():
    torch.manual_seed(0)
    logits, targets = torch.randn(3, 5, 7), torch.randint(7, (3, 5))
    targets[1, 2:] = -100
    found = answer("next_token_loss")(logits, targets)
    torch.testing.assert_close(found, loss.cross_entropy(logits, targets))
    losses = loss.token_losses(logits, targets).flatten()
    bits = answer("bits_per_byte")(losses, "ποτάμι")
    assert math.isclose(bits, loss.bits_per_byte(losses.mean().item(), 15, 12), rel_tol=1e-5)


def test_a_step_of_adamw_is_the_reference():
    torch.manual_seed(0)
    weight, gradient, first, second = torch.randn(4, 5).abs()
    new = answer("adamw_step")(weight, gradient, first, second, 3, 0.1, (0.8, 0.9), 1e-3, 0.2)
    optimizer.adamw_step(weight, gradient, first, second, 3, 0.1, (0.8, 0.9), 1e-3, 0.2)
    for mine, theirs in zip(new, (weight, first, second), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_the_schedule_is_the_reference():
    for step in range(30):
        settings = (step, 23, 0.7, 5, 0.1)
        assert math.isclose(answer("learning_rate")(*settings), schedule.warmup_cosine(*settings))


def test_clipping_and_accumulation_are_the_reference():
    torch.manual_seed(0)
    mine, theirs = nn.Embedding(7, 7), nn.Embedding(7, 7)
    theirs.load_state_dict(mine.state_dict())
    batch = torch.randint(7, (4, 3)), torch.randint(7, (4, 3))
    batch[1][0, 1:] = -100
    parts = list(zip(*(side.split(2) for side in batch), strict=True))
    total = answer("accumulate_gradients")(mine, parts)
    assert math.isclose(total, add_gradients(theirs, batch, n_micro_batches=2), rel_tol=1e-5)
    torch.testing.assert_close(mine.weight.grad, theirs.weight.grad)
    (clipped,), norm = answer("clip_gradients")([mine.weight.grad], 0.01)
    assert math.isclose(norm, optimizer.clip_gradients([theirs.weight], 0.01), rel_tol=1e-5)
    torch.testing.assert_close(clipped, theirs.weight.grad)


def test_only_one_run_of_a_question_starts_and_ends_where_a_sound_one_does():
    for seed in range(20):
        question = sound_run.draw(np.random.default_rng(seed))
        lines = question.shown["table"].splitlines()[1:]
        runs = {words[1]: [float(x) for x in words[2:]] for words in map(str.split, lines)}
        assert sorted(runs) == list("ABCDEF")
        sound = [
            letter
            for letter, losses in runs.items()
            if abs(losses[0] - math.log(62)) < 0.1 and 1.5 < losses[-1] < 2.6
        ]
        assert sound == [question.right]
