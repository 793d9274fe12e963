"""Checkpoints: all or nothing on disk, and damage is noticed, named and survived."""

import pytest
import torch

from reference_impl.decoder.decoder import Decoder
from reference_impl.pretraining.checkpoints import (
    CheckpointError,
    Checkpoints,
    read_checkpoint,
    write_checkpoint,
)
from reference_impl.pretraining.optimizer import AdamW


@pytest.fixture
def trained(config_of):
    """A tiny model and its optimizer after `n` steps of random gradients."""

    def make(n, **changes):
        torch.manual_seed(0)
        model = Decoder(config_of(**changes))
        optimizer = AdamW(model.parameters(), learning_rate=0.1)
        for _ in range(n):
            for parameter in model.parameters():
                parameter.grad = torch.randn_like(parameter)
            optimizer.step()
        return model, optimizer

    return make


def weights_equal(a, b):
    return all(map(torch.equal, a.state_dict().values(), b.state_dict().values()))


def test_what_is_saved_comes_back(trained, tmp_path):
    model, optimizer = trained(3)
    checkpoints = Checkpoints(tmp_path / "run", every=1)
    checkpoints.save(3, model, optimizer)
    fresh, fresh_optimizer = trained(0)
    assert not weights_equal(model, fresh)
    assert checkpoints.restore(fresh, fresh_optimizer) == 3
    assert weights_equal(model, fresh)
    assert fresh_optimizer.steps == optimizer.steps
    for ours, theirs in zip(fresh_optimizer.moments, optimizer.moments, strict=True):
        assert all(map(torch.equal, ours, theirs))
    assert fresh.lm_head.weight is fresh.token_embedding.weight  # still one table


def test_without_a_checkpoint_a_run_starts_from_the_beginning(trained, tmp_path):
    model, optimizer = trained(0)
    assert Checkpoints(tmp_path / "none", every=1).restore(model, optimizer) == 0


def test_only_the_newest_are_kept(trained, tmp_path):
    model, optimizer = trained(0)
    checkpoints = Checkpoints(tmp_path, every=1, keep=2)
    for n_steps in (8, 9, 10, 1000):
        checkpoints.save(n_steps, model, optimizer)
    assert [read_checkpoint(path)["n_steps"] for path in checkpoints.paths()] == [1000, 10]
    assert len(list(tmp_path.iterdir())) == 2


DAMAGE = {
    "one bit in the middle": lambda data: _with_bit(data, len(data) // 2),
    "one bit at the end": lambda data: _with_bit(data, len(data) - 1),
    "second half missing": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "more at the end": lambda data: data + b"\0",
}


def _with_bit(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(trained, tmp_path, damage):
    checkpoints = Checkpoints(tmp_path, every=1)
    model, optimizer = trained(2)
    checkpoints.save(2, model, optimizer)
    checkpoints.save(3, *trained(3))
    newest = checkpoints.paths()[0]
    newest.write_bytes(damage(newest.read_bytes()))

    with pytest.raises(CheckpointError, match=r"step-000000003.* is damaged: .* digest .* Delete"):
        read_checkpoint(newest)
    fresh, fresh_optimizer = trained(0)
    with pytest.warns(UserWarning, match="step-000000003.* is damaged.*one before it is used"):
        assert checkpoints.restore(fresh, fresh_optimizer) == 2
    assert weights_equal(fresh, model)


def test_a_run_does_not_silently_start_over_where_all_are_damaged(trained, tmp_path):
    checkpoints = Checkpoints(tmp_path, every=1)
    model, optimizer = trained(1)
    checkpoints.save(1, model, optimizer)
    (path,) = checkpoints.paths()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoints.restore(model, optimizer)


def test_a_write_that_fails_midway_leaves_what_was_there(trained, tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path, every=1)
    model, optimizer = trained(1)
    checkpoints.save(1, model, optimizer)
    kept = checkpoints.paths()

    def full_disk(state, file):
        file.write(b"half of it")
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full_disk)
        with pytest.raises(OSError, match="no space left"):
            checkpoints.save(2, *trained(2))
    assert checkpoints.paths() == kept
    assert checkpoints.restore(*trained(0)) == 1
    checkpoints.save(3, model, optimizer)  # the half-written file is in nobody's way
    assert sorted(tmp_path.iterdir()) == sorted(checkpoints.paths())


def test_the_rename_is_the_last_thing_that_happens(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "os.fsync", lambda _: seen.append(sorted(p.name for p in tmp_path.iterdir()))
    )
    path = write_checkpoint(tmp_path, {"n_steps": 7})
    assert seen == [["draft.tmp"]]  # on the disk under the other name first
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_of_another_model_is_refused(trained, tmp_path):
    checkpoints = Checkpoints(tmp_path, every=1)
    checkpoints.save(1, *trained(1))
    with pytest.raises(CheckpointError, match=r"another model: blocks.0.feed_forward.*\[.*, 31\]"):
        checkpoints.restore(*trained(0, d_ff=29))
    with pytest.raises(CheckpointError, match=r"blocks.3.* has shape None there"):
        checkpoints.restore(*trained(0, n_layers=4))


@pytest.mark.parametrize("numbers", [{"every": 0}, {"every": 1, "keep": 0}])
def test_impossible_numbers_are_refused(tmp_path, numbers):
    with pytest.raises(ValueError, match="must be 1 or more"):
        Checkpoints(tmp_path, **numbers)


def compiled(model):
    return torch.compile(model, backend="eager")  # the wrapper is the same for every backend


def half_compiled(model):
    """One block wrapped as `torch.compile` wraps; nothing is compiled until a call."""
    model.blocks[0] = compiled(model.blocks[0])
    return model


WRAPS = {"plain": lambda model: model, "compiled": compiled, "one block": half_compiled}


@pytest.mark.parametrize("saved_as", WRAPS)
@pytest.mark.parametrize("loaded_as", WRAPS)
def test_compiled_and_plain_models_take_over_each_other_s_checkpoints(
    trained, tmp_path, saved_as, loaded_as
):
    model, optimizer = trained(2)
    checkpoints = Checkpoints(tmp_path, every=1)
    checkpoints.save(2, WRAPS[saved_as](model), optimizer)
    names = read_checkpoint(checkpoints.paths()[0])["model"].keys()
    fresh, fresh_optimizer = trained(0)
    assert names == fresh.state_dict().keys()
    assert checkpoints.restore(WRAPS[loaded_as](fresh), fresh_optimizer) == 2
    assert weights_equal(model, fresh)


def test_a_checkpoint_from_a_gpu_is_read_where_there_is_none(trained, tmp_path, monkeypatch):
    model, optimizer = trained(1)
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        Checkpoints(tmp_path, every=1).save(1, model, optimizer)
    fresh, fresh_optimizer = trained(0)
    assert Checkpoints(tmp_path, every=1).restore(fresh, fresh_optimizer) == 1
    assert weights_equal(model, fresh)
