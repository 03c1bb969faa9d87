"""Known figures at a pinned size: the right colour at the right place, for every mark."""

from typing import get_args

import numpy as np
import pytest
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from explorer.canvas import colormaps
from explorer.canvas.charts import BarsArtist
from explorer.canvas.projection import Projection
from explorer.figure import (
    Arrows,
    Axis,
    Bars,
    Boxes,
    Curve,
    Figure,
    Handles,
    Heatmap,
    Image,
    Lit,
    Mark,
    Note,
    Pane,
    Points,
    Probe,
    Segments,
    Table,
    TableColumn,
    Text,
    Tiles,
)
from explorer.saving.shown import ShownKind, held
from explorer.widgets.theme import DARK, LIGHT
from tests.explorer.canvas_for_tests import colour_at, near, one, pixels, shown, view_of

AXES = (Axis("x", "s"), Axis("y"))
GREY = Image(np.full((40, 60, 3), 90, np.uint8))


def quarters() -> np.ndarray:
    """40 x 60, red, green, blue and white."""
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:20, :30] = 255, 0, 0
    picture[:20, 30:] = 0, 255, 0
    picture[20:, :30] = 0, 0, 255
    picture[20:, 30:] = 255
    return picture


def photo_colour(index: int) -> str:
    return LIGHT.photo_palette[index]


def test_image_lies_upright_and_keeps_its_aspect(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(Image(quarters())), (640, 300))
    assert near(colour_at(canvas, 10, 10), (255, 0, 0))
    assert near(colour_at(canvas, 50, 10), (0, 255, 0))
    assert near(colour_at(canvas, 10, 30), (0, 0, 255))
    assert near(colour_at(canvas, 50, 30), (255, 255, 255))
    view = view_of(canvas)
    assert near(colour_at(canvas, -1, 20), LIGHT.canvas)
    assert near(colour_at(canvas, 61, 20), LIGHT.canvas)
    at = view.projection()
    assert at.sx == pytest.approx(at.sy)


def test_pixel_edges_are_crisp_when_magnified(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(Image(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8))))
    for x, level in ((0.05, 0), (0.95, 0), (1.05, 255), (1.95, 255)):
        assert colour_at(canvas, x, 0.5) == (level, level, level)


def test_grey_alpha_and_opacity(qtbot: QtBot) -> None:
    assert colour_at(shown(qtbot, one(Image(np.full((4, 4), 77, np.uint8)))), 2, 2) == (77, 77, 77)
    ground = QColor(LIGHT.canvas)
    clear = np.zeros((4, 4, 4), np.uint8)
    assert near(colour_at(shown(qtbot, one(Image(clear))), 2, 2), (ground.red(), ground.green(), ground.blue()), 2)
    half = shown(
        qtbot, one(Image(np.zeros((4, 4, 3), np.uint8)), Image(np.full((4, 4, 3), 200, np.uint8), opacity=0.5, key="b"))
    )
    assert near(colour_at(half, 2, 2), (100, 100, 100), 3)


def test_heat_map_has_the_map_s_colours_and_nan_is_transparent(qtbot: QtBot) -> None:
    values = np.array([[0.0, 1.0], [0.5, np.nan]])
    canvas = shown(qtbot, one(Heatmap(values, "score")))
    table = colormaps.colours("viridis")
    assert near(colour_at(canvas, 0.5, 0.5), tuple(table[0]), 3)
    assert near(colour_at(canvas, 1.5, 0.5), tuple(table[255]), 3)
    assert near(colour_at(canvas, 0.5, 1.5), tuple(table[128]), 4)
    assert near(colour_at(canvas, 1.5, 1.5), LIGHT.canvas, 2)


def test_heat_map_over_a_picture(qtbot: QtBot) -> None:
    over = Heatmap(np.array([[0.0, 1.0]]), low=0, high=1, colormap="grey", opacity=0.5, extent=(0, 0, 60, 40))
    canvas = shown(qtbot, one(GREY, over))
    assert near(colour_at(canvas, 15, 20), (45, 45, 45), 3)
    assert near(colour_at(canvas, 45, 20), (172, 172, 172), 3)


@pytest.mark.parametrize("gap", [False, True])
def test_smooth_heat_map_interpolates_numbers(qtbot: QtBot, gap: bool) -> None:
    values = np.array([[0.0, 1.0], [0.0, 1.0], [np.nan if gap else 0.0, 1.0]])
    canvas = shown(qtbot, one(Heatmap(values, low=0, high=1, colormap="grey", smooth=True)))
    assert near(colour_at(canvas, 1.0, 0.5), (128, 128, 128), 4)
    assert near(colour_at(canvas, 0.75, 0.5), (64, 64, 64), 4)
    assert near(colour_at(canvas, 0.2, 0.5), (0, 0, 0), 2)
    if gap:
        assert near(colour_at(canvas, 0.3, 2.7), LIGHT.canvas, 2)


