"""From a name in a file to all that it uses: for versions, and for pieces that stand alone.

Names are followed one by one: where `reference_impl/decoder/attention.py` holds the answers to
several exercises, an edit of one function is a change of the exercises that use it, and of no
others.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from grading.course.errors import CourseError
from grading.course.places import ROOT
from grading.course.sources import given_call, place_of
from grading.course.unit import roots

# Where a module may lie for its text to count as the course's own.
OURS = ("grading.units", "reference_impl", "solutions")
Place = tuple[Path, str | None]  # a file and a name in it; None for the whole file


@dataclass(frozen=True)
class Names:
    """What a file defines, what it imports (module, name), what it is given, all its statements."""

    defined: dict[str, ast.stmt]
    imported: dict[str, tuple[str, str | None]]
    given: dict[str, str]
    statements: list[ast.stmt]


@lru_cache
def text_of(path: Path) -> str:
    """The text of a file, read once."""
    return path.read_text(encoding="utf-8")


@lru_cache
def names_of(path: Path) -> Names:
    """Read a file's top level."""
    names = Names({}, {}, {}, ast.parse(text_of(path)).body)
    for node in names.statements:
        if found := given_call(node):
            names.given[found[0]] = found[1]
            continue
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                names.defined[node.name] = node
            case ast.Assign() | ast.AnnAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for name in (n for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)):
                    names.defined[name.id] = node
            case ast.ImportFrom():
                for alias in node.names:
                    names.imported[alias.asname or alias.name] = (node.module or "", alias.name)
            case ast.Import():
                for alias in node.names:
                    names.imported[alias.asname or alias.name.split(".")[0]] = (alias.name, None)
    return names


def follow(path: Path, name: str | None, seen: dict[Place, str]) -> None:
    """Note the text that defines a name of a file (None: all of it), and all that this uses.

    What is used comes before what uses it.
    """
    names = names_of(path)
    node = names.defined.get(name) if name else None
    if (path, name) in seen:
        return
    if name and node is None:
        if name in names.given:
            follow(*place_of(names.given[name]), seen)
        elif name in names.imported:
            _follow_import(*names.imported[name], seen)
        return
    text = segment(path, node) if node else text_of(path)
    seen[path, name] = text  # before what it uses, against endless circles
    for used in _used(names, node):
        if used in names.imported:
            _follow_import(*names.imported[used], seen)
        elif used in names.given:
            follow(*place_of(names.given[used]), seen)
        elif node is not None:
            follow(path, used, seen)
    seen[path, name] = seen.pop((path, name))


def _used(names: Names, node: ast.stmt | None) -> Iterator[str]:
    """The names of the file that a statement uses, or all of its statements."""
    known = names.defined.keys() | names.imported.keys() | names.given.keys()
    found = dict.fromkeys(
        used.id
        for used in ast.walk(node or ast.Module(names.statements, []))
        if isinstance(used, ast.Name) and used.id in known
    )
    yield from found


def segment(path: Path, node: ast.stmt) -> str:
    """The lines of a statement, its decorators included."""
    first = min(n.lineno for n in [node, *getattr(node, "decorator_list", [])])
    return "\n".join(text_of(path).splitlines()[first - 1 : node.end_lineno])


def _follow_import(module: str, name: str | None, seen: dict[Place, str]) -> None:
    if not module.startswith(OURS):
        return
    inner = file_of(f"{module}.{name}") if name else None
    path = inner or file_of(module)
    if path is not None:
        follow(path, None if inner else name, seen)


@lru_cache
def file_of(module: str) -> Path | None:
    """The file of a module of the course, or None if there is none of this name."""
    places = [ROOT / Path(*module.split("."))]
    if module.startswith("grading.units."):
        places += [root / Path(*module.split(".")[1:]) for root in roots()[1:]]
    for place in places:
        for candidate in (place.with_suffix(".py"), place / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None


def standing_alone(piece: str) -> tuple[str, str, set[Place]]:
    """A piece of the course as one text that needs nothing else of it.

    Returns the name it defines, the text, and the places that its definitions come from. Raises
    CourseError where two files use one name for different things.
    """
    path, name = place_of(piece)
    seen: dict[Place, str] = {}
    follow(path, name, seen)
    if (path, name) not in seen:
        raise CourseError(f"given({piece!r}): {path.name} defines no {name!r}.")
    imports, definitions, owner = [], [], {}
    for (file, defined), text in seen.items():
        if defined is None:
            raise CourseError(f"given({piece!r}): it uses the whole of {file.name}.")
        if owner.setdefault(defined, file) != file:
            raise CourseError(f"given({piece!r}): two files define {defined!r}.")
        lines, aliases = _outside(file, names_of(file).defined[defined])
        imports += [line for line in lines if line not in imports]
        definitions += [*(a for a in aliases if a not in definitions), text]
    return name, "\n".join([*imports, "", "", *definitions, ""]), set(seen)


def _outside(path: Path, node: ast.stmt) -> tuple[list[str], list[str]]:
    """The imports of other packages that a definition needs, and the course's under other names."""
    names, lines, aliases = names_of(path), [], []
    for used in _used(names, node):
        module, name = names.imported.get(used, (None, None))
        if module is None:
            continue
        if module.startswith(OURS):
            aliases += [f"{used} = {name}"] if name and used != name else []
        else:
            lines.append(import_line(used, module, name))
    return lines, aliases


def import_line(bound: str, module: str, name: str | None) -> str:
    """The statement that binds a name to a module (`name` is None) or to something in it."""
    if name is None:
        return f"import {module}" + (f" as {bound}" if bound != module.split(".")[0] else "")
    return f"from {module} import {name}" + (f" as {bound}" if bound != name else "")
