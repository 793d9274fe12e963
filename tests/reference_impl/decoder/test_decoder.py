"""The decoder against transformers' Llama, and against itself by other paths."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.decoder import Decoder, attention_maps
from reference_impl.inference.fast_decoder import FastDecoder

SHAPES = [
    {},
    {"n_heads": 6, "n_kv_heads": 6},
    {"n_heads": 6, "n_kv_heads": 1},
    {"n_heads": 3, "n_kv_heads": 1, "head_dim": 14, "d_model": 42},
    {"tied_embeddings": False},
    # Widths that the fast decoder cuts into pieces.
    {"vocab_size": 64, "d_model": 48, "head_dim": 16, "d_ff": 80},
    {"n_layers": 1, "n_heads": 3, "n_kv_heads": 1, "rope_theta": 10000.0, "norm_eps": 1e-5},
]


@pytest.fixture(autouse=True)
def two_threads(threads):
    """The fast decoder cuts its work by the number of threads."""
    threads(2)


def ids_of(batch: int, seq: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(0, 53, (batch, seq), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("run_of", [lambda model: model, FastDecoder], ids=["plain", "fast"])
@pytest.mark.parametrize("changes", SHAPES, ids=str)
def test_logits_are_llama_s(pair_of, changes, run_of):
    model, llama = pair_of(**changes)
    token_ids = ids_of(3, 19)
    with torch.no_grad():
        expected = llama(token_ids).logits
        actual = run_of(model)(token_ids)
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("run_of", [lambda model: model, FastDecoder], ids=["plain", "fast"])
@pytest.mark.parametrize("changes", SHAPES, ids=str)
def test_cached_logits_are_llama_s(pair_of, changes, run_of):
    """Ours with our cache against transformers' with its own, a prompt and then token by token."""
    model, llama = pair_of(**changes)
    token_ids = ids_of(2, 11)
    run, cache, past = run_of(model), model.new_cache(batch=2), None
    with torch.no_grad():
        for part in token_ids.split([6, 1, 1, 1, 1, 1], dim=1):
            expected = llama(part, past_key_values=past, use_cache=True)
            past = expected.past_key_values
            torch.testing.assert_close(run(part, cache), expected.logits, atol=1e-4, rtol=1e-4)
    assert cache.length == 11


@pytest.mark.parametrize("changes", SHAPES, ids=str)
def test_gradients_are_llama_s(pair_of, weights_for_llama, changes):
    model, llama = pair_of(**changes)
    token_ids = ids_of(2, 13)
    next_ids = token_ids[:, 1:].flatten()
    F.cross_entropy(model(token_ids)[:, :-1].flatten(0, 1), next_ids).backward()
    F.cross_entropy(llama(token_ids).logits[:, :-1].flatten(0, 1), next_ids).backward()
    # The map of weights is linear and only reorders them, so it maps gradients as well.
    ours = weights_for_llama(model, lambda parameter: parameter.grad)
    for name, parameter in llama.named_parameters():
        assert parameter.grad.abs().max() > 0
        torch.testing.assert_close(ours[name], parameter.grad, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("run_of", [lambda model: model, FastDecoder], ids=["plain", "fast"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_any_chunks_give_the_logits_of_the_whole(run_of, cuts):
    torch.manual_seed(0)
    config = ModelConfig(
        53, 64, d_model=24, n_layers=2, n_heads=6, n_kv_heads=2, head_dim=10, d_ff=31
    )
    model = Decoder(config)
    run, cache = run_of(model), model.new_cache(batch=2)
    token_ids = ids_of(2, sum(cuts))
    with torch.no_grad():
        parts = [run(part, cache) for part in token_ids.split(cuts, dim=1)]
        torch.testing.assert_close(torch.cat(parts, dim=1), model(token_ids), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("run_of", [lambda model: model, FastDecoder], ids=["plain", "fast"])
def test_next_logits_are_the_last_of_all(model_of, run_of):
    """And the cache is the same afterwards, as what follows shows."""
    model = model_of()
    run = run_of(model)
    cache = model.new_cache(batch=2)
    token_ids = ids_of(2, 12)
    with torch.no_grad():
        expected = model(token_ids)
        for start, end in [(0, 7), (7, 8), (8, 12)]:
            logits = run.next_logits(token_ids[:, start:end], cache)
            torch.testing.assert_close(logits, expected[:, end - 1], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(
            run.next_logits(token_ids), expected[:, -1], atol=1e-4, rtol=1e-4
        )


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=st.integers(0, 8))
def test_a_future_token_moves_no_earlier_logits(changed):
    torch.manual_seed(0)
    config = ModelConfig(
        53, 64, d_model=24, n_layers=2, n_heads=6, n_kv_heads=2, head_dim=10, d_ff=31
    )
    model = Decoder(config)
    token_ids = ids_of(1, 9)
    other = token_ids.clone()
    other[0, changed] = (other[0, changed] + 1) % 53
    moved = (model(token_ids) != model(other)).any(dim=-1)[0]
    assert moved.tolist() == [position >= changed for position in range(9)]


def test_tied_embeddings_are_one_parameter(config_of):
    tied, untied = Decoder(config_of()), Decoder(config_of(tied_embeddings=False))
    assert tied.lm_head.weight is tied.token_embedding.weight
    n_tied = sum(parameter.numel() for parameter in tied.parameters())
    n_untied = sum(parameter.numel() for parameter in untied.parameters())
    assert n_untied - n_tied == 53 * 24


def test_training_starts_at_the_loss_of_a_guess(config_of):
    torch.manual_seed(0)
    model = Decoder(config_of(vocab_size=997, d_model=64, n_layers=8))
    token_ids = torch.randint(0, 997, (4, 37))
    loss = F.cross_entropy(model(token_ids)[:, :-1].flatten(0, 1), token_ids[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(997), rel=0.02)
    block = model.blocks[0]
    assert block.attention.q_proj.weight.std().item() == pytest.approx(0.02, rel=0.05)
    # 2 * 8 additions to the stream, so each is 1/4 of the size.
    assert block.feed_forward.down_proj.weight.std().item() == pytest.approx(0.005, rel=0.05)


@pytest.mark.parametrize("run_of", [lambda model: model, FastDecoder], ids=["plain", "fast"])
def test_too_many_positions_are_refused(model_of, run_of):
    model = model_of(context_length=8)
    run, cache = run_of(model), model.new_cache()
    with pytest.raises(ValueError, match="9 positions do not fit into context_length=8"):
        run(ids_of(1, 9))
    run(ids_of(1, 8), cache)
    with pytest.raises(ValueError, match="9 positions do not fit into context_length=8"):
        run(ids_of(1, 1), cache)


@pytest.mark.parametrize("changes", SHAPES, ids=str)
def test_attention_maps_are_llama_s(pair_of, changes):
    model, llama = pair_of(**changes)
    llama.set_attn_implementation("eager")
    token_ids = ids_of(2, 9)
    with torch.no_grad():
        expected = torch.stack(llama(token_ids, output_attentions=True).attentions)
        maps = attention_maps(model, token_ids)
    torch.testing.assert_close(maps, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(maps.sum(dim=-1), torch.ones(maps.shape[:-1]))
    assert (maps.triu(1) == 0).all()
