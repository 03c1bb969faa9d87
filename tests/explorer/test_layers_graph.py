"""The graph in the Layers panel: what is shown, and what clicks do. No Qt."""

from dataclasses import replace

import numpy as np
import pytest

from explorer.figure import Graph, Lit, Spot
from explorer.i18n import set_language
from explorer.panel import Result, knobs
from explorer.panels.layers import Params, Trace, View
from tests.explorer.test_layers_panel import draw, fresh, mark, pane, pick, probe, run, stages

COMPUTER = fresh()
SHOWN = Params(show="graph", size=64, layer="features.4")


def click(result: Result[Trace, Params], title: str) -> dict[str, object] | None:
    drawn = mark(draw(result, View()), "graph", Graph)
    return pick(result, View(), Spot("graph", "graph", 0, 0, drawn.titles.index(title)))


@pytest.fixture(scope="module")
def whole() -> Result[Trace, Params]:
    return run(SHOWN, computer=COMPUTER)


def test_the_graph_shows_blocks_with_shapes_between_them(whole: Result[Trace, Params]) -> None:
    drawn = mark(draw(whole, View()), "graph", Graph)
    assert drawn.titles[:3] == ("input", "features.0", "features.1")
    assert drawn.titles[-1] == "output"
    assert len(drawn.boxes) == 24
    assert drawn.titles[drawn.selected] == "features.4"
    assert drawn.details[2] == "InvertedResidual"
    # Each line is labelled with what its source gives: channels x rows x columns of the tree.
    shapes = {n.value: n.cells[1] for n in whole.trace.network.nodes}
    for (source, _), label in zip(drawn.ends, drawn.line_labels, strict=True):
        if drawn.titles[source].startswith("features"):
            assert label == shapes[drawn.titles[source]]
    assert np.isfinite(drawn.boxes).all()
    assert {words for _, words in drawn.meanings} >= {"block: click twice to open"}


def test_it_is_traced_once_for_a_network_and_size(whole: Result[Trace, Params]) -> None:
    again = run(SHOWN, computer=COMPUTER, index=1)
    assert again.trace.graph is whole.trace.graph
    first, second = (mark(draw(r, View()), "graph", Graph) for r in (whole, again))
    assert first is second  # so the canvas paints it once
    hidden = run(replace(SHOWN, show="channels"), computer=COMPUTER)
    assert hidden.trace.graph is None
    assert "graph" not in {p.key for p in draw(hidden, View()).panes()}
    back = run(SHOWN, computer=COMPUTER)
    assert back.trace.graph is whole.trace.graph


def test_a_click_chooses_and_a_second_one_opens(whole: Result[Trace, Params]) -> None:
    assert click(whole, "features.9") == {"layer": "features.9"}
    assert click(whole, "features.4") == {"opened": ("features.4",)}
    assert click(whole, "input") is None
    assert click(whole, "mean") is None  # it runs in the network itself, which is no layer to look at
    line = len(whole.trace.graph.graph.nodes)
    assert pick(whole, View(), Spot("graph", "graph", 0, 0, line)) is None


def test_an_opened_block_shows_its_layers_and_is_shut_again(whole: Result[Trace, Params]) -> None:
    params = replace(SHOWN, opened=("features.3",), layer="features.3")
    result = run(params, computer=COMPUTER)
    drawn = mark(draw(result, View()), "graph", Graph)
    frame = drawn.titles.index("features.3")
    assert drawn.frames == {frame}
    assert {"conv.0", "conv.1", "Conv2d 1×1", "BatchNorm2d", "add"} <= set(drawn.titles)
    assert drawn.details[drawn.titles.index("Conv2d 1×1")] == "conv.2"
    assert click(result, "features.3") == {"opened": (), "layer": "features.3"}
    assert click(result, "conv.1") == {"layer": "features.3.conv.1"}
    assert click(result, "add") == {"layer": "features.3"}
    inside = run(replace(params, layer="features.3.conv.1"), computer=COMPUTER)
    drawn = mark(draw(inside, View()), "graph", Graph)
    assert drawn.titles[drawn.selected] == "conv.1"
    assert click(inside, "conv.1") == {"opened": ("features.3", "features.3.conv.1")}


def test_colours_stand_for_time_or_memory(whole: Result[Trace, Params]) -> None:
    memory = run(replace(SHOWN, graph_colour="memory"), computer=COMPUTER)
    drawn = mark(draw(memory, View()), "graph", Graph)
    assert drawn.unit == "MB"
    inside = drawn.titles.index("features.0")
    # A convolution and a norm of (32, h, w) floats; ReLU6 works in place.
    height, width = memory.trace.network.layers["features.0"].shapes[0][2:]
    assert drawn.values[inside] == pytest.approx(2 * 4 * 32 * height * width / 1e6)
    assert np.isnan(drawn.values[0])
    timed = run(replace(SHOWN, graph_colour="time"), computer=COMPUTER)
    assert "time layers" in stages(timed)
    drawn = mark(draw(timed, View()), "graph", Graph)
    assert drawn.unit == "ms"
    assert drawn.values[inside] > 0
    again = run(replace(SHOWN, graph_colour="time"), computer=COMPUTER)
    assert again.trace.graph is timed.trace.graph
    assert "time layers" not in stages(again)


def test_the_pointer_reads_a_box_and_a_line(whole: Result[Trace, Params]) -> None:
    found = probe(whole, View(), Spot("graph", "graph", 0, 0, 3))
    assert found is not None
    for words in ("features.2", "InvertedResidual", "5 136 parameters", "MB", "open"):
        assert words in found.text
    assert isinstance(found.marks["graph"][0], Lit)
    count = len(whole.trace.graph.graph.nodes)
    line = probe(whole, View(), Spot("graph", "graph", 0, 0, count))
    assert line is not None
    assert line.text.startswith("input → features.0: 3×")
    assert probe(whole, View(), Spot("graph", "graph", 0, 0, 10_000)) is None
    assert probe(whole, View(), Spot("graph", "", 0, 0)) is None


def test_depth_is_a_control_up_to_what_there_is(whole: Result[Trace, Params]) -> None:
    assert knobs(Params)["graph_depth"][1].high(whole) == 5  # type: ignore[operator]
    deep = run(replace(SHOWN, graph_depth=5), computer=COMPUTER)
    drawn = mark(draw(deep, View()), "graph", Graph)
    assert drawn.titles.count("add") == 10
    assert drawn.titles.count("Conv2d 3×3 dw") + drawn.titles.count("Conv2d 3×3 dw /2") == 17
    with pytest.raises(ValueError):
        Params(graph_depth=-1)


def test_words_follow_the_language(whole: Result[Trace, Params]) -> None:
    try:
        set_language("zh_CN")
        assert mark(draw(whole, View()), "graph", Graph).titles[0] == "输入"
    finally:
        set_language("en")
    assert pane(draw(whole, View()), "graph").title.startswith("The network")


def test_a_detector_with_many_outputs_has_a_graph() -> None:
    result = run(Params(network="nanodet", show="graph", size=64))
    drawn = mark(draw(result, View()), "graph", Graph)
    assert {"boxes", "scores"} <= set(drawn.titles)
    assert "cat" in drawn.titles
