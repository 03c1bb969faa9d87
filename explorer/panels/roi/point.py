"""One sampling point of RoI Align at close range: its four cells, their weights, and the sum."""

import numpy as np

from explorer.figure import Mark, Pane, Points, Segments, Table, TableColumn, Text
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.roi.controls import AVERAGE, View
from explorer.panels.roi.maps import ALIGN, CHOSEN, ROI, WHITE, box, ground, lines
from explorer.panels.roi.selection import (
    HALF,
    Array,
    Selection,
    Window,
    align_bin,
    align_region,
    edges,
    feature_map,
    outputs,
    point_values,
)
from explorer.panels.roi.trace import Trace

NEAR = 1
"""Cells shown around the four."""
FACTORS = ("(1 − dy)(1 − dx)", "(1 − dy) dx", "dy (1 − dx)", "dy dx")


def point_panes(result: Result, view: View, chosen: Selection) -> tuple[Pane, Pane, Pane]:
    """The point on the map, its interpolation as a table, and all points of its bin as another."""
    trace: Trace = result.trace
    at = chosen.row, chosen.column
    cells, weights = trace.align.bilinear(0, *at)
    points = trace.align.sampling_points(0, *at).numpy()
    title = tr("Bin ({row}, {column}), point {point} of {points}", row=at[0], column=at[1],
               point=chosen.point + 1, points=len(points))  # fmt: skip
    if not len(points):
        nothing = Table((TableColumn(tr("Point")),), ())
        marks = ground(result, feature_map(trace, chosen), colormap="grey")
        return (
            Pane("point", title, marks),
            Pane("interpolation", tr("Bilinear interpolation"), (nothing,)),
            Pane("points", tr("The bin's points"), (nothing,)),
        )
    close = _close_up(result, view, chosen, cells[chosen.point].numpy(), weights[chosen.point].numpy(), points)
    return (
        Pane("point", title, close),
        _interpolation(trace, chosen, cells[chosen.point].numpy(), weights[chosen.point].numpy()),
        _points(trace, chosen, points),
    )


def _close_up(
    result: Result, view: View, chosen: Selection, cells: Array, weights: Array, points: Array
) -> tuple[Mark, ...]:
    trace: Trace = result.trace
    rows, columns = trace.grid.shape
    x0, y0, x1, y1 = cells[:, 1].min(), cells[:, 0].min(), cells[:, 1].max(), cells[:, 0].max()
    window: Window = (
        max(int(x0) - NEAR, 0), max(int(y0) - NEAR, 0), min(int(x1) + NEAR + 1, columns), min(int(y1) + NEAR + 1, rows)
    )  # fmt: skip
    values = feature_map(trace, chosen)
    near = values[window[1] : window[3], window[0] : window[2]]
    low, high = float(near.min()), float(near.max())
    label = tr("feature map") if chosen.channel is None else tr("channel {channel}", channel=chosen.channel)
    marks = list(ground(result, values, window, label=label, low=low, high=high, colormap="grey", opacity=view.opacity))
    x, y = edges(trace)[1]
    left, top, right, bottom = (float(v) for v in align_region(trace))
    marks.append(lines(trace.grid.x(x), trace.grid.y(y), (left, top, right, bottom), ALIGN, 1.2, "bins"))
    marks.append(box(np.array(trace.roi), ROI, 2.0, "region", dashed=True))
    marks.append(box(align_bin(trace, chosen.row, chosen.column), CHOSEN, 3.0, "chosen"))
    used = weights > 0
    middles = trace.grid.points(cells[:, ::-1] + HALF)[used]
    here = trace.grid.points(points + HALF)
    start = np.repeat(here[chosen.point][None], len(middles), 0)
    marks.append(Segments(start, middles, WHITE, 2.0, key="ties"))
    marks.append(Points(middles, colours=WHITE, size=9.0, symbol="square", key="four cells"))
    marks.append(Points(here, colours=CHOSEN, size=8.0, key="own points"))
    marks.append(Points(here[chosen.point][None], colours=CHOSEN, size=14.0, key="chosen point"))
    for i, (place, weight, cell) in enumerate(zip(middles, weights[used], cells[used], strict=True)):
        words = f"{weight:.2f}\n× {values[cell[0], cell[1]]:.2f}".replace("-", "−")
        marks.append(Text(words, (float(place[0]), float(place[1])), key=f"weight {i}"))
    return tuple(marks)


def _interpolation(trace: Trace, chosen: Selection, cells: Array, weights: Array) -> Pane:
    values = feature_map(trace, chosen)[cells[:, 0], cells[:, 1]]
    rows = tuple(
        (f"{cell[0]}, {cell[1]}", f"{factor} = {weight:.3f}", float(value), float(weight * value))
        for cell, factor, weight, value in zip(cells, FACTORS, weights, values, strict=True)
    )
    total = (tr("sum"), f"{weights.sum():.3f}", "", float((weights * values).sum()))
    columns = (
        TableColumn(tr("Cell")),
        TableColumn(tr("Weight")),
        TableColumn(tr("Value"), digits=4),
        TableColumn(tr("Product"), digits=4),
    )
    return Pane("interpolation", tr("Bilinear interpolation"), (Table(columns, (*rows, total), key="four"),))


def _points(trace: Trace, chosen: Selection, points: Array) -> Pane:
    sampled = point_values(trace, chosen)
    rows: list[tuple[str | float | int, ...]] = [
        (i + 1, float(x), float(y), float(value)) for i, ((x, y), value) in enumerate(zip(points, sampled, strict=True))
    ]
    mode = tr("average") if trace.params.mode == AVERAGE else tr("maximum")
    rows.append((mode, "", "", float(outputs(trace, chosen)[1][chosen.row, chosen.column])))
    columns = (
        TableColumn(tr("Point")),
        TableColumn("x", tr("cells"), 2),
        TableColumn("y", tr("cells"), 2),
        TableColumn(tr("Value"), digits=4),
    )
    table = Table(columns, tuple(rows), selected=chosen.point, key="points")
    return Pane("points", tr("The bin's points, and its output"), (table,))
