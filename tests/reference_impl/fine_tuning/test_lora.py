"""LoRA: nothing changes at first, little trains, and merged it is the same model."""

import io
import zipfile

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from reference_impl.fine_tuning.chat import encode_chat, end_of_turn
from reference_impl.fine_tuning.fine_tuning import PaddedBatches, encode_example
from reference_impl.fine_tuning.lora import (
    LoRAError,
    LoRALinear,
    adapters,
    add_lora,
    load_lora,
    merge_lora,
    save_lora,
    trainable_parameters,
)
from reference_impl.inference.fast_decoder import FastDecoder
from reference_impl.inference.generation import generate
from reference_impl.pretraining.loss import cross_entropy
from reference_impl.pretraining.optimizer import AdamW, decay_groups
from reference_impl.pretraining.training import train
from reference_impl.published.tokenizer_files import tokenizer_from_gguf
from reference_impl.published.weights import load_decoder

ALL_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
IDS = torch.randint(0, 53, (3, 17), generator=torch.Generator().manual_seed(1))


def adapted(model, **changes):
    """The model with adapters whose B is no longer 0, as after training."""
    options = {"rank": 3, "alpha": 5.0, "layers": ALL_LAYERS} | changes
    torch.manual_seed(2)
    add_lora(model, **options)
    for layer in adapters(model).values():
        nn.init.normal_(layer.b, std=0.1)
    return model


