"""Graphs on the canvas: boxes, lines, words, the pointer, saving."""

import csv
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from explorer.canvas.graph import label_places, near, way
from explorer.canvas.projection import Projection
from explorer.figure import Graph, Lit, Probe, Spot
from explorer.saving.data import mark_arrays
from explorer.saving.shown import held
from explorer.widgets.theme import LIGHT
from tests.explorer.canvas_for_tests import click, collect, colour_at, hover, one, pixels, place, shown, view_of
from tests.explorer.canvas_for_tests import near as alike


def graph(**more: object) -> Graph:
    fields: dict[str, object] = {
        "boxes": np.array([[0, 0, 400, 200], [30, 60, 130, 100], [230, 60, 330, 100], [460, 60, 560, 100]], float),
        "titles": ("block", "first", "second", "last"),
        "details": ("Type", "Conv2d", "ReLU", ""),
        "frames": frozenset({0}),
        "lines": (np.array([[130, 80], [230, 80]], float), np.array([[330, 80], [460, 80]], float)),
        "ends": np.array([[1, 2], [2, 3]]),
        "line_labels": ("8×4×4", "8×4×4"),
    }
    return Graph(**(fields | more))  # type: ignore[arg-type]


def spots(qtbot: QtBot, places: list[tuple[float, float]]) -> list[Spot]:
    canvas = shown(qtbot, one(graph(), size=(560, 220)))
    picked = collect(canvas.picked)
    for x, y in places:
        click(canvas, x, y)
    return [spot for spot in picked if isinstance(spot, Spot)]


def test_clicks_find_boxes_lines_and_frames(qtbot: QtBot) -> None:
    found = spots(qtbot, [(40, 65), (280, 80), (400, 80), (180, 80), (180, 190), (450, 190)])
    assert [spot.index for spot in found] == [1, 2, 5, 4, 0, None]
    assert found[0].mark == "graph"


def test_a_double_click_on_a_box_is_a_click_and_beside_it_fits(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(graph(), size=(560, 220)))
    picked = collect(canvas.picked)
    view = view_of(canvas)
    view.zoom(2.0)
    QTest.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place(canvas, 280, 65))
    assert [spot.index for spot in picked] == [2]  # type: ignore[attr-defined]
    assert view.wanted is not None
    QTest.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place(canvas, 412, 190))
    assert view.wanted is None


def test_numbers_colour_the_boxes_and_have_a_legend(qtbot: QtBot) -> None:
    values = np.array([np.nan, 0.0, 1.0, np.nan])
    canvas = shown(qtbot, one(graph(values=values, label="time", unit="ms", colormap="grey", low=0.0), size=(560, 220)))
    assert alike(colour_at(canvas, 35, 65), (0, 0, 0))
    assert alike(colour_at(canvas, 235, 65), (255, 255, 255))
    assert alike(colour_at(canvas, 465, 65), LIGHT.surface)
    (legend,) = canvas.pane("p").legends()
    assert legend.legend is not None
    assert (legend.legend.low, legend.legend.high, legend.legend.unit) == (0.0, 1.0, "ms")
    canvas.pane("p").lock(True)
    canvas.set_figure(one(graph(values=2 * values, colormap="grey", low=0.0), size=(560, 220)))
    assert legend.legend.high == 1.0


def test_kinds_tint_the_boxes_and_are_explained(qtbot: QtBot) -> None:
    plain = shown(qtbot, one(graph(colours=(4, 0, 2, 3)), size=(560, 220)))
    ground = colour_at(plain, 35, 65)
    assert ground[2] > ground[0]  # blue is palette colour 0
    told = shown(qtbot, one(graph(colours=(4, 0, 2, 3), meanings=((0, "convolution"),)), size=(560, 220)))
    before, after = (pixels(view_of(c).grab().toImage()) for c in (plain, told))
    changed = np.argwhere((before != after).any(axis=2))
    assert len(changed)
    assert changed[:, 0].min() > before.shape[0] * 0.8
    assert not plain.pane("p").legends()


def test_the_selected_box_and_the_lit_one_stand_out(qtbot: QtBot) -> None:
    plain, chosen = (shown(qtbot, one(graph(selected=s), size=(560, 220))) for s in (None, 3))
    assert (pixels(view_of(plain).grab().toImage()) != pixels(view_of(chosen).grab().toImage())).any()
    assert alike(colour_at(chosen, 458, 80 - 14), LIGHT.accent)
    before = pixels(view_of(plain).grab().toImage())
    hover(plain, 280, 80)
    plain.show_probe(Probe("", {"p": (Lit("graph", 2),)}))
    lit = pixels(view_of(plain).grab().toImage())
    # The box and both of its lines.
    columns = np.flatnonzero((before != lit).any(axis=(0, 2)))
    left, right = (view_of(plain).to_widget(x, 80).x() for x in (140, 450))
    assert columns.min() < left < right < columns.max()
    plain.show_probe(Probe("", {"p": (Lit("graph", 4),)}))


def test_the_read_out_gives_no_places_that_mean_nothing(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(graph(), size=(560, 220)))
    hover(canvas, 280, 80)
    assert canvas.readout == ""


def test_small_and_large_graphs_are_drawn(qtbot: QtBot, tmp_path: Path) -> None:
    canvas = shown(qtbot, one(graph(), size=(560, 220)))
    for factor in (0.2, 40.0):
        view_of(canvas).zoom(factor)
        view_of(canvas).grab()
    canvas.set_figure(
        one(graph(boxes=np.zeros((0, 4)), titles=(), lines=(), ends=None, line_labels=(), frames=frozenset()))
    )
    view_of(canvas).grab()
    canvas.set_figure(one(graph(), size=(560, 220)))
    canvas.fit()
    held(canvas, "svg")(tmp_path / "graph.svg")
    assert "second" in (tmp_path / "graph.svg").read_text("utf-8")


def test_it_is_saved_as_numbers(qtbot: QtBot, tmp_path: Path) -> None:
    made = graph(values=np.array([np.nan, 1.5, 2.5, 3.5]), label="time", unit="ms")
    canvas = shown(qtbot, one(made, size=(560, 220)))
    held(canvas, "csv")(tmp_path / "graph.csv")
    rows = list(csv.reader((tmp_path / "graph.csv").read_text("utf-8-sig").splitlines()))
    assert rows[0] == ["box", "title", "detail", "time (ms)", "from"]
    assert rows[3] == ["2", "second", "ReLU", "2.5", "1"]
    assert set(mark_arrays(made)) >= {"boxes", "titles", "values", "ends", "line_labels"}


def test_lines_swing_and_turn() -> None:
    at = Projection()
    points = [at.point(x, y) for x, y in ((0, 0), (50, 0), (50, 40), (100, 40), (150, 80))]
    path = way(points, 6.0)
    assert path.currentPosition() == points[-1]
    corner = path.contains(at.point(50, 0))
    assert not corner  # it is round
    assert [p.x() for p in label_places(points, 30.0)][0] == 125  # noqa: RUF015
    assert label_places(points, 60.0) == []
    line = np.array([[0.0, 0.0], [10.0, 0.0]])
    assert near(line, 5.0, 1.0, 2.0)
    assert not near(line, 5.0, 3.0, 2.0)
    assert not near(line, 13.0, 0.0, 2.0)
