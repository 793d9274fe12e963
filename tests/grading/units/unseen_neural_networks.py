"""Answers to unit 01, written from the learner's notebook alone before the judge saw them.

Each wrong one makes one mistake that learners make. A text is run where the right answers to the
earlier exercises stand; an answer to a decision also has `shown`, which the notebook calls `shown`
or `runs`, and `right`, the choice of somebody who sees it.
"""

WRONG = [
    # --- hinges ----------------------------------------------------------------------------------
    (
        "fit_hinges",
        """
def fit_hinges(knots, values):
    if len(knots) < 2 or np.any(np.diff(knots) <= 0):
        raise ValueError("at least 2 knots, in increasing order")
    slopes = np.diff(values) / np.diff(knots)
    return np.diff(slopes, prepend=slopes[0])
""",
        "prepends the first slope in place of 0, so the first weight is 0",
    ),
    (
        "fit_hinges",
        """
def fit_hinges(knots, values):
    if len(knots) < 2:
        raise ValueError("at least 2 knots")
    if np.any(np.diff(knots) < 0):
        raise ValueError("knots must increase")
    slopes = np.diff(values) / np.diff(knots)
    return np.diff(slopes, prepend=0)
""",
        "lets two equal knots through, because it asks for < 0 and not <= 0",
    ),
    (
        "fit_hinges",
        """
def fit_hinges(knots, values):
    if len(knots) < 2 or np.any(np.diff(knots) <= 0):
        raise ValueError("at least 2 knots, in increasing order")
    weights = []
    for i in range(len(knots) - 1):
        slope = (values[i + 1] - values[i]) / (knots[i + 1] - knots[i])
        before = weights[-1] if weights else 0.0
        weights.append(slope - before)
    return np.array(weights)
""",
        "takes away the last weight in place of the slope so far, the sum of all weights",
    ),
    (
        "fit_hinges",
        """
def fit_hinges(knots, values):
    if len(knots) < 2 or np.any(np.diff(knots) <= 0):
        raise ValueError("at least 2 knots, in increasing order")
    slopes = np.gradient(values, knots)[:-1]
    return np.diff(slopes, prepend=0)
""",
        "np.gradient gives averaged slopes at the knots, not the slope of each piece",
    ),
    # --- order -----------------------------------------------------------------------------------
    (
        "topological_order",
        """
def topological_order(last):
    order, seen, stack = [], set(), [last]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        order.append(node)
        stack.extend(node.parents)
    return order[::-1]
""",
        "reverses the order of first visits: a node met early on a short path lands too late",
    ),
    (
        "topological_order",
        """
def topological_order(last):
    order, seen, stack = [], {last}, [(last, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
            continue
        stack.append((node, True))
        for parent in node.parents:
            if parent not in seen:
                seen.add(parent)
                stack.append((parent, False))
    return order
""",
        "marks a node when it is put on the stack, not when it is entered: a sibling comes first",
    ),
    (
        "topological_order",
        """
def topological_order(last, order=[], seen=set()):
    stack = [(last, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return order
""",
        "the default list and set are made once: later calls also list the nodes of earlier graphs",
    ),
    (
        "topological_order",
        """
def topological_order(last):
    order, seen, stack = [], set(), [(last, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node.parents and node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return order
""",
        "leaves out the nodes that have no parents",
    ),
    # --- Value -----------------------------------------------------------------------------------
    (
        "value",
        """
class Value(Node):
    def __add__(self, other):
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, exponent):
        return Value(self.data**exponent, (self,), (exponent * self.data**exponent - 1,))

    def tanh(self):
        t = np.tanh(self.data)
        return Value(t, (self,), (1 - t**2,))

    def backward(self):
        self.grad = 1.0
        for node in reversed(topological_order(self)):
            for parent, local in zip(node.parents, node.local_grads):
                parent.grad += local * node.grad
""",
        "precedence: n * x**n - 1 where n * x**(n - 1) was meant",
    ),
    (
        "value",
        """
class Value(Node):
    def __add__(self, other):
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, exponent):
        return Value(self.data**exponent, (self,), (exponent * self.data ** (exponent - 1),))

    def tanh(self):
        return Value(np.tanh(self.data), (self,), (1 / np.cosh(self.data),))

    def backward(self):
        self.grad = 1.0
        for node in reversed(topological_order(self)):
            for parent, local in zip(node.parents, node.local_grads):
                parent.grad += local * node.grad
""",
        "the derivative of tanh is 1 / cosh squared; the square is missing",
    ),
    (
        "value",
        """
class Value(Node):
    def __add__(self, other):
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, exponent):
        return Value(self.data**exponent, (self,), (exponent * self.data ** (exponent - 1),))

    def tanh(self):
        t = np.tanh(self.data)
        return Value(t, (self,), (1 - t**2,))

    def backward(self):
        order = topological_order(self)
        for node in order:
            node.grad = 0.0
        self.grad = 1.0
        for node in reversed(order):
            for parent, local in zip(node.parents, node.local_grads):
                parent.grad += local * node.grad
""",
        "sets all gradients to 0 first, so a leaf forgets what an earlier result gave it",
    ),
    (
        "value",
        """
class Value(Node):
    def __add__(self, other):
        parents = (self,) if self is other else (self, other)
        return Value(self.data + other.data, parents, (1.0, 1.0))

    def __mul__(self, other):
        parents = (self,) if self is other else (self, other)
        return Value(self.data * other.data, parents, (other.data, self.data))

    def __pow__(self, exponent):
        return Value(self.data**exponent, (self,), (exponent * self.data ** (exponent - 1),))

    def tanh(self):
        t = np.tanh(self.data)
        return Value(t, (self,), (1 - t**2,))

    def backward(self):
        self.grad = 1.0
        for node in reversed(topological_order(self)):
            for parent, local in zip(node.parents, node.local_grads):
                parent.grad += local * node.grad
""",
        "lists a parent that is used twice (x + x, x * x) once, so half its gradient is lost",
    ),
    (
        "value",
        """
class Value(Node):
    def __add__(self, other):
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, exponent):
        return Value(self.data**exponent, (self,), (exponent * self.data ** (exponent - 1),))

    def tanh(self):
        t = np.tanh(self.data)
        return Value(t, (self,), (1 - t**2,))

    def backward(self):
        def walk(node):
            for parent, local in zip(node.parents, node.local_grads):
                parent.grad += local * node.grad
                walk(parent)

        self.grad = 1.0
        walk(self)
""",
        "walks down every path and passes on the whole grad so far: shared nodes count too often",
    ),
    (
        "value",
        """
class Value(Node):
    def __add__(self, other):
        return Node(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Node(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, exponent):
        return Node(self.data**exponent, (self,), (exponent * self.data ** (exponent - 1),))

    def tanh(self):
        t = np.tanh(self.data)
        return Node(t, (self,), (1 - t**2,))

    def backward(self):
        self.grad = 1.0
        for node in reversed(topological_order(self)):
            for parent, local in zip(node.parents, node.local_grads):
                parent.grad += local * node.grad
""",
        "the operations return a Node, which has no arithmetic and no backward, not a Value",
    ),
    # --- nudging ---------------------------------------------------------------------------------
    (
        "numerical_gradient",
        """
def numerical_gradient(function, x, step=1e-5):
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        up = down = x.copy()
        up[index] += step
        down[index] -= step
        grad[index] = (function(up) - function(down)) / (2 * step)
    return grad
""",
        "up and down are one array, so both moves undo each other and every gradient is 0",
    ),
    (
        "numerical_gradient",
        """
def numerical_gradient(function, x, step=1e-5):
    grad = np.zeros_like(x)
    h = 1e-5
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += h
        down[index] -= h
        grad[index] = (function(up) - function(down)) / (2 * h)
    return grad
""",
        "ignores the argument `step` and always moves by 1e-5",
    ),
    (
        "numerical_gradient",
        """
def numerical_gradient(function, x, step=1e-5):
    grad = np.zeros_like(x)
    for i in range(len(x)):
        up, down = x.copy(), x.copy()
        up[i] += step
        down[i] -= step
        grad[i] = (function(up) - function(down)) / (2 * step)
    return grad
""",
        "goes through the first axis only: with more axes it moves whole rows at once",
    ),
    (
        "numerical_gradient",
        """
def numerical_gradient(function, x, step=1e-5):
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] *= 1 + step
        down[index] *= 1 - step
        grad[index] = (function(up) - function(down)) / (2 * step)
    return grad
""",
        "moves by a share of the number (x * step) but divides by the step: x times the gradient",
    ),
    # --- one layer -------------------------------------------------------------------------------
    (
        "linear_backward",
        """
def linear_backward(grad, x, weight):
    grad_weight = grad.T @ x
    grad_bias = grad.sum(axis=0)
    grad_x = grad @ weight
    return grad_weight, grad_bias, grad_x
""",
        "returns weight, bias, x in place of x, weight, bias",
    ),
    (
        "linear_backward",
        """
def linear_backward(grad, x, weight):
    return grad @ weight, grad.T @ x, grad.sum(axis=0, keepdims=True)
""",
        "keepdims leaves an axis of length 1 in the bias gradient",
    ),
    (
        "linear_backward",
        """
def linear_backward(grad, x, weight):
    return grad @ weight, grad.T @ x, grad.mean(axis=0)
""",
        "takes the mean over the batch for the bias alone",
    ),
    (
        "linear_backward",
        """
def linear_backward(grad, x, weight):
    grad_weight = np.einsum("bo,bi->boi", grad, x)
    return grad @ weight, grad_weight, grad.sum(axis=0)
""",
        "keeps one weight gradient for each example: not summed over the batch",
    ),
    # --- cross-entropy ---------------------------------------------------------------------------
    (
        "cross_entropy",
        """
def cross_entropy(logits, labels):
    n = len(labels)
    shifted = logits - logits.max()
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    grad = np.exp(log_p)
    grad[np.arange(n), labels] -= 1
    return float(-log_p[np.arange(n), labels].mean()), grad / n
""",
        "takes away the largest score of the whole batch: a row of far lower scores underflows",
    ),
    (
        "cross_entropy",
        """
def cross_entropy(logits, labels):
    n = len(labels)
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(n), labels] + 1e-12).mean()
    grad = p.copy()
    grad[np.arange(n), labels] -= 1
    return float(loss), grad / n
""",
        "log(p + 1e-12) hides an infinite loss: it can never exceed 27.6",
    ),
    (
        "cross_entropy",
        """
def cross_entropy(logits, labels):
    n = len(labels)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    grad = np.exp(log_p)
    grad[np.arange(n), labels] -= 1
    return float(-log_p[np.arange(n), labels].mean() / np.log(2)), grad / n
""",
        "the loss is in bits, not in nats",
    ),
    (
        "cross_entropy",
        """
def cross_entropy(logits, labels):
    n = len(labels)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    grad = np.exp(log_p)
    grad[:, labels] -= 1
    return float(-log_p[np.arange(n), labels].mean()), grad / n
""",
        "grad[:, labels] takes 1 away in every row at everybody's label, not one entry a row",
    ),
    (
        "cross_entropy",
        """
def cross_entropy(logits, labels):
    n = len(labels)
    rows = np.arange(n)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    grad = np.zeros_like(logits)
    grad[rows, labels] = -1 / np.exp(log_p[rows, labels])
    return float(-log_p[rows, labels].mean()), grad / n
""",
        "returns the gradient by the probabilities, -1/p at the label, not by the logits",
    ),
    # --- the whole network -----------------------------------------------------------------------
    (
        "mlp_gradients",
        """
def mlp_gradients(x, labels, layers):
    inputs = []
    for i, (weight, bias) in enumerate(layers):
        if i > 0:
            x = np.maximum(x, 0)
        inputs.append(x)
        x = x @ weight.T + bias
    loss, grad = cross_entropy(x, labels)
    grads = []
    for i in reversed(range(len(layers))):
        grad, grad_weight, grad_bias = linear_backward(grad, inputs[i], layers[i][0])
        grads.insert(0, (grad_weight, grad_bias))
        grad = grad * (grad > 0)
    return loss, grads
""",
        "the ReLU's mask on the way back is taken from the gradient, not from the activations",
    ),
    (
        "mlp_gradients",
        """
def mlp_gradients(x, labels, layers):
    inputs = []
    for weight, bias in layers:
        x = np.maximum(x, 0)
        inputs.append(x)
        x = x @ weight.T + bias
    loss, grad = cross_entropy(x, labels)
    grads = []
    for i in reversed(range(len(layers))):
        grad, grad_weight, grad_bias = linear_backward(grad, inputs[i], layers[i][0])
        grads.insert(0, (grad_weight, grad_bias))
        grad = grad * (inputs[i] > 0)
    return loss, grads
""",
        "a ReLU before the first layer too: negative inputs become 0",
    ),
    (
        "mlp_gradients",
        """
def mlp_gradients(x, labels, layers):
    inputs = []
    for i, (weight, bias) in enumerate(layers):
        inputs.append(x)
        x = (np.maximum(x, 0) if i else x) @ weight.T + bias
    loss, grad = cross_entropy(x, labels)
    grads = []
    for i in reversed(range(len(layers))):
        grad, grad_weight, grad_bias = linear_backward(grad, inputs[i], layers[i][0])
        grads.insert(0, (grad_weight, grad_bias))
        grad = grad * (inputs[i] > 0)
    return loss, grads
""",
        "remembers what went into the ReLU, not what went into the layer, for the weight gradient",
    ),
    (
        "mlp_gradients",
        """
def mlp_gradients(x, labels, layers):
    inputs = []
    for i, (weight, bias) in enumerate(layers):
        if i > 0:
            x = np.maximum(x, 0)
        inputs.append(x)
        x = x @ weight.T + bias
    loss, grad = cross_entropy(x, labels)
    grads = []
    for i in reversed(range(len(layers))):
        grad, grad_weight, grad_bias = linear_backward(grad, inputs[i], layers[i][0])
        grads.insert(0, (grad_weight, grad_bias))
        grad = grad * inputs[i]
    return loss, grads
""",
        "multiplies by the ReLU's output in place of its derivative, which is 0 or 1",
    ),
    (
        "mlp_gradients",
        """
def mlp_gradients(x, labels, layers):
    inputs = []
    for i, (weight, bias) in enumerate(layers):
        inputs.append(x)
        x = x @ weight.T
        if i < len(layers) - 1:
            x = np.maximum(x, 0)
        x = x + bias
    loss, grad = cross_entropy(x, labels)
    grads = []
    for i in reversed(range(len(layers))):
        grad, grad_weight, grad_bias = linear_backward(grad, inputs[i], layers[i][0])
        grads.insert(0, (grad_weight, grad_bias))
        grad = grad * (inputs[i] > 0)
    return loss, grads
""",
        "the bias is added after the ReLU, not before it",
    ),
    # --- the planted fault -----------------------------------------------------------------------
    (
        "planted_fault",
        """
def planted_fault():
    return shown["faults"][right]
""",
        "returns the fault's words in place of its letter",
    ),
    (
        "planted_fault",
        """
def planted_fault():
    return [letter for letter in shown["faults"] if letter != right][-1]
""",
        "takes another fault for this one",
    ),
    # --- learning rates --------------------------------------------------------------------------
    (
        "largest_learning_rate",
        """
def largest_learning_rate(x):
    singular = np.linalg.svd(x, compute_uv=False)
    return float(2 / (singular[0] / len(x)))
""",
        "the curvature is the square of the singular value; the square is missing",
    ),
    (
        "largest_learning_rate",
        """
def largest_learning_rate(x):
    return float(2 / np.trace(x.T @ x / len(x)))
""",
        "adds up all curvatures (the trace) in place of the largest",
    ),
    (
        "largest_learning_rate",
        """
def largest_learning_rate(x):
    curvature = np.atleast_2d(np.cov(x, rowvar=False))
    return float(2 / np.linalg.eigvalsh(curvature)[-1])
""",
        "np.cov takes the mean of x away and divides by one less: not x^T x / examples",
    ),
    (
        "largest_learning_rate",
        """
def largest_learning_rate(x):
    return float(2 / np.linalg.eigvalsh(x.T @ x / x.shape[1])[-1])
""",
        "divides by the number of features, not of examples",
    ),
    (
        "match_learning_rates",
        """
def match_learning_rates():
    return right[::-1]
""",
        "puts the largest rate first",
    ),
    (
        "match_learning_rates",
        """
def match_learning_rates():
    return "".join(sorted(shown["curves"], key=lambda letter: -shown["curves"][letter][-1]))
""",
        "orders by the last loss, as if a larger rate always ended lower",
    ),
]

