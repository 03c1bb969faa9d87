"""The Layers panel: what it captures and measures against plain torch and numpy, what it shows, and its mouse."""

import copy
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from cvcore import zoo
from cvcore.assets import asset
from cvcore.attribution import grad_cam
from cvcore.receptive_field import effective_receptive_field, receptive_field
from explorer.engine.compute import Computer
from explorer.figure import Bars, Boxes, Figure, Handles, Heatmap, Lit, Pane, Spot, Table, Tiles
from explorer.i18n import explanation, set_language
from explorer.panel import Frame, Panel, Precision, Result, Task, knobs
from explorer.panels import layers
from explorer.panels.layers import Params, Trace, View
from explorer.views import networks
from explorer.views.cells import Cells
from explorer.views.classes import class_named
from explorer.views.fit import Fit, network_input, resized
from explorer.views.statistics import histogram, statistics, upper_limit

Image = NDArray[np.uint8]
PANEL = Panel.from_module(layers)
draw, pick, probe = PANEL.draw, PANEL.pick, PANEL.probe


def shipped(card: str) -> nn.Module:
    return SHARED.model(card, torch.device("cpu"), "float32")


def fresh() -> Computer:
    """A computer that remembers nothing but has the network loaded already."""
    made = Computer({"layers": PANEL})
    made._models = copy.copy(SHARED._models)
    return made


SHARED = Computer({"layers": PANEL})


def photo(name: str = "dog.jpg", size: tuple[int, int] = (256, 192)) -> Image:
    return cv2.resize(
        cv2.imread(str(asset("pictures", name)), cv2.IMREAD_COLOR_RGB), size, interpolation=cv2.INTER_AREA
    )


def run(
    params: Params,
    image: Image | None = None,
    computer: Computer | None = None,
    index: int = 0,
    precision: Precision = "float32",
) -> Result[Trace, Params]:
    frame = Frame(PHOTO if image is None else image, index=index, source="test")
    result = (computer or fresh()).compute(frame, Task(1, "layers", params, "cpu", precision))
    assert result is not None
    assert not result.error, result.detail
    return result


def stages(result: Result) -> list[str]:
    return [stage.name for stage in result.stages]


PHOTO = photo()


def pane(figure: Figure, key: str) -> Pane:
    return next(p for p in figure.panes() if p.key == key)


def mark(figure: Figure, where: str, kind: type, key: str = "") -> Any:
    return next(m for m in pane(figure, where).marks if isinstance(m, kind) and (not key or m.key == key))


@pytest.fixture(scope="module")
def usual() -> Result[Trace, Params]:
    return run(Params())


# -- the contract


def test_it_is_a_whole_panel() -> None:
    assert PANEL.name == "layers"
    assert PANEL.title
    assert PANEL.explanation
    assert PANEL.paper
    assert set(knobs(Params)) == set(Params.__dataclass_fields__)


def test_only_the_chosen_layer_is_captured_and_what_it_gives_is_right() -> None:
    result = run(Params(layer="features.4.conv.1.0", size=128))
    model, x = (
        shipped("mobilenet_v2"),
        network_input(
            result.frame.image, result.trace.fit, zoo.card("mobilenet_v2").preprocessing, torch.device("cpu")
        ),
    )
    with torch.inference_mode():
        y = model.features[:4](x)  # type: ignore[index]
        y = model.features[4].conv[1][0](model.features[4].conv[0](y))  # type: ignore[index, union-attr]
        scores = model(x)
    torch.testing.assert_close(torch.from_numpy(result.trace.maps), y[0])
    torch.testing.assert_close(torch.from_numpy(result.trace.probabilities), scores[0].softmax(0))
    assert not any(m._forward_hooks for m in model.modules())


def test_the_tree_holds_every_layer_with_type_shape_and_parameters(usual: Result[Trace, Params]) -> None:
    nodes = knobs(Params)["layer"][1].choices(usual)  # type: ignore[operator]
    assert [n.value for n in nodes] == [name for name, _ in shipped("mobilenet_v2").named_modules() if name]
    by_name = {n.value: n for n in nodes}
    assert by_name["features.0"].depth == 1
    assert by_name["features.0.0"].text == "0"
    assert by_name["features.0.0"].cells == ("Conv2d", "32×96×128", "864", "")
    width = len(knobs(Params)["layer"][1].columns)
    assert all(len(n.cells) == width for n in nodes)


