"""From trace to figure: it only picks from what was computed."""

from math import ceil, floor

import numpy as np

from explorer.figure import (
    Axis,
    Bars,
    Colormap,
    Column,
    Curve,
    Figure,
    Heatmap,
    Layout,
    Mark,
    Pane,
    Points,
    Row,
    Table,
    TableColumn,
    Text,
    Tiles,
)
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.compare.controls import Params, View
from explorer.panels.compare.selection import listed_classes, shown_channel, shown_measure, shown_tiles
from explorer.panels.compare.trace import APART, Trace
from explorer.panels.compare.words import notes, values

FLOOR = 1e-9
"""What a logarithmic axis shows of no difference at all."""
LOGARITHMIC = ("relative difference", "largest difference", "mean difference")
CHOSEN = 3


def draw(result: Result, view: View) -> Figure:
    """The curve and the table of all layers to the left, the chosen layer and the predictions to the right."""
    trace: Trace = result.trace
    maps = [channel_pane(result, view, 0), channel_pane(result, view, 1), difference_pane(result, view)]
    below: list[Layout] = []
    if trace.is_map and trace.channel_difference is not None:
        below.append(tiles_pane(result, view))
    below.append(predictions_pane(result))
    left = Column((curve_pane(result), table_pane(result)), weights=(1.15, 1.0))
    right = Column(
        (Row(tuple(maps)), Row(tuple(below), weights=(1.15, 1.0) if len(below) > 1 else ())), weights=(1.0, 1.0)
    )
    return Figure(Row((left, right), weights=(1.1, 1.6)), values=values(result, view), notes=tuple(notes(result)))


def curve_pane(result: Result) -> Pane:
    """The chosen measure over depth."""
    trace: Trace = result.trace
    params: Params = result.task.params
    measure = shown_measure(trace, params)
    numbers = trace.numbers[measure]
    title = tr("{measure} over depth: click on a layer", measure=capital(tr(measure)))
    logarithmic = measure in LOGARITHMIC and bool((numbers > 0).any())
    x = np.arange(len(numbers), dtype=np.float64)
    y = np.maximum(numbers, FLOOR) if logarithmic else numbers
    marks: list[Mark] = []
    if measure == "relative difference" and logarithmic:
        limit = np.array([0.0, max(len(x) - 1, 1)])
        marks.append(Curve(limit, np.full(2, APART), colour=7, width=1.0, style="dashed", key="limit"))
    marks.append(Curve(x, y, key="curve"))
    marks.append(Points(np.stack([x, y], axis=1), size=6.0, key="layers"))
    if np.isfinite(y[trace.chosen]):
        name = trace.pairs[trace.chosen].first.name
        chosen = np.array([[x[trace.chosen], y[trace.chosen]]])
        marks.append(Points(chosen, labels=(name,), colours=CHOSEN, size=11.0, symbol="ring", key="chosen"))
    return Pane(
        "curve",
        title,
        tuple(marks),
        axes=(Axis(tr("layer, from the input to the output")), measure_axis(measure, numbers, logarithmic)),
    )


def measure_axis(measure: str, numbers: np.ndarray, logarithmic: bool) -> Axis:
    """Whole powers of ten, or from 0 up where that makes sense."""
    if logarithmic:
        known = numbers[np.isfinite(numbers) & (numbers > 0)]
        low, high = (
            10.0 ** round_to(float(np.log10(end))) for round_to, end in ((floor, known.min()), (ceil, known.max()))
        )
        return Axis(tr(measure), log=True, low=FLOOR if (numbers == 0).any() else low, high=max(high, 10 * low))
    return Axis(tr(measure), low=None if measure == "cosine" else 0.0, high=1.0 if measure == "CKA" else None)


def table_pane(result: Result) -> Pane:
    """All layers in numbers."""
    trace: Trace = result.trace
    names = ["relative difference", "cosine", "mean difference", "largest difference"]
    titles = [
        TableColumn(tr("relative"), "%", 3),
        TableColumn(tr("cosine"), digits=5),
        TableColumn(tr("mean")),
        TableColumn(tr("largest")),
    ]
    if not any(pair.cell_by_cell for pair in trace.pairs):
        names, titles = [], []
    if np.isfinite(trace.numbers["CKA"]).any():
        names.insert(0, "CKA")
        titles.insert(0, TableColumn(tr("CKA"), digits=4))
    columns = (TableColumn(tr("Layer")), *titles, TableColumn(tr("Shape")))
    rows = []
    for i, pair in enumerate(trace.pairs):
        factor = {"relative difference": 100.0}
        numbers = [cell(factor.get(name, 1.0) * trace.numbers[name][i]) for name in names]
        shape = shape_words(pair.first.shape) + (
            "" if pair.first.shape == pair.second.shape else f" ↔ {shape_words(pair.second.shape)}"
        )
        rows.append((pair.name, *numbers, shape))
    table = Table(columns, tuple(rows), selected=trace.chosen, key="table")
    return Pane("table", tr("{count} pairs of layers", count=len(rows)), (table,))