def test_smooth_heat_map_beyond_its_range_cuts_after_interpolating(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(Heatmap(np.array([[0.0, 10.0]]), low=0, high=1, colormap="grey", smooth=True)))
    # Halfway the number is 5, far above the range; cut off first it would be 0.5.
    assert colour_at(canvas, 1.0, 0.5) == (255, 255, 255)


def test_diverging_has_zero_in_the_middle(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(Heatmap(np.array([[-1.0, 0.0, 4.0]]), colormap="diverging")))
    assert near(colour_at(canvas, 1.5, 0.5), tuple(colormaps.colours("diverging")[128]), 3)
    assert near(colour_at(canvas, 2.5, 0.5), tuple(colormaps.colours("diverging")[255]), 3)


def test_tiles_have_their_cells_and_gaps(qtbot: QtBot) -> None:
    values = np.arange(24.0).reshape(6, 2, 2)
    canvas = shown(qtbot, one(Tiles(values, low=0, high=23, colormap="grey")))
    artist = canvas.pane("p").artists[0]
    grid = artist.grid  # type: ignore[attr-defined]
    for index in range(6):
        x, y = grid.origin(index)
        for row in range(2):
            for column in range(2):
                level = round(values[index, row, column] / 23 * 255)
                assert near(colour_at(canvas, x + column + 0.5, y + row + 0.5), (level,) * 3, 3)
    x, y = grid.origin(0)
    assert near(colour_at(canvas, x + 2 + grid.gap / 2, y + 1), LIGHT.canvas, 2)


def test_tiles_each_with_its_own_range(qtbot: QtBot) -> None:
    values = np.array([[[0.0, 1.0]], [[0.0, 100.0]]])
    for each, level in ((True, 255), (False, 3)):
        canvas = shown(qtbot, one(Tiles(values, each=each, colormap="grey")))
        x, y = canvas.pane("p").artists[0].grid.origin(0)  # type: ignore[attr-defined]
        assert near(colour_at(canvas, x + 1.5, y + 0.5), (level,) * 3, 3)


def test_many_tiles_smaller_than_pixels_show_their_mean(qtbot: QtBot) -> None:
    cells = np.indices((64, 64)).sum(axis=0) % 2
    values = np.repeat(cells[None].astype(np.float32), 400, axis=0)
    canvas = shown(qtbot, one(Tiles(values, low=0, high=1, colormap="grey")), (400, 300))
    x, y = canvas.pane("p").artists[0].grid.origin(200)  # type: ignore[attr-defined]
    assert near(colour_at(canvas, x + 32, y + 32), (128, 128, 128), 20)


