"""What follows a check at home: it is noted with the answer's text, and the learner is told how far
they are."""

import ast
import inspect
import linecache
import os
from typing import Any

from grading.judging.verdict import Verdict
from grading.learner import progress, record


def noted(exercise_id: str, verdict: Verdict, answer: Any) -> list[str]:
    """Note a verdict, and give the lines to show below it; none outside of a learner's folder."""
    if record.folder() is None:
        return []
    record.keep(exercise_id, verdict, source_of(answer))
    return progress.after_check(exercise_id)


def is_validating() -> bool:
    """Whether nbgrader's Validate runs this notebook: it takes any cell without an error for right,
    and any number that a cell puts out for its points."""
    return bool(os.environ.get("NBGRADER_VALIDATING"))


def source_of(answer: Any) -> str | None:
    """What defines an answer: the imports, functions, classes and constants of its whole cell.

    A learner may have written helpers above the function. None where Python knows no text of it.
    """
    code = _code(answer)
    if code is None:
        return None
    text = "".join(linecache.getlines(code.co_filename))
    try:
        tree = ast.parse(text)
    except SyntaxError:  # a cell with magics: the definition alone
        return _alone(answer)
    return "\n\n".join(_segment(text, node) for node in _needed(tree)) or None


def _needed(tree: ast.Module) -> list[ast.stmt]:
    """Imports and definitions, and of what is assigned only what these read."""
    defined = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    inside = [n for node in tree.body if isinstance(node, defined) for n in ast.walk(node)]
    read = {n.id for n in inside if isinstance(n, ast.Name)}
    return [n for n in tree.body if isinstance(n, defined) or _assigned(n) & read]


def _assigned(node: ast.stmt) -> set[str]:
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return set()
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}


def _code(answer: Any):
    """The code of a function, or of the first method of a class that is written in Python."""
    answer = inspect.unwrap(answer) if callable(answer) else answer
    if inspect.isclass(answer):
        methods = (inspect.unwrap(m) for m in vars(answer).values() if inspect.isfunction(m))
        answer = next(methods, None)
    return getattr(answer, "__code__", None)


def _alone(answer: Any) -> str | None:
    try:
        return inspect.getsource(answer)
    except (OSError, TypeError):
        return None


def _segment(text: str, node: ast.stmt) -> str:
    first = min(n.lineno for n in [node, *getattr(node, "decorator_list", [])])
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])
