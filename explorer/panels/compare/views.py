"""The curve and the table of all layers to the left, the chosen layer in both networks and what they say to the right."""

from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from cvcore.layer_pairs import CKA, COSINE, LARGEST, MEAN, RELATIVE
from explorer.figure import Axis, Bars, Colormap, Column, Curve, Layout, Pane, Row, Table, TableColumn, Text
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.compare.compute import APART, BY_DIFFERENCE, Array, Params, Trace, View
from explorer.panels.compare.words import listed_classes, shown_channel, shown_measure, sides
from explorer.views.items import Items
from explorer.views.positions import Ends, Positions

FLOOR = 1e-9
"""What a logarithmic axis shows of no difference at all."""
TILES = 48
Shown = Result[Trace, Params]


def show(result: Shown, view: View) -> Layout:
    trace = result.trace
    maps = Row((side_pane(result, view, 0), side_pane(result, view, 1), difference_pane(result, view)))
    predictions = predictions_pane(result)
    below: Layout = predictions
    if trace.is_map and trace.difference is not None:
        below = Row((tiles_pane(trace, view, trace.difference), predictions), weights=(1.15, 1.0))
    left = Column((curve_pane(result), table_pane(trace)), weights=(1.15, 1.0))
    return Row((left, Column((maps, below))), weights=(1.1, 1.6))


VIEWS = {"compare": show}


# -- all layers


def layers(trace: Trace) -> Items:
    names = [pair.first.name for pair in trace.pairs]
    return Items.all("layer", len(names), trace.chosen, words=lambda i: names[i], value=lambda i: names[i])


def curve_pane(result: Shown) -> Pane:
    """The chosen measure over depth."""
    measure = shown_measure(result.trace, result.params)
    numbers = result.trace.numbers[measure]
    title = tr("{measure} over depth: click on a layer", measure=capital(tr(measure)))
    logarithmic = measure in (RELATIVE, LARGEST, MEAN) and bool((numbers > 0).any())
    more = []
    if measure == RELATIVE and logarithmic:
        ends = np.array([0.0, max(len(numbers) - 1, 1)])
        more.append(Curve(ends, np.full(2, APART), colour=7, width=1.0, style="dashed", key="limit"))
    y = np.maximum(numbers, FLOOR) if logarithmic else numbers
    along = Axis(tr("layer, from the input to the output"))
    axis = measure_axis(measure, numbers, logarithmic=logarithmic)
    return layers(result.trace).curve("curve", title, y, axis, along=along, more=more, mark="curve")


def measure_axis(measure: str, numbers: NDArray[np.float64], *, logarithmic: bool) -> Axis:
    """Whole powers of ten, or from 0 up where that makes sense."""
    if logarithmic:
        known = numbers[np.isfinite(numbers) & (numbers > 0)]
        low, high = 10.0 ** floor(np.log10(known.min())), 10.0 ** ceil(np.log10(known.max()))
        return Axis(tr(measure), log=True, low=FLOOR if (numbers == 0).any() else low, high=max(high, 10 * low))
    return Axis(tr(measure), low=None if measure == COSINE else 0.0, high=1.0 if measure == CKA else None)


def table_pane(trace: Trace) -> Pane:
    """All layers in numbers."""
    columns: dict[str, TableColumn] = {}
    if np.isfinite(trace.numbers[CKA]).any():
        columns[CKA] = TableColumn(tr("CKA"), digits=4)
    if any(pair.cell_by_cell for pair in trace.pairs):
        columns |= {
            RELATIVE: TableColumn(tr("relative"), "%", 3),
            COSINE: TableColumn(tr("cosine"), digits=5),
            MEAN: TableColumn(tr("mean")),
            LARGEST: TableColumn(tr("largest")),
        }

    def row(i: int) -> tuple[str | float, ...]:
        pair = trace.pairs[i]
        numbers = [cell((100.0 if name == RELATIVE else 1.0) * trace.numbers[name][i]) for name in columns]
        shapes = dict.fromkeys(sides(one.shape) for one in (pair.first, pair.second))
        return pair.name, *numbers, " ↔ ".join(shapes)

    titles = (TableColumn(tr("Layer")), *columns.values(), TableColumn(tr("Shape")))
    title = tr("{count} pairs of layers", count=len(trace.pairs))
    return layers(trace).table("table", title, titles, row, mark="table")


def capital(words: str) -> str:
    """The first letter a capital, the others as they are."""
    return words[:1].upper() + words[1:]


def cell(value: float) -> str | float:
    return float(value) if not np.isnan(value) else "–"


