"""Accounting: predicted from the config alone, then counted in the real module."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from reference_impl.decoder.cache import KVCache
from reference_impl.decoder.config import SMOLLM2_135M, ModelConfig
from reference_impl.decoder.decoder import Decoder
from reference_impl.pretraining.loss import cross_entropy
from reference_impl.pretraining.optimizer import AdamW
from reference_impl.scaling_laws.accounting import (
    LLAMA2_70B,
    TINYLLAMA_1B,
    TrainingPlan,
    activation_bytes,
    forward_flops,
    kv_cache_bytes,
    least_step_seconds,
    parameter_counts,
    plan_table,
    state_bytes,
    training_bytes,
    training_flops,
)
from reference_impl.scaling_laws.machine import A100, Machine, measure_machine
from reference_impl.scaling_laws.scaling import training_flops as six_nd

CHANGES = [
    {},
    {"tied_embeddings": False},
    {"n_layers": 1, "n_kv_heads": 6},
    {"n_kv_heads": 1, "head_dim": 4, "vocab_size": 11},
    {"n_heads": 1, "n_kv_heads": 1, "d_model": 8, "d_ff": 3, "tied_embeddings": False},
]
every_config = pytest.mark.parametrize("changes", CHANGES, ids=str)


def part_of(name):
    for word, part in (("norm", "norms"), ("attention", "attention"), ("feed_forward",) * 2):
        if word in name:
            return part
    return "output" if name.startswith("lm_head") else "embedding"


@every_config
def test_each_part_has_as_many_parameters_as_its_modules(config_of, changes):
    model = Decoder(config_of(**changes))
    counted = dict.fromkeys(("embedding", "attention", "feed_forward", "norms", "output"), 0)
    for name, parameter in model.named_parameters():
        counted[part_of(name)] += parameter.numel()
    counts = parameter_counts(model.config)
    assert vars(counts) == counted
    assert counts.total == sum(counted.values())
    assert counts.non_embedding == counts.total - counted["embedding"] - counted["output"]


@pytest.mark.parametrize(
    ("config", "published"),
    [
        (SMOLLM2_135M, 134_515_008),
        (TINYLLAMA_1B, 1_100_048_384),
        (LLAMA2_70B, 68_976_648_192),
    ],
)
def test_published_models_have_their_published_size(config, published):
    assert parameter_counts(config).total == published


@every_config
def test_torch_counts_the_same_operations(config_of, changes):
    model = Decoder(config_of(**changes))
    token_ids = torch.randint(11, (3, 7))
    with FlopCounterMode(display=False) as forward:
        loss = cross_entropy(model(token_ids), token_ids)
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    assert forward.get_total_flops() == forward_flops(model.config, 3, 7)
    assert backward.get_total_flops() == 2 * forward_flops(model.config, 3, 7)
    assert training_flops(model.config, 3, 7) == 3 * forward.get_total_flops()


@torch.no_grad()
def test_torch_counts_the_same_operations_with_a_cache(config_of):
    model = Decoder(config_of())
    cache = model.new_cache(batch=2)
    model(torch.randint(11, (2, 5)), cache)
    with FlopCounterMode(display=False) as counter:
        model(torch.randint(11, (2, 3)), cache)
    assert counter.get_total_flops() == forward_flops(model.config, 2, q_seq=3, kv_seq=8)


def kept_bytes(model, token_ids):
    """Bytes of every tensor that autograd keeps, weights and the given ids left out."""
    known = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), token_ids)}
    kept = {}  # address -> storage, held so that no address is used twice

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = cross_entropy(model(token_ids), token_ids)
    assert loss.requires_grad
    return sum(storage.nbytes() for storage in kept.values())


@every_config
@pytest.mark.parametrize(("batch", "seq"), [(3, 7), (1, 2), (2, 31)])
def test_autograd_keeps_as_many_bytes(config_of, changes, batch, seq):
    model = Decoder(config_of(**changes))
    token_ids = torch.randint(11, (batch, seq))
    assert kept_bytes(model, token_ids) == activation_bytes(model.config, batch, seq)


@every_config
def test_weights_gradients_and_moments_take_as_many_bytes(config_of, changes):
    model = Decoder(config_of(**changes))
    optimizer = AdamW(model.parameters())
    token_ids = torch.randint(11, (3, 7))
    cross_entropy(model(token_ids), token_ids).backward()
    expected = training_bytes(model.config, 3, 7)
    assert expected.weights == sum(p.nbytes for p in model.parameters())
    assert expected.gradients == sum(p.grad.nbytes for p in model.parameters())
    assert expected.optimizer == sum(m.nbytes for pair in optimizer.moments for m in pair)
    state = state_bytes(parameter_counts(model.config).total)
    assert state.total == expected.weights + expected.gradients + expected.optimizer
    assert expected.total == state.total + activation_bytes(model.config, 3, 7)


def test_mixed_precision_takes_sixteen_bytes_a_parameter():
    assert state_bytes(7, "mixed").total == 7 * 16 == state_bytes(7).total
    with pytest.raises(ValueError, match="'fp8' is unknown: choose one of float32, mixed"):
        state_bytes(7, "fp8")


@every_config
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_cache_takes_as_many_bytes(config_of, changes, dtype):
    config = config_of(**changes)
    cache = KVCache(config, batch=3, capacity=17, dtype=dtype)
    assert cache.n_bytes == kv_cache_bytes(config, 3, 17, dtype.itemsize)


def test_six_nd_is_exact_but_for_attention_and_the_table_that_is_only_read():
    for config in (TINYLLAMA_1B, LLAMA2_70B):
        counts, seq = parameter_counts(config), config.context_length
        attention = 3 * 4 * config.n_layers * seq * config.n_heads * config.head_dim
        in_no_product = counts.embedding + counts.norms
        assert training_flops(config, 1, seq) == seq * (
            six_nd(counts.total - in_no_product, 1) + attention
        )


def test_a_step_takes_the_products_and_then_the_traffic():
    config = ModelConfig(10, 8, 4, 1, n_heads=2, n_kv_heads=1, head_dim=2, d_ff=6)
    machine = Machine("slow", flops_per_second=3312.0, bytes_per_second=4.0)
    traffic = 2 * activation_bytes(config, 1, 3) + 7 * 4 * 172  # 172 parameters
    assert least_step_seconds(config, 1, 3, machine) == pytest.approx(1.0 + traffic / 4)


def test_the_plan_of_llama_2_needs_about_the_hours_that_were_reported():
    # Touvron et al. 2023b, table 2: 1,720,320 A100 hours for 2 trillion tokens.
    plan = TrainingPlan("70B", LLAMA2_70B, 2e12, A100, n_machines=1)
    used = plan.machine_hours * plan.utilisation / 1_720_320
    assert 0.40 < used < 0.50  # the utilisation that their hours imply
    assert plan.flops == pytest.approx(six_nd(parameter_counts(LLAMA2_70B).total, 2e12), rel=0.1)


def test_the_table_has_a_column_for_each_plan():
    plans = [
        TrainingPlan("small", TINYLLAMA_1B, 22e9, A100, n_machines=8),
        TrainingPlan("large", LLAMA2_70B, 1.4e12, A100, n_machines=1024, utilisation=0.5),
    ]
    lines = [line.strip("| ").split(" | ") for line in plan_table(plans).splitlines()]
    assert lines[0] == ["Plan", "small", "large"] and lines[1] == ["---", "---:", "---:"]
    table = {name: cells for name, *cells in lines[2:]}
    assert table["Parameters"] == ["1.10 billion", "68.98 billion"]
    assert table["in embedding and output"] == ["11.9%", "0.8%"]  # 2 * 32000 * d_model
    assert table["Tokens"] == ["22 billion", "1,400 billion"]
    assert table["per parameter"] == ["20.0", "20.3"]
    assert table["Operations, 6ND"] == ["1.45e+20", "5.79e+23"]
    assert table["State"] == ["18 GB", "1,104 GB"]  # 16 bytes a parameter
    assert table["on each machine, divided"] == ["2.20 GB", "1.08 GB"]
    assert table["KV cache of one"] == ["0.05 GB", "1.34 GB"]  # 2 * 80 * 8 * 128 * 2 * 4096
    days = plans[1].flops / (312e12 * 0.5 * 1024) / 86400
    assert table["Days"][1] == f"{days:.1f}"


def test_a_measured_machine_can_do_something():
    machine = measure_machine(width=64, n_bytes=2**16, repeats=2)
    assert machine.flops_per_second > 0 and machine.bytes_per_second > 0
    assert least_step_seconds(SMOLLM2_135M, 1, 8, machine) > 0
