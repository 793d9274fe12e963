"""The GPT-2 decoder against transformers' own, tiny and whole, and against itself with a cache."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import GPT2Config as TheirConfig
from transformers import GPT2LMHeadModel

from reference_impl.decoder.gpt2 import GPT2, GPT2_SMALL, GPT2Config
from reference_impl.inference.generation import Model, generate
from reference_impl.pretraining.loss import cross_entropy

SIZES = {
    "vocab_size": 53,
    "context_length": 37,
    "d_model": 24,
    "n_layers": 3,
    "n_heads": 4,
    "norm_eps": 1e-3,
}
SHAPES = [{}, {"n_heads": 1}, {"n_heads": 8, "d_model": 40}, {"n_layers": 1, "norm_eps": 1e-5}]
every_shape = pytest.mark.parametrize("changes", SHAPES, ids=str)


def model_of(**changes) -> GPT2:
    """Large random weights, biases and norms included, so that every part matters."""
    model = GPT2(GPT2Config(**(SIZES | changes))).eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4, generator=generator)
    return model


def their_names(model: GPT2, of=lambda parameter: parameter.detach()) -> dict[str, torch.Tensor]:
    """`of` every parameter (its value) as transformers stores it.

    Its projections are Conv1D, which hold their matrices transposed, and q, k and v are one.
    """
    state = {
        "transformer.wte.weight": of(model.token_embedding.weight),
        "transformer.wpe.weight": of(model.position_embedding.weight),
        "lm_head.weight": of(model.lm_head.weight),
        "transformer.ln_f.weight": of(model.final_norm.weight),
        "transformer.ln_f.bias": of(model.final_norm.bias),
    }
    for i, block in enumerate(model.blocks):
        attention, feed_forward = block.attention, block.feed_forward
        qkv = (attention.q_proj, attention.k_proj, attention.v_proj)
        names = {"ln_1": block.attention_norm, "ln_2": block.feed_forward_norm}
        layer = {
            f"{name}.{part}": of(getattr(norm, part))
            for name, norm in names.items()
            for part in ("weight", "bias")
        }
        layer["attn.c_attn.weight"] = torch.cat([of(linear.weight) for linear in qkv]).T
        layer["attn.c_attn.bias"] = torch.cat([of(linear.bias) for linear in qkv])
        for name, linear in [
            ("attn.c_proj", attention.o_proj),
            ("mlp.c_fc", feed_forward.up_proj),
            ("mlp.c_proj", feed_forward.down_proj),
        ]:
            layer |= {f"{name}.weight": of(linear.weight).T, f"{name}.bias": of(linear.bias)}
        state |= {f"transformer.h.{i}.{name}": value for name, value in layer.items()}
    return state


def pair_of(**changes) -> tuple[GPT2, GPT2LMHeadModel]:
    """The same tiny model twice: ours and transformers'."""
    model = model_of(**changes)
    config = model.config
    theirs = GPT2LMHeadModel(
        TheirConfig(
            vocab_size=config.vocab_size,
            n_positions=config.context_length,
            n_embd=config.d_model,
            n_layer=config.n_layers,
            n_head=config.n_heads,
            layer_norm_epsilon=config.norm_eps,
            bos_token_id=None,
            eos_token_id=None,
        )
    ).eval()
    theirs.load_state_dict(their_names(model))
    return model, theirs


def ids_of(batch: int, seq: int) -> torch.Tensor:
    return torch.randint(0, 53, (batch, seq), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
@every_shape
def test_logits_are_transformers(changes):
    model, theirs = pair_of(**changes)
    token_ids = ids_of(3, 19)
    torch.testing.assert_close(model(token_ids), theirs(token_ids).logits, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@every_shape
def test_cached_logits_are_transformers(changes):
    """Ours with our cache against transformers' with its own, a prompt and then token by token."""
    model, theirs = pair_of(**changes)
    cache, past = model.new_cache(batch=2), None
    for part in ids_of(2, 11).split([6, 1, 1, 1, 1, 1], dim=1):
        expected = theirs(part, past_key_values=past, use_cache=True)
        past = expected.past_key_values
        torch.testing.assert_close(model(part, cache), expected.logits, atol=1e-4, rtol=1e-4)
    assert cache.length == 11


@every_shape
def test_gradients_are_transformers(changes):
    model, theirs = pair_of(**changes)
    token_ids = ids_of(2, 13)
    cross_entropy(model(token_ids)[:, :-1], token_ids[:, 1:]).backward()
    logits = theirs(token_ids).logits
    F.cross_entropy(logits[:, :-1].flatten(0, 1), token_ids[:, 1:].flatten()).backward()
    # The map of weights only reorders them, so it maps gradients as well.
    ours = their_names(model, lambda parameter: parameter.grad)
    for name, parameter in theirs.named_parameters():
        assert parameter.grad.abs().max() > 0
        torch.testing.assert_close(ours[name], parameter.grad, atol=1e-5, rtol=1e-3)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_any_chunks_give_the_logits_of_the_whole(cuts):
    model = model_of()
    cache, token_ids = model.new_cache(batch=2), ids_of(2, sum(cuts))
    with torch.no_grad():
        parts = [model(part, cache) for part in token_ids.split(cuts, dim=1)]
        torch.testing.assert_close(torch.cat(parts, dim=1), model(token_ids), atol=1e-4, rtol=1e-4)


def test_generate_takes_it_and_gives_what_transformers_gives():
    model, theirs = pair_of()
    assert isinstance(model, Model)
    prompt = [7, 3, 50]
    expected = theirs.generate(
        torch.tensor([prompt]), attention_mask=torch.ones(1, 3), max_new_tokens=20, do_sample=False
    )
    assert list(generate(model, prompt, 20, prefill_chunk=2)) == expected[0, 3:].tolist()
    assert len(list(generate(model, prompt, 100))) == 37 - 3 + 1  # to the end of the context


def test_too_many_positions_are_refused():
    model = model_of(context_length=8)
    cache = model.new_cache()
    with pytest.raises(ValueError, match="9 positions do not fit into context_length=8"):
        model(ids_of(1, 9))
    model(ids_of(1, 8), cache)
    with pytest.raises(ValueError, match="9 positions do not fit into context_length=8"):
        model(ids_of(1, 1), cache)


def test_the_published_small_model_has_its_published_size():
    with torch.device("meta"):
        model = GPT2(GPT2_SMALL)
    assert sum(parameter.numel() for parameter in model.parameters()) == 124_439_808
    assert model.lm_head.weight is model.token_embedding.weight


def test_training_starts_without_biases_and_at_the_loss_of_a_guess():
    torch.manual_seed(0)
    model = GPT2(GPT2Config(997, 64, d_model=64, n_layers=8, n_heads=4))
    biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
    assert len(biases) == 8 * 8 + 1 and not any(bias.any() for bias in biases)
    token_ids = torch.randint(0, 997, (4, 37))
    loss = cross_entropy(model(token_ids)[:, :-1], token_ids[:, 1:])
    assert loss.item() == pytest.approx(torch.tensor(997.0).log().item(), rel=0.02)
    assert model.blocks[0].feed_forward.down_proj.weight.std().item() == pytest.approx(
        0.02 / 4, rel=0.05
    )


def test_heads_must_fill_the_width():
    with pytest.raises(ValueError, match="d_model=24 cannot be cut into n_heads=5"):
        GPT2Config(**SIZES | {"n_heads": 5})
