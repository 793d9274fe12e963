"""Every example in a docstring gives what it says, and what is public is documented."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import reference_impl

MODULES = [
    module.name.removeprefix("reference_impl.")
    for module in pkgutil.walk_packages(reference_impl.__path__, "reference_impl.")
]
# Learners see these functions' docstrings as their exercise, so each needs a worked example.
TAUGHT = ["decoder.norms", "embeddings_and_positions.positions", "decoder.attention"]
TAUGHT += ["inference.sampling", "embeddings_and_positions.sequences"]
TAUGHT += ["embeddings_and_positions.embeddings", "embeddings_and_positions.order"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name):
    module = importlib.import_module(f"reference_impl.{name}")
    results = doctest.testmod(module)
    assert results.failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_public_names_are_documented(name):
    module = importlib.import_module(f"reference_impl.{name}")
    public = [
        thing
        for word, thing in vars(module).items()
        if not word.startswith("_")
        and (inspect.isfunction(thing) or inspect.isclass(thing))
        and thing.__module__ == module.__name__
    ]
    assert module.__doc__
    assert [thing.__name__ for thing in public if not thing.__doc__] == []


@pytest.mark.parametrize("name", TAUGHT)
def test_taught_functions_show_an_example(name):
    module = importlib.import_module(f"reference_impl.{name}")
    functions = [
        thing
        for word, thing in vars(module).items()
        if inspect.isfunction(thing)
        and thing.__module__ == module.__name__
        and not word.startswith("_")
    ]
    assert functions
    assert [thing.__name__ for thing in functions if ">>>" not in thing.__doc__] == []
