"""Matrices and masks as grids with a label at every row and column."""

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

MAY, MAY_NOT = "#8fbbe0", "#ececec"  # the two shades of a mask
LINES = "#8a8a8a"
MOST_NUMBERS = 64  # cells; in more of them numbers are too small to read


def draw_grid(
    axes: Axes,
    values: ArrayLike,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    *,
    asks: str = "looks",
    asked: str = "looked at",
    digits: int | None = 2,
    largest: float | None = None,
    mask: ArrayLike | None = None,
    outlined: Iterable[tuple[int, int]] = (),
) -> AxesImage:
    """A matrix, one cell a number: the stronger the colour, the larger the number.

    `values` has two axes; row 0 is on top. `rows` and `columns` label them, `asks` and `asked` are
    the words beside and below. A number stands in each cell with `digits` after the point (None,
    or more than 64 cells: none). `largest` is the value of the strongest colour, by default the
    largest there is; compare two grids with the same one. Cells where the boolean `mask` is False
    are left grey. `outlined` are (row, column) pairs that get a strong frame. Negative numbers are
    as pale as 0. Returns the image, from which a colour bar can be made.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> image = draw_grid(axes, [[1, 0], [0.25, 0.75]], ["a", "bank"], ["a", "bank"])
    >>> [text.get_text() for text in axes.texts]
    ['1.00', '0.00', '0.25', '0.75']
    """
    values = _matrix(values)
    shown = np.ones(values.shape, dtype=bool) if mask is None else _matrix(mask).astype(bool)
    top = _largest(values[shown]) if largest is None else largest
    image = axes.imshow(np.where(shown, values, np.nan), vmin=0, vmax=top)
    for row, column in np.argwhere(~shown).tolist():
        axes.add_patch(_cell(row, column, facecolor=MAY_NOT))
    if digits is not None and values.size <= MOST_NUMBERS:
        for (row, column), value in np.ndenumerate(values):
            if shown[row, column]:
                ink = _ink(image.to_rgba(value))
                _write(axes, row, column, f"{value:.{digits}f}", ink)
    _finish(axes, values.shape, rows, columns, asks, asked, outlined)
    return image


def draw_mask(
    axes: Axes,
    mask: ArrayLike,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    *,
    asks: str = "looks",
    asked: str = "looked at",
    outlined: Iterable[tuple[int, int]] = (),
) -> AxesImage:
    """A boolean mask in two shades: True (may attend) coloured, False grey with a cross.

    The rest is as in `draw_grid`.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> _ = draw_mask(axes, [[True, False], [True, True]])
    >>> [text.get_text() for text in axes.texts]  # crosses
    ['×']
    """
    mask = _matrix(mask)
    image = axes.imshow(mask, cmap=ListedColormap([MAY_NOT, MAY]), vmin=0, vmax=1)
    for row, column in np.argwhere(mask == 0).tolist():
        _write(axes, row, column, "×", "#5f5f5f")
    _finish(axes, mask.shape, rows, columns, asks, asked, outlined)
    return image


def _matrix(values: ArrayLike) -> np.ndarray:
    matrix = np.asarray(values, dtype=float)
    if matrix.ndim != 2:
        shape = "x".join(map(str, matrix.shape)) or "a single number"
        raise ValueError(f"a grid needs two axes, got {shape}: choose one head of one text")
    return matrix


def _largest(values: np.ndarray) -> float:
    largest = values.max(initial=0.0)
    return float(largest) if largest > 0 else 1.0


def _ink(background: tuple[float, ...]) -> str:
    """Black or white, whichever has more contrast with the colour (WCAG's relative luminance)."""
    luminance = sum(w * c**2.2 for w, c in zip((0.21, 0.72, 0.07), background[:3], strict=True))
    return "black" if luminance > 0.18 else "white"


def _cell(row: int, column: int, **style) -> Rectangle:
    return Rectangle((column - 0.5, row - 0.5), 1, 1, **style)


def _write(axes: Axes, row: int, column: int, text: str, colour: str) -> None:
    axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=11)


def _finish(axes: Axes, shape, rows, columns, asks: str, asked: str, outlined) -> None:
    """Lines between cells, labels, frames."""
    for which, length, labels in (("rows", shape[0], rows), ("columns", shape[1], columns)):
        if labels is not None and len(labels) != length:
            raise ValueError(f"{len(labels)} labels for {length} {which}: give one for each")
    if max(shape) <= 16:
        for place in np.arange(shape[0] + 1) - 0.5:
            axes.plot([-0.5, shape[1] - 0.5], [place, place], color=LINES, linewidth=0.6)
        for place in np.arange(shape[1] + 1) - 0.5:
            axes.plot([place, place], [-0.5, shape[0] - 0.5], color=LINES, linewidth=0.6)
    upright = columns is not None and max(map(len, columns), default=0) > 2
    axes.set_xticks([] if columns is None else range(shape[1]), columns)
    axes.set_yticks([] if rows is None else range(shape[0]), rows)
    axes.tick_params(length=0)
    axes.tick_params(axis="x", rotation=90 if upright else 0)
    axes.spines[:].set_visible(False)
    axes.set(
        xlabel=asked, ylabel=asks, xlim=(-0.55, shape[1] - 0.45), ylim=(shape[0] - 0.45, -0.55)
    )
    for row, column in outlined:
        frame = _cell(row, column, fill=False, edgecolor="C1", linewidth=3, zorder=3)
        axes.add_patch(frame)
