"""Tables of computed cells."""

from collections.abc import Iterable, Sequence

from IPython.display import Markdown


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Markdown:
    """A Markdown table: names of the columns, and the cells of each row as text.

    Raises ValueError where a row has another number of cells than the header.

    >>> print(table(["seed", "loss"], [["0", "1.82"]]).data)
    | seed | loss |
    | --- | --- |
    | 0 | 1.82 |
    """
    lines = [list(header), ["---"] * len(header), *map(list, rows)]
    for number, line in enumerate(lines[2:]):
        if len(line) != len(header):
            raise ValueError(f"row {number} has {len(line)} cells; the header has {len(header)}")
    return Markdown("\n".join("| " + " | ".join(line) + " |" for line in lines))
