"""Generation: the same tokens whichever way they are computed, and where it ends."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_impl.inference.fast_decoder import FastDecoder
from reference_impl.inference.generation import generate
from reference_impl.inference.sampling import Sampler


def without_cache(model, token_ids, n):
    """The definition of greedy generation: run everything again for each token."""
    ids = list(token_ids)
    for _ in range(n):
        with torch.no_grad():
            ids.append(model(torch.tensor([ids]))[0, -1].argmax().item())
    return ids[len(token_ids) :]


@pytest.mark.parametrize("run_of", [lambda model: model, FastDecoder], ids=["plain", "fast"])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompt=st.lists(st.integers(0, 52), min_size=1, max_size=9), chunk=st.integers(1, 10))
def test_tokens_are_those_without_a_cache(model_of, run_of, prompt, chunk):
    model = model_of()
    new = list(generate(run_of(model), prompt, 12, prefill_chunk=chunk))
    assert new == without_cache(model, prompt, 12)


def test_transformers_generates_the_same(pair_of):
    model, llama = pair_of()
    prompt = [7, 3, 50]
    expected = llama.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, 3),
        max_new_tokens=20,
        do_sample=False,
    )
    assert list(generate(model, prompt, 20)) == expected[0, 3:].tolist()


def test_it_streams(model_of):
    """Each token is there before the next is computed."""
    model = model_of()
    calls = []
    next_logits = model.next_logits
    model.next_logits = lambda ids, cache: calls.append(ids.shape[1]) or next_logits(ids, cache)
    tokens = generate(model, [1, 2, 3], 3)
    assert calls == []
    next(tokens)
    assert calls == [3]
    next(tokens)
    assert calls == [3, 1]
    list(tokens)
    assert calls == [3, 1, 1]  # nothing is run for the last token: nothing follows it


def test_stop_tokens_end_it_and_are_not_yielded(model_of):
    model = model_of()
    all_tokens = list(generate(model, [5], 12))
    stop = all_tokens[6]
    expected = all_tokens[: all_tokens.index(stop)]
    assert list(generate(model, [5], 12, stop_ids={stop})) == expected


def test_it_continues_from_a_cache(model_of):
    model = model_of()
    prompt = [4, 8, 15, 16, 23, 42]
    cache = model.new_cache()
    first = list(generate(model, prompt[:3], 4, cache=cache))
    assert cache.length == 3 + 4 - 1  # the last token was not run
    rest = [first[-1], *prompt[3:]]
    second = list(generate(model, rest, 5, cache=cache))
    assert second == without_cache(model, prompt[:3] + first + prompt[3:], 5)


def test_it_ends_where_the_context_is_full(model_of):
    model = model_of(context_length=9)
    # 9 positions are run, and the last of them still says what comes next.
    assert len(list(generate(model, [1, 2, 3, 4], 100))) == 6
    assert len(list(generate(model, [1] * 9, 100))) == 1


def test_prompts_that_cannot_be_continued(model_of):
    model = model_of(context_length=9)
    with pytest.raises(ValueError, match="the prompt is empty"):
        list(generate(model, []))
    with pytest.raises(ValueError, match="prompt of 11 tokens is 2 too long for the context of 9"):
        list(generate(model, [1] * 11))
    cache = model.new_cache()
    list(generate(model, [1, 2, 3], 1, cache=cache))
    with pytest.raises(ValueError, match=r"7 tokens is 1 too long .* \(of which 3 are used\)"):
        list(generate(model, [1] * 7, cache=cache))


def test_prompts_as_tensors(model_of):
    model, prompt = model_of(), [1, 2, 3]
    expected = list(generate(model, prompt, 5))
    assert list(generate(model, torch.tensor(prompt), 5)) == expected
    assert list(generate(model, torch.tensor([prompt]), 5)) == expected
    with pytest.raises(ValueError, match=r"shape \(2, 3\) are a batch"):
        list(generate(model, torch.tensor([prompt, prompt]), 5))


def test_sampling_follows_its_seed(model_of):
    model = model_of()

    def sample(seed):
        return list(generate(model, [1, 2], 15, sampler=Sampler(temperature=1.0, seed=seed)))

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)


def test_no_gradients_are_kept_and_the_caller_s_are_left_on(model_of):
    model = model_of()
    cache = model.new_cache()
    for _ in generate(model, [1, 2, 3], 4, cache=cache):
        assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    assert not cache.layers[0].keys.requires_grad
