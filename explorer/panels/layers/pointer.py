"""What is under the pointer, and what a click sets."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.figure import Boxes, Lit, Mark, Probe, Spot
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.layers import graph
from explorer.panels.layers.controls import Params, View
from explorer.panels.layers.drawing import CELL
from explorer.panels.layers.selection import class_names, is_map, shown_channel, shown_tiles, top_classes
from explorer.panels.layers.trace import Trace, shows_something

PICTURES = ("picture", "field", "cam")


def probe(result: Result, view: View, spot: Spot) -> Probe | None:
    """The cell under the pointer, lit in the picture, in the other pictures and in its tile."""
    trace: Trace = result.trace
    if spot.pane == "graph":
        return graph.probe(trace.graph, trace.layer, spot) if trace.graph is not None else None
    order = shown_tiles(trace, view)
    if not is_map(trace):
        return probe_number(result, order, spot)
    found = cell_at(result, view, spot)
    if found is None:
        return None
    channel, row, column = found
    value = float(trace.maps[channel, row, column])
    x, y = trace.cells.centre(row, column)
    pixel = tr("centred at pixel ({x:.0f}, {y:.0f})", x=x, y=y)
    if spot.pane == "channels":  # the read-out already names a tile's channel, cell and value
        text = pixel
    else:
        unit = tr("channel {channel}, cell ({column}, {row})", channel=channel, column=column, row=row)
        text = f"{unit}: {signed(value)} · {pixel}"
    box = Boxes(np.array([trace.cells.box(row, column)]), colours=CELL, width=2.0, key="probe")
    marks: dict[str, tuple[Mark, ...]] = dict.fromkeys(PICTURES, (box,))
    tile = np.flatnonzero(order == channel)
    if len(tile):
        marks["channels"] = (Lit("channels", int(tile[0]), x=column + 0.5, y=row + 0.5),)
    return Probe(text, marks)


def probe_number(result: Result, order: NDArray[np.intp], spot: Spot) -> Probe | None:
    """Which channel a bar stands for, and of the last layer, which class."""
    trace: Trace = result.trace
    if spot.pane != "channels" or spot.index is None or not 0 <= spot.index < len(order):
        return None
    channel = int(order[spot.index])
    words = tr("channel {channel}", channel=channel) + f": {signed(float(trace.maps[channel, 0, 0]))}"
    names = class_names(result)
    last = trace.network.layers[trace.layer].shapes == trace.network.layers[""].shapes
    return Probe(f"{words} · {names[channel]}" if last and channel < len(names) else words)


def pick(result: Result, view: View, spot: Spot) -> dict[str, Any] | None:
    """A picture sets the position, a tile the channel (and moves the position, if there is one), a class bar Grad-CAM's class."""
    trace: Trace = result.trace
    params: Params = result.task.params
    if spot.pane == "graph" and trace.graph is not None:
        return graph.pick(trace.graph, trace.layer, params.opened, layers_to_show(trace), spot)
    if spot.pane in PICTURES and spot.mark != "position" and is_map(trace):
        width, height = result.frame.size
        inside = 0 <= spot.x <= width and 0 <= spot.y <= height
        return {"position": (round(spot.x, 1), round(spot.y, 1))} if inside else None
    if spot.index is None:
        return None
    if spot.pane == "channels":
        order = shown_tiles(trace, view)
        if not 0 <= spot.index < len(order):
            return None
        found: dict[str, Any] = {"channel": int(order[spot.index])}
        cell = cell_at(result, view, spot) if is_map(trace) else None
        if cell is not None and params.position is not None:
            x, y = trace.cells.centre(cell[1], cell[2])
            found["position"] = (round(x, 1), round(y, 1))
        return found
    if spot.pane == "classes" and trace.probabilities is not None and 0 <= spot.index < len(top_classes(trace)):
        return {"grad_cam": True, "cam_class": class_names(result)[top_classes(trace)[spot.index]]}
    return None


def layers_to_show(trace: Trace) -> set[str]:
    return {name for name, layer in trace.network.layers.items() if name and shows_something(layer)}


def cell_at(result: Result, view: View, spot: Spot) -> tuple[int, int, int] | None:
    """Channel, row and column of the unit at a spot of a picture or a tile."""
    trace: Trace = result.trace
    _, height, width = trace.maps.shape
    if spot.pane in PICTURES:
        wide, high = result.frame.size
        if not (0 <= spot.x <= wide and 0 <= spot.y <= high):
            return None
        return shown_channel(trace, view), *trace.cells.at(spot.x, spot.y)
    if spot.pane == "channels" and spot.index is not None:
        order = shown_tiles(trace, view)
        row, column = int(spot.y), int(spot.x)
        if 0 <= spot.index < len(order) and 0 <= row < height and 0 <= column < width:
            return int(order[spot.index]), row, column
    return None


def signed(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")
