"""Match scores against NumPy's correlation coefficients, and what must not change them."""

import numpy as np
import pytest
import torch

from reference_impl.convolutions.matching import match_scores


@pytest.mark.parametrize("shape", [(1, 2), (3, 2), (7, 11)])
def test_every_score_is_the_correlation_coefficient(shape):
    torch.manual_seed(0)
    image, patch = torch.rand(7, 11).double(), torch.rand(shape).double()
    scores = match_scores(image, patch)
    height, width = shape
    for row in range(7 - height + 1):
        for column in range(11 - width + 1):
            window = image[row : row + height, column : column + width]
            expected = np.corrcoef(window.flatten(), patch.flatten())[0, 1]
            assert scores[row, column].item() == pytest.approx(expected)


def test_a_piece_of_the_image_is_found_where_it_was_cut_whatever_its_light():
    torch.manual_seed(0)
    image = torch.rand(13, 17)
    patch = 0.25 * image[5:9, 11:14] + 3
    scores = match_scores(image, patch)
    assert divmod(scores.argmax().item(), scores.shape[1]) == (5, 11)
    assert scores.max().item() == pytest.approx(1, abs=1e-5)


def test_one_grey_scores_nothing():
    assert (match_scores(torch.full((4, 5), 2.0), torch.rand(2, 2)) == 0).all()
    assert (match_scores(torch.rand(4, 5), torch.full((2, 2), 2.0)) == 0).all()


def test_a_patch_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        match_scores(torch.rand(3, 3), torch.rand(4, 1))
