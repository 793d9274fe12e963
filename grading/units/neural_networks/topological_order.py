"""neural_networks/topological_order: parents before what is made of them."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.neural_networks import drive

ORDER, DEEP = "order", "deep graphs"
LINK = "neural-networks-order"
LEVELS = 4000  # beyond the recursion limit of Python and of a notebook


def cases(rng: np.random.Generator) -> list[Case]:
    """A leaf, chains, shared nodes, a shortcut over several levels, diamonds, and depth."""
    drawn = [
        ("a node that was not computed from anything", [[]], "leaf"),
        ("a chain of 5 nodes", [[], [0], [1], [2], [3]], "chain"),
        ("a sum of a node and itself", [[], [0, 0]], "twice"),
        ("the graph of (w x + b) (w x)", [[], [], [], [0, 1], [3, 2], [4, 3]], "six"),
        (
            "the same graph with the factors exchanged",
            [[], [], [], [0, 1], [2, 3], [3, 4]],
            "other",
        ),
        ("a node that is used at once and three steps later", _shortcut(), "shortcut"),
        ("six diamonds on top of each other", _diamonds(6), "diamonds"),
        ("a random graph of 17 nodes", _random(rng, 17), "random"),
    ]
    found = [_case(rng, says, parents, ORDER, name) for says, parents, name in drawn]
    says = f"a sum of a node and itself with a chain of {LEVELS:,} nodes behind it"
    return [*found, _case(rng, says, [[], [0, 0]], DEEP, "deep", chain=LEVELS)]


def _case(rng, says, parents, part, name, chain=0) -> Case:
    signs = [rng.choice([-1.0, 1.0], size=len(above)) for above in parents]
    local_grads = [(sign * rng.uniform(0.5, 1.5, size=len(sign))).tolist() for sign in signs]
    inputs = {"parents": parents, "local_grads": local_grads, "chain": chain}
    return Case(says, inputs, part, "node", name)


def _shortcut() -> list[list[int]]:
    """0 leads to 1, 2, 3, and 4 is made of 0's own child 1 and of 3, in both orders."""
    return [[], [0], [1], [2], [1, 3], [3, 1], [4, 5]]


def _diamonds(levels: int) -> list[list[int]]:
    """Each level has two nodes made of the same one, and one made of both."""
    parents: list[list[int]] = [[]]
    for _ in range(levels):
        below = len(parents) - 1
        parents += [[below], [below], [below + 1, below + 2]]
    return parents


def _random(rng, nodes: int) -> list[list[int]]:
    """Each node has one or two parents among the earlier ones; all lead to the last."""
    parents = [[], []]
    for i in range(2, nodes - 1):
        parents.append(rng.integers(0, i, size=rng.integers(1, 3)).tolist())
    used = {j for above in parents for j in above}
    loose = [i for i in range(nodes - 1) if i not in used]
    return [*parents, loose]


# --- right in other ways ---------------------------------------------------------------------


def counting_children(last):
    """From the result down: a node is taken when all that was made of it has been (Kahn)."""
    waiting, reached, todo = {}, {last}, [last]
    while todo:
        node = todo.pop()
        for parent in node.parents:
            waiting[parent] = waiting.get(parent, 0) + 1
            if parent not in reached:
                reached.add(parent)
                todo.append(parent)
    ready, order = [last], []
    while ready:
        node = ready.pop()
        order.append(node)
        for parent in node.parents:
            waiting[parent] -= 1
            if waiting[parent] == 0:
                ready.append(parent)
    order.reverse()
    return order


def by_iterators(last):
    """Depth first with a stack of iterators over parents."""
    order, seen = [], {id(last)}
    path = [(last, iter(last.parents))]
    while path:
        node, parents = path[-1]
        for parent in parents:
            if id(parent) not in seen:
                seen.add(id(parent))
                path.append((parent, iter(parent.parents)))
                break
        else:
            order.append(node)
            path.pop()
    return order


def by_level(last):
    """The longest way up from a leaf is a node's level; then sort by level."""
    level, stack = {}, [last]
    while stack:
        node = stack[-1]
        missing = [parent for parent in node.parents if parent not in level]
        if missing:
            stack.extend(missing)
        else:
            level[node] = 1 + max((level[parent] for parent in node.parents), default=0)
            stack.pop()
    return sorted(level, key=level.get)


# --- wrong in known ways -----------------------------------------------------------------------


def recursive(last):
    """Right, but one call a level."""
    order, entered = [], set()

    def visit(node):
        if node in entered:
            return
        entered.add(node)
        for parent in node.parents:
            visit(parent)
        order.append(node)

    visit(last)
    return order


def breadth_first(last):
    """Level by level from the result, then turned round."""
    order, todo = [], [last]
    while todo:
        node = todo.pop(0)
        if node not in order:
            order.append(node)
            todo.extend(node.parents)
    return order[::-1]


def node_before_parents(last):
    """Depth first, the node appended on the way in, then turned round."""
    order, seen, stack = [], set(), [last]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            order.append(node)
            stack.extend(reversed(node.parents))
    return order[::-1]


