"""The training loop: what a step does, and that being killed changes nothing."""

import json
import math
import os
import random
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from reference_impl.decoder.decoder import Decoder
from reference_impl.pretraining.checkpoints import Checkpoints
from reference_impl.pretraining.data import RandomBatches, sequential_batches
from reference_impl.pretraining.loss import IGNORE_ID, cross_entropy, token_losses
from reference_impl.pretraining.optimizer import AdamW, clip_gradients
from reference_impl.pretraining.packing import PackedBatches, PackedDecoder, pack
from reference_impl.pretraining.schedule import warmup_cosine
from reference_impl.pretraining.training import Step, add_gradients, evaluate, train

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(__file__).with_name("training_run.py")
SENTENCE = torch.tensor([5, 1, 4, 1, 5, 9, 2, 6] * 20)


def constant(rate):
    return lambda step: rate


@pytest.fixture
def fresh(config_of):
    def make(**changes):
        torch.manual_seed(0)
        return Decoder(config_of(**{"n_layers": 1, "vocab_size": 11} | changes))

    return make


class Uneven:
    """6 rows of which row r has r + 1 real targets."""

    def __getitem__(self, step):
        inputs, targets = RandomBatches(SENTENCE, 6, 6, seed=1)[step]
        return inputs, targets.masked_fill(torch.ones(6, 6).triu(1).bool(), IGNORE_ID)


def test_a_model_that_knows_nothing_learns_a_sentence_by_heart(fresh):
    model = fresh()
    batches = RandomBatches(SENTENCE, 16, 8, seed=0)
    schedule = partial(warmup_cosine, n_steps=60, max_lr=2e-2, warmup_steps=5)
    steps = list(train(model, AdamW(model.parameters()), batches, 60, schedule))
    assert steps[0].loss == pytest.approx(math.log(11), abs=0.1)
    assert steps[-1].loss < 0.25  # only the first 1s and 5s of a window leave a doubt
    assert [step.number for step in steps] == list(range(60))
    assert [step.learning_rate for step in steps] == [schedule(i) for i in range(60)]