def test_layers_are_timed_on_demand_and_once() -> None:
    computer = fresh()
    first = run(Params(size=64, time_layers=True), computer=computer)
    assert "time layers" in stages(first)
    timed = [n for n in first.trace.network.nodes if n.cells[3]]
    assert len(timed) == len(first.trace.network.nodes)
    second = run(Params(size=64, time_layers=True), computer=computer)
    assert "time layers" not in stages(second)
    assert second.trace.network is first.trace.network
    off = run(Params(size=64), computer=computer)
    assert not any(n.cells[3] for n in off.trace.network.nodes)


def test_the_network_is_described_once_for_each_input_size() -> None:
    computer = fresh()
    first = run(Params(size=64), computer=computer)
    again = run(Params(size=64, layer="features.3"), computer=computer, index=1)
    assert again.trace.network is first.trace.network
    assert "describe" not in stages(again)
    larger = run(Params(size=96), computer=computer)
    assert larger.trace.network is not first.trace.network
    assert "describe" in stages(larger)


def test_two_panels_on_one_layer_share_the_forward_pass() -> None:
    computer, params = fresh(), Params(size=64, layer="features.3")
    frame = Frame(PHOTO)
    results = [computer.compute(frame, Task(number, "layers", params)) for number in (1, 2)]
    assert all(result is not None and not result.error for result in results)
    assert ["forward" in stages(result) for result in results if result is not None] == [True, False]


# -- how the picture is fitted, and where cells lie


@pytest.mark.parametrize(
    ("picture", "size", "square", "expected"),
    [
        ((1280, 720), 224, False, (288, 160)),
        ((720, 1280), 224, False, (160, 288)),
        ((1280, 720), 224, True, (224, 224)),
        ((1, 1), 224, False, (224, 224)),
        ((10000, 10), 224, False, (448, 128)),
        ((3, 5000), 32, False, (32, 64)),
        ((640, 480), 1024, False, (1184, 896)),
    ],
)
def test_all_of_the_picture_becomes_the_input(
    picture: tuple[int, int], size: int, square: bool, expected: tuple[int, int]
) -> None:
    fit = Fit.choose(picture, size, square=square)
    assert fit.input == expected
    assert fit.on_picture((0, 0, *fit.input)) == pytest.approx((0, 0, *picture))
    assert all(side % 32 == 0 for side in fit.input)


def test_the_input_is_what_the_card_asks_for() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:] = (10, 100, 200)
    how = zoo.card("mobilenet_v2").preprocessing
    fit = Fit.choose((60, 40), 64, square=True)
    x = network_input(image, fit, how, torch.device("cpu"))
    assert x.shape == (1, 3, 64, 64)
    assert x.is_contiguous(memory_format=torch.channels_last)
    expected = [(v / 255 - m) / s for v, m, s in zip((10, 100, 200), how.mean, how.std, strict=True)]
    assert x[0, :, 5, 7].tolist() == pytest.approx(expected, abs=1e-5)
    other = network_input(image, fit, replace(how, colour="BGR", scale=1.0), torch.device("cpu"))
    expected = [(v - m) / s for v, m, s in zip((200, 100, 10), how.mean, how.std, strict=True)]
    assert other[0, :, 5, 7].tolist() == pytest.approx(expected, rel=1e-5)


def test_resizing_skips_no_pixel_and_stays_near_the_area_average() -> None:
    image = photo("lemur.jpg", (1281, 721))
    found = resized(image, (288, 160)).astype(float)
    area = cv2.resize(image, (288, 160), interpolation=cv2.INTER_AREA).astype(float)
    assert found.shape == (160, 288, 3)
    assert np.abs(found - area).mean() < 4
    fine = np.zeros((64, 64, 3), np.uint8)
    fine[::2] = 255  # lines of one pixel vanish into grey, they do not turn into stripes
    assert np.ptp(resized(fine, (16, 16))[..., 0].astype(int)) <= 1


def test_cells_are_where_their_receptive_fields_are_centred() -> None:
    """A bright square moves through the picture: the cell that answers most is the cell said to be there."""
    result = run(Params(layer="features.6", fit="square"), np.zeros((224, 224, 3), np.uint8))
    trace: Trace = result.trace
    field = receptive_field(shipped("mobilenet_v2"), "features.6", torch.zeros(1, 3, 224, 224))
    assert trace.cells.centre(3, 5) == pytest.approx(field.centre(3, 5))
    for x, y in ((20, 20), (101, 60), (203, 160)):
        row, column = trace.cells.at(x, y)
        x0, y0, x1, y1 = trace.cells.box(row, column)
        assert x0 <= x <= x1
        assert y0 <= y <= y1
        centre = trace.cells.centre(row, column)
        others = [trace.cells.centre(r, c) for r in range(trace.cells.ys.size) for c in range(trace.cells.xs.size)]
        assert np.hypot(centre[0] - x, centre[1] - y) == min(np.hypot(a - x, b - y) for a, b in others)