def test_boxes_are_drawn_where_they_are(qtbot: QtBot) -> None:
    boxes = Boxes(np.array([[10.0, 10, 30, 30], [40, 5, 55, 35]]), colours=(2, "#ff00ff"), fill=0.5)
    canvas = shown(qtbot, one(GREY, boxes))
    assert near(colour_at(canvas, 10, 20), photo_colour(2))
    assert near(colour_at(canvas, 40, 20), "#ff00ff")
    inside = colour_at(canvas, 47, 20)
    assert near(inside, ((90 + 255) // 2, 45, (90 + 255) // 2), 6)
    assert near(colour_at(canvas, 35, 20), (90, 90, 90), 1)


def test_dashed_boxes_have_gaps(qtbot: QtBot) -> None:
    def share(style: str) -> float:
        boxes = Boxes(np.array([[5.0, 5, 55, 35]]), colours="#ffffff", styles=(style,))  # type: ignore[arg-type]
        canvas = shown(qtbot, one(Image(np.zeros((40, 60, 3), np.uint8)), boxes))
        picture = pixels(view_of(canvas).grab().toImage())
        line = picture[int(view_of(canvas).to_widget(5, 5).y()) - 1 :][:3].max(axis=(0, 2))
        left, right = (int(view_of(canvas).to_widget(x, 5).x()) for x in (6, 54))
        return float((line[left:right] > 200).mean())

    assert share("solid") > 0.99
    assert 0.4 < share("dashed") < 0.9
    assert 0.2 < share("dotted") < share("dashed")


def test_box_labels_stay_inside_the_pane(qtbot: QtBot) -> None:
    boxes = Boxes(np.array([[0.0, 0, 20, 20]]), ("a label",), colours="#00ff00")
    canvas = shown(qtbot, one(GREY, boxes, size=(60.0, 40.0)))
    picture = pixels(view_of(canvas).grab().toImage())
    corner = view_of(canvas).to_widget(0, 0)
    patch = picture[int(corner.y()) : int(corner.y()) + 14, int(corner.x()) + 2 : int(corner.x()) + 50].reshape(-1, 3)
    assert (np.abs(patch.astype(int) - (0, 255, 0)).max(axis=1) < 12).mean() > 0.4


@pytest.mark.parametrize("symbol", ["disc", "square"])
def test_points_are_filled(qtbot: QtBot, symbol: str) -> None:
    points = Points(np.array([[20.0, 20], [40, 10]]), colours=(3, 4), size=14, symbol=symbol)  # type: ignore[arg-type]
    canvas = shown(qtbot, one(GREY, points))
    assert near(colour_at(canvas, 20, 20), photo_colour(3))
    assert near(colour_at(canvas, 40, 10), photo_colour(4))


def test_ring_is_open_and_cross_is_thin(qtbot: QtBot) -> None:
    ring = shown(qtbot, one(GREY, Points(np.array([[20.0, 20]]), size=20, symbol="ring")))
    assert near(colour_at(ring, 20, 20), (90, 90, 90), 2)
    cross = shown(qtbot, one(GREY, Points(np.array([[20.0, 20]]), size=20, symbol="cross")))
    assert near(colour_at(cross, 20, 20), photo_colour(0))


def test_segments_and_arrows_go_from_start_to_end(qtbot: QtBot) -> None:
    lines = Segments(np.array([[5.0, 5]]), np.array([[55.0, 35]]), colours=6, width=4)
    canvas = shown(qtbot, one(GREY, lines))
    assert near(colour_at(canvas, 30, 20), photo_colour(6))
    assert near(colour_at(canvas, 30, 10), (90, 90, 90), 1)
    arrows = Arrows(np.array([[10.0, 20]]), np.array([[40.0, 0]]), colours=3, width=3)
    canvas = shown(qtbot, one(GREY, arrows))
    assert near(colour_at(canvas, 30, 20), photo_colour(3))
    assert near(colour_at(canvas, 49.2, 20), photo_colour(3), 40)
    assert near(colour_at(canvas, 49.5, 20.12), photo_colour(3), 60)


def test_curve_goes_up_and_its_gap_is_empty(qtbot: QtBot) -> None:
    x = np.arange(5.0)
    curve = Curve(x, np.array([0, 1, np.nan, 3, 4.0]), "it", colour=1, width=4)
    canvas = shown(qtbot, one(curve, axes=AXES))
    assert near(colour_at(canvas, 0.5, 0.5), LIGHT.palette[1], 30)
    assert near(colour_at(canvas, 3.5, 3.5), LIGHT.palette[1], 30)
    assert near(colour_at(canvas, 2.5, 2.2), LIGHT.surface, 30)
    low, high = view_of(canvas).to_widget(0, 0), view_of(canvas).to_widget(0, 4)
    assert low.y() > high.y()


def test_bars_stand_on_zero_also_sideways_and_in_a_histogram(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(Bars(np.array([3.0, -1.0, np.nan]), ("a", "b", "c")), axes=AXES))
    assert near(colour_at(canvas, 0, 1.5), LIGHT.palette[0], 2)
    assert near(colour_at(canvas, 1, -0.5), LIGHT.palette[0], 2)
    assert near(colour_at(canvas, 1, 0.7), LIGHT.surface, 30)
    sideways = shown(qtbot, one(Bars(np.array([3.0, 1.0]), ("a", "b"), horizontal=True), axes=AXES))
    assert near(colour_at(sideways, 1.7, 0), LIGHT.palette[0], 2)
    assert near(colour_at(sideways, 1.7, 1.1), LIGHT.surface, 30)
    assert view_of(sideways).to_widget(0, 0).y() < view_of(sideways).to_widget(0, 1).y()
    histogram = shown(
        qtbot, one(Bars(np.array([1, 100]), edges=np.array([0.0, 1, 3])), axes=(AXES[0], Axis("n", log=True)))
    )
    assert near(colour_at(histogram, 2.9, 20), LIGHT.palette[0], 2)
    assert near(colour_at(histogram, 0.5, 20), LIGHT.surface, 30)


def test_selected_bar_stands_out(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(Bars(np.array([3.0, 3.0]), selected=1), axes=AXES))
    assert near(colour_at(canvas, 1, 1.3), LIGHT.accent, 2)
    assert not near(colour_at(canvas, 0, 1.3), LIGHT.palette[0], 40)


def test_text_at_a_place_and_alone(qtbot: QtBot) -> None:
    black = Image(np.zeros((40, 60, 3), np.uint8))
    canvas = shown(qtbot, one(black, Text("HHHHHHHH", (10, 10), colour="#ffffff")))
    assert pixels(view_of(canvas).grab().toImage())[..., 1].max() > 200
    alone = shown(qtbot, one(Text("first"), Text("second", key="b")))
    assert alone.pane("p").text is not None
    assert alone.pane("p").text.text() == "first\n\nsecond"


def test_handles_are_drawn_at_their_value(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(GREY, Handles("roi", "box", (10, 10, 40, 30), colour="#ff00ff")))
    assert near(colour_at(canvas, 17, 10), "#ff00ff", 40)
    assert near(colour_at(canvas, 10, 10), "#ffffff", 10)
    point = shown(qtbot, one(GREY, Handles("at", "point", (30, 20), colour="#ff00ff")))
    assert near(colour_at(point, 30, 20), "#ffffff", 40)


@pytest.mark.parametrize(
    ("mark", "place"),
    [
        (Boxes(np.array([[5.0, 5, 15, 15], [30, 10, 50, 30]])), (40, 20)),
        (Points(np.array([[5.0, 5], [40, 20]])), (40, 20)),
        (Segments(np.array([[0.0, 0], [30, 20]]), np.array([[5.0, 5], [50, 20]])), (40, 20)),
        (Arrows(np.array([[0.0, 0], [30, 20]]), np.array([[5.0, 5], [20, 0]])), (40, 20)),
    ],
)
def test_lit_changes_the_item_and_nothing_else(qtbot: QtBot, mark: Mark, place: tuple[int, int]) -> None:
    canvas = shown(qtbot, one(GREY, mark))
    before = pixels(view_of(canvas).grab().toImage()).astype(int)
    canvas.show_probe(Probe("it", {"p": (Lit(mark.key, 1),)}))
    lit = pixels(view_of(canvas).grab().toImage()).astype(int)
    changed = np.abs(lit - before).max(axis=2) > 10
    there = view_of(canvas).to_widget(*place)
    assert changed.any()
    rows, columns = np.nonzero(changed)
    assert abs(columns.mean() - there.x()) < 12
    assert abs(rows.mean() - there.y()) < 12
    canvas.show_probe(None)
    assert np.array_equal(pixels(view_of(canvas).grab().toImage()), before)
    canvas.show_probe(Probe("", {"p": (Lit(mark.key, 99), Lit("no such mark", 0)), "no such pane": ()}))
    assert np.array_equal(pixels(view_of(canvas).grab().toImage()), before)


def test_probe_marks_lie_on_top(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(GREY))
    canvas.show_probe(Probe("it", {"p": (Boxes(np.array([[10.0, 10, 30, 30]]), colours="#ff00ff", fill=1.0),)}))
    assert near(colour_at(canvas, 20, 20), "#ff00ff")


def test_theme_changes_at_once(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(Curve(np.arange(3.0), np.arange(3.0), width=6), axes=AXES))
    canvas.set_theme(DARK)
    assert near(colour_at(canvas, 0.5, 0.5), DARK.palette[0], 30)
    assert near(colour_at(canvas, 0.2, 1.6), DARK.surface, 30)


def test_notes_stand_above(qtbot: QtBot) -> None:
    canvas = shown(qtbot, Figure(Pane("p", "", (GREY,)), notes=(Note("three dead units", "warning"), Note("so it is"))))
    assert [label.text() for label in canvas.notes()] == ["three dead units", "so it is"]
    assert [label.property("role") for label in canvas.notes()] == ["warning", "note"]
    canvas.set_figure(one(GREY))
    assert canvas.notes() == ()


def test_legend_says_label_unit_and_ends(qtbot: QtBot) -> None:
    from explorer.canvas.legend import legend_words

    canvas = shown(qtbot, one(Heatmap(np.array([[0.0, 2.5]]), "score", "%")))
    (bar,) = canvas.pane("p").legends()
    assert bar.legend is not None
    assert bar.isVisible()
    assert legend_words(bar.legend) == ("score (%)", "0", "2.5")
    canvas.set_figure(one(Tiles(np.zeros((2, 2, 2)), label="activation", each=True)))
    (bar,) = canvas.pane("p").legends()
    assert bar.legend is not None
    assert "each tile has its own range" in legend_words(bar.legend)[2]
    canvas.set_figure(one(Heatmap(np.full((2, 2), np.nan))))
    (bar,) = canvas.pane("p").legends()
    assert bar.legend is not None
    assert legend_words(bar.legend)[1] == "no values"
    canvas.set_figure(one(GREY))
    assert canvas.pane("p").legends() == ()


EMPTY = np.zeros((0, 2))
ODD: list[Mark] = [
    Image(np.zeros((1, 1, 3), np.uint8)),
    Image(np.zeros((1, 300, 3), np.uint8)),
    Image(np.zeros((0, 5, 3), np.uint8)),
    Heatmap(np.zeros((1, 1))),
    Heatmap(np.full((3, 3), np.nan)),
    Heatmap(np.array([[np.inf, -np.inf, 0.0]]), smooth=True),
    Heatmap(np.zeros((0, 4))),
    Heatmap(np.arange(4).reshape(2, 2)),
    Heatmap(np.eye(3, dtype=np.float16), colormap="phase"),
    Tiles(np.zeros((0, 4, 4))),
    Tiles(np.zeros((3, 0, 0))),
    Tiles(np.full((2, 1, 1), np.nan), each=True, selected=7),
    Tiles(np.random.default_rng(0).random((1000, 1, 1)), tuple("abc"), selected=3),
    Boxes(np.zeros((0, 4))),
    Boxes(np.array([[np.nan, 0, 1, 1], [0, 0, np.inf, 1], [3, 3, 1, 1], [1, 1, 1, 1]]), ("a", "b", "c", "d"), fill=0.5),
    Points(EMPTY),
    Points(np.array([[np.nan, 1], [np.inf, 2], [1, 1]]), ("x",)),
    Segments(EMPTY, EMPTY),
    Segments(np.array([[np.nan, 0], [1, 1]]), np.array([[1.0, 1], [1, 1]])),
    Arrows(EMPTY, EMPTY),
    Arrows(np.array([[1.0, 1], [np.inf, 0]]), np.array([[0.0, 0], [1, 1]])),
    Curve(np.zeros(0), np.zeros(0)),
    Curve(np.array([np.nan]), np.array([1.0])),
    Bars(np.zeros(0)),
    Bars(np.array([np.nan, np.inf, -np.inf, 0.0]), ("a",), selected=9),
    Bars(np.zeros(0), edges=np.zeros(1)),
    Table((), ()),
    Table((TableColumn("a"),), ()),
    Table((TableColumn("a"), TableColumn("b", "ms", 2)), (("x", float("nan")), ("y", float("inf"))), selected=5),
    Text("", (0, 0)),
    Text(""),
    Handles("at", "point", (0.0, 0.0)),
    Handles("roi", "box", (5.0, 5.0, 5.0, 5.0)),
]


@pytest.mark.parametrize("axes", [None, AXES, (Axis("x", log=True), Axis("y", log=True))])
@pytest.mark.parametrize("mark", ODD, ids=lambda mark: type(mark).__name__)
def test_odd_data_is_drawn_pointed_at_and_saved(
    qtbot: QtBot, mark: Mark, axes: tuple[Axis, Axis] | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from PySide6.QtCore import QPointF

    solid = isinstance(mark, Image | Heatmap | Tiles | Table | Handles)
    canvas = shown(qtbot, one(mark, axes=None if solid else axes), (320, 240))
    widget = canvas.pane("p")
    if widget.table is None:
        widget.spot_at(QPointF(0.5, 0.5))
        canvas.show_probe(Probe("x", {"p": (Lit(mark.key, 0), mark)}))
    folder = tmp_path_factory.mktemp("odd")
    for kind in get_args(ShownKind):
        held(canvas, kind)(folder / f"a.{kind}")
    assert len(list(folder.iterdir())) == 4


def test_histogram_has_no_seams(qapp: QApplication) -> None:
    # Edges halfway between pixels, where rounding of position and width disagree.
    generator = np.random.default_rng(0)
    for _ in range(40):
        count, low, span = int(generator.integers(20, 60)), generator.uniform(-3, 3), generator.uniform(0.5, 9)
        image = QImage(300, 60, QImage.Format.Format_RGB32)
        image.fill(QColor("#ffffff"))
        scale = 4.5 * count / span
        at = Projection(sx=scale, sy=-5, dx=10.5 - low * scale, dy=55, clip=QRectF(0, 0, 300, 60), photo=False)
        painter = QPainter(image)
        BarsArtist(Bars(np.full(count, 5.0), edges=np.linspace(low, low + span, count + 1))).paint(painter, at)
        painter.end()
        row = pixels(image)[45, 12 : int(10.5 + 4.5 * count) - 1]
        assert (row == row[0]).all()
