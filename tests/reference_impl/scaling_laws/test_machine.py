"""Rates: by hand from a small table, and measured without looking at how fast anything is."""

import json
import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from reference_impl.scaling_laws.accounting import step_seconds
from reference_impl.scaling_laws.machine import (
    SAMPLES,
    TINY,
    Rates,
    interpolate,
    left_over,
    measure_rates,
    slowdown,
)
from reference_impl.scaling_laws.operations import Operand, Operation, record_step

aten = torch.ops.aten
PRODUCTS = {(2, 2, 2): 1.0, (2, 2, 8): 4.0} | {
    (m, k, n): 1.0 for m in (2, 8) for k in (2, 8) for n in (2, 8) if (m, k) != (2, 2)
}
RATES = Rates(
    overhead=100.0,
    products={False: PRODUCTS, True: dict.fromkeys(PRODUCTS, 3.0)},
    passes={"aten.exp.default": {16: 2.0, 256: 8.0}},
)


def tensor(*shape):
    return Operand.of(torch.empty(shape, device="meta"))


def operation(function, *operands, output, view=False):
    return Operation(function, (operands, {}), (output,), view)


def test_a_table_is_read_between_its_points_and_at_its_edges():
    table = {(4, 1): 1.0, (16, 1): 4.0, (4, 100): 2.0, (16, 100): 8.0}
    assert interpolate(table, [4, 1]) == pytest.approx(1.0)
    assert interpolate(table, [8, 1]) == pytest.approx(2.0)
    assert interpolate(table, [8, 10]) == pytest.approx(2.0 * math.sqrt(2))
    assert interpolate(table, [1000, 1]) == pytest.approx(4.0)
    assert interpolate({(7,): 3.0}, [1]) == pytest.approx(3.0)


def test_operations_take_what_their_rates_say():
    exp = operation(aten.exp.default, tensor(8), output=tensor(8))  # 64 bytes, between 16 and 256
    assert RATES.seconds(exp) == pytest.approx(100 + 64 * 4.0)
    unknown = operation(aten.sin.default, tensor(8), output=tensor(8))
    assert RATES.seconds(unknown) == 100
    view = operation(aten.view.default, tensor(8), output=tensor(2, 4), view=True)
    assert RATES.seconds(view) == 100
    product = operation(aten.mm.default, tensor(2, 2), tensor(2, 4), output=tensor(2, 4))
    assert RATES.seconds(product) == pytest.approx(100 + 2 * 2 * 2 * 4 * 2.0)
    many = operation(aten.bmm.default, tensor(5, 2, 2), tensor(5, 2, 4), output=tensor(5, 2, 4))
    assert RATES.seconds(many) == pytest.approx(100 + 5 * 2 * 2 * 2 * 4 * 3.0)


def test_a_step_is_the_sum_of_its_operations():
    operations, _ = record_step(TINY, 1, 4)
    expected = sum(map(RATES.seconds, operations))
    assert step_seconds(TINY, 1, 4, RATES) == pytest.approx(expected)


def test_rates_are_measured_for_every_kind_of_operation_with_more_than_one_size():
    ticks = iter(range(10**9))  # a clock that ticks once a look: each call takes 1 "second"
    rates = measure_rates(
        SAMPLES[:3], [(TINY, 1, 4)], (2, 5), repeats=1, clock=lambda: float(next(ticks))
    )
    assert set(rates.products) == {False, True}
    assert rates.products[False][2, 5, 2] == pytest.approx(1 / (2 * 20))
    assert rates.products[True][5, 5, 5] == pytest.approx(1 / (2 * 125 * 16))
    # Nothing takes longer than the smallest, so all is overhead.
    assert rates.passes == {}
    assert rates.overhead == 0  # and never less, though here the parts take longer than the whole
    # The whole step took one call's second: so it is predicted, whatever its parts take.
    assert step_seconds(TINY, 1, 4, rates) == pytest.approx(1.0)


def test_the_overhead_is_what_small_steps_have_left_for_each_operation():
    view = operation(aten.view.default, tensor(8), output=tensor(2, 4), view=True)
    exp = operation(aten.exp.default, tensor(8), output=tensor(8))
    rates = replace(RATES, overhead=0.0)
    steps = [((view, exp), 256.0 + 6.0), ((exp, exp, exp), 768.0 + 4.0)]
    assert left_over(rates, steps) == pytest.approx(10 / 5)


def test_the_slowdown_is_what_whole_steps_take_longer_and_prolongs_every_operation():
    view = operation(aten.view.default, tensor(8), output=tensor(2, 4), view=True)  # 100
    exp = operation(aten.exp.default, tensor(8), output=tensor(8))  # 356
    steps = [((view,), 110.0), ((view, exp), 456.0 * 1.5), ((exp,), 356.0 * 7)]
    assert slowdown(RATES, steps) == pytest.approx(1.5)
    slower = replace(RATES, slowdown=1.5)
    assert slower.seconds(view) == pytest.approx(150)
    assert slower.seconds(exp) == pytest.approx(1.5 * 356)


HELD = """
import json, os
from pathlib import Path
import torch
from reference_impl.scaling_laws.machine import return_freed_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

done = return_freed_memory()
before = resident()
tensors = [torch.ones(50_000) for _ in range(400)]  # 80 MB in pieces of 200 kB
full = resident()
del tensors[:-1]  # the last lies above all others
print(json.dumps([done, full - before, resident() - before]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux's library")
def test_freed_memory_is_returned():
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    returned, full, kept = json.loads(done.stdout)
    assert returned
    assert full > 75e6
    assert kept < 10e6
