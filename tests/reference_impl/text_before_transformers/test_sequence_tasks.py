"""The tasks are what they say, and a recurrent network can learn the short ones."""

import pytest
import torch
from torch import nn

from reference_impl.text_before_transformers.recurrent import GRU, RNN
from reference_impl.text_before_transformers.sequence_tasks import (
    LastStateClassifier,
    accuracy,
    letter_answers,
    one_hot_words,
    recall_batch,
    recall_batches,
    train_classifier,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_answer_stands_first_and_distractors_are_other_symbols():
    x, answers = recall_batch(500, distance=7, generator=generator())
    symbols = x.argmax(-1)
    assert torch.equal(symbols[:, 0], answers) and (x.sum(-1) == 1).all()
    assert set(answers.tolist()) == {0, 1, 2, 3}
    assert set(symbols[:, 1:].flatten().tolist()) == {4, 5, 6, 7}


def test_distances_run_from_1_to_the_longest():
    seqs = {x.shape[1] for x, _ in recall_batches(200, longest=5, generator=generator())}
    assert seqs == {2, 3, 4, 5, 6}


def test_letters_are_one_hot_with_room_to_spare():
    x = one_hot_words(["abc", "zza"], n_extra=2)
    assert x.shape == (2, 3, 28) and x[1, 0, 25] == 1 and x[..., 26:].sum() == 0
    assert letter_answers(["abc", "zza"], at=0).tolist() == [0, 25]


@pytest.mark.parametrize("kind", [RNN, GRU])
def test_a_network_learns_to_recall_over_a_short_distance(kind):
    torch.manual_seed(0)
    model = LastStateClassifier(kind(8, 16), n_classes=4)
    losses = []
    test = recall_batch(200, 3, generator(1))
    before = accuracy(model, *test)
    train_classifier(
        model,
        recall_batches(150, 3, generator()),
        after_step=lambda step, loss: losses.append((step, loss)),
    )
    assert [step for step, _ in losses] == list(range(150))
    assert accuracy(model, *test) > 0.95 > before


def test_a_bag_recalls_too_because_only_the_distance_is_hard():
    x, answers = recall_batch(100, 40, generator())
    assert accuracy(lambda x: x.sum(1)[:, :4], x, answers) == 1.0


def test_a_training_that_diverges_says_so():
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 4))
    nn.init.constant_(model[1].weight, float("inf"))
    with pytest.raises(ValueError, match="at step 0: try an lr below"):
        train_classifier(model, recall_batches(2, 1, generator()))
