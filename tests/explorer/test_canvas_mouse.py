"""The mouse and the keys on the canvas: spots, clicks, handles, zoom and the read-out."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from explorer.canvas.handles import HandlesArtist
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
    Mark,
    Pane,
    Points,
    Probe,
    Row,
    Segments,
    Spot,
    Table,
    TableColumn,
    Text,
    Tiles,
)
from tests.explorer.canvas_for_tests import (
    approx,
    click,
    collect,
    drag,
    hover,
    one,
    place,
    shown,
    view_of,
    wheel,
)

PICTURE = Image(np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3))
AXES = (Axis("step"), Axis("loss", "nats"))


def picked_at(qtbot: QtBot, figure: Figure, x: float, y: float) -> Spot:
    canvas = shown(qtbot, figure)
    with qtbot.waitSignal(canvas.picked) as caught:
        click(canvas, x, y)
    (spot,) = caught.args
    assert isinstance(spot, Spot)
    return spot


@pytest.mark.parametrize(
    ("marks", "x", "y", "mark", "index"),
    [
        ((PICTURE,), 12.5, 30.5, "image", None),
        ((PICTURE, Heatmap(np.ones((4, 6)), extent=(0, 0, 60, 40))), 12.5, 30.5, "heatmap", None),
        ((PICTURE, Heatmap(np.full((4, 6), np.nan), extent=(0, 0, 60, 40))), 12.5, 30.5, "image", None),
        ((PICTURE, Boxes(np.array([[1.0, 1, 50, 39], [10, 10, 20, 20]]))), 15.5, 15.5, "boxes", 1),
        ((PICTURE, Boxes(np.array([[1.0, 1, 50, 39], [10, 10, 20, 20]]))), 40.5, 30.5, "boxes", 0),
        ((PICTURE, Boxes(np.array([[1.0, 1, 50, 39]]))), 55.5, 30.5, "image", None),
        (
            (PICTURE, Boxes(np.array([[1.0, 1, 50, 39]])), Points(np.array([[9.0, 9], [30, 20]]))),
            30.2,
            20.2,
            "points",
            1,
        ),
        ((PICTURE, Segments(np.array([[0.0, 0], [0, 40]]), np.array([[60.0, 0], [60, 0]]))), 30, 20, "segments", 1),
        ((PICTURE, Arrows(np.array([[10.0, 20]]), np.array([[40.0, 0]]))), 30, 20.1, "arrows", 0),
        ((PICTURE, Text("words", (10, 10))), 11, 11, "text", None),
        ((PICTURE, Handles("at", "point", (30, 20))), 30, 20, "handles", None),
    ],
)
def test_spots_on_a_picture(
    qtbot: QtBot, marks: tuple[Mark, ...], x: float, y: float, mark: str, index: int | None
) -> None:
    spot = picked_at(qtbot, one(*marks), x, y)
    assert (spot.pane, spot.mark, spot.index) == ("p", mark, index)
    assert (spot.x, spot.y) == approx(x, y, tolerance=0.15)


def test_spot_beside_everything_has_no_mark(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(PICTURE), (640, 300))
    with qtbot.waitSignal(canvas.picked) as caught:
        click(canvas, -5, 20)
    assert caught.args[0].mark == ""
    assert caught.args[0].index is None


@pytest.mark.parametrize("tile", [0, 3, 6])
def test_spots_on_tiles_count_in_the_tile_s_cells(qtbot: QtBot, tile: int) -> None:
    figure = one(Tiles(np.zeros((7, 3, 5))))
    canvas = shown(qtbot, figure)
    x, y = canvas.pane("p").artists[0].grid.origin(tile)  # type: ignore[attr-defined]
    with qtbot.waitSignal(canvas.picked) as caught:
        click(canvas, x + 3.5, y + 1.5)
    spot = caught.args[0]
    assert (spot.mark, spot.index) == ("tiles", tile)
    assert (spot.x, spot.y) == approx(3.5, 1.5, tolerance=0.1)


@pytest.mark.parametrize(
    ("mark", "axes", "x", "y", "index"),
    [
        (Bars(np.array([3.0, 1.0, 2.0])), AXES, 1, 2.5, 1),
        (Bars(np.array([3.0, 1.0, 2.0]), horizontal=True), AXES, 2.5, 1, 1),
        (Bars(np.array([3.0, 1.0]), edges=np.array([0.0, 1, 4])), AXES, 3.5, 0.5, 1),
        (Curve(np.arange(5.0), np.arange(5.0)), AXES, 3.0, 3.0, 3),
        (Curve(np.arange(1, 6.0), 10.0 ** np.arange(5)), (AXES[0], Axis("y", log=True)), 3.0, 100.0, 2),
        (Points(np.array([[1.0, 1], [2, 5]])), AXES, 2, 5, 1),
    ],
)
def test_spots_on_a_chart(qtbot: QtBot, mark: Mark, axes: tuple[Axis, Axis], x: float, y: float, index: int) -> None:
    spot = picked_at(qtbot, one(mark, axes=axes), x, y)
    assert (spot.mark, spot.index) == (mark.key, index)
    assert (spot.x, spot.y) == (pytest.approx(x, rel=0.03), pytest.approx(y, rel=0.1))


def test_every_cell_maps_to_the_screen_and_back(qtbot: QtBot) -> None:
    values = np.arange(35.0).reshape(5, 7)
    canvas = shown(qtbot, one(Heatmap(values, "score", extent=(10, 20, 80, 70))))
    widget = canvas.pane("p")
    for row in range(5):
        for column in range(7):
            x, y = 10 + 10 * (column + 0.5), 20 + 10 * (row + 0.5)
            there = view_of(canvas).to_widget(x, y)
            back = view_of(canvas).to_pane(there)
            assert back is not None
            assert (back.x(), back.y()) == approx(x, y, tolerance=1e-6)
            spot, words = widget.spot_at(back)
            assert spot.mark == "heatmap"
            assert f"score {row * 7 + column} in cell ({column}, {row})" in words


def test_table_rows_are_picked_with_mouse_and_keys(qtbot: QtBot) -> None:
    table = Table((TableColumn("name"), TableColumn("time", "ms", 1)), tuple((f"r{i}", i * 1.5) for i in range(5)))
    canvas = shown(qtbot, one(table))
    view = canvas.pane("p").table
    assert view is not None
    spots = collect(canvas.picked)
    middle = QPoint(20, view.rowViewportPosition(2) + 4)
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
    assert spots == [Spot("p", "table", 0.0, 2.0, 2)]
    QTest.keyClick(view, Qt.Key.Key_Down)
    assert spots[-1] == Spot("p", "table", 0.0, 3.0, 3)
    QTest.mouseMove(view.viewport(), QPoint(20, view.rowViewportPosition(1) + 4))
    qtbot.waitUntil(lambda: canvas.spot is not None and canvas.spot.index == 1)
    assert "time 1.5 ms" in canvas.readout


def test_table_aligns_numbers_and_names_units(qtbot: QtBot) -> None:
    columns = (TableColumn("name"), TableColumn("time", "ms", 2), TableColumn("n"))
    canvas = shown(qtbot, one(Table(columns, (("a", 1.5, 7), ("b", 12.25, 8)), selected=1)))
    view = canvas.pane("p").table
    assert view is not None
    model = view.model()
    assert [model.headerData(i, Qt.Orientation.Horizontal) for i in range(3)] == ["name", "time (ms)", "n"]
    assert [model.index(1, i).data() for i in range(3)] == ["b", "12.25", "8"]
    assert model.index(0, 1).data(Qt.ItemDataRole.TextAlignmentRole) & Qt.AlignmentFlag.AlignRight
    assert model.index(0, 0).data(Qt.ItemDataRole.TextAlignmentRole) & Qt.AlignmentFlag.AlignLeft
    assert view.chosen_row == 1


def test_hover_tells_the_spot_and_the_readout_its_value(qtbot: QtBot) -> None:
    over = Heatmap(np.array([[0.25, 0.75]]), "score", "%", extent=(0, 0, 60, 40))
    boxes = Boxes(np.array([[30.0, 10, 50, 30]]), ("dog 0.93",))
    canvas = shown(qtbot, one(PICTURE, over, boxes))
    spots = collect(canvas.hovered)
    hover(canvas, 40.5, 20.5)
    qtbot.waitUntil(lambda: bool(spots))
    spot = spots[-1]
    assert isinstance(spot, Spot)
    assert (spot.mark, spot.index) == ("boxes", 0)
    red, green, blue = PICTURE.pixels[20, 40]
    for words in ("x 40.", "y 20.", "dog 0.93", "20 × 20", "score 0.75 % in cell (1, 0)", f"RGB {red} {green} {blue}"):
        assert words in canvas.readout
    assert canvas.spot == spot


def test_hover_is_rate_limited_and_the_last_place_counts(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(PICTURE))
    spots = collect(canvas.hovered)
    for x in np.linspace(2, 58, 200):
        QTest.mouseMove(view_of(canvas).viewport(), place(canvas, x, 20))
    qtbot.waitUntil(lambda: canvas.spot is not None and abs(canvas.spot.x - 58) < 0.5)
    assert len(spots) < 60


def test_leaving_says_none(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(PICTURE))
    hover(canvas, 20, 20)
    qtbot.waitUntil(lambda: canvas.spot is not None)
    with qtbot.waitSignal(canvas.hovered, check_params_cb=lambda spot: spot is None):
        QApplication.sendEvent(view_of(canvas), QEvent(QEvent.Type.Leave))
    assert canvas.readout == ""


def test_the_readout_follows_a_new_figure_under_a_still_pointer(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(Heatmap(np.array([[1.0]]), "score")))
    hover(canvas, 0.5, 0.5)
    qtbot.waitUntil(lambda: "score 1" in canvas.readout)
    spots = collect(canvas.hovered)
    canvas.set_figure(one(Heatmap(np.array([[2.0]]), "score")))
    assert "score 2" in canvas.readout
    assert len(spots) == 1, "what is under it is of another figure"
    canvas.set_figure(one(Heatmap(np.array([[2.0]]), "score"), Boxes(np.array([[0.0, 0, 1, 1]]))))
    assert len(spots) == 2


def test_probe_words_join_the_readout(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(PICTURE))
    hover(canvas, 20, 20)
    qtbot.waitUntil(lambda: canvas.spot is not None)
    canvas.show_probe(Probe("channel 12\nreceptive field 91 px"))
    assert "channel 12 · receptive field 91 px" in canvas.readout
    canvas.show_probe(None)
    assert "channel" not in canvas.readout


def test_tiles_readout_has_exact_values_even_where_pixels_cannot(qtbot: QtBot) -> None:
    values = np.random.default_rng(0).random((300, 40, 40))
    canvas = shown(qtbot, one(Tiles(values, tuple(f"channel {i}" for i in range(300)), "activation")), (320, 240))
    x, y = canvas.pane("p").artists[0].grid.origin(123)  # type: ignore[attr-defined]
    _, words = canvas.pane("p").spot_at(QPointF(x + 17.5, y + 3.5))
    assert words == [f"channel 123 · activation {values[123, 3, 17]:.4g} in cell (17, 3)"]


def test_a_click_that_trembles_is_a_click_and_a_drag_is_not(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(PICTURE))
    spots = collect(canvas.picked)
    target, start = view_of(canvas).viewport(), place(canvas, 30, 20)
    QTest.mousePress(target, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    QTest.mouseMove(target, start + QPoint(1, 1))
    QTest.mouseRelease(target, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start + QPoint(1, 1))
    assert len(spots) == 1
    drag(canvas, [(30, 20), (35, 22), (40, 25)])
    assert len(spots) == 1


def test_drag_pans_and_wheel_zooms_around_the_pointer(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(PICTURE))
    view = view_of(canvas)
    before = view.to_widget(45, 30)
    wheel(canvas, 45, 30, 4)
    after = view.to_widget(45, 30)
    assert (after.x(), after.y()) == approx(before.x(), before.y())
    assert view.visible().width() < 40
    width = view.visible().width()
    grabbed = view.to_widget(45, 30)
    drag(canvas, [(45, 30), (43, 29), (41, 28)])
    moved = view.to_widget(45, 30)
    assert view.visible().width() == pytest.approx(width)
    assert moved.x() < grabbed.x() - 20
    click_double(canvas)
    assert view.wanted is None
    assert view.visible().width() >= 60


def click_double(canvas: object, key: str = "p") -> None:
    view = view_of(canvas, key)  # type: ignore[arg-type]
    middle = view.viewport().rect().center()
    QTest.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)


def test_zoom_has_ends(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(PICTURE))
    for _ in range(40):
        wheel(canvas, 30, 20, 5)
    assert 0.5 < view_of(canvas).visible().width() <= 3
    for _ in range(60):
        wheel(canvas, 30, 20, -5)
    assert view_of(canvas).visible().width() < 60 * 15
    canvas.fit()
    assert view_of(canvas).visible().contains(QRectF(0.1, 0.1, 59.8, 39.8))


def test_keys_zoom_and_fit(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(PICTURE))
    view = view_of(canvas)
    width = view.visible().width()
    QTest.keyClick(view, Qt.Key.Key_Plus)
    assert view.visible().width() < width
    QTest.keyClick(view, Qt.Key.Key_Minus)
    assert view.visible().width() == pytest.approx(width)
    QTest.keyClick(view, Qt.Key.Key_Plus)
    QTest.keyClick(view, Qt.Key.Key_0)
    assert view.visible().width() == pytest.approx(width)


def linked() -> Figure:
    def pane(key: str, space: str) -> Pane:
        return Pane(key, key, (PICTURE,), space=space, size=(60, 40))

    return Figure(Row((pane("a", "picture"), pane("b", "picture"), pane("c", ""))))


def test_zoom_and_pan_are_common_to_a_space(qtbot: QtBot) -> None:
    canvas = shown(qtbot, linked(), (900, 300))
    alone = view_of(canvas, "c").visible()
    wheel(canvas, 20, 10, 6, "a")
    first, second = view_of(canvas, "a").visible(), view_of(canvas, "b").visible()
    assert (second.center().x(), second.center().y()) == approx(first.center().x(), first.center().y(), tolerance=0.01)
    assert second.width() == pytest.approx(first.width(), rel=0.05)
    assert view_of(canvas, "c").visible() == alone
    drag(canvas, [(20, 10), (22, 11), (24, 12)], "b")
    first, second = view_of(canvas, "a").visible(), view_of(canvas, "b").visible()
    assert (second.center().x(), second.center().y()) == approx(first.center().x(), first.center().y(), tolerance=0.01)
    click_double(canvas, "b")
    assert view_of(canvas, "a").wanted is None


def test_zoom_survives_new_frames_but_not_another_picture(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(PICTURE))
    wheel(canvas, 20, 10, 5)
    seen = view_of(canvas).visible()
    canvas.set_figure(one(Image(PICTURE.pixels.copy())))
    assert view_of(canvas).visible() == seen
    canvas.set_figure(one(Image(np.zeros((400, 600, 3), np.uint8))))
    assert view_of(canvas).visible().width() >= 600


def test_resizing_keeps_the_middle(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(PICTURE))
    wheel(canvas, 20, 10, 5)
    middle = view_of(canvas).visible().center()
    canvas.resize(400, 500)
    QApplication.processEvents()
    now = view_of(canvas).visible()
    assert (now.center().x(), now.center().y()) == approx(middle.x(), middle.y(), tolerance=0.01)
    at = view_of(canvas).projection()
    assert at.sx == pytest.approx(at.sy)


BOX = Handles("roi", "box", (10, 10, 40, 30), bounds=(0, 0, 60, 40))


@pytest.mark.parametrize(
    ("start", "end", "value"),
    [
        ((25, 20), (30, 22), (15, 12, 45, 32)),
        ((10, 10), (5, 6), (5, 6, 40, 30)),
        ((40, 30), (50, 35), (10, 10, 50, 35)),
        ((40, 20), (55, 0), (10, 10, 55, 30)),
        ((25, 10), (25, 4), (10, 4, 40, 30)),
        ((25, 20), (59, 20), (30, 10, 60, 30)),
        ((40, 20), (5, 20), (5, 10, 10, 30)),
    ],
)
def test_dragging_a_box(
    qtbot: QtBot, start: tuple[float, float], end: tuple[float, float], value: tuple[float, ...]
) -> None:
    canvas = shown(qtbot, one(PICTURE, BOX))
    edits, spots = collect(canvas.edited), collect(canvas.picked)
    middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    drag(canvas, [start, middle, end])
    assert len(edits) >= 2
    field, found = edits[-1]  # type: ignore[misc]
    assert field == "roi"
    assert found == approx(*value, tolerance=0.2)
    assert spots == []


def test_dragging_a_point_stays_inside_and_ahead_of_old_figures(qtbot: QtBot) -> None:
    def figure(x: float, y: float) -> Figure:
        return one(PICTURE, Handles("at", "point", (x, y), bounds=(0, 0, 60, 40)))

    canvas = shown(qtbot, figure(30, 20))
    edits = collect(canvas.edited)
    drag(canvas, [(30, 20), (40, 10), (59, -9)])
    assert edits[-1][1] == approx(59, 0, tolerance=0.2)  # type: ignore[index]
    handle = canvas.pane("p").artists[1]
    assert isinstance(handle, HandlesArtist)
    canvas.set_figure(figure(30, 20))
    assert handle.value == approx(59, 0, tolerance=0.2)
    x, y = handle.value
    canvas.set_figure(figure(x, y))
    canvas.set_figure(figure(12, 13))
    assert handle.value == (12, 13)


def test_arrow_keys_move_the_chosen_handle_by_a_pixel(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(PICTURE, BOX, Handles("at", "point", (50, 35), bounds=(0, 0, 60, 40), key="other")))
    edits = collect(canvas.edited)
    QTest.keyClick(view_of(canvas), Qt.Key.Key_Left)
    assert edits == []
    click(canvas, 50, 35)
    QTest.keyClick(view_of(canvas), Qt.Key.Key_Left)
    QTest.keyClick(view_of(canvas), Qt.Key.Key_Down)
    QTest.keyClick(view_of(canvas), Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert edits == [("at", (49, 35)), ("at", (49, 36)), ("at", (59, 36))]


def test_click_on_a_handle_is_still_a_click(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(PICTURE, BOX))
    spots = collect(canvas.picked)
    click(canvas, 25, 20)
    assert [spot.mark for spot in spots] == ["image"]  # type: ignore[attr-defined]


def test_chart_zooms_freely_and_fits_again(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(Curve(np.arange(10.0), np.arange(10.0)), axes=AXES))
    view = view_of(canvas)
    before = view.visible()
    wheel(canvas, 5, 5, 5)
    assert view.visible().width() < before.width()
    canvas.set_figure(one(Curve(np.arange(10.0), np.arange(10.0) * 2), axes=AXES))
    assert view.visible().width() < before.width()
    canvas.fit()
    assert view.visible().contains(QRectF(0, 0, 9, 18))