# -- the chosen layer


def side_pane(result: Shown, view: View, which: int) -> Pane:
    """One network's channel; both have one range of colours where they have one shape."""
    trace, channel = result.trace, shown_channel(result.trace, view)
    side, layer = ((trace.first, trace.pair.first), (trace.second, trace.pair.second))[which]
    key, network = ("first", "second")[which], "AB"[which]
    if not trace.is_map:
        title = tr("{network}: {layer}", network=network, layer=layer.name)
        return number_pane(trace, view, key, title, side.maps[:, 0, 0])
    title = tr("{network}: {layer}, channel {channel}", network=network, layer=layer.name, channel=channel)
    low = min(float(np.nanmin(trace.first.maps)), float(np.nanmin(trace.second.maps)))
    high = None
    if trace.difference is not None:
        both = np.abs(np.stack([trace.first.maps[channel], trace.second.maps[channel]]))
        high = float(both[np.isfinite(both)].max(initial=0.0)) or None
    ends: Ends = (None if low < 0 else 0.0, high)
    at = Positions(result.frame, side.cells, opacity=1.0, smooth=view.smooth)
    colours: Colormap = "diverging" if low < 0 else "viridis"
    heat = at.heat(side.maps[channel], tr("activation"), ends=ends, colormap=colours, mark="channel")
    return at.pane(key, title, heat)


def number_pane(trace: Trace, view: View, key: str, title: str, numbers: Array) -> Pane:
    """Of a layer without a map a number for each channel; those that both networks have can be chosen."""
    common = trace.sizes["channel"]
    channels = Items.all("channel", len(numbers), value=lambda i: i if i < common else None)
    bars = Bars(numbers, label=tr("activation"), selected=shown_channel(trace, view), key="numbers")
    return channels.pane(key, title, (bars,), "numbers", (Axis(tr("channel")), Axis(tr("activation"))))


def difference_pane(result: Shown, view: View) -> Pane:
    """A − B: red where A is larger, blue where B is."""
    trace, title = result.trace, tr("Difference A − B")
    if trace.difference is None:
        words = tr(
            "These layers ({first} and {second}) do not correspond cell by cell, so they cannot be subtracted. "
            "CKA compares them as wholes: do cells that are alike in A have a counterpart that is alike in B? "
            "1 means yes, for all pairs of cells; 0 means not at all.",
            first=sides(trace.pair.first.shape),
            second=sides(trace.pair.second.shape),
        )
        return Pane("difference", title, (Text(words),))
    if not trace.is_map:
        return number_pane(trace, view, "difference", title, trace.difference[:, 0, 0])
    at = Positions(result.frame, trace.first.cells, opacity=1.0, smooth=view.smooth)
    values = trace.difference[shown_channel(trace, view)]
    return at.pane("difference", title, at.heat(values, tr("A − B"), colormap="diverging", mark="difference"))


def tiles_pane(trace: Trace, view: View, difference: Array) -> Pane:
    """The difference of every channel, in one range of colours."""
    chosen, total = shown_channel(trace, view), len(difference)
    count = min(TILES, total)
    first = min(max(0, chosen - count + 1), total - count)
    order = np.arange(first, first + count)
    if view.order == BY_DIFFERENCE:
        order = np.argsort(-trace.channel_difference, kind="stable")[:count]
    title = tr("A − B of {shown} of {count} channels", shown=count, count=total)
    channels = Items("channel", order, chosen)
    return channels.tiles(
        "tiles",
        title,
        difference,
        tr("A − B"),
        colormap="diverging",
        cells=trace.first.cells,
        placing=False,
        mark="tiles",
    )


# -- what both say


def predictions_pane(result: Shown) -> Pane:
    """The most likely classes of both."""
    rows, title = listed_classes(result), tr("Predictions")
    if not rows:
        words = tr("These networks give no class scores; compare what their layers give.")
        return Pane("predictions", title, (Text(words),))
    known = [side.probabilities is not None for side in (result.trace.first, result.trace.second)]
    columns = [TableColumn("A", "%", 2), TableColumn("B", "%", 2), TableColumn(tr("A − B"), tr("points"), 2)]
    shown = [i for i, there in enumerate((*known, all(known))) if there]
    cells = [(name, *(cell(100 * (a, b, a - b)[i]) for i in shown)) for name, a, b in rows]
    titles = (TableColumn(tr("Class")), *(columns[i] for i in shown))
    return Pane("predictions", title, (Table(titles, tuple(cells), key="predictions"),))
