"""Data as sequences: against torch's own unfolding, and the real samples against known facts."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.embeddings_and_positions import real_data, sequences


def test_patches_are_what_unfold_cuts():
    image = torch.randn(6, 15, 2)  # height width channels
    unfolded = F.unfold(image.permute(2, 0, 1)[None], kernel_size=3, stride=3)  # 1 c*y*x n_patches
    expected = unfolded[0].T.unflatten(1, (2, 9)).mT.flatten(1)  # channels last
    assert torch.equal(sequences.image_to_patches(image, 3), expected)


@given(rows=st.integers(1, 4), columns=st.integers(1, 4), size=st.integers(1, 3))
def test_an_image_survives_being_cut_and_joined(rows, columns, size):
    height, width = rows * size, columns * size
    image = torch.arange(3.0 * height * width).view(height, width, 3)
    patches = sequences.image_to_patches(image, size)
    assert patches.shape == (rows * columns, size * size * 3)
    assert torch.equal(sequences.patches_to_image(patches, size, height, width), image)


def test_squares_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="squares of 4 do not fill 8 x 6"):
        sequences.image_to_patches(torch.zeros(8, 6, 1), 4)
    with pytest.raises(ValueError, match="blocks of 2 x 1 x 1 do not fill 3 images"):
        sequences.video_to_patches(torch.zeros(3, 2, 2, 1), 2, 1)


def test_a_video_of_single_images_is_their_patches_one_after_another():
    video = torch.randn(3, 4, 6, 2)
    one_by_one = torch.cat([sequences.image_to_patches(image, 2) for image in video])
    assert torch.equal(sequences.video_to_patches(video, duration=1, size=2), one_by_one)


@given(n=st.integers(1, 40), size=st.integers(1, 9), hop=st.integers(1, 9))
def test_frames_are_torch_s_unfold(n, size, hop):
    samples = torch.arange(float(n))
    if n < size:
        with pytest.raises(ValueError, match=f"{n} samples do not make one frame of {size}"):
            sequences.cut_into_frames(samples, size, hop)
    else:
        frames = sequences.cut_into_frames(samples, size, hop)
        assert torch.equal(frames, samples.unfold(0, size, hop))


@given(dna=st.text("ACGTN", max_size=12), k=st.integers(1, 4))
def test_kmers_can_be_read_back(dna, k):
    ids = sequences.kmer_ids(dna, k)
    assert len(ids) == max(0, len(dna) - k + 1)
    for place, number in enumerate(ids):
        word = "".join("ACGT"[number // 4**i % 4] for i in reversed(range(k)))
        assert number == 4**k if "N" in dna[place : place + k] else word == dna[place : place + k]


# The standard genetic code; codons in the order of T, C, A, G (NCBI translation table 1).
AMINO_ACIDS = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"
INSULIN = (  # UniProt P01308
    "MALWMRLLPLLALLALWGPDPAAAFVNQHLCGSHLVEALYLVCGERGFFYTPKTRREAEDLQVGQVELGGGPGAGSLQPLALEGSLQ"
    "KRGIVEQCCTSICSLYQLENYCN"
)


def test_the_gene_is_that_of_insulin():
    gene = real_data.insulin_gene()
    codons = [gene[i : i + 3] for i in range(0, len(gene), 3)]
    numbers = [16 * "TCAG".index(a) + 4 * "TCAG".index(b) + "TCAG".index(c) for a, b, c in codons]
    assert "".join(AMINO_ACIDS[number] for number in numbers) == INSULIN + "*"


def test_the_heart_beats_a_hundred_times_a_minute_or_so():
    volts = real_data.heartbeat()
    peaks = ((volts[1:-1] > volts[:-2]) & (volts[1:-1] >= volts[2:]) & (volts[1:-1] > 0.5)).sum()
    assert 1.5 < peaks.item() / (len(volts) / real_data.SAMPLES_A_SECOND) < 2.5


def test_the_photograph_is_in_colour():
    image = real_data.photograph()
    assert 0 <= image.min() and image.max() == 1
    assert (image[..., 0] - image[..., 2]).abs().mean() > 0.05
