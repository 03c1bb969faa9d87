"""From figure to figure: what is kept, what is locked, and what a changed structure does."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu, QSplitter
from pytestqt.qtbot import QtBot

from explorer.canvas.artist import Artist
from explorer.canvas.legend import legend_words
from explorer.canvas.pane import reconciled
from explorer.figure import (
    Axis,
    Bars,
    Boxes,
    Column,
    Curve,
    Figure,
    Heatmap,
    Image,
    Pane,
    Points,
    Row,
    Table,
    TableColumn,
    Text,
    Tiles,
)
from explorer.i18n import set_language
from tests.explorer.canvas_for_tests import colour_at, hover, near, one, pixels, shown, view_of, wheel

AXES = (Axis("x"), Axis("y"))


def heat(high: float, key: str = "p") -> Pane:
    return Pane(key, key, (Heatmap(np.array([[0.0, high]]), "score", colormap="grey"),))


def picture(key: str, **more: object) -> Pane:
    return Pane(key, key, (Image(np.zeros((4, 6, 3), np.uint8)),), **more)  # type: ignore[arg-type]


def legend(canvas: object, key: str = "p") -> tuple[str, str, str]:
    (bar,) = canvas.pane(key).legends()  # type: ignore[attr-defined]
    return legend_words(bar.legend)


def test_artists_are_kept_by_key_and_type_and_fed_only_what_is_new() -> None:
    class Counting(list[object]):
        pass

    image, boxes = Image(np.zeros((2, 2, 3), np.uint8)), Boxes(np.zeros((1, 4)))
    artists = reconciled((image, boxes), [])
    fed: list[object] = Counting()
    for artist in artists:
        original = artist.set

        def spy(mark: object, original: object = original) -> None:
            fed.append(mark)
            original(mark)  # type: ignore[operator]

        artist.set = spy  # type: ignore[method-assign]
    newer = Boxes(np.ones((1, 4)))
    after = reconciled((image, newer), artists)
    assert after[0] is artists[0]
    assert after[1] is artists[1]
    assert fed == [newer]
    other = reconciled((replace(newer, key="other"), Points(np.zeros((1, 2)), key="image")), after)
    assert not {id(artist) for artist in other} & {id(artist) for artist in after}


def test_two_marks_of_one_key_and_type_are_told_apart_by_order() -> None:
    first = reconciled((Curve(np.zeros(1), np.zeros(1)), Curve(np.ones(1), np.ones(1))), [])
    second = reconciled((Curve(np.zeros(1), np.zeros(1)), Curve(np.ones(1), np.ones(1))), first)
    assert [id(artist) for artist in first] == [id(artist) for artist in second]


def test_widgets_are_kept_while_the_structure_is_the_same(qtbot: QtBot) -> None:
    def figure() -> Figure:
        return Figure(Row((picture("a"), Column((picture("b"), heat(1, "c"))))))

    canvas = shown(qtbot, figure())
    before = {widget.pane.key: (widget, widget.view, tuple(widget.artists)) for widget in canvas.panes()}
    canvas.set_figure(figure())
    assert {w.pane.key: (w, w.view, tuple(w.artists)) for w in canvas.panes()} == before


def test_an_unchanged_pane_is_skipped(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    same = heat(1)
    canvas = shown(qtbot, Figure(same))
    fed: list[Pane] = []
    monkeypatch.setattr(canvas.pane("p"), "set_pane", fed.append)
    canvas.set_figure(Figure(same))
    assert fed == []
    other = heat(1)
    canvas.set_figure(Figure(other))
    assert fed == [other]


def test_splitters_keep_what_the_user_pulled_even_after_another_structure(qtbot: QtBot) -> None:
    def wide() -> Figure:
        return Figure(Row((picture("a"), picture("b")), (3, 1)))

    canvas = shown(qtbot, wide(), (800, 400))
    splitter = canvas.findChild(QSplitter)
    assert isinstance(splitter, QSplitter)
    left, right = splitter.sizes()
    assert left == pytest.approx(3 * right, rel=0.1)
    splitter.setSizes([200, 590])
    pulled = splitter.sizes()
    canvas.set_figure(wide())
    assert splitter.sizes() == pulled
    canvas.set_figure(Figure(picture("a")))
    QApplication.processEvents()
    canvas.set_figure(wide())
    QApplication.processEvents()
    again = canvas.findChild(QSplitter)
    assert isinstance(again, QSplitter)
    assert again.sizes() == pytest.approx(pulled, abs=2)


def test_panes_come_and_go_and_leave_nothing(qtbot: QtBot) -> None:
    canvas = shown(qtbot, Figure(Row((picture("a"), picture("b")))))
    kept, gone = canvas.pane("a"), weakref.ref(canvas.pane("b"))
    canvas.set_figure(Figure(Column((picture("c"), picture("a")))))
    assert canvas.pane("a") is kept
    assert [widget.pane.key for widget in canvas.panes()] == ["c", "a"]
    assert all(widget.isVisible() for widget in canvas.panes())
    with pytest.raises(KeyError):
        canvas.pane("b")
    QApplication.sendPostedEvents(None, 52)  # DeferredDelete
    gc.collect()
    assert gone() is None
    assert len(canvas.findChildren(QSplitter)) == 1


def test_a_pane_changes_its_kind(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(Text("words")))
    assert canvas.pane("p").text is not None
    canvas.set_figure(one(Table((TableColumn("a"),), ((1,),))))
    assert canvas.pane("p").table is not None
    assert canvas.pane("p").text is None
    canvas.set_figure(one(Bars(np.ones(3)), axes=AXES))
    assert view_of(canvas).around is not None
    canvas.set_figure(one(Image(np.full((4, 4, 3), 9, np.uint8))))
    assert view_of(canvas).around is None
    QApplication.processEvents()
    assert colour_at(canvas, 2, 2) == (9, 9, 9)


def test_a_table_whose_length_changes_stays_where_one_has_scrolled(qtbot: QtBot) -> None:
    def figure(count: int, scale: float = 1.0) -> Figure:
        return one(
            Table((TableColumn("n"), TableColumn("x", digits=1)), tuple((f"r{i}", i * scale) for i in range(count)))
        )

    canvas = shown(qtbot, figure(200))
    view = canvas.pane("p").table
    assert view is not None
    view.verticalScrollBar().setValue(50)
    for count in (201, 150, 400, 180):
        canvas.set_figure(figure(count, 2.0))
        QApplication.processEvents()
        assert view.verticalScrollBar().value() == 50
        assert view.model().rowCount() == count
        assert view.model().index(count - 1, 1).data() == f"{(count - 1) * 2.0:.1f}"
    canvas.set_figure(figure(0))
    assert view.model().rowCount() == 0


def test_a_new_table_repaints(qtbot: QtBot) -> None:
    def figure(value: float) -> Figure:
        return one(Table((TableColumn("x"),), ((value,),)))

    canvas = shown(qtbot, figure(1.0))
    view = canvas.pane("p").table
    assert view is not None
    before = pixels(view.viewport().grab().toImage())
    changes: list[object] = []
    view.model().dataChanged.connect(lambda *sent: changes.append(sent))
    canvas.set_figure(figure(1.0))
    assert changes == []
    canvas.set_figure(figure(8.0))
    assert len(changes) == 1
    assert (pixels(view.viewport().grab().toImage()) != before).any()


def test_two_panes_of_one_key_are_refused(qtbot: QtBot) -> None:
    canvas = shown(qtbot, Figure(picture("a")))
    with pytest.raises(ValueError, match="'a'"):
        canvas.set_figure(Figure(Row((picture("a"), picture("a")))))


def test_a_new_pane_joins_the_zoom_of_its_space(qtbot: QtBot) -> None:
    canvas = shown(qtbot, Figure(picture("a", space="s")))
    wheel(canvas, 3, 2, 4, "a")
    middle = view_of(canvas, "a").visible().center()
    canvas.set_figure(Figure(Row((picture("a", space="s"), picture("b", space="s")))))
    QApplication.processEvents()
    joined = view_of(canvas, "b").visible().center()
    assert (joined.x(), joined.y()) == pytest.approx((middle.x(), middle.y()), abs=0.05)


def test_maps_in_the_same_colours_share_a_legend(qtbot: QtBot) -> None:
    def side_by_side(*highs: float) -> Figure:
        marks = [
            Heatmap(
                np.ones((2 + n, 3)), "score", "", 0.0, high, extent=(4.0 * n, 0.0, 4.0 * n + 4, 4.0), key=f"map {n}"
            )
            for n, high in enumerate(highs)
        ]
        return Figure(Pane("p", "p", tuple(marks)))

    canvas = shown(qtbot, side_by_side(2.0, 2.0, 2.0))
    assert legend(canvas)[2] == "2"
    assert [canvas.pane("p").spot_at(QPointF(x, 1))[0].mark for x in (1, 5, 9)] == ["map 0", "map 1", "map 2"]
    canvas.set_figure(side_by_side(2.0, 3.0, 2.0))
    assert [legend_words(bar.legend)[2] for bar in canvas.pane("p").legends() if bar.legend] == ["2", "3"]


def test_the_range_follows_the_data_until_it_is_locked(qtbot: QtBot) -> None:
    canvas = shown(qtbot, Figure(heat(1)))
    canvas.set_figure(Figure(heat(2)))
    assert legend(canvas)[2] == "2"
    canvas.pane("p").lock(True)
    canvas.set_figure(Figure(heat(8)))
    assert legend(canvas)[2] == "2"
    half = Pane("p", "p", (Heatmap(np.array([[0.0, 1.0]]), "score", colormap="grey"),))
    canvas.set_figure(Figure(half))
    QApplication.processEvents()
    assert near(colour_at(canvas, 1.5, 0.5), (128, 128, 128), 3)
    (bar,) = canvas.pane("p").legends()
    assert bar.legend is not None
    assert bar.legend.locked
    canvas.pane("p").lock(False)
    assert legend(canvas)[2] == "1"


def test_a_click_on_the_legend_locks(qtbot: QtBot) -> None:
    canvas = shown(qtbot, Figure(heat(1)))
    (bar,) = canvas.pane("p").legends()
    QTest.mouseClick(bar, Qt.MouseButton.LeftButton)
    assert canvas.pane("p").locked
    QTest.mouseClick(bar, Qt.MouseButton.LeftButton)
    assert not canvas.pane("p").locked


@pytest.mark.parametrize("each", [False, True])
def test_tiles_lock_their_ranges(qtbot: QtBot, each: bool) -> None:
    def figure(scale: float) -> Figure:
        return one(Tiles(scale * np.array([[[0.0, 1]], [[0, 4]]]), each=each, colormap="grey"))

    canvas = shown(qtbot, figure(1))
    x, y = canvas.pane("p").artists[0].grid.origin(1)  # type: ignore[attr-defined]
    canvas.pane("p").lock(True)
    canvas.set_figure(figure(0.5))
    QApplication.processEvents()
    assert near(colour_at(canvas, x + 1.5, y + 0.5), (128, 128, 128), 3)
    canvas.pane("p").lock(False)
    QApplication.processEvents()
    assert near(colour_at(canvas, x + 1.5, y + 0.5), (255, 255, 255), 3)


def test_tiles_of_another_number_forget_locked_own_ranges(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(Tiles(np.ones((3, 2, 2)), each=True)))
    canvas.pane("p").lock(True)
    canvas.set_figure(one(Tiles(np.ones((5, 2, 2)), each=True)))
    QApplication.processEvents()
    assert len(canvas.pane("p").artists[0]._low) == 5  # type: ignore[attr-defined]


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("each", [True, False])
def test_tiles_that_get_another_kind_of_range_while_locked_are_drawn(qtbot: QtBot, each: bool, count: int) -> None:
    """One range for all in place of one for each, with as many tiles or others, and the other way round."""
    canvas = shown(qtbot, one(Tiles(np.arange(12.0).reshape(3, 2, 2), each=each)))
    canvas.pane("p").lock(True)
    canvas.set_figure(one(Tiles(np.arange(4.0 * count).reshape(count, 2, 2), each=not each)))
    drawn = pixels(view_of(canvas).grab().toImage())
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 4


def test_a_locked_chart_keeps_its_axes(qtbot: QtBot) -> None:
    def figure(high: float) -> Figure:
        return one(Curve(np.arange(3.0), np.array([0, high / 2, high])), axes=AXES)

    canvas = shown(qtbot, figure(1))
    canvas.set_figure(figure(10))
    seen = view_of(canvas).visible()
    assert seen.bottom() > 10
    canvas.pane("p").lock(True)
    canvas.set_figure(figure(100))
    assert view_of(canvas).visible() == seen
    canvas.pane("p").lock(False)
    canvas.set_figure(figure(100))
    assert view_of(canvas).visible().bottom() > 100


def test_colour_map_of_one_s_own_stays_from_frame_to_frame(qtbot: QtBot) -> None:
    canvas = shown(qtbot, Figure(heat(1)))
    canvas.pane("p").recolour("viridis")
    canvas.set_figure(Figure(heat(1)))
    QApplication.processEvents()
    assert near(colour_at(canvas, 1.5, 0.5), (253, 231, 37), 4)
    canvas.pane("p").recolour(None)
    QApplication.processEvents()
    assert near(colour_at(canvas, 1.5, 0.5), (255, 255, 255), 2)


def texts(menu: QMenu) -> list[str]:
    return [action.text() for action in menu.actions() if not action.isSeparator()]


def test_the_menu_offers_what_the_pane_can_do(qtbot: QtBot) -> None:
    canvas = shown(qtbot, Figure(Row((heat(1, "a"), Pane("b", "b", (Text("words"),))))))
    menu = QMenu()
    qtbot.addWidget(menu)
    canvas.pane("a").fill_menu(menu)
    saves = ["Copy picture", "Save PNG…", "Save SVG…", "Save CSV…", "Save NPZ…"]
    assert texts(menu) == [*saves, "Lock range", "Colour map", "Fit"]
    actions = {action.text(): action for action in menu.actions()}
    actions["Lock range"].trigger()
    assert canvas.pane("a").locked
    maps = actions["Colour map"].menu()
    assert isinstance(maps, QMenu)
    assert maps.actions()[0].isChecked()
    next(action for action in maps.actions() if action.text() == "Cividis").trigger()
    assert canvas.pane("a").colormap == "cividis"
    plain = QMenu()
    qtbot.addWidget(plain)
    canvas.pane("b").fill_menu(plain)
    assert texts(plain) == saves


def test_the_language_changes_while_running(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(Tiles(np.zeros((2, 2, 2)), label="activation", each=True)))
    hover(canvas, 0.5, 0.5)
    qtbot.waitUntil(lambda: "in cell" in canvas.readout)
    set_language("zh_CN")
    canvas.retranslate()
    assert "位于单元格 (0, 0)" in canvas.readout
    menu = QMenu()
    qtbot.addWidget(menu)
    canvas.pane("p").fill_menu(menu)
    assert texts(menu)[0] == "复制图像"
    assert legend(canvas)[1] == "低"


def test_labels_of_bars_change_with_the_figure(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(Bars(np.ones(2), ("a", "b")), axes=AXES))
    around = view_of(canvas).around
    assert around is not None
    assert around.plot.getAxis("bottom")._tickLevels == [[(0, "a"), (1, "b")]]
    canvas.set_figure(one(Bars(np.ones(3), ("c", "d", "e")), axes=AXES))
    assert around.plot.getAxis("bottom")._tickLevels == [[(0, "c"), (1, "d"), (2, "e")]]
    canvas.set_figure(one(Bars(np.ones(100), tuple(f"a long label {i}" for i in range(100))), axes=AXES))
    assert len(around.plot.getAxis("bottom")._tickLevels[0]) < 12
    canvas.set_figure(one(Bars(np.ones(3)), axes=AXES))
    assert around.plot.getAxis("bottom")._tickLevels is None


def test_axes_say_label_and_unit(qtbot: QtBot) -> None:
    canvas = shown(qtbot, one(Bars(np.ones(2)), axes=(Axis("time", "ms"), Axis("n", log=True))))
    around = view_of(canvas).around
    assert around is not None
    assert around.plot.getAxis("bottom").labelText == "time (ms)"
    assert around.plot.getAxis("left").logMode
    canvas.set_figure(one(Bars(np.ones(2)), axes=(Axis("time", "s"), Axis("n"))))
    assert around.plot.getAxis("bottom").labelText == "time (s)"
    assert not around.plot.getAxis("left").logMode


def test_an_artist_says_nothing_by_default() -> None:
    artist = Artist(Text("x"))
    assert artist.extent() is None
    assert artist.legend() is None


def test_memory_stays_flat_over_many_figures(qtbot: QtBot) -> None:
    def figure() -> Figure:
        return Figure(Row((heat(1, "a"), Pane("b", "b", (Tiles(np.zeros((9, 4, 4))),)))))

    canvas = shown(qtbot, figure())
    first = figure()
    mark = weakref.ref(first.panes()[1].marks[0].values)  # type: ignore[union-attr]
    canvas.set_figure(first)
    QApplication.processEvents()
    del first
    for _ in range(3):
        canvas.set_figure(figure())
        QApplication.processEvents()
    gc.collect()
    assert mark() is None