def test_the_map_laid_over_the_picture_agrees_with_the_cells() -> None:
    result = run(Params(layer="features.10"), photo(size=(300, 200)))
    trace: Trace = result.trace
    values = trace.maps[3]
    spread = trace.cells.spread(values, smooth=False)
    assert spread.shape == (200, 300)
    for x, y in ((0, 0), (150, 99), (299, 199), (31, 170)):
        assert spread[y, x] == values[trace.cells.at(x + 0.5, y + 0.5)]
    soft = trace.cells.spread(values, smooth=True)
    row, column = 3, 4
    x, y = trace.cells.centre(row, column)
    assert float(soft[round(y - 0.5), round(x - 0.5)]) == pytest.approx(
        float(values[row, column]), abs=0.15 * float(np.ptp(values))
    )
    assert soft.min() >= values.min() - 1e-5
    assert soft.max() <= values.max() + 1e-5


def test_cells_without_a_known_field_divide_the_picture_evenly() -> None:
    cells = Cells.of(Fit.choose((80, 40), 64, square=True), 2, 4, None)
    assert cells.box(1, 3) == (60, 20, 80, 40)
    assert cells.at(-5, 900) == (1, 0)


# -- statistics


def oracle(maps: NDArray[np.float32]) -> dict[str, float]:
    good = maps[np.isfinite(maps)].astype(np.float64)
    return {
        "low": good.min(),
        "high": good.max(),
        "mean": good.mean(),
        "deviation": good.std(),
        "zero": float((good == 0).mean()),
    }


@pytest.mark.parametrize("broken", [False, True])
def test_statistics_agree_with_the_obvious_way(broken: bool) -> None:
    generator = np.random.default_rng(3)
    maps = np.clip(generator.normal(1, 3, (7, 9, 11)), 0, 6).astype(np.float32)
    maps[2] = 0
    maps[4] = 6
    if broken:
        maps[0, 0, :3] = np.nan
        maps[5, 1, 1] = np.inf
        maps[6] = -np.inf
    found = statistics(maps, 6.0, None)
    assert (found.nan, found.infinite) == ((3, 100) if broken else (0, 0))
    for name, value in oracle(maps).items():
        assert getattr(found.layer, name) == pytest.approx(value, rel=1e-4, abs=1e-6), name
    for channel in range(6):
        for name, value in oracle(maps[channel]).items():
            assert getattr(found.channels, name)[channel] == pytest.approx(value, rel=1e-3, abs=1e-5), name
    assert np.flatnonzero(found.silent).tolist() == [2]
    assert np.flatnonzero(found.stuck).tolist() == [4]
    assert found.layer.saturated == pytest.approx(float((maps[np.isfinite(maps)] >= 6).mean()))
    assert found.counts.sum() == np.isfinite(maps).sum()
    assert all(np.isfinite(v).all() for v in (found.strength, found.channels.mean, found.channels.deviation))


def test_the_histogram_is_numpy_s() -> None:
    values = np.random.default_rng(0).normal(size=5000).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    counts, edges = histogram(values, low, high)
    expected, _ = np.histogram(values, edges)
    assert counts.sum() == 5000
    assert np.abs(counts - expected).max() <= 2  # a value on an edge may be rounded to either side
    for same in (0.0, 3.5, 1e30):
        counts, edges = histogram(np.full(10, same, np.float32), same, same)
        assert counts.sum() == 10
        assert (np.diff(edges) >= 0).all()


def test_large_layers_are_sampled_and_say_so() -> None:
    maps = np.random.default_rng(0).normal(size=(40, 128, 128)).astype(np.float32)
    found = statistics(maps, None, None)
    assert found.sampled > 1
    assert found.counts.sum() == pytest.approx(maps.size, rel=0.01)
    assert found.layer.high == maps.max()


def test_a_channel_is_dead_only_if_it_never_answered() -> None:
    first, second = np.ones((3, 2, 2), np.float32), np.ones((3, 2, 2), np.float32)
    first[:2] = 0
    second[1:] = 0
    one = statistics(first, None, None)
    two = statistics(second, None, one)
    assert one.never.tolist() == [True, True, False]
    assert two.never.tolist() == [False, True, False]
    assert two.frames == 2


