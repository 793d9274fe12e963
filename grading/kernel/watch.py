"""Functions that an answer is to do without: their calls are noted."""

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

_covered: dict[str, Any] = {}  # what stands in the place of functions, by their dotted names
_watching: list[tuple[list[str], set[str]]] = []  # names that must not be called, and were


@contextmanager
def watch(forbids: list[str], answer: Any) -> Iterator[set[str]]:
    """While open, note every call of a forbidden function, by its dotted name."""
    seen: set[str] = set()
    with ExitStack() as stack:
        for name in forbids:
            if _holds_alias(answer, getattr(*_resolve(name))):
                seen.add(name)
            if getattr(*_resolve(name)) is not _covered.get(name):  # not yet, or no longer
                stack.callback(_put_cover(name))
        _watching.append((forbids, seen))
        stack.callback(_watching.pop)
        yield seen


def cover(forbids: Iterable[str]) -> None:
    """Have the calls of these functions noted from now on, for the rest of the process: whoever
    puts one away before a check has put away what notes it."""
    for name in forbids:
        if name not in _covered:
            _put_cover(name)


def _put_cover(name: str) -> Callable[[], None]:
    """Put something that notes its calls in the place of a function; undone by what comes back."""
    owner, attribute = _resolve(name)
    original, own = getattr(owner, attribute), vars(owner).get(attribute)

    def noted(*args, **kwargs):
        for forbids, seen in _watching:
            if name in forbids:
                seen.add(name)
        return original(*args, **kwargs)

    def undo() -> None:
        _covered.pop(name, None)
        if own is None:  # it was inherited
            delattr(owner, attribute)
        else:
            setattr(owner, attribute, own)

    _covered[name] = noted
    setattr(owner, attribute, noted)
    return undo


def _resolve(name: str) -> tuple[Any, str]:
    *path, attribute = name.split(".")
    owner = importlib.import_module(path[0])
    for step in path[1:]:
        owner = getattr(owner, step)
    return owner, attribute


def _holds_alias(answer: Any, original: Any) -> bool:
    """Whether the answer uses the forbidden function by a name of its own (`from x import y`)."""
    code = getattr(inspect.unwrap(answer) if callable(answer) else answer, "__code__", None)
    names = getattr(answer, "__globals__", {})
    return code is not None and any(names.get(name) is original for name in code.co_names)
