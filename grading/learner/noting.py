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
    kept = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    pieces = [_segment(text, node) for node in tree.body if isinstance(node, kept)]
    return "\n\n".join(pieces) or None


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
