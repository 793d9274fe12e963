"""The digits: nothing lost, nothing in both parts, pixels from 0 to 1."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from reference_impl.neural_networks.digits import load_digits_split


def test_both_parts_together_are_all_digits_in_order():
    train, test = load_digits_split(held_out=500)
    raw = load_digits()
    assert len(test.labels) == 500
    assert (np.concatenate([train.images, test.images]) * 16 == raw.images).all()
    assert (np.concatenate([train.labels, test.labels]) == raw.target).all()
    assert (train.images.min(), train.images.max()) == (0.0, 1.0)


def test_the_cut_lies_between_two_writers():
    begins_a_block = np.tile(np.arange(10), 2)  # the form that each writer filled in
    _, test = load_digits_split()
    assert (test.labels[:20] == begins_a_block).all()


@pytest.mark.parametrize("held_out", [0, -1, 1797])
def test_neither_part_may_be_empty(held_out):
    with pytest.raises(ValueError, match="from 1 to 1796"):
        load_digits_split(held_out)