def test_one_step_is_gradient_clipping_and_update_and_nothing_else(fresh):
    model, by_hand = fresh(), fresh()
    batches = RandomBatches(SENTENCE, 7, 4, seed=3)
    (step,) = train(model, AdamW(model.parameters()), batches, 1, constant(0.1), max_norm=0.05)
    inputs, targets = batches[0]
    loss = cross_entropy(by_hand(inputs), targets)
    loss.backward()
    norm = clip_gradients(by_hand.parameters(), 0.05)
    assert norm > 0.05
    AdamW(by_hand.parameters(), learning_rate=0.1).step()
    expected = Step(0, loss.item(), 0.1, norm.item())
    assert list(vars(step).values()) == pytest.approx(list(vars(expected).values()), rel=1e-5)
    for ours, theirs in zip(model.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_mixed_precision_multiplies_in_bfloat16_and_keeps_the_rest_in_float32(model_of):
    exact, mixed = model_of(), model_of()
    dtypes = []
    for layer in (mixed.blocks[1].attention.q_proj, mixed.blocks[1].feed_forward_norm):
        layer.register_forward_hook(lambda *call: dtypes.append(call[-1].dtype))
    batch = RandomBatches(SENTENCE, 7, 4, seed=3)[0]
    expected = add_gradients(exact, batch)
    loss = add_gradients(mixed, batch, mixed_precision=True)
    assert dtypes == [torch.bfloat16, torch.float32]
    assert loss == pytest.approx(expected, rel=0.02) and loss != expected
    for ours, theirs in zip(mixed.parameters(), exact.parameters(), strict=True):
        assert ours.dtype == ours.grad.dtype == torch.float32
        assert (ours.grad - theirs.grad).norm() < 0.1 * theirs.grad.norm()


def test_a_model_learns_as_well_in_mixed_precision(fresh):
    def losses(**options):
        model = fresh()
        batches = RandomBatches(SENTENCE, 16, 8, seed=0)
        optimizer = AdamW(model.parameters())
        steps = train(model, optimizer, batches, 40, constant(1e-2), **options)
        return torch.tensor([step.loss for step in steps])

    exact, mixed = losses(), losses(mixed_precision=True)
    assert exact[-1] < 0.5 < exact[0] and not torch.equal(exact, mixed)
    torch.testing.assert_close(mixed, exact, rtol=0, atol=0.1)


@pytest.mark.parametrize("n_parts", [2, 3, 6])
def test_parts_of_a_batch_add_up_to_its_gradient(model_of, n_parts):
    whole, parts = model_of(), model_of()
    inputs, targets = Uneven()[0]
    cross_entropy(whole(inputs), targets).backward()
    loss = add_gradients(parts, (inputs, targets), n_parts)
    assert loss == pytest.approx(cross_entropy(whole(inputs), targets).item())
    for ours, theirs in zip(parts.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-5)
    rows = [cross_entropy(whole(inputs[[i]]), targets[[i]]).item() for i in range(6)]
    assert abs(loss - sum(rows) / 6) > 1e-3  # the mean of the rows' means is another number


def test_a_batch_that_cannot_be_dealt_out_is_refused(fresh):
    with pytest.raises(ValueError, match="6 rows cannot be dealt out to 1 processes in 4 parts"):
        add_gradients(fresh(), Uneven()[0], 4)


def test_packed_documents_train_too(fresh):
    rows = pack([[1, 2, 3, 4], [4, 3, 2, 1], [5, 5]] * 6, context_length=13, separator_id=0)
    model = PackedDecoder(fresh())
    batches = PackedBatches(rows, batch_size=2, seed=0)
    steps = list(train(model, AdamW(model.parameters()), batches, 40, constant(1e-2)))
    # Which of the three documents it is shows after the first token: nothing is left to guess.
    assert steps[-1].loss < 0.3 < steps[0].loss


class HalfOff(nn.Module):
    """A decoder with dropout, one part of which the caller has already put in eval mode."""

    def __init__(self, decoder):
        super().__init__()
        self.decoder, self.dropout = decoder, nn.Dropout(0.5)
        self.frozen = nn.Dropout(0.5).eval()

    def forward(self, token_ids):
        return self.frozen(self.dropout(self.decoder(token_ids)))


def test_measuring_is_without_dropout_and_leaves_every_mode_as_it_was(fresh):
    model = HalfOff(fresh())
    batches = list(sequential_batches(SENTENCE, 7, 4))
    losses = [evaluate(model, batches) for _ in range(2)]
    assert losses[0] == losses[1] == pytest.approx(evaluate(model.decoder, batches))
    assert model.training and model.dropout.training and not model.frozen.training
    assert all(parameter.grad is None for parameter in model.parameters())

    class Breaks(HalfOff):
        def forward(self, token_ids):
            raise RuntimeError("broken")

    model = Breaks(fresh())
    with pytest.raises(RuntimeError, match="broken"):
        evaluate(model, batches)
    assert model.training and not model.frozen.training


def test_measuring_weighs_tokens_and_not_batches(fresh):
    model = fresh().eval()
    batches = list(sequential_batches(SENTENCE[:24], 7, 2))
    assert [targets.numel() for _, targets in batches] == [14, 7, 2]
    each = torch.cat([token_losses(model(x), y).flatten() for x, y in batches])
    assert evaluate(model, batches) == pytest.approx(each.mean().item())
    means = [cross_entropy(model(x), y).item() for x, y in batches]
    assert abs(evaluate(model, batches) - sum(means) / 3) > 1e-5


def test_measuring_nothing_is_refused(fresh):
    nothing = torch.full((1, 3), IGNORE_ID)
    with pytest.raises(ValueError, match="no token to predict"):
        evaluate(fresh(), [(torch.ones_like(nothing), nothing)])


def test_training_goes_on_in_train_mode_after_a_measurement_that_left_eval_mode(fresh):
    model = HalfOff(fresh())
    modes = []
    model.dropout.register_forward_hook(lambda module, *_: modes.append(module.training))
    for _ in train(model, AdamW(model.parameters()), Uneven(), 2, constant(1e-3)):
        model.eval()  # the caller forgot
    assert modes == [True, True]


def test_training_uses_none_of_the_callers_random_numbers(fresh):
    model = HalfOff(fresh())
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    list(train(model, AdamW(model.parameters()), Uneven(), 2, constant(1e-3)))
    assert torch.equal(torch.rand(4), expected)


def test_dropout_differs_from_step_to_step_and_with_the_seed(fresh):
    class Same:
        def __getitem__(self, step):
            return Uneven()[0]

    def losses(seed):
        model = HalfOff(fresh())
        optimizer = AdamW(model.parameters())
        return [s.loss for s in train(model, optimizer, Same(), 3, constant(1e-9), seed=seed)]

    assert losses(0) == losses(0)
    assert len({*losses(0), *losses(1)}) == 6


def test_checkpoints_are_written_when_they_should_and_at_the_end(fresh, tmp_path):
    model = fresh()
    checkpoints = Checkpoints(tmp_path, every=2, keep=9)
    optimizer = AdamW(model.parameters())
    steps = train(model, optimizer, Uneven(), 5, constant(1e-3), checkpoints=checkpoints)
    counts = [len(checkpoints.paths()) for _ in steps]
    assert counts == [0, 1, 1, 2, 3]
    done = train(model, optimizer, Uneven(), 5, constant(1e-3), checkpoints=checkpoints)
    assert list(done) == []  # nothing is left to do


def start(folder, n_steps, *options):
    command = [sys.executable, str(PROGRAM), str(folder), str(n_steps), *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_a_run_killed_at_random_steps_ends_with_the_same_bits(tmp_path):
    options = ("--every", "3", "--dropout", "0.3")
    untouched = start(tmp_path / "untouched", 40, *options)
    rng = random.Random()  # other steps every time: the result must never depend on them
    resumed_at = []
    for fatal in sorted(rng.sample(range(2, 38), 3)):
        process = start(tmp_path / "killed", 40, *options)
        numbers = []
        for line in process.stdout:
            numbers.append(json.loads(line)["number"])
            if numbers[-1] >= fatal:
                os.kill(process.pid, signal.SIGKILL)
                break
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
        resumed_at.append(numbers[0])
    last = start(tmp_path / "killed", 40, *options)
    tail = [json.loads(line) for line in last.communicate()[0].splitlines()]
    steps = [json.loads(line) for line in untouched.communicate()[0].splitlines()]
    assert last.returncode == untouched.returncode == 0
    assert resumed_at[0] == 0 and all(number % 3 == 0 for number in resumed_at)
    assert tail == steps[tail[0]["number"] :]  # the same losses, to the last digit
    weights, expected = (
        torch.load(tmp_path / name / "weights.pt") for name in ("killed", "untouched")
    )
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
