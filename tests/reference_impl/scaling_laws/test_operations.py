"""Recorded without running: the operations and the peak of memory of the step that then runs."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from reference_impl.decoder.decoder import Decoder
from reference_impl.pretraining.optimizer import AdamW, decay_groups
from reference_impl.scaling_laws.accounting import (
    activation_bytes,
    peak_bytes,
    state_bytes,
    training_flops,
)
from reference_impl.scaling_laws.operations import Operand, Recorder, record_step, run_step

SIZES = [  # what is largest: logits, attention, parameters, activations
    ({"vocab_size": 5000}, 2, 31),
    ({"n_layers": 2, "vocab_size": 7}, 3, 37),
    ({"d_model": 240, "d_ff": 700, "vocab_size": 900, "tied_embeddings": False}, 1, 5),
    ({"n_layers": 5, "d_ff": 301}, 3, 23),
]
every_size = pytest.mark.parametrize(("changes", "batch", "seq"), SIZES)


@every_size
def test_its_products_are_the_operations_of_the_closed_form(config_of, changes, batch, seq):
    config = config_of(**changes)
    operations, _ = record_step(config, batch, seq)
    products = [each.product for each in operations if each.product]
    assert sum(2 * n * m * k * c for n, m, k, c in products) == training_flops(config, batch, seq)


def most_bytes(work) -> int:
    """The most that PyTorch's own profiler sees alive while `work` runs."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        work()
    events = recorded.profiler.kineto_results.events()
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    alive = most = 0
    for _, n_bytes in changes:
        alive += n_bytes
        most = max(most, alive)
    return most


@every_size
def test_the_real_step_needs_as_much_memory(config_of, changes, batch, seq):
    config = config_of(**changes)
    model = Decoder(config)
    optimizer = AdamW(decay_groups(model, 0.1))
    token_ids = torch.randint(7, (batch, seq))
    seen = most_bytes(lambda: run_step(model, optimizer, token_ids))
    _, recorded = record_step(config, batch, seq)
    assert recorded == pytest.approx(seen, rel=0.02)  # theirs is rounded up to 64 bytes a tensor
    assert recorded > activation_bytes(config, batch, seq)
    state = state_bytes(sum(parameter.numel() for parameter in model.parameters()))
    assert peak_bytes(config, batch, seq) == recorded + state.weights + state.optimizer


def test_bytes_layouts_and_views_of_an_operation():
    x = torch.ones(3, 5, device="meta")
    with Recorder([x]) as recorder:
        y = x.T + torch.ones(3, device="meta")  # 5 3
        y.mul_(2.0)
    by_name = {str(each.function): each for each in recorder.operations}
    assert [each.view for each in recorder.operations].count(True) == 1
    assert by_name["aten.add.Tensor"].n_bytes == 4 * (15 + 3 + 15)
    assert by_name["aten.add.Tensor"].kind == "aten.add.Tensor, scattered"
    assert by_name["aten.mul_.Tensor"].n_bytes == 2 * 4 * 15  # read and written
    assert recorder.n_bytes == 4 * 15 and recorder.peak_bytes == 4 * (15 + 3)


def test_what_is_forgotten_no_longer_counts():
    with Recorder([]) as recorder:
        for _ in range(3):
            torch.ones(7, device="meta").exp()
    assert recorder.n_bytes == 0
    assert recorder.peak_bytes == 2 * 4 * 7


def test_operands_come_back_as_tensors_of_the_same_layout():
    tensor = torch.zeros(2, 3, 5).transpose(0, 2)
    operand = Operand.of(tensor)
    assert not operand.in_a_row and operand.n_bytes == tensor.nbytes
    assert Operand.of(operand.filled()) == operand
    assert operand.filled().eq(1).all()
