"""Unit 03: answers that are written out equal the reference; what demonstrations show is so."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image
from torch import nn

from grading.course.sources import solution_of
from grading.course.unit import load_exercise
from grading.units.convolutions import depth_study
from reference_impl.convolutions.convolution import conv2d
from reference_impl.convolutions.image_classifier import GlobalMaxCNN
from reference_impl.convolutions.matching import match_scores
from reference_impl.convolutions.residual import ResidualBlock


@pytest.mark.parametrize(("channels", "stride"), [(3, 1), (5, 1), (3, 2), (5, 2)])
def test_the_residual_block_is_the_reference_without_norms_and_biases(channels, stride):
    torch.manual_seed(0)
    block = ResidualBlock(3, channels, stride)
    block.norm1 = block.norm2 = nn.Identity()
    projection = getattr(block.projection, "weight", None)
    x = torch.randn(2, 3, 7, 11)
    answer = solution_of(load_exercise("convolutions/residual_block"))
    out = answer(x, block.conv1.weight, block.conv2.weight, projection, stride)
    torch.testing.assert_close(out, block(x))


def test_the_digit_network_is_the_reference():
    torch.manual_seed(0)
    reference, network = (
        GlobalMaxCNN(channels=3, n_classes=7),
        solution_of(load_exercise("convolutions/digit_network"))(channels=3, n_classes=7),
    )
    own = [network.conv1, network.conv2, network.conv3, network.output]
    for mine, theirs in zip(own, [*reference.convolutions, reference.output], strict=True):
        mine.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 1, 12, 12)
    torch.testing.assert_close(network(images), reference(images))


def test_a_patch_of_the_photograph_is_found_by_cosine_and_not_by_the_product():
    photo = torch.tensor(load_sample_image("china.jpg")).float().mean(dim=-1) / 255
    patch = 0.5 * photo[150:174, 300:324] - 0.1
    scores = match_scores(photo, patch)
    assert divmod(scores.argmax().item(), scores.shape[1]) == (150, 300)
    products = conv2d(photo[None, None], patch[None, None])[0, 0]
    assert divmod(products.argmax().item(), products.shape[1]) != (150, 300)


def test_only_one_study_of_a_question_shows_degradation():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        studies = depth_study._studies(rng)
        rising = [name for name, (training, _) in studies.items() if _rises(training)]
        assert rising == ["degradation"]


def _rises(training) -> bool:
    """Whether the training error keeps rising, to more than three times what it was."""
    return training[-1] > 3 * training[0] and training[-1] == training.max()


def test_the_choice_moves_with_the_learner():
    chosen = {load_exercise("convolutions/depth_study").question(seed).right for seed in range(40)}
    assert len(chosen) > 4
