"""Curves of several runs (seeds) and axes in powers of ten, labelled in plain numbers."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import ArrayLike


def draw_runs(
    axes: Axes,
    x: ArrayLike,
    runs: ArrayLike,
    *,
    label: str,
    colour: str = "C0",
    name_at_end: bool = True,
) -> np.ndarray:
    """Every run as a thin line and their median, point by point, as a thick one.

    `x` has the points, `runs` one row for each run (seed). `label` names the median: at its last
    point, or in a legend if not `name_at_end`. Points that are not finite leave gaps, also in the
    median. Returns the median. Raises ValueError where the two do not fit.

    >>> from matplotlib.figure import Figure
    >>> draw_runs(Figure().subplots(), [1, 2], [[3, 1], [4, 2], [8, 9]], label="loss").tolist()
    [4.0, 2.0]
    """
    x, runs = np.asarray(x, dtype=float), np.atleast_2d(np.asarray(runs, dtype=float))
    if x.ndim != 1 or runs.ndim != 2 or runs.shape[1] != len(x):
        raise ValueError(
            f"x of shape {x.shape} and runs of {runs.shape}: one row a run, as long as x"
        )
    median = np.median(runs, axis=0)
    if len(runs) > 1:
        axes.plot(x, runs.T, color=colour, linewidth=0.8, alpha=0.5)
    axes.plot(x, median, color=colour, label=label)
    if name_at_end:
        place = (x[-1], median[-1])
        axes.annotate(f" {label}", place, color=colour, va="center", annotation_clip=False)
    return median


def use_log_axes(axes: Axes, which: str = "xy") -> None:
    """Logarithmic axes, `which` of "x", "y" or both, with ticks like 1,000 and not 10³.

    Set the limits, if any, before. Below 0.001 and from ten million on a tick is a power of ten.

    >>> plain(1000.0), plain(0.05), plain(10.0**7), plain(3e-5)
    ('1,000', '0.05', '10⁷', '3·10⁻⁵')
    """
    for letter in which:
        axis = {"x": axes.xaxis, "y": axes.yaxis}[letter]
        axes.set(**{f"{letter}scale": "log"})
        low, high = sorted(axis.get_view_interval())
        decades = np.log10(high / low)
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2 else (1,)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
        axis.set_minor_formatter(NullFormatter())


def plain(value: float) -> str:
    """A positive number as a tick says it."""
    if 1e-3 <= value < 1e7:
        return f"{value:,.10g}"
    digits, power = f"{value:.10e}".split("e")
    raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if float(digits) == 1 else f"{float(digits):g}·10{raised}"
