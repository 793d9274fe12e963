"""Pieces of earlier units while a class is graded: files that the grader left for this unit."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from grading.kernel.files import stem

_made: dict[tuple[str, str], Any] = {}


def name_of(piece: str) -> str:
    """The name that a piece defines: "attention/causal_mask" or "reference_impl.x.y:Name"."""
    return piece.replace(":", "/").rsplit("/", 1)[-1]


def load_piece(folder: str, piece: str) -> Any:
    """The piece that the grader left; LookupError names those there are."""
    if (folder, piece) not in _made:
        path = Path(folder) / "requests" / f"{stem(piece.replace(':', '/'))}.given"
        if not path.is_file():
            known = sorted(p.stem for p in path.parent.glob("*.given"))
            raise LookupError(f"{piece!r} is not given in this unit. Given: {', '.join(known)}.")
        callable_, source = path.read_text(encoding="utf-8").split("\n", 1)
        _made[folder, piece] = module_of(source, f"given_{path.stem}", str(path))[callable_]
    return _made[folder, piece]


def module_of(source: str, name: str, path: str) -> dict[str, Any]:
    """What a text defines, as a module of its own (jaxtyping and dataclasses look it up)."""
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    exec(compile(source, path, "exec", dont_inherit=True), vars(module))
    return vars(module)
