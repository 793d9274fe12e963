"""Unit 6: its two questions, answered by other means than those they were drawn with."""

from itertools import permutations

import numpy as np
import pytest
import torch

from grading.course.unit import load_exercise
from grading.judging.trial import trial
from grading.units.decoder import drive
from grading.units.decoder.find_faults import FAULTS, MIXED
from grading.units.decoder.gpt2_size import gpt2_parameters
from reference_impl.decoder.gpt2 import GPT2, GPT2_SMALL, GPT2Config

PUBLISHED = 124_439_808  # GPT-2's smallest model, with tied embeddings


@pytest.mark.parametrize("sizes", [(97, 16, 24, 3, 2), (50, 8, 20, 1, 5)])
def test_the_count_is_that_of_the_built_model(sizes):
    config = GPT2Config(*sizes)
    with torch.device("meta"):
        built = GPT2(config)
    assert gpt2_parameters(config) == sum(weight.numel() for weight in built.parameters())


def test_the_published_size():
    assert gpt2_parameters(GPT2_SMALL) == PUBLISHED


def moved(logits, change, factor=1):
    return np.abs(logits[change] - factor * logits["nothing"])


def signs_of(logits) -> list[bool]:
    """For each fault in order, whether a decoder's logits show it: the reasoning of the text."""
    return [
        moved(logits, "the last token is another")[:-1].max() > 0.01,
        np.abs(logits["all o_proj and down_proj are 0"]).max() < 0.01,
        moved(logits, "all up_proj times 2, all down_proj divided by 2").max() > 0.01,
        moved(logits, "layer 1 has other weights").max() < 0.01,
        moved(logits, "the final norm's weight times 2", 2).max() > 0.01,
        moved(logits, "the embedding of a token that is not in the text times 2", 2)[:, 8].max()
        > 0.01,
    ]


@pytest.mark.parametrize("seed", range(3))
def test_the_faults_can_be_told_from_the_logits_alone(seed):
    question = load_exercise("decoder/find_faults").question(seed)
    found = {letter: signs_of(logits) for letter, logits in question.shown["logits"].items()}
    assert all(sum(signs) == 1 for signs in found.values())
    answer = sorted(found, key=lambda letter: found[letter].index(True))
    assert "".join(answer) == question.right


@pytest.mark.parametrize("seed", range(3))
def test_every_wrong_order_of_the_letters_is_told_something(seed):
    question = load_exercise("decoder/find_faults").question(seed)
    further = (order for orders in question.also.values() for order in orders)
    orders = {"".join(order) for order in permutations("ABCDEF")}
    assert orders - {*question.wrong.values(), *further} == {question.right}


@pytest.mark.parametrize("seed", range(3))
def test_the_first_fault_with_a_wrong_letter_is_named(seed):
    question = load_exercise("decoder/find_faults").question(seed)
    for n, (name, fault) in enumerate(MIXED.items()):
        for order in (question.wrong[name], *question.also[name]):
            assert order[:n] == question.right[:n] and order[n] != question.right[n]
            assert sum(a != b for a, b in zip(order, question.right, strict=True)) >= 3
        assert list(FAULTS)[n] == fault


@pytest.mark.parametrize("size, right", [(256, True), (700, True), (0, False)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_half_precision_is_judged_by_values_and_not_by_dtype(size, right, dtype):
    """A norm written by hand in float64 comes back in any dtype; a wrong one does not."""

    def answer(x, weight, norm_eps=1e-5):
        wide = size * x.double()
        normed = wide / (wide.square().mean(-1, keepdim=True) + norm_eps).sqrt()
        return (normed * weight).to(dtype if x.dtype == torch.float16 else x.dtype)

    at = trial(load_exercise("decoder/rms_norm"), 1)
    halves = [i for i, case in enumerate(at.cases) if case.inputs["x"].dtype == np.float16]
    found = at.differences(at.parsed(answer))
    assert halves
    assert all((found[i] is None) == right for i in halves)


@pytest.mark.parametrize("heads, kv_heads, axes", [(6, 6, 4), (2, 2, 4), (6, 2, 3)])
def test_attend_takes_what_the_docstring_says(heads, kv_heads, axes):
    def answer(x, weights, attend, n_heads, n_kv_heads, norm_eps=1e-5):
        q, k = torch.zeros(2, heads, 5, 11), torch.zeros(2, kv_heads, 5, 11)
        return attend(*(part if axes == 4 else part[0] for part in (q, k, k)))

    inputs = {"x": None, "weights": {}, "attention": "causal", "n_heads": 6, "n_kv_heads": 2}
    with pytest.raises(ValueError, match="attend got [qk]"):
        drive.block(answer, **inputs)
