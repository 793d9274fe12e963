"""AdamW and clipping: against PyTorch's, step by step."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from reference_impl.decoder.decoder import Decoder
from reference_impl.pretraining.optimizer import (
    AdamW,
    adamw_step,
    clip_gradients,
    decay_groups,
    global_norm,
)

SHAPES = [(3, 5), (7,), (), (2, 1, 3)]


def parameters_of(seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(scale * torch.randn(shape, generator=generator)) for shape in SHAPES]


def give_gradients(parameters, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        parameter.grad = scale * torch.randn(parameter.shape, generator=generator)


@settings(deadline=None)
@given(
    learning_rate=st.sampled_from([1e-4, 1e-2, 0.3]),
    betas=st.sampled_from([(0.9, 0.999), (0.0, 0.5), (0.95, 0.9)]),
    eps=st.sampled_from([1e-8, 1e-3, 0.5]),
    weight_decay=st.sampled_from([0.0, 0.01, 2.0]),
    scale=st.sampled_from([1e-4, 1.0, 1e3]),
    seed=st.integers(0, 99),
)
def test_every_step_is_torchs(learning_rate, betas, eps, weight_decay, scale, seed):
    ours, theirs = parameters_of(seed), parameters_of(seed)
    optimizer = AdamW(ours, learning_rate, betas, eps, weight_decay)
    expected = torch.optim.AdamW(theirs, learning_rate, betas, eps, weight_decay)
    for step in range(5):
        give_gradients(ours, (seed, step).__hash__() % 2**31, scale)
        give_gradients(theirs, (seed, step).__hash__() % 2**31, scale)
        optimizer.step(), expected.step()
        torch.testing.assert_close(ours, theirs, rtol=2e-6, atol=1e-7)
    for (first, second), state in zip(optimizer.moments, expected.state.values(), strict=True):
        torch.testing.assert_close(first, state["exp_avg"], rtol=1e-5, atol=1e-9)
        torch.testing.assert_close(second, state["exp_avg_sq"], rtol=1e-5, atol=1e-12)


def test_two_steps_worked_by_hand():
    parameter, first, second = torch.tensor([2.0]), torch.zeros(1), torch.zeros(1)
    options = {"learning_rate": 0.1, "betas": (0.5, 0.75), "eps": 1.0, "weight_decay": 0.5}
    # 2 * 0.95 = 1.9; moments 4/2 = 2, 16/4 = 4, without their start 4 and 16; 1.9 - 0.1 * 4 / 5
    adamw_step(parameter, torch.tensor([4.0]), first, second, 1, **options)
    assert (parameter.item(), first.item(), second.item()) == pytest.approx((1.82, 2.0, 4.0))
    # 1.82 * 0.95 = 1.729; 2/2 + 0 = 1, 4 * 0.75 = 3; 1/0.75 = 4/3 and 3/0.4375 = 48/7
    adamw_step(parameter, torch.tensor([0.0]), first, second, 2, **options)
    expected = 1.729 - 0.1 * (4 / 3) / ((48 / 7) ** 0.5 + 1)
    assert (parameter.item(), first.item(), second.item()) == pytest.approx((expected, 1.0, 3.0))


def test_a_changed_learning_rate_holds_from_the_next_step():
    ours, theirs = parameters_of(3), parameters_of(3)
    optimizer, expected = AdamW(ours), torch.optim.AdamW(theirs)
    for step, rate in enumerate((1e-3, 0.5, 1e-5)):
        optimizer.learning_rate = expected.param_groups[0]["lr"] = rate
        give_gradients(ours, step), give_gradients(theirs, step)
        optimizer.step(), expected.step()
    torch.testing.assert_close(ours, theirs, rtol=2e-6, atol=1e-7)


def test_a_parameter_without_a_gradient_waits():
    ours, theirs = parameters_of(4), parameters_of(4)
    optimizer, expected = AdamW(ours), torch.optim.AdamW(theirs)
    for step in range(4):
        give_gradients(ours, step), give_gradients(theirs, step)
        if step < 2:  # it starts later, and its bias correction with it
            ours[1].grad = theirs[1].grad = None
        optimizer.step(), expected.step()
        optimizer.zero_grad()
        assert all(parameter.grad is None for parameter in ours)
    torch.testing.assert_close(ours, theirs, rtol=2e-6, atol=1e-7)


def test_a_resumed_optimizer_goes_on_bit_for_bit():
    whole, stopped = parameters_of(5), parameters_of(5)
    optimizer, before = AdamW(whole), AdamW(stopped)
    for step in range(6):
        if step == 3:
            resumed = AdamW(stopped)
            resumed.load_state_dict(before.state_dict())
            before = resumed
        give_gradients(whole, step), give_gradients(stopped, step)
        optimizer.step(), before.step()
    assert all(map(torch.equal, whole, stopped))


def test_the_state_of_other_parameters_is_refused():
    with pytest.raises(ValueError, match="of 4 parameters of other shapes than these 3"):
        AdamW(parameters_of(0)[:3]).load_state_dict(AdamW(parameters_of(0)).state_dict())


def test_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match="at least one parameter"):
        AdamW([])


def test_matrices_decay_and_gains_do_not(config_of):
    model = Decoder(config_of())
    decayed, kept = decay_groups(model, 0.3)
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.3, 0.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert all("norm" in names[id(p)] for p in kept["params"])
    assert not any("norm" in names[id(p)] for p in decayed["params"])
    assert len(decayed["params"]) + len(kept["params"]) == len(list(model.parameters()))

    optimizer = AdamW([decayed, kept], learning_rate=0.1, weight_decay=9.0)
    before = [parameter.detach().clone() for parameter in optimizer.parameters]
    for parameter in optimizer.parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for old, new in zip(before, optimizer.parameters, strict=True):
        torch.testing.assert_close(new.detach(), old * (0.97 if new.dim() >= 2 else 1.0))


@given(st.integers(0, 99), st.sampled_from([1e-6, 0.01, 1.0, 100.0]), st.floats(0.01, 50))
def test_clipping_is_torchs(seed, scale, max_norm):
    ours, theirs = parameters_of(seed), parameters_of(seed)
    give_gradients(ours, seed, scale), give_gradients(theirs, seed, scale)
    norm = clip_gradients(ours, max_norm)
    expected = nn.utils.clip_grad_norm_(theirs, max_norm)  # divides by norm + 1e-6
    torch.testing.assert_close(norm, expected)
    gradients = [parameter.grad for parameter in ours]
    torch.testing.assert_close(
        gradients, [p.grad for p in theirs], rtol=1e-6 + 1e-6 / max_norm, atol=1e-9
    )
    assert global_norm(gradients) <= max_norm * (1 + 1e-5)


@given(st.integers(0, 99), st.floats(1.0, 1e6))
def test_short_gradients_stay_bit_for_bit(seed, factor):
    parameters = parameters_of(seed)
    give_gradients(parameters, seed)
    before = [parameter.grad.clone() for parameter in parameters]
    clip_gradients(parameters, max_norm=float(global_norm(before)) * factor)
    assert all(map(torch.equal, before, [parameter.grad for parameter in parameters]))


def test_clipping_takes_all_parameters_together():
    weight, bias = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    weight.grad, bias.grad = torch.tensor([30.0]), torch.tensor([40.0])
    assert clip_gradients([weight, bias], max_norm=5.0).item() == 50.0
    assert (weight.grad.item(), bias.grad.item()) == pytest.approx((3.0, 4.0))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_broken_gradients_stop_the_run_before_the_weights_are_lost(bad):
    parameters = parameters_of(0)
    give_gradients(parameters, 0)
    parameters[1].grad[2] = bad
    with pytest.raises(ValueError, match="lower the learning rate"):
        clip_gradients(parameters, 1.0)


def test_parameters_without_gradients_have_no_norm():
    assert clip_gradients(parameters_of(0), 1.0).item() == 0.0


@pytest.mark.parametrize(
    "given",
    [
        lambda w, b: [w, b, w],
        lambda w, b: [{"params": [w, b]}, {"params": [w], "weight_decay": 0.0}],
        lambda w, b: [{"params": [w, w]}],
    ],
)
def test_a_parameter_given_twice_is_refused(given):
    weight, bias = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    with pytest.raises(ValueError, match="a parameter is given twice"):
        AdamW(given(weight, bias))


def test_shared_weights_are_one_parameter(model_of):
    model = model_of(tied_embeddings=True)
    parameters = [*model.token_embedding.parameters(), *model.lm_head.parameters()]
    with pytest.raises(ValueError, match="given twice"):
        AdamW(parameters)
    assert len(AdamW(model.parameters()).parameters) == len(list(model.parameters()))


def test_a_gradient_is_clipped_once_however_often_its_parameter_is_given():
    weight = nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([3.0, 4.0])
    assert clip_gradients([weight, weight], max_norm=1.0).item() == 5.0
    torch.testing.assert_close(weight.grad, torch.tensor([0.6, 0.8]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": -1.0}, "learning_rate=-1.0"),
        ({"learning_rate": math.nan}, "learning_rate=nan"),
        ({"learning_rate": math.inf}, "learning_rate=inf"),
        ({"betas": (1.0, 0.9)}, r"betas\[0\]=1.0"),
        ({"betas": (0.9, math.nan)}, r"betas\[1\]=nan"),
        ({"eps": -1e-8}, "eps=-1e-08"),
        ({"weight_decay": math.nan}, "weight_decay=nan"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1"),
    ],
    ids=str,
)
def test_settings_that_would_destroy_the_weights(settings, message):
    weight = nn.Parameter(torch.ones(2))
    with pytest.raises(ValueError, match=message):
        AdamW([weight], **settings)


def test_a_schedule_that_gives_nan_moves_nothing():
    weight = nn.Parameter(torch.ones(2))
    optimizer = AdamW([weight])
    weight.grad, optimizer.learning_rate = torch.ones(2), math.nan
    with pytest.raises(ValueError, match="learning_rate=nan"):
        optimizer.step()
    assert weight.tolist() == [1.0, 1.0]


def test_float16_weights_are_refused():
    with pytest.raises(ValueError, match="float16 cannot hold small gradients"):
        AdamW([nn.Parameter(torch.ones(2).half())])


@pytest.mark.parametrize("max_norm", [-1.0, math.nan])
def test_a_norm_that_is_no_length_is_refused(max_norm):
    with pytest.raises(ValueError, match=f"max_norm={max_norm} is no length"):
        clip_gradients([nn.Parameter(torch.ones(2))], max_norm)
