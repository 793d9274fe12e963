"""Generation: the same tokens whichever way they are computed, and where it ends."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from reference_impl.inference.fast_decoder import FastDecoder
from reference_impl.inference.generation import generate, generate_batch, until
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


def test_penalised_repetition_is_transformers_(pair_of):
    model, llama = pair_of()
    prompt = [7, 3, 50]
    expected = llama.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, 3),
        max_new_tokens=20,
        do_sample=False,
        repetition_penalty=1.7,
    )
    sampler = Sampler(repetition_penalty=1.7)
    assert list(generate(model, prompt, 20, sampler=sampler)) == expected[0, 3:].tolist()


# --- several at once -----------------------------------------------------------------------------

prompts = st.lists(st.lists(st.integers(0, 52), min_size=1, max_size=9), min_size=1, max_size=4)


@pytest.mark.parametrize("run_of", [lambda model: model, FastDecoder], ids=["plain", "fast"])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompts, st.integers(0, 12), st.sets(st.integers(0, 52), max_size=20))
def test_a_batch_of_unequal_prompts_is_each_alone(model_of, run_of, prompts, n, stop_ids):
    model = run_of(model_of(context_length=13))
    expected = [list(generate(model, prompt, n, stop_ids=stop_ids)) for prompt in prompts]
    assert generate_batch(model, prompts, n, stop_ids=stop_ids) == expected


def test_penalties_in_a_batch_are_each_row_s_own(model_of):
    model, prompts = model_of(), [[3, 1, 4], [1], [5, 9, 2, 6, 5]]
    sampler = Sampler(repetition_penalty=1.7)
    expected = [list(generate(model, prompt, 9, sampler=sampler)) for prompt in prompts]
    assert generate_batch(model, prompts, 9, sampler=sampler) == expected


def test_several_samples_of_one_prompt(model_of):
    model = model_of()

    def samples(seed):
        sampler = Sampler(temperature=1.0, seed=seed)
        return generate_batch(model, [[1, 2, 3], [4]], 10, sampler=sampler, n_samples=3)

    rows = samples(0)
    assert len(rows) == 6 and len({tuple(row) for row in rows}) == 6
    assert samples(0) == rows != samples(1)
    # The first token of many samples follows the model's own distribution.
    many = generate_batch(model, [[1, 2, 3]], 1, sampler=Sampler(1.0, seed=0), n_samples=4000)
    with torch.no_grad():
        expected = model(torch.tensor([[1, 2, 3]]))[0, -1].double().softmax(-1) * 4000
    counts = torch.bincount(torch.tensor(many)[:, 0], minlength=len(expected))
    assert chisquare(counts.numpy(), expected.numpy()).pvalue > 1e-3


@pytest.mark.parametrize("prompts", [[], [[1], []], [[1] * 10]])
def test_batches_that_cannot_be_continued(model_of, prompts):
    with pytest.raises(ValueError, match="from 1 to 9 tokens in each"):
        generate_batch(model_of(context_length=9), prompts)


# --- stop sequences ------------------------------------------------------------------------------


@given(
    st.lists(st.text("ab", max_size=4), max_size=8),
    st.lists(st.text("ab", min_size=1, max_size=4), max_size=3),
)
def test_until_is_the_text_before_the_first_stop_however_it_is_cut(parts, stops):
    text = "".join(parts)
    places = [text.find(stop) for stop in stops if stop in text]
    assert "".join(until(parts, stops)) == (text[: min(places)] if places else text)
    lists = list(until([list(part) for part in parts], [list(stop) for stop in stops]))
    assert sum(lists, []) == list(text[: min(places)] if places else text)


def test_until_streams_and_reads_no_further_than_the_stop():
    read = []

    def parts():
        for part in ("ab", "c", "-", "d", "--", "never"):
            read.append(part)
            yield part

    stream = until(parts(), ["--"])
    assert next(stream) == "ab" and read == ["ab"]
    assert list(stream) == ["c", "-d"]  # the first "-" might have begun a stop
    assert read[-1] == "--"
    with pytest.raises(ValueError, match="empty stop"):
        list(until(["a"], ["b", ""]))