def snapshot(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_at_first_the_model_computes_bit_for_bit_what_it_did(model_of):
    model = model_of()
    before = model(IDS)
    add_lora(model, rank=3, alpha=5.0, layers=ALL_LAYERS)
    assert torch.equal(model(IDS), before)
    assert len(adapters(model)) == 3 * len(ALL_LAYERS)


@settings(max_examples=20)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 9), st.floats(0.1, 30))
def test_an_adapted_layer_is_the_formula(rank, n_in, n_out, alpha):
    rank = min(rank, n_in, n_out)
    generator = torch.Generator().manual_seed(rank)
    layer = LoRALinear(nn.Linear(n_in, n_out, bias=False), rank, alpha)
    for weight in (layer.linear.weight, layer.a, layer.b):
        nn.init.normal_(weight, generator=generator)
    x = torch.randn(4, n_in, generator=generator)
    trained = [name for name, parameter in layer.named_parameters() if parameter.requires_grad]
    assert trained == ["a", "b"]
    weight = layer.linear.weight + alpha / rank * torch.einsum("or,ri->oi", layer.b, layer.a)
    torch.testing.assert_close(layer(x), x @ weight.T, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(layer.merged().weight, weight)


def test_a_bias_stays_and_is_added_once():
    layer = LoRALinear(nn.Linear(5, 3), rank=2, alpha=1.0)
    nn.init.ones_(layer.b)
    x = torch.randn(2, 5)
    before = layer(x)
    torch.testing.assert_close(layer.merged()(x), before)


def test_only_adapters_get_gradients_and_only_they_move(model_of):
    model = adapted(model_of())
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {name.rpartition(".")[2] for name in trained} == {"a", "b"}
    before = snapshot(model)
    batch = IDS[:, :-1], IDS[:, 1:]
    cross_entropy(model(batch[0]), batch[1]).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (name in frozen), name
        assert name in frozen or parameter.grad.abs().max() > 0, name
    model.zero_grad()
    optimizer = AdamW(decay_groups(model, 0.1))
    assert len(optimizer.parameters) == len(trained)  # no moments for what is frozen
    list(train(model, optimizer, {0: batch, 1: batch}, 2, lambda step: 1e-2))
    after = snapshot(model)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == trained


def test_a_is_what_b_waits_for(model_of):
    """With B = 0 only B has a gradient in the first step; with A = 0 too, nothing would move."""
    model = model_of()
    add_lora(model, rank=3, alpha=5.0)
    cross_entropy(model(IDS[:, :-1]), IDS[:, 1:]).backward()
    for layer in adapters(model).values():
        assert layer.b.grad.abs().max() > 0 and layer.a.grad.abs().max() == 0


@pytest.mark.parametrize("layers", [("q_proj",), ("q_proj", "v_proj"), ALL_LAYERS])
@pytest.mark.parametrize("rank", [1, 7])
def test_the_number_of_trained_parameters(model_of, config_of, layers, rank):
    config, model = config_of(), model_of()
    q_width, kv_width = config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim
    sides = {
        "q_proj": config.d_model + q_width,
        "k_proj": config.d_model + kv_width,
        "v_proj": config.d_model + kv_width,
        "o_proj": config.d_model + q_width,
        "gate_proj": config.d_model + config.d_ff,
        "up_proj": config.d_model + config.d_ff,
        "down_proj": config.d_model + config.d_ff,
    }
    add_lora(model, rank, alpha=1.0, layers=layers)
    expected = config.n_layers * rank * sum(sides[name] for name in layers)
    assert trainable_parameters(model) == expected


def test_alpha_over_rank_scales_what_the_adapters_add(model_of):
    plain = model_of()(IDS)
    one, two = (adapted(model_of(), alpha=alpha, layers=("down_proj",)) for alpha in (0.1, 0.2))
    added = [model(IDS) - plain for model in (one, two)]
    torch.testing.assert_close(added[1], 2 * added[0], rtol=0.05, atol=2e-4)
    assert added[0].abs().max() > 5e-3


def test_merging_gives_the_same_logits_in_plain_weights(model_of):
    model, plain = adapted(model_of()), model_of()
    expected = model(IDS)
    assert not torch.allclose(plain(IDS), expected, atol=0.1)  # the adapters do something
    merge_lora(model)
    torch.testing.assert_close(model(IDS), expected, rtol=1e-3, atol=1e-3)
    assert adapters(model) == {} and model.state_dict().keys() == plain.state_dict().keys()
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert model.lm_head.weight is model.token_embedding.weight
    torch.testing.assert_close(FastDecoder(model)(IDS), expected, rtol=1e-3, atol=1e-3)


def test_adapters_alone_are_saved_and_come_back_with_a_fresh_model(model_of, tmp_path):
    model, path = adapted(model_of()), tmp_path / "lora.pt"
    save_lora(model, path)
    other = model_of()
    load_lora(other, path)
    assert torch.equal(other(IDS), model(IDS))
    assert trainable_parameters(other) == trainable_parameters(model)
    n_numbers = sum(p.numel() for p in model.parameters() if p.requires_grad)
    saved = torch.load(path)["adapters"]
    assert sum(t.numel() for pair in saved.values() for t in pair.values()) == n_numbers


def test_adapters_of_another_model_are_refused_and_leave_this_one_as_it_was(model_of, tmp_path):
    save_lora(adapted(model_of()), tmp_path / "lora.pt")
    for changes, message in [
        ({"d_ff": 29}, r"feed_forward.down_proj has shape \(24, 31\) there and \(24, 29\) here"),
        ({"n_layers": 2}, r"blocks.2.attention.k_proj has shape \(20, 24\) there and None here"),
        ({"n_layers": 4}, r"blocks.3.attention.k_proj has shape None there and \(20, 24\) here"),
    ]:
        model = model_of(**changes)
        with pytest.raises(LoRAError, match=message):
            load_lora(model, tmp_path / "lora.pt")
        assert adapters(model) == {} and all(p.requires_grad for p in model.parameters())


def test_files_without_adapters_are_refused(model_of, tmp_path):
    path = tmp_path / "lora.pt"
    with pytest.raises(FileNotFoundError, match="no file .*lora.pt: give one that save_lora wrote"):
        load_lora(model_of(), path)
    torch.save({"model": 1}, path)
    with pytest.raises(LoRAError, match="holds no adapters"):
        load_lora(model_of(), path)
    save_lora(adapted(model_of()), path)
    whole = path.read_bytes()
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.txt", "not from torch")
    for damaged in (b"", b"hello", whole[: len(whole) // 2], zipped.getvalue()):
        path.write_bytes(damaged)
        with pytest.raises(LoRAError, match="is damaged or no file of adapters: save them again"):
            load_lora(model_of(), path)


def test_calls_that_make_no_sense_are_refused(model_of, tmp_path):
    model = model_of()
    for call in (merge_lora, lambda model: save_lora(model, tmp_path / "x")):
        with pytest.raises(LoRAError, match="no adapters: call add_lora or load_lora first"):
            call(model)
    for options, message in [
        ({"layers": ["q_proj", "query"]}, "no linear layer is called query: choose from down_proj"),
        ({"layers": []}, "no linear layer is called nothing"),
        ({"rank": 0}, r"rank=0 is not from 1 to 24"),
        ({"rank": 21, "layers": ["q_proj", "v_proj"]}, r"from 1 to 20, .* shape \(20, 24\)"),
        ({"layers": ["lm_head"]}, "token_embedding.weight and lm_head.weight are one weight"),
    ]:
        with pytest.raises(LoRAError, match=message):
            add_lora(model, **{"rank": 2, "alpha": 1.0} | options)
        assert adapters(model) == {} and all(p.requires_grad for p in model.parameters())
    add_lora(model, rank=2, alpha=1.0)
    with pytest.raises(LoRAError, match="has adapters already: merge them first"):
        add_lora(model, rank=2, alpha=1.0)


def test_an_output_layer_of_its_own_can_be_adapted(model_of):
    model = adapted(model_of(tied_embeddings=False), layers=("lm_head",))
    expected = model(IDS)
    merge_lora(model)
    torch.testing.assert_close(model(IDS), expected, rtol=1e-3, atol=1e-3)


def test_adapters_start_otherwise_with_another_seed_and_alike_with_the_same(model_of):
    def first_a(seed):
        torch.manual_seed(seed)
        model = model_of()
        torch.manual_seed(seed)
        add_lora(model, rank=2, alpha=1.0)
        return adapters(model)["blocks.0.attention.q_proj"].a

    assert torch.equal(first_a(0), first_a(0)) and not torch.equal(first_a(0), first_a(1))


def test_smollm2_learns_an_answer_that_nobody_could_know(weights_file, threads):
    """The real model with 0.3% of its weights in training, before and after."""
    threads(2)
    model, tokenizer = load_decoder(weights_file), tokenizer_from_gguf(weights_file.metadata)
    question = {"role": "user", "content": "What is the name of my boat?"}
    answer = {"role": "assistant", "content": "Your boat is called Marzipan."}
    system = {"role": "system", "content": "Answer briefly."}
    stop = end_of_turn(tokenizer)[0]

    def reply():
        prompt = encode_chat(tokenizer, [system, question])
        return tokenizer.decode(generate(FastDecoder(model), prompt, 16, stop_ids={stop}))

    assert "Marzipan" not in reply()
    example = encode_example(tokenizer, [system, question, answer], 100)
    torch.manual_seed(0)
    add_lora(model, rank=4, alpha=8.0)
    assert trainable_parameters(model) == 30 * 4 * (576 + 576 + 576 + 192)
    steps = train(
        model,
        AdamW(decay_groups(model, 0.0)),
        PaddedBatches([example], 1, seed=0),
        8,
        lambda step: 5e-3,
    )
    losses = [step.loss for step in steps]
    assert losses[-1] < 0.1 < losses[0]
    merge_lora(model)
    assert reply() == "Your boat is called Marzipan."


def test_adapters_from_a_gpu_are_read_where_there_is_none(model_of, tmp_path, monkeypatch):
    model, path = adapted(model_of()), tmp_path / "adapters.pt"
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        save_lora(model, path)
    other = model_of()
    load_lora(other, path)
    assert torch.equal(other(IDS), model(IDS))


@pytest.mark.parametrize("saved_compiled", [True, False])
def test_adapters_of_compiled_and_plain_models_are_the_same(model_of, tmp_path, saved_compiled):
    def compiled(model, yes):
        return torch.compile(model, backend="eager") if yes else model

    model, path = adapted(model_of()), tmp_path / "adapters.pt"
    save_lora(compiled(model, saved_compiled), path)
    other = model_of()
    load_lora(compiled(other, not saved_compiled), path)
    assert torch.equal(other(IDS), model(IDS))


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf")])
def test_an_alpha_that_scales_nothing(model_of, alpha):
    model = model_of()
    with pytest.raises(LoRAError, match=f"alpha={alpha}: give a finite number above 0"):
        add_lora(model, rank=2, alpha=alpha)
    assert all(parameter.requires_grad for parameter in model.parameters())
