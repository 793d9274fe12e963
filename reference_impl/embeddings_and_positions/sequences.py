"""Data of many kinds as sequences: patches of images and videos, frames of a signal, k-mers.

A transformer reads a list of vectors, or of ids that an embedding table turns into vectors. Here
every kind of data becomes one of the two. Does not handle: files, resampling, spectrograms.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor


def image_to_patches(
    image: Float[Tensor, "height width channels"], size: int
) -> Float[Tensor, "n_patches patch_width"]:
    """An image cut into squares of size x size pixels, each laid out as one vector.

    Patches come row by row, as one reads, and so do the pixels inside a patch; the channels of a
    pixel stay together. patch_width is size * size * channels. Raises ValueError where the squares
    do not fill the image. Source: Dosovitskiy et al. 2021, section 3.1.

    >>> image = torch.arange(16.0).view(4, 4, 1)  # row 0: 0 1 2 3, row 1: 4 5 6 7, ...
    >>> image_to_patches(image, size=2)
    tensor([[ 0.,  1.,  4.,  5.],
            [ 2.,  3.,  6.,  7.],
            [ 8.,  9., 12., 13.],
            [10., 11., 14., 15.]])
    """
    height, width, _ = image.shape
    if height % size or width % size:
        raise ValueError(
            f"squares of {size} do not fill {height} x {width} pixels: crop or pad the image first"
        )
    cut = "(row y) (column x) channels -> (row column) (y x channels)"
    return rearrange(image, cut, y=size, x=size)


def patches_to_image(
    patches: Float[Tensor, "n_patches patch_width"], size: int, height: int, width: int
) -> Float[Tensor, "height width channels"]:
    """The image of height x width pixels that `image_to_patches` cut into these patches.

    >>> image = torch.arange(16.0).view(2, 8, 1)
    >>> torch.equal(patches_to_image(image_to_patches(image, 2), 2, height=2, width=8), image)
    True
    """
    join = "(row column) (y x channels) -> (row y) (column x) channels"
    return rearrange(patches, join, row=height // size, column=width // size, y=size, x=size)


def video_to_patches(
    video: Float[Tensor, "n_images height width channels"], duration: int, size: int
) -> Float[Tensor, "n_patches patch_width"]:
    """A video cut into blocks of `duration` images by size x size pixels, one vector each.

    Blocks come in the order of time, then row by row; inside a block the same. Raises ValueError
    where the blocks do not fill the video. Source: Arnab et al. 2021, section 3.2 ("tubelets").

    >>> video = torch.arange(8.0).view(2, 2, 2, 1)  # two images of 2 x 2 pixels
    >>> video_to_patches(video, duration=2, size=1)  # a pixel now, and the same pixel later
    tensor([[0., 4.],
            [1., 5.],
            [2., 6.],
            [3., 7.]])
    """
    n_images, height, width, _ = video.shape
    if n_images % duration or height % size or width % size:
        raise ValueError(
            f"blocks of {duration} x {size} x {size} do not fill {n_images} images of "
            f"{height} x {width} pixels: crop the video first"
        )
    cut = "(when t) (row y) (column x) channels -> (when row column) (t y x channels)"
    return rearrange(video, cut, t=duration, y=size, x=size)


def cut_into_frames(
    samples: Float[Tensor, " n_samples"], size: int, hop: int
) -> Float[Tensor, "n_frames frame"]:
    """Stretches of `size` samples of a signal, each starting `hop` samples after the last one.

    They overlap where hop < size. Only whole frames: a rest at the end is left out, and a signal
    of n samples has 1 + (n - size) // hop frames. Raises ValueError for n < size.

    >>> cut_into_frames(torch.arange(8.0), size=4, hop=3)  # 7 is left over
    tensor([[0., 1., 2., 3.],
            [3., 4., 5., 6.]])
    """
    if len(samples) < size:
        raise ValueError(f"{len(samples)} samples do not make one frame of {size}")
    n_frames = 1 + (len(samples) - size) // hop
    starts = hop * torch.arange(n_frames)  # n_frames
    return samples[starts[:, None] + torch.arange(size)]  # n_frames frame


def kmer_ids(dna: str, k: int) -> list[int]:
    """An id for each of the overlapping words of k letters (k-mers) in a piece of DNA.

    A, C, G, T are the digits 0, 1, 2, 3 of a number in base 4, the first letter the most
    significant. A word with any other letter (N: not known) gets the id 4**k, so that every place
    keeps its word. Shorter than k: no words.

    >>> kmer_ids("ACGT", k=2)  # AC, CG, GT: 0*4 + 1, 1*4 + 2, 2*4 + 3
    [1, 6, 11]
    >>> kmer_ids("CANA", k=2)  # CA is 4, AN and NA hold an unknown letter
    [4, 16, 16]
    """
    letters, ids = "ACGT", []
    for start in range(len(dna) - k + 1):
        word = dna[start : start + k]
        number = 0
        for letter in word:
            number = 4 * number + letters.find(letter)
        known = all(letter in letters for letter in word)
        ids.append(number if known else 4**k)
    return ids
