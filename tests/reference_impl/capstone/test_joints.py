"""The joints: a decoder put together from functions is the decoder, also with caches."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grading.course.sources import reference_piece
from reference_impl.capstone.joints import (
    WEIGHT_NAMES,
    block_functions,
    chat_turn,
    first_difference,
    n_reusable,
    sort_weights,
    stream_text,
)
from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.decoder import Decoder
from reference_impl.decoder.functions import block_weights, decoder_logits
from reference_impl.published.weights import _gguf_name

CONFIG = ModelConfig(23, 64, 12, 11, 3, 1, 4, 20, rope_theta=500.0, norm_eps=1e-4)


def file_of(model):
    """A decoder's weights under the names of a GGUF file, in the order of the alphabet."""
    named = {_gguf_name(name): tensor.detach() for name, tensor in model.named_parameters()}
    return dict(sorted(named.items()))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Decoder(CONFIG).requires_grad_(False)


def test_weights_come_in_the_order_of_the_layers(model):
    embedding, blocks, final_norm = sort_weights(file_of(model), WEIGHT_NAMES)
    assert embedding is model.token_embedding.weight or torch.equal(
        embedding, model.token_embedding.weight
    )
    assert torch.equal(final_norm, model.final_norm.weight)
    assert len(blocks) == 11
    for found, block in zip(blocks, model.blocks, strict=True):
        wanted = block_weights(block)
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize(
    "missing", ["token_embd.weight", "output_norm.weight", "blk.10.ffn_up.weight"]
)
def test_a_missing_tensor_is_refused(model, missing):
    file = file_of(model)
    del file[missing]
    with pytest.raises(ValueError):
        sort_weights(file, WEIGHT_NAMES)


def test_a_missing_layer_and_a_tensor_too_many_are_refused(model):
    file = file_of(model)
    with pytest.raises(ValueError, match="layer 4"):
        sort_weights({n: t for n, t in file.items() if ".4." not in n}, WEIGHT_NAMES)
    with pytest.raises(ValueError, match="rope_freqs"):
        sort_weights({**file, "rope_freqs.weight": torch.ones(2)}, WEIGHT_NAMES)


@pytest.mark.parametrize("pieces", [[9], [4, 1, 1, 3]])
def test_layers_with_caches_are_the_decoder(model, pieces):
    attend = reference_piece("inference/attend_with_cache")
    new_cache = reference_piece("inference/layer_cache")
    embedding, blocks, norm = sort_weights(file_of(model), WEIGHT_NAMES)
    caches = [new_cache() for _ in blocks]
    layers = block_functions(blocks, caches, attend, 3, 1, CONFIG.rope_theta, CONFIG.norm_eps)
    ids = torch.arange(9)[None] * 2
    found = [decoder_logits(p, embedding, layers, norm, 1e-4) for p in ids.split(pieces, dim=1)]
    torch.testing.assert_close(torch.cat(found, dim=1), model(ids), atol=1e-5, rtol=1e-4)


def test_as_many_caches_as_blocks():
    with pytest.raises(ValueError):
        block_functions([{}, {}], [None], len, 1, 1, 10.0, 0.0)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2), min_size=1))
def test_what_stays_is_a_common_beginning_as_long_as_can_be(cached, wanted):
    n = n_reusable(cached, wanted)
    assert cached[:n] == wanted[:n] and 0 <= n < len(wanted)
    longer = cached[: n + 1] == wanted[: n + 1] and len(cached) > n
    assert not longer or n + 1 == len(wanted)


@settings(max_examples=50)
@given(st.binary(max_size=12), st.lists(st.integers(1, 3), min_size=12, max_size=12))
def test_streamed_text_is_the_text_and_never_taken_back(data, widths):
    tokens, start = [], 0
    for width in widths:
        tokens.append(data[start : start + width])
        start += width

    def decode(ids):
        return b"".join(tokens[i] for i in ids).decode(errors="replace")

    shown = ""
    for piece in stream_text(range(12), decode):
        shown += piece
        assert decode(list(range(12))).startswith(shown)
    assert shown == decode(list(range(12)))


def test_a_turn_reads_no_token_too_many_and_keeps_the_messages():
    messages = [{"role": "system", "content": "s"}]
    answer = iter([65, 66, 67])
    after = chat_turn(
        messages, "q", str, lambda t: [1], lambda ids: answer, lambda i: bytes(i).decode(), 0, 2
    )
    assert after[-1] == {"role": "assistant", "content": "AB"}
    assert next(answer) == 67 and len(messages) == 1


def test_nan_shape_and_infinity_are_differences():
    one = torch.ones(3)
    for other in (torch.full((3,), torch.nan), torch.ones(3, 1), torch.tensor([1, 1, torch.inf])):
        assert first_difference([one, other], [one, one]) == 1
    assert first_difference([one * 1.0009], [one]) is None
    assert first_difference([], []) is None
