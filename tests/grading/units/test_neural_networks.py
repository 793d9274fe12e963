"""Unit 01: written-out answers equal the reference; what the demonstrations claim holds."""

import ast
import inspect
import re

import numpy as np
import pytest

from grading.course.places import ROOT
from grading.course.sources import solution_of
from grading.course.unit import load_unit
from grading.units.neural_networks.match_learning_rates import CLASSES
from grading.units.neural_networks.planted_fault import FAULTS, faulty_gradients
from reference_impl.neural_networks import autograd, mlp
from reference_impl.neural_networks.digits import load_digits_split

UNIT = load_unit("neural_networks")


def answer(topic):
    """The solution notebook's own answer."""
    return solution_of(UNIT.by_id[f"neural_networks/{topic}"])


def problem(seed, sizes=(5, 7, 3), batch=11):
    rng = np.random.default_rng(seed)
    layers = [
        (rng.normal(size=(d_out, d_in)), rng.normal(size=d_out))
        for d_in, d_out in zip(sizes, sizes[1:], strict=False)
    ]
    return rng.normal(size=(batch, sizes[0])), rng.integers(sizes[-1], size=batch), layers


@pytest.mark.parametrize("scale", [0.01, 1.0, 1e4])
def test_loss_and_gradient_equal_the_references(scale):
    rng = np.random.default_rng(0)
    logits, labels = scale * rng.normal(size=(7, 5)), rng.integers(5, size=7)
    loss, grad = answer("cross_entropy")(logits, labels)
    assert loss == pytest.approx(mlp.cross_entropy(logits, labels), rel=1e-12)
    np.testing.assert_allclose(grad, mlp.cross_entropy_backward(logits, labels), atol=1e-12)


@pytest.mark.parametrize("sizes", [(5, 3), (5, 7, 3), (2, 7, 5, 3)])
def test_network_gradients_equal_the_references(sizes):
    x, labels, layers = problem(1, sizes)
    loss, grads = answer("mlp_gradients")(x, labels, layers)
    logits, saved = mlp.mlp_forward(x, layers)
    expected = mlp.mlp_backward(mlp.cross_entropy_backward(logits, labels), layers, saved)
    assert loss == pytest.approx(mlp.cross_entropy(logits, labels), rel=1e-12)
    for ours, theirs in zip(grads, expected, strict=True):
        np.testing.assert_allclose(ours[0], theirs[0], atol=1e-12)
        np.testing.assert_allclose(ours[1], theirs[1], atol=1e-12)


def test_values_equal_the_references():
    def expression(kind):
        w, x, b = kind(0.7), kind(-1.3), kind(0.4)
        p = w * x
        out = ((p + b).tanh() * p) ** 3 + w**-1
        out.backward()
        return [out.data, w.grad, x.grad, b.grad]

    assert expression(answer("value")) == pytest.approx(expression(autograd.Value), rel=1e-12)


def test_the_notebooks_node_is_the_references():
    tree = ast.parse(UNIT.source.read_text(encoding="utf-8"))
    [written] = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Node"]
    [ours] = ast.parse(inspect.getsource(autograd.Node)).body
    assert [ast.unparse(n) for n in written.body[1:]] == [ast.unparse(n) for n in ours.body[1:]]


@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_planted_faults_are_faults_that_can_be_told_apart(fault):
    for seed in range(5):
        x, labels, layers = problem(seed, (5, 4, 4, 3), 7)
        _, right = answer("mlp_gradients")(x, labels, layers)
        _, found = faulty_gradients(x, labels, layers, fault)
        others = [faulty_gradients(x, labels, layers, other)[1] for other in FAULTS]
        same = [all(_close(a, b) for a, b in zip(found, other, strict=True)) for other in others]
        assert all(_close(a, b) for a, b in zip(found, right, strict=True)) == (fault == "")
        assert sum(same) == (fault != "")


def _close(one, other):
    return all(np.allclose(a, b, atol=1e-9) for a, b in zip(one, other, strict=True))


def test_decisions_differ_from_learner_to_learner():
    for topic in ("planted_fault", "match_learning_rates"):
        exercise = UNIT.by_id[f"neural_networks/{topic}"]
        questions = [exercise.question(seed) for seed in range(8)]
        assert len({question.right for question in questions}) >= 4
        for question in questions:
            assert question.right not in question.wrong.values()
            assert len(set(question.wrong.values())) == len(question.wrong)


def test_the_run_that_settles_knows_nothing():
    exercise = UNIT.by_id["neural_networks/match_learning_rates"]
    for seed in range(4):
        question = exercise.question(seed)
        flat = question.shown["curves"][question.right[3]]
        assert flat[-1] == pytest.approx(np.log(CLASSES), abs=0.1) and flat.max() > flat[0]


def test_the_learners_gradients_read_digits_of_people_not_seen():
    train, test = load_digits_split()
    x, gradients = train.images.reshape(-1, 64).astype(float), answer("mlp_gradients")
    rng = np.random.default_rng(0)
    layers = mlp.init_layers([64, 64, 10], rng)
    for _ in range(60):
        for rows in np.array_split(rng.permutation(len(x)), len(x) // 32):
            _, grads = gradients(x[rows], train.labels[rows], layers)
            layers = mlp.sgd_step(layers, grads, 0.3)
    logits, _ = mlp.mlp_forward(test.images.reshape(-1, 64).astype(float), layers)
    assert (logits.argmax(axis=1) == test.labels).mean() > 0.9


def test_the_notebook_says_how_many_points_there_are():
    text = UNIT.source.read_text(encoding="utf-8")
    [said] = re.findall(r"(\w+) exercises, (\d+) points", text)
    assert said == ("Ten", f"{sum(exercise.points for exercise in UNIT.exercises):g}")
    assert len(UNIT.exercises) == 10
    assert 90 <= sum(exercise.minutes for exercise in UNIT.exercises) <= 150


def test_the_outline_points_into_the_chapter():
    chapter = (ROOT / "book" / "01_neural_networks.md").read_text(encoding="utf-8")
    outline = (ROOT / "book" / "_data" / "outline_01.yml").read_text(encoding="utf-8")
    sections = re.findall(r"section: ([\w-]+)", outline)
    assert len(sections) == 2 and all(f"({section})=" in chapter for section in sections)
