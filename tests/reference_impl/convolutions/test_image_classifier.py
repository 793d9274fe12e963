"""Small networks on real digits: they learn, and depth without skips makes training worse."""

import pytest
import torch
from torch import nn

from reference_impl.convolutions.image_classifier import (
    DeepCNN,
    SmallCNN,
    accuracy,
    train_classifier,
)
from reference_impl.neural_networks.digits import load_digits_split


@pytest.fixture(scope="module")
def digits():
    """Training and test digits as tensors with a channel axis."""
    return [
        (torch.from_numpy(part.images)[:, None], torch.from_numpy(part.labels))
        for part in load_digits_split()
    ]


def test_the_small_network_learns_digits(digits):
    torch.manual_seed(0)
    model = SmallCNN()
    losses = list(train_classifier(model, *digits[0], epochs=8))
    assert losses[-1] < 0.25
    assert accuracy(model, *digits[0]) > 0.93
    assert accuracy(model, *digits[1]) > 0.83


def final_loss(digits, n_blocks, skip):
    images, labels = digits[0]
    torch.manual_seed(0)
    model = DeepCNN(n_blocks, skip)
    return list(train_classifier(model, images[:512], labels[:512], epochs=4, batch=32))[-1]


def test_without_skips_the_deeper_network_is_worse_on_its_own_training_images(digits):
    shallow_plain = final_loss(digits, n_blocks=1, skip=False)
    deep_plain = final_loss(digits, n_blocks=9, skip=False)
    deep_skip = final_loss(digits, n_blocks=9, skip=True)
    # Not overfitting, which would show as a low loss here: this is the training loss.
    assert deep_plain > 1.3 * shallow_plain
    assert deep_skip < 0.7 * shallow_plain


@pytest.mark.parametrize("skip", [False, True])
def test_plain_and_skip_differ_in_the_sum_alone(skip):
    torch.manual_seed(0)
    model = DeepCNN(n_blocks=3, skip=skip)
    weighted = [m for m in model.modules() if hasattr(m, "weight") and m.weight.ndim > 1]
    assert len(weighted) == 2 * 3 + 2
    block = 2 * (8 * 8 * 9 + 8) + 2 * (8 + 8)  # two convolutions, two norms
    expected = (1 * 8 * 9 + 8) + 3 * block + (32 * 10 + 10)
    assert sum(p.numel() for p in model.parameters()) == expected
    assert all(block.skip == skip for block in model.blocks)


def test_training_repeats_with_the_same_seed_and_differs_with_another(digits):
    images, labels = digits[0]

    def losses(seed):
        torch.manual_seed(0)
        return list(train_classifier(SmallCNN(), images[:96], labels[:96], epochs=2, seed=seed))

    assert losses(seed=1) == losses(seed=1) != losses(seed=2)


def test_accuracy_counts_the_highest_logit():
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 0.0], [0.0, 0.0, 1.0], [5.0, 4.0, 0.0]])
    images = logits[:, None, None]  # batch 1 1 3
    assert accuracy(nn.Flatten(), images, torch.tensor([1, 0, 1, 0])) == 0.75


def test_every_image_is_used_once_an_epoch():
    seen = []

    class Recorder(nn.Module):
        """Notes which images it gets while training."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(2))

        def forward(self, images):
            if torch.is_grad_enabled():
                seen.append(images.flatten().tolist())
            return images.flatten(1) * self.weight

    images = torch.arange(10.0).view(10, 1, 1, 1)
    list(train_classifier(Recorder(), images, torch.zeros(10).long(), epochs=2, batch=4))
    assert [len(batch) for batch in seen] == [4, 4, 2] * 2
    for epoch in (seen[:3], seen[3:]):
        assert sorted(sum(epoch, [])) == list(range(10))
    assert seen[:3] != seen[3:]