RIGHT = [
    (
        "fit_hinges",
        """
def fit_hinges(knots, values):
    if len(knots) < 2 or not all(a < b for a, b in zip(knots, knots[1:])):
        raise ValueError(f"wanted 2 or more knots in increasing order, got {knots}")
    ramps = np.maximum(knots[1:, None] - knots[None, :-1], 0.0)
    return np.linalg.solve(ramps, values[1:] - values[0])
""",
        "solves the triangular system of the hinges",
    ),
    (
        "topological_order",
        """
import sys


def topological_order(last):
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(200_000)
    found = {}

    def visit(node):
        if id(node) not in found:
            found[id(node)] = None
            for parent in node.parents:
                visit(parent)
            del found[id(node)]
            found[id(node)] = node

    try:
        visit(last)
    finally:
        sys.setrecursionlimit(before)
    return list(found.values())
""",
        "recursion with a raised limit; the dictionary's order is the result",
    ),
    (
        "topological_order",
        """
from collections import Counter, deque


def topological_order(last):
    uses, seen, todo = Counter(), {last}, [last]
    while todo:
        for parent in todo.pop().parents:
            uses[parent] += 1
            if parent not in seen:
                seen.add(parent)
                todo.append(parent)
    order, ready = deque(), deque([last])
    while ready:
        node = ready.popleft()
        order.appendleft(node)
        for parent in node.parents:
            uses[parent] -= 1
            if uses[parent] == 0:
                ready.append(parent)
    return list(order)
""",
        "counts uses and takes a node when all of them are done (Kahn 1962)",
    ),
    (
        "value",
        """
import math


class Value(Node):
    def _made(self, data, *pairs):
        parents, local = zip(*pairs)
        return type(self)(data, parents, local)

    def __add__(self, other):
        return self._made(self.data + other.data, (other, 1), (self, 1))

    __radd__ = __add__

    def __mul__(self, other):
        return self._made(self.data * other.data, (other, self.data), (self, other.data))

    def __pow__(self, exponent):
        return self._made(
            math.pow(self.data, exponent),
            (self, exponent * math.pow(self.data, exponent - 1)),
        )

    def tanh(self):
        return self._made(math.tanh(self.data), (self, 1 / math.cosh(self.data) ** 2))

    def backward(self):
        self.grad += 1
        order = topological_order(self)
        while order:
            node = order.pop()
            for i in range(len(node.parents)):
                node.parents[i].grad = node.parents[i].grad + node.grad * node.local_grads[i]
""",
        "math in place of NumPy, parents the other way round, integer derivatives, a helper",
    ),
    (
        "numerical_gradient",
        """
def numerical_gradient(function, x, step=1e-5):
    moves = step * np.eye(x.size).reshape(x.size, *x.shape)
    rises = [(function(x + move) - function(x - move)) / (2 * step) for move in moves]
    return np.array(rises).reshape(x.shape)
""",
        "all moves at once, as rows of an identity",
    ),
    (
        "linear_backward",
        """
def linear_backward(grad, x, weight):
    grad_x, grad_weight, grad_bias = np.zeros_like(x), np.zeros_like(weight), np.zeros(len(weight))
    for b in reversed(range(len(x))):
        grad_x[b] = np.einsum("o,oi->i", grad[b], weight)
        grad_weight += np.outer(grad[b], x[b])
        grad_bias += grad[b]
    return grad_x, grad_weight, grad_bias
""",
        "example by example, from the last",
    ),
    (
        "cross_entropy",
        """
import torch


def cross_entropy(logits, labels):
    scores = torch.tensor(logits, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(scores, torch.tensor(labels).long())
    loss.backward()
    return loss.item(), scores.grad.numpy()
""",
        "PyTorch's own, by way of its autograd",
    ),
    (
        "cross_entropy",
        """
import math


def cross_entropy(logits, labels):
    total, grad = 0.0, []
    for row, label in zip(logits.tolist(), labels.tolist()):
        top = max(row)
        log_sum = top + math.log(math.fsum(math.exp(score - top) for score in row))
        total += log_sum - row[label]
        grad.append([math.exp(score - log_sum) - (j == label) for j, score in enumerate(row)])
    return total / len(labels), np.array(grad) / len(labels)
""",
        "plain Python, number by number",
    ),
    (
        "mlp_gradients",
        """
def mlp_gradients(x, labels, layers):
    def below(x, rest):
        (weight, bias), *above = rest
        z = x @ weight.T + bias
        if not above:
            loss, grad = cross_entropy(z, labels)
            grads = []
        else:
            loss, grad, grads = below(np.where(z > 0, z, 0.0), above)
            grad = np.where(z > 0, grad, 0.0)
        grad, grad_weight, grad_bias = linear_backward(grad, x, weight)
        return loss, grad, [(grad_weight, grad_bias), *grads]

    loss, _, grads = below(x, list(layers))
    return loss, grads
""",
        "recursion: each layer calls what is above it",
    ),
    (
        "mlp_gradients",
        """
import torch


def mlp_gradients(x, labels, layers):
    leaves = [[torch.tensor(a, requires_grad=True) for a in layer] for layer in layers]
    h = torch.tensor(x)
    for i, (weight, bias) in enumerate(leaves):
        h = torch.addmm(bias, torch.relu(h) if i else h, weight.T)
    loss = torch.nn.functional.cross_entropy(h, torch.tensor(labels).long())
    flat = torch.autograd.grad(loss, [a for layer in leaves for a in layer])
    arrays = [g.numpy() for g in flat]
    return float(loss), list(zip(arrays[::2], arrays[1::2]))
""",
        "PyTorch's autograd from end to end",
    ),
    (
        "largest_learning_rate",
        """
def largest_learning_rate(x):
    return 2 / np.linalg.norm(x / np.sqrt(len(x)), ord=2).item() ** 2
""",
        "the spectral norm of x, squared",
    ),
    (
        "planted_fault",
        """
def planted_fault():
    letters = np.array(list(shown["faults"]))
    return letters[list(shown["faults"]).index(right)]
""",
        "the letter as a string of NumPy",
    ),
]
