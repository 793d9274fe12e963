"""Wrong answers made by a program: small changes of a solution, of the kinds people make.

They measure the judge: what it explains of them, and what it accepts, which is either no change of
meaning or a hole in the cases.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest

LIMIT = 60


@dataclass(frozen=True)
class Mutant:
    """A changed solution.

    kind    of the change: "operator", "axis", "index", ...
    text    the change as authors read it: "`q_seq - 1` for `q_seq`"
    source  the solution with the change
    """

    kind: str
    text: str
    source: str


def mutants(source: str, limit: int = LIMIT) -> list[Mutant]:
    """At most `limit` changes of a solution's source, some of each kind, the same each time."""
    tree = ast.parse(source)
    by_kind: dict[str, list[Mutant]] = {}
    seen = {ast.unparse(tree)}
    for kind, text, changed in _changes(tree):
        if changed not in seen:
            seen.add(changed)
            by_kind.setdefault(kind, []).append(Mutant(kind, text, changed))
    in_turn = chain.from_iterable(zip_longest(*by_kind.values()))
    kept = [mutant for mutant in in_turn if mutant is not None][:limit]
    return _told_apart(kept)


def _told_apart(found: list[Mutant]) -> list[Mutant]:
    """The same change in two places gets a number."""
    counts: dict[str, int] = {}
    told = []
    for mutant in found:
        n = counts[mutant.text] = counts.get(mutant.text, 0) + 1
        text = mutant.text if n == 1 else f"{mutant.text} ({n})"
        told.append(Mutant(mutant.kind, text, mutant.source))
    return told


