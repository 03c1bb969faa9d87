"""The layer that panels are made from: places that light each other, cells, walks, numbers, knobs."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer import pointing
from explorer.figure import Bars, Boxes, Figure, Heatmap, Image, Lit, Note, Pane, Points, Row, Spot, Text
from explorer.panel import Frame, check, knob
from explorer.views.cells import Cells
from explorer.views.items import Items, matrix
from explorer.views.mosaic import FINEST, Mosaic, columns_for, ground
from explorer.views.positions import Positions
from explorer.views.predictions import change, class_names, classes_pane, top_classes
from explorer.views.said import count, fixed, num, par, percent, plus, shape, terms
from explorer.views.strips import strips_pane
from explorer.views.walk import Step, walk

FRAME = Frame(np.zeros((40, 60, 3), np.uint8))


def fine() -> Positions:
    return Positions.dividing(FRAME, 8, 12)  # cells of 5 x 5


def coarse() -> Positions:
    return Positions.dividing(FRAME, 2, 3)  # cells of 20 x 20


def test_maps_of_other_cells_light_the_same_place() -> None:
    a, b = fine(), coarse()
    figure = Figure(Row((a.map("a", "A", np.zeros((8, 12))), b.map("b", "B", np.zeros((2, 3))))))
    probe = pointing.probe(figure, pointing.name, Spot("a", "heatmap", 42.0, 12.0))
    assert probe is not None
    assert probe.text == "cell (8, 2)"
    (small,), (large,) = probe.marks["a"], probe.marks["b"]
    assert isinstance(small, Boxes)
    assert small.xyxy.tolist() == [[40, 10, 45, 15]]
    assert isinstance(large, Boxes)
    assert large.xyxy.tolist() == [[40, 0, 60, 20]]
    assert pointing.probe(figure, pointing.name, Spot("a", "", 60.5, 12.0)) is None


def test_a_place_in_a_tile_is_a_place_of_the_picture_and_back() -> None:
    at = coarse()
    channels = Items("channel", np.array([4, 2]), 2)
    tiles = channels.tiles("tiles", "Channels", np.zeros((5, 2, 3)), "activation", cells=at.cells)
    figure = Figure(Row((at.picture("picture", "Picture"), tiles)))
    probe = pointing.probe(figure, pointing.name, Spot("tiles", "items", 1.5, 0.5, 0))
    assert probe is not None
    assert probe.text == "channel 4 · cell (1, 0)"
    (box,), (lit,) = probe.marks["picture"], probe.marks["tiles"]
    assert isinstance(box, Boxes)
    assert box.xyxy.tolist() == [[20, 0, 40, 20]]
    assert isinstance(lit, Lit)
    assert (lit.index, lit.x, lit.y) == (0, 1.5, 0.5)
    back = pointing.probe(figure, pointing.name, Spot("picture", "image", 55.0, 25.0))
    assert back is not None
    (lit,) = back.marks["tiles"]
    assert isinstance(lit, Lit)
    assert (lit.index, lit.x, lit.y) == (1, 2.5, 1.5), "the chosen channel's tile"


def test_a_click_sets_knobs_of_the_dimensions_name_and_again_takes_it_back() -> None:
    names = ("first", "second", "third")
    layers = Items.all("layer", 3, 1, words=lambda i: names[i], value=lambda i: names[i], again="")
    pane = layers.table("table", "Layers", ("name",), lambda i: (names[i],))
    figure = Figure(pane)
    assert pointing.pick(figure, {"layer": "second"}, Spot("table", "items", 0, 0, 2)) == {"layer": "third"}
    assert pointing.pick(figure, {"layer": "second"}, Spot("table", "items", 0, 0, 1)) == {"layer": ""}
    assert pointing.pick(figure, {"other": 1}, Spot("table", "items", 0, 0, 1)) is None
    assert pointing.pick(figure, {"layer": "second"}, Spot("table", "items", 0, 0, 3)) is None
    assert pointing.pick(figure, {"layer": "second"}, Spot("elsewhere", "items", 0, 0, 1)) is None


def test_bars_a_curve_and_a_matrix_of_one_dimension() -> None:
    some = Items("unit", np.array([3, 0, 1]), 0, label="unit")
    values = np.array([1.0, 2.0, 3.0, 4.0])
    bars = some.bars("bars", "Bars", values, "value")
    curve = some.curve("curve", "Curve", values, axis=bars.axes[1] if bars.axes else None)  # type: ignore[arg-type]
    both = matrix("both", "Both", np.arange(16.0).reshape(4, 4), some, Items.all("other", 4))
    figure = Figure(Row((bars, curve, both)))
    assert isinstance(bars.marks[0], Bars)
    assert bars.marks[0].values.tolist() == [4, 1, 2]
    chosen = bars.marks[1]
    assert isinstance(chosen, Points)
    assert chosen.xy.tolist() == [[1, 1]]
    heat = both.marks[0]
    assert isinstance(heat, Heatmap)
    assert heat.values[:, 0].tolist() == [12, 0, 4]
    for spot in (Spot("bars", "items", 2, 1, 2), Spot("curve", "", 1.7, 0), Spot("both", "matrix", 3.5, 2.5)):
        at = pointing.place_of(figure, spot)
        assert at is not None
        assert at["unit"] == 1
        assert pointing.light(figure, {"unit": 1}).marks.keys() == {"bars", "curve", "both"}
    assert pointing.light(figure, {"unit": 2}).marks == {}, "an item that is not shown"


def test_a_click_can_set_something_besides_and_an_item_can_stand_for_nothing() -> None:
    rows = Items.all("kind", 2, value=lambda i: (None, "a")[i])
    pane = replace(rows.table("table", "Kinds", ("name",), lambda i: (str(i),)), also={"on": True, "elsewhere": 1})
    now = {"kind": "b", "on": False}
    assert pointing.pick(Figure(pane), now, Spot("table", "items", 0, 0, 1)) == {"kind": "a", "on": True}
    assert pointing.pick(Figure(pane), now, Spot("table", "items", 0, 0, 0)) is None
    assert pointing.probe(Figure(pane), pointing.name, Spot("table", "items", 0, 0, 0)) is None


def test_tiles_can_leave_the_place_alone() -> None:
    at = coarse()
    tiles = Items.all("channel", 2).tiles("tiles", "", np.zeros((2, 2, 3)), "", cells=at.cells, placing=False)
    figure = Figure(Row((at.picture("picture", "Picture"), tiles)))
    spot = Spot("tiles", "items", 1.5, 0.5, 1)
    assert pointing.pick(figure, {"channel": 0, "place": None, "position": None}, spot) == {"channel": 1}
    probe = pointing.probe(figure, pointing.name, spot)
    assert probe is not None
    assert probe.text == "channel 1 · cell (1, 0)"
    assert "picture" in probe.marks


class TestMosaic:
    names = ("fine", "none", "coarse")
    items = Items.all("layer", 3, 2, words=lambda i: TestMosaic.names[i], value=lambda i: TestMosaic.names[i])
    shapes = ((8, 12), (1, 1), (2, 3))
    at = Mosaic(FRAME, items, [Cells.dividing(FRAME.size, *shape) for shape in shapes], (30, 20))
    maps = (np.arange(96.0).reshape(8, 12) / 100, None, np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]))

    def pane(self, *, each: bool) -> Pane:
        under = ground(np.full((20, 30, 3), 9, np.uint8), np.full((20, 30), 5, np.uint8), 3)
        return self.at.pane("m", "Maps", under, self.maps, "weight", each=each, opacity=0.5, smooth=False)

    def test_each_map_stands_in_its_tile(self) -> None:
        assert columns_for(4, 1.5) == 2
        picture, heat, *_ = self.pane(each=False).marks
        assert isinstance(picture, Image)
        assert picture.pixels.shape == (40, 60, 4)
        assert (picture.pixels[:20, :30, :3] == 9).all()
        assert (picture.pixels[20:, :, :3] == 5).all()
        assert isinstance(heat, Heatmap)
        assert heat.extent == (0, 0, 60, 40)
        height, width = heat.values.shape[0] // 2, heat.values.shape[1] // 2
        assert np.isnan(heat.values[:height, :width]).all(), "the picture itself"
        assert np.isnan(heat.values[height:, :width]).all(), "there is no map"
        for tile, number in ((heat.values[:height, width:], 0), (heat.values[height:, width:], 2)):
            np.testing.assert_array_equal(
                tile, self.at.cells[number].spread(self.maps[number], smooth=False, finest=FINEST)
            )
        texts = [mark.text for mark in self.pane(each=False).marks if isinstance(mark, Text)]
        assert texts == ["The picture", "fine\n0.00 – 0.95", "none", "coarse\n0.10 – 0.60"]
        own = self.pane(each=True).marks[1]
        assert isinstance(own, Heatmap)
        assert np.nanmin(own.values[height:]) == 0
        assert np.nanmax(own.values[height:]) == 1

    def test_a_place_in_a_tile_is_the_place_in_every_map_and_a_click_chooses_the_item(self) -> None:
        figure = Figure(Row((self.pane(each=True), coarse().picture("picture", "Picture"))))
        spot = Spot("m", "m", 36.0, 2.0)  # in the tile of the first map, whose left upper corner is at (30, 0)
        assert pointing.place_of(figure, spot) == {"layer": "fine", "row": 0, "column": 2, "xy": (12.0, 4.0)}
        assert pointing.pick(figure, {"layer": "coarse", "place": None}, spot) == {"layer": "fine"}
        probe = pointing.probe(figure, pointing.name, spot)
        assert probe is not None
        (boxes,), (cell,) = probe.marks["m"], probe.marks["picture"]
        assert isinstance(boxes, Boxes)
        assert boxes.xyxy.tolist() == [[35, 0, 37.5, 2.5], [0, 20, 30, 40], [30, 20, 40, 30]]
        assert isinstance(cell, Boxes)
        assert cell.xyxy.tolist() == [[0, 0, 20, 20]]
        assert pointing.place_of(figure, Spot("m", "picture", 15.0, 10.0)) == {"xy": (30.0, 20.0)}
        (tile,) = pointing.light(figure, {"layer": "none"}).marks["m"]
        assert isinstance(tile, Boxes)
        assert tile.xyxy.tolist() == [[0, 20, 30, 40]]

    @pytest.mark.parametrize("spot", [(-1.0, 5.0), (5.0, -1.0), (61.0, 5.0), (5.0, 1e6)])
    def test_beside_the_tiles_is_nothing(self, spot: tuple[float, float]) -> None:
        assert self.at.at(Spot("m", "", *spot)) is None

    @pytest.mark.parametrize("aspect", [0.4, 1.0, 1.5, 4.0])
    @pytest.mark.parametrize("count", [2, 8, 17])
    def test_no_row_is_empty(self, count: int, aspect: float) -> None:
        columns = columns_for(count, aspect)
        assert 1 <= columns <= count
        assert -(-count // columns) * columns - count < columns


def test_the_likeliest_classes_stand_beside_what_they_were() -> None:
    now, before = np.array([0.05, 0.4, 0.3, 0.25]), np.array([0.7, 0.1, 0.1, 0.1])
    assert top_classes(now, count=2).tolist() == [1, 2]
    assert top_classes(now, before, count=2).tolist() == [1, 2, 0]
    assert top_classes(before, now, count=2).tolist() == [0, 1]
    names = class_names("mobilenet_v2")
    now, before = np.full(len(names), 1e-3, np.float32), np.full(len(names), 1e-3, np.float32)
    now[3], before[8] = 0.8, 0.6
    figure = Figure(classes_pane("mobilenet_v2", now, before))
    bars = figure.panes()[0].marks[0]
    assert isinstance(bars, Bars)
    assert bars.values[[0, 1, -2, -1]] == pytest.approx([80, 0.1, 0.1, 60], rel=1e-5)
    assert bars.labels[0] == f"{names[3]} +79.9"
    wanted = {"grad_cam": True, "cam_class": names[8]}
    assert pointing.pick(figure, {"grad_cam": False, "cam_class": ""}, Spot("classes", "classes", 1, 1, 11)) == wanted
    alone = Figure(classes_pane("mobilenet_v2", now))
    wanted = {"grad_cam": True, "cam_class": names[3]}
    assert pointing.pick(alone, {"grad_cam": False, "cam_class": ""}, Spot("classes", "classes", 1, 1, 0)) == wanted


@pytest.mark.parametrize(
    ("points", "said"), [(0.01, "±0"), (-12.34, "−12.3"), (3.21, "+3.2"), (100.0, "+100"), (-0.06, "−0.1")]
)
def test_changes_have_signs(points: float, said: str) -> None:
    assert change(points) == said


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 300), st.integers(1, 300), st.data())
def test_cells_hold_their_centres_and_find_them_again(
    rows: int, columns: int, width: int, height: int, data: st.DataObject
) -> None:
    cells = Cells.dividing((width, height), rows, columns)
    row, column = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    x, y = cells.centre(row, column)
    assert cells.at(x, y) == cells.under(x, y) == (row, column)
    x0, y0, x1, y1 = cells.box(row, column)
    assert x0 < x < x1
    assert y0 < y < y1
    assert cells.extent == pytest.approx((0, 0, width, height))
    assert cells.on_picture(np.array([column, row])) == pytest.approx((x, y))
    assert cells.on_map(np.array([x, y])) == pytest.approx((column, row), abs=1e-9)
    assert cells.under(width + 1, 0) is None


def test_cells_beside_the_picture() -> None:
    cells = Cells.even((100, 50), 4, 4, (30.0, 30.0), (-10.0, -35.0))
    assert cells.under(105.0, 0.0) == (1, 3)
    assert cells.under(111.0, 0.0) is None
    assert cells.box(0, 0) == (-10, -35, 20, -5)
    assert cells.box(1, 1, reach=1) == (-10, -35, 80, 55)
    assert cells.on_picture(np.array([[-0.5, -0.5], [3.5, 3.5]])).tolist() == [[-10, -35], [110, 85]]


def test_walking_shows_one_step_and_asks_the_others_for_nothing() -> None:
    def never() -> Pane:
        raise AssertionError("a step that is not shown was drawn")

    steps = [
        Step("one", "why one", "1 → 1", lambda: "x = 1", never, "1"),
        Step("two", "why two", "", lambda: ["y = 2", "z = 3"], lambda: Pane("two", "Two", ()), ""),
    ]
    layout, note = walk(steps, 7)
    assert note == Note("1 → 【two】")
    panes = Figure(layout).panes()
    assert [pane.key for pane in panes] == ["two", "formula"]
    assert panes[1].title == "Step 2 of 2: two"
    words = panes[1].marks[0]
    assert isinstance(words, Text)
    assert words.text == "why two\ny = 2\nz = 3"
    with pytest.raises(ValueError):
        walk([], 0)


def test_numbers_as_formulas_have_them() -> None:
    assert (num(-0.123456), par(-2), par(2), plus(0.5), plus(-0.5), plus(-0.0)) == (
        "−0.1235",
        "(−2)",
        "2",
        "+0.5",
        "−0.5",
        "±0",
    )
    assert (fixed(-0.0001), fixed(-1.5, 1)) == ("0.000", "−1.5")
    assert (percent(0.125), percent(1e-5), percent(0), percent(float("nan"))) == ("12.5 %", "0.001 %", "0.0 %", "–")
    assert (count(1234567), shape(96, 14, 14)) == ("1 234 567", "96 × 14 × 14")
    assert terms([0.5, -1], [2, 3]) == "0.5·2 + (−1)·3"
    assert terms(range(10), most=2) == "0 + 1 + …"
    with pytest.raises(ValueError):
        terms([1], [1, 2])


@dataclass(frozen=True)
class Params:
    kind: str = knob("a", choices=("a", "b"))
    size: int = knob(3, 1, 9)
    part: float = knob(0.5, 0.0)
    number: int = knob(0, 0, lambda result: 4)
    on: bool = knob(True)
    free: str = knob("x", choices=lambda result: ("x",))

    def __post_init__(self) -> None:
        check(self)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"kind": "c"}, "kind is one of a, b."),
        ({"size": 10}, "size is 1 to 9."),
        ({"size": 0}, "size is 1 to 9."),
        ({"part": -0.1}, "part is 0 or more."),
        ({"part": float("nan")}, "part is a number."),
        ({"part": "0.5"}, "part is a number."),
        ({"size": True}, "size is a number."),
        ({"on": 1}, "on is on or off."),
    ],
)
def test_one_check_for_all_knobs(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        Params(**wrong)  # type: ignore[arg-type]


def test_what_the_result_decides_is_not_checked() -> None:
    assert Params(number=100, free="y").number == 100


def test_strips_stand_in_rows_of_one_height_and_copy_nothing() -> None:
    small, large, high = (np.full(shape, 9, np.uint8) for shape in ((10, 20, 3), (30, 30, 3), (40, 10, 3)))
    pane = strips_pane("p", "P", [[("one", small), ("", large)], [("two", high)]], group=1)
    pictures = [mark for mark in pane.marks if isinstance(mark, Image)]
    assert [mark.extent for mark in pictures] == [(0, 0, 20, 10), (20, 0, 30, 10), (0, 10, 2.5, 20)]
    assert all(mark.pixels is pixels for mark, pixels in zip(pictures, (small, large, high), strict=True))
    assert pane.size == (30, 20)
    assert [(mark.text, mark.xy) for mark in pane.marks if isinstance(mark, Text)] == [
        ("one", (0, 0)),
        ("two", (0, 10)),
    ]
