"""The functions of weights against the modules, PyTorch and counts of real parameters."""

from dataclasses import asdict
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from reference_impl.decoder.config import SMOLLM2_135M, ModelConfig
from reference_impl.decoder.decoder import Decoder
from reference_impl.decoder.functions import (
    attend_causally,
    block_weights,
    count_parameters,
    decoder_block,
    decoder_logits,
    logit_lens,
    top_tokens,
)
from reference_impl.scaling_laws.accounting import parameter_counts

CONFIG = ModelConfig(
    97, 32, d_model=14, n_layers=3, n_heads=6, n_kv_heads=2, head_dim=4, d_ff=11, rope_theta=50.0
)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = Decoder(CONFIG).requires_grad_(False)
    for name, weight in model.named_parameters():  # norms and scores that make a difference
        weight.mul_(torch.rand_like(weight) + 0.5) if "norm" in name else weight.mul_(20)
    return model


def functions_of(model):
    attend = partial(attend_causally, rope_theta=CONFIG.rope_theta)
    settings = {"attend": attend, "n_heads": CONFIG.n_heads, "n_kv_heads": CONFIG.n_kv_heads}
    return [partial(decoder_block, weights=block_weights(b), **settings) for b in model.blocks]


def test_decoder_is_the_modules(model):
    ids = torch.randint(97, (2, 7), generator=torch.Generator().manual_seed(1))
    table, norm = model.token_embedding.weight, model.final_norm.weight
    ours = decoder_logits(ids, table, functions_of(model), norm)
    torch.testing.assert_close(ours, model(ids), rtol=1e-4, atol=1e-4)


def test_every_layer_is_the_module(model):
    x = torch.randn(2, 5, 14, generator=torch.Generator().manual_seed(2))
    angles = model.angles(torch.zeros(2, 5, dtype=torch.int64), start=0)
    for ours, theirs in zip(functions_of(model), model.blocks, strict=True):
        torch.testing.assert_close(ours(x), theirs(x, angles), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tied", [True, False])
def test_counts_are_those_of_the_built_model(tied):
    sizes = {**asdict(CONFIG), "tied_embeddings": tied}
    built = Decoder(ModelConfig(**sizes))
    wanted = {k: v for k, v in sizes.items() if k in count_parameters.__annotations__}
    counts = count_parameters(**wanted)
    assert counts["total"] == sum(weight.numel() for weight in built.parameters())
    exact = parameter_counts(built.config)
    assert all(counts[part] == getattr(exact, part) for part in counts)


def test_smollm2_has_134_515_008_parameters():
    sizes = asdict(SMOLLM2_135M)
    wanted = {k: v for k, v in sizes.items() if k in count_parameters.__annotations__}
    assert count_parameters(**wanted)["total"] == 134_515_008  # the published count


def test_lens_ranks_as_sorting_does(model):
    streams = torch.randn(5, 14, generator=torch.Generator().manual_seed(3))
    table, norm = model.token_embedding.weight, model.final_norm.weight
    logits = F.rms_norm(streams, (14,), norm, 1e-5) @ table.T
    order = logits.argsort(dim=-1, descending=True)  # n_streams vocab
    for token in (0, 41, 96):
        wanted = 1 + (order == token).int().argmax(dim=-1)
        ranks, p = logit_lens(streams, norm, table, token)
        assert ranks.equal(wanted)
        torch.testing.assert_close(p, logits.log_softmax(-1).exp()[:, token])


def test_top_tokens_by_sorting():
    logits = 5 * torch.randn(3, 5, 11, generator=torch.Generator().manual_seed(4))
    ids, p = top_tokens(logits, k=4)
    sums, order = logits[:, -1].double().softmax(-1).sort(dim=-1, descending=True)
    assert ids.equal(order[:, :4])
    torch.testing.assert_close(p.double(), sums[:, :4], rtol=1e-5, atol=1e-6)