def test_one_picture_worked_on_twice_counts_once() -> None:
    computer = fresh()
    run(Params(size=64), computer=computer)
    again = run(Params(size=64, position=(10.0, 10.0)), computer=computer)
    assert again.trace.statistics.frames == 1
    then = run(Params(size=64), computer=computer, index=1)
    assert then.trace.statistics.frames == 2
    other = run(Params(size=64, layer="features.3"), computer=computer, index=2)
    assert other.trace.statistics.frames == 1


def test_limits_of_activation_functions() -> None:
    assert upper_limit(nn.ReLU6()) == 6
    assert upper_limit(nn.Sequential(nn.Conv2d(1, 1, 1), nn.Sequential(nn.Sigmoid()))) == 1
    assert upper_limit(nn.ReLU()) is None
    assert upper_limit(nn.Sequential()) is None


# -- position and class


def test_a_position_shows_the_theoretical_and_the_effective_field() -> None:
    params = Params(layer="features.6", position=(100.0, 70.0), size=128)
    result = run(params)
    trace: Trace = result.trace
    position = trace.position
    assert position is not None
    assert position.effective is not None
    assert position.box is not None
    model = shipped("mobilenet_v2")
    x = network_input(result.frame.image, trace.fit, zoo.card("mobilenet_v2").preprocessing, torch.device("cpu"))
    known = receptive_field(model, "features.6", x)
    assert (position.row, position.column) == trace.cells.at(100, 70)
    assert position.size == known.size == (59, 59)
    assert position.box == pytest.approx(trace.fit.on_picture(known.box(position.row, position.column)))
    gradient = effective_receptive_field(model, "features.6", x, (position.row, position.column)).numpy()
    np.testing.assert_allclose(position.effective, gradient / gradient.max(), rtol=1e-4, atol=1e-6)
    assert 0 < position.ninety < 1
    # Nothing outside the box moves the unit.
    x0, y0, x1, y1 = (int(v) for v in known.box(position.row, position.column))
    outside = position.effective.copy()
    outside[y0:y1, x0:x1] = 0
    assert outside.max() == 0

    figure = draw(result, View())
    assert mark(figure, "picture", Boxes, "receptive field").xyxy[0].tolist() == pytest.approx(list(position.box))
    handle = mark(figure, "picture", Handles)
    assert (handle.field, handle.value) == ("position", (100.0, 70.0))
    assert mark(figure, "field", Heatmap).extent == (0, 0, 256, 192)
    assert "field" not in [p.key for p in draw(run(replace(params, effective=False)), View()).panes()]


def test_grad_cam_explains_the_most_likely_class_or_the_one_chosen() -> None:
    result = run(Params(layer="features.18", grad_cam=True))
    trace: Trace = result.trace
    assert trace.cam is not None
    assert trace.probabilities is not None
    assert trace.cam.class_index == int(trace.probabilities.argmax())
    assert zoo.card("mobilenet_v2").label_names()[trace.cam.class_index] == "German shepherd"
    figure = draw(result, View())
    assert "German shepherd" in pane(figure, "cam").title
    assert mark(figure, "classes", Bars).selected == 0

    chosen = pick(result, View(), Spot("classes", "classes", 0, 2, 2))
    assert chosen is not None
    other = run(replace(result.task.params, **chosen))
    index = int(np.argsort(-trace.probabilities)[2])
    assert other.trace.cam.class_index == index
    x = network_input(result.frame.image, trace.fit, zoo.card("mobilenet_v2").preprocessing, torch.device("cpu"))
    expected = grad_cam(shipped("mobilenet_v2"), "features.18", x, index)
    torch.testing.assert_close(torch.from_numpy(other.trace.cam.map), expected.map)


def test_a_class_named_in_another_language_is_the_same_class() -> None:
    names = zoo.card("mobilenet_v2").label_names("zh_CN")
    assert class_named("mobilenet_v2", names[12]) == 12
    assert class_named("mobilenet_v2", "koala") == 12
    assert class_named("mobilenet_v2", "no such thing") is None


def test_long_work_stops_when_it_is_no_longer_wanted() -> None:
    for params in (Params(position=(5.0, 5.0)), Params(grad_cam=True), Params(time_layers=True)):
        task = Task(1, "layers", params)
        assert fresh().compute(Frame(PHOTO), task, cancelled=lambda: True, stop=lambda: False) is None


# -- the figure


