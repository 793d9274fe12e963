"""Demonstration cells: they show the learner's own functions at work, and never stop a notebook."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def demonstration() -> Iterator[None]:
    """Run a demonstration; where an answer is missing or fails, say so in one line and go on.

        with demonstration():
            print(causal_mask(3))

    A stub raises NotImplementedError without words; any other error is the answer's own, and its
    check says more about it.
    """
    try:
        yield
    except NotImplementedError as error:
        if str(error):  # torch's, for a dtype it does not know
            _tell(error)
        else:
            function = _function(error) or "What this cell calls"
            print(f"`{function}` still waits for your code: then run this cell again.")
    except Exception as error:
        _tell(error)


def _tell(error: Exception) -> None:
    function = _function(error)
    if isinstance(error, NameError) and error.name and not function:
        print(f"`{error.name}` is not there yet: a cell above makes it, once the exercise before")
        print("that cell is solved. Run that cell, then this one again.")
        return
    print(f"This demonstration stops: {type(error).__name__}: {str(error)[:300]}")
    if function:
        print(f"It happened in `{function}`: run its check, then this cell again.")


def _function(error: Exception) -> str | None:
    """The learner's function that was running: the last frame outside of installed packages.

    None where it was the demonstration's own cell.
    """
    frames = [
        frame.name
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename and frame.name != "demonstration"
    ]
    inner = [name for name in frames if not name.startswith("<")]
    return inner[-1] if inner else None
