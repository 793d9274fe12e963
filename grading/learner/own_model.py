"""The learner's own model as a file: written once, never over what a person changed, and loaded."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grading.course.errors import CourseError
from grading.kernel.given import module_of
from grading.learner.assembly import LOAD, MODEL, Assembly, Piece, assemble, own_answers, parts_of
from grading.learner.sealed import read, sealed, write_sealed

FILE = "my_model.py"
PART = re.compile(r"^    (\S+(?: or \S+)*) +(mine|the course's)(?: \((.+)\))?$", re.M)


@dataclass(frozen=True)
class Written:
    """The file, whether a person changed it (it then stays), the parts by whose they are, and why
    one is the course's where a learner could ask."""

    path: Path
    changed: bool
    parts: Mapping[str, bool]
    why: Mapping[str, str]

    @property
    def own_parts(self) -> int:
        """How many parts are the learner's own."""
        return sum(self.parts.values())


def write_model(place: Path) -> Written:
    """Assemble the model into the learner's folder. A file that a person changed is left alone.

    Raises CourseError where the folder cannot be written.
    """
    path = place / FILE
    changed = not write_sealed(path, module_text(assemble(own_answers(place))))
    return Written(path, changed, *parts_in(read(path)))


def parts_in(text: str) -> tuple[dict[str, bool], dict[str, str]]:
    """The parts that a module's head lists, whether each is the learner's own, and why not."""
    head = text.split('"""')[1] if text.startswith('"""') and text.count('"""') > 1 else ""
    found = PART.findall(head)
    own = {name: whose == "mine" for name, whose, _ in found}
    return own, {name: why for name, _, why in found if why}


def load_module(path: Path) -> dict[str, Any]:
    """What the file defines. Raises CourseError where it does not run or lacks the model."""
    return names_in(read(path), path)


def names_in(text: str, path: Path) -> dict[str, Any]:
    """What a module's text defines, new at every call."""
    try:
        names = module_of(text, "my_model", str(path))
    except Exception as error:
        raise CourseError(
            f"{path} does not run ({type(error).__name__}: {error}). Mend it, or move it away and "
            "type `course assemble`."
        ) from None
    for wanted in (MODEL, LOAD):
        if wanted not in names:
            raise CourseError(
                f"{path} defines no `{wanted}`: move it away and type `course assemble`."
            )
    return names


# --- the text ------------------------------------------------------------------------------------


def module_text(made: Assembly) -> str:
    """The whole file: what it is and whose parts, imports, the pieces, and a seal."""
    imports = "\n".join(_grouped(made.imports.values()))
    body = "\n\n\n".join(_commented(piece) for piece in made.pieces.values())
    text = f"{_head(made)}\n\n{imports}\n\n\n{body}\n\n\n"
    return sealed(text, "assemble")


def _grouped(lines: Iterable[str]) -> list[str]:
    """Import lines, one for each module."""
    whole, named = set(), defaultdict(set)
    for line in lines:
        module, found, name = line.partition(" import ")
        if found:
            named[module].add(name)
        else:
            whole.add(line)
    pairs = ((f"{module} import", sorted(names)) for module, names in named.items())
    joined = (f"{start} {', '.join(names)}" for start, names in pairs)
    wide = (line if len(line) <= 100 else _in_lines(line) for line in joined)
    return sorted([*whole, *wide])


def _in_lines(line: str) -> str:
    start, _, names = line.partition(" import ")
    inside = "".join(f"    {name},\n" for name in names.split(", "))
    return f"{start} import (\n{inside})"


def _head(made: Assembly) -> str:
    parts = parts_of(made)
    own = sum(piece.own for piece in parts.values())
    width = max(map(len, parts)) + 2
    lines = [f"    {title:{width}}{_whose(piece)}" for title, piece in parts.items()]
    return "\n".join(
        [
            f'"""My language model: {own} of its {len(parts)} parts are mine.',
            "",
            *lines,
            "",
            "Talk to it: `course chat --model mine`. Compare it: `course assemble`. You may change",
            "this file: `course assemble` then compares it as it is, and never writes over it.",
            '"""',
        ]
    )


def _whose(piece: Piece) -> str:
    return "mine" if piece.own else "the course's" + f" ({piece.why})" * bool(piece.why)


def _commented(piece: Piece) -> str:
    """A piece below one line that says whose it is."""
    if piece.exercise is None:
        return f"# The course's.\n{piece.text}"
    said = f"# {_whose(piece).capitalize()}. Exercise {piece.exercise.id}."
    return f"{said}\n{piece.text}"
