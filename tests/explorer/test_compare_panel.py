"""The Compare panel by calling its functions: no Qt, no engine."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from explorer.figure import Curve, Heatmap, Lit, Points, Spot, Table, Text, Tiles
from explorer.i18n import explanation
from explorer.panel import Cancelled, Frame, Panel, Result, Task
from explorer.panels import compare
from explorer.panels.compare import Params, View, compute, draw, pick, probe
from explorer.panels.compare.matching import Ran, matched
from explorer.panels.compare.words import parting
from tests.explorer.test_layers_panel import FakeContext, mark, pane, photo

SMALL = Params(size=96)


def run(params: Params, previous: Any = None, context: FakeContext | None = None) -> Result:
    frame = Frame(photo(), source="test")
    return Result(frame, Task(1, "compare", params), compute(frame, params, context or FakeContext(previous=previous)))


@pytest.fixture(scope="module")
def rounded() -> Result:
    return run(SMALL)


@pytest.fixture(scope="module")
def strangers() -> Result:
    return run(replace(SMALL, other="nanodet", other_state="as it is"))


def test_it_is_a_whole_panel() -> None:
    panel = Panel.from_module(compare)
    assert panel.name == "compare"
    assert panel.probe
    assert panel.pick


def test_a_network_is_equal_to_itself() -> None:
    result = run(replace(SMALL, other_state="as it is"))
    trace = result.trace
    assert not trace.numbers["relative difference"].any()
    assert (trace.numbers["cosine"] > 1 - 1e-6).all()
    assert trace.parting is None
    assert "equal" in parting(trace)
    assert draw(result, View()).notes


def test_rounded_weights_differ_layer_by_layer_as_their_numbers_say(rounded: Result) -> None:
    trace = rounded.trace
    assert [pair.first.name for pair in trace.pairs] == [
        *(f"features.{i}" for i in range(19)), "classifier.0", "classifier.1",
    ]  # fmt: skip
    relative = trace.numbers["relative difference"]
    assert np.isfinite(relative).all()
    assert (relative > 0).all()
    i = trace.chosen
    expected = np.linalg.norm(trace.first - trace.second) / np.linalg.norm(trace.first)
    assert relative[i] == pytest.approx(expected, rel=1e-4)
    assert trace.numbers["largest difference"][i] == pytest.approx(np.abs(trace.first - trace.second).max(), rel=1e-5)
    np.testing.assert_allclose(trace.channel_difference, np.abs(trace.first - trace.second).mean((1, 2)), rtol=1e-5)
    assert trace.parting == np.flatnonzero(relative > 0.01)[0]
    assert not np.isfinite(trace.numbers["CKA"]).any()


def test_less_precision_differs_more(rounded: Result) -> None:
    def last(state: str) -> float:
        return float(run(replace(SMALL, other_state=state)).trace.numbers["relative difference"][-1])

    eight = float(rounded.trace.numbers["relative difference"][-1])
    assert last("float16 weights") < last("bfloat16 weights") < eight < last("int4 weights")


def test_networks_are_prepared_once(rounded: Result) -> None:
    context = FakeContext(previous=rounded.trace)
    again = run(SMALL, context=context)
    assert again.trace.prepared is rounded.trace.prepared
    assert "prepare" not in context.stages
    other = run(replace(SMALL, other_state="int4 weights"), previous=rounded.trace)
    assert other.trace.prepared is not rounded.trace.prepared


def test_computing_in_another_type_works() -> None:
    trace = run(replace(SMALL, other_state="computed in bfloat16", measure="CKA")).trace
    assert trace.numbers["CKA"][0] > 0.99
    assert 0 < trace.numbers["relative difference"][0] < 0.1


def test_strangers_are_compared_as_wholes(strangers: Result) -> None:
    trace = strangers.trace
    assert {pair.how for pair in trace.pairs} == {"depth"}
    assert not np.isfinite(trace.numbers["relative difference"]).any()
    assert ((trace.numbers["CKA"] >= 0) & (trace.numbers["CKA"] <= 1)).sum() >= 5
    assert trace.channel_difference is None
    figure = draw(strangers, View())
    assert mark(figure, "difference", Text)
    assert "CKA" in pane(figure, "curve").title  # the measure chosen says nothing here
    table = mark(figure, "table", Table)
    assert [c.title for c in table.columns] == ["Layer", "CKA", "Shape"]
    columns = [c.title for c in mark(figure, "predictions", Table).columns]
    assert columns == ["Class", "A"]  # a detector gives no class scores


def test_the_figure_shows_what_was_computed(rounded: Result) -> None:
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
    np.testing.assert_allclose(shown.values[0], trace.first[worst] - trace.second[worst])
    for name in figure.values:
        assert name in figure.values
    explanation("compare.md").format_map(figure.values)


def test_clicks_choose_the_layer_and_the_channel(rounded: Result) -> None:
    assert pick(rounded, View(), Spot("curve", "curve", 3.4, 0.1)) == {"layer": "features.3"}
    assert pick(rounded, View(), Spot("table", "table", 0, 7, 7)) == {"layer": "features.7"}
    assert pick(rounded, View(), Spot("curve", "", -3.0, 0.1)) is None
    worst = int(rounded.trace.channel_difference.argmax())
    assert pick(rounded, View(), Spot("tiles", "tiles", 0, 0, 0)) == {"channel": worst}
    chosen = run(replace(SMALL, layer="features.7"), previous=rounded.trace)
    assert chosen.trace.pair.first.name == "features.7"


def test_the_pointer_reads_both_values(rounded: Result) -> None:
    trace = rounded.trace
    found = probe(rounded, View(channel=2), Spot("first", "channel", 10.0, 20.0))
    assert found is not None
    row, column = trace.cells[0].at(10.0, 20.0)
    assert f"A {trace.first[2, row, column]:.3g}".replace("-", "−") in found.text
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


def test_layers_without_maps_are_bars(rounded: Result) -> None:
    result = run(replace(SMALL, layer="classifier.1"), previous=rounded.trace)
    figure = draw(result, View(channel=3))
    assert pane(figure, "difference").axes is not None
    assert pick(result, View(), Spot("second", "numbers", 7, 0, 7)) == {"channel": 7}
    assert probe(result, View(), Spot("second", "numbers", 7, 0, 7)) is not None
    assert "tiles" not in {p.key for p in figure.panes()}


def test_it_stops_when_nobody_wants_the_result() -> None:
    context = FakeContext()
    context.cancelled = True
    with pytest.raises(Cancelled):
        run(SMALL, context=context)


def test_values_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError):
        Params(other_state="int3 weights")
    with pytest.raises(ValueError):
        Params(size=8)


def test_layers_are_matched_by_name_then_by_shape_then_by_depth() -> None:
    def ran(*rows: tuple[str, tuple[int, ...]]) -> list[Ran]:
        return [Ran(*row) for row in rows]

    first = ran(("a", (1, 2, 8, 8)), ("b", (1, 4, 4, 4)), ("c", (1, 8, 2, 2)), ("d", (1, 5)))
    by_name = matched(first, [*first[:2], Ran("more", (1, 9, 9, 9)), *first[2:]])
    assert [(p.first.name, p.second.name, p.how) for p in by_name] == [(n, n, "name") for n in "abcd"]
    renamed = [Ran(f"x{layer.name}", layer.shape) for layer in first]
    by_shape = matched(first, [renamed[0], Ran("more", (1, 9, 9, 9)), *renamed[1:]])
    assert [(p.second.name, p.how) for p in by_shape] == [(f"x{n}", "shape") for n in "abcd"]
    assert all(p.cell_by_cell for p in by_shape)
    others = ran(("x", (1, 3, 7, 7)), ("y", (1, 8, 2, 2)))
    by_depth = matched(first, others)
    assert [(p.first.name, p.second.name, p.how) for p in by_depth] == [
        ("a", "x", "depth"), ("b", "x", "depth"), ("c", "y", "depth"),
    ]  # fmt: skip
    assert not any(p.cell_by_cell for p in by_depth)
    assert matched(first, []) == ()