def test_the_first_figure_shows_everything(usual: Result[Trace, Params]) -> None:
    figure = draw(usual, View())
    assert [p.key for p in figure.panes()] == ["picture", "channels", "classes", "histogram", "statistics"]
    for each in figure.panes():
        assert each.title
        if each.axes is not None:
            assert each.axes[0].label
    tiles = mark(figure, "channels", Tiles)
    assert tiles.values.shape == (32, 96, 128)
    assert tiles.titles[tiles.selected] == "21"
    np.testing.assert_array_equal(tiles.values[tiles.selected], usual.trace.maps[21])
    strengths = usual.trace.statistics.strength[[int(t) for t in tiles.titles]]
    assert (np.diff(strengths) <= 0).all()
    best = mark(figure, "classes", Bars)
    assert best.labels[0] == "German shepherd"
    assert (np.diff(best.values) <= 0).all()
    assert len(best.labels) == 5
    assert len(mark(figure, "histogram", Bars).edges) == len(mark(figure, "histogram", Bars).values) + 1
    table = mark(figure, "statistics", Table)
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_channels_by_number_keep_the_chosen_one_in_sight(usual: Result[Trace, Params]) -> None:
    view = View(order="by number", tiles=5, channel=20)
    tiles = mark(draw(usual, view), "channels", Tiles)
    assert tiles.titles == ("16", "17", "18", "19", "20")
    assert tiles.selected == 4
    assert mark(draw(usual, replace(view, channel=999)), "channels", Tiles).titles[-1] == "31"
    assert mark(draw(usual, replace(view, tiles=64)), "channels", Tiles).titles[0] == "0"


def test_signed_layers_get_colours_with_zero_in_the_middle() -> None:
    figure = draw(run(Params(layer="features.3", size=64)), View(own_range=False))
    assert mark(figure, "channels", Tiles).colormap == "diverging"
    assert mark(figure, "picture", Heatmap).colormap == "diverging"


def test_every_name_in_the_explanation_is_filled(usual: Result[Trace, Params]) -> None:
    for result in (usual, run(Params(layer="features.18", size=64, position=(3.0, 3.0), grad_cam=True))):
        said = explanation("layers.md").format_map(draw(result, View()).values)
        assert "{" not in said
        assert result.trace.layer in said


def test_a_layer_without_a_map_shows_its_numbers_as_bars() -> None:
    result = run(Params(layer="classifier.1", position=(3.0, 3.0), grad_cam=True))
    figure = draw(result, View())
    bars = mark(figure, "channels", Bars)
    assert len(bars.values) == 64
    assert (np.diff(bars.values) <= 0).all()
    assert "no map" in " ".join(note.text for note in figure.notes)
    assert not any(isinstance(m, Heatmap) for m in pane(figure, "picture").marks)
    said = probe(result, View(), Spot("channels", "channels", 0, 0, 0))
    assert said is not None
    assert "German shepherd" in said.text
    picked = pick(result, View(), Spot("channels", "channels", 0, 0, 0))
    assert picked == {"channel": int(result.trace.maps[:, 0, 0].argmax())}
    assert pick(result, View(), Spot("picture", "image", 5, 5)) is None


def test_warnings_name_dead_saturated_and_broken_units() -> None:
    class Sick(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.full((1, 6, 8, 8), 3.0)
            y[0, 0] = 0
            y[0, 1] = 6
            y[0, 2, 0, 0] = float("nan")
            y[0, 3, 0, 0] = float("inf")
            return y

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sick = nn.Sequential(Sick(), nn.ReLU6())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.sick[0](x) if self.sick[0] else x

    net = Network()
    computer = fresh()
    computer._models["mobilenet_v2", "cpu", "float32"] = networks.version("mobilenet_v2"), nn.Sequential(net)
    result = run(Params(layer="0.sick.0", size=64), computer=computer)
    said = " ".join(note.text for note in draw(result, View()).notes if note.level == "warning")
    assert "Activations: 1 NaN, 1 infinite" in said
    assert "1 of 6 channels is zero" in said
    capped = statistics(result.trace.maps, 6.0, None)
    stuck = Result(result.frame, result.task, replace(result.trace, statistics=capped))
    said = " ".join(note.text for note in draw(stuck, View()).notes)
    assert "1 of 6 channels is saturated: at the limit 6" in said


def test_an_unknown_layer_is_replaced_and_told() -> None:
    result = run(Params(layer="no.such.layer", size=64))
    assert result.trace.layer == "features.0"
    assert "no.such.layer" in " ".join(note.text for note in draw(result, View()).notes)


def test_a_detector_without_class_scores_works_too() -> None:
    if "nanodet" not in zoo.cards():
        pytest.skip("no detector is shipped")
    result = run(Params(network="nanodet", size=128, grad_cam=True, position=(20.0, 20.0)))
    assert result.trace.probabilities is None
    figure = draw(result, View())
    assert "classes" not in [p.key for p in figure.panes()]
    assert "no class scores" in " ".join(note.text for note in figure.notes)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 300), (2000, 3), (33, 31)])
