"""The docstring's own examples as cases: what a learner reads is always judged, too."""

import ast
import doctest
import inspect
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from grading.course.exercise import Case, Exercise
from grading.course.sources import solution_of


def with_examples(exercise: Exercise, cases: Sequence[Case]) -> list[Case]:
    """The cases, and behind them each call of the answer in its docstring's examples.

    They belong to the last part, the one that asks for most. A part of errors alone stands first.
    """
    part, axes = list(exercise.parts)[-1], cases[0].axes if cases else ""
    return [
        *cases,
        *(
            Case(f"the docstring's example `{text}`", inputs, part, axes, f"example-{i}")
            for i, (text, inputs) in enumerate(example_calls(exercise), start=1)
        ),
    ]


@lru_cache
def example_calls(exercise: Exercise) -> tuple[tuple[str, dict[str, Any]], ...]:
    """The calls of the answer in its docstring, as source and inputs by name.

    Only of a function that is called with its inputs in order: a drive of its own has other inputs.
    """
    if exercise.drive is not None and not exercise.drive_name.endswith("drives:call"):
        return ()
    answer = solution_of(exercise)
    if exercise.is_decision or exercise.checks or not inspect.isfunction(answer):
        return ()
    signature, found = inspect.signature(answer), []
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    if kinds != {inspect.Parameter.POSITIONAL_OR_KEYWORD}:
        return ()

    def noted(*arguments: Any, **named: Any) -> Any:
        bound = signature.bind(*arguments, **named)
        bound.apply_defaults()
        found.append(dict(bound.arguments))
        return answer(*arguments, **named)

    # The same names as the answer sees, but for the answer itself.
    namespace = {**answer.__globals__, "torch": torch, "np": np, exercise.callable: noted}
    calls = []
    for example in doctest.DocTestParser().get_examples(answer.__doc__ or ""):
        before = len(found)
        try:
            exec(example.source, namespace)
        except Exception:  # an example of an error; the test of examples says if it is wrong
            pass
        calls += [(_call_in(example.source, exercise.callable), _plain(i)) for i in found[before:]]
    return tuple(call for call in calls if call[1] is not None)


def _call_in(source: str, name: str) -> str:
    """The call as it stands in the example."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            return ast.unparse(node)
    return source.strip()


def _plain(inputs: dict[str, Any]) -> dict[str, Any] | None:
    """Inputs as a case has them, tensors as arrays; None if something else is among them."""
    plain = {}
    for name, value in inputs.items():
        if isinstance(value, torch.Tensor):
            value = value.detach().numpy().copy()
        if not isinstance(
            value, np.ndarray | int | float | str | bytes | list | tuple | set | dict
        ):
            if value is not None:
                return None
        plain[name] = value
    return plain