def _changes(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Every change: its kind, its text, the whole source after it."""
    for path, node in _nodes(tree):
        for kind, new in chain.from_iterable(rule(node, tree) for rule in RULES):
            changed = _replaced(tree, path, new)
            yield kind, _text(node, new), changed


def _text(old: ast.AST, new: ast.AST | None) -> str:
    before = ast.unparse(old).split("\n")[0]
    if new is None:
        return f"without `{before}`"
    after = ast.unparse(new).split("\n")[0]
    return f"`{after}` for `{before}`"


Path = tuple[tuple[str, int | None], ...]


def _nodes(tree: ast.Module) -> Iterator[tuple[Path, ast.AST]]:
    """All nodes of the bodies: no docstrings, no annotations, no decorators."""
    stack: list[tuple[Path, ast.AST]] = [((("body", i),), n) for i, n in enumerate(tree.body)]
    while stack:
        path, node = stack.pop(0)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.Raise):  # its words are no part of the answer
            continue
        yield path, node
        for name, value in ast.iter_fields(node):
            if name in ("returns", "annotation", "decorator_list", "type_params"):
                continue
            if isinstance(value, ast.AST):
                stack.append(((*path, (name, None)), value))
            elif isinstance(value, list):
                items = [(i, x) for i, x in enumerate(value) if isinstance(x, ast.AST)]
                stack += [((*path, (name, i)), x) for i, x in items]


def _replaced(tree: ast.Module, path: Path, new: ast.AST | None) -> str:
    made = copy.deepcopy(tree)
    at: ast.AST = made
    for name, i in path[:-1]:
        at = getattr(at, name) if i is None else getattr(at, name)[i]
    name, i = path[-1]
    new = ast.Pass() if new is None else new
    if i is None:
        setattr(at, name, new)
    else:
        getattr(at, name)[i] = new
    return ast.unparse(ast.fix_missing_locations(made))


# --- rules: what a node may become ----------------------------------------------------------------

Change = tuple[str, ast.AST | None]

OPERATORS: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mod,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
CALLS = {
    "min": "max",
    "max": "min",
    "amin": "amax",
    "amax": "amin",
    "argmax": "argmin",
    "argmin": "argmax",
    "sum": "mean",
    "mean": "sum",
    "tril": "triu",
    "triu": "tril",
    "ones": "zeros",
    "zeros": "ones",
    "repeat_interleave": "repeat",
    "exp": "log",
    "log": "exp",
    "sin": "cos",
    "cos": "sin",
    "append": "extend",
    "ceil": "floor",
    "floor": "ceil",
}
AXES = ("dim", "axis")
SYMMETRIC = ("transpose", "swapaxes", "promote_types", "maximum", "minimum", "max", "min", "equal")


def _operators(node: ast.AST, tree: ast.Module) -> Iterator[Change]:
    match node:
        case ast.BinOp(left, op, right) if type(op) in OPERATORS:
            yield "operator", ast.BinOp(left, OPERATORS[type(op)](), right)
            yield "missing operand", left
            if isinstance(op, ast.Sub | ast.Div | ast.MatMult | ast.Pow):
                yield "order", ast.BinOp(right, op, left)
        case ast.Compare(left, [op], [right]) if type(op) in OPERATORS:
            yield "operator", ast.Compare(left, [OPERATORS[type(op)]()], [right])
            if not isinstance(op, ast.Eq | ast.NotEq):
                yield "order", ast.Compare(right, [op], [left])
        case ast.BoolOp(op, values):
            yield "operator", ast.BoolOp(OPERATORS[type(op)](), values)
        case ast.UnaryOp(ast.Invert() | ast.Not() | ast.USub(), operand):
            if not isinstance(operand, ast.Constant):
                yield "missing operand", operand
        case ast.IfExp(test, body, orelse):
            yield "condition", body
            yield "condition", orelse
        case ast.If(test, body, orelse):
            yield "condition", ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)


def _constants(node: ast.AST, tree: ast.Module) -> Iterator[Change]:
    match node:
        case ast.Constant(bool(value)):
            yield "constant", ast.Constant(not value)
        case ast.Constant(int(value)):
            yield "constant", ast.Constant(value + 1)
            if value != 0:
                yield "constant", ast.Constant(value - 1)
        case ast.Constant(float(value)):
            yield "constant", ast.Constant(2 * value if value else 1.0)
            if value not in (0.0, 1.0):
                yield "constant", ast.Constant(0.0 if abs(value) < 1e-2 else 1.0)
        case ast.Constant(str(value)) if "->" in value:
            yield from (("pattern", ast.Constant(text)) for text in _patterns(value))


def _patterns(pattern: str) -> Iterator[str]:
    """An einops or einsum pattern with two neighbours of its right side exchanged."""
    left, right = pattern.split("->")
    words = right.split() if " " in right.strip() else list(right.strip())
    for i in range(len(words) - 1):
        one, other = (word.strip("()") for word in words[i : i + 2])
        first = words[i].replace(one, other)
        second = words[i + 1].replace(other, one)
        join = " " if " " in right.strip() else ""
        made = join.join([*words[:i], first, second, *words[i + 2 :]])
        yield f"{left}->{' ' if right.startswith(' ') else ''}{made}"


def _axes(node: ast.AST, tree: ast.Module) -> Iterator[Change]:
    """Another axis: `dim=-2` for `dim=-1`."""
    match node:
        case ast.keyword(arg, value) if arg in AXES:
            old = ast.unparse(value)
            for other in ("-1", "-2", "0", "1"):
                if other != old:
                    new = ast.parse(other, mode="eval").body
                    yield "axis", ast.keyword(arg, new)


def _indices(node: ast.AST, tree: ast.Module) -> Iterator[Change]:
    """Slices and indices that are off by one, and the end of a list for its beginning."""
    match node:
        case ast.Slice(lower, upper, step):
            if lower is not None:
                yield "index", ast.Slice(None, upper, step)
                yield "index", ast.Slice(_plus(lower, 1), upper, step)
            if upper is not None:
                yield "index", ast.Slice(lower, None, step)
                yield "index", ast.Slice(lower, _plus(upper, 1), step)
                yield "index", ast.Slice(lower, _plus(upper, -1), step)
        case ast.Subscript(value, ast.Constant(int()) | ast.UnaryOp() as index, ctx):
            now = ast.literal_eval(index)
            for other in (0, -1, 1, now + 1):
                if other != now:
                    new = ast.parse(str(other), mode="eval").body
                    yield "index", ast.Subscript(value, new, ctx)
        case ast.Call(ast.Name("range"), args) if args:
            yield "index", ast.Call(node.func, [*args[:-1], _plus(args[-1], -1)], [])
            if len(args) > 1:
                yield "index", ast.Call(node.func, [_plus(args[0], 1), *args[1:]], [])


def _plus(node: ast.expr, n: int) -> ast.expr:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return ast.Constant(node.value + n)
    op = ast.Add() if n > 0 else ast.Sub()
    return ast.BinOp(node, op, ast.Constant(abs(n)))


def _calls(node: ast.AST, tree: ast.Module) -> Iterator[Change]:
    """Other functions, arguments exchanged or left out, a method's call left out."""
    if not isinstance(node, ast.Call):
        return
    func, args, keywords = node.func, node.args, node.keywords
    name = getattr(func, "attr", None) or getattr(func, "id", "")
    if name in CALLS:
        other = copy.copy(func)
        setattr(other, "attr" if isinstance(func, ast.Attribute) else "id", CALLS[name])
        yield "function", ast.Call(other, args, keywords)
    for i in range(len(args) - 1 if name not in SYMMETRIC else 0):
        changed = [*args[:i], args[i + 1], args[i], *args[i + 2 :]]
        yield "order", ast.Call(func, changed, keywords)
    if len(args) > 2:
        yield "missing argument", ast.Call(func, args[:-1], keywords)
    for i, keyword in enumerate(keywords):
        if keyword.arg not in AXES:
            yield "missing argument", ast.Call(func, args, [*keywords[:i], *keywords[i + 1 :]])
    if isinstance(func, ast.Attribute) and not _is_module(func.value, tree):
        yield "missing call", func.value


def _is_module(node: ast.expr, tree: ast.Module) -> bool:
    """Whether a name stands for a module: it is used, and nothing here gives it a value."""
    if isinstance(node, ast.Attribute):
        return _is_module(node.value, tree)
    if not isinstance(node, ast.Name) or node.id == "self":
        return False
    return node.id not in _own_names(tree)


def _own_names(tree: ast.AST) -> list[str]:
    """Parameters, and names that get a value, in order."""
    names = [n.arg for n in ast.walk(tree) if isinstance(n, ast.arg) and n.arg != "self"]
    stored = [n for n in ast.walk(tree) if isinstance(n, ast.Name)]
    names += [n.id for n in stored if isinstance(n.ctx, ast.Store)]
    return list(dict.fromkeys(names))


def _statements(node: ast.AST, tree: ast.Module) -> Iterator[Change]:
    """A statement left out; a transpose left out."""
    match node:
        case ast.Assign() | ast.AugAssign() | ast.If() | ast.Expr() | ast.For():
            yield "missing line", None
        case ast.Attribute(value, "T" | "mT"):
            yield "missing call", value


def _variables(node: ast.AST, tree: ast.Module) -> Iterator[Change]:
    """The next name in the place of one, and the one before."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        names = _own_names(tree)
        if node.id in names:
            i = names.index(node.id)
            for other in (names[(i + 1) % len(names)], names[i - 1]):
                yield "variable", ast.Name(other, ast.Load())


RULES: tuple[Callable[[ast.AST, ast.Module], Iterator[Change]], ...] = (
    _operators,
    _constants,
    _axes,
    _indices,
    _calls,
    _statements,
    _variables,
)
