"""The first difference, in words."""

import numpy as np
import pytest
import torch

from grading.judging.compare import Tolerance, differ, same_words
from grading.judging.evidence import Raised, value_of
from grading.kernel import encode

CLOSE = Tolerance(rtol=1e-4, atol=1e-5)


def say(expected, got, axes=""):
    values = (value_of(encode(value, [10**9])) for value in (expected, got))
    found = differ(*values, CLOSE, axes)
    return found and found.text


ONES = torch.ones(2, 3)


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (ONES, ONES.clone().requires_grad_()),
        (ONES, ONES + 1e-5),
        (torch.tensor([float("nan")]), torch.tensor([float("nan")])),
        (2, torch.tensor(2)),
        (2.0, 2),
        ((1, 2), (1, 2)),
        ({1, 2}, {2, 1}),
        (b"ab", b"ab"),
        (iter([1, 2]), iter([1, 2])),
        ({1: "x"}, {1: "x"}),
        ({"a": ONES, "b": "x"}, {"b": "x", "a": ONES}),
        (None, None),
    ],
)
def test_equal_enough(expected, got):
    assert say(expected, got) is None


@pytest.mark.parametrize(
    ("expected", "got", "text"),
    [
        (ONES, None, "Is a `return` missing"),
        (ONES, ONES.numpy(), "Keep to torch"),
        (ONES, ONES.T, "the shape is (3, 2), expected (2, 3)"),
        (ONES.bool(), ONES, "the dtype is float32, expected bool"),
        (ONES.long(), ONES, "the dtype is float32, expected int64"),
        (ONES / 3, (ONES / 3).bfloat16(), "the values are right, but return float32, not bfloat16"),
        (
            ONES,
            ONES * torch.tensor([1, 1, 2.0]),
            "first at [0, 2]: yours is `2`, expected `1`. 2 of 6",
        ),
        (ONES, ONES * float("nan"), "`nan`, expected `1`"),
        (True, 1, "it returned `1`, expected `True`"),
        (1, True, "it returned `True`, expected `1`"),
        (ONES, ONES.double(), "the values are right, but return float32, not float64"),
        ((1, 2), [1, 2], "a list of 2, expected a tuple of 2"),
        ((1, 2), (1,), "it gave 1 values, expected 2"),
        ((1, 2), (1, 3), "in value 1 of those it gave"),
        ({"a": 1}, {"b": 1}, "it lacks the keys 'a'"),
        ({1: 2}, {"1": 2}, "it lacks the keys 1"),
        ({1, 2}, {1, 3}, "it lacks `2` and it has `3`"),
        (b"ab", "ab", "expected `b'ab'`"),
        (iter([1, 2]), [1, 2], "a list of 2, expected an iterator of 2"),
        ({"a": 1}, {"a": 2}, "for 'a', it returned `2`"),
        ([1, (2, {"a": [3]})], [1, (2, {"a": [4]})], "in `[1][1]['a'][0]` of what it gave, it"),
        (ONES, object(), "it returned a object"),
        (0.5, 10**300, "expected `0.5`"),
    ],
)
def test_differences_in_words(expected, got, text):
    assert text in say(expected, got)


def test_axis_words_name_the_place():
    got = ONES.clone()
    got[1, 2] = 5
    assert "first at [head 1, query 2]" in say(ONES, got, "head query")


def test_errors_are_the_same_but_for_numbers():
    a = Raised("RuntimeError", "shape '[2, 3]' is invalid for input of size 5")
    b = Raised("RuntimeError", "shape '[7, 9]' is invalid for input of size 11")
    c = Raised("RuntimeError", "view size is not compatible")
    assert same_words(a, b)
    assert not same_words(a, c)
    assert not same_words(a, Raised("ValueError", b.message))


def test_complex_and_integer_values():
    assert say(torch.tensor([1 + 2j]), torch.tensor([1 + 2j])) is None
    assert "expected" in say(torch.arange(3), torch.arange(3) + 1)
    assert say(np.arange(3), np.arange(3)) is None
