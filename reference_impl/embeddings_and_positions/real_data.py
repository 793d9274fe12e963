"""Real data of other kinds than text: a heartbeat, a gene, a photograph.

The first two lie in `samples/`, with source and licence in their first lines.
"""

from importlib.resources import files

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

SAMPLES_A_SECOND = 360  # of the heartbeat


def heartbeat() -> Float[Tensor, " n_samples"]:
    """Five seconds of an electrocardiogram in millivolts, 360 samples a second.

    Source: Moody & Mark 2001 (record 208, 19:45 to 19:50).

    >>> heartbeat().shape
    torch.Size([1800])
    """
    numbers = [float(line) for line in _lines("heartbeat.txt")]
    return (torch.tensor(numbers) - 1024) / 200  # the recording's zero and gain


def insulin_gene() -> str:
    """The letters of the human insulin gene that are translated into protein.

    >>> gene = insulin_gene()
    >>> len(gene), gene[:9], gene[-3:]  # 110 amino acids and a stop
    (333, 'ATGGCCCTG', 'TAG')
    """
    return "".join(_lines("insulin.txt"))


def photograph() -> Float[Tensor, "height width channels"]:
    """scikit-learn's photograph of a flower, red, green and blue from 0 to 1.

    >>> photograph().shape
    torch.Size([427, 640, 3])
    """
    from sklearn.datasets import load_sample_image  # takes a second: only for those who need it

    return torch.tensor(load_sample_image("flower.jpg").astype(np.float32) / 255)


def _lines(name: str) -> list[str]:
    text = files(__package__).joinpath("samples", name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]
