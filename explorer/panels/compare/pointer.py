"""What is under the pointer, and what a click sets."""

from typing import Any

import numpy as np

from explorer.figure import Boxes, Lit, Mark, Points, Probe, Spot
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.compare.controls import Params, View
from explorer.panels.compare.drawing import FLOOR
from explorer.panels.compare.selection import shown_channel, shown_measure, shown_tiles
from explorer.panels.compare.trace import Trace
from explorer.panels.compare.words import number, percent

PICTURES = ("first", "second", "difference")


def probe(result: Result, view: View, spot: Spot) -> Probe | None:
    """A cell in both networks, or a layer in the curve and the table."""
    trace: Trace = result.trace
    layer = layer_at(result, spot)
    if layer is not None:
        return probe_layer(result, layer)
    if spot.pane not in (*PICTURES, "tiles"):
        return None
    if not trace.is_map:
        if spot.index is None or not 0 <= spot.index < min(len(trace.first), len(trace.second)):
            return None
        return Probe(both_values(trace, spot.index, 0, 0))
    channel, cell = shown_channel(trace, view), None
    if spot.pane == "tiles":
        order = shown_tiles(trace, view)
        if spot.index is None or not 0 <= spot.index < len(order):
            return None
        channel, cell = int(order[spot.index]), (int(spot.y), int(spot.x))
    else:
        width, height = result.frame.size
        if 0 <= spot.x <= width and 0 <= spot.y <= height:
            cell = trace.cells[0].at(spot.x, spot.y)
    if cell is None or trace.channel_difference is None:
        return None
    row, column = cell
    if not (0 <= row < trace.first.shape[1] and 0 <= column < trace.first.shape[2]):
        return None
    box = Boxes(np.array([trace.cells[0].box(row, column)]), colours=1, key="probe")
    marks: dict[str, tuple[Mark, ...]] = dict.fromkeys(PICTURES, (box,))
    place = np.flatnonzero(shown_tiles(trace, view) == channel)
    if len(place):
        marks["tiles"] = (Lit("tiles", int(place[0]), x=column + 0.5, y=row + 0.5),)
    where = tr("channel {channel}, cell ({column}, {row})", channel=channel, column=column, row=row)
    return Probe(f"{where}: {both_values(trace, channel, row, column)}", marks)


def both_values(trace: Trace, channel: int, row: int, column: int) -> str:
    a, b = float(trace.first[channel, row, column]), float(trace.second[channel, row, column])
    return f"A {number(a)} · B {number(b)} · A − B {number(a - b)}"


def probe_layer(result: Result, layer: int) -> Probe:
    trace: Trace = result.trace
    params: Params = result.task.params
    numbers = {name: float(values[layer]) for name, values in trace.numbers.items()}
    said = [trace.pairs[layer].name]
    if np.isfinite(numbers["relative difference"]):
        said.append(f"{tr('relative difference')} {percent(numbers['relative difference'])}")
        said.append(f"{tr('largest difference')} {number(numbers['largest difference'])}")
        said.append(f"{tr('cosine')} {numbers['cosine']:.5f}")
    if np.isfinite(numbers["CKA"]):
        said.append(f"CKA {numbers['CKA']:.4f}")
    marks: dict[str, tuple[Mark, ...]] = {"table": (Lit("table", layer),)}
    measure = shown_measure(trace, params)
    shown = numbers[measure]
    if np.isfinite(shown):
        y = max(shown, FLOOR) if measure.endswith("difference") else shown
        marks["curve"] = (Points(np.array([[float(layer), y]]), colours=1, size=10.0, key="probe"),)
    return Probe(" · ".join(said), marks)


def layer_at(result: Result, spot: Spot) -> int | None:
    """The layer at a place of the curve, the nearest one, or at a row of the table."""
    trace: Trace = result.trace
    if spot.pane == "table" and spot.index is not None:
        return spot.index if 0 <= spot.index < len(trace.pairs) else None
    if spot.pane == "curve" and -0.5 <= spot.x <= len(trace.pairs) - 0.5:
        return int(np.clip(round(spot.x), 0, len(trace.pairs) - 1))
    return None


def pick(result: Result, view: View, spot: Spot) -> dict[str, Any] | None:
    """A place of the curve or a row of the table sets the layer, a tile or a bar the channel."""
    trace: Trace = result.trace
    layer = layer_at(result, spot)
    if layer is not None:
        return {"layer": trace.pairs[layer].first.name}
    if spot.index is None:
        return None
    if spot.pane == "tiles":
        order = shown_tiles(trace, view)
        return {"channel": int(order[spot.index])} if 0 <= spot.index < len(order) else None
    if spot.pane in PICTURES and not trace.is_map:
        return {"channel": int(spot.index)} if 0 <= spot.index < min(len(trace.first), len(trace.second)) else None
    return None
