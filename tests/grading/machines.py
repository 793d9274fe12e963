"""The sandboxes that this machine has."""

import os

import pytest

from grading.sandbox import warm


def started(kind):
    """The warm process of this kind. Skips the test where this machine cannot have one, as on
    macOS; where CI is set, it is to have them all."""
    try:
        return warm.warm_process(kind)
    except warm.Unavailable as reason:
        assert "CI" not in os.environ, f"no {kind}: {reason}"
        pytest.skip(f"no {kind} on this machine: {reason}")
