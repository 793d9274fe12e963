"""Recurrent cells against torch over whole sequences, and what is left of a gradient."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.text_before_transformers.recurrent import (
    GRU,
    RNN,
    gradient_norms,
    gru_cell,
    rnn_cell,
    run_cell,
)

KINDS = [RNN, GRU]
SIZES = {
    "batch": st.integers(1, 3),
    "seq": st.integers(1, 7),
    "d_in": st.integers(1, 5),
    "d_hidden": st.integers(1, 5),
    "seed": st.integers(0, 2**32 - 1),
}


def torch_twin(model):
    """torch.nn's module of the same kind with the same weights."""
    rows, d_in = model.input_weight.shape
    kind = getattr(torch.nn, type(model).__name__)
    twin = kind(d_in, model.d_hidden, batch_first=True).double()
    if isinstance(model, RNN):
        bias = {"bias_ih_l0": model.bias, "bias_hh_l0": torch.zeros(rows)}
    else:
        bias = {"bias_ih_l0": model.input_bias, "bias_hh_l0": model.hidden_bias}
    weights = {"weight_ih_l0": model.input_weight, "weight_hh_l0": model.hidden_weight}
    twin.load_state_dict({name: w.detach().clone() for name, w in (weights | bias).items()})
    return twin


def random_model(kind, d_in, d_hidden, seed):
    """Weights and biases well away from zero, so that each of them matters."""
    torch.manual_seed(seed)
    model = kind(d_in, d_hidden).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


@pytest.mark.parametrize("kind", KINDS)
@given(**SIZES)
def test_sequences_equal_torch_in_values_and_gradients(kind, batch, seq, d_in, d_hidden, seed):
    model = random_model(kind, d_in, d_hidden, seed)
    twin = torch_twin(model)
    x = torch.randn(batch, seq, d_in, dtype=torch.float64)
    start = torch.randn(batch, d_hidden, dtype=torch.float64)
    weights = torch.randn(batch, seq, d_hidden, dtype=torch.float64)
    inputs = [[t.clone().requires_grad_() for t in (x, start)] for _ in range(2)]
    ours = model(*inputs[0])
    theirs, last = twin(inputs[1][0], inputs[1][1][None])
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(ours[:, -1], last[0])
    (ours * weights).sum().backward()
    (theirs * weights).sum().backward()
    for mine, yours in zip(*inputs, strict=True):
        torch.testing.assert_close(mine.grad, yours.grad)
    torch.testing.assert_close(model.input_weight.grad, twin.weight_ih_l0.grad)
    torch.testing.assert_close(model.hidden_weight.grad, twin.weight_hh_l0.grad)
    input_bias = model.bias if kind is RNN else model.input_bias
    torch.testing.assert_close(input_bias.grad, twin.bias_ih_l0.grad)
    if kind is GRU:
        torch.testing.assert_close(model.hidden_bias.grad, twin.bias_hh_l0.grad)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_starts_from_zeros_as_in_torch(kind):
    model = random_model(kind, 3, 5, seed=6)
    x = torch.randn(2, 4, 3, dtype=torch.float64)
    torch.testing.assert_close(model(x), torch_twin(model)(x)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_in_parts_with_the_state_carried_or_at_once(kind):
    model = random_model(kind, 3, 5, seed=0)
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    first = model(x[:, :4])
    carried = model(x[:, 4:], hidden=first[:, -1])
    torch.testing.assert_close(torch.cat([first, carried], dim=1), model(x))
    forgotten = model(x[:, 4:])
    assert not any(torch.allclose(a, b) for a, b in zip(forgotten[0], carried[0], strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_carried_over_to_other_sequences_or_calls(kind):
    model = random_model(kind, 3, 5, seed=1)
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    alone = model(x[1:])
    torch.testing.assert_close(model(x)[1:], alone)
    torch.testing.assert_close(model(x[1:]), alone)


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_depends_on_the_past_alone(kind):
    model = random_model(kind, 3, 5, seed=2)
    x = torch.randn(1, 7, 3, dtype=torch.float64)
    moved = x.clone()
    moved[:, 4] += 1
    before, after = model(x)[0], model(moved)[0]
    assert (before[:4] == after[:4]).all()
    assert (before[4:] != after[4:]).any(dim=-1).all()


def test_gradient_norms_equal_the_jacobians_by_autograd():
    model = random_model(GRU, 3, 5, seed=3)
    x, start = torch.randn(1, 6, 3).double(), torch.randn(1, 5).double()
    norms = gradient_norms(model.cell, x, start)
    states = model(x, start)
    for distance in range(6):
        at = 5 - distance

        def last_from_here(state, at=at):
            rest = run_cell(model.cell, x[:, at + 1 :], state) if at < 5 else state[:, None]
            return rest[:, -1].sum()

        jacobian = torch.autograd.functional.jacobian(last_from_here, states[:, at])
        torch.testing.assert_close(norms[distance], jacobian.norm())


def orthogonal(d_hidden, scale):
    matrix = torch.linalg.qr(torch.randn(d_hidden, d_hidden, dtype=torch.float64)).Q
    return matrix * scale


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.25])
def test_at_rest_the_gradient_changes_by_the_same_factor_each_step(scale):
    # Input, bias and state are 0, so tanh is at its steepest, slope 1: only the matrix acts.
    torch.manual_seed(4)
    weight = orthogonal(7, scale)
    zeros = torch.zeros(7, dtype=torch.float64)

    def cell(x, hidden):
        return rnn_cell(x, hidden, zeros[:, None], weight, zeros)

    norms = gradient_norms(cell, torch.zeros(1, 40, 1).double(), zeros[None])
    expected = 7**0.5 * scale ** torch.arange(40).double()
    torch.testing.assert_close(norms, expected)


@given(scale=st.floats(0.1, 2), seed=st.integers(0, 2**32 - 1))
def test_the_gradient_is_bounded_by_powers_of_the_largest_singular_value(scale, seed):
    model = random_model(RNN, 3, 5, seed)
    with torch.no_grad():
        model.hidden_weight *= scale / torch.linalg.matrix_norm(model.hidden_weight, ord=2)
    x = torch.randn(2, 20, 3, dtype=torch.float64)
    norms = gradient_norms(model.cell, x, torch.zeros(2, 5).double())
    bound = norms[0] * scale ** torch.arange(20).double()
    assert (norms <= bound * (1 + 1e-9)).all()


def test_an_update_gate_near_one_keeps_the_gradient():
    zeros = torch.zeros(15, 5, dtype=torch.float64)
    gates = torch.zeros(15, dtype=torch.float64)
    gates[5:10] = 5.0  # the update gate's bias

    def cell(x, hidden):
        return gru_cell(x, hidden, zeros[:, :3], zeros, gates, torch.zeros_like(gates))

    norms = gradient_norms(cell, torch.zeros(1, 50, 3).double(), torch.zeros(1, 5).double())
    kept = torch.sigmoid(torch.tensor(5.0, dtype=torch.float64))
    torch.testing.assert_close(norms / norms[0], kept ** torch.arange(50).double())


def test_gradient_norms_leave_no_trace():
    model = random_model(RNN, 3, 5, seed=5)
    x, start = torch.randn(1, 4, 3).double(), torch.zeros(1, 5).double()
    with torch.no_grad():  # also where gradients are switched off
        norms = gradient_norms(model.cell, x, start)
    assert not norms.requires_grad and not start.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
