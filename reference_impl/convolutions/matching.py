"""Find a small picture in a large one: slide it, and take the cosine at every place.

Other names: template matching, normalised cross-correlation (NCC).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from reference_impl.convolutions.convolution import sliding_windows


def match_scores(
    image: Float[Tensor, "height width"], patch: Float[Tensor, "kernel_height kernel_width"]
) -> Float[Tensor, "out_height out_width"]:
    """How alike the patch and the window at each place are, from -1 to 1.

    The score is the cosine of the two after each has lost its own mean, so that neither brightness
    nor contrast counts. Where the window or the patch has one grey alone, the score is 0.
    Raises ValueError where the patch does not fit. Source: Lewis 1995.

    >>> image = torch.tensor([[9.0, 9.0, 9.0, 1.0, 2.0]])
    >>> match_scores(image, patch=torch.tensor([[1.0, 2.0]])).round(decimals=3)
    tensor([[ 0.,  0., -1.,  1.]])
    """
    windows = sliding_windows(image[None, None], tuple(patch.shape))[0, 0]
    windows = windows.flatten(-2)  # out_height out_width pixels
    centred = windows - windows.mean(dim=-1, keepdim=True)
    pattern = patch.flatten() - patch.mean()  # pixels
    scores = centred @ pattern / (centred.norm(dim=-1) * pattern.norm())
    one_grey = (windows == windows[..., :1]).all(dim=-1) | (patch == patch[0, 0]).all()
    return torch.where(one_grey, 0.0, scores)
