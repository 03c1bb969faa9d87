"""From trace to figure: it only picks from what was computed."""

import numpy as np

from explorer.figure import (
    Axis,
    Bars,
    Boxes,
    Colormap,
    Column,
    Figure,
    Handles,
    Heatmap,
    Image,
    Layout,
    Mark,
    Pane,
    Row,
    Table,
    TableColumn,
    Tiles,
)
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.layers.controls import Params, View
from explorer.panels.layers.graph import graph_pane
from explorer.panels.layers.selection import class_names, is_map, shown_channel, shown_tiles, top_classes
from explorer.panels.layers.trace import Trace
from explorer.panels.layers.words import notes, percent, values

FAINT = 0.03
"""Gradients below this part of the largest are not drawn, so that the picture stays visible around the field."""
CELL, FIELD = 1, 3
"""Colours."""


def draw(result: Result, view: View) -> Figure:
    """Picture and channels above; classes, histogram and statistics below."""
    trace: Trace = result.trace
    channel = shown_channel(trace, view)
    looks: list[Layout] = []
    if trace.position is not None and trace.position.effective is not None:
        looks.append(field_pane(result))
    if trace.cam is not None:
        looks.append(cam_pane(result, view))
    aspect = min(max(trace.fit.picture[0] / trace.fit.picture[1], 0.6), 1.4)  # a tall picture needs less width
    above: list[Layout] = [picture_pane(result, view, channel), channels_pane(trace, view, channel)]
    widths = [aspect, 1.5]
    if len(looks) > 1 and aspect > 1:  # wide pictures are stacked, tall ones stand side by side
        looks = [Column(tuple(looks))]
    above[1:1] = looks
    widths[1:1] = [aspect] * len(looks)
    below: list[Layout] = [histogram_pane(trace), statistics_pane(trace, channel)]
    if trace.probabilities is not None:
        below.insert(0, classes_pane(result))
    if trace.graph is not None:
        params: Params = result.task.params
        layout = Column(
            (
                graph_pane(trace.graph, params.graph_colour, trace.layer),
                Row((*above, *below[:-2]), weights=(*widths, *([1.0] * len(below[:-2])))),
            ),
            weights=(1.6, 1.0),
        )
        return Figure(layout, values=values(result, channel), notes=tuple(notes(result)))
    return Figure(
        Column((Row(tuple(above), weights=tuple(widths)), Row(tuple(below))), weights=(1.7, 1.0)),
        values=values(result, channel),
        notes=tuple(notes(result)),
    )


def colours(trace: Trace) -> tuple[Colormap, float | None]:
    """Colour map and lower end: zero stands out where activations have both signs."""
    return ("diverging", None) if trace.statistics.layer.low < 0 else ("viridis", 0.0)


def picture_pane(result: Result, view: View, channel: int) -> Pane:
    trace: Trace = result.trace
    marks: list[Mark] = [Image(result.frame.image)]
    title = tr("Picture")
    if is_map(trace):
        colormap, low = colours(trace)
        values = trace.cells.spread(trace.maps[channel], smooth=view.smooth)
        marks.append(
            Heatmap(
                values,
                label=tr("activation"),
                low=low,
                colormap=colormap,
                opacity=view.opacity,
                extent=result.frame.extent,
                smooth=True,
                key="channel",
            )
        )
        title = tr("Channel {channel} on the picture", channel=channel)
    params: Params = result.task.params
    if trace.position is not None and params.position is not None:
        marks += position_marks(trace)
        width, height = result.frame.size
        x, y = params.position
        place = (min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height)))
        marks.append(Handles("position", "point", place, colour=CELL, bounds=result.frame.extent, key="position"))
    return Pane("picture", title, tuple(marks), space="picture", size=result.frame.size)


def position_marks(trace: Trace) -> list[Mark]:
    """The cell and its theoretical receptive field."""
    position = trace.position
    assert position is not None
    found: list[Mark] = [
        Boxes(np.array([trace.cells.box(position.row, position.column)]), colours=CELL, width=1.5, key="cell")
    ]
    if position.box is not None:
        words = tr("sees everything")
        if position.size is not None:
            words = tr("sees {width} × {height} px", width=position.size[0], height=position.size[1])
        found.append(
            Boxes(np.array([position.box]), labels=(words,), colours=FIELD, styles="dashed", key="receptive field")
        )
    return found


