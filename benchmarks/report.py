"""What a benchmark ends with: a table on the screen, and a dated file with the hardware."""

import json
from pathlib import Path

from hardware import describe
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


def print_rows(rows: list[dict]) -> None:
    """The rows as a table; floats with three digits."""
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()))
    Console(width=140).print(table)


def write_result(name: str, rows: list[dict], *packages: str) -> Path:
    """Write results/NAME.json: date, hardware, versions of the packages, rows."""
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    content = {**describe(packages), "rows": rows}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path
