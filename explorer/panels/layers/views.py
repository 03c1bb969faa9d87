"""Both views: a layer's channels, what a unit sees and what speaks for a class; and above them the graph of the network as it ran."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.figure import (
    At,
    Axis,
    Bars,
    Boxes,
    Column,
    Handles,
    Heatmap,
    Image,
    Layout,
    Mark,
    Pane,
    Row,
    Spot,
    Table,
    TableColumn,
)
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.layers.compute import Position, Trace
from explorer.panels.layers.controls import BY_ACTIVATION, SHOWS, Params, View
from explorer.panels.layers.words import share
from explorer.views import network_graph
from explorer.views.items import Items
from explorer.views.positions import Positions
from explorer.views.predictions import cam_pane, class_names, classes_pane
from explorer.views.said import num

Shown = Result[Trace, Params]
FAINT = 0.03
"""Gradients below this part of the largest are not drawn, so that the picture stays visible around the field."""
CELL, FIELD = 1, 3
"""Colours."""


def channels_view(result: Shown, view: View) -> Layout:
    """Picture and channels above; classes, histogram and statistics below."""
    above, widths, below = parts(result, view)
    return Column((Row(tuple(above), weights=tuple(widths)), Row(tuple(below))), weights=(1.7, 1.0))


def graph_view(result: Shown, view: View) -> Layout:
    """The graph above, the layer chosen in it below."""
    trace, (above, widths, below) = result.trace, parts(result, view)
    beside = below[:-2]  # there is no room for histogram and statistics
    lower = Row((*above, *beside), weights=(*widths, *([1.0] * len(beside))))
    if trace.graph is None:
        return lower
    graph = network_graph.graph_pane(trace.graph, result.params.graph_colour, trace.layer)
    return Column((graph, lower), weights=(1.6, 1.0))


def parts(result: Shown, view: View) -> tuple[list[Layout], list[float], list[Layout]]:
    """The panes of the upper row, their widths, and those of the lower row."""
    trace = result.trace
    at, channels = positions(result, view), items(trace, view)
    looks: list[Layout] = []
    if trace.position is not None and trace.position.effective is not None:
        looks.append(field_pane(at, trace.position, trace.position.effective))
    if trace.cam is not None:
        looks.append(cam_pane(result.params.network, trace.cam, at, tr("speaks for it")))
    aspect = min(max(trace.fit.picture[0] / trace.fit.picture[1], 0.6), 1.4)  # a tall picture needs less width
    above: list[Layout] = [picture_pane(result, view, at), channels_pane(result, view, channels)]
    widths = [aspect, 1.5]
    if len(looks) > 1 and aspect > 1:  # wide pictures are stacked, tall ones stand side by side
        looks = [Column(tuple(looks))]
    above[1:1] = looks
    widths[1:1] = [aspect] * len(looks)
    below: list[Layout] = [histogram_pane(trace), statistics_pane(trace, shown_channel(trace, view))]
    if trace.probabilities is not None:
        below.insert(0, classes_pane(result.params.network, trace.probabilities, cam=trace.cam))
    return above, widths, below


# -- what is chosen


def shown_channel(trace: Trace, view: View) -> int:
    return min(view.channel, len(trace.maps) - 1)


def items(trace: Trace, view: View) -> Items:
    """The channels in their order; by number the chosen one is always among them."""
    total, chosen = len(trace.maps), shown_channel(trace, view)
    count = min(view.tiles, total)
    order: NDArray[np.intp]
    if view.order == BY_ACTIVATION:
        strength = trace.statistics.strength if trace.is_map else trace.maps[:, 0, 0]
        order = np.argsort(-strength, kind="stable")[:count]
    else:
        first = min(max(0, chosen - count + 1), total - count)
        order = np.arange(first, first + count)
    return Items("channel", order, chosen)


def positions(result: Shown, view: View) -> Positions:
    return Positions(result.frame, result.trace.cells, opacity=view.opacity, smooth=view.smooth)


# -- the panes


def colours(trace: Trace) -> dict[str, Any]:
    """Colour map and lower end: zero stands out where activations have both signs."""
    if trace.statistics.layer.low < 0:
        return {"colormap": "diverging", "ends": (None, None)}
    return {"colormap": "viridis", "ends": (0.0, None)}


def picture_pane(result: Shown, view: View, at: Positions) -> Pane:
    """The chosen channel over the picture, with the position that is asked about."""
    trace, channel = result.trace, shown_channel(result.trace, view)
    size = result.frame.size
    if not trace.is_map:
        return Pane("picture", tr("Picture"), (Image(result.frame.image),), "picture", size=size)
    marks = position_marks(at, trace.position) if trace.position is not None else []
    if trace.position is not None and result.params.position is not None:
        x, y = (min(max(v, 0.0), float(side)) for v, side in zip(result.params.position, size, strict=True))
        marks.append(Handles("position", "point", (x, y), colour=CELL, bounds=result.frame.extent, key="position"))
    title = tr("Channel {channel} on the picture", channel=channel)
    return at.map("picture", title, trace.maps[channel], tr("activation"), more=marks, mark="channel", **colours(trace))


def position_marks(at: Positions, position: Position) -> list[Mark]:
    """The cell and its theoretical receptive field."""
    box = np.array([at.cells.box(position.row, position.column)])
    found: list[Mark] = [Boxes(box, colours=CELL, width=1.5, key="cell")]
    if position.box is not None:
        words = tr("sees everything")
        if position.size is not None:
            words = tr("sees {width} × {height} px", width=position.size[0], height=position.size[1])
        field = Boxes(np.array([position.box]), (words,), FIELD, styles="dashed", key="receptive field")
        found.append(field)
    return found


def field_pane(at: Positions, position: Position, effective: NDArray[np.float32]) -> Pane:
    # Gradients fall off fast: their square roots show the rim as well as the middle.
    drawn = np.where(effective >= FAINT, np.sqrt(effective), np.nan)
    heat = Heatmap(
        drawn,
        label=tr("√ of gradient"),
        low=0.0,
        high=1.0,
        colormap="magma",
        opacity=0.85,
        extent=at.frame.extent,
        smooth=True,
        key="effective",
    )
    return at.picture("field", tr("Effective receptive field"), heat, *position_marks(at, position))


def channels_pane(result: Shown, view: View, channels: Items) -> Pane:
    """Tiles, or bars where each channel is one number."""
    trace = result.trace
    count, height, width = trace.maps.shape
    if not trace.is_map:
        bars = Bars(trace.maps[channels.order, 0, 0], label=tr("activation"), selected=channels.place, key="channels")
        title = tr("{layer}: {count} numbers", layer=trace.layer, count=count)
        axes = (Axis(tr("place in the order")), Axis(tr("activation")))
        return channels.pane("channels", title, (bars,), "channels", axes)
    title = tr(
        "{layer}: {count} channels of {width} × {height} cells",
        layer=trace.layer,
        count=count,
        width=width,
        height=height,
    )
    if len(channels.order) < count:
        title = tr(
            "{layer}: {shown} of {count} channels of {width} × {height} cells",
            layer=trace.layer,
            shown=len(channels.order),
            count=count,
            width=width,
            height=height,
        )
    return channels.tiles(
        "channels",
        title,
        trace.maps,
        tr("activation"),
        each=view.own_range,
        cells=trace.cells,
        placing=result.params.position is not None,
        mark="channels",
        **colours(trace),
    )


def histogram_pane(trace: Trace) -> Pane:
    numbers = trace.statistics
    title = tr("Activations of the layer")
    if numbers.sampled > 1:
        title = tr("Activations of the layer (1 in {step})", step=numbers.sampled)
    bars = Bars(numbers.counts, edges=numbers.edges, label=tr("count"), key="histogram")
    return Pane("histogram", title, (bars,), axes=(Axis(tr("activation")), Axis(tr("count"), log=True)))


def statistics_pane(trace: Trace, channel: int) -> Pane:
    numbers = trace.statistics
    layer, channels = numbers.layer, numbers.channels
    rows: list[tuple[str | float | int, ...]] = [
        (tr("highest"), layer.high, float(channels.high[channel])),
        (tr("mean"), layer.mean, float(channels.mean[channel])),
        (tr("lowest"), layer.low, float(channels.low[channel])),
        (tr("exactly zero"), share(layer.zero), share(float(channels.zero[channel]))),
    ]
    if numbers.limit is not None:
        saturated = share(layer.saturated), share(float(channels.saturated[channel]))
        rows.append((tr("at the limit {limit:g}", limit=numbers.limit), *saturated))
    rows.append((tr("standard deviation"), layer.deviation, float(channels.deviation[channel])))
    columns = (
        TableColumn(""),
        TableColumn(tr("layer")),
        TableColumn(tr("channel {channel}", channel=channel)),
    )
    return Pane("statistics", tr("Statistics"), (Table(columns, tuple(rows), key="statistics"),))


# -- the mouse


def tell(result: Shown, view: View, at: At) -> str:
    trace = result.trace
    if "node" in at and trace.graph is not None:
        return network_graph.told(trace.graph, trace.layer, at["node"])
    if "row" in at:
        row, column = at["row"], at["column"]
        x, y = trace.cells.centre(row, column)
        pixel = tr("centred at pixel ({x:.0f}, {y:.0f})", x=x, y=y)
        if "channel" in at:  # the read-out already names a tile's channel, cell and value
            return pixel
        channel = shown_channel(trace, view)
        unit = tr("channel {channel}, cell ({column}, {row})", channel=channel, column=column, row=row)
        return f"{unit}: {num(float(trace.maps[channel, row, column]))} · {pixel}"
    if "channel" in at:
        channel = at["channel"]
        words = tr("channel {channel}", channel=channel) + f": {num(float(trace.maps[channel, 0, 0]))}"
        names = class_names(result.params.network)
        last = trace.network.layers[trace.layer].shapes == trace.network.layers[""].shapes
        return f"{words} · {names[channel]}" if last and channel < len(names) else words
    return str(at.get("cam_class", ""))


def pick(result: Shown, view: View, spot: Spot) -> dict[str, Any] | None:
    """In the graph a click chooses, opens or shuts a box; the handle of the position is dragged, not clicked."""
    trace = result.trace
    if spot.pane == "graph" and trace.graph is not None:
        layers = {name for name in trace.network.layers if name and trace.network.shows(name)}
        return network_graph.pick(trace.graph, trace.layer, result.params.opened, layers, spot) or {}
    return {} if spot.mark == "position" else None


VIEWS = dict(zip(SHOWS, (channels_view, graph_view), strict=True))