def field_pane(result: Result) -> Pane:
    trace: Trace = result.trace
    position = trace.position
    assert position is not None
    assert position.effective is not None
    # Gradients fall off fast: their square roots show the rim as well as the middle.
    drawn = np.where(position.effective >= FAINT, np.sqrt(position.effective), np.nan)
    heat = Heatmap(
        drawn,
        label=tr("√ of gradient"),
        low=0.0,
        high=1.0,
        colormap="magma",
        opacity=0.85,
        extent=result.frame.extent,
        smooth=True,
        key="effective",
    )
    marks = (Image(result.frame.image), heat, *position_marks(trace))
    return Pane("field", tr("Effective receptive field"), marks, space="picture", size=result.frame.size)


def cam_pane(result: Result, view: View) -> Pane:
    trace: Trace = result.trace
    assert trace.cam is not None
    heat = Heatmap(
        trace.cells.spread(trace.cam.map, smooth=view.smooth),
        label=tr("speaks for it"),
        low=0.0,
        colormap="magma",
        opacity=view.opacity,
        extent=result.frame.extent,
        smooth=True,
        key="cam",
    )
    name = class_names(result)[trace.cam.class_index]
    title = tr("Grad-CAM: {name}", name=name)
    return Pane("cam", title, (Image(result.frame.image), heat), space="picture", size=result.frame.size)


def channels_pane(trace: Trace, view: View, channel: int) -> Pane:
    """Tiles, or bars where each channel is one number."""
    order = shown_tiles(trace, view)
    count, height, width = trace.maps.shape
    place = np.flatnonzero(order == channel)
    selected = int(place[0]) if len(place) else None
    if not is_map(trace):
        bars = Bars(trace.maps[order, 0, 0], label=tr("activation"), selected=selected, key="channels")
        title = tr("{layer}: {count} numbers", layer=trace.layer, count=count)
        axes = (Axis(tr("place in the order")), Axis(tr("activation")))
        return Pane("channels", title, (bars,), axes=axes)
    colormap, low = colours(trace)
    tiles = Tiles(
        trace.maps[order],
        titles=tuple(str(i) for i in order),
        label=tr("activation"),
        low=low,
        each=view.own_range,
        colormap=colormap,
        selected=selected,
        key="channels",
    )
    title = tr(
        "{layer}: {count} channels of {width} × {height} cells",
        layer=trace.layer,
        count=count,
        width=width,
        height=height,
    )
    if len(order) < count:
        title = tr(
            "{layer}: {shown} of {count} channels of {width} × {height} cells",
            layer=trace.layer,
            shown=len(order),
            count=count,
            width=width,
            height=height,
        )
    return Pane("channels", title, (tiles,))


def classes_pane(result: Result) -> Pane:
    trace: Trace = result.trace
    assert trace.probabilities is not None
    best = top_classes(trace)
    names = class_names(result)
    chosen = list(best).index(trace.cam.class_index) if trace.cam and trace.cam.class_index in best else None
    bars = Bars(
        100 * trace.probabilities[best].astype(np.float64),
        labels=tuple(names[i] for i in best),
        label=tr("probability"),
        horizontal=True,
        selected=chosen,
        key="classes",
    )
    title = tr("Most likely of {count} classes", count=len(names))
    axes = (Axis(tr("probability"), "%", low=0.0, high=100.0), Axis(""))
    return Pane("classes", title, (bars,), axes=axes)


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
        (tr("exactly zero"), percent(layer.zero), percent(float(channels.zero[channel]))),
    ]
    if numbers.limit is not None:
        saturated = percent(layer.saturated), percent(float(channels.saturated[channel]))
        rows.append((tr("at the limit {limit:g}", limit=numbers.limit), *saturated))
    rows.append((tr("standard deviation"), layer.deviation, float(channels.deviation[channel])))
    columns = (
        TableColumn(""),
        TableColumn(tr("layer")),
        TableColumn(tr("channel {channel}", channel=channel)),
    )
    return Pane("statistics", tr("Statistics"), (Table(columns, tuple(rows), key="statistics"),))
