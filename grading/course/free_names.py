"""Which names a text takes from outside of itself, and which it defines."""

import ast
import builtins
import symtable
from collections.abc import Iterator


def free_names(text: str) -> list[str]:
    """The names that a text uses and neither defines nor finds among Python's own, sorted.

    Raises SyntaxError where it is no Python.
    """
    module = symtable.symtable(text, "<text>", "exec")
    used = {s.get_name() for s in module.get_symbols() if s.is_referenced()}
    for table in _inner(module):
        used |= {s.get_name() for s in table.get_symbols() if s.is_global()}
    known = bound_names(text) | set(dir(builtins)) | {"__name__", "__file__", "__class__"}
    return sorted(used - known)


def _inner(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _inner(child)


def bound_names(text: str) -> set[str]:
    """The names that a text defines or imports at its top level."""
    symbols = symtable.symtable(text, "<text>", "exec").get_symbols()
    return {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}


def split_imports(text: str) -> tuple[dict[str, str], str]:
    """The imports at a text's top level, a line for each name that they bind, and all the rest."""
    imports: dict[str, str] = {}
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        imports |= dict(_lines_of(node))
        for number in range(node.lineno - 1, node.end_lineno):
            lines[number] = ""
    return imports, "\n".join(lines).strip("\n")


def _lines_of(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    start = (
        f"from {'.' * node.level}{node.module or ''} " if isinstance(node, ast.ImportFrom) else ""
    )
    for alias in node.names:
        renamed = f" as {alias.asname}" if alias.asname else ""
        name = alias.asname or (alias.name if start else alias.name.split(".")[0])
        yield name, f"{start}import {alias.name}{renamed}"
