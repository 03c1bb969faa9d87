"""Numbers into colours, pixels and words: every function against a slow, obvious one."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PySide6.QtGui import QImage

from explorer.canvas import colormaps, resample
from explorer.canvas.chart_range import chart_range
from explorer.canvas.charts import BarsArtist, CurveArtist, pieces
from explorer.canvas.numbers import number, quantity, titled
from explorer.canvas.resample import Area, Scratch
from explorer.canvas.tiles import GAP, Grid
from explorer.figure import Axis, Bars, Colormap, Curve

ANY_FLOAT = st.floats(width=32, allow_nan=True, allow_infinity=True)


@pytest.mark.parametrize("name", colormaps.COLORMAPS)
def test_colour_maps_are_whole(name: Colormap) -> None:
    colours = colormaps.colours(name)
    assert colours.shape == (256, 3)
    assert colours.dtype == np.uint8
    assert len(np.unique(colours, axis=0)) > 150


def lightness(colours: np.ndarray) -> np.ndarray:
    """CIE L*, of sRGB."""
    lab = cv2.cvtColor((colours[None] / 255).astype(np.float32), cv2.COLOR_RGB2LAB)
    return lab[0, :, 0]


@pytest.mark.parametrize("name", ["viridis", "cividis", "magma", "grey"])
def test_maps_for_quantities_grow_evenly_lighter(name: Colormap) -> None:
    steps = np.diff(lightness(colormaps.colours(name)).astype(float))
    assert (steps > -0.3).all()
    smooth = np.convolve(steps, np.ones(25) / 25, "valid")
    assert smooth.min() > 0.3 * smooth.max()


def test_diverging_is_lightest_in_the_middle_and_phase_is_cyclic() -> None:
    light = lightness(colormaps.colours("diverging"))
    assert 120 < light.argmax() < 136
    assert abs(light[0] - light[-1]) < 12
    phase = colormaps.colours("phase").astype(int)
    assert np.abs(phase[0] - phase[-1]).max() <= np.abs(np.diff(phase, axis=0)).max() + 6


def test_table_has_opacity_and_nothing_is_transparent() -> None:
    full, half = colormaps.table("viridis"), colormaps.table("viridis", 0.5)
    assert full[0] == half[0] == 0
    assert (full[1:] >> 24 == 255).all()
    assert (half[1:] >> 24 == 128).all()
    assert (full[1:] & 0xFFFFFF == half[1:] & 0xFFFFFF).all()
    red, green, blue = colormaps.colours("viridis")[-1]
    assert full[255] == 0xFF << 24 | int(red) << 16 | int(green) << 8 | int(blue)


def test_premultiplied_is_as_qt_does_it() -> None:
    for opacity in (0.0, 0.3, 1.0):
        straight = colormaps.table("magma", opacity)
        image = QImage(straight.tobytes(), 256, 1, QImage.Format.Format_ARGB32)
        made = image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
        exact = np.frombuffer(made.constBits(), np.uint8).astype(int)
        assert np.abs(colormaps.premultiplied("magma", opacity).view(np.uint8) - exact).max() <= 1


@pytest.mark.parametrize("part", [np.s_[:, :], np.s_[1:4, 2:5], np.s_[:0, :0]])
def test_coloured_takes_from_the_table(part: tuple[slice, slice]) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (6, 7), dtype=np.uint8)[part]
    out = np.zeros(levels.shape, np.uint32)
    colormaps.coloured(levels, colormaps.premultiplied("viridis", 0.5), out)
    assert np.array_equal(out, colormaps.premultiplied("viridis", 0.5)[levels])


@given(arrays(np.intp, st.integers(1, 60), elements=st.integers(0, 29)), st.data())
def test_gathering_is_take_with_nothing_in_gaps(cells: np.ndarray, data: st.DataObject) -> None:
    cells = cells if data.draw(st.booleans()) else np.arange(len(cells)) % 30
    none = data.draw(arrays(np.bool_, len(cells)))
    made, source = resample.Gathering(cells, none), np.random.default_rng(0).integers(1, 256, (30, 30), dtype=np.uint8)
    assert np.array_equal(made.columns(source, Scratch()), np.where(none, 0, source[:, cells]))
    assert np.array_equal(made.rows(source, Scratch()), np.where(none[:, None], 0, source[cells]))


@given(arrays(np.float32, (3, 4), elements=ANY_FLOAT))
def test_value_range_is_that_of_finite_values(values: np.ndarray) -> None:
    low, high = colormaps.value_range(values)
    finite = values[np.isfinite(values)]
    if finite.size:
        assert (low, high) == (finite.min(), finite.max())
    else:
        assert np.isnan(low)
        assert np.isnan(high)


def test_value_range_per_tile_and_of_nothing() -> None:
    values = np.array([[[1.0, 2]], [[np.nan, np.nan]], [[np.inf, -3]]])
    low, high = colormaps.value_range(values, (1, 2))
    assert np.array_equal(low, [1, np.nan, -3], equal_nan=True)
    assert np.array_equal(high, [2, np.nan, -3], equal_nan=True)
    assert np.isnan(colormaps.value_range(np.zeros((0, 3)))[0])
    assert colormaps.value_range(np.array([True, False])) == (0.0, 1.0)


@given(arrays(np.float32, (20,), elements=st.floats(-1e6, 1e6, width=32)), st.floats(-1e3, 1e3), st.floats(0.01, 1e4))
def test_levels_are_nearest_steps(values: np.ndarray, low: float, span: float) -> None:
    found = colormaps.levels(values, np.array(low), np.array(low + span)).astype(float)
    exact = np.clip((values.astype(float) - low) / span, 0, 1) * 254 + 1
    # In single precision a value far from the range may fall a step aside.
    assert np.abs(found - exact).max() <= 0.51 + 1e-4 * max(abs(low), 1) / span


@given(arrays(np.float32, (6, 5), elements=st.floats(-1e4, 1e4, width=32)))
def test_levels_inside_are_the_same(values: np.ndarray) -> None:
    low, high = float(values.min()), float(values.max())
    fast = colormaps.levels_inside(values, low, high).astype(int)
    assert np.abs(fast - colormaps.levels(values, np.array(low), np.array(high))).max() <= 1
    assert fast.min() >= 1
    if high > low + 1e-3:
        assert fast.min() == 1
        assert fast.max() == 255


def test_levels_of_odd_values() -> None:
    values = np.array([np.nan, -np.inf, np.inf, 0.0, 1.0, 0.5], dtype=np.float32)
    assert colormaps.levels(values, np.array(0.0), np.array(1.0)).tolist() == [0, 1, 255, 1, 255, 128]
    assert colormaps.levels(values, np.array(3.0), np.array(3.0)).tolist() == [0, 1, 255, 128, 128, 128]
    assert colormaps.levels(values, np.array(np.nan), np.array(np.nan)).tolist()[0] == 0
    for tiny in (1e-38, 1e-30, 1e-300):
        found = colormaps.levels(np.array([0.0, tiny]), np.array(0.0), np.array(tiny))
        assert found.min() > 0
    far = np.array([1e8, 1e8 + 0.5, 1e8 + 1])
    assert colormaps.levels(far, np.array(1e8), np.array(1e8 + 1)).tolist() == [1, 128, 255]
    assert colormaps.levels_inside(far, 1e8, 1e8 + 1).tolist() == [1, 128, 255]
    wide = np.array([-3e38, 0, 3e38], dtype=np.float32)
    assert colormaps.levels(wide, np.array(-3e38), np.array(3e38)).tolist() == [1, 128, 255]
    each = colormaps.levels(np.array([[0.0, 1], [0, 10]]), np.zeros((2, 1)), np.array([[1.0], [10.0]]))
    assert each.tolist() == [[1, 255], [1, 255]]


def test_ends_of_diverging_are_symmetric() -> None:
    ends = colormaps.ends(np.array(-1.0), np.array(3.0), None, None, "diverging")
    assert (float(ends[0]), float(ends[1])) == (-3, 3)
    ends = colormaps.ends(np.array(-1.0), np.array(3.0), None, 2.0, "diverging")
    assert (float(ends[0]), float(ends[1])) == (-2, 2)
    ends = colormaps.ends(np.array(-1.0), np.array(3.0), 0.0, None, "viridis")
    assert (float(ends[0]), float(ends[1])) == (0, 3)


def test_crisp_takes_the_cell_under_each_pixel_centre() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        height, width = generator.integers(1, 9, 2)
        source = generator.integers(0, 256, (height, width), dtype=np.uint8)
        left, top = generator.uniform(-30, 20, 2)
        scale = generator.uniform(0.6, 20)
        area = Area(left, top, left + width * scale, top + height * scale)
        clip = Area(0, 0, 40, 30)
        shown = resample.crisp(source, area, clip, Scratch())
        if shown is None:
            continue
        assert shown.left >= 0
        assert shown.left + shown.pixels.shape[1] <= 40
        for row in range(shown.pixels.shape[0]):
            for column in range(shown.pixels.shape[1]):
                x = (shown.left + column + 0.5 - left) / scale
                y = (shown.top + row + 0.5 - top) / scale
                x, y = min(max(int(np.floor(x)), 0), width - 1), min(max(int(np.floor(y)), 0), height - 1)
                assert shown.pixels[row, column] == source[y, x]


def test_interpolated_is_linear_between_cell_centres() -> None:
    ramp = np.tile(np.arange(8, dtype=np.float32), (3, 1))
    for scale in (10.0, 160.0):
        shown = resample.interpolated(ramp, Area(5, 0, 5 + 8 * scale, 3 * scale), Area(0, 0, 4000, 4000), Scratch())
        assert shown is not None
        x = (np.arange(shown.pixels.shape[1]) + shown.left + 0.5 - 5) / scale - 0.5
        assert np.abs(shown.pixels[1] - np.clip(x, 0, 7)).max() < 0.06


def test_interpolated_of_a_part_is_a_part_of_the_whole() -> None:
    source = np.random.default_rng(1).random((6, 7)).astype(np.float32)
    area, scratch = Area(-33, -21, -33 + 7 * 12, -21 + 6 * 12), Scratch()
    whole = resample.interpolated(source, area, Area(-100, -100, 200, 200), scratch)
    assert whole is not None
    kept = whole.pixels.copy()
    part = resample.interpolated(source, area, Area(0, 0, 20, 15), scratch)
    assert part is not None
    rows, columns = slice(-whole.top, -whole.top + 15), slice(-whole.left, -whole.left + 20)
    assert part.pixels.shape == (15, 20)
    assert np.abs(part.pixels - kept[rows, columns]).max() < 0.08


def test_averaged_keeps_the_mean() -> None:
    source = np.random.default_rng(2).integers(0, 256, (72, 128, 3), dtype=np.uint8)
    shown = resample.averaged(source, Area(3, 4, 3 + 64, 4 + 36), Area(0, 0, 100, 100), Scratch())
    assert shown is not None
    exact = source.reshape(36, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(shown.pixels - exact).max() <= 0.51
    assert (shown.left, shown.top) == (3, 4)
    odd = resample.averaged(source, Area(0, 0, 50.4, 28.3), Area(0, 0, 100, 100), Scratch())
    assert odd is not None
    assert odd.pixels.shape == (28, 50, 3)
    assert abs(odd.pixels.mean() - source.mean()) < 2


@pytest.mark.parametrize("cells", [8, 50, 113])
def test_shrunk_does_not_mix_tiles(cells: int) -> None:
    tiles = np.repeat(np.repeat(np.array([[0, 200], [100, 0]], np.uint8), cells, axis=0), cells, axis=1)
    for side in (1, 3, 7):
        small = resample.shrunk(tiles, (2 * side, 2 * side), Scratch(), unit=(cells, cells))
        exact = np.repeat(np.repeat(np.array([[0, 200], [100, 0]]), side, axis=0), side, axis=1)
        assert np.abs(small - exact).max() <= 1
    stripes = np.tile(np.arange(2 * cells) % 2 * 200, (2 * cells, 1)).astype(np.uint8)
    assert abs(resample.shrunk(stripes, (2, 2), Scratch(), unit=(cells, cells)).mean() - stripes.mean()) < 4


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (5, 1, 3), (3, 9, 4), (40, 50), (40, 50, 3), (40, 50, 4)])
@pytest.mark.parametrize("scale", [0.1, 0.9, 1.0, 2.0, 3.0, 30.0])
def test_photograph_has_the_colours_of_the_picture(shape: tuple[int, ...], scale: float) -> None:
    source = np.full(shape, 50, np.uint8)
    if source.ndim == 3:
        source[..., 0] = 200
    area = Area(0.3, 0.6, 0.3 + shape[1] * scale, 0.6 + shape[0] * scale)
    shown = resample.photograph(source, area, Area(0, 0, 500, 500), Scratch())
    assert shown is not None
    assert shown.pixels.dtype == np.uint8
    assert shown.pixels.shape[2] == 4
    assert shown.pixels.shape[0] >= 1
    blue, green, red, alpha = shown.pixels.reshape(-1, 4).T
    assert (np.abs(red.astype(int) - (200 if source.ndim == 3 else 50)) <= 1).all()
    assert (np.abs(blue.astype(int) - 50) <= 1).all()
    assert (np.abs(green.astype(int) - 50) <= 1).all()
    assert (alpha == (50 if shape[-1] == 4 else 255)).all()


SIDES = st.sampled_from([1, 2, 3, 17, 300, 40_000, 100_000])
"""Cells of one side of a picture; both at once are kept below a million."""
LENGTHS = st.floats(-6, 7).map(lambda power: 10.0**power)
"""Device pixels of a side."""


@settings(max_examples=300)
@given(SIDES, SIDES, st.floats(-2e4, 2e3), st.floats(-2e4, 2e3), LENGTHS, LENGTHS, st.sampled_from(["u1", "f4", "rgb"]))
def test_every_shape_at_every_size_is_shown_with_its_values(
    rows: int, columns: int, left: float, top: float, wide: float, high: float, kind: str
) -> None:
    rows, columns = min(rows, 1_000_000 // columns), columns
    generator = np.random.default_rng(rows + columns)
    source = generator.integers(40, 200, (rows, columns, 3) if kind == "rgb" else (rows, columns), dtype=np.uint8)
    area, clip = Area(left, top, left + wide, top + high), Area(0, 0, 640, 480)
    part = area.within(clip)
    makers: list[Callable[..., resample.Shown | None]] = [resample.interpolated]
    if kind == "f4":
        source = source.astype(np.float32)
    else:
        makers.append(resample.photograph)
    if kind != "rgb":
        makers.append(resample.crisp)
    if wide < columns and high < rows:
        makers.append(resample.averaged)
    for make in makers:
        shown = make(source, area, clip, Scratch())
        assert (shown is None) == (part is None)
        if shown is None or part is None:
            continue
        assert (shown.left, shown.top) == part[:2]
        assert shown.pixels.shape[:2] == (part[3] - part[1], part[2] - part[0])
        values = shown.pixels[..., :3] if make is resample.photograph else shown.pixels
        assert values.min() >= source.min() - 1
        assert values.max() <= source.max() + 1


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_nothing_is_shown_of_what_is_nowhere(odd: float) -> None:
    source, clip = np.zeros((4, 4, 3), np.uint8), Area(0, 0, 50, 50)
    for area in (Area(odd, 0, 40, 40), Area(0, odd, 40, 40), Area(0, 0, odd, 40), Area(0, 0, 40, odd)):
        assert resample.photograph(source, area, clip, Scratch()) is None


def test_nothing_is_shown_of_what_is_out_of_sight() -> None:
    source, clip = np.zeros((4, 4, 3), np.uint8), Area(0, 0, 50, 50)
    for area in (Area(60, 0, 100, 40), Area(-40, 0, -10, 40), Area(0, 50, 40, 90), Area(0, -90, 40, -50)):
        assert resample.photograph(source, area, clip, Scratch()) is None


@given(st.integers(0, 300), st.integers(1, 40), st.integers(1, 40), st.floats(0.1, 10))
def test_grid_holds_every_tile_once(count: int, height: int, width: int, aspect: float) -> None:
    grid = Grid.fill(count, height, width, aspect)
    assert grid.rows * grid.columns >= count
    assert grid.columns * (grid.rows - 1) < max(count, 1)
    x0, y0, x1, y1 = grid.extent
    for index in {0, count // 2, count - 1} & set(range(count)):
        x, y = grid.origin(index)
        assert x0 <= x
        assert y0 <= y
        assert x + width <= x1 + 1e-9
        assert y + height <= y1 + 1e-9
        for inside_x, inside_y in ((0.0, 0.0), (width - 0.5, height - 0.25), (width / 2, height / 2)):
            found = grid.at(x + inside_x, y + inside_y)
            assert found is not None
            assert found == pytest.approx((index, inside_x, inside_y), abs=1e-6)
        assert grid.at(x + width + 0.5 * GAP * max(height, width), y) is None


def test_grid_makes_tiles_large() -> None:
    for count, aspect in ((96, 1.7), (5, 0.3), (12, 3.0), (1, 1.0), (7, 1.0), (64, 0.8)):

        def scale(columns: int, count: int = count, aspect: float = aspect) -> float:
            rows = -(-count // columns)
            return min(aspect / columns, 1 / rows)

        best = max(scale(columns) for columns in range(1, count + 1))
        assert scale(Grid.fill(count, 8, 8, aspect).columns) >= 0.999 * best


def test_numbers_as_a_person_reads_them() -> None:
    assert number(0.123456) == "0.1235"
    assert number(-1.5) == "−1.5"
    assert number(1234567) == "1234567"
    assert number(1234567.0) == "1.235e6"
    assert number(0.000012345) == "1.234e-5".replace("-", "−")
    assert number(float("nan")) == "NaN"
    assert number(float("-inf")) == "−∞"
    assert number(2.0, 3) == "2.000"
    assert quantity(3.0, "ms") == "3 ms"
    assert quantity(3.0) == "3"
    assert titled("loss", "nats") == "loss (nats)"
    assert titled("", "px") == "px"
    assert titled("count", "") == "count"


AXES = (Axis("x"), Axis("y"))


def test_chart_range_covers_pads_and_keeps_still() -> None:
    def curve(low: float, high: float) -> list[CurveArtist]:
        return [CurveArtist(Curve(np.array([0.0, 10]), np.array([low, high])))]

    x, y = chart_range(curve(0, 1), AXES, None)
    assert x == (-0.5, 10.5)
    assert y == (-0.05, 1.05)
    assert chart_range(curve(0.1, 0.95), AXES, (x, y)) == (x, y)
    grown = chart_range(curve(0, 2), AXES, (x, y))[1]
    assert grown[0] == y[0]
    assert grown[1] > 2
    shrunk = chart_range(curve(0, 0.1), AXES, (x, y))[1]
    assert shrunk[1] < 0.2


def test_chart_range_of_bars_logarithms_and_given_ends() -> None:
    bars = [BarsArtist(Bars(np.array([1.0, 1000.0]), edges=np.array([0.0, 1, 2])))]
    x, y = chart_range(bars, AXES, None)
    assert x == (0, 2)
    assert y[0] == 0
    assert y[1] > 1000
    x, y = chart_range(bars, (Axis("x"), Axis("y", log=True)), None)
    assert y[0] < 0 < 3 < y[1] < 4
    x, y = chart_range(bars, (Axis("x", low=-1, high=5), Axis("y", log=True, low=0.1, high=1e5)), None)
    assert x == (-1, 5)
    assert y == pytest.approx((-1, 5))


@pytest.mark.parametrize("values", [[], [np.nan], [0.0], [5.0], [np.inf], [0.0, -3.0]])
@pytest.mark.parametrize("log", [False, True])
def test_chart_range_of_odd_values_is_finite(values: list[float], log: bool) -> None:
    axes = (Axis("x"), Axis("y", log=log))
    for artist in (BarsArtist(Bars(np.array(values))), CurveArtist(Curve(np.arange(len(values)), np.array(values)))):
        for low, high in chart_range([artist], axes, None):
            assert np.isfinite([low, high]).all()
            assert low < high


def test_pieces_break_at_gaps_and_keep_peaks() -> None:
    x = np.arange(6.0)
    y = np.array([0, 1, np.nan, 3, np.nan, 5])
    assert [len(part) for part in pieces(x, y)] == [2, 1, 1]
    x, y = np.linspace(0, 100, 50_000), np.zeros(50_000)
    y[12_345] = -40
    (line,) = pieces(x, y)
    assert len(line) < 1000
    assert line[:, 1].min() == -40
    assert line[0].tolist() == [0, 0]
    assert line[-1].tolist() == [100, 0]
