"""The shared drawings: what stands where, told from the drawn objects and not from pixels."""

import ast
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reference_impl.decoder.attention import causal_mask
from reference_impl.figures.curves import draw_runs, plain, use_log_axes
from reference_impl.figures.flow import Box, draw_flow
from reference_impl.figures.grids import draw_grid, draw_mask

ROOT = Path(__file__).resolve().parents[3]
WORDS = ["the", "canoe", "bank"]


@pytest.fixture
def axes():
    return Figure(figsize=(3.6, 4)).subplots()


def texts_by_cell(axes) -> dict[tuple[float, float], str]:
    """(row, column) -> what stands there."""
    return {text.get_position()[::-1]: text.get_text() for text in axes.texts}


def test_numbers_labels_and_frames_stand_in_their_cells(axes):
    values = torch.tensor([[0.9, 0.1], [0.25, 0.75], [0.5, 0.0]])
    image = draw_grid(axes, values, WORDS, ["a", "canoe"], outlined=[(2, 1)])
    cells = texts_by_cell(axes)
    assert cells[0, 0] == "0.90" and cells[1, 0] == "0.25" and cells[2, 1] == "0.00"
    assert [label.get_text() for label in axes.get_yticklabels()] == WORDS
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "canoe"]
    assert axes.get_ylabel() == "looks" and axes.get_xlabel() == "looked at"
    (frame,) = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert frame.get_xy() == (0.5, 1.5) and not frame.get_fill()
    assert image.get_clim() == pytest.approx((0, 0.9))
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # row 0 on top


def test_hidden_cells_have_no_number_and_do_not_set_the_scale(axes):
    values = [[1.0, 99.0], [2.0, 4.0]]
    image = draw_grid(axes, values, mask=causal_mask(2), digits=0)
    assert texts_by_cell(axes) == {(0, 0): "1", (1, 0): "2", (1, 1): "4"}
    assert image.get_clim() == (0, 4)
    assert [patch.get_xy() for patch in axes.patches] == [(0.5, -0.5)]


def test_numbers_can_be_read_on_every_shade(axes):
    values = np.linspace(0, 1, 21)[None]
    image = draw_grid(axes, values)
    for text, value in zip(axes.texts, values[0], strict=True):
        pair = [to_rgb(text.get_color()), image.to_rgba(value)[:3]]
        low, high = sorted(_luminance(colour) for colour in pair)
        assert (high + 0.05) / (low + 0.05) >= 4.4, value


def _luminance(colour) -> float:
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return float(np.dot((0.2126, 0.7152, 0.0722), parts))


def test_a_large_map_has_no_numbers_and_zeros_are_drawn(axes):
    draw_grid(axes, torch.rand(30, 9))
    assert not axes.texts
    draw_grid(axes, torch.zeros(2, 2))  # nothing to divide by


@pytest.mark.parametrize("q_seq", [1, 2, 5])
def test_a_mask_crosses_out_exactly_what_it_hides(axes, q_seq):
    mask = causal_mask(q_seq, 5)
    draw_mask(axes, mask)
    hidden = {tuple(map(float, place)) for place in (~mask).nonzero().tolist()}
    assert set(texts_by_cell(axes)) == hidden


@pytest.mark.parametrize("draw", [draw_grid, draw_mask])
def test_what_is_no_grid_is_refused(axes, draw):
    with pytest.raises(ValueError, match="two axes, got 9x3x3"):
        draw(axes, torch.ones(9, 3, 3))
    with pytest.raises(ValueError, match="2 labels for 3 columns"):
        draw(axes, torch.ones(3, 3), WORDS, ["a", "b"])


LEVELS = [
    [Box("x", "x", "seq d_model")],
    [Box("q", "query", is_step=True), Box("v", "value", is_step=True)],
    [Box("out", "output", x=0.25)],
]


def test_boxes_lie_level_by_level_and_arrows_join_their_frames(axes):
    boxes = draw_flow(axes, LEVELS, [("x", "q"), ("x", "v"), ("q", "out")], outlined=["v"])
    assert boxes["x"].get_text() == "x\nseq d_model"
    places = {name: box.get_position() for name, box in boxes.items()}
    assert places == {"x": (0.5, 0), "q": (0.25, -1), "v": (0.75, -1), "out": (0.25, -2)}
    arrows = [text.arrow_patch for text in axes.texts if not text.get_text()]
    frames = [box.get_bbox_patch() for box in boxes.values()]
    joined = [(frames.index(a.patchA), frames.index(a.patchB)) for a in arrows]
    assert joined == [(0, 1), (0, 2), (1, 3)]
    edges = {name: box.get_bbox_patch().get_edgecolor() for name, box in boxes.items()}
    assert [name for name, edge in edges.items() if edge == edges["v"]] == ["v"]


def test_boxes_of_the_advised_size_do_not_overlap(axes):
    boxes = draw_flow(axes, LEVELS, [])
    renderer = FigureCanvasAgg(axes.figure).get_renderer()
    axes.figure.draw(renderer)
    frames = [box.get_bbox_patch().get_window_extent(renderer) for box in boxes.values()]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(frames, 2))


def test_faults_in_a_diagram_are_named(axes):
    with pytest.raises(ValueError, match="there is no box k; there are x, q, v, out"):
        draw_flow(axes, LEVELS, [("x", "k")])
    with pytest.raises(ValueError, match="two boxes have the name x"):
        draw_flow(axes, [*LEVELS, [Box("x", "again")]], [])


def test_runs_are_thin_and_their_median_is_thick(axes):
    runs = torch.tensor([[1.0, 5.0, 2.0], [2.0, 3.0, 9.0], [6.0, 4.0, 3.0]])
    median = draw_runs(axes, [10, 100, 1000], runs, label="loss", colour="C1")
    assert median.tolist() == [2, 4, 3]
    *thin, thick = axes.lines
    assert [line.get_ydata().tolist() for line in thin] == runs.tolist()
    assert thick.get_ydata().tolist() == [2, 4, 3] and thick.get_label() == "loss"
    assert max(line.get_linewidth() for line in thin) < thick.get_linewidth()
    assert axes.texts[0].xy == (1000, 3)


def test_one_run_is_one_line_and_a_misfit_is_refused(axes):
    draw_runs(axes, [1, 2], [3, 4], label="a")
    assert len(axes.lines) == 1
    with pytest.raises(ValueError, match="one row a run"):
        draw_runs(axes, [1, 2, 3], [[3, 4]], label="a")


def test_log_axes_say_plain_numbers(axes):
    draw_runs(axes, [10, 100_000], [0.5, 4.0], label="a")
    use_log_axes(axes)
    axes.figure.draw(FigureCanvasAgg(axes.figure).get_renderer())
    assert axes.get_xscale() == axes.get_yscale() == "log"
    for axis, wanted in ((axes.xaxis, {"10", "1,000", "100,000"}), (axes.yaxis, {"0.5", "1", "2"})):
        assert wanted <= {label.get_text() for label in axis.get_ticklabels()}
    assert plain(2e8) == "2·10⁸"


def test_nothing_else_of_the_reference_imports_the_drawings():
    for path in (ROOT / "reference_impl").rglob("*.py"):
        if path.parent.name != "figures":
            imported = ast.dump(ast.parse(path.read_text(encoding="utf-8")))
            assert "reference_impl.figures" not in imported, path