def every_path(last):
    """No memory of what was visited."""
    order, stack = [], [(last, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        else:
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return order


def first_parents_only(last):
    """Follows one parent of each node."""
    order = [last]
    while order[-1].parents:
        order.append(order[-1].parents[0])
    return order[::-1]


def result_first_by_calls(last):
    """The right order turned round, one call a level."""
    return recursive(last)[::-1]


def every_path_by_calls(last):
    """No memory of what was visited, one call a level."""
    order = []

    def visit(node):
        for parent in node.parents:
            visit(parent)
        order.append(node)

    visit(last)
    return order


def listed_on_the_way_in_by_calls(last):
    """Appended before the calls for the parents, then turned round."""
    order = []

    def visit(node):
        if node not in order:
            order.append(node)
            for parent in node.parents:
                visit(parent)

    visit(last)
    return order[::-1]


RETURN = "return order"

MISCONCEPTIONS = (
    Misconception(
        "one-call-a-level",
        "The order is right, but the function calls itself once for each level, and Python stops "
        "that after about a thousand. A list of what is still to do has no such limit.",
        LINK,
        answer=recursive,
    ),
    Misconception(
        "result-first",
        "The order is turned round: the result comes first and its parents behind it. Parents "
        "come first here; who walks back starts at the end of the list.",
        LINK,
        {RETURN: "return order[::-1]"},
    ),
    Misconception(
        "level-by-level",
        "Nodes are taken level by level from the result. A node that is used at once and again "
        "some steps later then stands behind something made of it, and passes on too early.",
        LINK,
        answer=breadth_first,
    ),
    Misconception(
        "node-listed-on-the-way-in",
        "A node is listed when it is first met, before its parents are looked at. Where two paths "
        "meet, one of them may still be waiting: list a node only after all its parents.",
        LINK,
        answer=node_before_parents,
    ),
    Misconception(
        "a-node-for-every-path",
        "A node with several paths to it stands in the list several times, and would pass on its "
        "gradient as often. Remember which nodes you have met.",
        LINK,
        answer=every_path,
    ),
    Misconception(
        "result-first-by-calls",
        "The order is turned round: the result comes first, and its parents, which should be "
        "first, come behind it. Apart from that, the function calls itself once for each level, "
        "and Python stops that after about a thousand.",
        LINK,
        answer=result_first_by_calls,
    ),
    Misconception(
        "every-path-by-calls",
        "The function goes down every path, so that a node with several paths to it is listed "
        "several times. Remember which nodes you have entered. After that comes the depth: Python "
        "stops one call a level after about a thousand.",
        LINK,
        answer=every_path_by_calls,
    ),
    Misconception(
        "listed-on-the-way-in-by-calls",
        "A node is listed before the calls for its parents, and at the end the list is turned "
        "round. Where two paths meet, that is too early: append a node after those calls.",
        LINK,
        answer=listed_on_the_way_in_by_calls,
    ),
    Misconception(
        "one-parent-only",
        "Only one parent of each node is followed, so that parts of the graph are missing from "
        "the list.",
        LINK,
        answer=first_parents_only,
    ),
    Misconception(
        "leaves-left-out",
        "Nodes without parents are missing from the list. The leaves are what the gradients are "
        "wanted for: they belong to the order like all others.",
        LINK,
        {RETURN: "return [node for node in order if node.parents]"},
    ),
    Misconception(
        "result-left-out",
        "The result itself is missing: the list holds what it was computed from alone. The walk "
        "back has to begin at the result.",
        LINK,
        {RETURN: "return order[:-1]"},
    ),
    Misconception(
        "sorted-by-number",
        "The nodes are sorted by the numbers they hold. A number says nothing of what was "
        "computed from what; the parents do.",
        LINK,
        {RETURN: "return sorted(order, key=lambda node: node.data)"},
    ),
)


def parents_come_first(*outputs) -> bool:
    """In no graph does a node stand before one of its parents."""
    return all(output["parents first"] for output in outputs)


def all_listed_once(output) -> bool:
    """Each node of the random graph stands in the list once."""
    return bool((np.asarray(output["times listed"]) == 1).all())


EXERCISE = Exercise(
    id="neural_networks/topological_order",
    callable="topological_order",
    title="Parents first",
    parts={ORDER: 3, DEEP: 1},
    minutes=15,
    difficulty="medium",
    link=LINK,
    cases=cases,
    drive=drive.walk_back,
    arrays="numpy",
    misconceptions=MISCONCEPTIONS,
    equivalent={
        "`order` for `entered`": "without cycles, a node that is met again has been listed; slower",
    },
    alternatives=(counting_children, by_iterators, by_level),
    properties=(
        Property(
            "parents-first",
            "In your order some node stands before one of its own parents. List a node only when "
            "all its parents are listed, however many paths lead to them.",
            LINK,
            ("six", "other", "shortcut", "diamonds", "random"),
            parents_come_first,
        ),
        Property(
            "each-node-once",
            "In a random graph, some nodes are missing from the list, or stand in it several "
            "times. Each belongs in it once, however many paths lead to it.",
            LINK,
            ("random",),
            all_listed_once,
        ),
    ),
)
