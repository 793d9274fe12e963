"""The cache: whatever the chunks, it gives back what was put in, in order."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.decoder.cache import KVCache
from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.decoder import Decoder
from reference_impl.inference.fast_decoder import FastDecoder

CONFIG = ModelConfig(11, 13, d_model=6, n_layers=3, n_heads=4, n_kv_heads=2, head_dim=4, d_ff=5)


def entries(seq: int, seed: int = 0, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(2, batch, 2, seq, 4, generator=generator))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4).filter(lambda cuts: sum(cuts) <= 13))
def test_any_chunks_give_the_whole(cuts):
    cache = KVCache(CONFIG, batch=2)
    k, v = entries(sum(cuts))
    start = 0
    for size in cuts:
        end = start + size
        for layer in cache.layers:
            seen = layer.append(k[:, :, start:end], v[:, :, start:end])
            assert torch.equal(seen[0], k[:, :, :end]) and torch.equal(seen[1], v[:, :, :end])
        start = end
        assert cache.length == start


def test_layers_and_caches_are_apart():
    first, second = KVCache(CONFIG, batch=2), KVCache(CONFIG, batch=2)
    kept, other = entries(3, seed=1), entries(3, seed=2)
    seen = first.layers[0].append(*kept)
    first.layers[1].append(*other)
    second.layers[0].append(*other)
    assert torch.equal(seen[0], kept[0]) and torch.equal(seen[1], kept[1])
    assert first.layers[2].length == 0


def test_it_stores_copies():
    k, v = entries(3)
    keys, values = KVCache(CONFIG, batch=2).layers[0].append(k, v)
    expected = k.clone(), v.clone()
    k.zero_(), v.zero_()
    assert torch.equal(keys, expected[0]) and torch.equal(values, expected[1])


def test_a_full_cache_says_so_and_keeps_what_it_has():
    cache = KVCache(CONFIG, batch=2, capacity=4)
    layer = cache.layers[0]
    layer.append(*entries(3))
    with pytest.raises(ValueError, match="room for 4 positions and holds 3, but 2 more"):
        layer.append(*entries(2))
    assert cache.length == 3


def test_truncating_goes_back():
    cache = KVCache(CONFIG, batch=2)
    for layer in cache.layers:
        layer.append(*entries(5))
    cache.truncate(2)
    k, v = entries(5)
    new_k, new_v = entries(1, seed=9)
    keys, values = cache.layers[2].append(new_k, new_v)
    assert torch.equal(keys, torch.cat([k[:, :, :2], new_k], dim=2))
    assert torch.equal(values, torch.cat([v[:, :, :2], new_v], dim=2))
    with pytest.raises(ValueError, match="cannot truncate to 4: the cache holds 2"):
        cache.truncate(4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_size_is_what_the_formula_says(dtype):
    cache = KVCache(CONFIG, batch=5, capacity=7, dtype=dtype)
    assert cache.n_bytes == 2 * 3 * 5 * 2 * 7 * 4 * dtype.itemsize


@pytest.mark.parametrize(
    "shape", [(1, 2, 1, 4), (3, 2, 1, 4), (2, 4, 1, 4), (2, 1, 1, 4), (2, 2, 1, 6)]
)
def test_keys_of_other_sequences_or_heads_are_refused(shape):
    cache = KVCache(CONFIG, batch=2)
    with pytest.raises(ValueError, match=r"2 sequences, 2 KV heads and head_dim 4, but .* shape"):
        cache.layers[0].append(torch.zeros(shape), torch.zeros(shape))
    assert cache.length == 0


def test_a_model_refuses_a_cache_of_another_batch():
    model = Decoder(CONFIG)
    for batch, given_batch in [(2, 1), (1, 2)]:
        cache, token_ids = model.new_cache(batch), torch.zeros(given_batch, 1, dtype=torch.int64)
        for run in model, FastDecoder(model):
            with pytest.raises(ValueError, match=f"cache is for {batch} sequences"):
                run.next_logits(token_ids, cache)


def test_sizes_that_hold_nothing():
    with pytest.raises(ValueError, match="batch=0"):
        KVCache(CONFIG, batch=0)
    with pytest.raises(ValueError, match="capacity=-1"):
        KVCache(CONFIG, capacity=-1)