def capital(words: str) -> str:
    """The first letter a capital, the others as they are."""
    return words[:1].upper() + words[1:]


def cell(value: float) -> str | float:
    return float(value) if not np.isnan(value) else "–"


def shape_words(shape: tuple[int, ...]) -> str:
    return "×".join(str(side) for side in shape[1:])


def colours(trace: Trace) -> tuple[Colormap, float | None]:
    low = min(float(np.nanmin(trace.first)), float(np.nanmin(trace.second)))
    return ("diverging", None) if low < 0 else ("viridis", 0.0)


def channel_pane(result: Result, view: View, which: int) -> Pane:
    """One network's channel; both have one range of colours where they have one shape."""
    trace: Trace = result.trace
    channel = shown_channel(trace, view)
    maps = (trace.first, trace.second)[which]
    layer = (trace.pair.first.name, trace.pair.second.name)[which]
    title = tr("{network}: {layer}", network="AB"[which], layer=layer)
    if not trace.is_map:
        return number_pane(("first", "second")[which], title, maps[:, 0, 0], channel)
    title = tr("{network}: {layer}, channel {channel}", network="AB"[which], layer=layer, channel=channel)
    colormap, low = colours(trace)
    high = None
    if trace.channel_difference is not None:
        both = np.abs(np.stack([trace.first[channel], trace.second[channel]]))
        high = float(both[np.isfinite(both)].max(initial=0.0)) or None
    heat = Heatmap(
        trace.cells[which].spread(maps[channel], smooth=view.smooth),
        label=tr("activation"),
        low=low,
        high=high,
        colormap=colormap,
        extent=result.frame.extent,
        smooth=True,
        key="channel",
    )
    return Pane(("first", "second")[which], title, (heat,), space="picture", size=result.frame.size)


def number_pane(key: str, title: str, numbers: np.ndarray, channel: int) -> Pane:
    bars = Bars(numbers, label=tr("activation"), selected=channel, key="numbers")
    return Pane(key, title, (bars,), axes=(Axis(tr("channel")), Axis(tr("activation"))))


def difference_pane(result: Result, view: View) -> Pane:
    """A − B: red where A is larger, blue where B is."""
    trace: Trace = result.trace
    channel = shown_channel(trace, view)
    title = tr("Difference A − B")
    if trace.channel_difference is None:
        words = tr(
            "These layers ({first} and {second}) do not correspond cell by cell, so they cannot be subtracted. "
            "CKA compares them as wholes: do cells that are alike in A have a counterpart that is alike in B? "
            "1 means yes, for all pairs of cells; 0 means not at all.",
            first=shape_words(trace.pair.first.shape),
            second=shape_words(trace.pair.second.shape),
        )
        return Pane("difference", title, (Text(words),))
    if not trace.is_map:
        return number_pane("difference", title, trace.first[:, 0, 0] - trace.second[:, 0, 0], channel)
    heat = Heatmap(
        trace.cells[0].spread(trace.first[channel] - trace.second[channel], smooth=view.smooth),
        label=tr("A − B"),
        colormap="diverging",
        extent=result.frame.extent,
        smooth=True,
        key="difference",
    )
    return Pane("difference", title, (heat,), space="picture", size=result.frame.size)


def tiles_pane(result: Result, view: View) -> Pane:
    """The difference of every channel, in one range of colours."""
    trace: Trace = result.trace
    order = shown_tiles(trace, view)
    place = np.flatnonzero(order == shown_channel(trace, view))
    tiles = Tiles(
        trace.first[order] - trace.second[order],
        titles=tuple(str(i) for i in order),
        label=tr("A − B"),
        colormap="diverging",
        selected=int(place[0]) if len(place) else None,
        key="tiles",
    )
    title = tr("A − B of {shown} of {count} channels", shown=len(order), count=len(trace.first))
    return Pane("tiles", title, (tiles,))


def predictions_pane(result: Result) -> Pane:
    """What both say the picture shows."""
    rows = listed_classes(result)
    if not rows:
        words = tr("These networks give no class scores; compare what their layers give.")
        return Pane("predictions", tr("Predictions"), (Text(words),))
    has = [found is not None for found in result.trace.probabilities]
    columns = (
        TableColumn(tr("Class")),
        *(TableColumn(name, "%", 2) for name, there in zip("AB", has, strict=True) if there),
        *((TableColumn(tr("A − B"), tr("points"), 2),) if all(has) else ()),
    )
    table = Table(
        columns,
        tuple(
            (
                name,
                *(cell(100 * p) for p, there in zip((a, b), has, strict=True) if there),
                *((cell(100 * (a - b)),) if all(has) else ()),
            )
            for name, a, b in rows
        ),
        key="predictions",
    )
    return Pane("predictions", tr("Predictions"), (table,))
