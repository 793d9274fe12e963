"""How data flows through a layer: boxes from top to bottom, arrows, shapes in axis words."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.text import Annotation, Text

DATA, STEP = "#ffffff", "#dbe8f3"  # what flows is white, what is done to it is tinted


@dataclass(frozen=True)
class Box:
    """One box: `words`, and a `shape` below them; `is_step` where something is done.

    `name` is what arrows and `outlined` call it. `x` is its middle, from 0 (left) to 1 (right);
    without one the boxes of a level are spread evenly.
    """

    name: str
    words: str
    shape: str = ""
    is_step: bool = False
    x: float | None = None


def draw_flow(
    axes: Axes,
    levels: Sequence[Sequence[Box]],
    arrows: Iterable[tuple[str, str]],
    *,
    outlined: Collection[str] = (),
) -> dict[str, Text]:
    """Boxes level by level from the top, and an arrow for each (from, to) pair of names.

    `outlined` boxes get a strong frame: the part that a section is about. Give the axes about 3.6
    inches of width, which a phone shows at full size, and 0.75 of height for each level. Returns
    the boxes by name. Raises ValueError for a name that stands twice, or an arrow or frame without
    its box.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure(figsize=(3.6, 1.5)).subplots()
    >>> levels = [[Box("x", "x", "seq d_model")], [Box("q", "· W", "seq head_dim", is_step=True)]]
    >>> boxes = draw_flow(axes, levels, [("x", "q")], outlined=["q"])
    >>> print(boxes["x"].get_text())
    x
    seq d_model
    """
    names = [box.name for level in levels for box in level]
    _check(names, arrows := list(arrows), outlined)
    axes.set(xlim=(0, 1), ylim=(-len(levels) + 0.5, 0.5))
    axes.axis("off")
    placed = {}
    for depth, level in enumerate(levels):
        for i, box in enumerate(level):
            x = (i + 0.5) / len(level) if box.x is None else box.x
            placed[box.name] = _draw_box(axes, box, x, -float(depth), box.name in outlined)
    for start, end in arrows:
        _draw_arrow(axes, placed[start], placed[end])
    return placed


def _check(names: list[str], arrows: list[tuple[str, str]], outlined: Collection[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two boxes have the name {', '.join(twice)}: give each its own")
    missing = {name for arrow in arrows for name in arrow} | set(outlined)
    if missing := sorted(missing - set(names)):
        raise ValueError(f"there is no box {', '.join(missing)}; there are {', '.join(names)}")


def _draw_box(axes: Axes, box: Box, x: float, y: float, is_outlined: bool) -> Text:
    frame = {
        "boxstyle": "round,pad=0.35" if box.is_step else "square,pad=0.35",
        "facecolor": STEP if box.is_step else DATA,
        "edgecolor": "C1" if is_outlined else "#777777",
        "linewidth": 2.5 if is_outlined else 1,
    }
    words = f"{box.words}\n{box.shape}" if box.shape else box.words
    return axes.text(x, y, words, ha="center", va="center", fontsize=11, zorder=3, bbox=frame)


def _draw_arrow(axes: Axes, start: Text, end: Text) -> Annotation:
    """From the frame of one box to the frame of the other."""
    style = {
        "arrowstyle": "-|>",
        "color": "#555555",
        "linewidth": 1.2,
        "patchA": start.get_bbox_patch(),
        "patchB": end.get_bbox_patch(),
        "shrinkA": 0,
        "shrinkB": 1,
    }
    return axes.annotate("", end.get_position(), start.get_position(), arrowprops=style)
