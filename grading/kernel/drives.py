"""How an answer is called: each drive receives the answer and the inputs of a case by name.

What it returns is the evidence of the case. A unit's own drives lie in its `drive.py`.
"""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import torch

MAX_FILES, MAX_FILE_BYTES = 20, 2**20


def call(answer: Callable, **inputs: Any) -> Any:
    """All inputs, in their order."""
    return answer(*inputs.values())


def value(answer: Callable) -> Any:
    """What the answer says by itself: a choice, a number."""
    return answer()


def repeat(answer: Callable, times: int, **inputs: Any) -> list[Any]:
    """The results of that many calls; a random generator among the inputs goes on."""
    return [answer(*inputs.values()) for _ in range(times)]


def gradients(answer: Callable, upstream: torch.Tensor, **inputs: Any) -> dict[str, Any]:
    """The output, and the gradient of sum(output * upstream) by every float input."""
    for given in inputs.values():
        if isinstance(given, torch.Tensor) and given.is_floating_point():
            given.requires_grad_()
    output = answer(*inputs.values())
    (output * upstream).sum().backward()
    grads = {n: g.grad for n, g in inputs.items() if isinstance(g, torch.Tensor) and g.is_leaf}
    return {"output": output, "gradients": grads}


# --- objects that keep state ----------------------------------------------------------------------


def steps(answer: Callable, new: Sequence | Mapping, calls: Sequence, seed: int = 0) -> list[Any]:
    """Make an object of the learner's class, then call it step by step; what each step returned.

    new     the arguments of the class, a list or, by name, a dict
    calls   lists of a method's name and its arguments; and of these, which are no methods:
            ["()", ...]          call the object itself
            [".name"]            read an attribute
            ["len"], ["list"]    its length, its items
            ["parameters"]       named parameters, as a dict
            ["load", {...}]      set parameters by name
            ["backward"]         the gradient of the sum of the last result
            ["gradients"]        of the named parameters, None where there is none yet
            ["raises", name, ...]   the name of the error that this step raises, None if it does not
    """
    torch.manual_seed(seed)
    thing = answer(**new) if isinstance(new, Mapping) else answer(*new)
    results: list[Any] = []
    last = None
    for name, *arguments in calls:
        last = _step(thing, name, arguments, last)
        results.append(_as_it_is_now(last))  # a later step may change it
    return results


def _as_it_is_now(value: Any) -> Any:
    """A value that later steps do not reach: arrays copied, also those within containers."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {key: _as_it_is_now(item) for key, item in value.items()}
    if type(value) in (list, tuple, set):
        return type(value)(_as_it_is_now(item) for item in value)
    return value


def _step(thing: Any, name: str, arguments: list, last: Any) -> Any:
    if name.startswith("."):
        return getattr(thing, name[1:])
    if name == "raises":
        try:
            _step(thing, arguments[0], arguments[1:], last)
        except Exception as error:
            return type(error).__name__
        return None
    if name in SPECIAL:
        return SPECIAL[name](thing, last, *arguments)
    return getattr(thing, name)(*arguments)


def _load(thing: torch.nn.Module, last: Any, weights: Mapping[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in thing.named_parameters():
            if name in weights:
                parameter.copy_(weights[name])


def _gradients(thing: torch.nn.Module, last: Any) -> dict[str, Any]:
    return {name: parameter.grad for name, parameter in thing.named_parameters()}


SPECIAL = {
    "()": lambda thing, last, *arguments: thing(*arguments),
    "len": lambda thing, last: len(thing),
    "list": lambda thing, last: list(thing),
    "parameters": lambda thing, last: dict(thing.named_parameters()),
    "load": _load,
    "backward": lambda thing, last: last.sum().backward(),
    "gradients": _gradients,
}


# --- figures and files ----------------------------------------------------------------------------


def figure(answer: Callable, **inputs: Any) -> list[dict[str, Any]]:
    """The axes of the figure that the answer draws or returns: lines, labels, scales."""
    import matplotlib

    backend = matplotlib.get_backend()
    matplotlib.use("agg")
    from matplotlib import pyplot

    pyplot.close("all")
    try:
        drawn = answer(*inputs.values())
        shown = drawn if isinstance(drawn, matplotlib.figure.Figure) else pyplot.gcf()
        return [_axes(axes) for axes in shown.axes]
    finally:
        pyplot.close("all")
        matplotlib.use(backend)


def _axes(axes: Any) -> dict[str, Any]:
    lines = [
        {
            "label": "" if str(line.get_label()).startswith("_") else str(line.get_label()),
            "x": np.asarray(line.get_xdata(), dtype=float),
            "y": np.asarray(line.get_ydata(), dtype=float),
        }
        for line in axes.get_lines()
    ]
    return {
        "lines": lines,
        "points": [np.asarray(c.get_offsets(), dtype=float) for c in axes.collections],
        "images": [np.asarray(image.get_array(), dtype=float) for image in axes.get_images()],
        "xlabel": axes.get_xlabel(),
        "ylabel": axes.get_ylabel(),
        "xscale": axes.get_xscale(),
        "yscale": axes.get_yscale(),
    }


def files(answer: Callable, **inputs: Any) -> dict[str, Any]:
    """What the answer returns, and the files that it writes into an empty folder.

    ValueError for more than MAX_FILES files, or more than MAX_FILE_BYTES together.
    """
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        result = answer(*inputs.values())
        return {"result": result, "files": _written(Path(folder))}


def _written(folder: Path) -> dict[str, bytes]:
    found = [Path(at) / name for at, _, names in os.walk(folder) for name in names]
    sizes = [path.lstat().st_size for path in found if path.is_file() and not path.is_symlink()]
    if len(found) > MAX_FILES or sum(sizes) > MAX_FILE_BYTES:
        raise ValueError(
            f"it wrote {len(found)} files of {sum(sizes)} bytes together; "
            f"at most {MAX_FILES} files and {MAX_FILE_BYTES} bytes are read."
        )
    kept = [path for path in sorted(found) if path.is_file() and not path.is_symlink()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in kept}