def test_tiny_and_extreme_pictures(width: int, height: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    result = run(Params(layer="features.6", size=64, position=(0.5, 0.5), grad_cam=True), image)
    figure = draw(result, View(smooth=True))
    assert mark(figure, "picture", Heatmap).extent == (0, 0, width, height)
    for spot in (Spot("picture", "channel", 0.0, 0.0), Spot("picture", "", float(width), float(height))):
        assert probe(result, View(), spot) is not None


@pytest.mark.parametrize("size", [32, 1024])
def test_sizes_at_the_ends(size: int) -> None:
    result = run(Params(layer="features.18", size=size, fit="square"))
    assert result.trace.maps.shape == (1280, size // 32, size // 32)
    draw(result, View())


def test_half_precision_gives_nearly_the_same_picture() -> None:
    params = Params(layer="features.3", size=64, position=(30.0, 30.0), grad_cam=True)
    full, rough = run(params).trace, run(params, precision="bfloat16").trace
    assert rough.maps.dtype == np.float32
    assert np.corrcoef(full.maps.ravel(), rough.maps.ravel())[0, 1] > 0.99
    assert rough.position.effective.dtype == np.float32
    assert rough.probabilities.sum() == pytest.approx(1, abs=1e-3)


# -- the pointer


def test_picture_and_tile_light_up_the_same_cell(usual: Result[Trace, Params]) -> None:
    view = View(channel=13)
    over = probe(usual, view, Spot("picture", "channel", 100.0, 60.0))
    assert over is not None
    row, column = usual.trace.cells.at(100, 60)
    value = usual.trace.maps[13, row, column]
    assert f"channel 13, cell ({column}, {row}): {value:.4g} · centred at pixel" in over.text
    lit = over.marks["channels"][0]
    assert isinstance(lit, Lit)
    tiles = mark(draw(usual, view), "channels", Tiles)
    assert tiles.titles[lit.index] == "13"
    assert (lit.x, lit.y) == (column + 0.5, row + 0.5)

    back = probe(usual, view, Spot("channels", "channels", column + 0.3, row + 0.9, lit.index))
    assert back is not None
    assert back.text in over.text  # a tile's read-out names channel, cell and value by itself
    box = back.marks["picture"][0]
    assert isinstance(box, Boxes)
    assert box.xyxy[0].tolist() == list(usual.trace.cells.box(row, column))


def test_the_pointer_beside_everything_says_nothing(usual: Result[Trace, Params]) -> None:
    for spot in (
        Spot("picture", "", -1.0, 5.0),
        Spot("channels", "", 3.0, 3.0),
        Spot("channels", "channels", 3.0, 3.0, 999),
        Spot("histogram", "histogram", 1.0, 1.0, 3),
    ):
        assert probe(usual, View(), spot) is None
        assert pick(usual, View(), spot) is None


def test_clicks(usual: Result[Trace, Params]) -> None:
    assert pick(usual, View(), Spot("picture", "channel", 12.34, 56.78)) == {"position": (12.3, 56.8)}
    assert pick(usual, View(), Spot("picture", "position", 12.0, 56.0)) is None
    tiles = mark(draw(usual, View()), "channels", Tiles)
    assert pick(usual, View(), Spot("channels", "channels", 4.2, 6.9, 3)) == {"channel": int(tiles.titles[3])}
    placed = run(Params(position=(5.0, 5.0)))
    picked = pick(placed, View(), Spot("channels", "channels", 4.2, 6.9, 3))
    assert picked is not None
    assert placed.trace.cells.at(*picked["position"]) == (6, 4)
    replace(placed.task.params, position=picked["position"])


def test_words_follow_the_language(usual: Result[Trace, Params]) -> None:
    set_language("zh_CN")
    try:
        figure = draw(usual, View())
        assert mark(figure, "classes", Bars).labels[0] == "德国牧羊犬"
        assert pane(figure, "statistics").title == "统计"
    finally:
        set_language("en")
