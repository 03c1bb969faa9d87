"""The Compare panel through the program's own computer."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from cvcore.assets import asset
from cvcore.receptive_field import receptive_field
from explorer.engine.compute import Computer
from explorer.figure import Curve, Heatmap, Lit, Points, Spot, Table, Text, Tiles
from explorer.i18n import explanation
from explorer.panel import Frame, Panel, Result, Task
from explorer.panels import compare
from explorer.panels.compare import Params, Trace, View
from explorer.views.cells import Cells
from explorer.views.fit import Fit
from tests.explorer.test_cbam_panel import mark, pane, stages

Shown = Result[Trace, Params]
SMALL = Params(size=96)
PANEL = Panel.from_module(compare)
draw, pick, probe = PANEL.draw, PANEL.pick, PANEL.probe
PHOTO = cv2.resize(cv2.imread(str(asset("pictures", "dog.jpg")), cv2.IMREAD_COLOR_RGB), (256, 192))
COMPUTER = Computer({"compare": PANEL})


def run(params: Params, computer: Computer = COMPUTER, task: int = 1) -> Shown:
    result = computer.compute(Frame(PHOTO, source="test"), Task(task, "compare", params))
    assert result is not None
    assert not result.error, result.detail
    return result


@pytest.fixture(scope="module")
def rounded() -> Shown:
    return run(SMALL)


@pytest.fixture(scope="module")
def strangers() -> Shown:
    return run(replace(SMALL, other="nanodet", other_state="as it is"))


def test_a_network_is_equal_to_itself() -> None:
    result = run(replace(SMALL, other_state="as it is"))
    trace = result.trace
    assert not trace.numbers["relative difference"].any()
    assert (trace.numbers["cosine"] > 1 - 1e-6).all()
    assert trace.parting is None
    assert "All compared layers are exactly equal." in draw(result, View()).notes[0].text


def test_rounded_weights_differ_layer_by_layer_as_their_numbers_say(rounded: Shown) -> None:
    trace = rounded.trace
    assert [pair.first.name for pair in trace.pairs] == [
        *(f"features.{i}" for i in range(19)), "classifier.0", "classifier.1",
    ]  # fmt: skip
    relative = trace.numbers["relative difference"]
    assert np.isfinite(relative).all()
    assert (relative > 0).all()
    i = trace.chosen
    apart = trace.first.maps - trace.second.maps
    np.testing.assert_array_equal(trace.difference, apart)
    assert relative[i] == pytest.approx(np.linalg.norm(apart) / np.linalg.norm(trace.first.maps), rel=1e-4)
    assert trace.numbers["largest difference"][i] == pytest.approx(np.abs(apart).max(), rel=1e-5)
    np.testing.assert_allclose(trace.channel_difference, np.abs(apart).mean((1, 2)), rtol=1e-5)
    assert trace.parting == np.flatnonzero(relative > 0.01)[0]
    assert not np.isfinite(trace.numbers["CKA"]).any()


def test_less_precision_differs_more(rounded: Shown) -> None:
    def last(state: str) -> float:
        return float(run(replace(SMALL, other_state=state)).trace.numbers["relative difference"][-1])

    eight = float(rounded.trace.numbers["relative difference"][-1])
    assert last("float16 weights") < last("bfloat16 weights") < eight < last("int4 weights")


def test_networks_are_prepared_once_and_only_the_last_are_kept() -> None:
    first, again = run(SMALL, task=2), run(replace(SMALL, layer="features.7"), task=2)
    assert (stages(first, "prepare"), stages(again, "prepare")) == (1, 0)
    assert stages(run(replace(SMALL, other_state="int4 weights"), task=2), "prepare") == 1
    assert stages(run(SMALL, task=2), "prepare") == 1


def test_cells_lie_where_the_layers_look(rounded: Shown) -> None:
    """As the Layers panel draws the same map: by its receptive field, not by an even division of the picture."""
    result = run(replace(SMALL, layer="features.18"))
    fit = Fit.choose((256, 192), 96, square=False)
    network = COMPUTER.model("mobilenet_v2", torch.device("cpu"), "float32")
    x, y = receptive_field(network, "features.18", torch.zeros(1, 3, *fit.input[::-1])).centre(1, 2)
    for side in (result.trace.first, result.trace.second):
        assert side.cells.shape == side.maps.shape[1:]
        assert side.cells.centre(1, 2) == pytest.approx((x * fit.scale[0], y * fit.scale[1]))
    even = Cells.dividing((256, 192), *side.cells.shape)
    assert np.hypot(*np.subtract(side.cells.centre(0, 0), even.centre(0, 0))) > 20
    found = probe(result, View(channel=4), Spot("second", "channel", *side.cells.centre(2, 1)))
    assert found is not None
    assert found.text.startswith("channel 4, cell (1, 2): ")


def test_computing_in_another_type_works() -> None:
    trace = run(replace(SMALL, other_state="computed in bfloat16", measure="CKA")).trace
    assert trace.numbers["CKA"][0] > 0.99
    assert 0 < trace.numbers["relative difference"][0] < 0.1


def test_strangers_are_compared_as_wholes(strangers: Shown) -> None:
    trace = strangers.trace
    assert {pair.how for pair in trace.pairs} == {"depth"}
    assert not np.isfinite(trace.numbers["relative difference"]).any()
    assert ((trace.numbers["CKA"] >= 0) & (trace.numbers["CKA"] <= 1)).sum() >= 5
    assert trace.difference is None
    figure = draw(strangers, View())
    assert mark(figure, "difference", Text)
    assert "CKA" in pane(figure, "curve").title  # the measure chosen says nothing here
    table = mark(figure, "table", Table)
    assert [c.title for c in table.columns] == ["Layer", "CKA", "Shape"]
    columns = [c.title for c in mark(figure, "predictions", Table).columns]
    assert columns == ["Class", "A"]  # a detector gives no class scores
    found = probe(strangers, View(), Spot("first", "channel", 100.0, 60.0))
    assert found is not None
    assert found.marks.keys() == {"first", "second"}, "the same place in both"


def test_the_figure_shows_what_was_computed(rounded: Shown) -> None:
    figure = draw(rounded, View(channel=5))
    trace = rounded.trace
    np.testing.assert_allclose(mark(figure, "curve", Curve, "curve").y, trace.numbers["relative difference"])
    table = mark(figure, "table", Table)
    assert table.selected == trace.chosen
    assert table.rows[3][1] == pytest.approx(100 * trace.numbers["relative difference"][3])
    first, second = (mark(figure, key, Heatmap) for key in ("first", "second"))
    assert (first.low, first.high) == (second.low, second.high)
    assert mark(figure, "difference", Heatmap).colormap == "diverging"
    shown = mark(figure, "tiles", Tiles)
    worst = int(trace.channel_difference.argmax())
    assert shown.titles[0] == str(worst)
    np.testing.assert_array_equal(shown.values[0], trace.first.maps[worst] - trace.second.maps[worst])
    explanation("compare.md").format_map(figure.values)


def test_clicks_choose_the_layer_and_the_channel(rounded: Shown) -> None:
    assert pick(rounded, View(), Spot("curve", "curve", 3.4, 0.1)) == {"layer": "features.3"}
    assert pick(rounded, View(), Spot("table", "table", 0, 7, 7)) == {"layer": "features.7"}
    assert pick(rounded, View(), Spot("curve", "", -3.0, 0.1)) is None
    worst = int(rounded.trace.channel_difference.argmax())
    assert pick(rounded, View(), Spot("tiles", "tiles", 0, 0, 0)) == {"channel": worst}
    chosen = run(replace(SMALL, layer="features.7"))
    assert chosen.trace.pair.first.name == "features.7"


def test_the_pointer_reads_both_values(rounded: Shown) -> None:
    trace = rounded.trace
    found = probe(rounded, View(channel=2), Spot("first", "channel", 10.0, 20.0))
    assert found is not None
    row, column = trace.first.cells.at(10.0, 20.0)
    assert f"A {trace.first.maps[2, row, column]:.3g}".replace("-", "−") in found.text
    assert set(found.marks) >= {"first", "second", "difference"}
    layer = probe(rounded, View(), Spot("curve", "curve", 4.0, 0.1))
    assert layer is not None
    assert "features.4" in layer.text
    assert layer.marks["table"][0].index == 4  # type: ignore[union-attr]
    assert isinstance(layer.marks["curve"][0], Points)
    tile = probe(rounded, View(), Spot("tiles", "tiles", 0.5, 0.5, 3))
    assert tile is not None
    assert isinstance(tile.marks["tiles"][0], Lit)
    assert probe(rounded, View(), Spot("first", "", -10.0, 5.0)) is None


def test_layers_without_maps_are_bars(rounded: Shown) -> None:
    result = run(replace(SMALL, layer="classifier.1"))
    figure = draw(result, View(channel=3))
    assert pane(figure, "difference").axes is not None
    assert pick(result, View(), Spot("second", "numbers", 7, 0, 7)) == {"channel": 7}
    assert probe(result, View(), Spot("second", "numbers", 7, 0, 7)) is not None
    assert "tiles" not in {p.key for p in figure.panes()}


def test_it_stops_when_nobody_wants_the_result() -> None:
    task = Task(3, "compare", SMALL)
    assert COMPUTER.compute(Frame(PHOTO), task, cancelled=lambda: True, stop=lambda: False) is None


def test_values_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError):
        Params(other_state="int3 weights")
    with pytest.raises(ValueError):
        Params(size=8)
