"""Several processes under torchrun: the curve and the weights of one process."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from reference_impl.pretraining.checkpoints import read_checkpoint
from reference_impl.pretraining.distributed import World, join_processes, unwrapped, whole
from reference_impl.pretraining.training import add_gradients

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(__file__).with_name("training_run.py")
N_STEPS = 8


def program():
    spec = importlib.util.spec_from_file_location("training_run", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def torchrun(*options):
    """The program's output on two processes, with the same global batch as on one."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(PROGRAM), *map(str, options)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """The run on one process, stopped after step 3, then to its end."""
    folder = tmp_path_factory.mktemp("one")
    run = program().run(folder, N_STEPS)
    steps = [vars(next(run)) for _ in range(3)]
    stopped = folder / "stopped"
    stopped.mkdir()
    for path in folder.glob("step-*3-*.pt"):
        (stopped / path.name).write_bytes(path.read_bytes())
    return folder, steps + [vars(step) for step in run]


@pytest.fixture(scope="module")
def two(one, tmp_path_factory):
    """Two runs on two processes: data parallel from where one process stopped, and sharded."""
    parallel, sharded = one[0] / "stopped", tmp_path_factory.mktemp("sharded")
    steps = torchrun(parallel, N_STEPS, "--batch-parts", 3, "--sharded", sharded)
    return (parallel, steps[: N_STEPS - 3]), (sharded, steps[N_STEPS - 3 :])


def assert_same_curve(ours, theirs):
    assert [step["number"] for step in ours] == [step["number"] for step in theirs]
    for step, expected in zip(ours, theirs, strict=True):
        assert step == pytest.approx(expected, rel=1e-4)


def assert_same_weights(folder, expected_folder):
    ours, theirs = (torch.load(f / "weights.pt") for f in (folder, expected_folder))
    assert ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        torch.testing.assert_close(ours[name], expected, rtol=1e-3, atol=1e-5)


def test_data_parallel_runs_go_on_from_a_checkpoint_of_one_process(one, two):
    folder, steps = two[0]
    assert steps[0]["number"] == 3
    assert_same_curve(steps, one[1][3:])
    assert_same_weights(folder, one[0])


def test_sharded_runs_have_the_curve_of_one_process(one, two):
    folder, steps = two[1]
    assert_same_curve(steps, one[1])
    assert_same_weights(folder, one[0])
    assert steps[-1]["loss"] < steps[0]["loss"] - 0.1  # there was something to learn


def test_the_processes_talk_once_a_step():
    class Recorder(torch.nn.Linear):
        def set_requires_gradient_sync(self, on):
            self.calls = [*getattr(self, "calls", []), on]

    model = Recorder(3, 5)
    batch = torch.randn(6, 3), torch.randint(5, (6,))
    add_gradients(model, batch, n_micro_batches=3)
    assert model.calls == [False, False, True]


def test_one_process_reads_what_two_have_written(one, two):
    (expected,) = one[0].glob(f"step-*{N_STEPS}-*.pt")
    state = read_checkpoint(expected)
    for folder, _ in two:
        (path,) = folder.glob(f"step-*{N_STEPS}-*.pt")
        other = read_checkpoint(path)
        assert other["n_steps"] == N_STEPS
        assert other["optimizer"]["steps"] == state["optimizer"]["steps"]
        for ours, theirs in zip(
            other["optimizer"]["moments"], state["optimizer"]["moments"], strict=True
        ):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)
        assert list(program().run(folder, N_STEPS)) == []  # restored, and nothing left to do
        assert_same_weights(folder, one[0])


def test_without_torchrun_the_world_is_one_process(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with join_processes() as world:
        assert world == World(rank=0, size=1)
        model = torch.nn.Linear(2, 3)
        assert world.wrap(model) is world.wrap(model, sharded=True) is unwrapped(model) is model
        tensor = torch.arange(3)
        assert world.sum(tensor) is world.agree(tensor) is whole(tensor) is tensor


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("parts", [1, 2])
def test_the_shares_of_a_batch_are_the_batch(size, parts):
    rows, numbers = torch.arange(24).view(12, 2), torch.arange(12)
    shares = [World(rank, size).share((rows, numbers), parts) for rank in range(size)]
    flat = [part for share in shares for part in share]
    assert len(flat) == size * parts
    assert torch.equal(torch.cat([x for x, _ in flat]), rows)
    assert torch.equal(torch.cat([n for _, n in flat]), numbers)


def test_a_batch_for_other_numbers_of_processes_is_refused():
    with pytest.raises(ValueError, match="choose a batch_size that 8 divides"):
        World(size=4).share((torch.arange(12),), parts=2)
