"""Scalar autograd: any expression agrees with torch, and the traps of the graph walk."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.neural_networks.autograd import Value, topological_order, zero_grad

RELU_AWAY_FROM_THE_KINK = 1e-3

# Each operation on (a, b) keeps numbers in a range where no function overflows or has a pole.
OPERATIONS = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a.tanh() * b,
    "divide": lambda a, b: a / (b * b + 0.5),
    "power": lambda a, b: (a * a + 1) ** 1.5 * 0.1 + b,
    "cube": lambda a, b: a.tanh() ** 3 - b,
    "exp": lambda a, b: a.tanh().exp() + b,
    "log": lambda a, b: (a * a + 0.5).log() * 0.5 - b,
    "relu": lambda a, b: a.relu() + 0.1 * b,
    "plain_left": lambda a, b: (2 - a.tanh()) + 3 / (b * b + 1) + (1 + b),
    "negate": lambda a, b: -a + b / 2,
}
STEPS = st.lists(
    st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 99), st.integers(0, 99)),
    min_size=1,
    max_size=12,
)
LEAVES = st.lists(st.floats(-2, 2), min_size=1, max_size=4)


def run_program(leaves, steps):
    """Apply the steps to any kind of number; each step may use every earlier result."""
    nodes = list(leaves)
    for name, i, j in steps:
        nodes.append(OPERATIONS[name](nodes[i % len(nodes)], nodes[j % len(nodes)]))
    return nodes


@given(numbers=LEAVES, steps=STEPS)
def test_values_and_gradients_equal_torch(numbers, steps):
    ours = [Value(number) for number in numbers]
    theirs = [torch.tensor(n, dtype=torch.float64, requires_grad=True) for n in numbers]
    our_nodes, their_nodes = run_program(ours, steps), run_program(theirs, steps)
    near_kink = [n for n in their_nodes if 0 < abs(n.item()) < RELU_AWAY_FROM_THE_KINK]
    our_nodes[-1].backward()
    their_nodes[-1].backward()
    assert our_nodes[-1].data == pytest.approx(their_nodes[-1].item(), rel=1e-10, abs=1e-10)
    if near_kink:  # rounding may put the two on different sides of a relu's corner
        return
    for mine, yours in zip(ours, theirs, strict=True):
        expected = 0.0 if yours.grad is None else yours.grad.item()
        assert mine.grad == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_a_hand_computed_expression():
    # f = (a b + c)^2 at 2, 3, 4: inside 10, df = 20 d(inside)
    a, b, c = Value(2.0), Value(3.0), Value(4.0)
    f = (a * b + c) ** 2
    f.backward()
    assert (f.data, a.grad, b.grad, c.grad) == (100.0, 60.0, 40.0, 20.0)


def test_a_node_waits_for_all_that_was_made_of_it():
    # x is used by y, and both by z: breadth first would visit x before y has passed its share on
    x = Value(3.0)
    h = x * 1
    y = h * h
    z = y * y + h  # x^4 + x: derivative 4 x^3 + 1
    z.backward()
    assert x.grad == 4 * 27 + 1


@given(numbers=LEAVES, steps=STEPS)
def test_topological_order_is_complete_and_parents_come_first(numbers, steps):
    last = run_program([Value(number) for number in numbers], steps)[-1]
    order = topological_order(last)
    position = {node: i for i, node in enumerate(order)}
    assert len(position) == len(order) and order[-1] is last
    for node in order:
        assert all(position[parent] < position[node] for parent in node.parents)


def test_a_graph_with_exponentially_many_paths():
    x = Value(1.0)
    y = x
    for _ in range(200):
        y = (y + y) * 0.5  # 2^200 paths, 601 nodes
    y.backward()
    assert x.grad == 1.0 and len(topological_order(y)) < 1000


def test_a_graph_deeper_than_the_recursion_limit():
    x = Value(1.0)
    y = x
    for _ in range(5000):
        y = y + 1
    y.backward()
    assert (y.data, x.grad) == (5001.0, 1.0)


def test_gradients_add_up_over_calls_as_in_torch():
    def losses(x):
        shared = x * x
        return shared * 3, shared.exp()

    ours, theirs = Value(0.5), torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    for mine, yours in zip(losses(ours), losses(theirs), strict=True):
        for _ in range(2):  # twice through the same graph, and two losses that share a part
            mine.backward()
            yours.backward(retain_graph=True)
            assert ours.grad == pytest.approx(theirs.grad.item(), rel=1e-12)
    zero_grad([ours])
    losses(ours)[0].backward()
    assert ours.grad == pytest.approx(3.0)


def test_backward_from_a_leaf():
    x = Value(7.0)
    x.backward()
    assert x.grad == 1.0


@pytest.mark.parametrize("number", [-1.0, 0.0, 1.0])
def test_relu_at_and_beside_its_corner_equals_torch(number):
    ours, theirs = Value(number), torch.tensor(number, requires_grad=True)
    ours.relu().backward()
    theirs.relu().backward()
    assert ours.grad == theirs.grad.item()


@pytest.mark.parametrize("exponent", [0, 1, 2, 3])
@pytest.mark.parametrize("base", [-2.0, 0.0, 2.0])
def test_whole_powers_equal_torch_also_at_zero(base, exponent):
    ours, theirs = Value(base), torch.tensor(base, requires_grad=True)
    mine, yours = ours**exponent, theirs**exponent
    mine.backward()
    yours.backward()
    assert (mine.data, ours.grad) == (yours.item(), theirs.grad.item())


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match="above 0"):
        Value(0.0).log()
    with pytest.raises(TypeError, match=r"x\.log\(\)"):
        Value(2.0) ** Value(3.0)
    with pytest.raises(ValueError):
        Value(-2.0) ** 0.5
