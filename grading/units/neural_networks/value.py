"""neural_networks/value: numbers that know how they were computed, and walk back."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.neural_networks import drive

ONE, SHARED = "one operation", "whole expressions"
GRAPH, LOCAL = "neural-networks-graph", "neural-networks-local"
ORDER, ADD_UP = "neural-networks-order", "neural-networks-accumulate"


def cases(rng: np.random.Generator) -> list[Case]:
    """Each operation alone, shared nodes, orders that matter, and leaves of two results."""
    a, b = (rng.uniform(0.4, 1.6, size=2) * rng.choice([-1, 1], size=2)).tolist()
    c, d, e = rng.uniform(0.3, 1.2, size=3).tolist()
    n = int(rng.choice([3, 4, 5]))
    # The six nodes of the chapter, and the same with the factors exchanged.
    six = [("multiply", 0, 1), ("add", 3, 2), ("multiply", 4, 3)]
    other = [("multiply", 0, 1), ("add", 2, 3), ("multiply", 3, 4)]
    unit = [("multiply", 0, 1), ("add", 3, 2), ("tanh", 4), ("power", 5, 2)]
    two = [("multiply", 0, 1), ("power", 0, 3)]
    shared = [("tanh", 0), ("multiply", 2, 1), ("add", 3, 2), ("power", 4, n), ("multiply", 5, 2)]
    drawn = [
        ("a + b", [a, b], [("add", 0, 1)], [2], ONE, "add"),
        ("a * b", [a, b], [("multiply", 0, 1)], [2], ONE, "multiply"),
        (f"a ** {n}", [a], [("power", 0, n)], [1], ONE, "power"),
        ("a ** -1", [b], [("power", 0, -1)], [1], ONE, "inverse"),
        ("a ** 0.5", [c], [("power", 0, 0.5)], [1], ONE, "root"),
        ("tanh(a)", [a], [("tanh", 0)], [1], ONE, "tanh"),
        ("a + a", [a], [("add", 0, 0)], [1], SHARED, "a plus a"),
        ("a * a", [b], [("multiply", 0, 0)], [1], SHARED, "a times a"),
        ("a + b, with 5 larger numbers", [a + 5, b + 5], [("add", 0, 1)], [2], ONE, "larger"),
        ("(w x + b) (w x)", [c, d, e], six, [5], SHARED, "six"),
        ("(w x) (b + w x)", [c, d, e], other, [5], SHARED, "other"),
        ("tanh(w x + b) ** 2", [a, c, d], unit, [6], SHARED, "unit"),
        ("an expression that uses tanh(a) three times", [a, d], shared, [6], SHARED, "shared"),
        ("a * b and a ** 3, each with its own backward", [a, b], two, [2, 3], SHARED, "two"),
    ]
    return [
        Case(says, {"leaves": leaves, "steps": steps, "results": results}, part, "node", name)
        for says, leaves, steps, results, part, name in drawn
    ]


# --- right in other ways ---------------------------------------------------------------------
# `Node` is the notebook's class; an answer needs no more of it than the four attributes.


class KeepsRules:
    """Each node keeps a function that hands its gradient on."""

    def __init__(self, data, parents=(), rule=lambda grad: ()):
        self.data, self.grad, self.parents, self.rule = float(data), 0.0, parents, rule

    def __add__(self, other):
        return KeepsRules(self.data + other.data, (self, other), lambda g: (g, g))

    def __mul__(self, other):
        rule = lambda g: (g * other.data, g * self.data)  # noqa: E731
        return KeepsRules(self.data * other.data, (self, other), rule)

    def __pow__(self, n):
        rule = lambda g: (g * n * self.data ** (n - 1),)  # noqa: E731
        return KeepsRules(self.data**n, (self,), rule)

    def tanh(self):
        out = np.tanh(self.data)
        return KeepsRules(out, (self,), lambda g: (g * (1 - out * out),))

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if node not in seen:
                seen.add(node)
                for parent in node.parents:
                    visit(parent)
                order.append(node)

        visit(self)
        self.grad += 1
        while order:
            node = order.pop()
            for parent, share in zip(node.parents, node.rule(node.grad), strict=True):
                parent.grad = parent.grad + share


class WalksEveryPath:
    """A product of local derivatives for each path from the result to a node, all added."""

    def __init__(self, data, edges=()):
        self.data, self.grad, self.edges = data, 0.0, edges

    def __add__(self, other):
        return WalksEveryPath(self.data + other.data, [(self, 1), (other, 1)])

    def __mul__(self, other):
        return WalksEveryPath(self.data * other.data, [(self, other.data), (other, self.data)])

    def __pow__(self, n):
        return WalksEveryPath(self.data**n, [(self, n * self.data**n / self.data)])

    def tanh(self):
        grown = np.exp(2 * self.data)
        return WalksEveryPath((grown - 1) / (grown + 1), [(self, np.cosh(self.data) ** -2)])

    def backward(self, factor=1.0):
        self.grad += factor
        for parent, slope in self.edges:
            parent.backward(factor * slope)


class CountsChildren:
    """Hands on when all that was made of a node has reported (Kahn's order)."""

    def __init__(self, data, parents=(), slopes=()):
        self.data, self.grad, self.parents, self.slopes = data, 0.0, parents, slopes

    def __add__(self, other):
        return CountsChildren(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return CountsChildren(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, n):
        return CountsChildren(self.data**n, (self,), (n * self.data ** (n - 1),))

    def tanh(self):
        out = float(np.tanh(self.data))
        return CountsChildren(out, (self,), ((1 + out) * (1 - out),))

    def backward(self):
        missing, todo = {}, [self]
        for node in todo:
            for parent in node.parents:
                if parent not in missing:
                    todo.append(parent)
                missing[parent] = missing.get(parent, 0) + 1
        self.grad, ready = 1.0, [self]
        while ready:
            node = ready.pop()
            for parent, slope in zip(node.parents, node.slopes, strict=True):
                parent.grad += slope * node.grad
                missing[parent] -= 1
                if missing[parent] == 0:
                    ready.append(parent)


# --- wrong in known ways -----------------------------------------------------------------------

COLLECT = "parent.grad += local_grad * node.grad"
WALK = "for node in reversed(topological_order(self)):"
TIMES = "(self, other), (other.data, self.data)"
SLOPE = "slope = exponent * self.data ** (exponent - 1)"
SUM = "(self, other), (1.0, 1.0)"
STRICT = "zip(node.parents, node.local_grads, strict=True)"
TANH = "(1 - data**2,)"
START = "self.grad = 1.0"
MADE = ("self.data + other.data", "self.data * other.data", "self.data**exponent", "data, (self,)")

MISCONCEPTIONS = (
    Misconception(
        "overwritten-not-added",
        "A gradient overwrites what was there. Where a node is used twice, only the last use "
        "counts; the gradients of all uses have to add up.",
        ADD_UP,
        {COLLECT: "parent.grad = local_grad * node.grad"},
    ),
    Misconception(
        "own-factor-in-a-product",
        "In a product each side gets its own value as the local derivative. If b grows by 1, a * b "
        "grows by a: it is the *other* side's value.",
        LOCAL,
        {TIMES: "(self, other), (self.data, other.data)"},
    ),
    Misconception(
        "product-treated-as-sum",
        "A product passes its gradient on unchanged, as a sum does. How much a * b grows with a "
        "depends on b.",
        LOCAL,
        {TIMES: "(self, other), (1.0, 1.0)"},
    ),
    Misconception(
        "power-without-its-factor",
        "The derivative of a power has the exponent as a factor in front; here only the smaller "
        "power is left.",
        LOCAL,
        {SLOPE: "slope = self.data ** (exponent - 1)"},
    ),
    Misconception(
        "power-not-lowered",
        "The exponent stands in front, as it should, but the power behind it has not become one "
        "less.",
        LOCAL,
        {SLOPE: "slope = exponent * self.data ** exponent"},
    ),
    Misconception(
        "one-taken-from-the-power",
        "1 is subtracted from the power, not from its exponent: `n * x ** n - 1` is read as "
        "`(n * x ** n) - 1`. The exponent needs brackets.",
        LOCAL,
        {SLOPE: "slope = exponent * self.data**exponent - 1"},
    ),
    Misconception(
        "tanh-by-one-over-cosh",
        "The derivative of tanh is taken as 1 / cosh, or as the root of 1 - tanh^2, which is the "
        "same. It is the square of that, 1 - tanh^2.",
        LOCAL,
        {TANH: "(1 / np.cosh(self.data),)"},
    ),
    Misconception(
        "tanh-of-the-input",
        "The derivative of tanh is 1 minus the square of the *output*. Here the square of the "
        "input is taken.",
        LOCAL,
        {TANH: "(1 - self.data**2,)"},
    ),
    Misconception(
        "tanh-without-the-square",
        "The derivative of tanh is 1 minus the square of its output; here the square is missing.",
        LOCAL,
        {TANH: "(1 - data,)"},
    ),
    Misconception(
        "tanh-passes-all",
        "tanh passes the gradient on as it is, as if its slope were 1 everywhere. It is flatter "
        "the farther the input is from 0.",
        LOCAL,
        {TANH: "(1.0,)"},
    ),
    Misconception(
        "start-left-at-zero",
        "All gradients are 0: nothing sets the gradient of the result itself, from which all "
        "others come. What is its derivative by itself?",
        GRAPH,
        {START: "pass"},
    ),
    Misconception(
        "start-at-its-own-value",
        "The walk begins with the result's value in the place of a derivative. The derivative of a "
        "number by itself is always 1.",
        GRAPH,
        {START: "self.grad = self.data"},
    ),
    Misconception(
        "local-derivative-alone",
        "Each node gets the local derivatives of what was made of it, and nothing of what came "
        "back before. The chain rule multiplies the two.",
        GRAPH,
        {COLLECT: "parent.grad += local_grad"},
    ),
    Misconception(
        "gradient-alone",
        "The gradient of a node goes on to its parents as it is. On the way it has to be "
        "multiplied by the local derivative.",
        GRAPH,
        {COLLECT: "parent.grad += node.grad"},
    ),
    Misconception(
        "number-for-gradient",
        "What goes on to a parent is the local derivative times the node's *number*. The chain "
        "rule multiplies it by the node's gradient, what has come back to the node so far.",
        GRAPH,
        {COLLECT: "parent.grad += local_grad * node.data"},
    ),
    Misconception(
        "sum-without-derivatives",
        "A sum notes its parents and no local derivatives, so that nothing goes back through it. "
        "Both are 1: `(1.0, 1.0)`.",
        LOCAL,
        {SUM: "(self, other)", STRICT: "zip(node.parents, node.local_grads)"},
    ),
    Misconception(
        "only-one-level-back",
        "Only the result's own parents get a gradient. Either the walk stops there, or it begins "
        "at the leaves, where nothing has come in yet to be passed on. It has to begin at the "
        "result.",
        ORDER,
        {WALK: "for node in topological_order(self):"},
    ),
    Misconception(
        "passed-on-at-every-visit",
        "A node that is used twice passes on its whole gradient at each of its visits, so that the "
        "first share goes down twice. It may pass on once, when all its shares are in.",
        ORDER,
        {
            WALK: "def walk(node):",
            COLLECT: f"{COLLECT}\n                walk(parent)\n\n        walk(self)",
        },
    ),
    Misconception(
        "every-node-set-to-one",
        "`backward` is called for each parent in turn, and sets its gradient to 1, too. Only the "
        "result's own derivative is 1; the others keep what has come in.",
        GRAPH,
        {WALK: "for node in [self]:", COLLECT: f"{COLLECT}\n                parent.backward()"},
    ),
    Misconception(
        "plain-nodes-returned",
        "The operations return a `Node`, which has neither arithmetic nor `backward`. What is "
        "computed from Values is a `Value` again.",
        LOCAL,
        {f"return Value({made}": f"return Node({made}" for made in MADE},
    ),
    Misconception(
        "leaves-cleared-first",
        "Within one result all is right. But `backward` sets all gradients to 0 first, so that a "
        "leaf of two results keeps only what came from the second: leaves add up over results.",
        ADD_UP,
        {
            START: "for node in topological_order(self):\n"
            "            node.grad = 0.0\n"
            "        self.grad = 1.0"
        },
    ),
)


def same_node_twice_counts_twice(output) -> bool:
    """a + a has the derivative 2 by a."""
    return bool(np.isclose(output["gradients"][0], 2.0))


def slopes_of_a_sum(output) -> bool:
    """Both sides of a sum get 1."""
    return bool(np.allclose(output["gradients"][:2], 1.0))


def slopes_of_a_product(output) -> bool:
    """Each side of a product gets the other side's value."""
    return bool(np.allclose(output["gradients"][:2], output["values"][1::-1]))


def slope_of_an_inverse(output) -> bool:
    """The derivative of 1/a is -1/a^2."""
    return bool(np.isclose(output["gradients"][0], -(output["values"][0] ** -2.0)))


def slope_of_tanh(output) -> bool:
    """The derivative of tanh is 1 - tanh^2."""
    return bool(np.isclose(output["gradients"][0], 1 - np.tanh(output["values"][0]) ** 2))


EXERCISE = Exercise(
    id="neural_networks/value",
    callable="Value",
    title="Numbers that know their gradients",
    parts={ONE: 2, SHARED: 3},
    minutes=25,
    difficulty="medium",
    link=LOCAL,
    cases=cases,
    drive=drive.expressions,
    arrays="numpy",
    depends=("neural_networks/topological_order",),
    misconceptions=MISCONCEPTIONS,
    equivalent={
        "`zip(node.parents, node.local_grads)` for "
        "`zip(node.parents, node.local_grads, strict=True)`": "both are equally long",
        "`False` for `True`": "strict=False: both are equally long",
    },
    alternatives=(KeepsRules, WalksEveryPath, CountsChildren),
    properties=(
        Property(
            "gradients-of-a-sum",
            "After backward on a + b the two sides do not have the gradient 1 each.",
            LOCAL,
            ("add",),
            slopes_of_a_sum,
        ),
        Property(
            "gradients-of-a-product",
            "After backward on a * b the two sides do not have each other's value as "
            "their gradient.",
            LOCAL,
            ("multiply",),
            slopes_of_a_product,
        ),
        Property(
            "gradient-of-an-inverse",
            "After backward on a ** -1 the gradient of a is not -1 / a**2: look at "
            "the power's rule.",
            LOCAL,
            ("inverse",),
            slope_of_an_inverse,
        ),
        Property(
            "gradient-of-tanh",
            "After backward on tanh(a) the gradient of a is not 1 minus the square of tanh(a).",
            LOCAL,
            ("tanh",),
            slope_of_tanh,
        ),
        Property(
            "a-plus-a",
            "The derivative of a + a by a is not 2 here: a is used twice, and both uses count.",
            ADD_UP,
            ("a plus a",),
            same_node_twice_counts_twice,
        ),
    ),
)
