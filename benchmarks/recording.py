"""Runs the parts of an experiment, and keeps what they find in a file that a chapter reads."""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def run_parts(
    out: Path, command: str, text: str, parts: Mapping[str, Callable[[], Any]], digits: int = 6
) -> None:
    """Run the parts that the command line names, or all; the file is written after each.

    What the file holds of other parts stays. `command` is what regenerates the file, and `text`
    what the help says.
    """
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="default: all")
    names = parser.parse_args().parts or list(parts)
    for name in names:
        write(out, {"command": command, name: rounded(parts[name](), digits)})


def write(out: Path, new: Mapping[str, Any]) -> None:
    """Put new keys into the file; another command may have written others meanwhile."""
    out.parent.mkdir(exist_ok=True)
    content = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    content |= new
    rows = ",\n".join(f" {json.dumps(key)}: {_one_a_line(content[key])}" for key in content)
    out.write_text("{\n" + rows + "\n}\n", encoding="utf-8")


def rounded(value: Any, digits: int) -> Any:
    """Numbers with so many significant digits: enough for a figure, and easy to compare."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, Mapping):
        return {key: rounded(item, digits) for key, item in value.items()}
    return [rounded(item, digits) for item in value] if isinstance(value, list) else value


def _one_a_line(value: Any) -> str:
    """A list of rows, one a line, so that a changed row shows as one changed line."""
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join("  " + json.dumps(row) for row in value) + "\n ]"
